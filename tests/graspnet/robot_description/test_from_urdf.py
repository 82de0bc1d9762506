"""Grippers derived from hands whose sizes are known: box hands in any pose, our presets, linkages, meshes."""

from dataclasses import fields, replace

import numpy as np
import pytest
import trimesh
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from graspnet.errors import InputError
from graspnet.grippers.parallel_jaw import ParallelJaw, load_parallel_jaw
from graspnet.robot_description.from_urdf import DerivedGripper, HandChoices, derive_gripper
from graspnet.robot_description.jaws import JawChoices
from tests.graspnet.robot_description.hands import (
    FOUR_BAR,
    box,
    joint,
    link,
    mjcf_box_hand,
    mjcf_parallelogram,
    pose,
    robot,
    slide,
    turned,
    urdf_box_hand,
    urdf_four_bar,
    urdf_three_fingers,
)

SIZES = [field.name for field in fields(ParallelJaw) if field.name not in ("name", "palm")]
YUMI = load_parallel_jaw("yumi")
TILTED = turned(Rotation.from_euler("xyz", [0.3, -0.7, 1.1]), (0.1, -0.2, 0.3))


@pytest.fixture
def derive(tmp_path):
    """Derive the gripper of a description given as text."""

    def derive(text: str, choices: HandChoices | None = None, name: str = "hand.xml") -> DerivedGripper:
        path = tmp_path / name
        path.write_text(text)
        return derive_gripper(path, choices or HandChoices())

    return derive


def assert_same_sizes(found: ParallelJaw, expected: ParallelJaw) -> None:
    for name in SIZES:
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-6), name
    np.testing.assert_allclose(found.palm, expected.palm, atol=1e-6)


def assert_same_frame(found: np.ndarray, expected: np.ndarray) -> None:
    """The same up to half a turn about the approach, as the jaws are interchangeable."""
    half_turn = np.diag([-1.0, -1.0, 1.0, 1.0])
    closest = min((expected, expected @ half_turn), key=lambda pose: np.abs(pose - found).max())
    np.testing.assert_allclose(found, closest, atol=1e-6)


lengths = st.floats(0.004, 0.1)
hands = st.builds(
    lambda width, closed, thickness, breadth, length, pad, palm, force: ParallelJaw(
        max_width=width,
        min_width=closed * width,
        finger_length=length,
        finger_thickness=thickness,
        finger_breadth=breadth,
        pad_to_tip=pad * length,
        palm=palm,
        force=force,
    ),
    lengths,
    st.floats(0, 0.9),
    lengths,
    lengths,
    lengths,
    st.floats(0.05, 0.95),
    st.tuples(lengths, lengths, lengths),
    st.floats(1, 500),
)
poses = st.builds(
    lambda angles, translation: turned(Rotation.from_euler("xyz", angles), translation),
    st.tuples(*[st.floats(-3.1, 3.1)] * 3),
    st.tuples(*[st.floats(-0.5, 0.5)] * 3),
)
writers = st.sampled_from(
    [
        lambda hand, frame: urdf_box_hand(hand, frame, mimic=True),
        lambda hand, frame: urdf_box_hand(hand, frame, mimic=False),
        lambda hand, frame: mjcf_box_hand(hand, frame, equality=True),
        lambda hand, frame: mjcf_box_hand(hand, frame, equality=False),
    ]
)


@given(hand=hands, root_from_grasp=poses, write=writers)
@settings(max_examples=60, deadline=None, phases=[Phase.generate])
def test_any_box_hand_is_derived_as_the_gripper_that_it_was_built_from(tmp_path_factory, hand, root_from_grasp, write):
    path = tmp_path_factory.mktemp("hand") / "hand.xml"
    path.write_text(write(hand, root_from_grasp))
    derived = derive_gripper(path, HandChoices(tool="tcp"))
    force = derived.gripper.force  # has four digits
    assert force == pytest.approx(hand.force, rel=1e-3)
    assert_same_sizes(derived.gripper, replace(hand, force=force))
    assert_same_frame(derived.root_from_grasp, root_from_grasp)
    assert derived.root == "base"


@pytest.mark.parametrize("name", ["yumi", "panda", "robotiq_85", "wide"])
@pytest.mark.parametrize("write", [urdf_box_hand, mjcf_box_hand])
def test_each_preset_comes_back_from_its_own_boxes(derive, name, write):
    preset = load_parallel_jaw(name)
    derived = derive(write(preset, TILTED), HandChoices(tool="tcp"))
    assert_same_sizes(derived.gripper, preset)
    assert_same_frame(derived.root_from_grasp, TILTED)


