"""Labels that physics adds to a dataset afterwards: a table beside each shard's own, which stay as they are.

    DATASET/physics/00012.parquet  one row a grasp of the shard's grasps.parquet
           /physics/00012.json     checksums of both, and counts; written last: with it, the table is whole
           /physics/physics.json   config, seed, counts, checksums; `complete` at the end

Until they are complete a dataset reads as if they were not there.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float64, Shaped

from graspnet.config import parse_json
from graspnet.dataset.columns import METRIC, Column, arrays_from_table, table_from_arrays
from graspnet.dataset.labels import MetricEstimate
from graspnet.dataset.records import DatasetHeader, checksum
from graspnet.errors import InputError
from graspnet.run.storage import Folder, json_bytes

__all__ = ["CHOICES", "HOLD", "PhysicsHeader", "PhysicsLabels", "PhysicsWriter", "read_physics", "read_physics_header"]

HOLD = "physics_hold"  # the metric of these labels
INDEX = "physics/physics.json"
VERSION = 1
CHOICES = ("drawn", "ruled_out", "left")  # executed; 0 without it, by its clearance; neither
COLUMNS = (
    *(replace(column, name=column.name.replace("METRIC", HOLD)) for column in METRIC),
    Column("chosen", "string", "", "drawn = executed, ruled_out = 0 by its clearance, left = not executed"),
    Column("chance", "float32", "", "the probability with which it was drawn"),
)


@dataclass(frozen=True)
class PhysicsLabels:
    """Labels of a shard's N grasps: NaN, with 0 samples, where a grasp was left; 0, with 0 samples, if ruled out."""

    hold: MetricEstimate
    chosen: Shaped[np.ndarray, "N"]  # of CHOICES
    chance: Float64[np.ndarray, "N"]  # with which it was drawn


@dataclass(frozen=True)
class PhysicsEntry:
    """One shard's labels: SHA-256 of the table and of the shard.json that it belongs to, and how many grasps."""

    checksum: str
    shard: str
    executed: int
    ruled_out: int
    executions: int
    held: int  # of the executions


@dataclass(frozen=True, kw_only=True)
class PhysicsHeader:
    """`physics.json`."""

    version: int = VERSION
    seed: int
    config: dict[str, Any]
    complete: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    shards: dict[str, PhysicsEntry] = field(default_factory=dict)


class PhysicsWriter:
    """Writes the labels of a dataset's shards, in any order, by any number of processes, killed and resumed.

    InputError: there are labels already, and `resume` is not asked for, or they were begun with other settings.
    """

    def __init__(self, folder: Folder, header: DatasetHeader, config: dict[str, Any], seed: int, resume: bool) -> None:
        self.folder, self.of = folder, {name: entry.checksum for name, entry in header.shards.items()}
        self.header = PhysicsHeader(seed=seed, config=json.loads(json.dumps(config)))
        found = read_physics_header(folder)
        if found is not None and not resume:
            raise InputError(
                f"{folder}: has physics labels already; --resume completes them; to label anew, delete {folder}/physics"
            )
        if found is not None and (found.seed, found.config) != (self.header.seed, self.header.config):
            raise InputError(f"{folder}/{INDEX}: was begun with other settings; --resume needs the same ones")
        self._write(self.header)

    def finished(self) -> set[str]:
        """Names of the shards whose labels are there, whole, and belong to the shard as it is."""
        entries = {name: entry for name in self.of if (entry := self._entry(name)) is not None}
        tables = self.folder.read(_table_name(name) for name in entries)
        return {
            name
            for name, entry in entries.items()
            if (table := tables.get(_table_name(name))) is not None
            and (checksum(table), self.of[name]) == (entry.checksum, entry.shard)
        }

    def write(self, name: str, labels: PhysicsLabels) -> PhysicsEntry:
        """Write one shard's labels."""
        hold = {f"{HOLD}_{part}": values for part, values in vars(labels.hold).items()}
        table = table_from_arrays(COLUMNS, hold | {"chosen": labels.chosen.tolist(), "chance": labels.chance})
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", write_statistics=False)
        data = sink.getvalue().to_pybytes()
        samples = labels.hold.samples
        entry = PhysicsEntry(
            checksum=checksum(data),
            shard=self.of[name],
            executed=int(np.sum(samples > 0)),
            ruled_out=int(np.sum(labels.chosen == "ruled_out")),
            executions=int(samples.sum()),
            held=round(float(np.sum(np.where(samples > 0, labels.hold.mean * samples, 0.0)))),
        )
        self.folder.write({_table_name(name): data})
        self.folder.write({_entry_name(name): json_bytes(asdict(entry))})
        return entry

    def finish(self) -> PhysicsHeader:
        """Mark the labels as complete. InputError: a shard has none yet."""
        entries = {name: self._entry(name) for name in self.of}
        missing = [name for name, entry in entries.items() if entry is None]
        if missing:
            raise InputError(f"{self.folder}: {len(missing)} shards have no physics labels yet; use --resume")
        shards = {name: entry for name, entry in entries.items() if entry is not None}
        counts = {
            count: sum(getattr(entry, count) for entry in shards.values())
            for count in ("executed", "ruled_out", "executions", "held")
        }
        header = replace(self.header, complete=True, counts=counts, shards=shards)
        self._write(header)
        return header

    def _write(self, header: PhysicsHeader) -> None:
        self.folder.write({INDEX: json_bytes(asdict(header))})

    def _entry(self, name: str) -> PhysicsEntry | None:
        data = self.folder.read([_entry_name(name)]).get(_entry_name(name))
        if data is None:
            return None
        place = f"{self.folder}/{_entry_name(name)}"
        try:
            return PhysicsEntry(**_parsed(data, place))
        except TypeError as error:
            raise InputError(f"{place}: {error}; delete it and use --resume") from None


