"""Antipodal grasps from a depth image: pairs of depth edges that face away from each other, and a depth below them.

The sampler of Dex-Net 2.0 (Mahler et al., RSS 2017, supplement) with three changes: edges, normals and friction cones
are those of the height map across the approach, metric whatever the camera's place; pairs are found by rays through a
map of edge numbers, not in an N × N matrix; a finger never starts below the table.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.observation.height_map import HeightMap
from graspnet.observation.observation import Observation
from graspnet.policies.grasp_space import GraspSpace

__all__ = ["AntipodalSampler", "AntipodalSamplerConfig", "Pairs", "Relief", "at_depths", "sample_antipodal"]


@dataclass(frozen=True, kw_only=True)
class AntipodalSamplerConfig:
    """Lengths are fractions of the gripper's max_width, so that the sampler fits any hand and any camera."""

    smoothing: float = 1.5  # σ of the Gaussian before the gradient, in cells of the height map
    # depth gradient of an edge, in metres per metre. The paper's 2.5 mm/px would be 1.9 at 0.7 m with f = 525 px, where
    # it misses whatever is lower than 8 mm (the handles in two of five real images); noise reaches about 0.2
    edge_slope: float = 1.0
    edge_step: float = np.inf  # by how much one edge of a pair may be higher than the other; infinity: by any height
    friction: float = 0.8  # half angle of the cone = atan(friction)
    friction_step: float = 0.2  # paper: added while too few pairs are found; edge_slope then falls by a third as well
    relaxations: int = 3
    max_rays: int = 4000  # rejection samples for each friction
    enough_pairs: int = 48  # fewer distinct pairs than this: relax
    shallowest: float = 0.1  # pads' centre below the surface: the paper's 5 mm …
    deepest: float = 0.8  # … to 40 mm, of a 50 mm hand
    table_clearance: float = 0.0015  # m between fingertips and table
    pad_overlap: float = 0.0015  # m of the object that the pads must reach, where it is lower than a pad

    def __post_init__(self) -> None:
        for name in ("smoothing", "edge_slope", "edge_step", "friction", "max_rays", "enough_pairs"):
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

    Each closes along the line between two edges of the height map whose outward normals lie within the friction cones
    around it, at most max_width apart; its depth is uniform below the lower of the two edges, with the tips above the
    table. Where the image has no such pair, centre and angle are drawn uniformly over the object mask. They may touch
    something, and may be fewer than `count` where the object is too low for some of them.
    """
    if not len(observation.object_points):
        return Grasps.none()
    return AntipodalSampler.of(GraspSpace.of(observation), config).sample(count, rng)


@dataclass(frozen=True)
class AntipodalSampler:
    """The sampler of one space: its relief and edges are computed once, however often one samples.

    opening_margin: by so many metres on either side the jaws open further than the pair of edges that they close on;
    infinity: they open fully.
    """

    space: GraspSpace
    config: AntipodalSamplerConfig
    relief: "Relief"
    edges: "_Edges"
    opening_margin: float = np.inf

    @staticmethod
    def of(space: GraspSpace, config: AntipodalSamplerConfig, opening_margin: float = np.inf) -> "AntipodalSampler":
        """InputError: nothing measured on the object mask."""
        if not len(space.observation.object_points):
            raise InputError("nothing to sample: no measured pixel belongs to an object")
        relief = _relief(space, config)
        return AntipodalSampler(space, config, relief, _edges(relief, config.edge_slope), opening_margin)

    def sample(self, count: int, rng: np.random.Generator) -> Grasps:
        """As `sample_antipodal`."""
        rays = int(np.clip(10 * count, 500, self.config.max_rays))
        pairs = _find_pairs(self.relief, self.edges, self.space.w, rays, self.config, rng)
        if len(pairs.angle):
            chosen = rng.permutation(len(pairs.angle))[:count]
            if len(chosen) < count:  # few pairs: each is taken again, at other depths
                chosen = rng.integers(len(pairs.angle), size=count)
            pairs = Pairs(pairs.middle[chosen], pairs.angle[chosen], pairs.length[chosen])
        else:
            pairs = _anywhere(self.relief, count, rng)
        return at_depths(pairs, self.space, self.config, self.opening_margin, rng)


@dataclass(frozen=True)
class Relief:
    """The height map without gaps, and where it falls."""

    height_map: HeightMap
    slope: Float32[np.ndarray, "h w"]  # how steeply the smoothed height falls, metres per metre
    outward: Float32[np.ndarray, "h w 2"]  # unit direction (x, y) in which it falls
    top: Float32[np.ndarray, "h w"]  # height of the highest surface within two cells
    on_object: Bool[np.ndarray, "h w"]


def _relief(space: GraspSpace, config: AntipodalSamplerConfig) -> Relief:
    height_map = space.height_map
    filled = _without_gaps(space, config.smoothing)
    smooth = gaussian_filter(filled, config.smoothing, mode="nearest")
    along_y, along_x = np.gradient(smooth)
    magnitude = np.hypot(along_x, along_y)
    return Relief(
        height_map=height_map,
        slope=magnitude / np.float32(height_map.pitch),
        outward=-np.stack([along_x, along_y], axis=-1) / np.maximum(magnitude, np.float32(1e-9))[..., None],
        top=maximum_filter(filled, size=5),
        on_object=height_map.on_object,
    )


def _without_gaps(space: GraspSpace, sigma: float) -> Float32[np.ndarray, "h w"]:
    """The measured height; among measured cells, a gap takes their weighted mean.

    Larger gaps are shadows as a rule: they get the table's height, or the lowest that is measured within half the
    gripper's width, so that an object's edge stays an edge. (Their curtain would hide it: from 60° to the side it
    falls by 0.6 metres per metre.)
    """
    height_map = space.height_map
    measured = height_map.measured
    height = np.where(measured, height_map.height, np.float32(0.0))
    if measured.all():
        return height
    weight = gaussian_filter(measured.astype(np.float32), sigma, mode="nearest")
    mean = gaussian_filter(height, sigma, mode="nearest") / np.maximum(weight, np.float32(1e-6))
    height = np.where(measured, height, mean)
    empty = ~measured & (weight <= 0.3)
    if not empty.any():
        return height
    return np.where(empty, _background(space, np.where(empty, np.float32(np.inf), height)), height)


def _background(space: GraspSpace, height: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """The table's height, else the lowest around each cell. height: inf where unknown."""
    table = space.table_of_cells
    if np.isfinite(table).all():
        return table.astype(np.float32)
    lowest = minimum_filter(height, size=2 * int(space.w / 2 / space.height_map.pitch) + 1)
    known = height[np.isfinite(height)]  # a lone pixel spans no cell, and then nothing is known
    return np.where(np.isfinite(lowest), lowest, known.min() if len(known) else np.float32(0.0))


