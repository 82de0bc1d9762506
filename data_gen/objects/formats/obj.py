"""Wavefront OBJ: lines `v x y z` and `f a/b/c …`; what else there is (normals, textures, groups) is no shape.

An index counts from 1. A negative one counts back from the vertices that were read so far, which is how exporters
write parts one after another.
"""

import numpy as np

from graspnet.data_gen.objects.formats.polygons import Triangles, checked_triangles, fans, numbers_of
from graspnet.errors import InputError

__all__ = ["read_obj"]

FREE_FORM = (b"surf", b"curv", b"curv2")


def read_obj(data: bytes) -> Triangles:
    """Vertices and triangles of all groups and objects in a file; polygons become fans.

    InputError: a face without its vertices, free-form surfaces, or no face at all.
    """
    text = data.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ")  # a line that ends with \ goes on
    lines = [line.partition(b"#")[0].split() for line in text.splitlines()]
    vertex_lines = [k for k, words in enumerate(lines) if words and words[0] == b"v"]
    face_lines = [k for k, words in enumerate(lines) if words and words[0] == b"f"]
    if any(words and words[0] in FREE_FORM for words in lines):
        raise InputError("it has free-form surfaces (surf), which are not read; export it as triangles")
    vertices = numbers_of([lines[k][1:] for k in vertex_lines], "a vertex")
    counts = np.array([len(lines[k]) - 1 for k in face_lines], dtype=np.int64)
    corners = [word.partition(b"/")[0] for k in face_lines for word in lines[k][1:]]
    try:
        index = np.array([int(corner) for corner in corners], dtype=np.int64)
    except ValueError as error:
        raise InputError(f"a face has a corner that is no whole number ({error}); export it again") from None
    if np.any(index == 0):
        raise InputError("a face has vertex 0, but OBJ counts from 1; export it again")
    read_so_far = np.repeat(np.searchsorted(vertex_lines, face_lines), counts)
    return checked_triangles(vertices, fans(np.where(index < 0, index + read_so_far, index - 1), counts))
