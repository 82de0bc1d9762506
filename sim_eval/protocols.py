"""Protocols: many trials, the same for every policy, in parallel; and what they add up to.

`single` (Dex-Net 2.0): one object in a random stable pose on a table, one attempt.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from typing import Any, Literal

import numpy as np

from data_gen.engines import Engine
from data_gen.rendering import RaycastRenderer
from graspnet.config import config_to_dict
from graspnet.errors import InputError
from policies.policy import NetworkQuality
from sim_eval.planners import Planner, PlannerChoice, make_planner
from sim_eval.statistics import PairedDifference, paired_difference, wilson_interval
from sim_eval.trial import TrialConfig, TrialResult, draw_trial, run_trial

__all__ = [
    "PolicySummary",
    "ProtocolConfig",
    "TrialRecord",
    "compare",
    "format_results",
    "results_as_json",
    "run_protocol",
    "summarise",
]

CONFIDENT = 0.5  # quality above which a plan counts as robust (Dex-Net 2.0, section VI)


@dataclass(frozen=True, kw_only=True)
class ProtocolConfig:
    """Which trials, and how many."""

    kind: Literal["single"] = "single"
    trials: int = 400
    trial: TrialConfig = field(default_factory=TrialConfig)

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise InputError(f"trials is {self.trials}; it must be at least 1")


@dataclass(frozen=True)
class TrialRecord:
    """One trial: what was drawn, and each policy's result; `problem` says why it could not start."""

    index: int
    object: str = ""
    size: tuple[float, ...] = ()  # of the object's bounding box, metres
    mass: float = float("nan")
    friction: float = float("nan")
    plan_seed: int = 0
    results: dict[str, TrialResult] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class PolicySummary:
    """One policy over all trials that started. Robust plans are those with a quality above one half."""

    policy: str
    trials: int
    successes: int
    low: float  # Wilson's 95 % bounds of the success rate
    high: float
    outcomes: dict[str, int]
    robust_plans: int
    robust_successes: int
    planning_seconds: float  # median

    @property
    def rate(self) -> float:
        """Share of trials with the object in the hand at the end; NaN without trials."""
        return self.successes / self.trials if self.trials else float("nan")


def run_protocol(
    config: ProtocolConfig, policies: Sequence[PlannerChoice], seed: int, engine: Engine
) -> Iterator[TrialRecord]:
    """All trials, as they are done and in any order; a record depends on config, policies, seed and index alone.

    InputError: an unknown policy, model or setting, before any trial has run.
    """
    labels = [choice.label for choice in policies]
    if not policies or len(set(labels)) < len(labels):
        raise InputError(f"policies are {', '.join(labels) or 'none'}; expected one or more, each once")
    for choice in policies:
        _planner(choice)
    units = [_Unit(index, seed, config.trial, tuple(policies)) for index in range(config.trials)]
    yield from engine.run(_work, units)


def summarise(records: Sequence[TrialRecord]) -> list[PolicySummary]:
    """One summary for each policy, in the order in which they were asked for."""
    started = _started(records)
    labels = list(started[0].results) if started else []
    return [_summary(label, [record.results[label] for record in started]) for label in labels]


def compare(records: Sequence[TrialRecord]) -> dict[tuple[str, str], PairedDifference]:
    """Every pair of policies on the trials that started: success of the first minus success of the second."""
    started = _started(records)
    outcomes = {
        label: np.array([record.results[label].success for record in started])
        for label in (started[0].results if started else [])
    }
    return {(one, other): paired_difference(outcomes[one], outcomes[other]) for one, other in combinations(outcomes, 2)}


