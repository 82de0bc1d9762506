"""The local engine: every unit once, errors in one line, one thread for each worker."""

import os
from collections import Counter

import pytest

from data_gen.engines import LocalEngine
from graspnet.errors import InputError


def square(number: int) -> int:
    return number * number


def refuse(number: int) -> int:
    raise InputError(f"unit {number} cannot be made")


def die(number: int) -> int:
    os._exit(9)


def threads_and_process(number: int) -> tuple[str | None, int]:
    return os.environ.get("OMP_NUM_THREADS"), os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
def test_every_unit_is_worked_on_once(workers):
    found = Counter(LocalEngine(workers).run(square, list(range(20))))
    assert found == Counter(n * n for n in range(20))


def test_no_units_make_no_results():
    assert list(LocalEngine(1).run(square, [])) == []


def test_each_worker_has_one_thread_and_the_caller_keeps_its_own_setting(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    found = list(LocalEngine(2).run(threads_and_process, list(range(6))))
    assert {threads for threads, _ in found} == {"1"}
    assert os.getpid() not in {process for _, process in found}
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_an_input_error_of_a_unit_reaches_the_caller():
    with pytest.raises(InputError, match="unit 0 cannot be made"):
        list(LocalEngine(1).run(refuse, [0]))


def test_a_worker_that_dies_is_one_line_that_says_what_to_do():
    with pytest.raises(InputError, match=r"worker was killed.*--resume"):
        list(LocalEngine(1).run(die, [0]))


def test_no_workers_are_refused():
    with pytest.raises(InputError, match="workers is 0"):
        LocalEngine(0)
