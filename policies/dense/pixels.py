"""The best grasps of a network that slides over the depth image as it is: an FC-GQ-CNN, an original's or one of ours.

Satish et al., RA-L 2019: the image is not turned, each cell has an answer for each bin of the closing axis's angle, and
the network runs once for each depth of a grasp's origin. With a stride of 4, cell (i, j) sees the window whose first
pixel is (4 i, 4 j).
"""

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
from graspnet.policies.demands.failures import after_failures
from graspnet.policies.dense.grid import DenseConfig, widest_feasible
from graspnet.quality import NetworkQuality

__all__ = ["best_pixels", "check_pixel_crop"]

CONSTRAINTS_BATCH = 2048  # grasps that the constraints look at in one call, the best first
MOST_CANDIDATES = 16 * CONSTRAINTS_BATCH  # The constraints look at no more: in a tight heap they may refuse all.


def check_pixel_crop(crop: PixelCropConfig) -> None:
    """InputError: the network's crops are scaled, so that no window of the image is one of them."""
    if crop.window_px != crop.size:
        raise InputError(
            f"the network sees {crop.window_px} pixels as {crop.size} cells: it does not slide over an image as it is"
        )


def best_pixels(
    constraints: Constraints, quality: NetworkQuality, config: DenseConfig, count: int
) -> tuple[Grasps, Float64[np.ndarray, "N"]]:
    """The best feasible grasps of all angles and depths at the pixels of what may be grasped, at most `count`.

    With them come their qualities, best first, which count for less near failures. The network slides over the first
    look alone: what only others show gets no grasp here.
    """
    space, observation = constraints.space, constraints.space.observation
    if not observation.object_mask.any():
        return Grasps.none(), np.zeros(0)
    qualities, image_grasps = _judged(observation, quality, _depths(observation, config))
    places = observation.camera.rays(image_grasps.center) * image_grasps.depth[:, None]
    qualities = after_failures(qualities, places, observation)
    order = np.argsort(-qualities, kind="stable")[:MOST_CANDIDATES]
    kept, kept_qualities = Grasps.none(), np.zeros(0)
    for rows in np.split(order, range(CONSTRAINTS_BATCH, len(order), CONSTRAINTS_BATCH)):
        chosen = ImageGrasps(image_grasps.center[rows], image_grasps.angle[rows], image_grasps.depth[rows])
        poses = grasps_from_image(chosen, observation.camera, space.approach).poses
        grasps, feasible = widest_feasible(constraints, poses, config)
        kept = Grasps.concatenate([kept, grasps])
        kept_qualities = np.concatenate([kept_qualities, qualities[rows[feasible]]])
        if len(kept) >= count:
            break
    return kept[slice(count)], kept_qualities[:count]


def _depths(observation: Observation, config: DenseConfig) -> Float64[np.ndarray, "D"]:
    """Depths of grasps' origins, evenly between the nearest pixel of what may be grasped and the farthest."""
    depth = observation.depth[observation.object_mask]
    near, far = float(depth.min()), float(depth.max())
    steps = int(np.ceil((far - near) / (config.height_step * observation.gripper.span)))
    count = min(max(steps, 1), config.heights)
    return np.asarray(near + (np.arange(count) + 0.5) * (far - near) / count)


def _judged(
    observation: Observation, quality: NetworkQuality, depths: Float64[np.ndarray, "D"]
) -> tuple[Float64[np.ndarray, "N"], ImageGrasps]:
    """The network's quality of every cell on what may be grasped, for each depth and each angle."""
    network = quality.checkpoint.network
    assert isinstance(network, FCGQCNN), type(network)
    crop, bins, stride = network.config.crop, network.config.angle_bins, network.config.stride
    image, corner = _window(observation, crop, stride)
    angles = np.pi / 2 - (np.arange(bins) + 0.5) * np.pi / bins
    qualities = _passes(image, quality, network, depths)
    rows, columns = (first + stride * np.arange(n) for first, n in zip(corner, qualities.shape[2:], strict=True))
    on_object = observation.object_mask[np.ix_(rows, columns)]
    level, turn, i, j = np.nonzero(np.broadcast_to(on_object, qualities.shape))
    beside = ((crop.size - 1) / 2 + crop.offset) % 1  # The middle of an even crop without offset is between pixels.
    center = np.stack([columns[j], rows[i]], axis=1) + beside
    return qualities[level, turn, i, j], ImageGrasps(center, angles[turn], depths[level])


def _passes(
    image: Float32[np.ndarray, "H W"], quality: NetworkQuality, network: FCGQCNN, depths: Float64[np.ndarray, "D"]
) -> Float64[np.ndarray, "D A h w"]:
    """One pass for each depth: of all depths at once, the feature maps of a heap would take gigabytes."""
    pixels, qualities = torch.from_numpy(image)[None, None], []
    with torch.inference_mode():
        for depth in depths:
            logits = network.dense(pixels, torch.tensor([depth], dtype=torch.float32))[0].movedim(1, -1)
            each = quality.checkpoint.quality(logits.reshape(-1, 2)).double()
            qualities.append(each.reshape(logits.shape[:-1]).numpy())
    return np.stack(qualities)


def _window(
    observation: Observation, crop: PixelCropConfig, stride: int
) -> tuple[Float32[np.ndarray, "H W"], Int64[np.ndarray, "2"]]:
    """The part of the image that the windows of all that may be grasped cover, and the pixel (row, column) that its
    first cell judges. It is 0 where it reaches beyond the image."""
    rows, columns = ndimage.find_objects(observation.object_mask.astype(np.int8))[0]
    first = np.array([rows.start, columns.start])
    before = int((crop.size - 1) / 2 + crop.offset)
    cells = -(-(np.array([rows.stop, columns.stop]) - first) // stride)
    size = stride * (cells - 1) + crop.size
    image = np.zeros(tuple(size), dtype=np.float32)
    low = np.maximum(first - before, 0)
    high = np.minimum(first - before + size, np.array(observation.depth.shape))
    there = low - (first - before)
    measured = np.nan_to_num(observation.depth[low[0] : high[0], low[1] : high[1]], nan=0.0)
    image[there[0] : there[0] + measured.shape[0], there[1] : there[1] + measured.shape[1]] = measured
    return image, first
