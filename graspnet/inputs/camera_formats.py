"""Intrinsics as others write them: ROS, OpenCV, Intel RealSense, Open3D, autolab; each as our six numbers.

A depth image that follows a pinhole camera was rectified. Where a file has the intrinsics of the rectified image (ROS's
`P`), these count; where it has distortion and no such matrix, the image cannot be read as a pinhole's.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from graspnet.errors import InputError

__all__ = ["FIELDS", "as_our_fields"]

FIELDS = ("fx", "fy", "cx", "cy", "width", "height")
K_NAMES = ("camera_matrix", "K", "k", "cameraMatrix", "Camera_Matrix")
P_NAMES = ("projection_matrix", "P", "p")
D_NAMES = ("distortion_coefficients", "D", "d", "distCoeffs", "Distortion_Coefficients")
SIZE_NAMES = (("image_width", "image_height"), ("image_Width", "image_Height"), ("width", "height"))
LARGEST_SHIFT = 1.0  # px; what distortion may move a pixel by, as if there were none


def as_our_fields(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """fx, fy, cx, cy, width and height of a camera file in any format; a file in ours, as it is.

    InputError: names file and key: something is missing, is no matrix of a pinhole, or the image is distorted.
    """
    for is_format, read in _FORMATS:
        if is_format(data):
            return read(data, path)
    return data


def _is_intr(data: Mapping[str, Any]) -> bool:
    return any(f"_{name}" in data for name in FIELDS)


def _from_intr(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """autolab_core's JSON: `_fx` … and a skew, which is zero in every file that we know of."""
    if data.get("_skew"):
        raise InputError(f"{path}: _skew is {data['_skew']}; a camera here has square corners (0)")
    return _renamed(data, {f"_{name}": name for name in FIELDS}, path)


def _is_realsense(data: Mapping[str, Any]) -> bool:
    return "ppx" in data or "ppy" in data


