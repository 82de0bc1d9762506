"""One physical pick in MuJoCo: approach along a straight line, close with limited force, lift, shake.

A pick that fails says how: its outcome is the first that happened of those in outcome.py. The hand never meets the
table: its fingertips stop there, as a guarded motion does, and a grasp that would put them deeper than a tolerance is
refused.

Among other objects (`ClutterWorld`) the rules are the same. A firm touch of anything on the way, a bin's wall too, ends
the pick; neighbours may be pushed, but not the object that the grasp is meant for, the one nearest to the pads' centre.
What counts as lifted is what both pads hold when the hand has closed, whichever object that is.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float64

from graspnet.data_gen.objects.decomposition import convex_parts
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.physics.guide import Guide
from graspnet.data_gen.physics.hand import (
    CARRIAGE,
    JAWS,
    PARTS,
    HandDriveConfig,
    add_hand,
    carriage_feedforward,
    lowest_corner,
)
from graspnet.data_gen.physics.outcome import Outcome, PickFrame, PickResult
from graspnet.data_gen.physics.world import SolverConfig, World, harden, world_spec
from graspnet.data_gen.scenes.scenes import Bin
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.transforms import invert, rigid, transform_points

__all__ = ["ClutterWorld", "HandWorld", "PickConfig", "PickWorld"]

UP = np.array([0.0, 0.0, 1.0])
WAITING_POSE = rigid(np.eye(3), np.array([0.0, 0.0, 2.0]))  # where the hand waits
MEMORY = 64 * 2**20  # bytes: room for the contacts of a heap, or of a step that went wrong
DENSITY = 500.0  # kg/m³, where none is given
SETTLE_TIME = 0.5  # s; after this time objects that were let go count as at rest, where nothing else is said
MAX_REST_SPEED = 0.002  # m/s or rad/s; what stays below it in ten steps is at rest


@dataclass(frozen=True, kw_only=True)
class PickConfig:
    """The motion of one pick, and what counts as a failure (the rules of an honest trial)."""

    approach_distance: float = 0.1  # m; the hand starts so far back along the approach, with its jaws open
    approach_time: float = 0.5  # s
    lift_height: float = 0.2  # m
    lift_time: float = 0.5  # s
    shake_amplitude: float = 0.03  # m; to and fro along the hand's x, y and z in turn, from rest to rest
    shake_frequency: float = 4.0  # Hz; with 30 mm an acceleration of 9.5 m/s² at either end
    table_tolerance: float = 0.003  # m; a fingertip may be sent so far below the table
    force_limit: float = 10.0  # N; a harder touch on the way is a collision
    push_limit: float = 0.01  # m; the object's centre of mass may move so far before both pads touch
    table_friction: float = 0.5
    max_mass: float = 1.0  # kg
    hand: HandDriveConfig = field(default_factory=HandDriveConfig)
    solver: SolverConfig = field(default_factory=SolverConfig)

    def __post_init__(self) -> None:
        for name in ("approach_distance", "approach_time", "lift_height", "lift_time", "shake_frequency", "max_mass"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be positive")


class HandWorld(World):
    """A world with a hand, which executes one grasp after another. Abstract: what lies there decides what pads hold."""

    def __init__(
        self,
        solids: Sequence[Solid],
        gripper: ParallelJaw,
        config: PickConfig | None,
        densities: Sequence[float],
        friction: float,
        bin_: Bin | None,
        edit: Callable[[Any], None] | None,
    ) -> None:
        """densities: kg/m³, of each object (masses are capped at config.max_mass). friction: of pads on objects, and of
        objects on each other. edit: changes the MjSpec before it is compiled."""
        self.gripper, self.config = gripper, config or PickConfig()
        masses = (density * solid.volume for density, solid in zip(densities, solids, strict=True))
        self.masses = tuple(min(mass, self.config.max_mass) for mass in masses)
        spec = _with_hand(solids, self.masses, bin_, gripper, self.config, friction)
        if edit is not None:
            edit(spec)
        super().__init__(spec, solids, bin_)
        self.present[:] = True
        self._palm = self.model.body("palm").id

    @abstractmethod
    def squeezed(self) -> Float64[np.ndarray, "M"]:
        """Measure the force (N) that both pads exert on each object: the lesser of the two pads'."""

    @abstractmethod
    def nearest(self, point_in_world: Float64[np.ndarray, "3"]) -> int:
        """Find the present object that is nearest to a point, or that the point is in the deepest."""

    def reset(
        self,
        world_from_objects: Float64[np.ndarray, "M 4 4"],
        world_from_hand: Float64[np.ndarray, "4 4"] = WAITING_POSE,
        width: float | None = None,
    ) -> None:
        """Put all at rest: the objects that are present at their poses, the hand far away, or there, open to `width`.

        qpos = objects 7 each, carriage 3, jaws 2.
        """
        self.mujoco.mj_resetData(self.model, self.data)
        for k, pose in enumerate(world_from_objects):
            if self.present[k]:
                self.place(k, pose)
            else:
                self.remove(k)
        self.turn_hand(world_from_hand[:3, :3])
        half = (self.gripper.max_width if width is None else width) / 2
        self.data.qpos[7 * len(self.solids) :] = self.data.ctrl[:] = [*world_from_hand[:3, 3], half, half]
        self.mujoco.mj_forward(self.model, self.data)

    def turn_hand(self, rotation: Float64[np.ndarray, "3 3"]) -> None:
        """Turn the hand: its carriage only slides, so a turn is none of the physics, and has no speed."""
        self.mujoco.mju_mat2Quat(self.model.body_quat[self._palm], rotation.ravel())

    def settled(
        self, world_from_objects: Float64[np.ndarray, "M 4 4"], seconds: float = SETTLE_TIME
    ) -> Float64[np.ndarray, "M 4 4"]:
        """Let the objects go at those poses, and say where they are when all is still, or after `seconds`. The hand is
        far away."""
        self.reset(world_from_objects)
        self.rest(seconds)
        return self.world_from_objects

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
            self.reset(world_from_objects)
            return PickResult("below_table")
        goal = world_from_grasp[:3, 3] - _stopped_short(world_from_grasp, lowest) * world_from_grasp[:3, 2]
        start = world_from_grasp.copy()
        start[:3, 3] -= self.config.approach_distance * world_from_grasp[:3, 2]
        run = _Run(self, world_from_objects, start, goal, width, frame_interval, watch)
        outcome = run.approach() or run.close() or run.lift() or run.shake() or "success"
        return run.result(outcome)

    def after_attempt(self, seconds: float) -> Float64[np.ndarray, "M 4 4"]:
        """Say where the objects lie after the last attempt, once the hand is gone and all is still, or after `seconds`.

        The hand vanishes where it is: how it would have drawn back through the heap is not simulated.
        """
        data, hand = self.data, 7 * len(self.solids)
        data.qpos[hand:] = data.ctrl[:] = [*WAITING_POSE[:3, 3], *[self.gripper.max_width / 2] * 2]
        data.qvel[6 * len(self.solids) :] = 0.0
        data.qfrc_applied[:] = 0.0
        self.rest(seconds)
        return self.world_from_objects

    def rest(self, seconds: float) -> Bool[np.ndarray, "M"]:
        """See World."""
        still, moving = 0, np.ones(len(self.solids), dtype=bool)
        for _ in range(round(seconds / self.config.solver.time_step)):
            self.mujoco.mj_step(self.model, self.data)
            speeds = np.abs(self.data.qvel[: 6 * len(self.solids)]).reshape(-1, 6).max(axis=1)
            moving = ~(speeds < MAX_REST_SPEED)  # NaN, after a step that diverged, counts as moving
            still = 0 if moving.any() else still + 1
            if still == 10:
                break
        return moving

    @property
    def world_from_grasp(self) -> Float64[np.ndarray, "4 4"]:
        """Where the hand is now."""
        return rigid(self.data.xmat[self._palm].reshape(3, 3), self.data.xpos[self._palm])


