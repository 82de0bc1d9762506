"""The scale of a depth image, told by a table whose place is known.

Depth cameras err by a factor for a whole image: 0.3 % of it is typical, 2 mm at 0.7 m; one that is not calibrated errs
by more. No pixel tells of that. A table does, if it is in view and the camera's pose says where it should be.
"""

from dataclasses import replace

import numpy as np

from graspnet.observation.observation import Observation

__all__ = ["scaled_to_table"]

MOST = 0.1  # share of the depth; Dex-Net's noise has three deviations of 3.2 %
LARGEST_ANGLE = np.deg2rad(2)  # between the table of the pose and the one in the image; otherwise they are two
NEAR_PLANE = 0.006  # m; points of the fitted plane lie within
BELOW, MOST_BELOW = 0.01, 0.01  # m, share of the points: so much lies below no table, but below the tops of boxes
MOST_POINTS = 20_000


def scaled_to_table(observation: Observation) -> tuple[Observation, float]:
    """The same observation with its depth times the factor that brings the table in the image to z = 0; the factor.

    As it was, and 1: where no pose is known or no table is fitted; where the two tables are tilted against each other
    by more than 2°; where the factor is beyond 1 ± 0.1; where things lie below the plane in the image, which then is
    something else, such as the tops of boxes. Each of several looks has a factor of its own; the first one's is told.
    """
    factor, others = _factor(observation), tuple(scaled_to_table(other)[0] for other in observation.others)
    if factor == 1.0 and all(new is old for new, old in zip(others, observation.others, strict=True)):
        return observation, 1.0
    return replace(observation, depth=observation.depth * np.float32(factor), others=others), factor


def _factor(observation: Observation) -> float:
    fitted, known = observation.fitted_table, observation.table
    if observation.world_from_camera is None or fitted is None or known is None:
        return 1.0
    points = observation.points[np.isfinite(observation.depth)]
    points = points[:: max(1, len(points) // MOST_POINTS)]
    height = fitted.height(points)
    if fitted.normal @ known.normal < np.cos(LARGEST_ANGLE) or np.mean(height < -BELOW) > MOST_BELOW:
        return 1.0
    distance = float(np.mean(points[np.abs(height) < NEAR_PLANE] @ known.normal))
    factor = known.offset / distance if distance > 0 else np.inf
    return float(factor) if abs(factor - 1) <= MOST else 1.0
