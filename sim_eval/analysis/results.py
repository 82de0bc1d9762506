"""Results: what the episodes of a protocol add up to, with intervals and pairs of planners.

Where every episode is a trial, planners are compared trial by trial: Newcombe's interval for paired rates, the exact
McNemar test with Holm's correction over all pairs, and a bootstrap over objects, since trials with one object are not
independent. Elsewhere attempts within an episode depend on each other (a failure leaves its mark): intervals come from
a bootstrap over episodes, and p-values from swaps of whole episodes. Wilson's interval, which takes attempts for
independent, is given beside the bootstrap's: over few episodes, or where all went alike, the bootstrap's is too narrow.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from graspnet.config import config_to_dict
from graspnet.sim_eval.analysis.piece_fits import fits_as_json
from graspnet.sim_eval.analysis.run_time import Session, run_time
from graspnet.sim_eval.analysis.statistics import (
    PairedDifference,
    bootstrap_over_objects,
    holm_adjusted,
    paired_difference,
    swap_p_value,
    wilson_interval,
)
from graspnet.sim_eval.episodes.log import as_json
from graspnet.sim_eval.episodes.records import EpisodeRecord, EpisodeResult, started
from graspnet.sim_eval.planners.ceilings import CEILINGS
from graspnet.sim_eval.planners.choice import PlannerChoice
from graspnet.sim_eval.protocols.identity import protocol_hash
from graspnet.sim_eval.protocols.protocol import ProtocolConfig

__all__ = [
    "VERSION",
    "CeilingShare",
    "EpisodeComparison",
    "Summary",
    "TrialComparison",
    "compare_episodes",
    "compare_trials",
    "lifted",
    "passed_over",
    "results_as_json",
    "shares_of_ceilings",
    "summarise",
]

VERSION = 3  # the format of results.json
ROBUST_QUALITY = 0.5  # quality above which a plan counts as robust (Dex-Net 2.0, section VI)
ATTEMPTS, OBJECTS = 1, 2  # columns of _counts: what successes are out of
Figure = Callable[[Int64[np.ndarray, "K"]], float]  # a figure over the episodes with these indices


@dataclass(frozen=True)
class CeilingShare:
    """Successes over those of a ceiling in the same episodes, with 95 % bounds from resampled units (see Summary)."""

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """One planner over all episodes that started. Rates are NaN where there is nothing to divide by.

    A bootstrap resamples units: the objects of trials, else whole episodes. All bounds are those of 95 %.
    """

    policy: str  # the planner's label
    episodes: int
    attempts: int  # all, if episodes are trials; else those in which the planner did not say that there is no grasp
    successes: int
    rate: float  # successes over attempts
    low: float  # Wilson's bounds
    high: float
    low_over_units: float  # bounds from resampled units
    high_over_units: float
    objects: int  # at the start of all episodes
    cleared: float  # successes over objects
    cleared_low: float  # bounds from resampled units
    cleared_high: float
    shares_of_ceilings: dict[str, CeilingShare]  # for each other ceiling that was asked and lifted something
    emptied: int  # episodes in which every object was lifted
    emptied_low: float  # Wilson's bounds of their share
    emptied_high: float
    lost: int  # objects that left the workspace
    outcomes: dict[str, int]  # how often attempts ended in each way
    endings: dict[str, int]  # how often episodes did
    robust_plans: int  # attempts with a quality above one half
    robust_successes: int
    precision: float  # share of the robust plans that succeeded: precision at Q > 0.5
    average_precision: float  # how well quality predicts success; NaN where it says nothing
    planning_seconds: float  # median over all attempts
    picks_per_hour: float  # successes over the time of all attempts: motion_time and planning


@dataclass(frozen=True)
class TrialComparison:
    """Two planners on the same trials: success of the first minus success of the second."""

    first: str
    second: str
    paired: PairedDifference
    holm_p_value: float  # McNemar's, corrected for all pairs of the run
    low_over_objects: float  # 95 % bounds from resampled objects
    high_over_objects: float


@dataclass(frozen=True)
class EpisodeComparison:
    """Two planners over the same episodes: the first minus the second, with 95 % bounds from resampled episodes.

    p-values are of no difference (statistics.swap_p_value), as they are and corrected for all pairs of the run (Holm).
    """

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


def results_as_json(
    config: ProtocolConfig,
    name: str,
    planners: Sequence[PlannerChoice],
    seed: int,
    records: Sequence[EpisodeRecord],
    session: Session | None = None,
) -> dict[str, Any]:
    """Gather all that a report needs and all that an episode depends on, as results.json has it.

    name: of the protocol. Episodes come in the order of their numbers.
    """
    ordered = sorted(records, key=lambda record: record.index)
    pairs: Sequence[Any] = compare_trials(ordered) if config.of_trials else compare_episodes(ordered)
    return {
        "version": VERSION, "protocol_name": name, "protocol": config_to_dict(config), "hash": protocol_hash(config),
        "seed": seed, "planners": [asdict(choice) for choice in planners],
        "time": as_json(run_time(ordered, session)),
        "pieces": fits_as_json(ordered),
        "policies": [as_json(summary) for summary in summarise(config, ordered)],
        "differences": [as_json(pair) for pair in pairs],
        "passed_over": [
            {"object": object_, "episodes": episodes, "reason": reason}
            for object_, episodes, reason in passed_over(ordered)
        ],
        "episodes": [{"index": r.index, "problem": r.problem} if r.problem else as_json(r) for r in ordered],
    }  # fmt: skip


def summarise(config: ProtocolConfig, records: Sequence[EpisodeRecord]) -> list[Summary]:
    """Sum up each planner, in the order in which they were asked for."""
    ran = started(records)
    units, successes = _units(config, ran), lifted(ran)
    return [
        _summary(config, ran, label, units, shares_of_ceilings(label, successes, units))
        for label in successes
    ]  # fmt: skip


def lifted(ran: Sequence[EpisodeRecord]) -> dict[str, Float64[np.ndarray, "E"]]:
    """Count how many objects each planner lifted in each of E episodes."""
    labels = ran[0].results if ran else ()
    return {label: np.array([record.results[label].cleared for record in ran], dtype=np.float64) for label in labels}


def shares_of_ceilings(
    label: str, successes: Mapping[str, Shaped[np.ndarray, "E"]], units: Sequence[str]
) -> dict[str, CeilingShare]:
    """Find what share of each other ceiling's successes a planner has; none where a ceiling has none.

    successes: of each planner, in E episodes; units: what each episode belongs to, and is resampled with.
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


