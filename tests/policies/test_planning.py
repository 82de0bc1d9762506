"""Facts about what `graspnet.plan` and the command promise of every plan, whatever the policy."""

from dataclasses import replace

import numpy as np
import pytest

import graspnet as gn
from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.grasps.grasps import Grasps
from graspnet.policies.planning import MIN_QUALITY, plan_observation
from graspnet.policies.policy import Policy
from graspnet.transforms import frame_from_axes, rigid

BLOCK = ((0.06, 0.03, 0.04), (0.0, 0.0), 0.0)
ARM = ((0.03, 0.6, 0.05), (0.1, 0.31), 0.0)  # as easy to grasp as the block, and goes on beyond the image


class Fixed(Policy):
    """A policy that answers with grasps that were made before."""

    name, config_type, needs_quality = "fixed", dict, True

    def __init__(self, origins, qualities) -> None:
        closing = np.tile([0.0, 1.0, 0.0], (len(origins), 1))
        rotation = frame_from_axes(np.broadcast_to([0.0, 0.0, 1.0], closing.shape), closing)
        self.grasps = Grasps.of_jaws(rigid(rotation, np.array(origins, dtype=float)), np.full(len(origins), 0.05))
        self.qualities = np.array(qualities, dtype=float)

    def plan(self, observation, rng) -> GraspPlan:
        return GraspPlan(observation, self.grasps, self.qualities, "", {"total": 0.1}, "fixed")


def on_the_block(count, qualities):
    return Fixed([[0.0, 0.0, 0.68]] * count, qualities)


def test_grasps_below_the_floor_are_left_out(box_scene):
    plan = plan_observation(box_scene(BLOCK), on_the_block(3, [0.9, MIN_QUALITY, MIN_QUALITY - 0.01]))
    np.testing.assert_array_equal(plan.qualities, [0.9, MIN_QUALITY])


def test_where_nothing_reaches_the_floor_the_reason_has_counts_and_the_way_out(box_scene):
    policy = on_the_block(3, [0.01, 0.005, 0.0])
    plan = plan_observation(box_scene(BLOCK), policy)
    assert len(plan) == 0
    assert plan.reason == ("the best of 3 grasps has quality 0.010, below the least that counts, min_quality = 0.05")
    assert len(plan_observation(box_scene(BLOCK), policy, min_quality=0.0)) == 3
    with pytest.raises(InputError, match=r"min_quality is 5.0; it must lie in \[0, 1\]"):
        plan_observation(box_scene(BLOCK), policy, min_quality=5.0)


def test_grasps_without_a_quality_have_no_floor(box_scene):
    plan = plan_observation(box_scene(BLOCK), on_the_block(2, [np.nan, np.nan]))
    assert len(plan) == 2
    assert plan.best.quality is None
    assert plan.summary == "2 grasps in 0.10 s; fixed predicts no quality"


def test_a_plan_holds_at_most_the_best_k(box_scene):
    policy = Fixed([[0.0, 0.0, 0.68], [0.01, 0.0, 0.68], [0.02, 0.0, 0.68]], [0.9, 0.8, 0.7])
    np.testing.assert_array_equal(plan_observation(box_scene(BLOCK), policy, top_k=2).qualities, [0.9, 0.8])
    assert len(plan_observation(box_scene(BLOCK), policy, top_k=5)) == 3
    with pytest.raises(InputError, match="top_k is 0; it must be at least 1"):
        plan_observation(box_scene(BLOCK), policy, top_k=0)


def test_no_grasp_is_kept_that_leaves_the_image_or_reaches_into_the_table(box_scene):
    places = [[0.0, 0.0, 0.68], [0.0, 0.0, 0.695], [0.0, 0.3, 0.68], [0.5, 0.0, 0.68]]  # the tips are at +0.01
    plan = plan_observation(box_scene(BLOCK), Fixed(places, [0.9, 0.8, 0.7, 0.6]))
    np.testing.assert_array_equal(plan.qualities, [0.9])
    nothing = plan_observation(box_scene(BLOCK), Fixed(places[1:], [0.9, 0.8, 0.7]))
    assert nothing.reason == (
        "no free grasp: of 3 candidates, all had a finger outside of the image (2), or a fingertip in the table (1)"
    )


def test_an_arm_in_view_is_not_grasped_without_a_mask(box_scene):
    seen = box_scene(BLOCK, ARM, masked=False)
    plan = gn.plan(seen.depth, seen.camera, seen.gripper, policy="antipodal")
    assert len(plan) == 16
    assert (np.abs(plan.grasps_in_camera.origin[:, 0]) < 0.05).all()  # all on the block


def test_workspace_and_height_are_limits_of_the_plan(box_scene):
    left, right = ((0.03, 0.06, 0.03), (-0.1, 0.0), 0.0), ((0.03, 0.06, 0.06), (0.1, 0.0), 0.0)
    seen = box_scene(left, right, masked=False)
    box = np.array([[0.0, -1.0, 0.0], [1.0, 1.0, 1.0]])  # of the camera's frame, whose x is the world's
    limited = gn.plan(seen.depth, seen.camera, seen.gripper, policy="antipodal", workspace=box)
    assert (limited.grasps_in_camera.origin[:, 0] > 0.05).all()
    low = gn.plan(seen.depth, seen.camera, seen.gripper, policy="antipodal", max_height=0.04)
    assert (low.grasps_in_camera.origin[:, 0] < -0.05).all()


def test_an_empty_noisy_table_at_45_degrees_has_no_plan(box_scene):
    seen = box_scene(masked=False, tilt=np.pi / 4, noise=0.002)
    plan = gn.plan(seen.depth, seen.camera, seen.gripper)
    assert len(plan) == 0
    assert plan.reason.startswith("no object: nothing rises above the table")


def test_a_plan_without_a_table_warns(box_scene):
    seen = box_scene(BLOCK)
    depth = np.where(seen.segmask, seen.depth, np.float32(0))  # nothing but the block was measured
    alone = replace(seen, depth=depth)
    assert alone.table is None
    plan = plan_observation(alone, on_the_block(1, [0.9]))
    assert len(plan.warnings) == 1
    assert plan.warnings[0].startswith("no table was found in the image")
    assert plan_observation(seen, on_the_block(1, [0.9])).warnings == ()


def test_a_heuristic_that_takes_two_objects_for_one_does_not_close_on_the_table_between_them(box_scene):
    left, right = ((0.03, 0.03, 0.04), (-0.12, 0.0), 0.0), ((0.03, 0.03, 0.04), (0.12, 0.0), 0.0)
    both = plan_observation(box_scene(left, right, masked=False), "principal_axis")
    assert not len(both)
    assert "nothing between the jaws" in both.reason
    assert len(plan_observation(box_scene(left, masked=False), "principal_axis"))
