"""Files of arrays and images: what is read, and one line for each that is not."""

import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from graspnet.errors import InputError
from graspnet.inputs.array_file import NPY, NPZ, read_array_or_image
from graspnet.inputs.depth_image import in_metres, read_depth
from graspnet.inputs.mask_image import marked_pixels, read_mask
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


@pytest.mark.parametrize("largest", [1000, 4095, 65535])
@pytest.mark.parametrize("kind", ["P2", "P5"])
def test_the_greys_of_a_pgm_are_those_that_it_holds_whatever_its_largest_may_be(tmp_path, kind, largest):
    greys = np.array([[600, 700, 800], [650, 0, 999]], np.uint16)
    body = greys.astype(">u2").tobytes() if kind == "P5" else " ".join(map(str, greys.ravel())).encode()
    (tmp_path / "d.pgm").write_bytes(f"{kind}\n# by hand\n3 2\n{largest}\n".encode() + body)
    np.testing.assert_allclose(
        read_depth(tmp_path / "d.pgm", scale=0.001), [[0.6, 0.7, 0.8], [0.65, np.nan, 0.999]], rtol=1e-6
    )


def test_a_pgm_that_ends_too_soon_is_one_line(tmp_path):
    (tmp_path / "d.pgm").write_bytes(b"P5 30 20 4095\n" + bytes(100))
    with pytest.raises(InputError, match="cannot be read as an image"):
        read_depth(tmp_path / "d.pgm", scale=0.001)


@pytest.mark.parametrize("name", ["d.tiff", "d.gif", "d.png"])
def test_of_several_images_in_a_file_none_is_chosen_quietly(tmp_path, name):
    first, second = Image.new("L", (4, 3), 1), Image.new("L", (4, 3), 255)
    first.save(tmp_path / name, save_all=True, append_images=[second])
    with pytest.raises(InputError, match="holds 2 images; save the one that is meant"):
        read_array_or_image(tmp_path / name)


def test_of_several_arrays_in_a_file_none_is_chosen_quietly(tmp_path):
    with (tmp_path / "d.npy").open("wb") as file:
        np.save(file, np.ones((3, 4)))
        np.save(file, np.zeros((3, 4)))
    with pytest.raises(InputError, match="holds several arrays"):
        read_array_or_image(tmp_path / "d.npy")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["m.png", "m.jpg"])
def test_an_image_is_read_as_viewers_show_it(tmp_path, name, orientation):
    upright = np.zeros((16, 32), np.uint8)
    upright[:8, :8] = 255
    # Exif 2.3, tag 274: which side the first row and the first column are; from 5 on, the first row is a side.
    flips = {1: (1, 1), 2: (1, -1), 3: (-1, -1), 4: (-1, 1), 5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}
    rows, columns = flips[orientation]
    turned = upright[::rows, ::columns]
    exif = Image.Exif()
    exif[274] = orientation
    stored = np.ascontiguousarray(turned if orientation < 5 else turned.T)
    Image.fromarray(stored).save(tmp_path / name, exif=exif)
    np.testing.assert_array_equal(read_mask(tmp_path / name), upright > 0)


def test_a_folder_is_called_a_folder(tmp_path):
    with pytest.raises(InputError, match="is a folder; expected a file"):
        read_depth(tmp_path)


def test_a_pointer_of_git_lfs_is_named(tmp_path):
    (tmp_path / "d.png").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    with pytest.raises(InputError, match=r"d\.png: cannot be read as an image: this is Git LFS's pointer"):
        read_depth(tmp_path / "d.png")


def test_numbers_that_are_all_negative_are_told_from_an_empty_image():
    with pytest.raises(InputError, match="multiply by -1"):
        in_metres(np.where(np.eye(4) > 0, 0.0, -0.7))
    with pytest.raises(InputError, match="only 0 and negative numbers"):
        marked_pixels(np.where(np.eye(4) > 0, 0, -1))
