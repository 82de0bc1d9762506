"""A solid's surface in boxes within boxes, searched by compiled code for what is nearest to a hand's box.

Sample points and triangles stand sixteen to a group, groups sixteen to a branch, each under its bounding box: sixteen
is what a processor handles at once. A search looks into a branch only where something nearer than the nearest so far
may be, and measures far more than it visits. Numba compiles it on first use, and keeps the result on disk.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Float64
from numba import njit

from data_gen.meshes import Solid

__all__ = ["FAR", "SPACING", "TOLERANCE", "SurfaceTree", "signed_distances", "surface_tree"]

FAR = 0.02  # metres: distances beyond ± this are all alike, a hand that is 2 cm away does not care
SPACING = 0.003  # metres: longest edge of the triangles at whose corners distances are measured (for an object
# of more than 15 cm radius, a fiftieth of that)
TOLERANCE = 0.00025  # metres: a nearer sample is no longer looked for if it can be nearer by no more than this
_TOUCH = 1e-9  # metres: nearer than this is a touch, so that rounding never makes a collision free
_ROUNDING = 1e-6  # metres: samples are measured in single precision, good to this up to 2 m
_GROUP = 16
_FAST = {"nnan", "ninf", "nsz", "reassoc", "contract", "arcp"}  # what lets minima run in parallel: no value is infinite


@dataclass(frozen=True)
class SurfaceTree:
    """Samples and triangles of a surface in the object frame; boxes are rows of centre and half sides (x y z x y z)."""

    points: Float32[np.ndarray, "G 3 16"]
    groups: Float32[np.ndarray, "A 6 16"]  # the boxes around the points, sixteen to a branch
    branches: Float32[np.ndarray, "1 6 A"]  # the boxes around those
    triangles: Float64[np.ndarray, "T 16 3 3"]  # three corners each
    around_triangles: Float32[np.ndarray, "T 6 16"]
    triangle_branches: Float32[np.ndarray, "1 6 T"]  # the boxes around the sixteen
    reach: float  # no point of the surface is farther from every sample


@lru_cache(maxsize=32)
def surface_tree(solid: Solid) -> SurfaceTree:
    """The tree of a solid, remembered for the solids of the last few scenes."""
    corners = np.asarray(solid.mesh.triangles, dtype=np.float64)
    spacing = max(SPACING, solid.radius / 50)
    points = _distinct(_halved(corners, spacing).reshape(-1, 3), spacing / 1000)
    points = points[_grouped(points, _GROUP)]
    triangles = corners[_grouped(corners.mean(axis=1), 1)]
    return SurfaceTree(
        np.ascontiguousarray(points.transpose(0, 2, 1), dtype=np.float32),
        _around(points.reshape(-1, _GROUP, _GROUP, 3)),
        _around(points.reshape(1, -1, _GROUP * _GROUP, 3)),
        triangles,
        _around(triangles),
        _around(triangles.reshape(1, len(triangles), -1, 3)),
        spacing / np.sqrt(3),  # were a point farther than that from all corners, some edge would be too long
    )


def signed_distances(
    tree: SurfaceTree,
    object_from_grasp: Float64[np.ndarray, "N 4 4"],
    low: Float64[np.ndarray, "N K 3"],
    high: Float64[np.ndarray, "N K 3"],
) -> Float64[np.ndarray, "N K"]:
    """Signed distance of boxes in the grasp frame to the surface: negative if and only if they meet.

    Each box stands for itself and for its mirror image in y, as the fingers of a hand do; a palm is its own. Never too
    small, at most `reach + TOLERANCE` too large. A negative one is how far the deepest sample lies inside. A box that
    lies wholly inside the solid, where there is no surface, counts as free.
    """
    distance = np.empty(low.shape[:2])
    _measure(
        tree.points, tree.groups, tree.branches, tree.triangles, tree.around_triangles, tree.triangle_branches,
        np.ascontiguousarray(object_from_grasp), (low + high) / 2, (high - low) / 2, tree.reach, distance,
    )  # fmt: skip
    return distance


def _distinct(points: Float64[np.ndarray, "P 3"], size: float) -> Float64[np.ndarray, "M 3"]:
    """One of the points in each cell of that size: triangles share their corners."""
    cell = np.round(points / size).astype(np.int64)
    cell -= cell.min(axis=0)
    along = cell.max(axis=0) + 1
    _, first = np.unique((cell[:, 0] * along[1] + cell[:, 1]) * along[2] + cell[:, 2], return_index=True)
    return np.asarray(points[first])


def _halved(triangles: Float64[np.ndarray, "F 3 3"], longest: float) -> Float64[np.ndarray, "M 3 3"]:
    """The same surface in triangles with no edge longer than `longest`, by halving longest edges."""
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


def _grouped(points: Float64[np.ndarray, "P 3"], least: int) -> np.ndarray:
    """Indices of points in 2ᵏ ≥ `least` groups of sixteen, by halving along the longest side; some twice, to fill."""
    count = max(least, 2 ** int(np.ceil(np.log2(len(points) / _GROUP))))
    members = (np.arange(count * _GROUP) * len(points) // (count * _GROUP))[None]
    while len(members) < count:
        axis = np.ptp(points[members], axis=1).argmax(axis=1)
        order = np.argsort(points[members, axis[:, None]], axis=1, kind="stable")
        members = np.take_along_axis(members, order, axis=1).reshape(2 * len(members), -1)
    return members


def _around(points: Float64[np.ndarray, "A G P 3"]) -> Float32[np.ndarray, "A 6 G"]:
    """Centre and half sides of a box around P points, no smaller for being in single precision."""
    low, high = points.min(axis=2), points.max(axis=2)
    boxes = np.concatenate([(low + high) / 2, (high - low) / 2 + _ROUNDING], axis=2, dtype=np.float32)
    return np.ascontiguousarray(boxes.transpose(0, 2, 1))


# Compiled. `turn` is grasp_from_object (3, 4), `center` and `half` are a box in the grasp frame.


@njit(cache=True, fastmath=_FAST)
@no_type_check
def _measure(
    points, groups, branches, triangles, around_triangles, triangle_branches,
    object_from_grasp, center, half, reach, distance,
):  # fmt: skip
    turn, exact = np.empty((3, 4), np.float32), np.empty((3, 4))
    middle, size = np.empty(3, np.float32), np.empty(3, np.float32)
    nearest_branch = np.empty(branches.shape[2], np.float32)
    nearest, measured, corners = np.empty(16, np.float32), np.empty(16, np.float32), np.empty((3, 3))
    for n in range(len(object_from_grasp)):
        pose = object_from_grasp[n]
        for i in range(3):
            for j in range(3):
                exact[i, j] = pose[j, i]
            exact[i, 3] = -(pose[0, i] * pose[0, 3] + pose[1, i] * pose[1, 3] + pose[2, i] * pose[2, 3])
            for j in range(4):
                turn[i, j] = exact[i, j]
        for k in range(center.shape[1]):
            for i in range(3):
                middle[i], size[i] = center[n, k, i], half[n, k, i]
            sampled = _to_samples(points, groups, branches, turn, middle, size, nearest_branch, nearest, measured)
            # A sample well inside is a collision; well outside, no triangle reaches in between the samples.
            if -_ROUNDING < sampled < reach + TOLERANCE + _ROUNDING:
                if _meets(
                    triangles, around_triangles, triangle_branches, turn, middle, size, nearest,
                    exact, center[n, k], half[n, k], corners,
                ):  # fmt: skip
                    sampled = min(sampled, -_TOUCH)
                else:
                    sampled = max(sampled, 0.0)
            distance[n, k] = sampled


@njit(cache=True, fastmath=_FAST, inline="always")
@no_type_check
def _to_samples(points, groups, branches, turn, center, half, nearest_branch, nearest, measured):
    """Smallest signed distance of a sample to the box, in [−FAR, FAR]."""
    deepest = max(-min(half[0], half[1], half[2]), np.float32(-FAR))
    best, tolerance = np.float32(FAR), np.float32(TOLERANCE)
    first = 0
    for a in range(branches.shape[2]):
        nearest_branch[a] = max(_to_boxes(branches, 0, a, turn, center, half), deepest)
    for a in range(branches.shape[2]):
        if nearest_branch[a] < nearest_branch[first]:
            first = a
    for step in range(branches.shape[2] + 1):  # the branch that may hold the nearest, then all others
        a = first if step == 0 else step - 1
        if nearest_branch[a] >= best - tolerance:
            continue
        nearest_branch[a] = FAR
        for i in range(16):
            nearest[i] = max(_to_boxes(groups, a, i, turn, center, half), deepest)
        for i in range(16):
            if nearest[i] < best - tolerance:
                for j in range(16):
                    x, y, z = _outside(points, 16 * a + i, j, turn, center, half)
                    measured[j] = _signed(x, y, z)
                for j in range(16):
                    best = min(best, measured[j])
    return max(best, deepest)


@njit(cache=True, fastmath=_FAST, inline="always")
@no_type_check
def _to_boxes(boxes, a, i, turn, center, half):
    """At most the signed distance of any point in the object frame's box (a, i): that box shadows the hand's axes."""
    x, y, z = _outside(boxes, a, i, turn, center, half)
    x -= abs(turn[0, 0]) * boxes[a, 3, i] + abs(turn[0, 1]) * boxes[a, 4, i] + abs(turn[0, 2]) * boxes[a, 5, i]
    y -= abs(turn[1, 0]) * boxes[a, 3, i] + abs(turn[1, 1]) * boxes[a, 4, i] + abs(turn[1, 2]) * boxes[a, 5, i]
    z -= abs(turn[2, 0]) * boxes[a, 3, i] + abs(turn[2, 1]) * boxes[a, 4, i] + abs(turn[2, 2]) * boxes[a, 5, i]
    return _signed(x, y, z)


@njit(cache=True, fastmath=_FAST, inline="always")
@no_type_check
def _outside(points, a, i, turn, center, half):
    """How far point (a, i) lies outside of the hand's box or of its mirror image, along each axis."""
    px, py, pz = points[a, 0, i], points[a, 1, i], points[a, 2, i]
    x = turn[0, 0] * px + turn[0, 1] * py + turn[0, 2] * pz + turn[0, 3]
    y = turn[1, 0] * px + turn[1, 1] * py + turn[1, 2] * pz + turn[1, 3]
    z = turn[2, 0] * px + turn[2, 1] * py + turn[2, 2] * pz + turn[2, 3]
    return abs(x - center[0]) - half[0], abs(abs(y) - center[1]) - half[1], abs(z - center[2]) - half[2]


