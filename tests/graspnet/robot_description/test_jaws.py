"""Which links close on each other, on which palm, from where to where; and what is said where none do."""

import pytest

from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper
from graspnet.robot_description.hand_description import read_hand
from graspnet.robot_description.jaws import JawChoices, find_jaws
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
    urdf_box_hand,
    urdf_four_bar,
    urdf_three_fingers,
)

YUMI = load_gripper("yumi")
UNLIMITED = '<limit lower="0" upper="0" effort="1" velocity="1"/>'


@pytest.fixture
def find(tmp_path):
    """The jaws of a text, and a function that names links."""

    def find(text, **choices):
        path = tmp_path / "hand.xml"
        path.write_text(text)
        hand = read_hand(path)
        jaws = find_jaws(hand, JawChoices(**choices))
        return jaws, lambda links: {hand.links[i].name for i in links}

    return find


def hand_on_an_arm() -> str:
    """An arm of two hinges, and a wrist plate that is fixed to the hand."""
    arm = [
        link("floor", box((1, 1, 0.1))),
        link("arm", box((0.1, 0.1, 0.5))),
        link("wrist", box((0.2, 0.2, 0.02), pose(0, 0, -0.2))),
        joint("shoulder", "continuous", "floor", "arm", inside='<axis xyz="0 0 1"/>'),
        joint("elbow", "continuous", "arm", "wrist", inside='<axis xyz="1 0 0"/>'),
        joint("mount", "fixed", "wrist", "base"),
    ]
    return urdf_box_hand(YUMI).replace("</robot>", "".join(arm) + "</robot>")


def test_an_arm_below_the_hand_is_no_part_of_it(find):
    jaws, names = find(hand_on_an_arm())
    assert names({jaws.root}) == {"wrist"}
    assert names(jaws.palm) == {"wrist", "base", "tcp"}
    assert {frozenset(names(finger)) for finger in jaws.fingers} == {frozenset({"left"}), frozenset({"right"})}


def test_the_palm_begins_at_a_root_that_is_named(find):
    jaws, names = find(hand_on_an_arm(), root="base")
    assert names({jaws.root}) == {"base"}
    assert names(jaws.palm) == {"base", "tcp"}


def test_of_a_linkage_the_parts_that_turn_belong_to_the_palm(find):
    jaws, names = find(urdf_four_bar(**FOUR_BAR))
    assert names(jaws.palm) == {"base", "left_knuckle", "right_knuckle"}
    assert names(jaws.linkage) == {"left_knuckle", "right_knuckle"}


@pytest.mark.parametrize("mimic", [True, False])
def test_the_ends_are_the_joint_limits_and_open_is_where_the_gap_is_wide(find, mimic):
    jaws, _ = find(urdf_box_hand(YUMI, mimic=mimic))
    assert jaws.open == "to_left = 0.025" + ("" if mimic else ", to_right = 0.025")
    assert jaws.travel == pytest.approx(0.05)
    assert abs(jaws.closing_in_root[1]) == pytest.approx(1)


def test_two_motors_in_opposite_directions_open_the_hand_together(find):
    jaws, _ = find(mjcf_box_hand(YUMI, equality=False))
    assert jaws.open == "to_left = 0.025, to_right = -0.025"
    assert jaws.force == pytest.approx(20)


def test_limits_of_the_joint_that_follows_serve_where_the_driver_has_none(find):
    jaws, _ = find(mjcf_box_hand(YUMI).replace('range="0.0 0.025"', ""))
    assert jaws.travel == pytest.approx(0.05)


def without_limits() -> str:
    return mjcf_box_hand(YUMI).replace('range="0.0 0.025"', "").replace('range="-0.025 -0.0"', "")


def test_joints_without_limits_are_refused_with_the_remedy(find):
    message = r"joint 'to_left' has no limits; .* --open VALUE --closed VALUE, or JOINT=VALUE for each of to_left"
    with pytest.raises(InputError, match=message):
        find(without_limits())


