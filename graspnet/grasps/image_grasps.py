"""Image grasps: what an image shows of grasps, and the way between the two."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float64

from graspnet.camera import Camera
from graspnet.grasps.grasps import Grasps
from graspnet.transforms import frame_from_axes, rigid, unit

__all__ = ["ImageGrasps", "grasps_from_image", "image_from_grasps"]


@dataclass(frozen=True)
class ImageGrasps:
    """N grasps as an image shows them: centre (u, v) in pixels, angle of the grasp frame's y (of jaws: the closing
    axis) from +u towards +v in radians in [-π/2, π/2), and depth z of the grasp's origin in metres.

    columns: what the grasps have besides, as in `Grasps`.
    """

    center: Float64[np.ndarray, "N 2"]
    angle: Float64[np.ndarray, "N"]
    depth: Float64[np.ndarray, "N"]
    columns: Mapping[str, Float64[np.ndarray, "N"]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.angle)


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
    return Grasps(rigid(rotation, rays * image_grasps.depth[:, None]), image_grasps.columns)


def image_from_grasps(grasps_in_camera: Grasps, camera: Camera) -> ImageGrasps:
    """How the grasps look in the image: the inverse of `grasps_from_image` for every approach."""
    origin, closing = grasps_in_camera.origin, grasps_in_camera.closing
    rays = origin / origin[:, 2:]
    du = camera.fx * (closing[:, 0] - rays[:, 0] * closing[:, 2])
    dv = camera.fy * (closing[:, 1] - rays[:, 1] * closing[:, 2])
    angle = (np.arctan2(dv, du) + np.pi / 2) % np.pi - np.pi / 2
    angle = np.where(angle >= np.pi / 2, -np.pi / 2, angle)  # a tiny negative number modulo π rounds to π
    return ImageGrasps(camera.project(origin), angle, origin[:, 2].copy(), grasps_in_camera.columns)
