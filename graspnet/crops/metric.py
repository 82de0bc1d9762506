"""The metric crop, version 2: a window of the height map, aligned with the grasp, in units of the gripper's width.

With w the gripper's max_width, g the grasp's origin, x, y and a its axes (a = approach) and r = g − δ a the reference
point, cell (row i, column j) of N x N lies at

    r + t_j y − t_i x,    t_k = (k − (N − 1)/2) · 3 w / N,

so that columns run along the closing axis and rows along −x (along +x the crop would be mirrored). With h the map's
height there and h_r that of r,

    channel 0: clamp((h − h_r) / w, −1, 1)    channel 1: 1 where measured, 0 where h is a curtain's height

and (0, 0) where no view has seen anything. h is bilinear over the four neighbouring cells of the map; where they span
more than 0.1 w it is the highest of them, for no height is invented across an edge. Where any of the neighbours was
measured, those that were not do not count.

As every length is in units of w along the grasp's own axes, the same scene gives the same crop from any distance, with
any focal length, and from any side, but for what that side hides. (Version 1 cut perspective images. It was tied to
cameras within 30° of the approach.)
"""

import math
from dataclasses import dataclass
from typing import Literal, no_type_check

import numpy as np
import torch
from jaxtyping import Float
from numba import njit
from torch import Tensor

from graspnet.crops.pose_layout import COUNT, pose_numbers
from graspnet.errors import InputError
from graspnet.heightmap import HeightMap
from graspnet.ops.affine import affine_grid

__all__ = ["MetricCropConfig", "metric_crops"]

SEAM = 0.1  # in w: heights that differ by more than this between neighbouring cells are an edge, not a surface
NO_WEIGHT = 1e-3  # a neighbour this close to none is none: rounding moves a sample by 1e-4 cells
FINER = 2  # cells of the map along one cell of the crop: an edge is then found to half a cell


@dataclass(frozen=True, kw_only=True)
class MetricCropConfig:
    """A crop of `size` x `size` cells over a square of `window` times the gripper's max_width."""

    kind: Literal["metric"] = "metric"
    version: Literal[2] = 2
    size: int = 64
    window: float = 3.0

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 < self.window < math.inf:
            raise InputError(f"metric crop: size is {self.size}, window {self.window}; both must be positive")

    @property
    def channels(self) -> int:
        """Height over the reference point, and whether it was measured."""
        return 2

    @property
    def pose_features(self) -> int:
        """The numbers of `graspnet.crops.pose_layout`."""
        return COUNT

    def map_pitch(self, max_width: float) -> float:
        """The pitch, in metres, of the height map that these crops are cut from."""
        return self.window * max_width / self.size / FINER

    def at_pitch(self, pixel_pitch: float) -> "MetricCropConfig":
        """The same, as it is in metres whatever a pixel spans."""
        return self


def metric_crops(
    height_map: HeightMap,
    frame_from_grasp: Float[Tensor, "N 4 4"],
    sizes: Float[Tensor, "N 8"],
    config: MetricCropConfig,
    standoff: Float[Tensor, "N"] | None = None,
) -> tuple[Float[Tensor, "N 2 S S"], Float[Tensor, "N 11"]]:
    """The crops of N grasps whose approach is the map's, and their pose numbers (`pose_layout`).

    sizes: the gripper's `sizes()` for each grasp. standoff: δ in metres, 0 if not given. Where gradients are asked
    for they pass through channel 0 to the poses (x, y, angle and height), as long as a cell's neighbours lie on one
    surface; and through the pose numbers.
    """
    delta = torch.zeros_like(frame_from_grasp[:, 0, 0]) if standoff is None else standoff.to(frame_from_grasp)
    w = sizes[:, 0].to(frame_from_grasp)
    crop_pitch = config.window / config.size * w
    axes = torch.from_numpy(height_map.frame_from_map).to(frame_from_grasp)
    x, y, approach, origin = frame_from_grasp[:, :3].unbind(-1)
    reference = origin - delta[:, None] * approach
    height = -(reference @ axes[:, 2])
    across = torch.stack([reference, x, y]) @ axes[:, :2]
    cells_from_crop = _cells_from_crop(height_map, across, crop_pitch, config)
    if frame_from_grasp.requires_grad or frame_from_grasp.device.type != "cpu":
        images = _sampled(height_map, cells_from_crop, height, w, config.size)
    else:
        images = torch.empty((len(w), 2, config.size, config.size))
        _cut(
            *height_map.padded, cells_from_crop.double().numpy(), height.double().numpy(), w.double().numpy(),
            images.numpy(),
        )  # fmt: skip
    slopes, source_pitch = _view(height_map, reference, torch.stack([x, y, approach], dim=2))
    return images, pose_numbers(sizes.to(frame_from_grasp), delta, slopes, source_pitch, crop_pitch)


