"""Several datasets as one to learn from: no object that any of them holds out is trained on.

Objects are told apart by name. A mesh has the same name in all datasets that were made of its folder, and a folder more
in front of it where there were several (`bottles/07.obj`, `my_meshes/bottles/07.obj`). The name of a procedural object
(`box_00012`) means the same shape only under the same seed.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import PurePosixPath
from typing import Any

import click
import numpy as np

from graspnet.crops.crops import CropConfig
from graspnet.dataset import Dataset, DatasetHeader, Shard
from graspnet.errors import InputError
from graspnet.run.progress import track
from graspnet.run.storage import json_checksum
from graspnet.training.examples.example_set import ExampleSet, gathered
from graspnet.training.examples.image_examples import ImageExamples, shard_examples
from graspnet.training.examples.label import LabelConfig

__all__ = ["Datasets", "load_examples", "training_and_validation"]

DRAWN = re.compile(r"[^/.]+_\d{5}")  # a procedural object's name, family and number; a mesh's has a suffix
MOST_NAMES = 3  # so many objects are named where some are left out


@dataclass(frozen=True)
class Datasets:
    """One or more datasets, in the order in which they were given, whose hands are of one kind."""

    members: tuple[Dataset, ...]

    def __post_init__(self) -> None:
        first = self.members[0]
        for other in self.members[1:]:
            for name in ("kind", "pixel_pitch"):
                found, asked = getattr(other.header, name), getattr(first.header, name)
                if found != asked:
                    raise InputError(
                        f"{other.folder}: its {name} is {found}, that of {first.folder} {asked}; datasets that differ "
                        "in it make no common training: train a model for each"
                    )
        if len({dataset.header.fingerprint for dataset in self.members}) < len(self.members):
            raise InputError("a dataset is given twice; to show it more often, set its entry of batches.shares")

    @staticmethod
    def of(datasets: "Dataset | Sequence[Dataset] | Datasets") -> "Datasets":
        """One dataset or several as this."""
        if isinstance(datasets, Datasets):
            return datasets
        return Datasets((datasets,) if isinstance(datasets, Dataset) else tuple(datasets))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name for each: its own, with a number where an earlier one has the same."""
        own = [dataset.header.name for dataset in self.members]
        return tuple(
            name if name not in own[:k] else f"{name} ({own[:k].count(name) + 1})" for k, name in enumerate(own)
        )

    @property
    def fingerprint(self) -> str:
        """A checksum of the contents: of one dataset its own."""
        prints = [dataset.fingerprint for dataset in self.members]
        return prints[0] if len(prints) == 1 else json_checksum(prints)

    @property
    def headers(self) -> tuple[DatasetHeader, ...]:
        """What each says of itself."""
        return tuple(dataset.header for dataset in self.members)

    @property
    def kind(self) -> str:
        """The kind of all grippers."""
        return self.members[0].header.kind

    @property
    def pixel_pitch(self) -> float:
        """Camera pixels that a pixel of the images spans."""
        return self.members[0].header.pixel_pitch

    def record(self, training: ExampleSet, validation: ExampleSet) -> dict[str, Any]:
        """What a checkpoint tells of them: names, fingerprints (with labels that were added, and as generated), and how
        many examples were trained on and looked at."""
        of_each = [
            {"name": name, "fingerprint": dataset.fingerprint, "generated": dataset.header.fingerprint}
            | {"train": int(training.of_dataset(k).sum()), "validation": int(validation.of_dataset(k).sum())}
            for k, (name, dataset) in enumerate(zip(self.names, self.members, strict=True))
        ]
        if len(of_each) == 1:
            return of_each[0]
        totals = {split: sum(each[split] for each in of_each) for split in ("train", "validation")}
        return {"name": " + ".join(self.names), "fingerprint": self.fingerprint} | totals | {"of_each": of_each}

    def check_shares(self, shares: Sequence[float]) -> None:
        """InputError: there are shares, but not one for each."""
        if shares and len(shares) != len(self.members):
            raise InputError(
                f"batches.shares has {len(shares)} entries for {len(self.members)} datasets; name one for each "
                "--dataset, in their order"
            )

    @cached_property
    def held_out(self) -> "HeldOut":
        """The objects that any dataset keeps for validation."""
        return HeldOut.of(self.headers)

    def indices(self, split: str) -> tuple[list[int], ...]:
        """The shards of each dataset that are in a split; of `train`, those without an object that is held out."""
        if split != "train":
            return tuple(dataset.indices(split) for dataset in self.members)
        return tuple(
            [k for k in dataset.indices(split) if not any(self._held_out_of(dataset, k))] for dataset in self.members
        )

    def say_what_is_left_out(self) -> None:
        """Print, for each dataset, how much of it is not trained on since another one holds its objects out."""
        for dataset, name, kept in zip(self.members, self.names, self.indices("train"), strict=True):
            left_out = sorted(set(dataset.indices("train")) - set(kept))
            if not left_out:
                continue
            objects = sorted({name for k in left_out for name in self._held_out_of(dataset, k)})
            more = ", …" if len(objects) > MOST_NAMES else ""
            click.echo(
                f"{name}: {len(left_out)} of {len(left_out) + len(kept)} shards are not trained on, since another "
                f"dataset holds out {len(objects)} of their objects: {', '.join(objects[:MOST_NAMES])}{more}",
                err=True,
            )

    def _held_out_of(self, dataset: Dataset, index: int) -> list[str]:
        objects = dataset.header.shards[dataset.shard_names[index]].objects
        return [name for name in objects if self.held_out.holds(dataset.header, name)]


