"""Figures of outcomes: how picks ended, success against quality and size, and what goes worst. Rates have Wilson's
95 % intervals."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float64, Int64

from graspnet.data_gen.physics.outcome import OUTCOMES
from graspnet.drawing import new_figure
from graspnet.sim_eval.analysis.statistics import wilson_interval
from graspnet.sim_eval.replay.replay import PickRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Calibration",
    "ObjectOutcome",
    "calibration",
    "calibration_figure",
    "family_of",
    "outcome_figure",
    "planners_with_quality",
    "short",
    "size_figure",
    "worst_rows",
]

COLOURS = {
    "success": "#4c9f4c", "no_plan": "#bbbbbb", "planner_failed": "#555555", "below_table": "#8c6d4a",
    "approach_collision": "#c23b3b", "pushed": "#e28a2b", "missed": "#8a5fb0", "slipped_in_lift": "#3f7fbf",
    "dropped_in_shake": "#53b5b5",
}  # fmt: skip
QUALITY_BINS = 10
SIZE_BINS = 6


@dataclass(frozen=True)
class ObjectOutcome:
    """What became of one object of an episode."""

    planner: str
    object: str
    size: tuple[float, ...]  # sides of its bounding box, metres; nothing where they are not known
    success: bool  # it was lifted in the end


def outcome_figure(picks: Sequence[PickRecord]) -> "Figure":
    """Draw a bar for each planner, divided by how its picks ended."""
    planners = _planners(picks)
    figure, axes = new_figure(1, 1, width=10.0, aspect=0.06 + 0.035 * len(planners))
    left = np.zeros(len(planners))
    for outcome in OUTCOMES:
        counts = [Counter(a.result.outcome for a in picks if a.planner == planner) for planner in planners]
        share = np.array([count[outcome] / count.total() for count in counts])
        if share.any():
            axes[0, 0].barh(
                range(len(planners)), share, left=left, color=COLOURS[outcome], label=outcome.replace("_", " ")
            )
            left += share
    axes[0, 0].set_yticks(range(len(planners)), [short(planner) for planner in planners])
    axes[0, 0].invert_yaxis()
    axes[0, 0].set(xlim=(0, 1), xlabel="share of attempts")
    figure.legend(loc="outside right upper", fontsize=8)
    return figure


def planners_with_quality(picks: Sequence[PickRecord]) -> list[str]:
    """Choose the planners that tell good grasps from bad ones: not all of their qualities are the same."""
    return [planner for planner in _planners(picks) if len(set(_judged(picks, planner)[0].tolist())) > 1]


@dataclass(frozen=True)
class Calibration:
    """Executed grasps of one planner in groups of about the same quality, each a tenth of the scale, the lowest first.

    error: mean over the groups of |mean quality − success rate|, weighted by their size; known as ECE.
    """

    planner: str
    quality: tuple[float, ...]  # mean of each group
    success: tuple[Bool[np.ndarray, "_"], ...]  # of the grasps in each group
    error: float


def calibration(picks: Sequence[PickRecord], planner: str) -> Calibration:
    """Group the executed grasps of a planner that gave some of them a quality."""
    quality, success = _judged(picks, planner)
    bins = np.minimum((np.clip(quality, 0, 1) * QUALITY_BINS).astype(int), QUALITY_BINS - 1)
    groups = [rows for b in range(QUALITY_BINS) if len(rows := np.flatnonzero(bins == b))]
    means = tuple(float(quality[rows].mean()) for rows in groups)
    distances = [abs(mean - success[rows].mean()) for mean, rows in zip(means, groups, strict=True)]
    error = float(np.average(distances, weights=[len(rows) for rows in groups]))
    return Calibration(planner, means, tuple(success[rows] for rows in groups), error)


def calibration_figure(calibrations: Sequence[Calibration]) -> "Figure":
    """Plot success against quality, a line for each planner, and how many grasps a point stands for."""
    figure, axes = new_figure(1, 1, width=5.0, aspect=0.9)
    each = axes[0, 0]
    each.plot([0, 1], [0, 1], color="gray", linestyle=":")
    for one in calibrations:
        _rates(each, one.quality, one.success, label=short(one.planner), counts=True)
    each.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    each.set(xlabel="quality that the planner gave", ylabel="share of those grasps that was lifted")
    if len(calibrations) > 1:
        each.legend(fontsize=8)
    return figure


def size_figure(outcomes: Sequence[ObjectOutcome], opening: float, rate: str = "success rate") -> "Figure":
    """Plot success against the shortest and the longest side of the object's bounding box.

    opening: of the hand. rate: what success is called.
    """
    figure, axes = new_figure(1, 2, width=5.0, aspect=0.6)
    planners = list(dict.fromkeys(one.planner for one in outcomes))
    for each, name, side in zip(axes.flat, ("shortest", "longest"), (min, max), strict=True):
        for k, planner in enumerate(planners):
            mine = [one for one in outcomes if one.planner == planner]
            sizes = np.array([1000 * side(one.size) for one in mine])
            success = np.array([one.success for one in mine])
            groups = _quantiles(sizes)
            aside = 1 + 0.012 * (k - (len(planners) - 1) / 2)  # bars of several planners would hide each other
            centers = [float(np.median(sizes[rows])) * aside for rows in groups]
            _rates(each, centers, [success[rows] for rows in groups], label=short(planner))
        each.axvline(1000 * opening, color="gray", linestyle=":")
        each.set(ylim=(-0.02, 1.02), xlabel=f"{name} side of the object (mm)", ylabel=rate)
    axes[0, 0].legend(fontsize=8)
    return figure


def short(planner: str) -> str:
    """Cut a planner's name to what a plot has room for: an outside command may be long."""
    return planner if len(planner) <= 28 else f"{planner[:27]}…"


