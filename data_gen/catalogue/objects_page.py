"""A page about sets of objects: how they compare, what they look like, what was mended and what was left out."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from graspnet.data_gen.catalogue.diversity import COLUMNS, ShapeMeasures, summary_rows
from graspnet.drawing import new_figure
from graspnet.report.page import Section, figure_html, paragraph, table_html, write_report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ObjectReport", "comparison_figure", "gallery_figure", "group_table", "notes_table", "write_page"]

GALLERY = 40  # A group shows at most so many pictures.
EXPLANATION = (
    "Medians, with the 10 % and 90 % quantiles in brackets; shares of the surface are means. Sides are those of a "
    "tight box. Thickness is the material under the surface along its normal. Flat, rounded, sharp (edges, corners, "
    "thin rods) and hollow divide the surface by how it bends over a twentieth of the longest side. Convexity is the "
    "volume over that of the convex hull. Graspable is the share of the surface that has an antipodal partner "
    "(friction 0.6) for a hand whose opening is 1 / 0.9 of the object's middle side."
)
CURVES = {
    "longest side, mm": lambda m: 1000 * m.sides[2],
    "smallest / longest side": lambda m: m.sides[0] / m.sides[2],
    "thickness / longest side": lambda m: m.thickness / m.sides[2],
    "volume / volume of the hull": lambda m: m.convexity,
    "graspable share of the surface": lambda m: m.graspable,
    "stable poses": lambda m: m.poses,
}
SURFACE = {"flat": "#8da0cb", "rounded": "#66c2a5", "sharp": "#fc8d62", "hollow": "#a6761d"}


@dataclass(frozen=True, eq=False)
class ObjectReport:
    """One object: its measures, or the problem for which it is left out."""

    name: str
    group: str  # its folder, or "procedural"
    family: str  # the procedural object's family; the group of any other
    measures: ShapeMeasures | None = None
    picture: UInt8[np.ndarray, "S S 3"] | None = None
    problem: str = ""


def write_page(path: Path, reports: Sequence[ObjectReport]) -> None:
    """The page, in one file."""
    by_family = group_table(reports, "family")
    sections = [
        Section("Sets of objects", (paragraph(EXPLANATION), table_html(("", *COLUMNS), group_table(reports, "group")))),
        Section("Distributions", (figure_html(comparison_figure(reports), "Left of a value: the share below it."),)),
        Section("Families", (table_html(("", *COLUMNS), by_family),)),
        Section("What was mended", (table_html(("group", "objects", "note"), notes_table(reports)),)),
        Section(
            "What was left out",
            (table_html(("object", "problem"), [(r.name, r.problem) for r in reports if r.problem]),),
        ),
        *(Section(f"Pictures: {group}", tuple(_gallery(reports, group))) for group in _groups(reports, "group")),
    ]
    write_report(path, "Objects", sections)


def group_table(reports: Sequence[ObjectReport], by: str) -> list[tuple[str, ...]]:
    """Rows under ("", *COLUMNS), one for each value of the reports' field `by`."""
    return summary_rows(_measures(reports, by))


def notes_table(reports: Sequence[ObjectReport]) -> list[tuple[str, int, str]]:
    """(group, how many objects, note), with numbers in the notes as #, the most frequent first."""
    counts = Counter(
        (report.group, note)
        for report in reports
        if report.measures
        for note in {re.sub(r"\d+(\.\d+)?", "#", note) for note in report.measures.notes}
    )
    return [(group, count, note) for (group, note), count in counts.most_common()]


def comparison_figure(reports: Sequence[ObjectReport]) -> "Figure":
    """Cumulative distributions of six measures, a line for each group, and what the surfaces consist of."""
    figure, axes = new_figure(2, 4, width=3.2)
    groups = _measures(reports, "group")
    for axis, (label, value) in zip(axes.flat, CURVES.items(), strict=False):
        for group, measures in groups.items():
            axis.ecdf([value(m) for m in measures], label=group)
        axis.set_xlabel(label)
        axis.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=8)
    shares, legend = axes[1, 2], axes[1, 3]
    left = np.zeros(len(groups))
    for kind, color in SURFACE.items():
        width = np.array([np.mean([getattr(m, kind) for m in measures]) for measures in groups.values()])
        shares.barh(list(groups), width, left=left, color=color, label=kind)
        left += width
    shares.set_xlabel("share of the surface")
    shares.invert_yaxis()
    legend.legend(*shares.get_legend_handles_labels(), loc="center left", frameon=False)
    legend.set_axis_off()
    return figure


def gallery_figure(reports: Sequence[ObjectReport], columns: int = 10, width: float = 1.2) -> "Figure":
    """Pictures with names, as many as reports have one."""
    shown = [report for report in reports if report.picture is not None]
    figure, axes = new_figure(-(-len(shown) // columns), columns, width=width, aspect=1.0)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, report in zip(axes.flat, shown, strict=False):
        axis.imshow(report.picture)
        axis.set_title(Path(report.name).stem[:16], fontsize=7)
    return figure


def _gallery(reports: Sequence[ObjectReport], group: str) -> list[str]:
    shown = [report for report in reports if report.group == group and report.picture is not None]
    if not shown:
        return [paragraph("None could be used.")]
    chosen = [shown[i] for i in np.unique(np.linspace(0, len(shown) - 1, min(GALLERY, len(shown))).round().astype(int))]
    return [figure_html(gallery_figure(chosen), f"{len(chosen)} of {len(shown)}, each as large as its picture.")]


def _measures(reports: Sequence[ObjectReport], by: str) -> dict[str, list[ShapeMeasures]]:
    found = {group: [r.measures for r in some if r.measures] for group, some in _groups(reports, by).items()}
    return {group: measures for group, measures in found.items() if measures}


def _groups(reports: Sequence[ObjectReport], by: str) -> dict[str, list[ObjectReport]]:
    groups: dict[str, list[ObjectReport]] = {}
    for report in reports:
        groups.setdefault(getattr(report, by), []).append(report)
    return groups
