"""A folder of files, on this machine or wherever fsspec reaches: `out/data`, `s3://bucket/data`, `memory://data`.

Files are read and written whole, and a file appears whole or not at all: object stores work so, and on a disk it is
written under a temporary name and renamed.
"""

import errno
import hashlib
import json
import os
import secrets
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graspnet.errors import InputError

__all__ = ["TEMPORARY", "Folder", "clear_errors", "json_bytes", "json_checksum", "open_folder"]

TEMPORARY = ".tmp"  # ends the names of files that are being written
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Folder(ABC):
    """Files by name; names are relative, with `/` between their parts. The folder need not exist yet.

    Every method raises InputError where the store refuses, cannot be reached, or is full.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    @abstractmethod
    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        """The contents of those of the files that are there."""

    @abstractmethod
    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files, each whole or not at all."""

    @abstractmethod
    def sizes(self, below: str = "") -> dict[str, int]:
        """Names and sizes (bytes) of all files, or of those below one inner folder, sorted by name."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Delete a file, or an inner folder with all that it holds; it may be gone already."""


def open_folder(url: str | Path) -> Folder:
    """The folder at a path or a URL. InputError: no such protocol, or its package is not installed."""
    if "://" not in str(url):
        return _DiskFolder(str(url), Path(url).absolute())
    from fsspec.core import url_to_fs
    from fsspec.implementations.local import LocalFileSystem

    try:
        filesystem, root = url_to_fs(str(url))
    except (ImportError, ValueError) as error:
        raise InputError(f"{url}: {error}") from None
    if isinstance(filesystem, LocalFileSystem):
        return _DiskFolder(str(url), Path(root))
    return _RemoteFolder(str(url), filesystem, root.rstrip("/"))


def json_bytes(data: Any) -> bytes:
    """JSON as our files hold it."""
    return (json.dumps(data, indent=1) + "\n").encode()


def json_checksum(data: Any, digits: int = 16) -> str:
    """The first hexadecimal digits of the SHA-256 of data as JSON, whatever the order of its keys.

    >>> json_checksum({"a": 1, "b": [2]}) == json_checksum({"b": [2], "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:digits]


@dataclass(frozen=True)
class _DiskFolder(Folder):
    url: str
    root: Path  # absolute: a worker's current folder may be another

    __str__ = Folder.__str__

    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        contents = {}
        for name in names:
            with clear_errors(f"{self.url}/{name}", "read"):
                if (self.root / name).is_file():
                    contents[name] = (self.root / name).read_bytes()
        return contents

    def write(self, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            path = self.root / name
            temporary = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY}")
            with clear_errors(f"{self.url}/{name}", "written"):
                path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    temporary.write_bytes(data)
                    temporary.replace(path)
                finally:
                    temporary.unlink(missing_ok=True)

    def sizes(self, below: str = "") -> dict[str, int]:
        with clear_errors(self.url, "listed"):
            found = [path for path in (self.root / below).rglob("*") if path.is_file()]
            return {path.relative_to(self.root).as_posix(): path.stat().st_size for path in sorted(found)}

    def remove(self, name: str) -> None:
        path = self.root / name
        with clear_errors(f"{self.url}/{name}", "deleted"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


@dataclass(frozen=True)
class _RemoteFolder(Folder):
    url: str
    filesystem: Any  # a file system of fsspec's, which can be pickled
    root: str

    __str__ = Folder.__str__

    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        paths = {f"{self.root}/{name}": name for name in names}
        if not paths:
            return {}  # some of fsspec's stores take no list of nothing
        with clear_errors(self.url, "read"):
            found = self.filesystem.cat(list(paths), on_error="return")  # many at once, where the store can
            for data in found.values():
                if isinstance(data, Exception) and not isinstance(data, FileNotFoundError):
                    raise data
        return {paths[path]: data for path, data in found.items() if isinstance(data, bytes)}

    def write(self, files: Mapping[str, bytes]) -> None:
        with clear_errors(self.url, "written"):
            self.filesystem.pipe({f"{self.root}/{name}": data for name, data in files.items()})

    def sizes(self, below: str = "") -> dict[str, int]:
        with clear_errors(self.url, "listed"):
            self.filesystem.invalidate_cache()  # another process may have written since
            found = self.filesystem.find(f"{self.root}/{below}".rstrip("/"), detail=True)
        return {path[len(self.root) + 1 :]: int(found[path]["size"]) for path in sorted(found)}

    def remove(self, name: str) -> None:
        with clear_errors(self.url, "deleted"):
            path = f"{self.root}/{name}"
            if self.filesystem.exists(path):
                self.filesystem.rm(path, recursive=True)


@contextmanager
def clear_errors(place: str, done: str) -> Iterator[None]:
    """Turn what the system refuses within the block into an InputError: `place` cannot be `done` (written, read …)."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise InputError(f"{place}: no space is left; what is finished is kept: free some and resume") from None
        raise InputError(f"{place}: cannot be {done}: {error.strerror or error}") from None
