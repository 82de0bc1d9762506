"""`graspnet plan` on what people hand over: the plan of the right input, a warning that names the file, or one line.

The scenes are rebuilt after reported failures: a camera_info whose P counts, "not measured" written as a far number, a
mask with a colour table, a pose in another convention.
"""

import json

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

import graspnet as gn
from graspnet.camera import Camera
from graspnet.cli import main
from graspnet.errors import InputError
from tests.box_scenes import looking_down, render

CAMERA = Camera(525.0, 525.0, 319.5, 239.5, 640, 480)
POSE = looking_down(0.7, np.deg2rad(20))
BOX, OTHER = ((0.035, 0.09, 0.05), (0.03, -0.02), 0.5), ((0.03, 0.08, 0.09), (0.15, 0.0), -0.35)
CAMERA_KEYS = ("fx", "fy", "cx", "cy", "width", "height")


@pytest.fixture(scope="module")
def rendered():
    """Depth of two boxes, and the mask of the lower one."""
    depth, _ = render([BOX, OTHER], CAMERA, POSE)
    _, mask = render([BOX], CAMERA, POSE)
    return depth, mask


@pytest.fixture
def files(tmp_path, rendered):
    depth, mask = rendered
    np.save(tmp_path / "depth.npy", depth)
    Image.fromarray(mask).save(tmp_path / "mask.png")
    camera = {key: getattr(CAMERA, key) for key in CAMERA_KEYS}
    (tmp_path / "camera.yaml").write_text(yaml.safe_dump(camera))
    return {
        "--depth": tmp_path / "depth.npy", "--segmask": tmp_path / "mask.png", "--camera": tmp_path / "camera.yaml",
        "--policy": "antipodal", "--min-quality": "0", "--output": tmp_path / "plan.json",
    }  # fmt: skip


def run(options):
    return CliRunner().invoke(main, ["plan", *(str(word) for option in options.items() for word in option)])


