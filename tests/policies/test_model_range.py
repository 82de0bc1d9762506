"""Warnings: what lies outside of a model's range is told with its value, the trained range and the curve."""

from dataclasses import replace

import numpy as np
import pytest

from graspnet.camera import Camera
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import load_parallel_jaw
from graspnet.models.checkpoint import load_checkpoint
from graspnet.observation.observation import Observation
from graspnet.policies.cross_entropy.approaches import tilted_approaches
from graspnet.policies.grasp_space import GraspSpace
from graspnet.policies.model_range import range_warnings

CUBE = ((0.03, 0.03, 0.03), (0.0, 0.0), 0.0)
TRAINED = {
    "camera": {"distance": [0.2, 1.3], "tilt": [0.0, np.pi / 6], "focal_length_px": [400.0, 1000.0]},
    "grippers": {"max_width": [0.04, 0.15]},
    "grippers_in_openings": {"finger_length": [0.5, 1.3], "palm": [[0.5, 1.2, 0.6], [1.2, 2.6, 1.3]]},
    "objects": {"width_in_openings": [0.1, 1.05]},
}


def _curve(name, *points, sure=True):
    """The curve of a network that lifts 80 % otherwise; `sure`: what it lifts less than that is beyond chance."""
    rows = [[*point, -0.01 if sure else 0.05] for point in points]
    return {"limits": {"protocol": "single", "lifted": 0.8, "curves": {name: rows}}}


def test_a_cube_at_arm_s_length_is_no_reason_to_warn(box_scene):
    assert range_warnings(TRAINED, box_scene(CUBE)) == []


def test_a_model_that_tells_nothing_of_its_range_warns_of_nothing(box_scene):
    assert range_warnings({}, box_scene(CUBE, height=3.0, tilt=0.9)) == []


def test_a_hand_that_comes_further_from_the_side_than_in_training_is_told(box_scene):
    observation = box_scene(CUBE, tilt=0.3, known_pose=True)
    approaches = tilted_approaches(observation, np.deg2rad(30), 3)
    spaces = [GraspSpace.along(observation, approach) for approach in (observation.approach, *approaches)]
    planned = Grasps.concatenate(
        [space.grasps(np.array([[0.0, 0.0, -0.7]]), np.zeros(1), np.array([0.05])) for space in spaces]
    )
    upright = TRAINED | {"camera": TRAINED["camera"] | {"approach_tilt": [0.0, 0.0]}}
    assert range_warnings(upright, observation, planned) == [
        "the hand comes 30° off the table's normal; the network was trained from 0 to 0°"
    ]
    assert range_warnings(upright, observation, planned[:1]) == []
    tilted = TRAINED | {"camera": TRAINED["camera"] | {"approach_tilt": [0.0, np.deg2rad(35)]}}
    assert range_warnings(tilted, observation, planned) == []
    assert range_warnings(TRAINED, observation, planned) == []  # a model of before tells nothing of it


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        # the top of a cube of 30 mm is 1.97 m below a camera at 2 m
        ({"height": 2.0}, "the object is 1.97 m from the camera; the network was trained from 0.20 to 1.30 m"),
        ({"height": 0.15}, "the object is 0.12 m from the camera; the network was trained from 0.20 to 1.30 m"),
        (
            {"tilt": np.deg2rad(50)},
            "the camera looks 50° off the table's normal; the network was trained from 0 to 30°",
        ),
        (
            {"camera": Camera(200.0, 200.0, 319.5, 239.5, 640, 480)},
            "the camera's focal length is 200 px; the network was trained from 400 to 1000 px",
        ),
        (
            {"camera": Camera(2000.0, 2000.0, 319.5, 239.5, 640, 480)},
            "the camera's focal length is 2000 px; the network was trained from 400 to 1000 px",
        ),
    ],
)
def test_each_number_out_of_the_trained_range_is_one_sentence(box_scene, scene, words):
    assert range_warnings(TRAINED, box_scene(CUBE, **scene)) == [words]


@pytest.mark.parametrize("known_pose", [True, False])
def test_the_tilt_is_known_from_the_pose_or_from_the_table_in_the_image(box_scene, known_pose):
    observation = box_scene(CUBE, tilt=np.deg2rad(45), known_pose=known_pose)
    assert range_warnings(TRAINED, observation) == [
        "the camera looks 45° off the table's normal; the network was trained from 0 to 30°"
    ]


def test_of_a_camera_that_never_moved_in_training_a_millimetre_and_a_tenth_of_a_degree_are_not_told(box_scene):
    fixed = {"camera": {"distance": [0.67, 0.67], "tilt": [0.0, 0.0], "focal_length_px": [525.0, 525.0]}}
    assert range_warnings(fixed, box_scene(CUBE, height=0.701, noise=0.001)) == []
    assert len(range_warnings(fixed, box_scene(CUBE, height=0.75, tilt=0.1))) == 2


@pytest.mark.parametrize(("opening", "told"), [(0.02, "20 mm"), (0.3, "300 mm")])
def test_a_hand_smaller_or_larger_than_those_in_training_is_told(box_scene, opening, told):
    yumi = load_parallel_jaw("yumi")
    scale = opening / yumi.max_width
    hand = replace(
        yumi, max_width=opening, finger_length=scale * yumi.finger_length, pad_to_tip=scale * yumi.pad_to_tip,
        palm=tuple(scale * side for side in yumi.palm),
    )  # fmt: skip
    side = 0.6 * opening
    observation = box_scene(((side, side, side), (0.0, 0.0), 0.0), gripper=hand)
    assert range_warnings(TRAINED, observation) == [
        f"the hand opens to {told}; the network was trained from 40 to 150 mm"
    ]


