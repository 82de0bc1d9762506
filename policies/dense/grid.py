"""The grasps of a grid over the scene, and what a network that slides says of each in one pass.

For each angle the height map is cut, turned, as one large crop, and the network of crops slides over it
(`graspnet.models.dense`). A grasp's crop is cut at a reference height. A network whose training moved that height away
from its grasps' origins (`Checkpoint.standoff`) judges grasps of several heights from one large crop: the difference is
one of its pose numbers, and enters where image and pose are merged.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from graspnet.crops.metric import MetricCropConfig, metric_crops, metric_pose_numbers
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.models.dense import DenseForm
from graspnet.policies.constraints import Constraints
from graspnet.policies.cross_entropy.cross_entropy import CrossEntropyConfig
from graspnet.policies.grasp_space import GraspSpace
from graspnet.quality import NetworkQuality

__all__ = ["DenseConfig", "Grid", "dense_qualities", "grid_of", "widest_feasible"]

MAX_DISTANCE_FROM_THING = 0.15  # in the hand's max_width: so far beside a thing the middle of its grasps may lie
WINDOWS_BATCH = 2048  # windows whose first fully connected layer is computed at a time


@dataclass(frozen=True, kw_only=True)
class DenseConfig:
    """angles: over half a turn; an FC-GQ-CNN has bins of its own. heights: of grasps, at most, `height_step` (in the
    hand's max_width) apart or more.

    openings: of the hand, as shares of its widest; a grasp of the grid has the widest at which it is feasible. pairs:
    antipodal grasps that join the grid's best, since what is low or narrow has no place on the grid. search: what
    follows the dense pass.
    """

    angles: int = 12
    heights: int = 8
    height_step: float = 0.15
    openings: tuple[float, ...] = (1.0, 0.6)
    pairs: int = 96
    search: CrossEntropyConfig = field(default_factory=lambda: CrossEntropyConfig(iterations=1))

    def __post_init__(self) -> None:
        self.search.check_upright("dense")
        if self.pairs < 0:
            raise InputError(f"pairs is {self.pairs}; it must not be negative")
        if self.angles < 1 or self.heights < 1 or not self.height_step > 0:
            raise InputError(
                f"angles is {self.angles}, heights {self.heights}, height_step {self.height_step}; expected >= 1, >= 1 "
                "and > 0"
            )
        if not self.openings or not all(0 < each <= 1 for each in self.openings):
            raise InputError(f"openings is {list(self.openings)}; expected at least one, each a share in (0, 1]")


@dataclass(frozen=True)
class Grid:
    """Grasps whose crops are windows of large crops: of one for each angle and height.

    size: cells along the side of a large crop, which is centred at `center`, (x, y) of the map. angle, height: of each
    large crop, M of them. window: (crop, row, column) of each grasp. standoff: metres that each grasp's origin lies
    below the height of its large crop.
    """

    size: int
    center: Float64[np.ndarray, "2"]
    angle: Float64[np.ndarray, "M"]
    height: Float64[np.ndarray, "M"]
    window: Int64[np.ndarray, "N 3"]
    standoff: Float64[np.ndarray, "N"]
    grasps: Grasps


def grid_of(constraints: Constraints, form: DenseForm, config: DenseConfig, standoff: float = 0.0) -> Grid:
    """The grasps over what may be grasped that are feasible and that the arm reaches.

    They lie at every fourth cell of large crops, one large crop for each angle and level of height. standoff: how far a
    grasp's height may lie from its level, in the hand's max_width; 0: each height is a level of its own.
    """
    space = constraints.space
    nowhere = np.zeros(0)
    nothing = Grid(form.size, np.zeros(2), nowhere, nowhere, np.zeros((0, 3), np.int64), nowhere, Grasps.none())
    if not space.height_map.on_object.any():
        return nothing
    places = _places_near_things(space, form, config)
    angle = places.angles[places.turn]
    at_no_height = np.column_stack([places.xy, np.zeros(len(angle))])
    ranges = [
        constraints.height_range(space.grasps(at_no_height, angle, np.full(len(angle), width)))
        for width in _widths(space, config)
    ]
    lowest, highest = (np.stack(each) for each in zip(*ranges, strict=True))
    heights = _heights(lowest.ravel(), highest.ravel(), config, space.w)
    if not len(heights):
        return nothing
    within = (heights >= lowest[..., None] - 1e-9) & (heights < highest[..., None])  # (openings, places, heights)
    place, height_index = np.nonzero(within.any(axis=0))
    height = heights[height_index]
    anyhow = space.grasps(np.column_stack([places.xy[place], height]), angle[place], np.full(len(place), space.w))
    grasps, kept = widest_feasible(constraints, anyhow.poses, config)
    place, height_index, height = place[kept], height_index[kept], height[kept]
    levels, level_of_height = _levels(heights, standoff * space.w)
    level = level_of_height[height_index]
    window = np.column_stack([places.turn[place] * len(levels) + level, places.row[place], places.column[place]])
    crops = np.repeat(places.angles, len(levels)), np.tile(levels, len(places.angles))
    return Grid(places.size, places.center, *crops, window.astype(np.int64), levels[level] - height, grasps)


def widest_feasible(
    constraints: Constraints, poses: Float64[np.ndarray, "N 4 4"], config: DenseConfig
) -> tuple[Grasps, Bool[np.ndarray, "N"]]:
    """The grasps at these poses that are feasible and reached, each with the widest opening at which it is, and which
    of the poses they have."""
    width = np.zeros(len(poses))
    for each in _widths(constraints.space, config):
        left = np.flatnonzero(width == 0)
        allowed = constraints.feasible_and_reached(Grasps.of_jaws(poses[left], np.full(len(left), each)))
        width[left[allowed]] = each
    kept = width > 0
    return Grasps.of_jaws(poses[kept], width[kept]), kept


def _widths(space: GraspSpace, config: DenseConfig) -> list[float]:
    """The openings in metres, the widest first."""
    return sorted({max(each * space.w, space.gripper.min_width) for each in config.openings}, reverse=True)


@dataclass(frozen=True)
class _Places:
    """The middles of windows near things. size, center: as a Grid has them. angles: of the large crops, radians.

    turn: the index of each window's angle; row, column: of the window; xy: (N, 2), its middle in the map, metres.
    """

    size: int
    center: Float64[np.ndarray, "2"]
    angles: Float64[np.ndarray, "A"]
    turn: Int64[np.ndarray, "N"]
    row: Int64[np.ndarray, "N"]
    column: Int64[np.ndarray, "N"]
    xy: Float64[np.ndarray, "N 2"]


def _places_near_things(space: GraspSpace, form: DenseForm, config: DenseConfig) -> _Places:
    """The windows whose middle is on a thing or beside it, of large crops that hold all things at any angle."""
    crop = form.network.crop
    assert isinstance(crop, MetricCropConfig)
    cell = crop.window / crop.size * space.w
    row, column = np.nonzero(space.height_map.on_object)
    things = space.height_map.places(np.stack([column, row], axis=1).astype(np.float64))
    center = (things.min(axis=0) + things.max(axis=0)) / 2
    radius = np.linalg.norm(things - center, axis=1).max() + MAX_DISTANCE_FROM_THING * space.w
    size = form.size * (1 + int(np.ceil(2 * radius / cell / form.size)))  # of whole crops: they are cut side by side
    count, _ = form.windows(size, size)
    # the middle of window (i, j), in cells from the middle of the large crop
    middle = form.stride * np.arange(count) + (form.size - 1) / 2 - (size - 1) / 2
    angles = np.arange(config.angles) * np.pi / config.angles
    turn, i, j = (each.ravel() for each in np.meshgrid(range(len(angles)), range(count), range(count), indexing="ij"))
    xy = _places(center, middle[j] * cell, middle[i] * cell, angles[turn])
    near = _on_things(space, xy)
    return _Places(size, center, angles, turn[near], i[near], j[near], xy[near])


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


def _levels(heights: Float64[np.ndarray, "M"], reach: float) -> tuple[Float64[np.ndarray, "L"], Int64[np.ndarray, "M"]]:
    """Heights of large crops, as few as leave no grasp's height farther than `reach` from its own (metres), and the
    index of the one that each height belongs to. The heights rise evenly."""
    step = float(np.diff(heights[:2])[0]) if len(heights) > 1 else np.inf
    together = 1 + int(2 * reach / step + 1e-9)
    level = np.arange(len(heights)) // together
    first = np.arange(0, len(heights), together)
    last = np.minimum(first + together, len(heights)) - 1
    return np.asarray((heights[first] + heights[last]) / 2), level


def _on_things(space: GraspSpace, xy: Float64[np.ndarray, "N 2"]) -> Bool[np.ndarray, "N"]:
    """Whether a place is on a thing, or just beside one."""
    height_map = space.height_map
    distance = distance_transform_edt(~height_map.on_object) * height_map.pitch
    column, row = np.rint(height_map.cells(xy)).astype(np.int64).T
    height, width = distance.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return np.asarray(
        inside & (distance[np.where(inside, row, 0), np.where(inside, column, 0)] <= MAX_DISTANCE_FROM_THING * space.w)
    )


def dense_qualities(
    space: GraspSpace, quality: NetworkQuality, form: DenseForm, grid: Grid
) -> Float64[np.ndarray, "N"]:
    """The network's quality of the grid's grasps: what it says of the crop of each, cut at its large crop's height."""
    if not len(grid.grasps):
        return np.zeros(0)
    crop, sizes = form.network.crop, space.observation.gripper.sizes()
    assert isinstance(crop, MetricCropConfig)
    numbers = metric_pose_numbers(
        space.height_map, torch.from_numpy(grid.grasps.poses),
        torch.from_numpy(np.repeat(sizes[None], len(grid.grasps), axis=0)), crop, torch.from_numpy(grid.standoff),
    ).float()  # fmt: skip
    used, order = np.unique(grid.window[:, 0]), np.argsort(grid.window[:, 0], kind="stable")
    groups = np.split(order, np.searchsorted(grid.window[order, 0], used[1:]))
    logits = torch.zeros(len(grid.grasps), 2)
    with torch.inference_mode():
        for number, rows in zip(used, groups, strict=True):
            windows, own = np.unique(grid.window[rows], axis=0, return_inverse=True)
            lowest, highest = windows[:, 1:].min(axis=0), windows[:, 1:].max(axis=0)
            tiles = form.stride * lowest // form.size, (form.stride * highest + form.size - 1) // form.size + 1
            features = form.features(_large_crop(space, crop, grid, int(number), *tiles))
            windows[:, 0] = 0
            windows[:, 1:] -= tiles[0] * (form.size // form.stride)
            parts = torch.from_numpy(windows).split(WINDOWS_BATCH)
            seen = torch.cat([form.image_features_at(features, part) for part in parts])
            logits[rows] = form.network.merged(seen[torch.from_numpy(own.ravel())], numbers[rows])
    return quality.checkpoint.quality(logits).double().numpy()


def _large_crop(
    space: GraspSpace,
    crop: MetricCropConfig,
    grid: Grid,
    number: int,
    first: Int64[np.ndarray, "2"],
    end: Int64[np.ndarray, "2"],
) -> Float32[Tensor, "1 2 H W"]:
    """One large crop, of crops that are cut side by side: so its cells lie where those of a grasp's crop do, to the
    same rounding.

    first, end: (row, column) of the first of these crops, and of the first beyond the last: the others hold no window.
    """
    cell = crop.window / crop.size * space.w
    middle = (np.arange(grid.size // crop.size) - (grid.size // crop.size - 1) / 2) * crop.size * cell
    down, along = (middle[first[k] : end[k]] for k in (0, 1))
    rows, columns = len(down), len(along)
    down, along = (each.ravel() for each in np.meshgrid(down, along, indexing="ij"))
    angles = np.full(len(down), grid.angle[number])
    xy = _places(grid.center, along, down, angles)
    coordinates = np.column_stack([xy, np.full(len(xy), grid.height[number])])
    poses = space.grasps(coordinates, angles, np.full(len(xy), space.w)).poses
    sizes = np.repeat(space.observation.gripper.sizes()[None], len(xy), axis=0)
    tiles, _ = metric_crops(space.height_map, torch.from_numpy(poses), torch.from_numpy(sizes), crop)
    beside = tiles.unflatten(0, (rows, columns)).permute(2, 0, 3, 1, 4)  # (channel, tile row, row, tile column, column)
    return beside.reshape(1, 2, rows * crop.size, columns * crop.size)
