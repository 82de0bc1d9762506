"""The picture of a grasp plan: its grasps on the depth image that it was made from."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Float64

from graspnet.drawing import (
    draw_crops,
    draw_footprint,
    draw_grasps,
    draw_quality_bar,
    draw_ranks,
    draw_scale_bar,
    draw_shaded,
    hillshade,
    new_figure_with_strip,
    quality_colors,
    save_picture,
)
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.observation.observation import MAX_TILT, Observation
from graspnet.refusals import Refusals

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_plan"]

SHOWN = 5  # grasps from near by: more would hide each other
MARGIN = 1.5  # of the gripper's span, around what is shown from near by
ABOVE_TABLE = 10.0  # m: higher than whatever is seen
CONTRAST = 0.25  # of the heights from near by: what is so much higher or lower is white or black
# Told apart by people with any colour vision: Okabe & Ito, Color Universal Design, 2008.
REFUSAL_COLORS = ("#56B4E9", "#E69F00", "#CC79A7", "#009E73", "#D55E00", "#F0E442", "#0072B2")
STRIP = "The relief around each, as our networks see it. Orange: the jaws; violet: not measured."
Box = tuple[float, float, float, float]  # left, right, top, bottom, in pixels


def draw_plan(
    observation: Observation,
    grasps_in_camera: Grasps,
    qualities: Float64[np.ndarray, "N"],
    summary: str,
    path: Path,
    refusals: Refusals | None = None,
    judged: Sequence[tuple[Grasps, Float64[np.ndarray, "_"]]] = (),
) -> None:
    """The whole image with the best grasp, and the best five from near by, numbered and coloured by quality.

    Grasps come best first; qualities are NaN where the policy predicts none. refusals: the candidates that were
    refused are shown in a third picture. judged: those that got a quality, in a fourth, coloured by it, and below, for
    a parallel jaw, a strip has the relief around the best five, as our networks see it. The folder of `path` must
    exist; its name says which kind of picture is written. InputError: neither PNG nor JPEG.
    """
    pictures = 2 + (refusals is not None) + bool(judged)
    rows = 2 if pictures == 4 else 1
    has_crops = bool(judged) and isinstance(observation.gripper, ParallelJaw)
    strip = SHOWN if has_crops and len(grasps_in_camera) else 0
    figure, axes, small = new_figure_with_strip(rows, pictures // rows, strip, width=6.0)
    places = list(axes.flat)
    whole, near = places[:2]
    count = min(SHOWN, len(grasps_in_camera))
    best = grasps_in_camera[slice(count)]
    box = _region(observation, best.origin)
    relief = _relief(observation)
    depth = _depth(observation, best)
    picture = hillshade(relief, depth / observation.camera.fx, _contrast(relief, box))
    draw_shaded(whole, picture, _sentence(summary))
    _draw_near_by(near, picture, box, _of_the_near(count, qualities))
    _frame(whole, box)
    _draw_hands(whole, observation, best[slice(1)], qualities[:1])
    _draw_hands(near, observation, best, qualities[:count])
    for each in (whole, near):
        draw_scale_bar(each, observation.camera, depth)
    if count:
        draw_footprint(near, best[slice(1)], observation.camera, observation.gripper, "white")
        draw_ranks(near, best, observation.camera, observation.gripper)
    if count and np.isfinite(qualities).all():
        draw_quality_bar(near)
    if refusals is not None:
        _draw_refused(places[2], observation, refusals, picture)
    if judged:
        _draw_judged(places[-1], observation, judged, picture)
    if strip:
        _draw_strip(small, observation, best, qualities[:count])
    save_picture(figure, path)


def _of_the_refused(refusals: Refusals) -> str:
    count = refusals.counts.total()
    return f"Where {count} candidates were refused, and why." if count else "No candidate was refused."


def _draw_refused(
    axes: "Axes",
    observation: Observation,
    refusals: Refusals,
    picture: Float64[np.ndarray, "H W 3"],
) -> None:
    """A dot for each, at the middle between the jaws; rare reasons lie on top of frequent ones."""
    counts, places = refusals.counts.most_common(), refusals.places
    box = _region(observation, np.concatenate([np.zeros((0, 3)), *places.values()]))
    _draw_near_by(axes, picture, box, _of_the_refused(refusals))
    for (reason, count), color in zip(counts, REFUSAL_COLORS, strict=False):
        u, v = observation.camera.project(places[reason]).T
        axes.scatter(u, v, s=6, color=color, linewidths=0, label=f"{reason} ({count})")
    if counts:
        axes.legend(loc="lower center", fontsize=7, framealpha=0.9, markerscale=2.5)


def _draw_judged(
    axes: "Axes",
    observation: Observation,
    judged: Sequence[tuple[Grasps, Float64[np.ndarray, "_"]]],
    picture: Float64[np.ndarray, "H W 3"],
) -> None:
    """A dot for each, at the middle between the jaws; the best lie on top. Of a dense pass it is a heat map."""
    grasps = Grasps.concatenate([each for each, _ in judged])
    qualities = np.concatenate([each for _, each in judged])
    title = f"The quality of {len(qualities)} candidates: the best lie on top."
    _draw_near_by(axes, picture, _region(observation, grasps.origin), title)
    order = np.argsort(qualities, kind="stable")
    u, v = observation.camera.project(grasps.origin[order]).T
    axes.scatter(u, v, s=9, c=quality_colors(qualities[order]), linewidths=0)
    draw_quality_bar(axes)


def _draw_strip(
    axes: np.ndarray, observation: Observation, grasps: Grasps, qualities: Float64[np.ndarray, "M"]
) -> None:
    """The crops of the best, turned so that the jaws stand left and right; no relief can be seen along an approach that
    is too far from the camera's axis."""
    from graspnet.crops.of_observation import METRIC_CROP, crop

    shown = np.flatnonzero(grasps.approach[:, 2] >= np.cos(MAX_TILT))
    for ax in axes.flat:
        ax.set_axis_off()
    images = crop(observation, grasps[shown]).images.numpy()
    for k, image in zip(shown, images, strict=True):  # the hand's largest opening is size / window cells
        opening = float(grasps.width[k] / observation.gripper.span) * METRIC_CROP.size / METRIC_CROP.window
        axes[0, k].set_axis_on()
        draw_crops(axes[:, k], image[None], opening=opening, titles=[f"Number {k + 1}: {qualities[k]:.2f}"])
    axes[0, 0].figure.suptitle(STRIP, fontsize="medium")


