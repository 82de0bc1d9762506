"""The grasp-aligned crop: the only place where a grasp and a depth image become a network's input.

Training, planning and pictures all call `grasp_crops`. Which crop it cuts is the network's choice: a window of the
height map in units of the gripper (`graspnet.crops.metric`), or a window of the image in pixels
(`graspnet.crops.pixel`, for the originals' networks).
"""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from graspnet.camera import Camera
from graspnet.crops.metric import MetricCropConfig, metric_crops
from graspnet.crops.pixel import PixelCropConfig, pixel_crops
from graspnet.errors import InputError
from graspnet.observation.height_map import HeightMap, shared_approaches

__all__ = ["CropConfig", "CropSource", "GraspCrops", "grasp_crops"]

CropConfig = MetricCropConfig | PixelCropConfig


@runtime_checkable  # beartype checks it under pytest
class CropSource(Protocol):
    """What crops are cut from: a depth image (H, W) in metres, its camera, and the height map along any approach.

    An Observation and a DepthView are such sources; the first one keeps its maps.
    """

    @property
    def depth(self) -> Float32[np.ndarray, "H W"]:
        """0 or NaN = missing."""
        ...

    @property
    def camera(self) -> Camera:
        """The camera that took it."""
        ...

    def height_map(self, approach: Float64[np.ndarray, "3"], pitch: float) -> HeightMap:
        """The map along an approach of the camera's frame, in cells of `pitch` metres."""
        ...


class GraspCrops(NamedTuple):
    """What a network sees of each grasp. images: (N, C, S, S). pose: (N, F)."""

    images: Float32[Tensor, "N C S S"]
    pose: Float32[Tensor, "N F"]


def grasp_crops(
    source: CropSource,
    camera_from_grasp: Float64[np.ndarray, "N 4 4"],
    sizes: Float[np.ndarray, "N 8"],
    config: CropConfig,
    standoff: Float64[np.ndarray, "N"] | None = None,
) -> GraspCrops:
    """The crops of N grasps that one image shows.

    sizes: the gripper's `sizes()` for each grasp. standoff: δ, metres from the reference point of a metric crop to the
    grasp's origin along the approach; 0 if not given. Metric: images (height over w, measured) of each window, pose the
    numbers of `graspnet.crops.pose_layout`, as the first window has them. Pixel: images (depth in metres, 0 = missing),
    pose the depth z of the grasp's origin.
    InputError: sizes that do not belong together, a pose that is not finite, an origin that is not in front of the
    camera.
    """
    _check(camera_from_grasp, sizes, standoff)
    poses = torch.from_numpy(camera_from_grasp)
    if isinstance(config, PixelCropConfig):
        return GraspCrops(*pixel_crops(torch.from_numpy(source.depth), source.camera, poses, config))
    if len(config.windows) > 1:
        parts = [grasp_crops(source, camera_from_grasp, sizes, window, standoff) for window in config.windows]
        return GraspCrops(torch.cat([part.images for part in parts], dim=1), parts[0].pose)
    images = torch.empty(len(poses), config.channels, config.size, config.size)
    numbers = torch.empty(len(poses), config.pose_features)
    gripper_sizes = torch.from_numpy(np.array(sizes, dtype=np.float64))
    delta = None if standoff is None else torch.from_numpy(standoff)
    for approach, seen_along in shared_approaches(camera_from_grasp):
        for max_width in np.unique(sizes[seen_along, 0]):
            rows = seen_along[sizes[seen_along, 0] == max_width]
            height_map = source.height_map(approach, config.map_pitch(float(max_width)))
            own = None if delta is None else delta[rows]
            cut, pose = metric_crops(height_map, poses[rows], gripper_sizes[rows], config, own)
            if len(rows) == len(poses):  # nearly always: one approach, one gripper
                return GraspCrops(cut, pose.float())
            images[rows], numbers[rows] = cut, pose.float()
    return GraspCrops(images, numbers)


def _check(camera_from_grasp: np.ndarray, sizes: np.ndarray, standoff: np.ndarray | None) -> None:
    count = len(camera_from_grasp)
    arrays: dict[str, tuple[np.ndarray | None, tuple[int, ...]]] = {
        "camera_from_grasp": (camera_from_grasp, (count, 4, 4)),
        "sizes": (sizes, (count, 8)),
        "standoff": (standoff, (count,)),
    }
    for name, (array, shape) in arrays.items():
        if array is not None and array.shape != shape:
            raise InputError(f"{name} has shape {array.shape}; expected {shape} for {count} grasps")
    if not (np.isfinite(camera_from_grasp).all() and (camera_from_grasp[:, 2, 3] > 0).all()):
        raise InputError("every grasp's pose must be finite, and its origin in front of the camera (z > 0)")
    if not (sizes > 0).all():
        raise InputError("every size of the gripper must be positive (metres)")
