"""Grasp crops: our batched call against a loop of cv2.warpAffine, and against kornia.

The references are what a competent user of those libraries writes for a camera that looks straight down: one affine
warp of depth for each grasp, then the height above the grasp over the hand's opening, and a mask of what was measured.
They do less: no halving of a source that is too fine, no care at edges and holes, one camera, which looks down.
"""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from graspnet.benchmarks.measure import BenchmarkResult, interleaved
from graspnet.camera import load_camera
from graspnet.crops.crops import GraspCrops, grasp_crops
from graspnet.crops.metric import MetricCropConfig, metric_crops
from graspnet.crops.pixel import PixelCropConfig
from graspnet.grippers.parallel_jaw import load_parallel_jaw
from graspnet.observation.height_map import DepthView
from graspnet.transforms import frame_from_axes, rigid

CAMERA, HAND = load_camera("primesense"), load_parallel_jaw("yumi")
GRASPS = 960  # one CEM plan (384 + 3 x 192 evaluations) on one 640x480 image


def run(quick: bool) -> BenchmarkResult:
    """One thread; 960 grasps on one image."""
    threads, cv2_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        return _measured(repeats=5 if quick else 15)
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(cv2_threads)


def _measured(repeats: int) -> BenchmarkResult:
    rng = np.random.default_rng(0)
    depth, poses = _clutter(rng), _poses(rng)
    metric, pixel, large = MetricCropConfig(), PixelCropConfig(), PixelCropConfig(size=96)
    matrices = _image_from_crop(poses, metric)
    cut = _on_ready_map(depth, poses, metric)
    ours, loop = interleaved(cut, lambda: _opencv_loop(depth, matrices, poses, metric.size), repeats)
    _, kornia = interleaved(cut, lambda: _kornia(depth, matrices, poses, metric.size), repeats)
    made, small = interleaved(_map(depth, metric), _pixel(depth, poses, pixel), repeats)
    first_half, whole = interleaved(_on_ready_map(depth, poses[:192], metric), _pixel(depth, poses, large), repeats)
    return BenchmarkResult(
        benchmark="crops",
        ratio=loop / ours,
        of="metric 64x64 grasp crops a second, 960 of the map of one 640x480 image / a loop of cv2.warpAffine",
        figures={
            "metric_crops_per_second": GRASPS / ours,
            "milliseconds_for_960_of_one_image": 1000 * ours,
            "milliseconds_for_192_of_one_image": 1000 * first_half,
            "map_of_the_whole_image_milliseconds": 1000 * made,
            "pixel_32_crops_per_second": GRASPS / small,
            "pixel_96_crops_per_second": GRASPS / whole,
            "opencv_crops_per_second": GRASPS / loop,
            "kornia_crops_per_second": GRASPS / kornia,
            "ratio_to_kornia": kornia / ours,
        },
        threads=1,
    )


def _map(depth: Float32[np.ndarray, "H W"], config: MetricCropConfig) -> Callable[[], object]:
    """The map itself, which an observation makes once for all of its crops."""
    view, pitch = DepthView(depth, CAMERA), config.map_pitch(HAND.max_width)
    return lambda: view.height_map(np.array([0.0, 0.0, 1.0]), pitch)


def _on_ready_map(
    depth: Float32[np.ndarray, "H W"], poses: Float64[np.ndarray, "N 4 4"], config: MetricCropConfig
) -> Callable[[], object]:
    """The crops of a map that is there, as a search asks for them generation after generation."""
    height_map = DepthView(depth, CAMERA).height_map(np.array([0.0, 0.0, 1.0]), config.map_pitch(HAND.max_width))
    sizes = torch.tensor(np.tile(HAND.sizes(), (len(poses), 1)))
    return lambda: metric_crops(height_map, torch.from_numpy(poses), sizes, config)


def _clutter(rng: np.random.Generator) -> Float32[np.ndarray, "H W"]:
    """A table 0.7 m away with 25 blocks on it, 1.5 mm of noise, 2 % missing."""
    depth = 0.7 + 0.0015 * rng.standard_normal((CAMERA.height, CAMERA.width))
    for v, u in rng.integers(0, [CAMERA.height - 40, CAMERA.width - 40], (25, 2)):
        depth[v : v + 40, u : u + 40] -= 0.04
    depth[rng.random(depth.shape) < 0.02] = np.nan
    return depth.astype(np.float32)


def _poses(rng: np.random.Generator) -> Float64[np.ndarray, "N 4 4"]:
    yaw = rng.uniform(0, 2 * np.pi, GRASPS)
    closing = np.stack([np.cos(yaw), np.sin(yaw), np.zeros(GRASPS)], axis=1)
    origin = rng.uniform([-0.25, -0.18, 0.66], [0.25, 0.18, 0.70], (GRASPS, 3))
    return rigid(frame_from_axes(np.tile([0.0, 0.0, 1.0], (GRASPS, 1)), closing), origin)


def _pixel(
    depth: Float32[np.ndarray, "H W"], poses: Float64[np.ndarray, "N 4 4"], config: PixelCropConfig
) -> Callable[[], GraspCrops]:
    view, sizes = DepthView(depth, CAMERA), np.tile(HAND.sizes(), (len(poses), 1))
    return lambda: grasp_crops(view, poses, sizes, config)


def _image_from_crop(poses: Float64[np.ndarray, "N 4 4"], config: MetricCropConfig) -> Float64[np.ndarray, "N 2 3"]:
    """The affine maps that the references warp by, made beforehand: a crop's cell to the image's pixel."""
    axes = np.stack([poses[:, :2, 1], -poses[:, :2, 0]], axis=2)  # columns along the closing axis, rows along −x
    pitch = config.window * HAND.max_width / config.size
    linear = CAMERA.fx * pitch / poses[:, 2, 3, None, None] * axes
    center = CAMERA.project(poses[:, :3, 3])
    return np.concatenate([linear, (center - linear @ np.full(2, (config.size - 1) / 2))[:, :, None]], axis=2)


def _opencv_loop(
    depth: Float32[np.ndarray, "H W"],
    matrices: Float64[np.ndarray, "N 2 3"],
    poses: Float64[np.ndarray, "N 4 4"],
    size: int,
) -> Float32[np.ndarray, "N 2 S S"]:
    measured = np.nan_to_num(depth)
    images = np.empty((len(matrices), 2, size, size), dtype=np.float32)
    for n, matrix in enumerate(matrices):
        crop = cv2.warpAffine(measured, matrix, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        images[n, 0] = np.clip((crop - poses[n, 2, 3]) / HAND.max_width, -1, 1)
        images[n, 1] = crop > 0
    return images


def _kornia(
    depth: Float32[np.ndarray, "H W"],
    matrices: Float64[np.ndarray, "N 2 3"],
    poses: Float64[np.ndarray, "N 4 4"],
    size: int,
) -> Float32[Tensor, "N 2 S S"]:
    from kornia.geometry.transform import invert_affine_transform, warp_affine

    crop_from_image = invert_affine_transform(torch.tensor(matrices, dtype=torch.float32))
    repeated = torch.from_numpy(depth)[None, None].nan_to_num().expand(len(matrices), 1, -1, -1)
    crops = warp_affine(repeated, crop_from_image, (size, size), align_corners=True)
    z = torch.tensor(poses[:, 2, 3], dtype=torch.float32)[:, None, None, None]
    return torch.cat([((crops - z) / HAND.max_width).clamp(-1, 1), (crops > 0).float()], dim=1)
