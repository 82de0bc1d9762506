"""Surfaces: what exporters write as triangles, made closed: at each edge as many faces on one side as on the other.

Duplicates, split vertices, walls inside the body and small holes are mended; each function notes what it did.
"""

import numpy as np
import trimesh
from jaxtyping import Float64, Int64

__all__ = ["close_surface", "is_closed", "open_edges", "tidied", "used"]

FILLABLE = 0.05  # share of the surface that holes may have and be filled; more (a bowl without walls) changes the shape

Vertices = Float64[np.ndarray, "_ 3"]  # the repair changes how many there are
Faces = Int64[np.ndarray, "_ 3"]


def close_surface(vertices: Vertices, faces: Faces, notes: list[str]) -> tuple[Vertices, Faces] | None:
    """The gentlest version of the surface that is closed: as it stands, else with vertices merged, else with holes
    filled, else None. Merging is not free: it fuses walls that only touch, and then edges have four faces."""
    faces = _proper_faces(faces, notes)
    if is_closed(faces):
        return vertices, _without_inner_faces(faces, notes)
    for tolerance in (0.0, 1e-6, 1e-4):
        merged = _merged(vertices, faces, tolerance * float(np.ptp(vertices, axis=0).max()))
        proper = _proper_faces(merged[1], [])
        for tidy in (_distinct_faces(proper), _net_faces(proper)):
            if is_closed(tidy):
                notes.append(f"merged {len(vertices) - len(merged[0])} vertices")
                if len(tidy) < len(faces):
                    notes.append(f"removed {len(faces) - len(tidy)} duplicate or degenerate faces")
                return used(merged[0], tidy)
    return _filled(*tidied(vertices, faces), notes)


def tidied(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    """The surface with equal vertices merged, and without faces that have a vertex twice or are there twice."""
    vertices, faces = _merged(vertices, faces, 0.0)
    return used(vertices, _distinct_faces(_proper_faces(faces, [])))


def is_closed(faces: Faces) -> bool:
    """Whether each edge borders an even number of faces (four where two pieces touch along an edge)."""
    return len(faces) > 0 and len(open_edges(faces)) == 0


def open_edges(faces: Faces) -> Int64[np.ndarray, "_ 2"]:
    """Directed edges, as their face runs along them, that border an odd number of faces."""
    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    key = np.sort(edges, axis=1) @ np.array([faces.max() + 1, 1])
    _, first, count = np.unique(key, return_index=True, return_counts=True)
    return edges[first[count % 2 == 1]]


def used(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    """The surface without vertices that no face has: they would count in the hull and in the radius."""
    used, inverse = np.unique(faces, return_inverse=True)
    return vertices[used], inverse.reshape(-1, 3)


def _proper_faces(faces: Faces, notes: list[str]) -> Faces:
    """The faces without those that have a vertex twice; the edges of the rest keep their parity."""
    proper = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    if not proper.all():
        notes.append(f"removed {int(np.sum(~proper))} degenerate faces")
    return faces[proper]


def _without_inner_faces(faces: Faces, notes: list[str]) -> Faces:
    """The faces without coincident ones of opposite winding: walls inside the body, between two pieces."""
    net = _net_faces(faces)
    if len(net) < len(faces) and is_closed(net):
        notes.append(f"removed {len(faces) - len(net)} inner faces")
        return net
    return faces


def _net_faces(faces: Faces) -> Faces:
    """For each set of faces with the same three vertices, one as most of them are wound; none where they cancel out."""
    _, group = np.unique(np.sort(faces, axis=1), axis=0, return_inverse=True)
    group, rows, smallest = group.reshape(-1), np.arange(len(faces)), np.argmin(faces, axis=1)
    even = faces[rows, (smallest + 1) % 3] < faces[rows, (smallest + 2) % 3]
    turn = np.where(even, 1, -1)
    like_most = np.flatnonzero(turn * np.bincount(group, turn)[group] > 0)
    _, first = np.unique(group[like_most], return_index=True)
    return faces[like_most[np.sort(first)]]


def _distinct_faces(faces: Faces) -> Faces:
    """One of each set of faces with the same three vertices, whichever way they are wound."""
    _, first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    return faces[np.sort(first)]


def _merged(vertices: Vertices, faces: Faces, tolerance: float) -> tuple[Vertices, Faces]:
    """Vertices within a cell of `tolerance` become one; at 0, those that are equal."""
    cells = np.round(vertices / tolerance) if tolerance > 0 else vertices
    _, first, inverse = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    return vertices[first], inverse.reshape(-1)[faces]


def _filled(vertices: Vertices, faces: Faces, notes: list[str]) -> tuple[Vertices, Faces] | None:
    """The surface with fans over its holes, if these are small (a share FILLABLE of the surface); otherwise None."""
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    trimesh.repair.fix_winding(mesh)  # a hole's rim can be followed only if the faces along it agree
    faces = np.array(mesh.faces, dtype=np.int64)
    edges = open_edges(faces)
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
        if is_closed(filled) and area[len(faces) :].sum() <= FILLABLE * area.sum():
            notes.append(f"filled {len(loops)} holes ({len(edges)} open edges)")
            return vertices, filled
    return None


def _loops(edges: Int64[np.ndarray, "_ 2"]) -> list[Int64[np.ndarray, "L"]] | None:
    """The directed edges as closed loops that pass no vertex twice; None where they do not close."""
    following: dict[int, list[int]] = {}
    for start, end in edges.tolist():
        following.setdefault(start, []).append(end)
    loops: list[np.ndarray] = []
    while following:
        path = [next(iter(following))]
        place = {path[0]: 0}  # where each vertex stands in the path
        while len(path) > 1 or path[0] in following:
            if path[-1] not in following:
                return None
            vertex = following[path[-1]].pop()
            if not following[path[-1]]:
                del following[path[-1]]
            if vertex in place:  # two holes that meet in a vertex come apart there
                loop = path[place[vertex] :]
                loops.append(np.array(loop))
                path = path[: place[vertex]]
                for passed in loop:
                    del place[passed]
            place[vertex] = len(path)
            path.append(vertex)
    return loops
