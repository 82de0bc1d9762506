"""Procedural objects: families of watertight solids drawn from a generator, with the convex parts they are made of.

A family returns convex pieces in any unit and place: `_made_of` unites them (manifold3d), so that the pieces tile the
body exactly and serve as its collision geometry. `make_solid` scales and centres. Proportions are free choices.
"""

from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from itertools import pairwise

import numpy as np
import trimesh
from jaxtyping import Float64
from manifold3d import Manifold, OpType
from numpy.typing import ArrayLike

from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.data_gen.objects.unions import manifold_from_mesh
from graspnet.errors import InputError, unknown_name

__all__ = ["FAMILIES", "check_family", "make_solid", "make_solids"]

Points = Float64[np.ndarray, "_ 3"]
Outline = Float64[np.ndarray, "_ 2"]
Shape = tuple[Manifold, list[Manifold]]  # the body, and convex pieces that tile it

SHORTEST, LONGEST = 0.05, 0.14  # longest side of an object, metres
ROUND = 20  # segments of a full circle: a hollow body has as many parts, and physics pays for each


def make_solid(family: str, rng: np.random.Generator, name: str = "") -> Solid:
    """One object of a family; its longest side is log-uniform between 5 and 14 cm.

    A family of an installed package (entry-point group `graspnet.objects`) is a function of a generator that returns a
    trimesh.Trimesh, which is mended and keeps its size (metres).
    """
    check_family(family)
    if family not in FAMILIES:
        return solid_from_mesh(_installed_families()[family].load()(rng), name or family)
    body, parts = FAMILIES[family](rng)
    length = float(np.exp(rng.uniform(np.log(SHORTEST), np.log(LONGEST))))
    low, high = np.array(body.bounding_box()).reshape(2, 3)
    factor = length / float(np.max(high - low))
    return solid_from_mesh(_mesh(body, factor), name or family, tuple(_mesh(part, factor) for part in parts))


def check_family(family: str) -> None:
    """InputError unless the family is one of ours or of an installed package."""
    if family not in FAMILIES and family not in _installed_families():
        raise unknown_name("family", family, [*FAMILIES, *_installed_families()])


def make_solids(count: int, seed: int, families: Sequence[str] | None = None) -> list[Solid]:
    """`count` objects named FAMILY_NUMBER, families in turn; object i comes from default_rng([seed, i]) alone."""
    if count < 0:
        raise InputError(f"count is {count}; it must not be negative")
    names = list(FAMILIES) if families is None else list(families)
    turns = [names[i % len(names)] for i in range(count)]
    return [make_solid(family, np.random.default_rng([seed, i]), f"{family}_{i:04d}") for i, family in enumerate(turns)]


def _installed_families() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="graspnet.objects")}


def _mesh(body: Manifold, factor: float) -> trimesh.Trimesh:
    mesh = body.to_mesh64()
    return trimesh.Trimesh(mesh.vert_properties[:, :3] * factor, mesh.tri_verts.astype(np.int64), process=False)


# --- How pieces are made -------------------------------------------------------------------------------------------


def _made_of(pieces: Sequence[Manifold]) -> Shape:
    """The union of bodies, without the voids of 1e-19 that rounding leaves between faces that coincide."""
    union = Manifold.batch_boolean(list(pieces), OpType.Add)
    return max(union.decompose(), key=lambda body: body.volume()), list(pieces)


def _hull(points: Points) -> Manifold:
    return Manifold.hull_points(np.ascontiguousarray(points, dtype=np.float64))


def _block(low: ArrayLike, high: ArrayLike) -> Manifold:
    """The box between two corners."""
    return Manifold.cube(np.subtract(high, low).tolist(), False).translate(np.asarray(low, np.float64).tolist())


def _circle(count: int, radius: float = 1.0, phase: float = 0.0) -> Outline:
    angle = 2 * np.pi * np.arange(count) / count + phase
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _at_height(outline: Outline, z: float) -> Points:
    return np.column_stack([outline, np.full(len(outline), z)])


def _prism(outline: Outline, height: float, taper: float = 1.0) -> Manifold:
    """The convex outline between z = 0 and `height`, its top shrunk by `taper`."""
    return _hull(np.concatenate([_at_height(outline, 0.0), _at_height(taper * outline, height)]))


def _swept(sections: Float64[np.ndarray, "K P 3"]) -> list[Manifold]:
    """Hulls of each two neighbouring convex sections: they share a whole face, so that their union is seamless."""
    return [_hull(np.concatenate([a, b])) for a, b in pairwise(sections)]


