"""Object sets: objects in a pose and a size, frozen with their meshes, so that a test set stays what it was.

A set is two files. NAME.json says where each object-pose came from, with a SHA-256 of its meshes and its pose, and what
became of every candidate that was looked at; NAME.npz holds the meshes, in the precision that was hashed. The sets that
ship (`frozen/`) were made by `hard_sets.py`.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Float32, Float64, UInt16

from graspnet.config import parse_config, parse_json
from graspnet.data_gen.objects.meshes import Solid
from graspnet.errors import InputError, unknown_name
from graspnet.run.storage import json_checksum

__all__ = [
    "KEPT",
    "NO_START",
    "ObjectPose",
    "ObjectSet",
    "SetRecord",
    "load_object_set",
    "read_object_set",
    "save_object_set",
]

FROZEN = Path(__file__).parent / "frozen"
KEPT, NO_START = "kept", "could not start"  # verdicts that every rule knows
ARRAYS = ("vertices", "vertex_counts", "faces", "face_counts", "bodies", "world_from_object")


@dataclass(frozen=True, kw_only=True)
class SetRecord:
    """What NAME.json says. Candidate number k is a function of (seed, k); the first `len(verdicts)` were looked at."""

    rule: str  # by which candidates are kept, in words
    seed: int
    opening: float  # metres: of the hand that the sizes are for
    meaning: dict[str, str]  # of each letter of `verdicts`
    verdicts: str = ""  # on each candidate, one letter
    made_with: dict[str, str] = field(default_factory=dict)  # versions of what the shapes depend on; the commit
    names: tuple[str, ...] = ()  # of the objects kept: family and candidate number
    sha256: tuple[str, ...] = ()  # of each: its meshes and its pose

    @property
    def counts(self) -> dict[str, int]:
        """How many candidates met with each verdict."""
        found = Counter(self.verdicts)
        return {meaning: found[letter] for letter, meaning in self.meaning.items()}


@dataclass(frozen=True, eq=False)
class ObjectPose:
    """One of a set: the solid in its size, and how it rests on a table."""

    solid: Solid
    world_from_object: Float64[np.ndarray, "4 4"]


@dataclass(frozen=True, eq=False)
class ObjectSet:
    """A frozen set, as it lies on disk: every object's surface, then its convex parts, are `bodies` meshes in a row."""

    record: SetRecord
    vertices: tuple[Float32[np.ndarray, "_ 3"], ...]
    faces: tuple[UInt16[np.ndarray, "_ 3"], ...]
    first: tuple[int, ...]  # of each object's meshes; one more at the end
    world_from_object: Float64[np.ndarray, "N 4 4"]

    def __len__(self) -> int:
        return len(self.record.names)

    @property
    def checksum(self) -> str:
        """SHA-256 over what a trial may depend on: names, meshes, poses, and the opening that sizes are for."""
        record = self.record
        return json_checksum([record.names, record.sha256, record.opening], digits=64)

    def object_pose(self, index: int) -> ObjectPose:
        """Number `index` of the set; after the last one the first one comes again."""
        i = index % len(self)
        meshes = [
            trimesh.Trimesh(self.vertices[k].astype(np.float64), self.faces[k].astype(np.int64), process=False)
            for k in range(self.first[i], self.first[i + 1])
        ]
        return ObjectPose(Solid(self.record.names[i], meshes[0], tuple(meshes[1:]) or None), self.world_from_object[i])


@lru_cache(maxsize=4)
def load_object_set(source: str) -> ObjectSet:
    """The set of a name that ships, or of a file; read once in each process. InputError: see `read_object_set`."""
    names = {path.stem: path for path in sorted(FROZEN.glob("*.json"))}
    path = names.get(source, Path(source))
    if path.suffix != ".json":
        raise unknown_name("object set", source, names)
    return read_object_set(path)


def read_object_set(path: Path) -> ObjectSet:
    """The set of a NAME.json and the NAME.npz beside it.

    InputError: there is none, it is damaged, or a mesh or pose is not the one that was frozen.
    """
    try:
        record = parse_config(SetRecord, parse_json(path.read_text()), str(path))
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
            arrays = {name: file[name] for name in ARRAYS}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not an object set ({error}); get both its files again, .json and .npz") from None
    vertices = _split(arrays["vertices"], arrays["vertex_counts"])
    faces = _split(arrays["faces"], arrays["face_counts"])
    first = tuple(int(k) for k in np.concatenate([[0], np.cumsum(arrays["bodies"])]))
    found = ObjectSet(record, vertices, faces, first, arrays["world_from_object"])
    _check(found, path)
    return found


def save_object_set(record: SetRecord, objects: Sequence[ObjectPose], path: Path) -> SetRecord:
    """Write NAME.json and NAME.npz; the record is returned with the objects' names and hashes in it."""
    bodies = [[one.solid.mesh, *(one.solid.parts or ())] for one in objects]
    meshes = [mesh for of_one in bodies for mesh in of_one]
    vertices = [np.asarray(mesh.vertices, dtype=np.float32) for mesh in meshes]
    faces = [np.asarray(mesh.faces, dtype=np.uint16) for mesh in meshes]
    first = np.concatenate([[0], np.cumsum([len(of_one) for of_one in bodies])]).astype(np.int64)
    poses = np.array([one.world_from_object for one in objects]).reshape(-1, 4, 4)
    hashes = tuple(
        _sha256(vertices[first[i] : first[i + 1]], faces[first[i] : first[i + 1]], poses[i])
        for i in range(len(objects))
    )
    names = tuple(one.solid.name for one in objects)
    record = SetRecord(**{**vars(record), "names": names, "sha256": hashes})
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path.with_suffix(".npz"),
        vertices=np.concatenate([*vertices, np.zeros((0, 3), np.float32)]),
        vertex_counts=np.array([len(v) for v in vertices], dtype=np.int64),
        faces=np.concatenate([*faces, np.zeros((0, 3), np.uint16)]),
        face_counts=np.array([len(f) for f in faces], dtype=np.int64),
        bodies=np.array([len(of_one) for of_one in bodies], dtype=np.int64),
        world_from_object=poses,
    )
    path.write_text(json.dumps(asdict(record), indent=1) + "\n")
    return record


def _split(rows: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(np.split(rows, np.cumsum(counts)[:-1])) if len(counts) else ()


def _check(found: ObjectSet, path: Path) -> None:
    record = found.record
    if not len(record.names) == len(record.sha256) == len(found.first) - 1 == len(found.world_from_object):
        raise InputError(f"{path}: the files name different numbers of objects; get both again, .json and .npz")
    for i, (name, expected) in enumerate(zip(record.names, record.sha256, strict=True)):
        mine = slice(found.first[i], found.first[i + 1])
        if _sha256(found.vertices[mine], found.faces[mine], found.world_from_object[i]) != expected:
            raise InputError(f"{path}: {name} is not the object that was frozen (its SHA-256 differs); get it again")


def _sha256(
    vertices: Sequence[Float32[np.ndarray, "_ 3"]],
    faces: Sequence[UInt16[np.ndarray, "_ 3"]],
    world_from_object: Float64[np.ndarray, "4 4"],
) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(world_from_object, dtype="<f8").tobytes())
    for points, triangles in zip(vertices, faces, strict=True):
        digest.update(np.ascontiguousarray(points, dtype="<f4").tobytes())
        digest.update(np.ascontiguousarray(triangles, dtype="<u2").tobytes())
    return digest.hexdigest()