def _from_realsense(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """librealsense's `intrinsics`: fx fy ppx ppy width height, a distortion model and its coefficients."""
    names = {"fx": "fx", "fy": "fy", "ppx": "cx", "ppy": "cy", "width": "width", "height": "height"}
    ours = _renamed(data, names, path)
    model = str(data.get("model", "brown_conrady")).lower()
    if "none" not in model:
        _check_distortion(_matrix(data, ("coeffs",), path), model, ours, path)
    return ours


def _is_open3d(data: Mapping[str, Any]) -> bool:
    return "intrinsic_matrix" in data or isinstance(data.get("intrinsic"), dict)


def _from_open3d(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """Open3D's `PinholeCameraIntrinsic` (nine numbers, column by column), also within `PinholeCameraParameters`."""
    inner = data["intrinsic"] if isinstance(data.get("intrinsic"), dict) else data
    entries = _matrix(inner, ("intrinsic_matrix",), path)
    if entries.size != 9:
        raise InputError(f"{path}: intrinsic_matrix has {entries.size} numbers; Open3D writes 9, column by column")
    columns = entries.ndim == 1  # nested rows are rows
    matrix = entries.reshape(3, 3).T if columns else entries
    return _pinhole(matrix, "intrinsic_matrix", path) | _renamed(inner, {"width": "width", "height": "height"}, path)


def _is_camera_info(data: Mapping[str, Any]) -> bool:
    return any(name in data for name in (*K_NAMES, *P_NAMES))


def _from_camera_info(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """ROS's sensor_msgs/CameraInfo as calibration files or as messages write it, and OpenCV's calibration files.

    P's left 3x3 where P is there and not all zero, since the images are then rectified; else K, which needs D = 0.
    Its binning and its region of interest turn the camera of the whole sensor into the image's, as ROS's image_geometry
    does.
    """
    sizes = next((pair for pair in SIZE_NAMES if any(name in data for name in pair)), SIZE_NAMES[0])
    size = _renamed(data, dict(zip(sizes, ("width", "height"), strict=True)), path)
    projection = _matrix(data, P_NAMES, path)
    if projection.any():
        if projection.size != 12:
            found = f"{_named(data, P_NAMES)} has {projection.size} numbers"
            raise InputError(f"{path}: {found}; a projection has 12 (3x4)")
        ours = _pinhole(projection.reshape(3, 4)[:, :3], _named(data, P_NAMES), path) | size
    else:
        matrix = _matrix(data, K_NAMES, path)
        if matrix.size != 9:
            raise InputError(f"{path}: a camera_info file needs camera_matrix: data: [9 numbers], or K: [9 numbers]")
        if not matrix.any():
            raise InputError(f"{path}: {_named(data, K_NAMES)} is all zero: this camera was not calibrated")
        ours = _pinhole(matrix.reshape(3, 3), _named(data, K_NAMES), path) | size
        model = str(data.get("distortion_model", "plumb_bob"))
        _check_distortion(_matrix(data, D_NAMES, path), model, ours, path)
    return _of_region(ours, data, path)


def _of_region(ours: dict[str, Any], data: dict[str, Any], path: Path) -> dict[str, Any]:
    """The camera of the part of the sensor that was read (`roi`), its pixels taken together (`binning_x`, `_y`)."""
    roi = data.get("roi") if isinstance(data.get("roi"), dict) else {}
    binning = [_count(data, name, path) or 1 for name in ("binning_x", "binning_y")]
    u, v, width, height = (_count(roi or {}, name, path) for name in ("x_offset", "y_offset", "width", "height"))
    full = [_count(ours, name, path) for name in ("width", "height")]
    if u + width > full[0] or v + height > full[1]:
        raise InputError(f"{path}: roi ends at ({u + width}, {v + height}), outside of the {full[0]}x{full[1]} sensor")
    return {
        "fx": ours["fx"] / binning[0], "cx": (ours["cx"] - u) / binning[0], "width": (width or full[0]) // binning[0],
        "fy": ours["fy"] / binning[1], "cy": (ours["cy"] - v) / binning[1], "height": (height or full[1]) // binning[1],
    }  # fmt: skip


def _count(data: Mapping[str, Any], name: str, path: Path) -> int:
    value = data.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(f"{path}: {name} is {value!r}; expected a whole number of pixels")
    return value


def _check_distortion(coefficients: Float64[np.ndarray, "*S"], model: str, ours: dict[str, Any], path: Path) -> None:
    """Refuse what would move pixels, by how many where the model is OpenCV's."""
    if not coefficients.any():
        return
    is_polynomial = any(name in model for name in ("plumb_bob", "rational_polynomial", "brown"))
    shift = _largest_shift(coefficients.ravel(), ours) if is_polynomial else np.inf
    if shift > LARGEST_SHIFT:
        how_far = f" (up to {shift:.0f} px)" if np.isfinite(shift) else f" ({model})"
        remedy = "rectify them and give the new intrinsics (ROS: P). If they are rectified, set the coefficients to 0"
        raise InputError(f"{path}: the images are distorted{how_far}, which is not modelled; {remedy}")


def _largest_shift(coefficients: Float64[np.ndarray, "D"], ours: dict[str, Any]) -> float:
    """Pixels between where a pinhole and where the lens sees a point, at most over the image's border.

    k1 k2 p1 p2 k3 k4 k5 k6, OpenCV's order (docs.opencv.org, camera calibration). Infinite where it is undefined.
    """
    k = np.zeros(8)
    k[: min(8, len(coefficients))] = coefficients[:8]
    try:
        fx, fy, cx, cy, width, height = (float(ours[name]) for name in FIELDS)
    except (TypeError, ValueError):
        return np.inf
    if not (fx > 0 and fy > 0 and np.isfinite([cx, cy, width, height]).all()):
        return np.inf
    along = np.linspace(0, 1, 33)
    ends = np.zeros_like(along), np.ones_like(along)
    u, v = np.concatenate([along, along, *ends]) * width, np.concatenate([*ends, along, along]) * height
    x, y = (u - cx) / fx, (v - cy) / fy
    with np.errstate(all="ignore"):
        r2 = x**2 + y**2
        radial = (1 + r2 * (k[0] + r2 * (k[1] + r2 * k[4]))) / (1 + r2 * (k[5] + r2 * (k[6] + r2 * k[7])))
        moved_x = x * (radial - 1) + 2 * k[2] * x * y + k[3] * (r2 + 2 * x**2)
        moved_y = y * (radial - 1) + k[2] * (r2 + 2 * y**2) + 2 * k[3] * x * y
        shift = float(np.hypot(fx * moved_x, fy * moved_y).max())
    return shift if np.isfinite(shift) else np.inf


def _pinhole(matrix: Float64[np.ndarray, "3 3"], name: str, path: Path) -> dict[str, Any]:
    """Focal lengths and principal point of (fx 0 cx; 0 fy cy; 0 0 1)."""
    if np.allclose(matrix[:2, 2], 0) and matrix[2, :2].any():
        raise InputError(f"{path}: {name} is written column by column; its rows must be fx 0 cx, 0 fy cy, 0 0 1")
    if not np.allclose(matrix[2], [0, 0, 1]) or matrix[0, 1] or matrix[1, 0]:
        rows = "; ".join(" ".join(f"{entry:g}" for entry in row) for row in matrix)
        raise InputError(f"{path}: {name} is ({rows}); expected (fx 0 cx; 0 fy cy; 0 0 1)")
    values = {"fx": matrix[0, 0], "fy": matrix[1, 1], "cx": matrix[0, 2], "cy": matrix[1, 2]}
    return {key: float(value) for key, value in values.items()}


def _matrix(data: Mapping[str, Any], names: tuple[str, ...], path: Path) -> Float64[np.ndarray, "*S"]:
    """The numbers under the first of the names that is there: a flat list, rows, or with a key `data`; else none."""
    name = _named(data, names)
    value = data.get(name)
    entries = value.get("data") if isinstance(value, dict) else value
    try:
        matrix = np.array([] if entries is None else entries, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{path}: {name} is not made of numbers") from None
    if not np.isfinite(matrix).all():
        raise InputError(f"{path}: {name} has numbers that are not finite")
    return matrix


def _named(data: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((name for name in names if name in data), names[0])


def _renamed(data: Mapping[str, Any], names: dict[str, str], path: Path) -> dict[str, Any]:
    missing = [name for name in names if name not in data]
    if missing:
        raise InputError(f"{path}: missing key {missing[0]!r}; this kind of camera file needs {', '.join(names)}")
    return {ours: data[theirs] for theirs, ours in names.items()}


_Reader = Callable[[dict[str, Any], Path], dict[str, Any]]
_FORMATS: tuple[tuple[Callable[[Mapping[str, Any]], bool], _Reader], ...] = (
    (_is_intr, _from_intr),
    (_is_realsense, _from_realsense),
    (_is_open3d, _from_open3d),
    (_is_camera_info, _from_camera_info),
)
