"""What a depth camera makes of a clean depth image: sensors, from none at all to a structured-light camera.

Every sensor works on a whole image and on any part of one (`Camera.window`): noise is stationary, so that a training
epoch may add it to the windows around its grasps only.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64
from scipy import ndimage

from graspnet.camera import Camera
from graspnet.errors import InputError, unknown_name

__all__ = [
    "SENSORS",
    "DexNetSensor",
    "DexNetSensorConfig",
    "IdealSensor",
    "Sensor",
    "StructuredLightConfig",
    "StructuredLightSensor",
    "VariedSensor",
    "load_sensor",
]


class Sensor(ABC):
    """Maps a clean depth image to what a camera would give; the seam that a new sensor implements."""

    @abstractmethod
    def __call__(
        self, depth: Float32[np.ndarray, "H W"], camera: Camera, rng: np.random.Generator
    ) -> Float32[np.ndarray, "H W"]:
        """A new image in metres, NaN where nothing was measured; what is missing (0 or NaN) stays missing."""


class IdealSensor(Sensor):
    """Measures every pixel exactly."""

    def __call__(
        self, depth: Float32[np.ndarray, "H W"], camera: Camera, rng: np.random.Generator
    ) -> Float32[np.ndarray, "H W"]:
        """The clean depth, 0 turned into NaN."""
        return _measured(depth, camera)


@dataclass(frozen=True, kw_only=True)
class DexNetSensorConfig:
    """Dex-Net 2.0's noise y = α ŷ + ε (Mahler et al., RSS 2017, supplement)."""

    gamma_shape: float = 1000.0  # α ~ Gamma(k, 1/k), one for each image: σ 3.2 %, 23 mm at 0.75 m
    deviation: float = 0.005  # σ of the Gaussian process ε, metres
    probability: float = 0.5  # of ε being added at all (gqcnn's released configs; the paper always adds it)
    length_px: float = 3 * 2**0.5  # squared-exponential kernel: √2 pixels of a 32-pixel crop cut from 96 pixels

    def __post_init__(self) -> None:
        _check_not_negative(self, ("deviation", "length_px"))
        _check_share(self, "probability")
        if not self.gamma_shape > 0:
            raise InputError(f"gamma_shape is {self.gamma_shape}; it must be positive")


class DexNetSensor(Sensor):
    """Dex-Net's noise, on the image and not on the grasp: faithful, no model of a camera (no edges, no holes).

    Its code drew ε on a grid four times coarser than the crop and resized it; this is the paper's stationary process.
    """

    def __init__(self, config: DexNetSensorConfig | None = None) -> None:
        self.config = config or DexNetSensorConfig()

    def __call__(
        self, depth: Float32[np.ndarray, "H W"], camera: Camera, rng: np.random.Generator
    ) -> Float32[np.ndarray, "H W"]:
        """α ŷ + ε."""
        config = self.config
        noisy = _measured(depth, camera)
        noisy *= np.float32(rng.gamma(config.gamma_shape, 1 / config.gamma_shape))
        if rng.random() < config.probability:
            # White noise blurred by a Gaussian of s has the covariance exp(−d² / 4 s²): a kernel of length √2 s.
            noisy += np.float32(config.deviation) * _gaussian_field(noisy.shape, config.length_px / 2**0.5, 0.0, rng)
        return noisy


