"""The pixel crop, for the originals' networks: a window of the depth image, turned so that the jaws close along +u.

A fully convolutional network wants it as the image has it, and the angle as a number.

Such a crop is in pixels: a network that learned from it is tied to one camera at one height with one gripper.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.ops.affine import affine_grid, bilinear_sample

__all__ = ["PixelCropConfig", "pixel_crops"]

NO_WEIGHT = 1e-3  # a neighbour this close to none is none: rounding in float32 moves a sample by 1e-4 pixels
CPU_CELLS, GPU_CELLS = 2**16, 2**23  # cells at a time: they stay in a CPU's cache, or in a share of a GPU's memory


@dataclass(frozen=True, kw_only=True)
class PixelCropConfig:
    """A crop of `size` x `size` cells over a square of `window_px` pixels of the image.

    offset: cells from the crop's middle to the grasp's pixel, along both axes; ½ in the originals' networks. turned:
    False leaves the image's axes; the pose then holds the angle of the closing axis, too.
    """

    kind: Literal["pixel"] = "pixel"
    window_px: int = 96
    size: int = 32
    offset: float = 0.0
    turned: bool = True

    def __post_init__(self) -> None:
        if self.size < 1 or self.window_px < 1:
            raise InputError(f"pixel crop: size is {self.size}, window_px {self.window_px}; both must be positive")
        if not abs(self.offset) < self.size / 2:
            raise InputError(
                f"pixel crop: offset is {self.offset}; the grasp must lie in the crop of {self.size} cells"
            )

    @property
    def channels(self) -> int:
        """Depth."""
        return 1

    @property
    def pose_features(self) -> int:
        """The grasp's own depth, and its angle where the crop is not turned."""
        return 1 if self.turned else 2

    def at_pitch(self, pixel_pitch: float) -> "PixelCropConfig":
        """The same window of an image whose pixels span `pixel_pitch` pixels of the camera."""
        return replace(self, window_px=round(self.window_px / pixel_pitch))


@torch.no_grad()
def pixel_crops(
    depth: Float32[Tensor, "H W"], camera: Camera, camera_from_grasp: Float[Tensor, "N 4 4"], config: PixelCropConfig
) -> tuple[Float32[Tensor, "N 1 S S"], Float32[Tensor, "N F"]]:
    """The window around each grasp's projected centre, the projected closing axis along +u; 0 = missing.

    One bilinear sample for each cell, over the valid neighbours; the same depth as in the image, not relative to the
    grasp (a network that wants the difference subtracts the pose). The second value is the depth z of each grasp's
    origin; of crops that are not turned also the angle of its closing axis, from +u towards +v, in [-π/2, π/2). depth:
    metres, 0 or NaN = missing. No gradients pass through.
    """
    valid = depth > 0
    camera_from_grasp = camera_from_grasp.double()
    layers = torch.stack([torch.where(valid, depth, 0), valid.float()])[None]
    center, along = _in_image(camera, camera_from_grasp)
    source_from_crop = _source_from_crop(center, along if config.turned else _along_u(along), config)
    images = depth.new_empty(len(camera_from_grasp), 1, config.size, config.size)
    together = max(1, (CPU_CELLS if depth.device.type == "cpu" else GPU_CELLS) // config.size**2)
    for start in range(0, len(images), together):
        chunk = slice(start, start + together)
        grid = affine_grid(source_from_crop[chunk], config.size, config.size).float()
        first = torch.zeros(len(grid), dtype=torch.int64, device=grid.device)
        weighted, weight = bilinear_sample(layers, grid, first).unbind(1)
        images[chunk, 0] = torch.where(weight > NO_WEIGHT, weighted / weight, 0)
    z = camera_from_grasp[:, 2, 3:]
    if not config.turned:
        angle = torch.remainder(torch.atan2(along[:, 1], along[:, 0]) + math.pi / 2, math.pi) - math.pi / 2
        z = torch.cat([z, angle[:, None]], dim=1)
    return images, z.float()


def _in_image(
    camera: Camera, camera_from_grasp: Float64[Tensor, "N 4 4"]
) -> tuple[Float64[Tensor, "N 2"], Float64[Tensor, "N 2"]]:
    """Pixel (u, v) of each grasp's origin, and the direction of its closing axis there."""
    focal, center = camera_from_grasp.new_tensor([[camera.fx, camera.fy], [camera.cx, camera.cy]])
    origin, closing = camera_from_grasp[:, :3, 3], camera_from_grasp[:, :3, 1]
    ray = origin[:, :2] / origin[:, 2:]
    along = torch.nn.functional.normalize(focal * (closing[:, :2] - ray * closing[:, 2:]), dim=1)
    return focal * ray + center, along


def _along_u(along: Float64[Tensor, "N 2"]) -> Float64[Tensor, "N 2"]:
    return along.new_tensor([1.0, 0.0]).expand_as(along)


def _source_from_crop(
    center: Float64[Tensor, "N 2"], along: Float64[Tensor, "N 2"], config: PixelCropConfig
) -> Float64[Tensor, "N 2 3"]:
    """The affine map (u, v)_image = M (column, row, 1)_crop; columns run along `along`."""
    across = torch.stack([-along[:, 1], along[:, 0]], dim=1)
    linear = torch.stack([along, across], dim=2) * (config.window_px / config.size)
    middle = torch.full((2, 1), (config.size - 1) / 2 + config.offset, dtype=torch.float64, device=linear.device)
    return torch.cat([linear, center[:, :, None] - linear @ middle], dim=2)
