"""Which grasps the depth image allows: nothing measured in the way, the tips above the table, an object in between.

A hand that moves straight along its approach sweeps everything above its fingertips and its palm. Seen along that
approach, "does it touch?" is a question to a relief: is the nearest surface within a finger's rectangle nearer than
the tip? So the measured points are dropped once onto a grid across the approach, and each grasp looks up a few cells.
Within the image, what the camera does not see (the far side of an object, a shadow) counts as free.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.observation import Observation
from policies.approach_plane import ApproachPlane
from policies.samplers.antipodal import AntipodalSampler, AntipodalSamplerConfig

__all__ = ["ConstraintConfig", "FeasibleSampler", "SurfaceMap", "feasible"]

TABLE_NOISE = 0.006  # metres: four deviations of a structured-light camera's depth at 0.7 m


@dataclass(frozen=True, kw_only=True)
class ConstraintConfig:
    """Metres; `cells` counts cells of a fortieth of the hand's width (or a little more than a pixel)."""

    depth_margin: float = 0.002  # a surface must stand out of the swept volume's floor by more: sensor noise
    table_clearance: float = 0.001  # between the fingertips and the fitted table
    overlap: float = 0.001  # by how much an object must rise above the fingertips: a washer is no higher
    cells: int = 3  # more than a few measured cells, so that a stray pixel on an edge forbids nothing

    def __post_init__(self) -> None:
        if self.depth_margin < 0 or self.overlap < 0 or self.cells < 1:
            raise InputError(
                f"depth_margin is {self.depth_margin}, overlap {self.overlap}, cells {self.cells}; "
                "expected >= 0, >= 0 and >= 1"
            )


def feasible(
    observation: Observation, grasps_in_camera: Grasps, config: ConstraintConfig | None = None
) -> Bool[np.ndarray, "N"]:
    """Whether each grasp touches nothing measured on its straight way, stays above the table and has an object
    between its jaws. Grasps may have different approaches; each new one costs a `SurfaceMap`."""
    result = np.zeros(len(grasps_in_camera), dtype=bool)
    approaches, group = np.unique(np.round(grasps_in_camera.approach, 6), axis=0, return_inverse=True)
    for k, approach in enumerate(approaches):
        members = np.flatnonzero(group.reshape(-1) == k)
        surface = SurfaceMap.along(observation, ApproachPlane.across(observation, approach), config)
        result[members] = surface.feasible(grasps_in_camera[members])
    return result


@dataclass(frozen=True)
class FeasibleSampler:
    """Antipodal grasps of one observation that its image allows: where every policy starts."""

    sampler: AntipodalSampler
    surface: "SurfaceMap"

    @staticmethod
    def of(
        observation: Observation, sampling: AntipodalSamplerConfig, constraints: ConstraintConfig
    ) -> "FeasibleSampler":
        """InputError: nothing measured on the object mask."""
        sampler = AntipodalSampler.of(observation, sampling)
        return FeasibleSampler(sampler, SurfaceMap.along(observation, sampler.relief.plane, constraints))

    def sample(self, count: int, rng: np.random.Generator) -> Grasps:
        """Up to `count` of them; fewer where four rounds of four times as many hold fewer.

        A finger that would land on a neighbour stops above it: in a heap the floor is not the table.
        """
        kept = Grasps.none()
        for _ in range(4):
            candidates = self.sampler.sample(4 * count, rng)
            kept = Grasps.concatenate([kept, self.surface.pulled_back(candidates)])
            if len(kept) >= count or not len(candidates):
                break
        return kept[slice(count)]


