"""What a network sees of an image of a dataset: the window around its grasps, as a sensor shows it.

The window is cut as training cuts it, but wider: a grasp may be moved by half an opening and still be seen. The noise
depends on (seed, draw, shard, image) and on nothing else.
"""

from dataclasses import dataclass

import numpy as np

from graspnet.crops.crops import CropConfig
from graspnet.dataset import Dataset, Shard
from graspnet.observation.height_map import DepthView
from graspnet.sensors import load_sensor
from graspnet.training.examples.image_examples import crop_window

__all__ = ["NoisyView", "Place", "noisy_view"]

Place = tuple[int, int]  # a shard's index, and an image's in it
WIDER = 4 / 3  # of the window of a crop, which is three openings wide: half an opening more on either side


@dataclass(frozen=True)
class NoisyView:
    """The window's noisy depth and camera, and where it lies in the image."""

    view: DepthView
    rows: slice
    columns: slice


def noisy_view(
    dataset: Dataset, shard: Shard, place: Place, crop: CropConfig, sensor: str, seed: int, draw: int = 0
) -> NoisyView:
    """The window around all grasps of an image, of which there must be some, in a draw of a sensor."""
    grasps, camera = shard.grasps, shard.images.cameras[place[1]]
    of_image = np.flatnonzero(grasps.image == place[1])
    sizes = np.stack([dataset.gripper(grasps.gripper[row]).sizes() for row in of_image])
    sizes[:, 0] *= WIDER
    u, v, width, height = crop_window(grasps.camera_from_grasp[of_image], sizes, camera, crop)
    rows, columns = slice(v, v + height), slice(u, u + width)
    window = camera.window(u, v, width, height)
    rng = np.random.default_rng([seed, draw, *place])
    noisy = load_sensor(sensor)(shard.images.depth[place[1], rows, columns].copy(), window, rng)
    return NoisyView(DepthView(noisy, window), rows, columns)