def grasps(options):
    """The plan's grasps, and what was warned of."""
    result = run(options)
    assert result.exit_code == 0, result.stderr
    plan = json.loads(options["--output"].read_text())
    warned = [line.removeprefix("warning: ") for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert warned == plan.get("warnings", [])
    return plan["grasps"], warned


def refusal(options):
    """The one line of a refusal that has written nothing."""
    result = run(options)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert not options["--output"].exists()
    return result.stderr


def test_the_right_input_is_planned_without_a_doubt(files):
    found, warned = grasps(files)
    assert found
    assert warned == []


@pytest.mark.parametrize("code", [65.535, 1000.0, 65504.0, 1e10, 3.4e38, np.inf, -1.0, np.nan])
def test_not_measured_is_the_same_hole_however_it_is_written(files, tmp_path, rendered, code):
    depth, mask = rendered
    hole = np.random.default_rng(1).random(depth.shape) < 0.02
    hole |= mask & ~np.roll(mask, 2, axis=1)  # the object's rim
    for name, value in (("zero.npy", 0.0), ("code.npy", code)):
        np.save(tmp_path / name, np.where(hole, np.float32(value), depth))
    assert grasps(files | {"--depth": tmp_path / "code.npy"}) == grasps(files | {"--depth": tmp_path / "zero.npy"})


def test_the_largest_number_of_a_png_is_the_same_hole_as_its_zero(files, tmp_path, rendered):
    depth, _ = rendered
    hole = np.random.default_rng(1).random(depth.shape) < 0.02
    plans = []
    for name, value in (("zero.png", 0), ("largest.png", 65535)):
        units = np.where(hole, value, np.rint(1e4 * depth)).astype(np.uint16)
        Image.fromarray(units).save(tmp_path / name)
        plans.append(grasps(files | {"--depth": tmp_path / name, "--depth-scale": 0.0001}))
    assert plans[0] == plans[1]


@pytest.mark.parametrize(("factor", "remedy"), [(1000, "--depth-scale 0.001"), (100, "--depth-scale 0.01\n")])
def test_another_unit_is_refused_with_the_scale_that_mends_it(files, tmp_path, rendered, factor, remedy):
    np.save(tmp_path / "units.npy", factor * rendered[0])
    assert remedy in refusal(files | {"--depth": tmp_path / "units.npy"})
    scale = remedy.split()[1]
    found, _ = grasps(files | {"--depth": tmp_path / "units.npy", "--depth-scale": scale})
    expected, _ = grasps(files)
    poses = [np.array([grasp["camera_from_grasp"] for grasp in each]) for each in (found, expected)]
    np.testing.assert_allclose(*poses, atol=1e-4)


def test_a_ten_times_smaller_depth_is_warned_of_and_with_a_pose_refused(files, tmp_path, rendered):
    np.save(tmp_path / "small.npy", rendered[0] * np.float32(0.1))
    result = run(files | {"--depth": tmp_path / "small.npy"})
    assert "small.npy: what may be grasped is 0.0" in result.stderr
    files["--output"].unlink(missing_ok=True)
    (tmp_path / "pose.json").write_text(json.dumps(POSE.tolist()))
    line = refusal(files | {"--depth": tmp_path / "small.npy", "--camera-pose": tmp_path / "pose.json"})
    assert "is in another unit" in line


def test_a_camera_info_with_distortion_and_p_plans_what_the_camera_of_the_rectified_image_plans(files, tmp_path):
    info = {
        "image_width": 640, "image_height": 480, "distortion_model": "plumb_bob",
        "camera_matrix": {"rows": 3, "cols": 3, "data": [548.0, 0.0, 312.0, 0.0, 547.0, 244.0, 0.0, 0.0, 1.0]},
        "distortion_coefficients": {"rows": 1, "cols": 5, "data": [-0.084, 0.019, -0.0005, 0.002, 0.0]},
        "projection_matrix": {
            "rows": 3, "cols": 4, "data": [525.0, 0.0, 319.5, 0.0, 0.0, 525.0, 239.5, 0.0, 0.0, 0.0, 1.0, 0.0]
        },
    }  # fmt: skip
    (tmp_path / "info.yaml").write_text(yaml.safe_dump(info))
    assert grasps(files | {"--camera": tmp_path / "info.yaml"}) == grasps(files)
    info["projection_matrix"]["data"] = [0.0] * 12
    (tmp_path / "info.yaml").write_text(yaml.safe_dump(info))
    files["--output"].unlink()
    assert "info.yaml: the images are distorted (up to" in refusal(files | {"--camera": tmp_path / "info.yaml"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fx": 100.0, "fy": 100.0}, "a field of view of 145° x 135°"),
        ({"fx": 5000.0, "fy": 5000.0}, "a field of view of 7.32° x 5.5°"),
        ({"cx": 900.0}, "lies outside of the image"),
        ({"fy": 5000.0}, "times as wide as high"),
    ],
)
def test_intrinsics_that_see_nothing_are_named(files, tmp_path, changes, message):
    camera = {key: getattr(CAMERA, key) for key in CAMERA_KEYS} | changes
    (tmp_path / "odd.yaml").write_text(yaml.safe_dump(camera))
    result = run(files | {"--camera": tmp_path / "odd.yaml"})
    assert f"{tmp_path / 'odd.yaml'}: " in result.stderr
    assert message in result.stderr


def test_a_mask_with_a_colour_table_plans_what_the_grey_one_plans(files, tmp_path, rendered):
    Image.fromarray(rendered[1]).convert("RGB").quantize(2).save(tmp_path / "indexed.png")
    assert grasps(files | {"--segmask": tmp_path / "indexed.png"}) == grasps(files)


def test_the_masks_faults_are_told_of_the_masks_file(files, tmp_path, rendered):
    Image.fromarray(np.zeros((480, 640), np.uint8)).save(tmp_path / "black.png")
    np.savez(tmp_path / "two.npz", a=rendered[1], b=rendered[1])
    for name, message in (("black.png", "segmask is empty"), ("two.npz", "holds 2 arrays (a, b)")):
        line = refusal(files | {"--segmask": tmp_path / name})
        assert f"{tmp_path / name}: " in line
        assert message in line
        assert "depth.npy" not in line


def test_npz_files_plan_what_npy_files_plan(files, tmp_path, rendered):
    np.savez_compressed(tmp_path / "depth.npz", rendered[0])
    np.savez(tmp_path / "mask.npz", mask=rendered[1])
    named = {"--depth": tmp_path / "depth.npz", "--segmask": tmp_path / "mask.npz"}
    assert grasps(files | named) == grasps(files)


@pytest.mark.parametrize(
    ("mistake", "pose"),
    [
        ("camera_from_world", np.linalg.inv(POSE)),
        ("OpenGL's axes", POSE @ np.diag([1.0, -1.0, -1.0, 1.0])),
        ("millimetres", np.diag([1000.0, 1000.0, 1000.0, 1.0]) @ POSE @ np.diag([0.001, 0.001, 0.001, 1.0])),
    ],
)
def test_a_pose_in_another_convention_is_refused_by_name(files, tmp_path, mistake, pose):
    (tmp_path / "pose.json").write_text(json.dumps(pose.tolist()))
    line = refusal(files | {"--camera-pose": tmp_path / "pose.json"})
    assert "pose.json: the image contradicts the pose" in line
    assert mistake in line


def test_a_pose_beside_the_table_is_warned_of_in_the_plan_and_aloud(files, tmp_path):
    moved = POSE.copy()
    moved[2, 3] += 0.05
    (tmp_path / "pose.json").write_text(json.dumps(moved.tolist()))
    result = run(files | {"--camera-pose": tmp_path / "pose.json"})
    assert "pose.json: the image contradicts the pose: its table lies 0.05 m above z = 0" in result.stderr
    plan = json.loads(files["--output"].read_text())
    assert any("the image contradicts the pose" in warning for warning in plan["warnings"])


def test_a_bad_setting_is_told_of_the_override(files):
    result = CliRunner().invoke(
        main, ["plan", *(str(w) for o in files.items() for w in o), "--policy", "cross_entropy", "iterations=-1"]
    )
    assert result.exit_code == 2
    assert "override 'iterations=-1': iterations is -1" in result.stderr
    assert "cross_entropy.yaml" not in result.stderr


def test_called_in_python_the_same_is_refused_and_warned_of_by_argument(rendered):
    depth, mask = rendered
    hand = gn.load_gripper("yumi")
    wrong = POSE @ np.diag([1.0, -1.0, -1.0, 1.0])
    with pytest.raises(InputError, match="world_from_camera: the image contradicts the pose"):
        gn.plan(depth, CAMERA, hand, mask=mask, world_from_camera=wrong, policy="antipodal")
    odd = Camera(5000.0, 5000.0, 319.5, 239.5, 640, 480)
    warned = gn.plan(depth, odd, hand, mask=mask, policy="antipodal", min_quality=0.0).warnings
    assert warned[0].startswith("camera: fx = 5000")
