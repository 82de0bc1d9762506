"""What rounds in clutter add up to: success rate, share cleared, planning time, picks an hour; and pairs of planners.

Attempts within a round depend on each other (a failure leaves its mark), so that intervals come from a bootstrap over
rounds, and p-values from swaps of whole rounds. Wilson's interval, which takes attempts for independent, is given
beside the bootstrap's: over few rounds, and where all went alike, the bootstrap's is too narrow.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, Int64

from data_gen.scenes.rendering import Renderer
from sim_eval.analysis.records import as_json, rows_as_json, started
from sim_eval.analysis.results import CeilingShare, format_share, shares_of_ceilings
from sim_eval.analysis.statistics import bootstrap_over_objects, holm_adjusted, swap_p_value, wilson_interval
from sim_eval.planners.planner import Planner
from sim_eval.protocols.clutter import RoundRecord, RoundResult, record_round
from sim_eval.protocols.kinds import Kind

if TYPE_CHECKING:
    from sim_eval.protocols.protocol import ProtocolConfig

__all__ = [
    "CLUTTER",
    "ClutterSummary",
    "RoundComparison",
    "compare_rounds",
    "format_rounds",
    "passed_over",
    "summarise_rounds",
]

ATTEMPTS, OBJECTS = 1, 2  # columns of _counts: what successes are out of


@dataclass(frozen=True)
class ClutterSummary:
    """One planner over all rounds that started. Rates are NaN where there is nothing to divide by."""

    policy: str
    rounds: int
    attempts: int  # executed ones, and planners that broke down; without those that found no grasp
    successes: int
    rate: float  # successes over attempts; Dex-Net 4.0's reliability
    low: float  # Wilson's 95 % bounds
    high: float
    low_over_rounds: float  # 95 % bounds from resampled rounds
    high_over_rounds: float
    objects: int  # at the start of all rounds
    cleared: float  # successes over objects
    cleared_low: float  # 95 % bounds from resampled rounds
    cleared_high: float
    shares_of_ceilings: dict[str, CeilingShare]  # successes over those of each other ceiling that was asked and lifted
    # something, in the same rounds; bounds from resampled rounds
    emptied: int  # rounds in which every object was lifted
    emptied_low: float  # Wilson's 95 % bounds of their share
    emptied_high: float
    lost: int  # objects that left the workspace
    outcomes: dict[str, int]  # of all attempts
    endings: dict[str, int]  # of the rounds
    planning_seconds: float  # median over all attempts
    average_precision: float  # of the quality against success over attempts; NaN where it says nothing
    picks_per_hour: float  # successes over the time of all attempts: motion_time and planning


@dataclass(frozen=True)
class RoundComparison:
    """Two planners over the same rounds: the first minus the second, with 95 % bounds from resampled rounds, and
    p-values of no difference (statistics.swap_p_value), as they are and corrected for all pairs of the run (Holm)."""

    first: str
    second: str
    rate: float
    rate_low: float
    rate_high: float
    rate_p_value: float
    rate_holm_p_value: float
    cleared: float
    cleared_low: float
    cleared_high: float
    cleared_p_value: float
    cleared_holm_p_value: float


def summarise_rounds(records: Sequence[RoundRecord], motion_time: float) -> list[ClutterSummary]:
    """One summary for each planner, in the order in which they were asked for."""
    ran = started(records)
    labels = list(ran[0].results) if ran else []
    counts = {label: _counts(ran, label) for label in labels}
    cleared = {label: counts[label][:, 0] for label in labels}
    return [
        _summary(
            label, [r.results[label] for r in ran], counts[label],
            shares_of_ceilings(label, cleared, _rounds(len(ran))), motion_time,
        )
        for label in labels
    ]  # fmt: skip


def compare_rounds(records: Sequence[RoundRecord]) -> list[RoundComparison]:
    """Every pair of planners over the rounds that started."""
    ran = started(records)
    counts = {label: _counts(ran, label) for label in (ran[0].results if ran else [])}
    pairs = list(combinations(counts, 2))
    p_values = {
        over: [swap_p_value(counts[one][:, [0, over]], counts[other][:, [0, over]]) for one, other in pairs]
        for over in (ATTEMPTS, OBJECTS)
    }
    adjusted = {over: holm_adjusted(p_values[over]) for over in p_values}
    found = []
    for k, (one, other) in enumerate(pairs):
        rate, cleared = (
            (*_gain(counts[one], counts[other], over), p_values[over][k], float(adjusted[over][k]))
            for over in (ATTEMPTS, OBJECTS)
        )
        found.append(RoundComparison(one, other, *rate, *cleared))
    return found


def passed_over(records: Sequence[RoundRecord]) -> list[tuple[str, int, str]]:
    """Objects that could not be used: name, in how many rounds it was drawn, and why; the most frequent first."""
    reasons = {name: reason for record in started(records) for name, reason in record.passed_over.items()}
    rounds = Counter(name for record in started(records) for name in record.passed_over)
    return [(name, count, reasons[name]) for name, count in sorted(rounds.items(), key=lambda of: (-of[1], of[0]))]


def format_rounds(records: Sequence[RoundRecord], motion_time: float) -> str:
    """The table that `graspnet simulate` prints."""
    summaries, problems = summarise_rounds(records, motion_time), [record for record in records if record.problem]
    width = max([6] + [len(summary.policy) for summary in summaries])
    lines = [
        f"{'policy':<{width}}  success  95 % over rounds (Wilson)   cleared  95 % over rounds   emptied"
        "   lost  plan s     AP  picks/h  endings; failures"
    ]
    for s in summaries:
        failures = Counter({name: n for name, n in s.outcomes.items() if name != "success"}).most_common()
        lines.append(
            f"{s.policy:<{width}}  {s.successes}/{s.attempts} {s.rate:.1%}"
            f" [{s.low_over_rounds:.1%}, {s.high_over_rounds:.1%}] ({s.low:.1%}, {s.high:.1%})"
            f"  {s.successes}/{s.objects} {s.cleared:.1%} [{s.cleared_low:.1%}, {s.cleared_high:.1%}]"
            f"  {s.emptied}/{s.rounds} [{s.emptied_low:.1%}, {s.emptied_high:.1%}]"
            f"  {s.lost:>4}  {s.planning_seconds:.3f}  {s.average_precision:>5.3f}  {s.picks_per_hour:>7.0f}"
            f"  {', '.join(f'{name} {n}' for name, n in sorted(s.endings.items()))};"
            f" {', '.join(f'{name} {n}' for name, n in failures) or 'none'}"
        )
    for s in summaries:
        if s.shares_of_ceilings:
            shares = (f"{format_share(share)} of {name}" for name, share in s.shares_of_ceilings.items())
            lines.append(f"{s.policy} lifts {', '.join(shares)} (bootstrap over rounds)")
    for c in compare_rounds(records):
        lines.append(
            f"{c.first} - {c.second}: success {100 * c.rate:+.1f} points"
            f" [{100 * c.rate_low:+.1f}, {100 * c.rate_high:+.1f}], p = {c.rate_holm_p_value:.3g};"
            f" cleared {100 * c.cleared:+.1f} [{100 * c.cleared_low:+.1f}, {100 * c.cleared_high:+.1f}],"
            f" p = {c.cleared_holm_p_value:.3g} (bootstrap over rounds; swaps of rounds, Holm)"
        )
    left_out = sum(record.left_out for record in records)
    if left_out:
        lines.append(f"{left_out} objects were not in the workspace when their round began; they are not counted")
    bad = passed_over(records)
    if bad:
        lines.append(f"{len(bad)} objects cannot be used, others stood in for them; the first: {bad[0][2]}")
    if problems:
        lines.append(f"{len(problems)} rounds could not start; the first: {problems[0].problem}")
    return "\n".join(lines)


def _run(
    config: "ProtocolConfig", seed: int, planners: Mapping[str, Planner], index: int, renderer: Renderer
) -> RoundRecord:
    assert config.clutter is not None, "of this kind"
    return record_round(config.trial, config.clutter, seed, planners, index, renderer)


def _figures(config: "ProtocolConfig", records: Sequence[RoundRecord]) -> dict[str, Any]:
    assert config.clutter is not None, "of this kind"
    return {
        "policies": [as_json(summary) for summary in summarise_rounds(records, config.clutter.motion_time)],
        "differences": [as_json(comparison) for comparison in compare_rounds(records)],
        "passed_over": [
            {"object": name, "rounds": rounds, "reason": reason} for name, rounds, reason in passed_over(records)
        ],
        "rounds": rows_as_json(records),
    }


def _table(config: "ProtocolConfig", records: Sequence[RoundRecord]) -> str:
    assert config.clutter is not None, "of this kind"
    return format_rounds(records, config.clutter.motion_time)


CLUTTER = Kind("round", RoundRecord, _run, _figures, _table)


def _counts(ran: Sequence[RoundRecord], label: str) -> Float64[np.ndarray, "R 3"]:
    """One planner's successes and ATTEMPTS, and the OBJECTS, of each round."""
    rows = [[r.results[label].cleared, r.results[label].executed, len(r.objects)] for r in ran]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def _ratio(counts: Float64[np.ndarray, "R C"], over: int) -> Callable[[Int64[np.ndarray, "K"]], float]:
    """Of rounds with given indices: successes over ATTEMPTS or OBJECTS; NaN where there are none."""
    return lambda rounds: float(counts[rounds, 0].sum() / (counts[rounds, over].sum() or np.nan))