@pytest.mark.parametrize(
    "values", [{"open": ("0.02",), "closed": ("0.001",)}, {"open": ("to_left=0.02",), "closed": ("0.001",)}]
)
def test_joint_values_by_option_are_the_ends(find, values):
    jaws, _ = find(without_limits(), **values)
    assert jaws.travel == pytest.approx(2 * 0.019)
    assert (jaws.open, jaws.closed) == ("to_left = 0.02", "to_left = 0.001")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"open": ("0.02",)}, "--open and --closed are given together, or neither"),
        ({"open": ("0.001",), "closed": ("0.02",)}, "the hand is wider at --closed than at --open; exchange the two"),
        ({"open": ("to_lfet=1",), "closed": ("0",)}, "unknown joint 'to_lfet'; did you mean 'to_left'"),
        ({"open": ("wide",), "closed": ("0",)}, "'wide' is no joint value; expected VALUE or JOINT=VALUE"),
    ],
)
def test_joint_values_that_make_no_sense_are_refused(find, values, message):
    with pytest.raises(InputError, match=message):
        find(without_limits(), **values)


def test_a_value_for_each_of_two_drivers_is_needed(find):
    with pytest.raises(InputError, match="no value is given for joint to_right; add JOINT=VALUE for it"):
        find(urdf_box_hand(YUMI, mimic=False), open=("to_left=0.02",), closed=("0",))


def test_three_fingers_are_refused(find):
    with pytest.raises(
        InputError, match=r"3 parts move without turning; a parallel jaw has two\. Moving parts: finger_0"
    ):
        find(urdf_three_fingers())


def test_a_fixed_jaw_beside_a_moving_one_is_refused(find):
    text = robot(
        link("base", box((0.1, 0.1, 0.1))),
        link("left", box((0.01, 0.01, 0.1), pose(0, 0, 0.1))),
        joint("only", "prismatic", "base", "left", inside=slide("0 1 0", 0.0, 0.05)),
    )
    with pytest.raises(
        InputError, match=r"no two moving fingers .* Joints, and the links that they move: only \(left\)"
    ):
        find(text)


def test_fingers_that_turn_are_refused(find):
    """Without the joints that turn the fingers back, knuckles alone close like pliers."""
    pliers = urdf_four_bar(**FOUR_BAR).replace('"left_back" type="revolute"', '"left_back" type="fixed"')
    pliers = pliers.replace('"right_back" type="revolute"', '"right_back" type="fixed"')
    with pytest.raises(InputError, match=r"0 parts move without turning; .* \(turns by 46°\)"):
        find(pliers)
    with pytest.raises(InputError, match=r"--fingers left_knuckle: turns by 46° while the hand closes"):
        find(pliers, fingers=("left_finger", "right_finger"))


def test_fingers_that_move_together_are_refused(find):
    with pytest.raises(InputError, match="'left' and 'right' keep their distance"):
        find(urdf_box_hand(YUMI).replace('<axis xyz="0 -1 0"/>', '<axis xyz="0 1 0"/>'))


def test_a_finger_that_does_not_move_is_refused(find):
    with pytest.raises(InputError, match="the links of --fingers base tcp are one rigid part"):
        find(urdf_box_hand(YUMI), fingers=("base", "tcp"))
    with pytest.raises(InputError, match="unknown finger link 'lfet'; did you mean 'left'"):
        find(urdf_box_hand(YUMI), fingers=("lfet", "right"))


def test_a_root_outside_of_the_palm_is_refused(find):
    with pytest.raises(InputError, match=r"--root arm is no part of the palm; these are: wrist, base, tcp"):
        find(hand_on_an_arm(), root="arm")


def test_two_hands_in_one_file_need_a_choice(find):
    def renamed(text: str, suffix: str) -> str:
        for name in ("base", "left", "right", "tcp"):
            text = text.replace(f'"{name}"', f'"{name}{suffix}"').replace(f'"to_{name}"', f'"to_{name}{suffix}"')
        return text.removeprefix('<robot name="hand">').removesuffix("</robot>")

    mounts = [joint(f"m{i}", "continuous", "torso", f"base{i}", pose(i, 0, 0), '<axis xyz="0 0 1"/>') for i in (1, 2)]
    both = robot(link("torso", box((1, 1, 1))), *mounts, *(renamed(urdf_box_hand(YUMI), str(i)) for i in (1, 2)))
    with pytest.raises(InputError, match=r"2 pairs of jaws \('left1' and 'right1'; 'left2' and 'right2'\); choose one"):
        find(both)
    jaws, names = find(both, fingers=("left2", "right2"))
    assert names({jaws.root}) == {"base2"}


def test_radians_that_are_read_as_degrees_are_noticed(find):
    with pytest.raises(InputError, match=r"joint 'left_out' turns by 0\.80° only; limits in radians need <compiler"):
        find(mjcf_parallelogram(**FOUR_BAR).replace('angle="radian"', ""))
