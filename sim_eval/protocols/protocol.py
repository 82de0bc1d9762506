"""Protocols: many trials, the same for every policy, in parallel (results.py: what they add up to).

`single` (Dex-Net 2.0): one object in a random stable pose on a table, one attempt. `clutter` (clutter.py): rounds of
attempts on several objects; its unit is a round.
"""

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from operator import attrgetter
from time import perf_counter
from typing import Any, Literal

from data_gen.objects.decomposition import piece_fit
from data_gen.objects.piece_fit import Fit
from data_gen.scenes.rendering import RaycastRenderer, Renderer
from graspnet.config import with_overrides
from graspnet.errors import InputError
from graspnet.run.engines import Engine
from sim_eval.analysis.records import in_words
from sim_eval.planners.choice import PlannerChoice, check_planners, planner_of
from sim_eval.planners.planner import Planner
from sim_eval.protocols.clutter_scenes import ClutterConfig
from sim_eval.protocols.kinds import kind_named
from sim_eval.protocols.trial import TrialConfig, TrialResult, draw_trial, object_of, run_trial

__all__ = ["BASE", "ProtocolConfig", "TrialRecord", "record_trial", "run_protocol"]

BASE = "base"  # of the variants of a protocol: itself
# settings of `trial` that mean nothing in clutter, and what says it there
OF_ONE_OBJECT = {
    "object_set": "", "shift": "", "turn": "", "stable_pose_probability": "", "scene.placement": "",
    "scene.oblique": "", "scene.yaw": "",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ProtocolConfig:
    """Which trials, and how many."""

    kind: Literal["single", "clutter"] = "single"
    trials: int = 400  # or rounds
    trial: TrialConfig = field(default_factory=TrialConfig)
    clutter: ClutterConfig | None = None  # of that kind
    variants: dict[str, tuple[str, ...]] = field(default_factory=dict)  # KEY=VALUE of each (variants.py)

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise InputError(f"trials is {self.trials}; it must be at least 1")
        if (self.kind == "clutter") != (self.clutter is not None):
            raise InputError(f"kind is {self.kind!r}; the section `clutter` belongs to kind 'clutter', and to no other")
        if self.clutter is not None:
            _check_meant_for_clutter(self.trial, self.clutter)
        if self.variants and self.kind != "single":
            raise InputError(f"variants are of trials of one object; kind is {self.kind!r}")
        for name in self.variants:
            if not re.fullmatch(r"[\w.-]+", name) or name == BASE:
                raise InputError(f"variant {name!r}: it names a folder; letters, digits, _, . and -, but not {BASE!r}")
        self.runs()

    def runs(self) -> dict[str, "ProtocolConfig"]:
        """The protocol itself, called BASE, and as each variant changes it; none of these has variants."""
        base = replace(self, variants={}) if self.variants else self
        changed = {name: with_overrides(base, overrides) for name, overrides in self.variants.items()}
        return {BASE: base} | changed


def _check_meant_for_clutter(trial: TrialConfig, clutter: ClutterConfig) -> None:
    """InputError: a setting is not the default and would have no effect."""
    for key, instead in OF_ONE_OBJECT.items():
        value, default = attrgetter(key)(trial), attrgetter(key)(TrialConfig())
        if value != default:
            remedy = f"say {instead}" if instead else "leave it out"
            raise InputError(f"trial.{key} is {value!r}; it is for one object and means nothing in clutter: {remedy}")
    if clutter.fusion is not None and (trial.sensor, trial.sensor_noise, trial.depth_scale) != ("ideal", 1.0, 1.0):
        raise InputError(
            f"trial.sensor is {trial.sensor!r}, sensor_noise {trial.sensor_noise:g}, "
            f"depth_scale {trial.depth_scale:g}; fused views (clutter.fusion) are clean: expected 'ideal', 1 and 1"
        )


@dataclass(frozen=True)
class TrialRecord:
    """One trial: what was drawn, and each policy's result; `problem` says why it could not start, or be judged."""

    index: int
    object: str = ""
    size: tuple[float, ...] = ()  # of the object's bounding box, metres
    mass: float = float("nan")
    friction: float = float("nan")
    plan_seed: int = 0
    results: dict[str, TrialResult] = field(default_factory=dict)
    problem: str = ""
    fit: Fit | None = None  # of the pieces that it collides as, at its size
    seconds: float = float("nan")  # of all of it, planning included


def run_protocol(
    config: ProtocolConfig,
    policies: Sequence[PlannerChoice],
    seed: int,
    engine: Engine,
    done: Container[int] = (),
) -> Iterator[Any]:
    """The records (Kind.record) of all trials but those that are `done`, as they come and in any order; a record
    depends on config, policies, seed and index alone.

    InputError: as check_planners, before any trial has run.
    """
    check_planners(policies)
    units = [index for index in range(config.trials) if index not in done]
    yield from engine.run(partial(_work, config, seed, tuple(policies)), units)


def record_trial(
    config: ProtocolConfig, seed: int, planners: Mapping[str, Planner], index: int, renderer: Renderer
) -> TrialRecord:
    """One trial of kind `single`, for every planner; whatever goes wrong in it but a planner is its `problem`."""
    try:
        trial = draw_trial(config.trial, seed, index, renderer)
        results = {label: run_trial(trial, planner)[0] for label, planner in planners.items()}
        fit = piece_fit(trial.solid)
    except InputError as error:
        return TrialRecord(index, problem=str(error))
    except Exception as error:  # noqa: BLE001  one object that breaks geometry or physics must not end a run
        return TrialRecord(index, problem=f"{object_of(config.trial, index)}: {in_words(error)}")
    return TrialRecord(
        index, trial.solid.name, tuple(float(side) for side in trial.solid.mesh.extents), trial.world.mass,
        trial.friction, trial.plan_seed, results, fit=fit,
    )  # fmt: skip


def _work(config: ProtocolConfig, seed: int, policies: Sequence[PlannerChoice], index: int) -> Any:
    planners = {choice.label: planner_of(choice) for choice in policies}
    start = perf_counter()
    record = kind_named(config.kind).run(config, seed, planners, index, _renderer())
    return replace(record, seconds=perf_counter() - start)


@lru_cache(maxsize=1)
def _renderer() -> RaycastRenderer:
    """One for each process: it keeps nothing of solids that are gone."""
    return RaycastRenderer()
