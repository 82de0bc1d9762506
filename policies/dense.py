"""One dense pass: the quality of every grasp on a grid over the scene, then a short search around the best of them.

Satish et al., RA-L 2019, evaluate millions of grasps by a fully convolutional network. Here the grid lies in the height
map: for each angle it is cut, turned, as one large crop, and the network of crops slides over it
(`graspnet.models.dense`). For each height of a grasp the crop is another one. Only windows that the map allows are
judged: convolutions are shared by all of them, and the fully connected layers see no other.
"""

from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from graspnet.crops.metric import MetricCropConfig, metric_crops, metric_pose_numbers
from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.grasps.grasps import Grasps
from graspnet.models.dense import DenseForm
from graspnet.observation.observation import Observation
from graspnet.policies.constraints import Constraints, FeasibleSampler
from graspnet.policies.cross_entropy.cross_entropy import CrossEntropyConfig, Search, feasible_sampler
from graspnet.policies.demands.failures import AfterFailures
from graspnet.policies.grasp_space import GraspSpace
from graspnet.policies.policy import Policy
from graspnet.policies.ranking import RankedGrasps
from graspnet.quality import NetworkQuality, Quality
from graspnet.refusals import Refusals

__all__ = ["DenseConfig", "DensePolicy", "Grid", "dense_qualities", "grid_of"]

BESIDE = 0.15  # of the hand's max_width: so far beside a thing the middle of a grasp of it may lie
BATCH = 2048  # windows whose fully connected layers are computed at a time


@dataclass(frozen=True, kw_only=True)
class DenseConfig:
    """angles: over half a turn. heights: of grasps, at most, `height_step` (in the hand's max_width) apart or more.

    opening: of the grid's grasps, a share of the hand's. pairs: antipodal grasps that join the grid's best, since what
    is low, narrow or between neighbours has no place on the grid. search: what follows the dense pass.
    """

    angles: int = 12
    heights: int = 8
    height_step: float = 0.15
    opening: float = 1.0
    pairs: int = 96
    search: CrossEntropyConfig = field(default_factory=lambda: CrossEntropyConfig(iterations=1))

    def __post_init__(self) -> None:
        if self.pairs < 0:
            raise InputError(f"pairs is {self.pairs}; it must not be negative")
        if self.angles < 1 or self.heights < 1 or not self.height_step > 0 or not 0 < self.opening <= 1:
            raise InputError(
                f"angles is {self.angles}, heights {self.heights}, height_step {self.height_step}, opening "
                f"{self.opening}; expected >= 1, >= 1, > 0 and a share in (0, 1]"
            )


class DensePolicy(Policy):
    """The best of a dense pass, improved by a short cross-entropy search. It needs a network that slides."""

    name: ClassVar[str] = "dense"
    config_type: ClassVar[type] = DenseConfig

    def __init__(self, config: DenseConfig, quality: Quality | None = None) -> None:
        if not isinstance(quality, NetworkQuality):
            raise InputError("the dense policy slides a network over the scene: it needs a network, not a function")
        self.config, self.quality = config, quality
        self._form = DenseForm(quality.checkpoint.network)

    def plan(self, observation: Observation, rng: np.random.Generator) -> GraspPlan:
        """Judge the grid, improve its best grasps, score the finalists again."""
        start = perf_counter()
        best, refusals, seconds = RankedGrasps.none(), Refusals(), {}
        if len(observation.object_points):
            sampler = feasible_sampler(observation, self.config.search)
            best = self._grid(observation, sampler)
            seconds = {"dense": perf_counter() - start}
            refusals = sampler.constraints.refusals
            quality = AfterFailures(self.quality)
            pairs = sampler.sample(self.config.pairs, rng)
            best = best.merged(pairs, quality(observation, pairs))
            run = Search(quality, sampler, self.config.search, rng)
            best = run.finished(run.improved(best))
        seconds |= {"total": perf_counter() - start}
        if not len(best):
            return GraspPlan.nothing(self.name, observation, seconds, refusals)
        return GraspPlan(observation, best.grasps_in_camera, best.qualities, "", seconds, self.name, refusals=refusals)

    def _grid(self, observation: Observation, sampler: FeasibleSampler) -> RankedGrasps:
        """The best of the grid, as many as a search begins with."""
        space = sampler.constraints.space
        grid = grid_of(sampler.constraints, self._form, self.config)
        if not len(grid.grasps):
            return RankedGrasps.none()
        qualities = dense_qualities(space, self.quality, self._form, grid)
        known = AfterFailures(lambda *_: qualities)
        ranked = RankedGrasps.none().merged(grid.grasps, known(observation, grid.grasps))
        return ranked.top(self.config.search.initial_samples)


