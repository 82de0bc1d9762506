"""Which grasps an observation allows, whatever their approaches: what a policy promises of all that it plans."""

import numpy as np

from graspnet.grasps.grasps import Grasps
from graspnet.observation.height_map import shared_approaches
from graspnet.observation.observation import Observation
from graspnet.policies.constraints import ConstraintConfig, Constraints
from graspnet.policies.grasp_space import GraspSpace


def feasible(observation: Observation, grasps: Grasps, config: ConstraintConfig | None = None) -> np.ndarray:
    """Each grasp by the constraints of its own approach."""
    allowed = np.zeros(len(grasps), dtype=bool)
    for approach, rows in shared_approaches(grasps.poses):
        space = GraspSpace.along(observation, approach)
        allowed[rows] = Constraints(space, config or ConstraintConfig()).feasible(grasps[rows])
    return allowed
