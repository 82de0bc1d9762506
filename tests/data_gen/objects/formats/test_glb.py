"""Facts about glb.py: positions of every type of number, where their nodes put them; what is not read is named."""

import json
import struct
from typing import Any

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.objects.formats.glb import read_glb
from graspnet.errors import InputError

SIDES = np.array([0.04, 0.06, 0.10])
BOX = trimesh.creation.box(SIDES)
TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5126: "<f4"}


def packed(document: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps({"asset": {"version": "2.0"}} | document).encode()
    text += b" " * (-len(text) % 4)
    binary += bytes(-len(binary) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks


def glb(
    positions: np.ndarray,
    component: int,
    node: dict[str, Any] | None = None,
    *,
    normalized: bool = False,
    index: np.ndarray | None = None,
    mode: int = 4,
    stride: int = 16,
    **more: Any,
) -> bytes:
    """A scene of one node with one mesh, its positions `stride` bytes apart."""
    index = np.asarray(BOX.faces, dtype="<u2").ravel() if index is None else index.astype("<u2")
    rows = np.zeros((len(positions), stride), np.uint8)
    raw = positions.astype(TYPES[component])
    rows[:, : 3 * raw.itemsize] = raw.view(np.uint8).reshape(len(raw), -1)
    position = {
        "bufferView": 0,
        "componentType": component,
        "count": len(raw),
        "type": "VEC3",
        "normalized": normalized,
    }
    document = {
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0} | (node or {})],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "mode": mode}]}],
        "accessors": [position, {"bufferView": 1, "componentType": 5123, "count": len(index), "type": "SCALAR"}],
        "bufferViews": [
            {"buffer": 0, "byteLength": rows.size, "byteStride": stride},
            {"buffer": 0, "byteOffset": rows.size, "byteLength": index.nbytes},
        ],
        "buffers": [{"byteLength": rows.size + index.nbytes}],
    }
    return packed(document | more, rows.tobytes() + index.tobytes())


def mesh(data: bytes) -> trimesh.Trimesh:
    vertices, faces = read_glb(data)
    return trimesh.Trimesh(vertices, faces, process=False)


@pytest.mark.parametrize("component", [5120, 5121, 5122, 5123])
@pytest.mark.parametrize("normalized", [True, False])
def test_a_quantised_box_has_its_sides_in_every_type_of_number(component, normalized):
    """KHR_mesh_quantization: the node's transform undoes what quantising did."""
    largest = np.iinfo(TYPES[component]).max
    low, high = (0, largest) if component in (5121, 5123) else (-largest, largest)
    quantised = np.round(low + (BOX.vertices / SIDES + 0.5) * (high - low))
    span = (high - low) / (largest if normalized else 1)
    node = {"scale": (SIDES / span).tolist(), "translation": [1.0, 2.0, 3.0]}
    extensions = {"extensionsUsed": ["KHR_mesh_quantization"], "extensionsRequired": ["KHR_mesh_quantization"]}
    found = mesh(glb(quantised, component, node, normalized=normalized, **extensions))
    np.testing.assert_allclose(found.extents, SIDES, rtol=1e-6)
    assert found.volume == pytest.approx(np.prod(SIDES), rel=1e-6)


def test_the_lowest_normalised_number_stands_for_minus_one():
    corners = np.array([[-128, -127, 127], [0, 0, 0], [127, 0, 0]])
    vertices, _ = read_glb(glb(corners, 5120, normalized=True, index=np.arange(3)))
    np.testing.assert_allclose(vertices, [[-1, -1, 1], [0, 0, 0], [1, 0, 0]])


@pytest.mark.parametrize(
    "node",
    [
        {"rotation": [0, 0, np.sqrt(0.5), np.sqrt(0.5)], "scale": [2, 2, 2], "translation": [1, 2, 3]},
        {"matrix": [0, 2, 0, 0, -2, 0, 0, 0, 0, 0, 2, 0, 1, 2, 3, 1]},
    ],
)  # fmt: skip
def test_a_node_turns_scales_and_shifts_its_mesh(node):
    """A quarter turn about z, twice as large."""
    found = mesh(glb(BOX.vertices, 5126, node))
    np.testing.assert_allclose(found.extents, [0.12, 0.08, 0.20], rtol=1e-6)
    np.testing.assert_allclose(found.centroid, [1, 2, 3], atol=1e-6)
    assert found.volume > 0


