"""The page of a protocol's variants: what each change costs whom."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from graspnet.drawing import new_figure
from graspnet.report.page import Section, figure_html, paragraph, table_html, write_report
from graspnet.report.words import counted, folder_name
from graspnet.sim_eval.analysis.variants import Effect
from graspnet.sim_eval.pages.cells import points, points_cell, share_cell
from graspnet.sim_eval.pages.findings import CHANCE, protocol_title
from graspnet.sim_eval.pages.outcome_figures import short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["write_effects_report"]


def write_effects_report(path: Path, name: str, effects: Sequence[Effect]) -> None:
    """Write the page: a plot and a table of all effects. Each variant has a report of its own in its folder.

    name: of the protocol. The title is the folder's name.
    """
    ceilings = list(dict.fromkeys(name for one in effects for name in one.shares_of_ceilings))
    rows = [
        [
            one.planner, one.variant, one.trials,
            f"{one.successes / one.trials:.1%} [{100 * one.low:.1f}, {100 * one.high:.1f}]",
            points_cell(one.paired.difference, one.paired.low, one.paired.high),
            points_cell(one.paired.difference, one.low_over_objects, one.high_over_objects), f"{one.holm_p_value:.2g}",
            *(share_cell(one.shares_of_ceilings, name) for name in ceilings),
        ]
        for one in effects
    ]  # fmt: skip
    header = ["planner", "variant", "trials", "success", "points more than base", "over objects", "p (McNemar, Holm)",
              *(f"of {ceiling} there" for ceiling in ceilings)]  # fmt: skip
    text = (
        "A variant changes one thing, and everything else in its trials stays. "
        "The points are success under a variant minus success under the protocol as it stands, on the same trials. In "
        "brackets are 95 % intervals, Wilson's of success and Newcombe's of the difference; those over objects, and of "
        "shares of a ceiling's successes under the same variant, are a bootstrap. p is the probability of so large a "
        "difference, or a larger one, where the variant changes nothing: exact, and corrected for all rows. Every "
        "variant's folder has a report of its own."
    )
    blocks = [paragraph(text), table_html(header, rows)]
    if effects:
        caption = "Points gained or lost under each variant, with Newcombe's 95 % intervals. Left of 0, it costs lifts."
        blocks.insert(1, figure_html(_figure(effects), caption))
    write_report(
        path, f"Simulation: {folder_name(path.parent)}", [Section("Effects", tuple(blocks))], _opening(name, effects)
    )


def _opening(name: str, effects: Sequence[Effect]) -> list[str]:
    """Say for each planner how many changes cost it lifts for certain, and which one costs it most."""
    blocks = []
    for planner in dict.fromkeys(one.planner for one in effects):
        mine = [one for one in effects if one.planner == planner]
        costly = sum(one.paired.difference < 0 and one.holm_p_value < CHANCE for one in mine)
        worst = min(mine, key=lambda one: one.paired.difference)
        gain = worst.paired
        most = (
            f"The largest change for the worse is {worst.variant}: {points(gain.difference)} points (95 % interval: "
            f"{points(gain.low)} to {points(gain.high)}) on {worst.trials} trials."
        )
        blocks.append(paragraph(
            f"Of the {counted(len(mine), 'variant')} of the protocol {protocol_title(name)}, {costly} cost "
            f"{short(planner)} lifts, by more than chance would give (p below {CHANCE:g}, corrected for all of them). "
            f"{most if gain.difference < 0 else 'None made it lift less.'}"
        ))  # fmt: skip
    return blocks


def _figure(effects: Sequence[Effect]) -> "Figure":
    variants, planners = (list(dict.fromkeys(getattr(e, name) for e in effects)) for name in ("variant", "planner"))
    figure, axes = new_figure(1, 1, width=8.0, aspect=0.05 + 0.012 * len(variants) * (len(planners) + 1))
    for k, planner in enumerate(planners):
        mine = [one for one in effects if one.planner == planner]
        centers = 100 * np.array([one.paired.difference for one in mine])
        bounds = 100 * np.array([[one.paired.low, one.paired.high] for one in mine]).T
        heights = [variants.index(one.variant) + 0.6 * ((k + 0.5) / len(planners) - 0.5) for one in mine]
        axes[0, 0].errorbar(
            centers, heights, xerr=np.abs(bounds - centers), fmt="o", markersize=4, capsize=2, label=planner
        )
    axes[0, 0].axvline(0.0, color="gray", linestyle=":")
    axes[0, 0].set_yticks(range(len(variants)), variants, fontsize=8)
    axes[0, 0].invert_yaxis()
    axes[0, 0].set_xlabel("points more than base")
    figure.legend(loc="outside right upper", fontsize=8)
    return figure