@dataclass(frozen=True, kw_only=True)
class StructuredLightConfig:
    """A Primesense or Kinect 1. Its errors arise in disparity, so axial ones are stated for 1/z and grow with z².

    `fx` of the camera decides how wide a shadow is, nothing else: the noise is that of the device below.
    """

    scale_deviation: float = 0.003  # σ of the calibration's scale, one for each image: DESIGN §4
    axial_deviation: float = 0.0028  # σ of 1/z in 1/m: 1.4 mm at 0.7 m, as measured by Nguyen et al., 3DIMPVT 2012
    correlation_px: float = 1.5  # blur of the axial noise; assumed: a 9x9 matching window, after the device's filter
    independent_share: float = 0.2  # of its variance, from pixel to pixel; assumed
    inverse_depth_step: float = 0.00287  # 1/m: 1/8 px of disparity at 580 px, 75 mm (Khoshelham & Elberink, 2012)
    baseline: float = 0.075  # m, projector to the right of the camera (to the left if negative); Khoshelham & Elberink
    edge_step: float = 0.02  # 1/m between neighbours that makes an edge: 1 cm at 0.7 m; assumed
    edge_jitter_px: float = 0.5  # σ of the lateral shift of edges; Handa et al., ICRA 2014 (Nguyen et al.: 0.8)
    edge_jitter_length_px: int = 3  # distance over which that shift is the same; assumed
    edge_loss: float = 0.15  # share of edge pixels without a return; assumed
    grazing: tuple[float, float] = (np.deg2rad(70), np.deg2rad(85))  # incidence where loss begins / is sure; assumed
    holes_per_pixel: float = 1e-5  # speckle and gloss: three holes in 640x480; assumed
    hole_radius_px: tuple[float, float] = (1.0, 4.0)  # assumed

    def __post_init__(self) -> None:
        positive = ("scale_deviation", "axial_deviation", "correlation_px", "inverse_depth_step", "edge_jitter_px")
        _check_not_negative(self, (*positive, "holes_per_pixel"))
        _check_share(self, "independent_share")
        _check_share(self, "edge_loss")
        if self.edge_step <= 0 or self.edge_jitter_length_px < 1:
            raise InputError("edge_step and edge_jitter_length_px must be positive")
        if not 0 < self.grazing[0] < self.grazing[1] <= np.pi / 2:
            raise InputError(f"grazing is {self.grazing}; expected two growing angles in (0, π/2] (radians)")
        if not 0 < self.hole_radius_px[0] <= self.hole_radius_px[1]:
            raise InputError(f"hole_radius_px is {self.hole_radius_px}; expected (smallest, largest), positive")


class StructuredLightSensor(Sensor):
    """A projector beside a camera: shadows, ragged edges, noise in disparity, quantisation, holes, a scale error."""

    def __init__(self, config: StructuredLightConfig | None = None) -> None:
        self.config = config or StructuredLightConfig()

    def __call__(
        self, depth: Float32[np.ndarray, "H W"], camera: Camera, rng: np.random.Generator
    ) -> Float32[np.ndarray, "H W"]:
        """The measured image."""
        config = self.config
        clean = 1 / _measured(depth, camera)
        inverse = _without_shadows(clean, camera, config.baseline)
        inverse = _ragged_edges(inverse, _edges(clean, config.edge_step), config, rng)
        _lose_grazing(inverse, clean, camera, config.grazing, rng)
        _lose_holes(inverse, config, rng)
        noise = _gaussian_field(inverse.shape, config.correlation_px, config.independent_share, rng)
        noise *= np.float32(config.axial_deviation)
        inverse += noise
        _quantise(inverse, config.inverse_depth_step)
        noisy = np.float32(1 + config.scale_deviation * rng.standard_normal()) / inverse
        noisy[np.isnan(clean)] = np.nan  # an edge may have moved over what was missing
        return noisy


class VariedSensor(Sensor):
    """A structured-light camera of any quality: for training a network that is to serve many.

    Its noise, ragged edges and holes are a share of the preset's, drawn for each image: the real images of this kind
    that we know (Dex-Net's) were filtered down to a tenth of a raw frame's noise.
    """

    def __init__(self, config: StructuredLightConfig | None = None, share: tuple[float, float] = (0.1, 1.3)) -> None:
        if not 0 <= share[0] <= share[1]:
            raise InputError(f"share is {share}; expected (smallest, largest), not negative")
        self.config, self.share = config or StructuredLightConfig(), share

    def __call__(
        self, depth: Float32[np.ndarray, "H W"], camera: Camera, rng: np.random.Generator
    ) -> Float32[np.ndarray, "H W"]:
        """The measured image."""
        share = float(rng.uniform(*self.share))
        scaled = ("axial_deviation", "edge_jitter_px", "edge_loss", "holes_per_pixel")
        changes: dict[str, Any] = {name: min(share, 1.0) * getattr(self.config, name) for name in scaled}
        changes["axial_deviation"] = share * self.config.axial_deviation
        return StructuredLightSensor(replace(self.config, **changes))(depth, camera, rng)


SENSORS: dict[str, Callable[[], Sensor]] = {
    "ideal": IdealSensor,
    "dexnet": DexNetSensor,
    "structured_light": StructuredLightSensor,
    "varied": VariedSensor,
}


def load_sensor(name: str) -> Sensor:
    """The sensor of that name, with its preset numbers."""
    if name not in SENSORS:
        raise unknown_name("sensor", name, SENSORS)
    return SENSORS[name]()


