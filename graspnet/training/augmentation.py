"""What leaves a grasp's label alone: interchanged jaws, mirrored scenes, and a little doubt about the grasp's depth.

A crop's columns run along the closing axis y, its rows along −x (`graspnet.crops.crops`). Hence

    half a turn about the approach (the jaws swap)     = rows and columns reversed, slope → (−x, −y)
    the scene mirrored in the grasp's plane x = 0      = rows reversed,             slope → (−x,  y)
    the scene mirrored in the grasp's plane y = 0      = columns reversed,          slope → ( x, −y)

where the slope (x/z, y/z) of the camera's ray is part of the metric crop's pose numbers; all others, and the single
depth of a pixel crop, stay. A parallel jaw is symmetric in both planes, so a mirrored grasp is as good as its original.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from graspnet.crops.crops import CropConfig, GraspCrops
from graspnet.crops.metric import MetricCropConfig
from graspnet.crops.pose_layout import mirrored_pose
from graspnet.errors import InputError

__all__ = ["AugmentationConfig", "draw_flips", "flipped", "shifted_along_approach"]


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """flip: each reversal has probability ½. depth_offset: σ in metres of a shift of grasps along their approach."""

    flip: bool = True
    depth_offset: float = 0.003  # quality must not hang on a millimetre that no robot holds

    def __post_init__(self) -> None:
        if self.depth_offset < 0:
            raise InputError(f"depth_offset is {self.depth_offset}; it must not be negative (metres)")


def draw_flips(count: int, config: AugmentationConfig, rng: np.random.Generator) -> Bool[Tensor, "N 2"]:
    """Whether to reverse the rows and the columns of each crop."""
    drawn = rng.random((count, 2)) < 0.5
    return torch.from_numpy(drawn & config.flip)


def flipped(crops: GraspCrops, flips: Bool[Tensor, "N 2"], config: CropConfig) -> GraspCrops:
    """Crops with their rows (flips[:, 0]) and columns (flips[:, 1]) reversed, the pose's slope to match."""
    images = crops.images.clone()
    for axis in (0, 1):
        chosen = flips[:, axis]
        images[chosen] = images[chosen].flip(2 + axis)
    metric = isinstance(config, MetricCropConfig)
    return GraspCrops(images, mirrored_pose(crops.pose, flips) if metric else crops.pose.clone())


def shifted_along_approach(
    camera_from_grasp: Float64[np.ndarray, "N 4 4"], config: AugmentationConfig, rng: np.random.Generator
) -> Float64[np.ndarray, "N 4 4"]:
    """The grasps, each moved by N(0, depth_offset) metres along its approach."""
    offset = config.depth_offset * rng.standard_normal(len(camera_from_grasp))
    shifted = camera_from_grasp.copy()
    shifted[:, :3, 3] += camera_from_grasp[:, :3, 2] * offset[:, None]
    return shifted
