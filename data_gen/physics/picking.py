"""One physical pick in MuJoCo: approach along a straight line, close with limited force, lift, shake.

A pick that fails says how: its outcome is the first of OUTCOMES that happened. The hand never meets the table: its
fingertips stop there, as a guarded motion does, and a grasp that would put them deeper than a tolerance is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from data_gen.meshes import Solid
from data_gen.physics.bodies import add_object, add_table, load_mujoco
from data_gen.physics.decomposition import convex_parts
from data_gen.physics.hand import CARRIAGE, JAWS, HandConfig, add_hand, carriage_feedforward, lowest_corner
from graspnet.errors import InputError
from graspnet.grasps import Grasps
from graspnet.gripper import ParallelJawGripper
from graspnet.transforms import rigid

__all__ = ["OUTCOMES", "Outcome", "PickConfig", "PickFrame", "PickResult", "PickWorld", "SolverConfig"]

Outcome = Literal[
    "success",
    "no_plan",
    "planner_failed",
    "below_table",
    "approach_collision",
    "pushed",
    "missed",
    "slipped_in_lift",
    "dropped_in_shake",
]  # fmt: skip
OUTCOMES: tuple[Outcome, ...] = (
    "success", "no_plan", "planner_failed", "below_table", "approach_collision", "pushed", "missed", "slipped_in_lift",
    "dropped_in_shake",
)  # fmt: skip
UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, kw_only=True)
class SolverConfig:
    """MuJoCo's settings. Contacts are hard: a 5 g object squeezed with 235 N sinks in by less than 1 mm."""

    time_step: float = 0.002  # s
    contact_time: float = 0.004  # s, solref: two time steps, the least that is stable
    impedance: float = 0.999  # solimp: the share of force that a contact's stiffness carries
    friction_to_normal_impedance: float = 10.0  # impratio: higher slips less, converges slower
    noslip_iterations: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.time_step <= self.contact_time / 2:
            raise InputError(f"time_step is {self.time_step}; it must lie in (0, contact_time / 2]")