@dataclass(frozen=True)
class Grid:
    """Grasps whose crops are windows of large crops: of one for each angle and height.

    size: cells along the side of a large crop, which is centred at `center`, (x, y) of the map. angle, height: of each
    large crop, M of them. window: (crop, row, column) of each grasp.
    """

    size: int
    center: Float64[np.ndarray, "2"]
    angle: Float64[np.ndarray, "M"]
    height: Float64[np.ndarray, "M"]
    window: Int64[np.ndarray, "N 3"]
    grasps: Grasps

    def only(self, kept: np.ndarray) -> "Grid":
        """Some of the grasps, by a mask."""
        return replace(self, window=self.window[kept], grasps=self.grasps[kept])


def grid_of(constraints: Constraints, form: DenseForm, config: DenseConfig) -> Grid:
    """The feasible grasps of the grid over what may be grasped that the arm reaches: at every fourth cell of each large
    crop."""
    space, crop = constraints.space, form.network.crop
    assert isinstance(crop, MetricCropConfig)
    cell = crop.window / crop.size * space.w
    row, column = np.nonzero(space.height_map.on_object)
    things = space.height_map.places(np.stack([column, row], axis=1).astype(np.float64))
    nothing = Grid(form.size, np.zeros(2), np.zeros(0), np.zeros(0), np.zeros((0, 3), np.int64), Grasps.none())
    if not len(things):
        return nothing
    center = (things.min(axis=0) + things.max(axis=0)) / 2
    radius = np.linalg.norm(things - center, axis=1).max() + BESIDE * space.w
    size = form.size * (1 + int(np.ceil(2 * radius / cell / form.size)))  # of whole crops: they are cut side by side
    rows, _ = form.windows(size, size)
    # the middle of window (i, j), in cells from the middle of the large crop
    middle = form.stride * np.arange(rows) + (form.size - 1) / 2 - (size - 1) / 2
    angles = np.arange(config.angles) * np.pi / config.angles
    turn, i, j = (each.ravel() for each in np.meshgrid(range(len(angles)), range(rows), range(rows), indexing="ij"))
    xy = _places(center, middle[j] * cell, middle[i] * cell, angles[turn])
    near = _on_things(space, xy)
    turn, i, j, xy = turn[near], i[near], j[near], xy[near]
    width = np.full(len(xy), max(config.opening * space.w, space.gripper.min_width))
    anywhere = space.grasps(np.column_stack([xy, np.zeros(len(xy))]), angles[turn], width)
    lowest, highest = constraints.height_range(anywhere)
    heights = _heights(lowest, highest, config, space.w)
    if not len(heights):
        return nothing
    place, level = np.nonzero((heights >= lowest[:, None] - 1e-9) & (heights < highest[:, None]))
    grasps = space.grasps(np.column_stack([xy[place], heights[level]]), angles[turn[place]], width[place])
    window = np.column_stack([turn[place] * len(heights) + level, i[place], j[place]]).astype(np.int64)
    crops = np.repeat(angles, len(heights)), np.tile(heights, len(angles))
    grid = Grid(size, center, *crops, window, grasps)
    return grid.only(constraints.feasible_and_reached(grasps))


