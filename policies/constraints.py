"""Which grasps the depth image allows: nothing measured in the way, the tips above the table, an object in between.

A gripper that moves straight along its approach sweeps everything above its fingertips and its palm. In the height map
across that approach, "does it touch?" is a question to a few cells: does the surface under a finger rise above the
tip? What the camera does not see (the far side of an object, a sensor's shadow) lies under a curtain. A finger may go
there as far as `hidden_share` allows.
"""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

import numpy as np
from jaxtyping import Bool, Float32, Float64
from scipy.ndimage import binary_dilation

from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.observation.footprint import highest_under
from graspnet.observation.observation import Observation
from graspnet.policies.demands.reach import within_reach
from graspnet.policies.grasp_space import GraspSpace
from graspnet.policies.samplers.antipodal import AntipodalSampler, AntipodalSamplerConfig
from graspnet.policies.samplers.central import CentralSampler
from graspnet.refusals import Refusals
from graspnet.transforms import invert

__all__ = [
    "REASONS",
    "ConstraintConfig",
    "Constraints",
    "FeasibleSampler",
    "fingers_in_view",
    "hand_above_table",
    "something_between_jaws",
]

MOST_POINTS = 50_000  # of the objects, for `something_between_jaws`: of 640 x 480 pixels, every sixth
TABLE_NOISE = 0.006  # metres, at least: four deviations of a structured-light camera's depth at 0.7 m
DEVIATIONS = 4.0  # of a noisier image's table
NEAR_TABLE = 0.02  # metres over or below it: cells by which its noise is told
ROUNDING = 1e-9  # metres: what is raised to a height is not below it
FEWEST_CELLS = 100  # by which a table's noise can be told

REASONS = (  # in the order in which they are checked; a grasp is refused for the first one
    "a finger outside of the image",
    "a fingertip in the table",
    "a finger or the palm in what was measured",
    "a finger where the camera does not see",
    "nothing between the jaws",
    "out of the arm's reach",
)


@dataclass(frozen=True, kw_only=True)
class ConstraintConfig:
    """Lengths in metres; `cells` counts cells of the height map (3/128 of the gripper's width)."""

    depth_margin: float = 0.002  # a surface must stand out of the swept volume's floor by more: sensor noise
    table_clearance: float = 0.001  # between the fingertips and the fitted table
    # Where things are high enough, tips stay further above the table: by a share of the height of what they grasp, up
    # to a limit. A camera's depth is wrong by millimetres as a whole, of which neither the image nor its table tells.
    table_share: float = 0.2
    most_table_clearance: float = 0.005
    overlap: float = 0.001  # by how much an object must rise above the fingertips: a washer is no higher
    cells: int = 3  # more than a few measured cells, so that a stray pixel on an edge forbids nothing
    # A grasp is refused if more than this share of its fingers' cross-section goes deeper than the curtain of what the
    # camera did not see. 1: the unseen counts as free. docs/experiments/policies.md compares.
    hidden_share: float = 1.0
    opening_margin: float = 0.010  # on either side of what stands between the jaws (docs/experiments/policies.md)

    def __post_init__(self) -> None:
        if not 0 <= self.opening_margin < np.inf:
            raise InputError(f"opening_margin is {self.opening_margin}; it must not be negative (metres)")
        if not 0 <= self.table_share < 1 or not self.most_table_clearance >= 0:
            raise InputError(
                f"table_share is {self.table_share}, most_table_clearance {self.most_table_clearance}; "
                "expected a share below 1, and metres that are not negative"
            )
        if self.depth_margin < 0 or self.overlap < 0 or self.cells < 1:
            raise InputError(
                f"depth_margin is {self.depth_margin}, overlap {self.overlap}, cells {self.cells}; "
                "expected >= 0, >= 0 and >= 1"
            )
        if not 0 <= self.hidden_share <= 1:
            raise InputError(f"hidden_share is {self.hidden_share}; it is a share, in [0, 1]")


