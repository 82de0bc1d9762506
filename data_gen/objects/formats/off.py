"""OFF: a line of counts, a line for each vertex, a line for each polygon; colours and normals may end the lines."""

import re

import numpy as np

from graspnet.data_gen.objects.formats.polygons import Triangles, checked_triangles, fans, numbers_of
from graspnet.errors import InputError

__all__ = ["read_off"]


def read_off(data: bytes) -> Triangles:
    """Vertices and triangles; polygons become fans. InputError: another kind of OFF, or lines that are missing."""
    lines = [words for line in data.splitlines() if (words := line.partition(b"#")[0].split())]
    header = re.fullmatch(rb"(ST)?C?N?(4?n?)OFF", lines[0][0]) if lines else None
    if header:
        lines[0] = lines[0][1:]
        lines = lines if lines[0] else lines[1:]
        if header[2] or (lines and lines[0][:1] == [b"BINARY"]):
            raise InputError(
                "an OFF of more than three dimensions, or a binary one, is not read; export it as text OFF"
            )
    try:
        vertex_count, face_count = (int(word) for word in lines[0][:2])
    except (IndexError, ValueError):
        raise InputError(
            "not a readable mesh (OFF begins with how many vertices and faces it has); export it again"
        ) from None
    if len(lines) > 1 + vertex_count + face_count >= 1:
        raise InputError(f"it promises {vertex_count} vertices and {face_count} faces, and has more; export it again")
    vertex_rows, face_rows = lines[1 : 1 + vertex_count], lines[1 + vertex_count : 1 + vertex_count + face_count]
    if vertex_count < 0 or face_count < 0 or len(face_rows) < face_count:
        raise InputError(
            f"it promises {vertex_count} vertices and {face_count} faces, and ends before them; export it again"
        )
    vertices = numbers_of(vertex_rows, "a vertex")
    try:
        counts = np.array([int(row[0]) for row in face_rows], dtype=np.int64)
        corners = [[int(word) for word in row[1 : 1 + n]] for row, n in zip(face_rows, counts.tolist(), strict=True)]
    except ValueError as error:
        raise InputError(f"a face has a corner that is no whole number ({error}); export it again") from None
    if any(len(row) != n for row, n in zip(corners, counts.tolist(), strict=True)):
        raise InputError("a face has fewer corners than it promises; export it again")
    return checked_triangles(vertices, fans(np.array([k for row in corners for k in row], dtype=np.int64), counts))
