"""Facts about ply.py: a surface has its area in text and in both byte orders, as polygons of any kind or as strips."""

import struct

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.objects.formats.ply import read_ply
from graspnet.errors import InputError

# A box of 1 x 2 x 3 from corner (0, 0, 0): vertex number 4 x + 2 y + z.
VERTICES = [(x, 2.0 * y, 3.0 * z) for x in (0.0, 1.0) for y in (0, 1) for z in (0, 1)]
QUADS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
TRIANGLES = [half for a, b, c, d in QUADS for half in ((a, b, c), (a, c, d))]
FORMATS = ("ascii", "binary_little_endian", "binary_big_endian")
HEADER = (
    "ply\nformat {format} 1.0\ncomment of nobody\nelement vertex 8\nproperty float x\nproperty float y\n"
    "property float z\nproperty uchar red\nelement {element} {count}\n"
    "property list {length} int {name}\n{more}end_header\n"
)


def ply(kind: str, rows, element="face", name="vertex_indices", length="uchar", flags=False) -> bytes:
    """A file with a colour for each vertex and, if asked, a flag for each face."""
    more = "property uchar flags\n" if flags else ""
    head = HEADER.format(format=kind, element=element, count=len(rows), length=length, name=name, more=more).encode()
    if kind == "ascii":
        text = [f"{x} {y} {z} 7" for x, y, z in VERTICES]
        return (
            head
            + "\n".join([*text, *(" ".join(map(str, (len(r), *r, *([1] if flags else [])))) for r in rows)]).encode()
        )
    order = "<" if "little" in kind else ">"
    code = {"uchar": "B", "int": "i"}[length]
    body = [struct.pack(order + "fffB", *vertex, 7) for vertex in VERTICES]
    body += [struct.pack(f"{order}{code}{len(r)}i", len(r), *r) + (b"\x01" if flags else b"") for r in rows]
    return head + b"".join(body)


def mesh(data: bytes) -> trimesh.Trimesh:
    vertices, faces = read_ply(data)
    return trimesh.Trimesh(vertices, faces, process=False)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("rows", [TRIANGLES, QUADS, TRIANGLES[:6] + QUADS[3:], QUADS[:3] + TRIANGLES[6:]])
@pytest.mark.parametrize("options", [{}, {"name": "vertex_index"}, {"flags": True}, {"length": "int"}])
def test_a_box_has_its_volume_in_every_order_of_bytes_and_with_any_mixture_of_faces(kind, rows, options):
    assert mesh(ply(kind, rows, **options)).volume == pytest.approx(6.0)


@pytest.mark.parametrize("kind", FORMATS)
def test_triangle_strips_are_read_with_their_winding(kind):
    sides = (0, 1, 2, 3, 6, 7, 4, 5, 0, 1)  # the four sides along z, as one strip
    floor, lid = (0, 2, 4, 6), (1, 5, 3, 7)
    strip = (*sides, -1, *floor, -1, *lid, -1)
    found = mesh(ply(kind, [strip], element="tristrips", length="int"))
    assert len(found.faces) == 12
    assert found.is_winding_consistent
    assert abs(found.volume) == pytest.approx(6.0)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_ends_too_soon_or_has_no_faces_says_so(kind):
    whole = ply(kind, TRIANGLES)
    with pytest.raises(InputError, match="ends before the rows that its header promises"):
        read_ply(whole[:-4])
    with pytest.raises(InputError, match="not points or lines"):
        read_ply(ply(kind, []))


def test_a_face_whose_vertex_does_not_exist_is_refused():
    with pytest.raises(InputError, match=r"vertex number 8 .*but there are 8"):
        read_ply(ply("ascii", [*TRIANGLES, (0, 1, 8)]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"not a mesh", "PLY begins with a header"),
        (b"ply\nelement vertex 0\nend_header\n", "has no format"),
        (b"ply\nformat ascii 1.0\nelement vertex 1\nproperty colour x\nend_header\n0\n", "property colour x"),
        (b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n0\n", "no vertices with x, y and z"),
    ],
)  # fmt: skip
def test_a_header_that_makes_no_sense_is_named(data, message):
    with pytest.raises(InputError, match=message):
        read_ply(data)


def test_the_rows_of_a_text_may_be_as_long_as_they_like():
    assert mesh(ply("ascii", QUADS).replace(b" 7\n", b"\n 7 \r\n")).volume == pytest.approx(6.0)
    assert np.asarray(mesh(ply("ascii", QUADS)).bounds).tolist() == [[0, 0, 0], [1, 2, 3]]


@pytest.mark.parametrize("kind", FORMATS)
def test_rows_beyond_those_that_the_header_promises_are_no_quiet_loss(kind):
    fewer = ply(kind, TRIANGLES).replace(b"element face 12", b"element face 11")
    with pytest.raises(InputError, match="follow the rows that its header promises"):
        read_ply(fewer)
    assert mesh(ply(kind, TRIANGLES) + b"\n").volume == pytest.approx(6.0)


@pytest.mark.parametrize("length", [b"nan", b"inf", b"-3", b"3.5"])
def test_a_list_has_a_whole_number_of_entries(length):
    head, _, rows = ply("ascii", TRIANGLES).partition(b" 7\n3 ")
    with pytest.raises(InputError, match="a list's length is"):
        read_ply(head + b" 7\n" + length + b" " + rows)


@pytest.mark.parametrize("number", ["nan", "inf", "1.5"])
def test_a_vertex_number_is_whole(number):
    with pytest.raises(InputError, match="vertex number that is not whole"):
        read_ply(ply("ascii", [*TRIANGLES, (0, 1, number)]))


def test_a_comment_may_speak_of_the_headers_end():
    assert mesh(ply("ascii", QUADS).replace(b"of nobody", b"before end_header")).volume == pytest.approx(6.0)
