"""Outcomes: how a pick ended, with the figures that tell why, and its moments to draw."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float64

__all__ = ["OUTCOMES", "Outcome", "PickFrame", "PickResult"]

Outcome = Literal[
    "success",
    "no_plan",
    "planner_failed",
    "below_table",
    "approach_collision",
    "pushed",
    "missed",
    "slipped_in_lift",
    "dropped_in_shake",
]  # fmt: skip
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)  # in the order in which an attempt may meet them, success first


@dataclass(frozen=True)
class PickFrame:
    """One moment of a pick: its phase, where objects and grasp frame are, and the opening between the pads."""

    phase: str
    world_from_objects: Float64[np.ndarray, "M 4 4"]
    world_from_grasp: Float64[np.ndarray, "4 4"]
    opening: float


@dataclass(frozen=True)
class PickResult:
    """How a pick ended, in SI units."""

    outcome: Outcome
    contact_distance: float = float("nan")  # opening between the pads when they held; NaN if they never did
    rise: float = 0.0  # how far the centre of mass rose
    peak_force: float = 0.0  # the largest contact force on the way to the closed grasp
    pushed: float = 0.0  # how far the object had moved by then
    steps: int = 0  # how many the simulation took
    held: int = -1  # which object both pads held; -1: none
    frames: tuple[PickFrame, ...] = ()

    @property
    def success(self) -> bool:
        """True if the object was still in the hand at the end."""
        return self.outcome == "success"
