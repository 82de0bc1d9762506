"""A study's log: one JSON value a line, behind a first line that says which study it is. A stopped study goes on."""

import json
from pathlib import Path
from typing import Any

from graspnet.errors import InputError
from graspnet.run.storage import TEMPORARY, clear_errors

__all__ = ["LineLog"]


class LineLog:
    """Values that are kept as soon as they are added. `before`: those of an earlier run.

    identity: what must be the same in a study that goes on. InputError: there is a log and `resume` is False, or it is
    another study's, or it cannot be read or written.
    """

    def __init__(self, path: Path, identity: dict[str, Any], resume: bool) -> None:
        self.path = path
        self.before: list[Any] = []
        if path.is_file():
            if not resume:
                raise InputError(f"{path}: a study was begun here; --resume goes on, or another --output")
            self.before = _read(path, identity)
        with clear_errors(str(path), "written"):
            path.parent.mkdir(parents=True, exist_ok=True)
            whole = [identity, *self.before]  # without a last line that was cut off
            temporary = path.with_suffix(TEMPORARY)
            temporary.write_text("".join(map(_line, whole)))
            temporary.replace(path)

    def add(self, value: Any) -> None:
        """Keep one more."""
        with clear_errors(str(self.path), "written"), self.path.open("a") as file:
            file.write(_line(value))


def _read(path: Path, identity: dict[str, Any]) -> list[Any]:
    with clear_errors(str(path), "read"):
        lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
        try:
            first, *rest = [json.loads(line) for line in lines] or [None]
        except ValueError as error:
            raise InputError(f"{path}: a line is not JSON ({error}); choose another --output") from None
    if first != json.loads(_line(identity)):
        raise InputError(f"{path}: was begun with other settings; the same ones, or another --output")
    return rest


def _line(value: Any) -> str:
    return json.dumps(value) + "\n"
