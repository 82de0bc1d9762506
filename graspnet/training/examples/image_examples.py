"""One image's examples: the window of its clean depth that its grasps' crops look at, and their labels."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64

from graspnet.camera import Camera
from graspnet.crops.crops import CropConfig
from graspnet.crops.pixel import PixelCropConfig
from graspnet.dataset import Shard
from graspnet.training.examples.label import LabelConfig

__all__ = ["ImageExamples", "crop_window", "shard_examples"]

MARGIN = 16  # px around the crops: what a sensor's shadow and a crop's interpolation may reach for
NEAREST = 0.05  # m along the optical axis: a corner that is nearer, or behind the camera, is in no image
ALIGNMENT = 8  # px: so that halving the window pairs the same pixels as halving the image, three times over


@dataclass(frozen=True)
class ImageExamples:
    """One image's window and the N grasps in it. `number` is the image's place in its split, and names its streams.

    dataset: which of the datasets it is of, counted from 0. measured: a camera took the image, with all of its noise.
    approach_tilt: between a grasp's approach and straight down, radians; NaN where the camera's pose is unknown.
    """

    number: int
    depth: Float32[np.ndarray, "H W"]  # metres, NaN where nothing was hit or measured; clean unless it is `measured`
    camera: Camera
    camera_from_grasp: Float64[np.ndarray, "N 4 4"]
    sizes: Float64[np.ndarray, "N 8"]  # of each grasp's gripper
    robustness: Float64[np.ndarray, "N"]
    feasible: Bool[np.ndarray, "N"]  # closes on the object and touches nothing on the way
    factors: Float64[np.ndarray, "N 2"]  # `LabelConfig.factors`
    approach_tilt: Float64[np.ndarray, "N"]
    dataset: int = 0
    measured: bool = False

    def __len__(self) -> int:
        return len(self.robustness)

    @property
    def nbytes(self) -> int:
        """The memory that it takes, in bytes."""
        arrays = (self.depth, self.camera_from_grasp, self.sizes, self.robustness, self.feasible, self.factors)
        return sum(array.nbytes for array in (*arrays, self.approach_tilt))


def shard_examples(
    shard: Shard,
    first_number: int,
    dataset: int,
    sizes: dict[str, Float64[np.ndarray, "8"]],
    crop: CropConfig,
    label: LabelConfig,
    measured: bool = False,
) -> list[ImageExamples]:
    """The images of a shard that have a labelled grasp, numbered from `first_number` on. sizes: of hands by name."""
    grasps = shard.grasps
    robustness, factors = label.robustness(grasps), label.factors(grasps)
    feasible = grasps.closes & grasps.clearance.collision_free
    of_grasps = np.stack([sizes[name] for name in grasps.gripper]) if len(grasps) else np.zeros((0, 8))
    examples: list[ImageExamples] = []
    for i, camera in enumerate(shard.images.cameras):
        rows = np.flatnonzero((grasps.image == i) & ~np.isnan(robustness))
        if not len(rows):
            continue
        poses = grasps.camera_from_grasp[rows]
        u, v, width, height = crop_window(poses, of_grasps[rows], camera, crop)
        examples.append(
            ImageExamples(
                number=first_number + len(examples),
                depth=shard.images.depth[i, v : v + height, u : u + width].copy(),
                camera=camera.window(u, v, width, height),
                camera_from_grasp=poses,
                sizes=of_grasps[rows],
                robustness=robustness[rows],
                feasible=feasible[rows],
                factors=factors[rows],
                approach_tilt=_approach_tilt(poses, shard.images.world_from_camera[i]),
                dataset=dataset,
                measured=measured,
            )
        )
    return examples


def _approach_tilt(
    camera_from_grasp: Float64[np.ndarray, "N 4 4"], world_from_camera: Float64[np.ndarray, "4 4"]
) -> Float64[np.ndarray, "N"]:
    """The angle between each approach and straight down, radians; NaN where the camera's pose is."""
    approach_up = camera_from_grasp[:, :3, 2] @ world_from_camera[2, :3]
    return np.arccos(np.clip(-approach_up, -1.0, 1.0))


def crop_window(
    camera_from_grasp: Float64[np.ndarray, "N 4 4"], sizes: Float64[np.ndarray, "N 8"], camera: Camera, crop: CropConfig
) -> tuple[int, int, int, int]:
    """First column and row, width and height of the part of the image that the crops of these grasps look at."""
    uv = _footprint(camera_from_grasp, sizes, camera, crop).reshape(-1, 2)
    size = np.array([camera.width, camera.height])
    low = np.clip(np.floor(uv.min(0)) - MARGIN, 0, size - 1).astype(int) // ALIGNMENT * ALIGNMENT
    high = np.clip(np.ceil(uv.max(0)) + MARGIN, low + 1, size).astype(int)
    high = np.minimum(-(-high // ALIGNMENT) * ALIGNMENT, size)
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def _footprint(
    camera_from_grasp: Float64[np.ndarray, "N 4 4"], sizes: Float64[np.ndarray, "N 8"], camera: Camera, crop: CropConfig
) -> Float64[np.ndarray, "N 4 2"]:
    """Corners of the crops in the image, pixels.

    What lies higher or lower than a grasp is elsewhere in the image of a camera from the side. From 30 to 75° a window
    lacks 0.04 % of a crop's cells for that reason, which do not pay for the pixels of a larger one.
    """
    signs = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    origin = camera_from_grasp[:, None, :3, 3]
    if isinstance(crop, PixelCropConfig):  # turned by any angle about the grasp's pixel
        return camera.project(origin) + signs * crop.window_px / np.sqrt(2)
    half = (sizes[:, 0] * crop.window / 2)[:, None, None]
    corners = signs[:, :1] * camera_from_grasp[:, None, :3, 0] + signs[:, 1:] * camera_from_grasp[:, None, :3, 1]
    square = origin + half * corners
    square[..., 2] = np.maximum(square[..., 2], NEAREST)
    return camera.project(square)