@dataclass(frozen=True)
class Pairs:
    """Where grasps may close: midpoint (x, y, height of the lower edge), angle, and metres from edge to edge."""

    middle: Float64[np.ndarray, "M 3"]
    angle: Float64[np.ndarray, "M"]
    length: Float64[np.ndarray, "M"]  # infinite where no edges are known
    distinct: int = 0  # how many of them are of different edges


def _find_pairs(
    relief: Relief,
    edges: "_Edges",
    max_width: float,
    rays: int,
    config: AntipodalSamplerConfig,
    rng: np.random.Generator,
) -> Pairs:
    """Pairs at the config's friction and slope, or, where they are too few, with more friction and flatter edges."""
    step = config.edge_step * max_width
    pairs = _antipodal_pairs(relief, edges, max_width, config.friction, step, rays, rng)
    for k in range(1, config.relaxations + 1):
        if pairs.distinct >= config.enough_pairs:
            break
        edges = _edges(relief, config.edge_slope * (2 / 3) ** k)
        friction = config.friction + k * config.friction_step
        pairs = _antipodal_pairs(relief, edges, max_width, friction, step, rays, rng)
    return pairs


@dataclass(frozen=True)
class _Edges:
    """Cells on an edge of the relief whose inner side lies on an object."""

    row: Int64[np.ndarray, "E"]
    column: Int64[np.ndarray, "E"]
    top: Float64[np.ndarray, "E"]  # height of the surface that ends here
    xy: Float64[np.ndarray, "E 2"]
    normal: Float64[np.ndarray, "E 2"]  # unit, outward


def _edges(relief: Relief, slope: float) -> _Edges:
    row, column = np.nonzero(relief.slope > slope)
    normal = relief.outward[row, column].astype(np.float64)
    inner = np.rint(np.stack([column, row], axis=1) - 2 * normal).astype(np.int64)
    height, width = relief.on_object.shape
    inner_row, inner_column = np.clip(inner[:, 1], 0, height - 1), np.clip(inner[:, 0], 0, width - 1)
    inside = relief.on_object[inner_row, inner_column]
    top = np.maximum(relief.top[row, column], relief.top[inner_row, inner_column]).astype(np.float64)
    row, column, normal, top = row[inside], column[inside], normal[inside], top[inside]
    xy = relief.height_map.places(np.stack([column, row], axis=1).astype(np.float64))
    return _Edges(row, column, top, xy, normal)


