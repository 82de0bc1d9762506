"""Windows: the largest value of each, and means around a centre that differs from column to column."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graspnet.errors import InputError
from graspnet.ops.patches import Sizes, patches

__all__ = ["column_means", "column_windows", "max_pool"]


def max_pool(images: Float[Tensor, "*B H W"], size: tuple[int, int], stride: Sizes) -> Float[Tensor, "*B H2 W2"]:
    """The largest value of each patch: a maximum over a view, nothing is copied before it."""
    return patches(images, size, stride).amax(dim=(-2, -1))


def column_windows(
    values: Float[Tensor, "*B H W"], centers: Int[Tensor, "*B W"], radius: int
) -> tuple[Float[Tensor, "*B K W"], Bool[Tensor, "*B K W"]]:
    """The 2 radius + 1 rows around each column's own centre, and which of them lie in the image.

    What lies outside is the nearest row, marked False. InputError: a negative radius.
    """
    if radius < 0:
        raise InputError(f"radius is {radius}; it must not be negative")
    height = values.shape[-2]
    rows = centers[..., None, :] + torch.arange(-radius, radius + 1, device=values.device)[:, None]
    inside = (rows >= 0) & (rows < height)
    return torch.gather(values, -2, rows.clamp(0, height - 1).long()), inside


def column_means(values: Float[Tensor, "*B H W"], centers: Int[Tensor, "*B W"], radius: int) -> Float[Tensor, "*B W"]:
    """The mean of each column's window, over the rows that are in the image: none counts twice. NaN where none is."""
    window, inside = column_windows(values, centers, radius)
    return torch.where(inside, window, 0).sum(-2) / inside.sum(-2)
