"""GLB (binary glTF 2.0): nodes in a tree, meshes of primitives, accessors into one block of bytes; metres, y upward.

A normalised integer c of an accessor stands for c divided by the largest value of its type, which
KHR_mesh_quantization allows for positions; signed ones end at -1.
"""

import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from scipy.spatial.transform import Rotation

from graspnet.data_gen.objects.formats.polygons import Triangles, checked_triangles, strips
from graspnet.errors import InputError
from graspnet.transforms import transform_points

__all__ = ["read_glb"]

JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
TRIANGLES, STRIP, FAN = 4, 5, 6
# What these extensions change is no shape; any other one that a file requires may hold its shape.
SHAPELESS = ("KHR_mesh_quantization", "KHR_materials_", "KHR_texture_", "EXT_texture_", "KHR_lights_", "KHR_xmp")
INSTANCING = "EXT_mesh_gpu_instancing"
REMEDIES = {
    "KHR_draco_mesh_compression": "Draco compression is not read; decompress it, as with `gltf-transform copy in.glb "
    "out.glb`, or export it without compression",
    "EXT_meshopt_compression": "meshopt compression is not read; decompress it, as with `gltf-transform copy in.glb "
    "out.glb`, or export it without compression",
}


def read_glb(data: bytes) -> Triangles:
    """Vertices and triangles of all meshes of the scene, each where its node's transforms put it.

    InputError: no GLB of version 2, truncated, compressed, or with buffers in other files.
    """
    return _Document(*_chunks(data)).triangles()


