"""Objects: which shapes there are, from a folder of meshes or procedural, and how large beside the hand."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from scipy.spatial import ConvexHull

from data_gen.meshes import Solid, find_meshes, load_solid
from data_gen.procedural import FAMILIES, make_solid
from graspnet.errors import InputError, unknown_name
from graspnet.gripper import ParallelJawGripper

__all__ = ["ObjectConfig", "load_object", "object_names", "outline_width", "posed_for_hand"]


@dataclass(frozen=True, kw_only=True)
class ObjectConfig:
    """Which objects, and how large."""

    folder: str | None = None  # meshes, nested at any depth; None: procedural objects
    families: tuple[str, ...] = ()  # procedural families; empty: all
    count: int = 20  # procedural objects
    unit: float = 1.0  # metres per unit of a mesh file
    graspable_width: tuple[float, float] | None = (0.1, 1.05)  # drawn for each, in openings of its hand; None: as it is
    largest_extent: float = 4.0  # in openings: no object is scaled beyond it
    validation_share: float = 0.2  # of the objects, never trained on

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InputError(f"count is {self.count}; it must be at least 1")
        if not 0 <= self.validation_share < 1:
            raise InputError(f"validation_share is {self.validation_share}; it must lie in [0, 1)")
        for family in self.families:
            if family not in FAMILIES:
                raise unknown_name("family", family, FAMILIES)


def object_names(config: ObjectConfig) -> list[str]:
    """A name for every object: its family and number, or its path within the folder."""
    if config.folder is None:
        families = config.families or tuple(FAMILIES)
        return [f"{families[i % len(families)]}_{i:05d}" for i in range(config.count)]
    folder = Path(config.folder)
    return [str(path.relative_to(folder)) for path in find_meshes(folder)]


def load_object(config: ObjectConfig, name: str, rng: np.random.Generator) -> Solid:
    """The object of that name at its own size; a procedural one is made from `rng`."""
    if config.folder is None:
        return make_solid(name.rpartition("_")[0], rng, name)
    return load_solid(Path(config.folder) / name, config.unit)


def posed_for_hand(
    solid: Solid,
    world_from_object: Float64[np.ndarray, "4 4"],
    config: ObjectConfig,
    hand: ParallelJawGripper,
    rng: np.random.Generator,
) -> tuple[float, Float64[np.ndarray, "4 4"]]:
    """A scale, and the pose so scaled, in which the width that the hand must span is drawn from `graspable_width`.

    That width is the least one of the object's outline on the table, so it depends on the pose: a plate's is its
    thickness on edge, and its side when it lies flat.
    """
    if config.graspable_width is None:
        return 1.0, world_from_object
    target = rng.uniform(*config.graspable_width) * hand.max_width
    largest = config.largest_extent * hand.max_width / float(max(solid.mesh.extents))
    scale = min(target / outline_width(solid, world_from_object), largest)
    scaled_pose = world_from_object.copy()
    scaled_pose[:3, 3] *= scale
    return scale, scaled_pose


def outline_width(solid: Solid, world_from_object: Float64[np.ndarray, "4 4"]) -> float:
    """Least width (metres) of the object's outline on the table over all horizontal directions.

    One of the two parallel supports of a planar hull at its least width runs along an edge of it.
    """
    outline = np.asarray(solid.mesh.vertices) @ world_from_object[:2, :3].T
    hull = ConvexHull(outline)
    extent = hull.equations[:, :2] @ outline[hull.vertices].T
    return float(np.min(np.ptp(extent, axis=1)))
