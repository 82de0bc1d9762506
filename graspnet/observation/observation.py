"""What a policy may see: a depth image, its camera, the gripper; optionally an object mask and the camera's pose."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.grippers.gripper import Gripper
from graspnet.inputs.array_file import shape_text, size_text
from graspnet.inputs.camera_pose import checked_pose
from graspnet.inputs.depth_image import in_metres
from graspnet.observation.height_map import STEEPEST_VIEW, DepthView, HeightMap, map_axes
from graspnet.transforms import invert, unit

__all__ = ["Observation", "Plane", "fit_plane"]

MAX_TILT = STEEPEST_VIEW  # a table tilted further from the optical axis than this is not taken for one
REACH = 2.7  # in the gripper's span: half of it to a grasp beside an object's edge, and half a crop's diagonal (2.12)
MASK_HEIGHT = 0.005  # m above the table: what counts as an object where no mask is given (sensor noise is 1-2 mm)


@dataclass(frozen=True)
class Plane:
    """The points p of the camera frame with normal · p = offset; the normal points into the table (away from us)."""

    normal: Float64[np.ndarray, "3"]
    offset: float

    def height(self, points_in_camera: Float[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "*B"]:
        """Metres above the table (towards the camera)."""
        return self.offset - points_in_camera @ self.normal


@dataclass(frozen=True)
class Observation:
    """depth: (H, W), metres along z; 0, NaN and what no depth camera sees are missing (inputs/depth_image.py).

    segmask: (H, W), True on what may be grasped.
    world_from_camera: (4, 4) where known; the table is then the world's plane z = 0.

    >>> import numpy as np, graspnet as gn
    >>> depth = np.full((240, 320), 0.5, np.float32)  # a table half a metre below the camera ...
    >>> depth[100:140, 150:170] = 0.46  # ... and a block on it, 4 cm high
    >>> seen = gn.Observation(depth, gn.Camera(300.0, 300.0, 159.5, 119.5, 320, 240), gn.load_gripper("yumi"))
    >>> int(seen.object_mask.sum())  # pixels of what rises above the table: the block's
    800
    >>> round(seen.table.offset, 3)  # metres from the camera to the table
    0.5
    """

    depth: Float32[np.ndarray, "H W"]
    camera: Camera
    gripper: Gripper
    segmask: Bool[np.ndarray, "H W"] | None = None
    world_from_camera: Float64[np.ndarray, "4 4"] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", _checked_depth(self.depth, self.camera))
        if self.segmask is not None:
            object.__setattr__(self, "segmask", _checked_mask(self.segmask, self.depth))
        if self.world_from_camera is not None:
            checked_pose(self.world_from_camera)

    @cached_property
    def points(self) -> Float64[np.ndarray, "H W 3"]:
        """Measured points in the camera frame, NaN where missing."""
        return self.camera.deproject_image(self.depth)

    @cached_property
    def table(self) -> Plane | None:
        """The table: the world's plane z = 0 where the camera's pose is known, else fitted to what is no object."""
        if self.world_from_camera is not None:
            camera_from_world = invert(self.world_from_camera)
            normal = -camera_from_world[:3, 2]
            return Plane(normal, float(normal @ camera_from_world[:3, 3]))
        return self.fitted_table

    @cached_property
    def fitted_table(self) -> Plane | None:
        """The plane that most of what is no object lies on, whatever the camera's pose says."""
        background = np.isfinite(self.depth)
        if self.segmask is not None:
            background &= ~self.segmask
        return fit_plane(self.points[background])

    @cached_property
    def approach(self) -> Float64[np.ndarray, "3"]:
        """The approach of every image grasp: the table's normal where within 75° of the optical axis, else that."""
        if self.table is not None and self.table.normal[2] >= np.cos(MAX_TILT):
            return self.table.normal
        return np.array([0.0, 0.0, 1.0])

    @cached_property
    def object_mask(self) -> Bool[np.ndarray, "H W"]:
        """Measured pixels that may be grasped: the segmask, else what rises above the table."""
        measured = np.isfinite(self.depth)
        if self.segmask is not None:
            return self.segmask & measured
        if self.table is None:
            return measured
        return measured & (self.table.height(np.nan_to_num(self.points)) > MASK_HEIGHT)

    def height_map(self, approach: Float64[np.ndarray, "3"], pitch: float) -> HeightMap:
        """The map along an approach around what may be grasped, as far as a gripper and a crop there can reach.

        It is made once for each approach and pitch: sampler, constraints and crops all read the same one.
        """
        key = (*map_axes(approach)[:, 2].tolist(), pitch)
        if key not in self._maps:
            view = DepthView(self.depth, self.camera, self.object_mask)
            self._maps[key] = HeightMap.of([view], approach, pitch, self._surroundings(approach))
        return self._maps[key]

    @cached_property
    def _maps(self) -> dict[tuple[float, ...], HeightMap]:
        return {}

    def _surroundings(self, approach: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "2 2"]:
        """The lowest and the highest (x, y) of the map."""
        points = self.points[self.object_mask if self.object_mask.any() else np.isfinite(self.depth)]
        xy = points @ map_axes(approach)[:, :2]
        reach = REACH * self.gripper.span
        return np.array([xy.min(axis=0) - reach, xy.max(axis=0) + reach])


