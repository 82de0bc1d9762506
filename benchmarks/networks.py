"""Every network against `compact`: what a batch, a plan and a training step cost on one core, and how many weights.

The ratio is that of the peer, `gqcnn_4.0_pj`; the figures have all of them, the options of `compact` one by one among
them. Seconds are the process's own (CPU time of one thread), and each network takes turns with `compact`.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from graspnet.benchmarks.measure import BenchmarkResult, interleaved
from graspnet.benchmarks.plan import QUICK, bench_scene, untrained
from graspnet.crops.metric import MetricCropConfig
from graspnet.models import CompactConfig, NetworkConfig, PublishedConfig, new_network
from graspnet.models.network import GraspNetwork
from graspnet.policies.cross_entropy.cross_entropy import CrossEntropyConfig, CrossEntropyPolicy
from graspnet.quality import NETWORK_BATCH, NetworkQuality
from graspnet.run.threads import using_threads
from graspnet.training.batches import Batch
from graspnet.training.device_probe import Computing, loss_of
from graspnet.training.optimiser import OptimiserConfig, make_optimiser

__all__ = ["NETWORKS", "run"]

BATCH = 128
PEER = "gqcnn_4.0_pj"
NETWORKS: dict[str, NetworkConfig] = {
    "compact": CompactConfig(),
    "half_width": CompactConfig(width=0.5),
    "double_width": CompactConfig(width=2.0),
    "residual": CompactConfig(residual=True),
    "two_residual_blocks": CompactConfig(residual=True, blocks=2),
    "squeeze_excite": CompactConfig(squeeze_excite=True),
    "dilation": CompactConfig(dilation=2),
    "curtain_channel": CompactConfig(curtain_channel=True),
    "fine_window": CompactConfig(crop=MetricCropConfig(fine_window=1.2)),
    "no_hand_numbers": CompactConfig(hand_numbers=False),
    "pose_correction": CompactConfig(pose_correction=True),
    "crop_48": CompactConfig(crop=MetricCropConfig(size=48)),
    "crop_96": CompactConfig(crop=MetricCropConfig(size=96)),
    "gqcnn_2.0": PublishedConfig(kind="gqcnn_2.0"),
    "gqcnn_2.0_paper": PublishedConfig(kind="gqcnn_2.0_paper"),
    PEER: PublishedConfig(kind=PEER),
}
OF_QUICK = ("compact", "two_residual_blocks", PEER)


def run(quick: bool) -> BenchmarkResult:
    """One thread, float32, random weights: a network takes as long for them."""
    repeats = 3 if quick else 7
    search = QUICK if quick else CrossEntropyConfig()
    names = OF_QUICK if quick else tuple(NETWORKS)
    figures: dict[str, float] = {}
    with using_threads(1):
        for name in names:
            network = new_network(NETWORKS[name])
            for what, seconds, compact_seconds in (
                ("batch", *_in_turn(_batches, NETWORKS[name], repeats)),
                ("step", *_in_turn(_steps, NETWORKS[name], repeats)),
                ("plan", *_in_turn(lambda config: _plans(config, search), NETWORKS[name], 3)),
            ):
                figures[f"{name}.{what}_milliseconds"] = 1000 * seconds
                figures[f"{name}.{what}_over_compact"] = seconds / compact_seconds
            figures[f"{name}.parameters"] = float(network.parameter_count())
    return BenchmarkResult(
        benchmark="networks",
        ratio=figures[f"{PEER}.batch_over_compact"],
        of=f"batches of {BATCH} crops a second with compact / with {PEER}",
        figures=figures,
        threads=1,
    )


def _in_turn(
    action: Callable[[NetworkConfig], Callable[[], object]], config: NetworkConfig, repeats: int
) -> tuple[float, float]:
    return interleaved(action(config), action(CompactConfig()), repeats, time.process_time)


def _batches(config: NetworkConfig) -> Callable[[], object]:
    """Qualities of a batch, in pieces as a plan scores them."""
    network = new_network(config).eval()
    batch = _noise(network)

    @torch.inference_mode()
    def score() -> None:
        for images, pose in zip(batch.images.split(NETWORK_BATCH), batch.pose.split(NETWORK_BATCH), strict=True):
            network(images, pose)

    return score


def _steps(config: NetworkConfig) -> Callable[[], object]:
    """A step of the optimiser on a batch that is there."""
    network = new_network(config)
    batch, optimiser = _noise(network), make_optimiser(network, OptimiserConfig())

    def step() -> None:
        optimiser.zero_grad()
        loss_of(network, batch, Computing("cpu", "float32", 1)).backward()
        optimiser.step()

    return step


def _plans(config: NetworkConfig, search: CrossEntropyConfig) -> Callable[[], object]:
    """A plan with its map, candidates, crops and network, on a scene whose table was not fitted before."""
    scene, policy = bench_scene(), CrossEntropyPolicy(search, NetworkQuality(untrained(config)))
    return lambda: policy.plan(replace(scene), np.random.default_rng(0))


def _noise(network: GraspNetwork) -> Batch:
    crop, generator = network.crop, torch.Generator().manual_seed(1)
    images = torch.rand((BATCH, crop.channels, crop.size, crop.size), generator=generator)
    pose = torch.rand((BATCH, crop.pose_features), generator=generator)
    unknown = torch.full((BATCH, 2), -1.0)
    return Batch(images, pose, torch.full((BATCH,), 0.5), torch.arange(BATCH), unknown)
