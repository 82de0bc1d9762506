"""Facts about stl.py: all solids of a file are read, and what it promises is what it has."""

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.objects.formats.stl import read_stl
from graspnet.errors import InputError


def box(shift: float = 0.0) -> trimesh.Trimesh:
    mesh = trimesh.creation.box((1.0, 2.0, 3.0))
    mesh.apply_translation([shift, 0, 0])
    return mesh


def text(mesh: trimesh.Trimesh) -> bytes:
    return mesh.export(file_type="stl_ascii").encode()


def binary(mesh: trimesh.Trimesh) -> bytes:
    return mesh.export(file_type="stl")


def volume(data: bytes) -> float:
    vertices, faces = read_stl(data)
    return float(trimesh.Trimesh(vertices, faces, process=False).volume)


@pytest.mark.parametrize("written", [text, binary])
def test_several_solids_one_after_another_are_all_read(written):
    assert volume(written(box())) == pytest.approx(6.0)
    both = written(box()) + (b"\n" if written is text else b"") + written(box(4.0))
    vertices, faces = read_stl(both)
    assert volume(both) == pytest.approx(12.0)
    assert np.ptp(vertices[faces.ravel(), 0]) == pytest.approx(5.0)


def test_a_binary_file_may_begin_like_a_text_and_a_text_may_shout():
    assert volume(b"solid box" + binary(box())[9:]) == pytest.approx(6.0)
    assert volume(text(box()).upper()) == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (binary(box())[:-10], "promises 12 triangles and has 11; truncated"),
        (binary(box())[:80] + (7).to_bytes(4, "little") + binary(box())[84:], "bytes follow its last triangle"),
        (binary(box())[:60], "its 60 bytes are less than the beginning of an STL; truncated"),
        (binary(box())[:80] + bytes(4), "no triangles in it"),
        (text(box()).replace(b"vertex", b"corner", 1), "12 facets have 35 vertices"),
        (b"solid nothing\nendsolid nothing\n", "no triangles in it"),
        (text(box()).rpartition(b"endsolid")[0], "without endsolid; truncated"),
        (binary(box())[:80] + (11).to_bytes(4, "little") + binary(box())[84:], "promises fewer triangles"),
    ],
)  # fmt: skip
def test_more_or_less_than_a_file_promises_is_refused(data, message):
    with pytest.raises(InputError, match=message):
        read_stl(data)
