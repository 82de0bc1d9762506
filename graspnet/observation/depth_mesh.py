"""A depth image as a mesh, drawn across a direction: the compiled part of `graspnet.observation.height_map`.

Arrays: `inverse` and `filled` are (H, W) float32, 1 / depth, which is affine in (u, v) on every plane; 0 = missing.
`mask` is (H, W) uint8, 1 on what may be grasped. `focal` and `center` are (2,), pixels. `rotation` (3, 3) and `offset`
(3,) take points of the camera's frame to the map's axes. Maps are (h, w), row = y, column = x.

The functions release the GIL: a thread that prepares batches must not stop the one that trains.
"""

from typing import no_type_check

import numpy as np
from numba import njit

from graspnet.run.compilation import tell_of_compilation

__all__ = ["filled", "halved", "inverse_depth", "rasterise", "span_of_pixels"]

NO_MARKS = (np.uint8(0), np.uint8(0), np.uint8(0))
EDGE = 1e-9  # cells: the centre of a cell that lies on a triangle's border belongs to it

tell_of_compilation(__name__)


@njit(cache=True, nogil=True)
@no_type_check
def inverse_depth(depth):
    """1 / depth, which is affine in (u, v) on every plane; 0 where nothing was measured."""
    inverse = np.zeros_like(depth)
    rows, columns = depth.shape
    for r in range(rows):
        for c in range(columns):
            if depth[r, c] > 0:
                inverse[r, c] = np.float32(1.0) / depth[r, c]
    return inverse


@njit(cache=True, nogil=True)
@no_type_check
def span_of_pixels(depth, focal, center, rotation, offset):
    """The lowest and the highest (x, y) of the measured pixels of depth (H, W), as (2, 2); infinite for none."""
    span = np.array([[np.inf, np.inf], [-np.inf, -np.inf]])
    for r in range(depth.shape[0]):
        ray_y = (r - center[1]) / focal[1]
        for c in range(depth.shape[1]):
            z = depth[r, c]
            if z > 0:
                ray_x = (c - center[0]) / focal[0]
                for k in range(2):
                    value = z * (rotation[k, 0] * ray_x + rotation[k, 1] * ray_y + rotation[k, 2]) + offset[k]
                    span[0, k] = min(span[0, k], value)
                    span[1, k] = max(span[1, k], value)
    return span


@njit(cache=True, nogil=True)
@no_type_check
def halved(inverse, mask, step):
    """The median of the measured pixels of each 2x2 block; the last row or column of an odd image is left out.

    Of an even number of pixels the median lies between two. Where they are on one surface it is their mean, exact on a
    plane; across an edge it is the nearer one, for no depth is invented there. A block is on the object where half of
    it is.
    """
    rows, columns = inverse.shape[0] // 2, inverse.shape[1] // 2
    half = np.zeros((rows, columns), dtype=np.float32)
    half_mask = np.zeros((rows, columns), dtype=np.uint8)
    for r in range(rows):
        for c in range(columns):
            a, b = inverse[2 * r, 2 * c], inverse[2 * r, 2 * c + 1]
            d, e = inverse[2 * r + 1, 2 * c], inverse[2 * r + 1, 2 * c + 1]
            a, b = max(a, b), min(a, b)  # a sorting network: nearest first, missing (0) last
            d, e = max(d, e), min(d, e)
            first, x, y, fourth = max(a, d), min(a, d), max(b, e), min(b, e)
            second, third = max(x, y), min(x, y)
            nearer = second if third > 0 else first
            farther = third if fourth > 0 else (second if second > 0 else first)
            same = nearer - farther <= step * nearer
            half[r, c] = np.float32(0.5) * (nearer + farther) if same else nearer
            covered = mask[2 * r, 2 * c] + mask[2 * r, 2 * c + 1] + mask[2 * r + 1, 2 * c] + mask[2 * r + 1, 2 * c + 1]
            half_mask[r, c] = 1 if covered >= 2 else 0
    return half, half_mask


