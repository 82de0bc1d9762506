"""A camera's pose against the table in the image: which mistakes are named, and what is not held against a pose."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graspnet.errors import InputError
from graspnet.plausibility.pose_check import pose_doubts
from graspnet.plausibility.sources import Sources
from graspnet.transforms import rigid, rotation_about
from tests.box_scenes import looking_down

BLOCK = ((0.035, 0.09, 0.05), (0.03, -0.02), 0.5)
SOURCES = Sources(depth="d.npy", camera_pose="pose.json")
TILT = np.deg2rad(20)
TRUTH = looking_down(0.7, TILT)
OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
BODY = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])  # body_from_optical, REP 103


def scaled(pose, factor):
    pose = pose.copy()
    pose[:3, 3] *= factor
    return pose


def moved(pose, **shift):
    pose = pose.copy()
    for axis, length in shift.items():
        pose["xyz".index(axis), 3] += length
    return pose


def turned(pose, degrees):
    """The world turned about its x axis."""
    return rigid(rotation_about(np.array([1.0, 0.0, 0.0]), np.array(np.deg2rad(degrees))), np.zeros(3)) @ pose


@pytest.fixture(scope="module")
def seen():
    """A block on the table z = 0, seen from 0.7 m and 20° off the vertical."""
    from tests.box_scenes import CAMERA, render

    depth, mask = render([BLOCK], CAMERA, TRUTH)
    return depth, mask


@pytest.fixture
def with_pose(box_scene):
    observation = box_scene(BLOCK, tilt=TILT)
    return lambda pose: list(pose_doubts(replace(observation, world_from_camera=pose), SOURCES))


def test_without_a_pose_there_is_nothing_to_doubt(box_scene):
    assert list(pose_doubts(box_scene(BLOCK), SOURCES)) == []


@pytest.mark.parametrize("tilt", [0.0, 20.0, 45.0, 60.0])
def test_the_right_pose_is_beyond_doubt_from_anywhere(box_scene, tilt):
    observation = box_scene(BLOCK, tilt=np.deg2rad(tilt), known_pose=True, noise=0.002)
    assert list(pose_doubts(observation, SOURCES)) == []


@pytest.mark.parametrize("pose", [moved(TRUTH, z=0.02), moved(TRUTH, x=1.0, y=-2.0), turned(TRUTH, 2.0)])
def test_a_calibration_error_is_no_contradiction(with_pose, pose):
    assert with_pose(pose) == []


MISTAKES = {
    "is camera_from_world: give the inverse": np.linalg.inv(TRUTH),
    "has OpenGL's axes (y up, z backwards): multiply it by diag(1, -1, -1, 1) from the right": TRUTH @ OPENGL,
    "has ROS's body axes (x forward, z up): give the pose of the optical frame": TRUTH @ np.linalg.inv(BODY),
    "is in millimetres: divide its translation by 1000": scaled(TRUTH, 1000),
    "is in centimetres: divide its translation by 100": scaled(TRUTH, 100),
    "is in millimetres, is camera_from_world: divide its translation by 1000, then give the inverse": scaled(
        np.linalg.inv(TRUTH), 1000
    ),
    "is camera_from_world, has OpenGL's axes (y up, z backwards): give the inverse, then multiply": np.linalg.inv(
        TRUTH @ OPENGL
    ),
    "'s rotation is transposed: transpose": rigid(TRUTH[:3, :3].T, TRUTH[:3, 3]),
    "'s world has z down: turn the world by diag(1, -1, -1, 1) from the left": OPENGL @ TRUTH,
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_common_mistake_is_named_and_refused_with_its_remedy(with_pose, mistake):
    with pytest.raises(InputError) as caught:
        with_pose(MISTAKES[mistake])
    line = str(caught.value)
    assert line.startswith("pose.json: the image contradicts the pose: its table lies ")
    assert mistake in line
    assert "\n" not in line


def test_the_identity_stands_for_a_pose_that_is_not_known(with_pose):
    with pytest.raises(InputError, match="It is the identity: if the camera's pose is not known, leave it out"):
        with_pose(np.eye(4))


@settings(max_examples=10)
@given(
    turn=st.floats(-np.pi, np.pi), x=st.floats(-0.5, 0.5), y=st.floats(-0.5, 0.5), mistake=st.sampled_from(["gl", "mm"])
)
def test_wherever_the_world_is_turned_to_about_its_vertical_the_same_mistake_is_named(seen, turn, x, y, mistake):
    from graspnet.grippers.gripper import load_gripper
    from graspnet.observation.observation import Observation
    from tests.box_scenes import CAMERA

    about_z = rigid(rotation_about(np.array([0.0, 0.0, 1.0]), np.array(turn)), np.array([x, y, 0.0]))
    pose = about_z @ TRUTH
    wrong = pose @ OPENGL if mistake == "gl" else scaled(pose, 1000)
    observation = Observation(seen[0], CAMERA, load_gripper("yumi"), seen[1], wrong)
    with pytest.raises(InputError, match="OpenGL" if mistake == "gl" else "millimetres"):
        list(pose_doubts(observation, SOURCES))


@pytest.mark.parametrize(
    ("pose", "where"),
    [
        (moved(TRUTH, z=0.16), "its table lies 0.16 m above z = 0, 0° tilted"),
        (moved(TRUTH, z=-0.05), "its table lies 0.05 m below z = 0, 0° tilted"),
        (turned(TRUTH, 10.0), "10° tilted"),
    ],
)
def test_a_contradiction_that_no_common_mistake_explains_is_said(with_pose, pose, where):
    (sentence,) = with_pose(pose)
    assert sentence.startswith("pose.json: the image contradicts the pose: ")
    assert where in sentence
    assert "Where objects lie must be z = 0" in sentence


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_a_depth_in_another_unit_than_the_pose_is_refused(box_scene, factor):
    right = box_scene(BLOCK, known_pose=True)
    with pytest.raises(InputError, match=r"0\.7 m above the table by the pose and (7|0\.07) m by the depth"):
        list(pose_doubts(replace(right, depth=right.depth * np.float32(factor)), SOURCES))


def test_without_a_table_in_the_image_only_the_pose_itself_can_be_wrong(box_scene):
    rng = np.random.default_rng(0)
    scene = box_scene(BLOCK, tilt=TILT)
    scattered = rng.uniform(0.4, 1.2, size=scene.depth.shape).astype(np.float32)
    no_table = replace(scene, depth=scattered, segmask=None)
    assert no_table.fitted_table is None
    for pose in (TRUTH, np.linalg.inv(TRUTH) @ OPENGL, moved(TRUTH, z=2.0)):
        assert list(pose_doubts(replace(no_table, world_from_camera=pose), SOURCES)) == []
    (sentence,) = pose_doubts(replace(no_table, world_from_camera=moved(TRUTH, z=-3.0)), SOURCES)
    assert "below the table" in sentence
    for pose in (scaled(TRUTH, 1000), moved(TRUTH, x=1e6), moved(TRUTH, z=-30.0)):
        with pytest.raises(InputError, match=r"pose\.json: the camera would stand at .* Millimetres\?"):
            list(pose_doubts(replace(no_table, world_from_camera=pose), SOURCES))
