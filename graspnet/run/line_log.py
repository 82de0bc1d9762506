"""A log: one JSON value a line, behind a first line that says which run it is. A run that was stopped goes on."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from graspnet.errors import InputError
from graspnet.run.storage import TEMPORARY, clear_errors

__all__ = ["LineLog"]


class LineLog:
    """Values that are on the disk as soon as they are added. `before`: those of an earlier run.

    A last line that was cut off, as by a kill, is dropped.
    """

    def __init__(
        self,
        path: Path,
        identity: dict[str, Any],
        resume: bool,
        keep: Callable[[Any], bool] = lambda value: True,
        check: Callable[[list[Any]], None] = lambda values: None,
    ) -> None:
        """identity: what must be the same in a run that goes on; it may hold numbers that are not finite. keep: which
        values of an earlier run are kept. check: refuses them, before anything is written.

        InputError: there is a log and `resume` is False, or it is another run's, or it cannot be read or written.
        """
        self.path = path
        if path.parent.exists() and not path.parent.is_dir():
            raise InputError(f"{path.parent}: is a file; --output names a folder, new or of a run to continue")
        lines = _whole_lines(path)
        if lines and not resume:
            raise InputError(f"{path}: was begun already; --resume goes on with it, or choose another --output")
        changed = "; ".join(_changes(lines[0], json.loads(json.dumps(identity)))) if lines else ""
        if changed:
            raise InputError(f"{path}: was begun as another run ({changed}); choose another --output")
        self.before: list[Any] = [value for value in lines[1:] if keep(value)]
        check(self.before)
        with clear_errors(str(path.parent), "made"):
            path.parent.mkdir(parents=True, exist_ok=True)
        with clear_errors(str(path), "written"):
            temporary = path.with_suffix(TEMPORARY)
            temporary.write_text("".join(json.dumps(value) + "\n" for value in [identity, *self.before]))
            temporary.replace(path)

    def add(self, value: Any) -> None:
        """Keep one more. ValueError: a number in it is not finite."""
        with clear_errors(str(self.path), "written"), self.path.open("a") as file:
            file.write(json.dumps(value, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _whole_lines(path: Path) -> list[Any]:
    """Read the lines that ended."""
    if not path.is_file():
        return []
    with clear_errors(str(path), "read"):
        lines = path.read_text().splitlines(keepends=True)
    values = []
    for number, line in enumerate(lines):
        if not line.endswith("\n"):
            break
        try:
            values.append(json.loads(line))
        except ValueError:
            raise InputError(f"{path}: line {number + 1} is not JSON; delete the file and run again") from None
    return values


def _changes(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Tell in words where two values of JSON differ, and how."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from _changes(old.get(key), new.get(key), f"{path} {key}".strip())
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for k, (one, other) in enumerate(zip(old, new, strict=True)):
            name = one.get("name", k) if isinstance(one, dict) else k
            yield from _changes(one, other, f"{path} {name}")
    elif old != new and json.dumps(old) != json.dumps(new):  # NaN is NaN
        yield f"{path} was {_shown(old)}, is {_shown(new)}"


def _shown(value: Any) -> str:
    names = [entry.get("name") for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
    return ", ".join(map(str, names)) if names else "nothing" if value is None else str(value)
