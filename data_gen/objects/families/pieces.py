"""Pieces: convex bodies, sweeps and vessels, of which families are made.

A family returns convex pieces in any unit and place. `made_of` unites them (manifold3d), so that the pieces tile the
body exactly and serve as its collision geometry. Proportions are free choices.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import trimesh
from jaxtyping import Float64
from manifold3d import Manifold, OpType
from numpy.typing import ArrayLike

__all__ = [
    "ROUND",
    "Outline",
    "Points",
    "Shape",
    "around",
    "at_height",
    "ball",
    "block",
    "circle",
    "full_turn",
    "hull",
    "made_of",
    "prism",
    "swept",
    "vessel",
]

Points = Float64[np.ndarray, "_ 3"]
Outline = Float64[np.ndarray, "_ 2"]
Shape = tuple[Manifold, list[Manifold]]  # the body, and convex pieces that tile it

ROUND = 20  # segments of a full circle: a hollow body has as many parts, and physics pays for each


def made_of(pieces: Sequence[Manifold]) -> Shape:
    """The union of bodies, without the voids of 1e-19 that rounding leaves between faces that coincide."""
    union = Manifold.batch_boolean(list(pieces), OpType.Add)
    return max(union.decompose(), key=lambda body: body.volume()), list(pieces)


def hull(points: Points) -> Manifold:
    """The smallest convex body that holds all points."""
    return Manifold.hull_points(np.ascontiguousarray(points, dtype=np.float64))


def block(low: ArrayLike, high: ArrayLike) -> Manifold:
    """The box between two corners."""
    return Manifold.cube(np.subtract(high, low).tolist(), False).translate(np.asarray(low, np.float64).tolist())


def circle(count: int, radius: float = 1.0, phase: float = 0.0) -> Outline:
    """`count` points evenly on a circle about the origin, the first at the angle `phase` (radians)."""
    angle = 2 * np.pi * np.arange(count) / count + phase
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def at_height(outline: Outline, z: float) -> Points:
    """The outline as points in space, all at that height."""
    return np.column_stack([outline, np.full(len(outline), z)])


def prism(outline: Outline, height: float, taper: float = 1.0) -> Manifold:
    """The convex outline between z = 0 and `height`, its top shrunk by `taper`."""
    return hull(np.concatenate([at_height(outline, 0.0), at_height(taper * outline, height)]))


def swept(sections: Float64[np.ndarray, "K P 3"]) -> list[Manifold]:
    """Hulls of each two neighbouring convex sections: they share a whole face, so that their union is seamless."""
    return [hull(np.concatenate([a, b])) for a, b in pairwise(sections)]


def around(profile: Outline, angles: Float64[np.ndarray, "K"]) -> Float64[np.ndarray, "K P 3"]:
    """A profile of points (radius, z) at some angles about the z axis."""
    r, z = profile.T
    return np.stack([np.stack([r * np.cos(a), r * np.sin(a), z], axis=-1) for a in angles])


def full_turn(segments: int = ROUND) -> Float64[np.ndarray, "K"]:
    """Angles whose last is exactly the first again, so that the ends of a sweep meet without a seam."""
    return 2 * np.pi * (np.arange(segments + 1) % segments) / segments


def ball(center: ArrayLike, radius: float) -> Points:
    """Vertices of an icosphere: 42 points of a sphere."""
    return np.asarray(center) + radius * np.asarray(trimesh.creation.icosphere(subdivisions=1).vertices)


def vessel(radius: ArrayLike, height: ArrayLike, wall: float) -> list[Manifold]:
    """A round vessel: rings between levels, each with the wall's thickness, on a floor as thick as the wall."""
    levels = np.stack([radius, height], axis=-1)
    inner = levels - [wall, 0.0]
    turn = full_turn()
    rings = [
        swept(around(np.stack([inner[i], levels[i], levels[i + 1], inner[i + 1]]), turn))
        for i in range(len(levels) - 1)
    ]
    floor = prism(circle(ROUND, levels[0, 0]), wall).translate([0.0, 0.0, float(levels[0, 1]) - wall])
    return [piece for ring in rings for piece in ring] + [floor]
