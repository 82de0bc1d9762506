"""Masks: the same object, whatever kind of picture or array says it."""

import numpy as np
import pytest
from PIL import Image

from graspnet.errors import InputError
from graspnet.inputs.mask_image import read_mask


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "RGBA", "LA", "P"])
def test_a_mask_means_the_same_in_every_kind_of_image(tmp_path, mode):
    mask = np.zeros((4, 5), np.uint8)
    mask[1:3, 2:4] = 255
    Image.fromarray(mask).convert(mode).save(tmp_path / "m.png")  # RGBA and LA are opaque everywhere
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), mask > 0)


HEIGHT, WIDTH = 96, 128


def disc():
    """A disc of 30 pixels, the object of all masks here."""
    v, u = np.indices((HEIGHT, WIDTH))
    return np.hypot(v - 40, u - 60) < 30


def greys():
    return Image.fromarray(disc().astype(np.uint8) * 255)


def read(tmp_path, image, name="m.png", **options):
    image.save(tmp_path / name, **options)
    return read_mask(tmp_path / name)


def labels():
    """Three objects, numbered 1, 2 and 3."""
    numbers = disc().astype(np.uint8)
    numbers[80:90, 5:30], numbers[70:90, 100:120] = 2, 3
    return numbers


def with_palette(numbers, *colors):
    image = Image.fromarray(numbers)
    image.putpalette([level for color in colors for level in color])
    return image


def test_white_is_the_object_in_a_picture_with_a_colour_table_whatever_its_index(tmp_path):
    indexed = greys().convert("RGB").quantize(2)
    assert np.asarray(indexed)[40, 60] == 0  # Pillow gives the brightest colour the index 0
    np.testing.assert_array_equal(read(tmp_path, indexed), disc())
    np.testing.assert_array_equal(read(tmp_path, indexed, "m.gif"), disc())
    nearly = with_palette((~disc()).astype(np.uint8), (252, 252, 252), (4, 4, 4))
    np.testing.assert_array_equal(read(tmp_path, nearly), disc())


BLACK, WHITE, RED, GREEN, BLUE = (0, 0, 0), (255, 255, 255), (128, 0, 0), (0, 128, 0), (31, 119, 180)


@pytest.mark.parametrize(
    "colors",
    [
        (BLACK, BLACK, BLACK, BLACK),  # no colours were given
        (BLACK, RED, GREEN, (128, 128, 0)),  # Pascal VOC's
        (BLUE, (255, 127, 14), (44, 160, 44), (214, 39, 40)),  # of charts: no colour is a background
        (WHITE, RED, GREEN, BLUE),
        ((0, 0, 0), (1, 1, 1), (2, 2, 2), (3, 3, 3)),  # greys that are the numbers
    ],
)
def test_a_label_image_with_a_colour_table_marks_every_number_but_zero(tmp_path, colors):
    np.testing.assert_array_equal(read(tmp_path, with_palette(labels(), *colors)), labels() > 0)


@pytest.mark.parametrize("factor", [1, 12, 85, 20_000])
def test_a_label_image_in_greys_marks_every_number_but_zero(tmp_path, factor):
    numbers = labels().astype(np.uint16) * factor
    numbers = numbers if factor > 85 else numbers.astype(np.uint8)
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(numbers)), numbers > 0)


def test_255_may_be_one_label_beside_others(tmp_path):
    numbers = np.where(labels() == 3, 255, labels())
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(numbers)), numbers > 0)


@pytest.mark.parametrize("quality", [30, 75, 95])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_ringing_of_jpeg_marks_nothing_outside_of_the_object(tmp_path, quality, mode):
    read_back = read(tmp_path, greys().convert(mode), "m.jpg", quality=quality)
    stored = np.asarray(Image.open(tmp_path / "m.jpg").convert("L"))
    assert np.count_nonzero(stored[~disc()]) > 100  # nonzero would be wrong by so many pixels
    assert (read_back != disc()).sum() <= 4
    again = read(tmp_path, Image.open(tmp_path / "m.jpg"))  # saved as PNG, it is still a picture
    assert (again != disc()).sum() <= 4


def test_a_jpeg_of_small_numbers_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"m\.jpg: segmask is a JPEG of greys up to .*; save a PNG"):
        read(tmp_path, Image.fromarray(labels() * 3), "m.jpg")


def test_smoothed_edges_are_cut_at_half_of_white(tmp_path):
    smooth = greys().resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.BOX).resize((WIDTH, HEIGHT), Image.BICUBIC)
    wrong = read(tmp_path, smooth) != disc()
    v, u = np.indices(wrong.shape)
    assert np.all(np.abs(np.hypot(v - 40, u - 60) - 30)[wrong] < 1.5)  # within a pixel of the edge
    nonzero = np.asarray(smooth) > 0
    assert wrong.sum() < 0.5 * (nonzero != disc()).sum()


@pytest.mark.parametrize("color", [0, 90, 255])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_where_only_the_transparency_differs_it_is_the_mask(tmp_path, color, mode):
    pixels = np.full((HEIGHT, WIDTH, 4), color, np.uint8)
    pixels[..., 3] = 255 * disc()
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(pixels).convert(mode)), disc())


def test_what_is_transparent_is_no_object_and_what_is_opaque_and_black_is_none(tmp_path):
    pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    pixels[..., :3] = 255 * disc()[..., None]
    pixels[:, 64:, 3] = 255  # the right half is opaque
    expected = disc().copy()
    expected[:, :64] = False
    np.testing.assert_array_equal(read(tmp_path, Image.fromarray(pixels)), expected)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32, np.float16])
def test_arrays_of_every_type_mark_the_same(tmp_path, dtype, suffix):
    path = tmp_path / f"m.{suffix}"
    (np.save if suffix == "npy" else np.savez_compressed)(path, disc().astype(dtype))
    np.testing.assert_array_equal(read_mask(path), disc())


def test_probabilities_are_cut_at_one_half_and_what_is_unknown_is_no_object(tmp_path):
    probabilities = np.where(disc(), 0.93, 0.02)
    probabilities[0, 0] = np.nan
    np.save(tmp_path / "m.npy", probabilities)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.npy"), disc())


def test_minus_one_is_no_object(tmp_path):
    np.save(tmp_path / "m.npy", np.where(disc(), 4, -1))
    np.testing.assert_array_equal(read_mask(tmp_path / "m.npy"), disc())


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.where(disc(), 3.5, -7.25), r"fractions from -7\.25 to 3\.5; expected probabilities in \[0, 1\]"),
        (np.zeros((3, HEIGHT, WIDTH), bool), r"a stack of masks; save one, their any\(axis=0\)"),
        (np.zeros(5), r"segmask is \(5,\) of float64; expected an image"),
        (np.zeros((4, 0)), "expected an image"),
        (np.zeros((4, 5), complex), "segmask is 5x4 of complex128"),
    ],
)
def test_what_is_no_mask_is_one_line_that_names_it(tmp_path, array, message):
    np.save(tmp_path / "m.npy", array)
    with pytest.raises(InputError, match=rf"m\.npy: .*{message}"):
        read_mask(tmp_path / "m.npy")
