"""Stable poses of a solid on a table, and how likely each is: quasi-static analysis of its convex hull.

Dropped in a random orientation onto its hull, a body first lands on the facet that lies in the direction of gravity
from its centre of mass: with the facet's solid angle over 4π. From a facet whose support polygon does not hold the
centre of mass it topples over an edge to a neighbour on which the centre of mass lies lower, until one holds it.
Goldberg, Mirtich, Zhuang, Craig, Carlisle, Canny: Part pose statistics, IEEE T-RA 1999.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, cKDTree

from graspnet.data_gen.objects.meshes import Solid
from graspnet.errors import InputError
from graspnet.transforms import perpendicular_to, rigid

__all__ = ["StablePoses", "stable_poses"]

COPLANAR = 1e-3  # radians between neighbouring triangles of the hull that count as one facet
SAME = np.radians(1.0)  # between two poses that count as one: a scanned flat side has several facets that all but agree
# Tilt that overturns a pose which does not count as stable. In MuJoCo (contacts of 4 ms) all of 350 poses of procedural
# objects stayed except those that 0.25 degrees or less overturn; the strict analysis would keep these.
WOBBLE = np.radians(0.25)


@dataclass(frozen=True)
class StablePoses:
    """S poses, most likely first: the object rests on z = 0 with its centre of mass above x = y = 0.

    probability: of landing so among all stable poses; the sum is below 1 by those that were cut.
    """

    world_from_object: Float64[np.ndarray, "S 4 4"]
    probability: Float64[np.ndarray, "S"]

    def __len__(self) -> int:
        return len(self.probability)

    def draw(self, count: int, rng: np.random.Generator) -> Int64[np.ndarray, "N"]:
        """Indices of poses in which the object lies when it is dropped `count` times (among those kept)."""
        return rng.choice(len(self), count, p=self.probability / self.probability.sum())


@dataclass(frozen=True)
class _Hull:
    """The convex hull about the centre of mass: T triangles wound outward, of which coplanar ones form F facets."""

    corners: Float64[np.ndarray, "T 3 3"]
    neighbors: Int64[np.ndarray, "T 3"]  # triangle across the edge from corner k to k + 1
    facet: Int64[np.ndarray, "T"]
    normal: Float64[np.ndarray, "F 3"]
    height: Float64[np.ndarray, "F"]  # the centre of mass, above each facet's plane


def stable_poses(solid: Solid, minimum_probability: float = 0.01) -> StablePoses:
    """The poses with at least `minimum_probability`; the most likely one, if no pose reaches it (a ball of facets)."""
    if not 0 <= minimum_probability < 1:
        raise InputError(f"minimum_probability is {minimum_probability}; it must lie in [0, 1)")
    hull = _hull(np.asarray(solid.mesh.vertices, dtype=np.float64))
    probability = _settle(_landing_probability(hull), _toppling(hull), hull.height)
    probability = _without_twins(probability, hull.normal)
    order = np.argsort(-probability, kind="stable")
    kept = order[probability[order] >= max(minimum_probability, 1e-12)]
    kept = kept if len(kept) else order[:1]
    poses = _resting(hull.normal[kept], np.asarray(solid.mesh.vertices, dtype=np.float64))
    return StablePoses(poses, probability[kept])


def _hull(vertices_in_object: Float64[np.ndarray, "V 3"]) -> _Hull:
    """Facets are joined over edges where the triangles' normals differ by less than COPLANAR."""
    hull = ConvexHull(vertices_in_object)
    triangles, neighbors = hull.simplices.astype(np.int64), hull.neighbors.astype(np.int64)
    corners = vertices_in_object[triangles]
    inward = np.sum(np.cross(*_two_edges(corners)) * hull.equations[:, :3], axis=-1) < 0
    corners[inward] = corners[inward][:, [0, 2, 1]]
    # SciPy's neighbour k lies opposite corner k; ours across the edge from k to k + 1: opposite corner k + 2.
    swapped = np.where(inward[:, None], neighbors[:, [0, 2, 1]], neighbors)
    neighbors = swapped[:, [2, 0, 1]]
    # Qhull's normals, not those of the triangles: a sliver's own normal is noise.
    planes = hull.equations
    sine = np.linalg.norm(np.cross(planes[:, None, :3], planes[neighbors][..., :3]), axis=-1)
    row, column = np.nonzero(sine < COPLANAR)
    graph = coo_matrix((np.ones(len(row)), (row, neighbors[row, column])), shape=(len(triangles),) * 2)
    facet = connected_components(graph, directed=False)[1].astype(np.int64)
    area = np.linalg.norm(np.cross(*_two_edges(corners)), axis=-1) + 1e-300
    normal = np.stack([np.bincount(facet, area * planes[:, k]) for k in range(3)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    height = np.bincount(facet, -area * planes[:, 3]) / np.bincount(facet, area)
    return _Hull(corners, neighbors, facet, normal, height)


def _two_edges(corners: Float64[np.ndarray, "T 3 3"]) -> tuple[Float64[np.ndarray, "T 3"], Float64[np.ndarray, "T 3"]]:
    return corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]


def _landing_probability(hull: _Hull) -> Float64[np.ndarray, "F"]:
    """Solid angle of each facet seen from the centre of mass, over 4π.

    tan(Ω/2) = a·(b × c) / (abc + (a·b)c + (b·c)a + (c·a)b). Van Oosterom & Strackee, IEEE T-BME 1983.
    """
    a, b, c = hull.corners[:, 0], hull.corners[:, 1], hull.corners[:, 2]
    la, lb, lc = (np.linalg.norm(x, axis=-1) for x in (a, b, c))
    triple = np.sum(a * np.cross(b, c), axis=-1)
    scalar = la * lb * lc + np.sum(a * b, -1) * lc + np.sum(b * c, -1) * la + np.sum(c * a, -1) * lb
    share = np.bincount(hull.facet, np.maximum(2 * np.arctan2(triple, scalar), 0.0)) / (4 * np.pi)
    return share / share.sum()


def _toppling(hull: _Hull) -> Int64[np.ndarray, "F"]:
    """The facet onto which each topples; its own index where the centre of mass lies above its support polygon.

    The centre of mass, seen along the facet's normal, is the origin. It topples over the edge that lies nearest to it.
    """
    triangle, k = np.nonzero(hull.facet[hull.neighbors] != hull.facet[:, None])
    own, other = hull.facet[triangle], hull.facet[hull.neighbors[triangle, k]]
    start, end = hull.corners[triangle, k], hull.corners[triangle, (k + 1) % 3]
    normal = hull.normal[own]
    foot = hull.height[own, None] * normal  # where the centre of mass falls on the facet's plane
    along = (end - start) / np.maximum(np.linalg.norm(end - start, axis=-1, keepdims=True), 1e-300)
    outside = np.sum((foot - start) * np.cross(along, normal), axis=-1)
    reach = np.clip(np.sum((foot - start) * along, axis=-1), 0.0, np.linalg.norm(end - start, axis=-1))
    distance = np.linalg.norm(foot - start - reach[:, None] * along, axis=-1)
    radius = np.linalg.norm(hull.corners, axis=-1).max()
    target = np.arange(len(hull.height))
    violated = np.nonzero(outside > -WOBBLE * hull.height[own])[0]
    # Nearest edge last, so that it is the one that stays; where two share the nearest corner, the more violated one.
    order = violated[np.lexsort((outside[violated], -np.round(distance[violated] / radius, 9)))]
    target[own[order]] = other[order]
    return target


def _settle(
    landing: Float64[np.ndarray, "F"], target: Int64[np.ndarray, "F"], height: Float64[np.ndarray, "F"]
) -> Float64[np.ndarray, "F"]:
    """Where the probability ends: from the highest centre of mass downwards, so that each hands on all that it got."""
    probability = landing.copy()
    for facet in np.argsort(-height, kind="stable"):
        # Toppling lowers the centre of mass. Where it would not (facets of a roller as fine as WOBBLE), the body rests.
        if height[target[facet]] < height[facet]:
            probability[target[facet]] += probability[facet]
            probability[facet] = 0.0
    return probability


def _without_twins(
    probability: Float64[np.ndarray, "F"], normal: Float64[np.ndarray, "F 3"]
) -> Float64[np.ndarray, "F"]:
    """The likelier of two poses within SAME of each other takes the other's probability."""
    stable = np.nonzero(probability > 0)[0]
    stable = stable[np.argsort(-probability[stable], kind="stable")]
    joined = probability.copy()
    for first, second in sorted(cKDTree(normal[stable]).query_pairs(SAME)):  # ranks: the likelier one comes first
        keeper, twin = stable[first], stable[second]
        if joined[keeper] > 0:
            joined[keeper] += joined[twin]
            joined[twin] = 0.0
    return joined


def _resting(
    normal: Float64[np.ndarray, "S 3"], vertices_in_object: Float64[np.ndarray, "V 3"]
) -> Float64[np.ndarray, "S 4 4"]:
    """world_from_object that turns each normal down and puts the lowest vertex on z = 0; the yaw is arbitrary."""
    z = -normal
    x = perpendicular_to(z)
    world_from_object = np.stack([x, np.cross(z, x), z], axis=-2)
    lowest = np.min(z @ vertices_in_object.T, axis=-1)
    return rigid(world_from_object, np.stack([np.zeros_like(lowest), np.zeros_like(lowest), -lowest], axis=-1))
