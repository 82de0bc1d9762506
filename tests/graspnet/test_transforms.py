"""Rigid transforms against SciPy's rotations and the group's axioms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from graspnet.transforms import (
    frame_from_axes,
    invert,
    is_rigid,
    perpendicular_to,
    rigid,
    rotate_directions,
    rotation_about,
    transform_points,
    unit,
)

seeds = st.integers(0, 2**32 - 1)


def random_rigid(rng: np.random.Generator, count: int) -> np.ndarray:
    return rigid(Rotation.random(count, random_state=rng).as_matrix(), rng.normal(size=(count, 3)))


@given(seed=seeds)
def test_a_transform_times_its_inverse_is_the_identity(seed):
    world_from_object = random_rigid(np.random.default_rng(seed), 5)
    np.testing.assert_allclose(invert(world_from_object) @ world_from_object, np.tile(np.eye(4), (5, 1, 1)), atol=1e-12)


@given(seed=seeds)
def test_invert_agrees_with_the_general_matrix_inverse(seed):
    world_from_object = random_rigid(np.random.default_rng(seed), 3)
    np.testing.assert_allclose(invert(world_from_object), np.linalg.inv(world_from_object), atol=1e-10)


@given(seed=seeds)
def test_transforming_by_a_product_is_transforming_twice(seed):
    rng = np.random.default_rng(seed)
    camera_from_world, world_from_object = random_rigid(rng, 2)
    points_in_object = rng.normal(size=(7, 3))
    points_in_world = transform_points(world_from_object, points_in_object)
    np.testing.assert_allclose(
        transform_points(camera_from_world, points_in_world),
        transform_points(camera_from_world @ world_from_object, points_in_object),
        atol=1e-12,
    )


def test_points_move_with_the_translation_and_directions_do_not():
    shift = rigid(np.eye(3), np.array([1.0, 2.0, 3.0]))
    points = np.array([[0.5, 0.0, 0.0]])
    np.testing.assert_array_equal(transform_points(shift, points), [[1.5, 2.0, 3.0]])
    np.testing.assert_array_equal(rotate_directions(shift, points), points)


def test_each_transform_of_a_batch_moves_its_own_points():
    rng = np.random.default_rng(0)
    transforms, points = random_rigid(rng, 4), rng.normal(size=(4, 6, 3))
    for one, its_points, moved in zip(transforms, points, transform_points(transforms, points), strict=True):
        np.testing.assert_allclose((one[:3, :3] @ its_points.T).T + one[:3, 3], moved, atol=1e-12)


def test_a_quarter_turn_about_z_takes_x_to_y():
    turn = rotation_about(np.array([0.0, 0.0, 1.0]), np.array(np.pi / 2))
    np.testing.assert_allclose(turn @ [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], atol=1e-15)


def test_no_axes_give_no_rotations():
    assert rotation_about(np.zeros((0, 3)), np.zeros(0)).shape == (0, 3, 3)


@given(seed=seeds)
def test_a_grasp_frame_is_right_handed_and_keeps_the_approach(seed):
    rng = np.random.default_rng(seed)
    approach, closing = rng.normal(size=(2, 8, 3))
    rotation = frame_from_axes(approach, closing)
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0, atol=1e-9)
    np.testing.assert_allclose(rotation[..., 2], unit(approach), atol=1e-12)
    np.testing.assert_allclose(np.cross(rotation[..., 1], rotation[..., 2]), rotation[..., 0], atol=1e-9)
    assert np.all(np.sum(rotation[..., 1] * closing, axis=-1) > 0)  # the closing axis is tilted, never turned round


@given(seed=seeds)
def test_a_perpendicular_is_a_unit_vector_at_right_angles(seed):
    directions = unit(np.random.default_rng(seed).normal(size=(8, 3)))
    perpendicular = perpendicular_to(directions)
    np.testing.assert_allclose(np.sum(directions * perpendicular, axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(perpendicular, axis=-1), 1, atol=1e-12)


@pytest.mark.parametrize("axis", np.vstack([np.eye(3), -np.eye(3)]))
def test_a_coordinate_axis_has_a_perpendicular_too(axis):
    assert abs(perpendicular_to(axis) @ axis) < 1e-12


def test_mirrors_scalings_and_nan_are_not_rigid():
    assert is_rigid(np.eye(4))
    assert not is_rigid(np.diag([-1.0, 1.0, 1.0, 1.0]))
    assert not is_rigid(np.diag([2.0, 2.0, 2.0, 1.0]))
    assert not is_rigid(np.full((4, 4), np.nan))
    projective = np.eye(4)
    projective[3, 0] = 0.1
    assert not is_rigid(projective)
