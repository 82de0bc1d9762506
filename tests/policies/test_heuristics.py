"""Heuristics: one closes across the narrow side through the centroid, one on the antipodal pair nearest to it."""

import numpy as np
import pytest
import trimesh

from graspnet.camera import load_camera
from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.grippers.gripper import load_gripper
from graspnet.observation.observation import Observation
from graspnet.policies.registry import make_policy
from graspnet.transforms import rigid, rotation_about

Z = np.array([0.0, 0.0, 1.0])


def _planned(sides, yaw=0.0, position=(0.0, 0.0), tilt=0.0, hand="yumi", policy="principal_axis"):
    """The heuristic's grasp in the world for a box on the table, seen from 0.7 m, by a camera tilted by `tilt`."""
    solid = solid_from_mesh(trimesh.creation.box(sides), "box")
    world_from_object = rigid(rotation_about(Z, np.array(yaw)), np.array([*position, sides[2] / 2]))
    rotation = rotation_about(np.array([1.0, 0, 0]), np.array(np.pi - tilt))
    world_from_camera = rigid(rotation, -0.7 * rotation[:, 2])
    camera = load_camera("primesense")
    with RaycastRenderer() as renderer:
        seen = renderer.render(Scene((solid,), world_from_object[None]), camera, world_from_camera)
    observation = Observation(seen.depth, camera, load_gripper(hand), seen.instance == 1)
    plan = make_policy(policy).plan(observation, np.random.default_rng(0))
    return plan.grasps_in_camera.transformed(world_from_camera)


@pytest.mark.parametrize("yaw", [0.0, 0.3, 1.2, -0.8])
@pytest.mark.parametrize("tilt", [0.0, 0.4])
def test_it_closes_across_a_bars_narrow_side_at_its_middle(yaw, tilt):
    grasp = _planned((0.09, 0.03, 0.02), yaw, (0.05, -0.03), tilt)
    across = np.array([-np.sin(yaw), np.cos(yaw), 0.0])
    assert abs(grasp.closing[0] @ across) > np.cos(np.deg2rad(2))
    # seen at 23°, the near side face widens the outline by the height times the tangent: 8 mm, half of it off centre
    np.testing.assert_allclose(grasp.origin[0, :2], [0.05, -0.03], atol=0.002 if tilt == 0 else 0.006)


@pytest.mark.parametrize("yaw", [0.2, 0.7])
def test_a_square_is_taken_across_its_sides_not_its_diagonal(yaw):
    grasp = _planned((0.04, 0.04, 0.03), yaw)
    angle = np.arctan2(grasp.closing[0, 1], grasp.closing[0, 0]) - yaw
    assert np.abs((angle + np.pi / 4) % (np.pi / 2) - np.pi / 4) < np.deg2rad(4)


def test_fingertips_reach_to_just_above_the_table_and_the_approach_is_straight_down():
    grasp, hand = _planned((0.06, 0.03, 0.025), tilt=0.3), load_gripper("yumi")
    assert grasp.origin[0, 2] - hand.pad_to_tip == pytest.approx(0.002, abs=0.001)
    np.testing.assert_allclose(grasp.approach[0], -Z, atol=1e-3)


def test_the_palm_stays_above_a_tall_object():
    grasp, hand = _planned((0.06, 0.03, 0.09)), load_gripper("yumi")
    assert grasp.origin[0, 2] - hand.palm_face == pytest.approx(0.095, abs=0.001)


def test_the_hand_is_fully_open():
    assert _planned((0.06, 0.03, 0.02), hand="panda").width[0] == load_gripper("panda").max_width


@pytest.mark.parametrize("policy", ["principal_axis", "central_antipodal"])
def test_an_object_without_a_measured_point_gets_no_plan_and_a_reason(policy):
    depth = np.full((480, 640), 0.7, dtype=np.float32)
    mask = np.zeros((480, 640), dtype=bool)
    mask[200:220, 300:320] = True
    depth[mask] = np.nan
    observation = Observation(depth, load_camera("primesense"), load_gripper("yumi"), mask)
    plan = make_policy(policy).plan(observation, np.random.default_rng(0))
    assert len(plan) == 0
    assert "no depth was measured" in plan.reason


def test_the_central_antipodal_grasp_closes_across_a_bar_at_its_middle():
    grasp = _planned((0.12, 0.03, 0.03), yaw=0.4, position=(0.05, -0.03), policy="central_antipodal")
    closing = grasp.closing[0]
    assert abs(closing @ [-np.sin(0.4), np.cos(0.4), 0]) > 0.97, "across the bar"
    np.testing.assert_allclose(grasp.origin[0, :2], [0.05, -0.03], atol=0.006)
