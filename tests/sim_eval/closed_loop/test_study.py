"""The study of closed loops: every leader meets the same trial, a stopped one goes on, and the table adds up."""

import json

import pytest
from click.testing import CliRunner

from graspnet.config import load_config
from graspnet.errors import InputError
from graspnet.sim_eval.closed_loop.leaders import LEADERS
from graspnet.sim_eval.closed_loop.study import ClosedLoopConfig, Pick, main, rows
from graspnet.sim_eval.closed_loop.trial import ConditionConfig

SMALL = """
protocol: {calibration_translation: 0}
rig: {frame_interval: 0.4}
conditions: {static: {}, wrong: {translation_mm: 20, rotation_deg: 3}}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study of two trials under two conditions, the second of which was run after a stop."""
    folder = tmp_path_factory.mktemp("study")
    config = folder / "small.yaml"
    config.write_text(SMALL)
    arguments = ["--config", str(config), "--workers", "1", "--seed", "1", "--output", str(folder / "out")]
    first = CliRunner().invoke(main, [*arguments, "--trials", "1"])
    assert first.exit_code == 0, first.output
    done = CliRunner().invoke(main, [*arguments, "--trials", "2", "--resume"])
    assert done.exit_code == 0, done.output
    return folder / "out", done.output, arguments


def test_every_leader_has_a_pick_of_every_trial(finished):
    folder, output, _ = finished
    identity, *trials = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    assert identity["seed"] == 1
    picks = [Pick(**pick) for trial in trials for pick in trial]
    assert {(p.condition, p.index, p.leader) for p in picks} == {
        (c, i, leader) for c in ("static", "wrong") for i in range(2) for leader in LEADERS
    }
    assert len({p.object for p in picks if p.index == 1}) == 1
    servos = [p for p in picks if p.leader == "servo"]
    assert all(p.pictures > 2 and 1 < p.duration < 9 for p in servos)
    assert json.loads((folder / "results.json").read_text()) == rows(picks)
    assert "of what it lifts where nothing is wrong" in output
    assert (folder / "report.html").stat().st_size > 1000
    assert (folder / "run.json").is_file()


def test_a_study_is_not_mixed_with_another(finished):
    _, _, arguments = finished
    again = CliRunner().invoke(main, [*arguments, "--trials", "2"])
    assert isinstance(again.exception, InputError)
    assert "--resume goes on" in str(again.exception)
    other = CliRunner().invoke(main, [*arguments, "--trials", "2", "--resume", "rig.latency=0.2"])
    assert "was begun as another run" in str(other.exception)


def test_the_table_counts_trials_that_all_leaders_have_under_both_conditions():
    def picks(condition: str, **lifted: str) -> list[Pick]:
        return [
            Pick(condition, k, leader, "box", "success" if mark == "1" else "missed", duration=2.0)
            for leader, marks in lifted.items()
            for k, mark in enumerate(marks)
        ]

    made = picks("static", open="1111", second_look="1111", servo="1110")
    made += picks("off", open="000", second_look="011", servo="111")
    found = {(row["condition"], row["leader"]): row for row in rows(made)}
    assert found["static", "servo"]["lifted"] == 3
    assert [found["off", leader]["trials"] for leader in LEADERS] == [3, 3, 3]
    assert found["off", "servo"]["of_static"] == 1.0
    assert found["off", "second_look"]["of_static"] == pytest.approx(2 / 3)
    assert found["off", "servo"]["over_open"] == 1.0


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="lack 'static'"):
        ClosedLoopConfig(conditions={"off": ConditionConfig(translation=0.01)})
    with pytest.raises(InputError, match="one object and one attempt"):
        load_config(ClosedLoopConfig, "closed_loop", "default", ("protocol.task.kind=pile",))
    with pytest.raises(InputError, match="must not be negative"):
        ConditionConfig(belt=-0.1)
