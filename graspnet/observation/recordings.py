"""What the folders of well-known recordings say of the depth images in them: their unit, and their camera.

- BOP (Hodaň et al., ECCV 2018): `SCENE/depth/000003.png` or `.tif`; `SCENE/scene_camera.json` has, for each image,
  `cam_K` and `depth_scale`, millimetres in one unit.
- TUM RGB-D (Sturm et al., IROS 2012): `SEQUENCE/depth/1305031102.160407.png` in 1/5000 m, beside `SEQUENCE/depth.txt`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from graspnet.camera import Camera
from graspnet.errors import InputError

__all__ = ["Recording", "recording_of"]

BOP, TUM = "scene_camera.json", "depth.txt"
TUM_UNIT = 1 / 5000  # m
MILLIMETRE = 0.001


@dataclass(frozen=True)
class Recording:
    """What a folder says of one depth image: metres in one unit; its camera, where it knows one; and who says so.

    unit: the same unit in words.
    """

    depth_scale: float
    camera: Camera | None
    source: str
    unit: str


def recording_of(depth: Path) -> Recording | None:
    """What the folder of a depth image says of it; None where it is none of a recording that is known.

    InputError: the folder's file is damaged, or has nothing on this image.
    """
    folder = depth.parent.parent if depth.parent.name == "depth" else None
    if folder is None:
        return None
    if (folder / BOP).is_file():
        return _of_bop(depth, folder / BOP)
    if (folder / TUM).is_file() and _lists(folder / TUM, depth):
        return Recording(TUM_UNIT, None, f"{folder / TUM}: a TUM RGB-D sequence", "1/5000 m")
    return None


def _of_bop(depth: Path, path: Path) -> Recording:
    try:
        entry = json.loads(path.read_text())[str(int(depth.stem))]
        matrix = np.array(entry["cam_K"], dtype=np.float64).reshape(3, 3)
        unit = MILLIMETRE * float(entry["depth_scale"])
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, IndexError):
        raise InputError(
            f"{path}: has no entry for {depth.name} with cam_K (9 numbers) and depth_scale, as BOP's scenes have; "
            "give --camera and --depth-scale"
        ) from None
    if not 0 < unit < np.inf:
        raise InputError(f"{path}: depth_scale of {depth.stem} is {entry['depth_scale']}; it must be positive")
    width, height = _size(depth)
    camera = Camera.from_matrix(matrix, width, height)
    return Recording(unit, camera, f"{path}: a BOP scene", f"{1000 * unit:g} mm (depth_scale)")


def _size(path: Path) -> tuple[int, int]:
    """Width and height of an image, from its header."""
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, ValueError, SyntaxError):
        raise InputError(f"{path}: cannot be read as an image") from None


def _lists(index: Path, depth: Path) -> bool:
    """Whether a TUM sequence's `depth.txt` names the image."""
    with index.open(errors="replace") as lines:
        return any(line.split()[-1:] == [f"depth/{depth.name}"] for line in lines)
