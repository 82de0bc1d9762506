"""Pinhole cameras: projection and its inverse, windows, and files; formats of others: inputs/test_camera_formats.py."""

import json

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from graspnet.camera import Camera, load_camera, save_camera
from graspnet.config import preset_names
from graspnet.errors import InputError

CAMERA = Camera(fx=525.0, fy=520.0, cx=319.5, cy=239.5, width=640, height=480)
FIELDS = {"fx": 525.0, "fy": 520.0, "cx": 319.5, "cy": 239.5, "width": 640, "height": 480}
CAMERA_INFO = {
    "image_width": 640,
    "image_height": 480,
    "camera_name": "overhead",
    "distortion_model": "plumb_bob",
    "distortion_coefficients": {"rows": 1, "cols": 5, "data": [0.0] * 5},
    "camera_matrix": {"rows": 3, "cols": 3, "data": [525.0, 0.0, 319.5, 0.0, 520.0, 239.5, 0.0, 0.0, 1.0]},
}

cameras = st.builds(
    Camera,
    fx=st.floats(50, 5000),
    fy=st.floats(50, 5000),
    cx=st.floats(-100, 2000),
    cy=st.floats(-100, 2000),
    width=st.integers(1, 2000),
    height=st.integers(1, 2000),
)


@given(camera=cameras, seed=st.integers(0, 2**32 - 1))
def test_deproject_undoes_project(camera, seed):
    points = np.random.default_rng(seed).uniform([-1, -1, 0.1], [1, 1, 5], size=(20, 3))
    np.testing.assert_allclose(camera.deproject(camera.project(points), points[:, 2]), points, atol=1e-9)


@given(camera=cameras, seed=st.integers(0, 2**32 - 1))
def test_project_undoes_deproject(camera, seed):
    rng = np.random.default_rng(seed)
    uv = rng.uniform(0, 2000, size=(20, 2))
    depth = rng.uniform(0.1, 5, size=20)
    np.testing.assert_allclose(camera.project(camera.deproject(uv, depth)), uv, atol=1e-9)


@given(camera=cameras, seed=st.integers(0, 2**32 - 1))
def test_project_is_the_intrinsic_matrix_in_homogeneous_coordinates(camera, seed):
    points = np.random.default_rng(seed).uniform([-1, -1, 0.1], [1, 1, 5], size=(20, 3))
    matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    homogeneous = points @ matrix.T
    np.testing.assert_allclose(camera.project(points), homogeneous[:, :2] / homogeneous[:, 2:], rtol=1e-9, atol=1e-9)


def test_x_runs_right_and_y_runs_down():
    u, v = CAMERA.project(np.array([0.1, 0.2, 1.0]))
    assert u > CAMERA.cx
    assert v > CAMERA.cy


def test_a_window_sees_the_same_points_in_shifted_pixels():
    window = CAMERA.window(u=100, v=50, width=32, height=24)
    point = np.array([0.03, -0.02, 0.7])
    np.testing.assert_allclose(window.project(point), CAMERA.project(point) - [100, 50], atol=1e-12)
    assert (window.width, window.height) == (32, 24)


def test_a_deprojected_image_has_the_depth_at_each_pixel_and_nan_where_it_is_missing():
    depth = np.random.default_rng(0).uniform(0.5, 1.0, size=(480, 640)).astype(np.float32)
    depth[3, 7] = np.nan
    points = CAMERA.deproject_image(depth)
    assert np.isnan(points[3, 7]).all()
    np.testing.assert_allclose(points[200, 600], CAMERA.deproject(np.array([600.0, 200.0]), np.array(depth[200, 600])))


def test_a_depth_image_of_another_size_is_refused():
    with pytest.raises(InputError, match="depth image is 3x2; the camera says 640x480"):
        CAMERA.deproject_image(np.ones((2, 3), np.float32))


def written(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("camera.yaml", yaml.safe_dump(FIELDS)),
        ("camera.json", json.dumps(FIELDS, indent="\t")),  # tabs are no YAML, but they are JSON
        ("camera.intr", json.dumps({f"_{k}": v for k, v in FIELDS.items()} | {"_skew": 0.0, "_K": 0, "_frame": "c"})),
        ("calibration.yaml", yaml.safe_dump(CAMERA_INFO)),
        (  # what `ros2 topic echo --once /camera_info` prints
            "topic.yaml",
            yaml.safe_dump({"width": 640, "height": 480, "d": [0.0], "k": CAMERA_INFO["camera_matrix"]["data"]})
            + "---\n",
        ),
    ],
)
def test_every_format_gives_the_same_camera(tmp_path, name, content):
    assert load_camera(written(tmp_path / name, content)) == CAMERA


