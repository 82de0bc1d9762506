"""`graspnet label`: labels that are added to a dataset after it was made."""

import time
from typing import TYPE_CHECKING

import click

from graspnet.errors import InputError
from graspnet.run.command_group import CommandGroup
from graspnet.run.options import run_options
from graspnet.run.progress import track

if TYPE_CHECKING:
    from graspnet.run.engines import Engine

__all__ = ["label", "label_physics"]


@click.command("label", cls=CommandGroup, installed="graspnet.labellers")
def label() -> None:
    """Add labels to a dataset that was made without them.

    \b
    graspnet label physics out/dataset
    """


@click.command("physics")
@click.argument("dataset", metavar="DATASET")
@click.option("--executions", type=click.IntRange(1), default=1, show_default=True, help="Of each grasp.")
@click.option("--share", type=float, default=1.0, show_default=True, help="Of the grasps that are not ruled out.")
@click.option("--grasps", type=click.IntRange(1), help="About so many grasps, instead of --share.")
@click.option(
    "--without-meshes", is_flag=True, help="Leave objects of mesh files, which CoACD must cut into pieces first."
)
@click.option("--resume", is_flag=True, help="Continue a run that was stopped; finished shards are kept.")
@run_options
def label_physics(
    dataset: str, executions: int, share: float, grasps: int | None, without_meshes: bool, resume: bool,
    engine: "Engine", seed: int,
) -> None:  # fmt: skip
    """Execute grasps of a dataset in MuJoCo, and add what they hold as the metric physics_hold.

    \b
    graspnet label physics out/dataset
    graspnet label physics out/dataset --grasps 300000 --workers 8
    graspnet label physics out/dataset --executions 4 --share 0.1 --resume

    One execution of each grasp, 0 or 1, is a label without bias; train with label.metric=physics_hold. Objects are made
    again from the dataset's config and seed, so their meshes must still be where it found them. Grasps that reach more
    than 3 mm into something are 0 without being executed; of the others those are drawn most often of which the
    analytic label is least certain. The dataset's own files stay as they are: the labels lie beside them, in
    DATASET/physics, and are read once all are there. Exit status: 0 done, 2 bad input.
    """
    from graspnet.data_gen.generate.physics_labels import ChoiceConfig, PhysicsConfig
    from graspnet.data_gen.generate.physics_labels import label_physics as prepare
    from graspnet.data_gen.labels.grips import GripLabelConfig
    from graspnet.dataset import Dataset

    started = time.perf_counter()
    opened = Dataset.open(dataset)
    if grasps is not None:
        if share != 1.0:
            raise InputError("--grasps and --share are both given; choose one")
        share = min(1.0, grasps / opened.header.counts["grasps"])
    choice = ChoiceConfig(share=share, meshes=not without_meshes)
    config = PhysicsConfig(choice=choice, label=GripLabelConfig(executions=executions))
    labelling = prepare(opened, config, seed, engine, resume)
    executed = sum(track(labelling, opened.shard_count, "label physics", "shards", labelling.done))
    rate = executed / (time.perf_counter() - started)
    added = Dataset.open(dataset).physics
    assert added is not None
    of = added.counts
    click.echo(
        f"{of['executed']} grasps executed, {of['ruled_out']} ruled out, of {opened.header.counts['grasps']}; "
        f"{of['held'] / max(of['executions'], 1):.1%} of {of['executions']} executions held; {rate:.0f} a second"
    )