@dataclass(frozen=True, kw_only=True)
class PickConfig:
    """The motion of one pick, and what counts as a failure (the rules of an honest trial)."""

    approach_distance: float = 0.1  # m back along the approach, where the hand starts with its jaws open
    approach_time: float = 0.5  # s
    lift_height: float = 0.2  # m
    lift_time: float = 0.5  # s
    shake_amplitude: float = 0.03  # m to and fro along the hand's x, y and z in turn, from rest to rest
    shake_frequency: float = 4.0  # Hz; with 30 mm an acceleration of 9.5 m/s² at either end
    table_tolerance: float = 0.003  # m below the table that a fingertip may be sent
    force_limit: float = 10.0  # N of contact on the way
    push_limit: float = 0.01  # m that the object's centre of mass may move before both pads touch
    table_friction: float = 0.5
    max_mass: float = 1.0  # kg
    settle_time: float = 0.5  # s at most
    hand: HandConfig = field(default_factory=HandConfig)
    solver: SolverConfig = field(default_factory=SolverConfig)

    def __post_init__(self) -> None:
        for name in ("approach_distance", "approach_time", "lift_height", "lift_time", "shake_frequency", "max_mass"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be positive")


@dataclass(frozen=True)
class PickFrame:
    """One moment of a pick, to draw: phase, where object and grasp frame are, and the opening between the pads."""

    phase: str
    world_from_object: Float64[np.ndarray, "4 4"]
    world_from_grasp: Float64[np.ndarray, "4 4"]
    opening: float


@dataclass(frozen=True)
class PickResult:
    """How a pick ended. contact_distance: opening between the pads when they held (NaN if never); rise: of the centre
    of mass; peak_force: the largest on the way to the closed grasp; pushed: how far the object had moved by then."""

    outcome: Outcome
    contact_distance: float = float("nan")
    rise: float = 0.0
    peak_force: float = 0.0
    pushed: float = 0.0
    steps: int = 0
    frames: tuple[PickFrame, ...] = ()

    @property
    def success(self) -> bool:
        """Whether the object was still in the hand at the end."""
        return self.outcome == "success"


class PickWorld:
    """A table, one object and one hand, compiled once; every settle and every pick starts afresh."""

    def __init__(
        self,
        solid: Solid,
        gripper: ParallelJawGripper,
        config: PickConfig | None = None,
        density: float = 500.0,
        friction: float = 0.5,
    ) -> None:
        """density: kg/m³ (the mass is capped at config.max_mass); friction: between pads and object."""
        self.solid, self.gripper, self.config = solid, gripper, config or PickConfig()
        self.mass = min(density * solid.volume, self.config.max_mass)
        self._mujoco = load_mujoco()
        self.model = _world(solid, gripper, self.config, self.mass / solid.volume, friction).compile()
        self.data = self._mujoco.MjData(self.model)
        self._palm = self.model.body("palm").id

    def settle(self, world_from_object: Float64[np.ndarray, "4 4"]) -> Float64[np.ndarray, "4 4"]:
        """Where the object comes to rest when it is let go at that pose (the hand is far away)."""
        self._reset(world_from_object, np.eye(3), np.array([0.0, 0.0, 2.0]), self.gripper.max_width)
        still = 0
        for _ in range(round(self.config.settle_time / self.config.solver.time_step)):
            self._mujoco.mj_step(self.model, self.data)
            still = still + 1 if np.abs(self.data.qvel[:6]).max() < 2e-3 else 0
            if still == 10:
                break
        return self.world_from_object

    def pick(
        self,
        world_from_object: Float64[np.ndarray, "4 4"],
        grasp_in_world: Grasps,
        frame_interval: float | None = None,
        watch: Callable[["PickWorld"], None] | None = None,
    ) -> PickResult:
        """Execute one grasp on the object at rest at that pose. frame_interval: seconds between the frames kept;
        watch: called after each step."""
        assert len(grasp_in_world) == 1, "one grasp is executed"
        world_from_grasp = grasp_in_world.poses[0]
        width = float(np.clip(grasp_in_world.width[0], self.gripper.min_width, self.gripper.max_width))
        lowest = lowest_corner(self.gripper, world_from_grasp, width)
        if lowest < -self.config.table_tolerance:
            return PickResult("below_table")
        run = _Run(self, world_from_object, world_from_grasp, width, max(0.0, -lowest), frame_interval, watch)
        outcome = run.approach() or run.close() or run.lift() or run.shake() or "success"
        return run.result(outcome)

    @property
    def world_from_object(self) -> Float64[np.ndarray, "4 4"]:
        """Where the object is now."""
        rotation = np.zeros(9)
        self._mujoco.mju_quat2Mat(rotation, self.data.qpos[3:7])
        return rigid(rotation.reshape(3, 3), self.data.qpos[:3])

    @property
    def world_from_grasp(self) -> Float64[np.ndarray, "4 4"]:
        """Where the hand is now."""
        return rigid(self.data.xmat[self._palm].reshape(3, 3), self.data.xpos[self._palm])

    def _reset(
        self,
        world_from_object: Float64[np.ndarray, "4 4"],
        hand_rotation: Float64[np.ndarray, "3 3"],
        hand_origin: Float64[np.ndarray, "3"],
        width: float,
    ) -> None:
        """Everything at rest: the object at its pose, the hand open to `width`. qpos = object 7, carriage 3, jaws 2."""
        mujoco, model, data = self._mujoco, self.model, self.data
        mujoco.mj_resetData(model, data)
        mujoco.mju_mat2Quat(model.body_quat[self._palm], hand_rotation.ravel())
        quaternion = np.zeros(4)
        mujoco.mju_mat2Quat(quaternion, world_from_object[:3, :3].ravel())
        data.qpos[:] = [*world_from_object[:3, 3], *quaternion, *hand_origin, width / 2, width / 2]
        data.ctrl[:] = data.qpos[7:]
        mujoco.mj_forward(model, data)


class _Run:
    """The phases of one pick; each returns the failure that ended it, or None."""

    def __init__(
        self,
        world: PickWorld,
        world_from_object: Float64[np.ndarray, "4 4"],
        world_from_grasp: Float64[np.ndarray, "4 4"],
        width: float,
        below_table: float,
        frame_interval: float | None,
        watch: Callable[[PickWorld], None] | None,
    ) -> None:
        self.world, self.config, self.data = world, world.config, world.data
        self.step_time = self.config.solver.time_step
        self.rotation, self.width = world_from_grasp[:3, :3], width
        approach = world_from_grasp[:3, 2]
        short = below_table / -approach[2] if approach[2] < -0.1 else 0.0  # stop where the tips meet the table
        self.goal = world_from_grasp[:3, 3] - short * approach
        self.start = world_from_grasp[:3, 3] - self.config.approach_distance * approach
        self.object_start = world_from_object[:3, 3].copy()
        world._reset(world_from_object, self.rotation, self.start, width)
        self.steps, self.phase, self.lost = 0, "approach", 0
        self.peak_force, self.pushed, self.contact_distance = 0.0, 0.0, float("nan")
        self.frame_steps = None if frame_interval is None else max(1, round(frame_interval / self.step_time))
        self.frames: list[PickFrame] = []
        self.watch, self.velocity = watch, np.zeros(3)

    def approach(self) -> Outcome | None:
        """Straight to the grasp with open jaws; any firm touch or push ends the pick."""
        for share in _shares(self.config.approach_time, self.step_time, hold=0.05):
            self._step(self.start + share * (self.goal - self.start), self.width / 2)
            failure = self._disturbance()
            if failure:
                return failure
        return None

    def close(self) -> Outcome | None:
        """Close at constant speed until both pads touch and the jaws stand still; then with full force."""
        hand, gripper = self.config.hand, self.world.gripper
        self.phase = "close"
        speed = gripper.max_width / 2 / hand.closing_time
        end = gripper.min_width / 2 - 2 * hand.force_error  # beyond the stop, so that it pushes on the thinnest object
        half, still, gripped = self.width / 2, 0, False
        for _ in range(round((self.width / 2 / speed + 0.3) / self.step_time)):
            half = max(half - speed * self.step_time, end)
            self._step(self.goal, half)
            gripped = gripped or self._both_touch
            if not gripped and self._displacement() > self.config.push_limit:
                return "pushed"
            pushing = half <= self.data.qpos[10] - hand.force_error  # the servo has come to its full force
            still = still + 1 if pushing and self._both_touch and np.abs(self.data.qvel[10:]).max() < 2e-3 else 0
            if still == 10:
                break
        if not self._both_touch:
            return "missed"
        self.contact_distance = float(self.data.qpos[10] + self.data.qpos[11])
        return None

    def lift(self) -> Outcome | None:
        """Straight up; the object comes along between both pads."""
        self.phase = "lift"
        for share in _shares(self.config.lift_time, self.step_time, hold=0.05):
            self._step(self.goal + share * self.config.lift_height * UP)
            if self._lost():
                return "slipped_in_lift"
        return None if self._rise > self.config.lift_height / 2 else "slipped_in_lift"

    def shake(self) -> Outcome | None:
        """To and fro once along the hand's x, y and z: x = A/2 (1 − cos ωt), from rest to rest."""
        self.phase = "shake"
        top = self.goal + self.config.lift_height * UP
        phases = np.arange(0, 1, self.config.shake_frequency * self.step_time)
        for axis in self.rotation.T:
            for offset in self.config.shake_amplitude / 2 * (1 - np.cos(2 * np.pi * phases)):
                self._step(top + offset * axis)
                if self._lost():
                    return "dropped_in_shake"
        for _ in range(round(0.1 / self.step_time)):
            self._step(top)
        return None if self._both_touch and self._rise > self.config.lift_height / 2 else "dropped_in_shake"

    def result(self, outcome: Outcome) -> PickResult:
        """The record of the run."""
        if self.frame_steps is not None:
            self._keep_frame()
        return PickResult(
            outcome, self.contact_distance, self._rise, self.peak_force, self.pushed, self.steps, tuple(self.frames)
        )

    def _step(self, carriage: Float64[np.ndarray, "3"], half_opening: float | None = None) -> None:
        if self.frame_steps is not None and self.steps % self.frame_steps == 0:
            self._keep_frame()
        velocity = (carriage - self.data.ctrl[:3]) / self.step_time
        acceleration = (velocity - self.velocity) / self.step_time
        self.data.qfrc_applied[6:9] = carriage_feedforward(self.config.hand, velocity, acceleration)
        self.data.ctrl[:3], self.velocity = carriage, velocity
        if half_opening is not None:
            self.data.ctrl[3:] = half_opening
        self.world._mujoco.mj_step(self.world.model, self.data)
        self.steps += 1
        if self.watch is not None:
            self.watch(self.world)

    def _disturbance(self) -> Outcome | None:
        force = float(self.data.sensordata[:3].sum())
        self.peak_force = max(self.peak_force, force)
        if force > self.config.force_limit:
            return "approach_collision"
        return "pushed" if self._displacement() > self.config.push_limit else None

    def _displacement(self) -> float:
        self.pushed = float(np.linalg.norm(self.data.qpos[:3] - self.object_start))
        return self.pushed

    @property
    def _both_touch(self) -> bool:
        return bool(self.data.sensordata[1] > 0 and self.data.sensordata[2] > 0)

    @property
    def _rise(self) -> float:
        return float(self.data.qpos[2] - self.object_start[2])

    def _lost(self) -> bool:
        """Whether the object has been out of touch with a pad for 40 ms: a rattle is no loss."""
        self.lost = 0 if self._both_touch else self.lost + 1
        return self.lost * self.step_time >= 0.04

    def _keep_frame(self) -> None:
        opening = float(self.data.qpos[10] + self.data.qpos[11])
        self.frames.append(PickFrame(self.phase, self.world.world_from_object, self.world.world_from_grasp, opening))


def _world(solid: Solid, gripper: ParallelJawGripper, config: PickConfig, density: float, friction: float) -> Any:
    """The MjSpec of table, object and hand; qpos and sensordata are in the order in which they are added here."""
    mujoco = load_mujoco()
    spec = mujoco.MjSpec()
    solver = config.solver
    spec.option.timestep = solver.time_step
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = solver.friction_to_normal_impedance
    spec.option.noslip_iterations = solver.noslip_iterations
    add_table(spec)
    add_object(spec, solid, convex_parts(solid), density)
    add_hand(spec, gripper, config.hand)
    for geom in spec.geoms:
        geom.solref = [solver.contact_time, 1.0]
        geom.solimp = [0.99, solver.impedance, 0.0005, 0.5, 2.0]
        if geom.name == "table":  # rolls a little hard, or a cylinder would never lie still
            geom.priority, geom.condim, geom.friction = 1, 6, [config.table_friction, 0.003, 1e-4]
        elif not geom.name.startswith("object_part_"):  # the torsion of a soft finger under even pressure: ⅔ μ r
            torsion = 2 / 3 * friction * config.hand.pad_radius
            geom.priority, geom.condim, geom.friction = 1, 4, [friction, torsion, 0.0]
    assert [joint.name for joint in spec.joints] == ["object", *CARRIAGE, *JAWS]
    return spec


def _shares(duration: float, step: float, hold: float) -> Float64[np.ndarray, "T"]:
    """From 0 to 1 in `duration` seconds, from rest to rest (3 t² − 2 t³), then 1 for `hold` seconds."""
    t = np.minimum(np.arange(step, duration + hold, step) / duration, 1.0)
    return np.asarray(3 * t**2 - 2 * t**3, dtype=np.float64)