def _antipodal_pairs(
    relief: Relief,
    edges: _Edges,
    max_width: float,
    friction: float,
    highest_step: float,
    rays: int,
    rng: np.random.Generator,
) -> Pairs:
    """What rays find that go from an edge inwards, within its friction cone, to an edge that faces the other way."""
    if not len(edges.top):
        return Pairs(np.zeros((0, 3)), np.zeros(0), np.zeros(0))
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
    good = (second >= 0) & leaves & arrives & (length >= 2 * relief.height_map.pitch) & (length <= max_width)
    if np.isfinite(highest_step):
        good &= np.abs(edges.top[second] - edges.top[first][:, None]) <= highest_step
    ray = np.flatnonzero(good.any(axis=1))
    step = np.argmax(np.where(good[ray], rng.random((len(ray), good.shape[1])), -1.0), axis=1)  # any edge that it met
    first, second, closing, length = first[ray], second[ray, step], closing[ray, step], length[ray, step]
    lower = np.minimum(edges.top[first], edges.top[second])
    middle = np.column_stack([(edges.xy[first] + edges.xy[second]) / 2, lower])
    distinct = len(np.unique(np.minimum(first, second) * len(edges.top) + np.maximum(first, second)))
    return Pairs(middle, np.arctan2(closing[:, 1], closing[:, 0]), length, distinct)


def _edges_along(
    relief: Relief,
    edges: _Edges,
    first: Int64[np.ndarray, "M"],
    direction: Float64[np.ndarray, "M 2"],
    max_width: float,
) -> Int64[np.ndarray, "M T"]:
    """Numbers of the edges at each cell's step from an edge along a direction; -1 where there is none."""
    number = np.full(relief.slope.shape, -1, dtype=np.int64)
    number[edges.row, edges.column] = np.arange(len(edges.row))
    steps = np.arange(2, int(np.ceil(max_width / relief.height_map.pitch)) + 2)
    column = np.rint(edges.column[first][:, None] + steps * direction[:, :1]).astype(np.int64)
    row = np.rint(edges.row[first][:, None] + steps * direction[:, 1:]).astype(np.int64)
    height, width = number.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return np.where(inside, number[np.where(inside, row, 0), np.where(inside, column, 0)], -1)


def _anywhere(relief: Relief, count: int, rng: np.random.Generator) -> Pairs:
    """Centres uniform over the object, any angle: for objects without an edge that the image shows."""
    row, column = np.nonzero(relief.on_object)
    if not len(row):
        return Pairs(np.zeros((0, 3)), np.zeros(0), np.zeros(0))
    chosen = rng.integers(len(row), size=count)
    row, column = row[chosen], column[chosen]
    xy = relief.height_map.places(np.stack([column, row], axis=1).astype(np.float64))
    top = relief.top[row, column].astype(np.float64)
    angle = rng.uniform(-np.pi / 2, np.pi / 2, size=count)
    return Pairs(np.column_stack([xy, top]), angle, np.full(count, np.inf))


def at_depths(
    pairs: Pairs,
    space: GraspSpace,
    config: AntipodalSamplerConfig,
    opening_margin: float,
    rng: np.random.Generator,
) -> Grasps:
    """Pairs become grasps: from `shallowest` to `deepest` below the surface, as far as palm and table allow.

    Depths are stratified: of N pairs each takes another N-th of its range, in an order that is drawn. Where the object
    is lower than that, the tips go as deep as the table lets them; where even then the pads would reach less than
    `pad_overlap` of it, there is no grasp.
    """
    gripper = space.gripper
    xy, surface = pairs.middle[:, :2], pairs.middle[:, 2]
    at_table = surface - space.tip_floor(xy, config.table_clearance) - gripper.pad_to_tip
    at_palm = gripper.finger_length - gripper.pad_to_tip
    deepest = np.minimum(np.minimum(config.deepest * gripper.max_width, at_palm), at_table)
    shallowest = np.minimum(config.shallowest * gripper.max_width, deepest)
    share = (rng.permutation(len(surface)) + rng.random(len(surface))) / max(1, len(surface))
    below = shallowest + share * (deepest - shallowest)
    reached = below >= config.pad_overlap - gripper.pad_to_tip
    origin = np.column_stack([xy, surface - below])[reached]
    width = np.clip(pairs.length[reached] + 2 * opening_margin, gripper.min_width, gripper.max_width)
    return space.grasps(origin, pairs.angle[reached], width)
