"""A page about sets of objects: how they compare, what they look like, what was mended and what was left out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from graspnet.data_gen.catalogue.diversity import COLUMNS, ShapeMeasures, summary_rows
from graspnet.drawing import new_figure
from graspnet.report.page import Section, figure_html, paragraph, table_html, write_report
from graspnet.report.words import counted, folder_name, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ObjectReport", "comparison_figure", "gallery_figure", "group_table", "notes_table", "write_page"]

GALLERY = 40  # A group shows at most so many pictures.
EXPLANATION = (
    "Each figure is the median over the objects, with the 10 % and 90 % quantiles in brackets; the four shares of the "
    "surface are means. Sides are those of a tight box. Thickness is the material under the surface along its normal. "
    "Flat, rounded, sharp (edges, corners, thin rods) and hollow divide the surface by how it bends over a twentieth "
    "of the longest side. Convexity is the volume over that of the convex hull. Graspable is the share of the surface "
    "that has an antipodal partner (friction 0.6) for a hand whose opening is 1 / 0.9 of the object's middle side."
)
CURVES_CAPTION = (
    "A curve says which share of the objects lies below each value: where it passes ½ is the median. The bars divide "
    "the sets' surfaces by how they bend."
)
LEFT_OUT = "What was left out"
NUMBER = re.compile(r"\d+(?:\.\d+)?")
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
    problems = [(r.name, r.problem) for r in reports if r.problem]
    sections = [
        *(Section(f"Pictures: {group}", tuple(_gallery(reports, group))) for group in _groups(reports, "group")),
        Section("Sets of objects", (paragraph(EXPLANATION), table_html(("", *COLUMNS), group_table(reports, "group")))),
        Section("Distributions", (figure_html(comparison_figure(reports), CURVES_CAPTION),)),
        Section("Families", (table_html(("", *COLUMNS), by_family),)),
        Section(
            "What was mended",
            (_table_or(("group", "objects", "what was done"), notes_table(reports), "Nothing had to be mended."),),
        ),
        Section(LEFT_OUT, (_table_or(("object", "problem"), problems, "Every object can be used."),)),
    ]
    write_report(path, f"Objects: {folder_name(path.parent)}", sections, _opening(reports))


def _opening(reports: Sequence[ObjectReport]) -> list[str]:
    """Say of each set how many of its objects can be used, and what they are like."""
    blocks = []
    for group, some in _groups(reports, "group").items():
        measures = [r.measures for r in some if r.measures]
        bad, mended = len(some) - len(measures), sum(bool(m.notes) for m in measures)
        text = f"{group}: {counted(len(some), 'object')} were looked at, and "
        text += f"{bad} cannot be used (“{LEFT_OUT}” says why)" if bad else "all can be used"
        text += f"; {mended} had to be mended." if mended else "; none had to be mended."
        if measures:
            shortest, _, longest = 1000 * np.median([m.sides for m in measures], axis=0)
            graspable = np.median([m.graspable for m in measures])
            text += (
                f" Half of them are shorter than {longest:.0f} mm along their longest side, and thinner than "
                f"{shortest:.0f} mm along their shortest. Two jaws find opposite sides to hold on {percent(graspable)} "
                "of the middle object's surface."
            )
        blocks.append(paragraph(text))
    return blocks


def _table_or(header: Sequence[str], rows: Sequence[Sequence[object]], otherwise: str) -> str:
    """A table, or what is to be said where it would be empty."""
    return table_html(header, rows) if rows else paragraph(otherwise)


def group_table(reports: Sequence[ObjectReport], by: str) -> list[tuple[str, ...]]:
    """Rows under ("", *COLUMNS), one for each value of the reports' field `by`."""
    return summary_rows(_measures(reports, by))


def notes_table(reports: Sequence[ObjectReport]) -> list[tuple[str, int, str]]:
    """(group, how many objects, note), the most frequent first. Notes that differ in their numbers alone are one.

    It then tells from which to which number they go: `merged 7 to 28 vertices`.
    """
    alike: dict[tuple[str, str], list[list[str]]] = {}
    for report in reports:
        notes = report.measures.notes if report.measures else ()
        for pattern, note in {NUMBER.sub("#", note): note for note in notes}.items():
            alike.setdefault((report.group, pattern), []).append(NUMBER.findall(note))
    rows = [(group, len(numbers), _with_ranges(pattern, numbers)) for (group, pattern), numbers in alike.items()]
    return sorted(rows, key=lambda row: -row[1])


def _with_ranges(pattern: str, numbers: Sequence[Sequence[str]]) -> str:
    """Put the lowest and the highest number back into each place where a note had one."""
    places = [sorted(set(place), key=float) for place in zip(*numbers, strict=True)]
    ranges = iter([place[0] if len(place) == 1 else f"{place[0]} to {place[-1]}" for place in places])
    return re.sub("#", lambda _: next(ranges), pattern)


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
    return [
        figure_html(
            gallery_figure(chosen),
            f"{len(chosen)} of {counted(len(shown), 'object')} of {group}, each drawn as large as its picture.",
        )
    ]


def _measures(reports: Sequence[ObjectReport], by: str) -> dict[str, list[ShapeMeasures]]:
    found = {group: [r.measures for r in some if r.measures] for group, some in _groups(reports, by).items()}
    return {group: measures for group, measures in found.items() if measures}


def _groups(reports: Sequence[ObjectReport], by: str) -> dict[str, list[ObjectReport]]:
    groups: dict[str, list[ObjectReport]] = {}
    for report in reports:
        groups.setdefault(getattr(report, by), []).append(report)
    return groups
