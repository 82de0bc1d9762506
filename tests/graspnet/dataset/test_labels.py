"""Facts about labels: what a metric and a clearance say together."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from graspnet.dataset import Clearance
from graspnet.dataset.labels import soft_label

lengths = st.floats(-0.02, 0.02)


@given(near=lengths, far=lengths)
def test_more_room_never_lowers_a_label(near, far):
    room = np.sort([near, far])
    for sigma in (0.0, 0.0025):
        less, more = soft_label(np.array([0.8, 0.8]), room, sigma)
        assert 0 <= less <= more <= 0.8


def test_what_touches_holds_nothing_whatever_the_metric_says():
    touching, free = np.array([-0.001, -np.inf]), np.array([0.0, np.inf])
    np.testing.assert_array_equal(soft_label(np.array([np.nan, -1.0]), touching, 0.0), [0.0, 0.0])
    np.testing.assert_array_equal(soft_label(np.array([np.nan, -1.0]), free, 0.0), [np.nan, -1.0])


def test_the_smallest_of_all_distances_counts():
    names = ("fingers", "palm", "table", "neighbours")
    each = dict(zip(names, np.random.default_rng(0).normal(size=(4, 20)), strict=True))
    clearance = Clearance.of(each)
    np.testing.assert_array_equal(clearance.smallest, np.min(list(each.values()), axis=0))
    assert list(clearance.parts) == ["fingers", "palm"]
    assert clearance.each == each


def test_clearances_are_taken_apart_and_joined():
    each = {name: np.arange(3.0) + k for k, name in enumerate(("cup", "table", "neighbours"))}
    clearance = Clearance.of(each)
    back = Clearance.concatenate([clearance[np.array([0])], clearance[np.array([False, True, True])]])
    np.testing.assert_equal(back.each, each)
