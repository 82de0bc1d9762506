"""`graspnet generate`: meshes to a dataset."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from graspnet.config import config_to_dict, load_config
from graspnet.progress import track
from graspnet.run_record import write_run_record

if TYPE_CHECKING:
    from data_gen.generate import UnitSummary

__all__ = ["generate"]


@click.command()
@click.option(
    "--config",
    "config_name",
    default="quick",
    show_default=True,
    metavar="NAME|FILE",
    help="A preset of configs/generate/ or a file.",
)
@click.option(
    "--objects",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A folder of meshes (.obj .stl .ply .off .glb .gltf), nested; without it, procedural objects.",
)
@click.option(
    "--workers",
    type=int,
    default=os.cpu_count() or 1,
    show_default=True,
    metavar="N",
    help="Processes, one thread each; the results do not depend on it.",
)
@click.option("--engine", type=click.Choice(["local"]), default="local", help="Where work units run.")
@click.option("--resume", is_flag=True, help="Continue a run that was stopped; finished shards are kept.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The dataset's folder.")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
def generate(
    config_name: str, objects: Path | None, workers: int, engine: str, resume: bool, seed: int, output: Path,
    overrides: tuple[str, ...],
) -> None:  # fmt: skip
    """Make a dataset of depth images and labelled grasps from meshes or procedural objects.

    \b
    graspnet generate --config quick --output out/quick
    graspnet generate --config default --objects my_meshes --output out/mine views=4 objects.unit=0.001

    KEY=VALUE changes the config's settings. A mesh that cannot be used is left out and named with its reason. Exit
    status: 0 done, 2 bad input, or no object could be used.
    """
    from data_gen.engines import LocalEngine
    from data_gen.generate import generate as run
    from data_gen.generate_config import GenerateConfig
    from data_gen.objects import object_names
    from graspnet.dataset import Dataset

    started = time.time()
    if objects is not None:
        overrides = (*overrides, f"objects.folder={objects}")
    config = load_config(GenerateConfig, "generate", config_name, overrides)
    summaries = run(config, Path(config_name).stem, seed, output, LocalEngine(workers), resume)
    total = len(object_names(config.objects))
    made = list(track(summaries, total, "generate", "objects"))
    click.echo(summary_table(made))
    counts = Dataset.open(output).header.counts  # of the whole dataset, where --resume made the rest of it
    if resume:
        click.echo(f"with what was there: {counts['objects']} objects, {counts['grasps']} grasps")
    write_run_record(output, "generate", config_to_dict(config), seed, started, {"dataset": str(output)} | counts)


def summary_table(summaries: "list[UnitSummary]") -> str:
    """What a run made, and which objects it left out and why."""
    made = [s for s in summaries if not s.skipped]
    grasps = sum(s.grasps for s in made)
    lines = [
        f"{len(made)} objects, {sum(s.images for s in made)} images, {grasps} grasps",
        f"free of collision: {_share(sum(s.collision_free for s in made), grasps)}",
        f"robustness above one half: {_share(sum(s.positives for s in made), grasps)}",
    ]
    lines += [f"left out {s.object}: {s.skipped}" for s in summaries if s.skipped]
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f"{part} ({part / whole:.1%})" if whole else "none"
