"""Audit: grasps of a dataset beside the objects that they were labelled on, so that a person can judge the labels.

A dataset holds no meshes: its objects are made again (generate/remake.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from graspnet.data_gen.contact.contacts import Contacts, contact_finder
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.remake import RemadeObjects, labelling_config
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.dataset import Dataset, GraspTable, Shard
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.transforms import invert, transform_points

__all__ = ["KINDS", "AuditedGrasp", "audited_grasps"]

KINDS = {
    "holds": "Robustness above the threshold, and nothing is touched on the way",
    "slips": "Both pads touch the object and nothing else is touched, but robustness is not above the threshold",
    "collides": "It would hold, but the hand touches something on its way",
    "misses": "The middles of the pads do not both touch the object, and robustness is not above the threshold",
}


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


def audited_grasps(dataset: Dataset, count: int, rng: np.random.Generator) -> Iterator[AuditedGrasp]:
    """`count` random grasps, as many of each of KINDS as there are, shard by shard.

    InputError: an object cannot be made again, or is no longer what the dataset's images show.
    """
    config = labelling_config(dataset)
    objects = RemadeObjects.of(dataset, config)
    for index, rows in sorted(_drawn(dataset, config, count, rng).items()):
        shard, scenes = dataset.read(index), dict[int, Scene]()
        shapes = objects.shapes(shard)
        for row, kind in sorted(rows.items()):
            image, gripper = int(shard.grasps.image[row]), ParallelJaw.of(dataset.gripper(shard.grasps.gripper[row]))
            place = f"shard {dataset.shard_names[index]}, image {image}"
            if image not in scenes:
                scenes[image] = objects.scene(shard, image, shapes)
                objects.check_unchanged(scenes[image], shard, image, place)
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


def _audited(kind: str, place: str, scene: Scene, shard: Shard, row: int, gripper: ParallelJaw) -> AuditedGrasp:
    table, image = shard.grasps, int(shard.grasps.image[row])
    target, rows = int(table.instance[row]) - 1, np.array([row])
    world_from_camera, world_from_object = shard.images.world_from_camera[image], scene.world_from_object[target]
    grasp = table.grasps_in_camera(rows).transformed(world_from_camera)
    again = contact_finder(scene.solids[target])(grasp.transformed(invert(world_from_object)))
    stored = transform_points(world_from_camera, table.contacts[row])[None]
    contacts = Contacts(stored, again.transformed(world_from_object).normals, table.contact_found[rows])
    return AuditedGrasp(kind, place, scene, target, grasp, contacts, gripper, table, row)
