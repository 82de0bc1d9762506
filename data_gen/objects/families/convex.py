"""Convex families: one piece each."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64

from graspnet.data_gen.objects.families.pieces import (
    ROUND,
    Shape,
    around,
    at_height,
    circle,
    full_turn,
    hull,
    made_of,
    prism,
)

__all__ = ["CONVEX"]


def _box(rng: np.random.Generator) -> Shape:
    """A cuboid; half of them with sides that lean inwards."""
    size = rng.uniform(0.25, 1.0, 3)
    outline = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size[:2] / 2
    return made_of([prism(outline, size[2], rng.choice([1.0, rng.uniform(0.5, 1.0)]))])


def _plate(rng: np.random.Generator) -> Shape:
    """A thin disc, ellipse or polygon."""
    outline = circle(int(rng.choice([4, 5, 6, ROUND])), phase=np.pi / 4) * [1.0, rng.uniform(0.35, 1.0)]
    return made_of([prism(outline, rng.uniform(0.08, 0.25))])


def _cylinder(rng: np.random.Generator) -> Shape:
    return made_of([prism(circle(32), rng.uniform(0.4, 5.0), rng.choice([1.0, rng.uniform(0.7, 1.0)]))])


def _cone(rng: np.random.Generator) -> Shape:
    """Cone or pyramid, blunt or sharp: its sides offer no antipodal pair when it stands."""
    return made_of([prism(circle(int(rng.choice([4, 6, ROUND]))), rng.uniform(0.8, 2.5), rng.uniform(0.02, 0.4))])


def _prismatic(rng: np.random.Generator) -> Shape:
    """A bar with three, five, six or seven sides."""
    return made_of([prism(circle(int(rng.choice([3, 5, 6, 7]))), rng.uniform(0.6, 4.0))])


def _wedge(rng: np.random.Generator) -> Shape:
    """A ramp: a triangle or trapezium extruded sideways."""
    height, top, overhang = rng.uniform([0.25, 0.0, -0.2], [0.9, 0.5, 0.3])
    outline = np.array([[0.0, 0.0], [1.0, 0.0], [overhang + top + 0.02, height], [overhang, height]])
    return made_of([prism(outline, rng.uniform(0.25, 1.0))])


def _superquadric(rng: np.random.Generator) -> Shape:
    """|x/a|^(2/e)… = 1 with exponents between a rounded box and a ball. Barr, IEEE CG&A 1981."""
    polar, azimuth = np.meshgrid(np.linspace(-np.pi / 2, np.pi / 2, 13), full_turn()[:-1], indexing="ij")
    e1, e2 = rng.uniform(0.2, 1.2, 2)
    across, up = _signed_power(np.cos(polar), e1), _signed_power(np.sin(polar), e1)
    surface = [across * _signed_power(np.cos(azimuth), e2), across * _signed_power(np.sin(azimuth), e2), up]
    return made_of([hull(np.stack(surface, axis=-1).reshape(-1, 3) * rng.uniform(0.35, 1.0, 3))])


def _signed_power(x: Float64[np.ndarray, "A B"], exponent: float) -> Float64[np.ndarray, "A B"]:
    return np.sign(x) * np.abs(np.round(x, 12)) ** exponent  # rounded: the cosine of a quarter turn is 6e-17, not 0


def _rock(rng: np.random.Generator) -> Shape:
    """The hull of a few random points on an ellipsoid: facets that are parallel to nothing."""
    directions = rng.normal(size=(int(rng.integers(8, 30)), 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return made_of([hull(directions * rng.uniform(0.4, 1.0, 3))])


def _gem(rng: np.random.Generator) -> Shape:
    """A bipyramid with a blunt top, or an antiprism: every side slants."""
    sides, height = int(rng.integers(3, 8)), rng.uniform(0.5, 1.8)
    if rng.random() < 0.5:
        rings = [at_height(circle(sides), 0.0), at_height(circle(sides, phase=np.pi / sides), height)]
    else:
        rings = [
            at_height(circle(sides, rng.uniform(0.05, 0.5)), -height),
            at_height(circle(sides), 0.0),
            at_height(circle(sides, rng.uniform(0.3, 0.8)), rng.uniform(0.2, 0.6)),
        ]
    return made_of([hull(np.concatenate(rings))])


def _lens(rng: np.random.Generator) -> Shape:
    """Two caps of different height on a common rim: a dome, a lens, half a ball."""
    below, above = rng.uniform(0.05, 0.3), rng.uniform(0.3, 1.0)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 13)
    profile = np.stack([np.cos(angle), np.where(angle < 0, below, above) * np.sin(angle)], axis=-1)
    return made_of([hull(around(profile, full_turn()[:-1]).reshape(-1, 3))])


CONVEX: dict[str, Callable[[np.random.Generator], Shape]] = {
    "box": _box,
    "plate": _plate,
    "cylinder": _cylinder,
    "cone": _cone,
    "prism": _prismatic,
    "wedge": _wedge,
    "superquadric": _superquadric,
    "rock": _rock,
    "gem": _gem,
    "lens": _lens,
}
