"""Families of many pieces: lathed, twisted, grown into one another, and star-shaped."""

from collections.abc import Callable

import numpy as np
import trimesh
from manifold3d import Manifold

from graspnet.data_gen.objects.families.pieces import (
    ROUND,
    Points,
    Shape,
    at_height,
    ball,
    block,
    circle,
    hull,
    made_of,
    prism,
    swept,
)
from graspnet.data_gen.objects.unions import manifold_from_mesh

__all__ = ["COMPOSITE"]


def _vase(rng: np.random.Generator) -> Shape:
    """A solid turned on a lathe: a bottle, a bobbin, a chess piece."""
    levels = 9
    waves = rng.normal(size=3) / [1.0, 1.5, 2.5]
    z = np.linspace(0.0, 1.0, levels)
    radius = np.exp(0.6 * sum(w * np.cos(np.pi * (k + 1) * z) for k, w in enumerate(waves)))
    radius = np.clip(radius / radius.max(), 0.25, None) * rng.uniform(0.2, 0.55)
    return made_of(swept(np.stack([at_height(circle(ROUND, r), h) for r, h in zip(radius, z, strict=True)])))


def _twisted(rng: np.random.Generator) -> Shape:
    """A bar that turns about its axis as it rises."""
    outline = circle(int(rng.integers(3, 6)), 1.0, np.pi / 4) * [1.0, rng.uniform(0.4, 1.0)]
    turn, height, taper = rng.uniform([0.5, 1.0, 0.5], [2.2, 3.0, 1.0])
    sections = []
    for s in np.linspace(0.0, 1.0, 16):
        c, k = np.cos(turn * s), np.sin(turn * s)
        sections.append(at_height(outline @ np.array([[c, k], [-k, c]]) * (1 - s * (1 - taper)), height * s))
    return made_of(swept(np.stack(sections)))


def _assembly(rng: np.random.Generator) -> Shape:
    """Boxes and cylinders grown into one another in random directions."""
    pieces, center, half = [], np.zeros(3), np.zeros(3)
    for _ in range(int(rng.integers(3, 6))):
        center = center + rng.uniform(-0.9, 0.9, 3) * half  # inside the piece before: the body stays one
        half = rng.uniform(0.12, 0.5, 3)
        if rng.random() < 0.6:
            piece, half = block(-half, half), half / 1.5
        else:
            piece = prism(circle(16, half[0]), 2 * half[1]).translate([0, 0, -float(half[1])])
            half = np.full(3, min(half[0], half[1]) / 1.5)
        turn = rng.choice([0.0, 90.0], 3) if rng.random() < 0.6 else rng.uniform(0.0, 360.0, 3)
        pieces.append(piece.rotate(turn.tolist()).translate(center.tolist()))
        half = np.full(3, half.min())  # what holds after any rotation
    return made_of(pieces)


def _figure(rng: np.random.Generator) -> Shape:
    """A tree of tapered limbs about a trunk: a toy animal, a branch, a cactus."""
    trunk = rng.uniform(0.4, 1.0)
    ends = [(np.array([-trunk / 2, 0.0, 0.0]), rng.uniform(0.2, 0.35)), (np.array([trunk / 2, 0, 0]), 0.25)]
    limbs = [hull(np.concatenate([ball(*ends[0]), ball(*ends[1])]))]
    for _ in range(int(rng.integers(2, 6))):
        root, radius = ends[int(rng.integers(len(ends)))]
        direction = rng.normal(size=3)
        tip = root + direction / np.linalg.norm(direction) * rng.uniform(0.4, 0.9)
        thick, thin = 0.8 * radius, rng.uniform(0.1, 0.2)
        limbs.append(hull(np.concatenate([ball(root, thick), ball(tip, thin)])))
        ends.append((tip, thin))
    return made_of(limbs)


def _blob(rng: np.random.Generator) -> Shape:
    """A pebble or potato: a ball whose radius is a sum of soft bumps and dents.

    Its parts are hulls of 20 sectors from the centre, or of 80 where those would fill more than 2 % with dents.
    """
    sphere = trimesh.creation.icosphere(subdivisions=3)
    directions = np.asarray(sphere.vertices)
    bumps = rng.normal(size=(8, 3))
    bumps /= np.linalg.norm(bumps, axis=1, keepdims=True)
    radius = 1.0 + np.exp(8.0 * (directions @ bumps.T - 1.0)) @ rng.uniform(-0.5, 1.0, 8)
    surface = directions * radius[:, None] * rng.uniform(0.6, 1.0, 3)
    body = manifold_from_mesh(trimesh.Trimesh(surface, sphere.faces, process=False))
    assert body is not None  # a star-shaped image of a sphere
    parts = _star_sectors(surface, sphere, 0)
    if sum(part.volume() for part in parts) > 1.02 * body.volume():
        parts = _star_sectors(surface, sphere, 1)
    return body, parts


def _star_sectors(surface: Points, sphere: trimesh.Trimesh, subdivisions: int) -> list[Manifold]:
    """Hulls of the origin and what of a star-shaped surface each face of an icosphere sees."""
    axes = np.asarray(trimesh.creation.icosphere(subdivisions=subdivisions).triangles_center)
    sector = np.argmax(np.asarray(sphere.triangles_center) @ axes.T, axis=1)
    corners = [np.unique(sphere.faces[sector == k]) for k in range(len(axes))]
    return [hull(np.concatenate([np.zeros((1, 3)), surface[corner]])) for corner in corners]


COMPOSITE: dict[str, Callable[[np.random.Generator], Shape]] = {
    "vase": _vase,
    "twisted": _twisted,
    "assembly": _assembly,
    "figure": _figure,
    "blob": _blob,
}
