"""Solids: triangle meshes that enclose a volume, from files of unknown quality, with what was mended.

Everything downstream (contact normals, centre of mass, collision, physics) believes that the surface is closed, wound
outward, in metres and about the centre of mass. Here that is made true, or refused with the reason.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import manifold3d
import numpy as np
import trimesh
from jaxtyping import Float64, Int64

from graspnet.errors import InputError

__all__ = ["MESH_SUFFIXES", "Solid", "find_meshes", "load_solid", "manifold_from_mesh", "solid_from_mesh"]

MESH_SUFFIXES = (".glb", ".gltf", ".obj", ".off", ".ply", ".stl")
SMALLEST, LARGEST = 0.001, 2.0  # longest side that a hand of 4 to 15 cm could have to do with; else the unit is wrong
UNITS = {"metres": 1.0, "millimetres": 0.001, "centimetres": 0.01, "inches": 0.0254}
FILLABLE = 0.05  # share of the surface that holes may have and be filled; more (a bowl without walls) changes the shape
SPECK = 1e-9  # share of the volume below which a piece is debris of some modeller's rounding
FLAT = 1e-6  # volume over (longest side)³ below which a surface encloses nothing: a sheet, not a thin plate

Vertices = Float64[np.ndarray, "_ 3"]  # the repair changes how many there are
Faces = Int64[np.ndarray, "_ 3"]


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
        """Of uniform density, in the object frame: (0, 0, 0) to rounding."""
        return np.asarray(self.mesh.center_mass, dtype=np.float64)

    @property
    def volume(self) -> float:
        """In cubic metres."""
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
    """All mesh files in a folder and below it, sorted. InputError if there is none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one with mesh files ({', '.join(MESH_SUFFIXES)})")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in MESH_SUFFIXES and path.is_file())
    if not paths:
        raise InputError(f"{folder}: no mesh file in it; expected one of {', '.join(MESH_SUFFIXES)}")
    return paths


