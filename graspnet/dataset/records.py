"""What a dataset says of itself: `dataset.json` of the whole, `shard.json` of each shard."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from graspnet.camera import Camera
from graspnet.config import parse_json
from graspnet.dataset.shard import Shard
from graspnet.errors import InputError
from graspnet.run.storage import Folder, json_bytes, json_checksum

__all__ = [
    "HEADER",
    "RECORD",
    "REMEDY",
    "DatasetHeader",
    "FileEntry",
    "ShardEntry",
    "ShardRecord",
    "check_files",
    "checksum",
    "parse_record",
    "ranges_over",
    "read_header",
    "read_shard_files",
    "record_of",
    "shard_folder",
]

VERSION = 3
READABLE = (2, 3)  # version 2 knows one kind of gripper, and does not name it
HEADER = "dataset.json"
RECORD = "shard.json"
REMEDY = "`graspnet generate --resume` makes the shard again"
Ranges = dict[str, list[float]]  # of a camera's intrinsics, lowest and highest


@dataclass(frozen=True)
class ShardEntry:
    """A shard in `dataset.json`."""

    checksum: str  # SHA-256 of its shard.json
    images: int
    grasps: int
    objects: list[str]


@dataclass(frozen=True, kw_only=True)
class DatasetHeader:
    """`dataset.json`. Nothing in it depends on time, machine or the number of workers."""

    version: int = VERSION
    name: str
    seed: int
    config: dict[str, Any]
    packages: dict[str, str]
    grippers: dict[str, dict[str, Any]]  # by name, in the keys of a gripper file; all of one kind
    splits: dict[str, list[str]]  # split -> names of objects; no object is in two
    pixel_pitch: float = 1.0  # camera pixels that a pixel of the images spans; more than 1 in imported crops
    units: int  # work units, each one shard
    complete: bool = False
    counts: dict[str, int] = field(default_factory=dict)  # objects, images, grasps
    cameras: Ranges = field(default_factory=dict)  # over all images
    skipped: dict[str, str] = field(default_factory=dict)  # unit -> why it has no shard
    shards: dict[str, ShardEntry] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind of all grippers. InputError: they are of several, or there is none."""
        kinds = sorted({str(gripper.get("kind")) for gripper in self.grippers.values()})
        if len(kinds) != 1:
            raise InputError(
                f"dataset {self.name}: its grippers are of {', '.join(kinds) or 'no kind'}; a dataset has grippers of "
                "one kind: make one for each"
            )
        return kinds[0]

    @property
    def measured(self) -> bool:
        """Whether a camera took the images, noise and all; else they are rendered, clean."""
        return bool(self.config.get("measured", False))

    @property
    def fingerprint(self) -> str:
        """A checksum of the contents, which names the dataset in a checkpoint."""
        checksums = {name: entry.checksum for name, entry in self.shards.items()}
        return json_checksum(checksums)


@dataclass(frozen=True)
class FileEntry:
    """A file in `shard.json`."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class ShardRecord:
    """`shard.json`."""

    images: int
    grasps: int
    objects: list[str]  # names, sorted
    cameras: Ranges
    files: dict[str, FileEntry]

    def to_bytes(self) -> bytes:
        """The contents of `shard.json`."""
        return json_bytes(asdict(self))


def shard_folder(unit: int) -> str:
    """Where a unit's shard lies in the dataset's folder."""
    return f"shards/{unit:05d}"


def record_of(shard: Shard, files: Mapping[str, bytes]) -> ShardRecord:
    """What `shard.json` says of a shard that is written to these files."""
    return ShardRecord(
        images=len(shard.images),
        grasps=len(shard.grasps),
        objects=sorted(set(shard.objects.object)),
        cameras=_camera_ranges(shard.images.cameras),
        files={name: FileEntry(len(data), checksum(data)) for name, data in sorted(files.items())},
    )


def parse_record(data: bytes | None, place: str) -> ShardRecord:
    """A `shard.json` from its contents, None where there is none. InputError: missing or truncated."""
    try:
        values = parse_json(data or b"")
        return ShardRecord(**values | {"files": {name: FileEntry(**entry) for name, entry in values["files"].items()}})
    except (ValueError, TypeError, KeyError, AttributeError):  # of JSON and UTF-8; of what it holds
        raise InputError(f"{place}: missing or truncated; {REMEDY}") from None


def check_files(record: ShardRecord, files: Mapping[str, bytes], place: str) -> list[str]:
    """One line for each file of the record that is missing, truncated or changed."""
    broken = []
    for name, entry in record.files.items():
        if name not in files:
            broken.append(f"{place}/{name}: missing; {REMEDY}")
        elif checksum(files[name]) != entry.sha256:
            broken.append(f"{place}/{name}: truncated or changed since the dataset was made; {REMEDY}")
    return broken


def read_shard_files(folder: Folder, place: str, record: ShardRecord) -> dict[str, bytes]:
    """The files of a shard that are there, by their names in its record."""
    found = folder.read(f"{place}/{name}" for name in record.files)
    return {name.removeprefix(f"{place}/"): data for name, data in found.items()}


def read_header(folder: Folder) -> DatasetHeader | None:
    """The header, or None where the folder holds no dataset. InputError: damaged, or of another version."""
    text = folder.read([HEADER]).get(HEADER)
    if text is None:
        return None
    try:
        data = parse_json(text)
    except ValueError as error:
        raise InputError(f"{folder}/{HEADER}: not JSON ({error}); make the dataset again") from None
    version = data.get("version") if isinstance(data, dict) else None
    if version not in READABLE:
        readable = " and ".join(map(str, READABLE))
        raise InputError(
            f"{folder}/{HEADER}: schema version {version}; this graspnet reads {readable}; make the dataset again"
        )
    try:
        kind = {"kind": "parallel_jaw"} if version == 2 else {}
        grippers = {name: kind | gripper for name, gripper in data["grippers"].items()}
        shards = {name: ShardEntry(**entry) for name, entry in data["shards"].items()}
        return DatasetHeader(**data | {"grippers": grippers, "shards": shards})
    except (TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{folder}/{HEADER}: {error}") from None


def ranges_over(ranges: Iterable[Ranges]) -> Ranges:
    """The ranges that hold all of several."""
    merged: Ranges = {}
    for each in ranges:
        for name, (low, high) in each.items():
            lowest, highest = merged.get(name, [low, high])
            merged[name] = [min(low, lowest), max(high, highest)]
    return merged


def checksum(data: bytes) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _camera_ranges(cameras: Iterable[Camera]) -> Ranges:
    return ranges_over({f.name: [getattr(c, f.name)] * 2 for f in fields(Camera)} for c in cameras)