def _chunks(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON, and the block of bytes."""
    if data[:4] != b"glTF":
        raise InputError("not a readable mesh (GLB begins with the letters glTF); export it again")
    try:
        _, version, length = struct.unpack("<III", data[:12])
        if version != 2:
            raise InputError(f"it is glTF {version}; only version 2 is read: export it again")
        if length > len(data):
            raise InputError(f"it promises {length} bytes and has {len(data)}; truncated? export it again")
        found: dict[int, bytes] = {}
        at = 12
        while at + 8 <= length:
            size, kind = struct.unpack("<II", data[at : at + 8])
            found.setdefault(kind, data[at + 8 : at + 8 + size])
            at += 8 + size
        document = json.loads(found[JSON_CHUNK])
    except (struct.error, KeyError, ValueError) as error:
        raise InputError(f"not a readable mesh (GLB: {error!r}); export it again") from None
    return document, found.get(BINARY_CHUNK, b"")


class _Document:
    """A glTF document: what its JSON says, and its bytes."""

    def __init__(self, document: dict[str, Any], binary: bytes) -> None:
        self._json, self._binary = document, binary
        for name in document.get("extensionsRequired", ()):
            if name in REMEDIES:
                raise InputError(REMEDIES[name])
            if not name.startswith(SHAPELESS):
                raise InputError(f"it requires the extension {name}, which is not read; export it without")

    def triangles(self) -> Triangles:
        """All of them, in the scene's frame."""
        try:
            pieces = [piece for node, matrix in self._nodes() for piece in self._of_mesh(node["mesh"], matrix)]
        except InputError:
            raise
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            raise InputError(f"not a readable mesh (glTF: {type(error).__name__} {error}); export it again") from None
        offsets = np.cumsum([0, *(len(vertices) for vertices, _ in pieces)])
        return checked_triangles(
            np.concatenate([np.zeros((0, 3)), *(vertices for vertices, _ in pieces)]),
            np.concatenate(
                [np.zeros((0, 3), np.int64), *(f + k for (_, f), k in zip(pieces, offsets[:-1], strict=True))]
            ),
        )

    def _nodes(self) -> Iterator[tuple[dict[str, Any], Float64[np.ndarray, "4 4"]]]:
        """Nodes of the scene that have a mesh, and scene_from_node; of all scenes, where none is the one to show."""
        nodes, scenes = self._json.get("nodes", []), self._json.get("scenes", [])
        shown = [scenes[self._json["scene"]]] if "scene" in self._json else scenes
        children = {child for node in nodes for child in node.get("children", ())}
        roots = [k for scene in shown for k in scene.get("nodes", ())] if scenes else range(len(nodes))
        waiting = [(k, np.eye(4)) for k in dict.fromkeys(roots) if scenes or k not in children]
        visited = 0
        while waiting:
            k, above = waiting.pop(0)
            visited += 1
            if visited > len(nodes):
                raise InputError("its nodes are no tree; export it again")
            matrix = above @ _matrix(nodes[k])
            waiting += [(child, matrix) for child in nodes[k].get("children", ())]
            if INSTANCING in nodes[k].get("extensions", ()):
                raise InputError(f"it uses the extension {INSTANCING}, which is not read; export it without")
            if "mesh" in nodes[k]:
                yield nodes[k], matrix

    def _of_mesh(self, mesh: int, matrix: Float64[np.ndarray, "4 4"]) -> Iterator[Triangles]:
        for primitive in self._json["meshes"][mesh]["primitives"]:
            mode = primitive.get("mode", TRIANGLES)
            if mode not in (TRIANGLES, STRIP, FAN) or "POSITION" not in primitive["attributes"]:
                continue  # points and lines
            vertices = self._values(primitive["attributes"]["POSITION"], primitive)
            index = np.arange(len(vertices), dtype=np.int64)
            if "indices" in primitive:
                index = self._values(primitive["indices"], primitive)[:, 0].astype(np.int64)
            faces = _faces(index, mode)
            mirrored = np.linalg.det(matrix[:3, :3]) < 0  # the format then reads the triangles the other way round
            yield transform_points(matrix, vertices), faces[:, ::-1] if mirrored else faces

    def _values(self, number: int, primitive: dict[str, Any]) -> Float64[np.ndarray, "_ _"]:
        """The rows of an accessor: integers as the numbers for which they stand."""
        accessor = self._json["accessors"][number]
        width = {"SCALAR": 1, "VEC3": 3}[accessor["type"]]
        kind, count = np.dtype(COMPONENTS[accessor["componentType"]]), accessor["count"]
        if "bufferView" in accessor:
            rows = self._rows(accessor, kind, width, count)
        else:  # zeros, unless an extension holds the values
            compressed = [REMEDIES[name] for name in primitive.get("extensions", ()) if name in REMEDIES]
            if compressed:
                raise InputError(compressed[0])
            if count > len(self._binary):
                raise InputError(f"an accessor promises {count} rows and holds none of them; export it again")
            rows = np.zeros((count, width), kind)
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            index_kind = np.dtype(COMPONENTS[sparse["indices"]["componentType"]])
            where = self._rows(sparse["indices"], index_kind, 1, sparse["count"])[:, 0]
            rows = rows.copy()
            rows[where] = self._rows(sparse["values"], kind, width, sparse["count"])
        values = rows.astype(np.float64)
        if accessor.get("normalized") and kind.kind in "iu":
            values = np.maximum(values / np.iinfo(kind).max, -1.0)
        return values

    def _rows(self, place: dict[str, Any], kind: np.dtype, width: int, count: int) -> np.ndarray:
        """Rows that lie in a view of the block of bytes, some stride apart."""
        view = self._json["bufferViews"][place["bufferView"]]
        if "EXT_meshopt_compression" in view.get("extensions", ()):
            raise InputError(REMEDIES["EXT_meshopt_compression"])
        if view["buffer"] != 0 or "uri" in self._json["buffers"][0]:
            raise InputError("its buffers lie outside of the file; export it as one GLB")
        begin = view.get("byteOffset", 0) + place.get("byteOffset", 0)
        tight = kind.itemsize * width
        stride = view.get("byteStride", tight)
        if begin < 0 or stride < tight or (count and begin + stride * (count - 1) + tight > len(self._binary)):
            raise InputError("its bytes end before an accessor's; truncated? export it again")
        return np.ndarray((count, width), kind, self._binary, begin, (stride, kind.itemsize))


def _matrix(node: dict[str, Any]) -> Float64[np.ndarray, "4 4"]:
    """parent_from_node: a matrix by columns, or translation, rotation (quaternion x, y, z, w) and scale."""
    if "matrix" in node:
        return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    rotation = Rotation.from_quat(node.get("rotation", (0, 0, 0, 1))).as_matrix()
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * np.array(node.get("scale", (1, 1, 1)), dtype=np.float64)
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix


def _faces(index: Int64[np.ndarray, "_"], mode: int) -> Int64[np.ndarray, "_ 3"]:
    if mode == STRIP:
        return strips(index)
    if mode == FAN:
        return np.stack([np.full(max(len(index) - 2, 0), index[0]), index[1:-1], index[2:]], axis=1)
    return index[: len(index) // 3 * 3].reshape(-1, 3)
