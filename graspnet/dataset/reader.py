"""Reading a dataset: its header at once, its shards one by one, each checked against its checksums."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from graspnet.dataset.outcome_dataset import outcome_table, write_outcomes
from graspnet.dataset.physics_labels import HOLD, PhysicsHeader, PhysicsLabels, read_physics, read_physics_header
from graspnet.dataset.records import (
    HEADER,
    RECORD,
    REMEDY,
    DatasetHeader,
    check_files,
    checksum,
    parse_record,
    read_header,
    read_shard_files,
)
from graspnet.dataset.shard import Shard
from graspnet.dataset.shard_files import shard_from_files
from graspnet.errors import InputError
from graspnet.grippers.gripper import Gripper, parse_gripper
from graspnet.run.storage import Folder, json_checksum, open_folder

__all__ = ["Dataset"]

MODEL_FILES = ("model.json", "model.ckpt*")


@dataclass(frozen=True)
class Dataset:
    """A dataset to read. Objects, not grasps, are split: no object of `validation` was seen in `train`.

    >>> import graspnet as gn
    >>> dataset = gn.open_dataset("my_dataset")  # a folder that `graspnet generate` made
    >>> shard = next(dataset.shards("train"))
    >>> shard.images.depth.ndim  # (image, row, column), metres
    3
    """

    folder: Folder
    header: DatasetHeader
    physics: PhysicsHeader | None = None  # labels that `graspnet label physics` has added, if it has come to its end

    @staticmethod
    def open(url: str | Path) -> "Dataset":
        """Open a complete dataset, a folder or a URL; or a table of outcomes, `outcomes.parquet` (docs/formats.md).

        InputError: none, an unfinished one, one of another version.

        >>> import graspnet as gn
        >>> dataset = gn.open_dataset("my_dataset")
        >>> sorted(dataset.header.splits)
        ['train', 'validation']
        """
        if table := outcome_table(url):
            return Dataset(*write_outcomes(table))
        folder = open_folder(url)
        header = read_header(folder)
        if header is None:
            raise InputError(f"{url}: {_why_none(Path(url))}")
        if not header.complete:
            raise InputError(f"{url}: unfinished; `graspnet generate --resume --output {url}` completes it")
        physics = read_physics_header(folder)
        return Dataset(folder, header, physics if physics is not None and physics.complete else None)

    @property
    def fingerprint(self) -> str:
        """A checksum of what was generated (`header.fingerprint`), and of the physics labels that were added to it."""
        if self.physics is None:
            return self.header.fingerprint
        added = {name: entry.checksum for name, entry in self.physics.shards.items()}
        return json_checksum([self.header.fingerprint, added])

    @cached_property
    def shard_names(self) -> tuple[str, ...]:
        """Names of the shards, in the order of their units; a shard's index is its place among them."""
        return tuple(sorted(self.header.shards))

    @property
    def shard_count(self) -> int:
        """Number of shards."""
        return len(self.header.shards)

    def read(self, index: int) -> Shard:
        """The shard at a position in [0, shard_count). InputError: a file is missing, truncated or changed."""
        files, broken = self._files(index)
        if broken:
            raise InputError(broken[0])
        try:
            shard = shard_from_files(files, self.header.kind)
        except InputError as error:
            raise InputError(f"{self._place(index)}/{error}") from None
        if self.physics is None:
            return shard
        hold = self.physics_labels(index, len(shard.grasps)).hold
        return replace(shard, grasps=replace(shard.grasps, metrics=shard.grasps.metrics | {HOLD: hold}))

    def physics_labels(self, index: int, grasps: int) -> PhysicsLabels:
        """What `graspnet label physics` added to a shard of so many grasps, and how each was chosen.

        InputError: nothing, or it no longer fits.
        """
        if self.physics is None:
            raise InputError(f"{self.folder}: has no physics labels; `graspnet label physics {self.folder}` adds them")
        name = self.shard_names[index]
        return read_physics(self.folder, self.physics, name, self.header.shards[name].checksum, grasps)

    def broken_files(self, index: int) -> list[str]:
        """One line for each file of a shard that is missing, truncated or changed."""
        try:
            return self._files(index)[1]
        except InputError as error:
            return [str(error)]

    def shards(self, split: str | None = None) -> Iterator[Shard]:
        """All shards, or those whose objects are in a split, in order."""
        return map(self.read, self.indices(split))

    def indices(self, split: str | None = None) -> list[int]:
        """The positions of these shards."""
        names = set(self.split(split)) if split else None
        objects = [self.header.shards[shard].objects for shard in self.shard_names]
        return [index for index, of in enumerate(objects) if names is None or names.issuperset(of)]

    def split(self, name: str) -> list[str]:
        """Names of a split's objects."""
        if name not in self.header.splits:
            raise InputError(f"{self.folder}: no split {name!r}; it has {', '.join(self.header.splits)}")
        return self.header.splits[name]

    def gripper(self, name: str) -> Gripper:
        """One of the grippers that the grasps were labelled for."""
        return self._grippers[name]

    @cached_property
    def _grippers(self) -> dict[str, Gripper]:
        place = f"{self.folder}/{HEADER}"
        return {name: parse_gripper(values, place) for name, values in self.header.grippers.items()}

    def _place(self, index: int) -> str:
        return f"{self.folder}/shards/{self.shard_names[index]}"

    def _files(self, index: int) -> tuple[dict[str, bytes], list[str]]:
        """A shard's files, and what is wrong with those. InputError: the record itself is damaged."""
        name = self.shard_names[index]
        path = f"shards/{name}/{RECORD}"
        text = self.folder.read([path]).get(path)
        record = parse_record(text, f"{self.folder}/{path}")
        if checksum(text or b"") != self.header.shards[name].checksum:
            raise InputError(f"{self.folder}/{path}: changed since the dataset was made; {REMEDY}")
        files = read_shard_files(self.folder, f"shards/{name}", record)
        return files, check_files(record, files, self._place(index))


def _why_none(path: Path) -> str:
    """What a path is that is no dataset, and what to do."""
    if path.suffix == ".parquet":
        return "no such file; expected a table of outcomes (docs/formats.md)"
    if any(next(path.glob(name), None) for name in MODEL_FILES):
        return "holds a model, and no dataset"
    return "no dataset.json; is this the --output of `graspnet generate`?"
