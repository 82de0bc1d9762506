"""Records: what was written is read back, a cut line costs one trial, and another run's trials are refused."""

import json

import pytest

from graspnet.errors import InputError
from graspnet.sim_eval.episodes.log import RecordLog, as_json, from_json
from graspnet.sim_eval.episodes.records import Attempt, EpisodeRecord, EpisodeResult

RUN = {"protocol": "abc", "seed": 3, "planners": [{"name": "a", "weights": "11"}]}
POSE = tuple(tuple(float(4 * i + j) for j in range(4)) for i in range(4))


def _record(index: int) -> EpisodeRecord:
    success = Attempt("success", 0.7, 0.1, world_from_grasp=POSE, width=0.05, held=0)
    results = {"a": EpisodeResult((success,)), "b": EpisodeResult((Attempt("no_plan"),), "no_plan")}
    return EpisodeRecord(index, ("cup/7.obj",), ((0.1, 0.2, 0.3),), (0.4,), 0.5, 123456789012, results=results)


def _log(folder, run=RUN, *, resume: bool, count: int = 10) -> RecordLog:
    return RecordLog(folder, run, resume, count)


def test_a_record_survives_json():
    text = json.dumps(as_json(_record(5)), allow_nan=False)
    again = from_json(EpisodeRecord, json.loads(text), "here")
    assert as_json(again) == as_json(_record(5))
    assert again.results["a"] == _record(5).results["a"]


def test_a_round_survives_json_with_attempts_that_know_no_quality():
    attempts = (Attempt("no_plan", reason="nothing is seen", objects=3), Attempt("success", objects=3, held=2))
    record = EpisodeRecord(
        2, ("cup", "box", "cup"), ((0.1, 0.1, 0.2),) * 3, (0.1, 0.2, 0.1), 0.5, 7, 0, {"lid.stl": "lid.stl: open"},
        {"a": EpisodeResult(attempts, "failures")},
    )  # fmt: skip
    text = json.dumps(as_json(record), allow_nan=False)
    assert repr(from_json(EpisodeRecord, json.loads(text), "here")) == repr(record)  # repr: NaN is not NaN


def test_a_resumed_log_has_all_whole_lines(tmp_path):
    log = _log(tmp_path, resume=False)
    for index in (2, 0, 1):
        log.add(_record(index))
    path = tmp_path / "records.jsonl"
    path.write_bytes(path.read_bytes()[:-20])  # killed while it wrote the last one
    log = _log(tmp_path, resume=True)
    assert sorted(log.done) == [0, 2]
    log.add(_record(1))
    assert sorted(_log(tmp_path, resume=True).done) == [0, 1, 2]


def test_what_could_not_start_is_tried_again_by_a_resumed_run(tmp_path):
    log = _log(tmp_path, resume=False)
    log.add(_record(0))
    log.add(EpisodeRecord(1, problem="cup.obj: CoACD found no end within 300 s"))
    for _ in range(2):
        assert sorted(_log(tmp_path, resume=True).done) == [0]


def test_trials_of_another_run_are_not_mixed_in(tmp_path):
    _log(tmp_path, resume=False).add(_record(0))
    with pytest.raises(InputError, match="--resume"):
        _log(tmp_path, resume=False)
    with pytest.raises(InputError, match="seed was 3, is 4"):
        _log(tmp_path, RUN | {"seed": 4}, resume=True)
    with pytest.raises(InputError, match="planners a weights was 11, is 12"):
        _log(tmp_path, RUN | {"planners": [{"name": "a", "weights": "12"}]}, resume=True)
    with pytest.raises(InputError, match="planners was a, is a, b"):
        _log(tmp_path, RUN | {"planners": [*RUN["planners"], {"name": "b"}]}, resume=True)


def test_a_run_can_be_extended_and_not_cut(tmp_path):
    log = _log(tmp_path, resume=False, count=3)
    for record in (_record(0), EpisodeRecord(1, problem="cup.obj: no end"), _record(2)):
        log.add(record)
    before = (tmp_path / "records.jsonl").read_bytes()
    with pytest.raises(InputError, match=r"holds number 2 already, and 2 were asked for.*--trials 3 or more"):
        _log(tmp_path, resume=True, count=2)
    assert (tmp_path / "records.jsonl").read_bytes() == before  # nor is a record with a problem lost
    assert sorted(_log(tmp_path, resume=True, count=8).done) == [0, 2]


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / "records.jsonl").write_text(json.dumps(RUN) + "\n{]\n{}\n")
    with pytest.raises(InputError, match="line 2"):
        _log(tmp_path, resume=True)
