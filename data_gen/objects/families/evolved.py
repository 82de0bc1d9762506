"""Unfamiliar shapes that nobody designed: arched, tapered, waisted and grown together, with flanks that tilt.

EGAD's shapes are level sets of evolved pattern-producing networks (Morrison et al., RA-L 2020). These are drawn at
random instead, beside sums of balls, waves and limbs; the first two families are sweeps of convex sections.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64
from scipy.special import logsumexp

from graspnet.data_gen.objects.families.level_sets import lattice, level_set
from graspnet.data_gen.objects.families.pieces import Points, Shape, made_of, swept

__all__ = ["EVOLVED"]

ACTIVATIONS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    np.sin,
    np.tanh,
    np.abs,
    lambda x: np.exp(-(x**2)),
    np.cos,
)


def _arch(rng: np.random.Generator) -> Shape:
    """A bent body whose thickness swells and wanes along the bend: a banana, a horn, a bridge with a waist."""
    s = np.linspace(0.0, 1.0, 14)
    bend, twist = rng.uniform([0.6, -0.6], [3.6, 0.6])
    angle = bend * (s - 0.5)
    spine = np.stack([np.sin(angle) / bend, np.zeros_like(s), np.cos(angle) / bend], axis=1) * rng.uniform(0.8, 1.2)
    sections = []
    across, up = _swelling(s, rng) * rng.uniform(0.08, 0.24), _swelling(s, rng) * rng.uniform(0.08, 0.2)
    outline = _superellipse(rng.uniform(0.4, 1.1))
    for k in range(len(s)):
        normal = np.array([np.sin(angle[k]), 0.0, np.cos(angle[k])])
        turn = twist * s[k]
        c, d = np.cos(turn), np.sin(turn)
        x, y = (outline * [across[k], up[k]] @ np.array([[c, d], [-d, c]])).T
        sections.append(spine[k] + x[:, None] * [0.0, 1.0, 0.0] + y[:, None] * normal)
    return made_of(swept(np.stack(sections)))


def _waisted(rng: np.random.Generator) -> Shape:
    """A post whose section shrinks to a waist, leans and turns on its way up: no two flanks are parallel."""
    s = np.linspace(0.0, 1.0, 13)
    across, along = _swelling(s, rng) * rng.uniform(0.15, 0.4), _swelling(s, rng) * rng.uniform(0.15, 0.4)
    lean, turn, height = rng.uniform(-0.4, 0.4, 2), rng.uniform(-1.0, 1.0), rng.uniform(0.8, 1.6)
    outline = _superellipse(rng.uniform(0.3, 1.2))
    sections = []
    for k, t in enumerate(s):
        c, d = np.cos(turn * t), np.sin(turn * t)
        flat = (outline * [across[k], along[k]]) @ np.array([[c, d], [-d, c]]) + lean * t**2
        sections.append(np.column_stack([flat, np.full(len(flat), height * t)]))
    return made_of(swept(np.stack(sections)))


def _swelling(s: Float64[np.ndarray, "K"], rng: np.random.Generator) -> Float64[np.ndarray, "K"]:
    """A smooth positive profile along s in [0, 1], at most 1: a taper with one to three soft waves."""
    waves = sum(rng.normal() / k * np.cos(np.pi * k * s + rng.uniform(0, np.pi)) for k in (1, 2, 3))
    profile = np.exp(0.7 * waves)
    return np.clip(profile / profile.max(), 0.25, None)


def _superellipse(exponent: float) -> Float64[np.ndarray, "P 2"]:
    """Convex outline between a rounded square (exponent 0.3) and a rounded rhombus (1.2); a circle at 1."""
    angle = 2 * np.pi * (np.arange(16) + 0.5) / 16
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.sign(circle) * np.abs(circle) ** exponent


def _metaballs(rng: np.random.Generator) -> Shape:
    """Balls of different sizes that run into one another, half of them mirrored."""
    centers, radii = rng.uniform(-0.55, 0.55, (int(rng.integers(4, 10)), 3)), rng.uniform(0.15, 0.45, 9)
    points = _mirrored(lattice(), rng)
    field = sum(np.exp(-np.sum((points - c) ** 2, axis=1) / r**2) for c, r in zip(centers, radii, strict=False))
    return level_set(np.asarray(field), rng.uniform(0.05, 0.2))


def _waves(rng: np.random.Generator) -> Shape:
    """An ellipsoid that a dozen random waves have dented and swollen."""
    points = _mirrored(lattice(), rng)
    waves = rng.normal(size=(12, 3)) * rng.uniform(1.2, 3.0)
    strength = rng.normal(size=12) * rng.uniform(0.08, 0.3)
    envelope = -np.sum((points / rng.uniform(0.5, 1.0, 3)) ** 2, axis=1)
    return level_set(
        envelope + np.sin(points @ waves.T + rng.uniform(0, 2 * np.pi, 12)) @ strength, rng.uniform(0.06, 0.25)
    )


def _pattern(rng: np.random.Generator) -> Shape:
    """A level set of a compositional pattern-producing network with random weights (Stanley, 2007), as EGAD's are."""
    points = _mirrored(lattice(), rng)
    radius = np.linalg.norm(points, axis=1, keepdims=True)
    values = np.concatenate([points, radius], axis=1)
    for _ in range(2):
        values = values @ (rng.normal(size=(values.shape[1], 8)) * rng.uniform(0.4, 1.0)) + rng.normal(size=8) * 0.7
        for k in range(8):
            values[:, k] = ACTIVATIONS[int(rng.integers(len(ACTIVATIONS)))](values[:, k])
    field = values @ rng.normal(size=8)
    return level_set(field / field.std() - rng.uniform(2.0, 4.0) * radius[:, 0] ** 2, rng.uniform(0.05, 0.2))


def _limbs(rng: np.random.Generator) -> Shape:
    """Bent, tapered limbs that are fused where they start: a root, a starfish, a jack."""
    s = np.linspace(0.0, 1.0, 7)[:, None]
    balls, radii = [], []
    for _ in range(int(rng.integers(3, 7))):
        tip, bow = rng.normal(size=3), rng.normal(size=3) * 0.25
        tip *= rng.uniform(0.55, 0.8) / np.linalg.norm(tip)
        balls.append(s * tip + s * (1 - s) * 4 * bow * 0.5)
        radii.append(np.linspace(rng.uniform(0.15, 0.3), rng.uniform(0.08, 0.22), 7))
    points, softness = _mirrored(lattice(), rng), rng.uniform(0.02, 0.08)
    depth = np.concatenate(radii) - np.linalg.norm(points[:, None] - np.concatenate(balls), axis=2)
    return level_set(softness * logsumexp(depth / softness, axis=1), rng.uniform(0.04, 0.12))


def _mirrored(points: Points, rng: np.random.Generator) -> Points:
    """The points with none to two coordinates made positive: a field of them is symmetric, as many objects are."""
    axes = rng.permutation(3)[: int(rng.choice([0, 1, 2], p=[0.4, 0.4, 0.2]))]
    mirrored = points.copy()
    mirrored[:, axes] = np.abs(mirrored[:, axes])
    return mirrored


EVOLVED: dict[str, Callable[[np.random.Generator], Shape]] = {
    "arch": _arch,
    "waisted": _waisted,
    "metaballs": _metaballs,
    "waves": _waves,
    "pattern": _pattern,
    "limbs": _limbs,
}
