"""A policy as a planner: it sees the observation, and nothing of the truth."""

import numpy as np

from graspnet.grasp_plan import GraspPlan
from graspnet.observation.depth_scale import scaled_to_table
from graspnet.policies.policy import Policy
from graspnet.sim_eval.planners.planner import Planner, Situation

__all__ = ["PolicyPlanner"]


class PolicyPlanner(Planner):
    """A policy, which sees the observation and nothing else."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def plan(self, situation: Situation) -> GraspPlan:
        """See Planner. Depth is scaled to the table where that is known, as `gn.plan` does."""
        observation, _ = scaled_to_table(situation.observation)
        return self.policy.plan(observation, np.random.default_rng(situation.seed))
