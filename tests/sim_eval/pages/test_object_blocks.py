"""Blocks on objects: each is told once for every planner and episode, lifted or not, whatever the task."""

from graspnet.sim_eval.episodes.records import Attempt, EpisodeRecord, EpisodeResult
from graspnet.sim_eval.pages.object_blocks import object_outcomes
from graspnet.sim_eval.pages.outcome_figures import ObjectOutcome

SMALL, LARGE = (0.01, 0.02, 0.03), (0.04, 0.05, 0.06)


def test_an_object_is_lifted_if_a_successful_attempt_held_it():
    attempts = (
        Attempt("slipped_in_lift", held=0), Attempt("success", held=1), Attempt("missed"), Attempt("success", held=2),
    )  # fmt: skip
    results = {"a": EpisodeResult(attempts), "b": EpisodeResult((Attempt("no_plan"),), "no_plan")}
    record = EpisodeRecord(0, ("cup", "box", "cup"), (SMALL, LARGE, SMALL), results=results)
    assert object_outcomes([record]) == [
        ObjectOutcome("a", "cup", SMALL, False), ObjectOutcome("a", "box", LARGE, True),
        ObjectOutcome("a", "cup", SMALL, True), ObjectOutcome("b", "cup", SMALL, False),
        ObjectOutcome("b", "box", LARGE, False), ObjectOutcome("b", "cup", SMALL, False),
    ]  # fmt: skip


def test_older_records_know_no_sizes():
    record = EpisodeRecord(0, ("cup",), results={"a": EpisodeResult((Attempt("success", held=0),))})
    assert object_outcomes([record]) == [ObjectOutcome("a", "cup", (), True)]