def _around(profile: Outline, angles: Float64[np.ndarray, "K"]) -> Float64[np.ndarray, "K P 3"]:
    """A profile of points (radius, z) at some angles about the z axis."""
    r, z = profile.T
    return np.stack([np.stack([r * np.cos(a), r * np.sin(a), z], axis=-1) for a in angles])


def _full_turn(segments: int = ROUND) -> Float64[np.ndarray, "K"]:
    """Angles whose last is exactly the first again, so that the ends of a sweep meet without a seam."""
    return 2 * np.pi * (np.arange(segments + 1) % segments) / segments


def _ball(center: ArrayLike, radius: float) -> Points:
    """Vertices of an icosphere: 42 points of a sphere."""
    return np.asarray(center) + radius * np.asarray(trimesh.creation.icosphere(subdivisions=1).vertices)


# --- Convex families -----------------------------------------------------------------------------------------------


def _box(rng: np.random.Generator) -> Shape:
    """A cuboid; half of them with sides that lean inwards."""
    size = rng.uniform(0.25, 1.0, 3)
    outline = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size[:2] / 2
    return _made_of([_prism(outline, size[2], rng.choice([1.0, rng.uniform(0.5, 1.0)]))])


def _plate(rng: np.random.Generator) -> Shape:
    """A thin disc, ellipse or polygon."""
    outline = _circle(int(rng.choice([4, 5, 6, ROUND])), phase=np.pi / 4) * [1.0, rng.uniform(0.35, 1.0)]
    return _made_of([_prism(outline, rng.uniform(0.08, 0.25))])


def _cylinder(rng: np.random.Generator) -> Shape:
    return _made_of([_prism(_circle(32), rng.uniform(0.4, 5.0), rng.choice([1.0, rng.uniform(0.7, 1.0)]))])


def _cone(rng: np.random.Generator) -> Shape:
    """Cone or pyramid, blunt or sharp: its sides offer no antipodal pair when it stands."""
    return _made_of([_prism(_circle(int(rng.choice([4, 6, ROUND]))), rng.uniform(0.8, 2.5), rng.uniform(0.02, 0.4))])


def _prismatic(rng: np.random.Generator) -> Shape:
    """A bar with three, five, six or seven sides."""
    return _made_of([_prism(_circle(int(rng.choice([3, 5, 6, 7]))), rng.uniform(0.6, 4.0))])


def _wedge(rng: np.random.Generator) -> Shape:
    """A ramp: a triangle or trapezium extruded sideways."""
    height, top, overhang = rng.uniform([0.25, 0.0, -0.2], [0.9, 0.5, 0.3])
    outline = np.array([[0.0, 0.0], [1.0, 0.0], [overhang + top + 0.02, height], [overhang, height]])
    return _made_of([_prism(outline, rng.uniform(0.25, 1.0))])


def _superquadric(rng: np.random.Generator) -> Shape:
    """|x/a|^(2/e)… = 1 with exponents between a rounded box and a ball. Barr, IEEE CG&A 1981."""
    polar, azimuth = np.meshgrid(np.linspace(-np.pi / 2, np.pi / 2, 13), _full_turn()[:-1], indexing="ij")
    e1, e2 = rng.uniform(0.2, 1.2, 2)
    across, up = _signed_power(np.cos(polar), e1), _signed_power(np.sin(polar), e1)
    surface = [across * _signed_power(np.cos(azimuth), e2), across * _signed_power(np.sin(azimuth), e2), up]
    return _made_of([_hull(np.stack(surface, axis=-1).reshape(-1, 3) * rng.uniform(0.35, 1.0, 3))])


def _signed_power(x: Float64[np.ndarray, "A B"], exponent: float) -> Float64[np.ndarray, "A B"]:
    return np.sign(x) * np.abs(np.round(x, 12)) ** exponent  # rounded: the cosine of a quarter turn is 6e-17, not 0


