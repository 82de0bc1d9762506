"""`graspnet sample`: the sample that ships (docs/img/sample.py made it), as files of a user's own."""

from importlib.resources import as_file, files
from pathlib import Path

import click

from graspnet.errors import InputError
from graspnet.run.storage import open_folder

__all__ = ["sample"]


@click.command()
@click.option("--output", type=click.Path(path_type=Path), default=Path("sample"), show_default=True, metavar="DIR")
def sample(output: Path) -> None:
    """Write a depth image to plan on, its camera and object mask, and the meshes of its three objects.

    \b
    graspnet sample --output sample
    graspnet plan --depth sample/depth.png --depth-scale 0.001 --camera sample/camera.yaml \\
        --segmask sample/segmask.png --output plan.json --image plan.png

    README.md in it says what is what. Files that are there with other contents are left alone: exit status 2.
    """
    with as_file(files("graspnet.sample") / "bench") as bench:
        shipped = {path.relative_to(bench).as_posix(): path.read_bytes() for path in bench.rglob("*") if path.is_file()}
    folder = open_folder(output)
    for name, data in folder.read(shipped).items():
        if data != shipped[name]:
            raise InputError(f"{output / name}: exists with other contents; choose another --output")
    folder.write(shipped)
    click.echo(f"{output}: {', '.join(sorted(shipped))}")
