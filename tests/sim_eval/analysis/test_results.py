"""Results: sums that add up, over trials and over rounds in clutter; planners compared on the same episodes."""

import json
from dataclasses import replace

import pytest

from graspnet.data_gen.physics.outcome import Outcome
from graspnet.sim_eval.analysis.results import (
    CeilingShare,
    compare_episodes,
    compare_trials,
    passed_over,
    results_as_json,
    summarise,
)
from graspnet.sim_eval.analysis.statistics import wilson_interval
from graspnet.sim_eval.analysis.tables import format_results
from graspnet.sim_eval.analysis.variants import effects
from graspnet.sim_eval.episodes.log import as_json, from_json
from graspnet.sim_eval.episodes.records import Attempt, EpisodeRecord, EpisodeResult
from graspnet.sim_eval.planners.choice import PlannerChoice
from graspnet.sim_eval.protocols.protocol import BASE, ProtocolConfig
from graspnet.sim_eval.protocols.tasks import PileConfig

POLICIES = [PlannerChoice("principal_axis"), PlannerChoice("antipodal")]
TRIALS, ROUNDS = ProtocolConfig(), ProtocolConfig(task=PileConfig(), motion_time=9.5)


# Trials


def _trial(index: int, **outcomes: Outcome) -> EpisodeRecord:
    results = {
        label: EpisodeResult((Attempt(outcome, quality=0.9, seconds=0.1),), "failures")
        for label, outcome in outcomes.items()
    }
    return EpisodeRecord(index, ("thing",), ((0.1, 0.1, 0.1),), (0.1,), 0.5, results=results)


def test_a_summary_counts_outcomes_and_leaves_out_what_could_not_start():
    records = [
        _trial(0, a="success", b="missed"),
        _trial(1, a="success", b="success"),
        _trial(2, a="pushed", b="no_plan"),
        EpisodeRecord(3, problem="brick.stl: the surface is open"),
    ]
    first, second = summarise(TRIALS, records)
    assert (first.policy, first.episodes, first.successes, first.rate) == ("a", 3, 2, pytest.approx(2 / 3))
    assert second.outcomes == {"missed": 1, "success": 1, "no_plan": 1}
    assert (first.robust_plans, first.robust_successes) == (3, 2)
    (comparison,) = compare_trials(records)
    difference = comparison.paired
    assert (difference.only_first, difference.only_second, difference.trials) == (1, 0, 3)
    assert "1 trials could not start; the first: brick.stl" in format_results(TRIALS, records)


def test_shares_of_every_ceiling_that_was_asked_have_an_interval_over_objects():
    oracle, calibrated, policy = "ssss", "ssms", "smms"  # of two objects, two trials each
    outcome = {"s": "success", "m": "missed"}
    records = [
        replace(
            _trial(k, oracle=outcome[oracle[k]], oracle_calibrated=outcome[calibrated[k]], a=outcome[policy[k]]),
            objects=(f"thing_{k // 2}",),
        )
        for k in range(4)
    ]
    ceiling, second, mine = summarise(TRIALS, records)
    assert list(mine.shares_of_ceilings) == ["oracle", "oracle_calibrated"]
    assert mine.shares_of_ceilings["oracle"] == CeilingShare(0.5, 0.5, 0.5)  # either object: one of two
    found = mine.shares_of_ceilings["oracle_calibrated"]
    assert (found.share, found.low, found.high) == pytest.approx((2 / 3, 1 / 2, 1.0))  # 1 of 2 or 1 of 1
    assert ceiling.shares_of_ceilings["oracle_calibrated"].share == pytest.approx(4 / 3)
    assert list(second.shares_of_ceilings) == ["oracle"]
    assert "a lifts 50.0% [50.0, 50.0] of oracle, 66.7% [50.0, 100.0] of oracle_calibrated" in format_results(
        TRIALS, records
    )
    assert summarise(TRIALS, [_trial(0, oracle="missed", a="success")])[1].shares_of_ceilings == {}
    (effect,) = (e for e in effects({BASE: records, "same": records}) if e.planner == "a")
    assert effect.shares_of_ceilings == mine.shares_of_ceilings


def test_results_are_json_that_any_parser_reads():
    records = [_trial(0, a="success"), _trial(1, a="no_plan"), EpisodeRecord(2, problem="x")]
    text = json.dumps(results_as_json(TRIALS, "quick", POLICIES, 0, records), allow_nan=False)
    data = json.loads(text)
    assert data["policies"][0]["rate"] == 0.5
    assert [episode["index"] for episode in data["episodes"]] == [0, 1, 2]
    assert data["episodes"][2] == {"index": 2, "problem": "x"}


# Rounds


def _round(index: int, one: str, other: str = "s") -> EpisodeRecord:
    """A round of four objects: s a success (a first, then b, …), f a failure, l one that loses an object, n no plan."""
    outcome: dict[str, Outcome] = {"s": "success", "f": "missed", "l": "missed", "n": "no_plan"}

    def played(letters: str) -> EpisodeResult:
        attempts = []
        for i, x in enumerate(letters):
            held = letters[:i].count("s") if x == "s" else -1
            quality = 0.9 if x == "s" else 0.4
            attempts.append(Attempt(outcome[x], quality, 0.5, objects=4 - i, held=held, lost=int(x == "l")))
        return EpisodeResult(tuple(attempts), "no_plan" if "n" in letters else "failures")

    sizes = tuple((0.01 * k, 0.03, 0.1) for k in range(1, 5))
    results = {"one": played(one), "other": played(other)}
    return EpisodeRecord(index, ("a", "b", "c", "d"), sizes, (0.1,) * 4, 0.5, left_out=1, results=results)


