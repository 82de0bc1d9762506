"""What the sensors do to a clean image, against their stated distributions and against real Primesense images."""

from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, stats

from graspnet.camera import Camera, load_camera
from graspnet.config import preset_names
from graspnet.errors import InputError
from graspnet.sensors import Sensor, load_sensor
from graspnet.sensors.dexnet import DexNetSensor, DexNetSensorConfig
from graspnet.sensors.sensor import IdealSensor
from graspnet.sensors.triangulation import TriangulationConfig, TriangulationSensor, times_as_noisy
from tests.places import SHARED

PRESETS = preset_names("sensors")
CAMERA = Camera(525.0, 525.0, 319.5, 239.5, 640, 480)
PHOXI = SHARED / "real_depth" / "clutter_phoxi"
REAL = SHARED / "real_depth" / "single_primesense"
# Only what a test is about is switched on.
QUIET = TriangulationConfig(
    scale_deviation=0.0,
    axial_deviation=0.0,
    inverse_depth_step=0.0,
    edge_jitter_px=0.0,
    edge_loss=0.0,
    holes_per_pixel=0.0,
)


def flat(depth: float = 0.7, camera: Camera = CAMERA) -> np.ndarray:
    return np.full((camera.height, camera.width), depth, np.float32)


def box_scene() -> np.ndarray:
    """A box of 6 cm on a table at 0.7 m, and a strip that was never seen."""
    depth = flat()
    depth[200:280, 300:360] = 0.64
    depth[:5] = np.nan
    depth[5:10] = 0
    return depth


def plane(camera: Camera, tilt: float) -> np.ndarray:
    """Depth of the plane through (0, 0, 0.7) that is turned by `tilt` about the camera's x axis."""
    rays = camera.rays(camera.pixel_grid())
    normal = np.array([0.0, np.sin(tilt), np.cos(tilt)])
    return (0.7 * normal[2] / (rays @ normal)).astype(np.float32)


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_missing_stays_missing_and_the_input_is_untouched(name: str) -> None:
    clean = box_scene()
    before = clean.copy()
    noisy = load_sensor(name)(clean, CAMERA, np.random.default_rng(0))
    assert np.isnan(noisy[:10]).all()
    assert (noisy[np.isfinite(noisy)] > 0).all()
    np.testing.assert_array_equal(clean, before)
    assert not np.shares_memory(noisy, clean)


@pytest.mark.parametrize("name", PRESETS)
def test_the_same_generator_gives_the_same_bytes(name: str) -> None:
    first, second = (load_sensor(name)(box_scene(), CAMERA, np.random.default_rng(7)) for _ in range(2))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(("width", "height"), [(200, 200), (1, 1), (640, 1), (1, 7)])
def test_sensors_work_on_windows_of_any_size(name: str, width: int, height: int) -> None:
    window = CAMERA.window(0, 100, width, height)
    noisy = load_sensor(name)(box_scene()[100 : 100 + height, :width], window, np.random.default_rng(0))
    assert noisy.shape == (height, width)


def test_the_ideal_sensor_changes_nothing() -> None:
    clean = box_scene()
    np.testing.assert_array_equal(load_sensor("ideal")(clean, CAMERA, np.random.default_rng(0))[10:], clean[10:])


def test_dexnet_scales_an_image_by_a_gamma_variable() -> None:
    sensor = DexNetSensor(DexNetSensorConfig(probability=0.0))
    rng = np.random.default_rng(1)
    camera = CAMERA.window(0, 0, 4, 4)
    images = np.array([sensor(flat(0.7, camera), camera, rng) for _ in range(2000)]) / 0.7
    assert np.ptp(images, axis=(1, 2)).max() < 1e-6  # one factor for a whole image
    assert stats.kstest(images[:, 0, 0], stats.gamma(1000, scale=1 / 1000).cdf).pvalue > 0.01


