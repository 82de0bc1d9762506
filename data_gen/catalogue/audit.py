"""Audit: grasps of a dataset beside the objects that they were labelled on, so that a person can judge the labels.

A dataset holds no meshes. Its objects are made again from its config and seed, and must look as its images show them.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool

from graspnet.config import parse_config
from graspnet.data_gen.contact.contacts import Contacts, contact_finder
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.labels.metrics import MetricConfig
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.object_source import load_object, object_names
from graspnet.data_gen.scenes.rendering import RENDERERS
from graspnet.data_gen.scenes.scenes import Bin, Scene
from graspnet.dataset import Dataset, GraspTable, Shard
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.transforms import invert, transform_points

__all__ = ["KINDS", "AuditedGrasp", "audited_grasps", "labelling_config"]

KINDS = {
    "holds": "Robustness above the threshold, and nothing is touched on the way",
    "slips": "Both pads touch the object and nothing else is touched, but robustness is not above the threshold",
    "collides": "It would hold, but the hand touches something on its way",
    "misses": "The middles of the pads do not both touch the object, and robustness is not above the threshold",
}
ALIKE = 0.001  # A depth counts as unchanged up to so many metres.
CHANGED = 0.02  # This share of an image's object pixels may have changed, by rounding at edges.


@dataclass(frozen=True)
class AuditedGrasp:
    """A labelled grasp and all that its label is about. contacts: of it alone, in the world: the stored points, and the
    normals that are found there again. `table` and `row` hold its labels."""

    kind: str  # one of KINDS
    place: str  # where it is in the dataset
    scene: Scene
    target: int
    grasp_in_world: Grasps  # one
    contacts: Contacts
    gripper: ParallelJaw
    table: GraspTable
    row: int


def labelling_config(dataset: Dataset) -> GenerateConfig:
    """How the dataset was made. InputError: not by `graspnet generate`, or by a version with other settings."""
    config = deepcopy(dataset.header.config)
    if older := {field.name: config.pop(field.name) for field in fields(MetricConfig) if field.name in config}:
        config["assumed"] = older  # what metrics assume stood beside all else
        older.get("tugs", {}).get("pick", {}).pop("settle_time", None)  # it never meant anything
    try:
        return parse_config(GenerateConfig, config, "its config")
    except InputError as error:
        raise InputError(f"{dataset.folder}: its objects cannot be made again: {error}") from None


def audited_grasps(dataset: Dataset, count: int, rng: np.random.Generator) -> Iterator[AuditedGrasp]:
    """`count` random grasps, as many of each of KINDS as there are, shard by shard.

    InputError: an object cannot be made again, or is no longer what the dataset's images show.
    """
    config = labelling_config(dataset)
    objects = _Objects.of(dataset, config)
    for index, rows in sorted(_drawn(dataset, config, count, rng).items()):
        shard, scenes = dataset.read(index), dict[int, Scene]()
        for row, kind in sorted(rows.items()):
            image, gripper = int(shard.grasps.image[row]), ParallelJaw.of(dataset.gripper(shard.grasps.gripper[row]))
            place = f"shard {dataset.shard_names[index]}, image {image}"
            if image not in scenes:
                scenes[image] = objects.scene(shard, image)
                _check_unchanged(scenes[image], shard, image, config, f"{dataset.folder}: {place}")
            yield _audited(kind, f"{place}, grasp {row}", scenes[image], shard, row, gripper)


def _drawn(dataset: Dataset, config: GenerateConfig, count: int, rng: np.random.Generator) -> dict[int, dict[int, str]]:
    """Shard -> row -> kind. Every shard in random order gives a grasp of each kind, until there are enough."""
    wanted = {kind: len(part) for kind, part in zip(KINDS, np.array_split(np.arange(count), len(KINDS)), strict=True)}
    chosen: dict[int, dict[int, str]] = {}
    found = True
    while found and any(wanted.values()):
        found = False
        for index in rng.permutation(dataset.shard_count).tolist():
            if not any(wanted.values()):
                break
            mine = chosen.setdefault(index, {})
            for kind, rows in _kinds(dataset.read(index).grasps, config).items():
                left = np.setdiff1d(np.flatnonzero(rows), list(mine))
                if wanted[kind] and len(left):
                    mine[int(rng.choice(left))], found = kind, True
                    wanted[kind] -= 1
    return chosen


def _kinds(grasps: GraspTable, config: GenerateConfig) -> dict[str, Bool[np.ndarray, "N"]]:
    holds, free = grasps.metrics[config.metrics[0]].mean > config.threshold, grasps.clearance.collision_free
    slips = ~holds & grasps.contact_found & free
    return dict(zip(KINDS, (holds & free, slips, holds & ~free, ~holds & ~grasps.contact_found), strict=True))


@dataclass(frozen=True)
class _Objects:
    """Objects at their own size, made as data_gen/generate made them: from the seed and their number."""

    place: str
    config: GenerateConfig
    seed: int
    numbers: Mapping[str, int]

    @staticmethod
    def of(dataset: Dataset, config: GenerateConfig) -> "_Objects":
        place = str(dataset.folder)
        try:
            names = object_names(config.objects)
        except InputError as error:
            raise InputError(f"{place}: its objects cannot be made again: {error}") from None
        return _Objects(place, config, dataset.header.seed, {name: i for i, name in enumerate(names)})

    def scene(self, shard: Shard, image: int) -> Scene:
        """The scene that an image shows."""
        objects = shard.objects
        rows = np.flatnonzero(objects.image == image)
        rows = rows[np.argsort(objects.instance[rows])]
        solids = tuple(self._solid(objects.object[row]).scaled(float(objects.scale[row])) for row in rows)
        x, y, height = shard.images.bin[image].tolist()
        bin_ = None
        if self.config.heap is not None and np.isfinite(x):
            bin_ = Bin(x, y, height, self.config.heap.wall_thickness)
        return Scene(solids, objects.world_from_object[rows], bin=bin_)

    def _solid(self, name: str) -> Solid:
        try:
            if name not in self.numbers:
                raise InputError("its config names no such object")
            return load_object(self.config.objects, name, np.random.default_rng([self.seed, self.numbers[name]]))
        except InputError as error:
            raise InputError(f"{self.place}: {name} cannot be made again: {error}") from None


def _check_unchanged(scene: Scene, shard: Shard, image: int, config: GenerateConfig, place: str) -> None:
    stored = shard.images.depth[image]
    with RENDERERS[config.renderer]() as renderer:
        now = renderer.render(scene, shard.images.cameras[image], shard.images.world_from_camera[image])
    of_objects = (shard.images.instance[image] > 0) | (now.instance > 0)
    changed = of_objects & ~(np.abs(now.depth - stored) < ALIKE)
    if changed.sum() > CHANGED * of_objects.sum():
        raise InputError(
            f"{place}: {changed.sum() / of_objects.sum():.0%} of the objects' pixels are not as stored; the meshes, "
            "or what makes them, have changed since the dataset was made; make the dataset again"
        )


def _audited(kind: str, place: str, scene: Scene, shard: Shard, row: int, gripper: ParallelJaw) -> AuditedGrasp:
    table, image = shard.grasps, int(shard.grasps.image[row])
    target, rows = int(table.instance[row]) - 1, np.array([row])
    world_from_camera, world_from_object = shard.images.world_from_camera[image], scene.world_from_object[target]
    grasp = table.grasps_in_camera(rows).transformed(world_from_camera)
    again = contact_finder(scene.solids[target])(grasp.transformed(invert(world_from_object)))
    stored = transform_points(world_from_camera, table.contacts[row])[None]
    contacts = Contacts(stored, again.transformed(world_from_object).normals, table.contact_found[rows])
    return AuditedGrasp(kind, place, scene, target, grasp, contacts, gripper, table, row)
