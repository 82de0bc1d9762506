"""The best grasps of a network that slides over the depth image as it is: an FC-GQ-CNN, an original's or one of ours.

Satish et al., RA-L 2019: the image is not turned, each cell has an answer for each bin of the closing axis's angle, and
the network runs once for each depth of a grasp's origin. Cell (i, j) sees the window whose first pixel is (4 i, 4 j).
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from scipy import ndimage

from graspnet.crops.pixel import PixelCropConfig
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grasps.image_grasps import ImageGrasps, grasps_from_image
from graspnet.models.fcgqcnn import FCGQCNN
from graspnet.observation.observation import Observation
from graspnet.policies.constraints import Constraints
from graspnet.policies.dense.grid import DenseConfig
from graspnet.quality import NetworkQuality

__all__ = ["best_pixels", "check_pixel_crop"]

STRIDE = 4  # pixels between neighbouring cells
TOGETHER = 2048  # grasps that the constraints look at in one call, best first
MOST = 16 * TOGETHER  # grasps that they look at in all: in a tight heap the best of a network may all be refused


def check_pixel_crop(crop: PixelCropConfig) -> None:
    """InputError: the network's crops are scaled, so that no window of the image is one of them."""
    if crop.window_px != crop.size:
        raise InputError(
            f"the network sees {crop.window_px} pixels as {crop.size} cells: it does not slide over an image as it is"
        )


def best_pixels(
    constraints: Constraints, quality: NetworkQuality, config: DenseConfig, count: int
) -> tuple[Grasps, Float64[np.ndarray, "N"]]:
    """The best feasible grasps of all pixels that may be grasped, angles and depths, at most `count`, and their
    qualities, best first."""
    space, observation = constraints.space, constraints.space.observation
    depths = _depths(observation, config)
    seen, image_grasps = _judged(observation, quality, depths)
    order = np.argsort(-seen, kind="stable")[:MOST]
    width = max(config.opening * space.w, space.gripper.min_width)
    kept, qualities = Grasps.none(), np.zeros(0)
    for rows in np.split(order, range(TOGETHER, len(order), TOGETHER)):
        chosen = ImageGrasps(image_grasps.center[rows], image_grasps.angle[rows], image_grasps.depth[rows])
        poses = grasps_from_image(chosen, observation.camera, space.approach).poses
        grasps = Grasps.of_jaws(poses, np.full(len(rows), width))
        feasible = constraints.feasible_and_reached(grasps)
        kept = Grasps.concatenate([kept, grasps[feasible]])
        qualities = np.concatenate([qualities, seen[rows[feasible]]])
        if len(kept) >= count:
            break
    return kept[slice(count)], qualities[:count]


def _depths(observation: Observation, config: DenseConfig) -> Float64[np.ndarray, "D"]:
    """Depths of grasps' origins, from the nearest pixel of what may be grasped to the farthest."""
    seen = observation.object_points[:, 2]
    near, far = float(seen.min()), float(seen.max())
    step = max(config.height_step * observation.gripper.span, (far - near) / config.heights)
    return np.arange(near, far, step) + step / 2


def _judged(
    observation: Observation, quality: NetworkQuality, depths: Float64[np.ndarray, "D"]
) -> tuple[Float64[np.ndarray, "N"], ImageGrasps]:
    """What the network says of every cell on what may be grasped, each depth and each angle."""
    network = quality.checkpoint.network
    assert isinstance(network, FCGQCNN), type(network)
    crop = network.config.crop
    image, corner = _window(observation, crop)
    bins = network.config.angle_bins
    angles = np.pi / 2 - (np.arange(bins) + 0.5) * np.pi / bins
    qualities = np.stack([each for each in _passes(image, quality, network, depths)])  # (D, A, h, w)
    row, column = np.meshgrid(*(STRIDE * np.arange(n) + c for n, c in zip(qualities.shape[2:], corner, strict=True)),
                              indexing="ij")  # fmt: skip
    height, width = observation.object_mask.shape
    inside = (row < height) & (column < width)
    on_object = np.zeros_like(inside)
    on_object[inside] = observation.object_mask[row[inside], column[inside]]
    level, turn, i, j = np.nonzero(np.broadcast_to(on_object, qualities.shape))
    beside = ((crop.size - 1) / 2 + crop.offset) % 1  # of an even crop without offset the middle is between pixels
    center = np.stack([column[i, j], row[i, j]], axis=1) + beside
    return qualities[level, turn, i, j], ImageGrasps(center, angles[turn], depths[level])


def _passes(
    image: Float32[np.ndarray, "H W"], quality: NetworkQuality, network: FCGQCNN, depths: Float64[np.ndarray, "D"]
) -> Iterator[Float64[np.ndarray, "A h w"]]:
    """One pass for each depth: of all depths at once, the feature maps of a heap would take gigabytes."""
    pixels = torch.from_numpy(image)[None, None]
    with torch.inference_mode():
        for depth in depths:
            logits = network.dense(pixels, torch.tensor([depth], dtype=torch.float32))[0].movedim(1, -1)
            yield quality.checkpoint.quality(logits.reshape(-1, 2)).double().reshape(logits.shape[:-1]).numpy()


def _window(
    observation: Observation, crop: PixelCropConfig
) -> tuple[Float32[np.ndarray, "H W"], Int64[np.ndarray, "2"]]:
    """The part of the image that the windows of all that may be grasped cover, 0 where it reaches beyond the image, and
    the (row, column) of the grasps of its first cell."""
    rows, columns = ndimage.find_objects(observation.object_mask.astype(np.int8))[0]
    first = np.array([rows.start, columns.start])
    before = int((crop.size - 1) / 2 + crop.offset)
    cells = -(-(np.array([rows.stop, columns.stop]) - first) // STRIDE)
    size = STRIDE * (cells - 1) + crop.size
    image = np.zeros(tuple(size), dtype=np.float32)
    shape = np.array(observation.depth.shape)
    low, high = np.maximum(first - before, 0), np.minimum(first - before + size, shape)
    there = low - (first - before)
    seen = np.nan_to_num(observation.depth[low[0] : high[0], low[1] : high[1]], nan=0.0)
    image[there[0] : there[0] + seen.shape[0], there[1] : there[1] + seen.shape[1]] = seen
    return image, first.astype(np.int64)
