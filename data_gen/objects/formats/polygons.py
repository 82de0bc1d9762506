"""Polygons: faces with any number of corners as triangles."""

import numpy as np
from jaxtyping import Float64, Int64

from graspnet.errors import InputError

__all__ = ["Triangles", "checked_triangles", "fans", "numbers_of", "strips"]

Triangles = tuple[Float64[np.ndarray, "_ 3"], Int64[np.ndarray, "_ 3"]]  # vertices and faces


def fans(corners: Int64[np.ndarray, "_"], counts: Int64[np.ndarray, "_"]) -> Int64[np.ndarray, "_ 3"]:
    """Triangles of polygons whose corners stand one after another, each polygon as a fan about its first corner.

    counts: how many corners each polygon has; points and lines (fewer than three) make no triangle.
    """
    first = np.cumsum(counts) - counts
    per_polygon = np.maximum(counts - 2, 0)
    total = int(per_polygon.sum())
    step = np.arange(total) - np.repeat(np.cumsum(per_polygon) - per_polygon, per_polygon)
    start = np.repeat(first, per_polygon)
    return np.stack([corners[start], corners[start + step + 1], corners[start + step + 2]], axis=1)


def strips(corners: Int64[np.ndarray, "_"]) -> Int64[np.ndarray, "_ 3"]:
    """Triangles of strips that are parted by -1: each corner makes one with the two before it.

    Every second triangle of a strip is wound the other way round, and is turned here.
    """
    number = np.arange(len(corners))
    last_break = np.maximum.accumulate(np.where(corners < 0, number, -1))
    odd = ((number - last_break - 1) % 2 == 1)[:-2]  # the triangle that begins at this corner
    triangles = np.stack([corners[:-2], corners[1:-1], corners[2:]], axis=1)
    triangles = np.where(odd[:, None], triangles[:, [1, 0, 2]], triangles)
    return triangles[(triangles >= 0).all(axis=1)]


def checked_triangles(vertices: Float64[np.ndarray, "_ 3"], faces: Int64[np.ndarray, "_ 3"]) -> Triangles:
    """Both, where there are triangles and each names vertices that exist. InputError: otherwise."""
    if not len(faces):
        raise InputError("no triangles in it; expected a surface mesh, not points or lines")
    if faces.min() < 0 or faces.max() >= len(vertices):
        wrong = int(faces.max()) if faces.max() >= len(vertices) else int(faces.min())
        raise InputError(
            f"a face has vertex number {wrong} (counted from 0), but there are {len(vertices)} vertices; export again"
        )
    return vertices, faces


def numbers_of(rows: list[list[bytes]], what: str) -> Float64[np.ndarray, "_ 3"]:
    """Numbers that stand as text, three a row. InputError: `what` has fewer, or something else."""
    if any(len(row) < 3 for row in rows):
        raise InputError(f"{what} has fewer than three coordinates; export it again")
    try:
        return np.array([row[:3] for row in rows], dtype=np.bytes_).reshape(-1, 3).astype(np.float64)
    except ValueError as error:
        raise InputError(f"{what} is not made of numbers ({error}); export it again") from None
