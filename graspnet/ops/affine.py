"""Affine maps of images: a grid of pixel coordinates from 2x3 matrices, and bilinear samples there.

Pixel coordinates (u, v) = (column, row), integers at pixel centres, as everywhere here. (`torch.nn.functional` has the
same pair in coordinates from -1 to 1, whose meaning depends on the image's size and on `align_corners`.)
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from graspnet.errors import InputError

__all__ = ["affine_grid", "bilinear_sample"]


def affine_grid(
    source_from_target: Float[Tensor, "N 2 3"], height: int, width: int
) -> Float[Tensor, "N height width 2"]:
    """Where each target pixel lies in the source: grid[n, i, j] = M_n (j, i, 1), pixel coordinates (u, v).

    The matrix runs from the target to the source, like cv2.warpAffine's with WARP_INVERSE_MAP. Differentiable.
    """
    columns = torch.arange(width, dtype=source_from_target.dtype, device=source_from_target.device)
    rows = torch.arange(height, dtype=source_from_target.dtype, device=source_from_target.device)
    along_u = columns[:, None] * source_from_target[:, None, :, 0]  # (N, width, 2)
    along_v = rows[:, None] * source_from_target[:, None, :, 1]  # (N, height, 2)
    return along_u[:, None] + (along_v + source_from_target[:, None, :, 2])[:, :, None]


def bilinear_sample(
    images: Float[Tensor, "B C H W"], grid: Float[Tensor, "N h w 2"], image_index: Int64[Tensor, "N"] | None = None
) -> Float[Tensor, "N C h w"]:
    """The images' bilinear interpolation at pixel coordinates (u, v); zero outside of the image.

    Grid n reads image `image_index[n]` (without it, N = B and grid n reads image n). Between the border pixels' centres
    and one pixel further out, values fade to zero. Differentiable in images and grid: in the grid the derivative is
    that of the bilinear patch, taken to the right on its seams.
    """
    batch, channels, height, width = images.shape
    if image_index is None:
        if len(grid) != batch:
            raise InputError(f"{len(grid)} grids for {batch} images; say which image each one reads: image_index")
        image_index = torch.arange(batch, device=images.device)
    pixels = images.movedim(1, 0).reshape(channels, -1)  # (C, B H W)
    base = (image_index * (height * width))[:, None, None]
    u, v = grid.unbind(-1)
    left, top = u.detach().floor(), v.detach().floor()
    right_share, lower_share = u - left, v - top
    sampled = torch.zeros((channels, *u.shape), dtype=images.dtype, device=images.device)
    for column, share_u in ((left, 1 - right_share), (left + 1, right_share)):
        for row, share_v in ((top, 1 - lower_share), (top + 1, lower_share)):
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            index = base + row.clamp(0, height - 1).long() * width + column.clamp(0, width - 1).long()
            weight = (share_u * share_v * inside).to(images.dtype)
            sampled = sampled + pixels.index_select(1, index.flatten()).view(sampled.shape) * weight
    return sampled.movedim(0, 1)
