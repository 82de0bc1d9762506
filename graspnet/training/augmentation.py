"""What leaves a grasp's label alone: interchanged jaws, mirrored scenes, a little doubt about the grasp's depth, and
the height that its crop is cut at.

`graspnet.crops.symmetry` says which reversals of a crop's rows and columns these are.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from graspnet.errors import InputError

__all__ = ["AugmentationConfig", "draw_flips", "draw_standoffs", "shifted_along_approach"]

AWAY_SHARE = 0.5  # Half of the crops stay at their grasps' origins, where a search cuts all of its crops.


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """flip: each reversal has probability ½. depth_offset: σ in metres of a shift of grasps along their approach.

    standoff: the largest distance, in units of the gripper's max_width, between the height that a crop is cut at and
    its grasp's origin. One crop then serves grasps of several heights, as a dense pass needs it.
    """

    flip: bool = True
    depth_offset: float = 0.003  # quality must not hang on a millimetre that no robot holds
    standoff: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.standoff <= 1:
            raise InputError(f"standoff is {self.standoff}; it must be a share of the gripper's width in [0, 1]")
        if self.depth_offset < 0:
            raise InputError(f"depth_offset is {self.depth_offset}; it must not be negative (metres)")


def draw_flips(count: int, config: AugmentationConfig, rng: np.random.Generator) -> Bool[Tensor, "N 2"]:
    """Whether to reverse the rows and the columns of each crop."""
    drawn = rng.random((count, 2)) < 0.5
    return torch.from_numpy(drawn & config.flip)


def shifted_along_approach(
    camera_from_grasp: Float64[np.ndarray, "N 4 4"], config: AugmentationConfig, rng: np.random.Generator
) -> Float64[np.ndarray, "N 4 4"]:
    """The grasps, each moved by N(0, depth_offset) metres along its approach."""
    offset = config.depth_offset * rng.standard_normal(len(camera_from_grasp))
    shifted = camera_from_grasp.copy()
    shifted[:, :3, 3] += camera_from_grasp[:, :3, 2] * offset[:, None]
    return shifted


def draw_standoffs(
    max_width: Float64[np.ndarray, "N"], config: AugmentationConfig, rng: np.random.Generator
) -> Float64[np.ndarray, "N"] | None:
    """Metres from each crop's reference point to its grasp's origin, along the approach.

    None, and no draw, where `standoff` is 0, so that such a training keeps its random stream. Otherwise a half of them
    is 0, and the others are uniform in ±standoff · max_width (metres, of each grasp's gripper).
    """
    if config.standoff == 0:
        return None
    apart = rng.random(len(max_width)) < AWAY_SHARE
    return np.asarray(np.where(apart, rng.uniform(-config.standoff, config.standoff, len(max_width)) * max_width, 0.0))
