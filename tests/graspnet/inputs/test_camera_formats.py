"""Camera files of ROS, OpenCV, RealSense, Open3D: the same camera, and which images it belongs to."""

import json

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graspnet.camera import Camera, load_camera
from graspnet.errors import InputError
from graspnet.inputs.camera_formats import _largest_shift
from tests.refusals import value_or_line

CAMERA = Camera(fx=606.7, fy=615.75, cx=426.8, cy=292.7, width=800, height=592)
P = [[606.7, 0.0, 426.8, 0.0], [0.0, 615.75, 292.7, 0.0], [0.0, 0.0, 1.0, 0.0]]
K = [[628.0, 0.0, 423.3], [0.0, 627.5, 293.1], [0.0, 0.0, 1.0]]
D = [-0.084311, 0.019134, -0.000522, 0.002223, 0.0]
DISTORTED = Camera(fx=628.0, fy=627.5, cx=423.3, cy=293.1, width=800, height=592)


def flat(matrix):
    return [entry for row in matrix for entry in row]


def spelt(matrix):
    """As calibration files write a matrix."""
    return {"rows": len(matrix), "cols": len(matrix[0]), "data": flat(matrix)}


def load(tmp_path, data, name="c.yaml"):
    (tmp_path / name).write_text(json.dumps(data) if name.endswith("json") else yaml.safe_dump(data))
    return load_camera(tmp_path / name)


CALIBRATION = {
    "image_width": 800, "image_height": 592, "camera_name": "narrow_stereo", "camera_matrix": spelt(K),
    "distortion_model": "plumb_bob", "distortion_coefficients": spelt([D]), "projection_matrix": spelt(P),
}  # fmt: skip
MESSAGE = {"width": 800, "height": 592, "distortion_model": "plumb_bob", "D": D, "K": flat(K), "P": flat(P)}


@pytest.mark.parametrize(
    "data",
    [
        CALIBRATION,
        MESSAGE,
        {key.lower(): value for key, value in MESSAGE.items()},
        MESSAGE | {"K": K, "P": P},
        {key: value for key, value in MESSAGE.items() if key != "K"},
        MESSAGE | {"P": [*flat(P[:1]), 0.0, *flat(P[1:])[1:]]},
        MESSAGE | {"P": [606.7, 0, 426.8, -72.8, 0, 615.75, 292.7, 0, 0, 0, 1, 0]},  # the right camera of a stereo pair
        MESSAGE | {"distortion_model": "equidistant"},
        MESSAGE
        | {"binning_x": 0, "binning_y": 1, "roi": dict.fromkeys(("x_offset", "y_offset", "width", "height"), 0)},
    ],
)
def test_of_a_rectified_image_the_projection_matrix_has_the_intrinsics(tmp_path, data):
    assert load(tmp_path, data) == CAMERA


@pytest.mark.parametrize("missing", [[0.0] * 12, [], None])
def test_without_a_projection_matrix_an_undistorted_camera_has_its_own(tmp_path, missing):
    data = MESSAGE | {"D": [0.0] * 5, "P": missing}
    assert load(tmp_path, data) == DISTORTED
    assert load(tmp_path, {key: value for key, value in data.items() if key != "P"}) == DISTORTED


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, r"distorted \(up to \d+ px\)"),
        ({"distortion_model": "equidistant", "D": [0.01, 0.0, 0.0, 0.0]}, r"distorted \(equidistant\)"),
        ({"distortion_model": "rational_polynomial", "D": [0.1] * 8}, r"distorted \(up to \d+ px\)"),
    ],
)
@pytest.mark.parametrize("missing", [[0.0] * 12, None])
def test_a_distorted_image_that_is_not_rectified_is_refused_with_the_remedy(tmp_path, changes, found, missing):
    with pytest.raises(InputError, match=rf"c\.yaml: the images are {found}, which is not modelled; rectify them"):
        load(tmp_path, MESSAGE | {"P": missing} | changes)


@pytest.mark.parametrize("coefficients", [D, [0.1, -0.2, 0.001, 0.002, 0.05, 0.01, -0.02, 0.003], [-0.3]])
def test_distortion_is_as_large_as_opencv_says(coefficients):
    ours = {"fx": 628.0, "fy": 627.5, "cx": 423.3, "cy": 293.1, "width": 800, "height": 592}
    border = [[u, v] for u in np.linspace(0, 800, 33) for v in (0.0, 592.0)]
    border += [[u, v] for v in np.linspace(0, 592, 33) for u in (0.0, 800.0)]
    ideal = np.array(border)
    rays = np.column_stack([(ideal - [423.3, 293.1]) / [628.0, 627.5], np.ones(len(ideal))])
    padded = np.array((coefficients + [0.0] * 8)[: 8 if len(coefficients) > 5 else 5])
    seen, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), np.array(K), padded)
    expected = np.linalg.norm(seen[:, 0] - ideal, axis=1).max()
    assert _largest_shift(np.array(coefficients), ours) == pytest.approx(expected, rel=1e-6)


