"""Parallel jaws in tests: the same grasps with the two jaws interchanged."""

import numpy as np

from graspnet.grasps.grasps import Grasps


def swapped(grasps: Grasps) -> Grasps:
    """The same grasps after half a turn about the approach."""
    return Grasps(grasps.poses @ np.diag([-1.0, -1.0, 1.0, 1.0]), grasps.columns)
