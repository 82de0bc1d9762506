"""The sections of the demo's report, one function for each step of the loop."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from graspnet import drawing
from graspnet.camera import Camera
from graspnet.crops.crops import grasp_crops
from graspnet.crops.metric import MetricCropConfig
from graspnet.data_gen.objects.object_source import ObjectConfig, load_object, object_names
from graspnet.data_gen.physics.film import object_picture
from graspnet.dataset import Dataset, Shard
from graspnet.grasps.grasps import Grasps
from graspnet.observation.height_map import DepthView
from graspnet.report.inspection.records import evaluation_rows
from graspnet.report.page import Section, figure_html, paragraph, picture_html, table_html
from graspnet.report.words import counted, listed
from graspnet.sensors import load_sensor
from graspnet.sim_eval.analysis.finished_run import FinishedRun
from graspnet.sim_eval.pages.findings import in_question
from graspnet.sim_eval.pages.gallery import example_blocks, film_blocks
from graspnet.sim_eval.pages.result_blocks import trial_blocks
from graspnet.sim_eval.replay.replay import Replays, picks_of
from graspnet.training.trainer import TrainingResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["dataset_sections", "first_sections", "training_section"]


def first_sections(run: FinishedRun, picture: Path) -> list[Section]:
    """Show the plan on the sample, and how picks with the network that ships went."""
    picks, replay, about = picks_of(run), Replays(run), in_question(run).label
    caption = (
        "The best grasp of a plan on the sample's depth image, and the best five from near by. The two bars are the "
        "fingers, the line between them the closing axis."
    )
    return [
        Section("A grasp on a depth image", (picture_html([np.asarray(Image.open(picture).convert("RGB"))], caption),)),
        Section("First picks, with the network that ships", trial_blocks(run)),
        Section(
            "How the first picks ended", (*film_blocks(picks, replay, about), *example_blocks(picks, replay, about))
        ),
    ]


def dataset_sections(dataset: Dataset, seed: int) -> list[Section]:
    """Show the objects, images of them with labelled grasps, and what the network sees."""
    shard = next(iter(dataset.shards("validation")))
    return [
        Section(
            "Objects",
            (
                paragraph("A few of the procedural objects, each in its own scale."),
                figure_html(_objects_figure(dataset, seed), "Procedural objects, shaded by their normals."),
            ),
        ),
        Section(
            "Dataset",
            (
                paragraph(_dataset_text(dataset)),
                figure_html(
                    _grasps_figure(dataset),
                    "Noisy depth images of objects that are kept for validation, with labelled grasps. Their colour is "
                    "the robustness: red is 0, yellow ½, green 1. The two bars are the fingers, and the line between "
                    "them is the closing axis.",
                ),
                figure_html(
                    _crops_figure(shard, dataset),
                    "Crops aligned with grasps, as the network sees them: the closing axis is horizontal, and bright "
                    "is nearer to the palm. The titles are the robustness.",
                ),
            ),
        ),
    ]


def training_section(training: TrainingResult) -> Section:
    """Show what the network learned, and how it does on objects that it has not seen."""
    return Section(
        "Training",
        (
            paragraph("How good it is on objects that it has not seen, before any pick:"),
            table_html(("figure", "value", "what it is"), evaluation_rows(training.evaluation.to_json())),
            figure_html(_curves_figure(training), "Training curves and the precision-recall curve."),
        ),
    )


def _dataset_text(dataset: Dataset) -> str:
    counts = dataset.header.counts
    told = [counted(counts[f"{thing}s"], thing) for thing in ("grasp", "image", "object")]
    return f"The dataset that the network learns from has {listed(told)}."


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
