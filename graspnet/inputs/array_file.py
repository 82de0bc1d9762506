"""Images and arrays in files: `.npy`, `.npz` with one array, OpenEXR, and what Pillow opens. What numbers mean is not
said.

The first bytes tell what a file is, not its name: a `.npz` is often called otherwise.
"""

import re
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps

from graspnet.errors import InputError
from graspnet.inputs.exr_file import EXR, read_exr
from graspnet.inputs.other_file import what_it_is_instead

__all__ = ["as_numbers", "mask_of", "one_channel", "read_array_or_image", "shape_text", "size_text"]

NPY, NPZ, EMPTY_NPZ = b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06"
PGM = (b"P2", b"P5")  # as text, and binary
UNREADABLE = (  # what NumPy, Pillow and the decompressors below them raise for a damaged file
    OSError, ValueError, EOFError, SyntaxError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError,
    NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error, Image.DecompressionBombError,
)  # fmt: skip


def read_array_or_image(path: Path) -> np.ndarray | Image.Image:
    """The array of a NumPy file, or a loaded image, whose mode and palette say what its numbers mean.

    An image stands upright, as viewers show it (Exif). The greys of a PGM are those that it holds.
    InputError: no such file; not readable; a file with none or several arrays or images.
    """
    if not path.is_file():
        raise InputError(f"{path}: {'is a folder; expected a file' if path.is_dir() else 'no such file'}")
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of damage beside the image
            start = file.read(512)
            file.seek(0)
            if start.startswith(NPY):
                return _whole_array(file, path)
            if start.startswith((NPZ, EMPTY_NPZ)):
                return _only_array(file, path)
            if start.startswith(EXR):
                return read_exr(path)
            if instead := what_it_is_instead(start):
                raise InputError(f"{path}: cannot be read as an image: {instead}")
            if start.startswith(PGM) and (greys := _deep_greys(file.read())) is not None:
                return greys
            return _upright(Image.open(file), path)
    except InputError:
        raise
    except UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        reason = "it is none that is known" if "cannot identify image file" in reason else reason[:200]
        raise InputError(f"{path}: cannot be read as an image ({reason}); give .npy, .npz, PNG or TIFF") from None


def _whole_array(file: IO[bytes], path: Path) -> np.ndarray:
    array: np.ndarray = np.load(file, allow_pickle=False)
    if file.read(len(NPY)) == NPY:
        raise InputError(f"{path}: this .npy holds several arrays; save the one that is meant alone")
    return array


def _upright(image: Image.Image, path: Path) -> Image.Image:
    if (count := getattr(image, "n_frames", 1)) > 1:
        raise InputError(f"{path}: holds {count} images; save the one that is meant alone")
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    return image


def _deep_greys(data: bytes) -> np.ndarray | None:
    """The numbers of a PGM of 16 bits: Pillow would stretch them until the largest that can be is 65535.

    None for one of 8 bits. The header is P2 or P5, width, height and the largest number, between blanks and comments.
    """
    header = re.match(rb"(P[25])(?:\s|#[^\n]*\n)+" + rb"(\d+)(?:\s|#[^\n]*\n)+" * 2 + rb"(\d+)(?:#[^\n]*)?\s", data)
    if not header or not 255 < int(header[4]) < 65536:
        return None
    width, height, body = int(header[2]), int(header[3]), data[header.end() :]
    if header[1] == b"P2":
        greys = np.array(re.sub(rb"#[^\n]*", b"", body).split(), dtype=np.uint16)
    else:
        greys = np.frombuffer(body, ">u2", width * height).astype(np.uint16)
    return greys.reshape(height, width)


def _only_array(file: IO[bytes], path: Path) -> np.ndarray:
    with np.load(file, allow_pickle=False) as archive:
        names = archive.files
        if len(names) != 1:
            found = f"{len(names)} arrays ({', '.join(names[:5])})" if names else "no array"
            raise InputError(f"{path}: this .npz holds {found}; save the one that is meant alone, with np.save")
        return np.asarray(archive[names[0]])


def size_text(image: np.ndarray) -> str:
    """Width x height, for messages."""
    return f"{image.shape[1]}x{image.shape[0]}"


def shape_text(array: np.ndarray) -> str:
    """Width x height of an image, else the shape as it is; and what it holds."""
    return f"{size_text(array) if array.ndim == 2 else array.shape} of {array.dtype}"


def one_channel(array: np.ndarray) -> np.ndarray:
    """An image (H, W, 1) as (H, W); any other as it is."""
    return array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array


def mask_of(value: Any, depth: np.ndarray, name: str, marks: str) -> np.ndarray:
    """What a caller gave as a mask of a depth image, as numbers. marks: where it is True. InputError: another size."""
    mask = one_channel(as_numbers(value, name, f"a mask (height, width), True {marks}"))
    if mask.shape != depth.shape:
        raise InputError(f"{name} is {shape_text(mask)}; the depth image is {size_text(depth)}")
    return mask


def as_numbers(value: Any, name: str, expected: str) -> np.ndarray:
    """What a caller gave as an array, be it lists of numbers. InputError: it is none of numbers; `name` is what it was
    given as, and `expected` says what it should be."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError):  # rows of different lengths; a tensor that asks for gradients
        array = None
    if array is None or array.dtype.kind not in "biuf":
        found = repr(value)[:40] if value is None or isinstance(value, str | Path) else f"a {type(value).__name__}"
        raise InputError(f"{name} is {found}; expected {expected}")
    return array
