"""Blocks: a solid halved again and again, each part's convex hull: coarse convex pieces, found in a second.

They stand in for CoACD's where it finds none in time. Together they always hold the whole solid, and fill what is
hollow within a block.
"""

import heapq

import manifold3d
import numpy as np
import trimesh

from graspnet.data_gen.objects.unions import manifold_from_mesh, mesh_from_manifold

__all__ = ["MOST_BLOCKS", "blocks_of"]

MOST_BLOCKS = 128  # A simulator checks each against each hand: a shell of 100 mm then is 2 mm off at the worst.
FILLED = 0.02  # Halving ends where all blocks together fill this share of the solid's volume besides.
SPECK = 1e-6  # share of the volume below which a part is left out


def blocks_of(mesh: trimesh.Trimesh) -> list[trimesh.Trimesh]:
    """At most MOST_BLOCKS convex pieces whose union holds a closed surface, but for specks.

    The block that fills most of what is not solid is halved next, across its longest side. One hull where booleans do
    not take the surface (some edge has more than two faces).
    """
    body = manifold_from_mesh(mesh)
    if body is None:
        return [mesh.convex_hull]
    volume = body.volume()
    waiting: list[tuple[float, int, manifold3d.Manifold]] = []  # least first: minus what the hull fills; order; part
    added = 0
    halves = [body]
    while True:
        for part in (part for half in halves for part in _apart(half) if part.volume() > SPECK * volume):
            heapq.heappush(waiting, (part.volume() - part.hull().volume(), added, part))
            added += 1
        if len(waiting) >= MOST_BLOCKS or -sum(filled for filled, _, _ in waiting) <= FILLED * volume:
            return [mesh_from_manifold(part.hull()) for _, _, part in waiting]
        halves = _halved(heapq.heappop(waiting)[2])


def _apart(body: manifold3d.Manifold) -> list[manifold3d.Manifold]:
    """The pieces that do not touch; all in one where a surface bounds a void, which would come out as solid."""
    pieces = body.decompose()
    return [body] if any(piece.volume() < 0 for piece in pieces) else list(pieces)


def _halved(part: manifold3d.Manifold) -> list[manifold3d.Manifold]:
    bounds = np.array(part.bounding_box()).reshape(2, 3)
    axis = int(np.argmax(bounds[1] - bounds[0]))
    return list(part.split_by_plane(np.eye(3)[axis], float(bounds[:, axis].mean())))
