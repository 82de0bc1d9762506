"""run.json: what a later reader needs to repeat a run."""

import json
import subprocess
import time
from importlib.metadata import version

import pytest

from graspnet.run.record import machine, package_versions, write_json, write_run_record
from tests.places import ROOT


def test_a_run_record_tells_what_was_asked_and_with_what(tmp_path):
    write_run_record(tmp_path, "train", {"steps": 3}, seed=7, started=time.time() - 2.0, made={"examples": 50})
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["command"], record["config"], record["seed"]) == ("train", {"steps": 3}, 7)
    assert record["made"] == {"examples": 50}
    assert record["packages"]["numpy"] == version("numpy")
    assert record["seconds"] == pytest.approx(2.0, abs=1.0)
    assert record["started"].endswith("Z")
    assert record["machine"]["cores"] >= 1


def test_it_names_the_commit_that_ran(tmp_path):
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    write_run_record(tmp_path, "train", {}, seed=0, started=time.time(), made=None)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    git = json.loads((tmp_path / "run.json").read_text())["git"]
    assert git["commit"] == head
    assert git["clean"] in (True, False)


def test_json_that_cannot_be_written_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "plan.json"
    write_json(path, {"version": 1})
    with pytest.raises(TypeError):
        write_json(path, {"version": object()})
    assert json.loads(path.read_text()) == {"version": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]


def test_every_package_of_the_record_has_a_version():
    assert package_versions()["graspnet"] == version("graspnet")
    assert machine()["processor"]
