"""A CEM plan with `gqcnn_2.0` against the bare network on as many crops: what does planning cost besides the network?

The reference calls the network on ready crops, in batches of the same size, and does nothing else. A plan also fits the
table, samples antipodal pairs, checks collisions, cuts every crop, fits mixtures and ranks.
"""

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

import numpy as np
import torch
from jaxtyping import Bool, Float64

from graspnet.benchmarks.measure import BenchmarkResult, interleaved
from graspnet.camera import Camera, load_camera
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import load_gripper
from graspnet.models import CompactConfig, NetworkConfig, PublishedConfig, new_network
from graspnet.models.checkpoint import Checkpoint
from graspnet.observation.observation import Observation
from graspnet.policies.cross_entropy.cross_entropy import CrossEntropyConfig, CrossEntropyPolicy
from graspnet.policies.samplers.antipodal import AntipodalSamplerConfig, sample_antipodal
from graspnet.quality import NETWORK_BATCH, NetworkQuality

__all__ = ["QUICK", "bench_scene", "run", "untrained"]

QUICK = CrossEntropyConfig(initial_samples=96, samples=48, finalists=4)  # a quarter of a plan's evaluations


def run(quick: bool) -> BenchmarkResult:
    """One thread. Untrained weights: a network takes as long for them, and the search finds as many candidates."""
    config = QUICK if quick else CrossEntropyConfig()
    scene = bench_scene()
    compact = NetworkQuality(untrained(CompactConfig()))
    first = _first_plan_seconds(scene, compact, config)  # before anything else has warmed up torch
    network = untrained(PublishedConfig(kind="gqcnn_2.0"))
    policy = CrossEntropyPolicy(config, NetworkQuality(network))
    overheads: list[float] = []

    def plan() -> None:
        overheads.append(policy.plan(replace(scene), np.random.default_rng(0)).seconds["sample"])

    repeats = 3 if quick else 7
    evaluations = _evaluations(scene, NetworkQuality(network), config)
    planned, bare = interleaved(plan, _bare(network, evaluations), repeats)
    with_compact = CrossEntropyPolicy(config, compact)
    small, bare_small = interleaved(
        lambda: with_compact.plan(replace(scene), np.random.default_rng(0)),
        _bare(compact.checkpoint, _evaluations(scene, compact, config)),
        repeats,
    )
    sampled, table = interleaved(_sampling(scene), lambda: replace(scene).table, repeats)
    return BenchmarkResult(
        benchmark="plan",
        ratio=bare / planned,
        of="CEM plans a second with gqcnn_2.0 / the bare network on as many ready crops",
        figures={
            "evaluations": float(evaluations),
            "plan_seconds": planned,
            "bare_network_seconds": bare,
            "sample_prune_fit_milliseconds": 1000 * float(np.median(overheads)),
            "compact_plan_milliseconds": 1000 * small,
            "compact_bare_network_milliseconds": 1000 * bare_small,
            "compact_first_plan_milliseconds": 1000 * first,
            "sample_384_candidates_milliseconds": 1000 * sampled,
            "fit_table_milliseconds": 1000 * table,
        },
        threads=1,
    )


def _evaluations(scene: Observation, quality: NetworkQuality, config: CrossEntropyConfig) -> int:
    """How many grasps a plan scores: fewer than the config asks for where few are feasible."""
    scored = 0

    def counting(observation: Observation, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
        nonlocal scored
        scored += len(grasps_in_camera)
        return quality(observation, grasps_in_camera)

    CrossEntropyPolicy(config, counting).plan(replace(scene), np.random.default_rng(0))
    return scored


def _first_plan_seconds(scene: Observation, quality: NetworkQuality, config: CrossEntropyConfig) -> float:
    start = perf_counter()
    CrossEntropyPolicy(config, quality).plan(replace(scene), np.random.default_rng(0))
    return perf_counter() - start


def _sampling(scene: Observation) -> Callable[[], object]:
    """384 antipodal candidates of an image whose table has been fitted."""
    config = AntipodalSamplerConfig()
    return lambda: sample_antipodal(scene, 384, config, np.random.default_rng(0))


def untrained(config: NetworkConfig) -> Checkpoint:
    """A network with random weights, as one that plans."""
    network = new_network(config, torch.Generator().manual_seed(0)).eval()
    return Checkpoint(network=network, name=config.kind, gripper_name="yumi", metric="none", threshold=0.5)


def _bare(checkpoint: Checkpoint, count: int) -> Callable[[], object]:
    """The network alone, on one thread, on `count` crops of noise."""
    crop, generator = checkpoint.crop, torch.Generator().manual_seed(1)
    images = torch.rand((count, crop.channels, crop.size, crop.size), generator=generator)
    pose = torch.rand((count, crop.pose_features), generator=generator)

    @torch.inference_mode()
    def evaluate() -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for batch_images, batch_pose in zip(images.split(NETWORK_BATCH), pose.split(NETWORK_BATCH), strict=True):
                checkpoint.network(batch_images, batch_pose)
        finally:
            torch.set_num_threads(before)

    return evaluate


def bench_scene() -> Observation:
    """Three bars on a table 0.7 m below a 640x480 camera, with 1 mm of noise. A `replace` of it has fitted no table."""
    camera = load_camera("primesense")
    depth, mask = np.full((camera.height, camera.width), 0.7), np.zeros((camera.height, camera.width), dtype=bool)
    for center, sizes, height, angle in (
        ((-0.05, 0.02), (0.12, 0.03), 0.04, 0.5), ((0.06, -0.03), (0.09, 0.035), 0.03, -0.9),
        ((0.05, 0.07), (0.06, 0.02), 0.05, 1.3),
    ):  # fmt: skip
        inside = _rectangle(camera, np.array(center), np.array(sizes), angle)
        depth[inside] = 0.7 - height
        mask |= inside
    depth += 0.001 * np.random.default_rng(0).standard_normal(depth.shape)
    return Observation(depth.astype(np.float32), camera, load_gripper("yumi"), mask)


def _rectangle(
    camera: Camera, center: Float64[np.ndarray, "2"], sizes: Float64[np.ndarray, "2"], angle: float
) -> Bool[np.ndarray, "H W"]:
    offset = 0.7 * camera.rays(camera.pixel_grid())[..., :2] - center
    cosine, sine = np.cos(angle), np.sin(angle)
    turned = offset @ np.array([[cosine, -sine], [sine, cosine]])
    return np.asarray(np.all(np.abs(turned) < sizes / 2, axis=-1))