def test_a_mirrored_mesh_is_wound_outward():
    assert mesh(glb(BOX.vertices, 5126, {"scale": [-1, 1, 1]})).volume == pytest.approx(np.prod(SIDES), rel=1e-6)


def test_a_node_of_a_node_has_both_transforms_and_a_mesh_may_be_shown_twice():
    nodes = [{"children": [1, 2], "scale": [2, 2, 2]}, {"mesh": 0}, {"mesh": 0, "translation": [1, 0, 0]}]
    found = mesh(glb(BOX.vertices, 5126, nodes=nodes))
    np.testing.assert_allclose(found.extents, [2.08, 0.12, 0.20], rtol=1e-6)
    assert found.volume == pytest.approx(2 * 8 * np.prod(SIDES), rel=1e-6)


@pytest.mark.parametrize(("mode", "area"), [(5, 1.0), (6, 1.0)])
def test_strips_and_fans_have_their_area(mode, area):
    square = np.array(
        [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]] if mode == 5 else [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    )
    found = mesh(glb(square, 5126, index=np.arange(4), mode=mode))
    assert found.area == pytest.approx(area)
    assert np.all(found.face_normals[:, 2] > 0)


def test_sparse_values_replace_those_of_the_view():
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype="<f4")
    document = {
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "nodes": [{"mesh": 0}],
        "accessors": [{
            "componentType": 5126, "count": 3, "type": "VEC3", "bufferView": 0,
            "sparse": {"count": 1, "indices": {"bufferView": 1, "componentType": 5121}, "values": {"bufferView": 2}},
        }],
        "bufferViews": [
            {"buffer": 0, "byteLength": 36},
            {"buffer": 0, "byteOffset": 36, "byteLength": 1},
            {"buffer": 0, "byteOffset": 40, "byteLength": 12},
        ],
        "buffers": [{"byteLength": 52}],
    }  # fmt: skip
    binary = corners.tobytes() + b"\x02\0\0\0" + np.array([0, 5, 0], "<f4").tobytes()
    vertices, faces = read_glb(packed(document, binary))
    np.testing.assert_array_equal(vertices, [[0, 0, 0], [1, 0, 0], [0, 5, 0]])
    np.testing.assert_array_equal(faces, [[0, 1, 2]])


def compressed(extension: str) -> bytes:
    """As a compressor writes it: the accessors have no bytes of their own."""
    primitive = {"attributes": {"POSITION": 0}, "extensions": {extension: {"bufferView": 0}}}
    document = {
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "accessors": [{"componentType": 5126, "count": 8, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 4}],
        "buffers": [{"byteLength": 4}],
    }
    return packed(document, bytes(4))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (compressed("KHR_draco_mesh_compression"), "Draco compression is not read; decompress it"),
        (glb(BOX.vertices, 5126, extensionsRequired=["KHR_draco_mesh_compression"]), "Draco compression is not read"),
        (glb(BOX.vertices, 5126, extensionsRequired=["EXT_meshopt_compression"]), "meshopt compression is not read"),
        (glb(BOX.vertices, 5126, extensionsRequired=["MY_shapes"]), "extension MY_shapes, which is not read"),
        (glb(BOX.vertices, 5126, buffers=[{"uri": "box.bin", "byteLength": 9}]), "outside of the file"),
        (glb(BOX.vertices, 5126)[:-8], "promises .* bytes and has .*truncated"),
        (glb(BOX.vertices, 5126, index=np.array([0, 1, 8])), "vertex number 8 .*but there are 8"),
        (glb(BOX.vertices, 5126, mode=0), "not points or lines"),
        (glb(BOX.vertices, 5126, nodes=[{"children": [0]}]), "no tree"),
        (glb(BOX.vertices, 5126, meshes=[]), "not a readable mesh"),
        (b"glTF" + struct.pack("<II", 1, 12), "glTF 1; only version 2"),
        (b"{}", "begins with the letters glTF"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_whole_is_refused_with_its_cause(data, message):
    with pytest.raises(InputError, match=message):
        read_glb(data)


def test_another_extension_that_changes_no_shape_does_no_harm():
    found = mesh(glb(BOX.vertices, 5126, extensionsRequired=["KHR_materials_unlit", "KHR_texture_transform"]))
    np.testing.assert_allclose(found.extents, SIDES, rtol=1e-6)
