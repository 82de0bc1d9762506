"""Facts about what a planner refused."""

import numpy as np

from graspnet.refusals import Refusals


def test_counts_and_places_are_of_each_reason():
    refusals = Refusals()
    assert not refusals
    refusals.add("a", np.zeros((0, 3)))
    assert not refusals
    refusals.add("a", np.ones((2, 3)))
    refusals.add("b", np.zeros((11, 3)))
    refusals.add("a", np.zeros((1, 3)))
    assert refusals
    assert refusals.counts == {"a": 3, "b": 11}
    assert refusals.places["a"].tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]
    assert str(refusals) == "11  b\n 3  a"


def test_merging_leaves_both_as_they_were():
    one, other = Refusals(), Refusals()
    one.add("a", np.zeros((2, 3)))
    other.add("a", np.ones((1, 3)))
    other.add("c", np.ones((4, 3)))
    both = one.merged(other)
    assert both.counts == {"a": 3, "c": 4}
    assert one.counts == {"a": 2}
    assert other.counts == {"a": 1, "c": 4}