def load_solid(path: str | Path, unit: float = 1.0) -> Solid:
    """The solid in a mesh file whose coordinates are in `unit` metres (0.001: millimetres), checked and repaired."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.suffix.lower() not in MESH_SUFFIXES:
        raise InputError(f"{path}: unknown mesh format {path.suffix!r}; expected one of {', '.join(MESH_SUFFIXES)}")
    if not 0 < unit < np.inf:
        raise InputError(f"{path}: unit is {unit}; it must be positive (metres in one unit of the file)")
    # process=False: trimesh would merge vertices unasked, which opens some meshes that are closed as they stand.
    # An OBJ's textures are of no use here and slow to read; the keyword is unknown to other formats.
    options: dict[str, Any] = {"skip_materials": True} if path.suffix.lower() == ".obj" else {}
    try:
        mesh = trimesh.load_mesh(path, process=False, **options)
    except Exception as error:  # a parser of eight formats fails in as many ways; all mean the same to the reader
        raise InputError(f"{path}: not a readable mesh ({type(error).__name__}: {error})") from error
    if not isinstance(mesh, trimesh.Trimesh):
        raise InputError(f"{path}: no triangles in it; expected a surface mesh, not points or lines")
    return _solid(mesh.vertices, mesh.faces, unit, path.stem, str(path), None)


def solid_from_mesh(mesh: trimesh.Trimesh, name: str, parts: tuple[trimesh.Trimesh, ...] | None = None) -> Solid:
    """The solid that a mesh in metres encloses, checked and repaired; `parts` are moved along with it."""
    return _solid(mesh.vertices, mesh.faces, 1.0, name, name, parts)


def manifold_from_mesh(mesh: trimesh.Trimesh) -> manifold3d.Manifold | None:
    """The mesh for boolean operations; None where some edge has other than one face on either side."""
    vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.uint64)
    body = manifold3d.Manifold(manifold3d.Mesh64(np.ascontiguousarray(vertices), np.ascontiguousarray(faces)))
    return body if body.status() == manifold3d.Error.NoError and not body.is_empty() else None


def _solid(
    vertices: np.ndarray,
    faces: np.ndarray,
    unit: float,
    name: str,
    where: str,
    parts: tuple[trimesh.Trimesh, ...] | None,
) -> Solid:
    """The pipeline of repair: finite, in metres, closed, wound outward, one body, about its centre of mass."""
    if len(faces) == 0:
        raise InputError(f"{where}: no triangles in it; expected a surface mesh, not points or lines")
    notes: list[str] = []
    vertices, faces = _used(np.array(vertices, dtype=np.float64) * unit, np.array(faces, dtype=np.int64))
    _check_coordinates(vertices, unit, where)
    vertices, faces = _closed(vertices, faces, where, notes)
    mesh = _united(_outward(trimesh.Trimesh(vertices, faces, process=False), notes), notes)
    _check_volume(mesh, where)
    center = np.asarray(mesh.center_mass, dtype=np.float64)
    mesh = _moved(mesh, -center, 1.0)
    if parts is not None:
        parts = tuple(_moved(part, -center, 1.0) for part in parts)
    else:
        hull = trimesh.convex.convex_hull(mesh)
        parts = (hull,) if _volume(hull) < 1.001 * _volume(mesh) else None
    return Solid(name, mesh, parts, tuple(notes))


def _check_coordinates(vertices: Vertices, unit: float, where: str) -> None:
    """Refuses what is not a number, and sizes that only a wrong unit explains."""
    bad = int(np.sum(~np.isfinite(vertices).all(axis=1)))
    if bad:
        raise InputError(f"{where}: {bad} of {len(vertices)} vertices are not finite; export the mesh again")
    longest = float(np.ptp(vertices, axis=0).max())
    if not SMALLEST <= longest <= LARGEST:
        fitting = [f"{name}: unit {u:g}" for name, u in UNITS.items() if 0.01 <= longest / unit * u <= 0.5]
        remedy = f"is the file in {' or in '.join(fitting)}?" if fitting else "give the unit of the file in metres"
        raise InputError(f"{where}: longest side is {longest:.3g} m; expected {SMALLEST} to {LARGEST} m; {remedy}")


def _used(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    """Without vertices that no face has: they would count in the hull and in the radius."""
    used, inverse = np.unique(faces, return_inverse=True)
    return vertices[used], inverse.reshape(-1, 3)


def _closed(vertices: Vertices, faces: Faces, where: str, notes: list[str]) -> tuple[Vertices, Faces]:
    """The gentlest version of the surface that is closed: as it stands, else with vertices merged, else with holes
    filled. Merging is not free: it fuses walls that only touch, and then edges have four faces."""
    faces = _proper_faces(faces, notes)
    if _is_closed(faces):
        return vertices, _without_inner_faces(faces, notes)
    for tolerance in (0.0, 1e-6, 1e-4):
        merged = _merged(vertices, faces, tolerance * float(np.ptp(vertices, axis=0).max()))
        tidy = _distinct_faces(_proper_faces(merged[1], []))
        if _is_closed(tidy):
            notes.append(f"merged {len(vertices) - len(merged[0])} vertices")
            if len(tidy) < len(faces):
                notes.append(f"removed {len(faces) - len(tidy)} duplicate or degenerate faces")
            return _used(merged[0], tidy)
    return _filled(*_used(*_merged(vertices, faces, 0.0)), where, notes)


def _is_closed(faces: Faces) -> bool:
    """Whether each edge borders an even number of faces (four where two pieces touch along an edge)."""
    return len(faces) > 0 and len(_open_edges(faces)) == 0


def _open_edges(faces: Faces) -> Int64[np.ndarray, "_ 2"]:
    """Directed edges, as their face runs along them, that border an odd number of faces."""
    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    key = np.sort(edges, axis=1) @ np.array([faces.max() + 1, 1])
    _, first, count = np.unique(key, return_index=True, return_counts=True)
    return edges[first[count % 2 == 1]]


def _proper_faces(faces: Faces, notes: list[str]) -> Faces:
    """Without faces that have a vertex twice; the edges of the rest keep their parity."""
    proper = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    if not proper.all():
        notes.append(f"removed {int(np.sum(~proper))} degenerate faces")
    return faces[proper]


def _without_inner_faces(faces: Faces, notes: list[str]) -> Faces:
    """Without the pairs of coincident faces of opposite winding: walls inside the body, between two pieces."""
    _, group = np.unique(np.sort(faces, axis=1), axis=0, return_inverse=True)
    group = group.reshape(-1)
    if group.max() + 1 == len(faces):
        return faces
    smallest = np.argmin(faces, axis=1)
    rows = np.arange(len(faces))
    even = faces[rows, (smallest + 1) % 3] < faces[rows, (smallest + 2) % 3]
    turns = np.bincount(group, np.where(even, 1.0, -1.0))
    inner = (turns == 0)[group]
    if inner.any() and _is_closed(faces[~inner]):
        notes.append(f"removed {int(inner.sum())} inner faces")
        return faces[~inner]
    return faces


def _distinct_faces(faces: Faces) -> Faces:
    """One of each set of faces with the same three vertices."""
    _, first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    return faces[np.sort(first)]


def _merged(vertices: Vertices, faces: Faces, tolerance: float) -> tuple[Vertices, Faces]:
    """Vertices within a cell of `tolerance` become one; at 0, those that are equal."""
    cells = np.round(vertices / tolerance) if tolerance > 0 else vertices
    _, first, inverse = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    return vertices[first], inverse.reshape(-1)[faces]


def _filled(vertices: Vertices, faces: Faces, where: str, notes: list[str]) -> tuple[Vertices, Faces]:
    """With fans over holes, if these are small (a share FILLABLE of the surface); otherwise InputError."""
    faces = _distinct_faces(_proper_faces(faces, []))
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    trimesh.repair.fix_winding(mesh)  # a hole's rim can be followed only if the faces along it agree
    faces = np.array(mesh.faces, dtype=np.int64)
    edges = _open_edges(faces)
    loops = _loops(edges)
    if loops:
        centers = np.stack([vertices[loop].mean(axis=0) for loop in loops])
        tips = len(vertices) + np.arange(len(loops))
        caps = [
            np.stack([np.roll(loop, -1), loop, np.full_like(loop, tip)], axis=1)
            for loop, tip in zip(loops, tips, strict=True)
        ]
        vertices, filled = np.concatenate([vertices, centers]), np.concatenate([faces, *caps])
        area = trimesh.triangles.area(vertices[filled])
        if _is_closed(filled) and area[len(faces) :].sum() <= FILLABLE * area.sum():
            notes.append(f"filled {len(loops)} holes ({len(edges)} open edges)")
            return vertices, filled
    raise InputError(
        f"{where}: the surface is open: {len(edges)} open edges of {len(faces)} faces; "
        "close it (fill the holes, give walls a thickness) in a mesh editor, or leave the file out"
    )


def _loops(edges: Int64[np.ndarray, "_ 2"]) -> list[Int64[np.ndarray, "L"]] | None:
    """The directed edges as closed loops that pass no vertex twice; None where they do not close."""
    following: dict[int, list[int]] = {}
    for start, end in edges.tolist():
        following.setdefault(start, []).append(end)
    loops: list[np.ndarray] = []
    while following:
        path = [next(iter(following))]
        while len(path) > 1 or path[0] in following:
            if path[-1] not in following:
                return None
            vertex = following[path[-1]].pop()
            if not following[path[-1]]:
                del following[path[-1]]
            if vertex in path:  # two holes that meet in a vertex come apart there
                loops.append(np.array(path[path.index(vertex) :]))
                path = path[: path.index(vertex)]
            path.append(vertex)
    return loops


def _outward(mesh: trimesh.Trimesh, notes: list[str]) -> trimesh.Trimesh:
    """Neighbours wound alike, and the whole so that it has a positive volume."""
    if not mesh.is_winding_consistent:
        before = mesh.faces.copy()
        trimesh.repair.fix_winding(mesh)
        turned = int(np.any(before != mesh.faces, axis=1).sum())
        if turned:
            notes.append(f"wound {turned} faces like their neighbours")
    if _volume(mesh) < 0:
        mesh = _flipped(mesh)
        notes.append("was inside out: flipped")
    return mesh


def _united(mesh: trimesh.Trimesh, notes: list[str]) -> trimesh.Trimesh:
    """One body of pieces that touch or overlap; shells wound inward stay cavities only where they lie inside."""
    pieces = _pieces(mesh)
    whole_volume = _volume(mesh)
    solid = [p for p in pieces if abs(_volume(p)) > SPECK * whole_volume or not _is_closed(np.asarray(p.faces))]
    if not solid or len(pieces) == 1:
        return mesh
    if len(solid) < len(pieces):
        notes.append(f"dropped {len(pieces) - len(solid)} pieces without volume")
    bodies = [manifold_from_mesh(piece if _volume(piece) > 0 else _flipped(piece)) for piece in solid]
    outward = [body for body, piece in zip(bodies, solid, strict=True) if body is not None and _volume(piece) > 0]
    inward = [body for body, piece in zip(bodies, solid, strict=True) if body is not None and _volume(piece) < 0]
    if len(outward) + len(inward) < len(solid):
        notes.append(f"kept {len(solid)} pieces apart: some have edges with more than two faces")
        offsets = np.cumsum([0] + [len(piece.vertices) for piece in solid[:-1]])
        faces = np.concatenate([piece.faces + offset for piece, offset in zip(solid, offsets, strict=True)])
        return trimesh.Trimesh(np.concatenate([piece.vertices for piece in solid]), faces, process=False)
    whole = manifold3d.Manifold.batch_boolean(outward, manifold3d.OpType.Add)
    for shell in inward:
        if (shell ^ whole).volume() > 0.99 * shell.volume():
            whole = whole - shell
        else:
            whole = whole + shell
            notes.append("flipped a piece that was inside out")
    if len(solid) > 1:
        notes.append(f"united {len(solid)} pieces")
    result = whole.to_mesh64()
    return trimesh.Trimesh(result.vert_properties[:, :3], result.tri_verts.astype(np.int64), process=False)


def _pieces(mesh: trimesh.Trimesh) -> list[trimesh.Trimesh]:
    """Connected faces; where pieces touch along an edge, the two faces that bound the same matter are neighbours."""
    neighbors = np.concatenate([mesh.face_adjacency, _crowded_neighbors(mesh)])
    label = trimesh.graph.connected_component_labels(neighbors, node_count=len(mesh.faces))
    order = np.argsort(label, kind="stable")
    groups = np.split(np.asarray(mesh.faces)[order], np.flatnonzero(np.diff(label[order])) + 1)
    pieces = [_used(np.asarray(mesh.vertices), faces) for faces in groups]
    return [trimesh.Trimesh(vertices, faces, process=False) for vertices, faces in pieces]


def _crowded_neighbors(mesh: trimesh.Trimesh) -> Int64[np.ndarray, "_ 2"]:
    """Pairs of faces at edges with four or more.

    Around the edge from a to b, with angles right-handed about it, matter begins at a face that runs from b to a and
    ends at one that runs from a to b: they pair up like brackets. At equal angles one piece ends before another begins.
    """
    edges = np.asarray(mesh.faces)[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    key = np.sort(edges, axis=1) @ np.array([edges.max() + 1, 1])
    _, group, count = np.unique(key, return_inverse=True, return_counts=True)
    pairs: list[tuple[int, int]] = []
    for crowded in np.flatnonzero(count > 2):
        around = np.flatnonzero(group == crowded)
        a, b = mesh.vertices[np.sort(edges[around[0]])]
        opens = edges[around, 0] > edges[around, 1]
        if 2 * opens.sum() != len(around):
            continue  # not wound alike: no telling which faces bound the same matter
        tips = mesh.vertices[mesh.faces[around // 3, (around % 3 + 2) % 3]] - a
        x = tips[0] - (b - a) * (tips[0] @ (b - a)) / ((b - a) @ (b - a))
        y = np.cross(b - a, x) / np.linalg.norm(b - a)
        turn = np.round(np.arctan2(tips @ y, tips @ x) / 1e-6).astype(int) % round(2 * np.pi / 1e-6)
        sequence = np.lexsort((opens, turn))
        depth = np.cumsum(np.where(opens[sequence], 1, -1))
        waiting: list[int] = []
        for k in np.roll(sequence, -int(np.argmin(depth)) - 1):
            if opens[k]:
                waiting.append(int(around[k] // 3))
            else:
                pairs.append((waiting.pop(), int(around[k] // 3)))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _flipped(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces[:, ::-1], process=False)


def _volume(mesh: trimesh.Trimesh) -> float:
    """Σ a·(b × c) / 6; trimesh's own divides by it on the way and warns where it is 0."""
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces] - mesh.vertices[0], 1, 0)
    return float(np.sum(a * np.cross(b, c)) / 6)


def _check_volume(mesh: trimesh.Trimesh, where: str) -> None:
    """Refuses a closed surface that encloses nothing."""
    longest = float(np.max(mesh.extents)) if len(mesh.faces) else 0.0
    volume = _volume(mesh)
    if not volume > FLAT * longest**3:
        raise InputError(f"{where}: encloses no volume ({volume:.3g} m³ at {longest:.3g} m); a sheet needs a thickness")


def _moved(mesh: trimesh.Trimesh, shift: Float64[np.ndarray, "3"], factor: float) -> trimesh.Trimesh:
    """(vertices + shift) · factor."""
    return trimesh.Trimesh((mesh.vertices + shift) * factor, mesh.faces.copy(), process=False)
