"""Images and arrays in files: `.npy`, `.npz` with one array, and what Pillow opens. What numbers mean is not said.

The first bytes tell what a file is, not its name: a `.npz` is often called otherwise.
"""

import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from graspnet.errors import InputError

__all__ = ["read_array_or_image", "shape_text", "size_text"]

NPY, NPZ = b"\x93NUMPY", b"PK\x03\x04"
UNREADABLE = (  # what NumPy, Pillow and the decompressors below them raise for a damaged file
    OSError, ValueError, EOFError, SyntaxError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError,
    NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error, Image.DecompressionBombError,
)  # fmt: skip


def read_array_or_image(path: Path) -> np.ndarray | Image.Image:
    """The array of a NumPy file, or a loaded image, whose mode and palette say what its numbers mean.

    InputError: no such file; not readable; an archive with none or several arrays.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of damage beside the image
            start = file.read(6)
            file.seek(0)
            if start == NPY:
                return np.load(file, allow_pickle=False)  # type: ignore[no-any-return]
            if start.startswith(NPZ):
                return _only_array(file, path)
            image = Image.open(file)
            image.load()
            return image
    except InputError:
        raise
    except UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        reason = "it is none that is known" if "cannot identify image file" in reason else reason[:200]
        raise InputError(f"{path}: cannot be read as an image ({reason}); give .npy, .npz, PNG or TIFF") from None


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
