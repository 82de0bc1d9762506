"""The options that every long run has: how many workers, on which engine, and the seed."""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from graspnet.run.engines import ENGINES, make_engine

__all__ = ["run_options"]


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --workers, --engine, --address and --seed to a command, which takes an `engine` and a `seed`."""

    @wraps(command)
    def with_engine(*, workers: int, engine: str, address: str | None, **arguments: Any) -> None:
        command(engine=make_engine(engine, workers, address), **arguments)

    described = with_engine
    for option in reversed(_OPTIONS):
        described = option(described)
    return described


_OPTIONS = (
    click.option(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        show_default=True,
        metavar="N",
        help="Processes, one thread each; the results do not depend on it.",
    ),
    click.option(
        "--engine",
        type=click.Choice(ENGINES),
        default=ENGINES[0],
        show_default=True,
        help="Where work is done: on this machine, or on a Ray cluster.",
    ),
    click.option(
        "--address",
        metavar="HOST:PORT|auto",
        help="Of a running Ray cluster, all of whose CPUs work; without it, --engine ray starts one of N workers.",
    ),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
)
