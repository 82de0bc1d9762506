"""Facts about an arm's reach: what a user's function of poses lets into a plan, and how the hand is turned for it."""

import sys
from dataclasses import replace

import numpy as np
import pytest

import graspnet as gn
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.policies.constraints import REASONS
from graspnet.policies.demands.reach import load_feasible, within_reach
from graspnet.transforms import frame_from_axes, rigid

BAR = ((0.12, 0.03, 0.04), (0.0, 0.0), 0.0)


def across_the_bar(*x: float) -> Grasps:
    """Grasps of the bar from above, in the frame of a camera that looks straight down from 0.7 m."""
    origin = np.array([[place, 0.0, 0.68] for place in x])
    closing = np.broadcast_to([0.0, 1.0, 0.0], origin.shape)
    approach = np.broadcast_to([0.0, 0.0, 1.0], origin.shape)
    return Grasps.of_jaws(rigid(frame_from_axes(approach, closing), origin), np.full(len(origin), 0.05))


def test_without_a_function_every_grasp_is_reached(box_scene):
    grasps = across_the_bar(-0.02, 0.02)
    found, reached = within_reach(box_scene(BAR), grasps)
    assert found is grasps
    assert reached.all()


def test_a_function_sees_poses_in_the_world_where_the_cameras_pose_is_known(box_scene):
    asked = []

    def feasible(poses):
        asked.append(poses)
        return np.ones(len(poses), dtype=bool)

    for known_pose in (False, True):
        within_reach(replace(box_scene(BAR, known_pose=known_pose), feasible=feasible), across_the_bar(0.02))
    in_camera, in_world = asked
    # the grasp, the same with its jaws swapped, and both 0.1 m back
    np.testing.assert_allclose(in_camera[:, :3, 3], [[0.02, 0, 0.68]] * 2 + [[0.02, 0, 0.58]] * 2, atol=1e-12)
    np.testing.assert_allclose(in_world[:, :3, 3], [[0.02, 0, 0.02]] * 2 + [[0.02, 0, 0.12]] * 2, atol=1e-12)
    np.testing.assert_allclose(in_world[:, :3, 2], [[0, 0, -1.0]] * 4, atol=1e-12)


def test_a_grasp_is_turned_where_the_arm_only_reaches_it_with_its_jaws_swapped(box_scene):
    grasps = across_the_bar(-0.02, 0.02)

    def feasible(poses):
        return (poses[:, 1, 1] < 0) | (poses[:, 0, 3] > 0)  # on the left only with the closing axis up the image

    found, reached = within_reach(replace(box_scene(BAR), feasible=feasible), grasps)
    assert reached.all()
    np.testing.assert_allclose(found.closing, [[0, -1, 0], [0, 1, 0]], atol=1e-12)
    np.testing.assert_array_equal(found.approach, grasps.approach)
    np.testing.assert_array_equal(found.width, grasps.width)


def test_the_pose_from_which_a_grasp_is_approached_must_be_reached_too(box_scene):
    observation = replace(box_scene(BAR), feasible=lambda poses: poses[:, 2, 3] > 0.6)
    _, reached = within_reach(observation, across_the_bar(0.0))
    assert not reached.any()


@pytest.mark.parametrize("policy", ["cross_entropy", "ranking", "antipodal", "central_antipodal"])
def test_a_plan_holds_only_what_is_reached(box_scene, policy):
    scene = box_scene(BAR, noise=0.0005)

    def left(poses):
        return poses[:, 0, 3] < -0.01

    plan = gn.plan(scene.depth, scene.camera, scene.gripper, mask=scene.segmask, policy=policy, feasible=left)
    assert len(plan)
    assert (plan.grasps_in_camera.origin[:, 0] < -0.01).all()
    assert plan.refusals.counts[REASONS[5]]


def test_a_plan_without_a_reachable_grasp_says_so(box_scene):
    scene = box_scene(BAR)
    for policy in ("principal_axis", "ranking"):
        plan = gn.plan(
            scene.depth, scene.camera, scene.gripper, policy=policy, feasible=lambda poses: np.zeros(len(poses), bool)
        )
        assert not len(plan)
        assert "out of the arm's reach" in plan.reason


@pytest.mark.parametrize("answer", [lambda poses: True, lambda poses: np.ones(3, bool), lambda poses: poses[:, 0, 3]])
def test_an_answer_that_is_no_mask_is_refused(box_scene, answer):
    with pytest.raises(InputError, match="a bool for each of the 8 poses"):
        within_reach(replace(box_scene(BAR), feasible=answer), across_the_bar(-0.02, 0.02))


def test_a_function_is_found_by_its_module():
    assert load_feasible("numpy.linalg:det") is np.linalg.det


def test_a_function_is_found_in_a_file_beside_you_and_the_path_stays_as_it_was(tmp_path, monkeypatch):
    (tmp_path / "an_arm_of_mine.py").write_text("def reaches(poses):\n    return poses[:, 2, 3] > 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    before = list(sys.path)
    assert load_feasible("an_arm_of_mine:reaches")(np.eye(4)[None]).tolist() == [False]
    assert sys.path == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("numpy:no_such", "no_such"), ("no_such_module:f", "No module named"), ("arm", "arm: expected MODULE:FUNCTION"),
        ("numpy:pi", "cannot be called"), (":f", "expected MODULE:FUNCTION"),
    ],
)  # fmt: skip
def test_a_function_that_is_not_there_is_named(name, message):
    with pytest.raises(InputError, match=message):
        load_feasible(name)
