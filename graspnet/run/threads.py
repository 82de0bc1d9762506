"""Threads of torch: how many a process may try, a block of code that gets so many, and a trial that finds the best."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import torch

__all__ = ["ThreadTrial", "idle_cores", "thread_counts", "using_threads"]

LOAD = Path("/proc/loadavg")  # Linux: three means, then "running/all" of the moment


def thread_counts(reserved: int = 0) -> tuple[int, ...]:
    """1, 2, 4 … up to the cores that this process may use and nobody has reserved."""
    free = max(1, _cores() - reserved)
    return tuple(2**k for k in range(free.bit_length()))


def idle_cores() -> int:
    """How many of this process's cores nobody else computes on at the moment, this thread's own among them: 1 or more.

    On Linux by what is running right now, elsewhere by the mean of the last minute.
    """
    try:
        others = int(LOAD.read_text().split()[3].split("/")[0]) - 1
    except (OSError, ValueError, IndexError):
        others = round(os.getloadavg()[0]) - 1 if hasattr(os, "getloadavg") else 0
    return max(1, _cores() - max(0, others))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """Give torch's operators of this thread `count` threads inside of the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class ThreadTrial:
    """Finds how many threads suit work that comes in equal pieces, while the work is done.

    The first piece warms up, the next ones try one and two threads. Two are kept where they are a third faster at
    least. On a busy machine they can be ten times slower, and one piece of 128 crops then takes seconds: where no
    second core is idle, two are not even tried. threads: a fixed number, and no trial.
    """

    def __init__(self, threads: int | None) -> None:
        self._trials = [1, 1, 2] if threads is None and idle_cores() > 1 else []
        self._seconds: dict[int, float] = {1: float("inf")} if threads is None else {threads: 0.0}

    @property
    def threads(self) -> int:
        """The number of threads in use."""
        return min(self._seconds, key=lambda count: self._seconds[count] * (1.0 if count == 1 else 1.5))

    @contextmanager
    def piece(self, whole: bool) -> Iterator[None]:
        """Do one piece of work inside of the block. whole: as large as the others, so that its time says something."""
        trying = whole and bool(self._trials)
        count = self._trials.pop(0) if trying else self.threads
        with using_threads(count):
            start = perf_counter()
            yield
            if trying:
                self._seconds[count] = perf_counter() - start
