"""Collision of a hand with the object that it is to grasp, its neighbours and the table along its straight approach.

The approach is a straight line along the grasp's own z axis, so a finger or a palm (boxes in the grasp frame) sweeps a
box again, only longer: nothing is stepped. Whether such a box meets the object is decided exactly: by separating axes
against every triangle that may reach it (Akenine-Möller, JGT 2001), and by a ray for a box that lies wholly inside.
How far it stays away, or reaches in, is measured at surface points at most `SPACING` apart.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float64, Int64

from data_gen.contacts import contact_finder
from data_gen.meshes import Solid
from data_gen.scenes import Scene
from graspnet.grasps import Grasps
from graspnet.gripper import ParallelJawGripper
from graspnet.transforms import invert, transform_points

__all__ = ["APPROACH", "SPACING", "Clearance", "clearance", "swept_boxes"]

APPROACH = 0.1  # metres: the straight line along which a hand arrives (RSS 2017, supplement)
SPACING = 0.003  # metres: longest edge of the triangles at whose corners distances are measured (for an object
# of more than 15 cm radius, a fiftieth of that)
_TOUCH = 1e-9  # metres: nearer than this is a touch, so that rounding never makes a collision free
_LARGEST = 0.02  # metres: longest edge of the triangles that are tested; longer ones would be near everything
_LEAF = 16  # points or triangles to a bounding sphere


@dataclass(frozen=True)
class Clearance:
    """Signed distances of N grasps along the whole approach, in metres; +inf to what is not there.

    fingers, palm: to the object that is to be grasped. neighbours: of fingers and palm to all other objects. The sign
    is exact: negative if and only if they meet. Positive values are at most SPACING / √3 too large, never too small.
    A negative one is how far the deepest surface point lies inside the box, so at most half of the box's thickness.
    table: height of the lowest corner, exact.
    """

    fingers: Float64[np.ndarray, "N"]
    palm: Float64[np.ndarray, "N"]
    table: Float64[np.ndarray, "N"]
    neighbours: Float64[np.ndarray, "N"]

    @property
    def smallest(self) -> Float64[np.ndarray, "N"]:
        """The smallest of the four."""
        return np.minimum.reduce([self.fingers, self.palm, self.table, self.neighbours])

    @property
    def collision_free(self) -> Bool[np.ndarray, "N"]:
        """Whether nothing is touched on the way."""
        return self.smallest >= 0


def clearance(scene: Scene, target: int, grasps_in_world: Grasps, gripper: ParallelJawGripper) -> Clearance:
    """How far the open hand stays, on its way to each grasp of solid `target`, from everything in the scene."""
    low, high = swept_boxes(gripper, grasps_in_world.width)
    world_from_grasp = grasps_in_world.poses
    grasped = np.full((len(grasps_in_world), 3), np.inf)
    others = np.full((len(grasps_in_world), 3), np.inf)
    for index, (solid, world_from_object) in enumerate(zip(scene.solids, scene.world_from_object, strict=True)):
        nearest = grasped if index == target else others
        np.minimum(nearest, _to_solid(solid, invert(world_from_object) @ world_from_grasp, low, high), out=nearest)
    rotation, height = world_from_grasp[:, None, 2, :3], world_from_grasp[:, None, 2, 3]
    lowest = (np.minimum(rotation * low, rotation * high)).sum(axis=-1) + height  # of the eight corners of each box
    table = lowest.min(axis=1) if scene.table else np.full(len(lowest), np.inf)
    return Clearance(grasped[:, :2].min(axis=1), grasped[:, 2].copy(), table, others.min(axis=1))


def _to_solid(
    solid: Solid,
    object_from_grasp: Float64[np.ndarray, "N 4 4"],
    low: Float64[np.ndarray, "N 3 3"],
    high: Float64[np.ndarray, "N 3 3"],
) -> Float64[np.ndarray, "N 3"]:
    """Signed distance of each grasp's three boxes to one solid."""
    distance = np.empty(low.shape[:2])
    step = 64  # keeps the arrays of one chunk in the cache
    for start in range(0, len(low), step):
        part = slice(start, start + step)
        distance[part] = _distance(solid, object_from_grasp[part], low[part], high[part])
    return distance


def swept_boxes(
    gripper: ParallelJawGripper, width: Float64[np.ndarray, "N"]
) -> tuple[Float64[np.ndarray, "N 3 3"], Float64[np.ndarray, "N 3 3"]]:
    """What the fingers and the palm pass through on the approach: `gripper.boxes`, longer by APPROACH backwards."""
    low, high = gripper.boxes(width)
    return low - np.array([0.0, 0.0, APPROACH]), high


