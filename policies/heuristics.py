"""Heuristics that a learned policy has to beat. They know nothing of labels.

- `principal_axis` closes across the narrow side of the object through its centroid; it lifts most compact objects
  (59 of 60 scanned household objects in a preliminary trial).
- `central_antipodal` takes the antipodal pair of the image that lies nearest to the centroid.
"""

from dataclasses import dataclass, replace
from time import perf_counter
from typing import ClassVar

import numpy as np
from jaxtyping import Float64

from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.grasps.grasps import Grasps
from graspnet.observation.observation import Observation
from graspnet.policies.grasp_space import GraspSpace, stands_out
from graspnet.policies.policy import Policy
from graspnet.policies.ranking import RankingConfig, RankingPolicy
from graspnet.quality import Quality

__all__ = ["CentralAntipodalPolicy", "PrincipalAxisConfig", "PrincipalAxisPolicy"]


@dataclass(frozen=True, kw_only=True)
class PrincipalAxisConfig:
    """Metres."""

    table_clearance: float = 0.002  # of the fingertips: of 0, 1, 2, 3 and 4.5 mm what lifted most in 470 trials
    palm_clearance: float = 0.005  # between palm and object
    cell: float = 0.002  # the object's outline is weighed by area in cells of this size, not by pixels
    round_ratio: float = 0.9  # of the deviations along both axes; above it the axes say nothing, and the widths decide

    def __post_init__(self) -> None:
        if not self.cell > 0:
            raise InputError(f"cell is {self.cell}; it must be positive (metres)")


class PrincipalAxisPolicy(Policy):
    """One grasp across the object's narrow side, straight down as far as table and palm allow, the hand fully open."""

    name: ClassVar[str] = "principal_axis"
    config_type: ClassVar[type] = PrincipalAxisConfig
    needs_quality: ClassVar[bool] = False
    of_one_object: ClassVar[bool] = True

    def __init__(self, config: PrincipalAxisConfig, quality: Quality | None = None) -> None:
        self.config = config

    def plan(self, observation: Observation, rng: np.random.Generator) -> GraspPlan:
        """See Policy; nothing here is random; the grasp has no quality, since the heuristic predicts nothing."""
        start = perf_counter()
        space = GraspSpace.of(observation)
        points = _object_points(space)
        if not len(points):
            return GraspPlan.nothing(self.name, observation, {"total": perf_counter() - start})
        outline = _outline(points, self.config.cell)
        center, angle = outline.mean(axis=0), _narrow_direction(outline, self.config)
        height = _height(points, center, space, self.config)
        grasps = space.grasps(np.array([[*center, height]]), np.array([angle]), np.array([space.w]))
        return GraspPlan(observation, grasps, np.full(1, np.nan), "", {"total": perf_counter() - start}, self.name)


class CentralAntipodalPolicy(Policy):
    """Feasible antipodal grasps of the image, ranked by how near their axis passes to the object's centroid."""

    name: ClassVar[str] = "central_antipodal"
    config_type: ClassVar[type] = RankingConfig
    needs_quality: ClassVar[bool] = False
    of_one_object: ClassVar[bool] = True

    def __init__(self, config: RankingConfig, quality: Quality | None = None) -> None:
        self.config = config

    def plan(self, observation: Observation, rng: np.random.Generator) -> GraspPlan:
        """See Policy. The nearest come first; they have no quality, since nearness predicts nothing."""
        plan = RankingPolicy(self.config, _nearness_to_centroid).plan(observation, rng)
        return replace(plan, policy=self.name, qualities=np.full(len(plan), np.nan))


def _nearness_to_centroid(observation: Observation, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
    """exp(−d / w) for the distance d of the grasp's approach line from the centroid of what may be grasped."""
    space = GraspSpace.of(observation)
    center = _outline(_object_points(space), PrincipalAxisConfig().cell).mean(axis=0)
    distance = np.linalg.norm(space.coordinates(grasps_in_camera)[:, :2] - center, axis=1)
    return np.asarray(np.exp(-distance / space.w), dtype=np.float64)


def _object_points(space: GraspSpace) -> Float64[np.ndarray, "P 3"]:
    """(x, y, height) of the object's points, without those at its rim that the sensor put on the table."""
    observation = space.observation
    points = space.height_map.coordinates(observation.object_points)
    over_table = points[:, 2] - space.table_height(points[:, :2])
    if not len(points) or not np.isfinite(over_table).all():
        return points
    return points[stands_out(over_table)]


def _outline(points: Float64[np.ndarray, "P 3"], cell: float) -> Float64[np.ndarray, "C 2"]:
    """Centres of the cells of the table's plane that the object covers, as seen from the camera."""
    return np.unique(np.rint(points[:, :2] / cell), axis=0) * cell


def _narrow_direction(outline: Float64[np.ndarray, "C 2"], config: PrincipalAxisConfig) -> float:
    """Angle of the minor principal axis; for a round or square outline, of the direction of least width."""
    offsets = outline - outline.mean(axis=0)
    variances, axes = np.linalg.eigh(offsets.T @ offsets / len(offsets) + 1e-12 * np.eye(2))
    if variances[0] < config.round_ratio**2 * variances[1]:
        return float(np.arctan2(axes[1, 0], axes[0, 0]))
    angles = np.arange(0, np.pi, np.pi / 60)
    along = offsets @ np.stack([np.cos(angles), np.sin(angles)])
    return float(angles[np.argmin(np.ptp(along, axis=0))])


def _height(
    points: Float64[np.ndarray, "P 3"], center: Float64[np.ndarray, "2"], space: GraspSpace, config: PrincipalAxisConfig
) -> float:
    """Height of the grasp's origin with the tips as deep as the table and the palm above the object allow."""
    gripper = space.gripper
    under_palm = np.linalg.norm(points[:, :2] - center, axis=1) <= np.hypot(gripper.palm[0], gripper.palm[1]) / 2
    top = float(np.quantile(points[under_palm, 2] if under_palm.any() else points[:, 2], 0.98))
    floor = float(space.tip_floor(center, config.table_clearance))
    if not np.isfinite(floor):
        floor = float(points[:, 2].min()) + config.table_clearance
    tip = max(floor, top - gripper.finger_length + config.palm_clearance)
    return tip + gripper.pad_to_tip
