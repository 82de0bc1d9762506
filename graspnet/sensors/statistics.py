"""How a depth image errs: what is missing, how wide depth edges are, how large and how smooth the noise on surfaces is.

For real images and simulated ones alike, so that a preset can be compared with one's own camera:

    python -m graspnet.sensors.statistics depth_0.npy depth_1.npy --segmask mask_0.png --segmask mask_1.png
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy import ndimage

from graspnet.errors import InputError
from graspnet.inputs.depth_image import read_depth
from graspnet.inputs.mask_image import read_mask
from graspnet.ops.patches import patches

__all__ = ["HEADING", "DepthStatistics", "depth_statistics"]

HEADING = f"{'':32s} missing   edge    gap  table σ   1/z σ  length  independent  objects σ"

TABLE_PATCH_PX = 32  # side of the patches that a plane is fitted to: it also takes a part of noise as long as they are
PATCH_PX = 16  # the same where no mask says what is table
OBJECT_PATCH_PX = 8  # the same on objects, which are small and curved
FLATTEST = 0.25  # So many of the patches count, those of the least residuals, where most are curved or hold an edge.
ROUNDING = 1e-6  # 1/m: σ of 1/z below which there is no noise, but float32
MASK_ERROR_PX = 8  # a mask's border may be off by so much: neither table nor object
SMALLEST_STEP = 0.01  # A step of fewer metres is no edge; noise is a tenth of it.
PLATEAU = slice(5, 9)  # measured pixels beyond a step whose median is the level on that side
MOST_UNEVEN = 0.2  # An edge counts if the levels beside it vary by less than this share of the step.


@dataclass(frozen=True)
class DepthStatistics:
    """What the middle half of an image shows, along and across; NaN for what it does not show.

    Noise is what is left of 1/z when a plane (linear in the image) has been fitted to each patch without missing
    pixels. On objects, and everywhere without a mask, only the flattest quarter of the patches counts, for in others
    it would be shape; there noise appears smaller and shorter than it is. Compare like with like.
    """

    missing_share: float
    edge_width_px: float  # median 10-90 % width of depth steps, missing pixels not counted; an ideal step has 0.8
    edge_gap_px: float  # mean number of missing pixels in a step
    deviation: float  # σ of the noise on the table (without a mask: on everything), metres
    inverse_deviation: float  # the same in 1/z, 1/m: `axial_deviation` of a sensor
    correlation_px: float  # distance at which the noise's autocorrelation falls to 1/e
    independent_share: float  # This share of the noise's variance is independent from pixel to pixel.
    object_deviation: float  # σ on objects, metres; NaN without a mask

    def line(self, name: str) -> str:
        """A line of text to stand below HEADING, in its units: %, px, px, mm, 1/m, px, %, mm."""
        return (
            f"{name:32s} {self.missing_share:6.1%} {self.edge_width_px:6.2f} {self.edge_gap_px:6.2f} "
            f"{1e3 * self.deviation:8.3f} {self.inverse_deviation:7.5f} {self.correlation_px:7.1f} "
            f"{self.independent_share:12.0%} {1e3 * self.object_deviation:10.3f}"
        )


def depth_statistics(
    depth: Float32[np.ndarray, "H W"], object_mask: Bool[np.ndarray, "H W"] | None = None
) -> DepthStatistics:
    """The statistics of an image (metres; 0 or NaN = missing), and of its objects where a mask shows them."""
    objects = np.zeros(depth.shape, dtype=bool) if object_mask is None else object_mask
    table = ~ndimage.binary_dilation(objects, iterations=MASK_ERROR_PX)
    inner = ndimage.binary_erosion(objects, iterations=MASK_ERROR_PX // 2)
    height, width = depth.shape
    middle = (slice(height // 4, height - height // 4), slice(width // 4, width - width // 4))
    depth = np.where(depth > 0, depth, np.float32(np.nan))[middle]
    edges = np.array([*_steps(depth), *_steps(depth.T)]).reshape(-1, 2)
    table_patches = (PATCH_PX, FLATTEST) if object_mask is None else (TABLE_PATCH_PX, 1.0)
    deviation, inverse_deviation, correlation = _noise(depth, table[middle], *table_patches)
    return DepthStatistics(
        missing_share=float(np.isnan(depth).mean()),
        edge_width_px=float(np.median(edges[:, 0])) if len(edges) else np.nan,
        edge_gap_px=float(np.mean(edges[:, 1])) if len(edges) else np.nan,
        deviation=deviation,
        inverse_deviation=inverse_deviation,
        correlation_px=_correlation_length(correlation),
        independent_share=_independent_share(correlation),
        object_deviation=_noise(depth, inner[middle], OBJECT_PATCH_PX, FLATTEST)[0],
    )


def _steps(depth: Float32[np.ndarray, "H W"]) -> Iterator[tuple[float, int]]:
    """10-90 % width (in measured pixels) and number of missing pixels of each step along the rows."""
    reach = PLATEAU.stop
    for line in depth:
        position = np.flatnonzero(np.isfinite(line))
        z = line[position].astype(np.float64)
        if len(z) < 2 * reach:
            continue
        slope = np.abs(np.diff(z))
        steepest = slope == ndimage.maximum_filter1d(slope, 2 * reach + 1)  # one step for each neighbourhood
        for left in np.flatnonzero(steepest & (slope > SMALLEST_STEP / 4)):
            around = slice(left - reach + 1, left + reach + 1)
            if around.start >= 0 and around.stop <= len(z):
                yield from _step(z[around], position[around])


def _step(z: Float64[np.ndarray, "R"], position: Int64[np.ndarray, "R"]) -> Iterator[tuple[float, int]]:
    """Width and missing pixels of the step between the two middle ones of R measured pixels, if it is a clear one."""
    reach = len(z) // 2
    near, far = z[:reach][::-1][PLATEAU], z[reach:][PLATEAU]
    low, step = np.median(near), np.median(far) - np.median(near)
    if abs(step) < SMALLEST_STEP or max(np.ptp(near), np.ptp(far)) > MOST_UNEVEN * abs(step):
        return
    height = (z - low) / step
    below, above = np.flatnonzero(height[:reach] < 0.1), reach + np.flatnonzero(height[reach:] > 0.9)
    if not len(below) or not len(above) or height[reach] <= height[reach - 1]:
        return
    first, last = below[-1], above[0]
    start = first + (0.1 - height[first]) / (height[first + 1] - height[first])
    end = last - (height[last] - 0.9) / (height[last] - height[last - 1])
    yield float(end - start), int(position[last] - position[first] - (last - first))


def _noise(
    depth: Float32[np.ndarray, "h w"], where: Bool[np.ndarray, "h w"], size: int, share: float
) -> tuple[float, float, Float64[np.ndarray, "L"]]:
    """σ of z in metres and of 1/z in 1/m (medians over patches), and the autocorrelation.

    Of the patches that lie wholly in `where` and miss nothing, the `share` with the smallest residuals.
    """
    whole = np.isfinite(_patches(depth, size)).all(axis=(1, 2)) & _patches(where, size).all(axis=(1, 2))
    inverse = 1 / _patches(depth, size)[whole].astype(np.float64)
    if not len(inverse):
        return np.nan, np.nan, np.zeros(0)
    v, u = np.mgrid[:size, :size].reshape(2, -1)
    design = np.stack([u, v, np.ones(size**2)], axis=-1)
    flat = inverse.reshape(len(inverse), -1)
    residuals = (flat - flat @ np.linalg.pinv(design).T @ design.T).reshape(inverse.shape)
    sigma = np.sqrt(np.sum(residuals**2, axis=(1, 2)) / (size**2 - 3))
    chosen = np.argsort(sigma)[: max(1, int(share * len(sigma)))]
    noisy = chosen[sigma[chosen] > ROUNDING]
    correlation = _autocorrelation(residuals[noisy] / sigma[noisy, None, None])
    depth_there = 1 / np.median(inverse[chosen], axis=(1, 2))
    return float(np.median(sigma[chosen] * depth_there**2)), float(np.median(sigma[chosen])), correlation


def _patches(image: np.ndarray, size: int) -> np.ndarray:
    """The image in squares, (patches, size, size); what is left over at the right and at the bottom is left out."""
    if min(image.shape) < size:
        return np.zeros((0, size, size), image.dtype)
    return patches(image, (size, size), stride=size).reshape(-1, size, size)


def _autocorrelation(residuals: Float64[np.ndarray, "P S S"]) -> Float64[np.ndarray, "L"]:
    """The correlation at distances of 0 to half a patch, along rows and columns together; empty without patches."""
    if not len(residuals):
        return np.zeros(0)
    lags = range(residuals.shape[1] // 2)
    covariance = [
        np.mean(residuals[:, :, lag:] * residuals[:, :, : -lag or None])
        + np.mean(residuals[:, lag:] * residuals[:, : -lag or None])
        for lag in lags
    ]
    return np.array(covariance) / covariance[0]


def _correlation_length(correlation: Float64[np.ndarray, "L"]) -> float:
    """The distance at which the autocorrelation falls to 1/e, in pixels; NaN if it never does."""
    below = np.flatnonzero(correlation < np.exp(-1))
    if not len(below):
        return np.nan
    last = below[0]
    return float(last - (np.exp(-1) - correlation[last]) / (correlation[last - 1] - correlation[last]))


def _independent_share(correlation: Float64[np.ndarray, "L"]) -> float:
    """What a Gaussian through distances 1 and 2 leaves of the variance at distance 0; 1 if neighbours share nothing."""
    if len(correlation) < 3 or correlation[1] <= 0:
        return 1.0 if len(correlation) else np.nan
    smooth = correlation[1] ** (4 / 3) / max(correlation[2], 1e-3) ** (1 / 3)  # c(h) = a exp(−k h²)
    return float(np.clip(1 - smooth, 0, 1))


@click.command()
@click.argument("depths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DEPTH...")
@click.option("--segmask", "masks", multiple=True, type=click.Path(path_type=Path), help="Objects; one for each DEPTH.")
@click.option("--depth-scale", type=float, help="Metres per unit of the files; needed for integers.")
def main(depths: tuple[Path, ...], masks: tuple[Path, ...], depth_scale: float | None) -> None:
    """Print the statistics of depth images, one line each."""
    if masks and len(masks) != len(depths):
        raise click.UsageError(f"{len(depths)} images, but {len(masks)} masks")
    click.echo(HEADING)
    for i, path in enumerate(depths):
        depth, mask = read_depth(path, depth_scale), read_mask(masks[i]) if masks else None
        if mask is not None and mask.shape != depth.shape:
            sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (mask, depth)]
            raise InputError(f"{masks[i]}: segmask is {sizes[0]}; the depth image is {sizes[1]}")
        statistics = depth_statistics(depth, mask)
        click.echo(statistics.line(f"{path.parent.name}/{path.stem}"))


if __name__ == "__main__":
    main()