@final
class PickWorld(HandWorld):
    """One object on a table, and one hand; every settle and every pick starts afresh."""

    def __init__(
        self,
        solid: Solid,
        gripper: ParallelJaw,
        config: PickConfig | None = None,
        density: float = DENSITY,
        friction: float = 0.5,
        edit: Callable[[Any], None] | None = None,
    ) -> None:
        """density: kg/m³ (the mass is capped at config.max_mass). friction: between pads and object. edit: changes the
        MjSpec before it is compiled."""
        super().__init__((solid,), gripper, config, (density,), friction, None, edit)
        self.solid, self.mass = solid, self.masses[0]

    def settle(
        self, world_from_object: Float64[np.ndarray, "4 4"], seconds: float = SETTLE_TIME
    ) -> Float64[np.ndarray, "4 4"]:
        """Let the object go at that pose, and say where it comes to rest; the hand is far away."""
        return self.settled(world_from_object[None], seconds)[0]

    def pick(
        self,
        world_from_object: Float64[np.ndarray, "4 4"],
        grasp_in_world: Grasps,
        frame_interval: float | None = None,
        watch: Callable[["PickWorld"], None] | None = None,
    ) -> PickResult:
        """Execute one grasp on the object at rest at that pose; as `attempt`."""
        return self.attempt(world_from_object[None], grasp_in_world, frame_interval, watch)

    def guided(
        self, world_from_object: Float64[np.ndarray, "4 4"], guide: Guide, frame_interval: float | None = None
    ) -> PickResult:
        """Let a guide lead the open hand, from step to step, until it has arrived or gives up; then as `pick`."""
        first = guide.begin()
        start = first.world_from_grasp
        run = _Run(self, world_from_object[None], start, start[:3, 3], first.width, frame_interval, None)
        outcome = run.follow(guide) or run.close() or run.lift() or run.shake() or "success"
        return run.result(outcome)

    @property
    def world_from_object(self) -> Float64[np.ndarray, "4 4"]:
        """Where the object is now."""
        return self.world_from_objects[0]

    def squeezed(self) -> Float64[np.ndarray, "1"]:
        """See HandWorld: there is nothing else that the pads could touch."""
        return np.full(1, self.data.sensordata[1:3].min())

    def nearest(self, point_in_world: Float64[np.ndarray, "3"]) -> int:
        """See HandWorld: there is but one."""
        return 0


