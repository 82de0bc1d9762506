"""Grasps in the image."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from graspnet.camera import Camera
from graspnet.grasps.grasps import Grasps
from graspnet.grasps.image_grasps import ImageGrasps, grasps_from_image, image_from_grasps
from graspnet.transforms import rigid
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
    rotation, ahead = Rotation.random(6, random_state=rng).as_matrix(), np.array([0.0, 0.0, 10.0])
    grasps = Grasps.of_jaws(rigid(rotation, rng.normal(size=(6, 3)) + ahead), rng.uniform(0.01, 0.1, size=6))
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


def test_no_grasps_go_through_the_image_and_back():
    none = image_from_grasps(Grasps.none(), CAMERA)
    assert len(none) == 0
    assert len(grasps_from_image(none, CAMERA, np.array([0.0, 0.0, 1.0]))) == 0
