"""Protocols: the same trials for every policy, whatever the number of workers; sums that add up; honest tables."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner

from data_gen.objects.object_source import ObjectConfig
from data_gen.physics import pick
from data_gen.scenes.rendering import RaycastRenderer, Renderer
from data_gen.scenes.scenes import SceneConfig
from graspnet.cli import main
from graspnet.config import load_config, preset_names
from graspnet.errors import InputError
from graspnet.plan import GraspPlan
from graspnet.run.engines import Engine, LocalEngine
from policies.registry import make_policy
from sim_eval.analysis.results import CeilingShare, compare, format_results, results_as_json, summarise
from sim_eval.analysis.variants import effects
from sim_eval.planners.choice import PlannerChoice
from sim_eval.planners.planner import Planner, PlannerError, Situation
from sim_eval.planners.policy_planner import PolicyPlanner
from sim_eval.protocols import protocol as protocols
from sim_eval.protocols.protocol import BASE, ProtocolConfig, TrialRecord, record_trial, run_protocol
from sim_eval.protocols.trial import Trial, TrialConfig, TrialResult, draw_trial

SMALL = ProtocolConfig(
    trials=4,
    trial=TrialConfig(
        objects=ObjectConfig(count=4, families=("box", "cylinder"), graspable_width=(0.4, 0.8)),
        scene=SceneConfig(camera="primesense", distance=(0.6, 0.8)),
    ),
)
POLICIES = [PlannerChoice("principal_axis"), PlannerChoice("antipodal")]


class _InThisProcess(Engine):
    def run(self, work: Callable, units: Sequence) -> Iterator:
        yield from map(work, reversed(units))  # any order


def _timeless(records: list[TrialRecord]) -> list[TrialRecord]:
    """Without what a clock measured."""
    ordered = sorted(records, key=lambda record: record.index)
    return [
        replace(r, results={label: replace(result, seconds=0.0) for label, result in r.results.items()}, seconds=0.0)
        for r in ordered
    ]


def _record(index: int, **outcomes: str) -> TrialRecord:
    results = {label: TrialResult(outcome, quality=0.9, seconds=0.1) for label, outcome in outcomes.items()}
    return TrialRecord(index, "thing", (0.1, 0.1, 0.1), 0.1, 0.5, 0, results)


def test_results_do_not_depend_on_the_workers():
    here = _timeless(list(run_protocol(SMALL, POLICIES, 3, _InThisProcess())))
    elsewhere = _timeless(list(run_protocol(SMALL, POLICIES, 3, LocalEngine(2))))
    assert [repr(record) for record in here] == [repr(record) for record in elsewhere]  # repr: NaN is not NaN


def test_a_policy_fares_alike_alone_and_in_company():
    alone = list(run_protocol(SMALL, POLICIES[1:], 3, _InThisProcess()))
    together = list(run_protocol(SMALL, POLICIES, 3, _InThisProcess()))
    assert [r.results["antipodal"].outcome for r in alone] == [r.results["antipodal"].outcome for r in together]


def test_a_summary_counts_outcomes_and_leaves_out_what_could_not_start():
    records = [
        _record(0, a="success", b="missed"),
        _record(1, a="success", b="success"),
        _record(2, a="pushed", b="no_plan"),
        TrialRecord(3, problem="brick.stl: the surface is open"),
    ]
    first, second = summarise(records)
    assert (first.policy, first.trials, first.successes, first.rate) == ("a", 3, 2, pytest.approx(2 / 3))
    assert second.outcomes == {"missed": 1, "success": 1, "no_plan": 1}
    assert (first.robust_plans, first.robust_successes) == (3, 2)
    (comparison,) = compare(records)
    difference = comparison.paired
    assert (difference.only_first, difference.only_second, difference.trials) == (1, 0, 3)
    assert "1 trials could not start; the first: brick.stl" in format_results(records)


def test_shares_of_every_ceiling_that_was_asked_have_an_interval_over_objects():
    oracle, calibrated, policy = "ssss", "ssms", "smms"  # of two objects, two trials each
    outcome = {"s": "success", "m": "missed"}
    records = [
        replace(
            _record(k, oracle=outcome[oracle[k]], oracle_calibrated=outcome[calibrated[k]], a=outcome[policy[k]]),
            object=f"thing_{k // 2}",
        )
        for k in range(4)
    ]
    ceiling, second, mine = summarise(records)
    assert list(mine.shares_of_ceilings) == ["oracle", "oracle_calibrated"]
    assert mine.shares_of_ceilings["oracle"] == CeilingShare(0.5, 0.5, 0.5)  # either object: one of two
    found = mine.shares_of_ceilings["oracle_calibrated"]
    assert (found.share, found.low, found.high) == pytest.approx((2 / 3, 1 / 2, 1.0))  # 1 of 2 or 1 of 1
    assert ceiling.shares_of_ceilings["oracle_calibrated"].share == pytest.approx(4 / 3)
    assert list(second.shares_of_ceilings) == ["oracle"]
    assert "a lifts 50.0% [50.0, 50.0] of oracle, 66.7% [50.0, 100.0] of oracle_calibrated" in format_results(records)
    assert summarise([_record(0, oracle="missed", a="success")])[1].shares_of_ceilings == {}
    (effect,) = (e for e in effects({BASE: records, "same": records}) if e.planner == "a")
    assert effect.shares_of_ceilings == mine.shares_of_ceilings


def test_a_protocol_in_which_nothing_starts_says_so(tmp_path):
    (tmp_path / "broken.stl").write_bytes(b"not a mesh")
    config = replace(SMALL, trials=2, trial=replace(SMALL.trial, objects=ObjectConfig(folders=(str(tmp_path),))))
    records = list(run_protocol(config, POLICIES, 0, _InThisProcess()))
    assert all("broken.stl" in record.problem for record in records)
    assert summarise(records) == []
    assert "2 trials could not start" in format_results(records)


def test_what_goes_wrong_while_a_trial_is_drawn_is_its_problem_and_names_the_object(monkeypatch):
    def draw(config: TrialConfig, seed: int, index: int, renderer: Renderer) -> Trial:
        if index == 1:
            raise RuntimeError("the hull\nis flat")
        return draw_trial(config, seed, index, renderer)

    monkeypatch.setattr(protocols, "draw_trial", draw)
    records = {record.index: record for record in run_protocol(SMALL, POLICIES[:1], 3, _InThisProcess())}
    assert records[1].problem == "cylinder_00001: RuntimeError: the hull is flat"
    assert not any(records[index].problem for index in (0, 2, 3))


def test_physics_that_gives_up_makes_a_trial_that_could_not_be_judged(monkeypatch):
    monkeypatch.setattr(pick, "MEMORY", 20_000)  # too little for a hand that touches something
    record = record_trial(SMALL, 3, {"above": PolicyPlanner(make_policy("antipodal"))}, 0, RaycastRenderer())
    assert record.problem.startswith("box_00000: FatalError: mj_stackAlloc: out of memory")
    assert record.results == {}


class _Broken(Planner):
    def __init__(self, error: BaseException | None) -> None:
        self.error = error

    def plan(self, situation: Situation) -> GraspPlan:
        if self.error is not None:
            raise self.error
        return None  # type: ignore[return-value]


def test_a_planner_that_raises_has_failed_and_the_others_go_on():
    errors = {
        "IndexError: list index out of range": IndexError("list index out of range"),
        "SystemExit: 1": SystemExit(1),
        "PlannerError": PlannerError(),
        "a width is negative": InputError("a width is negative"),
        "answered with NoneType, which is no GraspPlan": None,
    }
    planners: dict[str, Planner] = {reason: _Broken(error) for reason, error in errors.items()}
    planners["antipodal"] = PolicyPlanner(make_policy("antipodal"))
    record = record_trial(SMALL, 3, planners, 0, RaycastRenderer())
    assert record.problem == ""
    assert record.results.pop("antipodal").outcome not in ("no_plan", "planner_failed")
    for reason, result in record.results.items():
        assert (result.outcome, result.reason) == ("planner_failed", reason)


def test_results_are_json_that_any_parser_reads():
    records = [_record(0, a="success"), _record(1, a="no_plan"), TrialRecord(2, problem="x")]
    text = json.dumps(results_as_json(SMALL, "quick", POLICIES, 0, records), allow_nan=False)
    data = json.loads(text)
    assert data["policies"][0]["rate"] == 0.5
    assert [trial["index"] for trial in data["trials"]] == [0, 1, 2]
    assert data["trials"][2] == {"index": 2, "problem": "x"}


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ([PlannerChoice("principle_axis")], "did you mean 'principal_axis'"),
        ([PlannerChoice("cross_entropy")], "--model"),
        ([], "expected one or more"),
        ([PlannerChoice("antipodal")] * 2, "each once"),
    ],
)
def test_a_bad_choice_of_policies_is_refused_before_the_first_trial(policies, message):
    with pytest.raises(InputError, match=message):
        next(run_protocol(SMALL, policies, 0, _InThisProcess()))


@pytest.mark.parametrize("name", preset_names("simulate"))
def test_every_preset_loads(name):
    assert load_config(ProtocolConfig, "simulate", name).trials > 0


def test_the_command_writes_results_and_prints_the_comparison(tmp_path):
    trimesh.creation.box([0.04, 0.03, 0.03]).export(tmp_path / "brick.stl")
    arguments = [
        "simulate", "--config", "quick", "--objects", str(tmp_path), "--policy", "principal_axis", "--policy",
        "antipodal", "--trials", "3", "--workers", "1", "--no-report", "--output", str(tmp_path / "out"),
        "trial.objects.scaling=as_is", "trial.scene.distance=[0.6, 0.8]",
    ]  # fmt: skip
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "principal_axis - antipodal" in done.output
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert len(results["trials"]) == 3
    assert np.all([trial["object"] == "brick" for trial in results["trials"]])
    assert json.loads((tmp_path / "out" / "run.json").read_text())["seed"] == 0


def test_a_wrong_key_is_one_line_and_status_2(tmp_path):
    done = CliRunner().invoke(main, ["simulate", "--output", str(tmp_path), "trial.griper=yumi"])
    assert done.exit_code == 2
    assert "did you mean 'gripper'" in done.output


@pytest.mark.parametrize("file", ["text.stl", "lid.stl"])
def test_a_simulation_in_which_nothing_starts_is_one_line_and_status_2(tmp_path, file):
    (tmp_path / "text.stl").write_bytes(b"not a mesh")
    open_box = trimesh.creation.box([0.04, 0.03, 0.03])
    open_box.update_faces(np.arange(12) > 1)
    open_box.export(tmp_path / "lid.stl")
    (tmp_path / "meshes").mkdir()
    (tmp_path / file).rename(tmp_path / "meshes" / file)
    arguments = ["simulate", "--objects", str(tmp_path / "meshes"), "--trials", "1", "--workers", "1"]
    done = CliRunner().invoke(main, [*arguments, "--output", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]  # after the progress
    assert last.startswith("graspnet: no trial could start; the first: ")
    assert file in last