@njit(cache=True, fastmath=_FAST, inline="always")
@no_type_check
def _signed(x, y, z):
    zero = np.float32(0)
    inside = min(max(x, max(y, z)), zero)
    x, y, z = max(x, zero), max(y, zero), max(z, zero)
    return np.sqrt(x * x + y * y + z * z) + inside


@njit(cache=True)
@no_type_check
def _meets(triangles, around, branches, turn, center, half, nearest, exact, exact_center, exact_half, corners):
    """Whether some triangle meets the box or its mirror image: boxes in single precision, what is left exactly."""
    for a in range(branches.shape[2]):
        if _to_boxes(branches, 0, a, turn, center, half) > _ROUNDING:
            continue
        for i in range(16):
            nearest[i] = _to_boxes(around, a, i, turn, center, half)
        for t in range(16):
            if nearest[t] > _ROUNDING:
                continue
            for corner in range(3):
                x, y, z = triangles[a, t, corner, 0], triangles[a, t, corner, 1], triangles[a, t, corner, 2]
                for i in range(3):
                    along = exact[i, 0] * x + exact[i, 1] * y + exact[i, 2] * z + exact[i, 3]
                    corners[corner, i] = along - exact_center[i]
            if _overlap(corners, exact_half):
                return True
            for corner in range(3):  # the mirror images of box and triangle meet where these do
                corners[corner, 1] = -2 * exact_center[1] - corners[corner, 1]
            if _overlap(corners, exact_half):
                return True
    return False


