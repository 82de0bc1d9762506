"""The table of a screen, as text and as a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from graspnet.drawing import new_figure
from graspnet.report.page import Section, figure_html, paragraph, table_html, write_report
from graspnet.report.words import folder_name
from graspnet.sim_eval.analysis.resampling import Estimate
from graspnet.sim_eval.pages.cells import points, points_cell, rate_cell
from graspnet.sim_eval.protocols.protocol import BASE
from graspnet.sim_eval.studies.screen.comparison import LIFTED, Comparison
from graspnet.sim_eval.studies.screen.matrix import ScreenConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["markdown_table", "write_screen_report"]

HEADER = (
    "variant", "what may be said", "seeds", "trials", "lifted", "points more", "pairs, p (McNemar)", "AP", "AP more",
    "top-1", "points more", "calibration error", "quality − lifted", "a plan takes", "examples", "examples/s",
)  # fmt: skip
TEXT = (
    "Every variant was trained under the same budget and compared with the base, seed by seed: on the same trials with "
    "objects of the tuning protocol, and on the same grasps of the validation objects. In brackets are 95 % intervals, "
    "Wilson's of the share lifted, of as many trials as are different. "
    "Those of differences count the chance of the objects, which are drawn anew as wholes, and, from two seeds on, the "
    "chance of the trainings, whose variance is pooled over all variants. Pairs are the trials that only the variant "
    "lifted and those that only the base lifted, with Newcombe's interval in points and the exact test, as if trials "
    "of one object under several seeds were independent. AP (average precision), top-1 (the share of images whose best "
    "grasp by quality is positive, of those that have a positive one) and calibration error are measured against one "
    "label for all. Quality − lifted is the mean quality of the executed grasps minus the share of them that was "
    "lifted. What may be said is decided by lifts, and only then by AP, with p-values corrected for the number of "
    "variants."
)


def markdown_table(rows: Sequence[Comparison]) -> str:
    """The table as Markdown, which is readable as it stands."""
    lines = [" | ".join(("", *HEADER, "")).strip(), "|" + "---|" * len(HEADER)]
    lines += [" | ".join(("", *_cells(row), "")).strip() for row in rows]
    return "\n".join([*lines, *(f"{row.variant}: {row.problem}" for row in rows if row.problem)])


def write_screen_report(path: Path, config: ScreenConfig, rows: Sequence[Comparison]) -> None:
    """Write the page: what may be said, a plot of the gains, the table, and what each variant changes."""
    said = [
        f"{row.variant} {row.verdict} than the base"
        for row in rows
        if row.variant != BASE and row.verdict.startswith(("lifts", "ranks"))
    ]
    opening = "; ".join(said) + "." if said else "No variant is told apart from the base."
    blocks = [paragraph(TEXT), table_html(HEADER, [_cells(row) for row in rows])]
    if any(row.gains for row in rows):
        caption = "Lifts and average precision gained over the base, with 95 % intervals. Left of 0, a variant loses."
        blocks.insert(1, figure_html(_figure(rows), caption))
    problems = [paragraph(f"{row.variant} could not be finished: {row.problem}") for row in rows if row.problem]
    changes = table_html(["variant", "changes"], [[name, " ".join(of)] for name, of in config.variants.items()])
    sections = [Section("Variants", tuple(blocks + problems)), Section("What each changes", (changes,))]
    write_report(path, f"Screen: {folder_name(path.parent)}", sections, [paragraph(opening)])


def _cells(row: Comparison) -> list[str]:
    pairs, counted = row.pairs, row.seeds > 0
    return [
        row.variant,
        row.verdict,
        str(row.seeds),
        str(row.trials),
        _share(row.figures.get(LIFTED)),
        _points(row.gains.get(LIFTED)),
        "–"
        if pairs is None
        else f"+{pairs.only_first} −{pairs.only_second}, "
        f"{points_cell(pairs.difference, pairs.low, pairs.high)}, p = {pairs.p_value:.2g}",
        _fixed(row.figures.get("average_precision")),
        _fixed(row.gains.get("average_precision"), sign="+"),
        _share(row.figures.get("top_1")),
        _points(row.gains.get("top_1")),
        _fixed(row.figures.get("calibration_error")),
        f"{row.overconfidence:+.2f}".replace("-", "−") if np.isfinite(row.overconfidence) else "–",
        f"{row.planning_seconds:.2f} s" if np.isfinite(row.planning_seconds) else "–",
        str(row.examples),
        f"{row.examples_per_second:.0f}" if counted else "–",
    ]


def _share(estimate: Estimate | None) -> str:
    return "–" if estimate is None else rate_cell(estimate.value, estimate.low, estimate.high)


def _points(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    bounded = np.isfinite(estimate.low)
    return points_cell(estimate.value, estimate.low, estimate.high) if bounded else points(estimate.value)


def _fixed(estimate: Estimate | None, sign: str = "") -> str:
    if estimate is None:
        return "–"
    if not np.isfinite(estimate.low):
        return f"{estimate.value:{sign}.3f}".replace("-", "−")
    value, low, high = (f"{each:{sign}.3f}".replace("-", "−") for each in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def _figure(rows: Sequence[Comparison]) -> "Figure":
    """Gains in lifts and in average precision, side by side; rows without a gain are left out."""
    having = [row for row in rows if row.gains]
    figure, axes = new_figure(1, 2, width=4.5, aspect=0.2 + 0.06 * len(having))
    for ax, (name, factor, label) in zip(
        axes.flat,
        ((LIFTED, 100, "points more lifted"), ("average_precision", 1, "more average precision")),
        strict=True,
    ):
        for height, row in enumerate(having):
            if name in row.gains:
                gain = row.gains[name]
                ax.plot([factor * gain.low, factor * gain.high], [height, height], color="#3f7fbf", linewidth=2)
                ax.plot([factor * gain.value], [height], "o", color="#3f7fbf", markersize=5)
        ax.axvline(0, color="gray", linestyle=":")
        ax.set_ylim(len(having) - 0.5, -0.5)
        ax.set_xlabel(label)
    axes.flat[0].set_yticks(range(len(having)), [row.variant for row in having], fontsize=8)
    axes.flat[1].set_yticks(range(len(having)), [])
    return figure
