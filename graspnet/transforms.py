"""Rigid transforms: 4x4 float64 arrays named `target_from_source`, so that inner names meet when they compose.

>>> camera_from_object = camera_from_world @ world_from_object
>>> points_in_camera = transform_points(camera_from_object, points_in_object)
"""

import numpy as np
from jaxtyping import Float, Float64
from scipy.spatial.transform import Rotation

__all__ = [
    "frame_from_axes",
    "invert",
    "is_rigid",
    "perpendicular_to",
    "rigid",
    "rotate_directions",
    "rotation_about",
    "transform_points",
    "unit",
]


def rigid(
    rotation: Float[np.ndarray, "*B 3 3"], translation: Float[np.ndarray, "*#B 3"]
) -> Float64[np.ndarray, "*B 4 4"]:
    """The transform x ↦ R x + t as 4x4 matrices (batched; the translation broadcasts)."""
    target_from_source = np.zeros((*rotation.shape[:-2], 4, 4))
    target_from_source[..., :3, :3] = rotation
    target_from_source[..., :3, 3] = translation
    target_from_source[..., 3, 3] = 1.0
    return target_from_source


def invert(target_from_source: Float[np.ndarray, "*B 4 4"]) -> Float64[np.ndarray, "*B 4 4"]:
    """source_from_target, using the transpose: [R t]⁻¹ = [Rᵀ −Rᵀ t]."""
    rotation = np.swapaxes(target_from_source[..., :3, :3], -1, -2)
    return rigid(rotation, -(rotation @ target_from_source[..., :3, 3:])[..., 0])


def transform_points(
    target_from_source: Float[np.ndarray, "*B 4 4"], points_in_source: Float[np.ndarray, "*B P 3"]
) -> Float64[np.ndarray, "*B P 3"]:
    """Points in the target frame (one transform for each batch of P points)."""
    rotated = rotate_directions(target_from_source, points_in_source)
    return rotated + target_from_source[..., None, :3, 3]


def rotate_directions(
    target_from_source: Float[np.ndarray, "*B 4 4"], directions_in_source: Float[np.ndarray, "*B P 3"]
) -> Float64[np.ndarray, "*B P 3"]:
    """Directions in the target frame: rotated, not translated."""
    return np.asarray(directions_in_source @ np.swapaxes(target_from_source[..., :3, :3], -1, -2), dtype=np.float64)


def rotation_about(axis: Float[np.ndarray, "*B 3"], angle: Float[np.ndarray, "*B"]) -> Float64[np.ndarray, "*B 3 3"]:
    """Rotation matrices by `angle` radians about unit axes (right-handed)."""
    vectors = (axis * angle[..., None]).reshape(-1, 3)
    return Rotation.from_rotvec(vectors).as_matrix().reshape(*axis.shape[:-1], 3, 3)


def frame_from_axes(
    approach: Float[np.ndarray, "*B 3"], closing: Float[np.ndarray, "*B 3"]
) -> Float64[np.ndarray, "*B 3 3"]:
    """Rotations of grasp frames: z = approach, y = the part of `closing` perpendicular to it, x = y × z."""
    z = unit(approach)
    y = unit(closing - np.sum(closing * z, axis=-1, keepdims=True) * z)
    return np.stack([np.cross(y, z), y, z], axis=-1)


def perpendicular_to(directions: Float[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "*B 3"]:
    """Some unit vector perpendicular to each direction."""
    smallest = np.argmin(np.abs(directions), axis=-1)
    return unit(np.cross(directions, np.eye(3)[smallest]))


def unit(vectors: Float[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "*B 3"]:
    """Vectors scaled to length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), dtype=np.float64)


def is_rigid(target_from_source: Float[np.ndarray, "*B 4 4"], tolerance: float = 1e-6) -> bool:
    """Whether every matrix is a proper rotation and a finite translation above the row (0, 0, 0, 1)."""
    rotation = target_from_source[..., :3, :3]
    identity, last = np.eye(3), np.array([0.0, 0.0, 0.0, 1.0])
    # np.allclose, with its relative 1e-5, takes several times as long; and every batch of grasps comes through here.
    orthonormal = np.abs(rotation @ np.swapaxes(rotation, -1, -2) - identity) <= tolerance + 1e-5 * identity
    last_row = np.abs(target_from_source[..., 3, :] - last) <= tolerance + 1e-5 * last
    finite = np.isfinite(target_from_source).all()
    return bool(finite and orthonormal.all() and last_row.all() and (np.linalg.det(rotation) > 0).all())
