"""Facts about off.py: polygons, comments, colours and the forms of its first line."""

import pytest
import trimesh

from graspnet.data_gen.objects.formats.off import read_off
from graspnet.errors import InputError

CORNERS = [f"{x} {2 * y} {3 * z}" for x in (0, 1) for y in (0, 1) for z in (0, 1)]
QUADS = ["4 0 1 3 2", "4 4 6 7 5", "4 0 4 5 1", "4 2 3 7 6", "4 0 2 6 4", "3 1 5 7", "3 1 7 3"]


def volume(text: str) -> float:
    vertices, faces = read_off(text.encode())
    return float(trimesh.Trimesh(vertices, faces, process=False).volume)


@pytest.mark.parametrize(
    "head", ["OFF\n8 7 0", "OFF 8 7 0", "8 7 0", "COFF\n8 7 0", "# a comment\nOFF\n\n8 7 0 # counts"]
)
def test_a_box_has_its_volume_whatever_its_first_line_looks_like(head):
    assert volume("\n".join([head, *CORNERS, *QUADS])) == pytest.approx(6.0)


def test_colours_and_normals_behind_the_numbers_do_not_matter():
    corners, quads = [f"{corner} 255 0 0 255" for corner in CORNERS], [f"{quad} 0.1 0.2 0.3" for quad in QUADS]
    assert volume("\n".join(["COFF", "8 7 0", *corners, *quads])) == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n".join(["OFF", "8 7 0", *CORNERS, *QUADS[:-1]]), "promises 8 vertices and 7 faces, and ends before them"),
        ("\n".join(["OFF", "8 5 0", *CORNERS, *QUADS]), "promises 8 vertices and 5 faces, and has more"),
        ("\n".join(["OFF", "8 1 0", *CORNERS, "4 0 1 2"]), "fewer corners than it promises"),
        ("\n".join(["OFF", "8 1 0", *CORNERS, "3 0 1 8"]), "vertex number 8 .*but there are 8"),
        ("4OFF\n1 0 0\n0 0 0 1", "more than three dimensions"),
        ("OFF BINARY\n", "export it as text OFF"),
        ("OFF\nmany few none", "OFF begins with how many"),
        ("", "OFF begins with how many"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_whole_is_refused_with_its_cause(text, message):
    with pytest.raises(InputError, match=message):
        read_off(text.encode())
