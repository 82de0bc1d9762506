"""Unions: the pieces of a closed surface as one body, wound outward (manifold3d does the booleans).

Pieces that overlap or touch are joined, sheets are given a thickness, and what is too fine is simplified.
"""

import time

import manifold3d
import numpy as np
import trimesh
from jaxtyping import Float64, Int64

from graspnet.data_gen.objects.surfaces import Faces, Vertices, is_closed, tidied, used
from graspnet.errors import InputError

__all__ = ["manifold_from_mesh", "mesh_from_manifold", "outward", "signed_volume", "simplified", "thickened", "united"]

SPECK = 1e-6  # share of the volume below which a piece or a void is debris of some modeller's rounding
GAP = 1e-4  # over the longest side: pieces nearer than this touch (those of random_urdfs_raw: up to 0.6e-4 apart)
DISTORTED = 0.05  # share of the volume that simplifying may change: a sheet thinner than its steps would vanish
COARSEST = 0.03  # of the longest side: simplifying may move the surface by so much, and is given up there
STILL_USABLE = 10  # An object that cannot be simplified is kept up to so many times the faces that were asked for.
UNITED_AT_ONCE = 16  # bodies; between such unions the time is looked at
PATIENCE = 20.0  # seconds of processor time for the walls of a mesh, up to the last unions, which take the longest
FLAT = 1e-6  # volume over (longest side)³ below which a surface encloses nothing: a sheet, not a thin plate


def outward(mesh: trimesh.Trimesh, notes: list[str]) -> trimesh.Trimesh:
    """Neighbours wound alike, and the whole so that it has a positive volume."""
    if not mesh.is_winding_consistent:
        before = mesh.faces.copy()
        trimesh.repair.fix_winding(mesh)
        turned = int(np.any(before != mesh.faces, axis=1).sum())
        if turned:
            notes.append(f"wound {turned} faces like their neighbours")
    if signed_volume(mesh) < 0:
        mesh = _flipped(mesh)
        notes.append("was inside out: flipped")
    return mesh


def united(mesh: trimesh.Trimesh, notes: list[str]) -> trimesh.Trimesh:
    """One body of pieces that touch or overlap; shells wound inward stay cavities only where they lie inside."""
    pieces = _pieces(mesh)
    speck = SPECK * sum(abs(signed_volume(piece)) for piece in pieces)
    solid = [p for p in pieces if abs(signed_volume(p)) > speck or not is_closed(np.asarray(p.faces))]
    if not solid or len(pieces) == 1:
        return mesh
    if len(solid) < len(pieces):
        notes.append(f"dropped {len(pieces) - len(solid)} pieces without volume")
    bodies = [manifold_from_mesh(piece if signed_volume(piece) > 0 else _flipped(piece)) for piece in solid]
    outward = [body for body, piece in zip(bodies, solid, strict=True) if body is not None and signed_volume(piece) > 0]
    inward = [body for body, piece in zip(bodies, solid, strict=True) if body is not None and signed_volume(piece) < 0]
    if len(outward) + len(inward) < len(solid):
        notes.append(f"kept {len(solid)} pieces apart: some have edges with more than two faces")
        offsets = np.cumsum([0] + [len(piece.vertices) for piece in solid[:-1]])
        faces = np.concatenate([piece.faces + offset for piece, offset in zip(solid, offsets, strict=True)])
        return trimesh.Trimesh(np.concatenate([piece.vertices for piece in solid]), faces, process=False)
    whole = _without_gaps(outward, GAP * float(max(mesh.extents)), notes)
    for shell in inward:
        # A shell as large as the whole is the back of a surface with two sides, not a cavity.
        if (shell ^ whole).volume() > 0.99 * shell.volume() and shell.volume() < 0.999 * whole.volume():
            whole = whole - shell
        else:
            whole = whole + shell
            notes.append("flipped a piece that was inside out")
    if len(solid) > 1:
        notes.append(f"united {len(solid)} pieces")
    return _without_specks(whole, notes)


