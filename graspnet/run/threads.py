"""Threads of torch: how many a process may try, and a block of code that gets so many."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["thread_counts", "using_threads"]


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
