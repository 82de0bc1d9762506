"""Facts about obj.py: a box is a box however its lines are written, and nothing of a file is lost without a word."""

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.objects.formats.obj import read_obj
from graspnet.errors import InputError

BOX = trimesh.creation.box((1.0, 2.0, 3.0))
VERTICES = [f"v {x} {y} {z}" for x, y, z in BOX.vertices]
QUADS = ((1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4))


def volume(text: str) -> float:
    vertices, faces = read_obj(text.encode())
    return float(trimesh.Trimesh(vertices, faces, process=False).volume)


def lines(*more: str) -> str:
    return "\n".join([*VERTICES, *more])


FACES = [tuple(int(i) + 1 for i in face) for face in BOX.faces]


@pytest.mark.parametrize(
    "faces",
    [
        [f"f {a} {b} {c}" for a, b, c in FACES],
        [f"f {a}/1 {b}/1 {c}/1" for a, b, c in FACES],
        [f"f {a}//1 {b}//1 {c}//1" for a, b, c in FACES],
        [f"f {a}/-1/1 {b}/1/-1 {c}/1/1" for a, b, c in FACES],
        [f"f {a - 9} {b - 9} {c - 9}" for a, b, c in FACES],
        [f"f\t{a}\t{b}  {c}   # a comment" for a, b, c in FACES],
        [f"f {a} {b} \\\n  {c}" for a, b, c in FACES],
        [f"g part{k}\nusemtl colour{k % 2}\ns off\nf {a} {b} {c}" for k, (a, b, c) in enumerate(FACES)],
        [f"o part{k}\nf {a} {b} {c}" for k, (a, b, c) in enumerate(FACES)],
        ["f " + " ".join(map(str, quad)) for quad in QUADS],
    ],
    ids=["plain", "textures", "normals", "both", "relative", "tabs", "continued", "groups", "objects", "quads"],
)  # fmt: skip
def test_a_box_has_its_volume_however_its_faces_are_written(faces):
    assert volume(lines(*faces)) == pytest.approx(6.0)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_on_any_system(end):
    text = lines(*("f {} {} {}".format(*face) for face in FACES))
    assert volume(text.replace("\n", end)) == pytest.approx(6.0)


def test_a_relative_index_counts_back_from_the_vertices_read_so_far():
    """Three boxes, each written before the next, are three boxes beside each other."""
    written: list[str] = []
    for shift in (0.0, 5.0, 10.0):
        written += [f"v {x + shift} {y} {z}" for x, y, z in BOX.vertices]
        written += [f"f {a - 9} {b - 9} {c - 9}" for a, b, c in FACES]
    vertices, faces = read_obj("\n".join(written).encode())
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    assert mesh.volume == pytest.approx(18.0)
    np.testing.assert_allclose(mesh.extents, [11.0, 2.0, 3.0])


def test_polygons_have_their_area():
    pentagon = np.stack([np.cos(np.arange(5) * 0.4 * np.pi), np.sin(np.arange(5) * 0.4 * np.pi), np.zeros(5)], axis=1)
    text = "\n".join([*(f"v {x} {y} {z} 0.1 0.2 0.3" for x, y, z in pentagon), "f 1 2 3 4 5"])
    vertices, faces = read_obj(text.encode())
    assert trimesh.Trimesh(vertices, faces, process=False).area == pytest.approx(2.5 * np.sin(0.4 * np.pi))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lines("f 1 2 9"), "vertex number 8 .*but there are 8 vertices"),
        (lines("f 1 2 -9"), "vertex number -1 .*but there are 8 vertices"),
        (lines("f 0 1 2"), "OBJ counts from 1"),
        (lines("f 1 2 x"), "no whole number"),
        (lines("f 1 2 3", "surf 0 1 0 1 1 2 3 4"), "free-form surfaces"),
        (lines("l 1 2 3"), "no triangles in it; expected a surface mesh, not points or lines"),
        ("v 1 2\nf 1 1 1", "fewer than three coordinates"),
        ("v 1 2 three\nf 1 1 1", "not made of numbers"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_whole_is_refused_with_its_cause(text, message):
    with pytest.raises(InputError, match=message):
        read_obj(text.encode())
