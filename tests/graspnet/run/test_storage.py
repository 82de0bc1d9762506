"""Facts about folders: the same on a disk and under a URL, and files that are whole or not there."""

import errno
import pickle  # noqa: TID251 processes send folders to each other so
from importlib.util import find_spec
from pathlib import Path

import pytest

from graspnet.errors import InputError
from graspnet.run.storage import Folder, open_folder


@pytest.fixture(params=["path", "file", "memory"])
def folder(request, tmp_path) -> Folder:
    urls = {"path": f"{tmp_path}/data", "file": f"file://{tmp_path}/data", "memory": f"memory://{tmp_path.name}/data"}
    return open_folder(urls[request.param])


def test_what_is_written_is_read_listed_and_removed(folder):
    folder.write({"a.json": b"{}", "inner/b": b"12345", "inner/deep/c": b""})
    assert folder.read(["a.json", "inner/b", "absent", "absent/x"]) == {"a.json": b"{}", "inner/b": b"12345"}
    assert folder.sizes() == {"a.json": 2, "inner/b": 5, "inner/deep/c": 0}
    assert folder.sizes("inner") == {"inner/b": 5, "inner/deep/c": 0}
    folder.write({"a.json": b"[]"})
    folder.remove("inner")
    folder.remove("absent")
    assert folder.read(folder.sizes()) == {"a.json": b"[]"}


def test_a_folder_that_does_not_exist_is_empty(folder):
    assert folder.sizes() == {}
    assert folder.read(["a"]) == {}
    assert folder.read([]) == {}


def test_a_worker_gets_the_same_folder(folder):
    folder.write({"a": b"1"})
    assert pickle.loads(pickle.dumps(folder)).read(["a"]) == {"a": b"1"}


def test_a_relative_path_stays_where_it_was_when_the_current_folder_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = open_folder("data")
    monkeypatch.chdir("/")
    folder.write({"a": b"1"})
    assert (tmp_path / "data" / "a").read_bytes() == b"1"


def test_a_full_disk_is_one_line_and_leaves_the_old_file_whole(tmp_path, monkeypatch):
    folder = open_folder(tmp_path)
    folder.write({"a": b"old"})

    def write_half(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(InputError, match=r"a: no space is left; what is finished is kept: free some and resume"):
        folder.write({"a": b"new"})
    assert folder.read(folder.sizes()) == {"a": b"old"}


def test_a_place_that_cannot_be_reached_is_one_line():
    with pytest.raises(InputError, match="nosuch://data: Protocol not known: nosuch"):
        open_folder("nosuch://data")


@pytest.mark.skipif(find_spec("s3fs") is not None, reason="s3fs is installed here")
def test_a_protocol_whose_package_is_missing_is_one_line_that_names_it():
    with pytest.raises(InputError, match=r"s3://bucket/data: .*s3fs"):
        open_folder("s3://bucket/data")


def test_a_file_in_the_folders_place_is_one_line(tmp_path):
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(InputError, match="cannot be written"):
        open_folder(tmp_path / "data").write({"a": b"1"})
