"""What leaves a grasp's label alone: interchanged jaws, mirrored scenes, and a little doubt about the grasp's depth.

`graspnet.crops.symmetry` says which reversals of a crop's rows and columns these are.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from graspnet.errors import InputError

__all__ = ["AugmentationConfig", "draw_flips", "shifted_along_approach"]


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


def shifted_along_approach(
    camera_from_grasp: Float64[np.ndarray, "N 4 4"], config: AugmentationConfig, rng: np.random.Generator
) -> Float64[np.ndarray, "N 4 4"]:
    """The grasps, each moved by N(0, depth_offset) metres along its approach."""
    offset = config.depth_offset * rng.standard_normal(len(camera_from_grasp))
    shifted = camera_from_grasp.copy()
    shifted[:, :3, 3] += camera_from_grasp[:, :3, 2] * offset[:, None]
    return shifted