@njit(cache=True, nogil=True)
@no_type_check
def filled(inverse):
    """The inverse depth with values where none was measured: between the ends of the gap along its row and its column.

    Both are linear in inverse depth, hence exact on a plane, and the shorter gap counts for more. At the image's border
    a gap has one end, whose value it keeps. 0 is left where neither row nor column measured anything.
    """
    rows, columns = inverse.shape
    total, weight = np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.float32)
    for r in range(rows):
        last = -1
        for c in range(columns + 1):
            if c == columns or inverse[r, c] > 0:
                if c - last > 1 and (last >= 0 or c < columns):
                    _fill_gap(inverse[r], total[r], weight[r], last, c)
                last = c
    last_row = np.full(columns, -1, dtype=np.int64)
    for r in range(rows + 1):
        for c in range(columns):
            if r == rows or inverse[r, c] > 0:
                last = last_row[c]
                if r - last > 1 and (last >= 0 or r < rows):
                    _fill_gap(inverse[:, c], total[:, c], weight[:, c], last, r)
                last_row[c] = r
    filled = inverse.copy()
    for r in range(rows):
        for c in range(columns):
            if weight[r, c] > 0:
                filled[r, c] = total[r, c] / weight[r, c]
    return filled


@njit(cache=True, nogil=True)
@no_type_check
def _fill_gap(line, total, weight, low, high):
    """Add what a gap between the measured entries low and high says; an end outside of the line does not exist."""
    bounded = low >= 0 and high < len(line)
    gap_weight = np.float32(1.0 / (high - low) if bounded else 1e-3 / (high - low))
    first = line[low] if low >= 0 else line[high]
    last = line[high] if high < len(line) else line[low]
    for k in range(low + 1, high):
        share = np.float32((k - low) / (high - low))
        total[k] += gap_weight * (first + share * (last - first))
        weight[k] += gap_weight


@njit(cache=True, nogil=True)
@no_type_check
def rasterise(inverse, filled, mask, focal, center, rotation, offset, step, surface, curtain, on_object):
    """Draw both triangles of every quad of pixels into `surface` or `curtain`, the highest first.

    rotation, offset: from the camera's frame to (column, row, height). step: what two neighbours on one surface may
    differ in depth, over their depth. The two triangles share the diagonal from the upper right to the lower left.
    """
    rows, columns = inverse.shape
    bottom, right = surface.shape[0] - 1.0, surface.shape[1] - 1.0
    across_x, across_y = 1 / focal[0], 1 / focal[1]
    vertices = np.full((2, columns, 3), np.nan)  # (column, row, height) of the pixels of the last row and of this one
    for r in range(rows):
        below, above = vertices[r % 2], vertices[(r - 1) % 2]
        ray_y = (r - center[1]) * across_y
        for c in range(columns):
            if filled[r, c] > 0:
                z = 1.0 / filled[r, c]
                px, py = (c - center[0]) * across_x * z, ray_y * z
                below[c, 0] = rotation[0, 0] * px + rotation[0, 1] * py + rotation[0, 2] * z + offset[0]
                below[c, 1] = rotation[1, 0] * px + rotation[1, 1] * py + rotation[1, 2] * z + offset[1]
                below[c, 2] = rotation[2, 0] * px + rotation[2, 1] * py + rotation[2, 2] * z + offset[2]
            else:
                below[c, 0] = np.nan
        if r == 0:
            continue
        for c in range(columns - 1):
            ax, ay, bx, by = above[c, 0], above[c, 1], above[c + 1, 0], above[c + 1, 1]
            dx, dy, ex, ey = below[c, 0], below[c, 1], below[c + 1, 0], below[c + 1, 1]
            if not (
                max(max(ax, bx), max(dx, ex)) >= 0
                and min(min(ax, bx), min(dx, ex)) <= right
                and max(max(ay, by), max(dy, ey)) >= 0
                and min(min(ay, by), min(dy, ey)) <= bottom
            ):
                continue  # beside the map, or not a number
            ia, ib, id_, ie = inverse[r - 1, c], inverse[r - 1, c + 1], inverse[r, c], inverse[r, c + 1]
            ah, bh, dh, eh = above[c, 2], above[c + 1, 2], below[c, 2], below[c + 1, 2]
            first = min(min(ia, ib), id_)  # in inverse depth: the largest is the nearest, and missing is 0
            if first > 0 and max(max(ia, ib), id_) <= (1 + step) * first:
                marks = (mask[r - 1, c], mask[r - 1, c + 1], mask[r, c])
                _draw(ax, ay, ah, bx, by, bh, dx, dy, dh, marks, surface, on_object, True)
            elif ax == ax and bx == bx and dx == dx:
                _draw(
                    ax, ay, ah, bx, by, bh, dx, dy, dh, (mask[r, c], mask[r, c], mask[r, c]), curtain, on_object, False
                )
            second = min(min(ie, ib), id_)
            if second > 0 and max(max(ie, ib), id_) <= (1 + step) * second:
                marks = (mask[r, c + 1], mask[r - 1, c + 1], mask[r, c])
                _draw(ex, ey, eh, bx, by, bh, dx, dy, dh, marks, surface, on_object, True)
            elif ex == ex and bx == bx and dx == dx:
                _draw(
                    ex, ey, eh, bx, by, bh, dx, dy, dh, (mask[r, c], mask[r, c], mask[r, c]), curtain, on_object, False
                )


