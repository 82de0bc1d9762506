"""Robustness: the mean of a metric over what we do not know (uncertainty.py): ρ(u, x) = E[S(u, x′)].

Each grasp gets samples of its own, which all of its metrics share: as many as are asked for, or, with a tolerance, as
many as its own mean takes to be known that well. Mahler et al., RSS 2017, III.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from graspnet.data_gen.labels.metrics import METRICS, ClosedGrasps, MetricConfig
from graspnet.data_gen.labels.uncertainty import SHIFTS, PerturbedGrasps, UncertaintyConfig, perturbed, unperturbed
from graspnet.data_gen.objects.meshes import Solid
from graspnet.dataset import MetricEstimate
from graspnet.errors import InputError, unknown_name
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw

__all__ = ["estimate"]

_CHUNK = 6400  # samples at a time: their arrays stay in the processor's cache
_PRIOR = 0.5  # sample of 0 and of 1 that the interval counts besides (Jeffreys): equal samples are no certainty
_NORMAL_95 = 1.96  # standard errors in half of a 95 % interval


def estimate(
    metrics: Sequence[str],
    solid: Solid,
    grasps_in_object: Grasps,
    gripper: ParallelJaw,
    gravity_in_object: Float64[np.ndarray, "3"],
    config: MetricConfig,
    rng: np.random.Generator,
) -> dict[str, MetricEstimate]:
    """Metrics (names of METRICS) of grasps on a solid, in its frame. `gravity_in_object` is a unit vector.

    With a tolerance, the first metric that is robust and a share (in [0, 1]) decides how many samples a grasp gets.
    Metrics that are executed have samples of their own.
    """
    for name in metrics:
        if name not in METRICS:
            raise unknown_name("metric", name, METRICS)
    executed = [name for name in metrics if METRICS[name].executed]
    robust, plain = (
        [name for name in metrics if METRICS[name].robust == kind and name not in executed] for kind in (True, False)
    )

    def values(names: list[str], samples: PerturbedGrasps) -> Float64[np.ndarray, "M N K"]:
        closed = ClosedGrasps(samples, solid, gripper, gravity_in_object, config)
        return np.stack([METRICS[name].value(closed) for name in names])

    count = len(grasps_in_object)
    moments, uncertainty = _Moments.none(len(robust), count), config.uncertainty
    lead = _leading(robust) if uncertainty.tolerance is not None else 0
    active, shift, drawn = np.arange(count if robust else 0), rng.random((count, SHIFTS)), 0
    while len(active):
        for rows in _chunks(active, uncertainty.samples):
            samples = perturbed(grasps_in_object[rows], solid, uncertainty, rng, shift[rows], drawn)
            moments.add(rows, values(robust, samples))
        drawn += uncertainty.samples
        active = active[_unsettled(moments, lead, active, uncertainty)]
    certain = np.zeros((len(plain), count))
    for rows in _chunks(np.arange(count if plain else 0), 1):
        certain[:, rows] = values(plain, unperturbed(grasps_in_object[rows], solid, uncertainty))[..., 0]
    few, trials = replace(uncertainty, samples=config.tugs.executions), _Moments.none(len(executed), count)
    for rows in _chunks(np.arange(count if executed else 0), few.samples):
        trials.add(rows, values(executed, perturbed(grasps_in_object[rows], solid, few, rng)))
    found = {name: moments.estimate(i) for i, name in enumerate(robust)}
    found |= {name: trials.estimate(i) for i, name in enumerate(executed)}
    once = np.ones(count, dtype=np.int64)
    found |= {name: MetricEstimate(value, np.zeros(count), once) for name, value in zip(plain, certain, strict=True)}
    return {name: found[name] for name in metrics}


@dataclass(frozen=True)
class _Moments:
    """Samples so far, their mean and the sum of squares about it, of M metrics of N grasps; grows in place."""

    samples: Int64[np.ndarray, "N"]
    mean: Float64[np.ndarray, "M N"]
    square: Float64[np.ndarray, "M N"]

    @staticmethod
    def none(metrics: int, grasps: int) -> "_Moments":
        return _Moments(np.zeros(grasps, dtype=np.int64), np.zeros((metrics, grasps)), np.zeros((metrics, grasps)))

    def add(self, rows: Int64[np.ndarray, "R"], values: Float64[np.ndarray, "M R K"]) -> None:
        """K more samples of some grasps (Chan, Golub & LeVeque 1983)."""
        before, mean = self.samples[rows], values.mean(axis=2)
        after = before + values.shape[2]
        step = mean - self.mean[:, rows]
        self.samples[rows] = after
        self.mean[:, rows] += step * values.shape[2] / after
        self.square[:, rows] += np.sum((values - mean[..., None]) ** 2, axis=2)
        self.square[:, rows] += step**2 * before * values.shape[2] / after

    def estimate(self, metric: int) -> MetricEstimate:
        return MetricEstimate(self.mean[metric], self.square[metric] / np.maximum(self.samples, 1), self.samples)


def _leading(robust: Sequence[str]) -> int:
    for index, name in enumerate(robust):
        if METRICS[name].share:
            return index
    shares = ", ".join(n for n, metric in METRICS.items() if metric.robust and metric.share and not metric.executed)
    raise InputError(f"uncertainty.tolerance is set; then metrics must name one of {shares}")


def _chunks(rows: Int64[np.ndarray, "R"], samples: int) -> Iterator[Int64[np.ndarray, "C"]]:
    step = max(1, _CHUNK // samples)
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def _unsettled(
    moments: _Moments, metric: int, rows: Int64[np.ndarray, "R"], uncertainty: UncertaintyConfig
) -> Bool[np.ndarray, "R"]:
    """Whether half of the 95 % interval of the mean is still above the tolerance (and more samples are allowed).

    Each grasp counts as if it had a sample more, half of it 0 and half of it 1: without them 8 equal samples out of 8
    would end the search, and grasps that often look better than they are would be left so.
    """
    samples = moments.samples[rows]
    if uncertainty.tolerance is None:
        return np.zeros(len(rows), dtype=bool)
    total = samples + 2 * _PRIOR
    off = moments.mean[metric, rows] - 0.5
    square = moments.square[metric, rows] + 2 * _PRIOR * (0.25 + samples * off**2 / total)
    error = np.sqrt(square) / total
    return (error * _NORMAL_95 > uncertainty.tolerance) & (samples < uncertainty.max_samples)
