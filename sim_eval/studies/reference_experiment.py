"""`gqcnn_2.0`, `gqcnn_4.0_pj` and `compact` on one dataset, at equal examples and at equal time.

`python -m graspnet.sim_eval.studies.reference_experiment --dataset DIR --output DIR --examples 300000`

Every network learns the same label from the same images, by the recipe of its own preset. At equal examples each sees
as many; at equal time each sees as many as it can in the CPU time that `compact` took for these. Splits are by image,
by stable pose and by object, those of GQ-CNN's published accuracies (92.2, 88.9 and 85.9 % on Dex-Net 2.0).
Printed for each: accuracy, average precision and calibration on what was held out, with 95 % intervals over objects;
what a batch costs; and the number of weights. A training that has ended is not repeated, one that was stopped begins
again: a stopped study goes on by the same command, and a study may be made network by network (`--network`, `compact`
first for equal time).
"""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from jaxtyping import Int64

from graspnet.config import load_config
from graspnet.crops.crops import GraspCrops
from graspnet.dataset import Dataset
from graspnet.dataset.resplit import ResplitDataset
from graspnet.errors import InputError
from graspnet.models.checkpoint import Checkpoint
from graspnet.models.network import GraspNetwork, predict, quality_of
from graspnet.quality import NETWORK_BATCH
from graspnet.run.record import write_json
from graspnet.run.threads import using_threads
from graspnet.sim_eval.analysis.statistics import bootstrap_over_objects
from graspnet.training.batches import evaluation_crops
from graspnet.training.examples.datasets import load_examples
from graspnet.training.examples.label import LabelConfig
from graspnet.training.metrics import evaluate
from graspnet.training.trainer import TrainConfig, train

__all__ = ["LABELS", "NETWORKS", "PUBLISHED", "Entry", "Figure", "markdown_table", "network_entries"]

NETWORKS = {"compact": "parallel_jaw", "gqcnn_2.0": "gqcnn_2.0", "gqcnn_4.0_pj": "gqcnn_4.0_pj"}  # and their presets
SPLITS = ("image", "pose", "object")
PUBLISHED = {"image": 92.2, "pose": 88.9, "object": 85.9}  # accuracy in %, gqcnn's documentation, on Dex-Net 2.0
LABELS = {  # the same for all networks; hard, as accuracies are published
    "epsilon": ("label.metric=robust_epsilon", "label.threshold=0.002", "label.clearance_sigma=0"),
    "closure": ("label.metric=robust_centered_closure", "label.threshold=0.5", "label.clearance_sigma=0"),
}
ENTRY = "reference.json"
BATCH = 128
DRAWS = 200  # of the bootstrap

Rows = Int64[np.ndarray, "R"]


