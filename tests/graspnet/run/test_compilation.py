"""Compilation: who waits for numba is told so, once, and of nobody else's functions."""

from types import FunctionType

import numba
import pytest

from graspnet.run import compilation
from graspnet.run.compilation import tell_of_compilation


def _compiled(module: str, factor: int) -> None:
    """Compile and call a fresh function that says that it is of this module."""

    def scaled(x):
        return factor * x

    fresh = FunctionType(scaled.__code__, {"__name__": module}, "scaled", None, scaled.__closure__)
    fresh.__module__ = module
    assert numba.njit(fresh)(2) == 2 * factor


@pytest.fixture
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(compilation, "PATIENCE", 0.0)


def test_a_compilation_that_takes_long_is_told_once_whatever_follows(impatient, capsys):
    tell_of_compilation("module_that_waits")
    for factor in (2, 3, 4):
        _compiled("module_that_waits", factor)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("compiling for the first time") == 1


def test_functions_of_other_modules_are_not_told(impatient, capsys):
    tell_of_compilation("module_that_is_silent")
    _compiled("another_module", 5)
    assert capsys.readouterr().err == ""


def test_worker_processes_say_nothing(impatient, capsys, monkeypatch):
    monkeypatch.setattr(compilation, "parent_process", lambda: "the one that started us")
    tell_of_compilation("module_in_a_worker")
    _compiled("module_in_a_worker", 6)
    assert capsys.readouterr().err == ""
