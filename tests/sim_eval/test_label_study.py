"""The label study: labels are probabilities, the executed grasps are those that were labelled, and seeds reproduce."""

import numpy as np

from sim_eval.label_study import ROBUST, Study, study_object


def test_a_study_of_one_object_is_reproducible_and_labels_are_probabilities():
    first, again = (study_object(Study(index=0, seed=3, grasps=6)) for _ in range(2))
    assert first.name == again.name == "box_00000"
    assert set(first.labels) == {
        f"{m}{suffix}" for m in ROBUST for suffix in ("", ", no collision", ", soft clearance")
    }
    assert len(first.lifted) == 6
    for name, values in first.labels.items():
        np.testing.assert_array_equal(values, again.labels[name])
        assert values.min() >= 0
        assert values.max() <= 1
    np.testing.assert_array_equal(first.lifted, again.lifted)


def test_collisions_only_lower_a_label():
    studied = study_object(Study(index=2, seed=3, grasps=12))
    for metric in ROBUST:
        free, hard = studied.labels[metric], studied.labels[f"{metric}, no collision"]
        assert np.all((hard == free) | (hard == 0))
        assert np.all(studied.labels[f"{metric}, soft clearance"] <= free)
