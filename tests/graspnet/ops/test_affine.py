"""Affine sampling against OpenCV, SciPy and finite differences."""

import cv2
import numpy as np
import pytest
import scipy.ndimage
import torch

from graspnet.errors import InputError
from graspnet.ops.affine import affine_grid, bilinear_sample


def random_matrices(rng, count, height, width):
    """Turned, scaled and slightly sheared maps whose middle lands somewhere inside of the image."""
    angle, scale = rng.uniform(-np.pi, np.pi, count), rng.uniform(0.5, 3.0, count)
    linear = scale[:, None, None] * np.stack(
        [np.stack([np.cos(angle), -np.sin(angle)], 1), np.stack([np.sin(angle), np.cos(angle)], 1)], axis=1
    )
    linear += 0.1 * rng.standard_normal(linear.shape)
    return np.concatenate([linear, rng.uniform([0, 0], [width, height], (count, 2))[:, :, None]], axis=2)


def test_a_grid_is_the_matrix_times_the_pixel():
    matrix = torch.tensor([[[1.0, 2.0, 30.0], [4.0, 5.0, 60.0]]])
    grid = affine_grid(matrix, height=2, width=3)
    assert grid.shape == (1, 2, 3, 2)
    assert grid[0, 1, 2].tolist() == [1 * 2 + 2 * 1 + 30, 4 * 2 + 5 * 1 + 60]
    assert grid[0, 0, 0].tolist() == [30, 60]


def test_samples_equal_opencv_s_warp_affine():
    """Interior and border alike: OpenCV, too, fades to a constant 0 over one pixel beyond the border's centres."""
    assert int(cv2.__version__.split(".")[0]) >= 5, "older releases round bilinear weights to 1/32"
    rng = np.random.default_rng(0)
    image = rng.random((50, 70)).astype(np.float32)
    matrices = random_matrices(rng, 20, 50, 70)
    grid = affine_grid(torch.tensor(matrices), 33, 41)
    found = bilinear_sample(torch.tensor(image)[None, None].expand(20, 1, 50, 70), grid)[:, 0].numpy()
    for n in range(20):
        expected = cv2.warpAffine(image, matrices[n], (41, 33), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        np.testing.assert_allclose(found[n], expected, atol=1e-4)


def test_samples_equal_scipy_s_map_coordinates_in_every_image_and_channel():
    rng = np.random.default_rng(1)
    images = rng.random((3, 2, 20, 30))
    grid = rng.uniform(-2, 32, (5, 6, 7, 2))
    index = np.array([2, 0, 1, 1, 2])
    found = bilinear_sample(torch.tensor(images), torch.tensor(grid), torch.tensor(index)).numpy()
    for n in range(5):
        for channel in range(2):
            padded = np.pad(images[index[n], channel], 1)  # zero outside, as ours
            expected = scipy.ndimage.map_coordinates(padded, [grid[n, ..., 1] + 1, grid[n, ..., 0] + 1], order=1)
            np.testing.assert_allclose(found[n, channel], expected, atol=1e-12)


def test_at_integer_coordinates_a_sample_is_the_pixel():
    image = torch.arange(12.0).reshape(1, 1, 3, 4)
    identity = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    assert torch.equal(bilinear_sample(image, affine_grid(identity, 3, 4)), image)
    quarter = torch.tensor([[[0.0, 1.0, 0.0], [-1.0, 0.0, 2.0]]])  # (j, i) → (i, 2 − j): np.rot90 the other way round
    assert np.array_equal(bilinear_sample(image, affine_grid(quarter, 4, 3))[0, 0], np.rot90(image[0, 0], k=-1))


def test_gradients_in_the_image_and_in_the_matrix_are_exact():
    """Against finite differences, at matrices whose samples keep 0.01 pixels away from the seams of the patches."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 2, 6, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    matrix = torch.tensor(
        [[[0.9, 0.31, 0.83], [-0.27, 1.1, 1.47]], [[1.3, -0.21, -0.62], [0.17, 0.73, 1.29]]],
        dtype=torch.float64, requires_grad=True,
    )  # fmt: skip
    distance = affine_grid(matrix, 3, 4).detach()
    assert (distance - distance.round()).abs().min() > 0.01

    def sampled(images, matrix):
        return bilinear_sample(images, affine_grid(matrix, 3, 4))

    assert torch.autograd.gradcheck(sampled, (images, matrix))
    assert torch.autograd.gradgradcheck(sampled, (images, matrix))


def test_a_shift_is_found_by_descending_its_gradient():
    """Differentiable in the matrix is good for something: image registration."""
    v, u = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    image = torch.exp(-((u - 15) ** 2 + (v - 17) ** 2) / 40)[None, None]
    target = torch.exp(-((u - 13.3) ** 2 + (v - 18.4) ** 2) / 40)[None, None]
    shift = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.LBFGS([shift], max_iter=50)

    def loss():
        optimizer.zero_grad()
        matrix = torch.cat([torch.eye(2), shift[:, None]], dim=1)[None]
        error = ((bilinear_sample(image, affine_grid(matrix, 32, 32)) - target) ** 2).sum()
        error.backward()
        return error

    optimizer.step(loss)
    np.testing.assert_allclose(shift.detach().numpy(), [1.7, -1.4], atol=0.05)


def test_several_images_need_to_know_which_grid_reads_which():
    with pytest.raises(InputError, match="image_index"):
        bilinear_sample(torch.zeros(2, 1, 4, 4), torch.zeros(3, 5, 5, 2))
