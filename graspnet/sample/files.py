"""The files of the sample that ships (docs/img/sample.py made them), and a copy of them in a folder of a user's own."""

from importlib.resources import as_file, files
from pathlib import Path

from graspnet.errors import InputError
from graspnet.run.storage import open_folder

__all__ = ["write_sample"]


def write_sample(output: Path) -> list[str]:
    """Write the sample's files into a folder and list their names. InputError: one is there with other contents."""
    with as_file(files("graspnet.sample") / "bench") as bench:
        shipped = {path.relative_to(bench).as_posix(): path.read_bytes() for path in bench.rglob("*") if path.is_file()}
    folder = open_folder(output)
    for name, data in folder.read(shipped).items():
        if data != shipped[name]:
            raise InputError(f"{output / name}: exists with other contents; choose another --output")
    folder.write(shipped)
    return sorted(shipped)
