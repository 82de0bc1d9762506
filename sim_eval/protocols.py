"""Protocols: many trials, the same for every policy, in parallel (results.py: what they add up to).

`single` (Dex-Net 2.0): one object in a random stable pose on a table, one attempt.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Literal

from data_gen.engines import Engine
from data_gen.rendering import RaycastRenderer
from graspnet.errors import InputError
from policies.policy import NetworkQuality
from sim_eval.planners import Planner, PlannerChoice, make_planner
from sim_eval.trial import TrialConfig, TrialResult, draw_trial, run_trial

__all__ = ["ProtocolConfig", "TrialRecord", "planner_of", "run_protocol"]


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


def run_protocol(
    config: ProtocolConfig,
    policies: Sequence[PlannerChoice],
    seed: int,
    engine: Engine,
    done: Container[int] = (),
) -> Iterator[TrialRecord]:
    """All trials but those that are `done`, as they come and in any order; a record depends on config, policies, seed
    and index alone.

    InputError: an unknown policy, model or setting, before any trial has run.
    """
    labels = [choice.label for choice in policies]
    if not policies or len(set(labels)) < len(labels):
        raise InputError(f"policies are {', '.join(labels) or 'none'}; expected one or more, each once")
    for choice in policies:
        planner_of(choice)
    units = [index for index in range(config.trials) if index not in done]
    yield from engine.run(partial(_work, config.trial, seed, tuple(policies)), units)


def _work(config: TrialConfig, seed: int, policies: Sequence[PlannerChoice], index: int) -> TrialRecord:
    try:
        trial = draw_trial(config, seed, index, _renderer())
    except InputError as error:
        return TrialRecord(index, problem=str(error))
    results = {choice.label: run_trial(trial, planner_of(choice))[0] for choice in policies}
    return TrialRecord(
        index, trial.solid.name, tuple(float(side) for side in trial.solid.mesh.extents), trial.world.mass,
        trial.friction, trial.plan_seed, results,
    )  # fmt: skip


@lru_cache(maxsize=1)
def _renderer() -> RaycastRenderer:
    """One for each process: it keeps nothing of solids that are gone."""
    return RaycastRenderer()


@lru_cache(maxsize=32)
def planner_of(choice: PlannerChoice) -> Planner:
    """Its planner, one for each process: a network is loaded once. InputError: as make_planner."""
    return make_planner(choice, _quality)


@lru_cache(maxsize=4)
def _quality(model: str) -> NetworkQuality:
    from graspnet.models.checkpoint import load_checkpoint

    return NetworkQuality(load_checkpoint(model))
