"""Grasps through the middle of each thing in the image: what a heuristic of principal axes would take, and its like.

Pairs of edges (`graspnet.policies.samplers.antipodal`) are many where an outline is long, and few across a compact
thing's middle, where a grasp holds best against a pull aside. A search that begins with both is at least as good as the
better one.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float64, Int64
from scipy import ndimage

from graspnet.grasps.grasps import Grasps
from graspnet.policies.grasp_space import GraspSpace
from graspnet.policies.samplers.antipodal import AntipodalSampler, AntipodalSamplerConfig, Pairs, Relief, at_depths

__all__ = ["CentralSampler", "Things", "find_things"]


@dataclass(frozen=True)
class Things:
    """What hangs together in the height map: a number for each cell, and of each thing its centre and its axes."""

    number: Int64[np.ndarray, "h w"]  # 0: no thing
    center: Float64[np.ndarray, "T 2"]  # (x, y), metres, of the thing 1, 2, …
    narrow: Float64[np.ndarray, "T"]  # direction of the least variance, radians
    deviation: Float64[np.ndarray, "T"]  # along the other axis, metres


def find_things(relief: Relief, least_cells: int = 4) -> Things:
    """The connected things (eight neighbours) of the cells that may be grasped, without what is smaller."""
    number, count = ndimage.label(relief.on_object, structure=np.ones((3, 3)))
    row, column = np.nonzero(number)
    thing = number[row, column] - 1
    xy = relief.height_map.places(np.stack([column, row], axis=1).astype(np.float64))
    cells = np.bincount(thing, minlength=count)
    mean = np.stack([np.bincount(thing, xy[:, k], count) for k in range(2)], axis=1) / np.maximum(cells, 1)[:, None]
    offset = xy - mean[thing]
    products = (offset[:, 0] ** 2, offset[:, 1] ** 2, offset[:, 0] * offset[:, 1])
    xx, yy, cross = (np.bincount(thing, product, count) / np.maximum(cells, 1) for product in products)
    # the axes of a symmetric 2 x 2 matrix: the wide one at half the angle of (xx − yy, 2 xy)
    narrow = np.arctan2(2 * cross, xx - yy) / 2 + np.pi / 2
    largest = (xx + yy) / 2 + np.hypot((xx - yy) / 2, cross)
    kept = cells >= least_cells
    renumbered = np.concatenate([[0], np.where(kept, np.cumsum(kept), 0)])
    return Things(renumbered[number], mean[kept], narrow[kept], np.sqrt(largest[kept]))


@dataclass(frozen=True)
class CentralSampler:
    """Grasps that close over one thing, through its centre or near it. What is wider than the hand has none."""

    space: GraspSpace
    config: AntipodalSamplerConfig
    relief: Relief
    things: Things
    opening_margin: float = np.inf

    ALONG: ClassVar[float] = 0.5  # σ of a grasp's place along the thing's long axis, in deviations of the thing
    TURN: ClassVar[float] = np.deg2rad(10.0)  # σ about the narrow direction of half of the grasps; the rest is uniform

    @staticmethod
    def of(antipodal: AntipodalSampler) -> "CentralSampler":
        """The sampler of the same space, with the same depths and openings."""
        relief = antipodal.relief
        return CentralSampler(antipodal.space, antipodal.config, relief, find_things(relief), antipodal.opening_margin)

    def sample(self, count: int, rng: np.random.Generator) -> Grasps:
        """At most `count` grasps in the camera frame. They may touch something."""
        if not len(self.things.narrow):
            return Grasps.none()
        thing = rng.integers(len(self.things.narrow), size=count)
        angle = self.things.narrow[thing] + self.TURN * rng.standard_normal(count)
        angle = np.where(rng.random(count) < 0.5, angle, rng.uniform(0, np.pi, count))
        along = self.things.narrow[thing] + np.pi / 2
        shift = self.ALONG * self.things.deviation[thing] * rng.standard_normal(count)
        start = self.things.center[thing] + shift[:, None] * np.stack([np.cos(along), np.sin(along)], axis=1)
        return at_depths(self._across(thing, start, angle), self.space, self.config, self.opening_margin, rng)

    def _across(
        self, thing: Int64[np.ndarray, "N"], start: Float64[np.ndarray, "N 2"], angle: Float64[np.ndarray, "N"]
    ) -> Pairs:
        """From one side of each thing to the other, along a line through a place; only what fits between the jaws."""
        height_map, w = self.relief.height_map, self.space.w
        steps = np.arange(-w, w, height_map.pitch)
        direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        cell = np.rint(height_map.cells(start[:, None] + steps[:, None] * direction[:, None]))
        column, row = np.moveaxis(cell.astype(np.int64), -1, 0)
        height, width = self.things.number.shape
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        column, row = np.where(inside, column, 0), np.where(inside, row, 0)
        on_thing = inside & (self.things.number[row, column] == thing[:, None] + 1)
        low = np.where(on_thing, steps, np.inf).min(axis=1) - height_map.pitch / 2
        high = np.where(on_thing, steps, -np.inf).max(axis=1) + height_map.pitch / 2
        top = np.where(on_thing, self.relief.top[row, column], -np.inf).max(axis=1).astype(np.float64)
        fits = np.isfinite(low) & (high - low <= w)
        low, high, start, direction = low[fits], high[fits], start[fits], direction[fits]
        middle = start + ((low + high) / 2)[:, None] * direction
        return Pairs(np.column_stack([middle, top[fits]]), angle[fits], high - low)
