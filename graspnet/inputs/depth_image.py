"""Depth images as metres along z, NaN = not measured: from files, and from arrays that callers give.

A depth camera writes "not measured" in many ways: 0, NaN, infinity, a negative number, the largest number of its
format (65535, 65504, 3.4e38), or some number far away (1000, 1e10). All of them are missing here. A whole image in
another unit lies outside of what depth cameras see, too; it is refused with the unit that it seems to be in.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32
from PIL import Image

from graspnet.errors import InputError
from graspnet.inputs.array_file import one_channel, read_array_or_image, shape_text

__all__ = ["FARTHEST", "NEAREST", "in_metres", "read_depth"]

NEAREST = 0.05  # m; the depth cameras that see nearest begin at 0.07 m
FARTHEST = 10.0  # m; an arm reaches less than 2 m, and the error of stereo at 10 m is larger than a hand
FEWEST_SEEN = 0.001  # of what was measured must lie between the two; else it is noise beside another unit
FAR_CODE = 4.0  # m; a number beyond, more than twice as far as all others, is a code too (65535 in 0.1 mm: 6.55 m)
WORKING = (0.2, 3.0)  # m; where the median of an image for grasping lies, if its unit is right
UNITS = {  # metres in one unit of a file, the likeliest first
    0.001: "Millimetres", 0.01: "Centimetres", 1.0: "Metres", 1e-4: "Tenths of a millimetre", 1e-6: "Micrometres",
    1000.0: "Metres that were multiplied by 0.001 before",
}  # fmt: skip


def read_depth(path: Path, scale: float | None = None) -> Float32[np.ndarray, "H W"]:
    """A depth image in metres from `.npy`, `.npz` or OpenEXR (float) or a 16-bit PNG or TIFF.

    `scale` turns the file's unit into metres (0.001 for millimetres); integers need it, since their unit is unknown.
    The largest number that an integer type can hold is "not measured".
    InputError: unreadable, not one channel, a picture in colours, integers without a scale, another unit than metres.
    """
    if scale is not None and not 0 < scale < np.inf:
        raise InputError(f"depth scale is {scale}; it must be positive (metres per unit of the file)")
    array = _numbers_of(path)
    if array.dtype.kind != "f" and array.dtype.itemsize == 1:
        raise InputError(f"{path}: depth is {array.dtype}, a picture of depth in 256 greys; save floats or 16 bits")
    if scale is None and array.dtype.kind != "f":
        raise InputError(f"{path}: depth is {array.dtype}, in an unknown unit. Millimetres? --depth-scale 0.001")
    depth = array.astype(np.float64) * (1.0 if scale is None else scale)
    if array.dtype.kind != "f":
        depth[array == np.iinfo(array.dtype).max] = np.nan
    try:
        return in_metres(depth, 1.0 if scale is None else scale)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _numbers_of(path: Path) -> np.ndarray:
    """What the file holds, (H, W) of real numbers."""
    image = read_array_or_image(path)
    if isinstance(image, Image.Image) and image.mode == "P":
        raise InputError(f"{path}: this is a picture of depth in colours (a palette); give the depth itself")
    array = one_channel(np.asarray(image))
    if array.ndim == 3 and array.shape[2] in (3, 4) and array.dtype == np.uint8:
        text = f"{shape_text(array)}, a picture in colours; expected one channel (height, width)"
        raise InputError(f"{path}: depth is {text} of numbers")
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "fiu":
        raise InputError(f"{path}: depth is {shape_text(array)}; expected one channel (height, width) of numbers")
    return array


def in_metres(depth: Float[np.ndarray, "H W"], scale: float | None = None) -> Float32[np.ndarray, "H W"]:
    """The depth with NaN where missing: not finite, not positive, or beyond what depth cameras see (0.05 to 10 m).

    `scale` is what the numbers of a file were multiplied by, for the remedy that a message names; None of an array that
    no option has scaled.
    InputError: nothing was measured, or what was measured is spread outside of that range, as in another unit.
    """
    measured = np.isfinite(depth) & (depth > 0)
    if not measured.any() and np.any(depth < 0):
        raise InputError("no depth is positive, and some are negative; z points forward here: multiply by -1 (OpenGL?)")
    if not measured.any():
        raise InputError("depth image is empty: every pixel is 0 or NaN (not measured), infinite or negative")
    seen = measured & (depth >= NEAREST) & (depth <= FARTHEST)
    beyond = measured & ~seen
    if seen.sum() < FEWEST_SEEN * measured.sum() or (beyond.sum() > seen.sum() and not _are_codes(depth[beyond])):
        raise InputError(_other_unit(float(np.median(depth[measured])), scale))
    return np.where(seen & ~_far_code(depth, seen), depth, np.nan).astype(np.float32)


def _are_codes(depths: Float[np.ndarray, "P"]) -> bool:
    """Whether nearly all are one or two numbers: of surfaces, there are many."""
    counts = np.sort(np.unique(depths, return_counts=True)[1])
    return bool(counts[-2:].sum() >= 0.99 * len(depths))


def _far_code(depth: Float[np.ndarray, "H W"], seen: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Where the image has its largest number, if that stands alone far behind all others."""
    largest = depth[seen].max()
    if largest <= FAR_CODE:
        return np.zeros_like(seen)
    at_largest = seen & (depth == largest)
    others = depth[seen & ~at_largest]
    alone = len(others) > 0 and largest > 2 * others.max()
    return at_largest if alone else np.zeros_like(seen)


def _other_unit(median: float, scale: float | None) -> str:
    """What is said of an image whose median is no depth in metres, with the scale that would make it one."""
    before = 1.0 if scale is None else scale
    stored = median / before
    limit = f"below {FARTHEST:g}" if median > FARTHEST else f"above {NEAREST:g}"
    text = f"median depth is {median:.4g}; expected metres {limit}."
    for low, high in (WORKING, (NEAREST, FARTHEST)):
        fitting = [unit for unit in UNITS if unit != before and low <= stored * unit <= high]
        if fitting:
            return " ".join([text, *(f"{UNITS[unit]}? {_remedy(unit, scale is None)}" for unit in fitting)])
    if scale is None:
        return f"{text} Multiply it by the metres in one of its units"
    return f"{text} --depth-scale must say how many metres one unit of the file is"


def _remedy(unit: float, of_array: bool) -> str:
    number = np.format_float_positional(unit, trim="-")
    if of_array:
        return f"Multiply by {number}"
    return "leave out --depth-scale" if unit == 1.0 else f"--depth-scale {number}"
