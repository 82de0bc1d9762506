"""What a policy may see: a depth image, its camera, the gripper; optionally an object mask and the camera's pose."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.grippers.gripper import Gripper
from graspnet.inputs.array_file import as_numbers, mask_of, one_channel, shape_text, size_text
from graspnet.inputs.camera_pose import checked_pose
from graspnet.inputs.depth_image import FARTHEST, in_metres
from graspnet.inputs.mask_image import marked_pixels
from graspnet.observation.foreground import NOISE, Foreground, find_foreground
from graspnet.observation.height_map import STEEPEST_VIEW, DepthView, HeightMap, map_axes
from graspnet.transforms import invert, transform_points, unit

__all__ = ["MAX_TILT", "REACH", "Feasible", "Observation", "Plane", "fit_plane", "seen_together"]

# Poses of the grasp frame, (N, 4, 4), to a mask (N,): whether the arm reaches each. Any: users type no arrays.
Feasible = Callable[[Float64[np.ndarray, "N 4 4"]], Any]

MAX_TILT = STEEPEST_VIEW  # a table tilted further from the optical axis than this is not taken for one
FURTHEST_CORNER = 100.0  # m; of a workspace from the origin of its frame
# How far a height map goes around an object, in the gripper's span: half of it to a grasp beside an edge, and half a
# crop's diagonal (2.12).
REACH = 2.7
PLANE_SHARE = 0.1  # of the points that a table must hold at least: in a full bin the floor is hardly seen
BELOW_PLANE = 0.2  # what a point below a plane costs it, in points on it: nothing lies below a table
INDEPENDENT_PATCHES = 50  # of a table's image: what a camera gets wrong there, it gets wrong over a patch
UPSIDE_DOWN = 0.5  # what a plane that faces the image's lower border keeps of its points: cameras are rarely overhead


@dataclass(frozen=True)
class Plane:
    """The points p of the camera frame with normal · p = offset; the normal points into the table (away from us).

    covariance: of a fitted plane, (4, 4). The variance of its height at p is q · covariance · q for q = (p, 1), m².
    """

    normal: Float64[np.ndarray, "3"]
    offset: float
    covariance: Float64[np.ndarray, "4 4"] | None = None

    def height(self, points_in_camera: Float[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "*B"]:
        """Metres above the table (towards the camera)."""
        return np.asarray(self.offset - points_in_camera @ self.normal, dtype=np.float64)

    def doubt(self, points_in_camera: Float[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "*B"]:
        """By how many metres the table may be higher there: two deviations of the fit; 0 of a plane that is known."""
        if self.covariance is None:
            return np.zeros(points_in_camera.shape[:-1])
        q = np.concatenate([points_in_camera, np.ones_like(points_in_camera[..., :1])], axis=-1)
        return np.asarray(2 * np.sqrt(np.einsum("...i,ij,...j->...", q, self.covariance, q)), dtype=np.float64)


@dataclass(frozen=True)
class Observation:
    """depth: (H, W), metres along z; 0, NaN and what no depth camera sees are missing (inputs/depth_image.py).

    segmask: (H, W), True on what may be grasped.
    world_from_camera: (4, 4) where known; the table is then the world's plane z = 0. Two limits cut from what may be
    grasped, with a segmask and without: workspace, the lowest and the highest corner (x, y, z) of a box, in the world
    where the camera's pose is known, else in the camera's frame; max_height, metres above the table.
    region: (H, W), True where things may be grasped; a mask of objects says what is one, a region only which of them.
    feasible: a function of poses, (N, 4, 4), to a mask, (N,): whether the arm can bring the grasp frame there, in the
    world where the camera's pose is known, else in the camera's frame.
    failed: where grasps have failed just now, (K, 3), the origins of their frames in the camera's; policies that rank
    grasps by a quality rather try elsewhere.
    others: further looks at the same scene, whose cameras' poses are known as this one's is: what this look does not
    see, they may (`seen_together`).

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
    workspace: Float64[np.ndarray, "2 3"] | None = None
    max_height: float | None = None
    reach: float = REACH
    failed: Float[np.ndarray, "..."] | None = None  # (K, 3) once it is made
    region: Bool[np.ndarray, "H W"] | None = None
    feasible: Feasible | None = None
    others: tuple["Observation", ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", _checked_depth(self.depth, self.camera))
        if self.segmask is not None:
            object.__setattr__(self, "segmask", _checked_mask(self.segmask, self.depth))
        if self.region is not None:
            object.__setattr__(self, "region", _checked_mask(self.region, self.depth, "region"))
        if self.world_from_camera is not None:
            object.__setattr__(self, "world_from_camera", checked_pose(self.world_from_camera))
        if self.workspace is not None:
            object.__setattr__(self, "workspace", _checked_box(self.workspace))
        if self.failed is not None:
            object.__setattr__(self, "failed", _checked_places(self.failed))
        if not 0.5 <= self.reach < np.inf:
            raise InputError(f"reach is {self.reach}; it must be at least 0.5 (of the gripper's span)")
        if self.max_height is not None and not (isinstance(self.max_height, Real) and 0 < self.max_height < np.inf):
            raise InputError(f"max_height is {self.max_height!r}; it must be positive (metres above the table)")
        if self.max_height is not None and self.max_height > FARTHEST:
            found = f"max_height is {self.max_height:g} m above the table"
            raise InputError(f"{found}; expected metres. Millimetres? {self.max_height / 1000:g}")

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
        """Measured pixels that may be grasped: the segmask, else the things above the table; both within the limits.

        InputError: a max_height, but no table from which to measure it.
        """
        found = (self._marked if self.segmask is not None else self.foreground.mask) & self._low_enough
        return found if self.region is None else found & self.region

    @cached_property
    def foreground(self) -> Foreground:
        """What stands on the table, if nobody had marked the objects; nothing where no table was found."""
        if self.table is None:
            return Foreground(np.zeros(self.depth.shape, dtype=bool))
        focal = (self.camera.fx + self.camera.fy) / 2
        return find_foreground(self._heights, self.points, self._within, focal, self.gripper.span)

    @property
    def why_nothing(self) -> str:
        """Why there is no pixel that may be grasped, and what to do about it."""
        if self.segmask is None and self.table is None:
            return "no table was found in the image; give the camera's pose, or mark the objects with a segmask"
        found = self._marked if self.segmask is not None else self.foreground.mask
        if found.any() and self.region is not None and (found & self._low_enough).any():
            return "nothing that may be grasped lies in the region"
        if found.any():
            return f"all that may be grasped is higher above the table than max_height ({self.max_height:g} m)"
        if self.segmask is not None and (self.segmask & np.isfinite(self.depth)).any():
            return "no depth was measured under the segmask within the workspace"
        if self.segmask is not None:
            return "no depth was measured under the segmask"
        place = " within the workspace" if self.workspace is not None else ""
        counts = [f"{reason} ({count})" for reason, count in self.foreground.refused.items()]
        if not counts:
            return f"nothing rises above the table{place}"
        if list(self.foreground.refused) == [NOISE]:
            return f"nothing rises above the table{place} by more than the image's noise"
        what = f"what rises above the table{place} is {', or '.join(counts)}"
        return f"{what}; mark the objects with a segmask, or give a workspace that holds only them"

    @cached_property
    def _heights(self) -> Float64[np.ndarray, "H W"]:
        """Metres above the table, NaN where missing or where no table is known."""
        return np.full(self.depth.shape, np.nan) if self.table is None else self.table.height(self.points)

    @cached_property
    def _within(self) -> Bool[np.ndarray, "H W"]:
        """Measured pixels in the workspace."""
        measured = np.isfinite(self.depth)
        if self.workspace is None:
            return measured
        frame_from_camera = np.eye(4) if self.world_from_camera is None else self.world_from_camera
        points = self.points @ frame_from_camera[:3, :3].T + frame_from_camera[:3, 3]
        return measured & ((points >= self.workspace[0]) & (points <= self.workspace[1])).all(axis=-1)

    @property
    def _marked(self) -> Bool[np.ndarray, "H W"]:
        """Measured pixels of the segmask in the workspace."""
        assert self.segmask is not None
        return self.segmask & self._within

    @property
    def _low_enough(self) -> Bool[np.ndarray, "H W"]:
        if self.max_height is None:
            return np.ones(self.depth.shape, dtype=bool)
        if self.table is None:
            raise InputError("max_height is a height above the table, and no table was found: give the camera's pose")
        return self._heights <= self.max_height

    def height_map(self, approach: Float64[np.ndarray, "3"], pitch: float) -> HeightMap:
        """The map along an approach around what may be grasped, as far as a gripper and a crop there can reach.

        It is made once for each approach and pitch: sampler, constraints and crops all read the same one.
        """
        key = (*map_axes(approach)[:, 2].tolist(), pitch)
        if key not in self._maps:
            views = [DepthView(self.depth, self.camera, self.object_mask)]
            views += [DepthView(o.depth, o.camera, o.object_mask, self.camera_from(o)) for o in self.others]
            self._maps[key] = HeightMap.of(views, approach, pitch, self._surroundings(approach))
        return self._maps[key]

    def camera_from(self, other: "Observation") -> Float64[np.ndarray, "4 4"]:
        """The pose of another look's camera in this one's frame; both have poses in the world."""
        assert self.world_from_camera is not None
        assert other.world_from_camera is not None
        return np.asarray(invert(self.world_from_camera) @ other.world_from_camera, dtype=np.float64)

    @cached_property
    def object_points(self) -> Float64[np.ndarray, "P 3"]:
        """Measured points of what may be grasped, of all looks, in this camera's frame."""
        of_others = [transform_points(self.camera_from(o), o.points[o.object_mask]) for o in self.others]
        return np.concatenate([self.points[self.object_mask], *of_others])

    @cached_property
    def _maps(self) -> dict[tuple[float, ...], HeightMap]:
        return {}

    def _surroundings(self, approach: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "2 2"]:
        """The lowest and the highest (x, y) of the map."""
        points = self.object_points if len(self.object_points) else self.points[np.isfinite(self.depth)]
        xy = points @ map_axes(approach)[:, :2]
        reach = self.reach * self.gripper.span
        return np.array([xy.min(axis=0) - reach, xy.max(axis=0) + reach])


def seen_together(observations: Sequence[Observation]) -> Observation:
    """One observation of a scene that several cameras saw, or one camera from several places: the first look, in whose
    frame grasps are, with the others beside it.

    InputError: none; a look without world_from_camera; looks with different grippers.
    """
    if not observations:
        raise InputError("no observation: expected one or more looks at the scene")
    first = observations[0]
    if len(observations) == 1:
        return first
    for k, observation in enumerate(observations):
        if observation.world_from_camera is None:
            raise InputError(
                f"observation {k} has no world_from_camera; looks are merged by their cameras' poses (4x4, metres)"
            )
        if observation.gripper != first.gripper:
            raise InputError(
                f"observation {k} is of the gripper {observation.gripper.name}, the first of {first.gripper.name}"
            )
    return replace(first, others=tuple(observations[1:]))


def fit_plane(points_in_camera: Float64[np.ndarray, "P 3"]) -> Plane | None:
    """The plane that most points lie on and few below, within 75° of the optical axis; None if too few agree.

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
    below = sample @ normals.T - np.sum(anchors * normals, axis=1)
    tolerance = 0.003 + 0.002 * np.median(sample[:, 2])  # depth noise grows with distance
    inliers = np.abs(below) < tolerance
    votes = inliers.sum(axis=0) * np.where(normals[:, 1] < -np.sin(np.deg2rad(20)), UPSIDE_DOWN, 1.0)
    best = int(np.argmax(votes - BELOW_PLANE * (below > tolerance).sum(axis=0)))
    if inliers[:, best].mean() < PLANE_SHARE:
        return None
    return _least_squares_plane(sample[inliers[:, best]])


def _least_squares_plane(points: Float64[np.ndarray, "P 3"]) -> Plane:
    """The plane nearest to the points, and how uncertain it is: the more, the further beside them.

    The variance of its height is σ² / n (1 + d · S⁻¹ · d), where d leads from the points' centre along the plane and S
    is their scatter along it. Depth cameras err alike over patches, so that n counts patches and not pixels.
    """
    center = points.mean(axis=0)
    _, deviations, axes = np.linalg.svd((points - center) / np.sqrt(len(points)), full_matrices=False)
    normal = axes[2] * (1.0 if axes[2, 2] > 0 else -1.0)
    along = axes[:2] / np.maximum(deviations[:2, None], 1e-6)
    q = np.column_stack([np.vstack([along, np.zeros(3)]), [*(-along @ center), 1.0]])
    covariance = deviations[2] ** 2 / min(len(points), INDEPENDENT_PATCHES) * q.T @ q
    return Plane(normal, float(normal @ center), np.asarray(covariance, dtype=np.float64))


def _checked_depth(depth: Any, camera: Camera) -> Float32[np.ndarray, "H W"]:
    depth = one_channel(as_numbers(depth, "depth", "an image of metres, (height, width)"))
    if depth.ndim != 2:
        raise InputError(f"depth is {shape_text(depth)}; expected one channel (height, width)")
    if depth.shape != (camera.height, camera.width):
        sizes = f"depth image is {size_text(depth)}; the camera says {camera.size_text}"
        raise InputError(f"{sizes}{_size_hint(depth, camera)}")
    if depth.dtype.kind != "f":
        raise InputError(f"depth is {depth.dtype}; expected float metres. Millimetres? Multiply by 0.001")
    return in_metres(depth)


def _size_hint(depth: np.ndarray, camera: Camera) -> str:
    """What the difference of two sizes may come from; nothing where they are not alike."""
    rows, columns = depth.shape[0] / camera.height, depth.shape[1] / camera.width
    if depth.shape == (camera.width, camera.height):
        return ". Are width and height exchanged?"
    if abs(rows - columns) < 0.002 * columns:
        return f". If the image was scaled by {columns:.4g}, so must be fx, fy, cx and cy"
    return ""


def _checked_mask(mask: Any, depth: Float32[np.ndarray, "H W"], name: str = "segmask") -> Bool[np.ndarray, "H W"]:
    # outside of pytest nothing stops 8 bits, whose ~ is no complement, or fractions
    marked = marked_pixels(mask_of(mask, depth, name, "on what may be grasped"))
    if not marked.any():
        raise InputError(f"{name} is empty: no pixel is marked{' as an object' if name == 'segmask' else ''}")
    return marked


def _checked_places(failed: Any) -> Float64[np.ndarray, "K 3"]:
    expected = "(K, 3): a place in the camera's frame, metres, for each grasp that failed"
    places = np.asarray(as_numbers(failed, "failed", expected), dtype=np.float64)
    if places.ndim != 2 or places.shape[1] != 3:
        raise InputError(f"failed has the shape {places.shape}; expected {expected}")
    if not np.isfinite(places).all():
        raise InputError(f"failed holds what is no finite number; expected {expected}")
    return places


def _checked_box(workspace: Any) -> Float64[np.ndarray, "2 3"]:
    box = np.asarray(as_numbers(workspace, "workspace", "two corners (x, y, z) of a box in metres"), dtype=np.float64)
    if box.shape != (2, 3) or not np.isfinite(box).all() or not (box[0] < box[1]).all():
        raise InputError(
            "workspace must be two corners (x, y, z) of a box in metres, the lowest first; "
            f"it is {' '.join(str(box.tolist()).split())[:100]}"
        )
    furthest = np.abs(box).max()
    if furthest > FURTHEST_CORNER:
        raise InputError(f"workspace has a corner {furthest:g} m from the origin; expected metres. Millimetres?")
    return box
