"""Facts about a cone of approaches: which directions it holds, and what a search along them finds."""

from itertools import product

import numpy as np
import pytest

from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import load_parallel_jaw
from graspnet.observation.observation import seen_together
from graspnet.policies.cross_entropy.approaches import tilted_approaches
from graspnet.policies.cross_entropy.cross_entropy import CrossEntropyConfig, CrossEntropyPolicy, feasible_sampler
from graspnet.policies.dense.grid import DenseConfig
from graspnet.policies.grasp_space import GraspSpace
from graspnet.policies.ranking import RankedGrasps
from graspnet.policies.registry import make_policy
from graspnet.policies.servo.servo import ServoConfig
from tests.box_scenes import looking_down
from tests.feasibility import feasible

BLOCK = ((0.10, 0.03, 0.06), (0.0, 0.0), 0.4)
TILT = np.deg2rad(25)
VIEW = np.deg2rad(40)  # of the camera off the vertical
CONE = CrossEntropyConfig(approach_tilt=TILT, approaches=6, initial_samples=64, samples=48, approach_samples=48)


def tilts(observation, grasps) -> np.ndarray:
    return np.arccos(np.clip(grasps.approach @ observation.approach, -1, 1))


@pytest.mark.parametrize("camera_tilt", [0.3, 0.6, 0.9])
def test_approaches_lie_evenly_on_a_cone_around_the_normal_on_the_cameras_side(box_scene, camera_tilt):
    observation = box_scene(BLOCK, tilt=camera_tilt, known_pose=True)
    approaches = np.array(tilted_approaches(observation, TILT, 24))
    normal = looking_down(0.7, camera_tilt)[:3, :3].T @ np.array([0.0, 0.0, -1.0])
    np.testing.assert_allclose(approaches @ normal, np.cos(TILT), atol=1e-12)
    assert (approaches[:, 2] > np.cos(camera_tilt)).all()  # nearer to the optical axis than an upright hand
    neighbours = np.sum(approaches[1:] * approaches[:-1], axis=1)
    between = np.cos(TILT) ** 2 + np.sin(TILT) ** 2 * np.cos(np.pi / 12)  # of two lines on a cone, 15° apart
    assert np.isclose(neighbours, between, atol=1e-12).sum() >= len(approaches) - 2  # the ends of an arc are not
    # On a sphere, cos c = cos t cos T + sin t sin T cos φ for a camera at t and an approach at T, φ apart: it is above
    # cos t where cos φ > cos t (1 − cos T) / (sin t sin T).
    edge = np.cos(camera_tilt) * (1 - np.cos(TILT)) / (np.sin(camera_tilt) * np.sin(TILT))
    assert len(approaches) == np.sum(np.cos(2 * np.pi * np.arange(24) / 24) > edge)


def test_a_camera_overhead_tilts_no_hand(box_scene):
    assert tilted_approaches(box_scene(BLOCK, known_pose=True), TILT, 6) == []
    assert tilted_approaches(box_scene(BLOCK, tilt=np.deg2rad(10), known_pose=True), TILT, 6) == []


def test_the_first_one_leans_the_way_the_camera_looks(box_scene):
    observation = box_scene(BLOCK, tilt=0.6, known_pose=True)
    first, *others = tilted_approaches(observation, TILT, 8)
    assert all(first[2] > other[2] + 1e-6 for other in others)
    (along,) = tilted_approaches(observation, 0.6, 1)
    np.testing.assert_allclose(along, [0.0, 0.0, 1.0], atol=1e-9)


