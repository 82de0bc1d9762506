"""Studies of the judge and of the labels, run by hand: `python -m sim_eval.studies.fidelity`, `….label_study`."""
