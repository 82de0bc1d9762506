"""Run times: planning and all else, counted by hand."""

import numpy as np
import pytest

from sim_eval.analysis.run_time import Session, format_time, run_time
from sim_eval.protocols.clutter import Attempt, RoundRecord, RoundResult
from sim_eval.protocols.protocol import TrialRecord
from sim_eval.protocols.trial import TrialResult

POSE = tuple(tuple(float(x) for x in row) for row in np.eye(4))
PICKED, UNPLANNED = TrialResult("missed", 0.5, 0.2, world_from_grasp=POSE), TrialResult("no_plan", seconds=0.1)
TRIALS = [
    TrialRecord(0, "a", results={"p": PICKED, "q": PICKED}, seconds=1.0),
    TrialRecord(1, "a", results={"p": PICKED, "q": UNPLANNED}, seconds=0.9),
    TrialRecord(2, problem="out of view", seconds=5.0),
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
    attempts = (Attempt(PICKED, 2), Attempt(PICKED, 2), Attempt(UNPLANNED, 1))
    time = run_time([RoundRecord(0, ("a", "b"), results={"p": RoundResult(attempts, "no_plan")}, seconds=4.0)])
    assert time.planning == pytest.approx({"p": 0.5})
    assert (time.all_else, time.picks) == (pytest.approx(3.5), 2)


def test_a_refused_grasp_is_no_pick():
    refused = TrialResult("below_table", 0.5, 0.2, world_from_grasp=POSE)
    assert run_time([TrialRecord(0, "a", results={"p": PICKED, "q": refused}, seconds=1.0)]).picks == 1


def test_records_of_an_older_run_tell_no_time():
    assert format_time(run_time([TrialRecord(0, "a", results={"p": PICKED})])) == "time: some records do not tell it"
    assert run_time([]).picks == 0
