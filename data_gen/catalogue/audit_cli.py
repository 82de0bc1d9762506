"""`graspnet audit`: random grasps of a dataset, drawn with all that their labels are about, to be judged by eye."""

import time
from pathlib import Path

import click
import numpy as np

from graspnet.report.words import folder_name
from graspnet.run.progress import track
from graspnet.run.record import write_run_record

__all__ = ["audit"]


@click.command()
@click.argument("dataset", metavar="DATASET")
@click.option("--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Gets report.html.")
@click.option("--grasps", type=click.IntRange(1), default=40, show_default=True, help="How many, a quarter of a kind.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Which grasps.")
def audit(dataset: str, output: Path, grasps: int, seed: int) -> None:
    """Draw random grasps in 3-D: object, contacts, friction cones, hand, table and approach, with all their labels.

    \b
    graspnet audit out/dataset --output out/audit
    graspnet audit out/dataset --output out/audit --grasps 80 --seed 1

    A quarter each of grasps that hold, that slip, that would hold but touch something on their way, and that miss.
    Objects are made again from the dataset's config and seed, so their meshes must still be where it found them. Exit
    status: 0 done, 2 bad input, or objects that cannot be made again as they were.
    """
    from graspnet.data_gen.catalogue.audit import audited_grasps
    from graspnet.data_gen.catalogue.audit_page import write_page
    from graspnet.data_gen.generate.remake import labelling_config
    from graspnet.dataset import Dataset

    started = time.time()
    opened = Dataset.open(dataset)
    config = labelling_config(opened)
    drawn = audited_grasps(opened, grasps, np.random.default_rng(seed))
    found = list(track(drawn, grasps, "audit", "grasps"))
    output.mkdir(parents=True, exist_ok=True)
    write_page(output / "report.html", folder_name(dataset), found, config)
    made = {"page": str(output / "report.html"), "grasps": len(found)}
    write_run_record(output, "audit", {"dataset": dataset, "grasps": grasps}, seed, started, made)
    click.echo(f"{len(found)} grasps: {output / 'report.html'}")
