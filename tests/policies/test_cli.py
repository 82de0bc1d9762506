"""Facts about `graspnet plan`: its files, its exit statuses, and one clear line for each kind of bad input."""

import json
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

import graspnet as gn
from graspnet import plan_picture
from graspnet.camera import load_camera, save_camera
from graspnet.cli import main
from graspnet.drawing import quality_colors
from graspnet.grippers.gripper import load_gripper
from graspnet.inputs.camera_pose import read_camera_pose
from graspnet.inputs.mask_image import read_mask
from graspnet.models import NETWORKS
from graspnet.models.checkpoint import Checkpoint, save_checkpoint
from graspnet.policies.cli import read_workspace
from graspnet.policies.registry import policy_names
from graspnet.transforms import is_rigid

BLOCK = ((0.12, 0.03, 0.04), (0.02, -0.03), 0.5)


@pytest.fixture
def scene(tmp_path, box_scene) -> dict[str, str]:
    """Files of a block on a table, as command-line options; and the observation that they hold."""
    observation = box_scene(BLOCK, tilt=0.2, known_pose=True)
    np.save(tmp_path / "depth.npy", observation.depth)
    save_camera(observation.camera, tmp_path / "camera.json")
    Image.fromarray(observation.segmask).save(tmp_path / "mask.png")
    (tmp_path / "pose.json").write_text(json.dumps(observation.world_from_camera.tolist()))
    return {
        "--depth": str(tmp_path / "depth.npy"), "--camera": str(tmp_path / "camera.json"),
        "--segmask": str(tmp_path / "mask.png"), "--policy": "antipodal", "--output": str(tmp_path / "plan.json"),
    }  # fmt: skip


def plan(options: dict[str, str], *overrides: str) -> Result:
    arguments = [text for option in options.items() for text in option]
    return CliRunner().invoke(main, ["plan", *arguments, *overrides])


def test_the_plan_and_its_picture_are_written(scene, tmp_path):
    result = plan(scene | {"--image": str(tmp_path / "plan.png"), "--seed": "3"})
    assert result.exit_code == 0, result.output
    data = json.loads((tmp_path / "plan.json").read_text())
    assert len(data["grasps"]) == 16
    assert (data["version"], data["policy"], data["seed"], data["gripper"]) == (1, "antipodal", 3, "yumi")
    assert set(data["seconds"]) == {"load", "sample", "evaluate", "total"}
    assert is_rigid(np.array([grasp["camera_from_grasp"] for grasp in data["grasps"]]))
    assert Image.open(tmp_path / "plan.png").size[0] > 600


def test_a_model_for_a_policy_that_ranks_without_one_is_refused(scene):
    result = plan(scene | {"--policy": "principal_axis", "--model": "nobody"})
    assert result.exit_code == 2
    assert "--model nobody: the policy principal_axis ranks grasps without one; leave it out" in result.stderr


def test_a_heuristic_for_one_object_says_so_where_there_are_two_and_it_grasps_between_them(scene, box_scene, tmp_path):
    two = box_scene(((0.03, 0.03, 0.05), (-0.05, 0.0), 0.0), ((0.03, 0.03, 0.05), (0.05, 0.0), 0.0))
    np.save(tmp_path / "depth.npy", two.depth)
    del scene["--segmask"]
    result = plan(scene | {"--policy": "principal_axis"})
    assert result.exit_code == 3
    assert "it takes all that may be grasped for one object: name one by --region" in result.stderr


def test_a_dash_prints_the_plan_and_nothing_else_on_standard_output(scene):
    result = plan(scene | {"--output": "-"}, "grasps=2")
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)["grasps"]) == 2
    assert result.stderr.startswith("2 grasps in")


def test_a_plan_explains_what_was_refused_and_draws_where(scene, tmp_path):
    pictures = {name: tmp_path / f"{name}.png" for name in ("short", "long")}
    short = plan(scene | {"--image": str(pictures["short"])})
    long = plan(scene | {"--image": str(pictures["long"])}, "--explain")
    refused = json.loads((tmp_path / "plan.json").read_text())["refused"]
    assert "candidates that were refused" not in short.stderr
    lines = long.stderr.split("candidates that were refused:\n")[1].splitlines()
    assert {line.split("  ", 1)[1]: int(line.split("  ", 1)[0]) for line in lines} == refused
    assert Image.open(pictures["long"]).size[0] > 1.3 * Image.open(pictures["short"]).size[0]


