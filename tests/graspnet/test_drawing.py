"""Pictures are measured: where the jaws are drawn, how large, and in which colour."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from graspnet.camera import Camera, load_camera
from graspnet.drawing import (
    MISSING,
    draw_crops,
    draw_depth,
    draw_footprint,
    draw_grasps,
    draw_ranks,
    draw_scale_bar,
    hillshade,
    new_figure,
    png_bytes,
    quality_colors,
    save_png,
    webp_bytes,
)
from graspnet.grasps.grasps import Grasps
from graspnet.grasps.image_grasps import ImageGrasps, grasps_from_image
from graspnet.grippers.gripper import load_gripper

CAMERA = Camera(500.0, 500.0, 99.5, 74.5, 200, 150)


def pixels(depth: np.ndarray, grasps: Grasps | None = None) -> np.ndarray:
    """The picture with one pixel for each pixel of the depth image, in [0, 1]."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(depth.shape[1] / 100, depth.shape[0] / 100))
    axes = figure.add_axes((0, 0, 1, 1))
    draw_depth(axes, depth, limits=(0.5, 0.8))
    if grasps is not None:
        draw_grasps(axes, grasps, CAMERA, load_gripper("yumi"), "red")
    axes.set_axis_on()
    import io

    return np.asarray(Image.open(io.BytesIO(png_bytes(figure, dpi=100))).convert("RGB")) / 255


def table() -> np.ndarray:
    return np.full((150, 200), 0.7, np.float32)


def one_grasp(center: tuple[float, float], angle: float, depth: float, width: float) -> Grasps:
    image = ImageGrasps(np.array([center]), np.array([angle]), np.array([depth]), {"width": np.array([width])})
    return grasps_from_image(image, CAMERA, np.array([0.0, 0.0, 1.0]))


def test_near_is_bright_far_is_dark_and_missing_is_neither() -> None:
    depth = table()
    depth[40:60, 40:60] = 0.55
    depth[80:100, 40:60] = np.nan
    depth[80:100, 100:120] = 0
    picture = pixels(depth)
    assert picture[50, 50].mean() > picture[50, 100].mean() + 0.2
    for missing in (picture[90, 50], picture[90, 110]):
        np.testing.assert_allclose(missing, to_rgb(MISSING), atol=0.02)


def test_a_shaded_picture_is_lit_from_the_upper_left() -> None:
    """A pyramid: its upper left side is brighter than its lower right one, though both are as far away."""
    row, column = np.mgrid[:41, :41] - 20
    depth = (0.5 - 0.001 * (20 - np.maximum(abs(row), abs(column)))).astype(np.float32)
    picture = hillshade(depth, 0.001, (0.48, 0.5))
    assert picture[20 - 10, 20].mean() > picture[20 + 10, 20].mean() + 0.1
    assert picture[20, 20 - 10].mean() > picture[20, 20 + 10].mean() + 0.1


def test_a_shaded_plane_is_as_bright_as_it_is_near_and_what_is_missing_is_violet() -> None:
    depth = np.full((20, 30), 0.5, np.float32)
    depth[:, 20:] = np.nan
    assert np.ptp(hillshade(depth, 0.001, (0.4, 0.6))[:, :20]) < 1e-6  # up to the hole
    brightness = [hillshade(depth, 0.001, (near, near + 0.2))[0, 0, 0] for near in (0.5, 0.4, 0.3)]
    np.testing.assert_allclose(brightness, [0.85, 0.5, 0.15], atol=1e-6)
    np.testing.assert_allclose(
        hillshade(depth, 0.001, (0.4, 0.6))[:, 20:], np.broadcast_to(to_rgb(MISSING), (20, 10, 3))
    )
    nothing = hillshade(np.full((8, 8), np.nan, np.float32), 0.001, (0.0, 1.0))
    np.testing.assert_allclose(nothing, np.broadcast_to(to_rgb(MISSING), (8, 8, 3)))


