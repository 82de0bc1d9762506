"""Facts about the plane across the approach: what it measures is what the camera frame measures."""

import numpy as np
import pytest

from policies.approach_plane import ApproachPlane

BLOCK = ((0.12, 0.03, 0.04), (0.02, -0.03), 0.5)


@pytest.mark.parametrize("tilt", [0.0, 0.3])
@pytest.mark.parametrize("known_pose", [True, False])
def test_the_tables_points_all_have_the_s_of_the_table(box_scene, tilt, known_pose):
    observation = box_scene(BLOCK, tilt=tilt, known_pose=known_pose)
    plane = ApproachPlane.of(observation)
    table = plane.coordinates(observation.points[~observation.segmask])
    np.testing.assert_allclose(table[:, 2], plane.table, atol=1e-5)  # float32 depth
    top = plane.coordinates(observation.points[observation.segmask])[:, 2].min()
    assert plane.table - top == pytest.approx(0.04, abs=1e-4)


def test_coordinates_and_points_undo_each_other(box_scene):
    plane = ApproachPlane.of(box_scene(BLOCK, tilt=0.3))
    points = np.random.default_rng(0).normal(size=(20, 3))
    np.testing.assert_allclose(plane.points(plane.coordinates(points)), points, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(plane.coordinates(points), axis=1), np.linalg.norm(points, axis=1))


def test_grasps_have_the_origin_angle_and_approach_that_were_asked_for(box_scene):
    observation = box_scene(BLOCK, tilt=0.3)
    plane, rng = ApproachPlane.of(observation), np.random.default_rng(0)
    origin, angle = rng.normal(size=(30, 3)), rng.uniform(-np.pi, np.pi, size=30)
    grasps = plane.grasps(origin, angle, np.full(30, 0.05))
    np.testing.assert_allclose(plane.coordinates(grasps.origin), origin, atol=1e-12)
    np.testing.assert_allclose(plane.angles(grasps), angle, atol=1e-9)
    np.testing.assert_allclose(grasps.approach, np.tile(observation.approach, (30, 1)), atol=1e-9)


def test_a_camera_that_looks_down_has_x_and_y_along_u_and_v(box_scene):
    plane = ApproachPlane.of(box_scene(BLOCK))
    np.testing.assert_allclose(plane.camera_from_plane, np.eye(3), atol=1e-4)


def test_a_table_tilted_too_far_is_not_the_floor_of_the_plane(box_scene):
    observation = box_scene(BLOCK, tilt=0.7, known_pose=True)  # 40 degrees: the approach is the optical axis
    assert ApproachPlane.of(observation).table == np.inf