def test_what_a_search_judged_is_drawn_below(scene, tmp_path):
    picture = tmp_path / "judged.png"
    search = {"--policy": "cross_entropy", "--image": str(picture)}
    result = plan(scene | search, "iterations=1", "--explain")
    assert result.exit_code == 0, result.stderr
    width, height = Image.open(picture).size
    assert 0.9 < height / width < 1.1  # two rows of two pictures, and the strip of crops


def test_the_strip_has_the_relief_around_the_best_as_networks_see_it(box_scene, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plan_picture, "save_picture", lambda figure, path: drawn.append(figure))
    scene = box_scene(BLOCK)
    planned = gn.load_policy("ranking").plan(scene, np.random.default_rng(0))
    planned.draw(tmp_path / "plan.png", explain=True)
    strip = [axes for axes in drawn[0].axes if re.fullmatch(r"Number \d: \d\.\d\d", axes.get_title())]
    assert len(strip) == min(5, len(planned))
    crops = gn.crop(scene, planned.grasps_in_camera).images.numpy()
    for axes, (heights, measured) in zip(strip, crops, strict=False):
        shown = np.ma.filled(axes.images[0].get_array().astype(float), np.nan)
        seen = (measured > 0) & np.isfinite(shown)
        assert seen.mean() > 0.5
        assert np.corrcoef(shown[seen], heights[seen])[0, 1] < -0.99  # drawn as a depth: what is higher is nearer


@pytest.mark.parametrize("policy", ["ranking", "dense"])
def test_every_grasp_that_was_judged_has_a_dot_and_the_best_lie_on_top(policy, box_scene, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plan_picture, "save_picture", lambda figure, path: drawn.append(figure))
    planned = gn.load_policy(policy).plan(box_scene(BLOCK), np.random.default_rng(0))
    planned.draw(tmp_path / "plan.png", explain=True)
    (dots,) = drawn[0].axes[3].collections
    qualities = np.sort(np.concatenate([each for _, each in planned.generations]))
    assert len(dots.get_offsets()) == len(qualities)
    np.testing.assert_allclose(dots.get_facecolor(), quality_colors(qualities))


def test_a_region_and_an_arm_narrow_the_plan(scene, tmp_path):
    result = plan(scene | {"--region": "0,0,325,479", "--output": "-"})
    assert result.exit_code == 0
    assert all(grasp["camera_from_grasp"][0][3] < 0.02 for grasp in json.loads(result.stdout)["grasps"])
    nothing = plan(scene | {"--feasible": f"{__name__}:nowhere"})
    assert nothing.exit_code == 3
    assert "out of the arm's reach (" in nothing.stderr


def nowhere(poses: np.ndarray) -> np.ndarray:
    return np.zeros(len(poses), dtype=bool)


def test_the_plan_is_that_of_the_policy_called_in_python(scene, box_scene):
    from graspnet.policies.registry import make_policy

    result = plan(scene | {"--output": "-", "--seed": "5"})
    expected = make_policy("antipodal").plan(box_scene(BLOCK, tilt=0.2), np.random.default_rng(5))
    poses = np.array([grasp["camera_from_grasp"] for grasp in json.loads(result.stdout)["grasps"]])
    np.testing.assert_array_equal(poses, expected.grasps_in_camera.poses)


def test_a_model_in_a_folder_ranks_the_grasps(scene, tmp_path):
    network = NETWORKS["compact"](torch.Generator().manual_seed(0)).eval()
    checkpoint = Checkpoint(network=network, name="compact", gripper_name="yumi", metric="none", threshold=0.5)
    save_checkpoint(checkpoint, tmp_path / "model")
    small = ("initial_samples=32", "samples=16", "iterations=1")
    options = scene | {"--policy": "cross_entropy", "--model": str(tmp_path / "model"), "--output": "-"}
    one, two = plan(options, *small), plan(options, *small)
    assert one.exit_code == 0, one.stderr
    first, second = json.loads(one.stdout), json.loads(two.stdout)
    qualities = [grasp["quality"] for grasp in first["grasps"]]
    assert qualities == sorted(qualities, reverse=True)
    assert first["grasps"] == second["grasps"]
    assert first["model"] == str(tmp_path / "model")


