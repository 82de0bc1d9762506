"""Approaches beside the upright one: a cone around the table's normal, whatever the camera's tilt.

An upright hand comes down between things that stand close. One that comes from where the camera looks goes where the
image shows free space.
"""

import numpy as np
from jaxtyping import Float64

from graspnet.observation.observation import MAX_TILT, Observation
from graspnet.transforms import unit

__all__ = ["STEEPEST_APPROACH", "tilted_approaches"]

STEEPEST_APPROACH = np.deg2rad(60.0)  # off the table's normal: a hand that comes flatter sweeps over the table


def tilted_approaches(observation: Observation, tilt: float, count: int) -> list[Float64[np.ndarray, "3"]]:
    """`count` unit vectors in the camera frame, `tilt` radians off the upright approach and evenly around it.

    The first one leans the way in which the camera looks. Those are left out that are further than 75° from the
    camera's axis, since no height map can be made along them.
    """
    upright = observation.approach
    lookout = np.array([0.0, 0.0, 1.0])
    across = lookout - (lookout @ upright) * upright
    if np.linalg.norm(across) < 1e-3:  # a camera overhead leans no way: begin along the image's v axis
        across = np.array([0.0, 1.0, 0.0]) - upright[1] * upright
    forward = unit(across)
    aside = np.cross(upright, forward)
    azimuth = 2 * np.pi * np.arange(count)[:, None] / max(1, count)
    lean = np.cos(azimuth) * forward + np.sin(azimuth) * aside
    approaches = np.cos(tilt) * upright + np.sin(tilt) * lean
    return [approach for approach in approaches if approach[2] >= np.cos(MAX_TILT)]
