"""Batches for training: noisy, augmented crops, cut on the fly from the dataset's clean depth images.

Each image is cut to the window that its grasps' crops look at, and kept in memory, or where all of them do not fit read
anew in every epoch (`examples/order.py`). In every epoch a sensor measures every window anew, the crops are cut by
`graspnet.crops.crops` and mixed in a pool of several thousand. Threads do so while the optimiser works. Every random
stream belongs to (seed, epoch, image), none to a thread: the same seed gives the same batches, however many threads
there are and wherever a run was interrupted.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import chain, islice, tee
from queue import SimpleQueue
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from graspnet.crops.crops import CropConfig, GraspCrops, grasp_crops
from graspnet.crops.symmetry import flipped
from graspnet.errors import InputError
from graspnet.observation.height_map import DepthView
from graspnet.sensors import Sensor, load_sensor
from graspnet.training.augmentation import (
    AugmentationConfig,
    draw_flips,
    draw_standoffs,
    shifted_along_approach,
)
from graspnet.training.examples.example_set import ExampleSet
from graspnet.training.examples.image_examples import ImageExamples
from graspnet.training.examples.label import LabelConfig
from graspnet.training.examples.order import Shown, epoch_order

__all__ = [
    "Batch",
    "BatchConfig",
    "Batches",
    "evaluation_crops",
]

READ_AHEAD = 3  # shards that are read before they are needed
A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """size: examples a step. pool: examples mixed at a time (16 kB a channel each; workers + 2 pools are in memory).

    shares: of several datasets, in their order: how much of each an epoch shows. 1 is all of it, 0.25 a quarter that
    is drawn anew each time, 2.5 all of it twice and a half more; none: all of each. memory_mb: a split whose images
    take no more than this (in 10^6 bytes) is kept in memory. A larger one is read anew in every epoch, and no more than
    this of it is in memory at a time, and what is being read.
    """

    size: int = 128
    pool: int = 2048
    shares: tuple[float, ...] = ()
    sensor: str = "structured_light"
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    memory_mb: float = 4096.0
    workers: int = 1  # threads that prepare batches; they change nothing but the speed

    def __post_init__(self) -> None:
        for name in ("size", "pool", "workers"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not self.memory_mb > 0:
            raise InputError(f"memory_mb is {self.memory_mb}; it must be positive")
        if any(share < 0 for share in self.shares) or (self.shares and not any(self.shares)):
            raise InputError(f"shares are {list(self.shares)}; none may be negative, and one must be positive")
        load_sensor(self.sensor)

    @property
    def memory(self) -> int:
        """Bytes of images that are in memory at a time."""
        return round(self.memory_mb * 1e6)


@dataclass(frozen=True)
class Batch:
    """N examples: what the network sees, the target in [0, 1], and the number of the image that each one is from.

    factors: what the target is the product of (`LabelConfig.factors`); −1 where one is not known.
    """

    images: Float32[Tensor, "N C S S"]
    pose: Float32[Tensor, "N F"]
    target: Float32[Tensor, "N"]
    image: Int64[Tensor, "N"]
    factors: Float32[Tensor, "N 2"]

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: Int64[np.ndarray, "M"]) -> "Batch":
        """Copies of some examples."""
        index = torch.from_numpy(rows)
        return Batch(self.images[index], self.pose[index], self.target[index], self.image[index], self.factors[index])

    def followed_by(self, other: "Batch") -> "Batch":
        """Both batches as one."""
        return Batch(*(torch.cat([getattr(self, name), getattr(other, name)]) for name in _COLUMNS))


_COLUMNS = tuple(column.name for column in fields(Batch))


@dataclass(frozen=True)
class Batches:
    """The batches of every epoch. Epochs count from 1; epoch 0 names the streams of `evaluation_crops`."""

    examples: ExampleSet
    crop: CropConfig
    label: LabelConfig
    config: BatchConfig
    seed: int

    @cached_property
    def steps_per_epoch(self) -> int:
        """Batches that show an epoch's examples once; the last may be smaller."""
        return -(-self.examples_per_epoch // self.config.size)

    @property
    def examples_per_epoch(self) -> int:
        """How many examples an epoch shows: all of them, or the shares of several datasets."""
        return sum(self._shown_of.values())

    @cached_property
    def _shown_of(self) -> dict[int, int]:
        """How many examples of each dataset an epoch shows."""
        held = np.bincount(self.examples.dataset, weights=self.examples.grasps).astype(int).tolist()
        shares = self.config.shares
        return {k: round(number * shares[k]) if shares else number for k, number in enumerate(held)}

    def stream(self, first: int, last: int) -> Iterator[Batch]:
        """The batches of steps first ≤ step < last, counted from 0 over all epochs, prepared ahead."""
        ahead = self.config.workers + 1
        pools: SimpleQueue[Batch] = SimpleQueue()  # used in turn: fresh memory costs more than what is written to it
        for _ in range(ahead + 1):
            pools.put(self._empty_pool())
        with closing(self._loaded(self._remaining(first))) as loaded:
            filled = _ahead(lambda block: self._filled(pools.get(), *block), loaded, self.config.workers, ahead)
            blocks = ((block, pool) for (block, _), pool in filled)
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

    def _remaining(self, first: int) -> Iterator[list["_Block"]]:
        """The blocks of each epoch that have rows of steps from `first` on."""
        epoch, step = divmod(first, self.steps_per_epoch)
        blocks = self._blocks_of_epoch(epoch + 1)
        yield [block for block in blocks if block.first_row + len(block.order) > step * self.config.size]
        while True:
            epoch += 1
            yield self._blocks_of_epoch(epoch + 1)

    def _loaded(self, epochs: Iterator[list["_Block"]]) -> Generator[tuple["_Block", list[ImageExamples]], None, None]:
        """Every block with its images.

        A thread reads the shards ahead, each once an epoch (or once a repetition), in the order in which their first
        images are needed. An image is let go as soon as it has been shown.
        """
        planned, to_read = tee(epochs)
        shards = chain.from_iterable(self._shards_of(blocks).items() for blocks in to_read)
        with closing(_ahead(self._read, shards, 1, READ_AHEAD)) as reads:
            for blocks in planned:
                held: dict[tuple[int, int], ImageExamples] = {}  # by place and repetition
                for block in blocks:
                    while any(shown.key not in held for shown in block.images):
                        ((repetition, _), _), images = next(reads)
                        held |= {(place, repetition): image for place, image in images.items()}
                    yield block, [held.pop(shown.key) for shown in block.images]

    def _shards_of(self, blocks: list["_Block"]) -> dict[tuple[int, int], list[int]]:
        """The images (places) that these blocks show of each (repetition, shard), in the order of their first ones."""
        shards: dict[tuple[int, int], list[int]] = {}
        for shown in chain.from_iterable(block.images for block in blocks):
            key = (shown.repetition, int(self.examples.shard[shown.image]))
            shards.setdefault(key, []).append(shown.image)
        return shards

    def _read(self, asked: tuple[tuple[int, int], list[int]]) -> dict[int, ImageExamples]:
        """Images of a shard by their places."""
        (_, shard), places = asked
        wanted = {int(self.examples.number[place]): place for place in places}
        return {wanted[image.number]: image for image in self.examples.read(shard) if image.number in wanted}

    def _blocks_of_epoch(self, epoch: int) -> list["_Block"]:
        """The epoch's images in their order, in groups of at least `pool` examples, those of each group mixed."""
        rng = np.random.default_rng([self.seed, epoch, 0])
        groups: list[list[Shown]] = [[]]
        held = 0
        for shown in epoch_order(self.examples, self._shown_of, self.config.memory, rng):
            if held >= self.config.pool:
                groups.append([])
                held = 0
            groups[-1].append(shown)
            held += len(shown)
        blocks, first_row = [], 0
        for group in groups:
            size = sum(map(len, group))
            blocks.append(_Block(epoch, tuple(group), rng.permutation(size), first_row, group is groups[-1]))
            first_row += size
        return blocks

    def _empty_pool(self) -> Batch:
        rows, crop = self.config.pool + int(self.examples.grasps.max()), self.crop
        images = torch.empty(rows, crop.channels, crop.size, crop.size)
        numbers = torch.empty(rows, dtype=torch.int64)
        pose, target, factors = torch.empty(rows, crop.pose_features), torch.empty(rows), torch.empty(rows, 2)
        return Batch(images, pose, target, numbers, factors)

    def _filled(self, pool: Batch, block: "_Block", images: list[ImageExamples]) -> Batch:
        sensor = load_sensor(self.config.sensor)
        row = 0
        for shown, image in zip(block.images, images, strict=True):
            part = self._image_batch(image, shown, block.epoch, sensor)
            rows = slice(row, row + len(part))
            for name in _COLUMNS:
                getattr(pool, name)[rows] = getattr(part, name)
            row += len(part)
        return pool

    def _image_batch(self, image: ImageExamples, shown: Shown, epoch: int, sensor: Sensor) -> Batch:
        rng, rows = _image_stream(self.seed, epoch, image, shown.repetition), shown.rows
        augmentation = self.config.augmentation
        depth = _seen(image, sensor, rng)
        poses = shifted_along_approach(image.camera_from_grasp[rows], augmentation, rng)
        sizes = image.sizes[rows]
        standoff = draw_standoffs(np.asarray(sizes[:, 0], dtype=np.float64), augmentation, rng)
        crops = grasp_crops(DepthView(depth, image.camera), poses, sizes, self.crop, standoff)
        crops = flipped(crops, draw_flips(len(rows), augmentation, rng), self.crop)
        target = torch.from_numpy(self.label.target(image.robustness[rows])).float()
        factors = torch.from_numpy(image.factors[rows]).float().nan_to_num(nan=-1.0)
        return Batch(crops.images, crops.pose, target, torch.full((len(rows),), image.number), factors)


def evaluation_crops(
    examples: Iterable[ImageExamples], crop: CropConfig, config: BatchConfig, seed: int
) -> Iterator[GraspCrops]:
    """The crops of all examples in order, image by image: noisy, but with no augmentation and the same every time."""
    sensor = load_sensor(config.sensor)

    def prepared(image: ImageExamples) -> GraspCrops:
        depth = _seen(image, sensor, _image_stream(seed, 0, image))
        return grasp_crops(DepthView(depth, image.camera), image.camera_from_grasp, image.sizes, crop)

    for _, crops in _ahead(prepared, examples, config.workers, ahead=config.workers + 8):
        yield crops


@dataclass(frozen=True)
class _Block:
    """Images whose examples are mixed. order: the examples, counted image by image, in the order of their batches."""

    epoch: int
    images: tuple[Shown, ...]
    order: Int64[np.ndarray, "M"]
    first_row: int  # of the epoch
    closes_epoch: bool


def _ahead(work: Callable[[A], B], items: Iterable[A], workers: int, ahead: int) -> Generator[tuple[A, B], None, None]:
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


def _seen(image: ImageExamples, sensor: Sensor, rng: np.random.Generator) -> Float32[np.ndarray, "H W"]:
    """What the sensor makes of an image's depth; what a real one has measured stays as it is."""
    return image.depth if image.measured else sensor(image.depth, image.camera, rng)


def _image_stream(seed: int, epoch: int, image: ImageExamples, repetition: int = 0) -> np.random.Generator:
    number = image.number + 1  # 0 is the stream of the epoch's order
    return np.random.default_rng([seed, epoch, number, repetition])