def test_dexnet_adds_its_process_to_half_of_the_images() -> None:
    rng = np.random.default_rng(2)
    camera = CAMERA.window(0, 0, 8, 8)
    noisy = [np.ptp(DexNetSensor()(flat(0.7, camera), camera, rng)) > 1e-4 for _ in range(1000)]
    assert abs(np.mean(noisy) - 0.5) < 4 * np.sqrt(0.25 / 1000)  # four standard errors


def test_dexnet_process_has_its_stated_deviation_and_covariance() -> None:
    sensor = DexNetSensor(DexNetSensorConfig(gamma_shape=1e12, probability=1.0))
    noise = sensor(flat(), CAMERA, np.random.default_rng(3)) - 0.7
    apart = noise[::25, ::25].ravel()  # 6 kernel lengths: independent
    assert stats.kstest(apart, stats.norm(0, 0.005).cdf).pvalue > 0.01
    for lag in (1, 3, 6):
        covariance = np.mean(noise[:, :-lag] * noise[:, lag:]) / 0.005**2
        # 307,200 pixels hold about 5,000 independent values: a standard error of 2 %. The blur ends at 2.5 σ.
        assert abs(covariance - np.exp(-(lag**2) / (2 * 18))) < 0.06


def test_structured_light_scale_error_is_normal_and_one_for_an_image() -> None:
    sensor = TriangulationSensor(replace(QUIET, scale_deviation=0.003))
    rng = np.random.default_rng(4)
    camera = CAMERA.window(0, 0, 4, 4)
    scales = np.array([sensor(flat(0.7, camera), camera, rng) for _ in range(2000)]) / 0.7
    assert np.ptp(scales, axis=(1, 2)).max() < 1e-6
    assert stats.kstest(scales[:, 0, 0], stats.norm(1, 0.003).cdf).pvalue > 0.01


@pytest.mark.parametrize("depth", [0.4, 0.7, 1.1])
def test_structured_light_axial_noise_grows_with_the_square_of_depth(depth: float) -> None:
    sensor = TriangulationSensor(replace(QUIET, axial_deviation=0.0028))
    noise = sensor(flat(depth), CAMERA, np.random.default_rng(5)) - depth
    apart = noise[::9, ::9].ravel()  # 6 σ of the blur: independent
    assert abs(apart.std() / (0.0028 * depth**2) - 1) < 4 / np.sqrt(2 * len(apart))  # four standard errors
    # 1/(1/z + n) is skewed by n z < 0.3 %, invisible to 3,900 samples
    assert stats.kstest(apart / apart.std(), stats.norm.cdf).pvalue > 0.01


def test_structured_light_axial_noise_is_as_large_at_the_border_as_in_the_middle() -> None:
    sensor = TriangulationSensor(replace(QUIET, axial_deviation=0.0028))
    camera = CAMERA.window(300, 200, 12, 12)
    rng = np.random.default_rng(6)
    noise = np.array([sensor(flat(0.7, camera), camera, rng) for _ in range(3000)]) - 0.7
    deviation = noise.std(axis=0)
    assert np.abs(deviation / deviation.mean() - 1).max() < 5 / np.sqrt(2 * 3000)  # the largest of 144


def test_structured_light_axial_noise_is_correlated_over_two_to_three_pixels() -> None:
    sensor = TriangulationSensor(replace(QUIET, axial_deviation=0.0028))
    noise = sensor(flat(), CAMERA, np.random.default_rng(7)) - 0.7
    correlation = [np.mean(noise[:, :-lag] * noise[:, lag:]) / noise.var() for lag in (1, 2, 3, 8)]
    assert 0.6 < correlation[0] < 0.9
    assert correlation[1] > np.exp(-1) > correlation[2]
    assert abs(correlation[3]) < 0.05


def test_structured_light_quantises_disparity() -> None:
    sensor = TriangulationSensor(replace(QUIET, axial_deviation=0.0028, inverse_depth_step=0.00287))
    noisy = sensor(flat(), CAMERA, np.random.default_rng(8))
    steps = 1 / noisy.astype(np.float64) / 0.00287
    assert np.abs(steps - np.rint(steps)).max() < 1e-3
    assert len(np.unique(noisy)) < 20