@final
class ClutterWorld(HandWorld):
    """Several objects on a table, perhaps in a bin, and one hand."""

    def __init__(
        self,
        solids: Sequence[Solid],
        gripper: ParallelJaw,
        config: PickConfig | None = None,
        densities: Sequence[float] = (),
        friction: float = 0.5,
        bin_: Bin | None = None,
    ) -> None:
        """densities: kg/m³, of each object, or none (masses are capped at config.max_mass). friction: of pads on
        objects, and of objects on each other."""
        super().__init__(solids, gripper, config, densities or [DENSITY] * len(solids), friction, bin_, None)
        self._pads = self.model.geom("left").id, self.model.geom("right").id
        self._parts = tuple(convex_parts(solid) for solid in self.solids)

    def touching(self, world_from_objects: Float64[np.ndarray, "M 4 4"]) -> bool:
        """Say whether any two of the objects that are present touch at those poses."""
        self.reset(world_from_objects)
        bodies = self.model.geom_bodyid[self.data.contact.geom]
        return bool(((bodies >= 1) & (bodies <= len(self.solids))).all(axis=1).any())

    def squeezed(self) -> Float64[np.ndarray, "M"]:
        """See HandWorld."""
        if self.data.sensordata[1:3].min() <= 0:  # a pad that touches nothing at all squeezes nothing
            return np.zeros(len(self.solids))
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
        """See HandWorld."""
        distance = np.full(len(self.solids), np.inf)
        for k in np.flatnonzero(self.present):
            point = transform_points(invert(self.world_from_objects[k]), point_in_world[None])
            of_parts = [np.max(np.sum((point - p.triangles[:, 0]) * p.face_normals, axis=1)) for p in self._parts[k]]
            distance[k] = min(of_parts)
        return int(np.argmin(distance))