@dataclass(frozen=True)
class Figure:
    """A figure and its 95 % interval over objects; None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Entry:
    """One network on one split with one budget, which is `examples` or `time`.

    seconds: CPU time of its training, all threads together. batch_milliseconds: CPU time of the qualities of 128 crops.
    """

    network: str
    split: str
    budget: str
    examples: int
    seconds: float
    positive_rate: float
    accuracy: Figure
    average_precision: Figure
    calibration_error: Figure
    batch_milliseconds: float
    parameters: int


def network_entries(
    network: str, dataset: Dataset, split: str, examples: int, overrides: Sequence[str], output: Path
) -> list[Entry]:
    """Train a network on a split with both budgets, or read what was trained before.

    InputError: equal time is asked for before `compact` was trained on the split.
    """
    of_split = dataset if split == "object" else ResplitDataset.of(dataset, split)  # type: ignore[arg-type]
    equal_examples = _entry(network, of_split, split, "examples", examples, overrides, output)
    if network == "compact":
        return [equal_examples]
    seconds = _compact_seconds(output, split)
    affordable = max(BATCH, round(examples * seconds / equal_examples.seconds))
    return [equal_examples, _entry(network, of_split, split, "time", affordable, overrides, output)]


def markdown_table(entries: Sequence[Entry]) -> str:
    """The table of the notebook: a line for each training; the published accuracy beside the splits that have one."""
    columns = ["split", "network", "equal", "examples", "CPU s", "positive, %", "accuracy, % (published)", "AP"]
    columns += ["calibration error", "ms for 128 crops", "weights"]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for entry in entries:
        published = f" ({PUBLISHED[entry.split]})" if entry.network == "gqcnn_2.0" else ""
        cells = [
            entry.split, entry.network, entry.budget, f"{entry.examples:,}", f"{entry.seconds:.0f}",
            f"{100 * entry.positive_rate:.1f}", _text(entry.accuracy, 100.0, 1) + published,
            _text(entry.average_precision, 1.0, 3), _text(entry.calibration_error, 1.0, 3),
            f"{entry.batch_milliseconds:.1f}", f"{entry.parameters:,}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _entry(
    network: str, dataset: Dataset, split: str, budget: str, examples: int, overrides: Sequence[str], output: Path
) -> Entry:
    folder = output / split / f"{network}_{budget}"
    if (folder / ENTRY).is_file():
        return _read(folder / ENTRY)
    config = load_config(TrainConfig, "train", NETWORKS[network], (*overrides, f"examples={examples}"))
    shutil.rmtree(folder, ignore_errors=True)  # of a training that was stopped: its time has to be measured whole
    started = time.process_time()
    result = train(config, dataset, folder)
    seconds = time.process_time() - started
    checkpoint = result.checkpoint
    figures = _figures(checkpoint, config, dataset)
    entry = Entry(
        network=network, split=split, budget=budget, examples=examples, seconds=seconds,
        positive_rate=result.evaluation.positive_rate, **figures,
        batch_milliseconds=1000 * _batch_seconds(checkpoint.network), parameters=checkpoint.network.parameter_count(),
    )  # fmt: skip
    write_json(folder / ENTRY, asdict(entry))
    return entry


def _figures(checkpoint: Checkpoint, config: TrainConfig, dataset: Dataset) -> dict[str, Figure]:
    """Accuracy, average precision and calibration of the validation examples, resampled by object."""
    crop = checkpoint.crop.at_pitch(dataset.header.pixel_pitch)
    examples = load_examples(dataset, "validation", crop, config.label)
    logits = predict(checkpoint.network, evaluation_crops(examples, crop, config.batches, config.seed))
    quality = quality_of(logits.double(), checkpoint.temperature, checkpoint.bias).numpy()
    robustness = np.concatenate([image.robustness for image in examples])
    feasible = np.concatenate([image.feasible for image in examples])
    target, positive = config.label.target(robustness), config.label.positive(robustness)

    def figure(name: str) -> Figure:
        def value(rows: Rows) -> float:
            found = getattr(evaluate(quality[rows], target[rows], positive[rows], feasible[rows]), name)
            return float("nan") if found is None else float(found)

        ends = bootstrap_over_objects(value, owners, draws=DRAWS)
        return Figure(*(each if np.isfinite(each) else None for each in (value(np.arange(len(quality))), *ends)))

    owners = _owners(dataset, config.label)
    return {name: figure(name) for name in ("accuracy", "average_precision", "calibration_error")}


def _owners(dataset: Dataset, label: LabelConfig) -> list[str]:
    """The object of every labelled validation example, in the order of `load_examples`: shard by shard and by image."""
    owners: list[str] = []
    for shard in dataset.shards("validation"):
        objects, grasps = shard.objects, shard.grasps
        keys = zip(objects.image.tolist(), objects.instance.tolist(), strict=True)
        name_of = dict(zip(keys, objects.object, strict=True))
        labelled = np.flatnonzero(~np.isnan(label.robustness(grasps)))
        rows = labelled[np.argsort(grasps.image[labelled], kind="stable")]
        owners += [name_of[int(grasps.image[row]), int(grasps.instance[row])] for row in rows]
    return owners


def _compact_seconds(output: Path, split: str) -> float:
    path = output / split / "compact_examples" / ENTRY
    if not path.is_file():
        raise InputError(f"{path}: no such file; equal time is that of compact: train it first (--network compact)")
    return _read(path).seconds


def _read(path: Path) -> Entry:
    """An entry that was written before."""
    found: dict[str, Any] = json.loads(path.read_text())
    figures = {name: Figure(**value) for name, value in found.items() if isinstance(value, dict)}
    return Entry(**found | figures)


def _batch_seconds(network: GraspNetwork) -> float:
    """CPU time of one thread for the qualities of 128 crops, in pieces as a plan scores them; the median of seven."""
    crop = network.crop
    crops = [
        GraspCrops(
            torch.rand(NETWORK_BATCH, crop.channels, crop.size, crop.size),
            torch.rand(NETWORK_BATCH, crop.pose_features),
        )
        for _ in range(BATCH // NETWORK_BATCH)
    ]
    seconds = []
    with using_threads(1):
        for _ in range(8):  # the first one warms up
            start = time.process_time()
            predict(network, crops)
            seconds.append(time.process_time() - start)
    return float(np.median(seconds[1:]))


def _text(figure: Figure, factor: float, digits: int) -> str:
    """`85.9 [84.0, 87.2]`."""
    if figure.value is None:
        return "undefined"
    value, low, high = (f"{factor * (each or 0):.{digits}f}" for each in (figure.value, figure.low, figure.high))
    return f"{value} [{low}, {high}]"


@click.command()
@click.option("--dataset", "dataset_folder", required=True, metavar="DIR|URL", help="What `graspnet generate` wrote.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for models and the table.")
@click.option(
    "--examples", default=300_000, show_default=True, type=click.IntRange(min=1), help="That each network sees."
)
@click.option("--split", "splits", multiple=True, type=click.Choice(SPLITS), help="Repeatable; all by default.")
@click.option(
    "--network", "networks", multiple=True, type=click.Choice(tuple(NETWORKS)), help="Repeatable; all by default."
)
@click.option(
    "--label", type=click.Choice(tuple(LABELS)), default="epsilon", show_default=True, help="Dex-Net's, or ours."
)
@click.option("--sensor", default="structured_light", show_default=True, help="A preset of configs/sensors/, for all.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
def main(
    dataset_folder: str, output: Path, examples: int, splits: tuple[str, ...], networks: tuple[str, ...], label: str,
    sensor: str, seed: int, overrides: tuple[str, ...],
) -> None:  # fmt: skip
    """Train the networks side by side. KEY=VALUE changes settings of every training, such as threads=1."""
    dataset = Dataset.open(dataset_folder)
    common = (*LABELS[label], "label.soft=false", f"batches.sensor={sensor}", f"seed={seed}", *overrides)
    entries = [
        entry
        for split in splits or SPLITS
        for network in networks or NETWORKS
        for entry in network_entries(network, dataset, split, examples, common, output)
    ]
    write_json(output / ENTRY, {"entries": [asdict(entry) for entry in entries]})
    click.echo(markdown_table(entries))


if __name__ == "__main__":
    main()
