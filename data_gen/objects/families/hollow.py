"""Families with hollows: pipes, rings and vessels."""

from collections.abc import Callable

import numpy as np

from graspnet.data_gen.objects.families.pieces import (
    ROUND,
    Shape,
    around,
    block,
    circle,
    full_turn,
    made_of,
    swept,
    vessel,
)

__all__ = ["HOLLOW"]


def _tube(rng: np.random.Generator) -> Shape:
    """A pipe, round or with flat sides."""
    sides, wall, height = int(rng.choice([4, 6, ROUND])), rng.uniform(0.1, 0.4), rng.uniform(0.4, 3.0)
    profile = np.array([[1 - wall, 0.0], [1.0, 0.0], [1.0, height], [1 - wall, height]])
    return made_of(swept(around(profile, full_turn(sides))))


def _ring(rng: np.random.Generator) -> Shape:
    """A torus with an elliptic section."""
    section = circle(10, rng.uniform(0.12, 0.35)) * [1.0, rng.uniform(0.6, 1.6)] + [1.0, 0.0]
    return made_of(swept(around(section, full_turn())))


def _hook(rng: np.random.Generator) -> Shape:
    """Half to three quarters of a torus, one end drawn out into a straight shank."""
    thickness = rng.uniform(0.1, 0.25)
    section = circle(8, thickness) * [1.0, rng.uniform(0.7, 1.3)] + [1.0, 0.0]
    arc = around(section, np.linspace(0.0, rng.uniform(np.pi, 1.5 * np.pi), 15))
    shank = arc[:1] - [0.0, rng.uniform(0.3, 2.0), 0.0]
    return made_of(swept(np.concatenate([shank, arc])))


def _mug(rng: np.random.Generator) -> Shape:
    """A cup with a handle."""
    height, wall, slant = rng.uniform([1.2, 0.08, 0.8], [2.6, 0.16, 1.0])
    reach, span, breadth = rng.uniform([0.5, 0.3, 0.1], [0.9, 0.45, 0.18])
    angle = np.linspace(-np.pi / 2, np.pi / 2, 8)
    arms = []
    for scale in (1.0, 1.0 - rng.uniform(0.2, 0.35)):
        arms.append(np.stack([reach * scale * np.cos(angle), span * height * scale * np.sin(angle)], axis=-1))
    outer, inner = arms
    # The ends stand within the wall, whose facets lie a little inside of its circle, on the axis of the slanted side.
    root = slant + (1 - slant) / 2 - 0.7 * wall
    sections = [
        np.array([[root + x, y, height / 2 + z] for x, z in (o, i) for y in (-breadth, breadth)])
        for o, i in zip(outer, inner, strict=True)
    ]
    return made_of(vessel([slant, 1.0], [0.0, height], wall) + swept(np.stack(sections)))


def _bowl(rng: np.random.Generator) -> Shape:
    """A dish whose wall rises flat, then steep."""
    base, belly, depth, wall = rng.uniform([0.3, 0.6, 0.25, 0.08], [0.6, 0.9, 0.8, 0.14])
    radius = np.array([base, base + belly * (1 - base), 1.0])
    return made_of(vessel(radius, depth * np.array([0.0, 0.3, 1.0]), wall))


def _tray(rng: np.random.Generator) -> Shape:
    """An open box, some with a partition."""
    x, y, z, wall = rng.uniform([0.7, 0.4, 0.15, 0.05], [1.0, 0.9, 0.6, 0.1])
    pieces = [
        block([0, 0, 0], [x, y, wall]),
        block([0, 0, 0], [wall, y, z]),
        block([x - wall, 0, 0], [x, y, z]),
        block([0, 0, 0], [x, wall, z]),
        block([0, y - wall, 0], [x, y, z]),
    ]
    if rng.random() < 0.5:
        middle = x * rng.uniform(0.3, 0.7)
        pieces.append(block([middle, 0, 0], [middle + wall, y, z]))
    return made_of(pieces)


def _frame(rng: np.random.Generator) -> Shape:
    """Four bars about a window, some with a cross-bar."""
    x, y, z, bar = rng.uniform([0.7, 0.4, 0.08, 0.08], [1.0, 0.9, 0.4, 0.16])
    pieces = [
        block([0, 0, 0], [bar, y, z]),
        block([x - bar, 0, 0], [x, y, z]),
        block([0, 0, 0], [x, bar, z]),
        block([0, y - bar, 0], [x, y, z]),
    ]
    if rng.random() < 0.5:
        pieces.append(block([x / 2 - bar / 2, 0, 0], [x / 2 + bar / 2, y, z]))
    return made_of(pieces)


HOLLOW: dict[str, Callable[[np.random.Generator], Shape]] = {
    "tube": _tube,
    "ring": _ring,
    "hook": _hook,
    "mug": _mug,
    "bowl": _bowl,
    "tray": _tray,
    "frame": _frame,
}
