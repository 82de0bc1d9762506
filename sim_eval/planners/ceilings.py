"""Ceilings: how well one could do with the policies' own hand and approach, if one knew what they do not.

Three planners tell geometry, sensing and label apart. All of them rank by the analytic label of the true mesh:

- `oracle` takes the best of many grasps of the true mesh, and the arm goes exactly there. What it fails at, no grasp
  from above does, or the label is wrong.
- `oracle_calibrated` does the same with the arm's calibration error, as a policy has it.
- `oracle_on_image` searches as the cross-entropy policy does, on the noisy image, with the label instead of a
  network: what is missing from here to a policy is the network's.
"""

from time import perf_counter
from typing import ClassVar

import numpy as np
from jaxtyping import Float64

from graspnet.data_gen.candidates.mixture import CandidateConfig, sample_candidates
from graspnet.data_gen.labels.label import label_grasps
from graspnet.data_gen.labels.metrics import MetricConfig
from graspnet.data_gen.labels.uncertainty import UncertaintyConfig
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.dataset.labels import soft_label
from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.observation.observation import Observation
from graspnet.policies.registry import make_policy
from graspnet.sim_eval.planners.planner import Planner, Situation
from graspnet.sim_eval.planners.policy_planner import PolicyPlanner
from graspnet.transforms import invert

__all__ = ["CEILINGS", "CalibratedOracle", "Oracle", "OracleOnImage", "true_robustness"]

LABEL = "robust_centered_closure"
CANDIDATES_EACH = 400  # each object has so many
MIXTURE = CandidateConfig(antipodal=0.7, near_miss=0.3, action_space=0.0)
MAX_TIE = 0.02  # labels that differ by less are as good: the grasp nearest to the centre of mass is taken then


def true_robustness(
    scene: Scene,
    target: int,
    grasps_in_world: Grasps,
    gripper: ParallelJaw,
    rng: np.random.Generator,
    samples: int = 64,
) -> Float64[np.ndarray, "N"]:
    """Label grasps of one solid of a scene softly, from its true mesh and pose."""
    assumed = MetricConfig(uncertainty=UncertaintyConfig(samples=samples))
    source = np.full(len(grasps_in_world), "oracle")
    labels = label_grasps(scene, target, grasps_in_world, source, gripper, [LABEL], assumed, rng)
    sigma = assumed.uncertainty.grasp_translation
    return soft_label(labels.hold.metrics[LABEL].mean, labels.clearance.smallest, sigma)


class Oracle(Planner):
    """Takes the grasp with the best label among many on the true meshes; the arm goes exactly there."""

    name: ClassVar[str] = "oracle"

    def plan(self, situation: Situation) -> GraspPlan:
        """See Planner. The plan holds all grasps with a label above zero, best first."""
        start = perf_counter()
        rng, gripper = np.random.default_rng(situation.seed), ParallelJaw.of(situation.observation.gripper)
        grasps, values = [Grasps.none()], [np.zeros(0)]
        for target in range(len(situation.scene.solids)):
            found, robustness = _best_first(situation.scene, target, gripper, rng)
            grasps.append(found)
            values.append(robustness)
        grasps_in_world, robustness = Grasps.concatenate(grasps), np.concatenate(values)
        order = np.argsort(-robustness, kind="stable")
        seconds = {"total": perf_counter() - start}
        if not len(order):
            reason = "no grasp from above holds the object, says the label"
            return GraspPlan(situation.observation, Grasps.none(), np.zeros(0), reason, seconds, self.name)
        in_camera = grasps_in_world[order].transformed(invert(self._world_from_camera(situation)))
        return GraspPlan(situation.observation, in_camera, robustness[order], "", seconds, self.name)

    def _world_from_camera(self, situation: Situation) -> Float64[np.ndarray, "4 4"]:
        """Choose the pose through which a grasp in the world is told to the arm: the one that the arm believes in."""
        return situation.world_from_believed_camera


class CalibratedOracle(Oracle):
    """Takes the same grasp, told in the true camera's frame: the arm's calibration error comes on top."""

    name: ClassVar[str] = "oracle_calibrated"

    def _world_from_camera(self, situation: Situation) -> Float64[np.ndarray, "4 4"]:
        return situation.world_from_camera


class OracleOnImage(Planner):
    """Searches as the cross-entropy policy does on the noisy image, with the true label for a quality."""

    def plan(self, situation: Situation) -> GraspPlan:
        """See Planner."""
        return PolicyPlanner(make_policy("cross_entropy", quality=_TrueQuality(situation))).plan(situation)


# --policy and results know them by these names; each is made without arguments
CEILINGS: dict[str, type[Planner]] = {
    "oracle": Oracle,
    "oracle_calibrated": CalibratedOracle,
    "oracle_on_image": OracleOnImage,
}


class _TrueQuality:
    """Labels grasps in the camera's frame, each with the object that it holds best."""

    def __init__(self, situation: Situation) -> None:
        self.situation = situation

    def __call__(self, observation: Observation, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
        grasps_in_world = grasps_in_camera.transformed(self.situation.world_from_camera)
        best, scene = np.zeros(len(grasps_in_camera)), self.situation.scene
        gripper = ParallelJaw.of(observation.gripper)
        for target, solid in enumerate(scene.solids):
            center = scene.world_from_object[target, :3, 3]
            near = np.linalg.norm(grasps_in_world.origin - center, axis=1) < solid.radius + gripper.max_width
            rng = np.random.default_rng(self.situation.seed)
            best[near] = np.maximum(
                best[near], true_robustness(scene, target, grasps_in_world[near], gripper, rng, samples=25)
            )
        return best


def _best_first(
    scene: Scene, target: int, gripper: ParallelJaw, rng: np.random.Generator
) -> tuple[Grasps, Float64[np.ndarray, "N"]]:
    """Sample grasps that may hold one solid, in the world, and label them; near ties go to the centre of mass."""
    solid, world_from_object = scene.solids[target], scene.world_from_object[target]
    try:
        grasps, _ = sample_candidates(solid, world_from_object, gripper, CANDIDATES_EACH, MIXTURE, rng)
    except InputError:
        return Grasps.none(), np.zeros(0)
    robustness = true_robustness(scene, target, grasps, gripper, rng)
    center = world_from_object[:3, :3] @ solid.center_of_mass + world_from_object[:3, 3]
    off_center = np.linalg.norm(grasps.origin - center, axis=1) / solid.radius
    ranked = np.maximum(robustness - MAX_TIE * np.minimum(off_center, 1.0), 0.0)
    holds = robustness > MAX_TIE
    return grasps[holds], ranked[holds]