@dataclass(frozen=True)
class FeasibleSampler:
    """Grasps of one observation that its image allows, where every policy starts: antipodal ones, and a share of
    central ones (`graspnet.policies.samplers.central`)."""

    antipodal: AntipodalSampler
    constraints: "Constraints"
    central_fraction: float = 0.0

    @staticmethod
    def of(
        observation: Observation,
        sampling: AntipodalSamplerConfig,
        constraints: ConstraintConfig,
    ) -> "FeasibleSampler":
        """The sampler along the upright approach. InputError: nothing measured on the object mask."""
        return FeasibleSampler.within(Constraints(GraspSpace.of(observation), constraints), sampling)

    @staticmethod
    def within(
        constraints: "Constraints", sampling: AntipodalSamplerConfig, central_fraction: float = 0.0
    ) -> "FeasibleSampler":
        """The sampler of what these constraints allow. InputError: as for `of`."""
        antipodal = AntipodalSampler.of(constraints.space, sampling, constraints.config.opening_margin)
        return FeasibleSampler(antipodal, constraints, central_fraction)

    @property
    def observation(self) -> Observation:
        """What is seen."""
        return self.constraints.space.observation

    def sample(self, count: int, rng: np.random.Generator) -> Grasps:
        """Up to `count` of them; fewer where four rounds of four times as many hold fewer.

        A finger that would land on a neighbour stops above it: in a heap the floor is not the table.
        """
        wanted = round(self.central_fraction * count)
        central = self._allowed(self._central, wanted, rng) if wanted else Grasps.none()
        return Grasps.concatenate([central, self._allowed(self.antipodal, count - len(central), rng)])

    @cached_property
    def _central(self) -> CentralSampler:
        return CentralSampler.of(self.antipodal)

    def _allowed(self, source: "AntipodalSampler | CentralSampler", count: int, rng: np.random.Generator) -> Grasps:
        kept = Grasps.none()
        for _ in range(4 if count else 0):
            candidates = source.sample(4 * count, rng)
            kept = Grasps.concatenate([kept, self.constraints.pulled_back(candidates)])
            if len(kept) >= count or not len(candidates):
                break
        return kept[slice(count)]