def family_of(name: str) -> str:
    """Name the procedural family of an object; a mesh is its own."""
    return re.sub(r"_\d{5}$", "", name)


def worst_rows(outcomes: Sequence[ObjectOutcome], groups: Sequence[str], most: int = 10) -> list[list[str]]:
    """Fill the rows of a table: group, successes over all planners, and of each planner; the worst first.

    groups: of each outcome, such as its object.
    """
    planners = list(dict.fromkeys(one.planner for one in outcomes))
    tally: dict[str, dict[str, list[bool]]] = {}
    for one, group in zip(outcomes, groups, strict=True):
        tally.setdefault(group, {p: [] for p in planners})[one.planner].append(one.success)
    pooled = {group: [s for results in by.values() for s in results] for group, by in tally.items()}
    worst = sorted(pooled, key=lambda group: (wilson_interval(sum(pooled[group]), len(pooled[group]))[1], group))
    rows = []
    for group in worst[:most]:
        each = [f"{sum(tally[group][planner])} of {len(tally[group][planner])}" for planner in planners]
        rows.append([group, f"{sum(pooled[group])} of {len(pooled[group])}", *each])
    return rows


def _planners(picks: Sequence[PickRecord]) -> list[str]:
    return list(dict.fromkeys(pick.planner for pick in picks))


def _judged(picks: Sequence[PickRecord], planner: str) -> tuple[Float64[np.ndarray, "N"], Bool[np.ndarray, "N"]]:
    """Collect the quality of each grasp that the planner had executed, and whether it succeeded."""
    rows = [a.result for a in picks if a.planner == planner and np.isfinite(a.result.quality)]
    return np.array([r.quality for r in rows], dtype=np.float64), np.array([r.success for r in rows], dtype=bool)


def _quantiles(values: Float64[np.ndarray, "N"]) -> list[Int64[np.ndarray, "K"]]:
    """Sort rows from the smallest values to the largest, in groups of about the same number."""
    return np.array_split(np.argsort(values, kind="stable"), max(1, min(SIZE_BINS, len(values) // 4)))


def _rates(
    axes: "Axes", centers: Sequence[float], groups: Sequence[np.ndarray], label: str = "",
    counts: bool = False,
) -> None:  # fmt: skip
    """Plot a point with its interval for each group, and how many there are in it."""
    rates = np.array([group.mean() for group in groups])
    bounds = np.array([wilson_interval(int(group.sum()), len(group)) for group in groups])
    reach = np.abs(bounds.T - rates)
    axes.errorbar(centers, rates, yerr=reach, marker="o", markersize=4, capsize=2, linewidth=1, label=label)
    for center, rate, group in zip(centers, rates, groups, strict=True) if counts else ():
        axes.annotate(str(len(group)), (center, rate), (4, -10), textcoords="offset points", fontsize=7, color="gray")
