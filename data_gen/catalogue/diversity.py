"""Diversity: how large, bent, thin, hollow and graspable objects are, so that sets of them can be compared.

All but the size is of the shape alone: it does not change when the object is scaled, turned, or meshed more finely.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.spatial import ConvexHull, cKDTree

from graspnet.data_gen.candidates.antipodal import points_on_faces, second_contacts
from graspnet.data_gen.contact.contacts import ContactFinder
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.object_source import sides
from graspnet.data_gen.objects.stable_poses import stable_poses
from graspnet.grasps.grasps import Grasps
from graspnet.transforms import frame_from_axes, perpendicular_to, rigid, unit

__all__ = ["COLUMNS", "ShapeMeasures", "measure", "summary_rows"]

POINTS = 4000  # A surface is measured at so many points, uniform by area.
NEAR = 0.05  # Bending is measured over this share of the longest side, so that a scanner's noise averages out.
# A surface is flat where it bends less, and an edge, a corner or a thin rod where it bends more.
FLAT, SHARP = 0.3, 3.0
BACK = -0.9  # Points whose normals have a lower cosine lie on the two sides of a wall, not on one surface.
RAYS, AXES = 500, 8  # So many points are asked for a partner, along so many closing axes each.
# The cones have this friction; the hand opens by so many middle sides (ObjectConfig.fit).
FRICTION, OPENING = 0.6, 1 / 0.9
SKIN = 1e-6  # A ray starts below the surface by this share of the longest side.


@dataclass(frozen=True, eq=False)
class ShapeMeasures:
    """What one object's shape is like. Shares are of its surface; flat + rounded + sharp + hollow = 1."""

    name: str
    sides: Float64[np.ndarray, "3"]  # sides of a tight box in metres, the smallest first
    flat: float  # bent less than FLAT, where bending = normal curvature x half of the longest side: 1 on a ball
    rounded: float
    sharp: float  # bent outward more than SHARP
    hollow: float  # bent inward
    thickness: float  # Half of the surface has less material under it along the normal (metres).
    convexity: float  # volume over that of the convex hull
    graspable: float  # share that has an antipodal partner within the opening of a hand that the object fits
    poses: int  # stable, with a probability of at least 0.01
    notes: tuple[str, ...] = ()


def measure(solid: Solid, rng: np.random.Generator) -> ShapeMeasures:
    """The measures of a solid, from POINTS random points of its surface."""
    mesh = solid.mesh
    face = rng.choice(len(mesh.faces), POINTS, p=mesh.area_faces / mesh.area)
    points = points_on_faces(solid, face, rng)
    normals = np.asarray(mesh.face_normals, dtype=np.float64)[face]
    extents = sides(solid)
    bending = _bending(points, normals, NEAR * float(extents[2])) * extents[2] / 2
    finder = ContactFinder(solid)
    start = points[:RAYS] - SKIN * extents[2] * normals[:RAYS]
    return ShapeMeasures(
        name=solid.name,
        sides=extents,
        flat=float(np.mean(np.abs(bending) < FLAT)),
        rounded=float(np.mean((bending >= FLAT) & (bending < SHARP))),
        sharp=float(np.mean(bending >= SHARP)),
        hollow=float(np.mean(bending <= -FLAT)),
        thickness=float(np.median(finder.cast(start, -normals[:RAYS])[0])),
        convexity=float(solid.volume / ConvexHull(mesh.vertices).volume),
        graspable=_graspable_share(finder, points[:RAYS], -normals[:RAYS], OPENING * float(extents[1]), rng),
        poses=len(stable_poses(solid)),
        notes=solid.notes,
    )


COLUMNS = (
    "objects", "sides, mm", "longest side, mm", "thickness, mm", "flat", "rounded", "sharp", "hollow", "convexity",
    "graspable", "stable poses",
)  # fmt: skip


def summary_rows(groups: Mapping[str, Sequence[ShapeMeasures]]) -> list[tuple[str, ...]]:
    """One row of text for each group, under its name and COLUMNS: medians, with the 10 % and 90 % quantiles beside
    them in brackets where they are not the same; shares of the surface are means."""
    return [(name, *_row(measures)) for name, measures in groups.items()]


def _row(measures: Sequence[ShapeMeasures]) -> tuple[str, ...]:
    extents = 1000 * np.median([m.sides for m in measures], axis=0)
    return (
        str(len(measures)),
        " x ".join(f"{side:.0f}" for side in extents),
        _spread([1000 * m.sides[2] for m in measures], ".0f"),
        _spread([1000 * m.thickness for m in measures], ".0f"),
        *(f"{np.mean([getattr(m, share) for m in measures]):.0%}" for share in ("flat", "rounded", "sharp", "hollow")),
        _spread([m.convexity for m in measures], ".2f"),
        _spread([m.graspable for m in measures], ".2f"),
        _spread([float(m.poses) for m in measures], ".0f"),
    )


def _spread(values: Sequence[float], digits: str) -> str:
    low, middle, high = (format(v, digits) for v in np.quantile(values, [0.1, 0.5, 0.9]))
    return f"{middle} [{low}, {high}]" if low != high else middle


def _bending(
    points: Float64[np.ndarray, "P 3"], normals: Float64[np.ndarray, "P 3"], near: float
) -> Float64[np.ndarray, "P"]:
    """Normal curvature at each point, averaged over the directions to the points around it: 1 / radius on a ball.

    The least-squares slope of the normals: Σ (n_j - n_i)·(p_j - p_i) / Σ |p_j - p_i|². 0 for a point without others
    nearby.
    """
    pairs = cKDTree(points).query_pairs(near, output_type="ndarray")
    same = np.sum(normals[pairs[:, 0]] * normals[pairs[:, 1]], axis=1) > BACK
    i, j = pairs[same].T
    step = points[j] - points[i]
    turn, length = np.sum((normals[j] - normals[i]) * step, axis=1), np.sum(step * step, axis=1)
    both = np.concatenate([i, j])
    total, weight = (np.bincount(both, np.tile(value, 2), len(points)) for value in (turn, length))
    return np.asarray(total / np.maximum(weight, 1e-300))


def _graspable_share(
    finder: ContactFinder,
    points: Float64[np.ndarray, "P 3"],
    inward: Float64[np.ndarray, "P 3"],
    opening: float,
    rng: np.random.Generator,
) -> float:
    """Share of the points for which one of AXES closing axes within the friction cone leads to a partner whose cone
    holds it too, and on which jaws that come from outside really meet."""
    first, axis = np.repeat(points, AXES, axis=0), np.repeat(inward, AXES, axis=0)
    across = perpendicular_to(axis)
    angle, reach = rng.uniform(0, 2 * np.pi, (len(axis), 1)), FRICTION * rng.random((len(axis), 1))
    closing = unit(axis + reach * (np.cos(angle) * across + np.sin(angle) * np.cross(axis, across)))
    pairs = second_contacts(finder, first, closing, opening, FRICTION, rng)
    closed = np.flatnonzero(np.isfinite(pairs[:, 1, 0]))
    frames = frame_from_axes(perpendicular_to(closing[closed]), closing[closed])
    grasps = Grasps.of_jaws(rigid(frames, pairs[closed].mean(axis=1)), np.full(len(closed), opening))
    partner = np.zeros(len(first), dtype=bool)
    partner[closed] = finder(grasps).found
    return float(partner.reshape(len(points), AXES).any(axis=1).mean())