def _measured(depth: Float32[np.ndarray, "H W"], camera: Camera) -> Float32[np.ndarray, "H W"]:
    """A copy with NaN where nothing is measured."""
    if depth.shape != (camera.height, camera.width):
        raise InputError(f"depth image is {depth.shape[1]}x{depth.shape[0]}; the camera says {camera.size_text}")
    return np.where(depth > 0, depth, np.float32(np.nan))


def _gaussian_field(
    shape: tuple[int, ...], blur_px: float, independent_share: float, rng: np.random.Generator
) -> Float32[np.ndarray, "H W"]:
    """Stationary Gaussian noise of variance 1: white noise blurred, plus a share of it as it was.

    One draw serves both parts, so they are correlated, which the normalisation takes into account. The draw is wider
    than the image by the blur's reach: the borders (of a window, too) are as noisy as the middle.
    """
    reach = int(np.ceil(2.5 * blur_px))
    size = (shape[0] + 2 * reach, shape[1] + 2 * reach)
    if reach == 0:
        return rng.standard_normal(size, dtype=np.float32)
    # Uniform numbers come six times faster than normal ones, and a sum of many is Gaussian all the same.
    white = rng.random(size, dtype=np.float32)
    white -= np.float32(0.5)
    white *= np.float32(12**0.5)
    inner = slice(reach, -reach)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / blur_px) ** 2)
    taps /= np.sqrt(np.sum(taps**2))  # the blurred field has variance 1
    field = ndimage.correlate1d(white, taps, axis=0)[inner]
    field = ndimage.correlate1d(field, taps, axis=1)[:, inner]
    if independent_share == 0:
        return field
    a, b = np.sqrt(1 - independent_share), np.sqrt(independent_share)
    norm = np.sqrt(1 + 2 * a * b * taps[reach] ** 2)  # a² + b² = 1; the covariance of both parts is the central tap²
    field *= np.float32(a / norm)
    field += np.float32(b / norm) * white[inner, inner]
    return field


def _without_shadows(
    inverse: Float32[np.ndarray, "H W"], camera: Camera, baseline: float
) -> Float32[np.ndarray, "H W"]:
    """NaN where the projector's light does not arrive.

    A point at column u lies in the projector's column p = u − fx b / z. Of all points in one projector column only the
    first along the light is lit; with the projector on the right, a point is in shadow if one further right has a
    smaller p. Occluders outside of the window cast none.
    """
    columns = np.arange(inverse.shape[1], dtype=np.float32)
    projector_column = columns - np.float32(camera.fx * baseline) * inverse
    if baseline > 0:
        projector_column = projector_column[:, ::-1]
        lit = (projector_column <= np.fmin.accumulate(projector_column, axis=1))[:, ::-1]
    else:
        lit = projector_column >= np.fmax.accumulate(projector_column, axis=1)
    return np.where(lit, inverse, np.float32(np.nan))


def _edges(inverse: Float32[np.ndarray, "H W"], step: float) -> Int64[np.ndarray, "P"]:
    """Flat indices of the pixels within two of a jump."""
    edges = np.zeros(inverse.shape, dtype=bool)
    for pixels, mask in ((inverse, edges), (inverse.T, edges.T)):  # down the columns, then along the rows
        jump = np.abs(np.diff(pixels, axis=0)) > step
        for shift in (-1, 0, 1, 2):  # the jump lies between row i and row i + 1
            target = mask[max(0, shift) : len(jump) + min(shift, 1)]
            target |= jump[max(0, -shift) : len(jump) - max(0, shift - 1)]
    return np.flatnonzero(edges)


