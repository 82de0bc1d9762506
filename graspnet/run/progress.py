"""Progress of long work: a bar with rate and time left on a terminal, plain lines in a log. No wait is silent."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import TypeVar

import click

__all__ = ["PATIENCE", "told_if_slow", "track"]

T = TypeVar("T")
PATIENCE = 2.0  # After so many seconds, somebody who waits is told for what.
LOG_INTERVAL = 10.0  # From then on, the lines of a log are at least so many seconds apart.


def track(items: Iterable[T], total: int, description: str, unit: str = "it", before: int = 0) -> Iterator[T]:
    """The same items, with progress shown on standard error while they are taken.

    before: how many of the total were done by an earlier run, and are not among the items.
    """
    show = _bar if sys.stderr.isatty() else _lines
    yield from show(items, total, description, unit, before)


@contextmanager
def told_if_slow(text: str) -> Iterator[None]:
    """Say on standard error what is being done, once, if the block takes longer than PATIENCE."""
    timer = Timer(PATIENCE, lambda: click.echo(text, err=True))
    timer.daemon = True  # nobody waits for it at the end of the program
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _bar(items: Iterable[T], total: int, description: str, unit: str, before: int) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    start = time.monotonic()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total, completed=before, rate="")
        for done, item in enumerate(items, start=1):
            yield item
            progress.update(task, completed=before + done, rate=f"{_rate(done, start):.3g} {unit}/s")


def _lines(items: Iterable[T], total: int, description: str, unit: str, before: int) -> Iterator[T]:
    start = last = time.monotonic()
    with told_if_slow(f"{description}: {total - before} {unit} to go, the first are under way"):
        for done, item in enumerate(items, start=1):
            yield item
            now, left = time.monotonic(), total - before - done
            if now - last >= LOG_INTERVAL or not left:
                rate = _rate(done, start)
                click.echo(
                    f"{description}: {before + done}/{total}, {rate:.3g} {unit}/s, {left / rate:.0f} s left", err=True
                )
                last = now


def _rate(done: int, start: float) -> float:
    return done / max(time.monotonic() - start, 1e-9)
