"""`graspnet sample`: the sample that ships, as files of a user's own."""

from pathlib import Path

import click

from graspnet.sample.files import write_sample

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
    click.echo(f"{output}: {', '.join(write_sample(output))}")
