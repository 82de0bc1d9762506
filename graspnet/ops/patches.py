"""Patches of an array as a view: no pixel is copied, and no view can reach outside of the array.

Both libraries have this under other names (`sliding_window_view`, `Tensor.unfold`) without dilation, and underneath it
`as_strided`, which reads whatever memory a wrong stride points to. Here every stride is derived from the array's own,
and a window that would not fit is refused first.
"""

import operator
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from graspnet.errors import InputError

__all__ = ["patches"]

Sizes = int | Sequence[int]


@overload
def patches(
    array: np.ndarray,
    size: Sequence[int],
    stride: Sizes = 1,
    dilation: Sizes = 1,
    *,
    channels_last: bool = False,
    writeable: bool = False,
) -> np.ndarray: ...
@overload
def patches(
    array: Tensor,
    size: Sequence[int],
    stride: Sizes = 1,
    dilation: Sizes = 1,
    *,
    channels_last: bool = False,
    writeable: bool = True,
) -> Tensor: ...
def patches(
    array: np.ndarray | Tensor,
    size: Sequence[int],
    stride: Sizes = 1,
    dilation: Sizes = 1,
    *,
    channels_last: bool = False,
    writeable: bool | None = None,
) -> np.ndarray | Tensor:
    """Every patch of `size` pixels, `stride` apart, its pixels `dilation` apart, as a view of the array's own memory.

    `size` has 1 to 3 entries and so says how many axes are spatial: the last ones, or with `channels_last` those before
    the last. Axes before them (channels, a batch) stay as they are. `stride` and `dilation`: one number for all spatial
    axes, or one for each. For sizes (h, w):

        (…, H, W)    → (…, patch row, patch column, h, w)
        (…, H, W, C) → (…, patch row, patch column, h, w, C)    with channels_last

    Patches that would reach over the end are left out. A NumPy view is read-only unless `writeable`: where patches
    overlap, one write changes several of them. Torch has no read-only tensors: its views share memory with the array,
    can be written to, and `writeable=False` is refused.
    InputError: a size, stride or dilation that is not a positive integer or has the wrong number of entries; a patch
    larger than the array; an array with too few axes or without strides.
    """
    sizes = _positive_integers("size", size)
    if not 1 <= len(sizes) <= 3:
        raise InputError(f"size {tuple(sizes)} has {len(sizes)} entries; patches have 1 to 3 spatial axes")
    strides = _one_per_axis("stride", stride, len(sizes))
    dilations = _one_per_axis("dilation", dilation, len(sizes))
    memory_strides = _memory_strides(array)

    last = array.ndim - (1 if channels_last else 0)
    first = last - len(sizes)
    if first < 0:
        wanted = f"{len(sizes)} spatial axes" + (" and one of channels" if channels_last else "")
        raise InputError(f"an array of shape {tuple(array.shape)} has no {wanted}")
    extents = [dilation * (size - 1) + 1 for size, dilation in zip(sizes, dilations, strict=True)]
    lengths = tuple(array.shape[first:last])
    if any(extent > length for extent, length in zip(extents, lengths, strict=True)):
        raise InputError(f"patches reach over {tuple(extents)} pixels; the array has only {lengths}")

    counts = [(length - extent) // step + 1 for length, extent, step in zip(lengths, extents, strides, strict=True)]
    spatial = memory_strides[first:last]
    shape = (*array.shape[:first], *counts, *sizes, *array.shape[last:])
    view_strides = (
        *memory_strides[:first],
        *(step * memory for step, memory in zip(strides, spatial, strict=True)),
        *(step * memory for step, memory in zip(dilations, spatial, strict=True)),
        *memory_strides[last:],
    )
    if isinstance(array, np.ndarray):
        return np.lib.stride_tricks.as_strided(array, shape, view_strides, writeable=bool(writeable))
    if writeable is False:
        raise InputError("torch has no read-only tensors; ask for patches of tensor.numpy(), or leave writeable out")
    return array.as_strided(shape, view_strides, array.storage_offset())


def _positive_integers(name: str, values: Any) -> list[int]:
    try:
        integers = [operator.index(value) for value in values]
    except TypeError:
        raise InputError(f"{name} is {values!r}; it must be a sequence of positive integers") from None
    if any(integer < 1 for integer in integers):
        raise InputError(f"{name} is {values!r}; every entry must be at least 1")
    return integers


def _one_per_axis(name: str, values: Any, axes: int) -> list[int]:
    integers = _positive_integers(name, values if isinstance(values, Sequence) else [values] * axes)
    if len(integers) != axes:
        raise InputError(f"{name} {values!r} has {len(integers)} entries; size has {axes}")
    return integers


def _memory_strides(array: Any) -> tuple[int, ...]:
    if isinstance(array, np.ndarray):
        return array.strides  # bytes
    if isinstance(array, Tensor) and array.layout == torch.strided:
        return tuple(array.stride())  # elements
    raise InputError(f"patches are views of NumPy arrays and dense tensors; this is a {type(array).__name__}")
