"""Grasps in space."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.transforms import invert, rigid
from tests import jaws

seeds = st.integers(0, 2**32 - 1)


def random_grasps(rng, count=6):
    poses = rigid(Rotation.random(count, random_state=rng).as_matrix(), rng.normal(size=(count, 3)))
    return Grasps.of_jaws(poses, rng.uniform(0.01, 0.1, size=count))


@given(seed=seeds)
def test_transforming_there_and_back_gives_the_same_grasps(seed):
    rng = np.random.default_rng(seed)
    grasps_in_object = random_grasps(rng)
    world_from_object = random_grasps(rng, 1).poses[0]
    back = grasps_in_object.transformed(world_from_object).transformed(invert(world_from_object))
    np.testing.assert_allclose(back.poses, grasps_in_object.poses, atol=1e-12)
    np.testing.assert_array_equal(back.width, grasps_in_object.width)


def test_swapping_twice_is_the_identity_and_keeps_approach_and_origin():
    grasps = random_grasps(np.random.default_rng(0))
    np.testing.assert_allclose(jaws.swapped(jaws.swapped(grasps)).poses, grasps.poses)
    np.testing.assert_allclose(jaws.swapped(grasps).approach, grasps.approach)
    np.testing.assert_allclose(jaws.swapped(grasps).origin, grasps.origin)
    np.testing.assert_allclose(jaws.swapped(grasps).closing, -grasps.closing)


def test_batches_join_in_order_and_an_index_takes_them_apart():
    first, second = random_grasps(np.random.default_rng(0)), random_grasps(np.random.default_rng(1))
    both = Grasps.concatenate([first, Grasps.none(), second])
    assert len(both) == len(first) + len(second)
    np.testing.assert_array_equal(both[len(first) :].poses, second.poses)
    np.testing.assert_array_equal(both[np.array([0])].poses, first.poses[:1])
    np.testing.assert_array_equal(both[both.width > 1].width, [])
    assert len(Grasps.concatenate([])) == 0


@pytest.mark.parametrize("width", [0.0, -0.01, np.nan, np.inf])
def test_a_grasp_without_a_positive_width_is_refused(width):
    with pytest.raises(InputError, match="width must be positive"):
        Grasps.of_jaws(np.eye(4)[None], np.array([width]))


def test_a_mirrored_or_scaled_pose_is_refused():
    with pytest.raises(InputError, match="must be rigid transforms"):
        Grasps.of_jaws(np.diag([-1.0, 1.0, 1.0, 1.0])[None], np.array([0.05]))
    with pytest.raises(InputError, match="must be rigid transforms"):
        Grasps.of_jaws(np.full((1, 4, 4), np.nan), np.array([0.05]))
