"""Parallel-jaw grasps, batch first: poses in some frame, and their picture in an image.

The grasp frame: origin midway between the finger pads' centres, z = approach (from the palm towards the object),
y = closing axis, x = y × z. `width` is the commanded opening while approaching.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.transforms import frame_from_axes, is_rigid, rigid, unit

__all__ = ["Grasps", "ImageGrasps", "grasps_from_image", "image_from_grasps"]

Index = Int[np.ndarray, "M"] | Bool[np.ndarray, "N"] | slice


@dataclass(frozen=True)
class Grasps:
    """N grasps in one frame, which the variable's name tells: `grasps_in_camera`, `grasps_in_object`.

    poses: frame_from_grasp, (N, 4, 4), metres. width: commanded opening, (N,), metres.
    """

    poses: Float64[np.ndarray, "N 4 4"]
    width: Float64[np.ndarray, "N"]

    def __post_init__(self) -> None:
        if len(self.poses) and not is_rigid(self.poses, tolerance=1e-4):
            raise InputError("grasp poses must be rigid transforms: a rotation, a translation, and (0, 0, 0, 1)")
        if not np.all((self.width > 0) & (self.width < np.inf)):
            raise InputError("every grasp's width must be positive and finite (metres)")

    @staticmethod
    def none() -> "Grasps":
        """No grasps."""
        return Grasps(np.zeros((0, 4, 4)), np.zeros(0))

    @staticmethod
    def concatenate(batches: Sequence["Grasps"]) -> "Grasps":
        """All grasps of several batches in one frame, in order."""
        if not batches:
            return Grasps.none()
        return Grasps(np.concatenate([b.poses for b in batches]), np.concatenate([b.width for b in batches]))

    def __len__(self) -> int:
        return len(self.width)

    def __getitem__(self, index: Index) -> "Grasps":
        return Grasps(self.poses[index], self.width[index])

    @property
    def origin(self) -> Float64[np.ndarray, "N 3"]:
        """Midpoints between the pads' centres."""
        return self.poses[:, :3, 3]

    @property
    def approach(self) -> Float64[np.ndarray, "N 3"]:
        """Unit vectors from the palm towards the object (z of the grasp frame)."""
        return self.poses[:, :3, 2]

    @property
    def closing(self) -> Float64[np.ndarray, "N 3"]:
        """Unit vectors along which the jaws close (y of the grasp frame)."""
        return self.poses[:, :3, 1]

    def transformed(self, target_from_frame: Float[np.ndarray, "4 4"] | Float[np.ndarray, "N 4 4"]) -> "Grasps":
        """The same grasps in another frame."""
        return Grasps(np.asarray(target_from_frame @ self.poses, dtype=np.float64), self.width)

    def swapped(self) -> "Grasps":
        """The same grasps with the two jaws interchanged: half a turn about the approach."""
        return Grasps(self.poses @ np.diag([-1.0, -1.0, 1.0, 1.0]), self.width)


@dataclass(frozen=True)
class ImageGrasps:
    """N grasps as an image shows them: centre (u, v) in pixels, angle of the closing axis from +u towards +v in
    radians in [-π/2, π/2), depth z of the grasp's origin and width, both in metres."""

    center: Float64[np.ndarray, "N 2"]
    angle: Float64[np.ndarray, "N"]
    depth: Float64[np.ndarray, "N"]
    width: Float64[np.ndarray, "N"]

    def __len__(self) -> int:
        return len(self.angle)

    def __getitem__(self, index: Index) -> "ImageGrasps":
        return ImageGrasps(self.center[index], self.angle[index], self.depth[index], self.width[index])


def grasps_from_image(
    image_grasps: ImageGrasps, camera: Camera, approach_in_camera: Float[np.ndarray, "3"] | Float[np.ndarray, "N 3"]
) -> Grasps:
    """Grasps in the camera frame that look like `image_grasps`, with one approach direction for all or one for each.

    The closing axis is perpendicular to the approach a and projects along the angle θ: it lies in the plane of the
    pixel's ray r and e = (cos θ / fx, sin θ / fy, 0), so y ∝ e − (e·a)/(r·a) r.
    """
    rays = camera.rays(image_grasps.center)
    approach = np.broadcast_to(unit(np.asarray(approach_in_camera, dtype=np.float64)), rays.shape)
    angle = image_grasps.angle
    along = np.stack([np.cos(angle) / camera.fx, np.sin(angle) / camera.fy, np.zeros_like(angle)], axis=-1)
    ratio = np.sum(along * approach, axis=-1) / np.sum(rays * approach, axis=-1)
    rotation = frame_from_axes(approach, along - ratio[:, None] * rays)
    return Grasps(rigid(rotation, rays * image_grasps.depth[:, None]), image_grasps.width)


def image_from_grasps(grasps_in_camera: Grasps, camera: Camera) -> ImageGrasps:
    """How the grasps look in the image: the inverse of `grasps_from_image` for every approach."""
    origin, closing = grasps_in_camera.origin, grasps_in_camera.closing
    rays = origin / origin[:, 2:]
    du = camera.fx * (closing[:, 0] - rays[:, 0] * closing[:, 2])
    dv = camera.fy * (closing[:, 1] - rays[:, 1] * closing[:, 2])
    angle = (np.arctan2(dv, du) + np.pi / 2) % np.pi - np.pi / 2
    angle = np.where(angle >= np.pi / 2, -np.pi / 2, angle)  # a tiny negative number modulo π rounds to π
    return ImageGrasps(camera.project(origin), angle, origin[:, 2].copy(), grasps_in_camera.width)