ROS_TAGS = """<robot name="hand" xmlns:xacro="http://www.ros.org/wiki/xacro">
<material name="grey"><color rgba="1 1 1 1"/></material><link name="world"/>
<joint name="fix" type="fixed"><parent link="world"/><child link="base"/><origin xyz="0 0 0.5"/></joint>
<transmission name="t"><type>simple</type><joint name="to_left"/><actuator name="motor"/></transmission>
<gazebo reference="left"><material>Red</material></gazebo>
<ros2_control name="c" type="system"><hardware/></ros2_control>"""
ROS_LINK = """<link name="left"><visual><geometry><mesh filename="package://gone/looks.dae"/></geometry></visual>
<inertial><mass value="0"/><inertia ixx="0" ixy="0" ixz="0" iyy="0" iyz="0" izz="0"/></inertial>"""


def test_what_ros_adds_to_a_urdf_does_not_matter(derive):
    """A world link, transmissions, simulators' tags, a visual mesh that is missing, an inertia of zero."""
    text = urdf_box_hand(YUMI).replace('<robot name="hand">', ROS_TAGS).replace('<link name="left">', ROS_LINK)
    derived = derive(text, HandChoices(tool="tcp"), name="hand.urdf")
    assert_same_sizes(derived.gripper, YUMI)
    assert_same_frame(derived.root_from_grasp, np.eye(4))
    assert derived.root == "base"


def test_without_a_tool_frame_the_pads_are_square_at_the_fingertips(derive):
    broad = replace(YUMI, finger_breadth=0.02)
    low = replace(YUMI, finger_breadth=0.06)  # broader than long
    assert derive(urdf_box_hand(broad)).gripper.pad_to_tip == pytest.approx(0.010)
    assert derive(urdf_box_hand(low)).gripper.pad_to_tip == pytest.approx(low.finger_length / 2)
    assert "assumed" in derive(urdf_box_hand(broad)).sources["pad_to_tip"]


def test_pads_that_end_behind_the_fingertips_are_found(derive):
    """A pad of 1 mm on each finger, 12 mm high and 16 mm broad, ends 5 mm behind the tip."""
    pad = {side: box((0.016, 0.001, 0.012), pose(0, -sign * 0.0005, -0.011)) for side, sign in SIGNS.items()}
    derived = derive(
        two_slides(*(box((0.02, 0.01, 0.04), pose(0, s * 0.005, -0.02)) + pad[k] for k, s in SIGNS.items()))
    )
    assert derived.gripper.max_width == pytest.approx(0.05 - 0.002)
    assert derived.gripper.finger_thickness == pytest.approx(0.011)
    assert derived.gripper.pad_to_tip == pytest.approx(0.005 + 0.006)
    assert "The inner faces end 5.0 mm behind the fingertips." in derived.notes


SIGNS = {"left": 1, "right": -1}


def two_slides(
    left: str, right: str, palm: str = "", low: float = 0.0, limits: tuple[float, float] = (0.0, 0.025)
) -> str:
    """Fingertips at z = 0 of joints 0.04 before a palm of 0.04 x 0.08 x 0.06; the collision geometry is given."""
    return robot(
        link("base", palm or box((0.04, 0.08, 0.06), pose(0, 0, -0.07))),
        link("left", left),
        link("right", right),
        joint("jl", "prismatic", "base", "left", inside=slide("0 1 0", *limits)),
        joint("jr", "prismatic", "base", "right", inside=slide("0 -1 0", *limits, mimic="jl")),
    )


def finger(side: str, x: float = 0.0, sizes: tuple[float, float, float] = (0.02, 0.01, 0.04)) -> str:
    return box(sizes, pose(x, SIGNS[side] * sizes[1] / 2, -sizes[2] / 2))


def test_an_asymmetric_hand_is_enlarged_and_says_so(derive):
    palm = box((0.04, 0.08, 0.06), pose(0.01, -0.005, -0.07))
    derived = derive(two_slides(finger("left"), finger("right", sizes=(0.02, 0.015, 0.04)), palm))
    assert derived.gripper.palm == pytest.approx((0.06, 0.09, 0.06))
    assert derived.gripper.finger_thickness == pytest.approx(0.015)
    assert any("palm along x is 40.0 mm" in note and "enlarged to 60.0 mm" in note for note in derived.notes)
    assert any("finger_thickness is 10.0 mm" in note and "15.0 mm" in note for note in derived.notes)


