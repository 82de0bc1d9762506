"""The page of a dataset: tables, histograms, and a contact sheet of images, grasps and what a network sees of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

from graspnet.camera import Camera
from graspnet.crops.crops import grasp_crops
from graspnet.crops.metric import MetricCropConfig
from graspnet.dataset import Dataset, Shard
from graspnet.drawing import draw_crops, draw_depth, draw_grasps, new_figure, quality_colors
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.observation.height_map import DepthView
from graspnet.report.inspection.summary import Summary
from graspnet.report.inspection.text import MOST_ROWS, rows_of
from graspnet.report.page import Section, figure_html, paragraph, table_html, write_report
from graspnet.report.words import counted, folder_name, listed, percent
from graspnet.run.progress import track

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["write_page"]

CROPS = 8  # of each image of the contact sheet: evenly from its least to its most robust grasp
CROP = MetricCropConfig()


def write_page(path: Path, dataset: Dataset, summary: Summary, images: int, rng: np.random.Generator) -> None:
    """Write report.html, with `images` images drawn from all shards on its contact sheet."""
    sections = [
        Section("Contact sheet", (paragraph(SHEET_TEXT), *_contact_sheet(dataset, summary, images, rng))),
        Section("Counts", _counts(dataset, summary)),
        Section("Positive rates", (paragraph(RATES_TEXT), *_rates(summary))),
        Section("Labels", (figure_html(_label_figure(summary), LABEL_CAPTION),)),
        Section("Grasps", (figure_html(_grasp_figure(summary), GRASP_CAPTION),)),
        Section("Cameras", (figure_html(_camera_figure(summary), "The camera of every image."),)),
    ]
    if summary.problems:
        sections.insert(0, Section(BROKEN, (table_html(["problem"], [[p] for p in summary.problems]),)))
    write_report(path, f"Dataset: {folder_name(str(dataset.folder))}", sections, _opening(dataset, summary))


def _opening(dataset: Dataset, summary: Summary) -> tuple[str, ...]:
    """Say how much there is, how much of it is positive, where, and whether all of it is whole."""
    total, header = summary.total, dataset.header
    splits = listed([f"{counted(len(objects), 'object')} for {name}" for name, objects in header.splits.items()])
    amount = (
        f"This dataset (config {header.name}, seed {header.seed}) holds {counted(total.grasps, 'grasp')} with their "
        f"labels, in {counted(summary.images, 'depth image')}. They are of "
        f"{counted(len(summary.by['object']), 'object')}; the split is {splits}."
    )
    share = (
        f"Of the grasps, {percent(total.free / max(total.grasps, 1))} touch nothing on their way, and "
        f"{percent(total.rate)} are positive: {summary.metric} lies above {summary.threshold:g}, and nothing is "
        "touched."
    )
    families = {name: tally.rate for name, tally in summary.by["family"].items() if tally.grasps}
    if len(families) > 1:
        easy, hard = max(families, key=families.__getitem__), min(families, key=families.__getitem__)
        share += (
            f" The family with the most positives is {easy} ({percent(families[easy])}), the one with the fewest is "
            f"{hard} ({percent(families[hard])})."
        )
    whole = "Every file has the checksum with which it was written, and no value is out of its range."
    count = len(summary.problems)
    broken = (
        f"{counted(count, 'problem')} {'was' if count == 1 else 'were'} found: see “{BROKEN}”. The figures are of what "
        "is whole."
    )
    return paragraph(f"{amount} {share}"), paragraph(broken if summary.problems else whole)


BROKEN = "What is broken"
RATES_TEXT = (
    "A grasp is free of collision if the hand touches nothing on its way. It is positive if, besides, its metric lies "
    "above the threshold. The source says how grasps were proposed; the family is the object's. A table that would "
    f"have more than {MOST_ROWS} rows shows those with the lowest and the highest rates."
)
LABEL_CAPTION = (
    "Metrics of sampled grasps, and their signed clearances to object, table and neighbours along the approach: "
    "below zero, something is touched. Bars at the ends hold what lies beyond."
)
GRASP_CAPTION = (
    "Where sampled grasps are: opening and contact distance over the hand's largest opening; depth and angle in the "
    "image; horizontal distance from the object's centre of mass and height above the table; tilt of the approach."
)
SHEET_TEXT = (
    "These images were drawn at random. Each shows eight of its grasps, evenly from the least to the most robust, as "
    "large as the hand would be there and coloured by robustness: red is 0, yellow ½, green 1. Beside it is what the "
    "network sees of each grasp, with bars where the jaws are before they close. The titles are the grasp's number, "
    "its robustness (0 where something is touched), and its smallest clearance."
)


def _counts(dataset: Dataset, summary: Summary) -> tuple[str, ...]:
    header, total = dataset.header, summary.total
    cameras = ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in header.cameras.items())
    rows: list[list[object]] = [
        ["schema version, seed, fingerprint", f"{header.version}, {header.seed}, {header.fingerprint}"],
        ["objects, images, grasps", f"{len(summary.by['object'])}, {summary.images}, {total.grasps}"],
        *([f"objects of {name}", len(objects)] for name, objects in header.splits.items()),
        ["hands", len(header.grippers)],
        ["cameras (px)", cameras],
        ["free of collision", f"{total.free / max(total.grasps, 1):.1%}"],
        [f"positive: {summary.metric} above {summary.threshold:g}, and free", f"{total.rate:.1%}"],
        ["packages", ", ".join(f"{name} {version}" for name, version in header.packages.items())],
    ]
    left_out = [[name, reason] for name, reason in header.skipped.items()]
    tables = [table_html(["", ""], rows)]
    return (*tables, table_html(["left out", "why"], left_out)) if left_out else tuple(tables)


def _rates(summary: Summary) -> tuple[str, ...]:
    header = ["grasps", "free of collision", "positive"]
    tables = [table_html([kind, *header], rows_of(summary.by[kind])) for kind in ("source", "hand", "family")]
    metrics = table_html(["metric, at its usual threshold", *header], rows_of(summary.metric_rates))
    objects = figure_html(_object_figure(summary), "How many objects have which share of positive grasps.")
    return tables[0], tables[1], metrics, objects, tables[2]


def _object_figure(summary: Summary) -> "Figure":
    rates = np.array([tally.rate for tally in summary.by["object"].values()])
    figure, axes = new_figure(1, 1, width=5.0, aspect=0.5)
    _histogram(axes[0, 0], rates, "positive rate of an object", (0.0, 1.0), "objects")
    return figure


def _label_figure(summary: Summary) -> "Figure":
    panels = len(summary.metrics) + len(summary.grasps.clearance)
    figure, axes = new_figure(-(-panels // 4), 4, width=3.0)
    flat = iter(axes.flat)
    for name, values in summary.metrics.items():
        _histogram(next(flat), values, name, _range_of(values))
    for part, clearance in summary.grasps.clearance.items():
        _histogram(next(flat), clearance * 1e3, f"clearance, {part} (mm)", (-25.0, 25.0))
    for left_over in flat:
        left_over.set_axis_off()
    return figure


def _grasp_figure(summary: Summary) -> "Figure":
    grasps = summary.grasps
    figure, axes = new_figure(2, 4, width=3.0)
    flat = axes.flat
    _histogram(flat[0], grasps.span * 1e3, "the hand's largest opening (mm)")
    _histogram(flat[1], grasps.columns["width"] / grasps.span, "commanded opening / largest", (0.0, 1.0))
    _histogram(flat[2], grasps.contact_distance / grasps.span, "contact distance / largest opening", (0.0, 1.0))
    _histogram(flat[3], grasps.depth, "depth (m)")
    _histogram(flat[4], np.rad2deg(grasps.angle), "angle in the image (°)", (-90.0, 90.0))
    _histogram(
        flat[5],
        np.rad2deg(grasps.tilt),
        "approach from the vertical (°)",
        (0.0, max(1.0, float(np.rad2deg(np.fmax.reduce(grasps.tilt, initial=0.0))))),
    )
    _histogram(flat[6], grasps.height * 1e3, "height above the table (mm)")
    known = np.isfinite(grasps.aside) & np.isfinite(grasps.height)  # none of some imports
    aside, height = grasps.aside[known] * 1e3, grasps.height[known] * 1e3
    if len(aside):
        reach = ((0.0, np.quantile(aside, 0.99)), (0.0, np.quantile(height, 0.99)))
        flat[7].hist2d(aside, height, bins=30, range=reach, cmap="Blues")
    flat[7].set_xlabel("beside the object's centre (mm)")
    flat[7].set_ylabel("height (mm)")
    return figure


def _camera_figure(summary: Summary) -> "Figure":
    views = summary.views
    figure, axes = new_figure(1, 4, width=3.0)
    _histogram(axes.flat[0], views.distance, "distance to the table (m)", None, "images")
    _histogram(axes.flat[1], np.rad2deg(views.polar), "optical axis from the vertical (°)", None, "images")
    _histogram(axes.flat[2], np.rad2deg(views.field_of_view), "horizontal field of view (°)", None, "images")
    _histogram(axes.flat[3], views.objects, "objects in the image", None, "images")
    return figure


def _histogram(
    axes: "Axes",
    values: Float64[np.ndarray, "N"],
    label: str,
    limits: tuple[float, float] | None = None,
    counted: str = "grasps",
) -> None:
    """Bars at the ends hold what lies beyond the limits; what is not a number is left out, and infinity lies beyond."""
    known = values[~np.isnan(values)]
    low, high = limits or ((float(known.min()), float(known.max())) if len(known) else (0.0, 1.0))
    middle, half = (low + high) / 2, max((high - low) / 2, 0.05 * abs(high) + 1e-6)  # one value only is a range too
    axes.hist(np.clip(known, low, high), bins=30, range=(middle - half, middle + half), color="steelblue")
    axes.set_xlabel(label)
    axes.set_ylabel(counted)


def _range_of(values: Float64[np.ndarray, "N"]) -> tuple[float, float]:
    """From 0 to 1 for a probability, else to where nearly all of the values end."""
    finite = values[np.isfinite(values)]
    if not len(finite) or (finite.min() >= 0 and 0.1 < finite.max() <= 1):
        return 0.0, 1.0
    return float(min(finite.min(), 0.0)), float(np.quantile(finite, 0.99))


def _contact_sheet(dataset: Dataset, summary: Summary, images: int, rng: np.random.Generator) -> list[str]:
    return list(
        track(_sheet_pictures(dataset, summary, images, rng), min(images, dataset.shard_count), "report", "images")
    )


def _sheet_pictures(dataset: Dataset, summary: Summary, images: int, rng: np.random.Generator) -> Iterator[str]:
    """A picture of one image of each shard, of random ones, until there are enough."""
    left = images
    for index in rng.permutation(dataset.shard_count):
        if not left:
            return
        try:
            shard = dataset.read(int(index))
        except InputError:  # listed among the problems already
            continue
        seen = np.unique(shard.grasps.image)
        if len(seen):
            image = int(rng.choice(seen))
            caption = f"{', '.join(_objects_in(shard, image))}; shard {dataset.shard_names[index]}, image {image}"
            left -= 1
            yield figure_html(_sheet_figure(_shown(dataset, shard, image, summary.metric)), caption)


def _objects_in(shard: Shard, image: int) -> list[str]:
    """Names, each once."""
    return list(dict.fromkeys(shard.objects.object[row] for row in np.flatnonzero(shard.objects.image == image)))


@dataclass(frozen=True)
class _Shown:
    """An image and the grasps of it that are shown."""

    depth: Float32[np.ndarray, "H W"]
    instance: UInt8[np.ndarray, "H W"]
    camera: Camera
    grasps_in_camera: Grasps
    grippers: tuple[ParallelJaw, ...]
    robustness: Float64[np.ndarray, "N"]
    clearance: Float64[np.ndarray, "N"]


def _shown(dataset: Dataset, shard: Shard, image: int, metric: str) -> _Shown:
    grasps = shard.grasps
    robustness = grasps.robustness(metric)
    rows = _evenly(np.flatnonzero(grasps.image == image), robustness)
    return _Shown(
        shard.images.depth[image],
        shard.images.instance[image],
        shard.images.cameras[image],
        grasps.grasps_in_camera(rows),
        tuple(ParallelJaw.of(dataset.gripper(grasps.gripper[row])) for row in rows),
        robustness[rows],
        grasps.clearance.smallest[rows],
    )


def _evenly(rows: Int64[np.ndarray, "N"], robustness: Float64[np.ndarray, "M"]) -> Int64[np.ndarray, "K"]:
    ranked = rows[np.argsort(robustness[rows], kind="stable")]
    return ranked[np.linspace(0, len(ranked) - 1, min(CROPS, len(ranked))).round().astype(int)]


def _sheet_figure(shown: _Shown) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.2), layout="constrained")
    axes = figure.subplot_mosaic([["image", *"abcd"], ["image", *"efgh"]], width_ratios=[2.6, 1, 1, 1, 1])
    _draw_image(axes.pop("image"), shown)
    _draw_crops(list(axes.values()), shown)
    return figure


def _draw_image(axes: "Axes", shown: _Shown) -> None:
    grasps, camera = shown.grasps_in_camera, shown.camera
    reach = np.array([gripper.finger_thickness for gripper in shown.grippers]) + grasps.width / 2
    ends = [camera.project(grasps.origin + sign * reach[:, None] * grasps.closing) for sign in (-1, 1)]
    colors = quality_colors(shown.robustness)
    draw_depth(axes, shown.depth, limits=_near_and_far(shown.depth, shown.instance))
    for i, gripper in enumerate(shown.grippers):
        draw_grasps(axes, grasps[i : i + 1], camera, gripper, colors[i : i + 1])
        for end in ends:
            axes.annotate(str(i + 1), tuple(end[i]), fontsize=7, ha="center", va="center")
    _zoom(axes, np.concatenate(ends), shown.instance)


def _draw_crops(axes: Sequence["Axes"], shown: _Shown) -> None:
    grasps = shown.grasps_in_camera
    sizes = np.stack([gripper.sizes() for gripper in shown.grippers])
    crops = grasp_crops(DepthView(shown.depth, shown.camera), grasps.poses, sizes, CROP).images.numpy()
    for i, ax in enumerate(axes):
        if i >= len(grasps):
            ax.set_axis_off()
            continue
        opening = grasps.width[i] / shown.grippers[i].max_width * CROP.size / CROP.window
        title = f"{i + 1}: {round(shown.robustness[i], 4):.2g}, {shown.clearance[i] * 1e3:z.0f} mm"
        color = tuple(quality_colors(shown.robustness[i : i + 1])[0].tolist())
        draw_crops(np.array([ax]), crops[i : i + 1], opening=float(opening), titles=[title], color=color)


def _near_and_far(depth: np.ndarray, instance: np.ndarray) -> tuple[float, float]:
    """From the nearest object to a little behind the farthest: the objects' relief, not the table's slope."""
    shown = depth[instance > 0] if (instance > 0).any() else depth
    low, high = np.nanmin(shown), np.nanmax(shown)
    return float(low), float(high + 0.2 * (high - low) + 1e-3)


def _zoom(axes: "Axes", uv: Float64[np.ndarray, "N 2"], instance: np.ndarray) -> None:
    """Show the objects and these pixels, in 4 : 3."""
    v, u = np.nonzero(instance)
    points = np.concatenate([uv, np.stack([u, v], axis=1)])
    low, high = points.min(axis=0), points.max(axis=0)
    middle, half = (low + high) / 2, float(np.max((high - low) * [1, 4 / 3]) / 2 * 1.1 + 5)
    axes.set_xlim(middle[0] - half, middle[0] + half)
    axes.set_ylim(middle[1] + half * 0.75, middle[1] - half * 0.75)