class _Run:
    """The phases of one pick; each returns the failure that ended it, or None."""

    def __init__(
        self,
        world: HandWorld,
        world_from_objects: Float64[np.ndarray, "M 4 4"],
        world_from_start: Float64[np.ndarray, "4 4"],
        goal: Float64[np.ndarray, "3"],
        width: float,
        frame_interval: float | None,
        watch: Callable[[Any], None] | None,
    ) -> None:
        self.world, self.config, self.data = world, world.config, world.data
        self.step_time = self.config.solver.time_step
        self.rotation, self.width = world_from_start[:3, :3], width
        self.goal, self.start, self.drift = goal, world_from_start[:3, 3], np.zeros(3)
        self.starts = world_from_objects[:, :3, 3].copy()
        world.reset(world_from_objects, world_from_start, width)
        self.target, self.held = world.nearest(self.goal), -1
        self.steps, self.phase, self.lost = 0, "approach", 0
        self.peak_force, self.pushed, self.contact_distance = 0.0, 0.0, float("nan")
        self.frame_steps = None if frame_interval is None else max(1, round(frame_interval / self.step_time))
        self.frames: list[PickFrame] = []
        self.watch, self.velocity = watch, np.zeros(3)

    def approach(self) -> Outcome | None:
        """Go straight to the grasp with open jaws; any firm touch or push ends the pick."""
        for share in _shares(self.config.approach_time, self.step_time, hold=0.05):
            self._step(self.start + share * (self.goal - self.start), self.width / 2)
            failure = self._disturbance()
            if failure:
                return failure
        return None

    def follow(self, guide: Guide) -> Outcome | None:
        """Go where the guide leads, the tips never into the table; any firm touch or push ends the pick.

        Far from everything the hand turns as it is told, without inertia.
        """
        world, lowest = self.world, np.inf
        while True:
            command = guide.next(self.steps * self.step_time)
            if isinstance(command, str):
                return command
            if command is None:
                break
            pose = command.world_from_grasp
            lowest = lowest_corner(world.gripper, pose, command.width)
            self.goal, self.rotation, self.width = pose[:3, 3], pose[:3, :3], command.width
            self.goal = self.goal - _stopped_short(pose, lowest) * pose[:3, 2]
            world.turn_hand(self.rotation)
            moved = guide.moved_object(self.steps * self.step_time)
            if moved is not None:
                world.place(self.target, moved)
                self.starts[self.target] = moved[:3, 3]
            self._step(self.goal, self.width / 2)
            failure = self._disturbance()
            if failure:
                return failure
        self.drift = guide.drift
        return "below_table" if lowest < -self.config.table_tolerance else None

    def close(self) -> Outcome | None:
        """Close at constant speed until both pads touch and the jaws stand still; then with full force."""
        hand, gripper = self.config.hand, self.world.gripper
        self.phase = "close"
        speed = gripper.max_width / 2 / hand.closing_time
        end = gripper.min_width / 2 - 2 * hand.force_error  # beyond the stop, so that it pushes on the thinnest object
        half, still, gripped = self.width / 2, 0, False
        for _ in range(round((self.width / 2 / speed + 0.3) / self.step_time)):
            half = max(half - speed * self.step_time, end)
            self.goal = self.goal + self.drift * self.step_time
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
        """Go straight up; the object comes along between both pads."""
        self.phase = "lift"
        for share in _shares(self.config.lift_time, self.step_time, hold=0.05):
            self._step(self.goal + share * self.config.lift_height * UP)
            if self._lost():
                return "slipped_in_lift"
        return None if self._rise > self.config.lift_height / 2 else "slipped_in_lift"

    def shake(self) -> Outcome | None:
        """Go to and fro once along the hand's x, y and z: x = A/2 (1 − cos ωt), from rest to rest."""
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
        """Record the run."""
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
        self.world.mujoco.mj_step(self.world.model, self.data)
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
        """How far the held object has risen, or the one that the grasp is meant for while none is held."""
        k = self.target if self.held < 0 else self.held
        return float(self.data.qpos[7 * k + 2] - self.starts[k, 2])

    def _lost(self) -> bool:
        """Say whether the object has been out of touch with a pad for 40 ms: a rattle is no loss."""
        self.lost = 0 if self._holds else self.lost + 1
        return self.lost * self.step_time >= 0.04

    def _keep_frame(self) -> None:
        world, opening = self.world, float(self._jaws.sum())
        self.frames.append(PickFrame(self.phase, world.world_from_objects, world.world_from_grasp, opening))


def _with_hand(
    solids: Sequence[Solid],
    masses: Sequence[float],
    bin_: Bin | None,
    gripper: ParallelJaw,
    config: PickConfig,
    friction: float,
) -> Any:
    """Make the MjSpec of a world with a hand; qpos and sensordata are in the order in which things are added here."""
    densities = [mass / solid.volume for mass, solid in zip(masses, solids, strict=True)]
    spec = world_spec(solids, densities, bin_, config.solver, friction, config.table_friction)
    spec.memory = MEMORY
    add_hand(spec, gripper, config.hand)
    torsion = 2 / 3 * friction * config.hand.pad_radius  # a soft finger's under even pressure is ⅔ μ r
    for name in PARTS:
        geom = spec.geom(name)
        geom.priority, geom.condim, geom.friction = 1, 4, [friction, torsion, 0.0]
    harden(spec, config.solver)
    objects = [f"object_{k}" for k in range(len(solids))]
    assert [joint.name for joint in spec.joints] == [*objects, *CARRIAGE, *JAWS]
    return spec


def _stopped_short(world_from_grasp: Float64[np.ndarray, "4 4"], lowest: float) -> float:
    """Say how far before a grasp a hand stops whose lowest corner would be that low there (metres): at the table."""
    downwards = -float(world_from_grasp[2, 2])
    return max(0.0, -lowest) / downwards if downwards > 0.1 else 0.0


def _shares(duration: float, step: float, hold: float) -> Float64[np.ndarray, "T"]:
    """Go from 0 to 1 in `duration` seconds, from rest to rest (3 t² − 2 t³), then stay at 1 for `hold` seconds."""
    t = np.minimum(np.arange(step, duration + hold, step) / duration, 1.0)
    return np.asarray(3 * t**2 - 2 * t**3, dtype=np.float64)
