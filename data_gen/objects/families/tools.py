"""Tools and things of several parts: what lies in a workshop's or a kitchen's drawer."""

from collections.abc import Callable

import numpy as np
from manifold3d import Manifold

from graspnet.data_gen.objects.families.pieces import (
    ROUND,
    Shape,
    around,
    at_height,
    ball,
    block,
    circle,
    full_turn,
    hull,
    made_of,
    prism,
    swept,
)

__all__ = ["TOOLS"]


def _wrench(rng: np.random.Generator) -> Shape:
    """A flat shank with an open jaw at one end, and a ring or another jaw at the other."""
    thickness, breadth, size = rng.uniform([0.06, 0.09, 0.13], [0.14, 0.18, 0.24])
    pieces = [block([0, -breadth / 2, 0], [1.0, breadth / 2, thickness])]
    for x, turn in ((0.0, 180.0), (1.0, 0.0)):
        gape = rng.uniform(0.4, 0.7) * size
        if x == 0.0 and rng.random() < 0.5:
            pieces += [piece.translate([-size * 0.8, 0, 0]) for piece in _eye(size, 0.55 * size, thickness)]
            continue
        jaw = [
            block([0, -size, 0], [0.6 * size, size, thickness]),
            block([0.5 * size, -size, 0], [1.7 * size, -gape, thickness]),
            block([0.5 * size, gape, 0], [1.7 * size, size, thickness]),
        ]
        pieces += [piece.rotate([0.0, 0.0, turn + rng.uniform(-1, 1)]).translate([x, 0, 0]) for piece in jaw]
    return made_of(pieces)


def _eye(outer: float, inner: float, thickness: float) -> list[Manifold]:
    """A flat ring."""
    profile = np.array([[inner, 0.0], [outer, 0.0], [outer, thickness], [inner, thickness]])
    return swept(around(profile, full_turn(10)))


def _screwdriver(rng: np.random.Generator) -> Shape:
    """A thick grip with a waist, a thin shaft and a flat tip."""
    s = np.linspace(0.0, 1.0, 6)
    grip, shaft, length = rng.uniform([0.1, 0.025, 0.4], [0.2, 0.06, 1.2])
    profile = grip * (1 - rng.uniform(0.0, 0.5) * np.sin(np.pi * s) ** 2)
    sides = int(rng.choice([6, 8, 16]))
    handle = swept(np.stack([at_height(circle(sides, r), 0.6 * z) for r, z in zip(profile, s, strict=True)]))
    end = np.array([[x, y] for x in (-1.6 * shaft, 1.6 * shaft) for y in (-0.3 * shaft, 0.3 * shaft)])
    tip = hull(np.concatenate([at_height(circle(8, shaft), 0.6 + length), at_height(end, 0.75 + length)]))
    return made_of([*handle, prism(circle(8, shaft), length + 0.05).translate([0.0, 0.0, 0.55]), tip])


def _scissors(rng: np.random.Generator) -> Shape:
    """Two crossed blades on a pin, with ring handles or straight ones: pliers, scissors, tongs."""
    thickness, spread, width = rng.uniform([0.04, 0.12, 0.06], [0.09, 0.5, 0.12])
    blade, handle = rng.uniform([0.3, 0.4], [0.9, 0.9])
    pieces = [prism(circle(12, 1.2 * width), 2 * thickness)]
    loops = rng.random() < 0.5
    for side, z in ((1.0, 0.0), (-1.0, thickness)):
        parts = [
            prism(np.array([[0.0, -width], [blade, -0.2 * width], [blade, 0.2 * width], [0.0, width]]), thickness),
            block([-handle, -width / 2, 0], [0.05, width / 2, thickness]),
        ]
        if loops:
            size = 1.8 * width
            parts += [piece.translate([-handle - 0.7 * size, 0, 0]) for piece in _eye(size, 0.6 * size, thickness)]
        turn = float(np.rad2deg(side * spread))
        pieces += [part.rotate([0.0, 0.0, turn]).translate([0, 0, z]) for part in parts]
    return made_of(pieces)


def _ladle(rng: np.random.Generator) -> Shape:
    """A bent handle that ends in a bowl: a spoon, a ladle, a pan."""
    wall, depth, reach = rng.uniform([0.1, 0.25, 1.5], [0.18, 0.9, 4.0])
    rise, breadth = rng.uniform([-0.2, 0.1], [1.5, 0.3])
    profile = np.array([[0.6 - wall, 0.0], [0.6, -wall], [1.0, depth], [1.0 - wall, depth]])
    pieces = [prism(circle(ROUND, 0.6), wall).translate([0, 0, -wall]), *swept(around(profile, full_turn()))]
    stations = [(1 - wall / 2, depth - wall), (1 + 0.3 * reach, depth + 0.6 * rise), (1 + reach, depth + rise)]
    ends = [np.array([[x, y, z + h] for y in (-breadth, breadth) for h in (0.0, wall)]) for x, z in stations]
    return made_of([*pieces, *swept(np.stack(ends))])


