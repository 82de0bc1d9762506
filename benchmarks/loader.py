"""Training rate of `compact` with data (noise, crops, augmentation, made on the fly) over that on a constant tensor.

Both train with one thread; batches are prepared by a second one, as on a machine with two cores. The subject's time
includes starting its stream, and nothing was prepared before it.
"""

from collections.abc import Callable, Iterable
from itertools import repeat

import numpy as np

from graspnet.benchmarks.measure import BenchmarkResult, interleaved
from graspnet.camera import Camera
from graspnet.grippers.gripper import load_gripper
from graspnet.models import NETWORKS
from graspnet.run.threads import using_threads
from graspnet.training.batches import Batch, BatchConfig, Batches
from graspnet.training.device_probe import Computing, find_fastest, loss_of, placed
from graspnet.training.examples.image_examples import ImageExamples
from graspnet.training.examples.label import LabelConfig
from graspnet.training.optimiser import OptimiserConfig, make_optimiser
from graspnet.transforms import frame_from_axes, rigid

__all__ = ["run"]

CAMERA = Camera(fx=525.0, fy=525.0, cx=127.5, cy=127.5, width=256, height=256)
GRASPS = 48  # an image, as in the demo's dataset


def run(quick: bool) -> BenchmarkResult:
    """The ratio, and the rates in examples a second, in the precision that a probe finds to be the faster one."""
    images = 24 if quick else 120
    rng = np.random.default_rng(0)
    examples = [_made_up_image(number, rng) for number in range(images)]
    batches = Batches(examples, NETWORKS["compact"].config.crop, LabelConfig(), BatchConfig(pool=512), seed=0)
    count = images * GRASPS
    with using_threads(1):
        constant = next(batches.stream(0, 1))
        # where a processor only emulates bfloat16 it is ten times slower: nobody trains so, and nobody waits for it
        computing = find_fastest(NETWORKS["compact"](), constant, "cpu", "auto", threads=1)
        train = _trainer(computing)
        with_data, bare = interleaved(
            lambda: train(batches.stream(0, batches.steps_per_epoch)),
            lambda: train(repeat(constant, batches.steps_per_epoch)),
        )
    return BenchmarkResult(
        benchmark="loader",
        ratio=bare / with_data,
        of=f"training rate with data over training rate on a constant tensor, {computing.precision}",
        figures={
            "with_data": count / with_data,
            "constant": count / bare,
            "loader_threads": float(batches.config.workers),
        },
        threads=1,
    )


def _made_up_image(number: int, rng: np.random.Generator) -> ImageExamples:
    """A table 0.7 m away with a dozen blocks, and grasps above it: as costly as a real one, with nothing to learn."""
    depth = np.full((CAMERA.height, CAMERA.width), 0.7, dtype=np.float32)
    for v, u in rng.integers(40, 190, (12, 2)):
        depth[v : v + 30, u : u + 30] -= np.float32(rng.uniform(0.01, 0.05))
    yaw = rng.uniform(0, 2 * np.pi, GRASPS)
    closing = np.stack([np.cos(yaw), np.sin(yaw), np.zeros(GRASPS)], axis=1)
    origin = rng.uniform([-0.06, -0.06, 0.65], [0.06, 0.06, 0.69], (GRASPS, 3))
    return ImageExamples(
        number=number,
        depth=depth,
        camera=CAMERA,
        camera_from_grasp=rigid(frame_from_axes(np.tile([0.0, 0.0, 1.0], (GRASPS, 1)), closing), origin),
        sizes=np.tile(load_gripper("yumi").sizes(), (GRASPS, 1)),
        robustness=rng.random(GRASPS),
        feasible=np.ones(GRASPS, dtype=bool),
    )


def _trainer(computing: Computing) -> Callable[[Iterable[Batch]], None]:
    """A function that takes one step of the optimiser for each batch."""
    network = placed(NETWORKS["compact"](), computing)
    optimiser = make_optimiser(network, OptimiserConfig())

    def train(stream: Iterable[Batch]) -> None:
        for batch in stream:
            optimiser.zero_grad()
            loss_of(network, batch, computing).backward()
            optimiser.step()

    return train