def test_unusual_proportions_of_a_hand_are_told_one_by_one(box_scene):
    hand = replace(load_parallel_jaw("yumi"), finger_length=0.1, palm=(0.04, 0.15, 0.06))  # 2 and 3 openings of 50 mm
    assert range_warnings(TRAINED, box_scene(CUBE, gripper=hand)) == [
        "the hand's finger_length is 2.00 of its opening; the network was trained from 0.50 to 1.30",
        "the hand's palm width is 3.00 of its opening; the network was trained from 1.20 to 2.60",
    ]


@pytest.mark.parametrize("yaw", [0.0, 0.5])
def test_an_object_wider_than_the_opening_is_told_by_its_narrow_side(box_scene, yaw):
    (told,) = range_warnings(TRAINED, box_scene(((0.08, 0.12, 0.03), (0.0, 0.0), yaw)))
    side, rest = told.removeprefix("the object's narrow side is ").split(" openings of the hand; ")
    assert float(side) == pytest.approx(80 / 50, abs=0.03)  # a pixel is 1.3 mm
    assert rest == "the network was trained from 0.10 to 1.05 openings"


@pytest.mark.parametrize("masked", [True, False])
def test_beside_or_on_a_wide_object_one_that_fits_silences_the_warning(box_scene, masked):
    wide = ((0.12, 0.12, 0.03), (0.0, 0.0), 0.0)
    beside, on_top = ((0.03, 0.03, 0.03), (0.12, 0.0), 0.0), ((0.03, 0.03, 0.08), (0.0, 0.0), 0.0)
    assert len(range_warnings(TRAINED, box_scene(wide, masked=masked))) == 1
    assert range_warnings(TRAINED, box_scene(wide, beside, masked=masked)) == []
    assert range_warnings(TRAINED, box_scene(wide, on_top, masked=masked)) == []


def test_an_object_thinner_than_any_in_training_is_told(box_scene):
    (told,) = range_warnings(TRAINED, box_scene(((0.003, 0.06, 0.03), (0.0, 0.0), 0.0)))
    assert told.startswith("the object's narrow side is 0.0")


def test_the_share_of_missing_depth_is_that_of_the_object_or_of_the_box_around_it(box_scene):
    """Where half of the object's columns are lost, half of it is missing, and less of the box."""
    seen, curve = box_scene(CUBE), _curve("missing", (0.0, 0.8), (0.5, 0.5), (1.0, 0.2))
    columns = np.flatnonzero(seen.segmask.any(axis=0))
    depth = seen.depth.copy()
    depth[:, columns[: len(columns) // 2]] = np.nan
    observation = Observation(depth, seen.camera, seen.gripper, seen.segmask)
    share = (len(columns) // 2) / len(columns)
    rate = 100 * np.interp(share, [0, 0.5, 1.0], [0.8, 0.5, 0.2])
    assert range_warnings(curve, observation) == [
        f"{100 * share:.0f} % of the pixels around the object have no depth; in simulation it lifts {rate:.0f} % there "
        "and 80 % in the protocol single (docs/limits.md)"
    ]


@pytest.mark.parametrize(
    ("distance", "sure", "warns"), [(0.395, True, False), (0.45, True, True), (0.45, False, False)]
)
def test_a_curve_that_has_surely_fallen_by_a_tenth_warns_within_the_trained_range_too(box_scene, distance, sure, warns):
    """Between (0.3 m, 80 %) and (0.5 m, 60 %) it is 70 % at 0.4 m and 65 % at 0.45 m; the cube is 30 mm high."""
    curve = _curve("distance", (0.3, 0.8), (0.5, 0.6), (0.9, 0.6), sure=sure)
    told = range_warnings(TRAINED | curve, box_scene(CUBE, height=distance + 0.03))
    assert [text.split("; ")[-1] for text in told] == (
        ["in simulation it lifts 65 % there and 80 % in the protocol single (docs/limits.md)"] if warns else []
    )


def test_beyond_the_last_value_that_was_tried_the_last_one_is_told_as_such(box_scene):
    (told,) = range_warnings(TRAINED | _curve("distance", (0.5, 0.8), (1.5, 0.4)), box_scene(CUBE, height=2.0))
    assert told.endswith(
        "in simulation it lifts 40 % at 1.50 m, the last value that was tried, and 80 % in the protocol single "
        "(docs/limits.md)"
    )


def test_where_a_curve_has_not_surely_fallen_the_warning_says_so(box_scene):
    curve = _curve("tilt", (0.0, 0.8), (1.2, 0.74), sure=False)
    (told,) = range_warnings(TRAINED | curve, box_scene(CUBE, tilt=0.8, known_pose=True))
    assert told.endswith(
        "from 0 to 30°; in simulation it lifts 76 % there and 80 % in the protocol single, a difference that may be "
        "chance (docs/limits.md)"
    )


def test_where_no_object_is_seen_the_camera_and_the_hand_are_told_all_the_same(box_scene):
    observation = box_scene(masked=False, camera=Camera(200.0, 200.0, 319.5, 239.5, 640, 480))
    assert [text.split("; ")[0] for text in range_warnings(TRAINED, observation)] == [
        "the camera's focal length is 200 px"
    ]


def test_the_model_that_ships_tells_its_range_and_is_quiet_on_a_cube(box_scene):
    details = load_checkpoint("parallel_jaw").details
    for hand in ("yumi", "panda", "robotiq_85", "wide"):
        gripper = load_parallel_jaw(hand)
        side = 0.5 * gripper.max_width
        cube = ((side, side, side), (0.0, 0.0), 0.0)
        assert range_warnings(details, box_scene(cube, gripper=gripper, noise=0.001)) == []
    assert len(range_warnings(details, box_scene(CUBE, height=3.0, tilt=1.15))) == 2
