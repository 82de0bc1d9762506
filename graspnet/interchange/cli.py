"""`graspnet import` and `graspnet export`: other people's formats; each is a command found by its entry point."""

import time
from pathlib import Path
from typing import Literal

import click

from graspnet.errors import InputError
from graspnet.run.command_group import CommandGroup

__all__ = ["export_dexnet", "exporters", "import_dexnet", "import_gqcnn", "importers"]


@click.command("import", cls=CommandGroup, installed="graspnet.importers")
def importers() -> None:
    """Turn other people's data and networks into ours.

    \b
    graspnet import dexnet dexnet_2.0 --output out/dexnet
    graspnet import gqcnn models/GQCNN-4.0-PJ --output out/gqcnn_4.0_pj
    """


@click.command("export", cls=CommandGroup, installed="graspnet.exporters")
def exporters() -> None:
    """Write our data and networks in other people's formats.

    \b
    graspnet export dexnet out/dataset --output out/tensors
    """


@click.command("dexnet")
@click.argument("source", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--gripper", default="yumi", show_default=True, metavar="NAME|FILE", help="The hand of the grasps.")
@click.option(
    "--split-by",
    type=click.Choice(["object", "stable_pose"]),
    default="object",
    show_default=True,
    help="What training and validation do not share, unless DIR holds such a split.",
)
@click.option("--validation-share", type=float, default=0.2, show_default=True, help="Of these.")
@click.option(
    "--focal-length",
    type=float,
    default=525.0,
    show_default=True,
    metavar="PIXELS",
    help="Of the camera, where DIR does not tell.",
)
@click.option("--resume", is_flag=True, help="Continue an import that was stopped.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the split.")
@click.option("--output", required=True, metavar="DATASET", help="A folder or a URL.")
def import_dexnet(
    source: Path, gripper: str, split_by: Literal["object", "stable_pose"], validation_share: float,
    focal_length: float, resume: bool, seed: int, output: str,
) -> None:  # fmt: skip
    """Turn a data set in Dex-Net's tensor layout (2.0, 2.1 or 4.0; parallel jaw) into a dataset of ours.

    \b
    graspnet import dexnet dexnet_2.0 --output out/dexnet
    graspnet train --config gqcnn_2.0 --dataset out/dexnet --output out/gqcnn

    Each crop becomes an image with one grasp. Metrics keep their names but for robust_ferrari_canny, which is
    robust_epsilon here; 4.0's is grasp_metrics (train with label.metric=grasp_metrics label.threshold=0.5).
    """
    from graspnet.config import config_to_dict
    from graspnet.dataset import Dataset
    from graspnet.interchange.dexnet_import import DexNetImport, DexNetImportConfig
    from graspnet.run.progress import track
    from graspnet.run.record import write_run_record

    started = time.time()
    config = DexNetImportConfig(
        gripper=gripper, focal_length_px=focal_length, split_by=split_by, validation_share=validation_share
    )
    importing = DexNetImport(source, output, config, seed, resume)
    for _ in track(importing, importing.total, "import", "shards", importing.done):
        pass
    counts = Dataset.open(output).header.counts
    what = "objects" if split_by == "object" else "stable poses"
    click.echo(f"{counts['grasps']} grasps of {counts['objects']} {what}")
    write_run_record(output, "import dexnet", config_to_dict(config), seed, started, {"dataset": output} | counts)


@click.command("gqcnn")
@click.argument("source", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--output", type=click.Path(path_type=Path), required=True, metavar="MODEL")
def import_gqcnn(source: Path, output: Path) -> None:
    """Turn a trained GQ-CNN of the package gqcnn into a model of ours; TensorFlow is not needed.

    
    graspnet import gqcnn models/GQCNN-4.0-PJ --output out/gqcnn_4.0_pj
    graspnet plan --model out/gqcnn_4.0_pj --depth depth.npy --camera camera.intr --output plan.json

    DIR holds config.json, model.ckpt.* and means and deviations as .npy. One for parallel jaws, on crops or fully
    convolutional, plans as any model does; it knows one hand (5 cm), and cameras like the one that it was trained for:
    its crops are in pixels. One on crops for suction cups is read, too, but there is no such gripper yet.
    """
    from graspnet.interchange.gqcnn_import import read_gqcnn
    from graspnet.models.checkpoint import save_checkpoint
    from graspnet.run.record import write_run_record

    started = time.time()
    if output.exists() and any(output.iterdir() if output.is_dir() else (output,)):
        raise InputError(f"{output}: exists and is not empty; name another --output, or remove it")
    checkpoint = read_gqcnn(source)
    save_checkpoint(checkpoint, output)
    count = checkpoint.network.parameter_count()
    if len(checkpoint.network.pose_mean) != checkpoint.crop.pose_features:
        click.echo("a network for suction cups: `graspnet plan` has no such gripper yet", err=True)
    write_run_record(output, "import gqcnn", {"source": str(source)}, 0, started, {"parameters": count})
    click.echo(f"{count} parameters: {output}")


@click.command("dexnet")
@click.argument("dataset", metavar="DATASET")
@click.option(
    "--version",
    type=click.Choice(["2.0", "4.0"]),
    default="2.0",
    show_default=True,
    help="2.0: crops of 32x32 and all metrics; 4.0: 96x96 and one.",
)
@click.option("--metric", metavar="NAME", help="4.0: which metric is grasp_metrics; the dataset's first by default.")
@click.option("--output", type=click.Path(path_type=Path), required=True, metavar="DIR")
def export_dexnet(dataset: str, version: str, metric: str | None, output: Path) -> None:
    """Write a dataset of ours in Dex-Net's tensor layout: one crop a grasp, in files of 1000.

    \b
    graspnet export dexnet out/dataset --output out/tensors
    graspnet export dexnet out/dataset --version 4.0 --metric robust_force_closure --output out/tensors
    """
    from graspnet.dataset import Dataset
    from graspnet.interchange.dexnet_export import export_dexnet as run
    from graspnet.run.progress import track
    from graspnet.run.record import write_run_record

    started = time.time()
    opened = Dataset.open(dataset)
    datapoints = sum(track(run(opened, output, version, metric), opened.shard_count, "export", "shards"))
    click.echo(f"{datapoints} datapoints: {output}")
    asked = {"dataset": dataset, "version": version, "metric": metric}
    write_run_record(output, "export dexnet", asked, opened.header.seed, started, {"datapoints": datapoints})
