"""One physical pick in MuJoCo: approach along a straight line, close with limited force, lift, shake.

A pick that fails says how: its outcome is the first of OUTCOMES that happened. The hand never meets the table: its
fingertips stop there, as a guarded motion does, and a grasp that would put them deeper than a tolerance is refused.

Among other objects (`ClutterWorld`) the rules are the same. A firm touch of anything on the way, a bin's wall too, ends
the pick; neighbours may be pushed, but not the object that the grasp is meant for, the one nearest to the pads' centre.
What counts as lifted is what both pads hold when the hand has closed, whichever object that is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from data_gen.objects.decomposition import convex_parts
from data_gen.objects.meshes import Solid
from data_gen.physics.bodies import HAND, add_bin, add_object, add_table, load_mujoco
from data_gen.physics.hand import CARRIAGE, JAWS, HandConfig, add_hand, carriage_feedforward, lowest_corner
from data_gen.scenes.scenes import Bin
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJawGripper
from graspnet.transforms import invert, rigid, transform_points

__all__ = ["OUTCOMES", "ClutterWorld", "Outcome", "PickConfig", "PickFrame", "PickResult", "PickWorld", "SolverConfig"]

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
FAR = np.array([0.0, 0.0, 2.0])  # where the hand waits
MEMORY = 64 * 2**20  # bytes for contacts: a heap's, or those of a step that went wrong
ROLL = 1e-4  # m: coefficient of rolling friction


@dataclass(frozen=True, kw_only=True)
class SolverConfig:
    """MuJoCo's settings. Contacts are hard: a 5 g object squeezed with 235 N sinks in by less than 1 mm."""

    time_step: float = 0.002  # s
    contact_time: float = 0.004  # s, solref: two time steps, the least that is stable
    impedance: float = 0.999  # solimp: the share of force that a contact's stiffness carries
    friction_to_normal_impedance: float = 10.0  # impratio: higher slips less, converges slower
    noslip_iterations: int = 0
    cone: Literal["elliptic", "pyramidal"] = "elliptic"  # of friction
    algorithm: Literal["newton", "cg"] = "newton"
    iterations: int = 100  # of the algorithm, at most; Newton needs few, cg many
    tolerance: float = 1e-8  # of its improvement, at which it stops

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
    """One moment of a pick, to draw: phase, where objects and grasp frame are, and the opening between the pads."""

    phase: str
    world_from_objects: Float64[np.ndarray, "M 4 4"]
    world_from_grasp: Float64[np.ndarray, "4 4"]
    opening: float


@dataclass(frozen=True)
class PickResult:
    """How a pick ended. contact_distance: opening between the pads when they held (NaN if never); rise: of the centre
    of mass; peak_force: the largest on the way to the closed grasp; pushed: how far the object had moved by then; held:
    which object both pads held (-1: none)."""

    outcome: Outcome
    contact_distance: float = float("nan")
    rise: float = 0.0
    peak_force: float = 0.0
    pushed: float = 0.0
    steps: int = 0
    held: int = -1
    frames: tuple[PickFrame, ...] = ()

    @property
    def success(self) -> bool:
        """Whether the object was still in the hand at the end."""
        return self.outcome == "success"


