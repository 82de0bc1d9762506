"""Antipodal grasps from a depth image: pairs of depth edges that face away from each other, and a depth below them.

The sampler of Dex-Net 2.0 (Mahler et al., RSS 2017, supplement) with three changes: edges, normals and friction cones
are metric and lie in the plane across the approach, so that tilted and off-centre views keep their angles; pairs are
found by rays through an image of edge numbers, not in an N × N matrix; a finger never starts below the table.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.observation import Observation
from policies.approach_plane import ApproachPlane

__all__ = ["AntipodalSampler", "AntipodalSamplerConfig", "sample_antipodal"]

PIXELS_ACROSS = 32  # an image is halved, thirded … until the hand's width covers fewer than twice as many pixels


@dataclass(frozen=True, kw_only=True)
class AntipodalSamplerConfig:
    """Lengths are fractions of the hand's max_width, so that the sampler fits any hand and any camera."""

    smoothing_px: float = 1.0  # σ of the Gaussian before the gradient
    # depth gradient of an edge, in metres per metre. The paper's 2.5 mm/px would be 1.9 at 0.7 m with f = 525 px, where
    # it misses whatever is lower than 8 mm (the handles in two of five real images); noise reaches about 0.2
    edge_slope: float = 1.0
    friction: float = 0.8  # half angle of the cone = atan(friction)
    friction_step: float = 0.2  # paper: added while too few pairs are found; edge_slope then falls by a third as well
    relaxations: int = 3
    max_rays: int = 4000  # rejection samples for each friction
    enough_pairs: int = 48  # fewer distinct pairs than this: relax
    shallowest: float = 0.1  # pads' centre below the surface: the paper's 5 mm …
    deepest: float = 0.8  # … to 40 mm, of a 50 mm hand
    table_clearance: float = 0.0015  # m between fingertips and table
    pad_overlap: float = 0.003  # m of the object that the pads must reach, where it is lower than a pad

    def __post_init__(self) -> None:
        for name in ("smoothing_px", "edge_slope", "friction", "max_rays", "enough_pairs"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be positive")
        if not 0 <= self.shallowest <= self.deepest:
            raise InputError(
                f"shallowest is {self.shallowest}, deepest {self.deepest}; expected 0 <= shallowest <= deepest"
            )
        if self.relaxations < 0 or self.friction_step < 0:
            raise InputError("relaxations and friction_step must not be negative")


def sample_antipodal(
    observation: Observation, count: int, config: AntipodalSamplerConfig, rng: np.random.Generator
) -> Grasps:
    """`count` grasps in the camera frame; none where no object rises far enough for a finger to reach it.

    Each closes along the line between two depth edges whose outward normals lie within the friction cones around it,
    at most max_width apart; its depth is uniform below the lower of the two edges, with the tips above the table.
    Where the image has no such pair, centre and angle are drawn uniformly over the object mask. They may touch
    something, and may be fewer than `count` where the object is too low for some of them.
    """
    if not observation.object_mask.any():
        return Grasps.none()
    return AntipodalSampler.of(observation, config).sample(count, rng)


@dataclass(frozen=True)
class AntipodalSampler:
    """The sampler of one observation: its relief and edges are computed once, however often one samples."""

    observation: Observation
    config: AntipodalSamplerConfig
    relief: "_Relief"
    edges: "_Edges"

    @staticmethod
    def of(observation: Observation, config: AntipodalSamplerConfig) -> "AntipodalSampler":
        """InputError: nothing measured on the object mask."""
        if not observation.object_mask.any():
            raise InputError("nothing to sample: no measured pixel belongs to an object")
        relief = _relief(observation, ApproachPlane.of(observation), config)
        return AntipodalSampler(observation, config, relief, _edges(relief, config.edge_slope))

    def sample(self, count: int, rng: np.random.Generator) -> Grasps:
        """As `sample_antipodal`."""
        rays = int(np.clip(10 * count, 500, self.config.max_rays))
        pairs = _find_pairs(self.relief, self.edges, self.observation.gripper.span, rays, self.config, rng)
        if len(pairs.angle):
            chosen = rng.permutation(len(pairs.angle))[:count]
            if len(chosen) < count:  # few pairs: each is taken again, at other depths
                chosen = rng.integers(len(pairs.angle), size=count)
            pairs = _Pairs(pairs.middle[chosen], pairs.angle[chosen])
        else:
            pairs = _anywhere(self.relief, count, rng)
        return _at_depths(pairs, self.relief.plane, ParallelJaw.of(self.observation.gripper), self.config, rng)


@dataclass(frozen=True)
class _Relief:
    """A window of the image around the objects, at a working resolution, as distances s along the approach."""

    plane: ApproachPlane
    pitch: float  # metres across a working pixel, at the objects
    slope: Float32[np.ndarray, "h w"]  # gradient of s over pitch
    outward: Float32[np.ndarray, "h w 2"]  # unit image direction (u, v) in which s grows
    top: Float32[np.ndarray, "h w"]  # s of the nearest surface within two pixels
    rays: Float64[np.ndarray, "h w 3"]  # through the pixels' centres, z = 1
    mask: Bool[np.ndarray, "h w"]


def _relief(observation: Observation, plane: ApproachPlane, config: AntipodalSamplerConfig) -> _Relief:
    camera, mask = observation.camera, observation.object_mask
    focal_length = (camera.fx + camera.fy) / 2
    distance = float(np.median(observation.depth[mask]))
    width_px = observation.gripper.span * focal_length / distance
    factor = max(1, int(width_px / PIXELS_ACROSS))
    top, bottom, left, right = _window(mask, margin=6 * factor, multiple=factor)

    u, v = np.meshgrid(np.arange(left, right, dtype=np.float64), np.arange(top, bottom, dtype=np.float64))
    along = camera.rays(np.stack([u, v], axis=-1)) @ plane.camera_from_plane[:, 2]
    s = _block_means((observation.depth[top:bottom, left:right] * along).astype(np.float32), factor)
    filled, smooth = _smoothed(s, plane.table, config.smoothing_px, hole=max(1, int(width_px / factor / 2)))
    dv, du = np.gradient(smooth)
    magnitude = np.hypot(du, dv)
    pitch = distance * factor / focal_length
    centers = np.stack([u[::factor, ::factor], v[::factor, ::factor]], axis=-1) + (factor - 1) / 2
    return _Relief(
        plane=plane,
        pitch=pitch,
        slope=magnitude / np.float32(pitch),
        outward=np.stack([du, dv], axis=-1) / np.maximum(magnitude, np.float32(1e-9))[..., None],
        top=minimum_filter(filled, size=5),
        rays=camera.rays(centers),
        mask=_block_means(mask[top:bottom, left:right].astype(np.float32), factor) > 0.25,
    )


def _window(mask: Bool[np.ndarray, "H W"], margin: int, multiple: int) -> tuple[int, int, int, int]:
    """Rows and columns around the mask: top, bottom, left, right; both sides are multiples of `multiple`."""
    limits = []
    for axis, size in ((1, mask.shape[0]), (0, mask.shape[1])):
        used = np.flatnonzero(mask.any(axis=axis))
        low, high = max(0, used[0] - margin), min(size, used[-1] + 1 + margin)
        limits += [int(low), int(high - (high - low) % multiple)]
    return limits[0], limits[1], limits[2], limits[3]


def _block_means(image: Float32[np.ndarray, "H W"], factor: int) -> Float32[np.ndarray, "h w"]:
    """Means of factor × factor blocks over what is not NaN."""
    if factor == 1:
        return image
    blocks = image.reshape(image.shape[0] // factor, factor, image.shape[1] // factor, factor)
    valid = np.isfinite(blocks)
    total, counts = np.where(valid, blocks, 0).sum(axis=(1, 3)), valid.sum(axis=(1, 3))
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan).astype(np.float32)


def _smoothed(
    s: Float32[np.ndarray, "h w"], table: float, sigma: float, hole: int
) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
    """The relief without missing pixels, and its Gaussian mean.

    A pixel among measured ones takes their weighted mean. Larger gaps are shadows as a rule: they get the table's
    distance, or the farthest that is measured within half the hand's width, so that an object's edge stays an edge.
    """
    valid = np.isfinite(s)
    if not valid.all():
        weight = gaussian_filter(valid.astype(np.float32), sigma, mode="nearest")
        mean = gaussian_filter(np.where(valid, s, 0), sigma, mode="nearest") / np.maximum(weight, 1e-6)
        s = np.where(valid, s, np.where(weight > 0.3, mean, np.float32(np.nan)))
        empty = np.isnan(s)
        farthest = maximum_filter(np.where(empty, -np.inf, s), size=2 * hole + 1)
        background = (
            np.float32(table) if np.isfinite(table) else np.where(np.isfinite(farthest), farthest, np.nanmax(s))
        )
        s = np.where(empty, background, s).astype(np.float32)
    return s, gaussian_filter(s, sigma, mode="nearest")


@dataclass(frozen=True)
class _Pairs:
    """Where grasps may close, in the approach plane: midpoint (x, y, s of the lower edge) and angle."""

    middle: Float64[np.ndarray, "M 3"]
    angle: Float64[np.ndarray, "M"]


def _find_pairs(
    relief: _Relief,
    edges: "_Edges",
    max_width: float,
    rays: int,
    config: AntipodalSamplerConfig,
    rng: np.random.Generator,
) -> _Pairs:
    """Pairs at the config's friction and slope, or, where they are too few, with more friction and flatter edges."""
    pairs = _antipodal_pairs(relief, edges, max_width, config.friction, rays, rng)
    for k in range(1, config.relaxations + 1):
        if len(pairs.angle) >= config.enough_pairs:
            break
        edges = _edges(relief, config.edge_slope * (2 / 3) ** k)
        pairs = _antipodal_pairs(relief, edges, max_width, config.friction + k * config.friction_step, rays, rng)
    return pairs


@dataclass(frozen=True)
class _Edges:
    """Pixels on a depth edge whose inner side lies on an object."""

    row: Int64[np.ndarray, "E"]
    column: Int64[np.ndarray, "E"]
    top: Float64[np.ndarray, "E"]  # s of the surface that ends here
    xy: Float64[np.ndarray, "E 2"]  # metric position in the plane, at that height
    normal: Float64[np.ndarray, "E 2"]  # unit, outward, in the plane
    xy_per_px: Float64[np.ndarray, "E 2 2"]  # ∂(x, y) / ∂(u, v) of working pixels


def _edges(relief: _Relief, slope: float) -> _Edges:
    row, column = np.nonzero(relief.slope > slope)
    uv_outward = relief.outward[row, column].astype(np.float64)
    inner = np.rint(np.stack([column, row], axis=1) - 2 * uv_outward).astype(np.int64)
    height, width = relief.mask.shape
    on_object = relief.mask[np.clip(inner[:, 1], 0, height - 1), np.clip(inner[:, 0], 0, width - 1)]
    row, column, uv_outward = row[on_object], column[on_object], uv_outward[on_object]

    top = relief.top[row, column].astype(np.float64)
    ray = relief.plane.coordinates(relief.rays[row, column])
    direction = ray[:, :2] / ray[:, 2:]  # a pixel's point at s is s * direction
    xy_per_px = _direction_per_px(relief, row, column, direction) * top[:, None, None]
    # a gradient is a covector: ∇xy = (∂uv/∂xy)ᵀ ∇uv
    normal = np.linalg.solve(np.swapaxes(xy_per_px, 1, 2), uv_outward[..., None])[..., 0]
    return _Edges(row, column, top, top[:, None] * direction, _unit(normal), xy_per_px)


def _direction_per_px(
    relief: _Relief, row: Int64[np.ndarray, "E"], column: Int64[np.ndarray, "E"], direction: Float64[np.ndarray, "E 2"]
) -> Float64[np.ndarray, "E 2 2"]:
    """∂ (x, y)/s / ∂ (u, v), exact: for a pixel's ray r in the plane's axes, (rᵢ' − (rᵢ/r_s) r_s') / r_s."""
    per_u = relief.plane.coordinates(relief.rays[0, 1] - relief.rays[0, 0])
    per_v = relief.plane.coordinates(relief.rays[1, 0] - relief.rays[0, 0])
    steps = np.stack([per_u, per_v], axis=1)  # (xys, uv)
    r_s = relief.plane.coordinates(relief.rays[row, column])[:, 2, None, None]
    return (steps[:2] - direction[:, :, None] * steps[2]) / r_s


def _antipodal_pairs(
    relief: _Relief, edges: _Edges, max_width: float, friction: float, rays: int, rng: np.random.Generator
) -> _Pairs:
    """What rays find that go from an edge inwards, within its friction cone, to an edge that faces the other way."""
    if not len(edges.top):
        return _Pairs(np.zeros((0, 3)), np.zeros(0))
    cone = np.arctan(friction)
    first = rng.integers(len(edges.top), size=min(rays, 20 * len(edges.top)))
    inward = -edges.normal[first]
    heading = np.arctan2(inward[:, 1], inward[:, 0]) + rng.uniform(-cone, cone, size=len(first))
    second = _edges_along(relief, edges, first, np.stack([np.cos(heading), np.sin(heading)], axis=1), max_width)

    offset = edges.xy[second] - edges.xy[first][:, None]
    length = np.linalg.norm(offset, axis=2)
    closing = offset / np.maximum(length, 1e-9)[..., None]
    leaves = np.einsum("mtk,mk->mt", closing, inward) >= np.cos(cone)
    arrives = np.einsum("mtk,mtk->mt", closing, edges.normal[second]) >= np.cos(cone)
    good = (second >= 0) & leaves & arrives & (length >= 2 * relief.pitch) & (length <= max_width)
    ray = np.flatnonzero(good.any(axis=1))
    step = np.argmax(np.where(good[ray], rng.random((len(ray), good.shape[1])), -1.0), axis=1)  # any edge that it met
    first, second, closing = first[ray], second[ray, step], closing[ray, step]
    lower = np.maximum(edges.top[first], edges.top[second])
    middle = np.column_stack([(edges.xy[first] + edges.xy[second]) / 2, lower])
    return _Pairs(middle, np.arctan2(closing[:, 1], closing[:, 0]))


def _edges_along(
    relief: _Relief,
    edges: _Edges,
    first: Int64[np.ndarray, "M"],
    direction: Float64[np.ndarray, "M 2"],
    max_width: float,
) -> Int64[np.ndarray, "M T"]:
    """Numbers of the edges at each pixel step from an edge along a direction of the plane; -1 where there is none."""
    number = np.full(relief.slope.shape, -1, dtype=np.int64)
    number[edges.row, edges.column] = np.arange(len(edges.row))
    uv_step = _unit(np.linalg.solve(edges.xy_per_px[first], direction[..., None])[..., 0])
    steps = np.arange(2, int(np.ceil(1.1 * max_width / relief.pitch)) + 2)  # 1.1: nearer objects have more pixels
    u = np.rint(edges.column[first][:, None] + steps * uv_step[:, :1]).astype(np.int64)
    v = np.rint(edges.row[first][:, None] + steps * uv_step[:, 1:]).astype(np.int64)
    height, width = number.shape
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    return np.where(inside, number[np.where(inside, v, 0), np.where(inside, u, 0)], -1)


def _unit(vectors: Float64[np.ndarray, "*B 2"]) -> Float64[np.ndarray, "*B 2"]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), dtype=np.float64)


