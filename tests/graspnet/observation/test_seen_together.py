"""Facts about several looks at one scene: merged into one map, they hide less, and their noise averages out."""

from dataclasses import replace

import numpy as np
import pytest

import graspnet as gn
from graspnet.errors import InputError
from graspnet.observation.observation import seen_together
from graspnet.policies.constraints import fingers_in_view
from graspnet.policies.grasp_space import GraspSpace
from tests.box_scenes import CAMERA, looking_down, render

BLOCK, WALL = ((0.06, 0.03, 0.04), (0.0, 0.0), 0.0), ((0.2, 0.02, 0.12), (0.0, -0.09), 0.0)


def look(tilt, boxes=(BLOCK,), noise=0.0, seed=0, mask_of=(BLOCK,)):
    """The scene from 0.7 m away, that far to the side; only the block may be grasped."""
    pose = looking_down(0.7, tilt)
    depth, _ = render(list(boxes), CAMERA, pose)
    _, mask = render(list(mask_of), CAMERA, pose)
    hidden = np.abs(render(list(mask_of), CAMERA, pose)[0] - depth) > 1e-6  # behind something else
    depth += np.float32(noise) * np.random.default_rng(seed).standard_normal(depth.shape).astype(np.float32)
    return gn.Observation(depth, CAMERA, gn.load_gripper("yumi"), mask & ~hidden, pose)


def test_grasps_are_in_the_frame_of_the_first_look_and_in_the_one_world():
    looks = [look(-0.6), look(0.6)]
    for order in (looks, looks[::-1]):
        plan = gn.plan(order, policy="ranking")
        assert len(plan)
        np.testing.assert_allclose(
            plan.best.world_from_grasp, order[0].world_from_camera @ plan.best.camera_from_grasp, atol=1e-12
        )
        assert np.abs(plan.best.world_from_grasp[:2, 3]).max() < 0.03
        np.testing.assert_allclose(plan.best.world_from_grasp[:3, 2], [0, 0, -1], atol=1e-5)


def test_what_one_look_hides_another_shows():
    boxes = (BLOCK, WALL)
    behind, beside = look(0.6, boxes), look(-0.5, boxes)
    assert behind.object_mask.sum() < 0.75 * beside.object_mask.sum()
    alone, both = (GraspSpace.of(each).height_map for each in (behind, seen_together([behind, beside])))
    assert both.measured.mean() > alone.measured.mean() + 0.05
    assert both.on_object.sum() > 1.04 * alone.on_object.sum()  # the strip of the top behind the wall


def test_the_noise_of_looks_from_one_place_averages_out():
    looks = [look(0.0, noise=0.002, seed=k) for k in range(4)]
    deviations = []
    for each in (looks[0], seen_together(looks)):
        height_map = GraspSpace.of(each).height_map
        x, y, height = np.moveaxis(height_map.coordinates(height_map.points(
            np.concatenate([height_map.cell_places(), height_map.height[..., None]], axis=-1))), -1, 0)  # fmt: skip
        top = (np.abs(x) < 0.02) & (np.abs(y) < 0.01)
        deviations.append(height[top].std())
    assert deviations[1] < 0.6 * deviations[0]  # a half, were all heights within a cell of each other


def test_fingers_may_be_in_any_of_the_images():
    first, other = look(0.0), look(0.3)
    grasps = gn.plan(first, policy="antipodal").grasps_in_camera
    cut = replace(first, depth=first.depth[:, :300], camera=first.camera.window(0, 0, 300, 480),
                  segmask=first.segmask[:, :300])  # fmt: skip
    assert not fingers_in_view(cut, grasps).all()
    assert fingers_in_view(seen_together([cut, other]), grasps).all()


def test_one_look_is_itself():
    one = look(0.2)
    assert seen_together([one]) is one
    by_image = gn.plan(one.depth, one.camera, one.gripper, mask=one.segmask, world_from_camera=one.world_from_camera)
    np.testing.assert_array_equal(gn.plan([one]).grasps_in_camera.poses, by_image.grasps_in_camera.poses)
    np.testing.assert_array_equal(gn.plan(one).grasps_in_camera.poses, by_image.grasps_in_camera.poses)


def test_looks_that_do_not_belong_together_are_refused():
    one = look(0.2)
    with pytest.raises(InputError, match="observation 1 has no world_from_camera"):
        gn.plan([one, replace(one, world_from_camera=None)])
    with pytest.raises(InputError, match="observation 1 is of the gripper panda, the first of yumi"):
        gn.plan([one, replace(one, gripper=gn.load_gripper("panda"))])
    with pytest.raises(InputError, match="camera, gripper: an Observation has its own"):
        gn.plan(one, one.camera, one.gripper)
    with pytest.raises(InputError, match="a depth image needs a camera and a gripper"):
        gn.plan(one.depth)
    with pytest.raises(InputError, match="an Observation, or a list of Observations"):
        gn.plan([])


def test_a_batch_has_a_plan_for_each_image_and_names_the_one_that_cannot_be():
    looks = [look(0.0), look(0.4)]
    plans = gn.plan_each(looks, policy="ranking")
    for each, found in zip(looks, plans, strict=True):
        np.testing.assert_array_equal(found.qualities, gn.plan(each, policy="ranking").qualities)
        assert found.model == "parallel_jaw"
    depth = np.where(looks[0].segmask, looks[0].depth, np.float32(np.nan))
    bare = replace(looks[0], depth=depth, world_from_camera=None, max_height=0.1)
    with pytest.raises(InputError, match="observation 1: max_height is a height above the table"):
        gn.plan_each([looks[0], bare], policy="ranking")
