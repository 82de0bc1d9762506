"""Collision of a hand with the object that it is to grasp, its neighbours and the table along its straight approach.

The approach is a straight line along the grasp's own z axis, so a finger or a palm (boxes in the grasp frame) sweeps a
box again, only longer: nothing is stepped. Whether such a box meets a solid is decided exactly: by triangles
(signed_distance.py), and by a ray for a box that lies wholly inside.
"""

import numpy as np
from jaxtyping import Bool, Float64

from graspnet.data_gen.collision.signed_distance import FAR, TOLERANCE, signed_distances
from graspnet.data_gen.collision.surface_tree import SPACING, surface_tree
from graspnet.data_gen.contact.contacts import contact_finder
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.dataset import Clearance
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import Gripper
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.transforms import invert, transform_points

__all__ = ["APPROACH", "SLACK", "clearance", "swept_boxes"]

APPROACH = 0.1  # A hand arrives along a straight line of so many metres (RSS 2017, supplement).
# A distance is too large by at most so many metres (2 mm, up to a radius of 15 cm).
SLACK = SPACING / np.sqrt(3) + TOLERANCE


def clearance(scene: Scene, target: int, grasps_in_world: Grasps, gripper: ParallelJaw) -> Clearance:
    """How far the open hand stays, on its way to each grasp of solid `target`, from everything in the scene.

    The sign of a distance is exact: negative if and only if the two meet. Distances to solids are never too small, and
    at most SLACK too large; negative, they say how deep the surface reaches into the box, so at most half of the box's
    thickness. They are not looked for beyond ± FAR (2 cm), where they all stand. That to the table is the height of the
    lowest corner, exact.
    """
    low, high = swept_boxes(gripper, grasps_in_world)
    world_from_grasp = grasps_in_world.poses
    grasped, others = (np.full((len(grasps_in_world), 2), np.inf) for _ in range(2))
    for index, (solid, world_from_object) in enumerate(_obstacles(scene)):
        nearest = grasped if index == target else others
        np.minimum(nearest, _to_solid(solid, invert(world_from_object) @ world_from_grasp, low, high), out=nearest)
    rotation, height = world_from_grasp[:, None, 2, :3], world_from_grasp[:, None, 2, 3]
    lowest = (np.minimum(rotation * low, rotation * high)).sum(axis=-1) + height  # of the eight corners of each box
    table = lowest.min(axis=1) if scene.table else np.full(len(lowest), np.inf)
    parts = {"fingers": grasped[:, 0].copy(), "palm": grasped[:, 1].copy()}
    return Clearance(parts, table, others.min(axis=1))


def swept_boxes(gripper: Gripper, grasps: Grasps) -> tuple[Float64[np.ndarray, "N B 3"], Float64[np.ndarray, "N B 3"]]:
    """What the gripper passes through on the approach: its boxes in the grasp frame, longer by APPROACH backwards."""
    boxes = gripper.solids(grasps)
    return boxes.low - np.array([0.0, 0.0, APPROACH]), boxes.high


def _obstacles(scene: Scene) -> list[tuple[Solid, Float64[np.ndarray, "4 4"]]]:
    """Everything but the table: the objects, in order, and the walls of the bin."""
    obstacles = list(zip(scene.solids, scene.world_from_object, strict=True))
    return obstacles if scene.bin is None else [*obstacles, (scene.bin.walls(), scene.bin.world_from_walls)]


def _to_solid(
    solid: Solid,
    object_from_grasp: Float64[np.ndarray, "N 4 4"],
    low: Float64[np.ndarray, "N 3 3"],
    high: Float64[np.ndarray, "N 3 3"],
) -> Float64[np.ndarray, "N 2"]:
    """Signed distance of the fingers and of the palm to a solid. The fingers mirror each other: one box is enough."""
    low, high = low[:, 1:], high[:, 1:]
    distance = signed_distances(surface_tree(solid), object_from_grasp, low, high)
    half = (high - low) / 2
    fitting = (distance >= 0) & (np.linalg.norm(half, axis=-1) <= solid.radius)  # no larger box can lie inside
    grasp, box = np.nonzero(fitting)
    if len(grasp):
        mirrored = (low + high)[grasp, box, None] / 2 * np.array([[1.0, 1.0, 1.0], [1.0, -1.0, 1.0]])
        buried = _inside(solid, object_from_grasp[grasp], mirrored).any(axis=1)
        distance[grasp[buried], box[buried]] = -np.minimum(half[grasp, box].min(axis=-1), FAR)[buried]
    return distance


def _inside(
    solid: Solid, object_from_grasp: Float64[np.ndarray, "N 4 4"], points_in_grasp: Float64[np.ndarray, "N P 3"]
) -> Bool[np.ndarray, "N P"]:
    """Whether points lie in the solid: a ray from there meets its first face from behind."""
    points = transform_points(object_from_grasp, points_in_grasp)
    direction = np.broadcast_to(np.array([0.0, 0.0, 1.0]), points.shape)
    _, normals = contact_finder(solid).cast(points, direction)
    return np.asarray(normals[..., 2] > 0)
