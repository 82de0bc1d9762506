"""Procedural objects: families of watertight solids, each shape drawn from a generator, with convex parts where cheap."""

from collections.abc import Callable, Sequence
from pathlib import Path

import manifold3d
import numpy as np
import trimesh
from manifold3d import CrossSection, Manifold, OpType

from data_gen.meshes import Solid, solid_from_mesh
from graspnet.errors import InputError, unknown_name

__all__ = ["FAMILIES", "graspable_width", "make_solid", "make_solids", "save_solids"]

Shape = tuple[Manifold, list[Manifold] | None]  # the body, and convex pieces that tile it if they are known
SHORTEST_LENGTH, LONGEST_LENGTH = 0.05, 0.14  # the longest side of an object, metres


def make_solid(family: str, rng: np.random.Generator, name: str = "") -> Solid:
    """One object of a family, its longest side between 5 and 14 cm (log-uniform)."""
    if family not in FAMILIES:
        raise unknown_name("family", family, FAMILIES)
    body, parts = FAMILIES[family](rng)
    length = float(np.exp(rng.uniform(np.log(SHORTEST_LENGTH), np.log(LONGEST_LENGTH))))
    low, high = np.array(body.bounding_box()).reshape(2, 3)
    factor = length / float(np.max(high - low))
    pieces = None if parts is None else tuple(_mesh(part, factor) for part in parts)
    return solid_from_mesh(_mesh(body, factor), name or family, pieces)


def make_solids(count: int, seed: int) -> list[Solid]:
    """`count` objects, families in turn; object i is drawn from default_rng([seed, i]) whatever the count."""
    names = list(FAMILIES)
    return [
        make_solid(family, np.random.default_rng([seed, i]), f"{family}_{i:04d}")
        for i, family in enumerate(names[i % len(names)] for i in range(count))
    ]


def save_solids(solids: Sequence[Solid], folder: str | Path) -> list[Path]:
    """Writes each surface as NAME.obj in metres; returns the paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{solid.name}.obj" for solid in solids]
    for solid, path in zip(solids, paths, strict=True):
        solid.mesh.export(path, digits=9)
    return paths


def graspable_width(solid: Solid) -> float:
    """Smallest side of the box along the object's axes."""
    return float(np.min(solid.mesh.extents))


def _mesh(body: Manifold, factor: float) -> trimesh.Trimesh:
    mesh = body.to_mesh64()
    return trimesh.Trimesh(mesh.vert_properties[:, :3] * factor, mesh.tri_verts.astype(np.int64), process=False)


def _box(rng: np.random.Generator) -> Shape:
    body = Manifold.cube(rng.uniform(0.2, 1.0, 3).tolist(), True)
    return body, [body]


def _cylinder(rng: np.random.Generator) -> Shape:
    body = Manifold.cylinder(rng.uniform(0.3, 4.0), 1.0, float(rng.uniform(0.6, 1.0)), 32, True)
    return body, [body]


def _bracket(rng: np.random.Generator) -> Shape:
    length, height, thickness, breadth = rng.uniform([0.7, 0.5, 0.12, 0.2], [1.0, 1.0, 0.3, 0.7])
    parts = [
        Manifold.cube([length, breadth, thickness], False),
        Manifold.cube([thickness, breadth, height], False),
    ]
    return Manifold.batch_boolean(parts, OpType.Add), parts


FAMILIES: dict[str, Callable[[np.random.Generator], Shape]] = {
    "box": _box,
    "cylinder": _cylinder,
    "bracket": _bracket,
}
