"""Facts about sample-and-rank and about the baseline that does not rank."""

import numpy as np
import pytest

from graspnet.errors import InputError
from graspnet.policies.ranking import RankedGrasps, RankingConfig
from graspnet.policies.registry import make_policy
from tests.feasibility import feasible

BLOCK = ((0.12, 0.03, 0.04), (0.02, -0.03), 0.5)


def to_the_right(observation, grasps):
    """Prefers grasps at large u."""
    return 1 / (1 + np.exp(-20 * grasps.origin[:, 0]))


def alike(one, other):
    """The definition, for two grasps of one YuMi."""
    near = np.linalg.norm(one.origin - other.origin) < 0.3 * 0.05
    return near and np.degrees(np.arccos(min(1.0, abs(float(one.closing[0] @ other.closing[0]))))) < 20


def test_the_plan_holds_the_best_of_all_candidates_sorted(box_scene):
    seen = []

    def quality(observation, grasps):
        seen.append(to_the_right(observation, grasps))
        return seen[-1]

    plan = make_policy("ranking", overrides=("samples=200",), quality=quality).plan(
        box_scene(BLOCK), np.random.default_rng(0)
    )
    assert len(seen) == 1
    assert len(seen[0]) == 200
    assert plan.qualities[0] == seen[0].max()
    assert np.all(np.diff(plan.qualities) <= 0)
    np.testing.assert_array_equal(plan.qualities, to_the_right(None, plan.grasps_in_camera))
    assert plan.policy == "ranking"


def test_no_two_grasps_of_a_plan_are_alike_and_what_is_left_out_is_like_a_better_one(box_scene):
    observation = box_scene(BLOCK)
    grasps = make_policy("antipodal", overrides=("samples=120", "grasps=120")).plan(
        observation, np.random.default_rng(0)
    )
    ranked = RankedGrasps.none().merged(grasps.grasps_in_camera, to_the_right(None, grasps.grasps_in_camera))
    ranks = ranked.distinct(len(ranked), 0.05)
    each = [ranked.grasps_in_camera[k : k + 1] for k in range(len(ranked))]
    assert ranks[0] == 0
    assert 3 < len(ranks) < 60
    assert not any(alike(each[i], each[j]) for i in ranks for j in ranks if i < j)
    assert all(any(alike(each[i], each[j]) for i in ranks if i < j) for j in range(len(each)) if j not in ranks)
    np.testing.assert_array_equal(ranked.distinct(3, 0.05), ranks[:3])
    plan = make_policy("ranking", quality=to_the_right).plan(observation, np.random.default_rng(0))
    assert len(plan) == 16
    assert not any(
        alike(plan.grasps_in_camera[i : i + 1], plan.grasps_in_camera[j : j + 1]) for j in range(16) for i in range(j)
    )


def test_every_planned_grasp_is_feasible(box_scene):
    observation = box_scene(BLOCK, ((0.05, 0.03, 0.07), (0.03, 0.06), 0.6))
    for name in ("ranking", "antipodal"):
        plan = make_policy(name, quality=to_the_right).plan(observation, np.random.default_rng(0))
        assert feasible(observation, plan.grasps_in_camera).all()


def test_the_baselines_first_grasps_are_spread_like_all_of_them(box_scene):
    """Its first grasp is a random one: over seeds it lies on either half of the block equally often."""
    observation = box_scene(BLOCK)
    policy = make_policy("antipodal")
    plans = [policy.plan(observation, np.random.default_rng(seed)) for seed in range(60)]
    first = np.array([plan.grasps_in_camera.origin[0, 0] for plan in plans]) - 0.02
    assert 15 <= np.sum(first > 0) <= 45  # 30 ± 4 standard deviations
    assert all(np.isnan(plan.qualities).all() for plan in plans)


@pytest.mark.parametrize("name", ["ranking", "antipodal", "cross_entropy"])
def test_an_empty_table_gives_a_reason_and_no_grasp(box_scene, name):
    plan = make_policy(name, quality=to_the_right).plan(box_scene(masked=False), np.random.default_rng(0))
    assert len(plan) == 0
    assert plan.reason == "no object: nothing rises above the table"
    assert set(plan.seconds) == {"sample", "evaluate", "total"}


@pytest.mark.parametrize("name", ["ranking", "antipodal", "cross_entropy"])
def test_where_no_hand_fits_there_is_a_reason_and_no_grasp(box_scene, name):
    wide = box_scene(((2.0, 2.0, 0.04), (0.0, 0.0), 0.0))
    plan = make_policy(name, quality=to_the_right).plan(wide, np.random.default_rng(0))
    assert len(plan) == 0
    assert plan.reason.startswith("no free grasp")


def test_merging_keeps_everything_sorted_and_equals_in_order(box_scene):
    plan = make_policy("antipodal").plan(box_scene(BLOCK), np.random.default_rng(0))
    grasps = plan.grasps_in_camera
    one = RankedGrasps.none().merged(grasps[slice(0, 4)], np.array([0.1, 0.9, 0.5, 0.5]))
    both = one.merged(grasps[slice(4, 6)], np.array([0.5, 1.0]))
    np.testing.assert_array_equal(both.qualities, [1.0, 0.9, 0.5, 0.5, 0.5, 0.1])
    np.testing.assert_array_equal(both.grasps_in_camera.poses, grasps.poses[[5, 1, 2, 3, 4, 0]])


def test_impossible_settings_are_refused():
    with pytest.raises(InputError, match="samples is 4, grasps 16"):
        RankingConfig(samples=4)
