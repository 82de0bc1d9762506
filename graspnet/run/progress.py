"""Progress of long work: a bar with rate and time left on a terminal, plain lines in a log.

Both also tell that time passes while one item takes long, so that nobody takes work for a hang.
"""

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

__all__ = ["PATIENCE", "told_if_slow", "track"]

T = TypeVar("T")
PATIENCE = 2.0  # After so many seconds, somebody who waits is told for what.
LOG_INTERVAL = 10.0  # The lines of a log are so many seconds apart.


def track(items: Iterable[T], total: int, description: str, unit: str = "it", before: int = 0) -> Iterator[T]:
    """The same items, with progress shown on standard error while they are taken.

    before: how many of the total were done by an earlier run, and are not among the items.
    """
    show = _bar if sys.stderr.isatty() else _lines
    yield from show(items, total, description, unit, before)


@contextmanager
def told_if_slow(text: str, terminal_only: bool = False) -> Iterator[None]:
    """Say on standard error what is being done, once, if the block takes longer than PATIENCE.

    terminal_only: nothing is said in a log, where a wrong argument should be one line and nothing else.
    """
    if terminal_only and not sys.stderr.isatty():
        yield
        return
    timer = threading.Timer(PATIENCE, lambda: click.echo(text, err=True))
    timer.daemon = True  # nobody waits for it at the end of the program
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _bar(items: Iterable[T], total: int, description: str, unit: str, before: int) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    start = time.monotonic()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total, completed=before, rate="")
        for done, item in enumerate(items, start=1):
            yield item
            progress.update(task, completed=before + done, rate=f"{_rate(done, start):.3g} {unit}/s")


def _lines(items: Iterable[T], total: int, description: str, unit: str, before: int) -> Iterator[T]:
    start = time.monotonic()
    with _heartbeat(f"{description}: {before}/{total} {unit} so far") as heart:
        for done, item in enumerate(items, start=1):
            yield item
            heart.alive = f"{description}: {before + done}/{total} {unit} so far"
            left = total - before - done
            if heart.silent() >= LOG_INTERVAL or not left:
                rate = _rate(done, start)
                heart.say(f"{description}: {before + done}/{total}, {rate:.3g} {unit}/s, {left / rate:.0f} s left")


class _Heart:
    """Says lines, and between them that it is alive."""

    def __init__(self, alive: str) -> None:
        self.alive = alive
        self._begun = self._said = time.monotonic()
        self._lock = threading.Lock()

    def silent(self) -> float:
        """Seconds since the last line."""
        return time.monotonic() - self._said

    def say(self, line: str) -> None:
        """Write a line."""
        with self._lock:
            click.echo(line, err=True)
            self._said = time.monotonic()

    def beat(self, ended: threading.Event) -> None:
        """Write that work goes on, when nothing else was written for a while; until it has ended."""
        patience = PATIENCE
        while not ended.wait(max(patience - self.silent(), 0.01)):
            if self.silent() >= patience:
                self.say(f"{self.alive}, {time.monotonic() - self._begun:.0f} s")
                patience = LOG_INTERVAL


@contextmanager
def _heartbeat(alive: str) -> Iterator[_Heart]:
    """A heart that beats inside of the block."""
    heart, ended = _Heart(alive), threading.Event()
    thread = threading.Thread(target=heart.beat, args=(ended,), daemon=True)
    thread.start()
    try:
        yield heart
    finally:
        ended.set()
        thread.join()


def _rate(done: int, start: float) -> float:
    return done / max(time.monotonic() - start, 1e-9)
