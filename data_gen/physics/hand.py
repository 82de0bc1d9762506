"""A parallel-jaw hand in MuJoCo, made of the gripper file's boxes, on a carriage that moves it along straight lines.

carriage (slides along the world's x, y, z; never turns) -> palm (the grasp frame, turned once) -> two fingers.

The jaws are coupled: an equality holds their openings equal, as the one motor of a YuMi, Franka or Robotiq hand does.
Two free jaws with equal forces would have no stiffness against the object sliding between them along the closing axis,
and would drop off-centre objects that a real hand centres.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float64

from graspnet.data_gen.physics.bodies import HAND, OBJECT
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.physics_engine import load_mujoco
from graspnet.transforms import transform_points

__all__ = [
    "CARRIAGE",
    "JAWS",
    "PARTS",
    "HandDriveConfig",
    "add_hand",
    "carriage_feedforward",
    "hand_meshes",
    "lowest_corner",
]

CARRIAGE = ("carriage_x", "carriage_y", "carriage_z")  # joints and actuators, along the world's axes
JAWS = ("jaw_left", "jaw_right")  # joints and actuators; each position is half the opening; left is at -y
PARTS = ("palm", "left", "right")  # names of the hand's geoms, each a box
STIFF = {"solref": [0.004, 1.0], "solimp": [0.99, 0.999, 0.001, 0.5, 2.0]}  # two time steps, as hard as the contacts


@dataclass(frozen=True, kw_only=True)
class HandDriveConfig:
    """How the hand is driven, and its pads. Sizes and force are the gripper's."""

    pad_radius: float = 0.010  # r of the soft finger's torsion ⅔ μ r; 10 mm: Dex-Net's finger radius
    closing_time: float = 0.4  # s; the jaws need it from the widest opening to none
    force_error: float = 0.002  # m; at such an error of its position a jaw pushes with its full force
    carriage_mass: float = 100.0  # kg; so heavy is the arm behind the hand that what it hits or lifts hardly moves it
    carriage_rate: float = 30.0  # rad/s; the position servo is no faster (carriage_feedforward says why)


def add_hand(spec: Any, gripper: ParallelJaw, config: HandDriveConfig) -> None:
    """Add the open hand to an MjSpec: bodies `carriage`, `palm`, `finger_left`, `finger_right`; joints and position
    actuators CARRIAGE and JAWS; touch sensors (N) `touch_palm`, `touch_left`, `touch_right`. It has no weight."""
    mujoco = load_mujoco()
    carriage = spec.worldbody.add_body(name="carriage", gravcomp=1.0)
    for name, axis in zip(CARRIAGE, np.eye(3), strict=True):
        _add_slide(spec, carriage, name, axis, config.carriage_mass, config.carriage_rate, 1.0)
    palm = carriage.add_body(name="palm", gravcomp=1.0)
    low, high = gripper.boxes(np.zeros(1))
    _add_box(spec, palm, "palm", low[0, 2], high[0, 2], mass=0.5)
    stiffness = gripper.force / config.force_error
    for side, sign, name in ((0, -1.0, "left"), (1, 1.0, "right")):
        finger = palm.add_body(name=f"finger_{name}", gravcomp=1.0)
        rate = 200.0  # rad/s: fast beside a grasp (0.1 s), slow beside the time step (2 ms)
        jaw = _add_slide(spec, finger, f"jaw_{name}", np.array([0, sign, 0]), stiffness / rate**2, rate, 0.3)
        jaw.actuator.forcerange = [-gripper.force, gripper.force]
        jaw.actuator.forcelimited = True
        jaw.joint.range = [gripper.min_width / 2, gripper.max_width / 2 + 0.001]
        jaw.joint.limited = True
        jaw.joint.solref_limit, jaw.joint.solimp_limit = STIFF["solref"], STIFF["solimp"]
        _add_box(spec, finger, name, low[0, side], high[0, side], mass=0.05)
    coupling = spec.add_equality(
        name="coupling", type=mujoco.mjtEq.mjEQ_JOINT, objtype=mujoco.mjtObj.mjOBJ_JOINT, name1=JAWS[0], name2=JAWS[1],
        **STIFF,
    )  # fmt: skip
    coupling.data[:5] = [0, 1, 0, 0, 0]  # jaw_left = 0 + 1 jaw_right


def carriage_feedforward(
    config: HandDriveConfig, velocity: Float64[np.ndarray, "3"], acceleration: Float64[np.ndarray, "3"]
) -> Float64[np.ndarray, "3"]:
    """Find the force (N) with which the carriage follows a motion by itself, so that the servo need not be stiff.

    A stiff, strongly damped servo would be the shorter way; but the solver of contacts does not know the implicit
    integration of its damping, and an object in the hand then creeps by a millimetre a second as the hand accelerates.
    """
    return config.carriage_mass * (acceleration + 2 * config.carriage_rate * velocity)


def lowest_corner(gripper: ParallelJaw, world_from_grasp: Float64[np.ndarray, "4 4"], width: float) -> float:
    """Find how high above the table the lowest corner of the hand's boxes is, open to `width`; negative below it."""
    return float(transform_points(world_from_grasp, _corners(gripper, width))[:, 2].min())


@lru_cache(maxsize=64)
def _corners(gripper: ParallelJaw, width: float) -> Float64[np.ndarray, "24 3"]:
    """All corners of the hand's boxes in its grasp frame. A guided hand asks for them at every step."""
    low, high = gripper.boxes(np.array([width]))
    corners = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), axis=-1).reshape(8, 3)
    return np.where(corners[None], high[0][:, None], low[0][:, None]).reshape(-1, 3)


def hand_meshes(gripper: ParallelJaw, width: float) -> list[trimesh.Trimesh]:
    """Make the left finger, the right finger and the palm of a hand that is open to `width`, in its grasp frame."""
    corners = zip(*(each[0] for each in gripper.boxes(np.array([width]))), strict=True)
    return [trimesh.creation.box(bounds=np.stack(bounds)) for bounds in corners]


@dataclass(frozen=True)
class _Slide:
    joint: Any
    actuator: Any


def _add_slide(
    spec: Any, body: Any, name: str, axis: Float64[np.ndarray, "3"], inertia: float, rate: float, damping_ratio: float
) -> _Slide:
    """Add a sliding joint of that inertia (kg) with a position servo of natural frequency `rate` (rad/s)."""
    mujoco = load_mujoco()
    joint = body.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis, armature=inertia)
    joint.damping = [2 * damping_ratio * rate * inertia, 0, 0]
    actuator = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    actuator.set_to_position(kp=inertia * rate**2)
    return _Slide(joint, actuator)


def _add_box(
    spec: Any, body: Any, name: str, low: Float64[np.ndarray, "3"], high: Float64[np.ndarray, "3"], mass: float
) -> None:
    """Add a box with a touch sensor that sums the normal forces on it."""
    mujoco = load_mujoco()
    center, half = (low + high) / 2, (high - low) / 2
    body.add_geom(
        name=name, type=mujoco.mjtGeom.mjGEOM_BOX, pos=center, size=half, mass=mass, contype=HAND, conaffinity=OBJECT,
    )  # fmt: skip
    around = half + 0.01  # m: contact points lie between the surfaces, at most millimetres outside the box
    body.add_site(name=f"touch_{name}", type=mujoco.mjtGeom.mjGEOM_BOX, pos=center, size=around)
    spec.add_sensor(
        name=f"touch_{name}", type=mujoco.mjtSensor.mjSENS_TOUCH, objtype=mujoco.mjtObj.mjOBJ_SITE,
        objname=f"touch_{name}",
    )  # fmt: skip