def _gadget(rng: np.random.Generator) -> Shape:
    """A housing with knobs, feet, plugs and ribs on its faces: a charger, a valve, a pump."""
    half = rng.uniform([0.25, 0.2, 0.15], [0.6, 0.5, 0.5])
    pieces = [block(-half, half)]
    for _ in range(int(rng.integers(2, 7))):
        axis, sign = int(rng.integers(3)), float(rng.choice([-1.0, 1.0]))
        u, v = [k for k in range(3) if k != axis]
        size, length = rng.uniform(0.05, 0.6) * min(half[u], half[v]), rng.uniform(0.05, 0.6)
        knob = prism(circle(int(rng.choice([4, 6, 12])), size, np.pi / 4), length + 0.05, rng.uniform(0.5, 1.0))
        turn = [[0.0, 90.0 * sign, 0.0], [-90.0 * sign, 0.0, 0.0], [0.0, 0.0 if sign > 0 else 180.0, 0.0]][axis]
        place = np.zeros(3)
        place[axis] = sign * (half[axis] - 0.05)
        place[[u, v]] = rng.uniform(-1, 1, 2) * (half[[u, v]] - size)
        pieces.append(knob.rotate(turn).translate(place.tolist()))
    return made_of(pieces)


def _rack(rng: np.random.Generator) -> Shape:
    """Boards or bars at right angles: a shelf, a ladder, a chair, a comb."""
    kind, bar = int(rng.integers(3)), rng.uniform(0.05, 0.12)
    x, y, z = rng.uniform([0.5, 0.25, 0.5], [1.0, 0.7, 1.2])
    if kind == 0:  # shelf
        pieces = [block([0, 0, 0], [bar, y, z]), block([x - bar, 0, 0], [x, y, z])]
        pieces += [block([0, 0, h], [x, y, h + bar]) for h in np.linspace(0, z - bar, int(rng.integers(2, 4)))]
    elif kind == 1:  # ladder or comb
        count = int(rng.integers(3, 7))
        pieces = [block([0, 0, 0], [bar, bar, z])]
        pieces += [block([0, 0, h], [x, bar, h + bar]) for h in np.linspace(0, z - bar, count)]
        if rng.random() < 0.5:
            pieces.append(block([x - bar, 0, 0], [x, bar, z]))
    else:  # chair
        pieces = [block([0, 0, 0], [x, y, bar]), block([0, 0, 0], [bar, y, z])]
        pieces += [block([a, b, -0.6 * z], [a + bar, b + bar, bar]) for a in (0, x - bar) for b in (0, y - bar)]
    return made_of(pieces)


def _spring(rng: np.random.Generator) -> Shape:
    """A bar wound into a coil, or a wavy one."""
    section = circle(7, rng.uniform(0.12, 0.22))
    turns, rise = rng.uniform([0.8, 0.45], [2.2, 0.7])
    angle = np.linspace(0.0, 2 * np.pi * turns, int(12 * turns) + 4)
    sections = []
    for a in angle:
        out, up = np.array([np.cos(a), np.sin(a), 0.0]), np.array([0.0, 0.0, 1.0])
        sections.append(out + rise * a / (2 * np.pi) * up + section[:, :1] * out + section[:, 1:] * up)
    return made_of(swept(np.stack(sections)))


def _tap(rng: np.random.Generator) -> Shape:
    """Bars and balls along a random chain of right angles: a tap, a pipe joint, a toy."""
    pieces: list[Manifold] = []
    at, radius = np.zeros(3), rng.uniform(0.12, 0.22)
    direction, last = -1, -1
    for _ in range(int(rng.integers(2, 5))):
        while direction == last:
            direction = int(rng.integers(3))
        last = direction
        step = np.zeros(3)
        step[direction] = rng.choice([-1.0, 1.0]) * rng.uniform(0.4, 1.0)
        thin = radius * rng.uniform(0.6, 1.0)
        pieces.append(hull(np.concatenate([ball(at, thin), ball(at + step, thin)])))
        pieces.append(hull(ball(at, radius * rng.uniform(1.0, 1.7))))
        at = at + step
    return made_of(pieces)


TOOLS: dict[str, Callable[[np.random.Generator], Shape]] = {
    "wrench": _wrench,
    "screwdriver": _screwdriver,
    "scissors": _scissors,
    "ladle": _ladle,
    "gadget": _gadget,
    "rack": _rack,
    "spring": _spring,
    "tap": _tap,
}
