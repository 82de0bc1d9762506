"""Facts about the cross-entropy method, with qualities whose optimum is known."""

import numpy as np
import pytest

from graspnet.policies.constraints import ConstraintConfig, FeasibleSampler
from graspnet.policies.cross_entropy.cross_entropy import CrossEntropyConfig, Search, rescored
from graspnet.policies.grasp_space import GraspSpace
from graspnet.policies.ranking import RankedGrasps
from graspnet.policies.registry import make_policy
from graspnet.policies.samplers.antipodal import AntipodalSamplerConfig
from tests.feasibility import feasible

DISC = tuple(((0.034, 0.034, 0.05), (0.0, 0.0), k * np.pi / 16) for k in range(8))  # nearly a cylinder: any angle fits
BLOCK = ((0.12, 0.03, 0.04), (0.02, -0.03), 0.5)
CONFIG = CrossEntropyConfig()


class Quadratic:
    """1 at one place, angle and depth; falls with the squared distance. Remembers what it was asked."""

    def __init__(self, origin, angle, scale=0.05):
        self.origin, self.angle, self.scale = np.asarray(origin), angle, scale
        self.asked, self.answers = [], []

    def __call__(self, observation, grasps):
        turned = np.arctan2(grasps.closing[:, 1], grasps.closing[:, 0]) - self.angle
        turned = (turned + np.pi / 2) % np.pi - np.pi / 2  # the jaws are interchangeable
        squared = np.sum((grasps.origin - self.origin) ** 2, axis=1) / self.scale**2 + (turned / 1.0) ** 2
        quality = np.maximum(1.0 - squared, 0.0)
        self.asked.append(grasps)
        self.answers.append(quality)
        return quality


def searched(observation, quality, config=CONFIG, seed=0):
    sampler = FeasibleSampler.of(observation, AntipodalSamplerConfig(), ConstraintConfig())
    return Search(quality, sampler, config, np.random.default_rng(seed)).ranked()


@pytest.mark.parametrize("angle", [-1.4, 0.0, 0.7, 1.5])
def test_the_optimum_of_a_quadratic_is_found(box_scene, angle):
    optimum = np.array([0.002, -0.003, 0.675])  # within the disc, pads 25 mm above the table
    quality = Quadratic(optimum, angle)
    best = searched(box_scene(*DISC), quality).top(1)
    # the components' σ is 1.5 mm on each axis at least: the best of some 500 samples lies well within two of them
    assert np.linalg.norm(best.grasps_in_camera.origin[0] - optimum) < 0.004
    assert best.qualities[0] > 0.99
    assert best.qualities[0] > quality.answers[0].max() - 1e-12  # the first generation is only a start


def test_more_generations_come_nearer(box_scene):
    scene, qualities = box_scene(*DISC), []
    for iterations in (0, 1, 3):
        found = [
            searched(scene, Quadratic([0.002, -0.003, 0.675], 0.4), CrossEntropyConfig(iterations=iterations), seed)
            for seed in range(5)
        ]
        qualities.append(np.mean([ranked.qualities[0] for ranked in found]))
    assert qualities[0] < qualities[1] < qualities[2]


def test_the_search_never_returns_less_than_the_best_that_it_evaluated(box_scene):
    """Before the finalists are scored again: the last generation may be worse than the first."""
    noise = np.random.default_rng(1)
    answers = []

    def fickle(observation, grasps):
        answers.append(noise.random(len(grasps)) * (0.5 if answers else 1.0))
        return answers[-1]

    ranked = searched(box_scene(BLOCK), fickle)
    everything = np.concatenate(answers)
    assert len(answers) == 4
    assert ranked.qualities[0] == everything.max()
    np.testing.assert_array_equal(ranked.qualities, np.sort(everything)[::-1])


def test_a_search_costs_the_evaluations_that_it_says(box_scene):
    quality = Quadratic([0.0, 0.0, 0.68], 0.0)
    make_policy("cross_entropy", quality=quality).plan(box_scene(*DISC), np.random.default_rng(0))
    *generations, again = [len(grasps) for grasps in quality.asked]
    assert generations == [384, 192, 192, 192]
    assert 16 * 8 < again <= (16 + 8) * 8  # the best, and up to eight of other places