def test_a_saved_camera_loads_as_itself(tmp_path):
    save_camera(CAMERA, tmp_path / "camera.json")
    assert load_camera(tmp_path / "camera.json") == CAMERA


def test_every_camera_preset_loads():
    assert preset_names("cameras")
    for name in preset_names("cameras"):
        assert load_camera(name).fx > 0


def test_autolabs_real_calibrations_load(shared_data):
    calibrations = shared_data / "real_depth" / "calib"
    assert load_camera(calibrations / "primesense" / "primesense.intr") == Camera(525.0, 525.0, 319.5, 239.5, 640, 480)
    assert load_camera(calibrations / "phoxi" / "phoxi.intr") == Camera(552.5, 552.5, 255.5, 191.75, 516, 386)


@pytest.mark.parametrize("key", FIELDS)
def test_a_missing_key_is_named_as_the_file_spells_it(tmp_path, key):
    fields = {name: value for name, value in FIELDS.items() if name != key}
    with pytest.raises(InputError, match=f"c.yaml: missing key '{key}'"):
        load_camera(written(tmp_path / "c.yaml", yaml.safe_dump(fields)))
    intr = json.dumps({f"_{name}": value for name, value in fields.items()})
    with pytest.raises(InputError, match=f"c.intr: missing key '_{key}'"):
        load_camera(written(tmp_path / "c.intr", intr))


def test_a_calibration_without_its_size_or_with_a_short_matrix_is_refused(tmp_path):
    no_height = {key: value for key, value in CAMERA_INFO.items() if key != "image_height"}
    with pytest.raises(InputError, match="missing key 'image_height'"):
        load_camera(written(tmp_path / "c.yaml", yaml.safe_dump(no_height)))
    with pytest.raises(InputError, match=r"camera_matrix: data: \[9 numbers\]"):
        load_camera(written(tmp_path / "c.yaml", yaml.safe_dump(CAMERA_INFO | {"camera_matrix": [525.0, 525.0]})))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fx": 0.0}, "fx is 0.0; it must be positive"),
        ({"fy": -525.0}, "fy is -525.0; it must be positive"),
        ({"width": 0}, "width is 0; it must be positive"),
        ({"cx": float("inf")}, "cx is inf; it must be a finite number"),
        ({"cx": float("nan")}, "cx is nan; expected a number"),
        ({"fx": "wide"}, "fx is 'wide'; expected a number"),
        ({"fx": True}, "fx is True; expected a number"),
        ({"width": 640.5}, "width is 640.5; expected a whole number"),
        ({"widht": 640}, "unknown key 'widht'; did you mean 'width'"),
    ],
)
def test_a_wrong_value_or_key_is_one_line_with_file_and_field(tmp_path, changes, message):
    with pytest.raises(InputError, match=rf"c\.yaml: {message}") as caught:
        load_camera(written(tmp_path / "c.yaml", yaml.safe_dump(FIELDS | changes)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[1, 2]", "fx: [", "\x00", "42"])
def test_what_is_no_camera_file_is_refused(tmp_path, text):
    with pytest.raises(InputError, match=r"c\.yaml: ") as caught:
        load_camera(written(tmp_path / "c.yaml", text))
    assert "\n" not in str(caught.value)


def test_a_folder_or_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_camera(tmp_path / "absent.yaml")
    with pytest.raises(InputError, match="no such file"):
        load_camera(tmp_path)


def test_a_misspelt_preset_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="unknown cameras preset 'primesens'; did you mean 'primesense'"):
        load_camera("primesens")


def test_a_skewed_camera_is_refused(tmp_path):
    intr = {f"_{name}": value for name, value in FIELDS.items()} | {"_skew": 0.2}
    with pytest.raises(InputError, match=r"_skew is 0\.2"):
        load_camera(written(tmp_path / "c.intr", json.dumps(intr)))
