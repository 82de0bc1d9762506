"""Progress: the same items, told on standard error alone."""

import time

import pytest

from graspnet.run import progress
from graspnet.run.progress import told_if_slow, track


@pytest.mark.parametrize("terminal", [True, False])
def test_the_items_come_through_in_order_and_standard_output_stays_clean(monkeypatch, capsys, terminal):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    assert list(track(iter("abc"), 3, "making", "letters")) == ["a", "b", "c"]
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "making" in seen.err
    assert "3/3" in seen.err


def test_a_log_gets_the_rate_and_the_time_that_is_left(capsys):
    list(track(range(5), 5, "making", "things"))
    (line,) = capsys.readouterr().err.splitlines()  # five quick things deserve one line
    assert line.startswith("making: 5/5, ")
    assert line.endswith("things/s, 0 s left")


def test_a_resumed_run_counts_what_was_there_and_not_in_its_rate(capsys):
    list(track(range(2), 5, "making", "things", before=3))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("making: 5/5, ")


def test_work_starts_only_when_items_are_taken():
    items = track((1 / 0 for _ in range(1)), 1, "making")
    with pytest.raises(ZeroDivisionError):
        next(items)


def test_a_log_says_that_work_goes_on_while_one_thing_takes_long(monkeypatch, capsys):
    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    monkeypatch.setattr(progress, "LOG_INTERVAL", 0.1)

    def slow():
        time.sleep(0.5)
        yield "thing"

    list(track(slow(), 1, "making", "things"))
    *beats, last = capsys.readouterr().err.splitlines()
    assert len(beats) >= 2
    assert all(beat.startswith("making: 0/1 things so far, ") for beat in beats)
    assert last.startswith("making: 1/1, ")


def test_a_log_is_not_told_what_is_for_people_at_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    for terminal, told in ((True, "loading\n"), (False, "")):
        monkeypatch.setattr("sys.stderr.isatty", lambda terminal=terminal: terminal, raising=False)
        with told_if_slow("loading", terminal_only=True):
            time.sleep(0.2)
        assert capsys.readouterr().err == told


def test_a_wait_is_told_once_if_it_is_long_and_not_at_all_if_it_is_short(monkeypatch, capsys):
    with told_if_slow("thinking"):
        pass
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    with told_if_slow("thinking"):
        time.sleep(0.2)
    assert capsys.readouterr().err == "thinking\n"
