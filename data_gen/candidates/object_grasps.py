"""Dex-Net 2.0's candidates: antipodal grasps of an object itself, which every pose and every image of it reuses.

They are sampled on the surface, whichever way the object lies. On a table each is turned about its closing axis until
it comes from as straight above as it can; contacts and metrics stay what they were. Mahler et al., RSS 2017, IV.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from graspnet.data_gen.candidates.antipodal import points_on_faces, second_contacts
from graspnet.data_gen.collision.collision import clearance
from graspnet.data_gen.contact.contacts import contact_finder
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.dataset import Clearance
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.transforms import frame_from_axes, perpendicular_to, rigid, rotation_about, unit

__all__ = ["ObjectGraspConfig", "best_clearance", "sample_object_grasps", "turned_to_table"]

_ROUNDS = 10  # After so many rounds, as in the original, an object is taken to have no more grasps.
# A radian between the axes of two grasps counts as so many metres between their centres.
_ANGLE_WEIGHT = 0.05 * 2 / np.pi


@dataclass(frozen=True, kw_only=True)
class ObjectGraspConfig:
    """How grasps of an object are looked for, and which of them a table allows (sources: docs/dexnet.md)."""

    count: int = 100  # An object gets at most so many grasps.
    friction: float = 0.6  # The closing axis lies in both cones of this friction (RSS 2017; its code has 0.75).
    # Two grasps have at least this distance |Δcentre| + 0.05 · (2/π) · angle between their axes, in metres.
    spacing: float = 0.0025
    max_tilt: float = np.pi * 5 / 180  # A pose has only grasps whose approach is so near to the table's normal.
    tilts: tuple[float, ...] = (0.0,)  # A grasp is free if the hand is at any of these angles about the closing axis.
    table_tolerance: float = 0.0  # The hand may reach so many metres into the table.

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InputError(f"count is {self.count}; it must be at least 1")
        if not 0 < self.friction < np.inf:
            raise InputError(f"friction is {self.friction}; it must be positive")
        if not 0 <= self.max_tilt < np.pi / 2:
            raise InputError(f"max_tilt is {self.max_tilt}; it must lie in [0, π/2) (radians; max_tilt_deg?)")
        if self.spacing < 0 or self.table_tolerance < 0:
            raise InputError("spacing and table_tolerance must not be negative")
        if not self.tilts:
            raise InputError("tilts is empty; expected at least one, such as [0]")


def sample_object_grasps(
    solid: Solid, gripper: ParallelJaw, config: ObjectGraspConfig, rng: np.random.Generator
) -> Grasps:
    """At most `config.count` grasps in the object frame, none nearer to another than `config.spacing`.

    The first contact is uniform by area; the closing axis is n + μ U (cos θ t₁ + sin θ t₂) with the inward normal n and
    uniform U and θ, so that it lies mostly near the normal. The origin is midway between the contacts, the width the
    gripper's largest; the approach is any vector across the closing axis.
    """
    finder = contact_finder(solid)
    kept = Grasps.none()
    for _ in range(_ROUNDS):
        face = rng.choice(len(solid.mesh.faces), 4 * config.count, p=solid.mesh.area_faces / solid.mesh.area)
        first = points_on_faces(solid, face, rng)
        inward = -np.asarray(solid.mesh.face_normals, dtype=np.float64)[face]
        closing = _within_cones(inward, config.friction, rng)
        points = second_contacts(finder, first, closing, gripper.max_width, config.friction, rng)
        closed = np.isfinite(points[:, 1, 0])
        rotation = frame_from_axes(perpendicular_to(closing[closed]), closing[closed])
        width = np.full(int(closed.sum()), gripper.max_width)
        drawn = Grasps.of_jaws(rigid(rotation, points[closed].mean(axis=1)), width)
        drawn = Grasps.concatenate([kept, drawn[finder(drawn).found]])
        kept = drawn[_spread_out(drawn, config.spacing, config.count)]
        if len(kept) == config.count:
            break
    return kept


def turned_to_table(grasps_in_world: Grasps, max_tilt: float) -> tuple[Int64[np.ndarray, "M"], Grasps]:
    """Which grasps can come from above, at most `max_tilt` off the vertical; and those, turned about their axes.

    An approach across the closing axis c is at best at the angle asin |c_z| to the vertical.
    """
    possible = np.flatnonzero(np.abs(grasps_in_world.closing[:, 2]) <= np.sin(max_tilt))
    closing = grasps_in_world.closing[possible]
    down = np.array([0.0, 0.0, -1.0])
    approach = unit(down - closing * closing[:, 2:] * down[2])
    turned = rigid(frame_from_axes(approach, closing), grasps_in_world.origin[possible])
    return possible, Grasps.of_jaws(turned, grasps_in_world.width[possible])


def best_clearance(
    scene: Scene, target: int, grasps_in_world: Grasps, gripper: ParallelJaw, config: ObjectGraspConfig
) -> Clearance:
    """Clearance along the freest of the tilted approaches: of the first that touches nothing, or touches least."""
    best = _tilted_clearance(scene, target, grasps_in_world, gripper, config, config.tilts[0])
    for tilt in config.tilts[1:]:
        blocked = np.flatnonzero(~best.collision_free)
        if not len(blocked):
            break
        other = _tilted_clearance(scene, target, grasps_in_world[blocked], gripper, config, tilt)
        freer = other.smallest > best.smallest[blocked]
        best = _replaced(best, blocked[freer], other, freer)
    return best


def _within_cones(
    inward: Float64[np.ndarray, "M 3"], friction: float, rng: np.random.Generator
) -> Float64[np.ndarray, "M 3"]:
    one = perpendicular_to(inward)
    other = np.cross(inward, one)
    angle, reach = rng.uniform(0, 2 * np.pi, (len(inward), 1)), friction * rng.random((len(inward), 1))
    return unit(inward + reach * (np.cos(angle) * one + np.sin(angle) * other))


def _spread_out(grasps: Grasps, spacing: float, most: int) -> Int64[np.ndarray, "M"]:
    """The first `most` that are not near an earlier one of them. The two directions of an axis are the same."""
    kept = np.zeros(most, dtype=np.int64)
    center, axis, found = grasps.origin, grasps.closing, 0
    for i in range(len(grasps)):
        before = kept[:found]
        cosine = np.minimum(np.abs(axis[before] @ axis[i]), 1.0)
        distance = np.linalg.norm(center[before] - center[i], axis=1) + _ANGLE_WEIGHT * np.arccos(cosine)
        if not (distance < spacing).any():
            kept[found] = i
            found += 1
        if found == most:
            break
    return kept[:found]


def _tilted_clearance(
    scene: Scene, target: int, grasps_in_world: Grasps, gripper: ParallelJaw, config: ObjectGraspConfig,
    tilt: float,
) -> Clearance:  # fmt: skip
    turn = rotation_about(grasps_in_world.closing, np.full(len(grasps_in_world), tilt))
    tilted = rigid(turn @ grasps_in_world.poses[:, :3, :3], grasps_in_world.origin)
    free = clearance(scene, target, Grasps.of_jaws(tilted, grasps_in_world.width), gripper)
    return replace(free, table=free.table + config.table_tolerance)


def _replaced(
    clearance: Clearance, rows: Int64[np.ndarray, "M"], other: Clearance, chosen: Bool[np.ndarray, "K"]
) -> Clearance:
    replaced = {name: values.copy() for name, values in clearance.each.items()}
    for name, values in other.each.items():
        replaced[name][rows] = values[chosen]
    return Clearance.of(replaced)