class ClutterWorld:
    """A table, perhaps a bin on it, M free objects and one hand, compiled once.

    `present` says which objects are there; the others hang without weight, far away.
    """

    def __init__(
        self,
        solids: Sequence[Solid],
        gripper: ParallelJawGripper,
        config: PickConfig | None = None,
        densities: Sequence[float] = (),
        friction: float = 0.5,
        bin_: Bin | None = None,
        edit: Callable[[Any], None] | None = None,
    ) -> None:
        """densities: kg/m³, of each object, 500 if not given (masses are capped at config.max_mass); friction: of pads
        on objects, and of objects on each other; edit: changes the MjSpec before it is compiled."""
        self.solids, self.gripper, self.config, self.bin = tuple(solids), gripper, config or PickConfig(), bin_
        given = densities or [500.0] * len(self.solids)
        masses = zip(given, self.solids, strict=True)
        self.masses = tuple(min(density * solid.volume, self.config.max_mass) for density, solid in masses)
        self.present = np.ones(len(self.solids), dtype=bool)
        self._mujoco = load_mujoco()
        spec = _world(self.solids, gripper, self.config, self.masses, friction, bin_)
        if edit is not None:
            edit(spec)
        self.model = spec.compile()
        self.data = self._mujoco.MjData(self.model)
        self._palm = self.model.body("palm").id
        self._pads = self.model.geom("left").id, self.model.geom("right").id
        self._parts = tuple(convex_parts(solid) for solid in self.solids)

    def settled(
        self, world_from_objects: Float64[np.ndarray, "M 4 4"], seconds: float | None = None
    ) -> Float64[np.ndarray, "M 4 4"]:
        """Where the objects are when all is still, or after `seconds` (config.settle_time), once they are let go at
        those poses; the hand is far away."""
        self._reset(world_from_objects, np.eye(3), FAR, self.gripper.max_width)
        return self._at_rest(self.config.settle_time if seconds is None else seconds)

    def attempt(
        self,
        world_from_objects: Float64[np.ndarray, "M 4 4"],
        grasp_in_world: Grasps,
        frame_interval: float | None = None,
        watch: Callable[[Any], None] | None = None,
    ) -> PickResult:
        """Execute one grasp on the objects at rest at those poses. frame_interval: seconds between the frames kept;
        watch: called with the world after each step."""
        assert len(grasp_in_world) == 1, "one grasp is executed"
        world_from_grasp = grasp_in_world.poses[0]
        width = float(np.clip(grasp_in_world.width[0], self.gripper.min_width, self.gripper.max_width))
        lowest = lowest_corner(self.gripper, world_from_grasp, width)
        if lowest < -self.config.table_tolerance:
            self._reset(world_from_objects, np.eye(3), FAR, self.gripper.max_width)
            return PickResult("below_table")
        run = _Run(self, world_from_objects, world_from_grasp, width, max(0.0, -lowest), frame_interval, watch)
        outcome = run.approach() or run.close() or run.lift() or run.shake() or "success"
        return run.result(outcome)

    def after_attempt(self, seconds: float) -> Float64[np.ndarray, "M 4 4"]:
        """Where the objects lie after the last attempt, once the hand is gone and all is still, or after `seconds`.

        The hand vanishes where it is: how it would have drawn back through the heap is not simulated.
        """
        data, hand = self.data, 7 * len(self.solids)
        data.qpos[hand:] = data.ctrl[:] = [*FAR, *[self.gripper.max_width / 2] * 2]
        data.qvel[6 * len(self.solids) :] = 0.0
        data.qfrc_applied[:] = 0.0
        return self._at_rest(seconds)

    def remove(self, k: int) -> None:
        """Take object k away."""
        self.present[k] = False
        self._place(k, _hook(k))

    @property
    def world_from_objects(self) -> Float64[np.ndarray, "M 4 4"]:
        """Where the objects are now."""
        rotations = np.zeros((len(self.solids), 9))
        qpos = self.data.qpos[: 7 * len(self.solids)].reshape(-1, 7)
        for rotation, quaternion in zip(rotations, qpos[:, 3:], strict=True):
            self._mujoco.mju_quat2Mat(rotation, quaternion)
        return rigid(rotations.reshape(-1, 3, 3), qpos[:, :3])

    @property
    def world_from_grasp(self) -> Float64[np.ndarray, "4 4"]:
        """Where the hand is now."""
        return rigid(self.data.xmat[self._palm].reshape(3, 3), self.data.xpos[self._palm])

    def touching(self, world_from_objects: Float64[np.ndarray, "M 4 4"]) -> bool:
        """Whether any two of the objects that are present touch at those poses."""
        self._reset(world_from_objects, np.eye(3), FAR, self.gripper.max_width)
        bodies = self.model.geom_bodyid[self.data.contact.geom]
        return bool(((bodies >= 1) & (bodies <= len(self.solids))).all(axis=1).any())

    def squeezed(self) -> Float64[np.ndarray, "M"]:
        """Force (N) that both pads exert on each object: the lesser of the two pads'."""
        on_pads = self.data.sensordata[1:3]
        if on_pads.min() <= 0 or (
            len(self.solids) == 1 and self.bin is None
        ):  # nothing else there that pads could touch
            return np.full(len(self.solids), on_pads.min())
        contact = self.data.contact
        pressing = contact.efc_address >= 0
        geoms, force = contact.geom[pressing], self.data.efc_force[contact.efc_address[pressing]]
        both = np.zeros((2, self.model.nbody))
        for side, pad in enumerate(self._pads):
            for one, other in ((0, 1), (1, 0)):
                mine = geoms[:, one] == pad
                np.add.at(both[side], self.model.geom_bodyid[geoms[mine, other]], force[mine])
        return np.asarray(both.min(axis=0)[1 : 1 + len(self.solids)])

    def nearest(self, point_in_world: Float64[np.ndarray, "3"]) -> int:
        """The object that is present and nearest to a point, or that it is in the deepest."""
        distance = np.full(len(self.solids), np.inf)
        for k in np.flatnonzero(self.present) if len(self.solids) > 1 else ():
            point = transform_points(invert(self.world_from_objects[k]), point_in_world[None])
            of_parts = [np.max(np.sum((point - p.triangles[:, 0]) * p.face_normals, axis=1)) for p in self._parts[k]]
            distance[k] = min(of_parts)
        return int(np.argmin(distance))

    def _reset(
        self,
        world_from_objects: Float64[np.ndarray, "M 4 4"],
        hand_rotation: Float64[np.ndarray, "3 3"],
        hand_origin: Float64[np.ndarray, "3"],
        width: float,
    ) -> None:
        """All at rest: objects at their poses, the hand open to `width`. qpos = objects 7 each, carriage 3, jaws 2."""
        mujoco, model, data = self._mujoco, self.model, self.data
        mujoco.mj_resetData(model, data)
        mujoco.mju_mat2Quat(model.body_quat[self._palm], hand_rotation.ravel())
        for k, pose in enumerate(world_from_objects):
            self._place(k, pose if self.present[k] else _hook(k))
        data.qpos[7 * len(self.solids) :] = data.ctrl[:] = [*hand_origin, width / 2, width / 2]
        mujoco.mj_forward(model, data)

    def _place(self, k: int, pose: Float64[np.ndarray, "4 4"]) -> None:
        quaternion = np.zeros(4)
        self._mujoco.mju_mat2Quat(quaternion, pose[:3, :3].ravel())
        self.data.qpos[7 * k : 7 * k + 7] = [*pose[:3, 3], *quaternion]
        self.data.qvel[6 * k : 6 * k + 6] = 0.0
        self.model.body_gravcomp[k + 1] = not self.present[k]

    def _at_rest(self, seconds: float) -> Float64[np.ndarray, "M 4 4"]:
        still = 0
        for _ in range(round(seconds / self.config.solver.time_step)):
            self._mujoco.mj_step(self.model, self.data)
            still = still + 1 if np.abs(self.data.qvel[: 6 * len(self.solids)]).max() < 2e-3 else 0
            if still == 10:
                break
        return self.world_from_objects