def test_what_a_network_was_not_trained_for_is_a_warning_in_the_plan_and_on_standard_error(scene, tmp_path):
    network = NETWORKS["compact"](torch.Generator().manual_seed(0)).eval()
    details = {"camera": {"distance": [0.2, 0.4], "focal_length_px": [400.0, 1000.0]}}
    checkpoint = Checkpoint(network, "compact", "yumi", metric="none", threshold=0.5, details=details)
    save_checkpoint(checkpoint, tmp_path / "model")
    options = scene | {"--policy": "ranking", "--model": str(tmp_path / "model"), "--output": "-"}
    result = plan(options, "samples=32")
    (told,) = json.loads(result.stdout)["warnings"]
    assert told.startswith("the object is 0.6")  # the block's top is 4 cm nearer than the table, which is at 0.7 m
    assert told.endswith(" m from the camera; the network was trained from 0.20 to 0.40 m")
    assert f"warning: {told}\n" in result.stderr
    assert "warnings" not in json.loads(plan(scene | {"--output": "-"}).stdout)  # random grasps have no network


def test_millimetres_in_a_png_and_metres_in_npy_give_nearly_the_same_depths(scene, tmp_path):
    millimetres = np.rint(1000 * np.load(scene["--depth"])).astype(np.uint16)
    Image.fromarray(millimetres).save(tmp_path / "depth.png")
    result = plan(scene | {"--depth": str(tmp_path / "depth.png"), "--depth-scale": "0.001", "--output": "-"})
    assert result.exit_code == 0, result.stderr
    depths = [grasp["image"]["depth"] for grasp in json.loads(result.stdout)["grasps"]]
    assert 0.6 < min(depths) < max(depths) < 0.75


def test_with_the_cameras_pose_grasps_are_told_in_the_world(scene, tmp_path):
    result = plan(scene | {"--camera-pose": str(tmp_path / "pose.json"), "--output": "-"})
    assert result.exit_code == 0, result.stderr
    grasp = json.loads(result.stdout)["grasps"][0]
    origin = np.array(grasp["world_from_grasp"])[:3, 3]
    assert np.linalg.norm(origin[:2] - [0.02, -0.03]) < 0.07  # on the block
    assert 0.01 < origin[2] < 0.04
    assert np.array(grasp["pregrasp"])[2, 3] == pytest.approx(origin[2] + 0.1, abs=1e-6)


def test_camera_poses_are_read_from_json_yaml_and_autolabs_tf(tmp_path):
    turned = [[0.0, -1.0, 0.0, 0.1], [-1.0, 0.0, 0.0, 0.2], [0.0, 0.0, -1.0, 0.8], [0.0, 0.0, 0.0, 1.0]]
    (tmp_path / "a.json").write_text(json.dumps(turned))
    (tmp_path / "b.yaml").write_text(f"world_from_camera: {turned}\n")
    (tmp_path / "c.tf").write_text("camera\nworld\n0.1 0.2 0.8\n0 -1 0\n-1 0 0\n0 0 -1\n")
    for name in ("a.json", "b.yaml", "c.tf"):
        np.testing.assert_array_equal(read_camera_pose(tmp_path / name), turned)


def test_no_grasp_is_an_answer_with_a_reason_and_status_3(scene, tmp_path):
    bare = np.full((480, 640), 0.7, dtype=np.float32)
    np.save(tmp_path / "bare.npy", bare)
    options = scene | {"--depth": str(tmp_path / "bare.npy"), "--image": str(tmp_path / "plan.png")}
    del options["--segmask"]
    result = plan(options)
    assert result.exit_code == 3
    data = json.loads((tmp_path / "plan.json").read_text())
    assert data["grasps"] == []
    assert data["reason"] == "no object: nothing rises above the table"
    assert result.stderr == f"no grasp: {data['reason']}\n"
    assert (tmp_path / "plan.png").is_file()


def saved(path: Path, array: np.ndarray) -> str:
    np.save(path, array)
    return str(path)


DEPTH = np.full((480, 640), 0.7, dtype=np.float32)
BAD_DEPTHS = {
    "nan": (np.full_like(DEPTH, np.nan), "depth image is empty: every pixel is 0 or NaN"),
    "zero": (np.zeros_like(DEPTH), "depth image is empty"),
    "integers": (np.full(DEPTH.shape, 700, dtype=np.uint16), "Millimetres\\? --depth-scale 0.001"),
    "millimetres": (700 * DEPTH / 0.7, "expected metres below 10. Millimetres\\? --depth-scale 0.001"),
    "small": (DEPTH[:240], "depth image is 640x240; the camera says 640x480"),
    "empty": (np.zeros((0, 0), dtype=np.float32), "\\(height, width\\)"),
    "stack": (np.stack([DEPTH, DEPTH]), "\\(height, width\\)"),
}


def assert_refused(result: Result, message: str) -> None:
    import re

    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert re.search(message, result.stderr), result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("kind", sorted(BAD_DEPTHS))
