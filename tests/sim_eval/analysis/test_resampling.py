"""Intervals over objects: draw 0 has scikit-learn's figures, and a draw is a weighting of whole objects."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from graspnet.sim_eval.analysis.resampling import Estimate, Resampling
from graspnet.training.metrics import evaluate


@pytest.fixture
def examples():
    rng = np.random.default_rng(3)
    owner = np.repeat([f"cup_{k}" for k in range(12)], 20)
    target = rng.random(len(owner))
    quality = np.round(np.clip(0.7 * target + 0.3 * rng.random(len(owner)), 0, 1), 1)  # rounded: there are ties
    return owner, quality, target, target > 0.5


def test_every_draw_of_a_ranking_is_scikit_learns_with_objects_as_often_as_they_are_drawn(examples):
    owner, quality, _, positive = examples
    resampling = Resampling(owner, draws=5, seed=0)
    precision, area = resampling.ranking(quality, positive, np.ones(len(owner), dtype=bool))
    names = np.unique(owner)
    for draw, counts in enumerate(resampling.counts):
        weight = counts[np.searchsorted(names, owner)]
        assert precision[draw] == pytest.approx(average_precision_score(positive, quality, sample_weight=weight))
        assert area[draw] == pytest.approx(roc_auc_score(positive, quality, sample_weight=weight))


def test_draw_0_has_the_figures_of_the_sample(examples):
    owner, quality, target, positive = examples
    everywhere = np.ones(len(owner), dtype=bool)
    figures = evaluate(quality, target, positive, everywhere)
    resampling = Resampling(owner, draws=3, seed=1)
    assert resampling.mean((quality - target) ** 2)[0] == pytest.approx(figures.brier)
    assert resampling.calibration_error(quality, target, everywhere)[0] == pytest.approx(figures.calibration_error)


def test_the_interval_of_a_mean_of_independent_objects_is_the_normal_one():
    """One example an object: the bootstrap's deviation is s / √n, known to a tenth from 2000 draws."""
    values = np.random.default_rng(5).normal(0.4, 0.2, 400)
    estimate = Estimate.of(Resampling(np.arange(400), draws=2000, seed=2).mean(values))
    half = 1.96 * values.std() / np.sqrt(400)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.high - estimate.low == pytest.approx(2 * half, rel=0.1)


def test_copies_of_an_example_narrow_no_interval():
    """Ten equal examples of each object tell no more than one."""
    values = np.random.default_rng(6).random(60)
    once = Estimate.of(Resampling(np.arange(60), draws=500, seed=0).mean(values))
    tenfold = Estimate.of(Resampling(np.repeat(np.arange(60), 10), draws=500, seed=0).mean(np.repeat(values, 10)))
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))


def test_the_p_value_of_a_difference_is_that_of_a_z_test():
    values = np.random.default_rng(7).normal(0.03, 0.2, 300)
    estimate = Estimate.of_difference(Resampling(np.arange(300), draws=4000, seed=0).mean(values))
    z = values.mean() / (values.std() / np.sqrt(300))
    assert estimate.p_value == pytest.approx(2 * stats.norm.sf(abs(z)), rel=0.25)


def test_one_object_or_two_have_figures_and_no_intervals(examples):
    _, quality, target, positive = examples
    every = np.ones(len(quality), dtype=bool)
    for objects, known in ((1, False), (2, False), (3, True)):
        resampling = Resampling(np.arange(len(quality)) % objects, draws=50, seed=0)
        figures = [resampling.mean(target), resampling.calibration_error(quality, target, every)]
        figures += resampling.ranking(quality, positive, every)
        for draws in figures:
            found, difference = Estimate.of(draws), Estimate.of_difference(draws)
            assert found.value == draws[0]
            assert found.defined
            assert np.isfinite([found.low, found.high, difference.p_value]).tolist() == [known] * 3


def test_one_class_has_no_ranking_and_nothing_has_no_mean():
    resampling = Resampling(np.array(["a", "a", "b"]), draws=4, seed=0)
    precision, area = resampling.ranking(np.array([0.1, 0.5, 0.9]), np.zeros(3, dtype=bool), np.ones(3, dtype=bool))
    assert np.isnan(precision).all()
    assert np.isnan(area).all()
    nobody = np.zeros(3, dtype=bool)
    assert not Estimate.of(resampling.mean(np.ones(3), nobody)).defined
    assert Estimate.of(resampling.ranking(np.ones(3), nobody, nobody)[0]).to_json() == [None, None, None]
