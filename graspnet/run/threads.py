"""Threads of torch: how many a process may try, a block of code that gets so many, and a trial that finds the best."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import torch

__all__ = ["ThreadTrial", "thread_counts", "using_threads"]


def thread_counts(reserved: int = 0) -> tuple[int, ...]:
    """1, 2, 4 … up to the cores that this process may use and nobody has reserved."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    free = max(1, cores - reserved)
    return tuple(2**k for k in range(free.bit_length()))


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
    least: on a busy machine they can be ten times slower. threads: a fixed number, and no trial.
    """

    def __init__(self, threads: int | None) -> None:
        self._trials = [1, 1, 2] if threads is None else []
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