def compare_trials(records: Sequence[EpisodeRecord]) -> list[TrialComparison]:
    """Compare every pair of planners on the trials that started."""
    ran = started(records)
    objects = [record.objects[0] for record in ran]
    success = {label: counts > 0 for label, counts in lifted(ran).items()}
    pairs = list(combinations(success, 2))
    paired = [paired_difference(success[one], success[other]) for one, other in pairs]
    adjusted = holm_adjusted([found.p_value for found in paired])
    comparisons = []
    for (one, other), found, p_value in zip(pairs, paired, adjusted, strict=True):
        gain = success[one].astype(np.float64) - success[other]
        low, high = bootstrap_over_objects(lambda trials, gain=gain: float(gain[trials].mean()), objects)
        comparisons.append(TrialComparison(one, other, found, float(p_value), low, high))
    return comparisons


def compare_episodes(records: Sequence[EpisodeRecord]) -> list[EpisodeComparison]:
    """Compare every pair of planners over the episodes that started."""
    ran = started(records)
    counts = {label: _counts(ran, label, trials=False) for label in (ran[0].results if ran else [])}
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
        found.append(EpisodeComparison(one, other, *rate, *cleared))
    return found


def passed_over(records: Sequence[EpisodeRecord]) -> list[tuple[str, int, str]]:
    """List objects that could not be used: name, in how many episodes it was drawn, why; the most frequent first."""
    reasons = {name: reason for record in started(records) for name, reason in record.passed_over.items()}
    episodes = Counter(name for record in started(records) for name in record.passed_over)
    return [(name, count, reasons[name]) for name, count in sorted(episodes.items(), key=lambda of: (-of[1], of[0]))]


