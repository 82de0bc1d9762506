"""Kinds of protocols: each knows how to run one unit (a trial, a round), and what its records add up to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from data_gen.scenes.rendering import Renderer
from sim_eval.planners.planner import Planner

__all__ = ["KINDS", "Kind", "kind_named"]


@dataclass(frozen=True)
class Kind:
    """What protocols.py, the command line and results.py need to know of a kind. A record has an index, and a problem
    where it could not start."""

    unit: str  # what one is called
    record: type  # a frozen dataclass, for records.py
    run: Callable[[Any, int, Mapping[str, Planner], int, Renderer], Any]  # of protocol, seed, planners, index
    figures: Callable[[Any, Sequence[Any]], dict[str, Any]]  # of protocol and records, for results.json
    table: Callable[[Any, Sequence[Any]], str]  # of protocol and records, for people


# where each kind lives: its module is imported when it is asked for
KINDS: dict[str, str] = {
    "single": "sim_eval.analysis.results:SINGLE",
    "clutter": "sim_eval.analysis.clutter_results:CLUTTER",
}


def kind_named(name: str) -> Kind:
    """The kind of that name."""
    module, _, attribute = KINDS[name].partition(":")
    kind: Kind = getattr(import_module(module), attribute)
    return kind
