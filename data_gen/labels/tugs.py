"""Physics labels: the force that a grasp holds when the object in the hand is tugged at.

Each execution is a short pick (physics/pick.py): approach, close, lift free of the table. Then the object is pulled
at its centre of mass along the hand's axes, each time from the same held state, with a force that grows until the
object moves in the hand. Contacts are set otherwise than the judge's: no network is trained on its own examiner.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from graspnet.data_gen.labels.uncertainty import PerturbedGrasps
from graspnet.data_gen.objects.decomposition import convex_parts
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.physics.hand import PARTS, HandDriveConfig
from graspnet.data_gen.physics.pick import PickConfig, PickWorld
from graspnet.data_gen.physics.world import SolverConfig
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.transforms import frame_from_axes, perpendicular_to, rigid, transform_points

__all__ = ["LABEL_PICK", "TugConfig", "Tugs", "tug"]

GRAVITY = 9.81  # m/s², MuJoCo's own
# Directions in the frame of the hand, one tug along each.
TUG_AXES = np.array([[0, 0, 1], [1, 0, 0], [-1, 0, 0], [0, 0, -1], [0, 1, 0], [0, -1, 0]], dtype=np.float64)
MAX_HELD_SPEED = 0.02  # m/s in the hand; what is held creeps by 0.001, what slips gains this within two steps
SLIP_DISTANCE = 0.005  # m in the hand

# What a label need not wait for is left out: a long way to the object, most of the lift, the shake. The lift leaves
# room for an object that turns in the hand, for it must rise by half of it. The steps are longer and the contacts
# softer than the judge's, friction is resolved more finely, and the pads resist less torsion.
LABEL_PICK = PickConfig(
    approach_distance=0.06,
    approach_time=0.15,
    lift_height=0.06,
    lift_time=0.2,
    shake_amplitude=0.0,
    shake_frequency=1000.0,  # one step, at rest
    hand=HandDriveConfig(closing_time=0.2, pad_radius=0.008),
    solver=SolverConfig(time_step=0.003, contact_time=0.006, friction_to_normal_impedance=20.0),
)


@dataclass(frozen=True, kw_only=True)
class TugConfig:
    """How often each grasp is executed and how hard it is tugged at. A tug grows geometrically from least to most."""

    executions: int = 4  # each grasp has so many; pose, friction and centre of mass vary as for every robust metric
    density: tuple[float, float] = (200.0, 1200.0)  # kg/m³; a grasp's executions are spread evenly over it
    least: float = 0.05  # N
    most: float = 20.0  # N, where labels saturate: 2 μ F of a hand of 20 N at μ = 0.5
    duration: float = 0.15  # s of one tug
    weights: float = 1.0  # a grasp holds if it resists so many times the object's weight, besides that weight
    pick: PickConfig = LABEL_PICK

    def __post_init__(self) -> None:
        if self.executions < 1:
            raise InputError(f"executions is {self.executions}; it must be at least 1")
        if not 0 < self.density[0] <= self.density[1]:
            raise InputError(f"density is {self.density}; expected two growing positive numbers (kg/m³)")
        if not 0 < self.least < self.most:
            raise InputError(f"least is {self.least} and most is {self.most}; expected 0 < least < most (newtons)")
        if not (self.duration > 0 and self.weights > 0):
            raise InputError("duration and weights must be positive")


@dataclass(frozen=True)
class Tugs:
    """What K executions of N grasps found, in newtons."""

    held_force: Float64[np.ndarray, "N K"]  # the most that was resisted along every axis; 0 if it was never held
    weight: Float64[np.ndarray, "N K"]  # what the object weighs, in newtons


def tug(
    samples: PerturbedGrasps,
    solid: Solid,
    gripper: ParallelJaw,
    gravity_in_object: Float64[np.ndarray, "3"],
    config: TugConfig,
) -> Tugs:
    """Execute every sample on the solid, which lies alone on a table, its lowest point down (gravity: unit vector)."""
    count, executions = samples.friction.shape
    # Ten micrometres off its centre of mass: of a body that has it at its origin MuJoCo refuses to move it later.
    movable = replace(solid, mesh=solid.mesh.copy().apply_translation([1e-5, 0, 0]), parts=convex_parts(solid))
    world = PickWorld(movable, gripper, config.pick, friction=1.0)
    low, high = config.density
    density = low + (high - low) * (np.arange(executions) + 0.5) / executions
    mass = np.minimum(density * solid.volume, config.pick.max_mass)
    world_from_object = _on_table(solid, gravity_in_object)
    approach = np.cross(samples.across, samples.closing)
    poses = world_from_object @ rigid(frame_from_axes(approach, samples.closing), samples.origin)
    experiment = _Experiment(world, config)
    held_force = np.zeros((count, executions))
    for n, k in np.ndindex(count, executions):
        experiment.load(float(mass[k]), float(samples.friction[n, k]), samples.center_of_mass[n, k])
        grasp_in_world = Grasps.of_jaws(poses[n, k][None], samples.width[n])
        if world.pick(world_from_object, grasp_in_world).success:
            held_force[n, k] = experiment.held_force()
    return Tugs(held_force, np.tile(GRAVITY * mass, (count, 1)))


def _on_table(solid: Solid, gravity_in_object: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "4 4"]:
    """Lay the object down so that gravity points down and its lowest piece touches z = 0: world_from_object."""
    x = perpendicular_to(gravity_in_object)
    turned = rigid(np.stack([x, np.cross(-gravity_in_object, x), -gravity_in_object]), np.zeros(3))
    lowest = min(transform_points(turned, np.asarray(part.vertices))[:, 2].min() for part in convex_parts(solid))
    return rigid(turned[:3, :3], np.array([0.0, 0.0, -lowest]))


class _Experiment:
    """A world whose object is loaded anew for each execution, and tugged at where a pick has left it."""

    def __init__(self, world: PickWorld, config: TugConfig) -> None:
        """world: one whose pads have unit friction."""
        self.mujoco, self.model, self.data = world.mujoco, world.model, world.data
        self.world, self.body = world, world.model.body("object_0").id
        self.pads = [world.model.geom(name).id for name in PARTS]
        self.inertia, self.friction = (
            self.model.body_inertia[self.body] / world.mass,
            self.model.geom_friction[self.pads],
        )
        self.touch = [world.data.sensor(f"touch_{side}").data for side in ("left", "right")]
        motion = world.data.joint("object_0")
        self.place, self.velocity = motion.qpos[:3], motion.qvel[:3]
        self.forces = np.geomspace(config.least, config.most, round(config.duration / config.pick.solver.time_step))

    def load(self, mass: float, friction: float, center_of_mass: Float64[np.ndarray, "3"]) -> None:
        """Set another mass (kg), friction between pads and object, and centre of mass (in the object frame)."""
        self.model.body_mass[self.body], self.model.body_inertia[self.body] = mass, mass * self.inertia
        self.model.body_ipos[self.body] = center_of_mass
        self.model.geom_friction[self.pads] = friction * self.friction
        self.mujoco.mj_setConst(self.model, self.data)

    def held_force(self) -> float:
        """Find the most force (N) that is resisted along every axis, after a pick; each tug starts where that ended."""
        state = self._state()
        held = float(self.forces[-1])
        for direction in TUG_AXES @ self.world.world_from_grasp[:3, :3].T:
            self._restore(state)
            held = self._resisted(direction, held)
        return held

    def _resisted(self, direction: Float64[np.ndarray, "3"], most: float) -> float:
        """Find the last force up to `most` at which the object stood still in the hand."""
        start, resisted = self.place.copy(), 0.0
        for force in self.forces[self.forces <= most]:
            self.data.xfrc_applied[self.body, :3] = force * direction
            self.mujoco.mj_step(self.model, self.data)
            if np.linalg.norm(self.velocity) < MAX_HELD_SPEED:
                resisted = float(force)
            if np.linalg.norm(self.place - start) > SLIP_DISTANCE or min(touch[0] for touch in self.touch) <= 0:
                break
        return resisted

    def _state(self) -> Float64[np.ndarray, "D"]:
        part = self.mujoco.mjtState.mjSTATE_INTEGRATION
        state = np.empty(self.mujoco.mj_stateSize(self.model, part))
        self.mujoco.mj_getState(self.model, self.data, state, part)
        return state

    def _restore(self, state: Float64[np.ndarray, "D"]) -> None:
        self.mujoco.mj_setState(self.model, self.data, state, self.mujoco.mjtState.mjSTATE_INTEGRATION)
