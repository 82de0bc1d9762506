"""Engines: how work units become results. Engines differ in speed only, never in results."""

import multiprocessing
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from graspnet.errors import InputError

__all__ = ["Engine", "LocalEngine"]

U = TypeVar("U")
R = TypeVar("R")
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Engine(ABC):
    """Runs a function over work units, on one machine or many."""

    @abstractmethod
    def run(self, work: Callable[[U], R], units: Sequence[U]) -> Iterator[R]:
        """Results as they come, in any order. `work` must be importable, its units and results picklable."""


class LocalEngine(Engine):
    """Processes of this machine, one thread each: two threads on a busy machine can be ten times slower than one."""

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise InputError(f"workers is {workers}; it must be at least 1")
        self.workers = workers

    def run(self, work: Callable[[U], R], units: Sequence[U]) -> Iterator[R]:
        """See Engine. At most two units a worker are handed out ahead, so that a failure stops soon."""
        context = multiprocessing.get_context("spawn")  # a forked child inherits threads in a broken state
        with _one_thread_each(), ProcessPoolExecutor(self.workers, context, initializer=_end_with_parent) as pool:
            waiting, pending = list(reversed(units)), set[Future[R]]()
            try:
                while waiting or pending:
                    while waiting and len(pending) < 2 * self.workers:
                        pending.add(pool.submit(work, waiting.pop()))
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield future.result()
            except BrokenProcessPool:
                raise InputError(
                    "a worker was killed (out of memory?); finished shards are kept: use --resume with fewer --workers"
                ) from None
            finally:
                pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Let a worker die with the process that started it: a killed run must leave nobody behind who still writes."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Spawned children read these variables when their libraries load."""
    saved = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
