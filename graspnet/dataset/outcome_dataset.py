"""A table of outcomes as a dataset, kept in memory: what `generate` writes, as far as a real robot can know it.

Success is the one metric. Nothing is known of clearances (the grasp that hit something has failed), of contacts and of
the world; these are infinite, absent and NaN. Images are as a camera took them, so that no sensor adds noise to them.
"""

import secrets
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from graspnet.dataset.labels import Clearance, MetricEstimate
from graspnet.dataset.outcomes import TABLE, Outcomes, read_outcomes
from graspnet.dataset.records import DatasetHeader
from graspnet.dataset.shard import DepthImages, GraspTable, SceneObjects, Shard
from graspnet.dataset.writer import DatasetWriter
from graspnet.grasps.image_grasps import image_from_grasps
from graspnet.grippers.gripper import gripper_fields
from graspnet.run.storage import Folder

__all__ = ["SUCCESS", "outcome_table", "write_outcomes"]

SUCCESS = "success"  # the metric: 1 where the object was lifted
NO_POSE = np.full((1, 4, 4), np.nan)
EVERY = 5  # One object of so many is kept for validation.


def outcome_table(url: str | Path) -> Path | None:
    """The table that a path means: itself, or in that folder; None where it means something else."""
    path = Path(url)
    if path.is_dir() and (path / TABLE).is_file():
        return path / TABLE
    return path if path.suffix == ".parquet" and path.is_file() else None


def write_outcomes(path: Path) -> tuple[Folder, DatasetHeader]:
    """The dataset of a table, written into this process's memory. InputError: as of `read_outcomes`."""
    outcomes = read_outcomes(path)
    folder = f"memory://{secrets.token_hex(8)}/{path.name}"  # the table may have changed since it was last read
    header = DatasetHeader(
        name=path.stem, seed=0, config={"measured": True}, packages={},
        grippers={name: gripper_fields(gripper) for name, gripper in outcomes.grippers.items()},
        splits=_splits(outcomes), units=len(outcomes.depth),
    )  # fmt: skip
    writer = DatasetWriter(folder, header)
    for image in range(len(outcomes.depth)):
        writer.write(image, _shard(outcomes, image))
    return writer.folder, writer.finish()


def _splits(outcomes: Outcomes) -> dict[str, list[str]]:
    """Objects that share an image stay together; every fifth such group is for validation, where there are several."""
    names = sorted(set(outcomes.object))
    number = np.array([names.index(name) for name in outcomes.object])
    image = len(names) + np.array(outcomes.image)
    nodes = int(image.max()) + 1
    graph = coo_matrix((np.ones(len(number)), (number, image)), shape=(nodes, nodes))
    group = connected_components(graph, directed=False)[1][: len(names)]
    groups = list(dict.fromkeys(group.tolist()))
    held_out = set(groups[::EVERY]) if len(groups) > 1 else set()
    return {
        "train": [name for name, each in zip(names, group, strict=True) if each not in held_out],
        "validation": [name for name, each in zip(names, group, strict=True) if each in held_out],
    }


def _shard(outcomes: Outcomes, image: int) -> Shard:
    """One image and its grasps."""
    rows = np.flatnonzero(np.array(outcomes.image) == image)
    camera, depth = outcomes.cameras[image], outcomes.depth[image]
    objects = sorted({outcomes.object[row] for row in rows})
    images = DepthImages(
        depth=depth[None], instance=np.zeros((1, *depth.shape), dtype=np.uint8), cameras=(camera,),
        world_from_camera=NO_POSE, bin=np.full((1, 3), np.nan),
    )  # fmt: skip
    count = len(objects)
    scene = SceneObjects(
        image=np.zeros(count, dtype=np.int64), instance=np.arange(1, count + 1), object=tuple(objects),
        scale=np.ones(count), stable_pose=np.full(count, -1), world_from_object=np.repeat(NO_POSE, count, axis=0),
    )  # fmt: skip
    return Shard(images, scene, _grasps(outcomes, rows, image, objects))


def _grasps(outcomes: Outcomes, rows: np.ndarray, image: int, objects: list[str]) -> GraspTable:
    grasps = outcomes.grasps_in_camera[rows]
    shown = image_from_grasps(grasps, outcomes.cameras[image])
    gripper = outcomes.grippers[outcomes.gripper[rows[0]]]
    count, free = len(rows), np.full(len(rows), np.inf)
    return GraspTable(
        image=np.zeros(count, dtype=np.int64),
        instance=np.array([1 + objects.index(outcomes.object[row]) for row in rows]),
        camera_from_grasp=grasps.poses, columns=grasps.columns,
        center=shown.center, angle=shown.angle, depth=shown.depth,
        contacts=np.full((count, gripper.contacts, 3), np.nan), contact_found=np.ones(count, dtype=bool),
        clearance=Clearance({part: free for part in gripper.parts}, free, free),
        source=("robot",) * count, gripper=tuple(outcomes.gripper[row] for row in rows),
        metrics={SUCCESS: MetricEstimate(outcomes.success[rows].astype(float), np.zeros(count), np.ones(count, int))},
    )  # fmt: skip
