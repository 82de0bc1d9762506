"""Procedural objects: families of watertight solids drawn from a generator, with the convex parts they are made of.

A family (folder families/) returns a body and the convex pieces that tile it, in any unit and place. `make_solid`
scales and centres.
"""

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points

import numpy as np
import trimesh
from manifold3d import Manifold

from graspnet.data_gen.objects.families.armed import ARMED
from graspnet.data_gen.objects.families.composite import COMPOSITE
from graspnet.data_gen.objects.families.convex import CONVEX
from graspnet.data_gen.objects.families.creatures import CREATURES
from graspnet.data_gen.objects.families.evolved import EVOLVED
from graspnet.data_gen.objects.families.hollow import HOLLOW
from graspnet.data_gen.objects.families.pieces import Shape
from graspnet.data_gen.objects.families.thin_walled import THIN_WALLED
from graspnet.data_gen.objects.families.tools import TOOLS
from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.errors import InputError, unknown_name

__all__ = [
    "FAMILIES",
    "FAMILY_GROUPS",
    "TRAINING_FAMILIES",
    "family_names",
    "make_solid",
    "make_solids",
]

SHORTEST, LONGEST = 0.05, 0.14  # longest side of an object, metres

# Protocols and frozen sets take these in turn. Another one, or another order, would change every test.
STANDARD_ORDER = (
    "box mug cylinder bracket rock bowl hammer wedge superquadric tube assembly gem vase ring blob dumbbell cone tray "
    "figure plate hook lens stool prism gear frame twisted paddle"
)
FAMILIES: dict[str, Callable[[np.random.Generator], Shape]] = {
    name: (CONVEX | HOLLOW | ARMED | COMPOSITE)[name] for name in STANDARD_ORDER.split()
}
# No test is made of these: they may grow.
TRAINING_FAMILIES: dict[str, Callable[[np.random.Generator], Shape]] = EVOLVED | THIN_WALLED | TOOLS | CREATURES
FAMILY_GROUPS: dict[str, tuple[str, ...]] = {
    "standard": tuple(FAMILIES),
    "evolved": tuple(EVOLVED),
    "thin_walled": tuple(THIN_WALLED),
    "tools": tuple(TOOLS),
    "creatures": tuple(CREATURES),
}


def make_solid(family: str, rng: np.random.Generator, name: str = "") -> Solid:
    """One object of a family; its longest side is log-uniform between 5 and 14 cm.

    A family of an installed package (entry-point group `graspnet.objects`) is a function of a generator that returns a
    trimesh.Trimesh, which is mended and keeps its size (metres).
    """
    _check_family(family)
    ours = FAMILIES | TRAINING_FAMILIES
    if family not in ours:
        return solid_from_mesh(_installed_families()[family].load()(rng), name or family)
    body, parts = ours[family](rng)
    length = float(np.exp(rng.uniform(np.log(SHORTEST), np.log(LONGEST))))
    low, high = np.array(body.bounding_box()).reshape(2, 3)
    factor = length / float(np.max(high - low))
    return solid_from_mesh(_mesh(body, factor), name or family, tuple(_mesh(part, factor) for part in parts))


def family_names(names: Sequence[str] = ()) -> tuple[str, ...]:
    """Families, where each name is one or a group of FAMILY_GROUPS; of no names at all: the group `standard`.

    A name that is given twice is taken twice as often. InputError: a name that is neither.
    """
    families = [family for name in names or ("standard",) for family in FAMILY_GROUPS.get(name, (name,))]
    for family in families:
        _check_family(family, FAMILY_GROUPS)
    return tuple(families)


def make_solids(count: int, seed: int, families: Sequence[str] = ()) -> list[Solid]:
    """`count` objects named FAMILY_NUMBER, families in turn; object i comes from default_rng([seed, i]) alone.

    families: as `family_names` takes them.
    """
    if count < 0:
        raise InputError(f"count is {count}; it must not be negative")
    names = family_names(families)
    turns = [names[i % len(names)] for i in range(count)]
    return [make_solid(family, np.random.default_rng([seed, i]), f"{family}_{i:04d}") for i, family in enumerate(turns)]


def _check_family(family: str, groups: Iterable[str] = ()) -> None:
    """InputError unless the family is one of ours or of an installed package; it names `groups` too."""
    ours = FAMILIES | TRAINING_FAMILIES
    if family not in ours and family not in (installed := _installed_families()):  # which takes 20 ms to look up
        raise unknown_name("family", family, [*ours, *installed, *groups])


def _installed_families() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="graspnet.objects")}


def _mesh(body: Manifold, factor: float) -> trimesh.Trimesh:
    mesh = body.to_mesh64()
    return trimesh.Trimesh(mesh.vert_properties[:, :3] * factor, mesh.tri_verts.astype(np.int64), process=False)
