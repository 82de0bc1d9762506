"""Runs: the same episodes for every planner, whatever the number of workers, and whatever goes wrong in one of them."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner

from graspnet.cli import main
from graspnet.data_gen.objects.object_source import ObjectConfig
from graspnet.data_gen.physics import pick
from graspnet.data_gen.scenes.rendering import RaycastRenderer, Renderer
from graspnet.data_gen.scenes.scenes import CameraConfig
from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.policies.registry import make_policy
from graspnet.run.engines import Engine, LocalEngine
from graspnet.sim_eval.analysis.results import summarise
from graspnet.sim_eval.analysis.tables import format_results
from graspnet.sim_eval.episodes import run
from graspnet.sim_eval.episodes.draw import draw_episode
from graspnet.sim_eval.episodes.episode import Episode
from graspnet.sim_eval.episodes.records import EpisodeRecord, EpisodeResult
from graspnet.sim_eval.episodes.run import record_episode, run_protocol
from graspnet.sim_eval.planners.choice import PlannerChoice
from graspnet.sim_eval.planners.planner import Planner, PlannerError, Situation
from graspnet.sim_eval.planners.policy_planner import PolicyPlanner
from graspnet.sim_eval.protocols.protocol import ProtocolConfig

SMALL = ProtocolConfig(
    episodes=4,
    objects=ObjectConfig(count=4, families=("box", "cylinder"), graspable_width=(0.4, 0.8)),
    view=CameraConfig(camera="primesense", distance=(0.6, 0.8)),
)
POLICIES = [PlannerChoice("principal_axis"), PlannerChoice("antipodal")]


class _InThisProcess(Engine):
    def run(self, work: Callable, units: Sequence) -> Iterator:
        yield from map(work, reversed(units))  # any order


def _timeless(records: list[EpisodeRecord]) -> list[EpisodeRecord]:
    """Without what a clock measured."""
    return [
        replace(record, results={label: _untimed(result) for label, result in record.results.items()}, seconds=0.0)
        for record in sorted(records, key=lambda record: record.index)
    ]


def _untimed(result: EpisodeResult) -> EpisodeResult:
    return replace(result, attempts=tuple(replace(attempt, seconds=0.0) for attempt in result.attempts))


def test_results_do_not_depend_on_the_workers():
    here = _timeless(list(run_protocol(SMALL, POLICIES, 3, _InThisProcess())))
    elsewhere = _timeless(list(run_protocol(SMALL, POLICIES, 3, LocalEngine(2))))
    assert [repr(record) for record in here] == [repr(record) for record in elsewhere]  # repr: NaN is not NaN


def test_a_policy_fares_alike_alone_and_in_company():
    alone = list(run_protocol(SMALL, POLICIES[1:], 3, _InThisProcess()))
    together = list(run_protocol(SMALL, POLICIES, 3, _InThisProcess()))
    assert [r.results["antipodal"].ended for r in alone] == [r.results["antipodal"].ended for r in together]


def test_a_protocol_in_which_nothing_starts_says_so(tmp_path):
    (tmp_path / "broken.stl").write_bytes(b"not a mesh")
    config = replace(SMALL, episodes=2, objects=ObjectConfig(folders=(str(tmp_path),)))
    records = list(run_protocol(config, POLICIES, 0, _InThisProcess()))
    assert all("broken.stl" in record.problem for record in records)
    assert summarise(config, records) == []
    assert "2 trials could not start" in format_results(config, records)


def test_what_goes_wrong_while_a_trial_is_drawn_is_its_problem_and_names_the_object(monkeypatch):
    def draw(config: ProtocolConfig, seed: int, index: int, renderer: Renderer) -> Episode:
        if index == 1:
            raise RuntimeError("the hull\nis flat")
        return draw_episode(config, seed, index, renderer)

    monkeypatch.setattr(run, "draw_episode", draw)
    records = {record.index: record for record in run_protocol(SMALL, POLICIES[:1], 3, _InThisProcess())}
    assert records[1].problem == "cylinder_00001: RuntimeError: the hull is flat"
    assert not any(records[index].problem for index in (0, 2, 3))


def test_physics_that_gives_up_makes_a_trial_that_could_not_be_judged(monkeypatch):
    monkeypatch.setattr(pick, "MEMORY", 20_000)  # too little for a hand that touches something
    record = record_episode(SMALL, 3, {"above": PolicyPlanner(make_policy("antipodal"))}, 0, RaycastRenderer())
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
    record = record_episode(SMALL, 3, planners, 0, RaycastRenderer())
    assert record.problem == ""
    assert record.results.pop("antipodal").attempts[0].outcome not in ("no_plan", "planner_failed")
    for reason, result in record.results.items():
        (attempt,) = result.attempts
        assert (attempt.outcome, attempt.reason, result.ended) == ("planner_failed", reason, "failures")


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


def test_the_command_writes_results_and_prints_the_comparison(tmp_path):
    trimesh.creation.box([0.04, 0.03, 0.03]).export(tmp_path / "brick.stl")
    arguments = [
        "simulate", "--config", "quick", "--objects", str(tmp_path), "--policy", "principal_axis", "--policy",
        "antipodal", "--trials", "3", "--workers", "1", "--no-report", "--output", str(tmp_path / "out"),
        "objects.scaling=as_is", "view.distance=[0.6, 0.8]",
    ]  # fmt: skip
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "principal_axis - antipodal" in done.output
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert len(results["episodes"]) == 3
    assert np.all([episode["objects"] == ["brick"] for episode in results["episodes"]])
    assert json.loads((tmp_path / "out" / "run.json").read_text())["seed"] == 0


def test_a_wrong_key_is_one_line_and_status_2(tmp_path):
    done = CliRunner().invoke(main, ["simulate", "--output", str(tmp_path), "griper=yumi"])
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
    assert last.startswith("graspnet: no object could be used; the first: ")
    assert file in last