def read_physics_header(folder: Folder) -> PhysicsHeader | None:
    """What `physics.json` says, or None where there is none. InputError: damaged, or of another version."""
    data = folder.read([INDEX]).get(INDEX)
    if data is None:
        return None
    place = f"{folder}/{INDEX}"
    values = _parsed(data, place)
    if values.get("version") != VERSION:
        raise InputError(
            f"{place}: version {values.get('version')}; this graspnet reads {VERSION}; delete it and label anew"
        )
    try:
        return PhysicsHeader(**values | {"shards": {name: PhysicsEntry(**e) for name, e in values["shards"].items()}})
    except (TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{place}: {error}; delete it and label anew") from None


def read_physics(folder: Folder, header: PhysicsHeader, name: str, shard: str, grasps: int) -> PhysicsLabels:
    """The labels of one shard.

    shard: the checksum of its shard.json. InputError: missing, changed, or of a shard that has changed since.
    """
    place, entry = f"{folder}/{_table_name(name)}", header.shards.get(name)
    data = folder.read([_table_name(name)]).get(_table_name(name))
    remedy = f"delete {folder}/physics and label anew"
    if entry is None or data is None or checksum(data) != entry.checksum:
        raise InputError(f"{place}: missing, truncated or changed since it was made; {remedy}")
    if entry.shard != shard:
        raise InputError(f"{place}: the shard has changed since it was labelled; {remedy}")
    try:
        columns = arrays_from_table(COLUMNS, pq.read_table(pa.BufferReader(data)))
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
    if len(columns["chance"]) != grasps:
        raise InputError(f"{place}: {len(columns['chance'])} rows for {grasps} grasps; {remedy}")
    hold = MetricEstimate(*(columns[column.name] for column in COLUMNS[:3]))
    return PhysicsLabels(hold, np.array(columns["chosen"], dtype=np.str_), columns["chance"])


def _parsed(data: bytes, place: str) -> dict[str, Any]:
    try:
        values = parse_json(data)
    except ValueError as error:
        raise InputError(f"{place}: truncated or changed ({error}); delete it and label anew") from None
    if not isinstance(values, dict):
        raise InputError(f"{place}: holds no names and values; delete it and label anew")
    return values


def _table_name(shard: str) -> str:
    return f"physics/{shard}.parquet"


def _entry_name(shard: str) -> str:
    return f"physics/{shard}.json"
