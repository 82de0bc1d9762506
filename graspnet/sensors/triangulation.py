"""A camera that measures disparity: a projector or a second imager beside it sees every point from another place.

What follows from that, in this order: shadows, matching windows that fatten what is near, ragged edges, surfaces lost
where light grazes or glares, false matches, noise and quantisation in disparity, and what the device's filters make of
it.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64
from scipy import ndimage

from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.sensors.sensor import Sensor, check_not_negative, check_share, gaussian_field, measured

__all__ = ["TriangulationConfig", "TriangulationSensor", "times_as_noisy"]


@dataclass(frozen=True, kw_only=True)
class TriangulationConfig:
    """The defaults are a single frame of a Primesense or Kinect 1; other devices are presets in `configs/sensors/`.

    Errors arise in disparity, so axial ones are stated for 1/z and grow with z²: σ px of disparity at a focal length of
    f px and a baseline of b are σ / (f b) in 1/m. `fx` of the camera decides how wide a shadow is, nothing else: the
    noise is that of the device below.
    """

    scale_deviation: float = 0.003  # Each image has one error of scale from its calibration, with this σ; assumed.
    axial_deviation: float = 0.0028  # σ of 1/z in 1/m: 1.4 mm at 0.7 m, as measured by Nguyen et al., 3DIMPVT 2012
    correlation_px: float = 1.5  # blur of the axial noise; assumed: a 9x9 matching window, after the device's filter
    independent_share: float = 0.2  # This share of its variance is independent from pixel to pixel; assumed.
    inverse_depth_step: float = 0.00287  # 1/m: 1/8 px of disparity at 580 px, 75 mm (Khoshelham & Elberink, 2012)
    # Depths are whole multiples of it (metres), as the file or the driver has them; 0: they are not.
    depth_step: float = 0.0
    baseline: float = 0.075  # m, projector to the right of the camera (to the left if negative); Khoshelham & Elberink
    edge_step: float = 0.02  # 1/m between neighbours that makes an edge: 1 cm at 0.7 m; assumed
    edge_reach_px: int = 2  # pixels on either side of a jump that count as edge; assumed
    fattening_px: int = 0  # how far matching windows carry what is near beyond its edge, at most edge_reach_px
    edge_jitter_px: float = 0.5  # σ of the lateral shift of edges; Handa et al., ICRA 2014 (Nguyen et al.: 0.8)
    edge_jitter_length_px: int = 3  # distance over which that shift is the same; assumed
    edge_loss: float = 0.15  # share of edge pixels without a return; assumed
    edge_outliers: float = 0.0  # share of edge pixels with a false match
    outlier_deviation: float = 0.0  # σ of false matches in 1/z, 1/m
    grazing: tuple[float, float] = (np.deg2rad(70), np.deg2rad(85))  # incidence where loss begins / is sure; assumed
    holes_per_pixel: float = 1e-5  # speckle and gloss: three holes in 640x480; assumed
    hole_radius_px: tuple[float, float] = (1.0, 4.0)  # assumed
    filled: bool = False  # whether missing pixels take the depth of the nearest measured one
    roughness: tuple[float, float] = (1.0, 1.0)  # noise, ragged edges and losses by this factor, drawn for each image

    def __post_init__(self) -> None:
        check_not_negative(
            self,
            (
                "scale_deviation", "axial_deviation", "correlation_px", "inverse_depth_step", "depth_step",
                "edge_jitter_px", "fattening_px", "outlier_deviation", "holes_per_pixel",
            ),
        )  # fmt: skip
        check_share(self, ("independent_share", "edge_loss", "edge_outliers"))
        if self.edge_step <= 0 or self.edge_jitter_length_px < 1 or self.edge_reach_px < 1:
            raise InputError("edge_step, edge_reach_px and edge_jitter_length_px must be positive")
        if self.fattening_px > self.edge_reach_px:
            raise InputError(f"fattening_px is {self.fattening_px}; it must not exceed edge_reach_px")
        if not 0 < self.grazing[0] < self.grazing[1] <= np.pi / 2:
            raise InputError(f"grazing is {self.grazing}; expected two growing angles in (0, π/2] (radians)")
        if not 0 < self.hole_radius_px[0] <= self.hole_radius_px[1]:
            raise InputError(f"hole_radius_px is {self.hole_radius_px}; expected (smallest, largest), positive")
        if not 0 <= self.roughness[0] <= self.roughness[1]:
            raise InputError(f"roughness is {self.roughness}; expected (smallest, largest), not negative")


def times_as_noisy(config: TriangulationConfig, factor: float) -> TriangulationConfig:
    """The same sensor with errors of depth and edges, quantisation and random losses `factor` times as large.

    Shadows and grazing losses stay: they follow from where the device's eyes are. 0: what is measured is exact.
    """
    sizes = (
        "scale_deviation", "axial_deviation", "inverse_depth_step", "depth_step", "edge_jitter_px",
        "outlier_deviation", "holes_per_pixel",
    )  # fmt: skip
    changes: dict[str, Any] = {name: factor * getattr(config, name) for name in sizes}
    shares = {name: min(1.0, factor * getattr(config, name)) for name in ("edge_loss", "edge_outliers")}
    return replace(config, **changes, **shares)


class TriangulationSensor(Sensor):
    """Structured light or stereo, as its config says."""

    def __init__(self, config: TriangulationConfig | None = None) -> None:
        self.config = config or TriangulationConfig()

    def __call__(
        self, depth: Float32[np.ndarray, "H W"], camera: Camera, rng: np.random.Generator
    ) -> Float32[np.ndarray, "H W"]:
        """The measured image."""
        config = _as_rough_as_drawn(self.config, rng)
        clean = 1 / measured(depth, camera)
        edges = _edges(clean, config)
        inverse = _without_shadows(clean, camera, config.baseline)
        _fatten(inverse, clean, edges, config)
        inverse = _ragged_edges(inverse, edges, config, rng)
        _lose_grazing(inverse, clean, camera, config.grazing, rng)
        _lose_holes(inverse, config, rng)
        _mismatch(inverse, edges, config, rng)
        noise = gaussian_field(inverse.shape, config.correlation_px, config.independent_share, rng)
        noise *= np.float32(config.axial_deviation)
        inverse += noise
        _quantise(inverse, config.inverse_depth_step)
        noisy = np.float32(1 + config.scale_deviation * rng.standard_normal()) / inverse
        _quantise(noisy, config.depth_step)
        if config.filled:
            noisy = _filled(noisy)
        noisy[np.isnan(clean)] = np.nan  # an edge may have moved over what was missing
        return noisy


def _as_rough_as_drawn(config: TriangulationConfig, rng: np.random.Generator) -> TriangulationConfig:
    """The config for one image."""
    if config.roughness == (1.0, 1.0):
        return config
    factor = float(rng.uniform(*config.roughness))
    scaled = ("edge_jitter_px", "edge_loss", "edge_outliers", "holes_per_pixel")
    changes: dict[str, Any] = {name: min(factor, 1.0) * getattr(config, name) for name in scaled}
    return replace(config, axial_deviation=factor * config.axial_deviation, **changes)


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


def _edges(inverse: Float32[np.ndarray, "H W"], config: TriangulationConfig) -> Int64[np.ndarray, "P"]:
    """Flat indices of the pixels within reach of a jump."""
    edges = np.zeros(inverse.shape, dtype=bool)
    for pixels, mask in ((inverse, edges), (inverse.T, edges.T)):  # down the columns, then along the rows
        jump = np.abs(np.diff(pixels, axis=0)) > config.edge_step
        for shift in range(1 - config.edge_reach_px, config.edge_reach_px + 1):  # it lies between rows i and i + 1
            target = mask[max(0, shift) : max(0, len(jump) + min(shift, 1))]
            target |= jump[max(0, -shift) : max(0, len(jump) - max(0, shift - 1))]
    return np.flatnonzero(edges)


def _fatten(
    inverse: Float32[np.ndarray, "H W"],
    clean: Float32[np.ndarray, "H W"],
    edges: Int64[np.ndarray, "P"],
    config: TriangulationConfig,
) -> None:
    """Edge pixels, shadowed ones too, take the nearest depth that their matching window holds if it is another's."""
    reach = range(-config.fattening_px, config.fattening_px + 1)
    if len(reach) == 1:
        return
    rows, columns = np.divmod(edges, inverse.shape[1])
    nearest = np.zeros(len(edges), dtype=np.float32)
    for down in reach:
        for right in reach:
            row = np.clip(rows + down, 0, inverse.shape[0] - 1)
            nearest = np.fmax(nearest, inverse[row, np.clip(columns + right, 0, inverse.shape[1] - 1)])
    wins = nearest > clean.flat[edges] + np.float32(config.edge_step)
    inverse.flat[edges[wins]] = nearest[wins]


