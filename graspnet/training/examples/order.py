"""In which order an epoch shows its examples: all at random where they are in memory, else as far as a buffer reaches.

A set on the disk is read shard by shard, in random order. Each of its images waits for a random share of the buffer
before it is shown. So all images of a shard have been shown by the time that the shards read after it would fill the
buffer, and never more than that, and a shard, is in memory.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count

import numpy as np
from jaxtyping import Int64

from graspnet.training.examples.example_set import ExampleSet

__all__ = ["Shown", "epoch_order"]


@dataclass(frozen=True)
class Shown:
    """Some grasps of an image (its place in the set), shown for the `repetition`-th time, from 0, in an epoch."""

    image: int
    rows: Int64[np.ndarray, "M"]
    repetition: int

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def key(self) -> tuple[int, int]:
        """What tells it from the other images of the epoch."""
        return self.image, self.repetition


def epoch_order(
    examples: ExampleSet, shown_of: Mapping[int, int], buffer: int, rng: np.random.Generator
) -> list[Shown]:
    """The images of an epoch: of each dataset as many, drawn at random, as hold `shown_of` examples of it.

    buffer: bytes of images in memory at a time, where the set is on the disk.
    """
    shown = list(_drawn(examples, shown_of, rng))
    waits = rng.random(len(shown))
    if not examples.kept:
        waits += _read_at(examples, shown, rng) / buffer
    return [shown[k] for k in np.argsort(waits, kind="stable")]


def _drawn(examples: ExampleSet, shown_of: Mapping[int, int], rng: np.random.Generator) -> Iterator[Shown]:
    missing = dict(shown_of)
    datasets, grasps = examples.dataset.tolist(), examples.grasps.tolist()
    for repetition in count():
        for image in rng.permutation(len(examples)).tolist():
            taken = min(grasps[image], missing[datasets[image]])
            missing[datasets[image]] -= taken
            if taken:
                yield Shown(image, np.arange(taken), repetition)
        if not any(missing.values()):
            return


def _read_at(examples: ExampleSet, shown: list[Shown], rng: np.random.Generator) -> np.ndarray:
    """Bytes that are read before the shard of each image, if shards are read in random order, once a repetition."""
    image = np.array([each.image for each in shown])
    repetition = np.array([each.repetition for each in shown])
    passes = np.stack([repetition, examples.shard[image]], axis=1)
    units, unit_of = np.unique(passes, axis=0, return_inverse=True)
    sizes = np.bincount(unit_of.reshape(-1), weights=examples.size[image])
    order = rng.permutation(len(units))
    before = np.empty(len(units))
    before[order] = np.cumsum(sizes[order]) - sizes[order]
    return before[unit_of.reshape(-1)]
