"""Facts about the surface under footprints: NumPy's sort of all cells is the oracle."""

import numpy as np
import pytest

from graspnet.observation.footprint import highest_under


@pytest.mark.parametrize("cells", [1, 3, 200])
def test_the_kth_highest_is_that_of_a_sort(cells):
    rng = np.random.default_rng(0)
    surface = rng.standard_normal((40, 50)).astype(np.float32)
    surface[rng.random(surface.shape) < 0.3] = -np.inf
    footprint = np.column_stack([rng.uniform(-6, 6, 90), rng.uniform(-2, 2, 90), rng.choice([-1, 1], 90)]).astype(
        np.float32
    )
    start = rng.uniform(-8, 58, (300, 2)).astype(np.float32)
    angle = rng.uniform(-np.pi, np.pi, 300).astype(np.float32)
    turn, half = np.stack([np.cos(angle), np.sin(angle)], axis=1), rng.uniform(1, 12, 300).astype(np.float32)
    found = highest_under(surface, start, turn, half, footprint, cells)
    for n in range(300):
        along = footprint[:, 1] + footprint[:, 2] * half[n]
        column = np.rint(start[n, 0] + along * turn[n, 0] + footprint[:, 0] * turn[n, 1]).astype(int)
        row = np.rint(start[n, 1] + along * turn[n, 1] - footprint[:, 0] * turn[n, 0]).astype(int)
        inside = (column >= 0) & (column < 50) & (row >= 0) & (row < 40)
        values = np.full(90, -np.inf, dtype=np.float32)
        values[inside] = surface[row[inside], column[inside]]
        assert found[n] == np.sort(values)[-min(cells, 90)]


def test_no_footprints_have_no_height():
    nothing = np.zeros((0, 2), np.float32)
    assert highest_under(
        np.zeros((3, 3), np.float32), nothing, nothing, nothing[:, 0], np.zeros((1, 3), np.float32), 1
    ).shape == (0,)
