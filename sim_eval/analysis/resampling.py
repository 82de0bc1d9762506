"""How much a figure would vary with other objects: it is computed anew for objects that are drawn with replacement.

Examples of one object are not independent, so whole objects are drawn (the cluster bootstrap: Davison & Hinkley 1997,
section 3.8). A draw gives each object a number of times that it counts, and a figure is computed with these as
weights. Draw 0 counts every object once: its figures are those of `graspnet.training.metrics`. One object or two say
nothing about others: their other draws are NaN, so that no figure has an interval.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped
from scipy.special import ndtr

from graspnet.training.metrics import CALIBRATION_BINS

__all__ = ["FEWEST_CLUSTERS", "Estimate", "Resampling"]

BLOCK = 4_000_000  # numbers in memory at a time
FEWEST_CLUSTERS = 3  # objects, for an interval over objects
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval over objects; NaN where it is not defined."""

    value: float
    low: float
    high: float
    p_value: float = float("nan")  # of no difference from 0, two-sided; for differences only

    @staticmethod
    def of(draws: Float64[np.ndarray, "D"]) -> "Estimate":
        """From a figure in every draw: the middle 95 % of them (percentiles)."""
        return Estimate(float(draws[0]), *_interval(draws[1:]))

    @staticmethod
    def without_interval(draws: Float64[np.ndarray, "D"]) -> "Estimate":
        """The figure alone: of one or two objects, draws say nothing about others."""
        return Estimate(float(draws[0]), float("nan"), float("nan"))

    @staticmethod
    def of_difference(draws: Float64[np.ndarray, "D"]) -> "Estimate":
        """The same of a difference, with the p-value of one so far from 0: Φ of it over the deviation of the draws."""
        some = draws[1:][np.isfinite(draws[1:])]
        deviation = float(np.std(some, ddof=1)) if len(some) > 1 else float("nan")
        ratio = abs(float(draws[0])) / deviation if deviation > 0 else float("nan")
        return Estimate(float(draws[0]), *_interval(draws[1:]), float(2 * ndtr(-ratio)))

    @property
    def defined(self) -> bool:
        """Whether there is a value."""
        return bool(np.isfinite(self.value))

    def to_json(self) -> list[float | None]:
        """[value, low, high], None for what is not defined."""
        return [each if np.isfinite(each) else None for each in (self.value, self.low, self.high)]


@dataclass(frozen=True)
class Resampling:
    """N examples of some objects, and how often each object counts in each draw. draws: besides draw 0."""

    owner: Shaped[np.ndarray, "N"]  # of each example: its object's name or number
    draws: int
    seed: int

    @cached_property
    def _cluster(self) -> Int64[np.ndarray, "N"]:
        return np.unique(self.owner, return_inverse=True)[1]

    @property
    def clusters(self) -> int:
        """How many objects there are."""
        return int(self._cluster.max()) + 1 if len(self.owner) else 0

    @cached_property
    def counts(self) -> Float64[np.ndarray, "D C"]:
        """How often each object counts, for each draw."""
        once = np.ones((1, self.clusters))
        if self.clusters < FEWEST_CLUSTERS:
            return np.concatenate([once, np.full((self.draws, self.clusters), np.nan)])
        rng = np.random.default_rng(self.seed)
        drawn = rng.multinomial(self.clusters, np.full(self.clusters, 1 / max(self.clusters, 1)), size=self.draws)
        return np.concatenate([once, drawn.astype(np.float64)])

    def mean(self, values: Float64[np.ndarray, "N"], rows: Bool[np.ndarray, "N"] | None = None) -> np.ndarray:
        """Mean of the values, of all examples or of some, in every draw."""
        chosen = np.ones(len(self.owner), dtype=bool) if rows is None else rows
        sums, numbers = (
            np.bincount(self._cluster[chosen], weights, self.clusters) for weights in (values[chosen], None)
        )
        return _ratio(self.counts @ sums, self.counts @ numbers.astype(np.float64))

    def calibration_error(
        self, quality: Float64[np.ndarray, "N"], target: Float64[np.ndarray, "N"], rows: Bool[np.ndarray, "N"]
    ) -> Float64[np.ndarray, "D"]:
        """`metrics.evaluate`'s in every draw. It is never negative, so that draws lean upwards."""
        cell = np.minimum((quality * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
        place = (self._cluster * CALIBRATION_BINS + cell)[rows]
        length = self.clusters * CALIBRATION_BINS
        surplus = np.bincount(place, (quality - target)[rows], length).reshape(self.clusters, CALIBRATION_BINS)
        numbers = np.bincount(self._cluster[rows], minlength=self.clusters).astype(np.float64)
        return _ratio(np.abs(self.counts @ surplus).sum(axis=1), self.counts @ numbers)

    def ranking(
        self, quality: Float64[np.ndarray, "N"], positive: Bool[np.ndarray, "N"], rows: Bool[np.ndarray, "N"]
    ) -> tuple[Float64[np.ndarray, "D"], Float64[np.ndarray, "D"]]:
        """Average precision and ROC AUC of some examples in every draw; NaN where one class is missing.

        Examples of equal quality share one threshold. AP = Σ (Rₖ − Rₖ₋₁) Pₖ over the thresholds; the AUC is the area
        under the straight lines between them, as scikit-learn has both.
        """
        order = np.flatnonzero(rows)[np.argsort(-quality[rows], kind="stable")]
        ends = np.flatnonzero(np.diff(quality[order], append=-np.inf))
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for counts in self._blocks(max(len(order), 1)):
            weight = counts[:, self._cluster[order]]
            all_ = np.cumsum(weight, axis=1)[:, ends]
            true = np.cumsum(weight * positive[order], axis=1)[:, ends]
            found.append(_areas(true, all_ - true))
        if not len(order):
            return np.full(self.draws + 1, np.nan), np.full(self.draws + 1, np.nan)
        precision, area = (np.concatenate(each) for each in zip(*found, strict=True))
        return precision, area

    def _blocks(self, length: int) -> Iterator[Float64[np.ndarray, "B C"]]:
        step = max(1, BLOCK // length)
        for start in range(0, len(self.counts), step):
            yield self.counts[start : start + step]


def _areas(
    true: Float64[np.ndarray, "B K"], false: Float64[np.ndarray, "B K"]
) -> tuple[Float64[np.ndarray, "B"], Float64[np.ndarray, "B"]]:
    """(AP, AUC) from the numbers of true and false positives above each threshold."""
    if not true.shape[1]:
        nothing = np.full(len(true), np.nan)
        return nothing, nothing
    positives, negatives = true[:, -1], false[:, -1]
    precision = _ratio(true, true + false)
    steps = np.diff(true, axis=1, prepend=0.0)
    average = _ratio(np.nansum(steps * precision, axis=1), positives)
    middle = true - 0.5 * steps
    area = np.sum(np.diff(false, axis=1, prepend=0.0) * middle, axis=1)
    return average, _ratio(area, positives * negatives)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, NaN where there is nothing below."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def _interval(draws: Float64[np.ndarray, "D"]) -> tuple[float, float]:
    tails = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    if not np.isfinite(draws).any():
        return float("nan"), float("nan")
    low, high = np.nanquantile(draws, tails)
    return float(low), float(high)
