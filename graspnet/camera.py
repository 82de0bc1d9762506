"""A pinhole camera as OpenCV has it: x right, y down, z forward; integer pixel coordinates are pixel centres."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64

from graspnet.config import parse_config, preset_path, read_mapping
from graspnet.errors import InputError
from graspnet.inputs.camera_formats import FIELDS, as_our_fields

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
                raise InputError(f"{name} is {getattr(self, name)}; it must be a finite number of pixels")
        for name in ("fx", "fy", "width", "height"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be positive (pixels)")

    def project(self, points_in_camera: Float[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "*B 2"]:
        """Pixel coordinates (u, v) of points with z > 0."""
        x, y, z = np.moveaxis(np.asarray(points_in_camera, dtype=np.float64), -1, 0)
        return np.stack([self.fx * x / z + self.cx, self.fy * y / z + self.cy], axis=-1)

    def deproject(self, uv: Float[np.ndarray, "*B 2"], depth: Float[np.ndarray, "*B"]) -> Float64[np.ndarray, "*B 3"]:
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
    """A camera from a preset's name or a file: our YAML or JSON, or a format of others (docs/formats.md).

    Lens distortion is not modelled. Of a ROS camera_info, `P` counts, the intrinsics of the rectified images.
    """
    path = preset_path("cameras", source)
    data = read_mapping(path, "keys fx, fy, cx, cy, width, height")
    return parse_config(Camera, as_our_fields(data, path), str(path))


def save_camera(camera: Camera, path: Path) -> None:
    """Write the six intrinsics as JSON, in the format that `load_camera` reads."""
    fields = {name: getattr(camera, name) for name in FIELDS}
    path.write_text(json.dumps(fields, indent=1) + "\n")
