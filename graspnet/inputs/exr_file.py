"""OpenEXR: floats, as renderers and some simulators write depth. Read by the package OpenEXR, which is optional."""

from pathlib import Path

import numpy as np

from graspnet.errors import InputError

__all__ = ["EXR", "read_exr"]

EXR = b"\x76\x2f\x31\x01"  # the first bytes of every such file
DEPTH_NAMES = ("Z", "depth", "Depth", "V", "Y")  # OpenEXR's own name for depth first; Blender writes V or Y


def read_exr(path: Path) -> np.ndarray:
    """The channel that holds depth: one with a name for it, the only one, or one of several that are all alike.

    InputError: the package is missing, the file is damaged, or nothing tells which channel is meant.
    """
    try:
        import OpenEXR
    except ImportError:
        raise InputError(f"{path}: to read OpenEXR, install it: pip install 'graspnet[exr]'") from None
    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = {name: np.asarray(channel.pixels) for name, channel in file.channels().items()}
    except (RuntimeError, ValueError, TypeError, OSError, MemoryError) as error:
        raise InputError(f"{path}: cannot be read as OpenEXR ({' '.join(str(error).split())[:200]})") from None
    named = [name for name in channels if name.split(".")[-1] in DEPTH_NAMES]
    if len(named) == 1:
        return channels[named[0]]
    colours = [pixels for name, pixels in channels.items() if name.split(".")[-1] != "A"]
    if colours and all(np.array_equal(colours[0], pixels, equal_nan=True) for pixels in colours[1:]):
        return colours[0]
    raise InputError(
        f"{path}: has the channels {', '.join(channels)}; expected one for depth, called Z, V or Y, or several that "
        "are all alike"
    )
