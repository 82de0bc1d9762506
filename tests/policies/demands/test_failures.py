"""Where a grasp failed, others count for less: by the formula, in a plan, and as the front door takes it."""

import numpy as np
import pytest

import graspnet as gn
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.policies.cross_entropy.cross_entropy import CrossEntropyConfig, CrossEntropyPolicy
from graspnet.policies.demands.failures import DISCOUNT, RADIUS, AfterFailures, share_left
from graspnet.policies.ranking import RankingConfig, RankingPolicy

SPAN = 0.05
LEFT, RIGHT = ((0.06, 0.03, 0.04), (-0.08, 0.0), 0.0), ((0.06, 0.03, 0.04), (0.08, 0.0), 0.0)


def rather_left(observation, grasps_in_camera):
    return 0.6 - 0.5 * grasps_in_camera.origin[:, 0]  # 0.64 on the left block, 0.56 on the right one


def test_right_there_two_thirds_are_left_and_two_failures_multiply():
    here = np.zeros((1, 3))
    assert share_left(here, here, SPAN) == pytest.approx(1 - DISCOUNT)
    assert share_left(here, np.zeros((2, 3)), SPAN) == pytest.approx((1 - DISCOUNT) ** 2)
    assert share_left(here, np.zeros((0, 3)), SPAN) == 1.0


def test_it_falls_off_as_a_gaussian_and_scales_with_the_hand():
    places = np.linspace([0.0, 0, 0], [0.1, 0, 0], 30)
    left = share_left(places, np.zeros((1, 3)), SPAN)
    np.testing.assert_allclose(left, 1 - DISCOUNT * np.exp(-0.5 * (places[:, 0] / (RADIUS * SPAN)) ** 2))
    np.testing.assert_allclose(share_left(2 * places, np.zeros((1, 3)), 2 * SPAN), left)
    assert np.all(np.diff(left) >= 0)
    assert left[-1] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    "policy",
    [CrossEntropyPolicy(CrossEntropyConfig(), rather_left), RankingPolicy(RankingConfig(), rather_left)],
    ids=["cross_entropy", "ranking"],
)
def test_after_a_failure_on_one_block_the_other_is_tried(box_scene, policy):
    seen = box_scene(LEFT, RIGHT)
    first = policy.plan(seen, np.random.default_rng(0)).best.camera_from_grasp[:3, 3]
    assert first[0] < 0
    again = gn.Observation(seen.depth, seen.camera, seen.gripper, seen.segmask, failed=first[None])
    plan = policy.plan(again, np.random.default_rng(0))
    other = plan.best.camera_from_grasp[:3, 3]
    assert np.linalg.norm(other - first) > RADIUS * SPAN
    assert plan.best.quality <= rather_left(again, plan.grasps_in_camera[:1])[0]


def test_without_failures_a_quality_stays_as_it_is(box_scene):
    grasps = Grasps.of_jaws(np.eye(4)[None], np.array([0.05]))
    seen = box_scene(LEFT)
    assert AfterFailures(rather_left)(seen, grasps) == rather_left(seen, grasps)


@pytest.mark.parametrize(
    ("failed", "reason"),
    [(np.zeros(3), r"shape \(3,\); expected \(K, 3\)"), (np.full((1, 3), np.nan), "no finite number")],
)
def test_failures_that_are_no_places_are_refused(box_scene, failed, reason):
    seen = box_scene(LEFT)
    with pytest.raises(InputError, match=reason):
        gn.plan(seen.depth, seen.camera, seen.gripper, failed=failed)
