"""How a thing has moved on its table, from two pictures of how high it rises above it.

Both pictures are small grids over the table. The motion (a shift and a turn about the vertical) is the one for which
their heights differ least: Lucas & Kanade, IJCAI 1981, in the inverse compositional form of Baker & Matthews, IJCV
2004, whose gradients are computed once. Silhouettes say most of it. A direction along which the thing looks the same
(the turn of a disc, the length of a bar that leaves the picture) is held where it was expected.
"""

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import product

import numpy as np
from jaxtyping import Bool, Float64
from scipy.ndimage import binary_dilation, gaussian_filter, map_coordinates

__all__ = ["PlanarMotion", "Relief", "motion_between", "visible_share"]

CELLS = 56  # along a side of a relief
BLUR = 1.5  # cells; so far a motion may be from what was expected for the gradients to point the right way
ITERATIONS = 12
STOP = 0.01  # cells: a step that is smaller is the last one
SCALE = np.array([1.0, 1.0, 0.1])  # a unit of each moves the border of a thing as wide as a hand by about a cell
PRIOR = 0.003  # of the largest curvature: what holds a direction that the reliefs do not tell


@dataclass(frozen=True)
class PlanarMotion:
    """A turn by `yaw` about the vertical through the place where the thing was first seen, then a shift: m, rad."""

    x: float = 0.0
    y: float = 0.0
    yaw: float = 0.0

    @property
    def matrix(self) -> Float64[np.ndarray, "4 4"]:
        """The motion as a rigid transform."""
        cosine, sine = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[cosine, -sine, 0, self.x], [sine, cosine, 0, self.y], [0, 0, 1, 0], [0, 0, 0, 1]])

    @staticmethod
    def of(matrix: Float64[np.ndarray, "4 4"]) -> "PlanarMotion":
        """What a rigid transform that keeps the vertical does in the plane."""
        return PlanarMotion(float(matrix[0, 3]), float(matrix[1, 3]), float(np.arctan2(matrix[1, 0], matrix[0, 0])))


@dataclass(frozen=True)
class Relief:
    """Heights over a square of the table (metres), 0 where nothing was measured; `pitch` metres a cell.

    Cell (i, j) is at center + pitch · ((j, i) − (CELLS − 1) / 2), counted from where the thing was first seen.
    known: 1 where a camera could see the table or what stands on it, 0 where an arm was in the way.
    """

    heights: Float64[np.ndarray, "n n"]
    center: Float64[np.ndarray, "2"]
    pitch: float
    known: Float64[np.ndarray, "n n"] = field(default_factory=lambda: np.ones((CELLS, CELLS)))

    @staticmethod
    def of(points: Float64[np.ndarray, "P 3"], center: Float64[np.ndarray, "2"], side: float) -> "Relief":
        """The relief of points above the table (z = 0) in a square, the mean of a cell's.

        Each point is shared by the four cells around it. Cells with fewer points than most have are at an edge, and
        count as lower: so an edge lies where it is, and not where the cell ends.
        """
        pitch = side / CELLS
        place = (points[:, :2] - center) / pitch + (CELLS - 1) / 2
        cell = np.floor(place).astype(np.int64)
        inside = ((cell >= 0) & (cell < CELLS - 1)).all(axis=1)
        cell, part, height = cell[inside], (place - cell)[inside], points[inside, 2]
        count, total = np.zeros(CELLS**2), np.zeros(CELLS**2)
        for right, down in product((0, 1), repeat=2):
            share = np.abs(1 - right - part[:, 0]) * np.abs(1 - down - part[:, 1])
            flat = (cell[:, 1] + down) * CELLS + cell[:, 0] + right
            count += np.bincount(flat, weights=share, minlength=CELLS**2)
            total += np.bincount(flat, weights=share * height, minlength=CELLS**2)
        usual = np.median(count[count > 0]) if count.any() else 1.0
        heights = (total / np.maximum(count, usual)).reshape(CELLS, CELLS)
        return Relief(gaussian_filter(heights, BLUR), center, pitch)

    @property
    def places(self) -> Float64[np.ndarray, "n n 2"]:
        """The middle of each cell, x and y in the frame that `center` is in."""
        return self.pitch * np.stack(_cells(), axis=-1) + self.center

    @property
    def centroid(self) -> Float64[np.ndarray, "2"]:
        """The middle of what rises, in the frame that `center` is in; the relief's own where nothing does."""
        total = self.heights.sum()
        if not total > 0:
            return self.center
        return np.asarray((self.heights[..., None] * self.places).sum(axis=(0, 1)) / total, dtype=np.float64)

    def unknown_where(self, hidden: Bool[np.ndarray, "n n"]) -> "Relief":
        """The same, but nothing is known of some cells, nor of those that the blur has mixed with them."""
        near = binary_dilation(hidden, iterations=math.ceil(2 * BLUR)) if hidden.any() else hidden
        return replace(self, known=np.where(near, 0.0, self.known))


