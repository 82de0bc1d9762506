"""Small shards of random numbers, and a dataset of two of them."""

from pathlib import Path

import numpy as np
import pytest

from graspnet.camera import Camera
from graspnet.dataset import (
    Clearance,
    DatasetHeader,
    DatasetWriter,
    DepthImages,
    GraspTable,
    MetricEstimate,
    SceneObjects,
    Shard,
    quantised,
)
from graspnet.grippers.gripper import gripper_fields, load_gripper
from graspnet.grippers.parallel_jaw import ParallelJaw

ELSEWHERE = ("table", "neighbours")  # what clearances are told to besides the object that is grasped


def make_shard(rng: np.random.Generator, images: int = 2, grasps: int = 7, depth: np.ndarray | None = None) -> Shard:
    """Random numbers, or images of this depth."""
    if depth is None:
        depth = rng.uniform(0.4, 1.2, (images, 6, 8)).astype(np.float32)
        depth[0, 0, :3] = np.nan
    images = len(depth)
    camera = Camera(10.0, 11.0, 3.5, 2.5, 8, 6)
    poses = np.tile(np.eye(4), (grasps, 1, 1))
    poses[:, :3, 3] = rng.normal(size=(grasps, 3))
    poses = as_stored(poses)
    values = {name: as_stored(rng.normal(size=grasps)) for name in ("angle", "depth")}
    clearance = Clearance.of({part: as_stored(rng.normal(size=grasps)) for part in (*ParallelJaw.parts, *ELSEWHERE)})
    return Shard(
        DepthImages(
            quantised(depth), (depth > 0.8).astype(np.uint8), (camera,) * images, np.tile(np.eye(4), (images, 1, 1)),
            np.full((images, 3), [0.4, 0.3, np.nan]),
        ),
        SceneObjects(
            np.repeat(np.arange(images), 2), np.tile([1, 2], images), ("cube", "rod") * images,
            rng.random(2 * images), np.tile([0, -1], images), np.tile(np.eye(4), (2 * images, 1, 1)),
        ),
        GraspTable(
            image=rng.integers(images, size=grasps), instance=rng.integers(1, 3, size=grasps),
            camera_from_grasp=poses, columns={"width": np.full(grasps, 0.0625)},
            center=as_stored(rng.uniform(0, 8, (grasps, 2))), contacts=as_stored(rng.normal(size=(grasps, 2, 3))),
            contact_found=rng.random(grasps) > 0.5, source=("antipodal",) * grasps, gripper=("yumi",) * grasps,
            metrics={"robust_force_closure": MetricEstimate(*as_stored(rng.random((2, grasps))), np.full(grasps, 25))},
            clearance=clearance, **values,
        ),
    )  # fmt: skip


def as_stored(values: np.ndarray) -> np.ndarray:
    """Numbers that 32 bits hold: grasps are stored in so many."""
    return values.astype(np.float32).astype(np.float64)


def make_header(units: int = 2, splits: dict[str, list[str]] | None = None) -> DatasetHeader:
    return DatasetHeader(
        name="tiny", seed=3, config={"views": 2}, packages={}, units=units,
        grippers={"yumi": gripper_fields(load_gripper("yumi"))},
        splits=splits or {"train": ["cube", "rod"], "validation": ["ball"]},
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    writer = DatasetWriter(tmp_path / "data", make_header())
    for unit in range(2):
        writer.write(unit, make_shard(np.random.default_rng(unit)))
    writer.finish()
    return tmp_path / "data"


def assert_equal_shards(a: Shard, b: Shard) -> None:
    for part in ("images", "objects", "grasps"):
        for name, value in vars(getattr(a, part)).items():
            other = getattr(getattr(b, part), name)
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(value, other)
            elif name == "metrics":
                for metric, columns in value.items():
                    np.testing.assert_array_equal(columns.mean, other[metric].mean)
                    np.testing.assert_array_equal(columns.samples, other[metric].samples)
            elif name == "columns":
                np.testing.assert_equal(value, other)
            elif name == "clearance":
                np.testing.assert_equal(value.each, other.each)
            else:
                assert value == other
