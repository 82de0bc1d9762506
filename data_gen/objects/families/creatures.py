"""Figures: bodies with a head, legs, arms, wings or branches, of round and tapered limbs."""

from collections.abc import Callable

import numpy as np
from manifold3d import Manifold
from numpy.typing import ArrayLike

from graspnet.data_gen.objects.families.pieces import Shape, ball, block, circle, hull, made_of, prism

__all__ = ["CREATURES"]


def _limb(start: ArrayLike, end: ArrayLike, thick: float, thin: float) -> Manifold:
    """The hull of two balls."""
    return hull(np.concatenate([ball(start, thick), ball(end, thin)]))


def _animal(rng: np.random.Generator) -> Shape:
    """A body on four legs, with a neck, a head and perhaps ears, a snout and a tail."""
    length, chest, rump = rng.uniform([0.5, 0.16, 0.14], [1.0, 0.32, 0.32])
    front, back = np.array([length / 2, 0.0, 0.0]), np.array([-length / 2, 0.0, rng.uniform(-0.1, 0.1)])
    leg, foot, height = rng.uniform([0.06, 0.05, 0.3], [0.12, 0.1, 0.7])
    pieces = [_limb(front, back, chest, rump)]
    for end, radius in ((front, chest), (back, rump)):
        for side in (-1.0, 1.0):
            hip = np.add(end, [0.0, side * 0.6 * radius, -0.3 * radius])
            pieces.append(_limb(hip, np.add(hip, [rng.uniform(-0.1, 0.1), 0.0, -height]), leg, foot))
    head = np.add(front, [rng.uniform(0.1, 0.4), 0.0, rng.uniform(0.1, 0.6)])
    size = rng.uniform(0.12, 0.25)
    pieces += [_limb(front, head, 0.7 * chest, 0.7 * size), hull(ball(head, size))]
    if rng.random() < 0.7:
        pieces.append(_limb(head, np.add(head, [rng.uniform(0.15, 0.4), 0.0, -0.1]), 0.7 * size, 0.4 * size))
    if rng.random() < 0.6:
        ear = rng.uniform(0.2, 0.5)
        pieces += [_limb(head, np.add(head, [-0.05, s * 0.8 * size, ear]), 0.05, 0.04) for s in (-1.0, 1.0)]
    if rng.random() < 0.7:
        tail = np.add(back, [-rng.uniform(0.2, 0.7), 0.0, rng.uniform(-0.2, 0.5)])
        pieces.append(_limb(back, tail, 0.07, 0.04))
    return made_of(pieces)


def _doll(rng: np.random.Generator) -> Shape:
    """A person: a trunk, a head, two arms and two legs in some pose, some on a base."""
    shoulder, hip, height = rng.uniform([0.16, 0.12, 0.4], [0.3, 0.25, 0.7])
    depth = rng.uniform(0.6, 1.0)
    trunk = _limb([0, 0, 0], [0, 0, height], hip, shoulder).scale([depth, 1.0, 1.0])
    head = height + shoulder + rng.uniform(0.05, 0.2)
    pieces = [trunk, hull(ball([0, 0, head], rng.uniform(0.14, 0.26))), _limb([0, 0, height], [0, 0, head], 0.09, 0.08)]
    arm, leg = rng.uniform([0.06, 0.07], [0.1, 0.13])
    for side in (-1.0, 1.0):
        root = np.array([0.0, side * 0.8 * shoulder, height])
        elbow = np.add(root, [rng.uniform(-0.2, 0.3), side * rng.uniform(0.1, 0.35), rng.uniform(-0.4, 0.3)])
        hand = np.add(elbow, [rng.uniform(-0.1, 0.4), side * rng.uniform(-0.1, 0.3), rng.uniform(-0.3, 0.3)])
        pieces += [_limb(root, elbow, arm, 0.9 * arm), _limb(elbow, hand, 0.9 * arm, 0.8 * arm)]
        foot = [rng.uniform(-0.2, 0.3), side * rng.uniform(0.6, 1.2) * hip, -rng.uniform(0.5, 0.9)]
        pieces.append(_limb([0.0, side * 0.5 * hip, 0.0], foot, leg, 0.8 * leg))
    if rng.random() < 0.3:
        low = float(min(piece.bounding_box()[2] for piece in pieces))
        pieces.append(prism(circle(12, rng.uniform(0.35, 0.6)), 0.15).translate([0.0, 0.0, low - 0.05]))
    return made_of(pieces)