@njit(cache=True)
@no_type_check
def _overlap(triangle, half):
    """Whether a triangle meets the box about the origin: none of the thirteen axes separates them."""
    for i in range(3):
        a, b, c = triangle[0, i], triangle[1, i], triangle[2, i]
        if min(a, b, c) > half[i] + _TOUCH or max(a, b, c) < -half[i] - _TOUCH:
            return False
    first, second = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
    for corner in range(3):
        end = triangle[(corner + 1) % 3]
        x, y, z = end[0] - triangle[corner, 0], end[1] - triangle[corner, 1], end[2] - triangle[corner, 2]
        if (
            _separates(0.0, -z, y, triangle, half)
            or _separates(z, 0.0, -x, triangle, half)
            or _separates(-y, x, 0.0, triangle, half)
        ):  # the products of this edge with the box's
            return False
        first, second = second, (x, y, z)
    (a, b, c), (x, y, z) = first, second
    return not _separates(b * z - c * y, c * x - a * z, a * y - b * x, triangle, half)  # the triangle's normal


@njit(cache=True)
@no_type_check
def _separates(x, y, z, triangle, half):
    reach = abs(x) * half[0] + abs(y) * half[1] + abs(z) * half[2] + _TOUCH * np.sqrt(x * x + y * y + z * z)
    a = x * triangle[0, 0] + y * triangle[0, 1] + z * triangle[0, 2]
    b = x * triangle[1, 0] + y * triangle[1, 1] + z * triangle[1, 2]
    c = x * triangle[2, 0] + y * triangle[2, 1] + z * triangle[2, 2]
    return min(a, b, c) > reach or max(a, b, c) < -reach
