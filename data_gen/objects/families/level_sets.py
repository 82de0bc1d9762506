"""Level sets: the body where a field in the cube from −1 to 1 is high, and convex pieces of any body by plane cuts.

manifold3d meshes the field by marching tetrahedra on a body-centred cubic lattice, so that every body is closed.
"""

from functools import lru_cache
from heapq import heappop, heappush

import numpy as np
import trimesh
from jaxtyping import Float64
from manifold3d import Manifold

from graspnet.data_gen.objects.families.pieces import Points, Shape
from graspnet.data_gen.objects.unions import manifold_from_mesh

__all__ = ["convex_pieces", "lattice", "level_set"]

CUBE = [-1.0, -1.0, -1.0, 1.0, 1.0, 1.0]  # low and high corner
EDGE = 0.13  # longest edge of the lattice's triangles
SMOOTH = 0.006  # the surface may move so far for the sake of fewer faces: 0.3 mm of 10 cm
WALL = 0.96  # beyond this, in the largest norm, nothing is inside: the surface closes within the cube
FILLED = 1.03  # Pieces are cut until all their hulls together have so many volumes of the body …
MOST_PIECES = 48  # … or there are so many.
SPECK = 1e-4  # a piece of a smaller share of the body is left out


@lru_cache(maxsize=1)
def lattice() -> Points:
    """Where the fields are looked at, to evaluate them at all points in one go."""
    points: list[tuple[float, float, float]] = []

    def outside(x: float, y: float, z: float) -> float:
        points.append((x, y, z))
        return -1.0

    Manifold.level_set(outside, CUBE, EDGE)
    return np.array(points)


def level_set(field: Float64[np.ndarray, "P"], share: float) -> Shape:
    """The largest body of those that fill `share` of the cube within its WALL: where the field is highest."""
    points = lattice()
    within = np.abs(points).max(axis=1) < WALL
    level = float(np.quantile(field[within], 1.0 - share))
    values = dict(zip(map(tuple, points.tolist()), np.where(within, field - level, -1.0).tolist(), strict=True))
    surface = Manifold.level_set(lambda x, y, z: values[x, y, z], CUBE, EDGE).simplify(SMOOTH)
    body = max(surface.decompose(), key=lambda one: one.volume())
    return body, convex_pieces(body)


def convex_pieces(body: Manifold) -> list[Manifold]:
    """Hulls of parts of the body: the one that fills most dents is cut through its middle, again and again."""
    target, total = FILLED * body.volume(), 0.0
    waiting: list[
        tuple[float, int, Manifold, Manifold]
    ] = []  # minus the dents' volume, a number, the part and its hull
    parts, made = [body], 0
    while True:
        for part in parts:
            if part.volume() > SPECK * body.volume():
                filled = _hull(part)
                heappush(waiting, (part.volume() - filled.volume(), made, part, filled))
                total += filled.volume()
                made += 1
        if total <= target or len(waiting) >= MOST_PIECES:
            return [filled for *_, filled in waiting]
        _, _, worst, filled = heappop(waiting)
        total -= filled.volume()
        parts = _cut(worst)


def _hull(part: Manifold) -> Manifold:
    """By Qhull: manifold3d's own hull of a level set, many of whose points all but lie in a plane, may lack some.

    Of some pieces Qhull's surface is not closed to manifold3d, which welds points that are very near. Then its own hull
    has to do.
    """
    filled = manifold_from_mesh(trimesh.convex.convex_hull(_vertices(part)))
    return part.hull() if filled is None else filled


def _cut(part: Manifold) -> list[Manifold]:
    """The connected bodies on both sides of the plane across the middle of the part's longest principal axis."""
    vertices = _vertices(part)
    axis = np.linalg.eigh(np.cov(vertices.T))[1][:, -1]
    along = vertices @ axis
    halves = part.split_by_plane(axis.tolist(), float(along.min() + along.max()) / 2)
    return [body for half in halves for body in half.decompose()]


def _vertices(part: Manifold) -> Points:
    return np.asarray(part.to_mesh64().vert_properties, dtype=np.float64)[:, :3]