def test_binning_and_a_region_of_interest_give_the_camera_of_the_image_that_is_there(tmp_path):
    region = {"x_offset": 200, "y_offset": 100, "width": 400, "height": 300}
    seen = load(tmp_path, MESSAGE | {"roi": region, "binning_x": 2, "binning_y": 2})
    assert (seen.width, seen.height) == (200, 150)
    point = np.array([0.03, -0.02, 0.7])  # lies where the whole image has it, less the offset, and half of that
    np.testing.assert_allclose(seen.project(point), (CAMERA.project(point) - [200, 100]) / 2, atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"P": [1.0] * 11}, "P has 11 numbers; a projection has 12"),
        ({"P": ["wide"] * 12}, "P is not made of numbers"),
        ({"P": [float("nan")] * 12}, "P has numbers that are not finite"),
        ({"P": None, "K": [0.0] * 9}, "K is all zero: this camera was not calibrated"),
        ({"P": None, "D": [], "K": flat(np.array(K).T.tolist())}, "K is written column by column"),
        ({"P": None, "D": [], "K": [1.0, 2, 3, 4, 5, 6, 7, 8, 9]}, r"K is \(1 2 3; 4 5 6; 7 8 9\); expected \(fx 0 cx"),
        ({"P": None, "K": [1.0, 2.0]}, r"a camera_info file needs camera_matrix: data: \[9 numbers\]"),
        ({"binning_x": 1.5}, "binning_x is 1.5; expected a whole number"),
        ({"roi": {"x_offset": 500, "width": 400}}, r"roi ends at \(900, 0\), outside of the 800x592 sensor"),
        ({"height": None}, "height is None; expected a whole number"),
    ],
)
def test_what_is_wrong_in_a_camera_info_is_one_line_with_its_key(tmp_path, changes, message):
    with pytest.raises(InputError, match=rf"c\.yaml: {message}"):
        load(tmp_path, MESSAGE | changes)


@pytest.mark.parametrize("suffix", ["yml", "yaml", "json"])
def test_opencvs_own_calibration_files_are_read(tmp_path, suffix):
    path = tmp_path / f"c.{suffix}"
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for name, value in (("image_width", 800), ("image_height", 592), ("nr_of_frames", 20)):
        storage.write(name, value)
    storage.write("camera_matrix", np.array(K))
    storage.write("distortion_coefficients", np.zeros((5, 1)))
    storage.release()
    assert load_camera(path) == DISTORTED


def test_a_distorted_calibration_of_opencv_is_refused_for_its_distortion(tmp_path):
    path = tmp_path / "c.yml"
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    storage.write("image_width", 800)
    storage.write("image_height", 592)
    storage.write("camera_matrix", np.array(K))
    storage.write("distortion_coefficients", np.array([D]).T)
    storage.release()
    with pytest.raises(InputError, match="the images are distorted"):
        load_camera(path)


REALSENSE = {
    "width": 848,
    "height": 480,
    "ppx": 424.1,
    "ppy": 238.6,
    "fx": 421.9,
    "fy": 421.9,
    "model": "Brown Conrady",
}


def test_realsense_intrinsics_are_read_and_their_distortion_is(tmp_path):
    expected = Camera(421.9, 421.9, 424.1, 238.6, 848, 480)
    assert load(tmp_path, REALSENSE | {"coeffs": [0.0] * 5}, "c.json") == expected
    assert load(tmp_path, REALSENSE, "c.json") == expected
    bent = REALSENSE | {"coeffs": [-0.05, 0.06, 0.0, 0.0, -0.02]}
    assert load(tmp_path, bent | {"model": "distortion.none"}, "c.json") == expected
    for model in ("distortion.inverse_brown_conrady", "Kannala Brandt4"):
        with pytest.raises(InputError, match="the images are distorted"):
            load(tmp_path, bent | {"model": model}, "c.json")
    with pytest.raises(InputError, match=r"c\.json: missing key 'ppy'; this kind of .* needs fx, fy, ppx, ppy"):
        load(tmp_path, {key: value for key, value in REALSENSE.items() if key != "ppy"}, "c.json")


def test_open3ds_intrinsics_are_read_column_by_column_also_within_its_camera_parameters(tmp_path):
    inner = {"width": 800, "height": 592, "intrinsic_matrix": flat(np.array(K).T.tolist())}
    assert load(tmp_path, inner, "c.json") == DISTORTED
    outer = {"class_name": "PinholeCameraParameters", "extrinsic": flat(np.eye(4).tolist()), "intrinsic": inner}
    assert load(tmp_path, outer, "c.json") == DISTORTED
    assert load(tmp_path, inner | {"intrinsic_matrix": K}, "c.json") == DISTORTED  # rows
    with pytest.raises(InputError, match="intrinsic_matrix is written column by column"):
        load(tmp_path, inner | {"intrinsic_matrix": flat(K)}, "c.json")


def test_what_open3d_writes_is_what_we_read(tmp_path):
    open3d = pytest.importorskip("open3d")
    written = open3d.camera.PinholeCameraIntrinsic(800, 592, 628.0, 627.5, 423.3, 293.1)
    open3d.io.write_pinhole_camera_intrinsic(str(tmp_path / "c.json"), written)
    assert load_camera(tmp_path / "c.json") == DISTORTED


numbers = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=3), st.booleans())
entries = st.one_of(numbers, st.lists(numbers, max_size=12), st.dictionaries(st.just("data"), st.lists(numbers)))
KEYS = (
    "width", "height", "image_width", "K", "camera_matrix", "P", "D", "distortion_model", "roi", "binning_x", "fx",
    "ppx", "ppy", "coeffs", "model", "intrinsic_matrix", "intrinsic", "_fx", "_skew",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(KEYS), entries))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_any_values_are_a_camera_or_one_line(tmp_path, data):
    (tmp_path / "c.json").write_text(json.dumps(MESSAGE | data))
    camera, line = value_or_line(load_camera, tmp_path / "c.json")
    assert "c.json" in line if camera is None else camera.fx > 0
