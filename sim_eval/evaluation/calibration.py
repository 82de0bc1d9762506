"""Calibration by picks: that of a hundred grasps of quality 0.8 which were executed, eighty lift.

A network's temperature makes its qualities agree with labels, on average over all candidates. What is executed is the
best of a thousand: there its errors are the lucky ones, and labels are not picks. So the log odds z of executed plans
are mapped to a z + b, the one map with two numbers that keeps the order of grasps (Platt, 1999).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.optimize import minimize
from scipy.special import expit, logit

from graspnet.errors import InputError
from graspnet.models.checkpoint import Checkpoint
from graspnet.sim_eval.analysis.finished_run import FinishedRun
from graspnet.sim_eval.analysis.statistics import wilson_interval

__all__ = [
    "CurvePoint",
    "LogOddsMap",
    "Picks",
    "calibrated",
    "calibration_error",
    "cross_fitted",
    "curve",
    "fit_map",
    "picks_of",
]

EXTREME = 1e-4  # qualities are taken as at least so far from 0 and 1
SPREAD = (1.0, 1.0)  # standard deviations of ln a and b about 0 before any pick is seen: few picks change little
FEWEST = 30  # picks; fewer say nothing
FOLDS = 5
BINS = 10  # of equal width in quality


@dataclass(frozen=True)
class Picks:
    """N executed plans: quality, whether the pick lifted, and the object that it was meant for."""

    quality: Float64[np.ndarray, "N"]
    lifted: Bool[np.ndarray, "N"]
    object: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.quality)

    def followed_by(self, other: "Picks") -> "Picks":
        """Both, one after the other."""
        quality, lifted = np.concatenate([self.quality, other.quality]), np.concatenate([self.lifted, other.lifted])
        return Picks(quality, lifted, self.object + other.object)


@dataclass(frozen=True)
class LogOddsMap:
    """Quality q becomes sigmoid(scale · log(q / (1 − q)) + shift); scale is positive."""

    scale: float = 1.0
    shift: float = 0.0

    def __call__(self, quality: Float64[np.ndarray, "N"]) -> Float64[np.ndarray, "N"]:
        """Map qualities."""
        return np.asarray(expit(self.scale * _log_odds(quality) + self.shift), dtype=np.float64)


@dataclass(frozen=True)
class CurvePoint:
    """The picks whose quality lies in [low, high): their mean quality, how many lifted, and that share's interval."""

    low: float
    high: float
    picks: int
    quality: float
    lifted: int
    share_low: float
    share_high: float


def picks_of(run: FinishedRun, label: str) -> Picks:
    """What one planner executed in a run. InputError: it took no part, or told no quality."""
    if not any(choice.label == label for choice in run.planners):
        known = ", ".join(choice.label for choice in run.planners)
        raise InputError(f"no planner {label!r} took part in the run; it has {known}")
    made = [
        (record.objects[0] if record.objects else str(record.index), attempt)
        for record in run.records
        if label in record.results
        for attempt in record.results[label].attempts
        if attempt.world_from_grasp and np.isfinite(attempt.quality)
    ]
    quality = np.array([attempt.quality for _, attempt in made], dtype=np.float64)
    lifted = np.array([attempt.success for _, attempt in made], dtype=bool)
    if not len(made):
        raise InputError(f"planner {label!r} executed no plan with a quality; choose one that ranks by a model")
    return Picks(quality, lifted, tuple(name for name, _ in made))


def fit_map(picks: Picks) -> LogOddsMap:
    """The map under which these outcomes are most probable, with a weak prior about no change (`SPREAD`).

    InputError: too few picks, or all of them ended alike.
    """
    if len(picks) < FEWEST or picks.lifted.all() or not picks.lifted.any():
        raise InputError(
            f"{len(picks)} picks, {int(picks.lifted.sum())} lifted: a calibration needs at least {FEWEST}, of which "
            "some lifted and some did not; run more trials"
        )
    z, lifted = _log_odds(picks.quality), picks.lifted

    def loss(parameters: Float64[np.ndarray, "2"]) -> float:
        mapped = np.exp(parameters[0]) * z + parameters[1]
        return float(np.sum(np.logaddexp(0.0, mapped) - lifted * mapped) + 0.5 * np.sum((parameters / SPREAD) ** 2))

    found = minimize(loss, np.zeros(2), method="BFGS").x
    return LogOddsMap(float(np.exp(found[0])), float(found[1]))


def cross_fitted(picks: Picks, rng: np.random.Generator) -> Float64[np.ndarray, "N"]:
    """Each pick's quality under a map that was fitted without its object: what the map does to picks yet to come."""
    names, owner = np.unique(np.array(picks.object), return_inverse=True)
    fold = rng.permutation(np.arange(len(names)) % min(FOLDS, len(names)))[owner]
    mapped = np.zeros(len(picks))
    for k in np.unique(fold):
        inside: Int64[np.ndarray, M] = np.flatnonzero(fold != k)
        others = Picks(picks.quality[inside], picks.lifted[inside], tuple(picks.object[i] for i in inside))
        mapped[fold == k] = fit_map(others)(picks.quality[fold == k])
    return mapped


def curve(quality: Float64[np.ndarray, "N"], lifted: Bool[np.ndarray, "N"]) -> list[CurvePoint]:
    """How many picks lifted in each tenth of quality that has any."""
    bins = np.minimum((quality * BINS).astype(int), BINS - 1)
    points = []
    for k in np.unique(bins).tolist():
        here = bins == k
        picks, up = int(here.sum()), int(lifted[here].sum())
        share = wilson_interval(up, picks)
        points.append(CurvePoint(k / BINS, (k + 1) / BINS, picks, float(quality[here].mean()), up, *share))
    return points


def calibration_error(quality: Float64[np.ndarray, "N"], lifted: Bool[np.ndarray, "N"]) -> float:
    """The mean over picks of |share lifted − mean quality| in the tenth that each lies in."""
    gaps = [point.picks * abs(point.lifted / point.picks - point.quality) for point in curve(quality, lifted)]
    return float(np.sum(gaps) / len(quality))


def calibrated(checkpoint: Checkpoint, found: LogOddsMap, curves: Sequence[dict[str, object]]) -> Checkpoint:
    """The checkpoint with that map on top of its own temperature and bias; `curves` are kept in its details.

    a (z / T + b₀) + b = z / (T / a) + (a b₀ + b).
    """
    return replace(
        checkpoint,
        temperature=checkpoint.temperature / found.scale,
        bias=found.scale * checkpoint.bias + found.shift,
        details=checkpoint.details | {"calibration": list(curves)},
    )


def _log_odds(quality: Float64[np.ndarray, "N"]) -> Float64[np.ndarray, "N"]:
    return np.asarray(logit(np.clip(quality, EXTREME, 1 - EXTREME)), dtype=np.float64)
