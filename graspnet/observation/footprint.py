"""The surface under footprints: how high a height map rises where fingers and a palm come down. Compiled."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float32
from numba import njit

__all__ = ["highest_under"]


def highest_under(
    surface: Float32[np.ndarray, "h w"],
    start: Float32[np.ndarray, "N 2"],
    turn: Float32[np.ndarray, "N 2"],
    half_opening: Float32[np.ndarray, "N"],
    footprint: Float32[np.ndarray, "P 3"],
    cells: int,
) -> Float32[np.ndarray, "N"]:
    """The `cells`-th highest cell of the surface under each footprint, −inf where fewer are in the map.

    start: (column, row) of each footprint's origin. turn: (cos, sin) of its y axis, from columns towards rows; x is
    (sin, −cos). A footprint's point is (x, y, y in half openings), all in cells. A point beside the map counts as −inf.
    """
    found = np.empty(len(start), dtype=np.float32)
    _highest(surface, start, turn, half_opening, footprint, min(cells, len(footprint)), found)
    return found


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _highest(surface, start, turn, half_opening, footprint, cells, found):
    """Fill `found`: the smallest of the `cells` largest, which an insertion keeps in order."""
    height, width = surface.shape
    largest = np.empty(cells, np.float32)
    for n in range(len(start)):
        largest[:] = -np.inf
        cosine, sine = turn[n, 0], turn[n, 1]
        for p in range(len(footprint)):
            x, along = footprint[p, 0], footprint[p, 1] + footprint[p, 2] * half_opening[n]
            column = int(np.rint(start[n, 0] + along * cosine + x * sine))
            row = int(np.rint(start[n, 1] + along * sine - x * cosine))
            if row < 0 or row >= height or column < 0 or column >= width:
                continue
            value = surface[row, column]
            if value > largest[cells - 1]:
                k = cells - 1
                while k > 0 and largest[k - 1] < value:
                    largest[k] = largest[k - 1]
                    k -= 1
                largest[k] = value
        found[n] = largest[cells - 1]