@dataclass(frozen=True)
class _Surface:
    """A solid's surface in groups with bounding spheres: sample points and triangles, L to a group (padded with one of
    them). `points` has the corners of triangles that are SPACING small, `triangles` are as large as they can be."""

    points: Float64[np.ndarray, "G L 3"]
    point_spheres: Float64[np.ndarray, "G 4"]  # centre and radius
    triangles: Float64[np.ndarray, "H L 9"]  # three corners
    triangle_spheres: Float64[np.ndarray, "H 4"]


@lru_cache(maxsize=4)
def _surface(solid: Solid) -> _Surface:
    corners = np.asarray(solid.mesh.triangles, dtype=np.float64)
    points = np.unique(_halved(corners, max(SPACING, solid.radius / 50)).reshape(-1, 3), axis=0)
    points = points[_grouped(points)]
    corners = _halved(corners, _LARGEST)
    triangles = corners[_grouped(corners.mean(axis=1))]
    around = triangles.reshape(len(triangles), -1, 3)
    return _Surface(points, _spheres(points), triangles.reshape(len(triangles), -1, 9), _spheres(around))


def _halved(triangles: Float64[np.ndarray, "F 3 3"], longest: float) -> Float64[np.ndarray, "M 3 3"]:
    """The same surface in triangles with no edge longer than `longest`, by halving longest edges.

    Triangles that shared it need not agree about the middle: they stay apart by a rounding, less than a touch.
    """
    done: list[np.ndarray] = []
    while len(triangles):
        lengths = np.linalg.norm(np.roll(triangles, -1, axis=1) - triangles, axis=-1)
        small = lengths.max(axis=1) <= longest
        done.append(triangles[small])
        triangles, edge = triangles[~small], lengths[~small].argmax(axis=1)
        rows = np.arange(len(triangles))
        a, b, c = (triangles[rows, (edge + i) % 3] for i in range(3))
        middle = (a + b) / 2
        triangles = np.concatenate([np.stack([a, middle, c], axis=1), np.stack([middle, b, c], axis=1)])
    return np.concatenate(done)


