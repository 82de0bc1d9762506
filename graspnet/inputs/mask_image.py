"""Object masks: which pixels may be grasped, from whatever people save a mask as.

A picture says it with brightness, and a label image with numbers. Which of the two a file is, its mode, its palette and
its greys tell: white is the object, and so is every number but 0.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from graspnet.errors import InputError
from graspnet.inputs.array_file import read_array_or_image, shape_text

__all__ = ["marked_pixels", "read_mask"]

GREY_MODES = ("1", "L", "I", "F")  # and those of 16 bits, I;16 and its kin
BLACK = 16  # of 255: a palette's darkest colour may be so bright and still be black
FAINTEST = 32  # of 255: in a JPEG, numbers below drown in its noise
MOST_LABELS = 16  # greys beside the brightest; more are shades, if nearly all of the object is in the brightest


def read_mask(path: Path) -> Bool[np.ndarray, "H W"]:
    """True on what may be grasped, from an image, `.npy` or `.npz`.

    Numbers: nonzero is the object; fractions are probabilities, above one half. Pictures: what is brighter than black;
    where greys are shades (smoothed edges, JPEG), what is brighter than half of the brightest. A palette stands for its
    colours, unless these do not tell background from object. What is transparent is no object; where only the
    transparency differs, it is the mask.
    InputError: unreadable, or no mask.
    """
    image = read_array_or_image(path)
    try:
        return _of_picture(image) if isinstance(image, Image.Image) else marked_pixels(image)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _of_picture(image: Image.Image) -> Bool[np.ndarray, "H W"]:
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return _of_transparent(image)
    if image.mode == "P":
        return _of_palette(image)
    if image.mode in GREY_MODES or image.mode.startswith("I;"):
        return marked_pixels(np.asarray(image), lossy=image.format == "JPEG")
    colors = np.asarray(image.convert("RGB"))  # of CMYK, YCbCr and others too
    return marked_pixels(colors, lossy=image.format == "JPEG")


def _of_transparent(image: Image.Image) -> Bool[np.ndarray, "H W"]:
    """What is opaque, and not black unless all that is opaque has one colour."""
    pixels = np.asarray(image.convert("RGBA"))
    alpha = pixels[:, :, 3]
    if alpha.min() == alpha.max():  # says nothing
        plain = image.copy()
        plain.info.pop("transparency", None)
        return _of_picture(plain if image.mode == "P" else plain.convert("RGB"))
    opaque = np.asarray(alpha > alpha.max() / 2)
    colors = pixels[opaque][:, :3]
    return opaque if (colors == colors[0]).all() else opaque & marked_pixels(pixels[:, :, :3])


def _of_palette(image: Image.Image) -> Bool[np.ndarray, "H W"]:
    """The colours' brightness; the numbers themselves where the colours name no background."""
    numbers = np.asarray(image)
    colors = np.asarray(image.convert("RGB"))
    used = np.unique(colors.reshape(-1, 3), axis=0).max(axis=1)
    if used.min() > BLACK or (used.max() <= BLACK and numbers.any()):
        return np.asarray(numbers > 0)
    black = colors.max(axis=2) <= used.min()  # of a picture in two colours, the darker may be 4 of 255
    return np.asarray(marked_pixels(colors) & ~black)


def marked_pixels(array: np.ndarray, lossy: bool = False) -> Bool[np.ndarray, "H W"]:
    """True on what may be grasped, from numbers or greys, (H, W), or colours, (H, W, 3); `lossy` as JPEG is.

    InputError: no mask.
    """
    if array.ndim == 3 and array.shape[2] in (1, 2, 3, 4):
        colors = array.shape[2] - (array.shape[2] in (2, 4))  # the last of 2 or 4 is alpha
        array = array[:, :, :colors].max(axis=2)
    if array.ndim == 3 and array.shape[0] < min(array.shape[1:]):
        raise InputError(f"segmask is {shape_text(array)}: a stack of masks; save one, their any(axis=0)")
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "bfiu":
        raise InputError(f"segmask is {shape_text(array)}; expected an image (height, width)")
    if array.dtype.kind == "f":
        return _of_fractions(array)
    if array.dtype == np.uint8 and (lossy or _are_shades(array)):
        if array.max() < FAINTEST:
            raise InputError(f"segmask is a JPEG of greys up to {array.max()}, too dark to tell from black; save a PNG")
        return np.asarray(array > array.max() / 2)
    return _positive(array)


def _of_fractions(array: np.ndarray) -> Bool[np.ndarray, "H W"]:
    """Whole numbers, or probabilities; NaN is no object."""
    known = np.where(np.isfinite(array), array, 0)
    if (known == np.rint(known)).all():
        return _positive(known)
    if known.min() < 0 or known.max() > 1:
        found = f"fractions from {known.min():.4g} to {known.max():.4g}"
        raise InputError(f"segmask holds {found}; expected probabilities in [0, 1], or whole numbers")
    return np.asarray(known > 0.5)


def _positive(numbers: np.ndarray) -> Bool[np.ndarray, "H W"]:
    if numbers.max() == 0 and np.any(numbers < 0):
        raise InputError(f"segmask holds only 0 and negative numbers (down to {numbers.min():g}); mark objects by 1")
    return np.asarray(numbers > 0)


def _are_shades(greys: UInt8[np.ndarray, "H W"]) -> bool:
    """Whether greys between black and the brightest are shades of a picture: numbers of objects come in flat areas."""
    top = int(greys.max())
    between = (greys > 0) & (greys < top)
    if not between.any():
        return False
    counts = np.bincount(greys.ravel(), minlength=256)
    if np.count_nonzero(counts[1:top]) > MOST_LABELS and counts[int(0.9 * top) :].sum() > 0.8 * counts[1:].sum():
        return True
    beside = between[:, 1:] | between[:, :-1]
    return bool(beside.any() and (greys[:, 1:] == greys[:, :-1])[beside].mean() < 0.5)
