"""The whole loop in minutes: objects, dataset, network, plans, picks, and a report of all of it.

Each step is the function behind a command, with the preset `demo` of its room: what the demo shows is what
`graspnet generate`, `train` and `simulate` do.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from graspnet import drawing
from graspnet.camera import Camera
from graspnet.config import config_to_dict, load_config
from graspnet.crops.crops import grasp_crops
from graspnet.crops.metric import MetricCropConfig
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.run import UnitSummary, generate
from graspnet.data_gen.objects.object_source import ObjectConfig, load_object, object_names
from graspnet.data_gen.physics.film import object_picture
from graspnet.dataset import Dataset, Shard
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.observation.height_map import DepthView
from graspnet.report.page import Section, figure_html, paragraph, table_html, write_report
from graspnet.run.engines import Engine
from graspnet.run.progress import track
from graspnet.run.record import write_json, write_run_record
from graspnet.sensors import load_sensor
from graspnet.sim_eval.analysis.finished_run import FinishedRun
from graspnet.sim_eval.analysis.results import compare_trials, results_as_json
from graspnet.sim_eval.analysis.tables import format_results
from graspnet.sim_eval.episodes.records import EpisodeRecord
from graspnet.sim_eval.episodes.run import run_protocol
from graspnet.sim_eval.pages.report import simulation_sections
from graspnet.sim_eval.planners.choice import PlannerChoice, identified
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.training.trainer import TrainConfig, TrainingResult, train

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["run_demo"]

POLICY, RANDOM, HEURISTIC = "cross_entropy", "antipodal", "principal_axis"


@dataclass(frozen=True)
class _Loop:
    """What the steps made, for the report."""

    dataset: Dataset
    training: TrainingResult
    run: FinishedRun
    seconds: dict[str, float]


def run_demo(output: Path, seed: int, engine: Engine) -> None:
    """Run all steps into `output` (dataset/, model/, results.json, report.html, run.json), saying what each found.

    InputError: the output holds an earlier demo.
    """
    started = time.time()
    clock = _Clock()
    if (output / "dataset").exists():
        raise InputError(f"{output}: holds an earlier demo; delete it, or choose another --output")
    output.mkdir(parents=True, exist_ok=True)
    generation = load_config(GenerateConfig, "generate", "demo")
    _announce("1 and 2: procedural objects, images of them, and labelled grasps")
    making = generate(generation, "demo", seed, output / "dataset", engine)
    summaries = list(track(making, making.total, "generate", "objects"))
    dataset = Dataset.open(output / "dataset")
    click.echo(_objects_line(generation.objects, seed))
    click.echo(_dataset_line(dataset, summaries))
    clock.lap("generate")

    _announce("3 and 4: a grasp quality network, and how it does on objects that it has not seen")
    teaching = load_config(TrainConfig, "train", "demo", (f"seed={seed}",))
    training = train(teaching, dataset, output / "model")
    click.echo("\n".join(training.evaluation.lines()))
    clock.lap("train")

    _announce("5 and 6: plans on noisy depth images of unseen objects, executed in MuJoCo")
    protocol = load_config(ProtocolConfig, "simulate", "demo")
    ranking = identified(PlannerChoice(POLICY, model=str(output / "model")))
    choices = [ranking, PlannerChoice(RANDOM), PlannerChoice(HEURISTIC)]
    trials = run_protocol(protocol, choices, seed, engine)
    records = sorted(track(trials, protocol.episodes, "simulate", "trials"), key=lambda record: record.index)
    write_json(output / "results.json", results_as_json(protocol, "demo", choices, seed, records))
    click.echo(format_results(protocol, records))
    click.echo(_findings(records))
    clock.lap("simulate")

    _announce("7: the report")
    run = FinishedRun(protocol, tuple(choices), seed, tuple(records), "demo")
    loop = _Loop(dataset, training, run, clock.seconds)
    write_report(output / "report.html", "graspnet demo", _sections(loop, seed))
    clock.lap("report")
    configs = {"generate": generation, "train": teaching, "simulate": protocol}
    made = {"report": "report.html", "seconds": clock.seconds}
    write_run_record(output, "demo", {k: config_to_dict(v) for k, v in configs.items()}, seed, started, made)
    times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in clock.seconds.items())
    click.echo(f"done in {sum(clock.seconds.values()) / 60:.1f} minutes ({times}): {output / 'report.html'}")


class _Clock:
    """Seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Close a step."""
        now = time.perf_counter()
        self.seconds[name], self._last = round(now - self._last, 2), now


def _announce(text: str) -> None:
    click.echo(f"\n== {text}")


def _objects_line(config: ObjectConfig, seed: int) -> str:
    names = object_names(config)
    families = {name.rpartition("_")[0] for name in names}
    closed = sum(
        load_object(config, name, np.random.default_rng([seed, i])).mesh.is_watertight for i, name in enumerate(names)
    )
    return f"{len(names)} objects of {len(families)} families, {closed} of them watertight"


def _dataset_line(dataset: Dataset, summaries: Sequence[UnitSummary]) -> str:
    counts = dataset.header.counts
    positive = sum(s.total.positives for s in summaries) / max(1, counts["grasps"])
    return (
        f"{counts['grasps']} labelled grasps in {counts['images']} depth images; robustness above one half: "
        f"{positive:.1%}; {len(dataset.split('validation'))} objects are kept for validation"
    )


def _findings(records: Sequence[EpisodeRecord]) -> str:
    """Put the two paired comparisons in words."""
    differences = {(one.first, one.second): one.paired for one in compare_trials(records)}
    lines = []
    for other, name in ((RANDOM, "the random antipodal sampler"), (HEURISTIC, "the principal-axis heuristic")):
        found = differences[(POLICY, other)]
        if found.low > 0:
            verdict = "the network's policy lifts more than"
        elif found.high < 0:
            verdict = "the network's policy lifts less than"
        else:
            verdict = "these trials cannot tell the network's policy from"
        lines.append(
            f"{verdict} {name}: {100 * found.difference:+.1f} points "
            f"[{100 * found.low:+.1f}, {100 * found.high:+.1f}] on the same {found.trials} trials"
        )
    return "\n".join(lines)


def _sections(loop: _Loop, seed: int) -> list[Section]:
    """The report, in the order of the loop."""
    shard = next(iter(loop.dataset.shards("validation")))
    evaluation = loop.training.evaluation
    return [
        Section(
            "Objects",
            (
                paragraph("A few of the procedural objects, each in its own scale."),
                figure_html(_objects_figure(loop.dataset, seed), "Procedural objects, shaded by their normals."),
            ),
        ),
        Section(
            "Dataset",
            (
                paragraph(_dataset_text(loop.dataset)),
                figure_html(
                    _grasps_figure(loop.dataset),
                    "Noisy depth images of objects kept for validation, with labelled grasps: red 0, yellow one half, "
                    "green 1. The two bars are the fingers, the line between them the closing axis.",
                ),
                figure_html(
                    _crops_figure(shard, loop.dataset),
                    "Crops aligned with grasps, as the network sees them: the closing axis is horizontal, bright is "
                    "nearer to the palm. Titles: robustness.",
                ),
            ),
        ),
        Section(
            "Training",
            (
                *(paragraph(line) for line in evaluation.lines()),
                figure_html(_curves_figure(loop.training), "Training curves and the precision-recall curve."),
            ),
        ),
        Section("Picks", tuple(paragraph(line) for line in _findings(loop.run.records).splitlines())),
        *simulation_sections(loop.run),
        Section("Time", (table_html(["step", "seconds"], [[k, f"{v:.0f}"] for k, v in loop.seconds.items()]),)),
    ]


def _dataset_text(dataset: Dataset) -> str:
    counts = dataset.header.counts
    return f"{counts['grasps']} grasps, {counts['images']} images, {counts['objects']} objects."


def _objects_figure(dataset: Dataset, seed: int) -> "Figure":
    config = ObjectConfig(count=dataset.header.units)
    names = object_names(config)[:24]
    figure, axes = drawing.new_figure(3, 8, width=1.5, aspect=1.0)
    for index, (name, each) in enumerate(zip(names, axes.flat, strict=True)):
        each.imshow(object_picture(load_object(config, name, np.random.default_rng([seed, index]))))
        each.set_title(name.rpartition("_")[0], fontsize=8)
        each.axis("off")
    return figure


def _grasps_figure(dataset: Dataset) -> "Figure":
    figure, axes = drawing.new_figure(2, 3, width=4.0)
    sensor = load_sensor("structured_light")
    shards = [shard for shard, _ in zip(dataset.shards("validation"), range(6), strict=False)]
    for each, shard in zip(axes.flat, shards, strict=False):
        rows = np.flatnonzero(shard.grasps.image == 0)[:12]
        camera = shard.images.cameras[0]
        noisy = sensor(shard.images.depth[0], camera, np.random.default_rng(0))
        grasps_in_camera = shard.grasps.grasps_in_camera(rows)
        colors = drawing.quality_colors(shard.grasps.robustness(_metric(shard))[rows])
        drawing.draw_depth(each, noisy, title=shard.objects.object[0])
        drawing.draw_grasps(each, grasps_in_camera, camera, dataset.gripper(shard.grasps.gripper[0]), colors)
        _zoom(each, camera, grasps_in_camera)
    return figure


def _crops_figure(shard: Shard, dataset: Dataset) -> "Figure":
    robustness = shard.grasps.robustness(_metric(shard))
    rows = np.flatnonzero(shard.grasps.image == 0)
    rows = rows[np.argsort(-robustness[rows])]
    rows = np.concatenate([rows[:8], rows[-8:]])
    camera, config = shard.images.cameras[0], MetricCropConfig()
    noisy = load_sensor("structured_light")(shard.images.depth[0], camera, np.random.default_rng(0))
    sizes = np.tile(dataset.gripper(shard.grasps.gripper[0]).sizes(), (len(rows), 1))
    crops = grasp_crops(DepthView(noisy, camera), shard.grasps.camera_from_grasp[rows], sizes, config)
    figure, axes = drawing.new_figure(2, 8, width=1.5, aspect=1.0)
    titles = [f"{value:.2f}" for value in robustness[rows]]
    drawing.draw_crops(axes, crops.images.numpy(), opening=config.size / config.window, titles=titles)
    return figure


def _curves_figure(training: TrainingResult) -> "Figure":
    figure, axes = drawing.new_figure(1, 3, width=4.0)
    loss, precision, curve = axes.flat
    epochs = [record.epoch for record in training.history]
    loss.plot(epochs, [record.loss for record in training.history], marker="o", label="training")
    loss.plot(epochs, [r.validation["cross_entropy"] for r in training.history], marker="o", label="validation")
    loss.set(xlabel="epoch", ylabel="cross-entropy (nats)")
    loss.legend()
    for name, label in (("average_precision", "AP"), ("roc_auc", "ROC AUC"), ("accuracy", "accuracy")):
        precision.plot(epochs, [record.validation[name] for record in training.history], marker="o", label=label)
    precision.set(xlabel="epoch", ylabel="on unseen objects", ylim=(0, 1))
    precision.legend()
    curve.plot(training.precision_recall["recall"], training.precision_recall["precision"])
    curve.axhline(training.evaluation.positive_rate, color="gray", linestyle=":", label="a guess")
    curve.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    curve.legend()
    return figure


def _zoom(axes: object, camera: Camera, grasps_in_camera: Grasps) -> None:
    """Show the part of the image around the grasps."""
    uv = camera.project(grasps_in_camera.origin)
    center = (uv.min(axis=0) + uv.max(axis=0)) / 2
    reach = 0.11 * camera.fx / float(np.median(grasps_in_camera.origin[:, 2]))
    reach = max(reach, float(np.max(uv.max(axis=0) - uv.min(axis=0))) / 2 * 1.3)
    axes.set(  # type: ignore[attr-defined]
        xlim=(center[0] - reach, center[0] + reach), ylim=(center[1] + 0.75 * reach, center[1] - 0.75 * reach)
    )


def _metric(shard: Shard) -> str:
    """The metric that the label is made of: the first."""
    return next(iter(shard.grasps.metrics))
