"""Facts about convolutions: torch's own are the oracle, and merging is tried over all small sizes."""

from itertools import product

import numpy as np
import pytest
import torch

from graspnet.errors import InputError
from graspnet.ops.batch_norm import batch_norm_gradient, fold_batch_norm
from graspnet.ops.convolution import Convolution, convolution_matrix, convolve, merge_convolutions

GENERATOR = torch.Generator().manual_seed(0)


def randn(*shape):
    return torch.randn(*shape, generator=GENERATOR, dtype=torch.float64)


def layer(filters, channels, size, stride=(1, 1), padding=(0, 0), bias=True):
    return Convolution(randn(filters, channels, *size), randn(filters) * bias, stride, padding)


@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
@pytest.mark.parametrize("padding", [(0, 0), (2, 1)])
def test_a_sum_over_patches_is_torchs_convolution(stride, padding):
    made = layer(4, 3, (3, 2), stride, padding)
    images = randn(2, 3, 9, 8)
    torch.testing.assert_close(convolve(made, images), made(images), atol=1e-12, rtol=0)


@pytest.mark.parametrize(("size", "image"), [((3, 2), (6, 5)), ((1, 1), (3, 3)), ((4, 4), (4, 4)), ((2, 5), (7, 5))])
def test_the_matrix_of_a_convolution_is_linear_algebra(size, image):
    made = layer(3, 2, size, bias=False)
    matrix = convolution_matrix(made.kernel, *image)
    assert matrix.shape == (image[0] - size[0] + 1, image[1] - size[1] + 1, 3, *image, 2)
    x = randn(1, 2, *image)
    by_matrix = torch.einsum("rcfijk,ijk->frc", matrix, x[0].permute(1, 2, 0))
    torch.testing.assert_close(by_matrix, made(x)[0], atol=1e-12, rtol=0)


def test_a_kernel_larger_than_the_image_is_refused():
    with pytest.raises(InputError, match="a kernel of 3 x 2 does not fit into an image of 2 x 9"):
        convolution_matrix(randn(1, 1, 3, 2), 2, 9)


def lines(k1, s1, p1, k2, s2, p2, bias):
    """Two layers along columns alone."""
    first = layer(2, 2, (1, k1), (1, s1), (0, p1), bias)
    return first, layer(2, 2, (1, k2), (1, s2), (0, p2))


def agree(first, second, merged, n):
    image = randn(1, 2, 1, n)
    return torch.allclose(merged(image), second(first(image)), atol=1e-9)


def forced(first, second):
    """The merged layer whatever the condition says: as if the second did not pad, then with the padding that it has."""
    without = Convolution(second.kernel, second.bias, second.stride)
    merged = merge_convolutions(first, without)
    padding = tuple(p1 + s1 * p2 for p1, s1, p2 in zip(first.padding, first.stride, second.padding, strict=True))
    return Convolution(merged.kernel, merged.bias, merged.stride, padding)


@pytest.mark.parametrize("bias", [False, True])
def test_merging_is_exact_just_where_the_condition_says_so(bias):
    """All kernels to 3, strides to 3, paddings to 3 and images to 9: allowed means equal, refused means different."""
    tried = refused = 0
    for k1, s1, p1, k2, s2, p2 in product((1, 2, 3), (1, 2, 3), (0, 1, 2, 3), (1, 2, 3), (1, 2), (0, 1, 2)):
        first, second = lines(k1, s1, p1, k2, s2, p2, bias)
        for n in range(1, 10):
            m1 = (n + 2 * p1 - k1) // s1 + 1
            if n + 2 * p1 < k1 or m1 + 2 * p2 < k2:
                continue
            tried += 1
            try:
                assert agree(first, second, merge_convolutions(first, second, (1, n)), n)
            except InputError:
                refused += 1
                assert not agree(first, second, forced(first, second), n), (k1, s1, p1, k2, s2, p2, n)
    assert tried > 3000
    assert 0.05 * tried < refused < 0.7 * tried


def test_without_a_size_a_layer_is_merged_only_if_it_is_for_every_size():
    for k1, s1, p1, k2, s2, p2 in product((1, 2, 3), (1, 2), (0, 1, 2), (1, 2), (1, 2), (0, 1)):
        first, second = lines(k1, s1, p1, k2, s2, p2, bias=False)
        sizes = [n for n in range(1, 12) if n + 2 * p1 >= k1 and (n + 2 * p1 - k1) // s1 + 1 + 2 * p2 >= k2]
        always = all(agree(first, second, forced(first, second), n) for n in sizes)
        try:
            merged = merge_convolutions(first, second)
        except InputError as refusal:
            message = str(refusal)
            # what is refused for every size may hold for those that the second layer's stride never reaches the end of
            assert not always or s2 > 1, message
        else:
            assert always
            assert (merged.stride[1], merged.padding[1]) == (s1 * s2, p1 + s1 * p2)


def test_both_axes_and_biases_merge():
    first, second = layer(5, 3, (3, 4), (2, 1), (1, 2)), layer(4, 5, (2, 3), (1, 2))
    images = randn(2, 3, 11, 12)
    merged = merge_convolutions(first, second)
    assert merged.kernel.shape == (4, 3, 5, 6)
    torch.testing.assert_close(merged(images), second(first(images)), atol=1e-10, rtol=0)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (layer(2, 1, (3, 3), bias=False), layer(1, 2, (3, 3), padding=(1, 0)), "along rows .* 1 in its first pixels"),
        (layer(2, 1, (1, 3), (1, 2), (0, 1), bias=False), layer(1, 2, (1, 1), padding=(0, 1)), "in their last pixels"),
        (layer(2, 1, (1, 1)), layer(1, 2, (1, 1), padding=(0, 1)), "along columns .* an image of zeros"),
        (layer(2, 1, (1, 1)), layer(1, 3, (1, 1)), "has 2 outputs, the second expects 3"),
    ],
)
def test_what_cannot_be_merged_is_refused_with_an_image_that_shows_it(first, second, message):
    with pytest.raises(InputError, match=message):
        merge_convolutions(first, second)


def test_a_folded_normalisation_is_torchs_in_evaluation():
    made, images = layer(4, 3, (3, 3), padding=(1, 1)), randn(2, 3, 8, 8)
    norm = torch.nn.BatchNorm2d(4).double().eval()
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            tensor.copy_(randn(4))
        norm.running_var.copy_(randn(4).abs() + 0.1)
        folded = fold_batch_norm(made, norm.weight, norm.bias, norm.running_mean, norm.running_var, norm.eps)
        torch.testing.assert_close(folded(images), norm(made(images)), atol=1e-10, rtol=0)


def test_the_gradient_in_closed_form_is_autograds():
    x, gamma, dy = randn(3, 4, 5, 6).requires_grad_(), randn(4).requires_grad_(), randn(3, 4, 5, 6)
    beta = randn(4).requires_grad_()
    torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-5).backward(dy)
    with torch.no_grad():
        for found, expected in zip(batch_norm_gradient(x, gamma, dy), (x.grad, gamma.grad, beta.grad), strict=True):
            np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-10)