def _ragged_edges(
    inverse: Float32[np.ndarray, "H W"],
    edges: Int64[np.ndarray, "P"],
    config: TriangulationConfig,
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


def _lose_holes(inverse: Float32[np.ndarray, "H W"], config: TriangulationConfig, rng: np.random.Generator) -> None:
    """Set NaN in discs at random places, also where only part of the disc lies in the image."""
    height, width = inverse.shape
    reach = int(np.ceil(config.hole_radius_px[1]))
    count = rng.poisson(config.holes_per_pixel * (height + 2 * reach) * (width + 2 * reach))
    centers = rng.uniform((-reach, -reach), (height + reach, width + reach), size=(count, 2))
    radii = rng.uniform(*config.hole_radius_px, size=count)
    # Every disc is looked for in the square around it, all squares at once.
    down, right = (grid.ravel() for grid in np.indices((2 * reach + 2, 2 * reach + 2)) - reach)
    rows = np.floor(centers[:, :1]).astype(np.int64) + down
    columns = np.floor(centers[:, 1:]).astype(np.int64) + right
    inside = (rows - centers[:, :1]) ** 2 + (columns - centers[:, 1:]) ** 2 <= radii[:, None] ** 2
    inside &= (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    inverse[rows[inside], columns[inside]] = np.nan


def _mismatch(
    inverse: Float32[np.ndarray, "H W"],
    edges: Int64[np.ndarray, "P"],
    config: TriangulationConfig,
    rng: np.random.Generator,
) -> None:
    """Give some edge pixels any depth."""
    if config.edge_outliers == 0:
        return
    false = edges[rng.random(len(edges), dtype=np.float32) < config.edge_outliers]
    inverse.flat[false] += np.float32(config.outlier_deviation) * rng.standard_normal(len(false), dtype=np.float32)


def _quantise(values: Float32[np.ndarray, "H W"], step: float) -> None:
    """Round to whole steps; NaN where that is no longer a distance."""
    if step > 0:
        values *= np.float32(1 / step)
        np.rint(values, out=values)
        values *= np.float32(step)
    values[values <= 0] = np.nan


def _filled(depth: Float32[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W"]:
    """The image with each missing pixel as deep as the nearest measured one; all missing if nothing is measured."""
    missing = np.isnan(depth)
    if not missing.any() or missing.all():
        return depth
    rows, columns = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
    return np.asarray(depth[rows, columns])
