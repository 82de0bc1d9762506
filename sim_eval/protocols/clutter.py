"""Rounds of picking in clutter: plan, pick, look again, until nothing is left or the planner is at its end.

All planners meet the same scene at the start of a round; from then on each one leaves its own disorder behind. What is
lifted is taken away; all else lies where the attempt left it, a failed one too. Objects that leave the workspace are
lost: neither cleared nor, by themselves, a failure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float64

from data_gen.objects.decomposition import piece_fit
from data_gen.objects.piece_fit import Fit
from data_gen.physics.outcome import PickResult
from data_gen.scenes.rendering import Renderer
from graspnet.errors import InputError
from sim_eval.analysis.records import in_words
from sim_eval.planners.planner import Planner
from sim_eval.protocols.clutter_scenes import ClutterConfig, ClutterScene, draw_clutter, situation_of
from sim_eval.protocols.trial import TrialConfig, TrialResult, run_attempt

__all__ = ["Attempt", "RoundRecord", "RoundResult", "clear_away", "record_round", "run_round"]

Ending = Literal["cleared", "no_plan", "failures"]


@dataclass(frozen=True)
class Attempt:
    """One look, plan and pick. objects: how many there were; held: the object that both pads held, if any; lost: how
    many left the workspace; which: the held object's place among the round's objects, -1 for none."""

    result: TrialResult
    objects: int
    held: str = ""
    lost: int = 0
    which: int = -1

    @property
    def executed(self) -> bool:
        """Whether it counts among the attempts: the planner did not say by itself that there is no grasp."""
        return self.result.outcome != "no_plan"


@dataclass(frozen=True)
class RoundResult:
    """How one planner fared in one round. ended: `cleared` also where what was left got lost."""

    attempts: tuple[Attempt, ...] = ()
    ended: Ending = "cleared"

    @property
    def executed(self) -> int:
        """Attempts with a grasp, or with a planner that broke down."""
        return sum(attempt.executed for attempt in self.attempts)

    @property
    def cleared(self) -> int:
        """Objects that were lifted."""
        return sum(attempt.result.success for attempt in self.attempts)

    @property
    def lost(self) -> int:
        """Objects that left the workspace."""
        return sum(attempt.lost for attempt in self.attempts)


@dataclass(frozen=True)
class RoundRecord:
    """One round: what lay there at the start, and each planner's result; `problem` says why it could not start, or be
    judged."""

    index: int
    objects: tuple[str, ...] = ()
    sizes: tuple[tuple[float, ...], ...] = ()  # of the objects' bounding boxes along the axes of their files, metres
    masses: tuple[float, ...] = ()
    friction: float = float("nan")
    left_out: int = 0  # objects that did not come to rest in the workspace, or found no place, before the round
    passed_over: dict[str, str] = field(default_factory=dict)  # objects that cannot be used, and why; others stood in
    results: dict[str, RoundResult] = field(default_factory=dict)
    problem: str = ""
    fits: tuple[Fit, ...] = ()  # of the pieces that the objects collide as, at their sizes
    seconds: float = float("nan")  # of all of it, planning included


def record_round(
    trial: TrialConfig,
    config: ClutterConfig,
    seed: int,
    planners: Mapping[str, Planner],
    index: int,
    renderer: Renderer,
) -> RoundRecord:
    """Round number `index` of a seed, for every planner; whatever goes wrong in it but a planner is its `problem`."""
    try:
        scene = draw_clutter(trial, config, seed, index)
        results = {label: run_round(scene, planner, trial, config, renderer) for label, planner in planners.items()}
        fits = tuple(piece_fit(solid) for solid in scene.solids)
    except InputError as error:
        return RoundRecord(index, problem=str(error))
    except Exception as error:  # noqa: BLE001  a heap that breaks geometry or physics must not end a run
        return RoundRecord(index, problem=in_words(error))
    sizes = tuple(tuple(float(side) for side in solid.mesh.extents) for solid in scene.solids)
    return RoundRecord(
        index, scene.names, sizes, scene.world.masses, scene.friction, scene.left_out, scene.passed_over, results,
        fits=fits,
    )  # fmt: skip


def run_round(
    scene: ClutterScene, planner: Planner, trial: TrialConfig, config: ClutterConfig, renderer: Renderer
) -> RoundResult:
    """One planner's attempts, from the scene's start on."""
    world, poses = scene.world, scene.world_from_objects
    world.present[:] = True
    attempts: list[Attempt] = []
    failures = 0
    while world.present.any():
        objects = int(world.present.sum())
        situation = situation_of(scene, poses, len(attempts), trial, config.fusion, renderer)
        if situation is None:
            attempts.append(Attempt(TrialResult("no_plan", reason="nothing is seen in the workspace"), objects))
            return RoundResult(tuple(attempts), "no_plan")
        believed, before = situation.world_from_believed_camera, poses
        result, _, pick = run_attempt(
            situation, planner, lambda grasp, at=before, frame=believed: world.attempt(at, grasp.transformed(frame))
        )
        held, lost, which = "", 0, -1
        if pick is not None:
            which = pick.held
            held = scene.names[which] if which >= 0 else ""
            poses, lost = clear_away(scene, pick, config.settle_time)
        attempts.append(Attempt(result, objects, held, lost, which))
        if result.outcome == "no_plan" and config.ends_without_plan:
            return RoundResult(tuple(attempts), "no_plan")
        failures = 0 if result.success else failures + 1
        if failures == config.failures and world.present.any():
            return RoundResult(tuple(attempts), "failures")
    return RoundResult(tuple(attempts), "cleared")


def clear_away(scene: ClutterScene, pick: PickResult, settle_time: float) -> tuple[Float64[np.ndarray, "M 4 4"], int]:
    """After an attempt: takes away what was lifted and, once all is at rest, what left the workspace.

    Returns where the objects lie, and how many left the workspace.
    """
    world = scene.world
    if pick.success:
        world.remove(pick.held)
    poses = world.after_attempt(settle_time)
    gone = np.flatnonzero(world.present & ~scene.inside(poses))
    for k in gone:
        world.remove(int(k))
    return poses, len(gone)
