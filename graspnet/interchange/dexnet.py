"""What the fields of Dex-Net's data sets mean (parallel jaw; Mahler et al., RSS 2017 and Science Robotics 2019).

A datapoint is one crop of a depth image, 96 x 96 pixels of the camera, turned so that the closing axis runs along +u,
and resized to 32 x 32 in version 2.0. The grasp's pixel lies at index 48 of 96, half a pixel beyond the crop's centre:
in a data set that the original generator wrote, the table pixels of all crops of one image then lie on one plane to
0.02 mm, and to 0.05 mm and more with any other index.

Columns of the poses: row, column, depth (m), angle (rad, of the closing axis from +u towards +v), then
2.0 (`hand_poses`): row and column from the principal point; the opening in pixels, which older releases lack;
4.0 (`grasps`): the angle between approach and optical axis, and one that is not documented (we write 0).
Cameras, where they are known (the original declared these fields and never wrote them; then they are NaN):
`camera_intrs` fx fy cx cy in pixels, `camera_poses` position and quaternion w x y z of the camera in the world.
A metric is 0 where the hand collides.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

from graspnet.transforms import rigid

__all__ = [
    "LAYOUTS",
    "OUR_METRICS",
    "THEIR_METRICS",
    "WINDOW_PX",
    "HandPoses",
    "Layout",
    "camera_poses_from_columns",
    "columns_from_camera_poses",
    "grasp_index",
]

WINDOW_PX = 96  # side of the crop, camera pixels
OUR_METRICS = {"ferrari_canny": "epsilon", "robust_ferrari_canny": "robust_epsilon"}  # others have one name
THEIR_METRICS = {ours: theirs for theirs, ours in OUR_METRICS.items()}


@dataclass(frozen=True)
class Layout:
    """Names of the fields of one version, and the side of its images."""

    images: str
    poses: str
    size: int


LAYOUTS = {"2.0": Layout("depth_ims_tf_table", "hand_poses", 32), "4.0": Layout("tf_depth_ims", "grasps", 96)}


def grasp_index(size: int) -> float:
    """Column and row of the grasp's pixel in a crop that was resized to `size` (pixel centres are integers)."""
    return (WINDOW_PX / 2 + 0.5) * size / WINDOW_PX - 0.5


@dataclass(frozen=True)
class HandPoses:
    """The columns of N poses, whichever version they come from. What a version lacks is NaN."""

    center: Float64[np.ndarray, "N 2"]  # (u, v) in the camera's image, pixels
    depth: Float64[np.ndarray, "N"]  # z of the grasp's origin, metres
    angle: Float64[np.ndarray, "N"]
    from_principal_point: Float64[np.ndarray, "N 2"]  # (u − cx, v − cy)
    width_px: Float64[np.ndarray, "N"]
    approach_angle: Float64[np.ndarray, "N"]

    @staticmethod
    def from_columns(columns: Float64[np.ndarray, "N C"], layout: Layout) -> "HandPoses":
        """The poses in the array that a data set holds."""
        unknown = np.full(len(columns), np.nan)
        is_2 = layout is LAYOUTS["2.0"]
        return HandPoses(
            center=columns[:, [1, 0]],
            depth=columns[:, 2],
            angle=columns[:, 3],
            from_principal_point=columns[:, [5, 4]] if is_2 else np.stack([unknown, unknown], axis=1),
            width_px=columns[:, 6] if is_2 and columns.shape[1] > 6 else unknown,
            approach_angle=unknown if is_2 else columns[:, 4],
        )

    def to_columns(self, layout: Layout) -> Float64[np.ndarray, "N C"]:
        """The array that a data set holds."""
        common = (self.center[:, 1], self.center[:, 0], self.depth, self.angle)
        if layout is LAYOUTS["2.0"]:
            offset = self.from_principal_point
            return np.stack([*common, offset[:, 1], offset[:, 0], self.width_px], axis=1)
        return np.stack([*common, self.approach_angle, np.zeros_like(self.angle)], axis=1)


def camera_poses_from_columns(columns: Float64[np.ndarray, "N 7"]) -> Float64[np.ndarray, "N 4 4"]:
    """world_from_camera; NaN where it is unknown."""
    poses = np.full((len(columns), 4, 4), np.nan)
    known = np.isfinite(columns).all(axis=1)
    if known.any():
        rotation = Rotation.from_quat(columns[known, 3:], scalar_first=True).as_matrix()
        poses[known] = rigid(rotation, columns[known, :3])
    return poses


def columns_from_camera_poses(world_from_camera: Float64[np.ndarray, "N 4 4"]) -> Float64[np.ndarray, "N 7"]:
    """The inverse of `camera_poses_from_columns`."""
    columns = np.full((len(world_from_camera), 7), np.nan)
    known = np.isfinite(world_from_camera).all(axis=(1, 2))
    if known.any():
        columns[known, :3] = world_from_camera[known, :3, 3]
        columns[known, 3:] = Rotation.from_matrix(world_from_camera[known, :3, :3]).as_quat(scalar_first=True)
    return columns