def _units(config: ProtocolConfig, ran: Sequence[EpisodeRecord]) -> list[str]:
    """Tell what each episode is resampled with: the others with its object, where it is a trial, else nothing."""
    return [record.objects[0] if config.of_trials else str(k) for k, record in enumerate(ran)]


def _summary(
    config: ProtocolConfig,
    ran: Sequence[EpisodeRecord],
    label: str,
    units: Sequence[str],
    shares: dict[str, CeilingShare],
) -> Summary:
    counts = _counts(ran, label, config.of_trials)
    successes, attempts, objects = (int(count) for count in counts.sum(axis=0))
    emptied, everything = int(np.sum(counts[:, 0] == counts[:, OBJECTS])), np.arange(len(ran))
    results: list[EpisodeResult] = [record.results[label] for record in ran]
    made = [attempt for result in results for attempt in result.attempts]
    robust = [attempt for attempt in made if attempt.quality > ROBUST_QUALITY]
    robust_successes = sum(attempt.success for attempt in robust)
    tried, seconds = [attempt for attempt in made if attempt.executed], [attempt.seconds for attempt in made]
    hours = (config.motion_time * attempts + sum(seconds)) / 3600
    return Summary(
        label, len(ran), attempts, successes, _ratio(counts, ATTEMPTS)(everything),
        *wilson_interval(successes, attempts),
        *bootstrap_over_objects(_ratio(counts, ATTEMPTS), units), objects, _ratio(counts, OBJECTS)(everything),
        *bootstrap_over_objects(_ratio(counts, OBJECTS), units), shares, emptied, *wilson_interval(emptied, len(ran)),
        sum(result.lost for result in results),
        dict(Counter(attempt.outcome for attempt in made)), dict(Counter(result.ended for result in results)),
        len(robust), robust_successes, robust_successes / len(robust) if robust else float("nan"),
        _average_precision(np.array([a.quality for a in tried]), np.array([a.success for a in tried], dtype=bool)),
        float(np.median(seconds)) if seconds else float("nan"),
        successes / hours if hours else float("nan"),
    )  # fmt: skip


def _counts(ran: Sequence[EpisodeRecord], label: str, trials: bool) -> Float64[np.ndarray, "E 3"]:
    """Count one planner's successes and ATTEMPTS, and the OBJECTS, of each episode."""
    rows = [
        [result.cleared, len(result.attempts) if trials else result.executed, len(record.objects)]
        for record in ran
        for result in [record.results[label]]
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def _ratio(counts: Float64[np.ndarray, "E C"], over: int) -> Figure:
    """Make the figure successes over ATTEMPTS or OBJECTS of some episodes; NaN where there are none."""
    return lambda episodes: float(counts[episodes, 0].sum() / (counts[episodes, over].sum() or np.nan))


def _gain(
    counts: Float64[np.ndarray, "E 3"], others: Float64[np.ndarray, "E 3"], over: int
) -> tuple[float, float, float]:
    """Subtract two planners' ratios; the difference, and its bounds."""
    one, other = _ratio(counts, over), _ratio(others, over)
    everything = np.arange(len(counts))
    low, high = bootstrap_over_objects(
        lambda episodes: one(episodes) - other(episodes), [str(k) for k in range(len(counts))]
    )
    return one(everything) - other(everything), low, high


def _average_precision(quality: Float64[np.ndarray, "N"], success: np.ndarray) -> float:
    """Average the precision over recall; NaN where all qualities are equal or missing, or nothing succeeded."""
    known = np.isfinite(quality)
    if not success[known].any() or np.ptp(quality[known]) == 0:
        return float("nan")
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(success[known], quality[known]))
