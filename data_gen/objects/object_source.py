"""Objects: which shapes there are, from folders of meshes and procedural families, and how large beside the hand."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float64
from scipy.spatial import ConvexHull

from graspnet.config import says
from graspnet.data_gen.objects.decomposition import DecompositionConfig, convex_parts
from graspnet.data_gen.objects.formats.mesh_file import MESH_SUFFIXES
from graspnet.data_gen.objects.meshes import (
    LARGEST,
    MOST_FACES,
    SMALLEST,
    Solid,
    find_meshes,
    load_solid,
    other_formats,
)
from graspnet.data_gen.objects.procedural import family_names, make_solid
from graspnet.data_gen.objects.same_object import files_of_objects, in_words
from graspnet.data_gen.objects.stable_poses import stable_poses
from graspnet.errors import InputError
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.transforms import perpendicular_to

__all__ = [
    "ObjectConfig",
    "keeping_size",
    "load_object",
    "mesh_files",
    "object_names",
    "one_file_an_object",
    "only_meshes_of",
    "outline_width",
    "posed_at_random",
    "posed_for_hand",
    "sides",
    "size_in_words",
    "with_parts",
]

MOST_OBJECTS = 1_000_000  # procedural; each has a name in memory

# Settings that say how large objects shall be.
SCALING_KEYS = ("scaling", "graspable_width", "fit", "smallest_side", "largest_extent")


@dataclass(frozen=True, kw_only=True)
class ObjectConfig:
    """Which objects, and how large: meshes of all `folders` and `count` procedural ones."""

    folders: tuple[str, ...] = ()  # They hold meshes, nested at any depth.
    pattern: str = "*"  # Mesh files have names of this form: "*_visual.obj" leaves out those for collisions.
    files: tuple[str, ...] = ()  # Of these the named ones alone; commands choose one for each object. Empty: all.
    # Procedural ones take turns: families, groups of them, or installed packages' (entry points graspnet.objects).
    families: tuple[str, ...] = ()  # empty: the group `standard`, of which all tests are made
    count: int | None = None  # So many procedural objects are made; None: 20 if there are no folders, else none.
    unit: float = 1.0  # A unit of a mesh file is so many metres.
    most_faces: int = MOST_FACES  # finer meshes are simplified
    wall: float | None = None  # thickness that open surfaces are given, before scaling; None: they are left out
    scaling: Literal["graspable_width", "fit_gripper", "smallest_side", "as_is"] = "graspable_width"
    graspable_width: tuple[float, float] = (0.1, 1.05)  # what the jaws must span in the object's pose, in openings
    # fit_gripper: the middle side, in openings. As Dex-Net 2.0 distributes them, all 129 KIT objects have a middle
    # extent of 45.0 mm (along the file's axes), for a hand of 50 mm.
    fit: float = 0.9
    # `scaling: smallest_side` gives objects this one (metres), as Dex-Net's released generator does.
    smallest_side: float = 0.04
    largest_extent: float = 4.0  # No object is scaled beyond so many openings.
    validation_share: float = 0.2  # This share of the objects is never trained on.
    # CoACD gets so many seconds of processor time for a mesh; then coarse blocks collide in its place.
    decomposition_time: float = 60.0

    def __post_init__(self) -> None:
        if self.count is not None and self.count < (0 if self.folders else 1):
            raise InputError(f"count is {self.count}; it must be at least 1, or 0 beside folders")
        if self.count is not None and self.count > MOST_OBJECTS:
            raise InputError(f"count is {self.count}; it must be at most {MOST_OBJECTS}")
        if self.most_faces < 100:
            raise InputError(f"most_faces is {self.most_faces}; it must be at least 100")
        for name in ("unit", "wall", "fit", "smallest_side", "largest_extent"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be positive")
        if not 0 < self.graspable_width[0] <= self.graspable_width[1]:
            raise InputError(f"graspable_width is {self.graspable_width}; it must be two positive numbers, least first")
        if not 0 <= self.validation_share < 1:
            raise InputError(f"validation_share is {self.validation_share}; it must lie in [0, 1)")
        if not 1 <= self.decomposition_time <= 86400:
            raise InputError(f"decomposition_time is {self.decomposition_time}; expected 1 to 86400 seconds")
        family_names(self.families)


def only_meshes_of(folders: Sequence[Path], key: str, pattern: str = "*") -> tuple[str, ...]:
    """Overrides of the config under `key` for a command's --objects DIR: these instead of what a preset names.

    pattern: the preset's, of file names; if none of the folders holds such a file, it is dropped. InputError: a folder
    without meshes.
    """
    if not folders:
        return ()
    names = json.dumps([str(folder) for folder in folders])
    fits = any(fnmatch(path.name, pattern) for folder in folders for path in find_meshes(folder))
    return (f"{key}.folders={names}", f"{key}.count=null", *(() if fits else (f'{key}.pattern="*"',)))


def object_names(config: ObjectConfig) -> list[str]:
    """A name for every object: its path within its folder (which leads it where there are several), or its family and
    number. InputError: a folder without meshes of that pattern, or a mesh that two folders name alike or share."""
    families = family_names(config.families)
    count = config.count if config.count is not None else 0 if config.folders else 20
    return sorted(mesh_files(config)) + [f"{families[i % len(families)]}_{i:05d}" for i in range(count)]


def mesh_files(config: ObjectConfig) -> dict[str, Path]:
    """The file of every object of `object_names` that has one. InputError: as there."""
    files: dict[str, Path] = {}
    seen: set[Path] = set()
    for folder in _folders(config):
        known = len(files)
        for path in find_meshes(folder):
            name = str(path.relative_to(folder.parent if len(config.folders) > 1 else folder))
            place = Path(os.path.realpath(path))  # unlike resolve(), of a link to itself too
            if name in files or place in seen:
                raise InputError(f"{path} is in two of the folders; give each folder once, under names that differ")
            seen.add(place)
            if fnmatch(path.name, config.pattern):
                files[name] = path
        if len(files) == known:
            raise InputError(f"{folder}: no mesh file has a name like pattern {config.pattern!r}")
    if missing := sorted(set(config.files) - set(files)):
        raise InputError(f"{missing[0]}: no such mesh in the folders any more; put it back, or begin a new --output")
    return {name: files[name] for name in config.files} if config.files else files


def one_file_an_object(config: ObjectConfig, said_by: str, *, copies: bool = True) -> tuple[ObjectConfig, list[str]]:
    """The config with `files`, of which one stands for each object, and lines to print: which stand for others, and
    files of other formats.

    copies, said_by: as in same_object.py. InputError: as `mesh_files`.
    """
    if not config.folders or config.files:
        return config, []
    sizes, formats = (SMALLEST / config.unit, LARGEST / config.unit), " ".join(MESH_SUFFIXES)
    chosen = files_of_objects(mesh_files(config), sizes, said_by, copies=copies)
    notes = [
        f"{folder}: {count} {suffix} {'files are' if count > 1 else 'file is'} left out; of meshes, {formats} are read"
        for folder in config.folders
        for suffix, count in other_formats(folder).items()
    ]
    return replace(config, files=tuple(chosen)), in_words(chosen) + notes


def keeping_size(
    config: ObjectConfig, room: str, source: str, overrides: Iterable[str], *, of_one_kind: bool = False
) -> ObjectConfig:
    """The config with `scaling: as_is` where meshes of folders shall be scaled, but their user never said so.

    A preset scales procedural objects to its hand. Whose meshes have a size of their own asks for another one by an
    override, or in a file. room, source: where presets are, and the command's --config, which has this config under
    `objects`. of_one_kind: InputError where meshes stand beside procedural objects, and nothing says how large both
    shall be.
    """
    asked = says(room, source, [f"objects.{name}" for name in SCALING_KEYS], overrides)
    if asked or not config.folders:
        return config
    if of_one_kind and config.count:
        raise InputError(
            f"objects are meshes of folders and {config.count} procedural ones: meshes keep their size, and procedural "
            "objects are scaled to the hand, unless something is said of both. Say objects.scaling=graspable_width, "
            "which scales all of them, or objects.scaling=as_is, which scales none; objects.count=null leaves out the "
            "procedural ones"
        )
    return replace(config, scaling="as_is")


def size_in_words(config: ObjectConfig) -> str:
    """How large objects are, and by which setting."""
    low, high = config.graspable_width
    said = {
        "as_is": " or ".join(
            (["as large as their files say"] if config.folders else [])
            + (["as large as they are made"] if config.count or not config.folders else [])
        ),
        "graspable_width": f"scaled until jaws must span {low:g} to {high:g} openings",
        "fit_gripper": f"scaled until their middle side is {config.fit:g} openings",
        "smallest_side": f"scaled until their smallest side is {1000 * config.smallest_side:g} mm",
    }
    return f"objects are {said[config.scaling]} (objects.scaling={config.scaling})"


def with_parts(solid: Solid, config: ObjectConfig) -> Solid:
    """The object with its convex pieces, at its own size: one decomposition serves every scale."""
    return replace(solid, parts=convex_parts(solid, config=DecompositionConfig(patience=config.decomposition_time)))


def load_object(config: ObjectConfig, name: str, rng: np.random.Generator) -> Solid:
    """The object of that name at its own size; a procedural one is made from `rng`."""
    if not name.lower().endswith(MESH_SUFFIXES):
        return make_solid(name.rpartition("_")[0], rng, name)
    several = len(config.folders) > 1
    folder = next(f for f in _folders(config) if not several or f.name == Path(name).parts[0])
    path = (folder.parent if several else folder) / name
    solid = load_solid(path, config.unit, most_faces=config.most_faces, wall=config.wall)
    return replace(solid, name=str(Path(name).with_suffix("")))  # a path: in YCB, all files are called textured.obj


def posed_for_hand(
    solid: Solid,
    world_from_object: Float64[np.ndarray, "4 4"],
    config: ObjectConfig,
    gripper: ParallelJaw,
    rng: np.random.Generator,
) -> tuple[float, Float64[np.ndarray, "4 4"]]:
    """The scale that `config.scaling` asks for, and the pose so scaled.

    The graspable width is the least one of the object's outline on the table, so it depends on the pose: a plate's is
    its thickness on edge, and its side when it lies flat. The other modes give the same scale in every pose.
    """
    if config.scaling == "as_is":
        return 1.0, world_from_object
    if config.scaling == "graspable_width":
        scale = rng.uniform(*config.graspable_width) * gripper.max_width / outline_width(solid, world_from_object)
    elif config.scaling == "fit_gripper":
        scale = config.fit * gripper.max_width / float(sides(solid)[1])
    else:
        scale = config.smallest_side / float(sides(solid)[0])
    scale = min(scale, config.largest_extent * gripper.max_width / float(max(solid.mesh.extents)))
    scaled_pose = world_from_object.copy()
    scaled_pose[:3, 3] *= scale
    return scale, scaled_pose


def posed_at_random(
    solid: Solid,
    minimum_probability: float,
    config: ObjectConfig,
    gripper: ParallelJaw,
    rng: np.random.Generator,
) -> tuple[float, Float64[np.ndarray, "4 4"]]:
    """What `posed_for_hand` gives, in a stable pose drawn by its probability from those at least that likely."""
    poses = stable_poses(solid, minimum_probability)
    return posed_for_hand(solid, poses.world_from_object[poses.draw(1, rng)[0]], config, gripper, rng)


def outline_width(solid: Solid, world_from_object: Float64[np.ndarray, "4 4"]) -> float:
    """Least width (metres) of the object's outline on the table over all horizontal directions."""
    return _narrowest(np.asarray(solid.mesh.vertices) @ world_from_object[:2, :3].T)[0]


def sides(solid: Solid) -> Float64[np.ndarray, "3"]:
    """Sides of a tight box, the smallest first (metres): the least distance of two parallel planes of which one touches
    a facet of the hull, the least width of the outline between them, and the extent across both. Unlike the bounding
    box along the file's axes they do not change when the mesh is turned."""
    points = np.asarray(solid.mesh.vertices)
    smallest, normal = _narrowest(points)
    x = perpendicular_to(normal)
    outline = points @ np.stack([x, np.cross(normal, x)], axis=1)
    middle, across = _narrowest(outline)
    return np.array([smallest, middle, np.ptp(outline @ [-across[1], across[0]])])


def _narrowest(points: Float64[np.ndarray, "N D"]) -> tuple[float, Float64[np.ndarray, "D"]]:
    """The least width over the normals of the hull's facets, and that normal.

    In the plane it is the least of all directions: one of the two parallel supports runs along an edge.
    """
    hull = ConvexHull(points)
    normals = hull.equations[:, :-1]
    width = np.ptp(normals @ points[hull.vertices].T, axis=1)
    return float(width.min()), normals[np.argmin(width)]


def _folders(config: ObjectConfig) -> list[Path]:
    return [Path(folder).resolve() for folder in config.folders]  # "." has no name of its own