def test_a_bad_depth_image_is_refused_in_one_line(scene, tmp_path, kind):
    depth, message = BAD_DEPTHS[kind]
    del scene["--segmask"]
    result = plan(scene | {"--depth": saved(tmp_path / "bad.npy", depth)})
    assert_refused(result, message)
    assert "bad.npy" in result.stderr
    assert not (tmp_path / "plan.json").exists()


def test_other_bad_input_is_refused_in_one_line(scene, tmp_path):
    (tmp_path / "short.yaml").write_text("fx: 500\nfy: 500\ncx: 320\ncy: 240\nwidth: 640\n")
    hand = {"kind": "parallel_jaw"} | asdict(load_gripper("yumi")) | {"palm": [0.04, 0.07, 0.06]}
    (tmp_path / "closed.json").write_text(json.dumps(hand | {"max_width": 0}))
    (tmp_path / "inverted.json").write_text(json.dumps(hand | {"max_width": -0.05}))
    (tmp_path / "hand.yaml").write_text("kind: parallel_jaw\nmax_width: 0.05\n")
    (tmp_path / "pose.yaml").write_text("[[1, 0], [0, 1]]")
    (tmp_path / "noise.tf").write_text("camera\nworld\nnot numbers\n")
    (tmp_path / "skewed.yaml").write_text("[[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]")
    Image.fromarray(np.zeros((480, 640), dtype=np.uint8)).save(tmp_path / "black.png")
    cases = [
        ({"--depth": str(tmp_path / "absent.npy")}, "absent.npy: no such file"),
        ({"--depth-scale": "-1"}, "--depth-scale is -1.0; it must be positive"),
        ({"--camera": str(tmp_path / "short.yaml")}, "missing key 'height'"),
        ({"--camera": "primesens"}, "did you mean 'primesense'"),
        ({"--gripper": str(tmp_path / "closed.json")}, "closed.json: max_width is 0.*; it must be positive"),
        ({"--gripper": str(tmp_path / "inverted.json")}, "inverted.json: max_width is -0.05; it must be positive"),
        ({"--gripper": str(tmp_path / "hand.yaml")}, "hand.yaml: missing key"),
        ({"--gripper": "yummy"}, "did you mean 'yumi'"),
        ({"--segmask": str(tmp_path / "black.png")}, "segmask is empty"),
        ({"--camera-pose": str(tmp_path / "pose.yaml")}, "shape \\(2, 2\\)"),
        ({"--camera-pose": str(tmp_path / "noise.tf")}, "no camera pose; expected world_from_camera"),
        ({"--camera-pose": str(tmp_path / "skewed.yaml")}, "must be a rigid transform"),
        ({"--camera-pose": str(tmp_path / "none.tf")}, "none.tf: no such file"),
        ({"--policy": "rank"}, "unknown policy 'rank'"),
        ({"--policy": "ranking", "--model": str(tmp_path / "nowhere")}, "no such folder"),
        ({"--config": "quikc"}, "unknown policy preset 'quikc'"),
        ({"--output": str(tmp_path / "nowhere" / "plan.json")}, "the folder .* does not exist"),
        ({"--output": str(tmp_path)}, "is a folder"),
    ]
    for change, message in cases:
        assert_refused(plan(scene | change), message)
    assert_refused(plan(scene, "sample=3"), "did you mean 'samples'")


def test_a_missing_option_is_a_usage_error(scene):
    del scene["--camera"]
    result = plan(scene)
    assert result.exit_code == 2
    assert "--camera" in result.stderr


