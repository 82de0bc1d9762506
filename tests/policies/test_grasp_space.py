"""Facts about the space across the approach: what it measures is what the camera frame measures."""

import numpy as np
import pytest

from graspnet.errors import InputError
from graspnet.policies.grasp_space import GraspSpace

BLOCK = ((0.12, 0.03, 0.04), (0.02, -0.03), 0.5)


@pytest.mark.parametrize("tilt", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("known_pose", [True, False])
def test_the_tables_points_all_have_the_height_of_the_table(box_scene, tilt, known_pose):
    observation = box_scene(BLOCK, tilt=tilt, known_pose=known_pose)
    space = GraspSpace.of(observation)
    table = space.height_map.coordinates(observation.points[~observation.segmask])
    np.testing.assert_allclose(table[:, 2], space.table_height(table[:, :2]), atol=1e-5)  # float32 depth
    top = space.height_map.coordinates(observation.points[observation.segmask])[:, 2].max()
    assert top - space.table_height(np.zeros(2)) == pytest.approx(0.04, abs=1e-4)


def test_a_table_that_is_not_perpendicular_to_the_approach_is_a_slope(box_scene):
    observation = box_scene(BLOCK, tilt=0.3, known_pose=True)
    space = GraspSpace.along(observation, np.array([0.0, 0.0, 1.0]))  # the optical axis, not the table's normal
    table = space.height_map.coordinates(observation.points[~observation.segmask])
    np.testing.assert_allclose(table[:, 2], space.table_height(table[:, :2]), atol=1e-5)
    assert np.ptp(table[:, 2]) > 0.1


def test_grasps_have_the_origin_angle_and_approach_that_were_asked_for(box_scene):
    observation = box_scene(BLOCK, tilt=0.3)
    space, rng = GraspSpace.of(observation), np.random.default_rng(0)
    origin, angle = rng.normal(size=(30, 3)), rng.uniform(-np.pi, np.pi, size=30)
    grasps = space.grasps(origin, angle, np.full(30, 0.05))
    np.testing.assert_allclose(space.coordinates(grasps), origin, atol=1e-12)
    np.testing.assert_allclose(space.angles(grasps), angle, atol=1e-9)
    np.testing.assert_allclose(grasps.approach, np.tile(observation.approach, (30, 1)), atol=1e-9)


def test_a_camera_that_looks_down_has_x_and_y_along_u_and_v(box_scene):
    space = GraspSpace.of(box_scene(BLOCK))
    np.testing.assert_allclose(space.height_map.frame_from_map, np.eye(3), atol=1e-4)


def test_the_map_is_made_once_for_an_observation_and_an_approach(box_scene):
    observation = box_scene(BLOCK)
    assert GraspSpace.of(observation).height_map is GraspSpace.of(observation).height_map


def test_the_approach_is_the_tables_normal_from_far_to_the_side_and_the_optical_axis_beyond(box_scene):
    aside = box_scene(BLOCK, tilt=0.9, known_pose=True)  # 52 degrees
    np.testing.assert_allclose(aside.approach, aside.table.normal)
    beyond = box_scene(BLOCK, tilt=1.4, known_pose=True)  # 80 degrees
    np.testing.assert_allclose(beyond.approach, [0.0, 0.0, 1.0])
    with pytest.raises(InputError, match="off the camera's axis; a map needs at most 75°"):
        GraspSpace.along(beyond, beyond.table.normal)


def test_without_a_table_its_height_is_unknown(box_scene):
    space = GraspSpace.of(box_scene(BLOCK))
    object.__setattr__(space.observation, "table", None)
    assert space.table_height(np.zeros(2)) == -np.inf