@dataclass(frozen=True)
class Constraints:
    """What one observation allows along one approach. `refusals` has every grasp that was refused, and why."""

    space: GraspSpace
    config: ConstraintConfig
    refusals: Refusals = field(default_factory=Refusals)

    def feasible(self, grasps_in_camera: Grasps) -> Bool[np.ndarray, "N"]:
        """Whether each grasp (whose approach is the space's) touches nothing and has an object in its jaws."""
        gripper, margin = self.space.gripper, self.config.depth_margin
        over_tips = self.config.overlap - gripper.pad_to_tip
        checks = (
            self._in_view,
            self._above_table,
            lambda grasps: self._rise(self._measured, grasps, self._fingers) <= margin - gripper.pad_to_tip,
            lambda grasps: self._rise(self._measured, grasps, self._palm) <= margin - gripper.palm_face,
            lambda grasps: self._hidden_share(grasps) <= self.config.hidden_share,
            lambda grasps: self._rise(self._graspable, grasps, self._between) > over_tips,
        )
        reasons = (*REASONS[:3], REASONS[2], *REASONS[3:5])
        result = np.ones(len(grasps_in_camera), dtype=bool)
        for reason, allowed in zip(reasons, checks, strict=True):  # what one refuses is not looked at by the next
            left = np.flatnonzero(result)
            result[left] = allowed(grasps_in_camera[left])
            self.refusals.add(reason, grasps_in_camera.origin[left[~result[left]]])
        return result

    def feasible_and_reached(self, grasps_in_camera: Grasps) -> Bool[np.ndarray, "N"]:
        """Whether each grasp is feasible, and the arm reaches it; it is asked for those that are."""
        allowed = self.feasible(grasps_in_camera)
        left = grasps_in_camera[allowed]
        _, reached = within_reach(self.space.observation, left)
        allowed[allowed] = self._kept(REASONS[5], left, reached)
        return allowed

    def height_range(self, grasps_in_camera: Grasps) -> tuple[Float64[np.ndarray, "N"], Float64[np.ndarray, "N"]]:
        """Between which heights of its origin each grasp touches nothing and has an object in its jaws, as far as
        fingers, palm, table and object say; its own height does not matter. Lowest > highest: at none."""
        gripper, margin = self.space.gripper, self.config.depth_margin
        coordinates = self.space.coordinates(grasps_in_camera)
        now, xy = coordinates[:, 2], coordinates[:, :2]
        lowest = np.maximum.reduce([
            now + self._rise(self._measured, grasps_in_camera, self._fingers) + gripper.pad_to_tip - margin,
            now + self._rise(self._measured, grasps_in_camera, self._palm) + gripper.palm_face - margin,
            self.space.tip_floor(xy, self.config.table_clearance) + gripper.pad_to_tip,
        ])  # fmt: skip
        top = now + self._rise(self._graspable, grasps_in_camera, self._between)
        return lowest, top + gripper.pad_to_tip - self.config.overlap

    def pulled_back(self, grasps_in_camera: Grasps) -> Grasps:
        """The feasible grasps, and those that touch something, pulled back along their approach until they do not.

        Of the latter only those are kept whose pads' centres are still below the top of an object: a fingertip's hold
        is for what is too low for more, not for what is aimed at badly. Then all keep their distance from the table,
        and those are left that the arm reaches.
        """
        gripper = self.space.gripper
        over_tips = self.config.overlap - gripper.pad_to_tip
        seen = grasps_in_camera[self._kept(REASONS[0], grasps_in_camera, self._in_view(grasps_in_camera))]
        touching = np.maximum(
            self._rise(self._measured, seen, self._fingers) + gripper.pad_to_tip,
            self._rise(self._measured, seen, self._palm) + gripper.palm_face,
        )
        touching = np.where(touching > self.config.depth_margin, touching, 0.0)
        sunk = self._sunk(seen)
        free = _raised(seen, np.maximum(touching, sunk))
        kept = self._kept(REASONS[1], free, self._above_table(free))
        free, touching, sunk = free[kept], touching[kept], sunk[kept]
        if self.config.hidden_share < 1:
            kept = self._kept(REASONS[3], free, self._hidden_share(free) <= self.config.hidden_share)
            free, touching, sunk = free[kept], touching[kept], sunk[kept]
        held = self._rise(self._graspable, free, self._between)
        kept = held > np.where(touching > 0, 0.0, over_tips)
        self._kept(REASONS[2], free, kept | (touching == 0))
        self._kept(REASONS[1], free, kept | (touching > 0) | (sunk == 0))
        self._kept(REASONS[4], free, kept | (touching > 0) | (sunk > 0))
        held_free, reached = within_reach(self.space.observation, self._off_table(free[kept], held[kept]))
        return held_free[self._kept(REASONS[5], held_free, reached)]

    def _sunk(self, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
        """By how much each grasp has to go back along its approach so that no corner is too near to the table, metres.

        A tilted hand has corners lower than the middle of its tips, of which alone the samplers know. On its way back
        it moves sideways, to where the table may be known less well: so the question is asked twice.
        """
        if self.space.observation.table is None:
            return np.zeros(len(grasps_in_camera))
        first = self._missing(grasps_in_camera)
        return first + self._missing(_raised(grasps_in_camera, first)) if first.any() else first

    def _missing(self, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
        room = room_over_table(self.space.observation, grasps_in_camera, self.config.table_clearance)
        return np.where(room < 0, -room / self._cosine + ROUNDING, 0.0)

    @cached_property
    def _cosine(self) -> float:
        """Of the angle between the approach and the normal of the table, which must be known."""
        assert self.space.observation.table is not None
        return max(float(self.space.observation.table.normal @ self.space.approach), 1e-3)

    def _off_table(self, grasps_in_camera: Grasps, top: Float64[np.ndarray, "N"]) -> Grasps:
        """The same grasps, raised to the wanted clearance. top: how far what they grasp rises over their origin."""
        if self.space.observation.table is None:
            return grasps_in_camera
        coordinates = self.space.coordinates(grasps_in_camera)
        height = coordinates[:, 2] + top - self.space.table_height(coordinates[:, :2])
        wanted = np.minimum(self.config.table_share * height, self.config.most_table_clearance)
        lacking = wanted - lowest_over_table(self.space.observation, grasps_in_camera)
        return _raised(grasps_in_camera, np.maximum(lacking, 0.0) / self._cosine)

    def opened(self, grasps_in_camera: Grasps) -> Grasps:
        """The same grasps, opened as far as what stands between the jaws needs, and a margin on either side.

        The jaws open evenly: the farther side decides. What may hide below a curtain needs room as well. A grasp that
        touched nothing touches nothing now. Closer together, its fingers come down where the map shows nothing as high
        as their tips; where they would touch something further apart, they stay as they were.
        """
        gripper = self.space.gripper
        between = self._between_jaws
        tips = self.space.coordinates(grasps_in_camera)[:, 2] - gripper.pad_to_tip
        heights = self._under(self._solid, grasps_in_camera, between)
        halves = np.broadcast_to(np.abs(between[:, 2]), heights.shape)
        in_the_way = heights > (tips + self.config.depth_margin)[:, None]
        needed = np.where(in_the_way, halves, 0.0).max(axis=1) * grasps_in_camera.width
        known = in_the_way.any(axis=1)
        width = np.where(known, needed + 2 * self.config.opening_margin, grasps_in_camera.width)
        opened = Grasps.of_jaws(grasps_in_camera.poses, np.clip(width, gripper.min_width, gripper.max_width))
        allowed = (opened.width <= grasps_in_camera.width) | self.feasible(opened)
        return Grasps.of_jaws(opened.poses, np.where(allowed, opened.width, grasps_in_camera.width))

    def _kept(self, reason: str, grasps: Grasps, allowed: Bool[np.ndarray, "N"]) -> Bool[np.ndarray, "N"]:
        self.refusals.add(reason, grasps.origin[~allowed])
        return allowed

    @cached_property
    def _measured(self) -> Float32[np.ndarray, "h w"]:
        """Height of what may be touched; −inf for the table and where nothing was measured.

        Tips come within a millimetre of the table, which is less than the noise of its pixels; the fitted plane, which
        averages over thousands of them, keeps tips above it instead. An object ends somewhere between the last pixel
        that shows it and the next one: the cells of a curtain that border on it count as its own.
        """
        height_map = self.space.height_map
        solid = height_map.measured & ~(self._low & ~height_map.on_object)
        rim = binary_dilation(solid) & ~height_map.measured
        return np.where(solid | rim, height_map.height, np.float32(-np.inf))

    @cached_property
    def _low(self) -> Bool[np.ndarray, "h w"]:
        """Which cells are no higher than the table's noise."""
        return self.space.height_map.height < self.space.table_of_cells + self._table_noise

    @cached_property
    def _table_noise(self) -> float:
        """Up to this height over the table a cell may be the table's, metres: from further away a camera is noisier.

        Told by the cells below the median of those near the table, among which there are no things.
        """
        height_map, table = self.space.height_map, self.space.table_of_cells
        known = height_map.measured & ~height_map.on_object & np.isfinite(table)
        heights = height_map.height[known] - table[known]
        heights = heights[np.abs(heights) < NEAR_TABLE]
        if len(heights) < FEWEST_CELLS:
            return TABLE_NOISE
        middle = float(np.median(heights))
        deviation = (middle - float(np.median(heights[heights <= middle]))) / 0.6745
        return max(TABLE_NOISE, middle + DEVIATIONS * deviation)

    @cached_property
    def _graspable(self) -> Float32[np.ndarray, "h w"]:
        """Height of what may be grasped, −inf elsewhere."""
        return np.where(self.space.height_map.on_object, self.space.height_map.height, np.float32(-np.inf))

    @cached_property
    def _solid(self) -> Float32[np.ndarray, "h w"]:
        """Height of what was measured and of the curtain of what was not, −inf for the table."""
        return np.maximum(self._measured, self._unseen)

    @cached_property
    def _unseen(self) -> Float32[np.ndarray, "h w"]:
        """Height below which something may hide, −inf elsewhere."""
        height_map = self.space.height_map
        shown = height_map.measured | self._low  # a hole in the table's image hides nothing
        return np.where(shown, np.float32(-np.inf), height_map.height)

    @cached_property
    def _fingers(self) -> Float64[np.ndarray, "P 3"]:
        gripper = self.space.gripper
        half_thickness, fingers = gripper.finger_thickness / 2, []
        for side in (-1.0, 1.0):
            finger = _grid(gripper.finger_breadth / 2, half_thickness, self.space.height_map.pitch)
            finger[:, 1] += side * half_thickness
            fingers.append(np.column_stack([finger, np.full(len(finger), side)]))
        return np.concatenate(fingers)

    @cached_property
    def _palm(self) -> Float64[np.ndarray, "P 3"]:
        gripper = self.space.gripper  # the palm is large: every other cell
        palm = _grid(gripper.palm[0] / 2, gripper.palm[1] / 2, 2 * self.space.height_map.pitch)
        return np.column_stack([palm, np.zeros(len(palm))])

    @cached_property
    def _between(self) -> Float64[np.ndarray, "P 3"]:
        gripper = self.space.gripper  # what lies here is only asked whether there is anything
        half_opening = gripper.max_width / 2
        between = _grid(gripper.finger_breadth / 2, half_opening, 2 * self.space.height_map.pitch)
        return np.column_stack([between[:, 0], np.zeros(len(between)), between[:, 1] / half_opening])

    @cached_property
    def _between_jaws(self) -> Float64[np.ndarray, "P 3"]:
        """As `_between`, in every cell: how far something reaches is asked to the millimetre."""
        gripper, pitch = self.space.gripper, self.space.height_map.pitch
        half_opening = gripper.max_width / 2
        between = _grid(gripper.finger_breadth / 2, half_opening, pitch)
        return np.column_stack([between[:, 0], np.zeros(len(between)), between[:, 1] / half_opening])

    def _rise(
        self, surface: Float32[np.ndarray, "h w"], grasps_in_camera: Grasps, footprint: Float64[np.ndarray, "P 3"]
    ) -> Float64[np.ndarray, "N"]:
        """How far the surface under a footprint rises over each grasp's origin: its `cells`-th highest cell.

        −inf where fewer cells of the footprint have a surface.
        """
        start, turn, half_opening = self._placed(grasps_in_camera)
        highest = highest_under(surface, start, turn, half_opening, self._in_cells(footprint), self.config.cells)
        return highest.astype(np.float64) - self.space.coordinates(grasps_in_camera)[:, 2]

    def _hidden_share(self, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
        """The share of the two fingers' cross-section in which the tip goes below a curtain, of the worse finger."""
        tips = self.space.coordinates(grasps_in_camera)[:, 2] - self.space.gripper.pad_to_tip
        curtains = self._under(self._unseen, grasps_in_camera, self._fingers)
        hidden = curtains > tips[:, None] + self.config.depth_margin
        one, other = np.split(hidden, 2, axis=1)
        return np.maximum(one.mean(axis=1), other.mean(axis=1))

    def _under(
        self, surface: Float32[np.ndarray, "h w"], grasps_in_camera: Grasps, footprint: Float64[np.ndarray, "P 3"]
    ) -> Float32[np.ndarray, "N P"]:
        """The surface's heights under the points of a footprint, −inf beside the map.

        A footprint's point is (x, y in metres, y in halves of the opening): fingers stand beside it, whatever it is.
        """
        start, turn, half_opening = self._placed(grasps_in_camera)
        cosine, sine = turn[:, :1], turn[:, 1:]
        x, y, halves = self._in_cells(footprint).T
        along = y + halves * half_opening[:, None]
        # the grasp's x axis is y × z: (sin, −cos) for a closing axis (cos, sin) and an approach into the map
        column = np.rint(start[:, :1] + along * cosine + x * sine).astype(np.int32)
        row = np.rint(start[:, 1:] + along * sine - x * cosine).astype(np.int32)
        height, width = surface.shape
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        return np.where(inside, surface.ravel()[np.where(inside, row * width + column, 0)], np.float32(-np.inf))

    def _placed(
        self, grasps_in_camera: Grasps
    ) -> tuple[Float32[np.ndarray, "N 2"], Float32[np.ndarray, "N 2"], Float32[np.ndarray, "N"]]:
        """Of each grasp the cell (column, row), (cos, sin) of the closing axis, and half of the opening in cells."""
        height_map, angle = self.space.height_map, self.space.angles(grasps_in_camera).astype(np.float32)
        start = height_map.cells(self.space.coordinates(grasps_in_camera)[:, :2]).astype(np.float32)
        turn = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return start, turn, (grasps_in_camera.width / 2 / height_map.pitch).astype(np.float32)

    def _in_cells(self, footprint: Float64[np.ndarray, "P 3"]) -> Float32[np.ndarray, "P 3"]:
        pitch = self.space.height_map.pitch
        return (footprint / [pitch, pitch, 1.0]).astype(np.float32)

    def _in_view(self, grasps_in_camera: Grasps) -> Bool[np.ndarray, "N"]:
        return fingers_in_view(self.space.observation, grasps_in_camera)

    def _above_table(self, grasps_in_camera: Grasps) -> Bool[np.ndarray, "N"]:
        return hand_above_table(self.space.observation, grasps_in_camera, self.config.table_clearance)


def fingers_in_view(observation: Observation, grasps_in_camera: Grasps) -> Bool[np.ndarray, "N"]:
    """Whether an image shows where both fingers go: the outer corners of each, at the pads' centre and at the tip."""
    shown = _fingers_in_image(observation, grasps_in_camera)
    for other in observation.others:
        shown |= _fingers_in_image(other, grasps_in_camera.transformed(invert(observation.camera_from(other))))
    return shown


def _fingers_in_image(observation: Observation, grasps_in_camera: Grasps) -> Bool[np.ndarray, "N"]:
    camera, gripper = observation.camera, ParallelJaw.of(observation.gripper)
    seen = np.ones(len(grasps_in_camera), dtype=bool)
    outwards = grasps_in_camera.width / 2 + gripper.finger_thickness
    across = np.cross(grasps_in_camera.closing, grasps_in_camera.approach)
    for x, side, z in product((-0.5, 0.5), (-1.0, 1.0), (0.0, gripper.pad_to_tip)):
        corner = grasps_in_camera.origin + (side * outwards)[:, None] * grasps_in_camera.closing
        corner += x * gripper.finger_breadth * across + z * grasps_in_camera.approach
        uv = camera.project(corner)
        seen &= np.all((uv > -0.5) & (uv < [camera.width - 0.5, camera.height - 0.5]), axis=1)
    return seen


def something_between_jaws(observation: Observation, grasps_in_camera: Grasps) -> Bool[np.ndarray, "N"]:
    """Whether a measured point of what may be grasped lies where the pads close, or farther up between the fingers.

    A heuristic that takes several objects for one would otherwise close on the table between them.
    """
    gripper = ParallelJaw.of(observation.gripper)
    points = observation.object_points
    points = points[:: max(1, len(points) // MOST_POINTS)]
    offsets = points[None] - grasps_in_camera.origin[:, None]
    in_grasp = np.einsum("npi,nij->npj", offsets, grasps_in_camera.poses[:, :3, :3])
    inside = np.abs(in_grasp[..., 0]) <= gripper.finger_breadth / 2
    inside &= np.abs(in_grasp[..., 1]) <= grasps_in_camera.width[:, None] / 2
    inside &= in_grasp[..., 2] <= gripper.pad_to_tip
    return inside.any(axis=1)


def hand_above_table(
    observation: Observation, grasps_in_camera: Grasps, clearance: float = 0.0
) -> Bool[np.ndarray, "N"]:
    """Whether the hand's lowest corner stays `clearance` metres above the table, and above its doubt.

    That is a fingertip's where the hand comes upright; of a tilted one it may be the palm's. True where no table is
    known.
    """
    return np.asarray(room_over_table(observation, grasps_in_camera, clearance) >= 0)


def room_over_table(observation: Observation, grasps_in_camera: Grasps, clearance: float) -> Float64[np.ndarray, "N"]:
    """How far the hand's lowest corner is above `clearance` metres over the table, or above its doubt where that is
    more: metres along the table's normal, negative for one that is too low; infinity where no table is known."""
    table, gripper = observation.table, ParallelJaw.of(observation.gripper)
    if table is None:
        return np.full(len(grasps_in_camera), np.inf)
    tip = grasps_in_camera.origin + grasps_in_camera.approach * gripper.pad_to_tip
    return lowest_over_table(observation, grasps_in_camera) - np.maximum(clearance, table.doubt(tip))


def lowest_over_table(observation: Observation, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
    """Height of the hand's lowest corner over the table, metres; infinity where no table is known."""
    table, gripper = observation.table, ParallelJaw.of(observation.gripper)
    if table is None:
        return np.full(len(grasps_in_camera), np.inf)
    low, high = gripper.boxes(grasps_in_camera.width)
    normal_in_grasp = np.einsum("nij,i->nj", grasps_in_camera.poses[:, :3, :3], table.normal)[:, None]
    below_origin = np.maximum(normal_in_grasp * low, normal_in_grasp * high).sum(axis=2).max(axis=1)
    return table.height(grasps_in_camera.origin) - below_origin


def _raised(grasps_in_camera: Grasps, height: Float64[np.ndarray, "N"]) -> Grasps:
    """The same grasps, each so many metres back along its approach."""
    poses = grasps_in_camera.poses.copy()
    poses[:, :3, 3] -= height[:, None] * grasps_in_camera.approach
    return Grasps(poses, grasps_in_camera.columns)


def _grid(half_x: float, half_y: float, spacing: float) -> Float64[np.ndarray, "P 2"]:
    """Points that fill a rectangle around the origin, its border included."""
    x, y = (np.linspace(-half, half, int(np.ceil(2 * half / spacing)) + 1) for half in (half_x, half_y))
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
