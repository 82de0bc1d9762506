"""One grip in MuJoCo, for labels: what a pick would say, in a tenth of its steps.

Where nothing is touched nothing needs to be simulated. The hand is led along its approach, and its jaws together, by
collision checks alone; time begins to pass a little before the first touch. Nor is the object lifted: once it is
gripped the table vanishes, and gravity swings to all sides of the hand. That is what an object feels in a
hand that is shaken (d'Alembert), and the hand stands still.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float64

from graspnet.data_gen.physics.hand import PARTS, HandDriveConfig, carriage_feedforward, lowest_corner
from graspnet.data_gen.physics.outcome import Outcome
from graspnet.data_gen.physics.pick import HandWorld, PickConfig
from graspnet.data_gen.physics.world import SolverConfig
from graspnet.errors import InputError
from graspnet.transforms import rigid

__all__ = ["ContactRanges", "GripConfig", "GripWorld"]

GRAVITY = np.array([0.0, 0.0, -9.81])  # m/s², MuJoCo's own
SWINGS = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)  # unit vectors, in the hand's frame
STEPS_AT_A_TIME = 4  # between two looks at what is held
STILL_STEPS = 8  # jaws that stand still for so many steps have closed
STILL_SPEED = 0.002  # m/s; slower than this a jaw stands still
LOST_TIME = 0.03  # s; an object out of touch with a pad for so long is lost: a rattle is no loss
GRIP_TIME = 0.3  # s; jaws that have not stopped by then, after their way, have missed


@dataclass(frozen=True, kw_only=True)
class ContactRanges:
    """Ranges of how contacts are simulated; drawn anew for every object, so that no network learns one simulator.

    All are uniform but friction_to_normal_impedance, which is log-uniform. The judge's values (`PickConfig`) lie in
    none of their centres.
    """

    time_step: tuple[float, float] = (0.0025, 0.0035)  # s
    contact_time: tuple[float, float] = (2.0, 3.0)  # time steps, of which two are the least that is stable
    impedance: tuple[float, float] = (0.990, 0.9995)
    friction_to_normal_impedance: tuple[float, float] = (8.0, 40.0)
    pad_radius: tuple[float, float] = (0.006, 0.0125)  # m; it resists torsion

    def __post_init__(self) -> None:
        limits = {
            "time_step": (1e-4, 0.01), "contact_time": (2.0, 20.0), "impedance": (0.5, 0.9999),
            "friction_to_normal_impedance": (1.0, 1000.0), "pad_radius": (0.0, 0.1),
        }  # fmt: skip
        for name, (lowest, highest) in limits.items():
            low, high = getattr(self, name)
            if not lowest <= low <= high <= highest:
                raise InputError(f"{name} is [{low}, {high}]; expected low and high within [{lowest}, {highest}]")

    def draw(self, config: PickConfig, rng: np.random.Generator) -> PickConfig:
        """Draw the contacts of one world; all else is the config's."""
        step = float(rng.uniform(*self.time_step))
        solver = SolverConfig(
            time_step=step,
            contact_time=step * float(rng.uniform(*self.contact_time)),
            impedance=float(rng.uniform(*self.impedance)),
            friction_to_normal_impedance=float(np.exp(rng.uniform(*np.log(self.friction_to_normal_impedance)))),
        )
        return replace(
            config, solver=solver, hand=replace(config.hand, pad_radius=float(rng.uniform(*self.pad_radius)))
        )


