"""Figures of predictions whose worth is known."""

import numpy as np
import pytest
from scipy.special import expit

from graspnet.training.metrics import best_in_image, evaluate, fit_temperature, precision_recall

ALL = np.ones(5, dtype=bool)


def test_average_precision_of_five_predictions_worked_by_hand():
    """Ranked: hit, miss, hit, miss, hit: (1/1 + 2/3 + 3/5) / 3; five of six pairs … are ordered: AUC 3/6."""
    quality = np.array([0.9, 0.8, 0.7, 0.6, 0.4])
    positive = np.array([True, False, True, False, True])
    figures = evaluate(quality, positive.astype(float), positive, ALL)
    assert figures.average_precision == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert figures.roc_auc == pytest.approx(3 / 6)
    assert figures.accuracy == pytest.approx(2 / 5)
    assert figures.balanced_accuracy == pytest.approx((2 / 3 + 0 / 2) / 2)
    assert figures.brier == pytest.approx(np.mean([0.1**2, 0.8**2, 0.3**2, 0.6**2, 0.6**2]))


def test_misses_and_collisions_do_not_count_among_the_feasible():
    quality = np.array([0.9, 0.8, 0.7, 0.1, 0.0])
    positive = np.array([False, True, True, False, False])
    figures = evaluate(quality, positive.astype(float), positive, np.array([False, True, True, True, False]))
    assert figures.feasible_examples == 3
    assert figures.feasible_positive_rate == pytest.approx(2 / 3)
    assert figures.feasible_average_precision == pytest.approx(1)
    assert figures.average_precision < 1


def test_what_is_undefined_is_none():
    figures = evaluate(np.full(5, 0.2), np.zeros(5), ~ALL, ~ALL)
    assert figures.average_precision is figures.roc_auc is figures.balanced_accuracy is None
    assert figures.feasible_positive_rate is None
    assert figures.accuracy == 1
    assert any("undefined" in line for line in figures.lines())


def test_a_network_that_guesses_is_told_so_and_one_that_ranks_is_not():
    rng = np.random.default_rng(0)
    positive, everything = rng.random(2000) < 0.2, np.ones(2000, dtype=bool)
    guess = evaluate(rng.random(2000), positive.astype(float), positive, everything)
    ranks = evaluate(0.5 * rng.random(2000) + 0.3 * positive, positive.astype(float), positive, everything)
    assert any("no better than a guess" in line for line in guess.lines())
    assert not any("no better than a guess" in line for line in ranks.lines())


def test_calibration_error_is_zero_for_the_truth_and_the_surplus_of_an_optimist():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.05, 0.85, 2000)
    everything = np.ones(2000, dtype=bool)
    assert evaluate(truth, truth, truth > 0.5, everything).calibration_error == pytest.approx(0, abs=1e-12)
    optimist = evaluate(truth + 0.1, truth, truth > 0.5, everything)
    assert optimist.calibration_error == pytest.approx(0.1)


def test_the_temperature_that_sharpened_the_logits_is_found():
    """Targets are the true probabilities, so the optimum is exact."""
    odds = np.random.default_rng(0).normal(0, 2, 500)
    assert fit_temperature(2.5 * odds, expit(odds)) == pytest.approx(2.5, rel=1e-3)


def test_the_fitted_temperature_never_raises_the_cross_entropy():
    rng = np.random.default_rng(1)
    odds, positive = rng.normal(0, 4, 300), rng.random(300) < 0.3
    temperature = fit_temperature(odds, positive.astype(float))
    fitted, plain = (
        evaluate(expit(odds / t), positive.astype(float), positive, np.ones(300, dtype=bool)).cross_entropy
        for t in (temperature, 1.0)
    )
    assert fitted <= plain


def test_precision_at_a_recall_is_the_best_at_that_recall_or_more():
    quality = np.array([0.9, 0.8, 0.7, 0.6])
    positive = np.array([True, False, True, True])
    curve = precision_recall(quality, positive, points=4)
    np.testing.assert_allclose(curve["recall"], [0, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(curve["precision"], [1, 1, 3 / 4, 3 / 4])


def test_a_curve_without_positives_is_empty():
    assert precision_recall(np.array([0.5]), np.array([False])) == {"recall": [], "precision": []}


def test_the_best_of_every_image_is_what_a_plain_loop_finds():
    rng = np.random.default_rng(8)
    image = np.sort(rng.integers(0, 7, 60)) * 3  # numbers with gaps
    quality, robustness = rng.random(60), rng.random(60)
    found = best_in_image(quality, robustness, image)
    for k, number in enumerate(np.unique(image)):
        rows = np.flatnonzero(image == number)
        chosen = max(rows, key=lambda row: quality[row])
        assert found.row[k] == chosen
        assert found.robustness[k] == robustness[chosen]
        assert found.regret[k] == pytest.approx(max(robustness[rows]) - robustness[chosen])