class PickWorld(ClutterWorld):
    """One object on a table, and one hand; every settle and every pick starts afresh."""

    def __init__(
        self,
        solid: Solid,
        gripper: ParallelJawGripper,
        config: PickConfig | None = None,
        density: float = 500.0,
        friction: float = 0.5,
        edit: Callable[[Any], None] | None = None,
    ) -> None:
        """density: kg/m³ (the mass is capped at config.max_mass); friction: between pads and object; edit: as there."""
        super().__init__((solid,), gripper, config, (density,), friction, edit=edit)
        self.solid, self.mass = solid, self.masses[0]

    def settle(self, world_from_object: Float64[np.ndarray, "4 4"]) -> Float64[np.ndarray, "4 4"]:
        """Where the object comes to rest when it is let go at that pose (the hand is far away)."""
        return self.settled(world_from_object[None])[0]

    def pick(
        self,
        world_from_object: Float64[np.ndarray, "4 4"],
        grasp_in_world: Grasps,
        frame_interval: float | None = None,
        watch: Callable[["PickWorld"], None] | None = None,
    ) -> PickResult:
        """Execute one grasp on the object at rest at that pose; as `attempt`."""
        return self.attempt(world_from_object[None], grasp_in_world, frame_interval, watch)

    @property
    def world_from_object(self) -> Float64[np.ndarray, "4 4"]:
        """Where the object is now."""
        return self.world_from_objects[0]


