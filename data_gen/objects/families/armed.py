"""Families of bars, arms, legs and teeth."""

from collections.abc import Callable

import numpy as np

from graspnet.data_gen.objects.families.pieces import ROUND, Shape, at_height, ball, block, circle, hull, made_of, prism

__all__ = ["ARMED"]


# Bars (x0, y0, x1, y1) over the side of a square, where t is the bar's thickness.
LETTERS: dict[str, Callable[[float], list[tuple[float, float, float, float]]]] = {
    "L": lambda t: [(0, 0, 1, t), (0, 0, t, 1)],
    "T": lambda t: [(0, 1 - t, 1, 1), (0.5 - t / 2, 0, 0.5 + t / 2, 1)],
    "U": lambda t: [(0, 0, 1, t), (0, 0, t, 1), (1 - t, 0, 1, 1)],
    "Z": lambda t: [(0, 0, 0.5 + t / 2, t), (0.5 - t / 2, 0, 0.5 + t / 2, 1), (0.5 - t / 2, 1 - t, 1, 1)],
    "H": lambda t: [(0, 0, t, 1), (1 - t, 0, 1, 1), (0, 0.5 - t / 2, 1, 0.5 + t / 2)],
    "cross": lambda t: [(0.5 - t / 2, 0, 0.5 + t / 2, 1), (0, 0.5 - t / 2, 1, 0.5 + t / 2)],
}


def _bracket(rng: np.random.Generator) -> Shape:
    """A letter of bars: L, T, U, Z, H or a cross."""
    letter = str(rng.choice(list(LETTERS)))
    x, y, z = rng.uniform([0.6, 0.6, 0.15], [1.0, 1.0, 0.8])
    bars = LETTERS[letter](float(rng.uniform(0.14, 0.3)))
    return made_of([block([x * x0, y * y0, 0], [x * x1, y * y1, z]) for x0, y0, x1, y1 in bars])


def _hammer(rng: np.random.Generator) -> Shape:
    """A handle, and across its end a head of two different halves."""
    handle = prism(circle(12, rng.uniform(0.07, 0.12)) * [1.0, rng.uniform(0.6, 1.0)], 1.0, rng.uniform(0.7, 1.0))
    side = rng.uniform(0.13, 0.22)
    outlines = [circle(int(rng.choice([4, 8, ROUND])), side, np.pi / 4) for _ in range(2)]
    blunt = prism(outlines[0], rng.uniform(0.2, 0.4)).rotate([0.0, 90.0, 0.0])
    claw = prism(outlines[1], rng.uniform(0.2, 0.5), rng.uniform(0.2, 1.0)).rotate([0.0, -90.0, 0.0])
    return made_of([handle, blunt.translate([-0.02, 0.0, 1.0]), claw.translate([0.02, 0.0, 1.0])])


def _dumbbell(rng: np.random.Generator) -> Shape:
    """A bar with a ball, a disc or a block at either end."""
    bar = prism(circle(12, rng.uniform(0.08, 0.16)), 1.0)
    ends = []
    for z in (0.0, 1.0):
        radius = rng.uniform(0.2, 0.42)
        block = prism(circle(4, radius * 1.2, np.pi / 4), radius).translate([0, 0, z - radius / 2])
        disc = prism(circle(ROUND, radius), radius / 2).translate([0, 0, z - radius / 4])
        ends.append([hull(ball([0, 0, z], radius)), disc, block][int(rng.integers(3))])
    return made_of([bar, *ends])


def _paddle(rng: np.random.Generator) -> Shape:
    """A handle that ends in a flat blade, straight or bent: a spatula, a bat, a spoon without its hollow."""
    thickness, breadth, bend = rng.uniform([0.06, 0.08, 0.0], [0.12, 0.16, 50.0])
    handle = block([-0.05, -breadth / 2, 0], [1.0, breadth / 2, thickness])
    blade = np.add(circle(int(rng.choice([4, ROUND])), 1.0, np.pi / 4), [0.75, 0.0]) * rng.uniform(0.2, 0.4)
    turned = prism(blade, thickness).rotate([0.0, 180.0 - bend, 0.0])
    return made_of([handle, turned.translate([0, 0, thickness])])


def _stool(rng: np.random.Generator) -> Shape:
    """A seat on three to five legs."""
    count, thickness, leg, height = int(rng.integers(3, 6)), *rng.uniform([0.1, 0.06, 0.5], [0.25, 0.13, 1.3])
    seat = prism(circle(int(rng.choice([count, ROUND]))), thickness)
    tops, section, splay = circle(count, 0.75 - leg), circle(6, leg), rng.uniform(0.85, 1.15)
    ends = [(at_height(section + top, thickness / 2), at_height(section + splay * top, -height)) for top in tops]
    return made_of([seat, *(hull(np.concatenate(pair)) for pair in ends)])


def _gear(rng: np.random.Generator) -> Shape:
    """A disc with teeth, pointed or blunt."""
    teeth, root, height = int(rng.integers(4, 11)), rng.uniform(0.45, 0.8), rng.uniform(0.15, 0.9)
    core, tip = circle(2 * teeth, root), rng.uniform(0.0, 0.9)
    pieces = [prism(core, height)]
    for k in range(0, 2 * teeth, 2):
        base = core[[k, k + 1]]
        middle = base.mean(axis=0)
        pieces.append(prism(np.concatenate([base, middle * (1 / root) + tip * (base - middle)]), height))
    return made_of(pieces)


ARMED: dict[str, Callable[[np.random.Generator], Shape]] = {
    "bracket": _bracket,
    "hammer": _hammer,
    "dumbbell": _dumbbell,
    "paddle": _paddle,
    "stool": _stool,
    "gear": _gear,
}
