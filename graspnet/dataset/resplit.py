"""A dataset split by image or by stable pose, where both parts share their objects: to compare with published figures.

A network that knows an object scores better on other images of it than on new objects. Published accuracies of GQ-CNNs
are by image (92.2 %), by stable pose (88.9 %) and by object (85.9 %); the last is what a user gets, and what datasets
here are split by.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Bool

from graspnet.dataset.reader import Dataset
from graspnet.dataset.shard import Shard
from graspnet.errors import InputError

__all__ = ["ResplitDataset"]

PARTS = ("train", "validation")


@dataclass(frozen=True)
class ResplitDataset(Dataset):
    """A dataset whose splits `train` and `validation` share objects, but no image, or no stable pose.

    Every shard is there twice, once for each split, with the grasps of that split alone. held_out: the share of
    validation, on average. What is held out hangs on the seed and on names, not on the order of shards.
    """

    by: Literal["image", "pose"] = "image"
    held_out: float = 0.2
    seed: int = 0

    @staticmethod
    def of(dataset: Dataset, by: Literal["image", "pose"], held_out: float = 0.2, seed: int = 0) -> "ResplitDataset":
        """The same dataset, split anew. InputError: a share that leaves one split empty."""
        if not 0 < held_out < 1:
            raise InputError(f"held_out is {held_out}; it must lie between 0 and 1")
        objects = sorted({name for names in dataset.header.splits.values() for name in names})
        header = replace(
            dataset.header, splits={"train": objects, "validation": []}
        )  # no object is held out as a whole
        return ResplitDataset(dataset.folder, header, dataset.physics, by, held_out, seed)

    @cached_property
    def shard_names(self) -> tuple[str, ...]:
        """Names of the shards, twice: those of train, then those of validation."""
        return 2 * tuple(sorted(self.header.shards))

    def indices(self, split: str | None = None) -> list[int]:
        """The positions of all shards of a split. InputError: another split than the two."""
        count = len(self.header.shards)
        if split is not None and split not in PARTS:
            raise InputError(f"{self.folder}: no split {split!r}; split by {self.by} it has {', '.join(PARTS)}")
        first = count if split == "validation" else 0
        return list(range(first, first + count if split else 2 * count))

    def read(self, index: int) -> Shard:
        """The shard at a position, with the grasps of its split. InputError: as `Dataset.read`; poses in heaps."""
        shard = super().read(index)
        validation = self._held_out(shard, self.shard_names[index])
        of_split = validation if index >= len(self.header.shards) else ~validation
        return replace(shard, grasps=shard.grasps[np.flatnonzero(of_split[shard.grasps.image])])

    def _held_out(self, shard: Shard, name: str) -> Bool[np.ndarray, "n"]:
        """Which images of a shard are for validation."""
        if self.by == "image":
            units = [f"{name} {image}" for image in range(len(shard.images))]
        else:
            units = _poses(shard, f"{self.folder}/shards/{name}")
        digests = [hashlib.sha256(f"{self.seed} {unit}".encode()).digest() for unit in units]
        return np.array([int.from_bytes(digest[:4]) / 2**32 for digest in digests]) < self.held_out


def _poses(shard: Shard, place: str) -> list[str]:
    """Object and stable pose of each image."""
    objects = shard.objects
    if len(np.unique(objects.image)) < len(objects) or (objects.stable_pose < 0).any():
        raise InputError(f"{place}: objects in heaps have no stable pose to split by; split by image or object")
    of_image = np.argsort(objects.image)
    return [f"{objects.object[k]} {objects.stable_pose[k]}" for k in of_image]
