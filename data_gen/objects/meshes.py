"""Solids: triangle meshes that enclose a volume, from files of unknown quality, with what was mended.

Everything downstream (contact normals, centre of mass, collision, physics) believes that the surface is closed, wound
outward, in metres and about the centre of mass. Here that is made true, or refused with the reason and a remedy. An
object in several pieces that do not touch is one rigid object, as 18 of the 999 of random_urdfs are (docs/objects.md).
"""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Float64

from graspnet.data_gen.objects.formats.mesh_file import MESH_SUFFIXES, read_triangles
from graspnet.data_gen.objects.surfaces import Faces, Vertices, close_surface, open_edges, tidied, used
from graspnet.data_gen.objects.unions import FLAT, outward, signed_volume, simplified, thickened, united
from graspnet.errors import InputError

__all__ = ["Solid", "find_meshes", "load_solid", "other_formats", "solid_from_mesh"]

SMALLEST, LARGEST = 0.001, 2.0  # longest side that a hand of 4 to 15 cm could have to do with; else the unit is wrong
UNITS = {"metres": 1.0, "millimetres": 0.001, "centimetres": 0.01, "inches": 0.0254}
# Formats of surfaces that people have and that are not read, so that nobody misses them without a word.
NOT_READ = (
    ".3ds",
    ".3mf",
    ".blend",
    ".dae",
    ".fbx",
    ".gltf",
    ".iges",
    ".igs",
    ".step",
    ".stp",
    ".usd",
    ".usdz",
    ".wrl",
)
MOST_FACES = 20_000  # a ball of 10 cm then is off by 0.05 mm; labels allow for 2.5 mm


@dataclass(frozen=True, eq=False)
class Solid:
    """One object: a closed surface wound outward, in metres, in the object frame (origin = centre of mass).

    parts: convex pieces in the same frame whose union is the solid, if they are known. notes: what the repair did.
    """

    name: str
    mesh: trimesh.Trimesh
    parts: tuple[trimesh.Trimesh, ...] | None = None
    notes: tuple[str, ...] = ()

    @property
    def center_of_mass(self) -> Float64[np.ndarray, "3"]:
        """The centre of mass of uniform density, in the object frame: (0, 0, 0) to rounding."""
        return np.asarray(self.mesh.center_mass, dtype=np.float64)

    @property
    def volume(self) -> float:
        """The volume in cubic metres."""
        return float(self.mesh.volume)

    @property
    def radius(self) -> float:
        """Largest distance of a vertex from the centre of mass."""
        return float(np.linalg.norm(self.mesh.vertices, axis=1).max())

    def scaled(self, factor: float) -> "Solid":
        """The same shape, `factor` times as large."""
        if not 0 < factor < np.inf:
            raise InputError(f"{self.name}: scale factor is {factor}; it must be positive")
        parts = None if self.parts is None else tuple(_moved(part, np.zeros(3), factor) for part in self.parts)
        return Solid(self.name, _moved(self.mesh, np.zeros(3), factor), parts, self.notes)


def find_meshes(folder: str | Path) -> list[Path]:
    """All mesh files in a folder and below it, also behind links, sorted. InputError: none, or a part is locked."""
    found = _files_below(Path(folder))
    paths = [path for path in found if path.suffix.lower() in MESH_SUFFIXES]
    if not paths:
        others = other_formats(folder)
        held = f"; it holds {', '.join(f'{count} {suffix}' for suffix, count in others.items())}" if others else ""
        raise InputError(f"{folder}: no mesh file in it; expected one of {', '.join(MESH_SUFFIXES)}{held}")
    return paths


def other_formats(folder: str | Path) -> dict[str, int]:
    """How many files there are of each format of meshes that is not read, by suffix."""
    suffixes = Counter(path.suffix.lower() for path in _files_below(Path(folder)))
    return {suffix: suffixes[suffix] for suffix in NOT_READ if suffix in suffixes}


def _files_below(folder: Path) -> list[Path]:
    if folder.is_file():
        raise InputError(f"{folder}: is a file; give the folder that it lies in")
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one with mesh files ({', '.join(MESH_SUFFIXES)})")

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be looked into ({error.strerror})")

    found: dict[Path, Path] = {}  # where files lie, and under which name: links may lead to the same one
    seen = {folder.resolve()}  # a link may lead back to where it came from
    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        folders[:] = [name for name in sorted(folders) if Path(place, name).resolve() not in seen]
        seen |= {Path(place, name).resolve() for name in folders}
        for path in (Path(place, name) for name in sorted(names)):
            if path.is_file() or (path.is_symlink() and not path.exists()):  # who reads it says that nothing is there
                found.setdefault(Path(os.path.realpath(path)), path)
    return sorted(found.values())


def load_solid(
    path: str | Path, unit: float = 1.0, *, most_faces: int = MOST_FACES, wall: float | None = None
) -> Solid:
    """The solid in a mesh file whose coordinates are in `unit` metres (0.001: millimetres), checked and repaired.

    most_faces: a finer surface is simplified. wall: the thickness (metres) that an open surface is given, centred on
    it; None refuses what is open. Scenes come as one mesh with their transforms applied; no other file is opened.
    """
    path = Path(path)
    if not 0 < unit < np.inf:
        raise InputError(f"{path}: unit is {unit}; it must be positive (metres in one unit of the file)")
    vertices, faces = read_triangles(path)
    return _solid(vertices * unit, faces, path.stem, str(path), unit=unit, most_faces=most_faces, wall=wall)


