"""Facts about `graspnet inspect`: what it says, what it writes, and that nothing broken passes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from graspnet.report.inspection.cli import inspect
from graspnet.report.inspection.page import write_page
from graspnet.report.inspection.summary import summarise
from tests.places import ROOT

from .conftest import write_dataset


def run(*arguments: object) -> Result:
    return CliRunner().invoke(inspect, [str(a) for a in arguments])


@pytest.fixture
def damaged(three, tmp_path) -> Path:
    shutil.copytree(str(three.folder), tmp_path / "data")
    path = tmp_path / "data" / "shards" / "00001"
    (path / "grasps.parquet").write_bytes((path / "grasps.parquet").read_bytes()[:-7])
    (path / "depth.zarr" / "zarr.json").unlink()
    return tmp_path / "data"


def test_it_counts_and_writes_a_page_that_needs_nothing_else(three, tmp_path):
    done = run(three.folder, "--output", tmp_path / "look", "--images", 2)
    assert done.exit_code == 0, done.output
    assert "3 objects, 6 images, 120 grasps" in done.stdout
    assert "positive (robust_centered_closure above 0.5, and free)" in done.stdout
    page = (tmp_path / "look" / "report.html").read_text()
    assert page.count("<img") == 4 + 2  # histograms, and the contact sheet
    assert "<h1>Dataset: data</h1>" in page
    assert "holds 120 grasps with their labels, in 6 depth images" in page
    assert "Every file has the checksum with which it was written" in page
    assert "://" not in page
    assert json.loads((tmp_path / "look" / "run.json").read_text())["command"] == "inspect"


def test_every_broken_file_is_named_and_the_status_is_2(damaged, tmp_path):
    done = run(damaged, "--output", tmp_path / "look", "--images", 1)
    assert done.exit_code == 2
    broken = [line for line in done.stderr.splitlines() if "shards/" in line]
    assert len(broken) == 2
    assert "00001/depth.zarr/zarr.json: missing" in broken[0]
    assert "00001/grasps.parquet: truncated or changed" in broken[1]
    assert "2 objects" in done.stdout
    page = (tmp_path / "look" / "report.html").read_text()
    assert "2 problems were found: see “What is broken”" in page
    assert "truncated or changed" in page


def test_a_dataset_behind_a_url_is_read_like_a_folder(tmp_path):
    write_dataset(f"memory://{tmp_path}/data", "objects.count=1", "views=1")
    assert "1 objects, 1 images, 20 grasps" in run(f"memory://{tmp_path}/data").stdout


def test_the_same_seed_shows_the_same_images(three, tmp_path):
    for name in "ab":
        write_page(tmp_path / name, three, summarise(three), 1, np.random.default_rng(2))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_model_says_what_it_is_and_how_good_and_one_that_ships_goes_by_its_name(tmp_path):
    weights = ROOT / "graspnet" / "weights" / "parallel_jaw"
    done, named = run(weights), run("parallel_jaw", "--output", tmp_path / "look")
    assert done.exit_code == named.exit_code == 0, done.output
    assert named.stdout.startswith(done.stdout)
    record = json.loads((weights / "model.json").read_text())
    for text in ("temperature", f"{record['parameters']:,} weights", record["metric"]):
        assert text in done.stdout
    page = (tmp_path / "look" / "report.html").read_text()
    assert "<h1>Model: parallel_jaw</h1>" in page
    assert f"its average precision is {record['details']['evaluation']['average_precision']:.3f}" in page
    assert json.loads((tmp_path / "look" / "run.json").read_text())["config"] == {"source": "parallel_jaw"}


def test_a_model_without_details_is_told_as_far_as_it_goes(tmp_path):
    (tmp_path / "model.json").write_text(json.dumps({"network": "mine", "metric": "m", "threshold": 0.5, "details": 3}))
    done = run(tmp_path)
    assert done.exit_code == 0, done.output
    assert "is a mine network" in done.stdout
    assert "How good it is" not in done.stdout


def test_a_plan_becomes_sentences_and_a_table(tmp_path):
    image = {"center": [312.4, 240.1], "angle": np.pi / 6, "depth": 0.668}
    pose = np.eye(4).tolist()
    grasp = {"kind": "parallel_jaw", "quality": 0.97, "width": 0.043, "image": image, "camera_from_grasp": pose}
    plan = {"version": 1, "grasps": [grasp], "policy": "mine", "gripper": "yumi", "warnings": ["Do not <move>."]}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    done = run(tmp_path / "plan.json", "--output", tmp_path / "look")
    lines = done.stdout.splitlines()
    assert lines[0] == "1 grasp, best first. They were planned by mine, for the hand yumi."
    assert "The best has quality 0.970. It lies at pixel (312.4, 240.1), at a depth of 0.668 m" in lines[1]
    assert "turned by 30°" in lines[1]
    assert lines[2] == "Warning: Do not <move>."
    assert ["0.970", "312.4", "240.1", "0.524", "0.6680", "0.0430"] in [line.split() for line in lines]
    page = (tmp_path / "look" / "report.html").read_text()
    assert "<h1>Plan: plan.json</h1>" in page
    assert "Do not &lt;move&gt;." in page


def test_a_plan_without_a_grasp_says_why_and_one_with_half_a_grasp_is_refused(tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps({"version": 1, "grasps": [], "reason": "no object"}))
    assert run(tmp_path / "plan.json").stdout == "no grasp: no object\n"
    (tmp_path / "plan.json").write_text(json.dumps({"version": 1, "grasps": [{"quality": 0.5}]}))
    assert "camera_from_grasp is missing" in str(run(tmp_path / "plan.json").exception)


def grasp_in_file(**changes):
    pose = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0.6], [0, 0, 0, 1]]
    image = {"center": [320.0, 240.0], "angle": 0.0, "depth": 0.6}
    return {"quality": 0.5, "camera_from_grasp": pose, "width": 0.05, "image": image} | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quality": 7.0}, "quality must lie in"),
        ({"quality": float("nan")}, "quality must be one number, and finite"),
        ({"camera_from_grasp": [[1]]}, "camera_from_grasp must be"),
        ({"camera_from_grasp": [[1, 0, 0, 1e9], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}, "expected metres"),
        ({"camera_from_grasp": [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}, "rigid"),
        ({"width": "wide"}, "width is missing or not made of numbers"),
    ],
)  # fmt: skip
def test_a_plan_is_held_to_what_the_simulator_asks_of_it(tmp_path, changes, message):
    (tmp_path / "plan.json").write_text(json.dumps({"version": 1, "grasps": [grasp_in_file(**changes)]}))
    assert message in str(run(tmp_path / "plan.json").exception)


def test_the_best_grasp_of_a_plan_is_named_wherever_it_stands(tmp_path):
    grasps = [grasp_in_file(), grasp_in_file(quality=0.9)]
    (tmp_path / "plan.json").write_text(json.dumps({"version": 1, "grasps": grasps}))
    assert "The best has quality 0.900" in run(tmp_path / "plan.json").stdout
