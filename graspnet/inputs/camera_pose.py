"""Camera poses in files: world_from_camera, the camera's axes being OpenCV's (x right, y down, z forward)."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jaxtyping import Float64

from graspnet.config import parse_yaml
from graspnet.errors import InputError
from graspnet.inputs.array_file import as_numbers
from graspnet.transforms import is_rigid

__all__ = ["checked_pose", "read_camera_pose"]

KEY = "world_from_camera"
FORMATS = f"expected {KEY} as a 4x4 in JSON or YAML, or an autolab .tf file"
WORLDS = ("world", "base", "robot", "table", "map")  # what people call the frame that stands still


def read_camera_pose(path: Path) -> Float64[np.ndarray, "4 4"]:
    """world_from_camera from JSON or YAML (a 4x4, bare or under that key) or from autolab's `.tf`.

    A `.tf` has six lines: the frame, the frame that it is given in, the translation, and three rows of the rotation.
    InputError: unreadable; not 4x4 numbers; not rigid, with what it is instead; the two frames of a `.tf`, or the key,
    say that it is the inverse.
    """
    try:
        text = path.read_text()
        matrix = _from_tf(text, path) if path.suffix == ".tf" else _from_yaml(text, path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except InputError:
        raise
    except yaml.MarkedYAMLError as error:
        raise InputError(f"{path}: no camera pose ({error.problem}); {FORMATS}") from None
    except (OSError, ValueError, TypeError, IndexError, OverflowError, RecursionError, yaml.YAMLError):
        raise InputError(f"{path}: no camera pose; {FORMATS}") from None
    if matrix.shape != (4, 4):
        raise InputError(f"{path}: the camera pose has shape {matrix.shape}; {FORMATS}")
    try:
        return checked_pose(matrix)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def checked_pose(pose: Any) -> Float64[np.ndarray, "4 4"]:
    """The pose as an array, from one or from lists. InputError: it is no rigid transform, with the reason where there
    is a common one."""
    what = "a rigid transform: a 4x4 matrix with a proper rotation"
    matrix = np.asarray(as_numbers(pose, KEY, what), dtype=np.float64)
    if matrix.shape != (4, 4):
        raise InputError(f"{KEY} has shape {matrix.shape}; expected {what}")
    if is_rigid(matrix, tolerance=1e-4):
        return matrix
    raise InputError(f"{KEY} must be {what}{_why_not_rigid(matrix)}")


def _from_tf(text: str, path: Path) -> Float64[np.ndarray, "4 4"]:
    lines = text.splitlines()
    numbers = np.array([[float(entry) for entry in line.split()] for line in lines[2:6]])
    source, target = lines[0].strip(), lines[1].strip()
    if _is_world(source) and not _is_world(target):
        raise InputError(f"{path}: its header says {source!r} to {target!r}; {KEY} is asked for: give the inverse")
    return np.vstack([np.column_stack([numbers[1:], numbers[0]]), [0.0, 0.0, 0.0, 1.0]])


def _is_world(frame: str) -> bool:
    return any(name in frame.lower() for name in WORLDS)


def _from_yaml(text: str, path: Path) -> Float64[np.ndarray, "*S"]:
    data = parse_yaml(text)  # JSON is YAML
    if isinstance(data, dict) and KEY not in data:
        keys = ", ".join(map(str, list(data)[:5]))
        inverse = "; the inverse of camera_from_world is needed" if "camera_from_world" in data else ""
        raise InputError(f"{path}: no key {KEY!r} among {keys}{inverse}; {FORMATS}")
    return np.array(data[KEY] if isinstance(data, dict) else data, dtype=np.float64)


def _why_not_rigid(pose: Float64[np.ndarray, "4 4"]) -> str:
    """What common mistake explains it; nothing where none does."""
    if not np.isfinite(pose).all():
        return "; it has numbers that are not finite"
    if is_rigid(pose.T, tolerance=1e-4):
        return ". Its translation is in the last row: transpose it"
    rotation, determinant = pose[:3, :3], float(np.linalg.det(pose[:3, :3]))
    factor = float(np.cbrt(abs(determinant)))
    if factor < 1e-6 or not np.allclose(rotation @ rotation.T, factor**2 * np.eye(3), atol=1e-3 * factor**2):
        return ". Its first three columns are not at right angles"
    if abs(factor - 1) > 1e-3:
        return f". Its rotation is scaled by {factor:.4g}: divide the first three columns by it"
    if determinant < 0:
        return ". Its axes are left-handed (a mirror image): one of them has the wrong sign"
    return f". Its last row is {[round(float(entry), 4) for entry in pose[3]]}; it must be 0, 0, 0, 1"
