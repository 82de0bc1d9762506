"""A pinhole camera as OpenCV has it: x right, y down, z forward; integer pixel coordinates are pixel centres."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64
from numpy.typing import ArrayLike

from graspnet.config import parse_config, preset_path, read_mapping
from graspnet.errors import InputError
from graspnet.inputs.camera_formats import FIELDS, as_our_fields

__all__ = ["Camera", "load_camera", "save_camera"]


@dataclass(frozen=True)
class Camera:
    """Intrinsics in pixels. u = fx x / z + cx, v = fy y / z + cy (Hartley & Zisserman, eq. 6.9, no skew).

    >>> import numpy as np, graspnet as gn
    >>> camera = gn.Camera(fx=525.0, fy=525.0, cx=319.5, cy=239.5, width=640, height=480)
    >>> camera.project(np.array([0.0, 0.0, 0.7])).tolist()  # a point on the optical axis, 0.7 m away
    [319.5, 239.5]
    >>> camera == gn.Camera.from_matrix([[525, 0, 319.5], [0, 525, 239.5], [0, 0, 1]], width=640, height=480)
    True
    """

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

    @staticmethod
    def from_matrix(matrix: ArrayLike, width: int, height: int) -> "Camera":
        """The camera of a 3x3 matrix K, or of a rectified camera's 3x4 projection P = [K | 0], in pixels.

        InputError: another shape, a skew, a last row that is not (0, 0, 1), or a fourth column that is not 0 (as the
        right camera of a stereo pair has: its poses are those of the left one).
        """
        entries = np.asarray(matrix, dtype=np.float64)
        if entries.shape not in ((3, 3), (3, 4)):
            raise InputError(f"the camera matrix has shape {entries.shape}; expected K, 3x3, or P, 3x4")
        if entries[0, 1] or entries[1, 0] or not np.array_equal(entries[2, :3], [0, 0, 1]) or entries[:, 3:].any():
            raise InputError(f"the camera matrix is {entries.tolist()}; expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]")
        fx, cx, fy, cy = entries[0, 0], entries[0, 2], entries[1, 1], entries[1, 2]
        return Camera(float(fx), float(fy), float(cx), float(cy), width, height)

    @staticmethod
    def from_fov(horizontal: float, width: int, height: int) -> "Camera":
        """An ideal camera with square pixels, by its horizontal field of view in radians.

        The field of view is that of the whole image, from the outer edge of the first pixel to that of the last one.
        InputError: a field of view outside of (0, π).
        """
        if not 0 < horizontal < np.pi:
            raise InputError(f"the field of view is {horizontal}; it must lie in (0, π) (radians)")
        focal_length = width / 2 / float(np.tan(horizontal / 2))
        return Camera(focal_length, focal_length, (width - 1) / 2, (height - 1) / 2, width, height)

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

    >>> import graspnet as gn
    >>> gn.load_camera("realsense_d435").size_text
    '640x480'
    """
    path = preset_path("cameras", source)
    data = read_mapping(path, "keys fx, fy, cx, cy, width, height")
    return parse_config(Camera, as_our_fields(data, path), str(path))


def save_camera(camera: Camera, path: Path) -> None:
    """Write the six intrinsics as JSON, in the format that `load_camera` reads."""
    fields = {name: getattr(camera, name) for name in FIELDS}
    path.write_text(json.dumps(fields, indent=1) + "\n")
