"""Patch views against NumPy's sliding windows, torch's unfold and plain loops; and what must never be read."""

import inspect
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graspnet.errors import InputError
from graspnet.ops.patches import patches

unchecked = inspect.unwrap(patches)  # as a user's run has it: without pytest's type checker


def patches_by_loop(array, size, stride, dilation, channels_last=False):
    """Every patch copied out with plain indexing."""
    last = array.ndim - channels_last
    first = last - len(size)
    starts = [
        range(0, length - d * (k - 1), s)
        for length, k, s, d in zip(array.shape[first:last], size, stride, dilation, strict=True)
    ]
    leading = (slice(None),) * first
    corners = list(itertools.product(*starts))
    windows = [
        array[(*leading, *(slice(c, c + d * (k - 1) + 1, d) for c, k, d in zip(corner, size, dilation, strict=True)))]
        for corner in corners
    ]
    counts = tuple(len(start) for start in starts)
    stacked = np.stack(windows, axis=first)
    return stacked.reshape(*array.shape[:first], *counts, *stacked.shape[first + 1 :])


@st.composite
def problems(draw):
    """An array of one to three spatial axes, perhaps with a batch or channels on either side, and patches that fit."""
    axes = draw(st.integers(1, 3))
    size = tuple(draw(st.integers(1, 3)) for _ in range(axes))
    stride = tuple(draw(st.integers(1, 4)) for _ in range(axes))
    dilation = tuple(draw(st.integers(1, 3)) for _ in range(axes))
    lengths = tuple(d * (k - 1) + 1 + draw(st.integers(0, 4)) for k, d in zip(size, dilation, strict=True))
    channels_last = draw(st.booleans())
    leading = draw(st.sampled_from([(), (2,), (2, 3)]))
    shape = (*leading, *lengths, *((3,) if channels_last else ()))
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    turned = draw(st.permutations(range(array.ndim)))
    array = np.ascontiguousarray(array.transpose(turned)).transpose(np.argsort(turned))  # any order in memory
    if draw(st.booleans()):
        array = np.repeat(array, 2, axis=0)[::-2]  # a negative stride
    return array, size, stride, dilation, channels_last


@given(problems())
def test_numpy_patches_equal_a_plain_loop(problem):
    array, size, stride, dilation, channels_last = problem
    found = patches(array, size, stride, dilation, channels_last=channels_last)
    np.testing.assert_array_equal(found, patches_by_loop(*problem))
    assert np.shares_memory(found, array)


@given(problems())
def test_torch_patches_equal_a_plain_loop(problem):
    array, size, stride, dilation, channels_last = problem
    tensor = torch.tensor(array.copy()).transpose(0, -1).contiguous().transpose(0, -1)
    found = patches(tensor, size, stride, dilation, channels_last=channels_last)
    np.testing.assert_array_equal(found.numpy(), patches_by_loop(*problem))
    assert found.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()


def test_without_dilation_they_are_sliding_window_views():
    image = np.random.default_rng(0).random((3, 11, 13))
    windows = np.lib.stride_tricks.sliding_window_view(image, (4, 2), axis=(1, 2))
    np.testing.assert_array_equal(patches(image, (4, 2)), windows)
    np.testing.assert_array_equal(patches(image, (4, 2), stride=(3, 2)), windows[:, ::3, ::2])
    rows_last = np.lib.stride_tricks.sliding_window_view(image, (2, 4), axis=(0, 1))  # puts the channels in between
    np.testing.assert_array_equal(patches(image, (2, 4), channels_last=True), np.moveaxis(rows_last, 2, -1))


def test_without_dilation_they_are_tensor_unfold():
    image = torch.arange(2 * 9 * 10.0).reshape(2, 9, 10)
    assert torch.equal(patches(image, (3, 2), stride=(2, 3)), image.unfold(1, 3, 2).unfold(2, 2, 3))


def test_a_dilated_convolution_is_a_sum_over_patches():
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 15, 14, generator=generator, dtype=torch.float64)
    kernel = torch.rand(5, 3, 3, 2, generator=generator, dtype=torch.float64)
    expected = torch.nn.functional.conv2d(image, kernel, stride=2, dilation=(2, 3))
    found = torch.einsum("bcijkl,ockl->boij", patches(image, (3, 2), stride=2, dilation=(2, 3)), kernel)
    torch.testing.assert_close(found, expected)


