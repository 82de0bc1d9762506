"""The command line of `graspnet simulate`: who plans where nobody is named, and mistakes that cost one line."""

import errno
import os
from pathlib import Path

import pytest
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
