"""A solid's surface in boxes within boxes: sample points and triangles, sorted so that a search skips most of them.

Sixteen neighbours stand in a group, sixteen groups of points in a branch, each under its bounding box: sixteen is what
a processor handles at once. Numba compiles the building, which takes milliseconds, on first use and keeps it on disk.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Float64, Shaped
from numba import njit

from graspnet.data_gen.objects.meshes import Solid

__all__ = ["ROUNDING", "SPACING", "SurfaceTree", "surface_tree"]

SPACING = 0.003  # metres: longest edge of the triangles at whose corners distances are measured (for an object
# of more than 15 cm radius, a fiftieth of that)
ROUNDING = 1e-6  # Samples and boxes are in single precision, good to so many metres up to 2 m.
_GROUP = 16


@dataclass(frozen=True)
class SurfaceTree:
    """Samples and triangles of a surface in the object frame; boxes are rows of centre and half sides (x y z x y z)."""

    points: Float32[np.ndarray, "G 3 16"]
    groups: Float32[np.ndarray, "A 6 16"]  # the boxes around the points, sixteen to a branch
    branches: Float32[np.ndarray, "1 6 A"]  # the boxes around those
    triangles: Float64[np.ndarray, "T 16 3 3"]  # three corners each
    around_triangles: Float32[np.ndarray, "T 6 16"]
    triangle_branches: Float32[np.ndarray, "1 6 T"]  # the boxes around the sixteen
    reach: float  # Every point of the surface has a sample so near.


@lru_cache(maxsize=32)
def surface_tree(solid: Solid) -> SurfaceTree:
    """The tree of a solid, remembered for the solids of the last few scenes."""
    corners = np.ascontiguousarray(solid.mesh.triangles, dtype=np.float64)
    spacing = max(SPACING, solid.radius / 50)
    samples = _distinct(_samples(corners, spacing), spacing / 1000)
    points = _filled(samples[_neighbours(samples.T.copy())], _GROUP**2).reshape(-1, _GROUP, 3)
    triangles = _filled(corners[_neighbours(corners.mean(axis=1).T.copy())], _GROUP).reshape(-1, _GROUP, 3, 3)
    lowest, highest = (end(points, axis=1).reshape(-1, _GROUP, 3) for end in (np.min, np.max))
    low, high = (end(triangles, axis=2) for end in (np.min, np.max))
    return SurfaceTree(
        np.ascontiguousarray(points.transpose(0, 2, 1), dtype=np.float32),
        _boxes(lowest, highest),
        _boxes(lowest.min(axis=1)[None], highest.max(axis=1)[None]),
        triangles,
        _boxes(low, high),
        _boxes(low.min(axis=1)[None], high.max(axis=1)[None]),
        spacing / np.sqrt(3),  # were a point farther than that from all corners, some edge would be too long
    )


def _distinct(points: Float64[np.ndarray, "P 3"], size: float) -> Float64[np.ndarray, "M 3"]:
    """The points with one kept in each cell of that size: triangles share their corners."""
    cell = np.round((points - points.min(axis=0)) / size).astype(np.int64)
    rows, columns, _ = cell.max(axis=0) + 1
    key = (cell[:, 2] * columns + cell[:, 1]) * rows + cell[:, 0]
    order = np.argsort(key)
    return np.asarray(points[order[np.diff(key[order], prepend=-1) > 0]])


def _filled(rows: Shaped[np.ndarray, "P *S"], multiple: int) -> Shaped[np.ndarray, "M *S"]:
    """Rows filled up to a multiple of so many by repeating the last one."""
    return np.concatenate([rows, np.repeat(rows[-1:], -len(rows) % multiple, axis=0)])


def _boxes(low: Float64[np.ndarray, "A G 3"], high: Float64[np.ndarray, "A G 3"]) -> Float32[np.ndarray, "A 6 G"]:
    """Centres and half sides, no smaller for being in single precision."""
    boxes = np.concatenate([(low + high) / 2, (high - low) / 2 + ROUNDING], axis=2, dtype=np.float32)
    return np.ascontiguousarray(boxes.transpose(0, 2, 1))


# Compiled


@njit(cache=True)
@no_type_check
def _samples(triangles, longest):
    """The corners of all triangles (F, 3, 3), and of their halves until no edge is longer than `longest`."""
    points, count = np.empty((3 * len(triangles) + 1024, 3)), 0
    pending = np.empty((64, 3, 3))  # halves of one triangle: each is at most half as large as the one before
    for t in range(len(triangles)):
        if count + 3 > len(points):
            points = np.concatenate((points, np.empty_like(points)))
        for corner in range(3):
            for i in range(3):
                points[count + corner, i] = pending[0, corner, i] = triangles[t, corner, i]
        count, top = count + 3, 1
        while top > 0:
            piece = pending[top - 1]
            square, a = -1.0, 0
            for i in range(3):
                j = (i + 1) % 3
                length = (piece[i, 0] - piece[j, 0]) ** 2 + (piece[i, 1] - piece[j, 1]) ** 2
                length += (piece[i, 2] - piece[j, 2]) ** 2
                if length > square:
                    square, a = length, i
            if square <= longest**2:
                top -= 1
                continue
            if count == len(points):
                points = np.concatenate((points, np.empty_like(points)))
            b, c = (a + 1) % 3, (a + 2) % 3
            for i in range(3):
                points[count, i] = (piece[a, i] + piece[b, i]) / 2
                pending[top, a, i], pending[top, b, i], pending[top, c, i] = points[count, i], piece[b, i], piece[c, i]
                piece[b, i] = points[count, i]
            count, top = count + 1, top + 1
    return points[:count]


@njit(cache=True)
@no_type_check
def _neighbours(columns):
    """Indices of points (3, P) so that each sixteen in a row, and each 256, are near to one another.

    The longest side is halved, to whole branches and groups, until a group is left.
    """
    order, start = np.arange(columns.shape[1]), 0
    ends, top = np.empty(64, np.int64), 1  # of the parts that are still to be halved
    ends[0] = columns.shape[1]
    while top > 0:
        stop = ends[top - 1]
        if stop - start <= _GROUP:
            start, top = stop, top - 1
            continue
        longest, axis = -1.0, 0
        for i in range(3):
            low, high = np.inf, -np.inf
            for k in range(start, stop):
                low, high = min(low, columns[i, order[k]]), max(high, columns[i, order[k]])
            if high - low > longest:
                longest, axis = high - low, i
        size = _GROUP**2 if stop - start > _GROUP**2 else _GROUP
        middle = start + (stop - start + size - 1) // size // 2 * size
        _part(columns[axis], order, start, stop, middle)
        ends[top] = middle
        top += 1
    return order


@njit(cache=True)
@no_type_check
def _part(values, order, start, stop, middle):
    """Order so that no value of start … middle is larger than one of middle … stop (Hoare's quickselect)."""
    first, last = start, stop - 1
    while first < last:
        pivot = values[order[(first + last) // 2]]
        i, j = first, last
        while i <= j:
            while values[order[i]] < pivot:
                i += 1
            while values[order[j]] > pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i, j = i + 1, j - 1
        if middle <= j:
            last = j
        elif middle >= i:
            first = i
        else:
            return
