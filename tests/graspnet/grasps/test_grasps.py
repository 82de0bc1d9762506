"""Grasps in space and in the image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grasps.image_grasps import ImageGrasps, grasps_from_image, image_from_grasps
from graspnet.transforms import invert, rigid
from tests import jaws

CAMERA = Camera(fx=525.0, fy=480.0, cx=319.5, cy=239.5, width=640, height=480)  # fx ≠ fy: their mix-up would show
seeds = st.integers(0, 2**32 - 1)


def tilted(rng):
    """A unit vector within 30° of the optical axis."""
    tilt, turn = rng.uniform(0, np.deg2rad(30)), rng.uniform(0, 2 * np.pi)
    return np.array([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt)])


def random_image_grasps(rng, count=20):
    return ImageGrasps(
        center=rng.uniform([0, 0], [639, 479], size=(count, 2)),
        angle=rng.uniform(-np.pi / 2, np.pi / 2, size=count),
        depth=rng.uniform(0.3, 1.5, size=count),
        columns={"width": rng.uniform(0.01, 0.1, size=count)},
    )


def random_grasps(rng, count=6):
    poses = rigid(Rotation.random(count, random_state=rng).as_matrix(), rng.normal(size=(count, 3)))
    return Grasps.of_jaws(poses, rng.uniform(0.01, 0.1, size=count))


@given(seed=seeds)
def test_an_image_grasp_survives_the_way_through_space_for_any_approach_within_30_degrees(seed):
    rng = np.random.default_rng(seed)
    image_grasps, approach = random_image_grasps(rng), tilted(rng)
    grasps = grasps_from_image(image_grasps, CAMERA, approach)
    np.testing.assert_allclose(grasps.approach, np.tile(approach, (20, 1)), atol=1e-9)
    back = image_from_grasps(grasps, CAMERA)
    np.testing.assert_allclose(back.center, image_grasps.center, atol=1e-9)
    np.testing.assert_allclose(back.depth, image_grasps.depth, atol=1e-12)
    np.testing.assert_allclose(back.columns["width"], image_grasps.columns["width"])
    np.testing.assert_allclose(np.sin(back.angle - image_grasps.angle), 0, atol=1e-9)  # the jaws are interchangeable


@given(seed=seeds)
def test_the_closing_axis_runs_along_the_angle_where_it_is_projected(seed):
    rng = np.random.default_rng(seed)
    image_grasps = random_image_grasps(rng)
    grasps = grasps_from_image(image_grasps, CAMERA, tilted(rng))
    step = 1e-6 * grasps.closing  # finite differences of the projection: an oracle without our formula
    moved = CAMERA.project(grasps.origin + step) - CAMERA.project(grasps.origin - step)
    along = np.stack([np.cos(image_grasps.angle), np.sin(image_grasps.angle)], axis=-1)
    np.testing.assert_allclose(moved / np.linalg.norm(moved, axis=-1, keepdims=True), along, atol=1e-5)


@given(seed=seeds)
def test_angles_of_any_grasp_lie_in_the_half_open_half_circle(seed):
    rng = np.random.default_rng(seed)
    grasps = random_grasps(rng)
    grasps = grasps.transformed(rigid(np.eye(3), np.array([0.0, 0.0, 10.0])))
    angle = image_from_grasps(grasps, CAMERA).angle
    assert np.all((angle >= -np.pi / 2) & (angle < np.pi / 2))


def test_an_angle_that_rounds_to_a_right_angle_from_below_stays_in_the_half_open_half_circle():
    closing = np.array([-2e-16, -1.0, 0.0])  # atan2 = -π/2 - ε: modulo π this rounds to π itself
    rotation = np.stack([np.cross(closing, [0.0, 0.0, 1.0]), closing, [0.0, 0.0, 1.0]], axis=-1)
    grasps = Grasps.of_jaws(rigid(rotation[None], np.array([[0.0, 0.0, 1.0]])), np.array([0.05]))
    assert image_from_grasps(grasps, CAMERA).angle[0] < np.pi / 2


@given(seed=seeds)
def test_swapping_the_jaws_changes_nothing_in_the_image(seed):
    rng = np.random.default_rng(seed)
    grasps = grasps_from_image(random_image_grasps(rng), CAMERA, tilted(rng))
    one, other = image_from_grasps(grasps, CAMERA), image_from_grasps(jaws.swapped(grasps), CAMERA)
    np.testing.assert_allclose(one.center, other.center, atol=1e-9)
    np.testing.assert_allclose(np.sin(one.angle - other.angle), 0, atol=1e-9)


def test_a_grasp_seen_head_on_closes_along_plus_u_at_angle_zero_and_along_plus_v_at_a_right_angle():
    image_grasps = ImageGrasps(
        np.full((2, 2), [319.5, 239.5]), np.array([0.0, -np.pi / 2]), np.ones(2), {"width": np.full(2, 0.05)}
    )
    closing = grasps_from_image(image_grasps, CAMERA, np.array([0.0, 0.0, 1.0])).closing
    np.testing.assert_allclose(closing, [[1, 0, 0], [0, -1, 0]], atol=1e-15)


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


def test_no_grasps_go_through_the_image_and_back():
    none = image_from_grasps(Grasps.none(), CAMERA)
    assert len(none) == 0
    assert len(grasps_from_image(none, CAMERA, np.array([0.0, 0.0, 1.0]))) == 0
