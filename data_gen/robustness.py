"""Robustness: the mean of a metric over what we do not know (uncertainty.py): ρ(u, x) = E[S(u, x′)].

Each grasp gets samples of its own, which all of its metrics share. Mahler et al., RSS 2017, III.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from data_gen.meshes import Solid
from data_gen.metrics import METRICS, ClosedGrasps, MetricConfig
from data_gen.uncertainty import PerturbedGrasps, perturbed, unperturbed
from graspnet.errors import unknown_name
from graspnet.grasps import Grasps
from graspnet.gripper import ParallelJawGripper

__all__ = ["MetricEstimate", "estimate"]

_CHUNK = 3200  # samples at a time: their arrays stay in the processor's cache


@dataclass(frozen=True)
class MetricEstimate:
    """Of N grasps: mean and variance of a metric over `samples` samples (the variance of one, not of the mean).

    A metric that is not robust has one sample and variance 0.
    """

    mean: Float64[np.ndarray, "N"]
    variance: Float64[np.ndarray, "N"]
    samples: Int64[np.ndarray, "N"]

    def __getitem__(self, rows: Int64[np.ndarray, "M"]) -> "MetricEstimate":
        return MetricEstimate(self.mean[rows], self.variance[rows], self.samples[rows])


def estimate(
    metrics: Sequence[str],
    solid: Solid,
    grasps_in_object: Grasps,
    gripper: ParallelJawGripper,
    gravity_in_object: Float64[np.ndarray, "3"],
    config: MetricConfig,
    rng: np.random.Generator,
) -> dict[str, MetricEstimate]:
    """Metrics (names of METRICS) of grasps on a solid, in its frame. `gravity_in_object` is a unit vector."""
    for name in metrics:
        if name not in METRICS:
            raise unknown_name("metric", name, METRICS)
    uncertainty = config.uncertainty

    def values(
        robust: bool, samples: int, sample: Callable[[Grasps], PerturbedGrasps]
    ) -> dict[str, Float64[np.ndarray, "N K"]]:
        asked = [name for name in metrics if METRICS[name].robust == robust]
        parts = {name: [np.zeros((0, samples))] for name in asked}
        step = max(1, _CHUNK // samples)
        for start in range(0, len(grasps_in_object) if asked else 0, step):
            part = sample(grasps_in_object[start : start + step])
            closed = ClosedGrasps(part, solid, gripper, gravity_in_object, config)
            for name in asked:
                parts[name].append(METRICS[name].value(closed))
        return {name: np.concatenate(part) for name, part in parts.items()}

    found = values(True, uncertainty.samples, lambda part: perturbed(part, solid, uncertainty, rng))
    found |= values(False, 1, lambda part: unperturbed(part, solid, uncertainty))
    return {name: _estimate(found[name]) for name in metrics}


def _estimate(values: Float64[np.ndarray, "N K"]) -> MetricEstimate:
    count, samples = values.shape
    return MetricEstimate(values.mean(axis=1), values.var(axis=1), np.full(count, samples))
