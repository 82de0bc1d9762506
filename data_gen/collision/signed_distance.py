"""Signed distances of a hand's boxes to a solid's surface, searched in its tree by compiled code.

A search looks into a branch only where something nearer than the nearest so far may be. Samples say how far a box stays
away or how deep the surface reaches into it; where they leave it open whether the two meet, triangles decide exactly.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Float64
from numba import njit

from graspnet.data_gen.collision.surface_tree import ROUNDING, SurfaceTree

__all__ = ["FAR", "TOLERANCE", "signed_distances"]

FAR = 0.02  # Distances beyond ± so many metres are all alike: a hand that is 2 cm away does not care.
TOLERANCE = 0.00025  # A nearer sample is not looked for if it can only be nearer by so many metres.
_TOUCH = 1e-9  # What is nearer than so many metres touches: rounding must not make a collision free.
_FAST = {"nnan", "ninf", "nsz", "reassoc", "contract", "arcp"}  # what lets minima run in parallel: no value is infinite


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
            if -ROUNDING < sampled < reach + TOLERANCE + ROUNDING:
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
    """A lower bound of the signed distance of all points in the object frame's box (a, i)."""
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
        if _to_boxes(branches, 0, a, turn, center, half) > ROUNDING:
            continue
        for i in range(16):
            nearest[i] = _to_boxes(around, a, i, turn, center, half)
        for t in range(16):
            if nearest[t] > ROUNDING:
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
