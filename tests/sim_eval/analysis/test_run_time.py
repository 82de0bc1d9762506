"""Run times: planning and all else, counted by hand."""

import numpy as np
import pytest

from graspnet.sim_eval.analysis.run_time import Session, format_time, run_time
from graspnet.sim_eval.episodes.records import Attempt, EpisodeRecord, EpisodeResult

POSE = tuple(tuple(float(x) for x in row) for row in np.eye(4))
PICKED, UNPLANNED = Attempt("missed", 0.5, 0.2, world_from_grasp=POSE), Attempt("no_plan", seconds=0.1)


def _trial(index: int, seconds: float = float("nan"), **attempts: Attempt) -> EpisodeRecord:
    results = {label: EpisodeResult((attempt,)) for label, attempt in attempts.items()}
    return EpisodeRecord(index, ("a",), results=results, seconds=seconds)


TRIALS = [
    _trial(0, 1.0, p=PICKED, q=PICKED),
    _trial(1, 0.9, p=PICKED, q=UNPLANNED),
    EpisodeRecord(2, problem="out of view", seconds=5.0),
]


def test_planning_is_told_apart_from_all_else():
    time = run_time(TRIALS)
    assert time.planning == pytest.approx({"p": 0.4, "q": 0.3})
    assert time.all_else == pytest.approx(1.9 - 0.7)
    assert time.picks == 3
    assert time.picks_per_worker_second == pytest.approx(3 / 1.2)
    assert time.wall is time.picks_per_wall_second is None


def test_the_wall_clock_counts_what_its_session_did():
    time = run_time(TRIALS, Session(wall=2.0, workers=4, resumed=frozenset({0})))
    assert time.picks_per_wall_second == pytest.approx(1 / (2.0 * 0.6 / 0.9))  # of trial 1: 0.6 of 0.9 s
    assert time.planning == run_time(TRIALS).planning
    assert "planning 0.7 s (p 0.4 s, q 0.3 s), all else 1.2 s" in format_time(time)
    assert "2 s, workers: 4" in format_time(time)
    nothing_new = run_time(TRIALS, Session(wall=2.0, workers=4, resumed=frozenset({0, 1, 2})))
    assert np.isnan(nothing_new.picks_per_wall_second)
    assert "workers" not in format_time(nothing_new)


def test_rounds_have_many_attempts():
    attempts = (PICKED, PICKED, UNPLANNED)
    time = run_time([EpisodeRecord(0, ("a", "b"), results={"p": EpisodeResult(attempts, "no_plan")}, seconds=4.0)])
    assert time.planning == pytest.approx({"p": 0.5})
    assert (time.all_else, time.picks) == (pytest.approx(3.5), 2)


def test_a_refused_grasp_is_no_pick():
    refused = Attempt("below_table", 0.5, 0.2, world_from_grasp=POSE)
    assert run_time([_trial(0, 1.0, p=PICKED, q=refused)]).picks == 1


def test_records_of_an_older_run_tell_no_time():
    assert format_time(run_time([_trial(0, p=PICKED)])) == "time: some records do not tell it"
    assert run_time([]).picks == 0