def _places(
    center: Float64[np.ndarray, "2"],
    along: Float64[np.ndarray, "N"],
    down: Float64[np.ndarray, "N"],
    angle: Float64[np.ndarray, "N"],
) -> Float64[np.ndarray, "N 2"]:
    """(x, y) of places in large crops, metres along their columns' and their rows' direction from the middle.

    Columns run along the closing axis (cos, sin), rows against the grasp's x axis (sin, −cos).
    """
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.asarray(center + np.column_stack([along * cosine - down * sine, along * sine + down * cosine]))


def _heights(
    lowest: Float64[np.ndarray, "N"], highest: Float64[np.ndarray, "N"], config: DenseConfig, w: float
) -> Float64[np.ndarray, "M"]:
    """Levels of grasps' origins, from the lowest that any place allows to the highest."""
    possible = (lowest < highest) & np.isfinite(lowest) & np.isfinite(highest)
    if not possible.any():
        return np.zeros(0)
    bottom, top = float(lowest[possible].min()), float(highest[possible].max())
    step = max(config.height_step * w, (top - bottom) / config.heights)
    return np.arange(bottom, top, step)


def _on_things(space: GraspSpace, xy: Float64[np.ndarray, "N 2"]) -> Bool[np.ndarray, "N"]:
    """Whether a place is on a thing, or just beside one."""
    height_map = space.height_map
    distance = distance_transform_edt(~height_map.on_object) * height_map.pitch
    column, row = np.rint(height_map.cells(xy)).astype(np.int64).T
    height, width = distance.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return np.asarray(inside & (distance[np.where(inside, row, 0), np.where(inside, column, 0)] <= BESIDE * space.w))


def dense_qualities(
    space: GraspSpace, quality: NetworkQuality, form: DenseForm, grid: Grid
) -> Float64[np.ndarray, "N"]:
    """The network's quality of the grid's grasps: what it says of the crop of each."""
    crop, sizes = form.network.crop, space.observation.gripper.sizes()
    assert isinstance(crop, MetricCropConfig)
    numbers = metric_pose_numbers(
        space.height_map, torch.from_numpy(grid.grasps.poses),
        torch.from_numpy(np.repeat(sizes[None], len(grid.grasps), axis=0)), crop,
        torch.zeros(len(grid.grasps), dtype=torch.float64),
    ).float()  # fmt: skip
    used, order = np.unique(grid.window[:, 0]), np.argsort(grid.window[:, 0], kind="stable")
    first = np.searchsorted(grid.window[order, 0], used)
    groups = np.split(order, first[1:])
    logits = torch.zeros(len(grid.grasps), 2)
    with torch.inference_mode():
        for number, rows in zip(used, groups, strict=True):
            features = form.features(_large_crop(space, crop, grid, int(number)))
            for part in np.split(rows, range(BATCH, len(rows), BATCH)):
                window = torch.from_numpy(grid.window[part])
                window[:, 0] = 0
                logits[part] = form.logits_at(features, window, numbers[part])
    return quality.checkpoint.quality(logits).double().numpy()


def _large_crop(
    space: GraspSpace, crop: MetricCropConfig, grid: Grid, number: int
) -> Float32[Tensor, "1 2 {grid.size} {grid.size}"]:
    """One large crop, of crops that are cut side by side: so its cells lie where those of a grasp's crop do, to the
    same rounding."""
    count, cell = grid.size // crop.size, crop.window / crop.size * space.w
    middle = (np.arange(count) - (count - 1) / 2) * crop.size * cell
    up, along = (each.ravel() for each in np.meshgrid(middle, middle, indexing="ij"))
    angles = np.full(len(up), grid.angle[number])
    xy = _places(grid.center, along, up, angles)
    coordinates = np.column_stack([xy, np.full(len(xy), grid.height[number])])
    poses = space.grasps(coordinates, angles, np.full(len(xy), space.w)).poses
    sizes = np.repeat(space.observation.gripper.sizes()[None], len(xy), axis=0)
    tiles, _ = metric_crops(space.height_map, torch.from_numpy(poses), torch.from_numpy(sizes), crop)
    rows = tiles.unflatten(0, (count, count)).permute(2, 0, 3, 1, 4)  # (channel, tile row, row, tile column, column)
    return rows.reshape(1, 2, grid.size, grid.size)