@pytest.mark.parametrize(("baseline", "columns"), [(0.075, slice(0, 300)), (-0.075, slice(360, 640))])
def test_shadows_are_as_wide_as_the_step_in_disparity(baseline: float, columns: slice) -> None:
    noisy = TriangulationSensor(replace(QUIET, baseline=baseline))(box_scene(), CAMERA, np.random.default_rng(9))
    missing = np.isnan(noisy[10:])
    width = 525 * 0.075 * (1 / 0.64 - 1 / 0.7)  # 5.3 pixels, beside the box's 80 rows only
    assert missing.sum() == 80 * np.floor(width)
    assert missing[:, columns].sum() == missing.sum()  # on the side away from the projector


def test_edges_move_and_nothing_else_does() -> None:
    sensor = TriangulationSensor(replace(QUIET, edge_jitter_px=0.5, baseline=1e-9))
    clean = box_scene()
    noisy = sensor(clean, CAMERA, np.random.default_rng(10))
    moved = (noisy != clean) & np.isfinite(noisy)
    edge = ndimage.morphological_gradient(np.where(clean == np.float32(0.64), 1, 0), size=3) > 0
    assert moved.any()
    assert not (moved & ~ndimage.binary_dilation(edge, iterations=2)).any()
    assert np.isin(noisy[np.isfinite(noisy)], np.float32([0.64, 0.7])).all()  # no depth in between is made up
    # beside a straight edge a pixel changes where the shift across it exceeds ½ px in one direction: P = 0.159
    straight = np.concatenate([moved[205:275, 299], moved[205:275, 300]])
    assert abs(straight.mean() - 0.159) < 0.1


def test_grazing_surfaces_return_nothing_and_others_everything() -> None:
    camera = CAMERA.window(315, 235, 10, 10)  # rays within half a degree of the axis
    sensor = TriangulationSensor(QUIET)
    share = [
        np.isnan(sensor(plane(camera, np.deg2rad(tilt)), camera, np.random.default_rng(11))).mean()
        for tilt in (0, 30, 60, 69, 86)
    ]
    assert share == [0, 0, 0, 0, 1]
    half = sensor(plane(camera, np.deg2rad(80)), camera, np.random.default_rng(11))
    expected = (np.cos(np.deg2rad(70)) - np.cos(np.deg2rad(80))) / (np.cos(np.deg2rad(70)) - np.cos(np.deg2rad(85)))
    assert abs(np.isnan(half).mean() - expected) < 4 * np.sqrt(0.25 / 100)


def test_incidence_is_measured_against_the_ray_and_not_the_optical_axis() -> None:
    wide = Camera(320.0, 320.0, 319.5, 239.5, 640, 480)
    sensor = TriangulationSensor(replace(QUIET, grazing=(np.deg2rad(40), np.deg2rad(40.1))))
    missing = np.isnan(sensor(flat(0.7, wide), wide, np.random.default_rng(12)))
    rays = wide.rays(wide.pixel_grid())
    angle = np.arccos(1 / np.linalg.norm(rays, axis=-1))
    assert not missing[angle < np.deg2rad(39.9)].any()
    assert missing[angle > np.deg2rad(40.2)].all()


def test_holes_come_at_their_rate_also_in_windows() -> None:
    config = replace(QUIET, holes_per_pixel=1e-4, hole_radius_px=(2.0, 2.0))
    rng = np.random.default_rng(13)
    camera = CAMERA.window(0, 0, 50, 50)
    noisy = np.array([TriangulationSensor(config)(flat(0.7, camera), camera, rng) for _ in range(1000)])
    share = np.isnan(noisy).mean(axis=0)
    expected = 1e-4 * np.pi * 2**2  # small, so that overlaps do not count
    assert abs(share.mean() - expected) < 5 * np.sqrt(expected * 12.6 / noisy.size)  # a hole takes 12.6 pixels at once
    border = np.concatenate([share[0], share[-1], share[:, 0], share[:, -1]])
    assert abs(border.mean() - expected) < 5 * np.sqrt(expected * 4 / (200 * 1000))


