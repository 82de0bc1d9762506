"""Contact sheets of the worst mistakes: each grasp in its clean depth image, and what the network saw of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int64

from graspnet.crops.crops import grasp_crops
from graspnet.crops.metric import MetricCropConfig
from graspnet.dataset import Dataset, Shard
from graspnet.drawing import draw_crops, draw_depth, draw_grasps, new_figure, quality_colors
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.models.checkpoint import Checkpoint
from graspnet.sim_eval.evaluation.judged import Judged
from graspnet.sim_eval.evaluation.predictions import noisy_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLUMNS", "sheet_figure", "worst"]

COLUMNS = 6
EACH = 2  # so many mistakes on one object are shown at most


def worst(judged: Judged, count: int, *, overrated: bool) -> Int64[np.ndarray, "K"]:
    """Examples, the worst first: bad grasps with the highest quality, or good ones with the lowest.

    Each image gives at most one and each object at most EACH of them.
    """
    surplus = judged.quality - judged.of.robustness
    wrong = ~judged.positive if overrated else judged.positive
    order = np.flatnonzero(wrong)[np.argsort((-1 if overrated else 1) * surplus[wrong], kind="stable")]
    seen: dict[str, int] = {}
    images: set[int] = set()
    chosen: list[int] = []
    for row in order.tolist():
        name, image = str(judged.of.object[row]), int(judged.of.image_number[row])
        mistaken = surplus[row] > 0 if overrated else surplus[row] < 0
        if mistaken and image not in images and seen.get(name, 0) < EACH and len(chosen) < count:
            chosen.append(row)
            images.add(image)
            seen[name] = seen.get(name, 0) + 1
    return np.array(chosen, dtype=np.int64)


def sheet_figure(
    dataset: Dataset, checkpoint: Checkpoint, judged: Judged, rows: Sequence[int], sensor: str
) -> "Figure":
    """A column for each example: the object with the grasp drawn on it, and the crop below."""
    figure, axes = new_figure(2, COLUMNS, width=2.15, aspect=1.0)
    for k in range(COLUMNS):
        above, below = axes[:, k]
        if k < len(rows):
            _draw(above, below, dataset, checkpoint, judged, int(rows[k]), sensor)
        else:
            above.set_axis_off()
            below.set_axis_off()
    return figure


def _draw(
    above: "Axes", below: "Axes", dataset: Dataset, checkpoint: Checkpoint, judged: Judged, row: int, sensor: str
) -> None:
    of = judged.of
    place = int(of.shard[row]), int(of.image[row])
    shard = dataset.read(place[0])
    gripper = ParallelJaw.of(dataset.gripper(shard.grasps.gripper[int(of.row[row])]))
    grasp = shard.grasps.grasps_in_camera(np.array([int(of.row[row])]))
    camera = shard.images.cameras[place[1]]
    color = tuple(quality_colors(judged.quality[row : row + 1])[0].tolist())
    ends = [camera.project(grasp.origin + sign * _reach(gripper, grasp.width) * grasp.closing)[0] for sign in (-1, 1)]
    middle, half = _window(np.stack(ends), shard, place[1], int(shard.grasps.instance[int(of.row[row])]))
    depth = shard.images.depth[place[1]]
    draw_depth(above, depth, limits=_limits(depth, middle, half))
    draw_grasps(above, grasp, camera, gripper, color)
    above.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] + half, middle[1] - half))
    above.set_title(
        f"{of.object[row]}\nquality {judged.quality[row]:.2f}, label {of.robustness[row]:.2f}\n"
        f"clearance {1000 * of.clearance[row]:z.1f} mm, {of.source[row].replace('_', ' ')}",
        fontsize=7.5,
    )
    view = noisy_view(dataset, shard, place, checkpoint.crop, sensor, judged.seed).view
    crop = grasp_crops(view, grasp.poses, gripper.sizes()[None], checkpoint.crop).images.numpy()
    opening = None
    if isinstance(checkpoint.crop, MetricCropConfig):
        opening = float(grasp.width[0]) / gripper.max_width * checkpoint.crop.size / checkpoint.crop.window
    draw_crops(np.array([below]), crop, opening=opening, color=color)


def _reach(gripper: ParallelJaw, width: Float64[np.ndarray, "1"]) -> Float64[np.ndarray, "1 1"]:
    return width[:, None] / 2 + 2 * gripper.finger_thickness


def _window(
    ends: Float64[np.ndarray, "2 2"], shard: Shard, image: int, instance: int
) -> tuple[Float64[np.ndarray, "2"], float]:
    """The middle and half the side, in pixels, of a square that shows the object and the hand."""
    v, u = np.nonzero(shard.images.instance[image] == instance)
    points = np.concatenate([ends, np.stack([u, v], axis=1)])
    low, high = points.min(axis=0), points.max(axis=0)
    return (low + high) / 2, float(np.max(high - low)) / 2 * 1.1 + 2


def _limits(depth: np.ndarray, middle: Float64[np.ndarray, "2"], half: float) -> tuple[float, float]:
    """The nearest and the farthest depth of the window."""
    u, v = (slice(max(0, round(m - half)), max(1, round(m + half) + 1)) for m in middle)
    window = depth[v, u]
    known = window[window > 0]
    if not len(known):
        return 0.0, 1.0
    near, far = np.percentile(known, [1, 99])
    return float(near), float(max(far, near + 0.015))
