"""Files of version 2, as graspnet wrote them at commit 3ff9c5d: read, summed up, replayed and shown as ever."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from graspnet.cli import main
from graspnet.config import load_config, parse_config
from graspnet.data_gen.objects.object_source import ObjectConfig
from graspnet.data_gen.scenes.scenes import CameraConfig
from graspnet.errors import InputError
from graspnet.sim_eval.analysis.finished_run import read_run
from graspnet.sim_eval.analysis.results import summarise
from graspnet.sim_eval.analysis.version_2 import from_version_2
from graspnet.sim_eval.pages.report import write_simulation_report
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.sim_eval.protocols.tasks import BinConfig, FusionConfig, PackedConfig, PileConfig, SingleConfig
from graspnet.sim_eval.replay.replay import Replays, picks_of

FILES = Path(__file__).parent / "version_2"


def stored(kind: str) -> dict[str, Any]:
    return json.loads((FILES / kind / "results.json").read_text())


def test_a_single_protocol_is_read_with_its_settings():
    objects = ObjectConfig(count=3, families=("box", "ring", "mug"))
    assert read_run(FILES / "single").config == ProtocolConfig(
        episodes=2, objects=objects, task=SingleConfig(shift=0.002)
    )


def test_a_protocol_of_clutter_is_read_with_its_settings():
    overrides = ("episodes=1", "task.objects=3", "task.failures=2")
    assert read_run(FILES / "bin").config == load_config(ProtocolConfig, "simulate", "bin", overrides)


@pytest.mark.parametrize("kind", ["pile", "packed"])
def test_what_meant_nothing_to_a_kind_is_left_behind(kind):
    data = stored("bin")
    data["protocol"]["clutter"] |= {"kind": kind, "side": 0.25, "spread": 0.06, "places": 7, "fusion": {"views": 3}}
    data["protocol"]["trial"] |= {"sensor": "ideal"}
    task = parse_config(ProtocolConfig, from_version_2(data)["protocol"], "here").task
    shared = {"objects": 3, "scale": (0.6, 1.4), "failures": 2, "ends_without_plan": False, "side": 0.25}
    fusion = FusionConfig(views=3)
    if kind == "pile":
        assert task == PileConfig(**shared, fusion=fusion, drop=BinConfig().drop)
    else:
        assert task == PackedConfig(**shared, fusion=fusion, spread=0.06, places=7)


def test_a_trial_becomes_an_episode_of_one_attempt():
    for record, old in zip(read_run(FILES / "single").records, stored("single")["trials"], strict=True):
        assert (record.index, record.objects, record.plan_seed) == (old["index"], (old["object"],), old["plan_seed"])
        assert (list(record.sizes[0]), record.masses) == (old["size"], (old["mass"],))
        assert record.fits[0].far_share == old["fit"]["far_share"]
        result, recorded = record.results["antipodal"], old["results"]["antipodal"]
        (attempt,) = result.attempts
        for name in ("outcome", "quality", "rise", "pushed", "peak_force", "width", "seconds"):
            assert getattr(attempt, name) == recorded[name]
        assert [list(row) for row in attempt.world_from_grasp] == recorded["world_from_grasp"]
        ended, held = {"success": ("cleared", 0), "missed": ("failures", -1)}[attempt.outcome]
        assert (result.ended, attempt.held) == (ended, held)


def test_a_round_keeps_its_attempts():
    (record,), (old,) = read_run(FILES / "bin").records, stored("bin")["rounds"]
    result, recorded = record.results["antipodal"], old["results"]["antipodal"]
    assert result.ended == recorded["ended"]
    assert [a.outcome for a in result.attempts] == [a["result"]["outcome"] for a in recorded["attempts"]]
    assert [a.held for a in result.attempts] == [a["which"] for a in recorded["attempts"]]
    assert [(a.objects, a.lost) for a in result.attempts] == [(a["objects"], a["lost"]) for a in recorded["attempts"]]
    for attempt in recorded["attempts"]:
        del attempt["which"]  # as older ones: what was held is named only
    data = stored("bin") | {"rounds": [old]}
    again = from_version_2(data)["episodes"][0]["results"]["antipodal"]["attempts"]
    assert [a["held"] for a in again] == [a.held for a in result.attempts]


def test_what_could_not_start_is_read():
    for kind, unit in (("single", "trials"), ("bin", "rounds")):
        data = stored(kind)
        data[unit].append({"index": 7, "problem": "lid.stl: open"})
        assert from_version_2(data)["episodes"][-1] == {"index": 7, "problem": "lid.stl: open"}


@pytest.mark.parametrize("kind", ["single", "bin"])
def test_its_figures_are_as_they_were(kind):
    run, (old,) = read_run(FILES / kind), stored(kind)["policies"]
    (summary,) = summarise(run.config, run.records)
    same = old.keys() & vars(summary).keys() - {"shares_of_ceilings"}
    assert {"policy", "successes", "rate", "low", "high", "outcomes", "planning_seconds"} <= same
    for name in same:
        assert getattr(summary, name) == pytest.approx(old[name], nan_ok=True) or old[name] is None
    assert summary.episodes == old["trials" if kind == "single" else "rounds"]


@pytest.mark.parametrize(("kind", "index"), [("single", 0), ("single", 1), ("bin", 0)])
def test_its_episodes_are_replayed(kind, index, tmp_path):
    """Planners may have changed since: then what they do now is told apart from what is recorded (status 1)."""
    shutil.copy(FILES / kind / "results.json", tmp_path)
    done = CliRunner().invoke(main, ["simulate", "--replay", str(index), "--output", str(tmp_path)])
    assert done.exit_code in (0, 1), done.output
    changes = [line for line in done.output.splitlines() if "recorded was" in line]
    assert all(line.startswith("  results antipodal ") for line in changes), changes
    unit = {"single": "trial", "bin": "round"}[kind]
    folder = tmp_path / f"{unit}_{index:05d}"
    assert list(folder.rglob("*.webp")) or ": no plan (" in done.output  # what has no plan now has no film
    assert list(folder.rglob("depth.npy"))


@pytest.mark.parametrize("kind", ["single", "bin"])
def test_its_grasps_lift_what_they_lifted(kind):
    """In a bin up to the first failure: what comes to rest after one is another machine's."""
    run = read_run(FILES / kind)
    replays = Replays(run)
    for pick in picks_of(run):
        if not pick.result.success:
            break
        again = replays(pick)
        rises = again.frames[-1].world_from_objects[:, 2, 3] - again.world_from_objects[:, 2, 3]
        assert max(rises) == pytest.approx(pick.result.rise, abs=0.005)


@pytest.mark.parametrize("kind", ["single", "bin"])
def test_it_has_a_report(kind, tmp_path):
    write_simulation_report(tmp_path / "r.html", read_run(FILES / kind))
    page = (tmp_path / "r.html").read_text()
    titles = re.findall(r"<h2[^>]*>([^<]*)</h2>", page)
    for section in ("Results", "Films", "Easy and hard objects", "Gallery"):
        assert any(title.startswith(section) for title in titles)


def test_a_pile_that_was_dropped_without_a_box_is_refused():
    data = stored("bin")
    data["protocol"]["clutter"]["heap"]["bin_share"] = 0.5
    with pytest.raises(InputError, match="cannot be made any more"):
        from_version_2(data)


def test_a_camera_that_was_fixed_stays_fixed():
    data = stored("single")
    data["protocol"]["trial"]["scene"] |= {"camera": "primesense", "placement": 0.1}
    config = parse_config(ProtocolConfig, from_version_2(data)["protocol"], "here")
    assert config.view == replace(CameraConfig(), camera="primesense")
    assert config.task == SingleConfig(shift=0.002, placement=0.1)
