"""Batches for training: noisy, augmented crops, cut on the fly from the dataset's clean depth images.

Each image is cut once to the window that its grasps' crops look at, and kept in memory. In every epoch a sensor
measures every window anew, the crops are cut by `graspnet.crops.crops` and mixed in a pool of several thousand.
Threads do so while the optimiser works. Every random stream belongs to (seed, epoch, image), none to a thread: the
same seed gives the same batches, however many threads there are and wherever a run was interrupted.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import islice
from queue import SimpleQueue
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from graspnet.camera import Camera
from graspnet.crops.crops import CropConfig, GraspCrops, grasp_crops
from graspnet.crops.pixel import PixelCropConfig
from graspnet.crops.symmetry import flipped
from graspnet.dataset import Dataset, Shard
from graspnet.errors import InputError
from graspnet.observation.height_map import DepthView
from graspnet.run.progress import track
from graspnet.sensors import Sensor, load_sensor
from graspnet.training.augmentation import AugmentationConfig, draw_flips, shifted_along_approach

__all__ = [
    "Batch",
    "BatchConfig",
    "Batches",
    "ImageExamples",
    "LabelConfig",
    "evaluation_crops",
    "load_examples",
]

A = TypeVar("A")
B = TypeVar("B")

PROBABILITIES = (  # metrics that may be a soft target
    "robust_force_closure", "robust_pad_closure", "robust_centered_closure", "physics_hold",
)  # fmt: skip
MARGIN = 16  # px around the crops: what a sensor's shadow and a crop's interpolation may reach for
ALIGNMENT = 8  # px: so that halving the window pairs the same pixels as halving the image, three times over


@dataclass(frozen=True, kw_only=True)
class LabelConfig:
    """What the network learns: positive = robustness (the metric's mean; 0 on collision) above the threshold.

    soft: train on the robustness itself, a probability, and not on 0 and 1. clearance_sigma: metres by which the hand's
    pose is unknown; then a collision is as probable as `GraspTable.robustness` says; 0: certain or impossible.
    """

    metric: str = "robust_centered_closure"  # of the analytic ones it predicts lifts best: docs/experiments/
    threshold: float = 0.5
    soft: bool = True
    clearance_sigma: float = 0.0025

    def __post_init__(self) -> None:
        if self.soft and self.metric not in PROBABILITIES:
            raise InputError(f"soft labels need a probability; {self.metric!r} is none: label.soft=false")
        if self.threshold < 0:
            raise InputError(f"threshold is {self.threshold}; it must not be negative")
        if self.clearance_sigma < 0:
            raise InputError(f"clearance_sigma is {self.clearance_sigma}; it must not be negative (metres)")

    def positive(self, robustness: Float64[np.ndarray, "N"]) -> Bool[np.ndarray, "N"]:
        """Which grasps hold."""
        return robustness > self.threshold

    def target(self, robustness: Float64[np.ndarray, "N"]) -> Float64[np.ndarray, "N"]:
        """What training aims at, in [0, 1]."""
        return robustness if self.soft else self.positive(robustness).astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """size: examples a step. pool: examples mixed at a time (16 kB a channel each; workers + 2 pools are in memory)."""

    size: int = 128
    pool: int = 2048
    sensor: str = "structured_light"
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    workers: int = 1  # threads that prepare batches; they change nothing but the speed

    def __post_init__(self) -> None:
        for name in ("size", "pool", "workers"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        load_sensor(self.sensor)


@dataclass(frozen=True)
class ImageExamples:
    """One image's window and the N grasps in it. `number` is the image's place in its split, and names its streams."""

    number: int
    depth: Float32[np.ndarray, "H W"]  # clean, metres, NaN where nothing was hit
    camera: Camera
    camera_from_grasp: Float64[np.ndarray, "N 4 4"]
    sizes: Float64[np.ndarray, "N 8"]  # of each grasp's gripper
    robustness: Float64[np.ndarray, "N"]
    feasible: Bool[np.ndarray, "N"]  # closes on the object and touches nothing on the way

    def __len__(self) -> int:
        return len(self.robustness)


@dataclass(frozen=True)
class Batch:
    """N examples: what the network sees, the target in [0, 1], and the number of the image that each one is from."""

    images: Float32[Tensor, "N C S S"]
    pose: Float32[Tensor, "N F"]
    target: Float32[Tensor, "N"]
    image: Int64[Tensor, "N"]

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: Int64[np.ndarray, "M"]) -> "Batch":
        """Copies of some examples."""
        index = torch.from_numpy(rows)
        return Batch(self.images[index], self.pose[index], self.target[index], self.image[index])

    def followed_by(self, other: "Batch") -> "Batch":
        """Both batches as one."""
        return Batch(*(torch.cat([getattr(self, name), getattr(other, name)]) for name in _COLUMNS))


_COLUMNS = tuple(column.name for column in fields(Batch))


def load_examples(dataset: Dataset, split: str, crop: CropConfig, label: LabelConfig) -> list[ImageExamples]:
    """All images of a split that have grasps, cut to their windows. InputError: no such split or metric, no grasp."""
    sizes = {name: dataset.gripper(name).sizes() for name in dataset.header.grippers}
    examples: list[ImageExamples] = []
    for shard in track(dataset.shards(split), len(dataset.indices(split)), f"reading {split}", "shards"):
        _check_metric(shard, label, dataset)
        examples += _shard_examples(shard, len(examples), sizes, crop, label)
    if not examples:
        raise InputError(f"{dataset.folder}: split {split!r} has no grasps; generate more objects")
    return examples


@dataclass(frozen=True)
class Batches:
    """The batches of every epoch. Epochs count from 1; epoch 0 names the streams of `evaluation_crops`."""

    examples: Sequence[ImageExamples]
    crop: CropConfig
    label: LabelConfig
    config: BatchConfig
    seed: int

    @cached_property
    def steps_per_epoch(self) -> int:
        """Batches that show every example once; the last may be smaller."""
        return -(-sum(map(len, self.examples)) // self.config.size)

    def stream(self, first: int, last: int) -> Iterator[Batch]:
        """The batches of steps first ≤ step < last, counted from 0 over all epochs, prepared ahead."""
        ahead = self.config.workers + 1
        pools: SimpleQueue[Batch] = SimpleQueue()  # used in turn: fresh memory costs more than what is written to it
        for _ in range(ahead + 1):
            pools.put(self._empty_pool())
        blocks = _ahead(lambda block: self._filled(pools.get(), block), self._blocks(first), self.config.workers, ahead)
        yield from islice(self._cut(blocks, first, pools), last - first)

    def _cut(self, blocks: Iterator[tuple["_Block", Batch]], first: int, pools: SimpleQueue[Batch]) -> Iterator[Batch]:
        """Batches from step `first` on: copies, running over from block to block, but never into the next epoch."""
        epoch, step = divmod(first, self.steps_per_epoch)
        rest: Batch | None = None
        for block, pool in blocks:
            row = max(step * self.config.size - block.first_row, 0) if block.epoch == epoch + 1 else 0
            while row < len(block.order):
                missing = self.config.size - (0 if rest is None else len(rest))
                taken = pool.take(block.order[row : row + missing])
                batch = taken if rest is None else rest.followed_by(taken)
                row += missing
                rest = batch if len(batch) < self.config.size and not block.closes_epoch else None
                if rest is None:
                    yield batch
            pools.put(pool)

    def _blocks(self, first: int) -> Iterator["_Block"]:
        epoch, step = divmod(first, self.steps_per_epoch)
        for block in self._blocks_of_epoch(epoch + 1):
            if block.first_row + len(block.order) > step * self.config.size:
                yield block
        while True:
            epoch += 1
            yield from self._blocks_of_epoch(epoch + 1)

    def _blocks_of_epoch(self, epoch: int) -> list["_Block"]:
        """All images in random order, in groups of at least `pool` examples, the examples of each group mixed."""
        rng = np.random.default_rng([self.seed, epoch, 0])
        groups: list[list[int]] = [[]]
        held = 0
        for image in rng.permutation(len(self.examples)).tolist():
            if held >= self.config.pool:
                groups.append([])
                held = 0
            groups[-1].append(image)
            held += len(self.examples[image])
        blocks, first_row = [], 0
        for images in groups:
            count = sum(len(self.examples[i]) for i in images)
            blocks.append(_Block(epoch, tuple(images), rng.permutation(count), first_row, images is groups[-1]))
            first_row += count
        return blocks

    def _empty_pool(self) -> Batch:
        count, crop = self.config.pool + max(map(len, self.examples)), self.crop
        images = torch.empty(count, crop.channels, crop.size, crop.size)
        numbers = torch.empty(count, dtype=torch.int64)
        return Batch(images, torch.empty(count, crop.pose_features), torch.empty(count), numbers)

    def _filled(self, pool: Batch, block: "_Block") -> Batch:
        sensor = load_sensor(self.config.sensor)
        row = 0
        for i in block.images:
            part = self._image_batch(self.examples[i], block.epoch, sensor)
            rows = slice(row, row + len(part))
            for name in _COLUMNS:
                getattr(pool, name)[rows] = getattr(part, name)
            row += len(part)
        return pool

    def _image_batch(self, image: ImageExamples, epoch: int, sensor: Sensor) -> Batch:
        rng = _image_stream(self.seed, epoch, image)
        augmentation = self.config.augmentation
        depth = sensor(image.depth, image.camera, rng)
        poses = shifted_along_approach(image.camera_from_grasp, augmentation, rng)
        crops = grasp_crops(DepthView(depth, image.camera), poses, image.sizes, self.crop)
        crops = flipped(crops, draw_flips(len(image), augmentation, rng), self.crop)
        target = torch.from_numpy(self.label.target(image.robustness)).float()
        return Batch(crops.images, crops.pose, target, torch.full((len(image),), image.number))


def evaluation_crops(
    examples: Sequence[ImageExamples], crop: CropConfig, config: BatchConfig, seed: int
) -> Iterator[GraspCrops]:
    """The crops of all examples in order, image by image: noisy, but with no augmentation and the same every time."""
    sensor = load_sensor(config.sensor)

    def prepared(image: ImageExamples) -> GraspCrops:
        depth = sensor(image.depth, image.camera, _image_stream(seed, 0, image))
        return grasp_crops(DepthView(depth, image.camera), image.camera_from_grasp, image.sizes, crop)

    for _, crops in _ahead(prepared, examples, config.workers, ahead=config.workers + 8):
        yield crops


@dataclass(frozen=True)
class _Block:
    """Images whose examples are mixed. order: the examples, counted image by image, in the order of their batches."""

    epoch: int
    images: tuple[int, ...]
    order: Int64[np.ndarray, "M"]
    first_row: int  # of the epoch
    closes_epoch: bool


def _ahead(work: Callable[[A], B], items: Iterable[A], workers: int, ahead: int) -> Iterator[tuple[A, B]]:
    """(item, work(item)) in order, while `workers` threads are at the next ones: `ahead` items, or one less."""
    executor = ThreadPoolExecutor(workers, "batches", initializer=torch.set_num_threads, initargs=(1,))
    waiting: deque[tuple[A, Future[B]]] = deque()
    try:
        for item in items:
            waiting.append((item, executor.submit(work, item)))
            if len(waiting) >= ahead:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _image_stream(seed: int, epoch: int, image: ImageExamples) -> np.random.Generator:
    return np.random.default_rng([seed, epoch, image.number + 1])  # 0 is the stream of the epoch's order


def _check_metric(shard: Shard, label: LabelConfig, dataset: Dataset) -> None:
    known = list(shard.grasps.metrics)
    if label.metric not in known:
        raise InputError(
            f"{dataset.folder}: no metric {label.metric!r} to make the label of; it has {', '.join(known) or 'none'}:"
            f" label.metric={known[0] if known else 'NAME'}, or generate again with a preset that names it"
        )


def _shard_examples(
    shard: Shard, first_number: int, sizes: dict[str, Float64[np.ndarray, "8"]], crop: CropConfig, label: LabelConfig
) -> list[ImageExamples]:
    grasps = shard.grasps
    robustness = grasps.robustness(label.metric, label.clearance_sigma)
    feasible = grasps.closes & grasps.clearance.collision_free
    of_grasps = np.stack([sizes[name] for name in grasps.gripper]) if len(grasps) else np.zeros((0, 8))
    examples: list[ImageExamples] = []
    for i, camera in enumerate(shard.images.cameras):
        rows = np.flatnonzero(grasps.image == i)
        if not len(rows):
            continue
        poses = grasps.camera_from_grasp[rows]
        u, v, width, height = _window(poses, of_grasps[rows], camera, crop)
        examples.append(
            ImageExamples(
                number=first_number + len(examples),
                depth=shard.images.depth[i, v : v + height, u : u + width].copy(),
                camera=camera.window(u, v, width, height),
                camera_from_grasp=poses,
                sizes=of_grasps[rows],
                robustness=robustness[rows],
                feasible=feasible[rows],
            )
        )
    return examples


def _window(
    camera_from_grasp: Float64[np.ndarray, "N 4 4"], sizes: Float64[np.ndarray, "N 8"], camera: Camera, crop: CropConfig
) -> tuple[int, int, int, int]:
    """First column and row, width and height of the part of the image that the crops of these grasps look at."""
    uv = _footprint(camera_from_grasp, sizes, camera, crop).reshape(-1, 2)
    size = np.array([camera.width, camera.height])
    low = np.clip(np.floor(uv.min(0)) - MARGIN, 0, size - 1).astype(int) // ALIGNMENT * ALIGNMENT
    high = np.clip(np.ceil(uv.max(0)) + MARGIN, low + 1, size).astype(int)
    high = np.minimum(-(-high // ALIGNMENT) * ALIGNMENT, size)
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def _footprint(
    camera_from_grasp: Float64[np.ndarray, "N 4 4"], sizes: Float64[np.ndarray, "N 8"], camera: Camera, crop: CropConfig
) -> Float64[np.ndarray, "N 4 2"]:
    """Corners of the crops in the image, pixels."""
    signs = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    origin = camera_from_grasp[:, None, :3, 3]
    if isinstance(crop, PixelCropConfig):  # turned by any angle about the grasp's pixel
        return camera.project(origin) + signs * crop.window_px / np.sqrt(2)
    half = (sizes[:, 0] * crop.window / 2)[:, None, None]
    corners = signs[:, :1] * camera_from_grasp[:, None, :3, 0] + signs[:, 1:] * camera_from_grasp[:, None, :3, 1]
    return camera.project(origin + half * corners)
