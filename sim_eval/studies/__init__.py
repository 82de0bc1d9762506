"""Studies of the judge and of the labels, run by hand: `python -m graspnet.sim_eval.studies.fidelity`."""
