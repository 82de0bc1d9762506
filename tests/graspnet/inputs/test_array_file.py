"""Files of arrays and images: what is read, and one line for each that is not."""

import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from graspnet.errors import InputError
from graspnet.inputs.array_file import NPY, NPZ, read_array_or_image
from graspnet.inputs.depth_image import read_depth
from graspnet.inputs.mask_image import read_mask
from tests.refusals import value_or_line


@pytest.mark.parametrize("name", ["d.npy", "d.png", "d.tiff"])
@pytest.mark.parametrize("content", [b"", b"not an image", b"\x93NUMPY", b"\x89PNG\r\n\x1a\n\x00\x00"])
def test_a_damaged_file_is_one_line(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    for read in (read_depth, read_mask):
        with pytest.raises(InputError, match="cannot be read as an image") as caught:
            read(path)
        assert "\n" not in str(caught.value)


def test_a_truncated_image_is_refused(tmp_path):
    path = tmp_path / "d.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 2**16, (64, 64), np.uint16)).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="cannot be read as an image"):
        read_depth(path, scale=0.001)


def test_pickled_objects_are_never_loaded(tmp_path):
    np.save(tmp_path / "d.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        read_depth(tmp_path / "d.npy")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.npy: no such file"):
        read_depth(tmp_path / "absent.npy")


def test_an_archive_with_one_array_is_read_whatever_it_is_called(tmp_path):
    depth = np.linspace(0.6, 0.8, 12, dtype=np.float32).reshape(3, 4)
    for name in ("d.npz", "compressed.npz"):
        (np.savez if name == "d.npz" else np.savez_compressed)(tmp_path / name, picture=depth)
        (tmp_path / name).rename(tmp_path / "d.npy")  # the content tells
        np.testing.assert_array_equal(read_depth(tmp_path / "d.npy"), depth)


def test_an_archive_with_several_arrays_or_none_is_refused_with_what_it_holds(tmp_path):
    np.savez(tmp_path / "d.npz", depth=np.ones((3, 4)), mask=np.ones((3, 4)))
    with pytest.raises(InputError, match=r"d\.npz: this \.npz holds 2 arrays \(depth, mask\); save the one"):
        read_array_or_image(tmp_path / "d.npz")
    with zipfile.ZipFile(tmp_path / "empty.npz", "w") as archive:
        archive.writestr("readme.txt", "nothing here")
    with pytest.raises(InputError, match=r"empty\.npz: "):
        read_depth(tmp_path / "empty.npz")


def test_an_array_that_claims_to_be_larger_than_memory_is_refused(tmp_path):
    np.save(tmp_path / "d.npy", np.ones((3, 4)))
    content = (tmp_path / "d.npy").read_bytes()
    (tmp_path / "d.npy").write_bytes(content.replace(b"(3, 4), }", b"(99999999, 99999999), }").replace(b"  \n", b"\n"))
    with pytest.raises(InputError, match=r"d\.npy: cannot be read"):
        read_depth(tmp_path / "d.npy")


STARTS = (b"", NPY + b"\x01\x00", NPZ, b"\x89PNG\r\n\x1a\n", b"II*\x00", b"MM\x00*", b"\xff\xd8\xff\xe0", b"GIF89a")


@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_bytes_are_an_image_or_one_line(tmp_path, start, rest):
    path = tmp_path / "d.png"
    path.write_bytes(start + rest)
    for read in (lambda p: read_depth(p, 0.001), read_mask):
        mask_or_depth, line = value_or_line(read, path)
        assert line.startswith(str(path)) if mask_or_depth is None else mask_or_depth.ndim == 2


@given(kind=st.sampled_from(["PNG", "TIFF", "JPEG", "GIF", "npy", "npz"]), data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_a_file_with_any_byte_changed_or_its_end_cut_off_is_an_image_or_one_line(tmp_path, kind, data):
    path, pixels = tmp_path / "d.file", np.random.default_rng(0).integers(0, 255, (12, 16), np.uint8)
    with path.open("wb") as file:
        if kind.startswith("np"):
            (np.save if kind == "npy" else np.savez_compressed)(file, pixels)
        else:
            Image.fromarray(pixels).save(file, kind)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    for read in (lambda p: read_depth(p, 0.001), read_mask):
        mask_or_depth, line = value_or_line(read, path)
        assert line.startswith(str(path)) if mask_or_depth is None else mask_or_depth.ndim == 2
