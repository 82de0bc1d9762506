"""The sample that ships: what is in it, what a plan makes of it, and that its script made it."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner, Result
from PIL import Image

from graspnet.cli import main
from tests.places import ROOT

MESHES = ("bracket", "hammer", "mug")


@pytest.fixture
def folder(tmp_path) -> Path:
    done = write(tmp_path / "sample")
    assert done.exit_code == 0, done.output
    return tmp_path / "sample"


def write(folder: Path) -> Result:
    return CliRunner().invoke(main, ["sample", "--output", str(folder)])


def test_the_best_grasp_of_its_plan_is_on_an_object(folder):
    depth, camera, mask = (str(folder / name) for name in ("depth.png", "camera.yaml", "segmask.png"))
    given = ["--depth", depth, "--depth-scale", "0.001", "--camera", camera, "--segmask", mask, "--output", "-"]
    done = CliRunner().invoke(main, ["plan", *given])
    assert done.exit_code == 0, done.stderr
    best = json.loads(done.stdout)["grasps"][0]
    u, v = np.round(best["image"]["center"]).astype(int)
    near = np.asarray(Image.open(folder / "segmask.png"))[v - 3 : v + 4, u - 3 : u + 4]
    assert near.any()
    assert best["quality"] > 0.8  # it is an easy image


def test_depth_is_in_millimetres_and_the_mask_covers_three_separate_objects(folder):
    from scipy.ndimage import label

    depth = np.asarray(Image.open(folder / "depth.png"))
    mask = np.asarray(Image.open(folder / "segmask.png")) > 0
    assert depth.dtype == np.uint16
    assert 540 < np.median(depth[depth > 0]) < 570  # a bench 0.55 m away
    assert label(mask)[1] == 3
    assert np.median(depth[mask & (depth > 0)]) < np.median(depth[~mask & (depth > 0)]) - 15  # they stand on it


@pytest.mark.parametrize("name", MESHES)
def test_its_meshes_are_closed_and_in_millimetres(folder, name):
    mesh = trimesh.load_mesh(folder / "meshes" / f"{name}.stl")
    assert mesh.is_watertight
    assert 50 < mesh.extents.max() < 200


def test_it_is_small(folder):
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 300_000


def test_what_is_there_with_other_contents_is_left_alone(folder):
    assert write(folder).exit_code == 0  # the same contents are no loss
    (folder / "camera.yaml").write_text("mine")
    done = write(folder)
    assert done.exit_code == 2
    assert done.stderr == f"graspnet: {folder / 'camera.yaml'}: exists with other contents; choose another --output\n"
    assert (folder / "camera.yaml").read_text() == "mine"


def test_a_file_in_the_folders_place_is_one_line(tmp_path):
    (tmp_path / "sample").write_text("mine")
    done = write(tmp_path / "sample")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1


def test_its_script_makes_it_again(folder, tmp_path):
    script = runpy.run_path(str(ROOT / "docs" / "img" / "sample.py"))
    again = tmp_path / "again"
    (again / "meshes").mkdir(parents=True)
    script["main"](again)
    for name in MESHES:
        first, second = (trimesh.load_mesh(where / "meshes" / f"{name}.stl") for where in (folder, again))
        np.testing.assert_allclose(first.vertices, second.vertices, atol=1e-3)  # 1 µm
    before, after = (np.asarray(Image.open(where / "depth.png")).astype(int) for where in (folder, again))
    assert np.mean(np.abs(before - after) <= 1) > 0.999  # another processor may round a pixel differently
