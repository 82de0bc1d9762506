"""Steps uphill: the frames are those of the grasp space, log odds rise, and only what is better in the end is kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import graspnet as gn
from graspnet.grasps.grasps import Grasps
from graspnet.policies.cross_entropy.ascent import ascended, differentiable_poses
from graspnet.policies.cross_entropy.cross_entropy import CrossEntropyConfig, CrossEntropyPolicy
from graspnet.policies.grasp_space import GraspSpace
from graspnet.quality import NetworkQuality

BLOCK = ((0.07, 0.025, 0.04), (0.02, -0.03), 0.5)


@pytest.fixture(scope="module")
def shipped() -> NetworkQuality:
    return NetworkQuality(gn.load_model("parallel_jaw"))


def beside_the_best(space: GraspSpace, count: int = 12) -> Grasps:
    """Grasps of the block that are off by some millimetres and degrees."""
    rng = np.random.default_rng(0)
    middle = space.coordinates(Grasps.of_jaws(np.eye(4)[None], np.array([0.05])))[0]
    points = space.observation.object_points
    middle[:2] = space.height_map.coordinates(points)[:, :2].mean(axis=0)
    middle[2] = space.height_map.coordinates(points)[:, 2].max() - 0.01
    places = middle + rng.normal(0, [0.006, 0.006, 0.002], (count, 3))
    return space.grasps(places, np.pi / 2 - 0.5 + rng.normal(0, 0.2, count), np.full(count, 0.05))


@pytest.mark.parametrize("tilt", [0.0, 0.5])
def test_frames_are_those_of_the_grasp_space(box_scene, tilt):
    space = GraspSpace.of(box_scene(BLOCK, tilt=tilt))
    grasps = beside_the_best(space)
    coordinates, angle = torch.from_numpy(space.coordinates(grasps)), torch.from_numpy(space.angles(grasps))
    np.testing.assert_allclose(
        differentiable_poses(space, coordinates, angle).numpy(), grasps.poses, atol=2e-6
    )  # the map has its own axis to 1e-6


def test_log_odds_rise_and_no_grasp_goes_further_than_it_may(box_scene, shipped):
    scene = box_scene(BLOCK, noise=0.0005)
    space = GraspSpace.of(scene)
    start = beside_the_best(space)
    end = ascended(start, space, shipped, steps=5, reach=0.06)
    before, after = (shipped(scene, grasps) for grasps in (start, end))
    assert np.mean(after) > np.mean(before) + 0.02
    assert (after > before).mean() > 0.7
    shift = (space.coordinates(end) - space.coordinates(start)) / space.w
    turn = (space.angles(end) - space.angles(start)) / 2.0
    assert np.linalg.norm(np.column_stack([shift, turn]), axis=1).max() < 0.06 + 1e-9


def test_a_plan_with_steps_uphill_is_no_worse_by_its_own_measure(box_scene, shipped):
    """What is reached is ranked beside where it began, under the same jitters: the best can only be better."""
    scene = box_scene(BLOCK, noise=0.0005)
    few = CrossEntropyConfig(initial_samples=64, iterations=0, finalists=4, alternatives=0)
    plain, climbed = (
        CrossEntropyPolicy(replace(few, ascent_steps=steps), shipped).plan(scene, np.random.default_rng(0))
        for steps in (0, 5)
    )
    assert climbed.qualities[0] >= plain.qualities[0] - 0.02  # the jitters are drawn for more finalists
    assert len(climbed) > 0


def test_without_grasps_there_is_nothing_to_climb(box_scene, shipped):
    space = GraspSpace.of(box_scene(BLOCK))
    assert len(ascended(Grasps.none(), space, shipped, 5, 0.06)) == 0
