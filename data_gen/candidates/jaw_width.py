"""Opening: how wide a hand opens where it has neighbours to mind. Alone on the table an object is taken with all of it.

The jaws start a margin beside what their inner faces would meet on the object, so that they reach down between it and
the next. They open evenly about the grasp's origin: the farther of the two sides decides.
"""

import numpy as np
from jaxtyping import Float64

from graspnet.data_gen.contact.contacts import contact_finder
from graspnet.data_gen.objects.meshes import Solid
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw

__all__ = ["fitted_opening"]

_RAYS = (5, 9)  # across and along the inner face of a finger; what slips between them is nearer than the margin


def fitted_opening(solid: Solid, grasps_in_object: Grasps, gripper: ParallelJaw, margin: float) -> Grasps:
    """The same grasps, opened `margin` (metres) wider on either side than the solid is between the fingers.

    At most as wide as the gripper opens; where nothing is between the fingers, and where a finger would start inside
    the solid, exactly that wide.
    """
    x = _middles(-gripper.finger_breadth / 2, gripper.finger_breadth / 2, _RAYS[0])
    z = np.append(_middles(gripper.palm_face, gripper.pad_to_tip, _RAYS[1]), 0.0)  # 0: where contacts are looked for
    on_face = np.stack(np.meshgrid(x, z, indexing="ij"), axis=-1).reshape(-1, 2)
    half, rotation = gripper.max_width / 2, grasps_in_object.poses[:, :3, :3]
    start = np.empty((len(grasps_in_object), 2, len(on_face), 3))
    for side, sign in enumerate((-1.0, 1.0)):
        points_in_grasp = np.insert(on_face, 1, sign * half, axis=1)
        start[:, side] = points_in_grasp @ np.swapaxes(rotation, 1, 2) + grasps_in_object.origin[:, None]
    inwards = np.stack([grasps_in_object.closing, -grasps_in_object.closing], axis=1)[:, :, None]
    direction = np.broadcast_to(inwards, start.shape)
    travel, normals = contact_finder(solid).cast(start, direction)
    between = travel < gripper.max_width
    begins_inside = (between & (np.sum(normals * direction, axis=-1) > 0)).any(axis=(1, 2))
    reach = np.where(between, half - travel, -np.inf).max(axis=(1, 2))
    known = np.isfinite(reach) & ~begins_inside
    width = np.where(known, 2 * (np.where(known, reach, 0.0) + margin), gripper.max_width)
    return Grasps.of_jaws(grasps_in_object.poses, np.clip(width, max(gripper.min_width, margin), gripper.max_width))


def _middles(low: float, high: float, count: int) -> Float64[np.ndarray, "C"]:
    """The middles of `count` equal cells between two ends."""
    return low + (np.arange(count) + 0.5) / count * (high - low)