def solid_from_mesh(mesh: trimesh.Trimesh, name: str, parts: tuple[trimesh.Trimesh, ...] | None = None) -> Solid:
    """The solid that a mesh in metres encloses, checked and repaired; `parts` are moved along with it."""
    if len(mesh.faces) == 0:
        raise InputError(f"{name}: no triangles in it; expected a surface mesh, not points or lines")
    return _solid(mesh.vertices, mesh.faces, name, name, parts)


def _solid(
    vertices: np.ndarray,
    faces: np.ndarray,
    name: str,
    where: str,
    parts: tuple[trimesh.Trimesh, ...] | None = None,
    *,
    unit: float = 1.0,
    most_faces: int = MOST_FACES,
    wall: float | None = None,
) -> Solid:
    """The pipeline of repair: finite, of some size, closed, wound outward, one body, about its centre of mass."""
    notes: list[str] = []
    vertices, faces = _finite(np.array(vertices, dtype=np.float64), np.array(faces, dtype=np.int64), where, notes)
    _check_size(vertices, unit, where)
    if wall is not None and wall > np.ptp(vertices, axis=0).max():
        size = f"{float(np.ptp(vertices, axis=0).max()):.3g}"
        raise InputError(f"{where}: objects.wall is {wall:g} m, and the object only {size} m long; it is in metres")
    closed = close_surface(vertices, faces, notes)
    if closed is not None:
        mesh = united(outward(trimesh.Trimesh(*closed, process=False), notes), notes)
    elif wall is not None:
        mesh = thickened(vertices, faces, wall, where, notes)
    else:
        raise _open_surface(vertices, faces, where, notes)
    _check_volume(mesh, where)
    mesh = simplified(mesh, most_faces, where, notes)
    center = np.asarray(mesh.center_mass, dtype=np.float64)
    mesh = _moved(mesh, -center, 1.0)
    if parts is not None:
        parts = tuple(_moved(part, -center, 1.0) for part in parts)
    else:
        hull = trimesh.convex.convex_hull(mesh)
        parts = (hull,) if signed_volume(hull) < 1.001 * signed_volume(mesh) else None
    return Solid(name, mesh, parts, tuple(notes))


def _finite(vertices: Vertices, faces: Faces, where: str, notes: list[str]) -> tuple[Vertices, Faces]:
    """The surface without faces whose vertices are not numbers: the hole may be small enough to be filled."""
    vertices, faces = used(vertices, faces)
    finite = np.isfinite(vertices).all(axis=1)
    if finite.all():
        return vertices, faces
    bad = f"{int(np.sum(~finite))} of {len(vertices)} vertices are not finite"
    kept = finite[faces].all(axis=1)
    if not kept.any():
        raise InputError(f"{where}: {bad}; export the mesh again")
    notes.append(f"removed {int(np.sum(~kept))} faces: {bad}")
    return used(vertices, faces[kept])


def _check_size(vertices: Vertices, unit: float, where: str) -> None:
    """Refuses sizes that only a wrong unit explains."""
    with np.errstate(over="ignore"):
        longest = float(np.ptp(vertices, axis=0).max())
    if SMALLEST <= longest <= LARGEST:
        return
    fitting = [f"{name} (objects.unit={u:g})" for name, u in UNITS.items() if 0.01 <= longest / unit * u <= 0.5]
    if not np.isfinite(longest):
        remedy = "a vertex is farther away than numbers reach; export it again"
    elif fitting:
        remedy = f"is the file in {' or '.join(fitting)}?"
    elif longest > 0:
        remedy = f"give the unit of the file in metres (objects.unit={0.1 * unit / longest:.2g} would make it 0.1 m)"
    else:
        remedy = "all its vertices coincide"
    raise InputError(f"{where}: longest side is {longest:.3g} m; expected {SMALLEST} to {LARGEST} m; {remedy}")


def _open_surface(vertices: Vertices, faces: Faces, where: str, notes: list[str]) -> InputError:
    vertices, faces = tidied(vertices, faces)
    edges = len(open_edges(faces))
    cause = f" ({'; '.join(notes)})" if notes else ""
    return InputError(
        f"{where}: the surface is open: {edges} open edges of {len(faces)} faces{cause}; close it in a mesh editor, "
        "give it a thickness with objects.wall (metres), or leave the file out"
    )


def _check_volume(mesh: trimesh.Trimesh, where: str) -> None:
    """Refuses a closed surface that encloses nothing."""
    longest = float(np.max(mesh.extents)) if len(mesh.faces) else 0.0
    volume = signed_volume(mesh)
    if not volume > FLAT * longest**3:
        raise InputError(f"{where}: encloses no volume ({volume:.3g} m³ at {longest:.3g} m); a sheet needs a thickness")


def _moved(mesh: trimesh.Trimesh, shift: Float64[np.ndarray, "3"], factor: float) -> trimesh.Trimesh:
    """(vertices + shift) · factor."""
    return trimesh.Trimesh((mesh.vertices + shift) * factor, mesh.faces.copy(), process=False)
