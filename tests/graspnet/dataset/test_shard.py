"""Facts about shards: what a label is."""

from dataclasses import replace

import numpy as np
import pytest

from graspnet.dataset import Clearance, Dataset, GraspTable, MetricEstimate
from graspnet.errors import InputError

from .conftest import make_shard


def test_robustness_is_zero_in_collision(folder):
    grasps = Dataset.open(folder).read(0).grasps
    clearance = grasps.clearance
    free = (clearance.parts["fingers"] >= 0) & (clearance.parts["palm"] >= 0) & (clearance.table >= 0)
    free &= clearance.neighbours >= 0
    expected = np.where(free, grasps.metrics["robust_force_closure"].mean, 0)
    np.testing.assert_array_equal(grasps.robustness("robust_force_closure"), expected)
    assert np.all(grasps.robustness("robust_force_closure", clearance_sigma=1e-9)[~free] < 1e-6)
    with pytest.raises(InputError, match=r"no metric 'epsilon'.*robust_force_closure"):
        grasps.robustness("epsilon")


def test_a_soft_label_halves_where_the_hand_just_touches(folder):
    grasps = Dataset.open(folder).read(0).grasps
    on_the_table = Clearance({"fingers": np.ones(7), "palm": np.ones(7)}, np.zeros(7), np.full(7, np.inf))
    touching = replace(grasps, clearance=on_the_table)
    soft = touching.robustness("robust_force_closure", clearance_sigma=0.002)
    np.testing.assert_allclose(soft, grasps.metrics["robust_force_closure"].mean / 2)


def test_joined_tables_hold_the_rows_of_both():
    first, second = (make_shard(np.random.default_rng(seed)).grasps for seed in (0, 1))
    both = GraspTable.concatenate([first, second])
    widths = [table.columns["width"] for table in (first, second)]
    np.testing.assert_array_equal(both.columns["width"], np.concatenate(widths))
    np.testing.assert_array_equal(both.clearance.smallest[-7:], second.clearance.smallest)
    assert both.source == first.source + second.source
    assert list(both.metrics["robust_force_closure"].mean[-7:]) == list(second.metrics["robust_force_closure"].mean)


def test_jaws_close_on_a_flat_object_whose_middle_line_they_pass_over():
    """Of four grasps that the middle line misses, `centering` knows the first, a closure above 0 the second."""
    table = make_shard(np.random.default_rng(0), grasps=4).grasps
    half = table.columns["width"] / 2
    pushes = np.array([0.001, half[1], half[2], half[3]])
    closures = np.array([0.0, 0.4, 0.0, 0.0])

    def metric(values: np.ndarray) -> MetricEstimate:
        return MetricEstimate(values, np.zeros(4), np.ones(4, dtype=np.int64))

    known = {"centering": metric(pushes), "robust_pad_closure": metric(closures)}
    missed = replace(table, contact_found=np.zeros(4, dtype=bool), metrics=known)
    assert missed.closes.tolist() == [True, True, False, False]
    assert replace(missed, contact_found=np.arange(4) == 3).closes.tolist() == [True, True, False, True]
    assert replace(missed, metrics={}).closes.tolist() == [False] * 4
