"""Facts about a cone of approaches: which directions it holds, and what a search along them finds."""

import numpy as np
import pytest

from graspnet.errors import InputError
from graspnet.policies.constraints import ConstraintConfig, Constraints
from graspnet.policies.cross_entropy.approaches import tilted_approaches
from graspnet.policies.cross_entropy.cross_entropy import CrossEntropyConfig, CrossEntropyPolicy, feasible_sampler
from graspnet.policies.grasp_space import GraspSpace
from graspnet.policies.registry import make_policy
from tests.box_scenes import looking_down
from tests.feasibility import feasible

BLOCK = ((0.10, 0.03, 0.06), (0.0, 0.0), 0.4)
TILT = np.deg2rad(25)
CONE = CrossEntropyConfig(approach_tilt=TILT, approaches=4, initial_samples=64, samples=48, approach_samples=48)


def tilts(observation, grasps) -> np.ndarray:
    return np.arccos(np.clip(grasps.approach @ observation.approach, -1, 1))


@pytest.mark.parametrize("camera_tilt", [0.0, 0.3, 0.6])
def test_a_cones_approaches_have_its_angle_and_lie_evenly_around_the_normal(box_scene, camera_tilt):
    observation = box_scene(BLOCK, tilt=camera_tilt, known_pose=True)
    approaches = np.array(tilted_approaches(observation, TILT, 6))
    normal = looking_down(0.7, camera_tilt)[:3, :3].T @ np.array([0.0, 0.0, -1.0])
    np.testing.assert_allclose(approaches @ normal, np.cos(TILT), atol=1e-12)
    neighbours = np.sum(approaches * np.roll(approaches, 1, axis=0), axis=1)
    between = np.cos(TILT) ** 2 + np.sin(TILT) ** 2 * np.cos(np.pi / 3)  # of two lines on a cone, 60° apart
    np.testing.assert_allclose(neighbours, between, atol=1e-12)


def test_the_first_one_leans_the_way_the_camera_looks(box_scene):
    observation = box_scene(BLOCK, tilt=0.6, known_pose=True)
    first, *others = tilted_approaches(observation, TILT, 8)
    assert all(first[2] > other[2] + 1e-6 for other in others)
    (along,) = tilted_approaches(observation, 0.6, 1)
    np.testing.assert_allclose(along, [0.0, 0.0, 1.0], atol=1e-9)


def test_approaches_along_which_the_camera_cannot_see_are_left_out(box_scene):
    observation = box_scene(BLOCK, tilt=np.deg2rad(60), known_pose=True)
    kept = np.array(tilted_approaches(observation, np.deg2rad(30), 8))
    assert 0 < len(kept) < 8
    assert (kept[:, 2] >= np.cos(np.deg2rad(75)) - 1e-12).all()


def test_the_lowest_corner_of_a_tilted_hand_stays_above_the_table(box_scene):
    observation = box_scene(((0.10, 0.03, 0.02), (0.0, 0.0), 0.0), known_pose=True)
    rng, corners = np.random.default_rng(0), []
    for approach in tilted_approaches(observation, TILT, 4):
        sampler = feasible_sampler(GraspSpace.along(observation, approach), CrossEntropyConfig())
        grasps = sampler.sample(40, rng).transformed(looking_down(0.7, 0.0))
        hand = observation.gripper
        out = grasps.width / 2 + hand.finger_thickness
        x, y, z = np.moveaxis(grasps.poses[:, :3, :3], 2, 0)
        tip = grasps.origin + hand.pad_to_tip * z
        corners += [
            tip + a * hand.finger_breadth / 2 * x + (b * out)[:, None] * y for a in (-1, 1) for b in (-1.0, 1.0)
        ]
    heights = np.concatenate(corners)[:, 2]
    assert len(heights) > 200
    assert heights.min() >= 0.001 - 1e-6  # the clearance that constraints ask for


def test_a_search_in_a_cone_finds_what_only_tilted_grasps_are_good_for(box_scene):
    observation = box_scene(BLOCK, known_pose=True)

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
    assert len(np.unique(first.approach.round(6), axis=0)) == 5  # upright and four tilted ones, in one generation


def test_a_search_in_a_cone_keeps_the_upright_grasp_where_that_is_best(box_scene):
    observation = box_scene(BLOCK, known_pose=True)

    def upright_is_better(seen, grasps):
        return 0.8 - 0.6 * (tilts(seen, grasps) / TILT)

    cone = CrossEntropyPolicy(CONE, upright_is_better).plan(observation, np.random.default_rng(0))
    assert cone.best.quality == pytest.approx(0.8)
    assert tilts(observation, cone.grasps_in_camera)[0] == pytest.approx(0.0, abs=1e-6)


def test_without_a_tilt_a_search_is_the_upright_one(box_scene):
    observation = box_scene(BLOCK, known_pose=True)
    config = CrossEntropyConfig(approaches=0)
    plans = [
        CrossEntropyPolicy(each, lambda seen, grasps: np.cos(37 * grasps.origin[:, 0]) ** 2).plan(
            observation, np.random.default_rng(3)
        )
        for each in (config, CrossEntropyConfig(approach_tilt=TILT, approaches=0))
    ]
    np.testing.assert_array_equal(plans[0].grasps_in_camera.poses, plans[1].grasps_in_camera.poses)


def test_constraints_hold_along_a_tilted_approach_as_along_an_upright_one(box_scene):
    """A scene that is turned with the approach is the same scene: a table is only where the camera says it is."""
    observation = box_scene(BLOCK, tilt=TILT, known_pose=True)
    along_camera = GraspSpace.along(observation, np.array([0.0, 0.0, 1.0]))
    grasps = feasible_sampler(along_camera, CrossEntropyConfig()).sample(60, np.random.default_rng(0))
    assert len(grasps) == 60
    assert Constraints(along_camera, ConstraintConfig()).feasible(grasps).all()
    np.testing.assert_allclose(tilts(observation, grasps), TILT, atol=1e-6)


@pytest.mark.parametrize("tilt", [-0.1, 1.2, np.nan])
def test_a_tilt_beyond_sixty_degrees_is_refused(tilt):
    with pytest.raises(InputError, match=r"approach_tilt is .*60°"):
        CrossEntropyConfig(approach_tilt=tilt)
