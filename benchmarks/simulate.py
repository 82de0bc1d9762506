"""One physical pick against bare mj_step of the same model, controls and number of steps."""

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from jaxtyping import Float64

from graspnet.benchmarks.measure import BenchmarkResult, interleaved
from graspnet.data_gen.physics.outcome import PickResult
from graspnet.data_gen.physics.pick import HandWorld, PickWorld
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.grasps.grasps import Grasps
from graspnet.physics_engine import load_mujoco
from graspnet.policies.registry import make_policy
from graspnet.sim_eval.episodes.draw import draw_episode
from graspnet.sim_eval.episodes.episode import Episode
from graspnet.sim_eval.protocols.protocol import ProtocolConfig

__all__ = ["run"]


@dataclass(frozen=True)
class _Pick:
    trial: Episode
    grasp_in_world: Grasps
    controls: Float64[np.ndarray, "T 5"]  # what the hand's servos were told at each step
    forces: Float64[np.ndarray, "T dof"]
    positions: Float64[np.ndarray, "T q"]


def run(quick: bool) -> BenchmarkResult:
    """Picks a second (compile the world, settle, pick; no rendering, no planning) over those that mj_step alone allows,
    when it repeats the same motions: most failures end early in both."""
    count, repeats = (8, 5) if quick else (40, 9)
    start = perf_counter()
    with RaycastRenderer() as renderer:
        trials = [draw_episode(ProtocolConfig(), 0, index, renderer) for index in range(count)]
    drawing = perf_counter() - start
    picks = [_recorded(trial) for trial in trials]
    subject, reference = interleaved(
        lambda: [_pick(p) for p in picks], lambda: [_bare_steps(p) for p in picks], repeats
    )
    steps = sum(len(pick.controls) for pick in picks)
    return BenchmarkResult(
        benchmark="simulate",
        ratio=reference / subject,
        of="picks a second (world compiled, settled, picked) over bare mj_step of the same model, controls and steps",
        figures={
            "picks_per_second": count / subject,
            "steps_per_pick": steps / count,
            "microseconds_per_bare_step": 1e6 * reference / steps,
            "trials_drawn_settled_rendered_per_second": count / drawing,
        },
    )


def _recorded(trial: Episode) -> _Pick:
    """Record the heuristic's pick, with the servos' commands."""
    plan = make_policy("principal_axis").plan(trial.observation, np.random.default_rng(0))
    grasp = plan.grasps_in_camera.transformed(trial.world_from_believed_camera)[slice(1)]
    data, steps = trial.world.data, []

    def watch(world: HandWorld) -> None:
        steps.append(np.concatenate([data.ctrl, data.qfrc_applied, data.qpos]))

    if len(grasp):
        trial.world.attempt(trial.world_from_objects, grasp, watch=watch)
    rows = np.array(steps).reshape(len(steps), len(data.ctrl) + len(data.qvel) + len(data.qpos))
    controls, forces, positions = np.split(rows, [len(data.ctrl), len(data.ctrl) + len(data.qvel)], axis=1)
    return _Pick(trial, grasp, controls, forces, positions)


def _pick(pick: _Pick) -> PickResult | None:
    trial = pick.trial
    solid = trial.solids[0]
    density = trial.world.masses[0] / solid.volume
    world = PickWorld(solid, trial.gripper, trial.world.config, density, trial.friction)
    settled = world.settle(trial.world_from_objects[0])
    return world.pick(settled, pick.grasp_in_world) if len(pick.grasp_in_world) else None


def _bare_steps(pick: _Pick) -> None:
    mujoco, model, data = load_mujoco(), pick.trial.world.model, pick.trial.world.data
    mujoco.mj_resetData(model, data)
    data.qpos[:] = pick.positions[0] if len(pick.positions) else data.qpos
    for control, force in zip(pick.controls, pick.forces, strict=True):
        data.ctrl[:], data.qfrc_applied[:] = control, force
        mujoco.mj_step(model, data)