@dataclass(frozen=True, kw_only=True)
class GripConfig:
    """How a grip is tested, in SI units."""

    approach_distance: float = 0.06  # collisions are looked for on so much of the approach
    approach_check: float = 0.006  # steps of the approach between two checks
    approach_speed: float = 0.2  # from the first touch on
    closing_check: float = 0.002  # steps of either jaw between two checks
    hang_time: float = 0.1  # gravity pulls for so long before it swings
    shake_acceleration: float = 9.5  # the judge's shake reaches it
    shake_time: float = 0.048  # of each of four directions, which surround the hand evenly
    pick: PickConfig = field(default_factory=lambda: PickConfig(hand=HandDriveConfig(closing_time=0.2)))
    contacts: ContactRanges = field(default_factory=ContactRanges)

    def __post_init__(self) -> None:
        for name in ("approach_distance", "approach_check", "approach_speed", "closing_check", "hang_time"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be positive")
        for name in ("shake_acceleration", "shake_time"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must not be negative")


class GripWorld:
    """A world of picks in which grips are tested, each from the same rest."""

    def __init__(self, world: HandWorld, config: GripConfig) -> None:
        """world: `load` sets what its objects weigh and its pads' friction, whatever these were."""
        self.world, self.config = world, config
        self.mujoco, self.model, self.data = world.mujoco, world.model, world.data
        self.step_time = world.config.solver.time_step
        self._hand = np.zeros(self.model.ngeom, dtype=bool)
        self._pads = [self.model.geom(name).id for name in PARTS]
        self._hand[self._pads] = True
        friction = self.model.geom_friction[self._pads]
        self._friction = friction / friction[:, :1]  # for a coefficient of 1
        bodies = [self.model.body(f"object_{k}").id for k in range(len(world.solids))]
        self._bodies, self._inertia = bodies, self.model.body_inertia[bodies] / self.model.body_mass[bodies][:, None]
        self._table = self.model.geom("table").id
        self.model.geom_condim[self._table] = 3  # what slides on the table for a moment need not roll there
        of_objects = np.isin(self.model.geom_bodyid, bodies)
        self._apart = np.flatnonzero(of_objects | (np.arange(self.model.ngeom) == self._table))
        self._affinity = self.model.geom_conaffinity[self._apart].copy()
        self._table_type = int(self.model.geom_contype[self._table])

    def load(self, target: int, mass: float, friction: float, center_of_mass: Float64[np.ndarray, "3"]) -> None:
        """Set the mass (kg) and centre of mass (in the object frame) of one object, and the friction of the pads."""
        body = self._bodies[target]
        self.model.body_mass[body], self.model.body_inertia[body] = mass, mass * self._inertia[target]
        self.model.body_ipos[body] = center_of_mass
        self.model.geom_friction[self._pads] = friction * self._friction
        self._restore()  # what collides with nothing now, MuJoCo would take for something that never collides
        self.mujoco.mj_setConst(self.model, self.data)

    def grip(
        self,
        world_from_objects: Float64[np.ndarray, "M 4 4"],
        target: int,
        world_from_grasp: Float64[np.ndarray, "4 4"],
        width: float,
    ) -> Outcome:
        """Execute one grasp of object `target` on objects at rest at those poses, and say how it ends.

        The table and a grasp below it are treated as in a pick; the first failure that happens is the outcome.
        """
        gripper, picks = self.world.gripper, self.world.config
        width = float(np.clip(width, gripper.min_width, gripper.max_width))
        lowest = lowest_corner(gripper, world_from_grasp, width)
        if lowest < -picks.table_tolerance:
            return "below_table"
        approach = world_from_grasp[:3, 2]
        short = max(0.0, -lowest) / -approach[2] if approach[2] < -0.1 else 0.0  # the tips stop at the table
        goal = world_from_grasp[:3, 3] - short * approach
        self._rest(world_from_objects, rigid(world_from_grasp[:3, :3], goal), width)
        self._target, self._start = target, world_from_objects[target, :3, 3]
        failure = self._approach(goal, approach) or self._close(width / 2) or self._shake(world_from_grasp[:3, :3])
        return failure or "success"

    def _rest(
        self,
        world_from_objects: Float64[np.ndarray, "M 4 4"],
        world_from_hand: Float64[np.ndarray, "4 4"],
        width: float,
    ) -> None:
        """Put all at rest."""
        self._restore()
        self.world.reset(world_from_objects, world_from_hand, width)
        self._looking(True)

    def _restore(self) -> None:
        """Put the table back, and gravity."""
        self.model.opt.gravity[:] = GRAVITY
        self.model.geom_contype[self._table] = self._table_type
        self._looking(False)

    def _looking(self, on: bool) -> None:
        """While collisions are only looked for, what objects and table do to each other is left out: it takes time."""
        self.model.geom_conaffinity[self._apart] = 0 if on else self._affinity

    def _approach(self, goal: Float64[np.ndarray, "3"], approach: Float64[np.ndarray, "3"]) -> Outcome | None:
        """Go to the grasp with open jaws, from a little before the first touch; a firm touch or a push ends it."""
        config, data, picks = self.config, self.data, self.world.config
        carriage, moving = data.qpos[-5:-2], data.qvel[-5:-2]
        checks = np.arange(0.0, config.approach_distance, config.approach_check)[::-1]
        left = 0.0  # metres that are left to go
        for distance in checks:
            carriage[:] = goal - distance * approach
            if self._touches():
                left = min(distance + config.approach_check, config.approach_distance)
                break
        carriage[:] = data.ctrl[:3] = goal - left * approach
        self._free = left == 0.0
        if self._free:
            return None
        self._looking(False)
        moving[:] = config.approach_speed * approach
        data.qfrc_applied[-5:-2] = carriage_feedforward(picks.hand, moving.copy(), np.zeros(3))
        step = config.approach_speed * self.step_time
        for ahead in np.append(np.arange(left, 0.0, -step)[1:], 0.0):
            data.ctrl[:3] = goal - ahead * approach
            self.mujoco.mj_step(self.model, data)
            if data.sensordata[:3].sum() > picks.force_limit:
                return "approach_collision"
            if self._pushed():
                return "pushed"
        moving[:] = data.qfrc_applied[-5:-2] = 0.0
        return None

    def _close(self, half: float) -> Outcome | None:
        """Close, from a little before the first touch, until both pads touch and the jaws stand still."""
        data, gripper, hand = self.data, self.world.gripper, self.world.config.hand
        jaws, least = data.qpos[-2:], gripper.min_width / 2
        speed = gripper.max_width / 2 / hand.closing_time
        if self._free:
            half, touching = self._closed_until_touch(half, least)
            if not touching:
                return "missed"
            self._looking(False)
            data.qvel[-2:] = -speed
        end = least - 2 * hand.force_error  # beyond the stop, so that it pushes on the thinnest object
        still, gripped, squeezed = 0, False, 0.0
        for _ in range(round((half / speed + GRIP_TIME) / self.step_time / 2)):
            half = max(half - 2 * speed * self.step_time, end)
            data.ctrl[3:] = half
            self.mujoco.mj_step(self.model, data, nstep=2)
            squeezed = float(self.world.squeezed().max())
            gripped = gripped or squeezed > 0
            if not gripped and self._pushed():
                return "pushed"
            pushing = half <= jaws[0] - hand.force_error
            stopped = np.abs(data.qvel[-2:]).max() < STILL_SPEED
            still = still + 2 if pushing and squeezed > 0 and stopped else 0
            if still >= STILL_STEPS:
                break
        return None if squeezed > 0 else "missed"

    def _closed_until_touch(self, half: float, least: float) -> tuple[float, bool]:
        """Lead the jaws together in steps; half of the last opening at which they touch nothing, and if they touch."""
        jaws = self.data.qpos[-2:]
        touching = False
        for next_half in np.append(np.arange(half, least, -self.config.closing_check)[1:], least):
            jaws[:] = next_half
            touching = self._touches()
            if touching:
                break
            half = float(next_half)
        jaws[:] = self.data.ctrl[3:] = half
        return half, touching

    def _shake(self, rotation: Float64[np.ndarray, "3 3"]) -> Outcome | None:
        """Take the table away, and let gravity swing; both pads hold the object all the time."""
        config, data = self.config, self.data
        held = int(np.argmax(self.world.squeezed()))
        self.model.geom_contype[self._table] = self.model.geom_conaffinity[self._table] = 0
        swings = GRAVITY + config.shake_acceleration * SWINGS @ rotation.T
        pulls: list[tuple[np.ndarray, float, Outcome]] = [(GRAVITY, config.hang_time, "slipped_in_lift")]
        pulls += [(gravity, config.shake_time, "dropped_in_shake") for gravity in swings]
        apart = STEPS_AT_A_TIME * self.step_time
        lost = 0.0
        for gravity, seconds, failure in pulls:
            self.model.opt.gravity[:] = gravity
            for _ in range(round(seconds / apart)):
                self.mujoco.mj_step(self.model, data, nstep=STEPS_AT_A_TIME)
                lost = 0.0 if self.world.squeezed()[held] > 0 else lost + apart
                if lost >= LOST_TIME:
                    return failure
        return None if lost == 0.0 else "dropped_in_shake"

    def _touches(self) -> bool:
        """Whether the hand overlaps anything where it is now; no time passes."""
        self.mujoco.mj_kinematics(self.model, self.data)
        self.mujoco.mj_collision(self.model, self.data)
        if not self.data.ncon:
            return False
        contact = self.data.contact
        return bool((self._hand[contact.geom].any(axis=1) & (contact.dist < 0)).any())

    def _pushed(self) -> bool:
        at = self.data.qpos[7 * self._target :][:3]
        return float(np.linalg.norm(at - self._start)) > self.world.config.push_limit
