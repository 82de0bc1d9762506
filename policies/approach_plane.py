"""The plane across the approach: where grasps that share one approach have four coordinates, x, y, angle and s.

Its axes are x and y (perpendicular to the approach, nearest to the image's u and v) and s, the distance from the
camera along the approach. On a table seen from above, x and y lie in the table and s grows downwards.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from graspnet.grasps.grasps import Grasps
from graspnet.observation import Observation
from graspnet.transforms import frame_from_axes, rigid

__all__ = ["ApproachPlane"]


@dataclass(frozen=True)
class ApproachPlane:
    """camera_from_plane: rotation with columns x, y, approach. table: s of the table; infinite where it is unknown."""

    camera_from_plane: Float64[np.ndarray, "3 3"]
    table: float

    @staticmethod
    def of(observation: Observation) -> "ApproachPlane":
        """The plane across `observation.approach`, which all image grasps share."""
        return ApproachPlane.across(observation, observation.approach)

    @staticmethod
    def across(observation: Observation, approach: Float64[np.ndarray, "3"]) -> "ApproachPlane":
        """The plane across any approach; its table is known where the approach is the table's normal."""
        table = observation.table
        is_normal = table is not None and np.allclose(table.normal, approach)
        offset = float(table.offset) if table is not None and is_normal else float("inf")
        return ApproachPlane(frame_from_axes(approach, np.array([0.0, 1.0, 0.0])), offset)

    def coordinates(self, points_in_camera: Float[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "*B 3"]:
        """(x, y, s) of points."""
        return np.asarray(points_in_camera @ self.camera_from_plane, dtype=np.float64)

    def points(self, coordinates: Float[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "*B 3"]:
        """Points in the camera frame; undoes `coordinates`."""
        return np.asarray(coordinates @ self.camera_from_plane.T, dtype=np.float64)

    def grasps(
        self, origin: Float64[np.ndarray, "N 3"], angle: Float64[np.ndarray, "N"], width: Float64[np.ndarray, "N"]
    ) -> Grasps:
        """Grasps in the camera frame with their origin at (x, y, s), closing along `angle` from x towards y."""
        closing = self.points(np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1))
        approach = np.broadcast_to(self.camera_from_plane[:, 2], closing.shape)
        return Grasps.of_jaws(rigid(frame_from_axes(approach, closing), self.points(origin)), width)

    def angles(self, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
        """Angle of the closing axis from x towards y, in [-π, π]; grasps whose jaws are swapped differ by π."""
        closing = self.coordinates(grasps_in_camera.closing)
        return np.arctan2(closing[:, 1], closing[:, 0])