def thickened(vertices: Vertices, faces: Faces, wall: float, where: str, notes: list[str]) -> trimesh.Trimesh:
    """The closed pieces, and the open ones as sheets of that thickness: hulls of each face and its offsets along the
    normals of its corners, which neighbours share, so that the sheet has no cracks. InputError: `_united_in_time`."""
    mesh = trimesh.Trimesh(*tidied(vertices, faces), process=False)
    trimesh.repair.fix_winding(mesh)
    bodies: list[manifold3d.Manifold] = []
    sheets = 0
    for piece in _pieces(mesh):
        body = manifold_from_mesh(piece if signed_volume(piece) > 0 else _flipped(piece))
        if body is not None and body.volume() > FLAT * max(piece.extents) ** 3:
            bodies.append(body)
            continue
        sheets += 1
        offset = _mitred_normals(piece) * wall / 2
        above, below = (piece.vertices + offset)[piece.faces], (piece.vertices - offset)[piece.faces]
        bodies += [manifold3d.Manifold.hull_points(c) for c in np.concatenate([above, below], axis=1)]
    notes.append(f"gave {sheets} open sheets a thickness of {wall * 1000:.2g} mm")
    return _without_specks(_united_in_time(bodies, where), notes)


def _united_in_time(bodies: list[manifold3d.Manifold], where: str) -> manifold3d.Manifold:
    """The union, of neighbours first. InputError: faces that cross each other everywhere, as in a heap of triangles."""
    begin = time.process_time()
    while len(bodies) > 1:
        groups = [bodies[k : k + UNITED_AT_ONCE] for k in range(0, len(bodies), UNITED_AT_ONCE)]
        bodies = []
        for group in groups:
            if time.process_time() - begin > PATIENCE:
                raise InputError(
                    f"{where}: its faces cross each other so often that they cannot be given a thickness within "
                    f"{PATIENCE:g} s of processor time; close it in a mesh editor, or leave the file out"
                )
            bodies.append(manifold3d.Manifold.batch_boolean(group, manifold3d.OpType.Add))
            bodies[-1].num_tri()  # it is computed no sooner
    return bodies[0]


def simplified(mesh: trimesh.Trimesh, most_faces: int, where: str, notes: list[str]) -> trimesh.Trimesh:
    """The surface with at most `most_faces` faces: edges collapse where that moves the surface least.

    Where that would change the shape (a shell with hundreds of holes), it keeps as many faces as it needs, and a note
    says so. InputError: these are more than STILL_USABLE times as many as were asked for.
    """
    count = len(mesh.faces)
    if count <= most_faces:
        return mesh
    body = manifold_from_mesh(mesh)
    if body is None:
        notes.append(f"kept all {count} faces: some edges have more than two")
        return mesh
    simple, moved = _simplest(body, most_faces, float(max(mesh.extents)))
    kept = simple.num_tri()
    why = "" if kept <= most_faces else f"; {most_faces} would change its shape"
    if kept > STILL_USABLE * most_faces:
        raise InputError(
            f"{where}: {count} faces, of which {kept} are needed to keep its volume within {DISTORTED:.0%}; simplify "
            "it in a mesh editor or raise objects.most_faces"
        )
    if kept == count:
        notes.append(f"kept all {count} faces{why}")
        return mesh
    notes.append(f"simplified {count} faces to {kept}, at most {moved * 1000:.2g} mm away{why}")
    return mesh_from_manifold(simple)


def _simplest(body: manifold3d.Manifold, most_faces: int, longest: float) -> tuple[manifold3d.Manifold, float]:
    """The body with the fewest faces, or with few enough, that has about its volume; and how far its surface moved.

    The count need not fall as the tolerance grows: on a ball with 800 holes it rises again beyond 1 % of the size.
    """
    simplest, moved = body, 0.0
    tolerance = 1e-4 * longest
    while simplest.num_tri() > most_faces and tolerance <= COARSEST * longest:
        simple = body.simplify(tolerance)
        if abs(simple.volume() / body.volume() - 1) > DISTORTED:
            break
        if simple.num_tri() < simplest.num_tri():
            simplest, moved = simple, tolerance
        tolerance *= 1.5
    return simplest, moved


def manifold_from_mesh(mesh: trimesh.Trimesh) -> manifold3d.Manifold | None:
    """The mesh for boolean operations; None where some edge has other than one face on either side."""
    # Copies: manifold3d takes no read-only arrays, such as those that it returns.
    vertices, faces = np.array(mesh.vertices, np.float64, order="C"), np.array(mesh.faces, np.uint64, order="C")
    body = manifold3d.Manifold(manifold3d.Mesh64(vertices, faces))
    return body if body.status() == manifold3d.Error.NoError and not body.is_empty() else None


def mesh_from_manifold(body: manifold3d.Manifold) -> trimesh.Trimesh:
    """The surface of a body."""
    mesh = body.to_mesh64()
    return trimesh.Trimesh(mesh.vert_properties[:, :3], mesh.tri_verts.astype(np.int64), process=False)