class _Run:
    """The phases of one pick; each returns the failure that ended it, or None."""

    def __init__(
        self,
        world: ClutterWorld,
        world_from_objects: Float64[np.ndarray, "M 4 4"],
        world_from_grasp: Float64[np.ndarray, "4 4"],
        width: float,
        below_table: float,
        frame_interval: float | None,
        watch: Callable[[Any], None] | None,
    ) -> None:
        self.world, self.config, self.data = world, world.config, world.data
        self.step_time = self.config.solver.time_step
        self.rotation, self.width = world_from_grasp[:3, :3], width
        approach = world_from_grasp[:3, 2]
        short = below_table / -approach[2] if approach[2] < -0.1 else 0.0  # stop where the tips meet the table
        self.goal = world_from_grasp[:3, 3] - short * approach
        self.start = world_from_grasp[:3, 3] - self.config.approach_distance * approach
        self.starts = world_from_objects[:, :3, 3].copy()
        world._reset(world_from_objects, self.rotation, self.start, width)
        self.target, self.held = world.nearest(self.goal), -1
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
            squeezed = self.world.squeezed()
            gripped = gripped or bool(squeezed.max() > 0)
            if not gripped and self._displacement() > self.config.push_limit:
                return "pushed"
            pushing = half <= self._jaws[0] - hand.force_error  # the servo has come to its full force
            stopped = np.abs(self.data.qvel[-2:]).max() < 2e-3
            still = still + 1 if pushing and squeezed.max() > 0 and stopped else 0
            if still == 10:
                break
        if squeezed.max() <= 0:
            return "missed"
        self.held, self.contact_distance = int(np.argmax(squeezed)), float(self._jaws.sum())
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
        return None if self._holds and self._rise > self.config.lift_height / 2 else "dropped_in_shake"

    def result(self, outcome: Outcome) -> PickResult:
        """The record of the run."""
        if self.frame_steps is not None:
            self._keep_frame()
        return PickResult(
            outcome, self.contact_distance, self._rise, self.peak_force, self.pushed, self.steps, self.held,
            tuple(self.frames),
        )  # fmt: skip

    def _step(self, carriage: Float64[np.ndarray, "3"], half_opening: float | None = None) -> None:
        if self.frame_steps is not None and self.steps % self.frame_steps == 0:
            self._keep_frame()
        velocity = (carriage - self.data.ctrl[:3]) / self.step_time
        acceleration = (velocity - self.velocity) / self.step_time
        self.data.qfrc_applied[-5:-2] = carriage_feedforward(self.config.hand, velocity, acceleration)
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
        at = self.data.qpos[7 * self.target :][:3]
        self.pushed = float(np.linalg.norm(at - self.starts[self.target]))
        return self.pushed

    @property
    def _jaws(self) -> Float64[np.ndarray, "2"]:
        """Half the opening, of either jaw."""
        return np.asarray(self.data.qpos[-2:], dtype=np.float64)

    @property
    def _holds(self) -> bool:
        return bool(self.world.squeezed()[self.held] > 0)

    @property
    def _rise(self) -> float:
        """Of the object that is held; before one is, of the one that the grasp is meant for."""
        k = self.target if self.held < 0 else self.held
        return float(self.data.qpos[7 * k + 2] - self.starts[k, 2])

    def _lost(self) -> bool:
        """Whether the object has been out of touch with a pad for 40 ms: a rattle is no loss."""
        self.lost = 0 if self._holds else self.lost + 1
        return self.lost * self.step_time >= 0.04

    def _keep_frame(self) -> None:
        world, opening = self.world, float(self._jaws.sum())
        self.frames.append(PickFrame(self.phase, world.world_from_objects, world.world_from_grasp, opening))


