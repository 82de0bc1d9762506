"""Results: what the trials of a protocol add up to, with intervals; as a table, and as JSON.

Every rate has Wilson's interval. Two policies are compared on the same trials: Newcombe's interval for paired rates,
the exact McNemar test with Holm's correction over all pairs, and an interval from a bootstrap over objects, since
trials with one object are not independent.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped

from graspnet.config import config_to_dict
from sim_eval.analysis.piece_fits import fits_as_json
from sim_eval.analysis.records import as_json, finite, rows_as_json, started
from sim_eval.analysis.run_time import Session, run_time
from sim_eval.analysis.statistics import (
    PairedDifference,
    bootstrap_over_objects,
    holm_adjusted,
    paired_difference,
    wilson_interval,
)
from sim_eval.planners.ceilings import CEILINGS
from sim_eval.planners.choice import PlannerChoice
from sim_eval.protocols.identity import protocol_hash
from sim_eval.protocols.kinds import Kind, kind_named
from sim_eval.protocols.protocol import ProtocolConfig, TrialRecord, record_trial
from sim_eval.protocols.trial import TrialResult

__all__ = [
    "SINGLE",
    "CeilingShare",
    "Comparison",
    "PolicySummary",
    "compare",
    "format_results",
    "format_share",
    "results_as_json",
    "shares_of_ceilings",
    "successes_of",
    "summarise",
]

CONFIDENT = 0.5  # quality above which a plan counts as robust (Dex-Net 2.0, section VI)


@dataclass(frozen=True)
class CeilingShare:
    """A success rate over that of a ceiling on the same trials. low, high: 95 %, from resampled objects, or
    rounds."""

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class PolicySummary:
    """One policy over all trials that started. Robust plans are those with a quality above one half."""

    policy: str
    trials: int
    successes: int
    rate: float  # of trials with the object in the hand at the end; NaN without trials
    low: float  # Wilson's 95 % bounds of the success rate
    high: float
    outcomes: dict[str, int]
    robust_plans: int
    robust_successes: int
    planning_seconds: float  # median
    shares_of_ceilings: dict[str, CeilingShare]  # of each other ceiling that was asked and lifted something

    @property
    def precision(self) -> float:
        """Of the robust plans, the share that succeeded: precision at Q > 0.5."""
        return self.robust_successes / self.robust_plans if self.robust_plans else float("nan")


@dataclass(frozen=True)
class Comparison:
    """Two policies on the same trials. low_over_objects, high_over_objects: 95 %, from resampled objects."""

    first: str
    second: str
    paired: PairedDifference
    holm_p_value: float  # of McNemar's test, corrected for all pairs of the run
    low_over_objects: float
    high_over_objects: float


def summarise(records: Sequence[TrialRecord]) -> list[PolicySummary]:
    """One summary for each policy, in the order in which they were asked for."""
    ran = started(records)
    lifted, objects = successes_of(ran), [record.object for record in ran]
    return [
        _summary(label, [record.results[label] for record in ran], shares_of_ceilings(label, lifted, objects))
        for label in lifted
    ]


def successes_of(ran: Sequence[TrialRecord]) -> dict[str, Bool[np.ndarray, "N"]]:
    """Of each policy: in which of N trials that started it succeeded."""
    labels = ran[0].results if ran else ()
    return {label: np.array([record.results[label].success for record in ran]) for label in labels}


def shares_of_ceilings(
    label: str, successes: Mapping[str, Shaped[np.ndarray, "N"]], units: Sequence[str]
) -> dict[str, CeilingShare]:
    """What share of each other ceiling's successes a planner has; none where a ceiling has none.

    successes: of each planner, in N trials or rounds; units: what each belongs to, and is resampled with.
    """
    mine, shares = successes[label], {}
    for ceiling in CEILINGS:
        if ceiling != label and ceiling in successes and successes[ceiling].any():
            its = successes[ceiling]
            bounds = bootstrap_over_objects(
                lambda chosen, its=its: float(mine[chosen].sum() / (its[chosen].sum() or np.nan)), units
            )
            shares[ceiling] = CeilingShare(float(mine.sum() / its.sum()), *bounds)
    return shares


def compare(records: Sequence[TrialRecord]) -> list[Comparison]:
    """Every pair of policies on the trials that started: success of the first minus success of the second."""
    ran = started(records)
    objects = [record.object for record in ran]
    lifted = successes_of(ran)
    pairs = list(combinations(lifted, 2))
    paired = [paired_difference(lifted[one], lifted[other]) for one, other in pairs]
    adjusted = holm_adjusted([found.p_value for found in paired])
    comparisons = []
    for (one, other), found, p_value in zip(pairs, paired, adjusted, strict=True):
        gain = lifted[one].astype(np.float64) - lifted[other]
        low, high = bootstrap_over_objects(lambda trials, gain=gain: float(gain[trials].mean()), objects)
        comparisons.append(Comparison(one, other, found, float(p_value), low, high))
    return comparisons


def results_as_json(
    config: ProtocolConfig,
    name: str,
    planners: Sequence[PlannerChoice],
    seed: int,
    records: Sequence[Any],
    session: Session | None = None,
) -> dict[str, Any]:
    """Everything that a report needs, and all that a trial depends on: protocol, planners, seed; times, summaries,
    paired differences and every trial, in the order of their numbers. name: of the protocol."""
    ordered = sorted(records, key=lambda record: record.index)
    return {
        "version": 2, "protocol_name": name, "protocol": config_to_dict(config), "hash": protocol_hash(config),
        "seed": seed, "planners": [asdict(choice) for choice in planners],
        "time": as_json(run_time(ordered, session)),
        "pieces": fits_as_json(ordered),
    } | kind_named(config.kind).figures(config, ordered)  # fmt: skip


def format_results(records: Sequence[TrialRecord]) -> str:
    """The table that `graspnet simulate` prints."""
    summaries, problems = summarise(records), [record for record in records if record.problem]
    width = max([6] + [len(summary.policy) for summary in summaries])
    lines = [f"{'policy':<{width}}  success  95 % interval   precision  plan s  failures"]
    for summary in summaries:
        failures = Counter({name: n for name, n in summary.outcomes.items() if name != "success"}).most_common()
        lines.append(
            f"{summary.policy:<{width}}  {summary.successes:>3}/{summary.trials:<3}"
            f"  {summary.rate:.1%} [{summary.low:.1%}, {summary.high:.1%}]  {_share(summary.precision):>9}"
            f"  {summary.planning_seconds:.3f}"
            f"  {', '.join(f'{name} {n}' for name, n in failures) or 'none'}"
        )
    for summary in summaries:
        if summary.shares_of_ceilings:
            shares = (f"{format_share(share)} of {name}" for name, share in summary.shares_of_ceilings.items())
            lines.append(f"{summary.policy} lifts {', '.join(shares)} (bootstrap over objects)")
    for one in compare(records):
        found = one.paired
        lines.append(
            f"{one.first} - {one.second}: {100 * found.difference:+.1f} points"
            f" [{100 * found.low:+.1f}, {100 * found.high:+.1f}],"
            f" over objects [{100 * one.low_over_objects:+.1f}, {100 * one.high_over_objects:+.1f}],"
            f" {found.only_first} to {found.only_second} of {found.trials} trials,"
            f" p = {one.holm_p_value:.3g} (exact McNemar, Holm)"
        )
    if problems:
        lines.append(f"{len(problems)} trials could not start; the first: {problems[0].problem}")
    return "\n".join(lines)


def format_share(one: CeilingShare) -> str:
    """In percent, with its interval."""
    return f"{one.share:.1%} [{100 * one.low:.1f}, {100 * one.high:.1f}]"


def _figures(config: ProtocolConfig, records: Sequence[TrialRecord]) -> dict[str, Any]:
    return {
        "policies": [as_json(summary) | {"precision": finite(summary.precision)} for summary in summarise(records)],
        "differences": [as_json(comparison) for comparison in compare(records)],
        "trials": rows_as_json(records),
    }


SINGLE = Kind("trial", TrialRecord, record_trial, _figures, lambda config, records: format_results(records))


def _share(value: float) -> str:
    return f"{value:.1%}" if np.isfinite(value) else "-"


def _summary(label: str, results: list[TrialResult], shares: dict[str, CeilingShare]) -> PolicySummary:
    trials, successes = len(results), sum(result.success for result in results)
    low, high = wilson_interval(successes, trials)
    robust = [result for result in results if result.quality > CONFIDENT]
    return PolicySummary(
        label, trials, successes, successes / trials if trials else float("nan"), low, high,
        dict(Counter(result.outcome for result in results)), len(robust), sum(result.success for result in robust),
        float(np.median([result.seconds for result in results])), shares,
    )  # fmt: skip
