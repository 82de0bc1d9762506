"""The curves of a training: what each look at validation objects found, in memory, in TensorBoard and in a line."""

import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import click
from torch import Tensor

__all__ = ["CurveLog", "CurvePoint", "best_point"]

LOG_STEPS = 20


@dataclass(frozen=True)
class CurvePoint:
    """One point of the training curves: what a look at validation objects found, and means since the look before it."""

    epoch: float  # epochs seen so far
    step: int
    examples: int  # seen so far
    loss: float
    rate: float  # of the last step
    examples_per_second: float
    validation: dict[str, Any]


def best_point(history: list[CurvePoint]) -> int:
    """The place of the look with the lowest cross-entropy: the first of several equal ones.

    It is what training lowers, counts ranks and calibration alike, and is defined where all labels are of one class.
    """
    return min(range(len(history)), key=lambda place: history[place].validation["cross_entropy"])


class CurveLog:
    """Scalars for TensorBoard in OUTPUT/logs, a line after every look, and the rate of examples since the last.

    writes: whether this process keeps the scalars; of several, one does.
    """

    def __init__(self, output: Path, first_step: int, writes: bool) -> None:
        from torch.utils.tensorboard import SummaryWriter  # takes a second to import

        self._writer: Any = SummaryWriter(str(output / "logs"), purge_step=first_step or None) if writes else None
        self._start = time.perf_counter()
        self._examples = 0

    def __enter__(self) -> "CurveLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def step(self, step: int, loss: Tensor, rate: float, examples: int) -> None:
        """Count a step; write its loss and rate now and then."""
        self._examples += examples
        if step % LOG_STEPS == 0:
            self._write({"train/loss": float(loss), "train/rate": rate}, step)

    def examples_per_second(self) -> float:
        """The rate since the last look."""
        return self._examples / (time.perf_counter() - self._start)

    def point(self, point: CurvePoint, epochs: float) -> None:
        """Write and print the figures of a look, and begin to count anew. epochs: what the whole budget is."""
        figures = {name: value for name, value in point.validation.items() if value is not None}
        self._write({f"validation/{name}": value for name, value in figures.items()}, point.step)
        words = [f"{label} {figures[name]:.3f}" for name, label in _PRINTED.items() if name in figures]
        click.echo(
            f"epoch {point.epoch:.4g}/{epochs:.4g}: loss {point.loss:.4f}, "
            f"{point.examples_per_second:.0f} examples/s; validation {', '.join(words)}",
            err=True,
        )
        self._start, self._examples = time.perf_counter(), 0

    def _write(self, scalars: dict[str, Any], step: int) -> None:
        if self._writer is not None:
            for name, value in scalars.items():
                self._writer.add_scalar(name, value, step)


_PRINTED = {
    "average_precision": "AP",
    "roc_auc": "AUC",
    "accuracy": "accuracy",
    "feasible_average_precision": "AP feasible",
}