def _cells_from_crop(
    height_map: HeightMap,
    reference_x_y: Float[Tensor, "3 N 2"],
    crop_pitch: Float[Tensor, "N"],
    config: MetricCropConfig,
) -> Float[Tensor, "N 2 3"]:
    """The affine map (column, row)_map = M (j, i, 1)_crop, from the reference point and the axes in the map's x, y."""
    xy, x, y = reference_x_y
    first = torch.tensor([height_map.first_column, height_map.first_row]).to(xy)
    linear = torch.stack([y, -x], dim=2) * (crop_pitch / height_map.pitch)[:, None, None]
    middle = torch.full((2, 1), (config.size - 1) / 2).to(xy)
    return torch.cat([linear, (xy / height_map.pitch - first)[:, :, None] - linear @ middle], dim=2)


def _view(
    height_map: HeightMap, reference: Float[Tensor, "N 3"], axes: Float[Tensor, "N 3 3"]
) -> tuple[Float[Tensor, "N 2"], Float[Tensor, "N"]]:
    """Slopes of the camera's rays in the grasp frame, and what a pixel spans at each reference point, in metres."""
    if height_map.frame_from_camera is None:
        nothing = torch.zeros_like(reference[:, 0])
        return nothing[:, None].expand(-1, 2), nothing + height_map.pitch
    camera = torch.from_numpy(height_map.frame_from_camera).to(reference)
    ray = reference - camera[:3, 3]
    along = (ray[:, :, None] * axes).sum(1)
    return along[:, :2] / along[:, 2:], (ray @ camera[:3, 2]) * height_map.pixel_angle


@njit(cache=True, error_model="numpy")
@no_type_check
def _cut(surface, top, cells_from_crop, reference, widths, images):
    """Fill both channels of images (N, 2, S, S). surface: −inf where not measured; top: with curtains; both framed.

    cells_from_crop: (N, 2, 3). reference: (N,), heights of the reference points. widths: (N,), metres.
    """
    rows, columns = surface.shape[0] - 2, surface.shape[1] - 2
    size = images.shape[2]
    for n in range(len(images)):
        du, dv = cells_from_crop[n, 0, 0], cells_from_crop[n, 1, 0]
        scale, seam = np.float32(1 / widths[n]), np.float32(SEAM * widths[n])
        level = np.float32(reference[n])
        for i in range(size):
            u0 = cells_from_crop[n, 0, 1] * i + cells_from_crop[n, 0, 2]
            v0 = cells_from_crop[n, 1, 1] * i + cells_from_crop[n, 1, 2]
            for j in range(size):
                # beside the map a sample lies on the frame, where nothing was seen
                u, v = min(max(u0 + du * j, -1.0), columns - 0.5) + 1, min(max(v0 + dv * j, -1.0), rows - 0.5) + 1
                left, upper = int(u), int(v)
                fu, fv = np.float32(u - left), np.float32(v - upper)
                a, b = surface[upper, left], surface[upper, left + 1]
                c, d = surface[upper + 1, left], surface[upper + 1, left + 1]
                if max(max(a, b), max(c, d)) - min(min(a, b), min(c, d)) <= seam:
                    above, under = a + fu * (b - a), c + fu * (d - c)
                    height, measured = above + fv * (under - above), np.float32(1.0)
                else:
                    height, measured = _at_an_edge(surface, top, upper, left, fu, fv, seam)
                images[n, 1, i, j] = measured
                if height == -np.inf:
                    images[n, 0, i, j] = 0.0
                else:
                    images[n, 0, i, j] = min(max((height - level) * scale, np.float32(-1.0)), np.float32(1.0))


