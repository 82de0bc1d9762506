"""Facts about windows, distances and pairs: torch's and SciPy's are the oracles."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from graspnet.errors import InputError
from graspnet.ops.distance import distinct_pairs, squared_distances
from graspnet.ops.windows import column_means, column_windows, max_pool


@pytest.mark.parametrize(("size", "stride"), [((2, 2), 2), ((3, 3), (2, 1)), ((1, 4), 3)])
def test_the_largest_of_each_patch_is_torchs_pooling(size, stride):
    images = torch.randn(2, 3, 11, 10, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(max_pool(images, size, stride), torch.nn.functional.max_pool2d(images, size, stride))


def test_windows_around_a_centre_of_each_column():
    values = torch.arange(20.0).reshape(5, 4)
    window, inside = column_windows(values, torch.tensor([0, 2, 4, 9]), 1)
    assert window[:, 1].tolist() == [5.0, 9.0, 13.0]
    assert inside.T.tolist() == [[False, True, True], [True] * 3, [True, True, False], [False] * 3]
    # a border counts once: rows 0 and 1 of the first column, 3 and 4 of the third; nothing of the last
    means = column_means(values, torch.tensor([0, 2, 4, 9]), 1)
    np.testing.assert_array_equal(means.numpy(), [2.0, 9.0, 16.0, np.nan])
    with pytest.raises(InputError, match="radius is -1"):
        column_windows(values, torch.zeros(4, dtype=torch.int64), -1)


@pytest.mark.parametrize("far", [0.0, 1e4])
def test_squared_distances_are_scipys_and_never_negative(far):
    generator = torch.Generator().manual_seed(1)
    a, b = (torch.rand(n, 3, generator=generator, dtype=torch.float64) + far for n in (40, 30))
    expected = cdist(a.numpy(), b.numpy(), "sqeuclidean")
    np.testing.assert_allclose(squared_distances(a, b).numpy(), expected, atol=1e-9)
    single = squared_distances(a.float(), b.float()).numpy()
    rounded = cdist(a.float().numpy(), b.float().numpy(), "sqeuclidean")  # of the points as float32 has them
    np.testing.assert_allclose(single, rounded, atol=2e-5)
    own = squared_distances(a.float(), a.float())
    assert own.min() >= 0
    assert own.diagonal().max() < 1e-5


def test_pairs_differ_from_each_other_and_in_themselves_and_follow_their_weights():
    first, second = np.array([0.7, 0.2, 0.1, 0.0]), np.array([0.1, 0.1, 0.4, 0.4, 0.0])
    pairs = distinct_pairs(8, first, second, np.random.default_rng(0))
    assert len(np.unique(pairs, axis=0)) == 8
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert pairs[:, 0].max() <= 2
    assert pairs[:, 1].max() <= 3
    rng = np.random.default_rng(1)
    firsts = np.concatenate([distinct_pairs(1, first, second, rng) for _ in range(3000)])
    # P(i, j | i ≠ j): of i = 0 it is 0.7 · 0.9, of 1 0.2 · 0.9, of 2 0.1 · 0.6, over their sum 0.87
    shares = np.bincount(firsts[:, 0], minlength=3) / 3000
    np.testing.assert_allclose(shares, np.array([0.63, 0.18, 0.06]) / 0.87, atol=0.03)


def test_rare_pairs_are_found_and_impossible_numbers_refused():
    first = np.array([1.0, 1e-12, 1e-12])
    pairs = distinct_pairs(6, first, np.ones(3), np.random.default_rng(0))
    assert {tuple(pair) for pair in pairs.tolist()} == {(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)}
    with pytest.raises(InputError, match="7 pairs asked for; there are 6"):
        distinct_pairs(7, first, np.ones(3), np.random.default_rng(0))
    with pytest.raises(InputError, match="second holds no weights"):
        distinct_pairs(1, first, np.zeros(3), np.random.default_rng(0))
