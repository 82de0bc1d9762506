"""Statistics of images whose noise, edges and holes are known in closed form."""

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import ndimage

from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.sensors.statistics import depth_statistics, main
from tests.places import SHARED

REAL = SHARED / "real_depth"
NO_OBJECT = np.zeros((480, 640), dtype=bool)
CAMERA = Camera(525.0, 525.0, 319.5, 239.5, 640, 480)


def tilted_plane(tilt: float = 0.3) -> np.ndarray:
    """z of a plane through (0, 0, 0.7), turned about the camera's x axis."""
    rays = CAMERA.rays(CAMERA.pixel_grid())
    return 0.7 * np.cos(tilt) / (rays @ np.array([0.0, np.sin(tilt), np.cos(tilt)]))


def columns(width_px: int = 40, step: float = 0.05) -> np.ndarray:
    """Bars of that width, `step` nearer than what is behind them."""
    bars = np.arange(640) // width_px % 2
    return np.tile(0.7 - step * bars, (480, 1))


def noise_of(blur_px: float, seed: int) -> np.ndarray:
    """A stationary Gaussian field of variance 1, with the autocorrelation exp(−h² / 4 blur²)."""
    white = np.random.default_rng(seed).standard_normal((480, 640))
    field = ndimage.gaussian_filter(white, blur_px, mode="wrap") if blur_px else white
    return field / field.std()


def test_a_tilted_plane_is_no_noise():
    found = depth_statistics(tilted_plane().astype(np.float32))
    assert found.deviation < 1e-6  # float32 holds 0.7 m to 6e-8
    assert found.missing_share == 0
    assert np.isnan(found.edge_width_px)
    assert np.isnan(found.object_deviation)


def test_independent_noise_has_its_deviation_and_no_length():
    found = depth_statistics((0.7 + 0.001 * noise_of(0, 1)).astype(np.float32))
    assert 0.92 < found.deviation / 0.001 <= 1  # the flattest quarter; of 256 pixels each, σ is known to 4 %
    assert found.inverse_deviation == pytest.approx(found.deviation / 0.7**2, rel=0.01)
    assert found.independent_share > 0.95
    assert found.correlation_px < 1


@pytest.mark.parametrize("blur_px", [1.0, 1.5])
def test_smooth_noise_has_its_length(blur_px):
    found = depth_statistics((tilted_plane() + 0.001 * noise_of(blur_px, 2)).astype(np.float32), NO_OBJECT)
    assert found.correlation_px == pytest.approx(2 * blur_px, rel=0.1)  # exp(−h² / 4 s²) = 1/e; planes take a little
    assert found.independent_share < 0.1


def test_the_independent_share_of_mixed_noise_is_found():
    mixed = np.sqrt(0.7) * noise_of(1.5, 3) + np.sqrt(0.3) * noise_of(0, 4)
    found = depth_statistics((0.7 + 0.001 * mixed).astype(np.float32), NO_OBJECT)
    assert abs(found.independent_share - 0.3) < 0.06


def test_an_ideal_step_is_four_fifths_of_a_pixel_wide():
    found = depth_statistics(columns().astype(np.float32))
    assert found.edge_width_px == pytest.approx(0.8, abs=1e-4)
    assert found.edge_gap_px == 0


@pytest.mark.parametrize("turned", [False, True])
def test_a_blurred_step_is_as_wide_as_its_gaussian_says(turned):
    depth = ndimage.gaussian_filter1d(columns(), 1.5, axis=1, mode="nearest").astype(np.float32)
    found = depth_statistics(np.ascontiguousarray(depth.T) if turned else depth)
    assert found.edge_width_px == pytest.approx(2 * 1.2816 * 1.5, rel=0.05)  # ± 1.2816 σ hold the middle 80 %


def test_pixels_missing_in_a_step_are_counted_and_do_not_widen_it():
    depth = columns()
    depth[:, 37:40] = depth[:, 117:120] = depth[:, 197:200] = np.nan
    depth[:, np.arange(640) % 80 >= 77] = np.nan  # three before each bar's far side, none before the near one
    depth[:, (np.arange(640) % 80 >= 37) & (np.arange(640) % 80 < 40)] = 0
    found = depth_statistics(depth.astype(np.float32))
    assert found.edge_width_px == pytest.approx(0.8, abs=1e-4)
    assert found.edge_gap_px == 3
    assert found.missing_share == pytest.approx(3 / 40)


def test_a_mask_parts_the_table_from_the_objects():
    mask = np.zeros((480, 640), dtype=bool)
    mask[180:300, 250:390] = True
    depth = 0.7 + np.where(mask, 0.002, 0.0005) * noise_of(0, 5) - 0.1 * mask
    found = depth_statistics(depth.astype(np.float32), mask)
    assert found.deviation == pytest.approx(0.0005, rel=0.05)
    assert found.object_deviation == pytest.approx(0.002, rel=0.2)


def test_an_image_with_nothing_in_it_has_no_statistics():
    found = depth_statistics(np.zeros((48, 64), np.float32))
    assert found.missing_share == 1
    assert np.isnan([found.edge_width_px, found.deviation, found.correlation_px, found.independent_share]).all()


def test_the_command_prints_a_line_for_each_image(tmp_path):
    path = tmp_path / "depth.npy"
    np.save(path, columns().astype(np.float32))
    done = CliRunner().invoke(main, [str(path), str(path)])
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 3
    assert " 0.80 " in done.stdout.splitlines()[1]
    assert CliRunner().invoke(main, [str(path), "--segmask", "a", "--segmask", "b"]).exit_code == 2
    np.save(tmp_path / "mask.npy", np.ones((100, 640), dtype=bool))
    done = CliRunner().invoke(main, [str(path), "--segmask", str(tmp_path / "mask.npy")])
    assert isinstance(done.exception, InputError)
    assert "segmask is 640x100; the depth image is 640x480" in str(done.exception)


@pytest.mark.skipif(not REAL.is_dir(), reason="real depth images (../shared/data/real_depth) are not here")
def test_real_images_are_what_the_docs_say():
    """Looked up in docs/sensors.md: a smoothed table without a hole, and a scanner that loses a tenth of the heap."""
    table = depth_statistics(np.load(REAL / "single_primesense/depth_0.npy").squeeze())
    assert table.missing_share == 0
    assert table.deviation < 0.0002
    heap = depth_statistics(np.load(REAL / "clutter_phoxi/depth_0.npy").squeeze())
    assert heap.missing_share == pytest.approx(0.0905, abs=0.0005)
    assert 0.00005 < heap.deviation < 0.0002