def _bird(rng: np.random.Generator) -> Shape:
    """A body with two wings, a tail and a head: a bird, a plane, a fish."""
    body, girth = rng.uniform([0.5, 0.1], [1.0, 0.22])
    span, chord, sweep, lift = rng.uniform([0.3, 0.15, -0.2, -0.2], [0.9, 0.45, 0.4, 0.5])
    thickness = rng.uniform(0.04, 0.08)
    pieces = [_limb([0, 0, 0], [body, 0, 0], 0.5 * girth, girth)]
    middle = rng.uniform(0.4, 0.7) * body
    for side in (-1.0, 1.0):
        pieces.append(_wing(np.array([middle, 0.0, 0.0]), [-sweep, side * span, lift], chord, thickness))
        pieces.append(_wing(np.array([0.0, 0.0, 0.0]), [-0.1, side * 0.4 * span, 0.0], 0.5 * chord, thickness))
    if rng.random() < 0.6:
        pieces.append(_wing(np.zeros(3), [-0.15, 0.0, rng.uniform(0.2, 0.5)], 0.5 * chord, thickness))
    head = np.array([body + 0.5 * girth, 0.0, rng.uniform(0.0, 0.3)])
    return made_of([*pieces, _limb([body, 0, 0], head, 0.7 * girth, rng.uniform(0.5, 0.9) * girth)])


def _wing(root: ArrayLike, to_tip: ArrayLike, chord: float, thickness: float) -> Manifold:
    """A flat tapered blade from the root to the tip."""
    corners = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
    at_root = corners * np.array([chord, thickness, thickness]) / 2
    return hull(np.concatenate([np.add(root, at_root), np.add(root, to_tip) + at_root * [0.5, 0.8, 0.8]]))


def _coral(rng: np.random.Generator) -> Shape:
    """Branches that fork as they grow from a foot: a coral, a candlestick, an antler."""
    pieces = [_limb([0, 0, 0], [0, 0, 0.5], 0.2, 0.15)]
    tips = [(np.array([0.0, 0.0, 0.5]), np.array([0.0, 0.0, 1.0]), 0.15)]
    for _ in range(int(rng.integers(3, 7))):
        root, heading, radius = tips.pop(int(rng.integers(len(tips))))
        for _ in range(2):
            direction = heading + rng.normal(size=3) * 0.7
            direction /= np.linalg.norm(direction)
            tip, thin = root + direction * rng.uniform(0.25, 0.5), radius * rng.uniform(0.65, 0.9)
            pieces.append(_limb(root, tip, radius, thin))
            tips.append((tip, direction, thin))
    if rng.random() < 0.5:
        pieces.append(block([-0.4, -0.4, -0.3], [0.4, 0.4, -0.1]))
    return made_of(pieces)


def _insect(rng: np.random.Generator) -> Shape:
    """A row of swellings with pairs of bent legs: a beetle, a crab, a robot."""
    count = int(rng.integers(2, 4))
    sizes, x, pieces = rng.uniform(0.15, 0.35, count), 0.0, []
    previous = None
    for size in sizes:
        center = np.array([x + (size if previous is not None else 0.0), 0.0, 0.0])
        squash = rng.uniform(0.6, 1.0)
        pieces.append(hull(ball([0, 0, 0], size)).scale([1.0, 1.0, squash]).translate(center.tolist()))
        if previous is not None:
            pieces.append(_limb(previous, center, 0.1, 0.1))
        previous, x = center, center[0] + 0.8 * size
    legs = int(rng.integers(2, 4))
    for at in np.linspace(0.1, x * 0.7, legs):
        out, knee, drop = rng.uniform([0.3, 0.0, 0.2], [0.6, 0.3, 0.5])
        for side in (-1.0, 1.0):
            joint = np.array([at, side * out, knee])
            pieces += [_limb([at, 0.0, 0.0], joint, 0.07, 0.06)]
            pieces += [_limb(joint, np.add(joint, [0.0, side * 0.15, -drop - knee]), 0.06, 0.05)]
    return made_of(pieces)


CREATURES: dict[str, Callable[[np.random.Generator], Shape]] = {
    "animal": _animal,
    "doll": _doll,
    "bird": _bird,
    "coral": _coral,
    "insect": _insect,
}
