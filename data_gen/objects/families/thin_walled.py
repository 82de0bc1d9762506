"""Families with thin walls: vessels, shells, bent sheets and pipes, of which a hand takes an edge."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from graspnet.data_gen.objects.families.pieces import (
    ROUND,
    Shape,
    around,
    at_height,
    block,
    circle,
    full_turn,
    made_of,
    prism,
    swept,
    vessel,
)

__all__ = ["THIN_WALLED"]


def _dish(rng: np.random.Generator) -> Shape:
    """A bowl, a plate or a pot with a thin wall whose profile is drawn, on a foot or not."""
    wall, depth = rng.uniform([0.03, 0.2], [0.08, 1.4])
    base, curve = rng.uniform([0.25, 0.4], [0.8, 2.5])
    s = np.array([0.0, 0.2, 0.5, 1.0])
    walls = vessel(base + (1 - base) * s**curve, depth * s, wall)
    if rng.random() < 0.4:
        foot = rng.uniform(0.05, 0.3)
        walls.append(prism(circle(ROUND, 0.8 * base), foot + wall / 2).translate([0.0, 0.0, -foot - wall]))
    return made_of(walls)


def _goblet(rng: np.random.Generator) -> Shape:
    """A cup on a stem and a foot."""
    wall, stem, foot = rng.uniform([0.04, 0.06, 0.4], [0.09, 0.16, 0.9])
    length, depth, mouth = rng.uniform([0.3, 0.6, 0.6], [1.4, 1.5, 1.0])
    base = rng.uniform(0.25, 0.5)
    cup = vessel([base, 1.0, mouth + wall / 2], [0.0, 0.5 * depth, depth], wall)
    shaft = prism(circle(10, stem), length + wall / 2).translate([0.0, 0.0, -length - wall])
    return made_of([*cup, shaft, prism(circle(ROUND, foot), 0.1, 0.5).translate([0.0, 0.0, -length - wall - 0.05])])


def _bottle(rng: np.random.Generator) -> Shape:
    """A hollow body with shoulders and a narrow open neck."""
    wall, neck, height = rng.uniform([0.06, 0.25, 1.5], [0.12, 0.5, 3.0])
    shoulder, belly = rng.uniform([0.5, 0.7], [0.8, 1.0])
    return made_of(vessel([belly, 1.0, neck, neck], height * np.array([0.0, shoulder, shoulder + 0.12, 1.0]), wall))


def _funnel(rng: np.random.Generator) -> Shape:
    """A cone without a floor that ends in a spout."""
    wall, spout, depth, length = rng.uniform([0.05, 0.12, 0.4, 0.2], [0.1, 0.3, 1.2, 1.2])
    radius, z = np.array([spout, spout, 1.0]), np.array([-length, 0.0, depth])
    inner = radius - [0.6 * wall, 0.6 * wall, wall]
    profiles = [
        np.array([[inner[i], z[i]], [radius[i], z[i]], [radius[i + 1], z[i + 1]], [inner[i + 1], z[i + 1]]])
        for i in (0, 1)
    ]
    return made_of([piece for profile in profiles for piece in swept(around(profile, full_turn()))])


def _box_shell(rng: np.random.Generator) -> Shape:
    """A box without a lid, and perhaps without one side or with a bail over it: thin walls on a rectangle."""
    x, y, z, wall = rng.uniform([0.6, 0.35, 0.2, 0.025], [1.0, 0.8, 1.0, 0.06])
    pieces = [block([0, 0, 0], [x, y, wall]), block([0, 0, 0], [wall, y, z]), block([0, 0, 0], [x, wall, z])]
    if rng.random() < 0.7:
        pieces.append(block([x - wall, 0, 0], [x, y, z]))
    pieces.append(block([0, y - wall, 0], [x, y, z]))
    if rng.random() < 0.4:
        bail, top = 1.5 * wall, z + rng.uniform(0.1, 0.5)
        middle = x / 2 - bail, x / 2 + bail
        posts = ([0, wall], [y - wall, y])
        pieces += [block([middle[0], a, 0], [middle[1], b, top]) for a, b in posts]
        pieces.append(block([middle[0], 0, top - wall], [middle[1], y, top]))
    return made_of(pieces)


def _sheet(rng: np.random.Generator) -> Shape:
    """A bent sheet: a gutter, a roof tile, a folded angle, a wave."""
    wall, length, count = rng.uniform(0.03, 0.08), rng.uniform(0.4, 1.6), 13
    s = np.linspace(0.0, 1.0, count)
    arc, wave, fold = s, np.sin(2 * np.pi * rng.uniform(0.7, 1.5) * s), (s > rng.uniform(0.3, 0.7)).astype(np.float64)
    kind = int(rng.integers(3))
    heading = (arc, wave, fold)[kind] * rng.uniform((1.0, 0.5, 0.6)[kind], (4.0, 1.4, 1.8)[kind])
    steps = np.stack([np.cos(heading), np.sin(heading)], axis=1) / count
    line = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    tangent = np.gradient(line, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) / np.linalg.norm(tangent, axis=1, keepdims=True)
    left, right = line + wall / 2 * normal, line - wall / 2 * normal
    taper = np.linspace(1.0, rng.uniform(0.4, 1.0), count + 1)
    sections = [
        np.array([[p[0], t * y, p[1]] for p in (a, b) for y in (-length / 2, length / 2)])
        for a, b, t in zip(left, right, taper, strict=True)
    ]
    return made_of(swept(np.stack(sections)))


def _elbow(rng: np.random.Generator) -> Shape:
    """A bent pipe, open at both ends, some with collars."""
    wall, radius, bend = rng.uniform([0.12, 1.3, 0.5], [0.3, 2.5, 2.2])
    ring, parts = full_turn(12), 6
    angles = np.linspace(0.0, bend, parts + 1)
    pieces = []
    collar = rng.uniform(1.0, 1.3)
    for k, (a, b) in enumerate(pairwise(angles)):
        outer = collar if k in (0, parts - 1) else 1.0
        for p, q in pairwise(ring):
            corner = [(r * np.cos(t), r * np.sin(t)) for t in (p, q) for r in (1 - wall, outer)]
            profile = np.array([[radius + x, z] for x, z in corner])
            pieces += swept(around(profile, np.array([a, b])))
    return made_of(pieces)


def _cage(rng: np.random.Generator) -> Shape:
    """Two rings with bars between them: a basket, a lantern, a crown."""
    section = circle(6, rng.uniform(0.05, 0.1))
    height, top, bars = rng.uniform(0.5, 1.8), rng.uniform(0.6, 1.0), int(rng.integers(4, 9))
    pieces = []
    for radius, z in ((1.0, 0.0), (top, height)):
        pieces += swept(around(np.add(section, [radius, z]), full_turn()))
    angles = 2 * np.pi * np.arange(bars) / bars
    for angle in angles:
        at = np.array([np.cos(angle), np.sin(angle)])
        pieces += swept(np.stack([at_height(section * 0.9 + at, 0.0), at_height(section * 0.9 + top * at, height)]))
    if rng.random() < 0.5:
        pieces.append(prism(circle(ROUND, 1.0), 0.08))
    return made_of(pieces)


THIN_WALLED: dict[str, Callable[[np.random.Generator], Shape]] = {
    "dish": _dish,
    "goblet": _goblet,
    "bottle": _bottle,
    "funnel": _funnel,
    "box_shell": _box_shell,
    "sheet": _sheet,
    "elbow": _elbow,
    "cage": _cage,
}