def test_matching_windows_fatten_what_is_near_and_fill_its_shadow() -> None:
    sensor = TriangulationSensor(replace(QUIET, fattening_px=2))
    clean = box_scene()
    noisy = sensor(clean, CAMERA, np.random.default_rng(15))
    near = noisy == np.float32(0.64)
    assert near[198:282, 300:360].all()
    assert near[200:280, 298:362].all()
    assert near.sum() == (80 + 4) * (60 + 4) - 4 * 4  # pixels across a corner are no edge
    shadow = 525 * 0.075 * (1 / 0.64 - 1 / 0.7)
    assert np.isnan(noisy[10:]).sum() == 80 * (np.floor(shadow) - 2)
    assert np.isin(noisy[np.isfinite(noisy)], np.float32([0.64, 0.7])).all()


def test_false_matches_happen_at_edges_only() -> None:
    sensor = TriangulationSensor(replace(QUIET, baseline=1e-9, edge_outliers=0.5, outlier_deviation=0.1))
    clean = box_scene()
    noisy = sensor(clean, CAMERA, np.random.default_rng(16))
    false = (np.abs(noisy - clean) > 1e-6) & np.isfinite(noisy)
    box = clean == np.float32(0.64)
    edge = ndimage.binary_dilation(box, iterations=2) & ~ndimage.binary_erosion(box, iterations=2)
    square = np.ones((3, 3), dtype=bool)
    assert not (false & ~ndimage.binary_dilation(edge, square)).any()
    assert abs(false[edge].mean() - 0.5) < 4 * np.sqrt(0.25 / edge.sum())


def test_depth_comes_in_whole_units_of_the_driver() -> None:
    noisy = load_sensor("realsense")(flat(), CAMERA, np.random.default_rng(17)).astype(np.float64)
    millimetres = 1000 * noisy[np.isfinite(noisy)]
    assert np.abs(millimetres - np.rint(millimetres)).max() < 1e-3  # float32 holds 0.7 to 6e-8


def test_a_filled_image_misses_only_what_was_never_there() -> None:
    clean = box_scene()
    noisy = load_sensor("primesense")(clean, CAMERA, np.random.default_rng(18))
    np.testing.assert_array_equal(np.isnan(noisy), ~(clean > 0))
    nothing = np.full((480, 640), np.nan, np.float32)
    assert np.isnan(load_sensor("primesense")(nothing, CAMERA, np.random.default_rng(18))).all()


@pytest.mark.parametrize(("name", "focal_px", "baseline"), [("realsense", 424, 0.050), ("realsense_d415", 1005, 0.055)])
def test_realsense_noise_is_the_makers_disparity_noise(name: str, focal_px: float, baseline: float) -> None:
    """σ_z = z² · 0.08 px / (f b), and 1/12 of the squared steps: subpixel ones and millimetres."""
    noisy = load_sensor(name)(flat(0.7), CAMERA, np.random.default_rng(19))
    steps = np.array([0.7**2 / 32 / focal_px / baseline, 0.001])
    expected = np.sqrt((0.7**2 * 0.08 / focal_px / baseline) ** 2 + np.sum(steps**2) / 12)
    assert abs(np.nanstd(noisy) / expected - 1) < 0.03  # about 8,000 independent values: 1 %, and σ rounded to 3 digits


@pytest.mark.parametrize(("name", "side"), [("realsense", "left"), ("phoxi", "right"), ("structured_light", "left")])
def test_shadows_fall_away_from_the_second_eye(name: str, side: str) -> None:
    missing = np.isnan(load_sensor(name)(box_scene(), CAMERA, np.random.default_rng(20)))[220:260]
    left, right = missing[:, 250:298].mean(), missing[:, 362:410].mean()
    assert (left > 3 * right) if side == "left" else (right > 3 * left)


