"""The command line of `graspnet simulate`: who plans where nobody is named, and mistakes that cost one line."""

import errno
import os
from pathlib import Path

import pytest
import trimesh
from click.testing import CliRunner, Result

from graspnet.cli import main
from graspnet.sim_eval.analysis.finished_run import read_run

SMALL = ["--config", "quick", "--trials", "1", "--workers", "1", "--no-report"]
NOTHING = "sh -c 'exit 3' {output}"  # a planner that finds no grasp


def _simulate(output: Path | str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["simulate", *SMALL, "--output", str(output), *arguments])


def _planners(output: Path) -> list[str]:
    return [choice.label for choice in read_run(output).planners]


def test_an_outside_planner_plans_alone(tmp_path):
    assert _simulate(tmp_path, "--planner", NOTHING).exit_code == 0
    assert _planners(tmp_path) == [f"planner {NOTHING}"]


def test_where_nobody_is_named_a_heuristic_plans_and_in_clutter_one_that_knows_of_several_objects(tmp_path):
    assert _simulate(tmp_path / "single").exit_code == 0
    assert _planners(tmp_path / "single") == ["principal_axis"]
    pile = ["--config", "vgn_pile", "task.objects=1", 'objects.families=["box"]']
    assert _simulate(tmp_path / "pile", *pile).exit_code == 0
    assert _planners(tmp_path / "pile") == ["antipodal"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--planner", "x '{output}"], "No closing quotation"),
        (["--planner", "no_such_program {output}"], "there is no program 'no_such_program'"),
        (["--planner", NOTHING, "--planner-timeout", "nan"], "timeout is nan"),
        (["--policy", "oracel"], "did you mean 'oracle'? Valid: antipodal"),
        (["--policy", "antipodal", "--policy", "antipodal"], "each once"),
    ],
)
def test_a_mistake_in_who_plans_is_one_line_and_leaves_no_folder(tmp_path, arguments, says):
    done = _simulate(tmp_path / "out", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert says in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("file", r"file: is a file; --output names a folder"),
        ("file/below", r"file/below: cannot be made: Not a directory"),
        ("/proc/out", r"/proc/out: cannot be made"),
    ],
)
def test_an_output_that_cannot_be_a_folder_is_one_line(tmp_path, output, says):
    (tmp_path / "file").write_text("mine")
    done = _simulate(tmp_path / output)
    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert says in line
    assert (tmp_path / "file").read_text() == "mine"


def test_meshes_keep_their_size_and_one_file_stands_for_each_object(tmp_path):
    """A box of 60 x 40 x 20 mm in millimetres, in two formats; the protocol alone would scale it to the hand."""
    (tmp_path / "mine").mkdir()
    for suffix in ("obj", "stl"):
        trimesh.creation.box((60.0, 40.0, 20.0)).export(tmp_path / "mine" / f"box.{suffix}")
    mine = ["--planner", NOTHING, "--objects", str(tmp_path / "mine"), "objects.unit=0.001"]
    done = _simulate(tmp_path / "out", *mine)
    assert done.exit_code == 0, done.output
    assert "simulate: box.obj stands for 1 other file of the same object: box.stl" in done.stderr
    assert "objects are as large as their files say (objects.scaling=as_is)" in done.stdout
    (record,) = read_run(tmp_path / "out").records
    assert record.objects == ("box",)
    assert sorted(record.sizes[0]) == pytest.approx([0.02, 0.04, 0.06])


def test_meshes_of_which_none_can_be_used_are_refused_before_any_trial(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "nothing.stl").write_bytes(b"solid nothing")
    done = _simulate(tmp_path / "out", "--objects", str(tmp_path / "mine"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no object could be used; the first: " in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_one_line_that_says_what_is_kept(tmp_path, monkeypatch):
    def refuse(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    done = _simulate(tmp_path / "out", "--planner", NOTHING)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "records.jsonl: no space is left; what is finished is kept" in done.stderr


def test_a_replay_of_a_folder_with_variants_names_them(tmp_path):
    for name in ("base", "noisy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text("{}")
    done = _simulate(tmp_path, "--replay", "0")
    assert done.exit_code == 2
    assert f"holds no results.json, but base, noisy in it do; --output {tmp_path}/base is that run" in done.stderr