def results_as_json(config: ProtocolConfig, seed: int, records: Sequence[TrialRecord]) -> dict[str, Any]:
    """Everything that a report needs: summaries, paired differences and every trial, in the order of their numbers."""
    ordered = sorted(records, key=lambda record: record.index)
    return {
        "version": 1, "protocol": config_to_dict(config), "seed": seed,
        "policies": [_plain(summary) | {"rate": _finite(summary.rate)} for summary in summarise(ordered)],
        "differences": [
            {"first": one, "second": other} | _plain(difference)
            for (one, other), difference in compare(ordered).items()
        ],
        "trials": [_record_as_json(record) for record in ordered],
    }  # fmt: skip


def format_results(records: Sequence[TrialRecord]) -> str:
    """The table that `graspnet simulate` prints."""
    summaries, problems = summarise(records), [record for record in records if record.problem]
    width = max([6] + [len(summary.policy) for summary in summaries])
    lines = [f"{'policy':<{width}}  success  95 % interval   plan s  failures"]
    for summary in summaries:
        failures = Counter({name: n for name, n in summary.outcomes.items() if name != "success"}).most_common()
        lines.append(
            f"{summary.policy:<{width}}  {summary.successes:>3}/{summary.trials:<3}"
            f"  {summary.rate:.1%} [{summary.low:.1%}, {summary.high:.1%}]  {summary.planning_seconds:.3f}"
            f"  {', '.join(f'{name} {n}' for name, n in failures) or 'none'}"
        )
    for (one, other), found in compare(records).items():
        lines.append(
            f"{one} - {other}: {100 * found.difference:+.1f} points"
            f" [{100 * found.low:+.1f}, {100 * found.high:+.1f}], {found.only_first} to {found.only_second}"
            f" of {found.trials} trials, p = {found.p_value:.3g} (exact McNemar)"
        )
    if problems:
        lines.append(f"{len(problems)} trials could not start; the first: {problems[0].problem}")
    return "\n".join(lines)


@dataclass(frozen=True)
class _Unit:
    index: int
    seed: int
    config: TrialConfig
    policies: tuple[PlannerChoice, ...]


def _work(unit: _Unit) -> TrialRecord:
    try:
        trial = draw_trial(unit.config, unit.seed, unit.index, _renderer())
    except InputError as error:
        return TrialRecord(unit.index, problem=str(error))
    results = {choice.label: run_trial(trial, _planner(choice))[0] for choice in unit.policies}
    return TrialRecord(
        unit.index, trial.solid.name, tuple(float(side) for side in trial.solid.mesh.extents), trial.world.mass,
        trial.friction, trial.plan_seed, results,
    )  # fmt: skip


@lru_cache(maxsize=1)
def _renderer() -> RaycastRenderer:
    """One for each process: it keeps nothing of solids that are gone."""
    return RaycastRenderer()


@lru_cache(maxsize=32)
def _planner(choice: PlannerChoice) -> Planner:
    """One for each process: a network is loaded once."""
    return make_planner(choice, _quality)


@lru_cache(maxsize=4)
def _quality(model: str) -> NetworkQuality:
    from graspnet.models.checkpoint import load_checkpoint

    return NetworkQuality(load_checkpoint(model))


def _started(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    return sorted((record for record in records if not record.problem), key=lambda record: record.index)


def _summary(label: str, results: list[TrialResult]) -> PolicySummary:
    successes = sum(result.success for result in results)
    low, high = wilson_interval(successes, len(results))
    robust = [result for result in results if result.quality > CONFIDENT]
    return PolicySummary(
        label, len(results), successes, low, high, dict(Counter(result.outcome for result in results)), len(robust),
        sum(result.success for result in robust), float(np.median([result.seconds for result in results])),
    )  # fmt: skip


def _record_as_json(record: TrialRecord) -> dict[str, Any]:
    if record.problem:
        return {"index": record.index, "problem": record.problem}
    results = {label: _plain(result) for label, result in record.results.items()}
    return {key: value for key, value in _plain(record).items() if key != "problem"} | {"results": results}


def _plain(value: Any) -> dict[str, Any]:
    """A dataclass as JSON: NaN, which JSON does not have, is null."""
    return {key: _finite(entry) for key, entry in config_to_dict(value).items()}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
