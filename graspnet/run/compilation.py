"""Compilation: numba compiles a module's functions when they are first called, and finds them on disk from then on.

That takes seconds, once after an installation, in which somebody who waits for a first plan should know for what.
"""

from multiprocessing import parent_process
from threading import Timer

import click
from numba.core.event import Event, Listener, register

from graspnet.run.progress import PATIENCE

__all__ = ["tell_of_compilation"]


def tell_of_compilation(module: str) -> None:
    """Say on standard error, once, that this module's functions are being compiled, if that takes over PATIENCE.

    Worker processes say nothing: whoever waits for them has a bar or a log, and would be told by each.
    """
    if parent_process() is None:
        register("numba:compile", _Teller(module))


class _Teller(Listener):  # type: ignore[misc]  # numba has no types
    """Counts the module's compilations that are under way: one function's may begin within another's."""

    def __init__(self, module: str) -> None:
        self.module, self.under_way, self.told = module, 0, False
        self.timer: Timer | None = None

    def on_start(self, event: Event) -> None:
        """Begin to wait, unless that was before."""
        if not self._concerns(event):
            return
        self.under_way += 1
        if self.timer is None and not self.told:
            self.timer = Timer(PATIENCE, self._tell)
            self.timer.daemon = True
            self.timer.start()

    def on_end(self, event: Event) -> None:
        """Count one less."""
        self.under_way -= self._concerns(event)

    def _concerns(self, event: Event) -> bool:
        return bool(event.data["dispatcher"].py_func.__module__ == self.module)

    def _tell(self) -> None:
        self.timer = None  # between two functions nothing is under way: the next one begins to wait anew
        if self.under_way and not self.told:
            self.told = True
            click.echo("compiling for the first time: some ten seconds, once after an installation", err=True)