def _draw_near_by(axes: "Axes", picture: Float64[np.ndarray, "H W 3"], box: Box, title: str) -> None:
    left, right, top, bottom = box
    draw_shaded(axes, picture, title)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def _draw_hands(axes: "Axes", observation: Observation, grasps: Grasps, qualities: Float64[np.ndarray, "M"]) -> None:
    backwards = np.arange(len(grasps))[::-1]  # the best is drawn last, on top
    colors = quality_colors(qualities[::-1])
    draw_grasps(axes, grasps[backwards], observation.camera, observation.gripper, colors)


def _sentence(text: str) -> str:
    """As a title: it begins with a capital, ends with a full stop, and is broken into lines of the picture's width."""
    return fill(text[:1].upper() + text[1:] + ("" if text.endswith(".") else "."), 90)


def _of_the_near(count: int, qualities: Float64[np.ndarray, "N"]) -> str:
    if not count:
        return "What may be grasped, from near by."
    what = "The only grasp" if count == 1 else f"The best {count} grasps"
    if not np.isfinite(qualities).all():
        what = "The only grasp" if count == 1 else f"The first {count} grasps"
    return f"{what} from near by; dashed: the whole hand of number 1, to scale."


def _region(observation: Observation, origins_in_camera: Float64[np.ndarray, "N 3"]) -> Box:
    """What is shown from near by: around grasps, else around what may be grasped, else the whole image."""
    height, width = observation.depth.shape
    if len(origins_in_camera):
        points = observation.camera.project(origins_in_camera)
        depth = float(np.median(origins_in_camera[:, 2]))
    elif observation.object_mask.any():
        rows, columns = np.nonzero(observation.object_mask)
        points = np.column_stack([columns, rows]).astype(np.float64)
        depth = float(np.median(observation.depth[observation.object_mask]))
    else:
        return -0.5, width - 0.5, -0.5, height - 0.5
    margin = MARGIN * observation.gripper.span * observation.camera.fx / depth
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    middle, half = (low + high) / 2, (high - low) / 2
    half = np.maximum(half, half[::-1] * np.array([width / height, height / width]))  # of the image's proportions
    return (
        float(middle[0] - half[0]),
        float(middle[0] + half[0]),
        float(middle[1] - half[1]),
        float(middle[1] + half[1]),
    )


def _relief(observation: Observation) -> Float32[np.ndarray, "H W"]:
    """What is drawn as depth: how far each pixel is below a plane well above the table, and parallel to it.

    So things stand out from a table that is seen from the side. Without a table it is the depth itself.
    """
    if observation.table is None:
        return observation.depth
    return (ABOVE_TABLE - observation.table.height(observation.points)).astype(np.float32)


def _contrast(relief: Float32[np.ndarray, "H W"], box: Box) -> tuple[float, float]:
    """The nearest and the farthest that are told apart: those from near by, and a little more."""
    left, right, top, bottom = (int(max(side, 0)) for side in box)
    seen = relief[top : bottom + 1, left : right + 1]
    if not np.isfinite(seen).any():
        return 0.0, 1.0
    near, far = np.nanpercentile(seen, [1, 99])
    more = max(CONTRAST * (far - near), 0.002)  # m: of a bare table only noise is seen, and that should stay grey
    return float(near - more), float(far + more)


def _frame(axes: "Axes", box: Box) -> None:
    """Where the picture from near by lies in the whole one."""
    from matplotlib.patches import Rectangle

    left, right, top, bottom = box
    frame = Rectangle(
        (left, top), right - left, bottom - top, fill=False, edgecolor="white", linewidth=1, linestyle=":"
    )
    axes.add_patch(frame)


def _depth(observation: Observation, grasps: Grasps) -> float:
    """Of the best grasp; without one, the median of the image."""
    return float(grasps.origin[0, 2]) if len(grasps) else float(np.nanmedian(observation.depth))