@pytest.mark.parametrize("angle", [0.0, np.pi / 4, -np.pi / 2])
def test_jaws_stand_off_by_half_the_width_along_the_closing_axis(angle: float) -> None:
    """A 5 cm opening at 0.5 m and 500 px is 50 pixels wide; fingers of 1 cm reach from 25 to 35 pixels off centre."""
    center = np.array([99.5, 74.5])
    plain, drawn = pixels(table()), pixels(table(), one_grasp((99.5, 74.5), angle, 0.5, 0.05))
    red = (drawn[..., 0] > 0.9) & (drawn[..., 1] < 0.2) & ~np.isclose(drawn, plain).all(axis=-1)
    rows, columns = np.nonzero(red)
    along = (np.stack([columns, rows], axis=1) - center) @ [np.cos(angle), np.sin(angle)]
    across = (np.stack([columns, rows], axis=1) - center) @ [-np.sin(angle), np.cos(angle)]
    plates = np.abs(across) > 3  # not the closing line
    tolerance = 2  # a black outline and rounding to pixels
    for side in (-1, 1):
        plate = plates & (side * along > 0)
        assert abs((side * along[plate]).min() - 25) < tolerance
        assert abs((side * along[plate]).max() - 35) < tolerance
        assert abs(np.abs(across[plate]).max() - 10) < tolerance  # 2 cm of breadth: 20 pixels
    line = ~plates
    assert along[line].min() < -20
    assert along[line].max() > 20


def test_a_grasp_further_away_is_drawn_smaller() -> None:
    def extent(depth: float) -> int:
        drawn = pixels(table(), one_grasp((99.5, 74.5), 0.0, depth, 0.05))
        columns = np.nonzero(((drawn[..., 0] > 0.9) & (drawn[..., 1] < 0.2)).any(axis=0))[0]
        return int(np.ptp(columns))

    assert abs(extent(0.5) / extent(1.0) - 2) < 0.1


def test_every_grasp_has_its_own_colour() -> None:
    grasps = Grasps.concatenate(
        [one_grasp((50.0, 74.5), np.pi / 3, 0.7, 0.04), one_grasp((150.0, 74.5), np.pi / 3, 0.7, 0.04)]
    )
    _, axes = new_figure()
    draw_depth(axes[0, 0], table(), title="two")
    draw_grasps(axes[0, 0], grasps, CAMERA, load_gripper("yumi"), quality_colors(np.array([0.0, 1.0])))
    plates = axes[0, 0].collections[0].get_facecolor()
    assert (plates[:2, 0] > plates[:2, 1]).all()  # red
    assert (plates[2:, 1] > plates[2:, 0]).all()  # green


def test_crops_are_drawn_side_by_side_with_the_jaws_where_the_hand_ends() -> None:
    """A crop of 3 openings: jaws a third of it apart; higher than the grasp is brighter, missing is masked."""
    metric = np.zeros((2, 2, 60, 60), np.float32)
    metric[:, 1] = 1
    metric[0, :, :10] = 0
    metric[0, 0, 20:40, 20:40] = 0.5
    _, axes = new_figure(1, 3)
    draw_crops(axes, metric, opening=60 / 3, titles=["first"])
    shown = axes[0, 0].images[0]
    values = shown.get_array()
    assert shown.get_cmap()(shown.norm(values[30, 30]))[0] > shown.get_cmap()(shown.norm(values[50, 50]))[0]
    assert np.isnan(np.ma.filled(values, np.nan)[:10]).all()
    jaws = axes[0, 0].collections[0].get_segments()
    assert [segment[0][0] for segment in jaws] == [29.5 - 10, 29.5 + 10]
    assert axes[0, 0].get_title() == "first"
    assert len(axes[0, 1].images) == 1
    assert not axes[0, 2].axison
    draw_crops(axes[:, 2:], np.full((1, 1, 32, 32), 0.7, np.float32))
    assert len(axes[0, 2].images) == 1


def test_no_grasps_and_an_empty_image_can_be_drawn() -> None:
    figure, axes = new_figure(1, 2)
    draw_depth(axes[0, 0], np.full((10, 10), np.nan, np.float32))
    draw_grasps(axes[0, 0], Grasps.none(), CAMERA, load_gripper("yumi"))
    assert png_bytes(figure).startswith(b"\x89PNG")


