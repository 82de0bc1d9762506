"""What a network learns of a grasp: one metric or the mean of several, times the chance that nothing is touched."""

from collections.abc import Container
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from graspnet.dataset import GraspTable
from graspnet.dataset.labels import chance_free, soft_label
from graspnet.errors import InputError

__all__ = ["FACTORS", "PROBABILITIES", "LabelConfig"]

PROBABILITIES = (  # metrics that may be a soft target
    "robust_force_closure", "robust_pad_closure", "robust_centered_closure", "physics_hold", "success",
)  # fmt: skip

FACTORS = ("closure", "clearance")  # what a label is the product of


@dataclass(frozen=True, kw_only=True)
class LabelConfig:
    """What the network learns: positive = robustness (the metric's mean; 0 on collision) above the threshold.

    mean_with: further metrics that count as much as `metric`; the label is the mean of those that a grasp has (one
    that was executed has one more than one that was not). soft: train on the robustness itself, a probability, and not
    on 0 and 1. clearance_sigma: metres by which the hand's pose is unknown; then a collision is as probable as
    `graspnet.dataset.labels.soft_label` says; 0: certain or impossible.
    """

    metric: str = "robust_centered_closure"  # of the analytic ones it predicts lifts best: docs/experiments/
    mean_with: tuple[str, ...] = ()
    threshold: float = 0.5
    soft: bool = True
    clearance_sigma: float = 0.0025

    def __post_init__(self) -> None:
        for metric in self.metrics if self.soft else ():
            if metric not in PROBABILITIES:
                raise InputError(
                    f"soft labels need a probability, and {metric!r} is none of {', '.join(PROBABILITIES)}; for a "
                    "metric of another kind label.soft=false"
                )
        if len(set(self.metrics)) < len(self.metrics):
            raise InputError(f"mean_with is {list(self.mean_with)}; name each metric once, and {self.metric!r} is one")
        if self.threshold < 0:
            raise InputError(f"threshold is {self.threshold}; it must not be negative")
        if self.clearance_sigma < 0:
            raise InputError(f"clearance_sigma is {self.clearance_sigma}; it must not be negative (metres)")

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics that the label is made of."""
        return (self.metric, *self.mean_with)

    @property
    def name(self) -> str:
        """What a checkpoint calls the label: the metric, or `mean(a, b)`."""
        return self.metric if not self.mean_with else f"mean({', '.join(self.metrics)})"

    def missing_from(self, known: Container[str]) -> tuple[str, ...]:
        """The metrics that a dataset with these ones lacks."""
        return tuple(metric for metric in self.metrics if metric not in known)

    def robustness(self, grasps: GraspTable) -> Float64[np.ndarray, "N"]:
        """The label of every grasp before the threshold; NaN where every metric is NaN, and its pose is free."""
        return soft_label(self._mean_metric(grasps), grasps.clearance.smallest, self.clearance_sigma)

    def factors(self, grasps: GraspTable) -> Float64[np.ndarray, "N 2"]:
        """What the label of every grasp is the product of, by `FACTORS`: the metric, and the chance to touch nothing.

        The metric is NaN where every metric is NaN, as that of a grasp that was never judged since it collides.
        """
        clearance = chance_free(grasps.clearance.smallest, self.clearance_sigma)
        return np.stack([self._mean_metric(grasps), clearance], axis=1)

    def _mean_metric(self, grasps: GraspTable) -> Float64[np.ndarray, "N"]:
        """The mean of the metrics that each grasp has; NaN where it has none."""
        values = np.full((len(self.metrics), len(grasps)), np.nan)
        for value, metric in zip(values, self.metrics, strict=True):
            if metric in grasps.metrics:
                value[:] = grasps.metrics[metric].mean
        known = np.isfinite(values).sum(axis=0)
        return np.where(known > 0, np.nansum(values, axis=0) / np.maximum(known, 1), np.nan)

    def positive(self, robustness: Float64[np.ndarray, "N"]) -> Bool[np.ndarray, "N"]:
        """Which grasps hold."""
        return robustness > self.threshold

    def target(self, robustness: Float64[np.ndarray, "N"]) -> Float64[np.ndarray, "N"]:
        """What training aims at, in [0, 1]."""
        return robustness if self.soft else self.positive(robustness).astype(np.float64)
