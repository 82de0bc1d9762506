"""Guides: who leads a hand to a grasp that is not known when it sets out (pick.py)."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from graspnet.data_gen.physics.outcome import Outcome

__all__ = ["Command", "Guide"]


@dataclass(frozen=True)
class Command:
    """Where the hand is to be at the next step, and how far open (metres)."""

    world_from_grasp: Float64[np.ndarray, "4 4"]
    width: float


class Guide(ABC):
    """Leads a hand, one time step of the physics after another."""

    @abstractmethod
    def begin(self) -> Command:
        """Say where the hand sets out."""

    @abstractmethod
    def next(self, time: float) -> Command | Outcome | None:
        """Say where the hand is to be at a time (seconds since it set out), nearby; None: it has arrived, the jaws
        close; or how the pick has failed."""

    @abstractmethod
    def moved_object(self, time: float) -> Float64[np.ndarray, "4 4"] | None:
        """Say where somebody puts the object at this step, at rest; None: nobody touches it."""

    @property
    @abstractmethod
    def drift(self) -> Float64[np.ndarray, "3"]:
        """Tell the speed of the hand while its jaws close, metres a second: that of what it grasps."""