def _world(
    solids: tuple[Solid, ...],
    gripper: ParallelJawGripper,
    config: PickConfig,
    masses: tuple[float, ...],
    friction: float,
    bin_: Bin | None,
) -> Any:
    """The MjSpec; qpos and sensordata are in the order in which things are added here, object k is body k + 1."""
    mujoco = load_mujoco()
    spec = mujoco.MjSpec()
    solver = config.solver
    spec.option.timestep = solver.time_step
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = getattr(mujoco.mjtCone, f"mjCONE_{solver.cone.upper()}")
    spec.option.solver = getattr(mujoco.mjtSolver, f"mjSOL_{solver.algorithm.upper()}")
    spec.option.impratio = solver.friction_to_normal_impedance
    spec.option.noslip_iterations = solver.noslip_iterations
    spec.option.iterations, spec.option.tolerance = solver.iterations, solver.tolerance
    spec.memory = MEMORY
    add_table(spec)
    names = ["object", *(f"object_{k}" for k in range(1, len(solids)))]
    for k, (name, solid, mass) in enumerate(zip(names, solids, masses, strict=True)):
        body = add_object(spec, solid, convex_parts(solid), mass / solid.volume, name)
        body.pos = _hook(k)[:3, 3]  # where MuJoCo puts it if a step diverges: then it is lost, not lifted
    add_hand(spec, gripper, config.hand)
    if bin_ is not None:
        add_bin(spec, bin_)
    for geom in spec.geoms:
        geom.solref = [solver.contact_time, 1.0]
        geom.solimp = [0.99, solver.impedance, 0.0005, 0.5, 2.0]
        if geom.name == "table":  # rolls a little hard, or a cylinder would never lie still
            geom.priority, geom.condim, geom.friction = 1, 6, [config.table_friction, 0.003, ROLL]
        elif geom.name.startswith("wall_"):  # like the table; but the hand may hit it
            geom.priority, geom.condim, geom.friction = 1, 6, [config.table_friction, 0.003, ROLL]
            geom.conaffinity |= HAND
        elif geom.name.startswith("object"):  # on other objects
            geom.condim, geom.friction = 6, [friction, 0.003, ROLL]
        else:  # the hand; the torsion of a soft finger under even pressure: ⅔ μ r
            torsion = 2 / 3 * friction * config.hand.pad_radius
            geom.priority, geom.condim, geom.friction = 1, 4, [friction, torsion, 0.0]
    assert [joint.name for joint in spec.joints] == [*names, *CARRIAGE, *JAWS]
    return spec


def _hook(k: int) -> Float64[np.ndarray, "4 4"]:
    """Where object k hangs while it is not there: away from everything and from each other."""
    return rigid(np.eye(3), np.array([5.0 + 5.0 * k, 0.0, 5.0]))


def _shares(duration: float, step: float, hold: float) -> Float64[np.ndarray, "T"]:
    """From 0 to 1 in `duration` seconds, from rest to rest (3 t² − 2 t³), then 1 for `hold` seconds."""
    t = np.minimum(np.arange(step, duration + hold, step) / duration, 1.0)
    return np.asarray(3 * t**2 - 2 * t**3, dtype=np.float64)
