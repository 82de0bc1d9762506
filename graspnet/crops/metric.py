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
from dataclasses import dataclass, replace
from typing import Literal, no_type_check

import numpy as np
import torch
from jaxtyping import Float
from numba import njit
from torch import Tensor

from graspnet.crops.pose_layout import COUNT, pose_numbers
from graspnet.errors import InputError
from graspnet.observation.height_map import NOTHING, HeightMap
from graspnet.ops.affine import affine_grid

__all__ = ["MetricCropConfig", "metric_crops", "metric_pose_numbers"]

SEAM = 0.1  # in w: heights that differ by more than this between neighbouring cells are an edge, not a surface
NO_WEIGHT = 1e-3  # a neighbour this close to none is none: rounding moves a sample by 1e-4 cells
FRACTION, MASK = 18, 2**18 - 1  # a place in the map has so many bits within its cell
FARTHEST = 2**30 + 2**29  # in 2⁻¹⁸ cells: 6,144 cells beside the map's first one
SEEN = np.float32(-1e29)  # heights above this were seen: what was not is NOTHING
FINER = 2  # cells of the map along one cell of the crop: an edge is then found to half a cell


@dataclass(frozen=True, kw_only=True)
class MetricCropConfig:
    """A crop of `size` x `size` cells over a square of `window` times the gripper's max_width.

    fine_window: a second crop of as many cells over so much smaller a square, around the pads; 0: none.
    """

    kind: Literal["metric"] = "metric"
    version: Literal[2] = 2
    size: int = 64
    window: float = 3.0
    fine_window: float = 0.0

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 < self.window < math.inf:
            raise InputError(f"metric crop: size is {self.size}, window {self.window}; both must be positive")
        if not 0 <= self.fine_window < self.window:
            raise InputError(f"metric crop: fine_window is {self.fine_window}; expected 0 to window, {self.window}")

    @property
    def channels(self) -> int:
        """Height over the reference point, and whether it was measured: of each window."""
        return 2 * len(self.windows)

    @property
    def windows(self) -> tuple["MetricCropConfig", ...]:
        """The crops that this one consists of, one window each."""
        if not self.fine_window:
            return (self,)
        return replace(self, fine_window=0.0), replace(self, window=self.fine_window, fine_window=0.0)

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
            *height_map.padded, np.array([height_map.first_column, height_map.first_row]),
            cells_from_crop.double().numpy(), height.double().numpy(), w.double().numpy(), images.numpy(),
        )  # fmt: skip
    return images, metric_pose_numbers(height_map, frame_from_grasp, sizes, config, delta)


def metric_pose_numbers(
    height_map: HeightMap,
    frame_from_grasp: Float[Tensor, "N 4 4"],
    sizes: Float[Tensor, "N 8"],
    config: MetricCropConfig,
    standoff: Float[Tensor, "N"],
) -> Float[Tensor, "N 11"]:
    """The pose numbers of crops alone, without their images: as in `metric_crops`."""
    x, y, approach, origin = frame_from_grasp[:, :3].unbind(-1)
    reference = origin - standoff[:, None] * approach
    slopes, source_pitch = _view(height_map, reference, torch.stack([x, y, approach], dim=2))
    own = sizes.to(frame_from_grasp)
    return pose_numbers(own, standoff, slopes, source_pitch, config.window / config.size * own[:, 0])


def _cells_from_crop(
    height_map: HeightMap,
    reference_x_y: Float[Tensor, "3 N 2"],
    crop_pitch: Float[Tensor, "N"],
    config: MetricCropConfig,
) -> Float[Tensor, "N 2 3"]:
    """The affine map (column, row) = M (j, i, 1)_crop, from the reference point and the axes in the map's x, y.

    Columns and rows are counted from the frame's origin, wherever the map begins.
    """
    xy, x, y = reference_x_y
    linear = torch.stack([y, -x], dim=2) * (crop_pitch / height_map.pitch)[:, None, None]
    middle = torch.full((2, 1), (config.size - 1) / 2).to(xy)
    return torch.cat([linear, (xy / height_map.pitch)[:, :, None] - linear @ middle], dim=2)


