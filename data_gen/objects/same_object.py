"""Which files hold the same object: other formats, other resolutions, copies. One file stands for each object.

A file is not an object: YCB has each of its objects up to eleven times. If each were an object of its own, one and the
same shape would lie on both sides of a split, and a network would be measured on what it was trained on.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

import numpy as np
from jaxtyping import Float64
from scipy.spatial import cKDTree

from graspnet.data_gen.objects.formats.mesh_file import read_triangles
from graspnet.data_gen.objects.formats.polygons import Triangles
from graspnet.errors import InputError
from graspnet.run.progress import track

__all__ = ["files_of_objects", "in_words", "object_key", "shape_of"]

# Folders that tell how an object was scanned or is stored, not which one it is (the first six are YCB's, the finest
# that needs no simplifying first), and ends of names of the same kind.
RECONSTRUCTIONS = ("google_16k", "google_64k", "google_512k", "tsdf", "poisson", "clouds")
STORED_AS = re.compile(r"google_\d+k|tsdf|poisson|clouds|visual|collision|obj|ply|stl|off|glb", re.IGNORECASE)
MADE_AS = re.compile(r"(^|[_.\- ])(visual|collision|textured|nontextured)$", re.IGNORECASE)
FORMATS = (".obj", ".glb", ".ply", ".off", ".stl")  # best first: an STL's triangles do not know their neighbours
SAME = 1e-3  # Shapes are the same if none of their lengths differs by more than this share.
MOST_LINES = 20  # More choices than these are counted, not listed.


def files_of_objects(
    files: Mapping[str, Path], plausible: tuple[float, float], said_by: str, *, copies: bool
) -> dict[str, tuple[str, ...]]:
    """The file that stands for each object, and the names of the others that hold the same one.

    plausible: shortest and longest that an object can be, in units of the files; a file that can be read and lies in
    it goes first. copies: look for equal shapes under other names too, which reads all files; otherwise only those are
    read of which names say that they are of one object. said_by: what the progress begins with.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(files):
        groups.setdefault(object_key(name), []).append(name)
    unclear = [name for group in groups.values() if copies or len(group) > 1 for name in group]
    if len(unclear) < 2:
        return {name: () for name in sorted(files)}
    reading = track(unclear, len(unclear), f"{said_by}: reading meshes", "files")
    shapes = {name: _shape_in(files[name]) for name in reading}

    def worth(name: str) -> tuple[bool, bool, int, int, int, str]:
        path, shape = PurePath(name.lower()), shapes.get(name)
        layers = [RECONSTRUCTIONS.index(part) for part in path.parts if part in RECONSTRUCTIONS]
        fits = shape is not None and plausible[0] <= shape[0] <= plausible[1]
        collision = "collision" in path.stem or "collision" in path.parts
        return not fits, collision, max(layers, default=0), FORMATS.index(path.suffix), len(path.parts), name

    chosen: dict[str, tuple[str, ...]] = {}
    for group in groups.values():
        first, *others = sorted(group, key=worth) if len(group) > 1 else group
        chosen[first] = tuple(sorted(others))
    return _without_copies(chosen, shapes) if copies else dict(sorted(chosen.items()))


def object_key(name: str) -> str:
    """What the files of one object have in common: their path without what tells how it is stored.

    `mug.obj` and `mug.stl`; `003_cracker_box/google_16k/textured.obj` and `003_cracker_box/tsdf/nontextured.ply`;
    `can_visual.obj` and `can_collision.obj`.
    """
    path = PurePath(name)
    folders = [part for part in path.parts[:-1] if not STORED_AS.fullmatch(part)]
    return "/".join([*folders, MADE_AS.sub("", path.stem)]).lower()


def in_words(chosen: Mapping[str, Sequence[str]]) -> list[str]:
    """A line for each file that stands for others."""
    lines = [
        f"{name} stands for {len(others)} other {'files' if len(others) > 1 else 'file'} of the same object: "
        + ", ".join(others)
        for name, others in chosen.items()
        if others
    ]
    more = len(lines) - MOST_LINES
    return lines if more <= 1 else [*lines[:MOST_LINES], f"… and {more} more files stand for others"]


def shape_of(triangles: Triangles) -> Float64[np.ndarray, "6"]:
    """Lengths that do not change when a surface is moved or turned, nor with its triangulation.

    The longest extent along the file's axes, which only bounds the size; the square root of the area; and of the
    distribution of the surface about its centroid, the three principal deviations and (mean |x|⁴)^¼. NaN where the
    surface has no area. Mirrored shapes have the same lengths.
    """
    vertices, faces = triangles
    corners = vertices[faces]
    corners = corners[np.isfinite(corners).all(axis=(1, 2))]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    total = float(area.sum())
    if not total > 0:
        return np.full(6, np.nan)
    points = np.einsum("qk,fkx->qfx", _POINTS, corners)
    mass = _WEIGHTS[:, None] * area / total
    points = points - np.einsum("qf,qfx->x", mass, points)
    deviations = np.sqrt(np.maximum(np.linalg.eigvalsh(np.einsum("qf,qfx,qfy->xy", mass, points, points)), 0.0))
    fourth = float(np.sum(mass * np.sum(points**2, axis=-1) ** 2)) ** 0.25
    longest = float(np.ptp(corners.reshape(-1, 3), axis=0).max())
    return np.array([longest, np.sqrt(total), *deviations, fourth])


# Six points of a triangle, by the weights of its corners, that integrate polynomials of degree 4 exactly (Dunavant,
# 1985).
_NEAR, _FAR = 0.445948490915965, 0.091576213509771
_POINTS = np.array([np.roll([1 - 2 * a, a, a], k) for a in (_NEAR, _FAR) for k in range(3)])
_WEIGHTS = np.repeat([0.223381589678011, 0.109951743655322], 3)


def _shape_in(path: Path) -> Float64[np.ndarray, "6"] | None:
    """None where the file cannot be read: whoever loads the object says why."""
    try:
        return shape_of(read_triangles(path))
    except InputError:
        return None


def _without_copies(
    chosen: Mapping[str, tuple[str, ...]], shapes: Mapping[str, Float64[np.ndarray, "6"] | None]
) -> dict[str, tuple[str, ...]]:
    """The same, with files of equal shape under one name, the first."""
    names = sorted(chosen)
    known = [name for name in names if (shape := shapes[name]) is not None and np.all(shape > 0)]
    kept = {name: chosen[name] for name in names}
    if len(known) > 1:
        lengths = np.log(np.stack([shapes[name][1:] for name in known]))  # type: ignore[index]
        for i, j in sorted(cKDTree(lengths).query_pairs(SAME, p=np.inf)):
            if known[i] in kept and known[j] in kept:
                kept[known[i]] = tuple(sorted((*kept[known[i]], known[j], *kept.pop(known[j]))))
    return kept