@dataclass(frozen=True)
class HeldOut:
    """Objects that are not to be trained on: procedural ones by seed and name, others by ends of their paths."""

    drawn: frozenset[tuple[int, str]]
    named: frozenset[str]
    ends: frozenset[str]  # of those names

    @staticmethod
    def of(headers: Iterable[DatasetHeader]) -> "HeldOut":
        """What these datasets keep for validation."""
        pairs = [(header, name) for header in headers for name in header.splits.get("validation", [])]
        named = frozenset(name for header, name in pairs if not _is_drawn(header, name))
        drawn = frozenset((header.seed, name) for header, name in pairs if _is_drawn(header, name))
        return HeldOut(drawn, named, frozenset(end for name in named for end in _ends(name)))

    def holds(self, header: DatasetHeader, name: str) -> bool:
        """Whether an object of the dataset is among them."""
        if _is_drawn(header, name):
            return (header.seed, name) in self.drawn
        return name in self.ends or any(end in self.named for end in _ends(name))


def load_examples(
    datasets: Dataset | Datasets, split: str, crop: CropConfig, label: LabelConfig, most_bytes: int | None = None
) -> ExampleSet:
    """All images of a split that have labelled grasps, cut to their windows.

    They are kept in memory as long as they take no more than `most_bytes`; else they will be read again whenever they
    are needed, and a line says so. InputError: no such split; a dataset without any metric of the label; no labelled
    grasp.
    """
    datasets, places = Datasets.of(datasets), list[_Place]()
    shards = chain.from_iterable(
        _shards(datasets, k, indices, split, crop, label, places) for k, indices in enumerate(datasets.indices(split))
    )

    def read_again(shard: int) -> list[ImageExamples]:
        place = places[shard]
        dataset = datasets.members[place.dataset]
        return _examples_of(dataset.read(place.index), dataset, place.dataset, place.first_number, crop, label)

    examples = gathered(shards, read_again, most_bytes)
    if not len(examples):
        folders = ", ".join(str(dataset.folder) for dataset in datasets.members)
        raise InputError(f"{folders}: split {split!r} has no grasps; generate more objects")
    if not examples.kept:
        click.echo(
            f"{split}: {examples.size.sum() / 1e6:.0f} MB of images are more than batches.memory_mb, so they are read "
            "from the disk again and again",
            err=True,
        )
    return examples