def fit_plane(points_in_camera: Float64[np.ndarray, "P 3"]) -> Plane | None:
    """The plane that most points lie on, within 75° of the optical axis; None if too few agree.

    RANSAC over 256 triples (Fischler & Bolles 1981) on at most 4096 points, then least squares on the inliers. The
    triples come from a fixed generator, so that the same image always has the same table. Points whose noise is large
    beside the inliers' tolerance (3 mm + 0.2 % of the distance) are outliers.
    """
    if len(points_in_camera) < 100:
        return None
    rng = np.random.default_rng(0)
    sample = points_in_camera[rng.choice(len(points_in_camera), min(4096, len(points_in_camera)), replace=False)]
    a, b, c = np.moveaxis(sample[rng.integers(len(sample), size=(256, 3))], 1, 0)
    normals = np.cross(b - a, c - a)
    sound = np.linalg.norm(normals, axis=1) > 1e-12
    normals = unit(normals[sound])
    normals *= np.where(normals[:, 2:] < 0, -1.0, 1.0)
    upright = normals[:, 2] >= np.cos(MAX_TILT)
    normals, anchors = normals[upright], a[sound][upright]
    if not len(normals):
        return None
    distances = np.abs(sample @ normals.T - np.sum(anchors * normals, axis=1))
    tolerance = 0.003 + 0.002 * np.median(sample[:, 2])  # depth noise grows with distance
    inliers = distances < tolerance
    best = int(np.argmax(inliers.sum(axis=0)))
    if inliers[:, best].mean() < 0.2:
        return None
    return _least_squares_plane(sample[inliers[:, best]])


def _least_squares_plane(points: Float64[np.ndarray, "P 3"]) -> Plane:
    center = points.mean(axis=0)
    _, _, axes = np.linalg.svd(points - center, full_matrices=False)
    normal = axes[2] * (1.0 if axes[2, 2] > 0 else -1.0)
    return Plane(normal, float(normal @ center))


def _checked_depth(depth: np.ndarray, camera: Camera) -> Float32[np.ndarray, "H W"]:
    if depth.ndim != 2:
        raise InputError(f"depth is {shape_text(depth)}; expected one channel (height, width)")
    if depth.shape != (camera.height, camera.width):
        raise InputError(f"depth image is {size_text(depth)}; the camera says {camera.size_text}")
    if depth.dtype.kind != "f":
        raise InputError(f"depth is {depth.dtype}; expected float metres. Millimetres? Multiply by 0.001")
    return in_metres(depth)


def _checked_mask(segmask: np.ndarray, depth: Float32[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    if segmask.shape != depth.shape:
        raise InputError(f"segmask is {shape_text(segmask)}; the depth image is {size_text(depth)}")
    segmask = segmask != 0  # outside of pytest nothing stops an 8-bit mask, whose ~ would not be its complement
    if not segmask.any():
        raise InputError("segmask is empty: no pixel is marked as an object")
    return segmask
