"""Facts about mesh_file.py: whatever a file holds, there comes a mesh or one line with the true cause."""

import gzip
import json
import struct

import pytest
import trimesh

from graspnet.data_gen.objects.formats.mesh_file import read_triangles
from graspnet.errors import InputError

BOX = trimesh.creation.box((0.04, 0.06, 0.1))
TEXTS = {
    "obj": BOX.export(file_type="obj"), "off": BOX.export(file_type="off"),
    "stl": BOX.export(file_type="stl_ascii"), "ply": BOX.export(file_type="ply", encoding="ascii").decode(),
}  # fmt: skip


def written(tmp_path, name: str, data: bytes | str):
    (tmp_path / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return tmp_path / name


def glb(document) -> bytes:
    text = json.dumps(document) if not isinstance(document, str) else document
    body = text.encode() + b" " * (-len(text) % 4)
    return struct.pack("<4sIIII", b"glTF", 2, 20 + len(body), len(body), 0x4E4F534A) + body


@pytest.mark.parametrize("kind", TEXTS)
def test_a_byte_order_mark_before_a_text_does_not_matter(tmp_path, kind):
    vertices, faces = read_triangles(written(tmp_path, f"box.{kind}", b"\xef\xbb\xbf" + TEXTS[kind].encode()))
    assert trimesh.Trimesh(vertices, faces).volume == pytest.approx(240e-6)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


@pytest.mark.parametrize("suffix", [".glb", ".obj", ".off", ".ply", ".stl"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (POINTER, "Git LFS's pointer to the file"),
        ("<!DOCTYPE html><html><body>404</body></html>" * 9, "this is a web page"),
        (gzip.compress(bytes(500), mtime=0), r"an archive \(gzip\)"),
        (b"PK\x03\x04" + bytes(500), r"an archive \(ZIP\)"),
        (b"\x00\x05\x16\x07" + bytes(500), "macOS"),
        (TEXTS["obj"].encode("utf-16"), "UTF-16"),
    ],
)  # fmt: skip
def test_what_is_no_mesh_is_called_what_it_is(tmp_path, suffix, data, message):
    with pytest.raises(InputError, match=message):
        read_triangles(written(tmp_path, f"a{suffix}", data))


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("a.stl", TEXTS["ply"], ".ply"), ("a.obj", TEXTS["stl"], ".stl"), ("a.ply", TEXTS["off"], ".off"),
        ("a.obj", BOX.export(file_type="glb"), ".glb"),
    ],
)  # fmt: skip
def test_a_mesh_under_the_suffix_of_another_format_is_named(tmp_path, name, data, found):
    with pytest.raises(InputError, match=rf"its first bytes are those of \{found}, not of \{name[1:]}; rename it"):
        read_triangles(written(tmp_path, name, data))


HUGE = "9" * 30


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.obj", f"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 {HUGE}\n"),
        ("a.off", f"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 {HUGE}\n"),
        ("a.off", f"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n{HUGE} 0 1 2\n"),
        ("a.off", f"OFF\n3 {HUGE} 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"),
        ("a.glb", glb([])),
        ("a.glb", glb("null")),
        ("a.glb", glb("[" * 100_000)),
        ("a.glb", glb({"nodes": [None]})),
        ("a.glb", glb({"nodes": {"a": 1}})),
        ("a.glb", glb({"extensionsRequired": [5]})),
        ("a.glb", glb({"nodes": [{"mesh": 0}], "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
                       "accessors": [{"componentType": 5126, "count": 10**13, "type": "VEC3"}]})),
    ],
)  # fmt: skip
def test_numbers_and_nests_beyond_all_bounds_are_one_line(tmp_path, name, data):
    with pytest.raises(InputError, match=rf"{name}: .*export it again"):
        read_triangles(written(tmp_path, name, data))
