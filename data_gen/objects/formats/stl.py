"""STL: triangles, each with its own three vertices, as text or binary; one solid or several, one after another."""

import re

import numpy as np

from graspnet.data_gen.objects.formats.polygons import Triangles, checked_triangles, numbers_of
from graspnet.errors import InputError

__all__ = ["read_stl"]

HEADER = 84  # bytes: 80 of text, and how many triangles follow
TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def read_stl(data: bytes) -> Triangles:
    """Vertices (three for each triangle) and triangles of all solids. InputError: fewer or more than it promises."""
    # Some binary files begin with "solid" too: only the text has facets, and no byte that is 0.
    is_text = data[:512].lstrip()[:5].lower() == b"solid" and b"\0" not in data[:512]
    corners = _text_corners(data) if is_text else _binary_corners(data)
    return checked_triangles(corners, np.arange(len(corners), dtype=np.int64).reshape(-1, 3))


def _text_corners(data: bytes) -> np.ndarray:
    rows = re.findall(rb"^\s*vertex\s+(\S+)\s+(\S+)\s+(\S+)", data, re.IGNORECASE | re.MULTILINE)
    loops = len(re.findall(rb"^\s*outer\s+loop", data, re.IGNORECASE | re.MULTILINE))
    if len(rows) != 3 * loops:
        raise InputError(f"{loops} facets have {len(rows)} vertices, not three each; export it again")
    if not re.search(rb"^\s*end\s*solid", data, re.IGNORECASE | re.MULTILINE):
        raise InputError("it ends without endsolid; truncated? export it again")
    return numbers_of([list(row) for row in rows], "a vertex")


def _binary_corners(data: bytes) -> np.ndarray:
    if len(data) < HEADER:
        raise InputError(f"its {len(data)} bytes are less than the beginning of an STL; truncated? export it again")
    found = [np.zeros((0, 3))]
    at = 0
    while len(data) - at >= HEADER:
        count = int.from_bytes(data[at + 80 : at + HEADER], "little")
        held = (len(data) - at - HEADER) // TRIANGLE.itemsize
        if held < count:
            if at:  # what follows the first solid is no other one
                raise InputError(f"{len(data) - at} bytes follow its last triangle that are no solid; export it again")
            raise InputError(f"it promises {count} triangles and has {held}; truncated? export it again")
        triangles = np.frombuffer(data, TRIANGLE, count, at + HEADER)
        found.append(triangles["corners"].reshape(-1, 3).astype(np.float64))
        at += HEADER + count * TRIANGLE.itemsize
    if len(data) - at >= TRIANGLE.itemsize:
        raise InputError(f"it promises fewer triangles than its {len(data)} bytes hold; export it again")
    return np.concatenate(found)
