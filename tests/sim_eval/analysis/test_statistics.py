"""Intervals agree with SciPy and with published tables, and cover what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from graspnet.errors import InputError
from graspnet.sim_eval.analysis.statistics import (
    bootstrap_over_objects,
    holm_adjusted,
    mcnemar_p_value,
    paired_difference,
    swap_p_value,
    wilson_interval,
)


def _outcomes(both: int, only_first: int, only_second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    first = np.repeat([True, True, False, False], [both, only_first, only_second, neither])
    second = np.repeat([True, False, True, False], [both, only_first, only_second, neither])
    return first, second


@given(trials=st.integers(1, 2000), share=st.floats(0, 1), confidence=st.sampled_from([0.8, 0.95, 0.99]))
def test_wilsons_interval_is_scipys(trials, share, confidence):
    successes = round(share * trials)
    expected = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    assert wilson_interval(successes, trials, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_nothing_is_known_without_trials():
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_more_successes_than_trials_are_refused():
    with pytest.raises(InputError, match="5 successes of 4 trials"):
        wilson_interval(5, 4)


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        ((36, 12, 2, 0), 0.0569, 0.3404),  # Newcombe 1998, table III, method 10
        ((54, 0, 0, 0), -0.0664, 0.0664),
        ((0, 54, 0, 0), 0.9061, 1.0),  # method 10 keeps within [-1, 1]
    ],
)
def test_paired_intervals_are_newcombes(table, low, high):
    found = paired_difference(*_outcomes(*table))
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_the_paired_interval_covers_the_true_difference_as_often_as_it_says():
    """Policies with rates 0.70 and 0.62 that fail together: 95 % of 2,000 intervals hold 0.08, within 3 σ (1.5 %)."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        counts = rng.multinomial(100, [0.55, 0.15, 0.07, 0.23])
        found = paired_difference(*_outcomes(*counts))
        covered += found.low <= 0.08 <= found.high
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)


def test_the_paired_interval_agrees_with_a_bootstrap_over_trials():
    first, second = _outcomes(120, 40, 15, 75)
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 250, (4000, 250))
    differences = first[rows].mean(axis=1) - second[rows].mean(axis=1)
    found = paired_difference(first, second)
    np.testing.assert_allclose([found.low, found.high], np.quantile(differences, [0.025, 0.975]), atol=0.01)


def test_pairing_narrows_the_interval_of_policies_that_fail_on_the_same_trials():
    alike = paired_difference(*_outcomes(60, 10, 2, 28))
    independent = paired_difference(*_outcomes(43, 27, 19, 11))  # the same rates, no correlation
    assert alike.difference == pytest.approx(independent.difference)
    assert alike.high - alike.low < 0.7 * (independent.high - independent.low)


def test_swapping_the_policies_turns_the_interval_round():
    first, second = _outcomes(30, 12, 5, 9)
    one, other = paired_difference(first, second), paired_difference(second, first)
    assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low))
    assert one.p_value == other.p_value


@pytest.mark.parametrize(
    ("wins", "losses", "expected"), [(12, 2, 0.012939453125), (5, 5, 1.0), (0, 0, 1.0), (6, 0, 0.03125)]
)
def test_mcnemar_is_a_fair_coin_on_the_discordant_trials(wins, losses, expected):
    """Both tails of Binomial(n, ½): 2 · (1 + 14 + 91) / 2¹⁴ for 12 to 2, 2 / 2⁶ for 6 to 0."""
    assert mcnemar_p_value(wins, losses) == pytest.approx(expected)


def test_holm_agrees_with_a_published_example():
    # Holm's own procedure, worked by hand: 4 × 0.01, 3 × 0.02, then monotone, then capped
    np.testing.assert_allclose(holm_adjusted([0.02, 0.01, 0.03, 0.4]), [0.06, 0.04, 0.06, 0.4])
    np.testing.assert_allclose(holm_adjusted([0.9, 0.8]), [1.0, 1.0])
    assert len(holm_adjusted([])) == 0


def test_the_bootstrap_over_single_trials_agrees_with_scipy():
    rng = np.random.default_rng(0)
    values = rng.normal(size=200)
    names = [f"object_{i}" for i in range(200)]
    low, high = bootstrap_over_objects(lambda trials: float(values[trials].mean()), names)
    expected = stats.bootstrap((values,), np.mean, method="percentile", rng=1).confidence_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.02)


def test_trials_of_one_object_count_as_one_draw():
    """Ten copies of each trial tell nothing new: the interval stays as wide as that of one copy."""
    rng = np.random.default_rng(1)
    lifted = rng.random(60) < 0.6
    names = [f"object_{i}" for i in range(60)]
    once = bootstrap_over_objects(lambda trials: float(lifted[trials].mean()), names)
    often = np.repeat(lifted, 10)
    tenfold = bootstrap_over_objects(lambda t: float(often[t].mean()), list(np.repeat(names, 10)))
    assert tenfold == pytest.approx(once, abs=0.02)
    assert np.isnan(bootstrap_over_objects(lambda trials: 0.0, [])).all()


def _rounds(successes: np.ndarray, of: int) -> np.ndarray:
    return np.stack([successes, np.full(len(successes), of)], axis=1).astype(np.float64)


@pytest.mark.parametrize(("rounds", "tolerance"), [(3, 1e-12), (11, 1e-12), (16, 0.01)])  # 20,000 swaps: ± 3 σ
def test_swaps_of_rounds_are_scipys_paired_permutation_test(rounds, tolerance):
    rng = np.random.default_rng(rounds)
    for _ in range(5):
        one, other = rng.integers(0, 6, (2, rounds))
        expected = stats.permutation_test(
            (one, other), lambda a, b: float(np.mean(a - b)), permutation_type="samples", vectorized=False,
            n_resamples=np.inf,
        )  # fmt: skip
        assert swap_p_value(_rounds(one, 5), _rounds(other, 5)) == pytest.approx(expected.pvalue, abs=tolerance)


def test_swaps_of_rounds_know_that_one_planner_tried_more_often():
    """5 of 5 against 5 of 10, twice: two of the four swaps are as far apart."""
    few, many = np.array([[5.0, 5.0], [5.0, 5.0]]), np.array([[5.0, 10.0], [5.0, 10.0]])
    assert swap_p_value(few, many) == swap_p_value(many, few) == 0.5
    assert swap_p_value(few, few) == 1.0
    assert np.isnan(swap_p_value(few, np.array([[0.0, 0.0], [0.0, 0.0]])))
    assert np.isnan(swap_p_value(np.zeros((0, 2)), np.zeros((0, 2))))


def test_planners_that_are_alike_differ_by_swaps_in_one_run_of_twenty():
    rng = np.random.default_rng(0)
    runs = [[_rounds(rng.binomial(5, rng.beta(1, 1, 12)), 5) for _ in range(2)] for _ in range(400)]
    assert 0.01 < np.mean([swap_p_value(*run) <= 0.05 for run in runs]) < 0.09  # ± 3.5 σ
