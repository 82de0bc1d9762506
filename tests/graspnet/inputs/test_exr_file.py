"""Depth in OpenEXR, as renderers write it; the package's own writer is the oracle."""

import sys

import numpy as np
import pytest

from graspnet.errors import InputError
from graspnet.inputs.depth_image import read_depth

OpenEXR = pytest.importorskip("OpenEXR")
DEPTH = np.linspace(0.4, 0.8, 48, dtype=np.float32).reshape(6, 8)


def write(path, **channels):
    kept = {name.replace("_", "."): np.ascontiguousarray(pixels) for name, pixels in channels.items()}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, kept).write(str(path))
    return path


@pytest.mark.parametrize("name", ["Z", "V", "Y", "View_Z", "R"])
def test_the_channel_of_depth_is_read_as_it_is(tmp_path, name):
    np.testing.assert_array_equal(read_depth(write(tmp_path / "depth.exr", **{name: DEPTH})), DEPTH)


def test_depth_beside_colours_and_depth_in_all_colours(tmp_path):
    rng = np.random.default_rng(0)
    colours = {name: rng.uniform(size=(6, 8)).astype(np.float32) for name in "RGB"}
    np.testing.assert_array_equal(read_depth(write(tmp_path / "a.exr", Z=DEPTH, **colours)), DEPTH)
    grey = {name: DEPTH for name in "RGB"} | {"A": np.ones_like(DEPTH)}
    np.testing.assert_array_equal(read_depth(write(tmp_path / "b.exr", **grey)), DEPTH)


def test_half_floats_and_infinity_where_nothing_was_hit(tmp_path):
    depth = DEPTH.astype(np.float16)
    depth[0, 0] = np.inf
    read = read_depth(write(tmp_path / "depth.exr", Z=depth))
    assert np.isnan(read[0, 0])
    np.testing.assert_allclose(read[1:], DEPTH[1:], atol=5e-4)


def test_colours_alone_a_damaged_file_and_a_missing_package_are_told(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    picture = write(tmp_path / "rgb.exr", **{name: rng.uniform(size=(6, 8)).astype(np.float32) for name in "RGB"})
    with pytest.raises(InputError, match="has the channels"):
        read_depth(picture)
    whole = write(tmp_path / "whole.exr", Z=DEPTH).read_bytes()
    broken = tmp_path / "broken.exr"
    broken.write_bytes(whole[:60])
    with pytest.raises(InputError, match="cannot be read as OpenEXR"):
        read_depth(broken)
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(InputError, match=r"pip install 'graspnet\[exr\]'"):
        read_depth(picture)
