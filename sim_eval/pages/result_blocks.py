"""The results of a report: tables of planners and of their differences, over trials or over longer episodes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from graspnet.drawing import new_figure
from graspnet.report.page import figure_html, paragraph, table_html
from graspnet.report.words import counted
from graspnet.sim_eval.analysis.finished_run import FinishedRun
from graspnet.sim_eval.analysis.results import Summary, compare_episodes, compare_trials, passed_over, summarise
from graspnet.sim_eval.analysis.statistics import wilson_interval
from graspnet.sim_eval.episodes.records import EpisodeRecord, started
from graspnet.sim_eval.pages.cells import points, points_cell, rate_cell, share_cell
from graspnet.sim_eval.pages.outcome_figures import short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["episode_blocks", "trial_blocks"]

MAX_ROWS = 10  # so many objects that cannot be used are listed


def trial_blocks(run: FinishedRun) -> tuple[str, ...]:
    """Show the table of planners, and that of their differences trial by trial."""
    summaries = summarise(run.config, run.records)
    ceilings = _ceilings(summaries)
    header = ["planner", "trials", "success", "robust plans (Q > 0.5)", "precision of those",
              *(f"of {ceiling}" for ceiling in ceilings), "s per plan"]  # fmt: skip
    rows = [
        [
            s.policy, s.episodes, rate_cell(s.rate, s.low, s.high),
            rate_cell(s.robust_plans / s.episodes, *wilson_interval(s.robust_plans, s.episodes)),
            rate_cell(s.precision, *wilson_interval(s.robust_successes, s.robust_plans)),
            *(share_cell(s.shares_of_ceilings, name) for name in ceilings), f"{s.planning_seconds:.3f}",
        ]
        for s in summaries
    ]  # fmt: skip
    blocks = [table_html(header, rows)]
    differences = [
        [
            f"{one.first} − {one.second}", points(one.paired.difference),
            f"{points(one.paired.low)} to {points(one.paired.high)}",
            f"{points(one.low_over_objects)} to {points(one.high_over_objects)}",
            f"{one.paired.only_first}, {one.paired.only_second}", f"{one.holm_p_value:.2g}",
        ]
        for one in compare_trials(run.records)
    ]  # fmt: skip
    if differences:
        header = ["difference, same trials", "points", "95 % (Newcombe)", "95 % over objects",
                  "only the first, only the second lifted", "p (McNemar, Holm)"]  # fmt: skip
        blocks.append(table_html(header, differences))
    blocks.append(paragraph(
        "Success is the share of the trials in which the object was lifted and kept. A plan counts as robust where the "
        "planner itself gave it a quality Q above 0.5; precision is the share of robust plans that succeeded. Seconds "
        "per plan are the median. In brackets are 95 % intervals: Wilson's, and for shares of a ceiling those of a "
        "bootstrap over objects. A difference is the success of the first planner minus that of the second, in points "
        "of a hundred. Its interval over objects is a bootstrap; trials with the same object are not independent, and "
        "where the two intervals differ much, it is the one to believe. p is the probability of so large a difference, "
        "or a larger one, between planners that are equally good: exact, and corrected for all pairs of this run."
    ))  # fmt: skip
    return tuple(blocks)


def episode_blocks(run: FinishedRun) -> tuple[str, ...]:
    """Show the table of planners, that of their differences over the same episodes, and how the clearing went."""
    summaries, units = summarise(run.config, run.records), f"{run.config.task.unit}s"
    ceilings = _ceilings(summaries)
    header = ["planner", units, "attempts", "success", "cleared", f"{units} emptied",
              *(f"of {ceiling}" for ceiling in ceilings)]  # fmt: skip
    rows = [
        [
            s.policy, s.episodes, s.attempts, rate_cell(s.rate, s.low_over_units, s.high_over_units),
            rate_cell(s.cleared, s.cleared_low, s.cleared_high),
            rate_cell(s.emptied / s.episodes, s.emptied_low, s.emptied_high),
            *(share_cell(s.shares_of_ceilings, name) for name in ceilings),
        ]
        for s in summaries
    ]  # fmt: skip
    more_header = ["planner", "success, Wilson", "objects lost", f"{units} ended", "AP", "picks an hour", "s per plan"]
    more = [
        [
            s.policy, rate_cell(s.rate, s.low, s.high), s.lost,
            ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(s.endings.items())),
            f"{s.average_precision:.3f}" if np.isfinite(s.average_precision) else "–", f"{s.picks_per_hour:.0f}",
            f"{s.planning_seconds:.3f}",
        ]
        for s in summaries
    ]  # fmt: skip
    blocks = [table_html(header, rows), table_html(more_header, more)]
    differences = [
        [
            f"{one.first} − {one.second}", points_cell(one.rate, one.rate_low, one.rate_high),
            _p(one.rate_holm_p_value), points_cell(one.cleared, one.cleared_low, one.cleared_high),
            _p(one.cleared_holm_p_value),
        ]
        for one in compare_episodes(run.records)
    ]  # fmt: skip
    if differences:
        header = [f"difference, same {units}", "success, points", "p (swaps, Holm)", "cleared, points",
                  "p (swaps, Holm)"]  # fmt: skip
        blocks.append(table_html(header, differences))
    blocks.append(paragraph(
        "Success is the share of all attempts that lifted an object. Cleared is the share of all objects that were "
        "there when their round began. A round is emptied if every object was lifted. Of a ceiling: objects lifted "
        "over those that it lifted in the same rounds. AP is the average precision with which quality tells attempts "
        "that succeed from others. In brackets are 95 % intervals by a bootstrap over rounds, since the attempts of "
        "one depend on each other; those of rounds emptied are Wilson's. Wilson's intervals of success take attempts "
        "for independent; but over few rounds, or where all went alike, the bootstrap's are too narrow, and Wilson's "
        "are the ones to believe. p is the probability of so large a difference, or a larger one, between planners "
        "that are equally good: from swaps of whole rounds between the two, corrected for all pairs of this run. "
        "A round ends when it is cleared, when the planner says that there is no plan, or after too many failures in a "
        "row. Seconds per plan are the median. Picks an hour assume "
        f"{run.config.motion_time:g} s of motion for each attempt, besides planning."
    ))  # fmt: skip
    if left_out := sum(record.left_out for record in run.records):
        blocks.append(paragraph(
            f"{counted(left_out, 'object')} had left the workspace before a round began; such objects are not counted."
        ))  # fmt: skip
    bad = passed_over(run.records)
    if bad:
        blocks.append(table_html(["object that cannot be used, others stood in", units, "why"], bad[:MAX_ROWS]))
    if len(bad) > MAX_ROWS:
        blocks.append(paragraph(f"and {len(bad) - MAX_ROWS} more, in results.json."))
    caption = f"Share of the objects that was cleared after so many attempts, mean over all {units}."
    return (*blocks, figure_html(_clearing_figure(started(run.records)), caption))


def _ceilings(summaries: Sequence[Summary]) -> list[str]:
    return list(dict.fromkeys(name for summary in summaries for name in summary.shares_of_ceilings))


def _clearing_figure(records: Sequence[EpisodeRecord]) -> "Figure":
    figure, axes = new_figure(1, 1, width=6.0, aspect=0.5)
    most = max(len(result.attempts) for record in records for result in record.results.values())
    for planner in records[0].results:
        shares = []
        for record in records:
            lifted = [attempt.success for attempt in record.results[planner].attempts]
            cleared = np.cumsum([0, *lifted, *[False] * (most - len(lifted))])
            shares.append(cleared / len(record.objects))
        axes[0, 0].plot(range(most + 1), np.mean(shares, axis=0), marker=".", label=short(planner))
    axes[0, 0].set(xlabel="attempts", ylabel="share of objects cleared", ylim=(0, 1.02))
    axes[0, 0].legend(fontsize=8)
    return figure


def _p(value: float) -> str:
    return f"{value:.2g}" if np.isfinite(value) else "–"
