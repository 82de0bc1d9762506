"""Facts about threads: how many are tried, and that a busy machine is left alone."""

import pytest
import torch

from graspnet.run import threads
from graspnet.run.threads import ThreadTrial, idle_cores, thread_counts, using_threads


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of so many cores on which so many threads run, this one among them."""

    def of(cores: int, running: str) -> None:
        path = tmp_path / "loadavg"
        path.write_text(f"0.5 0.4 0.3 {running}/812 12345\n")
        monkeypatch.setattr(threads, "LOAD", path)
        monkeypatch.setattr(threads, "_cores", lambda: cores)

    return of


@pytest.mark.parametrize(
    ("cores", "running", "idle"), [(4, "1", 4), (4, "3", 2), (2, "2", 1), (2, "9", 1), (1, "1", 1)]
)
def test_cores_are_idle_where_nobody_else_runs(machine, cores, running, idle):
    machine(cores, running)
    assert idle_cores() == idle


def test_without_a_count_of_the_moment_the_last_minute_counts(machine, monkeypatch):
    machine(4, "nonsense")
    monkeypatch.setattr(threads.os, "getloadavg", lambda: (2.9, 0.0, 0.0))
    assert idle_cores() == 2


def test_two_threads_are_tried_where_a_core_is_idle_and_not_where_none_is(machine):
    for running, expected in (("1", [1, 1, 2]), ("2", [1, 1, 1])):
        machine(2, running)
        trial, tried = ThreadTrial(None), []
        for _ in range(3):
            with trial.piece(whole=True):
                tried.append(torch.get_num_threads())
        assert tried == expected


def test_a_fixed_number_is_not_tried(machine):
    machine(8, "1")
    trial = ThreadTrial(2)
    with trial.piece(whole=True):
        assert torch.get_num_threads() == 2
    assert trial.threads == 2


def test_counts_double_up_to_the_cores_that_are_free(machine):
    machine(6, "1")
    assert thread_counts() == (1, 2, 4)
    assert thread_counts(reserved=5) == (1,)


def test_the_number_of_threads_is_put_back():
    before = torch.get_num_threads()
    with using_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