def _rock(rng: np.random.Generator) -> Shape:
    """The hull of a few random points on an ellipsoid: facets that are parallel to nothing."""
    directions = rng.normal(size=(int(rng.integers(8, 30)), 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return _made_of([_hull(directions * rng.uniform(0.4, 1.0, 3))])


def _gem(rng: np.random.Generator) -> Shape:
    """A bipyramid with a blunt top, or an antiprism: every side slants."""
    sides, height = int(rng.integers(3, 8)), rng.uniform(0.5, 1.8)
    if rng.random() < 0.5:
        rings = [_at_height(_circle(sides), 0.0), _at_height(_circle(sides, phase=np.pi / sides), height)]
    else:
        rings = [
            _at_height(_circle(sides, rng.uniform(0.05, 0.5)), -height),
            _at_height(_circle(sides), 0.0),
            _at_height(_circle(sides, rng.uniform(0.3, 0.8)), rng.uniform(0.2, 0.6)),
        ]
    return _made_of([_hull(np.concatenate(rings))])


def _lens(rng: np.random.Generator) -> Shape:
    """Two caps of different height on a common rim: a dome, a lens, half a ball."""
    below, above = rng.uniform(0.05, 0.3), rng.uniform(0.3, 1.0)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 13)
    profile = np.stack([np.cos(angle), np.where(angle < 0, below, above) * np.sin(angle)], axis=-1)
    return _made_of([_hull(_around(profile, _full_turn()[:-1]).reshape(-1, 3))])


# --- Bodies with hollows -------------------------------------------------------------------------------------------


def _tube(rng: np.random.Generator) -> Shape:
    """A pipe, round or with flat sides."""
    sides, wall, height = int(rng.choice([4, 6, ROUND])), rng.uniform(0.1, 0.4), rng.uniform(0.4, 3.0)
    profile = np.array([[1 - wall, 0.0], [1.0, 0.0], [1.0, height], [1 - wall, height]])
    return _made_of(_swept(_around(profile, _full_turn(sides))))


def _ring(rng: np.random.Generator) -> Shape:
    """A torus with an elliptic section."""
    section = _circle(10, rng.uniform(0.12, 0.35)) * [1.0, rng.uniform(0.6, 1.6)] + [1.0, 0.0]
    return _made_of(_swept(_around(section, _full_turn())))


def _hook(rng: np.random.Generator) -> Shape:
    """Half to three quarters of a torus, one end drawn out into a straight shank."""
    thickness = rng.uniform(0.1, 0.25)
    section = _circle(8, thickness) * [1.0, rng.uniform(0.7, 1.3)] + [1.0, 0.0]
    arc = _around(section, np.linspace(0.0, rng.uniform(np.pi, 1.5 * np.pi), 15))
    shank = arc[:1] - [0.0, rng.uniform(0.3, 2.0), 0.0]
    return _made_of(_swept(np.concatenate([shank, arc])))


def _walls(radius: ArrayLike, height: ArrayLike, wall: float) -> list[Manifold]:
    """A round vessel: rings between levels, each with the wall's thickness, on a floor as thick as the wall."""
    levels = np.stack([radius, height], axis=-1)
    inner = levels - [wall, 0.0]
    turn = _full_turn()
    rings = [
        _swept(_around(np.stack([inner[i], levels[i], levels[i + 1], inner[i + 1]]), turn))
        for i in range(len(levels) - 1)
    ]
    floor = _prism(_circle(ROUND, levels[0, 0]), wall).translate([0.0, 0.0, float(levels[0, 1]) - wall])
    return [piece for ring in rings for piece in ring] + [floor]


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
    return _made_of(_walls([slant, 1.0], [0.0, height], wall) + _swept(np.stack(sections)))


def _bowl(rng: np.random.Generator) -> Shape:
    """A dish whose wall rises flat, then steep."""
    base, belly, depth, wall = rng.uniform([0.3, 0.6, 0.25, 0.08], [0.6, 0.9, 0.8, 0.14])
    radius = np.array([base, base + belly * (1 - base), 1.0])
    return _made_of(_walls(radius, depth * np.array([0.0, 0.3, 1.0]), wall))


def _tray(rng: np.random.Generator) -> Shape:
    """An open box, some with a partition."""
    x, y, z, wall = rng.uniform([0.7, 0.4, 0.15, 0.05], [1.0, 0.9, 0.6, 0.1])
    pieces = [
        _block([0, 0, 0], [x, y, wall]),
        _block([0, 0, 0], [wall, y, z]),
        _block([x - wall, 0, 0], [x, y, z]),
        _block([0, 0, 0], [x, wall, z]),
        _block([0, y - wall, 0], [x, y, z]),
    ]
    if rng.random() < 0.5:
        middle = x * rng.uniform(0.3, 0.7)
        pieces.append(_block([middle, 0, 0], [middle + wall, y, z]))
    return _made_of(pieces)


def _frame(rng: np.random.Generator) -> Shape:
    """Four bars about a window, some with a cross-bar."""
    x, y, z, bar = rng.uniform([0.7, 0.4, 0.08, 0.08], [1.0, 0.9, 0.4, 0.16])
    pieces = [
        _block([0, 0, 0], [bar, y, z]),
        _block([x - bar, 0, 0], [x, y, z]),
        _block([0, 0, 0], [x, bar, z]),
        _block([0, y - bar, 0], [x, y, z]),
    ]
    if rng.random() < 0.5:
        pieces.append(_block([x / 2 - bar / 2, 0, 0], [x / 2 + bar / 2, y, z]))
    return _made_of(pieces)


# --- Things with arms ----------------------------------------------------------------------------------------------

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
    return _made_of([_block([x * x0, y * y0, 0], [x * x1, y * y1, z]) for x0, y0, x1, y1 in bars])


def _hammer(rng: np.random.Generator) -> Shape:
    """A handle, and across its end a head of two different halves."""
    handle = _prism(_circle(12, rng.uniform(0.07, 0.12)) * [1.0, rng.uniform(0.6, 1.0)], 1.0, rng.uniform(0.7, 1.0))
    side = rng.uniform(0.13, 0.22)
    outlines = [_circle(int(rng.choice([4, 8, ROUND])), side, np.pi / 4) for _ in range(2)]
    blunt = _prism(outlines[0], rng.uniform(0.2, 0.4)).rotate([0.0, 90.0, 0.0])
    claw = _prism(outlines[1], rng.uniform(0.2, 0.5), rng.uniform(0.2, 1.0)).rotate([0.0, -90.0, 0.0])
    return _made_of([handle, blunt.translate([-0.02, 0.0, 1.0]), claw.translate([0.02, 0.0, 1.0])])


def _dumbbell(rng: np.random.Generator) -> Shape:
    """A bar with a ball, a disc or a block at either end."""
    bar = _prism(_circle(12, rng.uniform(0.08, 0.16)), 1.0)
    ends = []
    for z in (0.0, 1.0):
        radius = rng.uniform(0.2, 0.42)
        block = _prism(_circle(4, radius * 1.2, np.pi / 4), radius).translate([0, 0, z - radius / 2])
        disc = _prism(_circle(ROUND, radius), radius / 2).translate([0, 0, z - radius / 4])
        ends.append([_hull(_ball([0, 0, z], radius)), disc, block][int(rng.integers(3))])
    return _made_of([bar, *ends])


def _paddle(rng: np.random.Generator) -> Shape:
    """A handle that ends in a flat blade, straight or bent: a spatula, a bat, a spoon without its hollow."""
    thickness, breadth, bend = rng.uniform([0.06, 0.08, 0.0], [0.12, 0.16, 50.0])
    handle = _block([-0.05, -breadth / 2, 0], [1.0, breadth / 2, thickness])
    blade = np.add(_circle(int(rng.choice([4, ROUND])), 1.0, np.pi / 4), [0.75, 0.0]) * rng.uniform(0.2, 0.4)
    turned = _prism(blade, thickness).rotate([0.0, 180.0 - bend, 0.0])
    return _made_of([handle, turned.translate([0, 0, thickness])])


def _stool(rng: np.random.Generator) -> Shape:
    """A seat on three to five legs."""
    count, thickness, leg, height = int(rng.integers(3, 6)), *rng.uniform([0.1, 0.06, 0.5], [0.25, 0.13, 1.3])
    seat = _prism(_circle(int(rng.choice([count, ROUND]))), thickness)
    tops, section, splay = _circle(count, 0.75 - leg), _circle(6, leg), rng.uniform(0.85, 1.15)
    ends = [(_at_height(section + top, thickness / 2), _at_height(section + splay * top, -height)) for top in tops]
    return _made_of([seat, *(_hull(np.concatenate(pair)) for pair in ends)])


def _gear(rng: np.random.Generator) -> Shape:
    """A disc with teeth, pointed or blunt."""
    teeth, root, height = int(rng.integers(4, 11)), rng.uniform(0.45, 0.8), rng.uniform(0.15, 0.9)
    core, tip = _circle(2 * teeth, root), rng.uniform(0.0, 0.9)
    pieces = [_prism(core, height)]
    for k in range(0, 2 * teeth, 2):
        base = core[[k, k + 1]]
        middle = base.mean(axis=0)
        pieces.append(_prism(np.concatenate([base, middle * (1 / root) + tip * (base - middle)]), height))
    return _made_of(pieces)


# --- Bodies of many pieces -----------------------------------------------------------------------------------------


def _vase(rng: np.random.Generator) -> Shape:
    """A solid turned on a lathe: a bottle, a bobbin, a chess piece."""
    levels = 9
    waves = rng.normal(size=3) / [1.0, 1.5, 2.5]
    z = np.linspace(0.0, 1.0, levels)
    radius = np.exp(0.6 * sum(w * np.cos(np.pi * (k + 1) * z) for k, w in enumerate(waves)))
    radius = np.clip(radius / radius.max(), 0.25, None) * rng.uniform(0.2, 0.55)
    return _made_of(_swept(np.stack([_at_height(_circle(ROUND, r), h) for r, h in zip(radius, z, strict=True)])))


def _twisted(rng: np.random.Generator) -> Shape:
    """A bar that turns about its axis as it rises."""
    outline = _circle(int(rng.integers(3, 6)), 1.0, np.pi / 4) * [1.0, rng.uniform(0.4, 1.0)]
    turn, height, taper = rng.uniform([0.5, 1.0, 0.5], [2.2, 3.0, 1.0])
    sections = []
    for s in np.linspace(0.0, 1.0, 16):
        c, k = np.cos(turn * s), np.sin(turn * s)
        sections.append(_at_height(outline @ np.array([[c, k], [-k, c]]) * (1 - s * (1 - taper)), height * s))
    return _made_of(_swept(np.stack(sections)))


def _assembly(rng: np.random.Generator) -> Shape:
    """Boxes and cylinders grown into one another in random directions."""
    pieces, center, half = [], np.zeros(3), np.zeros(3)
    for _ in range(int(rng.integers(3, 6))):
        center = center + rng.uniform(-0.9, 0.9, 3) * half  # inside the piece before: the body stays one
        half = rng.uniform(0.12, 0.5, 3)
        if rng.random() < 0.6:
            piece, half = _block(-half, half), half / 1.5
        else:
            piece = _prism(_circle(16, half[0]), 2 * half[1]).translate([0, 0, -float(half[1])])
            half = np.full(3, min(half[0], half[1]) / 1.5)
        turn = rng.choice([0.0, 90.0], 3) if rng.random() < 0.6 else rng.uniform(0.0, 360.0, 3)
        pieces.append(piece.rotate(turn.tolist()).translate(center.tolist()))
        half = np.full(3, half.min())  # what holds after any rotation
    return _made_of(pieces)


def _figure(rng: np.random.Generator) -> Shape:
    """A tree of tapered limbs about a trunk: a toy animal, a branch, a cactus."""
    trunk = rng.uniform(0.4, 1.0)
    ends = [(np.array([-trunk / 2, 0.0, 0.0]), rng.uniform(0.2, 0.35)), (np.array([trunk / 2, 0, 0]), 0.25)]
    limbs = [_hull(np.concatenate([_ball(*ends[0]), _ball(*ends[1])]))]
    for _ in range(int(rng.integers(2, 6))):
        root, radius = ends[int(rng.integers(len(ends)))]
        direction = rng.normal(size=3)
        tip = root + direction / np.linalg.norm(direction) * rng.uniform(0.4, 0.9)
        thick, thin = 0.8 * radius, rng.uniform(0.1, 0.2)
        limbs.append(_hull(np.concatenate([_ball(root, thick), _ball(tip, thin)])))
        ends.append((tip, thin))
    return _made_of(limbs)


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
    return [_hull(np.concatenate([np.zeros((1, 3)), surface[corner]])) for corner in corners]


FAMILIES: dict[str, Callable[[np.random.Generator], Shape]] = {
    "box": _box,
    "mug": _mug,
    "cylinder": _cylinder,
    "bracket": _bracket,
    "rock": _rock,
    "bowl": _bowl,
    "hammer": _hammer,
    "wedge": _wedge,
    "superquadric": _superquadric,
    "tube": _tube,
    "assembly": _assembly,
    "gem": _gem,
    "vase": _vase,
    "ring": _ring,
    "blob": _blob,
    "dumbbell": _dumbbell,
    "cone": _cone,
    "tray": _tray,
    "figure": _figure,
    "plate": _plate,
    "hook": _hook,
    "lens": _lens,
    "stool": _stool,
    "prism": _prismatic,
    "gear": _gear,
    "frame": _frame,
    "twisted": _twisted,
    "paddle": _paddle,
}