def _grouped(points: Float64[np.ndarray, "P 3"]) -> Int64[np.ndarray, "G L"]:
    """Indices of points in groups of at most _LEAF, by halving along the longest side."""
    groups: list[np.ndarray] = []
    stack = [np.arange(len(points))]
    while stack:
        members = stack.pop()
        if len(members) <= _LEAF:
            groups.append(np.concatenate([members, np.full(_LEAF - len(members), members[0])]))
            continue
        axis = int(np.argmax(np.ptp(points[members], axis=0)))
        order = members[np.argsort(points[members, axis], kind="stable")]
        stack += [order[: len(order) // 2], order[len(order) // 2 :]]
    return np.stack(groups)


def _spheres(points: Float64[np.ndarray, "G P 3"]) -> Float64[np.ndarray, "G 4"]:
    """Centre and radius of a sphere around each group."""
    center = (points.min(axis=1) + points.max(axis=1)) / 2
    return np.column_stack([center, np.linalg.norm(points - center[:, None], axis=-1).max(axis=1)])


def _distance(
    solid: Solid,
    object_from_grasp: Float64[np.ndarray, "N 4 4"],
    low: Float64[np.ndarray, "N 3 3"],
    high: Float64[np.ndarray, "N 3 3"],
) -> Float64[np.ndarray, "N 3"]:
    """Signed distance of each grasp's three boxes to the surface."""
    surface, grasp_from_object = _surface(solid), invert(object_from_grasp)
    center, half = (low + high) / 2, (high - low) / 2
    measured = _to_samples(surface, grasp_from_object, center, half)
    # A sample inside is a collision. Else a triangle may reach in between its samples, or the box lie all inside.
    met = _meets_triangles(surface, grasp_from_object, center, half, measured >= 0)
    buried = (measured >= 0) & ~met & _inside(solid, object_from_grasp, center)
    thin = half.min(axis=-1)
    return np.where(met, -np.clip(measured, _TOUCH, thin), np.where(buried, -thin, measured))


def _to_samples(
    surface: _Surface,
    grasp_from_object: Float64[np.ndarray, "N 4 4"],
    center: Float64[np.ndarray, "N 3 3"],
    half: Float64[np.ndarray, "N 3 3"],
) -> Float64[np.ndarray, "N 3"]:
    """Smallest signed distance of a sample to each box; only groups that may hold it are looked into."""
    middle, radius = surface.point_spheres[:, :3], surface.point_spheres[:, 3]
    to_sphere = _to_spheres(middle, grasp_from_object, center, half)
    certain = (to_sphere + radius).min(axis=-1, keepdims=True)
    grasp, box, group = np.nonzero(to_sphere - radius <= certain)
    points = surface.points[group] @ np.swapaxes(grasp_from_object[grasp, :3, :3], 1, 2)
    offset = (grasp_from_object[grasp, :3, 3] - center[grasp, box])[:, None]
    measured = np.full(center.shape[:2], np.inf)
    np.minimum.at(measured, (grasp, box), _to_box(points + offset, half[grasp, box][:, None]).min(axis=1))
    return measured


def _meets_triangles(
    surface: _Surface,
    grasp_from_object: Float64[np.ndarray, "N 4 4"],
    center: Float64[np.ndarray, "N 3 3"],
    half: Float64[np.ndarray, "N 3 3"],
    wanted: Bool[np.ndarray, "N 3"],
) -> Bool[np.ndarray, "N 3"]:
    """Whether each wanted box meets a triangle, exactly: spheres, then bounding boxes, then all separating axes."""
    middle, radius = surface.triangle_spheres[:, :3], surface.triangle_spheres[:, 3]
    near = _to_spheres(middle, grasp_from_object, center, half) <= radius + _TOUCH
    grasp, box, group = np.nonzero(near & wanted[..., None])
    corners = surface.triangles[group].reshape(len(group), 3 * _LEAF, 3)
    corners = corners @ np.swapaxes(grasp_from_object[grasp, :3, :3], 1, 2)
    corners += (grasp_from_object[grasp, :3, 3] - center[grasp, box])[:, None]
    first, second, third = (corners[:, i::3] for i in range(3))
    size = half[grasp, box][:, None] + _TOUCH
    lowest = np.minimum(np.minimum(first, second), third) <= size
    highest = np.maximum(np.maximum(first, second), third) >= -size
    reaching = lowest & highest
    pair, triangle = np.nonzero(reaching[..., 0] & reaching[..., 1] & reaching[..., 2])
    triangles = np.stack([c[pair, triangle] for c in (first, second, third)], axis=1)
    hit = pair[_overlap(triangles, half[grasp, box][pair])]
    met = np.zeros(wanted.shape, dtype=bool)
    met[grasp[hit], box[hit]] = True
    return met


def _to_spheres(
    middle: Float64[np.ndarray, "G 3"],
    grasp_from_object: Float64[np.ndarray, "N 4 4"],
    center: Float64[np.ndarray, "N 3 3"],
    half: Float64[np.ndarray, "N 3 3"],
) -> Float64[np.ndarray, "N 3 G"]:
    """Signed distances of spheres' middles to the boxes."""
    placed = middle @ np.swapaxes(grasp_from_object[:, :3, :3], 1, 2) + grasp_from_object[:, None, :3, 3]
    return _to_box(placed[:, None] - center[:, :, None], half[:, :, None])


def _to_box(points: Float64[np.ndarray, "*B 3"], half: Float64[np.ndarray, "*#B 3"]) -> Float64[np.ndarray, "*B"]:
    """Signed distances of points to boxes about the origin with half sides `half`: negative inside."""
    x, y, z = (np.abs(points[..., i]) - half[..., i] for i in range(3))  # by component: reducing over 3 is slow
    inside = np.minimum(np.maximum(np.maximum(x, y), z), 0.0)
    for component in (x, y, z):
        np.square(np.maximum(component, 0.0, out=component), out=component)
    return np.asarray(np.sqrt(x + y + z) + inside)


def _overlap(triangles: Float64[np.ndarray, "Q 3 3"], half: Float64[np.ndarray, "Q 3"]) -> Bool[np.ndarray, "Q"]:
    """Whether triangles meet boxes about the origin whose bounding boxes they meet: no other axis separates them.

    The axes: the triangle's normal, and the products of the box's edges with the triangle's (Akenine-Möller 2001).
    """
    edges = np.roll(triangles, -1, axis=1) - triangles
    axes = np.cross(np.eye(3)[:, None], edges[:, None]).reshape(len(triangles), 9, 3)
    axes = np.concatenate([np.cross(edges[:, :1], edges[:, 1:2]), axes], axis=1)
    shadow = axes @ np.swapaxes(triangles, 1, 2)  # (Q, axis, corner)
    reach = np.einsum("qai,qi->qa", np.abs(axes), half) + _TOUCH * np.linalg.norm(axes, axis=-1)
    apart = (shadow.min(axis=-1) > reach) | (shadow.max(axis=-1) < -reach)
    return np.asarray(~apart.any(axis=1))


def _inside(
    solid: Solid, object_from_grasp: Float64[np.ndarray, "N 4 4"], points_in_grasp: Float64[np.ndarray, "N P 3"]
) -> Bool[np.ndarray, "N P"]:
    """Whether points lie in the solid: a ray from there meets its first face from behind."""
    points = transform_points(object_from_grasp, points_in_grasp)
    direction = np.broadcast_to(np.array([0.0, 0.0, 1.0]), points.shape)
    _, normals = contact_finder(solid).cast(points, direction)
    return np.asarray(normals[..., 2] > 0)