@njit(cache=True, inline="never")
@no_type_check
def _draw(x0, y0, h0, x1, y1, h1, x2, y2, h2, marks, target, labels, labelled):
    """Raise the cells whose centres a triangle covers to its height there, row by row.

    labelled: also give those cells the mark of the corner next to them.
    """
    rows, columns = target.shape
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    low, high = min(min(y0, y1), y2), max(max(y0, y1), y2)
    first, last = max(0, int(np.ceil(low - EDGE))), min(rows - 1, int(np.floor(high + EDGE)))
    if abs(area) < 1e-12 or first > last:  # seen edge-on, or between two rows
        return
    per_x = ((h1 - h0) * (y2 - y0) - (h2 - h0) * (y1 - y0)) / area
    per_y = ((h2 - h0) * (x1 - x0) - (h1 - h0) * (x2 - x0)) / area
    lowest, highest = min(min(h0, h1), h2), max(max(h0, h1), h2)
    for i in range(first, last + 1):
        left, right = np.inf, -np.inf
        for xa, ya, xb, yb in ((x0, y0, x1, y1), (x1, y1, x2, y2), (x2, y2, x0, y0)):
            if i < min(ya, yb) - EDGE or i > max(ya, yb) + EDGE:
                continue
            share = 0.0 if abs(yb - ya) < 1e-12 else min(1.0, max(0.0, (i - ya) / (yb - ya)))
            x = xa + share * (xb - xa)
            left, right = min(left, x), max(right, x)
            if abs(yb - ya) < 1e-12:
                left, right = min(left, xb), max(right, xb)
        for j in range(max(0, int(np.ceil(left - EDGE))), min(columns - 1, int(np.floor(right + EDGE))) + 1):
            height = h0 + per_x * (j - x0) + per_y * (i - y0)
            height = min(highest, max(lowest, height))  # a sliver's slope is steep, and rounding is not small on it
            if height > target[i, j]:
                target[i, j] = height
                if labelled:
                    d0 = (x0 - j) ** 2 + (y0 - i) ** 2
                    d1 = (x1 - j) ** 2 + (y1 - i) ** 2
                    d2 = (x2 - j) ** 2 + (y2 - i) ** 2
                    labels[i, j] = marks[0] if d0 <= d1 and d0 <= d2 else (marks[1] if d1 <= d2 else marks[2])