def test_the_same_picture_is_the_same_bytes_and_leaves_no_state(tmp_path: Path) -> None:
    from matplotlib import _pylab_helpers

    def picture() -> bytes:
        figure, axes = new_figure()
        draw_depth(axes[0, 0], table())
        return png_bytes(figure)

    assert picture() == picture()
    figure, _ = new_figure()
    save_png(figure, tmp_path / "empty.png")
    assert (tmp_path / "empty.png").stat().st_size > 0
    assert not _pylab_helpers.Gcf.figs


def test_a_real_camera_and_hand_draw_the_hand_in_perspective() -> None:
    """A tilted grasp: the finger nearer to the camera is drawn larger."""
    camera, gripper = load_camera("primesense"), load_gripper("yumi")
    image = ImageGrasps(np.array([[319.5, 239.5]]), np.zeros(1), np.array([0.4]), {"width": np.array([0.05])})
    tilted = grasps_from_image(image, camera, np.array([0.5, 0.0, np.sqrt(0.75)]))
    _, axes = new_figure()
    draw_grasps(axes[0, 0], tilted, camera, gripper)
    left, right = (path.vertices[:4] for path in axes[0, 0].collections[0].get_paths())
    heights = [np.ptp(corners[:, 1]) for corners in (left, right)]
    nearer = np.argmin([(tilted.poses[0, 2, 3] + side * 0.03 * tilted.poses[0, 2, 1]) for side in (-1, 1)])
    assert np.argmax(heights) == nearer


def test_a_film_has_every_picture_for_its_time():
    pictures = [np.full((40, 60, 3), shade, dtype=np.uint8) for shade in (0, 120, 250)]
    film = Image.open(BytesIO(webp_bytes(pictures, 0.04)))
    assert (film.format, film.size, film.n_frames) == ("WEBP", (60, 40), 3)
    for number, picture in enumerate(pictures):
        film.seek(number)
        film.load()
        assert film.info["duration"] == 40
        assert np.abs(np.asarray(film.convert("RGB")).astype(int) - picture).max() < 8  # lossy
    assert Image.open(BytesIO(webp_bytes(pictures[:1]))).n_frames == 1


def test_a_scale_bar_is_as_long_as_its_label_says_at_that_depth() -> None:
    _, axes = new_figure()
    draw_depth(axes[0, 0], table())
    draw_scale_bar(axes[0, 0], CAMERA, 0.7)
    ends = axes[0, 0].lines[0].get_xdata()
    assert axes[0, 0].texts[0].get_text() == "50 mm at 0.70 m"  # 100 mm would fill more than a third
    assert ends[1] - ends[0] == pytest.approx(500 * 0.05 / 0.7)


def test_ranks_do_not_lie_on_each_other_though_the_grasps_do() -> None:
    same = Grasps.concatenate([one_grasp((99.5, 74.5), 0.3, 0.65, 0.05)] * 5)
    _, axes = new_figure()
    draw_depth(axes[0, 0], table())
    draw_ranks(axes[0, 0], same, CAMERA, load_gripper("yumi"))
    labels = axes[0, 0].texts
    assert [label.get_text().strip() for label in labels] == ["1", "2", "3", "4", "5"]
    assert np.diff(sorted(label.get_position()[1] for label in labels)).min() > 7  # pixels of 150


def test_the_footprint_is_fingers_and_palm_to_scale() -> None:
    grasp = one_grasp((99.5, 74.5), 0.0, 0.65, 0.05)
    _, axes = new_figure()
    draw_footprint(axes[0, 0], grasp, CAMERA, load_gripper("yumi"), "red")
    parts = [np.ptp(path.vertices, axis=0) for path in axes[0, 0].collections[0].get_paths()]
    finger, palm = 500 / 0.66, 500 / (0.65 - 0.035)  # pixels per metre at the tips, and at the palm's face
    np.testing.assert_allclose(parts[0], [0.010 * finger, 0.020 * finger], atol=1e-6)
    np.testing.assert_allclose(parts[2], [0.072 * palm, 0.040 * palm], atol=1e-6)


def test_no_quality_has_a_colour_of_its_own() -> None:
    colors = quality_colors(np.array([np.nan, 1.0]))
    np.testing.assert_allclose(colors[0, :3], to_rgb("tab:orange"))
    assert colors[1, 1] > colors[1, 0]
