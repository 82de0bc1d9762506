"""Tables of results as text: what `graspnet simulate` prints."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from graspnet.sim_eval.analysis.results import (
    CeilingShare,
    Summary,
    compare_episodes,
    compare_trials,
    passed_over,
    summarise,
)
from graspnet.sim_eval.episodes.records import EpisodeRecord
from graspnet.sim_eval.protocols.protocol import ProtocolConfig

__all__ = ["format_results", "format_share"]


def format_results(config: ProtocolConfig, records: Sequence[EpisodeRecord]) -> str:
    """Write a row for each planner, then shares of ceilings, differences, and what went wrong."""
    summaries = summarise(config, records)
    lines = _trial_rows(summaries) if config.of_trials else _episode_rows(summaries)
    over = "objects" if config.of_trials else "rounds"
    for summary in summaries:
        if summary.shares_of_ceilings:
            shares = (f"{format_share(share)} of {name}" for name, share in summary.shares_of_ceilings.items())
            lines.append(f"{summary.policy} lifts {', '.join(shares)} (bootstrap over {over})")
    lines += _trial_pairs(records) if config.of_trials else _episode_pairs(records)
    return "\n".join([*lines, *_troubles(config, records)])


def format_share(one: CeilingShare) -> str:
    """Write a share in percent, with its interval."""
    return f"{one.share:.1%} [{100 * one.low:.1f}, {100 * one.high:.1f}]"


def _trial_rows(summaries: Sequence[Summary]) -> list[str]:
    width = _width(summaries)
    lines = [f"{'policy':<{width}}  success  95 % interval   precision  plan s  failures"]
    for s in summaries:
        lines.append(
            f"{s.policy:<{width}}  {s.successes:>3}/{s.attempts:<3}"
            f"  {s.rate:.1%} [{s.low:.1%}, {s.high:.1%}]  {_share(s.precision):>9}"
            f"  {s.planning_seconds:.3f}  {_failures(s)}"
        )
    return lines


def _episode_rows(summaries: Sequence[Summary]) -> list[str]:
    width = _width(summaries)
    lines = [
        f"{'policy':<{width}}  success  95 % over rounds (Wilson)   cleared  95 % over rounds   emptied"
        "   lost  plan s     AP  picks/h  endings; failures"
    ]
    for s in summaries:
        lines.append(
            f"{s.policy:<{width}}  {s.successes}/{s.attempts} {s.rate:.1%}"
            f" [{s.low_over_units:.1%}, {s.high_over_units:.1%}] ({s.low:.1%}, {s.high:.1%})"
            f"  {s.successes}/{s.objects} {s.cleared:.1%} [{s.cleared_low:.1%}, {s.cleared_high:.1%}]"
            f"  {s.emptied}/{s.episodes} [{s.emptied_low:.1%}, {s.emptied_high:.1%}]"
            f"  {s.lost:>4}  {s.planning_seconds:.3f}  {s.average_precision:>5.3f}  {s.picks_per_hour:>7.0f}"
            f"  {', '.join(f'{name} {n}' for name, n in sorted(s.endings.items()))}; {_failures(s)}"
        )
    return lines


def _trial_pairs(records: Sequence[EpisodeRecord]) -> list[str]:
    return [
        f"{one.first} - {one.second}: {100 * one.paired.difference:+.1f} points"
        f" [{100 * one.paired.low:+.1f}, {100 * one.paired.high:+.1f}],"
        f" over objects [{100 * one.low_over_objects:+.1f}, {100 * one.high_over_objects:+.1f}],"
        f" {one.paired.only_first} to {one.paired.only_second} of {one.paired.trials} trials,"
        f" p = {one.holm_p_value:.3g} (exact McNemar, Holm)"
        for one in compare_trials(records)
    ]


def _episode_pairs(records: Sequence[EpisodeRecord]) -> list[str]:
    return [
        f"{one.first} - {one.second}: success {100 * one.rate:+.1f} points"
        f" [{100 * one.rate_low:+.1f}, {100 * one.rate_high:+.1f}], p = {one.rate_holm_p_value:.3g};"
        f" cleared {100 * one.cleared:+.1f} [{100 * one.cleared_low:+.1f}, {100 * one.cleared_high:+.1f}],"
        f" p = {one.cleared_holm_p_value:.3g} (bootstrap over rounds; swaps of rounds, Holm)"
        for one in compare_episodes(records)
    ]


def _troubles(config: ProtocolConfig, records: Sequence[EpisodeRecord]) -> list[str]:
    """Tell what was left out, what could not be used, and what could not start."""
    unit, lines = config.task.unit, []
    left_out, bad = sum(record.left_out for record in records), passed_over(records)
    if left_out:
        lines.append(f"{left_out} objects were not in the workspace when their {unit} began; they are not counted")
    if bad:
        lines.append(f"{len(bad)} objects cannot be used, others stood in for them; the first: {bad[0][2]}")
    problems = [record.problem for record in records if record.problem]
    if problems:
        lines.append(f"{len(problems)} {unit}s could not start; the first: {problems[0]}")
    return lines


def _failures(summary: Summary) -> str:
    failures = Counter({name: n for name, n in summary.outcomes.items() if name != "success"}).most_common()
    return ", ".join(f"{name} {n}" for name, n in failures) or "none"


def _width(summaries: Sequence[Summary]) -> int:
    return max([6] + [len(summary.policy) for summary in summaries])


def _share(value: float) -> str:
    return f"{value:.1%}" if np.isfinite(value) else "-"
