"""Grasps through the middle of each thing in the image: what a heuristic of principal axes would take, and its like.

Pairs of edges (`graspnet.policies.samplers.antipodal`) are many where an outline is long, and few across a compact
thing's middle, where a grasp holds best against a pull aside. A search that begins with both is at least as good as the
better one.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float64, Int64

from graspnet.grasps.grasps import Grasps
from graspnet.observation.things import Things
from graspnet.policies.grasp_space import GraspSpace
from graspnet.policies.samplers.antipodal import AntipodalSampler, AntipodalSamplerConfig, Pairs, Relief, at_depths

__all__ = ["CentralSampler"]


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
        return CentralSampler(
            antipodal.space, antipodal.config, relief, Things.of(relief.height_map), antipodal.opening_margin
        )

    def sample(self, count: int, rng: np.random.Generator) -> Grasps:
        """At most `count` grasps in the camera frame. They may touch something."""
        if not len(self.things):
            return Grasps.none()
        thing = rng.integers(len(self.things), size=count)
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
