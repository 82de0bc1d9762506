"""The dense pass against crop by crop: how much sooner are all windows of a scene judged by one pass?

The reference cuts and judges a sample of grasps one crop at a time; its time for all windows is extrapolated. Beside it
stand the pass over the feasible windows alone, as the policy does it: with a large crop for each height, and with large
crops that several heights share, as a network allows whose training moved its crops. Last come a whole dense plan of
each kind, image in and constrained grasps out, and a cross-entropy plan of the same image.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from graspnet.benchmarks.measure import BenchmarkResult, interleaved
from graspnet.benchmarks.plan import bench_scene, untrained
from graspnet.models import CompactConfig
from graspnet.models.dense import DenseForm
from graspnet.observation.observation import Observation
from graspnet.policies.constraints import ConstraintConfig, Constraints
from graspnet.policies.cross_entropy.cross_entropy import CrossEntropyConfig, CrossEntropyPolicy
from graspnet.policies.dense.dense import DensePolicy
from graspnet.policies.dense.grid import DenseConfig, dense_qualities, grid_of
from graspnet.policies.grasp_space import GraspSpace
from graspnet.policies.policy import Policy
from graspnet.quality import NetworkQuality
from graspnet.run.threads import using_threads

__all__ = ["run"]

SAMPLE = 256  # grasps that the reference judges
STANDOFF = 0.25  # in openings: how far training moved the crops of a network that shares them


def run(quick: bool) -> BenchmarkResult:
    """One thread, CPU time. Untrained weights: a network takes as long for them."""
    config = DenseConfig(angles=4, heights=3) if quick else DenseConfig()
    quality = NetworkQuality(untrained(CompactConfig()))
    form, scene = DenseForm(quality.checkpoint.network), bench_scene()
    space = GraspSpace.of(scene)
    grid, shared = (grid_of(Constraints(space, ConstraintConfig()), form, config, each) for each in (0.0, STANDOFF))
    sharing = NetworkQuality(replace(quality.checkpoint, details={"standoff": STANDOFF}))
    chosen = np.random.default_rng(0).permutation(len(grid.grasps))[:SAMPLE]
    some = grid.grasps[chosen]
    passes, plans = 3 if quick else 5, 2 if quick else 5
    with using_threads(1):
        dense, naive = interleaved(
            lambda: dense_qualities(space, quality, form, grid),
            lambda: [quality(scene, some[np.array([k])]) for k in range(len(some))],
            passes,
            time.process_time,
        )
        shared_dense, _ = interleaved(
            lambda: dense_qualities(space, sharing, form, shared),
            lambda: dense_qualities(space, quality, form, grid),
            passes,
            time.process_time,
        )
        everywhere = _all_windows(form, grid.size)
        dense_plan, searched = interleaved(
            _plan(scene, DensePolicy(config, quality)), _plan(scene, CrossEntropyPolicy(CrossEntropyConfig(), quality)),
            plans, time.process_time,
        )  # fmt: skip
        shared_plan, _ = interleaved(
            _plan(scene, DensePolicy(config, sharing)), _plan(scene, DensePolicy(config, quality)), plans,
            time.process_time,
        )  # fmt: skip
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
            "large_crops_that_heights_share": float(len(np.unique(shared.window[:, 0]))),
            "all_windows_milliseconds": 1000 * everywhere * crops,
            "feasible_windows_milliseconds": 1000 * dense,
            "feasible_windows_milliseconds_that_heights_share": 1000 * shared_dense,
            "ratio_of_feasible_windows": one_crop * len(grid.grasps) / dense,
            "one_crop_milliseconds": 1000 * one_crop,
            "dense_plan_milliseconds": 1000 * dense_plan,
            "dense_plan_milliseconds_that_heights_share": 1000 * shared_plan,
            "cross_entropy_plan_milliseconds": 1000 * searched,
        },
        threads=1,
    )


def _plan(scene: Observation, policy: Policy) -> Callable[[], object]:
    """A plan of an image that nothing was computed of yet."""
    return lambda: policy.plan(replace(scene), np.random.default_rng(0))


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