@pytest.mark.skipif(not PHOXI.is_dir(), reason="real depth images (../shared/data/real_depth) are not here")
@pytest.mark.parametrize("index", range(2))
def test_the_phoxi_preset_predicts_where_real_images_have_shadows(index: int) -> None:
    """Holes of the real image filled with what lies behind; then the model's shadows cover most of them, and not more.

    The rest of what is missing is no shadow (gloss, edges, grazing light): a third.
    """
    real = np.load(PHOXI / f"depth_{index}.npy").squeeze()
    real[real == 0] = np.nan
    filled = np.array([_with_the_farther_side(line) for line in real])
    camera = load_camera("phoxi")
    sensor = TriangulationSensor(replace(QUIET, baseline=-0.235, grazing=(1.55, 1.56)))
    middle = (slice(96, 290), slice(129, 387))
    missing = np.isnan(real[middle])
    shadow = np.isnan(sensor(filled, camera, np.random.default_rng(0))[middle])
    assert np.mean(shadow[missing]) > 0.6
    assert np.mean(missing[shadow]) > 0.75
    mirrored = TriangulationSensor(replace(QUIET, baseline=0.235, grazing=(1.55, 1.56)))
    assert np.mean(np.isnan(mirrored(filled, camera, np.random.default_rng(0))[middle])[missing]) < 0.5


def _with_the_farther_side(line: np.ndarray) -> np.ndarray:
    """A row whose gaps are as deep as the deeper one of their two ends."""
    position = np.arange(len(line))
    known = np.isfinite(line)
    before = np.maximum.accumulate(np.where(known, position, 0))
    after = np.minimum.accumulate(np.where(known, position, len(line) - 1)[::-1])[::-1]
    return np.where(known, line, np.fmax(line[before], line[after]))


def test_a_file_is_a_sensor_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("base: realsense\ntriangulation:\n  baseline_mm: 95\n  grazing_deg: [60, 80]\n")
    sensor = load_sensor(path)
    assert isinstance(sensor, TriangulationSensor)
    assert sensor.config.baseline == pytest.approx(0.095)
    assert sensor.config.grazing == pytest.approx(np.deg2rad([60, 80]))
    assert sensor.config.depth_step == pytest.approx(0.001)  # from the base
    path.write_text("dexnet: {}\ntriangulation: {}\n")
    with pytest.raises(InputError, match="a sensor has one of them"):
        load_sensor(path)


