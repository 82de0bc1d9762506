"""Writing a dataset: shard by shard, by any number of processes, killed and resumed at any time."""

import json
from collections.abc import Callable, Iterable, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from itertools import chain
from pathlib import Path

from graspnet.dataset.records import (
    HEADER,
    RECORD,
    REMEDY,
    DatasetHeader,
    ShardEntry,
    ShardRecord,
    check_files,
    checksum,
    parse_record,
    ranges_over,
    read_header,
    read_shard_files,
    record_of,
    shard_folder,
)
from graspnet.dataset.shard import Shard
from graspnet.dataset.shard_files import shard_to_files
from graspnet.errors import InputError
from graspnet.run.storage import TEMPORARY, Folder, json_bytes, open_folder

__all__ = ["DatasetWriter"]

SKIPPED = ".skipped"
SHARED_BY_A_RUN = ("version", "config", "seed", "packages")  # by a run and the one that resumes it
READERS = 8  # threads that look through the shards of a stopped run: object stores answer slowly, but many at once


class DatasetWriter:
    """Writes shards into a folder or URL. A shard is whole once its `shard.json` is there, which is written last.

    So a killed run leaves whole shards and beginnings of others, which `resume` deletes; and to write a shard again
    is harmless, for the same unit has the same bytes. InputError: the folder holds a dataset already (`resume`
    continues one of the same version, config, seed, objects and packages), or grippers are of several kinds.
    """

    def __init__(self, folder: str | Path, header: DatasetHeader, resume: bool = False) -> None:
        self.folder = open_folder(folder)
        self.header, self.kind = header, header.kind
        found = read_header(self.folder)
        if found is not None:
            if not resume:
                raise InputError(
                    f"{folder}: holds a dataset already; --resume continues it, or choose another --output"
                )
            _check_same_run(found, header, folder)
        _remove_unfinished(self.folder)
        self.folder.write({HEADER: json_bytes(asdict(header))})

    def finished(self) -> set[int]:
        """Units whose shard is there, or was left out for a reason."""
        listed = self.folder.sizes("shards")
        return {int(_unit_name(name)) for name in listed if name.endswith((f"/{RECORD}", SKIPPED))}

    def write(self, unit: int, shard: Shard) -> None:
        """Write one unit's shard."""
        files, place = shard_to_files(shard, self.kind), shard_folder(unit)
        self.folder.write({f"{place}/{name}": data for name, data in files.items()})
        self.folder.write({f"{place}/{RECORD}": record_of(shard, files).to_bytes()})

    def skip(self, unit: int, name: str, reason: str) -> None:
        """Record that a unit could not be made, and why."""
        self.folder.write({shard_folder(unit) + SKIPPED: json_bytes({"unit": name, "reason": reason})})

    def finish(self, splits_of: Callable[[Set[str]], dict[str, list[str]]] | None = None) -> DatasetHeader:
        """Mark the dataset as complete, with the checksums and counts of all shards.

        splits_of: draws the splits once more, over the objects that have a shard: one whose objects all turned out to
        be unusable would be empty. InputError: a shard is missing or damaged, or there is none at all.
        """
        listed = self.folder.sizes("shards")
        contents = self.folder.read(name for name in listed if name.endswith((f"/{RECORD}", SKIPPED)))
        notes = [json.loads(data) for name, data in contents.items() if name.endswith(SKIPPED)]
        records = {place: self._record(place, contents, listed) for place in _places(listed)}
        missing = self.header.units - len(records) - len(notes)
        if missing:
            raise InputError(f"{self.folder}: {missing} of {self.header.units} shards are missing; use --resume")
        if not records:
            for name in ("shards", HEADER):  # Nothing is kept: who runs it again, with the unit that was missing, may.
                self.folder.remove(name)
            raise InputError(f"{self.folder}: no object could be used; the first: {notes[0]['reason']}")
        objects = set(chain.from_iterable(r.objects for r in records.values()))
        header = replace(
            self.header,
            complete=True,
            splits=self.header.splits if splits_of is None else splits_of(objects),
            counts={
                "objects": len(objects),
                "images": sum(r.images for r in records.values()),
                "grasps": sum(r.grasps for r in records.values()),
            },
            cameras=ranges_over(r.cameras for r in records.values()),
            skipped={note["unit"]: note["reason"] for note in notes},
            shards={
                _unit_name(place): ShardEntry(checksum(contents[f"{place}/{RECORD}"]), r.images, r.grasps, r.objects)
                for place, r in records.items()
            },
        )
        self.folder.write({HEADER: json_bytes(asdict(header))})
        return header

    def _record(self, place: str, contents: Mapping[str, bytes], listed: Mapping[str, int]) -> ShardRecord:
        """A shard's record. Sizes tell what a killed process left half written; readers compare checksums too."""
        record = parse_record(contents.get(f"{place}/{RECORD}"), f"{self.folder}/{place}/{RECORD}")
        for name, entry in record.files.items():
            if listed.get(f"{place}/{name}") != entry.bytes:
                raise InputError(f"{self.folder}/{place}/{name}: missing or truncated; {REMEDY}")
        return record


def _check_same_run(found: DatasetHeader, asked: DatasetHeader, folder: str | Path) -> None:
    same = {n: getattr(found, n) == json.loads(json.dumps(getattr(asked, n))) for n in SHARED_BY_A_RUN}
    begun, now = (set(chain.from_iterable(header.splits.values())) for header in (found, asked))
    same["set of objects"] = begun <= now <= begun | set(found.skipped)  # those left out are in no split
    for name, is_same in same.items():
        if not is_same:
            raise InputError(
                f"{folder}/{HEADER}: was begun with another {name}; --resume needs the same one, or a new --output"
            )


def _remove_unfinished(folder: Folder) -> None:
    """Delete what a resumed run makes again: beginnings of files and shards, damaged shards, and notes of units left
    out (a mesh may have been mended)."""
    listed = folder.sizes()
    for name in listed:
        if name.endswith((TEMPORARY, SKIPPED)):
            folder.remove(name)
    places = _places(listed)
    with ThreadPoolExecutor(READERS) as pool:
        for place, whole in zip(places, pool.map(partial(_is_whole, folder), places), strict=True):
            if not whole:
                folder.remove(place)


def _is_whole(folder: Folder, place: str) -> bool:
    name = f"{place}/{RECORD}"
    try:
        record = parse_record(folder.read([name]).get(name), name)
    except InputError:
        return False
    return not check_files(record, read_shard_files(folder, place, record), place)


def _places(listed: Iterable[str]) -> list[str]:
    """The folders of shards, whole or not, among the names of files."""
    return sorted({"/".join(parts[:2]) for parts in (name.split("/") for name in listed) if len(parts) > 2})


def _unit_name(name: str) -> str:
    """`00012` of `shards/00012/shard.json` and of `shards/00012.skipped`."""
    return name.split("/")[1].removesuffix(SKIPPED)
