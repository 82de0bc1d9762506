"""A log keeps what was added, loses only a line that was cut off, and is not mixed with another study's."""

import pytest

from graspnet.errors import InputError
from graspnet.run.line_log import LineLog

WHOSE = {"seed": 1, "sizes": (1, 2), "limits": [float("inf"), float("nan")]}


def test_what_was_added_is_there_after_a_stop_but_for_a_line_that_was_cut_off(tmp_path):
    path = tmp_path / "new" / "log.jsonl"
    log = LineLog(path, WHOSE, resume=False)
    log.add({"a": 1})
    log.add([2, 3])
    path.write_text(path.read_text() + '{"cut')
    resumed = LineLog(path, WHOSE, resume=True)
    assert resumed.before == [{"a": 1}, [2, 3]]
    resumed.add(4)
    assert LineLog(path, WHOSE, resume=True).before == [{"a": 1}, [2, 3], 4]
    same = dict(reversed(WHOSE.items())) | {"seed": 1.0}  # neither their order nor 1.0 for 1 makes it another run
    assert LineLog(path, same, resume=True).before == [{"a": 1}, [2, 3], 4]


def test_a_log_that_is_there_is_not_overwritten_nor_mixed_with_another(tmp_path):
    path = tmp_path / "log.jsonl"
    LineLog(path, WHOSE, resume=False).add(1)
    kept = path.read_text()
    with pytest.raises(InputError, match="--resume goes on"):
        LineLog(path, WHOSE, resume=False)
    with pytest.raises(InputError, match="seed was 1, is 2"):
        LineLog(path, WHOSE | {"seed": 2}, resume=True)
    assert path.read_text() == kept
    path.write_text("no JSON\n")
    with pytest.raises(InputError, match=r"log\.jsonl: line 1 is not JSON"):
        LineLog(path, WHOSE, resume=True)


def test_values_that_are_not_kept_are_gone(tmp_path):
    path = tmp_path / "log.jsonl"
    log = LineLog(path, WHOSE, resume=False)
    for value in (1, 2, 3):
        log.add(value)
    assert LineLog(path, WHOSE, resume=True, keep=lambda value: value != 2).before == [1, 3]
    assert LineLog(path, WHOSE, resume=True).before == [1, 3]


def test_an_output_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="out: is a file; --output names a folder"):
        LineLog(tmp_path / "out" / "log.jsonl", WHOSE, resume=False)