@dataclass(frozen=True)
class SurfaceMap:
    """The nearest measured surface across an approach, around the objects: s in cells (row = y, column = x).

    nearest: of everything; target: of what may be grasped; infinite where nothing was measured.
    """

    observation: Observation
    plane: ApproachPlane
    config: ConstraintConfig
    cell: float
    corner: Float64[np.ndarray, "2"]  # (x, y) of cell (0, 0)
    nearest: Float32[np.ndarray, "h w"]
    target: Float32[np.ndarray, "h w"]

    @staticmethod
    def along(observation: Observation, plane: ApproachPlane, config: ConstraintConfig | None = None) -> "SurfaceMap":
        """The map of everything that a hand can reach which holds an object."""
        camera, mask = observation.camera, observation.object_mask
        distance = float(np.median(observation.depth[mask])) if mask.any() else 1.0
        pixel = distance / min(camera.fx, camera.fy)
        cell = max(observation.gripper.span / 40, 1.3 * pixel)  # 1.3: no holes between a slope's pixels
        stride = max(1, int(cell / (1.3 * pixel)))
        rows, columns = _window(mask, int(_reach(ParallelJaw.of(observation.gripper)) / pixel) + 1, stride)
        depth = observation.depth[rows, columns]
        row, column = np.nonzero(np.isfinite(depth) & ~_is_table(observation, rows, columns))
        uv = np.stack([columns.start + stride * column, rows.start + stride * row], axis=1).astype(np.float64)
        xys = plane.coordinates(camera.deproject(uv, depth[row, column]))
        on_object = mask[rows, columns][row, column]
        corner = xys[:, :2].min(axis=0) if len(xys) else np.zeros(2)
        index = np.rint((xys[:, :2] - corner) / cell).astype(np.int64)
        shape = (int(index[:, 1].max()) + 1, int(index[:, 0].max()) + 1) if len(xys) else (1, 1)
        nearest = _nearest_in_cells(index, xys[:, 2], shape)
        target = _nearest_in_cells(index[on_object], xys[on_object, 2], shape)
        return SurfaceMap(observation, plane, config or ConstraintConfig(), cell, corner, nearest, target)

    def feasible(self, grasps_in_camera: Grasps) -> Bool[np.ndarray, "N"]:
        """Whether each grasp (which approaches along the map's plane) touches nothing and has an object in its jaws."""
        gripper, margin = ParallelJaw.of(self.observation.gripper), self.config.depth_margin
        result = self._in_view(grasps_in_camera) & self._above_table(grasps_in_camera)
        fingers, palm, between = _footprints(gripper, self.cell)
        # the fingers decide most: what they refuse is not looked at again
        for footprint, floor in ((fingers, gripper.pad_to_tip), (palm, gripper.palm_face)):
            left = np.flatnonzero(result)
            result[left] = self._levels(self.nearest, grasps_in_camera[left], footprint) >= floor - margin
        left = np.flatnonzero(result)
        held = self._levels(self.target, grasps_in_camera[left], between)
        result[left] = held < gripper.pad_to_tip - self.config.overlap
        return result

    def pulled_back(self, grasps_in_camera: Grasps) -> Grasps:
        """The feasible grasps, and those that touch something, pulled back along their approach until they do not.

        Of the latter only those are kept whose pads' centres are still below the top of an object: a fingertip's hold
        is for what is too low for more, not for what is aimed at badly.
        """
        gripper = ParallelJaw.of(self.observation.gripper)
        seen = grasps_in_camera[self._in_view(grasps_in_camera)]
        fingers, palm, between = _footprints(gripper, self.cell)
        touching = np.maximum(
            gripper.pad_to_tip - self._levels(self.nearest, seen, fingers),
            gripper.palm_face - self._levels(self.nearest, seen, palm),
        )
        touching = np.where(touching > self.config.depth_margin, touching, 0.0)
        poses = seen.poses.copy()
        poses[:, :3, 3] -= touching[:, None] * seen.approach
        free = Grasps.of_jaws(poses, seen.width)
        held = self._levels(self.target, free, between)
        lowest = np.where(touching > 0, 0.0, gripper.pad_to_tip - self.config.overlap)
        return free[self._above_table(free) & (held < lowest)]

    def _levels(
        self, surface: Float32[np.ndarray, "h w"], grasps_in_camera: Grasps, footprint: Float64[np.ndarray, "P 3"]
    ) -> Float64[np.ndarray, "N"]:
        """z, in each grasp's frame, of the surface under a footprint: of its `cells`-th nearest point, if it has any.

        A footprint's point is (x, y in metres, y in halves of the opening): fingers stand beside it, whatever it is.
        """
        origin = self.plane.coordinates(grasps_in_camera.origin)
        angle = self.plane.angles(grasps_in_camera).astype(np.float32)
        cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
        x, y, halves = footprint.astype(np.float32).T
        along = y + halves * (grasps_in_camera.width[:, None] / 2).astype(np.float32)
        start = ((origin[:, :2] - self.corner) / self.cell).astype(np.float32)
        # the frame's x axis is y × z: (sin, -cos) for a closing axis (cos, sin) and an approach along s
        column = np.rint(start[:, :1] + (along * cosine + x * sine) / np.float32(self.cell)).astype(np.int32)
        row = np.rint(start[:, 1:] + (along * sine - x * cosine) / np.float32(self.cell)).astype(np.int32)
        height, width = surface.shape
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        found = np.where(inside, surface.ravel()[np.where(inside, row * width + column, 0)], np.float32(np.inf))
        kth = min(self.config.cells, len(footprint)) - 1
        return np.partition(found, kth, axis=1)[:, kth].astype(np.float64) - origin[:, 2]

    def _in_view(self, grasps_in_camera: Grasps) -> Bool[np.ndarray, "N"]:
        """Whether the image shows where both fingers go."""
        camera = self.observation.camera
        outwards = grasps_in_camera.width / 2 + ParallelJaw.of(self.observation.gripper).finger_thickness
        seen = np.ones(len(grasps_in_camera), dtype=bool)
        for side in (-1.0, 1.0):
            uv = camera.project(grasps_in_camera.origin + (side * outwards)[:, None] * grasps_in_camera.closing)
            seen &= np.all((uv > -0.5) & (uv < [camera.width - 0.5, camera.height - 0.5]), axis=1)
        return seen

    def _above_table(self, grasps_in_camera: Grasps) -> Bool[np.ndarray, "N"]:
        """Whether the lowest corner of the two fingertips stays `table_clearance` above the table."""
        table, gripper = self.observation.table, ParallelJaw.of(self.observation.gripper)
        if table is None:
            return np.ones(len(grasps_in_camera), dtype=bool)
        tip = grasps_in_camera.origin + grasps_in_camera.approach * gripper.pad_to_tip
        half_x = gripper.finger_breadth / 2
        half_y = grasps_in_camera.width / 2 + gripper.finger_thickness
        axes = np.abs(np.einsum("nij,i->nj", grasps_in_camera.poses[:, :3, :2], table.normal))
        lowest = table.height(tip) - axes[:, 0] * half_x - axes[:, 1] * half_y
        return lowest >= self.config.table_clearance


