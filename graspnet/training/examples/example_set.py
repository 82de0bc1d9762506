"""All examples of a split: what is known of each without its depth image, and the images, in memory or on the disk."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from graspnet.dataset.ranges import camera_range
from graspnet.dataset.records import ranges_over
from graspnet.training.examples.image_examples import ImageExamples

__all__ = ["ExampleSet", "gathered"]


@dataclass(frozen=True)
class ExampleSet:
    """I images with N grasps in all; those of a shard follow each other, and the grasps of an image, too.

    read: the images of a shard, by the shard's number, and maybe some that are not of the set. kept: they are all in
    memory, so that to read them costs nothing.
    """

    number: Int64[np.ndarray, "I"]  # `ImageExamples.number`
    dataset: Int64[np.ndarray, "I"]  # which of the datasets, from 0
    shard: Int64[np.ndarray, "I"]
    grasps: Int64[np.ndarray, "I"]
    size: Int64[np.ndarray, "I"]  # bytes in memory
    robustness: Float64[np.ndarray, "N"]
    feasible: Bool[np.ndarray, "N"]
    camera: dict[str, list[float]]  # `camera_range` of all grasps
    read: Callable[[int], Sequence[ImageExamples]]
    kept: bool

    @staticmethod
    def of(images: Sequence[ImageExamples]) -> "ExampleSet":
        """The set of some images that are in memory."""
        return gathered([images], lambda _: images)

    def __len__(self) -> int:
        return len(self.number)

    def __iter__(self) -> Iterator[ImageExamples]:
        for shard in np.unique(self.shard).tolist():
            own = set(self.number[self.shard == shard].tolist())
            yield from (image for image in self.read(shard) if image.number in own)

    def __getitem__(self, index: int) -> ImageExamples:
        shard, number = int(self.shard[index]), int(self.number[index])
        return next(image for image in self.read(shard) if image.number == number)

    @property
    def first(self) -> Int64[np.ndarray, "I"]:
        """The place of each image's first grasp among all N."""
        return np.cumsum(self.grasps) - self.grasps

    @property
    def examples(self) -> int:
        """N."""
        return len(self.robustness)

    def of_dataset(self, dataset: int) -> Bool[np.ndarray, "N"]:
        """Which examples are of a dataset."""
        return np.repeat(self.dataset == dataset, self.grasps)

    def only(self, images: Int64[np.ndarray, "J"]) -> "ExampleSet":
        """Some of the images, by their places in ascending order."""
        chosen = np.zeros(len(self), dtype=bool)
        chosen[images] = True
        rows = np.repeat(chosen, self.grasps)
        arrays = {name: getattr(self, name)[chosen] for name in ("number", "dataset", "shard", "grasps", "size")}
        return replace(self, **arrays, robustness=self.robustness[rows], feasible=self.feasible[rows])

    def spread(self, count: int) -> "ExampleSet":
        """Images evenly spaced over all, with about `count` examples."""
        stride = max(1, round(self.examples / count))
        return self.only(np.arange(0, len(self), stride))


def gathered(
    shards: Iterable[Sequence[ImageExamples]],
    read_again: Callable[[int], Sequence[ImageExamples]],
    most_bytes: int | None = None,
) -> ExampleSet:
    """The images of all shards as a set, which keeps them as long as they take no more than `most_bytes` of memory."""
    kept: list[Sequence[ImageExamples]] | None = []
    images: list[tuple[int, int, int, int, int]] = []
    robustness, feasible, cameras, total = [np.zeros(0)], [np.zeros(0, dtype=bool)], list[dict[str, list[float]]](), 0
    for shard, found in enumerate(shards):
        images += [(image.number, image.dataset, shard, len(image), image.nbytes) for image in found]
        robustness += [image.robustness for image in found]
        feasible += [image.feasible for image in found]
        if found:
            poses = np.concatenate([image.camera_from_grasp for image in found])
            approach_tilt = np.concatenate([image.approach_tilt for image in found])
            cameras.append(camera_range(poses, [image.camera.fx for image in found], approach_tilt))
        total += sum(image.nbytes for image in found)
        if kept is not None:
            kept.append(found)
        if most_bytes is not None and total > most_bytes:
            kept = None
    number, dataset, of_shard, grasps, size = np.array(images, dtype=np.int64).reshape(-1, 5).T
    return ExampleSet(
        number=number,
        dataset=dataset,
        shard=of_shard,
        grasps=grasps,
        size=size,
        robustness=np.concatenate(robustness),
        feasible=np.concatenate(feasible),
        camera=ranges_over(cameras),
        read=read_again if kept is None else kept.__getitem__,
        kept=kept is not None,
    )
