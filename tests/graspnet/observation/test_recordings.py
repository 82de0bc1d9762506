"""Folders of BOP and TUM say the unit and the camera of their depth images; all others say nothing."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from graspnet.cli import main
from graspnet.errors import InputError
from graspnet.observation.recordings import recording_of

K = [525.0, 0.0, 319.5, 0.0, 525.0, 239.5, 0.0, 0.0, 1.0]


@pytest.fixture
def depth() -> np.ndarray:
    """A block on a table, metres."""
    image = np.full((480, 640), 0.7)
    image[225:250, 290:350] = 0.66
    return image


def written(folder, name, units):
    (folder / "depth").mkdir(parents=True, exist_ok=True)
    path = folder / "depth" / name
    Image.fromarray(np.round(units).astype(np.uint16)).save(path)
    return path


def test_a_bop_scene_says_unit_and_camera_of_each_image(tmp_path, depth):
    path = written(tmp_path, "000003.png", depth * 10_000)
    entry = {"cam_K": K, "depth_scale": 0.1}
    (tmp_path / "scene_camera.json").write_text(json.dumps({"0": {**entry, "depth_scale": 1.0}, "3": entry}))
    found = recording_of(path)
    assert found.depth_scale == pytest.approx(1e-4)
    assert (found.camera.fx, found.camera.cx, found.camera.width, found.camera.height) == (525.0, 319.5, 640, 480)
    done = CliRunner().invoke(main, ["plan", "--depth", str(path), "--output", str(tmp_path / "plan.json")])
    assert done.exit_code == 0, done.output
    assert "a BOP scene: its depth is in 0.1 mm (depth_scale)" in done.output
    best = json.loads((tmp_path / "plan.json").read_text())["grasps"][0]
    assert best["image"]["depth"] == pytest.approx(0.68, abs=0.03)


def test_a_tum_sequence_says_its_unit_and_needs_a_camera(tmp_path, depth):
    path = written(tmp_path, "1305031102.160407.png", depth * 5000)
    (tmp_path / "depth.txt").write_text("# depth maps\n1305031102.160407 depth/1305031102.160407.png\n")
    found = recording_of(path)
    assert (found.depth_scale, found.camera) == (1 / 5000, None)
    output = str(tmp_path / "plan.json")
    refused = CliRunner().invoke(main, ["plan", "--depth", str(path), "--output", output])
    assert refused.exit_code == 2
    assert "--camera is missing" in refused.output
    done = CliRunner().invoke(main, ["plan", "--depth", str(path), "--camera", "primesense", "--output", output])
    assert done.exit_code == 0, done.output
    assert "1/5000 m" in done.output


def test_other_folders_say_nothing(tmp_path, depth):
    assert recording_of(tmp_path / "depth.png") is None
    path = written(tmp_path, "1.png", depth * 1000)
    assert recording_of(path) is None
    (tmp_path / "depth.txt").write_text("notes of mine\n")
    assert recording_of(path) is None


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", '{"3": {"cam_K": [1, 2], "depth_scale": 1}}', '{"3": {"cam_K": null, "depth_scale": 1}}', "\xff"],
)
def test_a_damaged_scene_is_told_by_its_file(tmp_path, depth, content):
    path = written(tmp_path, "000003.png", depth * 1000)
    (tmp_path / "scene_camera.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=r"scene_camera\.json: has no entry for 000003\.png"):
        recording_of(path)


def test_an_impossible_unit_is_told(tmp_path, depth):
    path = written(tmp_path, "000003.png", depth * 1000)
    (tmp_path / "scene_camera.json").write_text(json.dumps({"3": {"cam_K": K, "depth_scale": 0.0}}))
    with pytest.raises(InputError, match="must be positive"):
        recording_of(path)