def _gain(
    counts: Float64[np.ndarray, "R 3"], others: Float64[np.ndarray, "R 3"], over: int
) -> tuple[float, float, float]:
    """The difference of two planners' ratios, and its bounds."""
    one, other = _ratio(counts, over), _ratio(others, over)
    everything = np.arange(len(counts))
    low, high = _over_rounds(lambda rounds: one(rounds) - other(rounds), len(counts))
    return one(everything) - other(everything), low, high


def _over_rounds(figure: Callable[[Int64[np.ndarray, "K"]], float], rounds: int) -> tuple[float, float]:
    return bootstrap_over_objects(figure, _rounds(rounds))


def _rounds(count: int) -> list[str]:
    """What is resampled: every round by itself."""
    return [str(index) for index in range(count)]


def _summary(
    label: str,
    results: Sequence[RoundResult],
    counts: Float64[np.ndarray, "R 3"],
    shares: dict[str, CeilingShare],
    motion_time: float,
) -> ClutterSummary:
    everything = np.arange(len(results))
    successes, executed, present = (int(count) for count in counts.sum(axis=0))
    attempts = [attempt for result in results for attempt in result.attempts]
    seconds = [attempt.result.seconds for attempt in attempts]
    hours = (motion_time * executed + sum(seconds)) / 3600
    tried = [attempt.result for attempt in attempts if attempt.executed]
    emptied = int(np.sum(counts[:, 0] == counts[:, OBJECTS]))
    return ClutterSummary(
        label, len(results), executed, successes, _ratio(counts, ATTEMPTS)(everything),
        *wilson_interval(successes, executed),
        *_over_rounds(_ratio(counts, ATTEMPTS), len(results)), present, _ratio(counts, OBJECTS)(everything),
        *_over_rounds(_ratio(counts, OBJECTS), len(results)), shares, emptied, *wilson_interval(emptied, len(results)),
        sum(result.lost for result in results),
        dict(Counter(attempt.result.outcome for attempt in attempts)), dict(Counter(r.ended for r in results)),
        float(np.median(seconds)) if seconds else float("nan"),
        _average_precision(np.array([r.quality for r in tried]), np.array([r.success for r in tried], dtype=bool)),
        successes / hours if hours else float("nan"),
    )  # fmt: skip


def _average_precision(quality: Float64[np.ndarray, "N"], success: np.ndarray) -> float:
    """NaN where all qualities are equal or missing, or nothing succeeded."""
    known = np.isfinite(quality)
    if not success[known].any() or np.ptp(quality[known]) == 0:
        return float("nan")
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(success[known], quality[known]))
