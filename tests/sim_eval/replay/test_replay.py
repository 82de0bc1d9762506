"""A replay is the trial that was recorded; what is not, is said; what cannot be replayed, too."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from graspnet.cli import main
from graspnet.config import load_config
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.run.engines import LocalEngine
from graspnet.sim_eval.analysis.finished_run import FinishedRun, read_run
from graspnet.sim_eval.episodes.draw import draw_episode
from graspnet.sim_eval.episodes.log import as_json
from graspnet.sim_eval.episodes.records import EpisodeResult
from graspnet.sim_eval.episodes.run import run_protocol
from graspnet.sim_eval.planners.choice import PlannerChoice
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.sim_eval.replay.replay import Replays, picks_of


def _replay(folder: Path, index: int, *more: str) -> Result:
    return CliRunner().invoke(main, ["simulate", "--replay", str(index), "--output", str(folder), *more])


def _edited(folder: Path, into: Path, **changes: object) -> Path:
    """The run with changes of its trial 1."""
    results = json.loads((folder / "results.json").read_text())
    results["episodes"][1].update(changes)
    into.mkdir()
    (into / "results.json").write_text(json.dumps(results))
    return into


def test_a_replay_is_as_recorded_and_leaves_what_was_seen_and_films(finished_run, tmp_path):
    shutil.copy(finished_run / "results.json", tmp_path)
    done = _replay(tmp_path, 1)
    assert done.exit_code == 0, done.output
    assert "as recorded" in done.output.splitlines()
    run, folder = read_run(tmp_path), tmp_path / "trial_00001"
    observation = draw_episode(run.config, run.seed, 1, RaycastRenderer()).observation
    np.testing.assert_array_equal(np.load(folder / "depth.npy"), observation.depth)
    assert {"camera.json", "gripper.json", "segmask.png"} <= {file.name for file in folder.iterdir()}
    for name in ("principal_axis", "antipodal"):
        assert Image.open(folder / f"{name}.webp").n_frames > 10
        assert Image.open(folder / f"{name}.png").width > 6 * 190


def test_what_is_not_as_recorded_is_said_and_status_1(finished_run, tmp_path):
    record = read_run(finished_run).records[1]
    results = {
        label: as_json(replace(result, attempts=(replace(result.attempts[0], rise=7.0),)))
        for label, result in record.results.items()
    }
    done = _replay(_edited(finished_run, tmp_path / "run", results=results), 1)
    assert done.exit_code == 1
    assert "results antipodal attempts 0 rise: recorded was 7.0, now it is" in done.output


@pytest.mark.parametrize("unit", ["trial", "round"])
def test_recorded_grasps_alone_make_the_same_picks_again(finished_run, unit):
    """The object is in the end where the record says: to the last bit, though nothing was planned."""
    if unit == "trial":
        run = read_run(finished_run)
    else:
        cuts = ("task.objects=2", "episodes=1", "task.settle_time=0.5")
        config = load_config(ProtocolConfig, "simulate", "vgn_packed", cuts)
        choices = (PlannerChoice("antipodal"),)
        run = FinishedRun(config, choices, 1, tuple(run_protocol(config, choices, 1, LocalEngine(1))))
    replays, executed = Replays(run), [pick for pick in picks_of(run) if pick.result.world_from_grasp]
    assert executed
    for pick in executed:
        again = replays(pick)
        rises = again.frames[-1].world_from_objects[:, 2, 3] - again.world_from_objects[:, 2, 3]
        assert pick.result.rise in rises


def test_a_refused_grasp_has_one_picture(finished_run):
    run = read_run(finished_run)
    pick = next(pick for pick in picks_of(run) if pick.result.world_from_grasp)
    deeper = np.array(pick.result.world_from_grasp)
    deeper[2, 3] -= 0.05
    pose = tuple(tuple(float(x) for x in row) for row in deeper)
    refused = EpisodeResult((replace(pick.result, world_from_grasp=pose, outcome="below_table"),), "failures")
    record = replace(run.records[pick.index], results={pick.planner: refused})
    again = Replays(replace(run, records=(record,)))(pick)
    assert [frame.phase for frame in again.frames] == ["refused"]
    np.testing.assert_array_equal(again.frames[0].world_from_grasp, deeper)


def test_what_cannot_be_replayed_is_one_line_and_status_2(finished_run, tmp_path):
    unstarted = _edited(finished_run, tmp_path / "unstarted", problem="lid.stl: not watertight")
    old = tmp_path / "old"
    old.mkdir()
    (old / "results.json").write_text('{"version": 1}')
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "results.json").write_text("[1, 2")
    for folder, index, message in (
        (finished_run, 6, "no trial 6; the run has trials 0 to 5"),
        (unstarted, 1, "trial 1 could not start: lid.stl: not watertight"),
        (tmp_path, 0, "holds no results.json"),
        (old, 0, "another version"),
        (broken, 0, "not the results of a run"),
    ):
        done = _replay(folder, index)
        assert done.exit_code == 2, done.output
        assert message in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_viewer_without_a_display_is_refused_before_anything_is_done(finished_run, tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    shutil.copy(finished_run / "results.json", tmp_path)
    done = _replay(tmp_path, 1, "--view")
    assert done.exit_code == 2
    assert "--view needs a display" in done.stderr
    assert not (tmp_path / "trial_00001").exists()
    alone = CliRunner().invoke(main, ["simulate", "--view", "--output", str(tmp_path / "out")])
    assert alone.exit_code == 2
    assert "--replay TRIAL" in alone.stderr