def test_an_installed_package_adds_a_sensor(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("perfect", "graspnet.sensors.sensor:IdealSensor", "graspnet.sensors")
    entries = EntryPoints([entry])
    monkeypatch.setattr("graspnet.sensors.entry_points", lambda **which: entries.select(**which))
    assert isinstance(load_sensor("perfect"), IdealSensor)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"axial_deviation": -1.0}, "axial_deviation"),
        ({"edge_loss": 1.5}, "edge_loss"),
        ({"grazing": (1.0, 0.5)}, "grazing"),
        ({"hole_radius_px": (0.0, 1.0)}, "hole_radius_px"),
        ({"edge_jitter_length_px": 0}, "edge_jitter_length_px"),
        ({"fattening_px": 3}, "fattening_px is 3; it must not exceed edge_reach_px"),
        ({"edge_outliers": -0.1}, "edge_outliers"),
        ({"roughness": (0.5, 0.1)}, "roughness"),
    ],
)
def test_impossible_numbers_are_refused(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(QUIET, **change)


def test_an_unknown_sensor_or_another_camera_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'structured_light'"):
        load_sensor("structured-light")
    with pytest.raises(InputError, match="the camera says 640x480"):
        load_sensor("structured_light")(np.ones((4, 5), np.float32), CAMERA, np.random.default_rng(0))


@pytest.mark.skipif(not REAL.is_dir(), reason="real depth images (../shared/data/real_depth) are not here")
@pytest.mark.parametrize("index", range(5))
def test_the_default_sensor_is_no_gentler_than_real_images(index: int) -> None:
    """A policy that stands the default sensor (single frames, 1.5 mm) stands these images, which someone has smoothed.

    Measured: their tables are flat to 0.1 mm with neighbours correlated to 0.77, their objects quantised to 1 mm.
    """
    real = np.load(REAL / f"depth_{index}.npy").squeeze()
    mask = np.asarray(Image.open(REAL / f"segmask_{index}.png")).reshape(480, 640, -1).max(axis=2) > 0
    simulated = load_sensor("structured_light")(flat(0.73), CAMERA, np.random.default_rng(14))
    table = ~ndimage.binary_dilation(mask, iterations=15)
    table[:, :100] = table[:, 520:] = table[:100] = table[340:] = False  # beyond: the robot and inpainted borders
    assert 0.05e-3 < _plane_deviation(real, table) < 0.2e-3
    assert 1.2e-3 < _plane_deviation(simulated, table) < 2e-3
    surface = ndimage.binary_erosion(mask, iterations=5)
    assert _roughness(real, surface) < _roughness(simulated, surface)


def _plane_deviation(depth: np.ndarray, use: np.ndarray) -> float:
    """Standard deviation from the plane fitted to 1/z (metres)."""
    use = use & np.isfinite(depth)
    rows, columns = np.nonzero(use)
    design = np.stack([columns, rows, np.ones(len(rows))], axis=-1)
    solution = np.linalg.lstsq(design, 1 / depth[use].astype(np.float64), rcond=None)[0]
    return float(np.std(depth[use] - 1 / (design @ solution)))


def _roughness(depth: np.ndarray, use: np.ndarray) -> float:
    """Median size of the second difference over three pixels, which a slope does not change (metres)."""
    second = depth[:, 6:] - 2 * depth[:, 3:-3] + depth[:, :-6]
    return float(np.nanmedian(np.abs(second[use[:, 3:-3]])))


def test_a_varied_sensor_is_sometimes_gentle_and_sometimes_rough():
    camera = Camera(525.0, 525.0, 79.5, 59.5, 160, 120)
    flat = np.full((120, 160), 0.7, dtype=np.float32)
    sensor, rough = load_sensor("varied"), load_sensor("structured_light")

    def residual(which: Sensor, seed: int) -> float:
        return float(np.nanstd(which(flat, camera, np.random.default_rng(seed))))

    varied = np.array([residual(sensor, seed) for seed in range(40)])
    preset = np.mean([residual(rough, seed) for seed in range(10)])
    assert varied.min() < 0.5 * preset  # quantisation alone leaves a third of it
    assert varied.max() > 1.1 * preset


@pytest.mark.parametrize("factor", [0.0, 2.0, 4.0])
def test_noise_times_a_factor_has_so_many_times_the_deviation(factor: float) -> None:
    config = replace(QUIET, axial_deviation=0.002, independent_share=1.0)
    depth = TriangulationSensor(times_as_noisy(config, factor))(flat(), CAMERA, np.random.default_rng(0))
    # of 1/z; 307,200 independent pixels tell a deviation to 0.13 %
    assert np.std(1 / depth) == pytest.approx(0.002 * factor, rel=0.01, abs=1e-6)


def test_without_noise_a_camera_measures_exactly_what_its_shadows_leave() -> None:
    clean = box_scene()
    seen = load_sensor("structured_light", noise=0.0)(clean, CAMERA, np.random.default_rng(0))
    np.testing.assert_allclose(seen[np.isfinite(seen)], clean[np.isfinite(seen)], rtol=1e-6)
    assert np.isnan(seen[np.isfinite(clean)]).any()  # beside the box


def test_losses_at_edges_are_never_more_than_all() -> None:
    assert times_as_noisy(TriangulationConfig(edge_loss=0.4), 4.0).edge_loss == 1.0


def test_only_a_triangulating_camera_can_be_made_noisier() -> None:
    with pytest.raises(InputError, match="only the noise of triangulating cameras"):
        load_sensor("dexnet", noise=2.0)
