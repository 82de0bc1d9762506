"""Mirror images of crops: a parallel jaw is symmetric, so a mirrored grasp of a mirrored scene is as good.

A crop's columns run along the closing axis y, its rows along −x (`graspnet.crops.crops`). Hence

    half a turn about the approach (the jaws swap)     = rows and columns reversed, slope → (−x, −y)
    the scene mirrored in the grasp's plane x = 0      = rows reversed,             slope → (−x,  y)
    the scene mirrored in the grasp's plane y = 0      = columns reversed,          slope → ( x, −y)

where the slope (x/z, y/z) of the camera's ray is part of the metric crop's pose numbers; all others, and the depth of
a pixel crop, stay. A pixel crop that is not turned has the image's axes: where its rows or its columns alone are
reversed, the angle becomes its negative.
"""

from collections.abc import Iterator
from itertools import product

import torch
from jaxtyping import Bool
from torch import Tensor

from graspnet.crops.crops import CropConfig, GraspCrops
from graspnet.crops.metric import MetricCropConfig
from graspnet.crops.pose_layout import mirrored_pose

__all__ = ["flipped", "mirror_images"]


def flipped(crops: GraspCrops, flips: Bool[Tensor, "N 2"], config: CropConfig) -> GraspCrops:
    """Crops with their rows (flips[:, 0]) and columns (flips[:, 1]) reversed, the pose to match."""
    images = crops.images.clone()
    for axis in (0, 1):
        chosen = flips[:, axis]
        images[chosen] = images[chosen].flip(2 + axis)
    if isinstance(config, MetricCropConfig):
        return GraspCrops(images, mirrored_pose(crops.pose, flips))
    pose = crops.pose.clone()
    if not config.turned:
        pose[flips[:, 0] ^ flips[:, 1], 1] *= -1
    return GraspCrops(images, pose)


def mirror_images(crops: GraspCrops, config: CropConfig) -> Iterator[GraspCrops]:
    """The crops themselves, and their three mirror images."""
    for rows, columns in product((False, True), repeat=2):
        flips = torch.tensor([[rows, columns]]).expand(len(crops.images), 2)
        yield flipped(crops, flips, config) if rows or columns else crops
