"""Boxes on a table, rendered in closed form (ray against plane and slabs): scenes whose best grasps are known."""

from collections.abc import Callable

import numpy as np
import pytest

from graspnet.camera import Camera
from graspnet.grippers.parallel_jaw import ParallelJaw, load_parallel_jaw
from graspnet.observation.observation import Observation
from graspnet.transforms import rigid

CAMERA = Camera(525.0, 525.0, 319.5, 239.5, 640, 480)
Box = tuple[tuple[float, float, float], tuple[float, float], float]  # full sizes, centre x and y on the table, yaw


def looking_down(height: float = 0.7, tilt: float = 0.0) -> np.ndarray:
    """world_from_camera `height` away from the world's origin, `tilt` radians off the vertical; image v along -y."""
    down = np.array([0.0, np.sin(tilt), -np.cos(tilt)])
    right = np.array([1.0, 0.0, 0.0])
    return rigid(np.stack([right, np.cross(down, right), down], axis=1), -height * down)


def render(boxes: list[Box], camera: Camera, world_from_camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth of the nearest surface, and the mask of the boxes."""
    rays = camera.rays(camera.pixel_grid()) @ world_from_camera[:3, :3].T
    origin = world_from_camera[:3, 3]
    depth, mask = -origin[2] / rays[..., 2], np.zeros(rays.shape[:2], dtype=bool)
    for sizes, (x, y), yaw in boxes:
        cosine, sine = np.cos(yaw), np.sin(yaw)
        box_from_world = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        start = box_from_world @ (origin - np.array([x, y, sizes[2] / 2]))
        with np.errstate(divide="ignore"):
            slabs = np.stack([(side * np.array(sizes) / 2 - start) / (rays @ box_from_world.T) for side in (-1, 1)])
        enter, leave = slabs.min(axis=0).max(axis=-1), slabs.max(axis=0).min(axis=-1)
        hit = (enter < leave) & (enter < depth)
        depth, mask = np.where(hit, enter, depth), mask | hit
    return depth.astype(np.float32), mask


@pytest.fixture
def box_scene() -> Callable[..., Observation]:
    """Boxes as a camera sees them, by default with their mask and without the camera's pose."""

    def scene(
        *boxes: Box,
        gripper: ParallelJaw | None = None,
        camera: Camera = CAMERA,
        height: float = 0.7,
        tilt: float = 0.0,
        masked: bool = True,
        known_pose: bool = False,
        noise: float = 0.0,
    ) -> Observation:
        world_from_camera = looking_down(height, tilt)
        depth, mask = render(list(boxes), camera, world_from_camera)
        depth += np.float32(noise) * np.random.default_rng(0).standard_normal(depth.shape).astype(np.float32)
        return Observation(
            depth=depth,
            camera=camera,
            gripper=gripper or load_parallel_jaw("yumi"),
            segmask=mask if masked else None,
            world_from_camera=world_from_camera if known_pose else None,
        )

    return scene


@pytest.fixture
def in_world() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Origins and closing axes of grasps in the world frame of `box_scene`."""

    def convert(grasps_in_camera, height: float = 0.7, tilt: float = 0.0):
        grasps = grasps_in_camera.transformed(looking_down(height, tilt))
        return grasps.origin, grasps.closing

    return convert
