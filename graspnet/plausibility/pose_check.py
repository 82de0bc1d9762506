"""The camera's pose against the table in the image, and which common mistake would explain the contradiction.

The pose says where the world's plane z = 0 lies in the image. The image has a plane, too, if a table is in view. Where
the two are apart, each common mistake is undone in turn: if one brings them together, it is named and refused.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
from jaxtyping import Float64

from graspnet.errors import InputError
from graspnet.observation.observation import Observation, Plane
from graspnet.plausibility.sources import Sources
from graspnet.transforms import invert

__all__ = ["pose_doubts"]

LARGEST_ANGLE = np.deg2rad(5)  # between the two planes; a hand-eye calibration is ten times better
LARGEST_GAP = 0.03  # m, where the image sees the table
HIGHEST = 10.0  # m; of a camera above its table, as far as depth cameras see
FURTHEST = 100.0  # m; from the world's origin, within the hall that it stands in
OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # opencv_from_opengl, and its own inverse
ROS_BODY = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])  # body_from_optical (REP 103)

INVERSIONS = (("", ""), ("is camera_from_world", "give the inverse"))
AXES = (
    ("", "", np.eye(4)),
    ("has OpenGL's axes (y up, z backwards)", "multiply it by diag(1, -1, -1, 1) from the right", OPENGL),
    ("has ROS's body axes (x forward, z up)", "give the pose of the optical frame", ROS_BODY),
)
UNITS = (
    (1.0, "", ""), (0.001, "is in millimetres", "divide its translation by 1000"),
    (0.01, "is in centimetres", "divide its translation by 100"),
)  # fmt: skip


def pose_doubts(observation: Observation, sources: Sources) -> Iterator[str]:
    """What is odd about the camera's pose; nothing if it is not known.

    InputError: a common mistake explains how the pose and the image contradict each other; or the pose is nowhere.
    """
    pose, fitted = observation.world_from_camera, observation.fitted_table
    if pose is None:
        return
    seen = None if fitted is None else _seen_points(observation, fitted)
    if fitted is not None and seen is not None and not _agree(pose, fitted, seen):
        text = f"{sources.camera_pose}: {_contradiction(pose, fitted, seen)}"
        _refuse_common_mistake(pose, fitted, seen, text)
        _refuse_other_unit(pose, fitted, text, sources)
        _refuse_nowhere(pose, text)
        yield f"{text}. Where objects lie must be z = 0; else grasps are wrong in the world, too low or too high"
        return
    position = ", ".join(f"{number:.4g}" for number in pose[:3, 3])
    text = f"{sources.camera_pose}: the camera would stand at ({position}) m in the world"
    _refuse_nowhere(pose, text)
    if pose[2, 3] <= 0:
        yield f"{text}, below the table, which is z = 0"


def _seen_points(observation: Observation, fitted: Plane) -> Float64[np.ndarray, "P 3"] | None:
    """Points of the fitted table, a few thousand of them."""
    points = observation.points[np.isfinite(observation.depth)]
    points = points[:: max(1, len(points) // 20_000)]
    points = points[np.abs(fitted.height(points)) < 0.01]
    return points if len(points) else None


def _agree(pose: Float64[np.ndarray, "4 4"], fitted: Plane, seen: Float64[np.ndarray, "P 3"]) -> bool:
    return bool(_angle(pose, fitted) <= LARGEST_ANGLE and abs(_height(pose, seen)) <= LARGEST_GAP)


def _angle(pose: Float64[np.ndarray, "4 4"], fitted: Plane) -> float:
    """Between the world's z axis and the fitted table's normal, which points down."""
    return float(np.arccos(np.clip(-pose[2, :3] @ fitted.normal, -1, 1)))


def _height(pose: Float64[np.ndarray, "4 4"], seen: Float64[np.ndarray, "P 3"]) -> float:
    """The mean z in the world of points of the camera."""
    return float(np.mean(seen @ pose[2, :3]) + pose[2, 3])


def _contradiction(pose: Float64[np.ndarray, "4 4"], fitted: Plane, seen: Float64[np.ndarray, "P 3"]) -> str:
    angle, height = np.rad2deg(_angle(pose, fitted)), _height(pose, seen)
    side = "above" if height > 0 else "below"
    return f"the image contradicts the pose: its table lies {abs(height):.3g} m {side} z = 0, {angle:.0f}° tilted"


def _refuse_common_mistake(
    pose: Float64[np.ndarray, "4 4"], fitted: Plane, seen: Float64[np.ndarray, "P 3"], text: str
) -> None:
    """Undo mistakes one by one, then in pairs and all; the first that explains the image is named."""
    choices = sorted(product(range(2), range(3), range(3)), key=lambda choice: sum(k > 0 for k in choice))
    for inversion, axes, unit in choices[1:]:
        repaired = pose.copy()
        repaired[:3, 3] *= UNITS[unit][0]
        repaired = (invert(repaired) if inversion else repaired) @ AXES[axes][2]
        if _agree(repaired, fitted, seen):
            faults = [UNITS[unit][1:], INVERSIONS[inversion], AXES[axes][:2]]
            what = ", ".join(fault for fault, _ in faults if fault)
            remedy = ", then ".join(remedy for _, remedy in faults if remedy)
            raise InputError(f"{text}. It fits if the pose {what}: {remedy}")
    if np.allclose(pose, np.eye(4)):
        raise InputError(f"{text}. It is the identity: if the camera's pose is not known, leave it out")
    others = (("'s rotation is transposed", "transpose its first three columns and rows", _transposed(pose)),
              ("'s world has z down", "turn the world by diag(1, -1, -1, 1) from the left", OPENGL @ pose))  # fmt: skip
    for what, remedy, repaired in others:
        if _agree(repaired, fitted, seen):
            raise InputError(f"{text}. It fits if the pose{what}: {remedy}")


def _transposed(pose: Float64[np.ndarray, "4 4"]) -> Float64[np.ndarray, "4 4"]:
    transposed = pose.copy()
    transposed[:3, :3] = pose[:3, :3].T
    return transposed


def _refuse_other_unit(pose: Float64[np.ndarray, "4 4"], fitted: Plane, text: str, sources: Sources) -> None:
    """A depth in another unit than the pose: the two tables are parallel, and their distances a power of ten apart."""
    if _angle(pose, fitted) > LARGEST_ANGLE or pose[2, 3] <= 0 or fitted.offset <= 0:
        return
    power = round(np.log10(pose[2, 3] / fitted.offset))
    if power and abs(pose[2, 3] / fitted.offset / 10.0**power - 1) < LARGEST_GAP / fitted.offset + 0.05:
        heights = f"the camera is {pose[2, 3]:.3g} m above the table by the pose and {fitted.offset:.3g} m by the depth"
        raise InputError(f"{text}: {heights}. One of the two ({sources.depth}: --depth-scale) is in another unit")


def _refuse_nowhere(pose: Float64[np.ndarray, "4 4"], text: str) -> None:
    if abs(pose[2, 3]) > HIGHEST or np.abs(pose[:3, 3]).max() > FURTHEST:
        limits = f"within {HIGHEST:g} m of the table and {FURTHEST:g} m of the origin"
        raise InputError(f"{text}; expected {limits}. Millimetres? Divide the translation by 1000")
