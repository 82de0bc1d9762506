"""The space of grasps that share one approach: x, y, height and angle over one height map.

Every planner works here. The map is made once for an observation and an approach, and everything reads it: the sampler
its edges, the constraints what a gripper would touch, the crops what a network sees.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float64

from graspnet.crops.metric import MetricCropConfig
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.observation.height_map import HeightMap
from graspnet.observation.observation import Observation
from graspnet.transforms import frame_from_axes, rigid, unit

__all__ = ["GraspSpace", "stands_out"]


@dataclass(frozen=True)
class GraspSpace:
    """An observation, an approach of its camera's frame, and the height map along it.

    Coordinates are (x, y, height) of the map, metres. The map's own axis is the approach to a millionth
    (`graspnet.observation.height_map.shared_approaches`); grasps have the approach itself.
    """

    observation: Observation
    approach: Float64[np.ndarray, "3"]
    height_map: HeightMap

    CROP: ClassVar[MetricCropConfig] = MetricCropConfig()  # the map that this crop needs serves all others, too

    @staticmethod
    def of(observation: Observation) -> "GraspSpace":
        """The space of the approach that all image grasps share."""
        return GraspSpace.along(observation, observation.approach)

    @staticmethod
    def along(observation: Observation, approach: Float64[np.ndarray, "3"]) -> "GraspSpace":
        """The space of any approach. InputError: an approach further than 75° from the camera's axis."""
        pitch = GraspSpace.CROP.map_pitch(observation.gripper.span)
        return GraspSpace(observation, unit(approach), observation.height_map(approach, pitch))

    @property
    def gripper(self) -> ParallelJaw:
        """The observation's gripper. InputError: it is no parallel jaw, the kind that these policies know."""
        return ParallelJaw.of(self.observation.gripper)

    @property
    def w(self) -> float:
        """The gripper's span: the unit of whatever has to fit every gripper."""
        return self.observation.gripper.span

    def table_height(self, xy: Float64[np.ndarray, "*B 2"]) -> Float64[np.ndarray, "*B"]:
        """Height of the table at places (x, y); −inf where no table is known, or seen edge-on.

        The table is n · p = o, and p = x e_x + y e_y − h a: h = (x n · e_x + y n · e_y − o) / (n · a).
        """
        table = self.observation.table
        if table is None:
            return np.full(xy.shape[:-1], -np.inf)
        along_x, along_y, along_a = table.normal @ self.height_map.frame_from_map
        if along_a < 1e-3:
            return np.full(xy.shape[:-1], -np.inf)
        return np.asarray((xy @ np.array([along_x, along_y]) - table.offset) / along_a, dtype=np.float64)

    def tip_floor(self, xy: Float64[np.ndarray, "*B 2"], clearance: float) -> Float64[np.ndarray, "*B"]:
        """How low fingertips may go at places (x, y): `clearance` metres above the table, or where that is more, its
        doubt; −inf where no table is known."""
        height = self.table_height(xy)
        if self.observation.table is None:
            return height
        points = self.height_map.points(np.concatenate([xy, np.nan_to_num(height)[..., None]], axis=-1))
        return np.asarray(height + np.maximum(self.observation.table.doubt(points), clearance), dtype=np.float64)

    @cached_property
    def table_of_cells(self) -> Float64[np.ndarray, "h w"]:
        """Height of the table in every cell of the map: sampler and constraints both ask for it."""
        return self.table_height(self.height_map.cell_places())

    def grasps(
        self, coordinates: Float64[np.ndarray, "N 3"], angle: Float64[np.ndarray, "N"], width: Float64[np.ndarray, "N"]
    ) -> Grasps:
        """Grasps in the camera frame with their origin at (x, y, height), closing along `angle` from x towards y."""
        axes = self.height_map.frame_from_map
        closing = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ axes[:, :2].T
        approach = np.broadcast_to(self.approach, closing.shape)
        return Grasps.of_jaws(rigid(frame_from_axes(approach, closing), self.height_map.points(coordinates)), width)

    def coordinates(self, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N 3"]:
        """(x, y, height) of the grasps' origins."""
        return self.height_map.coordinates(grasps_in_camera.origin)

    def angles(self, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
        """Angle of the closing axis from x towards y, in [-π, π]; grasps whose jaws are swapped differ by π."""
        closing = grasps_in_camera.closing @ self.height_map.frame_from_map[:, :2]
        return np.arctan2(closing[:, 1], closing[:, 0])


def stands_out(over_table: Float64[np.ndarray, "P"]) -> Bool[np.ndarray, "P"]:
    """Which of an object's points, by their heights over the table (metres), are not at its rim, where the sensor has
    put them on the table, or in a mask that is larger than the object."""
    if not len(over_table):
        return np.zeros(0, dtype=bool)
    return np.asarray(over_table > min(0.003, 0.3 * float(np.quantile(over_table, 0.98))))