offsets = st.floats(-0.02, 0.02)
part_sizes = st.tuples(*[st.floats(0.002, 0.02)] * 3)


@given(sizes=st.tuples(part_sizes, part_sizes), places=st.tuples(*[st.tuples(offsets, offsets, offsets)] * 2))
@settings(max_examples=30, deadline=None, phases=[Phase.generate])
def test_the_boxes_hold_whatever_the_hand_is_made_of(tmp_path_factory, sizes, places):
    """An odd box on the palm, and two that face each other on the fingers: none stands out of the gripper's boxes."""
    (palm_size, size), ((palm_x, palm_y, palm_z), (x, y, z)) = sizes, places
    palm = box((0.04, 0.08, 0.06), pose(0, 0, -0.07)) + box(palm_size, pose(palm_x, palm_y, palm_z - 0.06))
    left, right = (finger(side) + box(size, pose(x, sign * y, z - 0.03)) for side, sign in SIGNS.items())
    text = two_slides(left, right, palm, limits=(0.0, 0.05))
    path = tmp_path_factory.mktemp("hand") / "hand.urdf"
    path.write_text(text)
    derived = derive_gripper(path, HandChoices(approach_in_root=(0.0, 0.0, 1.0)))
    low, high = (corners[0] for corners in derived.gripper.boxes(np.array([derived.gripper.max_width])))
    points = np.concatenate([derived.palm_in_grasp, derived.fingers_in_grasp]).reshape(-1, 3)
    inside = ((points[:, None] >= low - 2e-6) & (points[:, None] <= high + 2e-6)).all(axis=-1)
    assert inside.any(axis=-1).all()


def test_what_the_fingers_have_behind_the_palms_face_is_a_part_of_the_palm(derive):
    """Fingers reach 2 mm into the palm, and stand out of it by 5 mm when open."""
    long = (0.02, 0.02, 0.042)
    derived = derive(two_slides(finger("left", sizes=long), finger("right", sizes=long)))
    assert derived.gripper.finger_length == pytest.approx(0.04)
    assert derived.gripper.palm == pytest.approx((0.04, 0.09, 0.06))


def test_what_stands_inwards_beside_the_other_finger_is_noted(derive):
    """A hook of 4 mm on one finger, beyond the other one's breadth, does not face it."""
    hook = box((0.01, 0.01, 0.01), pose(0.02, 0.001, -0.01))
    derived = derive(two_slides(finger("left") + hook, finger("right")))
    assert derived.gripper.max_width == pytest.approx(0.05)
    assert any("reach 4.0 mm further inwards" in note for note in derived.notes)


def test_faces_that_would_overlap_when_closed_touch(derive):
    derived = derive(two_slides(finger("left"), finger("right"), limits=(-0.003, 0.025)))
    assert derived.gripper.min_width == 0
    assert derived.gripper.max_width == pytest.approx(0.05)
    assert derived.sources["min_width"] == "0: at jl = -0.003 the faces would overlap by 6.0 mm"


@pytest.mark.parametrize("name", ["finger.stl", "finger.obj"])
def test_a_mesh_counts_as_its_surface(derive, tmp_path, name):
    """An L in millimetres in its file: a hull would fill the corner, and narrow the gap from 50 to 30 mm."""
    upright = trimesh.creation.box((20, 10, 40))
    foot = trimesh.creation.box((20, 20, 10))
    upright.apply_translation((0, 5, -20))
    foot.apply_translation((0, 0, -45))  # behind the palm's face
    (tmp_path / "meshes").mkdir()
    trimesh.util.concatenate([upright, foot]).export(tmp_path / "meshes" / name)
    mesh = f'<geometry><mesh filename="package://my_hand/meshes/{name}" scale="0.001 0.001 0.001"/></geometry>'
    left = f"<collision>{mesh}</collision>"
    right = f'<collision><origin rpy="0 0 {np.pi!r}"/>{mesh}</collision>'
    derived = derive(two_slides(left, right), name="hand.urdf")
    assert derived.gripper.max_width == pytest.approx(0.05, abs=1e-6)
    assert derived.gripper.finger_thickness == pytest.approx(0.01, abs=1e-6)
    assert derived.gripper.finger_breadth == pytest.approx(0.02, abs=1e-6)
    assert derived.gripper.finger_length == pytest.approx(0.04, abs=1e-6)


