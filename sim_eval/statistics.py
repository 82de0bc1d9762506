"""Intervals for success rates, and for the difference of two policies on the same trials."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from scipy import stats

from graspnet.errors import InputError

__all__ = ["PairedDifference", "mcnemar_p_value", "paired_difference", "wilson_interval"]


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