def signed_volume(mesh: trimesh.Trimesh) -> float:
    """Σ a·(b × c) / 6; trimesh's own divides by it on the way and warns where it is 0."""
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces] - mesh.vertices[0], 1, 0)
    return float(np.sum(a * np.cross(b, c)) / 6)


def _without_gaps(bodies: list[manifold3d.Manifold], gap: float, notes: list[str]) -> manifold3d.Manifold:
    """The union; of convex bodies grown by `gap`, if the bodies are fewer then: pieces whose gaps are rounding."""
    union = manifold3d.Manifold.batch_boolean(bodies, manifold3d.OpType.Add)
    count = len(union.decompose())
    if count == 1 or len(bodies) == 1:
        return union
    grown = manifold3d.Manifold.batch_boolean([_grown(body, gap) for body in bodies], manifold3d.OpType.Add)
    if len(grown.decompose()) == count:
        return union
    notes.append(f"grew pieces by {gap * 1000:.1g} mm to close the gaps between them")
    return grown.simplify(2 * gap)  # growing gave every edge a bevel


def _grown(body: manifold3d.Manifold, gap: float) -> manifold3d.Manifold:
    """A convex body's sum with an octahedron of radius `gap`; any other as it is."""
    if body.hull().volume() > 1.001 * body.volume():
        return body
    corners = body.to_mesh64().vert_properties[:, None, :3] + gap * np.concatenate([np.eye(3), -np.eye(3)])
    return manifold3d.Manifold.hull_points(np.ascontiguousarray(corners.reshape(-1, 3)))


def _without_specks(whole: manifold3d.Manifold, notes: list[str]) -> trimesh.Trimesh:
    """The union's pieces and voids that rounding did not make, and a note if it is still not in one piece."""
    bodies = whole.decompose()
    kept = [body for body in bodies if abs(body.volume()) > SPECK * whole.volume()]
    pieces = sum(body.volume() > 0 for body in kept)
    if pieces > 1:
        notes.append(f"one rigid object of {pieces} pieces that do not touch")
    return mesh_from_manifold(manifold3d.Manifold.compose(kept) if len(kept) < len(bodies) else whole)


def _mitred_normals(mesh: trimesh.Trimesh) -> Float64[np.ndarray, "_ 3"]:
    """Vertex normals as long as it takes for the faces about them to move by 1 (at most 2, at a sharp corner)."""
    corner, normals = np.asarray(mesh.faces).ravel(), np.asarray(mesh.vertex_normals)
    along = np.sum(normals[corner] * np.repeat(mesh.face_normals, 3, axis=0), axis=1)
    mean = np.bincount(corner, along, len(normals)) / np.bincount(corner, minlength=len(normals))
    return np.asarray(normals / np.clip(mean, 0.5, 1.0)[:, None])


def _pieces(mesh: trimesh.Trimesh) -> list[trimesh.Trimesh]:
    """Connected faces; where pieces touch along an edge, the two faces that bound the same matter are neighbours."""
    neighbors = np.concatenate([mesh.face_adjacency, _crowded_neighbors(mesh)])
    label = trimesh.graph.connected_component_labels(neighbors, node_count=len(mesh.faces))
    order = np.argsort(label, kind="stable")
    groups = np.split(np.asarray(mesh.faces)[order], np.flatnonzero(np.diff(label[order])) + 1)
    pieces = [used(np.asarray(mesh.vertices), faces) for faces in groups]
    return [trimesh.Trimesh(vertices, faces, process=False) for vertices, faces in pieces]


def _crowded_neighbors(mesh: trimesh.Trimesh) -> Int64[np.ndarray, "_ 2"]:
    """Pairs of faces at edges with four or more.

    Around the edge from a to b, with angles right-handed about it, matter begins at a face that runs from b to a and
    ends at one that runs from a to b: they pair up like brackets. At equal angles one piece ends before another begins.
    """
    edges = np.asarray(mesh.faces)[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    key = np.sort(edges, axis=1) @ np.array([edges.max() + 1, 1])
    _, group, count = np.unique(key, return_inverse=True, return_counts=True)
    by_edge, start = np.argsort(group, kind="stable"), np.cumsum(count) - count
    pairs: list[tuple[int, int]] = []
    for crowded in np.flatnonzero(count > 2):
        around = by_edge[start[crowded] : start[crowded] + count[crowded]]
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