def four_bar_gap(angle: float) -> float:
    return 2 * (FOUR_BAR["hinge"] + FOUR_BAR["length"] * np.sin(angle) - FOUR_BAR["offset"])


@pytest.mark.parametrize("write", [urdf_four_bar, mjcf_parallelogram])
def test_a_parallel_linkage_has_its_closed_form_opening(derive, write):
    derived = derive(write(**FOUR_BAR))
    low, high, length = FOUR_BAR["low"], FOUR_BAR["high"], FOUR_BAR["length"]
    assert derived.gripper.max_width == pytest.approx(four_bar_gap(high), abs=1e-6)
    assert derived.gripper.min_width == pytest.approx(four_bar_gap(low), abs=1e-6)
    assert derived.gripper.finger_length == pytest.approx(length * np.cos(high) + 0.03, abs=1e-6)
    assert derived.gripper.finger_thickness == pytest.approx(0.01, abs=1e-6)
    # two motors' worth of 2 N m at the one driven joint, by virtual work
    assert derived.gripper.force == pytest.approx(2 * (high - low) / (four_bar_gap(high) - four_bar_gap(low)), rel=1e-3)
    advance = 1000 * length * (np.cos(low) - np.cos(high))
    assert any(f", {advance:.1f}) mm in the grasp frame while the hand closes" in note for note in derived.notes)


def test_two_fingers_of_three_close_across_their_approach_and_are_refused(derive):
    """At 120 degrees both move towards the third one, by half of what they move: 15 mm."""
    choices = HandChoices(jaws=JawChoices(fingers=("finger_0", "finger_1")))
    with pytest.raises(
        InputError, match=r"while the fingers close they move by 15\.0 mm across closing axis and approach"
    ):
        derive(urdf_three_fingers(), choices)


def test_an_effort_that_no_hand_has_is_no_force(derive):
    derived = derive(urdf_four_bar(**FOUR_BAR, effort=1000.0))
    assert derived.gripper.force == 20
    assert derived.sources["force"].startswith("assumed: the description's effort would give")


def test_options_win_over_the_description(derive):
    choices = HandChoices(force=7.0, friction=0.8, name="mine", approach_in_root=(0.0, 0.0, -1.0))
    flipped = urdf_box_hand(YUMI, turned(Rotation.from_euler("x", np.pi), (0, 0, 0)))
    gripper = derive(flipped, choices).gripper
    assert (gripper.force, gripper.friction, gripper.name) == (7.0, 0.8, "mine")
    assert gripper.palm == pytest.approx(YUMI.palm)


def test_an_approach_that_looks_the_other_way_is_refused(derive):
    with pytest.raises(
        InputError, match=r"hand\.xml: the palm reaches 60\.0 mm beyond the fingertips .* --approach X Y Z"
    ):
        derive(urdf_box_hand(YUMI), HandChoices(approach_in_root=(0.0, 0.0, -1.0)))


@pytest.mark.parametrize("approach", [(0.0, 1.0, 0.0), (0.0, 0.0, 0.0)])
def test_an_approach_along_the_closing_axis_is_refused(derive, approach):
    with pytest.raises(InputError, match=r"--approach .* must be perpendicular to the closing axis \(0, 1, 0\)"):
        derive(urdf_box_hand(YUMI), HandChoices(approach_in_root=approach))


def test_a_tool_frame_must_exist(derive):
    with pytest.raises(InputError, match=r"unknown frame \(--tool\) 'tpc'; did you mean 'tcp'"):
        derive(urdf_box_hand(YUMI), HandChoices(tool="tpc"))


def test_a_tool_frame_must_lie_between_palm_and_fingertips(derive):
    message = r"--tool base lies at 0\.0 mm .* between the palm's face at 15\.0 mm and the fingertips at 60\.0 mm"
    with pytest.raises(InputError, match=message):
        derive(urdf_box_hand(YUMI, pose(0, 0, 0.05)), HandChoices(tool="base"))


def test_a_finger_without_collision_geometry_is_named(derive):
    with pytest.raises(InputError, match=r"no collision geometry in right; add <collision> \(URDF\) or a geom"):
        derive(two_slides(finger("left"), ""), HandChoices(jaws=JawChoices(fingers=("left", "right"))))


def test_fingers_that_overlap_when_open_are_refused(derive):
    with pytest.raises(InputError, match=r"the fingers overlap by 2\.0 mm when the hand is open"):
        derive(two_slides(finger("left"), finger("right"), limits=(-0.004, -0.001)))
