"""The seam of all policies: a Policy turns an Observation into one ranked GraspPlan."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from graspnet.grasp_plan import GraspPlan
from graspnet.observation.observation import Observation
from graspnet.quality import Quality

__all__ = ["Policy"]


class Policy(ABC):
    """From what is seen to ranked grasps. Its config is a dataclass that `configs/policy/*.yaml` fill in.

    >>> import numpy as np, graspnet as gn
    >>> policy = gn.load_policy("principal_axis")  # once; then, for every image:
    >>> depth = np.full((240, 320), 0.5, np.float32)
    >>> depth[100:140, 150:170] = 0.46
    >>> camera, hand = gn.Camera(300.0, 300.0, 159.5, 119.5, 320, 240), gn.load_gripper("yumi")
    >>> len(policy.plan(gn.Observation(depth, camera, hand), np.random.default_rng(0)))
    1
    """

    name: ClassVar[str]
    config_type: ClassVar[type]
    needs_quality: ClassVar[bool] = True
    of_one_object: ClassVar[bool] = False  # it takes all that may be grasped for one object

    @abstractmethod
    def __init__(self, config: Any, quality: Quality | None = None) -> None:
        """Keep the config and the quality (which is None where `needs_quality` is False)."""

    @abstractmethod
    def plan(self, observation: Observation, rng: np.random.Generator) -> GraspPlan:
        """The ranked grasps; the same observation and generator state give the same plan."""
