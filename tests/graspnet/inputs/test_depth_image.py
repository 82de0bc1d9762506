"""Depth images in files and arrays: units, and the many ways to write "not measured"."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from graspnet.errors import InputError
from graspnet.inputs.depth_image import in_metres, read_depth
from tests.refusals import value_or_line

SIXTEEN_BITS = 65535


def test_a_float_npy_is_read_as_metres_with_or_without_a_channel_axis(tmp_path):
    depth = np.full((4, 5, 1), 0.7, np.float64)
    depth[0, 0] = 0.0
    np.save(tmp_path / "d.npy", depth)
    read = read_depth(tmp_path / "d.npy")
    assert read.shape == (4, 5)
    assert read.dtype == np.float32
    assert np.isnan(read[0, 0])
    assert read[1, 1] == np.float32(0.7)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bit_images_need_a_scale_and_get_it(tmp_path, suffix):
    path = tmp_path / f"d.{suffix}"
    Image.fromarray(np.full((4, 5), 700, np.uint16)).save(path)
    with pytest.raises(InputError, match=r"uint16, in an unknown unit. Millimetres\? --depth-scale 0.001"):
        read_depth(path)
    np.testing.assert_allclose(read_depth(path, scale=0.001), 0.7, rtol=1e-6)


def test_a_wrong_scale_is_recognised(tmp_path):
    np.save(tmp_path / "d.npy", np.full((4, 5), 700, np.uint16))
    with pytest.raises(InputError, match="median depth is 700; expected metres below 10"):
        read_depth(tmp_path / "d.npy", scale=1.0)
    with pytest.raises(InputError, match=r"depth scale is -0\.001"):
        read_depth(tmp_path / "d.npy", scale=-0.001)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((4, 5), np.nan), "depth image is empty"),
        (np.zeros((0, 5)), r"depth is 5x0 of float64"),
        (np.ones((4, 5, 3)), r"depth is \(4, 5, 3\) of float64; expected one channel"),
        (np.ones(5), r"depth is \(5,\) of float64; expected one channel"),
        (np.ones((4, 5), complex), "depth is 5x4 of complex128"),
        (np.full((4, 5), 700.0), "median depth is 700"),
    ],
)
def test_a_wrong_depth_file_is_one_line_that_names_it(tmp_path, array, message):
    np.save(tmp_path / "d.npy", array)
    with pytest.raises(InputError, match=rf"d\.npy: {message}") as caught:
        read_depth(tmp_path / "d.npy")
    assert "\n" not in str(caught.value)


# Not measured


def surface():
    """A tilted plane between 0.6 and 0.9 m, and where a camera measured nothing of it."""
    rng = np.random.default_rng(0)
    depth = np.linspace(0.6, 0.9, 60 * 80).reshape(60, 80).astype(np.float32)
    return depth, rng.random(depth.shape) < 0.1


@pytest.mark.parametrize(
    "code",
    [0.0, -1.0, np.nan, np.inf, -np.inf, 1e-6, 0.001, 6.5535, 10.0, 65.535, 1000.0, 65504.0, 1e10, 3.4e38, 1e300],
)
@pytest.mark.parametrize("share", [0.1, 0.9])
def test_whatever_not_measured_is_written_as_it_is_missing(code, share):
    depth, _ = surface()
    hole = np.random.default_rng(1).random(depth.shape) < share
    written = np.where(hole, code, depth.astype(np.float64))
    np.testing.assert_array_equal(in_metres(written), np.where(hole, np.nan, depth).astype(np.float32))


@pytest.mark.parametrize("scale", [0.001, 0.0001, 0.00025])
def test_the_largest_number_of_sixteen_bits_is_missing_in_whatever_unit(tmp_path, scale):
    depth, hole = surface()
    units = np.where(hole, SIXTEEN_BITS, np.rint(depth / scale)).astype(np.uint16)
    Image.fromarray(units).save(tmp_path / "d.png")
    read = read_depth(tmp_path / "d.png", scale)
    np.testing.assert_array_equal(np.isnan(read), hole)
    np.testing.assert_allclose(read[~hole], depth[~hole], atol=scale)


def test_an_object_that_was_cut_out_is_measured_though_all_else_is_a_code():
    depth = np.full((480, 640), 65.535)
    depth[200:240, 300:340] = np.linspace(0.6, 0.65, 1600).reshape(40, 40)
    seen = in_metres(depth)
    assert np.isfinite(seen).sum() == 1600


def test_a_wall_behind_the_table_is_measured_and_the_far_background_is_not():
    depth, _ = surface()
    depth[:5] = np.linspace(3, 8, 5 * 80).reshape(5, 80)
    depth[5:10] = np.linspace(11, 40, 5 * 80).reshape(5, 80)
    seen = in_metres(depth)
    assert np.isfinite(seen[:5]).all()
    assert np.isnan(seen[5:10]).all()
    np.testing.assert_array_equal(seen[10:], depth[10:])


@pytest.mark.parametrize(
    ("unit", "remedy"),
    [
        (0.001, r"Millimetres\? --depth-scale 0\.001"),
        (0.01, r"Centimetres\? --depth-scale 0\.01$"),
        (1e-4, r"Tenths of a millimetre\? --depth-scale 0\.0001"),
        (1e-6, r"Micrometres\? --depth-scale 0\.000001"),
        (1e3, r"expected metres above 0\.05\. Metres that were multiplied by 0\.001 before\? --depth-scale 1000"),
    ],
)
def test_an_image_in_another_unit_is_told_the_scale_that_makes_it_metres(tmp_path, unit, remedy):
    depth, hole = surface()
    np.save(tmp_path / "d.npy", np.where(hole, 0, depth / unit))
    with pytest.raises(InputError, match=remedy):
        read_depth(tmp_path / "d.npy")
    np.testing.assert_allclose(read_depth(tmp_path / "d.npy", unit)[~hole], depth[~hole], rtol=1e-6)


def test_metres_that_are_scaled_again_are_told_to_leave_the_scale_out(tmp_path):
    depth, _ = surface()
    np.save(tmp_path / "d.npy", depth)
    with pytest.raises(InputError, match=r"d\.npy: median depth is 0\.00075; .* Metres\? leave out --depth-scale"):
        read_depth(tmp_path / "d.npy", 0.001)


def test_a_flat_surface_in_millimetres_is_no_code_for_not_measured(tmp_path):
    depth = np.full((60, 80), 700.0)
    depth[20:30, 20:30] = 650.0
    with pytest.raises(InputError, match="Millimetres"):
        in_metres(depth)


def test_pictures_of_depth_are_no_depth(tmp_path):
    greys = np.arange(200, dtype=np.uint8).reshape(10, 20)
    Image.fromarray(greys).convert("P").save(tmp_path / "palette.png")
    Image.fromarray(greys).convert("RGB").save(tmp_path / "colours.png")
    Image.fromarray(greys).save(tmp_path / "greys.png")
    with pytest.raises(InputError, match=r"palette\.png: this is a picture of depth in colours"):
        read_depth(tmp_path / "palette.png", 0.01)
    with pytest.raises(InputError, match=r"colours\.png: depth is \(10, 20, 3\) of uint8, a picture in colours"):
        read_depth(tmp_path / "colours.png", 0.01)
    with pytest.raises(InputError, match=r"greys\.png: depth is uint8, a picture of depth in 256 greys"):
        read_depth(tmp_path / "greys.png")


@given(
    arrays.arrays(
        st.sampled_from([np.float16, np.float32, np.float64]), st.tuples(st.integers(1, 8), st.integers(1, 8)),
        elements={"allow_nan": True, "allow_infinity": True},
    )
)  # fmt: skip
def test_any_numbers_are_depths_that_a_camera_sees_or_one_line(depth):
    seen, line = value_or_line(in_metres, depth)
    assert line or seen.dtype == np.float32
    measured = np.array([1.0]) if seen is None else seen[np.isfinite(seen)]
    assert len(measured)
    assert np.all((measured > 0.0499) & (measured <= 10))
