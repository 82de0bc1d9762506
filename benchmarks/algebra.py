"""Where does the algebra of `graspnet.ops` pay? Each function against what PyTorch or SciPy does for the same answer.

The ratio is of the one that a network could use: two convolutions with nothing between them, against their merged one.
The others are figures, each as reference time over ours: above 1 ours is the faster. Those below 1 say what an
operation is, and are the oracles of tests.
"""

import time
from collections.abc import Callable

import torch
from scipy.spatial.distance import cdist

from graspnet.benchmarks.measure import BenchmarkResult, interleaved
from graspnet.ops.batch_norm import fold_batch_norm
from graspnet.ops.convolution import Convolution, convolution_matrix, convolve, merge_convolutions
from graspnet.ops.distance import squared_distances
from graspnet.ops.windows import column_means, max_pool
from graspnet.run.threads import using_threads

__all__ = ["run"]


def run(quick: bool) -> BenchmarkResult:
    """One thread, float32, CPU time."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    side, batch, points = (32, 8, 400) if quick else (64, 32, 2000)
    repeats = 3 if quick else 7
    images = random(batch, 16, side, side)
    first = Convolution(random(24, 16, 3, 3), random(24), stride=(2, 2))
    narrow, wide = Convolution(random(16, 24, 1, 1), random(16)), Convolution(random(16, 24, 3, 3), random(16))
    merged, merged_wide = merge_convolutions(first, narrow), merge_convolutions(first, wide)
    small = Convolution(random(4, 3, 3, 3), random(4))
    few = random(batch, 3, 16, 16)
    matrix = convolution_matrix(small.kernel, 16, 16).flatten(3).flatten(0, 2)
    norm = torch.nn.BatchNorm2d(24).eval()
    folded = fold_batch_norm(first, random(24), random(24), random(24), random(24).abs())
    a, b = random(points, 8), random(points, 8)
    centers = torch.randint(0, side, (batch, 16, side), generator=generator)

    def looped_means() -> list[float]:
        values, rows = images[0, 0].numpy(), centers[0, 0].numpy()
        return [float(values[max(r - 3, 0) : r + 4, c].mean()) for c, r in enumerate(rows)]

    def ratio(ours: Callable[[], object], reference: Callable[[], object]) -> float:
        mine, theirs = interleaved(ours, reference, repeats, time.process_time)
        return theirs / max(mine, 1e-9)

    with torch.inference_mode(), using_threads(1):
        merging = ratio(lambda: merged(images), lambda: narrow(first(images)))
        figures = {
            "merged_3x3_and_3x3_over_both": ratio(lambda: merged_wide(images), lambda: wide(first(images))),
            "folded_batch_norm_over_two_layers": ratio(lambda: folded(images), lambda: norm(first(images))),
            "patches_and_einsum_over_conv2d": ratio(lambda: convolve(small, few), lambda: small(few)),
            "explicit_matrix_over_conv2d": ratio(lambda: few.movedim(1, -1).flatten(1) @ matrix.T, lambda: small(few)),
            "max_pool_over_torch": ratio(
                lambda: max_pool(images, (2, 2), 2), lambda: torch.nn.functional.max_pool2d(images, 2)
            ),
            "squared_distances_over_scipy": ratio(
                lambda: squared_distances(a, b), lambda: cdist(a.numpy(), b.numpy(), "sqeuclidean")
            ),
            "squared_distances_over_broadcasting": ratio(
                lambda: squared_distances(a, b), lambda: ((a[:, None] - b[None]) ** 2).sum(-1)
            ),
            "column_means_over_a_loop": ratio(lambda: column_means(images[:1, :1], centers[:1, :1], 3), looped_means),
        }
    return BenchmarkResult(
        benchmark="algebra", ratio=merging, of="time of a 3x3 and a 1x1 convolution / of the one that they merge into",
        figures=figures, threads=1,
    )  # fmt: skip
