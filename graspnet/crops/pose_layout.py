"""The numbers that go with a metric crop: which of them stands where, and how a mirrored crop changes them.

    0-6   ln of the gripper's thickness, breadth, length, pad_to_tip and palm half sizes x, y, z, each over w
    7     δ / w: how far the grasp's origin lies beyond the crop's reference point, along the approach
    8, 9  slopes x / z and y / z, in the grasp frame, of the ray from the camera through the reference point; 0 where
          several views were merged
    10    what a pixel of the source spans at the reference point, over what a cell of the crop spans

All lengths are in units of w, the gripper's max_width, so that no number knows how large the gripper is.
"""

import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

__all__ = ["COUNT", "HAND", "mirrored_pose", "pose_numbers"]

COUNT = 11
HAND = slice(0, 7)  # the numbers that tell how the hand is built
_SLOPES = slice(8, 10)


def pose_numbers(
    sizes: Float[Tensor, "N 8"],
    standoff: Float[Tensor, "N"],
    slopes: Float[Tensor, "N 2"],
    source_pitch: Float[Tensor, "N"],
    crop_pitch: Float[Tensor, "N"],
) -> Float[Tensor, "N 11"]:
    """The eleven numbers of each grasp. sizes: the gripper's `sizes()`; standoff and pitches in metres."""
    w = sizes[:, :1]
    own = [(sizes[:, 1:] / w).log(), standoff[:, None] / w, slopes, (source_pitch / crop_pitch)[:, None]]
    return torch.cat(own, dim=1)


def mirrored_pose(pose: Float32[Tensor, "N 11"], flips: Bool[Tensor, "N 2"]) -> Float32[Tensor, "N 11"]:
    """The numbers of crops with their rows (flips[:, 0]) and columns (flips[:, 1]) reversed: slopes change sign."""
    mirrored = pose.clone()
    mirrored[:, _SLOPES] *= 1.0 - 2.0 * flips.to(pose.dtype)
    return mirrored
