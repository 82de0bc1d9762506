"""The picture of a grasp plan: its grasps on the depth image that it was made from."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64

from graspnet.drawing import draw_depth, draw_grasps, new_figure, quality_colors, save_png
from graspnet.grasps.grasps import Grasps
from graspnet.observation.observation import Observation

__all__ = ["draw_plan"]


def draw_plan(
    observation: Observation,
    grasps_in_camera: Grasps,
    qualities: Float64[np.ndarray, "N"],
    title: str,
    path: Path,
) -> None:
    """The whole image with the best grasp, and the objects from near with the best five, coloured by quality.

    Grasps come best first. The folder of `path` must exist.
    """
    figure, axes = new_figure(1, 2, width=6.0)
    left, right, top, bottom = _around(observation.object_mask, margin=40)
    seen = observation.depth[int(max(top, 0)) : int(bottom) + 1, int(max(left, 0)) : int(right) + 1]
    near, far = np.nanpercentile(seen, [1, 99]) if np.isfinite(seen).any() else (0.0, 1.0)
    for axis, count, words in ((axes[0, 0], 1, title), (axes[0, 1], 5, "the best five, by quality")):
        draw_depth(axis, observation.depth, limits=(float(near), float(far)), title=words)
        shown = grasps_in_camera[np.arange(min(count, len(qualities)))[::-1]]  # the best is drawn last, on top
        colors = quality_colors(qualities[:count][::-1])
        draw_grasps(axis, shown, observation.camera, observation.gripper, colors)
    axes[0, 1].set_xlim(left, right)
    axes[0, 1].set_ylim(bottom, top)
    save_png(figure, path)


def _around(mask: Bool[np.ndarray, "H W"], margin: int) -> tuple[float, float, float, float]:
    """left, right, top, bottom of the mask with a margin; of the image where it is empty."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return -0.5, mask.shape[1] - 0.5, -0.5, mask.shape[0] - 0.5
    left, right = columns.min() - margin, columns.max() + margin
    return float(left), float(right), float(rows.min() - margin), float(rows.max() + margin)