def _ragged_edges(
    inverse: Float32[np.ndarray, "H W"],
    edges: Int64[np.ndarray, "P"],
    config: StructuredLightConfig,
    rng: np.random.Generator,
) -> Float32[np.ndarray, "H W"]:
    """Edge pixels look at a neighbour instead, or at nothing.

    The same shift over a few pixels, so that silhouettes are ragged and not just speckled; the nearest pixel and no
    mixture, because no depth lies between an object and what is behind it. (Away from edges the shift would add slope
    times shift, less than the axial noise.)
    """
    height, width = inverse.shape
    length = config.edge_jitter_length_px
    grid = rng.standard_normal((2, height // length + 2, width // length + 2), dtype=np.float32)
    rows, columns = np.divmod(edges, width)
    offset = rng.integers(length, size=2)
    shift = np.rint(config.edge_jitter_px * grid[:, (rows + offset[0]) // length, (columns + offset[1]) // length])
    rows = np.clip(rows + shift[0], 0, height - 1).astype(np.int64)
    columns = np.clip(columns + shift[1], 0, width - 1).astype(np.int64)
    values = inverse[rows, columns]
    values[rng.random(len(edges), dtype=np.float32) < config.edge_loss] = np.nan
    ragged = inverse.copy()
    ragged.flat[edges] = values
    return ragged


def _lose_grazing(
    inverse: Float32[np.ndarray, "H W"],
    clean: Float32[np.ndarray, "H W"],
    camera: Camera,
    grazing: tuple[float, float],
    rng: np.random.Generator,
) -> None:
    """Set NaN where light meets the surface too flatly: never below the first angle, always above the second."""
    squared = _squared_incidence_cosine(clean, camera)
    first, last = np.cos(grazing)
    oblique = np.flatnonzero(squared < first**2)
    sure = (first - np.sqrt(squared.flat[oblique])) / (first - last)
    inverse.flat[oblique[rng.random(len(oblique)) < sure]] = np.nan


def _squared_incidence_cosine(inverse: Float32[np.ndarray, "H W"], camera: Camera) -> Float32[np.ndarray, "H W"]:
    """cos² of the angle between ray and surface normal; NaN beside missing pixels.

    On the plane n · p = 1 the inverse depth is n · r for the ray r = (x, y, 1), linear in the image: its slopes along
    x and y are n's first two components, and cos = n · r / |n| |r|.
    """
    x = ((np.arange(camera.width) - camera.cx) / camera.fx).astype(np.float32)
    y = ((np.arange(camera.height) - camera.cy) / camera.fy).astype(np.float32)[:, None]
    normal_x = _slope(inverse.T).T
    normal_x *= np.float32(camera.fx)
    normal_y = _slope(inverse)
    normal_y *= np.float32(camera.fy)
    squared = inverse - normal_x * x
    squared -= normal_y * y  # n's third component
    for component in (squared, normal_x, normal_y):
        component *= component
    squared += normal_x
    squared += normal_y  # |n|²; in place, for this is most of the sensor's time
    squared *= 1 + x**2 + y**2
    return np.divide(inverse * inverse, squared, out=squared)


def _slope(inverse: Float32[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W"]:
    """Per pixel, down the columns: the smaller of the differences to both neighbours, so that an edge is no slope."""
    slope = np.zeros_like(inverse)
    difference = inverse[1:] - inverse[:-1]
    if len(difference):
        size = np.abs(difference)
        slope[0], slope[-1] = difference[0], difference[-1]
        slope[1:-1] = np.where(size[:-1] < size[1:], difference[:-1], difference[1:])
    return slope


def _lose_holes(inverse: Float32[np.ndarray, "H W"], config: StructuredLightConfig, rng: np.random.Generator) -> None:
    """Set NaN in discs at random places, also where only part of the disc lies in the image."""
    height, width = inverse.shape
    reach = int(np.ceil(config.hole_radius_px[1]))
    count = rng.poisson(config.holes_per_pixel * (height + 2 * reach) * (width + 2 * reach))
    centers = rng.uniform((-reach, -reach), (height + reach, width + reach), size=(count, 2))
    radii = rng.uniform(*config.hole_radius_px, size=count)
    for (row, column), radius in zip(centers, radii, strict=True):  # a handful in each image
        top, left = max(0, int(row - reach)), max(0, int(column - reach))
        box = inverse[top : int(row + reach) + 1, left : int(column + reach) + 1]
        rows, columns = np.ogrid[top : top + box.shape[0], left : left + box.shape[1]]
        box[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = np.nan


def _quantise(inverse: Float32[np.ndarray, "H W"], step: float) -> None:
    """Round to whole steps; NaN where that is no longer a distance."""
    if step > 0:
        inverse *= np.float32(1 / step)
        np.rint(inverse, out=inverse)
        inverse *= np.float32(step)
    inverse[inverse <= 0] = np.nan


def _check_not_negative(config: object, names: tuple[str, ...]) -> None:
    for name in names:
        if not 0 <= getattr(config, name) < np.inf:
            raise InputError(f"{name} is {getattr(config, name)}; it must not be negative")


def _check_share(config: object, name: str) -> None:
    if not 0 <= getattr(config, name) <= 1:
        raise InputError(f"{name} is {getattr(config, name)}; it must lie in [0, 1]")
