"""The part of a report that is about rounds in clutter: what was cleared, in how many attempts, and what stays."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from graspnet.drawing import new_figure
from graspnet.report_page import figure_html, paragraph, table_html
from sim_eval.clutter import RoundRecord
from sim_eval.clutter_results import compare_rounds, summarise_rounds
from sim_eval.outcome_figures import family_of, short
from sim_eval.replay import FinishedRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["cleared_blocks", "round_blocks"]

MOST_ROWS = 10


def round_blocks(run: FinishedRun) -> tuple[str, ...]:
    """The table of planners, that of their differences over the same rounds, and how rounds went."""
    assert run.config.clutter is not None, "of this kind"
    header = ["planner", "rounds", "attempts", "success", "cleared", "lost", "rounds ended", "AP", "picks an hour",
              "s per plan"]  # fmt: skip
    rows = [
        [
            s.policy, s.rounds, s.attempts, _rate(s.rate, s.low_over_rounds, s.high_over_rounds),
            _rate(s.cleared, s.cleared_low, s.cleared_high), s.lost,
            ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(s.endings.items())),
            f"{s.average_precision:.3f}" if np.isfinite(s.average_precision) else "–", f"{s.picks_per_hour:.0f}",
            f"{s.planning_seconds:.3f}",
        ]
        for s in summarise_rounds(run.records, run.config.clutter.motion_time)
    ]  # fmt: skip
    blocks = [table_html(header, rows)]
    differences = [
        [
            f"{c.first} − {c.second}", _points(c.rate, c.rate_low, c.rate_high),
            _points(c.cleared, c.cleared_low, c.cleared_high),
        ]
        for c in compare_rounds(run.records)
    ]  # fmt: skip
    if differences:
        blocks.append(table_html(["difference, same rounds", "success, points", "cleared, points"], differences))
    left_out = sum(record.left_out for record in run.records)
    blocks.append(paragraph(
        "Success: of all attempts. Cleared: of all objects that were there when their round began. In brackets: 95 % "
        "intervals by a bootstrap over rounds, since the attempts of a round depend on each other. Seconds per plan: "
        f"median. Picks an hour assume {run.config.clutter.motion_time:g} s of motion for each attempt, besides "
        f"planning. {left_out} objects were not in the workspace when their round began; they are not counted."
    ))  # fmt: skip
    started = [record for record in run.records if not record.problem]
    caption = "Share of the objects that was cleared after so many attempts, mean over all rounds."
    return (*blocks, figure_html(_clearing_figure(started), caption))


def cleared_blocks(run: FinishedRun) -> tuple[str, ...]:
    """Which objects, and which families of them, are left behind most often."""
    started = [record for record in run.records if not record.problem]
    planners = list(started[0].results)
    blocks = [
        table_html([f"{name} left most often", "cleared by all", *planners], rows)
        for name, rows in (("family", _least_cleared(started, family_of)), ("object", _least_cleared(started, str)))
    ]
    return (*blocks, paragraph("Cleared, of the times that it was there when a round began."))


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


def _points(difference: float, low: float, high: float) -> str:
    return f"{100 * difference:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]".replace("-", "−")