def _view(
    height_map: HeightMap, reference: Float[Tensor, "N 3"], axes: Float[Tensor, "N 3 3"]
) -> tuple[Float[Tensor, "N 2"], Float[Tensor, "N"]]:
    """Slopes of the camera's rays in the grasp frame, and what a pixel spans at each reference point, in metres."""
    camera = torch.from_numpy(height_map.frame_from_camera).to(reference)
    ray = reference - camera[:3, 3]
    along = (ray[:, :, None] * axes).sum(1)
    return along[:, :2] / along[:, 2:], (ray @ camera[:3, 2]) * height_map.pixel_angle


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _cut(surface, top, first_cell, cells_from_crop, reference, widths, images):
    """Fill both channels of images (N, 2, S, S). surface: only what was measured; top: with curtains; both framed.

    first_cell: (column, row) of cell (0, 0), counted from the frame's origin, as cells_from_crop (N, 2, 3) counts.
    Places are whole numbers of 2⁻¹⁸ cells: no rounding depends on where the map begins, so that maps with other bounds
    give the same bits. reference: (N,), heights of the reference points. widths: (N,), metres.
    """
    stride, size = surface.shape[1], images.shape[2]
    last_row, last_column = surface.shape[0] - 2, surface.shape[1] - 2
    flat_surface, flat_top = surface.ravel(), top.ravel()
    index, edges = np.empty(size, np.int32), np.empty(size, np.int32)
    right_share, lower_share = np.empty(size, np.float32), np.empty(size, np.float32)
    one_surface = np.empty(size, np.uint8)
    for n in range(len(images)):
        u_step, v_step = np.int32(_fixed(cells_from_crop[n, 0, 0])), np.int32(_fixed(cells_from_crop[n, 1, 0]))
        scale, seam, level = np.float32(1 / widths[n]), np.float32(SEAM * widths[n]), np.float32(reference[n])
        for i in range(size):
            u_first = _row_start(cells_from_crop[n, 0], i, first_cell[0])
            v_first = _row_start(cells_from_crop[n, 1], i, first_cell[1])
            for j in range(size):
                place_u, place_v = u_first + np.int32(j) * u_step, v_first + np.int32(j) * v_step
                left, upper = (place_u >> FRACTION) + np.int32(1), (place_v >> FRACTION) + np.int32(1)  # 1: the frame
                inside = (left >= 0) & (upper >= 0) & (left <= last_column) & (upper <= last_row)
                index[j] = upper * np.int32(stride) + left if inside else 0  # beside the map: the frame's corner alone
                right_share[j] = np.float32(place_u & MASK) * np.float32(1 / (MASK + 1)) if inside else np.float32(0.0)
                lower_share[j] = np.float32(place_v & MASK) * np.float32(1 / (MASK + 1)) if inside else np.float32(0.0)
            heights, measured = images[n, 0, i], images[n, 1, i]
            for j in range(size):
                k = index[j]
                a, b, c, d = (
                    flat_surface[k],
                    flat_surface[k + 1],
                    flat_surface[k + stride],
                    flat_surface[k + stride + 1],
                )
                lowest, highest = min(min(a, b), min(c, d)), max(max(a, b), max(c, d))
                one_surface[j] = (highest - lowest <= seam) & (lowest > SEEN)
                above, under = a + right_share[j] * (b - a), c + right_share[j] * (d - c)
                relative = (above + lower_share[j] * (under - above) - level) * scale
                heights[j] = min(max(relative, np.float32(-1.0)), np.float32(1.0))
                measured[j] = np.float32(1.0)
            count = 0
            for j in range(size):
                edges[count] = j
                count += one_surface[j] == 0
            for m in range(count):
                j = edges[m]
                k, fu, fv = index[j], right_share[j], lower_share[j]
                height = _at_an_edge(flat_surface, k, stride, fu, fv, seam)
                if height < SEEN:
                    measured[j] = np.float32(0.0)
                    height = _at_an_edge(flat_top, k, stride, fu, fv, seam)
                relative = min(max((height - level) * scale, np.float32(-1.0)), np.float32(1.0))
                heights[j] = relative if height > SEEN else np.float32(0.0)


@njit(cache=True, inline="always")
@no_type_check
def _row_start(cells_from_crop, row, first_cell):
    """The place of a row's first cell along one axis of the map, in 2⁻¹⁸ cells, as a 32-bit number.

    What lies so far beside the map that no crop can reach back is brought nearer.
    """
    place = _fixed(cells_from_crop[1] * row + cells_from_crop[2]) - (first_cell << FRACTION)
    return np.int32(min(max(place, -FARTHEST), FARTHEST))


@njit(cache=True, inline="always")
@no_type_check
def _fixed(cells):
    return np.int64(np.rint(cells * (1 << FRACTION)))


@njit(cache=True, inline="always")
@no_type_check
def _at_an_edge(layer, k, stride, fu, fv, seam):
    """The mean of the neighbours that were seen, or the highest where they are not one surface; NOTHING if none was."""
    a, b, c, d = layer[k], layer[k + 1], layer[k + stride], layer[k + stride + 1]
    zero, one, least = np.float32(0.0), np.float32(1.0), np.float32(NO_WEIGHT)
    gu, gv = one - fu, one - fv
    wa, wb, wc, wd = gu * gv, fu * gv, gu * fv, fu * fv
    wa = wa if a > SEEN and wa > least else zero
    wb = wb if b > SEEN and wb > least else zero
    wc = wc if c > SEEN and wc > least else zero
    wd = wd if d > SEEN and wd > least else zero
    total = (wa + wb) + (wc + wd)
    a, b = a if wa > 0 else NOTHING, b if wb > 0 else NOTHING
    c, d = c if wc > 0 else NOTHING, d if wd > 0 else NOTHING
    highest = max(max(a, b), max(c, d))
    # what was not seen counts as the highest: it changes neither the lowest nor, with its weight of 0, the sum
    a, b = a if wa > 0 else highest, b if wb > 0 else highest
    c, d = c if wc > 0 else highest, d if wd > 0 else highest
    if total == zero or highest - min(min(a, b), min(c, d)) > seam:
        return highest
    return ((wa * a + wb * b) + (wc * c + wd * d)) / total


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
    u = (grid[..., 0] - height_map.first_column).clamp(-1, columns - 0.5) + 1
    v = (grid[..., 1] - height_map.first_row).clamp(-1, rows - 0.5) + 1
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
    seen = (values > float(SEEN)) & (weight > NO_WEIGHT)
    highest = torch.where(seen, values, -torch.inf).amax(0)
    lowest = torch.where(seen, values, torch.inf).amin(0)
    share = weight * seen
    mean = (torch.where(seen, values, 0) * share).sum(0) / share.sum(0).clamp(min=1e-12)
    some = seen.any(0)
    return torch.where(some, torch.where(highest - lowest <= seam, mean, highest), 0), some
