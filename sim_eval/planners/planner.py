"""Planners: who is asked for a grasp. A policy sees what its camera saw (policy_planner.py). An outside program gets
the same as files (command.py). A ceiling sees the truth as well (ceilings.py).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from graspnet.data_gen.scenes.scenes import Scene
from graspnet.grasp_plan import GraspPlan
from graspnet.observation.observation import Observation

__all__ = ["Planner", "PlannerError", "Situation"]


class PlannerError(Exception):
    """A planner crashed, hung, or answered with something that is no plan. Says how; never ends a run."""


@dataclass(frozen=True, eq=False)
class Situation:
    """What a planner is asked about. A policy may look at `observation` alone; the rest is the truth, for ceilings."""

    observation: Observation
    scene: Scene
    world_from_camera: Float64[np.ndarray, "4 4"]
    world_from_believed_camera: Float64[np.ndarray, "4 4"]  # where the arm takes the camera to be: grasps go there
    seed: int  # the planner's randomness starts from it


class Planner(ABC):
    """Answers a situation with ranked grasps in the camera's frame."""

    @abstractmethod
    def plan(self, situation: Situation) -> GraspPlan:
        """Plan grasps; the same situation gives the same plan. PlannerError: it cannot answer."""
