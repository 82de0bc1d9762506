"""Things: what hangs together in a height map, once the table is taken away. Touching objects are one thing."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int64
from scipy import ndimage

from graspnet.observation.height_map import HeightMap

__all__ = ["Things"]

FEWEST_CELLS = 4  # of a thing


@dataclass(frozen=True)
class Things:
    """A number for each cell of a height map, and the centre and the axes of each thing.

    number: 0 where there is no thing. center: (x, y) of the things 1, 2, …, metres. narrow: direction of least
    variance, radians from x towards y. deviation: along the other axis, metres.
    """

    height_map: HeightMap
    number: Int64[np.ndarray, "h w"]
    center: Float64[np.ndarray, "T 2"]
    narrow: Float64[np.ndarray, "T"]
    deviation: Float64[np.ndarray, "T"]

    @staticmethod
    def of(height_map: HeightMap) -> "Things":
        """The things of the cells that may be grasped; eight neighbours hang together, a few cells are no thing."""
        number, count = ndimage.label(height_map.on_object, structure=np.ones((3, 3)))
        row, column = np.nonzero(number)
        thing = number[row, column] - 1
        xy = height_map.places(np.stack([column, row], axis=1).astype(np.float64))
        cells = np.maximum(np.bincount(thing, minlength=count), 1)
        mean = np.stack([np.bincount(thing, xy[:, k], count) for k in range(2)], axis=1) / cells[:, None]
        offset = xy - mean[thing]
        products = (offset[:, 0] ** 2, offset[:, 1] ** 2, offset[:, 0] * offset[:, 1])
        xx, yy, cross = (np.bincount(thing, product, count) / cells for product in products)
        # the axes of a symmetric 2 x 2 matrix: the wide one at half the angle of (xx − yy, 2 xy)
        narrow = np.arctan2(2 * cross, xx - yy) / 2 + np.pi / 2
        largest = (xx + yy) / 2 + np.hypot((xx - yy) / 2, cross)
        kept = cells >= FEWEST_CELLS
        renumbered = np.concatenate([[0], np.where(kept, np.cumsum(kept), 0)]).astype(np.int64)
        return Things(height_map, renumbered[number], mean[kept], narrow[kept], np.sqrt(largest[kept]))

    def __len__(self) -> int:
        return len(self.narrow)

    def nearest(self, xy: Float64[np.ndarray, "N 2"]) -> Int64[np.ndarray, "N"]:
        """The number of the thing at each place, or of the nearest one; 0 if there is none at all."""
        column, row = np.rint(self.height_map.cells(xy)).astype(np.int64).T
        height, width = self.number.shape
        return self._nearest[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]

    @cached_property
    def _nearest(self) -> Int64[np.ndarray, "h w"]:
        if not len(self):
            return self.number
        rows, columns = ndimage.distance_transform_edt(self.number == 0, return_distances=False, return_indices=True)
        return self.number[rows, columns]
