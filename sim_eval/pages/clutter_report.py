"""The part of a report that is about rounds in clutter: what was cleared, in how many attempts, and what stays."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from graspnet.drawing import new_figure
from graspnet.grippers.parallel_jaw import load_gripper
from graspnet.report.page import figure_html, paragraph, table_html
from sim_eval.analysis.clutter_results import compare_rounds, passed_over, summarise_rounds
from sim_eval.analysis.records import started
from sim_eval.pages.cells import points_cell, share_cell
from sim_eval.pages.outcome_figures import SizedOutcome, family_of, short, size_figure
from sim_eval.protocols.clutter import RoundRecord
from sim_eval.replay.replay import FinishedRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["cleared_blocks", "round_blocks"]

MOST_ROWS = 10


def round_blocks(run: FinishedRun) -> tuple[str, ...]:
    """The table of planners, that of their differences over the same rounds, and how rounds went."""
    assert run.config.clutter is not None, "of this kind"
    summaries = summarise_rounds(run.records, run.config.clutter.motion_time)
    ceilings = list(dict.fromkeys(name for s in summaries for name in s.shares_of_ceilings))
    header = ["planner", "rounds", "attempts", "success", "success, Wilson", "cleared", "rounds emptied",
              *(f"of {ceiling}" for ceiling in ceilings), "lost", "rounds ended", "AP", "picks an hour",
              "s per plan"]  # fmt: skip
    rows = [
        [
            s.policy, s.rounds, s.attempts, _rate(s.rate, s.low_over_rounds, s.high_over_rounds),
            f"[{100 * s.low:.1f}, {100 * s.high:.1f}]", _rate(s.cleared, s.cleared_low, s.cleared_high),
            _rate(s.emptied / s.rounds, s.emptied_low, s.emptied_high),
            *(share_cell(s.shares_of_ceilings, name) for name in ceilings), s.lost,
            ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(s.endings.items())),
            f"{s.average_precision:.3f}" if np.isfinite(s.average_precision) else "–", f"{s.picks_per_hour:.0f}",
            f"{s.planning_seconds:.3f}",
        ]
        for s in summaries
    ]  # fmt: skip
    blocks = [table_html(header, rows)]
    differences = [
        [
            f"{c.first} − {c.second}", points_cell(c.rate, c.rate_low, c.rate_high), _p(c.rate_holm_p_value),
            points_cell(c.cleared, c.cleared_low, c.cleared_high), _p(c.cleared_holm_p_value),
        ]
        for c in compare_rounds(run.records)
    ]  # fmt: skip
    if differences:
        header = ["difference, same rounds", "success, points", "p (swaps, Holm)", "cleared, points", "p (swaps, Holm)"]
        blocks.append(table_html(header, differences))
    left_out = sum(record.left_out for record in run.records)
    blocks.append(paragraph(
        "Success: of all attempts. Cleared: of all objects that were there when their round began. Rounds emptied: of "
        "which every object was lifted. Of a ceiling: objects lifted over those that it lifted in the same rounds. In "
        "brackets: 95 % intervals by a bootstrap over rounds, since the attempts of one depend on each other; those "
        "of rounds emptied are Wilson's. Wilson's of success take attempts for independent; but over few rounds, or "
        "where all went alike, the bootstrap's are too narrow, and Wilson's are the ones to believe. The p-values are "
        "from swaps of whole rounds between the two planners, corrected for all pairs of this run. Seconds per plan: "
        f"median. Picks an hour assume {run.config.clutter.motion_time:g} s of motion for each attempt, besides "
        f"planning. {left_out} objects were not in the workspace when their round began; they are not counted."
    ))  # fmt: skip
    bad = passed_over(run.records)
    if bad:
        blocks.append(table_html(["object that cannot be used, others stood in", "rounds", "why"], bad[:MOST_ROWS]))
    if len(bad) > MOST_ROWS:
        blocks.append(paragraph(f"and {len(bad) - MOST_ROWS} more, in results.json."))
    caption = "Share of the objects that was cleared after so many attempts, mean over all rounds."
    return (*blocks, figure_html(_clearing_figure(started(run.records)), caption))


def cleared_blocks(run: FinishedRun) -> tuple[str, ...]:
    """Cleared by size; which objects, and which families of them, are left behind most often."""
    ran = started(run.records)
    planners = list(ran[0].results)
    tables = {"family": _least_cleared(ran, family_of), "object": _least_cleared(ran, str)}
    if tables["family"] == tables["object"]:
        del tables["family"]
    blocks = [
        table_html([f"{name} left most often", "cleared by all", *planners], rows) for name, rows in tables.items()
    ]
    blocks.append(paragraph("Cleared, of the times that it was there when a round began."))
    sized = [
        SizedOutcome(planner, size, k in {a.which for a in record.results[planner].attempts if a.result.success})
        for record in ran
        for planner in planners
        for k, size in enumerate(record.sizes)
    ]
    if sized:
        caption = (
            "Share of the objects that was cleared, against the object's bounding box, in groups of equal numbers, "
            "with Wilson's 95 % intervals; dotted: the hand's opening."
        )
        opening = load_gripper(run.config.trial.gripper).max_width
        blocks.insert(0, figure_html(size_figure(sized, opening, "share cleared"), caption))
    return tuple(blocks)


def _clearing_figure(records: Sequence[RoundRecord]) -> "Figure":
    figure, axes = new_figure(1, 1, width=6.0, aspect=0.5)
    most = max(len(result.attempts) for record in records for result in record.results.values())
    for planner in records[0].results:
        shares = []
        for record in records:
            lifted = [attempt.result.success for attempt in record.results[planner].attempts]
            cleared = np.cumsum([0, *lifted, *[False] * (most - len(lifted))])
            shares.append(cleared / len(record.objects))
        axes[0, 0].plot(range(most + 1), np.mean(shares, axis=0), marker=".", label=short(planner))
    axes[0, 0].set(xlabel="attempts", ylabel="share of objects cleared", ylim=(0, 1.02))
    axes[0, 0].legend(fontsize=8)
    return figure


def _least_cleared(records: Sequence[RoundRecord], group_of: Callable[[str], str]) -> list[list[str]]:
    planners = list(records[0].results)
    there = Counter(group_of(name) for record in records for name in record.objects)
    cleared = {
        planner: Counter(
            group_of(attempt.held)
            for record in records
            for attempt in record.results[planner].attempts
            if attempt.result.success
        )
        for planner in planners
    }
    total = {group: sum(cleared[planner][group] for planner in planners) for group in there}
    least = sorted(there, key=lambda group: (total[group] / there[group], group))[:MOST_ROWS]
    return [
        [
            group, f"{total[group]} of {there[group] * len(planners)}",
            *(f"{cleared[planner][group]} of {there[group]}" for planner in planners),
        ]
        for group in least
    ]  # fmt: skip


def _rate(rate: float, low: float, high: float) -> str:
    return f"{rate:.1%} [{100 * low:.1f}, {100 * high:.1f}]" if np.isfinite(rate) else "–"


def _p(value: float) -> str:
    return f"{value:.2g}" if np.isfinite(value) else "–"
