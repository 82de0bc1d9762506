"""The tensor layout of the Dex-Net data sets: every field in files of a thousand datapoints.

    DIR/config.json                   datapoints_per_file; of each field dtype, height, width, channels
       /tensors/FIELD_00000.npz       one array each, (n, height, width, channels), key arr_0
       /splits/NAME/train_indices.npz, val_indices.npz

The release of 2017 is flat: its FIELD_00000.npz lie in DIR itself, and there is no config.json. What is needed is read
from the files alone, so both are read alike, whatever the number of digits. Nothing is ever unpickled.
"""

import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from graspnet.errors import InputError
from graspnet.run.record import write_json

__all__ = ["Field", "TensorFolder", "TensorWriter", "write_split"]

DATAPOINTS_PER_FILE = 1000  # as in every data set that was published
_FILE = re.compile(r"(?P<field>.+)_(?P<number>\d+)\.npz")


@dataclass(frozen=True)
class Field:
    """One field of every datapoint: its element type, and the shape of one item (() for a number)."""

    dtype: str
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class TensorFolder:
    """A data set to read. paths: for each field its files, which belong together by their place."""

    folder: Path
    paths: Mapping[str, Sequence[Path]]

    @staticmethod
    def open(folder: Path) -> "TensorFolder":
        """InputError: no such folder, no tensors in it, or fields with different files."""
        root = folder / "tensors" if (folder / "tensors").is_dir() else folder
        found: dict[str, dict[int, Path]] = {}
        for path in sorted(root.glob("*.npz")):
            if match := _FILE.fullmatch(path.name):
                found.setdefault(match["field"], {})[int(match["number"])] = path
        if not found:
            raise InputError(f"{folder}: no FIELD_00000.npz in it or in its tensors/; is this a Dex-Net data set?")
        most = max(found.values(), key=len)
        for field, paths in found.items():
            if missing := sorted(most.keys() - paths.keys()):
                raise InputError(f"{root}: {field} lacks file {missing[0]}, which other fields have; download it again")
        return TensorFolder(folder, {f: [paths[n] for n in sorted(paths)] for f, paths in found.items()})

    @property
    def file_count(self) -> int:
        """Files of each field."""
        return len(next(iter(self.paths.values())))

    def splits(self) -> dict[str, Int64[np.ndarray, "_"]]:
        """Name of each stored split -> numbers of the datapoints to validate with."""
        paths = sorted(self.folder.glob("splits/*/val_indices.npz"))
        return {path.parent.name: _array(path).astype(np.int64) for path in paths}

    def read(self, field: str, index: int) -> np.ndarray:
        """The datapoints of a field's file. InputError: no such field, or not an array file."""
        if field not in self.paths:
            raise InputError(f"{self.folder}: no field {field!r}; it has {', '.join(sorted(self.paths))}")
        return _array(self.paths[field][index])


class TensorWriter:
    """Appends datapoints to a new data set; a file is written as soon as it is full."""

    def __init__(self, folder: Path, fields: Mapping[str, Field]) -> None:
        if any((folder / name).exists() for name in ("config.json", "tensors")):
            raise InputError(f"{folder}: holds a data set already; choose another --output")
        self.folder = folder
        self._fields = fields
        self._held = {name: np.zeros((0, *field.shape), field.dtype) for name, field in fields.items()}
        self._files = 0
        (folder / "tensors").mkdir(parents=True)
        described = {name: _described(field) for name, field in fields.items()}
        write_json(folder / "config.json", {"datapoints_per_file": DATAPOINTS_PER_FILE, "fields": described})

    def append(self, arrays: Mapping[str, np.ndarray]) -> None:
        """More datapoints, every field of each, converted to the fields' types."""
        for name, field in self._fields.items():
            assert arrays[name].shape[1:] == field.shape, f"{name} has items of shape {arrays[name].shape[1:]}"
            self._held[name] = np.concatenate([self._held[name], arrays[name].astype(field.dtype)])
        while min(map(len, self._held.values())) >= DATAPOINTS_PER_FILE:
            self._write_file()

    def close(self) -> None:
        """Write the last file, which may be shorter."""
        if min(map(len, self._held.values())):
            self._write_file()

    def _write_file(self) -> None:
        for name, held in self._held.items():
            path = self.folder / "tensors" / f"{name}_{self._files:05d}.npz"
            np.savez_compressed(path, held[:DATAPOINTS_PER_FILE])  # under the key arr_0
            self._held[name] = held[DATAPOINTS_PER_FILE:]
        self._files += 1


def write_split(folder: Path, name: str, train: Int64[np.ndarray, "N"], validation: Int64[np.ndarray, "M"]) -> None:
    """Numbers of the datapoints to train on and of those to validate with."""
    path = folder / "splits" / name
    path.mkdir(parents=True)
    np.savez_compressed(path / "train_indices.npz", train)
    np.savez_compressed(path / "val_indices.npz", validation)
    write_json(path / "metadata.json", {"train_pct": len(train) / max(len(train) + len(validation), 1)})


def _array(path: Path) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return np.asarray(archive["arr_0"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not an array that numpy saved ({error}); download it again") from None


def _described(field: Field) -> dict[str, str | int]:
    return {"dtype": field.dtype} | dict(zip(("height", "width", "channels"), field.shape, strict=False))
