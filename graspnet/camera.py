"""A pinhole camera in the OpenCV convention: x right, y down, z forward; integer pixel coordinates are pixel centres."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jaxtyping import Float, Float64

from graspnet.config import preset_path
from graspnet.errors import InputError

__all__ = ["Camera", "load_camera", "save_camera"]


@dataclass(frozen=True)
class Camera:
    """Intrinsics in pixels. u = fx x / z + cx, v = fy y / z + cy (Hartley & Zisserman, eq. 6.9, no skew)."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        for name in ("fx", "fy", "cx", "cy"):
            if not np.isfinite(getattr(self, name)):
                raise InputError(f"camera: {name} is {getattr(self, name)}; it must be a finite number of pixels")
        for name in ("fx", "fy", "width", "height"):
            if getattr(self, name) <= 0:
                raise InputError(f"camera: {name} is {getattr(self, name)}; it must be positive (pixels)")

    @property
    def matrix(self) -> Float64[np.ndarray, "3 3"]:
        """K, so that K @ point_in_camera is proportional to (u, v, 1)."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], dtype=np.float64)

    def project(self, points_in_camera: Float[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "*B 2"]:
        """Pixel coordinates (u, v) of points with z > 0."""
        x, y, z = np.moveaxis(np.asarray(points_in_camera, dtype=np.float64), -1, 0)
        return np.stack([self.fx * x / z + self.cx, self.fy * y / z + self.cy], axis=-1)

    def deproject(
        self, uv: Float[np.ndarray, "*B 2"], depth: Float[np.ndarray, "*B"]
    ) -> Float64[np.ndarray, "*B 3"]:
        """Points in the camera frame of pixels (u, v) at depth z (metres); undoes `project`."""
        return self.rays(uv) * np.asarray(depth, dtype=np.float64)[..., None]

    def rays(self, uv: Float[np.ndarray, "*B 2"]) -> Float64[np.ndarray, "*B 3"]:
        """Directions through pixels (u, v), with z = 1 (not of unit length)."""
        u, v = np.moveaxis(np.asarray(uv, dtype=np.float64), -1, 0)
        return np.stack([(u - self.cx) / self.fx, (v - self.cy) / self.fy, np.ones_like(u)], axis=-1)

    def pixel_grid(self) -> Float64[np.ndarray, "H W 2"]:
        """(u, v) of every pixel's centre."""
        u, v = np.meshgrid(np.arange(self.width, dtype=np.float64), np.arange(self.height, dtype=np.float64))
        return np.stack([u, v], axis=-1)

    def deproject_image(self, depth: Float[np.ndarray, "H W"]) -> Float64[np.ndarray, "H W 3"]:
        """A point in the camera frame for every pixel; NaN where depth is missing."""
        if depth.shape != (self.height, self.width):
            raise InputError(f"depth image is {depth.shape[1]}x{depth.shape[0]}; the camera says {self.size_text}")
        return self.deproject(self.pixel_grid(), depth)

    def window(self, u: int, v: int, width: int, height: int) -> "Camera":
        """The camera of the sub-image whose first pixel is (u, v): the same rays, other pixel coordinates."""
        return replace(self, cx=self.cx - u, cy=self.cy - v, width=width, height=height)

    @property
    def size_text(self) -> str:
        """Width x height, for messages."""
        return f"{self.width}x{self.height}"


def load_camera(source: str | Path) -> Camera:
    """A camera from a preset's name or a file: our YAML or JSON, autolab's `.intr`, or a ROS camera_info YAML."""
    path = preset_path("cameras", source)
    fields = _camera_fields(_read_mapping(path), path)
    try:
        return Camera(**fields)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def save_camera(camera: Camera, path: Path) -> None:
    """Write the six intrinsics as JSON, in the format that `load_camera` reads."""
    fields = {name: getattr(camera, name) for name in ("fx", "fy", "cx", "cy", "width", "height")}
    path.write_text(json.dumps(fields, indent=1) + "\n")


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text())  # JSON is YAML
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a YAML or JSON file ({str(error).splitlines()[0]})") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: expected keys fx, fy, cx, cy, width, height; found {type(data).__name__}")
    return data


def _camera_fields(data: dict[str, Any], path: Path) -> dict[str, Any]:
    if "image_width" in data:  # ROS camera_info
        data = _from_camera_info(data, path)
    elif "_fx" in data:  # autolab_core's .intr; its skew is zero in every file that we know of
        data = {name: data[f"_{name}"] for name in _FIELDS if f"_{name}" in data}
    missing = [name for name in _FIELDS if name not in data]
    if missing:
        raise InputError(f"{path}: missing key {missing[0]!r}; a camera file needs {', '.join(_FIELDS)} (pixels)")
    unknown = [name for name in data if name not in _FIELDS]
    if unknown:
        raise InputError(f"{path}: unknown key {unknown[0]!r}; a camera file has {', '.join(_FIELDS)}")
    try:
        floats = {name: float(data[name]) for name in ("fx", "fy", "cx", "cy")}
        return floats | {name: int(data[name]) for name in ("width", "height")}
    except (TypeError, ValueError):
        raise InputError(f"{path}: every value must be a number of pixels") from None


def _from_camera_info(data: dict[str, Any], path: Path) -> dict[str, Any]:
    matrix = data.get("camera_matrix", data.get("K", data.get("k")))
    entries = matrix.get("data") if isinstance(matrix, dict) else matrix
    if not isinstance(entries, list) or len(entries) != 9:
        raise InputError(f"{path}: a camera_info file needs camera_matrix: data: [9 numbers]")
    return {
        "fx": entries[0], "fy": entries[4], "cx": entries[2], "cy": entries[5],
        "width": data["image_width"], "height": data.get("image_height"),
    }  # fmt: skip


_FIELDS = ("fx", "fy", "cx", "cy", "width", "height")