def test_a_plan_has_alternatives_elsewhere_for_an_arm_that_cannot_reach_its_best(box_scene):
    near, far = ((0.06, 0.03, 0.04), (-0.08, 0.0), 0.0), ((0.06, 0.03, 0.04), (0.08, 0.0), 0.0)
    quality = Quadratic([-0.08, 0.0, 0.68], 0.0)
    plan = make_policy("cross_entropy", quality=quality).plan(box_scene(near, far), np.random.default_rng(0))
    x = plan.grasps_in_camera.origin[:, 0]
    assert x[0] < 0
    assert (x > 0).any()


def test_what_touches_something_is_never_scored_in_the_search(box_scene):
    observation = box_scene(BLOCK, ((0.05, 0.03, 0.07), (0.03, 0.06), 0.6))
    inside = np.array([0.03, -0.02, 0.68])  # between the two, where a finger would hit: the optimum is forbidden
    quality = Quadratic(inside, 0.3)
    ranked = searched(observation, quality)
    assert all(feasible(observation, grasps).all() for grasps in quality.asked)
    assert len(ranked) == sum(len(grasps) for grasps in quality.asked)


def test_the_same_seed_gives_the_same_plan_and_another_another(box_scene):
    observation = box_scene(BLOCK)
    policy = make_policy("cross_entropy", quality=Quadratic([0.02, 0.03, 0.68], 0.5))
    one, two, other = (policy.plan(observation, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.grasps_in_camera.poses, two.grasps_in_camera.poses)
    np.testing.assert_array_equal(one.qualities, two.qualities)
    assert not np.array_equal(one.grasps_in_camera.poses, other.grasps_in_camera.poses)


def test_rescoring_prefers_a_plateau_to_a_higher_peak(box_scene):
    observation = box_scene(BLOCK)
    sampler = FeasibleSampler.of(observation, AntipodalSamplerConfig(), ConstraintConfig())
    candidates = sampler.sample(60, np.random.default_rng(0))
    spread = np.ptp(candidates.origin[:, 0])
    order = np.argsort(candidates.origin[:, 0])
    pair = candidates[order[[0, -1]]]  # one at each end of the block
    assert spread > 0.04

    def peak_and_plateau(observation, grasps):
        to_peak = np.linalg.norm(grasps.origin - pair.origin[0], axis=1)
        to_plateau = np.linalg.norm(grasps.origin - pair.origin[1], axis=1)
        return np.where(to_peak < 1e-4, 1.0, np.where(to_plateau < 0.02, 0.8, 0.1))

    ranked = RankedGrasps.none().merged(pair, peak_and_plateau(observation, pair))
    assert ranked.qualities[0] == 1.0
    again = rescored(ranked, GraspSpace.of(observation), peak_and_plateau, CONFIG, np.random.default_rng(0))
    np.testing.assert_array_equal(again.grasps_in_camera.poses[0], pair.poses[1])
    assert again.qualities[0] == pytest.approx(0.8)
    assert again.qualities[1] == pytest.approx(0.1)


def test_rescored_qualities_are_mean_less_half_a_standard_deviation_over_jitters_of_the_stated_size(box_scene):
    observation = box_scene(BLOCK)
    grasps = FeasibleSampler.of(observation, AntipodalSamplerConfig(), ConstraintConfig()).sample(
        5, np.random.default_rng(0)
    )
    asked = []

    def remember(observation, jittered):
        asked.append(jittered)
        return np.linspace(0.2, 1.0, len(jittered))

    config = CrossEntropyConfig(jitters=400)
    space, rng = GraspSpace.of(observation), np.random.default_rng(0)
    ranked = rescored(RankedGrasps(grasps, np.ones(5)), space, remember, config, rng)
    values = np.linspace(0.2, 1.0, 2000).reshape(5, 400)
    np.testing.assert_allclose(ranked.qualities, np.sort(values.mean(1) - 0.5 * values.std(1))[::-1], atol=1e-12)
    offsets = asked[0].origin.reshape(5, 400, 3) - grasps.origin[:, None]
    np.testing.assert_allclose(offsets.std(axis=1), 0.04 * 0.05, rtol=0.15)  # 400 draws: 3.5 % each
    turns = np.arccos(np.clip(np.abs(np.sum(asked[0].closing.reshape(5, 400, 3) * grasps.closing[:, None], 2)), 0, 1))
    np.testing.assert_allclose(np.sqrt(np.mean(turns**2, axis=1)), np.deg2rad(3), rtol=0.15)


def test_few_feasible_grasps_are_enough_to_go_on(box_scene):
    config = CrossEntropyConfig(initial_samples=2, samples=3)
    ranked = searched(box_scene(BLOCK), Quadratic([0.02, 0.03, 0.68], 0.5), config)
    assert len(ranked) == 2 + 3 * 3
