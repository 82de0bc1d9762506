"""A small dataset whose labels are plain to see: a bar on a table, and hands that close across it or along it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graspnet.camera import Camera
from graspnet.dataset import (
    Clearance,
    Dataset,
    DatasetHeader,
    DatasetWriter,
    DepthImages,
    GraspTable,
    MetricEstimate,
    SceneObjects,
    Shard,
)
from graspnet.grippers.gripper import gripper_fields, load_gripper
from graspnet.transforms import frame_from_axes, rigid

TABLE, HEIGHT = 0.5, 0.03  # m from the camera to the table, and of the bar above it
CAMERA = Camera(fx=220.0, fy=220.0, cx=63.5, cy=47.5, width=128, height=96)


@pytest.fixture(scope="session")
def bars(tmp_path_factory) -> Dataset:
    """Six objects to train on and three to validate, four images of eight grasps each."""
    return write_bars(tmp_path_factory.mktemp("bars") / "dataset", train=6, validation=3)


def write_bars(
    folder: Path, train: int, validation: int, images: int = 4, grasps: int = 8, shuffled: bool = False
) -> Dataset:
    """Write the dataset. shuffled: labels are drawn at random, so that there is nothing to learn."""
    names = [f"bar_{i:02d}" for i in range(train + validation)]
    return write_named_bars(folder, names[:train], names[train:], images=images, grasps=grasps, shuffled=shuffled)


def write_named_bars(
    folder: Path,
    train: Sequence[str],
    validation: Sequence[str],
    seed: int = 0,
    name: str = "bars",
    images: int = 4,
    grasps: int = 8,
    shuffled: bool = False,
    procedural: bool = False,
    executed: float | None = None,
) -> Dataset:
    """As `write_bars`, of objects with these names. procedural: the header says that `graspnet generate` drew them.

    executed: every other grasp has this `physics_hold`, the others NaN.
    """
    names = [*train, *validation]
    header = DatasetHeader(
        name=name, seed=seed, config={"objects": {}} if procedural else {}, packages={},
        grippers={"yumi": gripper_fields(load_gripper("yumi"))},
        splits={"train": list(train), "validation": list(validation)}, units=len(names),
    )  # fmt: skip
    writer = DatasetWriter(folder, header)
    for unit, of in enumerate(names):
        shard = _bar_shard(of, images, grasps, shuffled, np.random.default_rng([5, seed, unit]))
        writer.write(unit, shard if executed is None else _partly_executed(shard, executed))
    writer.finish()
    return Dataset.open(folder)


def _partly_executed(shard: Shard, value: float) -> Shard:
    count = len(shard.grasps)
    mean = np.where(np.arange(count) % 2 == 0, value, np.nan)
    hold = MetricEstimate(mean, np.zeros(count), np.where(np.isnan(mean), 0, 4))
    return replace(shard, grasps=replace(shard.grasps, metrics=shard.grasps.metrics | {"physics_hold": hold}))


def _bar_shard(name: str, images: int, grasps: int, shuffled: bool, rng: np.random.Generator) -> Shard:
    yaw = rng.uniform(0, np.pi, images)
    center = rng.uniform(-0.03, 0.03, (images, 2))
    depth = np.stack([_bar_depth(center[i], yaw[i], half_width=0.012, half_length=0.06) for i in range(images)])
    image = np.repeat(np.arange(images), grasps)
    across = np.arange(len(image)) % 2 == 0
    poses = _bar_grasps(center[image], yaw[image] + np.pi / 2 * across, rng)
    mean = np.where(across, 0.95, 0.05)
    if shuffled:
        mean = rng.permutation(mean)
    return Shard(_images(depth), _objects(name, images), _table(image, poses, mean))


def _bar_depth(center: np.ndarray, yaw: float, half_width: float, half_length: float) -> np.ndarray:
    """Depth of the top of a bar, as if it had no sides."""
    points = CAMERA.deproject(CAMERA.pixel_grid(), np.full((CAMERA.height, CAMERA.width), TABLE - HEIGHT))[..., :2]
    along = (points - center) @ [np.cos(yaw), np.sin(yaw)]
    aside = (points - center) @ [-np.sin(yaw), np.cos(yaw)]
    on_bar = (np.abs(along) < half_length) & (np.abs(aside) < half_width)
    return np.where(on_bar, TABLE - HEIGHT, TABLE).astype(np.float32)


def _bar_grasps(center: np.ndarray, closing_yaw: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    count = len(center)
    origin = np.column_stack([center + rng.normal(0, 0.002, (count, 2)), np.full(count, TABLE - HEIGHT / 2)])
    closing = np.column_stack([np.cos(closing_yaw), np.sin(closing_yaw), np.zeros(count)])
    return rigid(frame_from_axes(np.tile([0.0, 0.0, 1.0], (count, 1)), closing), origin)


def _images(depth: np.ndarray) -> DepthImages:
    count = len(depth)
    return DepthImages(
        depth=depth, instance=(depth < TABLE).astype(np.uint8), cameras=(CAMERA,) * count,
        world_from_camera=np.tile(np.diag([1.0, -1.0, -1.0, 1.0]), (count, 1, 1)), bin=np.full((count, 3), np.nan),
    )  # fmt: skip


def _objects(name: str, count: int) -> SceneObjects:
    """The same object in each of `count` images."""
    return SceneObjects(
        image=np.arange(count), instance=np.ones(count, dtype=np.int64), object=(name,) * count, scale=np.ones(count),
        stable_pose=np.zeros(count, dtype=np.int64), world_from_object=np.tile(np.eye(4), (count, 1, 1)),
    )  # fmt: skip


def _table(image: np.ndarray, poses: np.ndarray, mean: np.ndarray) -> GraspTable:
    count = len(image)
    clearance = np.full(count, 0.01)
    metric = MetricEstimate(mean, mean * (1 - mean), np.full(count, 25))
    return GraspTable(
        image=image, instance=np.ones(count, dtype=np.int64), camera_from_grasp=poses,
        columns={"width": np.full(count, 0.05)},
        center=CAMERA.project(poses[:, :3, 3]), angle=np.zeros(count), depth=poses[:, 2, 3].copy(),
        contacts=np.full((count, 2, 3), np.nan),
        contact_found=np.ones(count, dtype=bool),
        clearance=Clearance({"fingers": clearance, "palm": clearance}, clearance, np.full(count, np.inf)),
        source=("made up",) * count, gripper=("yumi",) * count,
        metrics={"robust_centered_closure": metric, "robust_pad_closure": metric},
    )  # fmt: skip
