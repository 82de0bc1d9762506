"""The dense pass against crop by crop: how much sooner are all windows of a scene judged by one pass?

The reference cuts and judges a sample of grasps one crop at a time; its time for all windows is extrapolated. Beside it
stand the pass over the feasible windows alone, as the policy does it, a whole dense plan, image in and constrained
grasps out, and a cross-entropy plan of the same image.
"""

import time
from dataclasses import replace

import numpy as np
import torch

from graspnet.benchmarks.measure import BenchmarkResult, interleaved
from graspnet.benchmarks.plan import bench_scene, untrained
from graspnet.models import CompactConfig
from graspnet.models.dense import DenseForm
from graspnet.policies.constraints import ConstraintConfig, Constraints
from graspnet.policies.cross_entropy.cross_entropy import CrossEntropyConfig, CrossEntropyPolicy
from graspnet.policies.dense.dense import DensePolicy
from graspnet.policies.dense.grid import DenseConfig, dense_qualities, grid_of
from graspnet.policies.grasp_space import GraspSpace
from graspnet.quality import NetworkQuality
from graspnet.run.threads import using_threads

__all__ = ["run"]

SAMPLE = 256  # grasps that the reference judges


def run(quick: bool) -> BenchmarkResult:
    """One thread, CPU time. Untrained weights: a network takes as long for them."""
    config = DenseConfig(angles=4, heights=3) if quick else DenseConfig()
    quality = NetworkQuality(untrained(CompactConfig()))
    form, scene = DenseForm(quality.checkpoint.network), bench_scene()
    space = GraspSpace.of(scene)
    grid = grid_of(Constraints(space, ConstraintConfig()), form, config)
    chosen = np.random.default_rng(0).permutation(len(grid.grasps))[:SAMPLE]
    some = grid.grasps[chosen]
    with using_threads(1):
        dense, naive = interleaved(
            lambda: dense_qualities(space, quality, form, grid),
            lambda: [quality(scene, some[np.array([k])]) for k in range(len(some))],
            repeats=3 if quick else 5,
            clock=time.process_time,
        )
        everywhere = _all_windows(form, grid.size)
        dense_plan, searched = interleaved(
            lambda: DensePolicy(config, quality).plan(replace(scene), np.random.default_rng(0)),
            lambda: CrossEntropyPolicy(CrossEntropyConfig(), quality).plan(replace(scene), np.random.default_rng(0)),
            repeats=2 if quick else 5,
            clock=time.process_time,
        )
    crops, one_crop = len(np.unique(grid.window[:, 0])), naive / len(some)
    windows = form.windows(grid.size, grid.size)[0] ** 2  # of one large crop
    return BenchmarkResult(
        benchmark="dense",
        ratio=one_crop * windows / everywhere,
        of="time of all windows one crop at a time (extrapolated) / of the fully convolutional pass",
        figures={
            "feasible_grasps": float(len(grid.grasps)),
            "windows": float(crops * windows),
            "large_crops": float(crops),
            "all_windows_milliseconds": 1000 * everywhere * crops,
            "feasible_windows_milliseconds": 1000 * dense,
            "ratio_of_feasible_windows": one_crop * len(grid.grasps) / dense,
            "one_crop_milliseconds": 1000 * one_crop,
            "dense_plan_milliseconds": 1000 * dense_plan,
            "cross_entropy_plan_milliseconds": 1000 * searched,
        },
        threads=1,
    )


def _all_windows(form: DenseForm, size: int) -> float:
    """Seconds of the fully convolutional pass, every window of one large crop of noise."""
    rows, columns = form.windows(size, size)
    images = torch.rand((1, 2, size, size), generator=torch.Generator().manual_seed(0))
    pose = torch.zeros((1, rows, columns, 11))
    with torch.inference_mode():
        form.logits(images, pose)
        start = time.process_time()
        form.logits(images, pose)
        return time.process_time() - start