def _anywhere(relief: _Relief, count: int, rng: np.random.Generator) -> _Pairs:
    """Centres uniform over the mask, any angle: for objects without an edge that the image shows."""
    row, column = np.nonzero(relief.mask)
    chosen = rng.integers(len(row), size=count)
    row, column = row[chosen], column[chosen]
    ray = relief.plane.coordinates(relief.rays[row, column])
    top = relief.top[row, column].astype(np.float64)
    return _Pairs(ray * (top / ray[:, 2])[:, None], rng.uniform(-np.pi / 2, np.pi / 2, size=count))


def _at_depths(
    pairs: _Pairs,
    plane: ApproachPlane,
    gripper: ParallelJaw,
    config: AntipodalSamplerConfig,
    rng: np.random.Generator,
) -> Grasps:
    """Pairs become grasps: s uniform from `shallowest` to `deepest` below the surface, as far as hand and table allow.

    Where the object is lower than that, the tips go as deep as the table lets them; where even then the pads would
    reach less than `pad_overlap` of it, there is no grasp.
    """
    surface = pairs.middle[:, 2]
    at_table = plane.table - config.table_clearance - gripper.pad_to_tip - surface
    at_palm = gripper.finger_length - gripper.pad_to_tip
    deepest = np.minimum(np.minimum(config.deepest * gripper.max_width, at_palm), at_table)
    shallowest = np.minimum(config.shallowest * gripper.max_width, deepest)
    below = rng.uniform(shallowest, np.maximum(deepest, shallowest))
    origin = np.column_stack([pairs.middle[:, :2], surface + below])
    reached = below >= config.pad_overlap - gripper.pad_to_tip
    width = np.full(int(reached.sum()), gripper.max_width)
    return plane.grasps(origin[reached], pairs.angle[reached], width)
