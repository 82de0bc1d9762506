"""Antipodal grasps of a solid on the table: straight down on two surface points that face each other.

Contact points are drawn uniformly by area, the closing axis within the friction cone of the first and in the plane of
the table, the second contact by ray casting. Mahler et al., RSS 2017, supplement (which allows the approach 5° from the
table's normal: drawing the axis horizontal at once needs no such rule, and moves no contact afterwards).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from graspnet.data_gen.contact.contacts import ContactFinder, contact_finder
from graspnet.data_gen.objects.meshes import Solid
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.transforms import frame_from_axes, invert, rigid, rotate_directions, rotation_about, transform_points

__all__ = [
    "AntipodalConfig",
    "NearMissConfig",
    "grasps_from_above",
    "lowest_origin",
    "points_on_faces",
    "sample_antipodal",
    "sample_near_misses",
    "second_contacts",
]

_ROUNDS = 6  # After so many rounds a solid is taken to have no more pairs: most have none, or plenty.
_SKIN = 1e-5  # A ray that leaves a face starts so many metres inside of it.


@dataclass(frozen=True, kw_only=True)
class AntipodalConfig:
    """Which pairs of surface points make a candidate."""

    friction: float = 0.6  # The closing axis lies in both cones of this friction (RSS 2017; its code has 0.75).

    def __post_init__(self) -> None:
        if not 0 < self.friction < np.inf:
            raise InputError(f"friction is {self.friction}; it must be positive")


@dataclass(frozen=True, kw_only=True)
class NearMissConfig:
    """How far a near miss is moved from an antipodal grasp."""

    # A near miss is shifted along x and y of the grasp frame with this standard deviation, in openings.
    shift: float = 0.12
    turn: float = np.pi * 12 / 180  # It is turned about the approach with this one.
    depth: float = 0.25  # It is moved along the approach by up to so many finger lengths, either way.

    def __post_init__(self) -> None:
        for name in ("shift", "turn", "depth"):
            if not 0 <= getattr(self, name) < np.inf:
                raise InputError(f"{name} is {getattr(self, name)}; it must not be negative")


def sample_antipodal(
    solid: Solid,
    world_from_object: Float64[np.ndarray, "4 4"],
    gripper: ParallelJaw,
    count: int,
    config: AntipodalConfig,
    rng: np.random.Generator,
) -> Grasps:
    """At most `count` grasps in the world; fewer, or none, where the solid has no such pairs within the opening.

    The approach is (0, 0, −1), the width the gripper's largest. The height is uniform over what puts the contacts on
    the pads (± pad_to_tip about their centres) and keeps the fingertips above the table; the jaws meet on the solid.
    """
    finder, object_from_world = contact_finder(solid), invert(world_from_object)
    batches: list[Grasps] = []
    missing = count
    for _ in range(_ROUNDS):
        first, closing = _first_contacts(solid, world_from_object, 3 * missing + 16, config, rng)
        first_in_object = transform_points(object_from_world, first)
        closing_in_object = rotate_directions(object_from_world, closing)
        points = second_contacts(finder, first_in_object, closing_in_object, gripper.max_width, config.friction, rng)
        points_in_world = transform_points(world_from_object, points.reshape(-1, 3)).reshape(-1, 2, 3)
        grasps = _at_some_height(points_in_world, closing, gripper, rng)
        batches.append(grasps[finder(grasps.transformed(object_from_world)).found][: max(missing, 0)])
        missing -= len(batches[-1])
        if missing <= 0 or len(first) == 0:
            break
    return Grasps.concatenate(batches)


def sample_near_misses(
    grasps_in_world: Grasps, gripper: ParallelJaw, config: NearMissConfig, rng: np.random.Generator
) -> Grasps:
    """Each grasp moved a little: along the table, about the approach, and along it, but not into the table."""
    count = len(grasps_in_world)
    shift = rng.normal(0.0, config.shift * gripper.max_width, (count, 2))
    origin, x, y = grasps_in_world.origin, grasps_in_world.poses[:, :3, 0], grasps_in_world.closing
    moved = origin + shift[:, :1] * x + shift[:, 1:] * y
    reach = config.depth * gripper.finger_length
    low = np.maximum(moved[:, 2] - reach, lowest_origin(gripper))
    moved[:, 2] = rng.uniform(low, np.maximum(moved[:, 2] + reach, low))
    turn = rotation_about(grasps_in_world.approach, rng.normal(0.0, config.turn, count))
    return Grasps.of_jaws(rigid(turn @ grasps_in_world.poses[:, :3, :3], moved), grasps_in_world.width)


def grasps_from_above(
    origin: Float64[np.ndarray, "N 3"], closing: Float64[np.ndarray, "N 3"], gripper: ParallelJaw
) -> Grasps:
    """Grasps that come straight down, as wide as the gripper opens."""
    down = np.broadcast_to(np.array([0.0, 0.0, -1.0]), origin.shape)
    return Grasps.of_jaws(rigid(frame_from_axes(down, closing), origin), np.full(len(origin), gripper.max_width))


def lowest_origin(gripper: ParallelJaw) -> float:
    """The lowest height of a grasp's origin from above: the fingertips 1 mm over the table."""
    return gripper.pad_to_tip + 0.001