def _reach(gripper: ParallelJaw) -> float:
    """Farthest corner of the open hand from its approach axis."""
    half_x = max(gripper.finger_breadth, gripper.palm[0]) / 2
    half_y = max(gripper.max_width / 2 + gripper.finger_thickness, gripper.palm[1] / 2)
    return float(np.hypot(half_x, half_y)) + gripper.max_width / 2  # the axis itself may stand beside the object


def _is_table(observation: Observation, rows: slice, columns: slice) -> Bool[np.ndarray, "h w"]:
    """Pixels that show the table: no object, and no higher than noise could lift them.

    Tips come within a millimetre of the table, which is less than the noise of its pixels; the fitted plane, which
    averages over thousands of them, keeps tips above it instead.
    """
    if observation.table is None:
        return np.zeros(observation.depth[rows, columns].shape, dtype=bool)
    height = observation.table.height(np.nan_to_num(observation.points[rows, columns]))
    return ~observation.object_mask[rows, columns] & (height < TABLE_NOISE)


def _window(mask: Bool[np.ndarray, "H W"], margin: int, stride: int) -> tuple[slice, slice]:
    """Rows and columns of the mask's bounding box, widened by the margin; of the image where the mask is empty."""
    spans = []
    for axis in (1, 0):
        used = np.flatnonzero(mask.any(axis=axis))
        low, high = (used[0] - margin, used[-1] + margin + 1) if len(used) else (0, mask.shape[1 - axis])
        spans.append(slice(int(max(0, low)), int(min(high, mask.shape[1 - axis])), stride))
    return spans[0], spans[1]


def _nearest_in_cells(
    index: Int64[np.ndarray, "P 2"], s: Float64[np.ndarray, "P"], shape: tuple[int, int]
) -> Float32[np.ndarray, "h w"]:
    nearest = np.full(shape, np.inf, dtype=np.float32)
    np.minimum.at(nearest, (index[:, 1], index[:, 0]), s.astype(np.float32))
    return nearest


def _footprints(
    gripper: ParallelJaw, cell: float
) -> tuple[Float64[np.ndarray, "F 3"], Float64[np.ndarray, "P 3"], Float64[np.ndarray, "J 3"]]:
    """Points under both fingers, under the palm, and between the pads: (x, y in metres, y in halves of the opening)."""
    half_x, half_thickness = gripper.finger_breadth / 2, gripper.finger_thickness / 2
    fingers = []
    for side in (-1.0, 1.0):
        finger = _grid(half_x, half_thickness, cell)
        finger[:, 1] += side * half_thickness
        fingers.append(np.column_stack([finger, np.full(len(finger), side)]))
    # the palm is large, and what lies between the jaws is only asked whether there is anything: every other cell
    palm = _grid(gripper.palm[0] / 2, gripper.palm[1] / 2, 2 * cell)
    half_opening = gripper.max_width / 2
    between = _grid(half_x, half_opening, 2 * cell)
    between = np.column_stack([between[:, 0], np.zeros(len(between)), between[:, 1] / half_opening])
    return np.concatenate(fingers), np.column_stack([palm, np.zeros(len(palm))]), between


def _grid(half_x: float, half_y: float, spacing: float) -> Float64[np.ndarray, "P 2"]:
    """Points that fill a rectangle around the origin, its border included."""
    x, y = (np.linspace(-half, half, int(np.ceil(2 * half / spacing)) + 1) for half in (half_x, half_y))
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