def training_and_validation(
    datasets: Datasets, crop: CropConfig, label: LabelConfig, most_bytes: int | None = None
) -> tuple[ExampleSet, ExampleSet]:
    """What to train on, and what to look at: objects held out, or, where there are none, every fifth image.

    most_bytes: as in `load_examples`, of each of the two.
    """
    datasets.say_what_is_left_out()
    if not any(datasets.indices("train")):
        raise InputError(
            "no object is left to train on: each is held out by one of the datasets; generate them with the same seed "
            "and the same objects, so that they hold out the same ones"
        )
    training = load_examples(datasets, "train", crop, label, most_bytes)
    if any(datasets.indices("validation")):
        return training, load_examples(datasets, "validation", crop, label, most_bytes)
    return _every_fifth_held_out(training, datasets)


@dataclass(frozen=True)
class _Place:
    """Where a shard is read: which dataset, its index there, the number of its first image, and how many it has."""

    dataset: int
    index: int
    first_number: int
    images: int


def _shards(
    datasets: Datasets,
    k: int,
    indices: list[int],
    split: str,
    crop: CropConfig,
    label: LabelConfig,
    places: list[_Place],
) -> Iterator[list[ImageExamples]]:
    """The images of each shard of one dataset; notes where each shard is, and says what has no label."""
    dataset, name = datasets.members[k], datasets.names[k]
    what = f"reading {split}" if len(datasets.members) == 1 else f"reading {split} of {name}"
    unlabelled, metrics = 0, dict[str, None]()
    for index in track(indices, len(indices), what, "shards"):
        shard = dataset.read(index)
        number = places[-1].first_number + places[-1].images if places else 0
        found = _examples_of(shard, dataset, k, number, crop, label)
        places.append(_Place(k, index, number, len(found)))
        unlabelled += len(shard.grasps) - sum(map(len, found))
        metrics |= dict.fromkeys(shard.grasps.metrics)
        yield found
    _check_metrics(dataset, list(metrics), label, bool(indices))
    if unlabelled:
        click.echo(f"{name}: {unlabelled} grasps of {split} have no {label.name} and are left out", err=True)


def _examples_of(
    shard: Shard, dataset: Dataset, k: int, number: int, crop: CropConfig, label: LabelConfig
) -> list[ImageExamples]:
    """The images of a shard of the k-th dataset, numbered from `number` on."""
    sizes = {name: dataset.gripper(name).sizes() for name in set(shard.grasps.gripper)}
    return shard_examples(shard, number, k, sizes, crop, label, dataset.header.measured)


def _every_fifth_held_out(examples: ExampleSet, datasets: Datasets) -> tuple[ExampleSet, ExampleSet]:
    """Images to train on and to look at, where no object is left for validation; said aloud."""
    if len(examples) < 2:
        raise InputError(
            f"{datasets.names[0]}: it has one image and no validation objects; a training takes two images at least, "
            "and objects of its own for validation"
        )
    places = np.arange(len(examples))
    held_out = examples.only(places[::5])
    click.echo(
        f"warning: the dataset has no validation objects; figures are of {len(held_out)} other images of the objects "
        "that are trained on, and say nothing of new ones: generate more objects",
        err=True,
    )
    return examples.only(places[places % 5 > 0]), held_out


def _check_metrics(dataset: Dataset, known: list[str], label: LabelConfig, any_shard: bool) -> None:
    missing = label.missing_from(known)
    if any_shard and len(missing) == len(label.metrics):
        raise InputError(
            f"{dataset.folder}: no metric {' or '.join(map(repr, missing))} to make the label of; it has "
            f"{', '.join(known) or 'none'}: label.metric={known[0] if known else 'NAME'}, or generate again with a "
            "preset that names it"
        )
    for metric in missing if any_shard else ():
        others = ", ".join(name for name in label.metrics if name not in missing)
        click.echo(f"{dataset.folder}: no metric {metric!r}; its label is of {others} alone", err=True)


def _is_drawn(header: DatasetHeader, name: str) -> bool:
    """Whether an object is drawn from the seed: `graspnet generate` made it, and it is called after no file."""
    return "objects" in header.config and DRAWN.fullmatch(name) is not None


def _ends(name: str) -> list[str]:
    """`a/b/c.obj`, `b/c.obj`, `c.obj`."""
    parts = PurePosixPath(name).parts
    return ["/".join(parts[k:]) for k in range(len(parts))]
