"""Grasps spread over the action space: anywhere over the object, at any yaw and depth.

A policy looks at such grasps too, and most fail: without them a network has never seen what its planner may propose.
Satish et al., RA-L 2019: the distribution of grasps matters more than the network.
"""

import numpy as np
from jaxtyping import Float64
from scipy.ndimage import distance_transform_edt

from graspnet.data_gen.candidates.antipodal import grasps_from_above, lowest_origin
from graspnet.data_gen.contact.contacts import contact_finder
from graspnet.data_gen.objects.meshes import Solid
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.transforms import invert, rotate_directions, transform_points

__all__ = ["sample_action_space"]

_CELLS = 64  # The silhouette is looked at in so many cells along its longer side.


def sample_action_space(
    solid: Solid,
    world_from_object: Float64[np.ndarray, "4 4"],
    gripper: ParallelJaw,
    count: int,
    dilation: float,
    rng: np.random.Generator,
) -> Grasps:
    """`count` grasps in the world, uniform over position, yaw and height; the approach is (0, 0, −1).

    Positions: over the object's silhouette seen from above, widened by `dilation` metres. Heights of the origin: from
    where the fingertips clear what the object lies on up to the object's top.
    """
    vertices = transform_points(world_from_object, np.asarray(solid.mesh.vertices, dtype=np.float64))
    corner, pitch, covered = _silhouette(solid, world_from_object, vertices, dilation)
    near = distance_transform_edt(~covered) * pitch <= dilation
    cell = np.argwhere(near)[rng.integers(np.sum(near), size=count)]
    position = corner + pitch * (cell + rng.random((count, 2)))
    low = lowest_origin(gripper) + max(0.0, vertices[:, 2].min())
    height = rng.uniform(low, max(low, vertices[:, 2].max()), count)
    yaw = rng.uniform(-np.pi, np.pi, count)
    closing = np.stack([np.cos(yaw), np.sin(yaw), np.zeros(count)], axis=1)
    return grasps_from_above(np.column_stack([position, height]), closing, gripper)


def _silhouette(
    solid: Solid,
    world_from_object: Float64[np.ndarray, "4 4"],
    vertices_in_world: Float64[np.ndarray, "V 3"],
    margin: float,
) -> tuple[Float64[np.ndarray, "2"], float, np.ndarray]:
    """(lower corner, pitch, covered): a grid over the object and a margin, and which cells' centres it covers."""
    low, high = vertices_in_world.min(axis=0), vertices_in_world.max(axis=0)
    pitch = float((high - low)[:2].max()) / _CELLS
    corner = low[:2] - margin - pitch
    columns, rows = np.ceil((high[:2] + margin + pitch - corner) / pitch).astype(int)
    x, y = np.meshgrid(np.arange(columns), np.arange(rows), indexing="ij")
    above = np.stack(
        [corner[0] + (x + 0.5) * pitch, corner[1] + (y + 0.5) * pitch, np.full(x.shape, high[2] + 0.1)], -1
    )
    object_from_world = invert(world_from_object)
    start = transform_points(object_from_world, above.reshape(-1, 3))
    down = rotate_directions(object_from_world, np.broadcast_to(np.array([0.0, 0.0, -1.0]), start.shape))
    travel, _ = contact_finder(solid).cast(start, down)
    covered = np.isfinite(travel).reshape(x.shape)
    cells = ((vertices_in_world[:, :2] - corner) / pitch).astype(int)
    covered[cells[:, 0], cells[:, 1]] = True  # a plate on its edge may slip between the rays
    return corner, pitch, covered
