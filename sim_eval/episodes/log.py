"""Records on disk, one JSON line each, written as they come: a killed run loses the episodes in hand, no more.

The first line says which run they belong to (protocols/identity.py); a resumed run must be the same one.
"""

from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from graspnet.config import config_to_dict, parse_config
from graspnet.errors import InputError
from graspnet.run.line_log import LineLog
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
    """OUTPUT/records.jsonl; `done` holds the records that there are, by the number of an episode.

    Records with a problem are dropped, so that a resumed run tries their episodes again.
    """

    def __init__(self, folder: Path, run: dict[str, Any], resume: bool, count: int) -> None:
        """run: what identifies the run, JSON-ready. count: how many records there will be, numbered from 0; more than
        there were extends the run. InputError: as of a LineLog, or some have numbers beyond `count`."""
        path, self.done = folder / FILE, dict[int, EpisodeRecord]()

        def check(lines: list[Any]) -> None:
            self.done = {r.index: r for r in (from_json(EpisodeRecord, line, str(path)) for line in lines)}
            if self.done and max(self.done) >= count:
                raise InputError(
                    f"{path}: holds number {max(self.done)} already, and {count} were asked for; a run can be "
                    f"extended, not cut: --trials {max(self.done) + 1} or more, or another --output"
                )

        self._log = LineLog(path, run, resume, lambda line: not line.get("problem"), check)  # it may have been mended

    def add(self, record: EpisodeRecord) -> None:
        """Append one record; it is on the disk when this returns."""
        self._log.add(as_json(record))
        self.done[record.index] = record


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(entry) for key, entry in value.items() if entry is not None}
    return [_without_nulls(entry) for entry in value] if isinstance(value, list) else value
