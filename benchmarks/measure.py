"""Measuring a subject against a reference in one process, and the JSON that every benchmark prints.

On a shared machine an absolute time means little: the two run in turn, A B A B …, and the ratio of medians is kept.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from graspnet.run.record import machine

__all__ = ["BenchmarkResult", "interleaved"]


@dataclass(frozen=True, kw_only=True)
class BenchmarkResult:
    """One benchmark's outcome. `of` says what the ratio is over; larger is better."""

    benchmark: str
    ratio: float
    of: str
    figures: dict[str, float] = field(default_factory=dict)
    threads: int = 1

    def to_json(self) -> str:
        """One JSON object."""
        data = {
            "benchmark": self.benchmark, "ratio": _rounded(self.ratio), "of": self.of,
            "figures": {name: _rounded(value) for name, value in self.figures.items()},
            "threads": self.threads, "machine": machine(),
        }  # fmt: skip
        return json.dumps(data)


def interleaved(
    subject: Callable[[], object],
    reference: Callable[[], object],
    repeats: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float]:
    """Median seconds of the subject and of the reference, run in turn after one warm-up of each.

    clock: `time.process_time` counts this process's own seconds, which bears a machine that is busy with other things;
    it is right where both run in one thread.
    """
    subject()
    reference()
    seconds = np.array([[_seconds(subject, clock), _seconds(reference, clock)] for _ in range(repeats)])
    return float(np.median(seconds[:, 0])), float(np.median(seconds[:, 1]))


def _seconds(action: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    action()
    return clock() - start


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