def motion_between(model: Relief, seen: Relief, expected: PlanarMotion) -> tuple[PlanarMotion, float]:
    """The motion that takes what `model` shows to where `seen` shows it, and how alike the two then are.

    model: as the thing was first seen, its center 0. expected: where the search begins, and what stays where the
    reliefs do not tell. The likeness is the correlation of their heights where `seen` is known, 1 at best.
    """
    gradient_y, gradient_x = np.gradient(model.heights)
    x, y = _cells()
    jacobian = np.stack([gradient_x, gradient_y, gradient_y * x - gradient_x * y], axis=-1).reshape(-1, 3)
    jacobian *= SCALE
    if not jacobian.any():
        return expected, 0.0
    held = PRIOR * np.abs(jacobian.T @ jacobian).max()
    motion = _in_cells(expected.matrix, model.pitch)
    for _ in range(ITERATIONS):
        heights, known = _moved(seen, motion, model.pitch)
        difference = known * (heights - model.heights)
        now = PlanarMotion.of(_in_cells(motion, 1 / model.pitch))
        moved = np.array(
            [(now.x - expected.x) / model.pitch, (now.y - expected.y) / model.pitch, now.yaw - expected.yaw]
        )
        curvature = jacobian.T @ (known.reshape(-1, 1) * jacobian)
        slope = jacobian.T @ difference.ravel() + held * moved / SCALE
        step = SCALE * np.linalg.solve(curvature + held * np.eye(3), slope)
        motion = motion @ np.linalg.inv(PlanarMotion(*step.tolist()).matrix)
        if np.abs(step / SCALE).max() < STOP:
            break
    heights, known = _moved(seen, motion, model.pitch)
    return PlanarMotion.of(_in_cells(motion, 1 / model.pitch)), _correlation(known * heights, known * model.heights)


def visible_share(model: Relief, seen: Relief, expected: PlanarMotion) -> float:
    """How much of what `model` shows `seen` knows, if it moved as expected: 1 all of it, 0 nothing."""
    known = _moved(seen, _in_cells(expected.matrix, model.pitch), model.pitch)[1]
    total = float((model.heights**2).sum())
    return float((known * model.heights**2).sum()) / total if total > 0 else 1.0


@lru_cache(maxsize=1)
def _cells() -> tuple[Float64[np.ndarray, "n n"], Float64[np.ndarray, "n n"]]:
    """The x and y of all cells, counted in cells from the middle."""
    offset = np.arange(CELLS) - (CELLS - 1) / 2
    x, y = np.meshgrid(offset, offset)
    return x, y


def _moved(
    seen: Relief, motion: Float64[np.ndarray, "4 4"], pitch: float
) -> tuple[Float64[np.ndarray, "n n"], Float64[np.ndarray, "n n"]]:
    """What is seen where the motion takes the model's cells, and how well it is known there. Lengths of the motion are
    in cells of the model, whose pitch is given."""
    (x, y), between = _cells(), -seen.center / seen.pitch + (CELLS - 1) / 2
    cells = pitch / seen.pitch
    column = (motion[0, 0] * x + motion[0, 1] * y + motion[0, 3]) * cells + between[0]
    row = (motion[1, 0] * x + motion[1, 1] * y + motion[1, 3]) * cells + between[1]
    heights = np.asarray(map_coordinates(seen.heights, [row, column], order=1, mode="constant"), dtype=np.float64)
    if seen.known.all():
        return heights, np.ones_like(heights)
    known = map_coordinates(seen.known, [row, column], order=1, mode="constant", cval=1.0)
    return heights, np.asarray(known, dtype=np.float64)


def _in_cells(motion: Float64[np.ndarray, "4 4"], pitch: float) -> Float64[np.ndarray, "4 4"]:
    """The same motion with its shift in units of `pitch`."""
    scaled = motion.copy()
    scaled[:2, 3] /= pitch
    return scaled


def _correlation(one: Float64[np.ndarray, "n n"], other: Float64[np.ndarray, "n n"]) -> float:
    """Of heights about 0, which is the table: 1 where one is the other times a positive number."""
    length = np.linalg.norm(one) * np.linalg.norm(other)
    return float((one * other).sum() / length) if length > 0 else 0.0
