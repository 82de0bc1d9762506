"""The seam of all policies: a Policy turns an Observation into one ranked GraspPlan."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from graspnet.observation import Observation
from graspnet.plan import GraspPlan
from graspnet.quality import Quality

__all__ = ["Policy"]


class Policy(ABC):
    """From what is seen to ranked grasps. Its config is a dataclass that `configs/policy/*.yaml` fill in."""

    name: ClassVar[str]
    config_type: ClassVar[type]
    needs_quality: ClassVar[bool] = True

    @abstractmethod
    def __init__(self, config: Any, quality: Quality | None = None) -> None:
        """Keep the config and the quality (which is None where `needs_quality` is False)."""

    @abstractmethod
    def plan(self, observation: Observation, rng: np.random.Generator) -> GraspPlan:
        """The ranked grasps; the same observation and generator state give the same plan."""