def in_a_fresh_process(options: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """As a user runs it: without pytest's checks of shapes."""
    arguments = [text for option in options.items() for text in option]
    command = [sys.executable, "-c", "from graspnet.cli import main; main()", "plan", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_a_fresh_process_makes_the_same_plan(scene):
    done = in_a_fresh_process(scene | {"--output": "-"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["grasps"] == json.loads(plan(scene | {"--output": "-"}).stdout)["grasps"]


def test_a_mask_of_another_size_is_refused_in_one_line(scene, tmp_path):
    Image.fromarray(np.full((240, 320), 255, dtype=np.uint8)).save(tmp_path / "half.png")
    done = in_a_fresh_process(scene | {"--segmask": str(tmp_path / "half.png")})
    assert done.returncode == 2
    assert "half.png: segmask is 320x240" in done.stderr
    assert "the depth image is 640x480" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("folder", "index"),
    [
        *(("single_primesense", index) for index in range(5)),
        *((f"clutter_{camera}", index) for camera in ("primesense", "phoxi") for index in range(2)),
    ],
)
def test_on_real_images_the_shipped_network_grasps_an_object(shared_data, tmp_path, folder, index):
    """The best grasp's jaws straddle what the mask marks: some of it lies between them, none under the fingers."""
    real, kind = shared_data / "real_depth", folder.partition("_")[2]
    files = {
        "--depth": str(real / folder / f"depth_{index}.npy"), "--camera": str(real / "calib" / kind / f"{kind}.intr"),
        "--segmask": str(real / folder / f"segmask_{index}.png"), "--gripper": "yumi",
    }  # fmt: skip
    result = plan(files | {"--output": str(tmp_path / "plan.json")})
    assert result.exit_code == 0, result.stderr
    best = json.loads((tmp_path / "plan.json").read_text())["grasps"][0]
    camera, mask = load_camera(files["--camera"]), read_mask(Path(files["--segmask"]))
    pose, width = np.array(best["camera_from_grasp"]), best["width"]
    offset = np.linspace(-0.5, 0.5, 41)[:, None] * width * pose[:3, 1]
    u, v = np.rint(camera.project(pose[:3, 3] + offset)).astype(int).T
    between = mask[v, u]
    assert between[8:33].any()
    if folder.startswith("single"):  # in a heap, the fingers go down beside one object and above another
        assert not between[[0, -1]].any()


def test_a_workspace_is_six_numbers_or_a_file(tmp_path):
    wanted = [[-0.1, 0.0, 0.5], [0.2, 0.3, 0.9]]
    np.testing.assert_array_equal(read_workspace("-0.1,0.2,0,0.3,0.5,0.9"), wanted)
    for name, text in (
        ("w.yaml", "x: [-0.1, 0.2]\ny: [0, 0.3]\nz: [0.5, 0.9]\n"),
        ("w.json", json.dumps({"x": [-0.1, 0.2], "y": [0, 0.3], "z": [0.5, 0.9]})),
    ):
        (tmp_path / name).write_text(text)
        np.testing.assert_array_equal(read_workspace(str(tmp_path / name)), wanted)


@pytest.mark.parametrize(
    ("workspace", "message"),
    [
        ("0,1,0,1", "expected x0,x1,y0,y1,z0,z1 in metres"),
        ("0,1,0,1,0,deep", "expected x0,x1,y0,y1,z0,z1 in metres"),
        ("1,0,0,1,0,1", "the second number must be larger than the first"),
        ("0,1,0,1,0,nan", "the second number must be larger than the first"),
        ("absent.yaml", "no such file"),
        ("bad.yaml", "no box"),
        ("list.yaml", "no box"),
    ],
)
def test_what_is_no_workspace_is_one_line(scene, tmp_path, workspace, message):
    (tmp_path / "bad.yaml").write_text("x: [0, 1]\ny: [0, 1]\n")
    (tmp_path / "list.yaml").write_text("- 1\n- 2\n")
    source = str(tmp_path / workspace) if workspace.endswith("yaml") else workspace
    result = plan(scene | {"--workspace": source})
    assert result.exit_code == 2
    assert re.search(rf"--workspace .*{message}", result.stderr)
    assert "\n" not in result.stderr.strip()


def test_limits_that_leave_nothing_are_an_answer_that_names_them(scene):
    result = plan(scene | {"--workspace": "5,6,5,6,5,6"})
    assert result.exit_code == 3
    assert "no depth was measured under the segmask within the workspace" in result.stderr
    result = plan(scene | {"--max-height": "0.000001"})
    assert result.exit_code == 3
    assert "higher above the table than max_height (1e-06 m)" in result.stderr
    assert plan(scene | {"--max-height": "0.1", "--workspace": "-1,1,-1,1,0.1,2"}).exit_code == 0


def test_another_kind_of_picture_is_refused_before_anything_is_written(scene, tmp_path):
    result = plan(scene | {"--image": str(tmp_path / "plan.gif")})
    assert result.exit_code == 2
    assert "plan.gif: a picture's name must end in .png, .jpg, .jpeg" in result.stderr
    assert not (tmp_path / "plan.json").exists()


def test_the_help_names_every_policy():
    said = " ".join(CliRunner().invoke(main, ["plan", "--help"]).output.split())
    assert all(name in said for name in policy_names())


def test_a_random_grasp_has_no_quality_to_print(scene):
    result = plan(scene | {"--output": "-"})
    assert result.stderr.strip().endswith("antipodal predicts no quality")
    assert {grasp["quality"] for grasp in json.loads(result.stdout)["grasps"]} == {None}
