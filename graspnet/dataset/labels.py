"""Labels of grasps: what a metric says, how far the gripper stays from everything, and both in one number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.special import ndtr

__all__ = ["Clearance", "MetricEstimate", "chance_free", "soft_label"]

Index = Int64[np.ndarray, "M"] | Bool[np.ndarray, "N"]


@dataclass(frozen=True)
class MetricEstimate:
    """A metric of N grasps: mean and variance over `samples` samples (the variance of one, not of the mean).

    A metric that is not robust has one sample and variance 0.
    """

    mean: Float64[np.ndarray, "N"]
    variance: Float64[np.ndarray, "N"]
    samples: Int64[np.ndarray, "N"]

    @staticmethod
    def concatenate(estimates: "Sequence[MetricEstimate]") -> "MetricEstimate":
        """The grasps of one or more estimates of a metric, in order."""
        parts = ([getattr(e, name) for e in estimates] for name in ("mean", "variance", "samples"))
        return MetricEstimate(*(np.concatenate(part) for part in parts))

    def __getitem__(self, rows: Index) -> "MetricEstimate":
        return MetricEstimate(self.mean[rows], self.variance[rows], self.samples[rows])


@dataclass(frozen=True)
class Clearance:
    """Signed distances of N grasps along the whole approach, in metres; +inf to what is not there, negative in it.

    parts: of each part of the gripper (`Gripper.parts`) to the object that is to be grasped. table: of the gripper to
    the table. neighbours: of the gripper to all other objects and to the walls of the bin.
    """

    parts: Mapping[str, Float64[np.ndarray, "N"]]
    table: Float64[np.ndarray, "N"]
    neighbours: Float64[np.ndarray, "N"]

    @staticmethod
    def of(each: Mapping[str, Float64[np.ndarray, "N"]]) -> "Clearance":
        """From all of its distances by name: `table`, `neighbours`, and the parts."""
        parts = {name: values for name, values in each.items() if name not in ("table", "neighbours")}
        return Clearance(parts, each["table"], each["neighbours"])

    @staticmethod
    def concatenate(clearances: "Sequence[Clearance]") -> "Clearance":
        """The grasps of one or more clearances of the same parts, in order."""
        return Clearance.of({name: np.concatenate([c.each[name] for c in clearances]) for name in clearances[0].each})

    def __getitem__(self, rows: Index) -> "Clearance":
        return Clearance.of({name: values[rows] for name, values in self.each.items()})

    @property
    def each(self) -> dict[str, Float64[np.ndarray, "N"]]:
        """All distances by name: the parts, then `table` and `neighbours`."""
        return {**self.parts, "table": self.table, "neighbours": self.neighbours}

    @property
    def smallest(self) -> Float64[np.ndarray, "N"]:
        """The smallest of all distances."""
        return np.minimum.reduce(list(self.each.values()))

    @property
    def collision_free(self) -> Bool[np.ndarray, "N"]:
        """Whether nothing is touched on the way."""
        return self.smallest >= 0


def soft_label(
    mean: Float64[np.ndarray, "N"], clearance: Float64[np.ndarray, "N"], sigma: float
) -> Float64[np.ndarray, "N"]:
    """Robustness: a metric's mean × the probability that the approach is free of collisions, `chance_free`.

    Where that is 0 the label is 0, whatever the metric says, even NaN.
    """
    free = chance_free(clearance, sigma)
    return np.where(free > 0, mean * free, 0.0)


def chance_free(clearance: Float64[np.ndarray, "N"], sigma: float) -> Float64[np.ndarray, "N"]:
    """The probability that nothing is touched on the way, from the smallest clearance c, metres.

    It is 1 or 0 by the sign of c, or with `sigma` > 0 (metres) the Φ(c/σ) of a gripper whose pose is known up to
    N(0, σ²): grasps that barely touch often lift all the same.
    """
    return ndtr(clearance / sigma) if sigma > 0 else (clearance >= 0).astype(np.float64)