def points_on_faces(solid: Solid, face: Int64[np.ndarray, "M"], rng: np.random.Generator) -> Float64[np.ndarray, "M 3"]:
    """One point of each face, uniform over it, in the object frame."""
    share = rng.random((len(face), 2))
    share = np.where(share.sum(axis=1, keepdims=True) > 1, 1 - share, share)
    corner, *others = np.moveaxis(np.asarray(solid.mesh.triangles, dtype=np.float64)[face], 1, 0)
    return np.asarray(corner + share[:, :1] * (others[0] - corner) + share[:, 1:] * (others[1] - corner))


def second_contacts(
    finder: ContactFinder,
    first: Float64[np.ndarray, "M 3"],
    closing: Float64[np.ndarray, "M 3"],
    width: float,
    friction: float,
    rng: np.random.Generator,
) -> Float64[np.ndarray, "M 2 3"]:
    """Both contacts in the object frame, as `first` and `closing` are; NaN where the second lies outside its friction
    cone or the opening.

    Half of the rays leave through the material (a wall taken between the jaws), half come from the other side of the
    opening (a cup taken from outside).
    """
    through = rng.random(len(first)) < 0.5
    offset, sign = np.where(through, _SKIN, width), np.where(through, 1.0, -1.0)
    travel, normals = finder.cast(first + offset[:, None] * closing, sign[:, None] * closing)
    distance = offset + sign * np.where(np.isfinite(travel), travel, np.nan)
    inside = np.sum(normals * closing, axis=1) >= 1 / np.sqrt(1 + friction**2)
    with np.errstate(invalid="ignore"):
        good = inside & (distance > 10 * _SKIN) & (distance <= width)
    second = first + np.where(good, distance, np.nan)[:, None] * closing
    return np.stack([first, second], axis=1)


def _first_contacts(
    solid: Solid,
    world_from_object: Float64[np.ndarray, "4 4"],
    count: int,
    config: AntipodalConfig,
    rng: np.random.Generator,
) -> tuple[Float64[np.ndarray, "M 3"], Float64[np.ndarray, "M 3"]]:
    """Surface points in the world, and horizontal unit directions into the solid inside their friction cones."""
    inward = -rotate_directions(world_from_object, np.asarray(solid.mesh.face_normals, dtype=np.float64))
    steepest = 1 / np.sqrt(1 + config.friction**2)  # cosine of the cone's half angle
    level = np.hypot(inward[:, 0], inward[:, 1])
    weight = np.where(level > steepest, solid.mesh.area_faces, 0.0)
    if weight.sum() == 0:
        return np.zeros((0, 3)), np.zeros((0, 3))
    face = rng.choice(len(weight), count, p=weight / weight.sum())
    points = transform_points(world_from_object, points_on_faces(solid, face, rng))
    spread = np.arccos(steepest / level[face])
    yaw = np.arctan2(inward[face, 1], inward[face, 0]) + rng.uniform(-spread, spread)
    return points, np.stack([np.cos(yaw), np.sin(yaw), np.zeros(count)], axis=1)


def _at_some_height(
    points: Float64[np.ndarray, "M 2 3"],
    closing: Float64[np.ndarray, "M 3"],
    gripper: ParallelJaw,
    rng: np.random.Generator,
) -> Grasps:
    """Grasps between the contacts, at heights that put them on the pads; only where there are such."""
    middle = points.mean(axis=1)
    low = np.maximum(middle[:, 2] - gripper.pad_to_tip, lowest_origin(gripper))
    high = middle[:, 2] + gripper.pad_to_tip
    possible = np.isfinite(middle[:, 2]) & (low < high)
    origin = middle[possible]
    origin[:, 2] = rng.uniform(low[possible], high[possible])
    return grasps_from_above(origin, closing[possible], gripper)
