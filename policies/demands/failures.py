"""What a failure teaches: grasps near one that has just failed are less likely to hold than they look.

A network sees what the image shows, and nothing of the last attempt. In a heap that lies as it lay, it would choose the
same grasp again, and it would fail again for the same reason. Dex-Net 4.0 (Mahler et al., Science Robotics 2019)
remembers the objects on which grasps failed; here places are remembered, so that nothing has to be segmented.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from graspnet.grasps.grasps import Grasps
from graspnet.observation.observation import Observation
from graspnet.quality import Quality

__all__ = ["AfterFailures", "after_failures", "share_left"]

# Of the quality, right where a grasp failed. Second grasps at such a place held in 11 of 26 cases, and first grasps in
# 55 % (docs/experiments/policies.md): one failure says little, three in a row say enough.
DISCOUNT = 0.35
RADIUS = 0.3  # of the hand's span: one deviation of the place


@dataclass(frozen=True)
class AfterFailures:
    """A quality that counts for less near the places where grasps failed (`Observation.failed`)."""

    quality: Quality

    def __call__(self, observation: Observation, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
        """The quality, times what `share_left` leaves of it."""
        qualities = self.quality(observation, grasps_in_camera)
        return after_failures(qualities, grasps_in_camera.origin, observation)


def after_failures(
    qualities: Float64[np.ndarray, "N"], places: Float64[np.ndarray, "N 3"], observation: Observation
) -> Float64[np.ndarray, "N"]:
    """Qualities of grasps at these places of the camera's frame, times what `share_left` leaves of them."""
    if observation.failed is None:
        return qualities
    return qualities * share_left(places, observation.failed, observation.gripper.span)


def share_left(
    places: Float64[np.ndarray, "N 3"], failed: Float64[np.ndarray, "K 3"], span: float
) -> Float64[np.ndarray, "N"]:
    """Π (1 − 0.35 exp(−d² / 2 r²)) over all failures, with d the distance from each and r = 0.3 spans (metres).

    >>> import numpy as np
    >>> place = np.zeros((1, 3))
    >>> share_left(place, np.zeros((1, 3)), 0.05).round(2), share_left(place, np.full((1, 3), 0.1), 0.05).round(2)
    (array([0.65]), array([1.]))
    """
    squared = np.sum((places[:, None] - failed[None]) ** 2, axis=2) / (RADIUS * span) ** 2
    return np.asarray(np.prod(1.0 - DISCOUNT * np.exp(-squared / 2), axis=1), dtype=np.float64)
