"""Figures of an evaluation: reliability, precision against recall, histograms, groups, parts of the error, sweeps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from graspnet.drawing import new_figure
from graspnet.sim_eval.analysis.resampling import Estimate
from graspnet.sim_eval.evaluation.decomposition import Term
from graspnet.sim_eval.evaluation.groups import Group
from graspnet.sim_eval.evaluation.judged import Judged
from graspnet.sim_eval.evaluation.sweeps import Sweep
from graspnet.training.metrics import precision_recall

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["group_figure", "ranking_figure", "reliability_figure", "sweep_figure", "term_figure"]

BINS = 10
GOOD, BAD, PLAIN, TRUTH = "#3a8a3a", "#c23b3b", "#3f7fbf", "#222222"
PART_COLOURS = {"test": PLAIN, "dev": "#e28a2b", "train": "#8a5fb0", "train-dev": "#53b5b5"}


def reliability_figure(judged: Judged) -> "Figure":
    """The mean label of grasps of about the same quality, with intervals over objects; how many have which quality."""
    figure, axes = new_figure(1, 2, width=5.0, aspect=0.8)
    left, right = axes.flat
    cell = np.minimum((judged.quality * BINS).astype(int), BINS - 1)
    left.plot([0, 1], [0, 1], color="gray", linestyle=":")
    points = []
    for k in range(BINS):
        rows = cell == k
        if rows.any():
            held = Estimate.of(judged.resampling.mean(judged.target, rows))
            points.append((float(judged.quality[rows].mean()), held, int(rows.sum())))
    x, y = [point[0] for point in points], [point[1].value for point in points]
    reach = np.maximum(np.array([[e.value - e.low, e.high - e.value] for _, e, _ in points]).T, 0.0)
    left.errorbar(x, y, yerr=reach, marker="o", markersize=4, capsize=2, linewidth=1, color=PLAIN)
    for at, held, count in points:
        left.annotate(str(count), (at, held.value), (4, -10), textcoords="offset points", fontsize=7, color="gray")
    left.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="quality", ylabel="mean label (robustness)")
    edges = np.linspace(0, 1, 26)
    for label, rows, color in (("negative", ~judged.positive, BAD), ("positive", judged.positive, GOOD)):
        right.hist(judged.quality[rows], bins=edges, color=color, alpha=0.55, label=label)
    right.set(xlabel="quality", ylabel="grasps", yscale="log")
    right.legend(fontsize=8)
    return figure


def ranking_figure(parts: dict[str, Judged]) -> "Figure":
    """Precision against recall of every part, dotted where a guess would be; labels of the best grasps of images."""
    figure, axes = new_figure(1, 2, width=5.0, aspect=0.8)
    left, right = axes.flat
    for name, judged in parts.items():
        curve = precision_recall(judged.quality, judged.positive)
        left.plot(curve["recall"], curve["precision"], color=PART_COLOURS[name], label=name)
        left.axhline(float(judged.positive.mean()), color=PART_COLOURS[name], linestyle=":", linewidth=0.8)
    left.set(xlim=(0, 1.01), ylim=(0, 1.01), xlabel="recall", ylabel="precision")
    left.legend(fontsize=8)
    best = next(iter(parts.values())).best
    limits = np.linspace(0, 1, 21)
    both = [best.robustness, best.robustness + best.regret]
    right.hist(
        both, bins=limits, color=[PLAIN, "#bbbbbb"], label=["the grasp that it prefers", "the best one there is"]
    )
    right.set(xlabel="label (robustness)", ylabel="images")
    right.legend(fontsize=8)
    return figure


def group_figure(groups: Sequence[Group]) -> "Figure":
    """ROC AUC and overconfidence of the groups of one key, with intervals; those that are worse in red."""
    figure, axes = new_figure(1, 2, width=5.2, aspect=0.12 + 0.055 * len(groups))
    for ax, name, worse, label in (
        (axes[0, 0], "roc_auc", "ranks_worse", "ROC AUC"),
        (axes[0, 1], "overconfidence", "promises_more", "mean quality − mean label"),
    ):
        for y, group in enumerate(groups):
            _bar(ax, y, getattr(group, name), BAD if getattr(group, worse) else PLAIN)
        ax.set_ylim(len(groups) - 0.5, -0.5)
        ax.set_xlabel(label)
        ax.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes[0, 0].set_yticks(range(len(groups)), [group.name for group in groups])
    axes[0, 1].set_yticks(range(len(groups)), [])
    axes[0, 1].axvline(0, color="gray", linestyle=":")
    return figure


def term_figure(terms: Sequence[Term]) -> "Figure":
    """The parts of the error with intervals; red where they are more than chance."""
    figure, axes = new_figure(1, 1, width=9.0, aspect=0.08 + 0.035 * len(terms))
    ax = axes[0, 0]
    for y, term in enumerate(terms):
        colour = BAD if term.certain else PLAIN
        ax.barh(y, term.size.value if term.size.defined else 0.0, color=colour, alpha=0.45)
        _bar(ax, y, term.size, colour)
    ax.set_yticks(range(len(terms)), [term.name for term in terms])
    ax.set_ylim(len(terms) - 0.5, -0.5)
    ax.axvline(0, color="gray", linewidth=0.8)
    ax.set_xlabel("part of the Brier score")
    return figure


def sweep_figure(sweep: Sweep) -> "Figure":
    """Quality and true label along each way; the grasp itself is at the dotted line."""
    figure, axes = new_figure(1, len(sweep.ways), width=3.0, aspect=0.7)
    for ax, way in zip(axes.flat, sweep.ways, strict=True):
        ax.fill_between(way.at, way.robustness, color="#bbbbbb", alpha=0.6, linewidth=0)
        ax.plot(way.at, way.robustness, color=TRUTH, linewidth=1.2, label="true label")
        ax.plot(way.at, way.quality, color=PLAIN, linewidth=1.8, label="quality")
        ax.axvline(0, color="gray", linestyle=":")
        ax.set(ylim=(-0.03, 1.03), xlabel=way.name)
    axes.flat[0].legend(fontsize=7, loc="lower left")
    return figure


def _bar(ax: "Axes", y: int, estimate: Estimate, colour: str) -> None:
    if estimate.defined:
        ax.plot([estimate.low, estimate.high], [y, y], color=colour, linewidth=2)
        ax.plot([estimate.value], [y], marker="o", color=colour, markersize=5)