def test_of_several_looks_every_camera_sees_along_every_approach(box_scene):
    first, second = (box_scene(BLOCK, tilt=tilt, known_pose=True) for tilt in (0.0, np.deg2rad(60)))
    both = seen_together([first, second])
    kept = np.array(tilted_approaches(both, TILT, 8))
    axes = np.array([[0.0, 0.0, 1.0], first.world_from_camera[:3, :3].T @ second.world_from_camera[:3, 2]])
    assert len(kept) > 0 == len(tilted_approaches(first, TILT, 8))
    assert (kept @ axes.T >= np.cos(np.deg2rad(75))).all()
    plan = CrossEntropyPolicy(CONE, lambda seen, grasps: np.full(len(grasps), 0.5)).plan(both, np.random.default_rng(0))
    assert len(plan)


def corners_in_world(grasps, hand, tilt=0.0) -> np.ndarray:
    """(N, 24, 3): all corners of both fingers and of the palm."""
    low, high = hand.boxes(grasps.width)
    sides = np.array(list(product((0, 1), repeat=3)))
    in_grasp = np.where(sides, high[:, :, None], low[:, :, None]).reshape(len(grasps), 24, 3)
    world_from_grasp = looking_down(0.7, tilt) @ grasps.poses
    return np.einsum("nij,ncj->nci", world_from_grasp[:, :3, :3], in_grasp) + world_from_grasp[:, None, :3, 3]


@pytest.mark.parametrize(("hand", "tilt"), [("yumi", 25), ("panda", 35), ("panda", 45), ("robotiq_85", 40)])
def test_no_corner_of_a_tilted_hand_is_nearer_to_the_table_than_the_clearance(box_scene, hand, tilt):
    gripper = load_parallel_jaw(hand)
    observation = box_scene(((0.10, 0.03, 0.06), (0.0, 0.0), 0.0), gripper=gripper, tilt=VIEW, known_pose=True)
    rng, lowest = np.random.default_rng(0), []
    for approach in tilted_approaches(observation, np.deg2rad(tilt), 4):
        sampler = feasible_sampler(GraspSpace.along(observation, approach), CrossEntropyConfig())
        lowest.append(corners_in_world(sampler.sample(40, rng), gripper, VIEW)[..., 2].min(axis=1))
    heights = np.concatenate(lowest)
    assert len(heights) > 20
    assert heights.min() >= 0.001 - 1e-6  # the clearance that constraints ask for


def test_a_tilted_hand_keeps_as_far_from_the_table_as_an_upright_one(box_scene):
    """A fifth of what it grasps, and at most 5 mm: of a block of 15 mm, 3 mm."""
    observation = box_scene(((0.10, 0.03, 0.015), (0.0, 0.0), 0.0), tilt=VIEW, known_pose=True)
    for approach in [observation.approach, *tilted_approaches(observation, np.deg2rad(20), 4)]:
        sampler = feasible_sampler(GraspSpace.along(observation, approach), CrossEntropyConfig())
        grasps = sampler.sample(60, np.random.default_rng(0))
        heights = corners_in_world(grasps, observation.gripper, VIEW)[..., 2].min(axis=1)
        assert heights.min() > 0.002
        assert np.median(heights) > 0.0025


def test_a_table_that_is_fitted_to_noise_refuses_no_hand_that_was_just_raised_above_it(box_scene):
    observation = box_scene(((0.10, 0.03, 0.03), (0.08, 0.05), 0.0), tilt=VIEW, noise=0.004)
    for approach in tilted_approaches(observation, TILT, 4):
        space = GraspSpace.along(observation, approach)
        sampler = feasible_sampler(space, CrossEntropyConfig())
        sampler.sample(40, np.random.default_rng(0))
        counts = sampler.constraints.refusals.counts
        assert counts["a fingertip in the table"] <= 0.02 * counts.total()


def test_what_the_table_leaves_no_room_for_is_refused_for_the_table(box_scene):
    observation = box_scene(((0.10, 0.03, 0.003), (0.0, 0.0), np.pi / 4), tilt=VIEW, known_pose=True)
    along = tilted_approaches(observation, np.deg2rad(55), 1)[0]
    sampler = feasible_sampler(GraspSpace.along(observation, along), CrossEntropyConfig())
    assert len(sampler.sample(20, np.random.default_rng(0))) < 5
    assert sampler.constraints.refusals.counts.most_common(1)[0][0] == "a fingertip in the table"


