"""Episodes run: plan, pick, look again, until nothing is left or the planner is at its end.

All planners meet the same episode at its start; from then on each one leaves its own disorder behind. What is lifted is
taken away; all else lies where the attempt left it, a failed one too. Objects that leave the workspace are lost:
neither cleared nor, by themselves, a failure. A trial is over after its one attempt.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from time import perf_counter

import numpy as np
from jaxtyping import Float64

from graspnet.data_gen.objects.decomposition import piece_fit
from graspnet.data_gen.physics.outcome import PickResult
from graspnet.data_gen.scenes.rendering import RaycastRenderer, Renderer
from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.grasps.grasps import Grasps
from graspnet.run.engines import Engine
from graspnet.sim_eval.episodes.draw import draw_episode
from graspnet.sim_eval.episodes.episode import Episode
from graspnet.sim_eval.episodes.look import look
from graspnet.sim_eval.episodes.records import Attempt, EpisodeRecord, EpisodeResult, in_words
from graspnet.sim_eval.episodes.single import object_of
from graspnet.sim_eval.planners.choice import PlannerChoice, check_planners, planner_of
from graspnet.sim_eval.planners.planner import Planner, PlannerError, Situation
from graspnet.sim_eval.protocols.protocol import ProtocolConfig

__all__ = ["clear_away", "record_episode", "run_attempt", "run_episode", "run_protocol"]


def run_protocol(
    config: ProtocolConfig,
    planners: Sequence[PlannerChoice],
    seed: int,
    engine: Engine,
    done: Container[int] = (),
) -> Iterator[EpisodeRecord]:
    """Run all episodes but those that are `done`; records come in any order.

    A record depends on config, planners, seed and index alone. InputError: as check_planners, before any episode.
    """
    check_planners(planners)
    units = [index for index in range(config.episodes) if index not in done]
    yield from engine.run(partial(_work, config, seed, tuple(planners)), units)


def record_episode(
    config: ProtocolConfig, seed: int, planners: Mapping[str, Planner], index: int, renderer: Renderer
) -> EpisodeRecord:
    """Run one episode for every planner; whatever goes wrong in it, but for a planner, is the record's problem."""
    try:
        episode = draw_episode(config, seed, index, renderer)
        results = {label: run_episode(episode, planner, renderer) for label, planner in planners.items()}
        fits = tuple(piece_fit(solid) for solid in episode.solids)
    except InputError as error:
        return EpisodeRecord(index, problem=str(error))
    except Exception as error:  # noqa: BLE001  what breaks geometry or physics in one episode must not end a run
        whose = f"{object_of(config, index)}: " if config.task.in_turn else ""
        return EpisodeRecord(index, problem=f"{whose}{in_words(error)}")
    sizes = tuple(tuple(float(side) for side in solid.mesh.extents) for solid in episode.solids)
    return EpisodeRecord(
        index, episode.names, sizes, episode.world.masses, episode.friction, episode.plan_seed, episode.left_out,
        episode.passed_over, results, fits=fits,
    )  # fmt: skip


def run_episode(episode: Episode, planner: Planner, renderer: Renderer) -> EpisodeResult:
    """Let one planner try from the episode's start on, until everything is taken or the episode's task ends it."""
    task, world = episode.config.task, episode.world
    world.present[:] = True
    situation, poses = episode.situation, episode.world_from_objects
    attempts: list[Attempt] = []
    failures = 0
    while world.present.any():
        objects = int(world.present.sum())
        if situation is None:
            attempts.append(Attempt("no_plan", reason="nothing is seen in the workspace", objects=objects))
            return EpisodeResult(tuple(attempts), "no_plan")
        attempt, _, pick = run_attempt(episode, planner, situation, poses)
        lost = 0
        if pick is not None:
            poses, lost = clear_away(episode, pick)
        attempts.append(replace(attempt, objects=objects, lost=lost))
        if attempt.outcome == "no_plan" and task.ends_without_plan:
            return EpisodeResult(tuple(attempts), "no_plan")
        failures = 0 if attempt.success else failures + 1
        if failures == task.failures and world.present.any():
            return EpisodeResult(tuple(attempts), "failures")
        situation = look(episode, poses, attempts, renderer) if world.present.any() else None
    return EpisodeResult(tuple(attempts), "cleared")


def run_attempt(
    episode: Episode, planner: Planner, situation: Situation, world_from_objects: Float64[np.ndarray, "M 4 4"]
) -> tuple[Attempt, GraspPlan, PickResult | None]:
    """Ask a planner, and pick with the best grasp of its plan, if there is one."""
    start = perf_counter()
    try:
        plan = _plan(situation, planner)
    except PlannerError as error:
        plan = GraspPlan(situation.observation, Grasps.none(), np.zeros(0), str(error))
        return Attempt("planner_failed", seconds=perf_counter() - start, reason=str(error)), plan, None
    seconds = plan.seconds.get("total", 0.0)
    if not len(plan):
        return Attempt("no_plan", seconds=seconds, reason=plan.reason), plan, None
    grasp = plan.grasps_in_camera[slice(1)].transformed(situation.world_from_believed_camera)
    pick = episode.world.attempt(world_from_objects, grasp)
    attempt = Attempt(
        pick.outcome, float(plan.qualities[0]), seconds, "", pick.contact_distance, pick.rise, pick.pushed,
        pick.peak_force, tuple(tuple(float(x) for x in row) for row in grasp.poses[0]), float(grasp.width[0]),
        held=pick.held,
    )  # fmt: skip
    return attempt, plan, pick


def clear_away(episode: Episode, pick: PickResult) -> tuple[Float64[np.ndarray, "M 4 4"], int]:
    """Take away what was lifted and, once all is at rest, what left the workspace.

    Returns where the objects lie, and how many left. Without a workspace nobody waits: the one attempt has been made.
    """
    world, workspace = episode.world, episode.workspace
    if pick.success:
        world.remove(pick.held)
    if workspace is None:
        return episode.world_from_objects, 0
    poses = world.after_attempt(episode.config.task.settle_time)
    gone = np.flatnonzero(world.present & ~workspace.contains(poses))
    for k in gone:
        world.remove(int(k))
    return poses, len(gone)


def _plan(situation: Situation, planner: Planner) -> GraspPlan:
    """Get a plan. PlannerError: there is none, for whatever reason."""
    try:
        plan = planner.plan(situation)
    except (PlannerError, InputError) as error:
        raise PlannerError(str(error) or in_words(error)) from error
    except (Exception, SystemExit) as error:  # whoever wrote the planner: its faults are its own, and the run goes on
        raise PlannerError(in_words(error)) from error
    if not isinstance(plan, GraspPlan):
        raise PlannerError(f"answered with {type(plan).__name__}, which is no GraspPlan")
    return plan


def _work(config: ProtocolConfig, seed: int, planners: Sequence[PlannerChoice], index: int) -> EpisodeRecord:
    """Run one episode and take its time."""
    by_label = {choice.label: planner_of(choice) for choice in planners}
    start = perf_counter()
    record = record_episode(config, seed, by_label, index, _renderer())
    return replace(record, seconds=perf_counter() - start)


@lru_cache(maxsize=1)
def _renderer() -> RaycastRenderer:
    """Keep one in each process: it holds nothing of solids that are gone."""
    return RaycastRenderer()