@njit(cache=True)
@no_type_check
def _at_an_edge(surface, top, upper, left, fu, fv, seam):
    """Height and whether it was measured, where the four neighbours are not all measured or not on one surface."""
    for measured, layer in ((np.float32(1.0), surface), (np.float32(0.0), top)):
        total = weights = np.float32(0.0)
        lowest, highest = np.float32(np.inf), np.float32(-np.inf)
        for k in range(4):
            down, right = k // 2, k % 2
            value = layer[upper + down, left + right]
            weight = (fu if right else np.float32(1.0) - fu) * (fv if down else np.float32(1.0) - fv)
            if weight > np.float32(NO_WEIGHT) and value > -np.inf:
                total += weight * value
                weights += weight
                lowest, highest = min(lowest, value), max(highest, value)
        if weights > 0:
            return (total / weights if highest - lowest <= seam else highest), measured
    return np.float32(-np.inf), np.float32(0.0)


def _sampled(
    height_map: HeightMap,
    cells_from_crop: Float[Tensor, "N 2 3"],
    reference: Float[Tensor, "N"],
    widths: Float[Tensor, "N"],
    size: int,
) -> Float[Tensor, "N 2 S S"]:
    """What `_cut` fills in, on any device and with gradients."""
    surface, top = (torch.from_numpy(layer).to(reference) for layer in height_map.padded)
    rows, columns = surface.shape[0] - 2, surface.shape[1] - 2
    grid = affine_grid(cells_from_crop, size, size)
    u, v = grid[..., 0].clamp(-1, columns - 0.5) + 1, grid[..., 1].clamp(-1, rows - 0.5) + 1
    left, upper = u.detach().floor(), v.detach().floor()
    fu, fv = u - left, v - upper
    index = (upper * (columns + 2) + left).long()
    index = torch.stack([index, index + 1, index + columns + 2, index + columns + 3])
    weight = torch.stack([(1 - fu) * (1 - fv), fu * (1 - fv), (1 - fu) * fv, fu * fv])
    seam = SEAM * widths[:, None, None]
    on_surface, measured = _mean_or_highest(surface.flatten()[index], weight, seam)
    on_curtain, hidden = _mean_or_highest(top.flatten()[index], weight, seam)
    height = torch.where(measured, on_surface, on_curtain)
    relative = ((height - reference[:, None, None]) / widths[:, None, None]).clamp(-1, 1)
    return torch.stack([torch.where(measured | hidden, relative, 0), measured.to(relative)], dim=1)


def _mean_or_highest(
    values: Float[Tensor, "4 N S S"], weight: Float[Tensor, "4 N S S"], seam: Float[Tensor, "N 1 1"]
) -> tuple[Float[Tensor, "N S S"], Tensor]:
    """The weighted mean of what was seen where it is one surface, else the highest; and whether anything was seen."""
    seen = (values > -torch.inf) & (weight > NO_WEIGHT)
    highest = torch.where(seen, values, -torch.inf).amax(0)
    lowest = torch.where(seen, values, torch.inf).amin(0)
    share = weight * seen
    mean = (torch.where(seen, values, 0) * share).sum(0) / share.sum(0).clamp(min=1e-12)
    some = seen.any(0)
    return torch.where(some, torch.where(highest - lowest <= seam, mean, highest), 0), some