def test_gradients_run_back_through_overlapping_patches():
    image = torch.rand(5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda image: patches(image, (2, 3), stride=(1, 2)), image)


def test_a_numpy_view_is_read_only_unless_asked_otherwise():
    image = np.zeros((4, 4))
    with pytest.raises(ValueError, match="read-only"):
        patches(image, (2, 2))[0, 0, 0, 0] = 1
    patches(image, (2, 2), stride=2, writeable=True)[1, 0] = 7
    np.testing.assert_array_equal(image[2:, :2], 7)
    image.flags.writeable = False
    assert not patches(image, (2, 2), writeable=True).flags.writeable


def test_a_torch_view_writes_to_its_tensor_and_cannot_be_made_read_only():
    image = torch.zeros(4, 4)
    patches(image, (2, 2), stride=2)[1, 0] = 7
    assert torch.all(image[2:, :2] == 7)
    with pytest.raises(InputError, match="no read-only tensors"):
        patches(image, (2, 2), writeable=False)


def test_a_view_of_a_part_stays_in_that_part():
    whole = np.full((10, 10), -1.0)
    whole[2:6, 3:8] = np.arange(20).reshape(4, 5)
    assert patches(whole[2:6, 3:8], (2, 2)).min() == 0
    part = torch.tensor(whole)[2:6, 3:8]
    assert patches(part, (2, 2)).min() == 0
    assert patches(part, (2, 2)).shape == (3, 4, 2, 2)


REFUSED = {
    "it must be a sequence of positive integers": [
        {"size": 2}, {"size": (2.0, 2)}, {"size": (2, None)}, {"size": (2, 2), "stride": 0.5},
    ],
    "every entry must be at least 1": [
        {"size": (0, 2)}, {"size": (2, -1)}, {"size": (2, 2), "stride": 0}, {"size": (2, 2), "stride": -1},
        {"size": (2, 2), "stride": (1, 0)}, {"size": (2, 2), "dilation": 0},
    ],
    "1 to 3 spatial axes": [{"size": ()}, {"size": (1, 1, 1, 1)}],
    "size has 2": [{"size": (2, 2), "stride": (1, 1, 1)}, {"size": (2, 2), "dilation": (1,)}],
    "the array has only": [
        {"size": (5, 1)}, {"size": (1, 6)}, {"size": (3, 3), "dilation": 2}, {"size": (2, 2), "dilation": 10**30},
        {"size": (2**63, 1)}, {"size": (2, 2), "channels_last": True},
    ],
    "has no 3 spatial axes": [{"size": (1, 1, 1)}],
    "and one of channels": [{"size": (1, 1, 1), "channels_last": True}],
}  # fmt: skip


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize(("message", "arguments"), [(m, a) for m, cases in REFUSED.items() for a in cases])
def test_every_mistake_is_refused_before_memory_is_read(library, message, arguments):
    array = np.zeros((4, 1) if arguments.get("channels_last") and len(arguments["size"]) == 2 else (4, 5))
    if message == "the array has only" and "channels_last" in arguments:
        array = np.zeros((4, 1, 5))
    with pytest.raises(InputError, match=message):
        unchecked(array if library == "numpy" else torch.tensor(array), **arguments)


def test_only_arrays_in_memory_have_views():
    with pytest.raises(InputError, match="this is a list"):
        unchecked([[1, 2], [3, 4]], (1, 1))
    with pytest.raises(InputError, match="dense tensors"):
        patches(torch.eye(3).to_sparse(), (1, 1))


@given(
    shape=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    size=st.lists(st.integers(-1, 6), max_size=4),
    stride=st.integers(-2, 9) | st.lists(st.integers(-1, 9), max_size=4),
    dilation=st.integers(-2, 9),
    channels_last=st.booleans(),
)
def test_a_view_is_refused_or_reads_nothing_but_its_array(shape, size, stride, dilation, channels_last):
    """The array lies in the middle of memory that belongs to others, marked −1; a refused view is as good."""
    count = int(np.prod(shape))
    memory = np.full(count + 2000, -1)
    array = memory[1000 : 1000 + count].reshape(shape)
    array[...] = 5
    try:
        found = patches(array, size, stride, dilation, channels_last=channels_last)
    except InputError:
        return
    assert found.size == 0 or found.min() == 5
    low, high = np.lib.array_utils.byte_bounds(found)
    assert found.size == 0 or (low >= array.ctypes.data and high <= array.ctypes.data + array.nbytes)
