"""Intervals for success rates, and for the difference of two policies on the same trials.

Trials with the same object are not independent: `bootstrap_over_objects` gives an interval that knows it, for any
figure. Where more than two policies are compared, `holm_adjusted` keeps the chance of any false finding at 5 %.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy import stats

from graspnet.errors import InputError

__all__ = [
    "PairedDifference",
    "bootstrap_over_objects",
    "holm_adjusted",
    "mcnemar_p_value",
    "paired_difference",
    "swap_p_value",
    "wilson_interval",
]

EXACT_ROUNDS = 15  # from here on not all 2^R swaps are tried
SWAPS = 20_000  # instead: a p-value of 0.05 is then known to ± 0.003


@dataclass(frozen=True)
class PairedDifference:
    """Rate of the first minus rate of the second, with an interval; how often only the one or the other succeeded."""

    difference: float
    low: float
    high: float
    only_first: int
    only_second: int
    trials: int
    p_value: float  # of no difference (exact McNemar, two-sided)


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Bounds of a success probability; (0, 1) without trials.

    (p̂ + z²/2n ± z √(p̂(1 − p̂)/n + z²/4n²)) / (1 + z²/n). Wilson, JASA 1927; unlike p̂ ± z σ it stays within [0, 1]
    and keeps its coverage near 0 and 1.
    """
    if not 0 <= successes <= trials:
        raise InputError(f"{successes} successes of {trials} trials; expected 0 <= successes <= trials")
    if trials == 0:
        return 0.0, 1.0
    z = float(stats.norm.ppf((1 + confidence) / 2))
    rate = successes / trials
    center = rate + z * z / (2 * trials)
    half = z * np.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, float((center - half) / scale)), min(1.0, float((center + half) / scale))


def paired_difference(
    first: Bool[np.ndarray, "T"], second: Bool[np.ndarray, "T"], confidence: float = 0.95
) -> PairedDifference:
    """Difference of two policies' success rates on the same T trials, with Newcombe's interval for paired samples.

    Wilson's intervals of the two rates, joined with the correlation φ of the outcomes (its numerator ad − bc lowered
    by n/2 where positive): method 10 of Newcombe, Statistics in Medicine 17, 2635 (1998).
    """
    n = len(first)
    if n == 0:
        raise InputError("no trials to compare")
    both, neither = int(np.sum(first & second)), int(np.sum(~first & ~second))
    only_first, only_second = int(np.sum(first & ~second)), int(np.sum(~first & second))
    rate, other = (both + only_first) / n, (both + only_second) / n
    low, high = wilson_interval(both + only_first, n, confidence)
    other_low, other_high = wilson_interval(both + only_second, n, confidence)
    phi = _correlation(both, only_first, only_second, neither)
    difference = rate - other
    below, above = _joined(rate - low, other_high - other, phi), _joined(high - rate, other - other_low, phi)
    return PairedDifference(
        difference, difference - below, difference + above, only_first, only_second, n,
        mcnemar_p_value(only_first, only_second),
    )  # fmt: skip


def mcnemar_p_value(only_first: int, only_second: int) -> float:
    """Probability of so uneven a split of the discordant trials, or a more uneven one, if either way is as likely."""
    discordant = only_first + only_second
    return float(stats.binomtest(only_first, discordant).pvalue) if discordant else 1.0


def swap_p_value(first: Float64[np.ndarray, "R 2"], second: Float64[np.ndarray, "R 2"], seed: int = 0) -> float:
    """Two-sided p-value of no difference between two planners' pooled rates over the same R rounds.

    Each row: successes, and what they are out of. If the planners are alike, each round could as well have gone the
    other way round: the share of all 2^R swaps of whole rounds (from EXACT_ROUNDS rounds on, of SWAPS random ones and
    the one that was seen) with a difference of pooled rates at least as large. Whatever depends on each other within a
    round stays together. NaN without rounds, or where a rate is not defined. Edgington & Onghena, Randomization Tests
    (2007).
    """
    rounds, total = len(first), first.sum(axis=0) + second.sum(axis=0)
    if rounds == 0 or first[:, 1].sum() == 0 or second[:, 1].sum() == 0:
        return float("nan")
    if rounds < EXACT_ROUNDS:
        swapped = (np.arange(2**rounds)[:, None] >> np.arange(rounds)) & 1
    else:
        swapped = np.random.default_rng(seed).integers(2, size=(SWAPS + 1, rounds))
        swapped[0] = 0
    ones = first.sum(axis=0) + swapped @ (second - first)
    with np.errstate(invalid="ignore", divide="ignore"):
        differences = np.abs(ones[:, 0] / ones[:, 1] - (total[0] - ones[:, 0]) / (total[1] - ones[:, 1]))
    return float(np.mean(~(differences < differences[0] - 1e-9)))  # a swap without a rate counts against a difference


def bootstrap_over_objects(
    figure: Callable[[Int64[np.ndarray, "R"]], float],
    objects: Sequence[str],
    draws: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of `figure`, a function of the indices of trials, over resampled objects.

    objects: of each trial. All trials of an object are drawn together, as often as it is drawn (the cluster bootstrap:
    Davison & Hinkley 1997, section 3.8). NaN without trials; figures that are NaN in a draw are left out.
    """
    if not objects:
        return float("nan"), float("nan")
    values = np.array([figure(trials) for trials in _resampled(tuple(objects), draws, seed)])
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.nanquantile(values, tails) if np.isfinite(values).any() else (np.nan, np.nan)
    return float(low), float(high)


@lru_cache(maxsize=2)  # a run asks for the same ones for every pair of planners, in its table, its JSON and its page
def _resampled(objects: tuple[str, ...], draws: int, seed: int) -> tuple[Int64[np.ndarray, "_"], ...]:
    """The trials of each draw of the bootstrap."""
    _, owner = np.unique(np.array(objects), return_inverse=True)
    trials_of = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
    chosen = np.random.default_rng(seed).integers(len(trials_of), size=(draws, len(trials_of)))
    return tuple(np.concatenate([trials_of[k] for k in row]) for row in chosen)


def holm_adjusted(p_values: Sequence[float]) -> Float64[np.ndarray, "K"]:
    """p-values that may each be compared with 0.05 however many there are: Holm, Scand. J. Stat. 6, 65 (1979).

    The k-th smallest of K times K − k + 1, made monotone, at most 1.
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def _correlation(both: int, only_first: int, only_second: int, neither: int) -> float:
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    if margins == 0:
        return 0.0
    cross = float(both * neither - only_first * only_second)
    if cross > 0:
        cross = max(cross - (both + only_first + only_second + neither) / 2, 0.0)
    return float(cross / np.sqrt(margins))


def _joined(one: float, other: float, phi: float) -> float:
    return float(np.sqrt(max(one * one - 2 * phi * one * other + other * other, 0.0)))
