"""Records on disk, one JSON line each, written as they come: a killed run loses the episodes in hand, no more.

The first line says which run they belong to (protocols/identity.py); a resumed run must be the same one. A last line
that was cut off is dropped.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from graspnet.config import config_to_dict, parse_config
from graspnet.errors import InputError
from graspnet.run.storage import clear_errors
from graspnet.sim_eval.episodes.records import EpisodeRecord

__all__ = ["RecordLog", "as_json", "finite", "from_json"]

T = TypeVar("T")
FILE = "records.jsonl"


def as_json(value: Any) -> dict[str, Any]:
    """Turn a frozen dataclass into JSON's values; NaN, which JSON does not have, is null."""
    return {key: finite(entry) for key, entry in config_to_dict(value).items()}


def finite(value: Any) -> Any:
    """Put null for what is not finite in a value of JSON."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def from_json(cls: type[T], data: dict[str, Any], where: str) -> T:
    """Make the dataclass again that `as_json` was given, if its NaN are its defaults. InputError: it is another one."""
    return parse_config(cls, _without_nulls(data), where)


class RecordLog:
    """OUTPUT/records.jsonl, open for appending; `done` holds what was there, by the number of an episode.

    Records with a problem are dropped, so that a resumed run tries their episodes again.
    """

    def __init__(self, folder: Path, run: dict[str, Any], resume: bool, count: int) -> None:
        """run: what identifies the run, JSON-ready. count: how many records there will be, numbered from 0; more than
        there were extends the run. InputError: there are records, and `resume` is not set, they belong to another run,
        or some have numbers beyond `count`."""
        path = folder / FILE
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is a file; --output names a folder, new or of a run to continue")
        with clear_errors(str(folder), "made"):
            folder.mkdir(parents=True, exist_ok=True)
        with clear_errors(str(path), "read"):
            lines = _whole_lines(path)
        if lines and not resume:
            raise InputError(f"{folder}: holds the trials of a run already; --resume continues it, or another --output")
        if lines and lines[0] != run:
            changed = "; ".join(_changes(lines[0], run))
            raise InputError(f"{path}: was begun as another run ({changed}); choose another --output")
        lines = [line for line in lines if not line.get("problem")]  # what it met may have been mended since
        records = [from_json(EpisodeRecord, line, str(path)) for line in lines[1:]]
        self.done = {record.index: record for record in records}
        if self.done and max(self.done) >= count:
            raise InputError(
                f"{path}: holds number {max(self.done)} already, and {count} were asked for; a run can be extended, not"
                f" cut: --trials {max(self.done) + 1} or more, or another --output"
            )
        temporary = path.with_suffix(".tmp")
        with clear_errors(str(path), "written"):
            temporary.write_text("".join(json.dumps(line) + "\n" for line in lines or [run]))
            temporary.replace(path)  # without what was cut off
            self._file = path.open("a")

    def add(self, record: EpisodeRecord) -> None:
        """Append one record; it is on the disk when this returns."""
        with clear_errors(self._file.name, "written"):
            self._file.write(json.dumps(as_json(record), allow_nan=False) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        self.done[record.index] = record

    def __enter__(self) -> "RecordLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with clear_errors(self._file.name, "written"):
            self._file.close()


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """Read the lines that ended; the last one may have been cut off by a kill."""
    if not path.is_file():
        return []
    lines = []
    for number, line in enumerate(path.read_text().splitlines(keepends=True)):
        if not line.endswith("\n"):
            break
        try:
            lines.append(json.loads(line))
        except ValueError:
            raise InputError(f"{path}: line {number + 1} is not JSON; delete the file and run again") from None
    return lines


def _changes(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Tell in words where two values of JSON differ, and how."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from _changes(old.get(key), new.get(key), f"{path} {key}".strip())
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for k, (one, other) in enumerate(zip(old, new, strict=True)):
            name = one.get("name", k) if isinstance(one, dict) else k
            yield from _changes(one, other, f"{path} {name}")
    elif old != new:
        yield f"{path} was {_shown(old)}, is {_shown(new)}"


def _shown(value: Any) -> str:
    names = [entry.get("name") for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
    return ", ".join(map(str, names)) if names else "nothing" if value is None else str(value)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(entry) for key, entry in value.items() if entry is not None}
    return [_without_nulls(entry) for entry in value] if isinstance(value, list) else value
