"""Training rate of `compact` with data (noise, crops, augmentation, made on the fly) over that on a constant tensor.

Both train with one thread; batches are prepared by a second one, as on a machine with two cores. The subject's time
includes starting its stream, and nothing was prepared before it. The figures also compare a dataset that is read from
the disk in every epoch, through a buffer of a quarter of it, with the same one in memory.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from graspnet.benchmarks.measure import BenchmarkResult, interleaved
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
from graspnet.models import NETWORKS
from graspnet.run.threads import using_threads
from graspnet.training.batches import Batch, BatchConfig, Batches
from graspnet.training.device_probe import Computing, find_fastest, loss_of, placed
from graspnet.training.examples.datasets import load_examples
from graspnet.training.examples.label import LabelConfig
from graspnet.training.optimiser import OptimiserConfig, make_optimiser
from graspnet.transforms import frame_from_axes, rigid

__all__ = ["run"]

CAMERA = Camera(fx=525.0, fy=525.0, cx=319.5, cy=239.5, width=640, height=480)
IMAGES, GRASPS = 8, 48  # of a shard and of an image, as the preset `default` has them
BUFFER = 0.25  # of a dataset that is read from the disk


def run(quick: bool) -> BenchmarkResult:
    """The ratio, and the rates in examples a second, in the precision that a probe finds to be the faster one."""
    crop, label, config = NETWORKS["compact"].config.crop, LabelConfig(), BatchConfig(pool=512)
    with TemporaryDirectory() as folder, using_threads(1):
        dataset = _made_up_dataset(Path(folder) / "dataset", shards=3 if quick else 15)
        in_memory = Batches(load_examples(dataset, "train", crop, label), crop, label, config, seed=0)
        megabytes = float(in_memory.examples.size.sum()) / 1e6
        buffered = replace(config, memory_mb=BUFFER * megabytes)
        on_disk = Batches(load_examples(dataset, "train", crop, label, buffered.memory), crop, label, buffered, seed=0)
        constant = next(in_memory.stream(0, 1))
        # where a processor only emulates bfloat16 it is ten times slower: nobody trains so, and nobody waits for it
        computing = find_fastest(NETWORKS["compact"](), constant, "cpu", "auto", threads=1)
        train, steps = _trainer(computing), in_memory.steps_per_epoch
        with_data, bare = interleaved(lambda: train(in_memory.stream(0, steps)), lambda: train(repeat(constant, steps)))
        from_disk, from_memory = interleaved(
            lambda: train(on_disk.stream(0, steps)), lambda: train(in_memory.stream(0, steps))
        )
    count = in_memory.examples_per_epoch
    return BenchmarkResult(
        benchmark="loader",
        ratio=bare / with_data,
        of=f"training rate with data over training rate on a constant tensor, {computing.precision}",
        figures={
            "with_data": count / with_data,
            "constant": count / bare,
            "from_disk": count / from_disk,
            "from_disk_over_from_memory": from_memory / from_disk,
            "megabytes": megabytes,
            "loader_threads": float(config.workers),
        },
        threads=1,
    )


def _made_up_dataset(folder: Path, shards: int) -> Dataset:
    """As costly to read, to measure and to crop as a real one, with nothing to learn."""
    yumi = gripper_fields(load_gripper("yumi"))
    names = [f"blocks_{k:05d}" for k in range(shards)]
    header = DatasetHeader(
        name="blocks", seed=0, config={}, packages={}, grippers={"yumi": yumi}, splits={"train": names}, units=shards
    )
    writer = DatasetWriter(folder, header)
    for unit, name in enumerate(names):
        writer.write(unit, _made_up_shard(name, np.random.default_rng([0, unit])))
    writer.finish()
    return Dataset.open(folder)


def _made_up_shard(name: str, rng: np.random.Generator) -> Shard:
    """A table 0.7 m away with a dozen blocks, and grasps above it."""
    depth = np.full((IMAGES, CAMERA.height, CAMERA.width), 0.7, dtype=np.float32)
    for k, v, u in zip(np.repeat(np.arange(IMAGES), 12), *rng.integers(150, 330, (2, 12 * IMAGES)), strict=True):
        depth[k, v : v + 30, u + 80 : u + 110] -= np.float32(rng.uniform(0.01, 0.05))
    none = np.full((IMAGES, 3), np.nan)
    poses = np.tile(np.eye(4), (IMAGES, 1, 1))
    images = DepthImages(depth, (depth < 0.7).astype(np.uint8), (CAMERA,) * IMAGES, poses, none)
    numbers = np.arange(IMAGES)
    objects = SceneObjects(numbers, np.ones_like(numbers), (name,) * IMAGES, np.ones(IMAGES), 0 * numbers, poses)
    return Shard(images, objects, _made_up_grasps(IMAGES * GRASPS, rng))


def _made_up_grasps(count: int, rng: np.random.Generator) -> GraspTable:
    yaw = rng.uniform(0, 2 * np.pi, count)
    closing = np.stack([np.cos(yaw), np.sin(yaw), np.zeros(count)], axis=1)
    origin = rng.uniform([-0.06, -0.06, 0.65], [0.06, 0.06, 0.69], (count, 3))
    poses = rigid(frame_from_axes(np.tile([0.0, 0.0, 1.0], (count, 1)), closing), origin)
    free = np.full(count, 0.01)
    samples = np.full(count, 25)
    return GraspTable(
        image=np.repeat(np.arange(IMAGES), GRASPS), instance=np.ones(count, dtype=np.int64), camera_from_grasp=poses,
        columns={"width": np.full(count, 0.05)}, center=CAMERA.project(origin), angle=np.zeros(count),
        depth=origin[:, 2].copy(), contacts=np.full((count, 2, 3), np.nan), contact_found=np.ones(count, dtype=bool),
        clearance=Clearance({"fingers": free, "palm": free}, free, np.full(count, np.inf)),
        source=("made up",) * count, gripper=("yumi",) * count,
        metrics={"robust_centered_closure": MetricEstimate(rng.random(count), np.zeros(count), samples)},
    )  # fmt: skip


def _trainer(computing: Computing) -> Callable[[Iterable[Batch]], None]:
    """A function that takes one step of the optimiser for each batch."""
    network = placed(NETWORKS["compact"](), computing)
    optimiser = make_optimiser(network, OptimiserConfig())

    def train(stream: Iterable[Batch]) -> None:
        for batch in stream:
            optimiser.zero_grad()
            loss_of(network, batch, computing).backward()
            optimiser.step()

    return train
