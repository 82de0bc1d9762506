"""Approaches beside the upright one: a cone around the table's normal, whatever the camera's tilt.

An upright hand comes down between things that stand close. One that comes from where the camera looks goes where the
image shows free space.
"""

import numpy as np
from jaxtyping import Float64

from graspnet.errors import InputError
from graspnet.observation.observation import MAX_TILT, Observation
from graspnet.transforms import unit

__all__ = ["check_approach_tilt", "tilted_approaches"]

STEEPEST = np.deg2rad(60.0)  # off the table's normal: a hand that comes flatter sweeps over the table


def check_approach_tilt(tilt: float) -> None:
    """InputError: a tilt (radians) below 0 or beyond 60°."""
    if not 0 <= tilt <= STEEPEST:
        raise InputError(f"approach_tilt is {np.rad2deg(tilt):.4g}°; it must lie between 0 and 60°")


def tilted_approaches(observation: Observation, tilt: float, count: int) -> list[Float64[np.ndarray, "3"]]:
    """Of `count` unit vectors in the camera frame, `tilt` radians off the upright approach and evenly around it, those
    that come nearer to the way in which a camera looks than the upright one does; none where cameras look down.

    The first of all leans the way the camera looks, where the image shows what is in the hand's way. Other tilted hands
    come through what nobody has seen: over heaps seen from overhead they touched something three times as often as
    upright ones. Nor can a height map be made further than 75° from the axis of any camera.
    """
    upright_in_camera = observation.approach
    optical_axis = np.array([0.0, 0.0, 1.0])
    forward = optical_axis - optical_axis @ upright_in_camera * upright_in_camera
    if np.linalg.norm(forward) < 1e-3:  # a camera overhead leans no way: begin along the image's v axis
        forward = np.array([0.0, 1.0, 0.0]) - upright_in_camera[1] * upright_in_camera
    forward_in_camera = unit(forward)
    sideways_in_camera = np.cross(upright_in_camera, forward_in_camera)
    azimuth = 2 * np.pi * np.arange(count)[:, None] / max(1, count)
    lean = np.cos(azimuth) * forward_in_camera + np.sin(azimuth) * sideways_in_camera
    approaches = np.cos(tilt) * upright_in_camera + np.sin(tilt) * lean
    axes = np.array([optical_axis, *(observation.camera_from(other)[:3, 2] for other in observation.others)])
    cosine = approaches @ axes.T
    nearer = (cosine > axes @ upright_in_camera + 1e-9).any(axis=1)
    return list(approaches[nearer & (cosine >= np.cos(MAX_TILT)).all(axis=1)])