def test_sums_of_rounds():
    records = [_round(0, "sslf"), _round(1, "sn"), EpisodeRecord(2, problem="no object")]
    one, other = summarise(ROUNDS, records)
    assert (one.episodes, one.attempts, one.successes, one.objects, one.lost) == (2, 5, 3, 8, 1)
    assert one.rate == pytest.approx(3 / 5)  # without the time that it found no grasp
    assert one.cleared == pytest.approx(3 / 8)
    assert one.endings == {"failures": 1, "no_plan": 1}
    assert one.average_precision == 1.0  # all successes had the higher quality
    assert one.picks_per_hour == pytest.approx(3 * 3600 / (5 * 9.5 + 6 * 0.5))
    assert one.low_over_units == pytest.approx(2 / 4)
    assert one.high_over_units == pytest.approx(1.0)
    assert (other.rate, other.low_over_units, other.cleared) == (1.0, 1.0, 0.25)
    table = format_results(ROUNDS, records)
    assert "1 rounds could not start; the first: no object" in table
    assert "2 objects were not in the workspace" in table


def test_planners_are_compared_over_the_same_rounds():
    (difference,) = compare_episodes([_round(i, "sf", "ss") for i in range(10)])
    assert (difference.first, difference.second) == ("one", "other")
    assert (difference.rate, difference.rate_low, difference.rate_high) == pytest.approx((-0.5, -0.5, -0.5))
    assert difference.cleared == pytest.approx(-0.25)
    assert difference.rate_p_value == difference.cleared_p_value == pytest.approx(2 / 2**10)  # all ten one way
    assert difference.cleared_holm_p_value == difference.cleared_p_value  # one pair


def test_p_values_are_corrected_for_all_pairs():
    records = [_round(i, "sf", "ss") for i in range(6)]
    records = [replace(r, results=r.results | {"third": r.results["one"]}) for r in records]
    found = {(c.first, c.second): c for c in compare_episodes(records)}
    assert found["one", "third"].rate_holm_p_value == 1.0
    assert found["one", "other"].rate_p_value == pytest.approx(2 / 2**6)
    assert found["one", "other"].rate_holm_p_value == pytest.approx(3 * 2 / 2**6)


def test_rounds_are_emptied_where_every_object_was_lifted_and_the_ceiling_is_the_oracles():
    records = [_round(0, "ssss", "ssfss"), _round(1, "ssl", "ssss"), _round(2, "sn", "ss")]
    records = [replace(r, results={"one": r.results["one"], "oracle": r.results["other"]}) for r in records]
    one, oracle = summarise(ROUNDS, records)
    assert (one.emptied, oracle.emptied) == (1, 2)
    assert (one.emptied_low, one.emptied_high) == pytest.approx(wilson_interval(1, 3))
    assert oracle.shares_of_ceilings == {}
    share = one.shares_of_ceilings["oracle"]
    assert share.share == pytest.approx(7 / 10)
    assert (share.low, share.high) == pytest.approx((1 / 2, 4 / 4))  # the same round drawn three times
    assert "one lifts 70.0% [50.0, 100.0] of oracle" in format_results(ROUNDS, records)
    assert all(s.shares_of_ceilings == {} for s in summarise(ROUNDS, [_round(0, "s")]))


def test_objects_that_cannot_be_used_are_counted():
    bad = {"lid.stl": "lid.stl: open", "a.stl": "a.stl: empty"}
    records = [replace(_round(i, "s"), passed_over=bad if i else {"lid.stl": "lid.stl: open"}) for i in range(3)]
    assert passed_over(records) == [("lid.stl", 3, "lid.stl: open"), ("a.stl", 2, "a.stl: empty")]
    table = format_results(ROUNDS, records)
    assert "2 objects cannot be used, others stood in for them; the first: lid.stl: open" in table
    assert "cannot be used" not in format_results(ROUNDS, [_round(0, "s")])


def test_a_record_survives_the_disk():
    record = _round(3, "sslf", "sn")
    assert repr(from_json(EpisodeRecord, as_json(record), "here")) == repr(record)


def test_a_trial_without_a_grasp_is_a_failed_one_and_a_look_at_a_heap_without_one_is_no_attempt():
    records = [_trial(0, a="success"), _trial(1, a="no_plan")]
    (of_trials,) = summarise(TRIALS, records)
    assert (of_trials.attempts, of_trials.rate, of_trials.cleared) == (2, 0.5, 0.5)
    assert (of_trials.low, of_trials.high) == pytest.approx(wilson_interval(1, 2))
    (of_rounds,) = summarise(ROUNDS, records)
    assert (of_rounds.attempts, of_rounds.rate, of_rounds.cleared) == (1, 1.0, 0.5)


def test_trials_are_resampled_with_their_object_and_rounds_by_themselves():
    records = [replace(_trial(k, a="success" if k < 2 else "missed"), objects=(f"thing_{k // 2}",)) for k in range(4)]
    (of_trials,) = summarise(TRIALS, records)
    assert (of_trials.low_over_units, of_trials.high_over_units) == (0.0, 1.0)  # either object, twice
    (of_rounds,) = summarise(ROUNDS, records)
    assert 0.0 <= of_rounds.low_over_units < of_rounds.high_over_units <= 1.0