def test_a_search_in_a_cone_finds_what_only_tilted_grasps_are_good_for(box_scene):
    observation = box_scene(BLOCK, tilt=VIEW, known_pose=True)

    def tilted_is_better(seen, grasps):
        return 0.2 + 0.6 * (tilts(seen, grasps) / TILT)

    upright = make_policy("cross_entropy", quality=tilted_is_better).plan(observation, np.random.default_rng(0))
    cone = CrossEntropyPolicy(CONE, tilted_is_better).plan(observation, np.random.default_rng(0))
    assert upright.best.quality == pytest.approx(0.2)
    assert cone.best.quality == pytest.approx(0.8)
    assert tilts(observation, cone.grasps_in_camera)[0] == pytest.approx(TILT)
    assert feasible(observation, cone.grasps_in_camera).all()
    assert len(cone.generations) == 1 + CONE.iterations
    first, _ = cone.generations[0]
    assert len(np.unique(first.approach.round(6), axis=0)) == 4  # upright and three tilted ones, in one generation


def test_a_search_in_a_cone_keeps_the_upright_grasp_where_that_is_best(box_scene):
    observation = box_scene(BLOCK, tilt=VIEW, known_pose=True)

    def upright_is_better(seen, grasps):
        return 0.8 - 0.6 * (tilts(seen, grasps) / TILT)

    cone = CrossEntropyPolicy(CONE, upright_is_better).plan(observation, np.random.default_rng(0))
    assert cone.best.quality == pytest.approx(0.8)
    assert tilts(observation, cone.grasps_in_camera)[0] == pytest.approx(0.0, abs=1e-6)


def test_without_a_tilt_a_search_is_the_upright_one(box_scene):
    observation = box_scene(BLOCK, tilt=VIEW, known_pose=True)
    plans = [
        CrossEntropyPolicy(config, lambda seen, grasps: np.cos(37 * grasps.origin[:, 0]) ** 2).plan(
            observation, np.random.default_rng(3)
        )
        for config in (CrossEntropyConfig(), CrossEntropyConfig(approach_tilt=TILT, approaches=0))
    ]
    np.testing.assert_array_equal(plans[0].grasps_in_camera.poses, plans[1].grasps_in_camera.poses)


def test_grasps_of_one_place_along_different_approaches_are_alternatives(box_scene):
    observation = box_scene(BLOCK, tilt=VIEW, known_pose=True)
    spaces = [GraspSpace.along(observation, a) for a in tilted_approaches(observation, TILT, 6)[:2]]
    origin = spaces[0].coordinates(spaces[0].grasps(np.array([[0.0, 0.0, -0.66]]), np.zeros(1), np.array([0.05])))
    same_place = Grasps.concatenate([
        space.grasps(space.height_map.coordinates(spaces[0].height_map.points(origin)), np.zeros(1), np.array([0.05]))
        for space in (spaces[0], spaces[0], spaces[1])
    ])  # fmt: skip
    ranked = RankedGrasps(same_place, np.array([0.9, 0.8, 0.7]))
    np.testing.assert_array_equal(ranked.distinct(3, observation.gripper.span), [0, 2])


def test_policies_that_grasp_from_above_refuse_a_tilt():
    for config in (DenseConfig, ServoConfig):
        with pytest.raises(InputError, match=r"search\.approach_tilt_deg: .* from above alone"):
            config(search=CrossEntropyConfig(approach_tilt=TILT))


@pytest.mark.parametrize("tilt", [-0.1, 1.2, np.nan])
def test_a_tilt_beyond_sixty_degrees_is_refused(tilt):
    with pytest.raises(InputError, match=r"approach_tilt is .*; it must lie between 0 and 60°"):
        CrossEntropyConfig(approach_tilt=tilt)
