"""What the shipped network's policy picks is better on the true mesh than what the sampler proposes."""

import numpy as np

from graspnet.config import load_config
from graspnet.data_gen.labels.metrics import MetricConfig
from graspnet.data_gen.labels.robustness import estimate
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.grasps.grasps import Grasps
from graspnet.models.checkpoint import load_checkpoint
from graspnet.policies.registry import make_policy
from graspnet.quality import NetworkQuality
from graspnet.sim_eval.episodes.draw import draw_episode
from graspnet.sim_eval.episodes.episode import Episode
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.transforms import invert

TRIALS = 64  # the gain is then 3.4 standard errors: another processor rounds otherwise and may plan otherwise


def robust_epsilon(trial: Episode, grasps_in_camera: Grasps) -> np.ndarray:
    object_from_camera = invert(trial.world_from_objects[0]) @ trial.world_from_camera
    gravity_in_object = -trial.world_from_objects[0, 2, :3]
    grasps_in_object = grasps_in_camera.transformed(object_from_camera)
    config, rng = MetricConfig(), np.random.default_rng(0)
    metrics = ["robust_epsilon"]
    found = estimate(metrics, trial.solids[0], grasps_in_object, trial.gripper, gravity_in_object, config, rng)
    return found["robust_epsilon"].mean


def test_the_policy_picks_grasps_of_higher_true_robust_epsilon_than_the_samplers_average():
    config = load_config(ProtocolConfig, "simulate", "single")
    policy = make_policy("cross_entropy", quality=NetworkQuality(load_checkpoint("parallel_jaw")))
    sampler = make_policy("antipodal")
    gains = []
    for index in range(TRIALS):
        trial = draw_episode(config, 11, index, RaycastRenderer())
        picked = policy.plan(trial.observation, np.random.default_rng(0)).grasps_in_camera[slice(1)]
        sampled = sampler.plan(trial.observation, np.random.default_rng(0)).grasps_in_camera
        if len(picked) and len(sampled):
            gains.append(robust_epsilon(trial, picked)[0] - robust_epsilon(trial, sampled).mean())
    assert len(gains) >= TRIALS // 2
    mean, error = np.mean(gains), np.std(gains, ddof=1) / np.sqrt(len(gains))
    assert mean > 2 * error
