"""Where links are once joints move: closed forms of slides, hinges, mimic chains and closed linkages."""

import numpy as np
import pytest

from graspnet.errors import InputError
from graspnet.robot_description.hand_description import read_hand
from graspnet.robot_description.hand_motion import descendants, driven_joints, joint_values, link_poses, rigid_groups
from tests.graspnet.robot_description.hands import FOUR_BAR, mjcf_parallelogram, urdf_four_bar


@pytest.fixture
def hand(tmp_path):
    """Read a hand from text."""

    def hand(text):
        path = tmp_path / "hand.xml"
        path.write_text(text)
        return read_hand(path)

    return hand


def place(hand, driven, name):
    poses = link_poses(hand, joint_values(hand, driven))
    return poses[[link.name for link in hand.links].index(name)]


@pytest.mark.parametrize("write", [urdf_four_bar, mjcf_parallelogram])
@pytest.mark.parametrize("angle", [0.1, 0.5, 0.9])
def test_the_finger_of_a_parallel_linkage_goes_round_an_arc_and_does_not_turn(hand, write, angle):
    pose = place(hand(write(**FOUR_BAR)), {0: angle}, "left_finger")
    length, hinge = FOUR_BAR["length"], FOUR_BAR["hinge"]
    np.testing.assert_allclose(pose[:3, 3], [0, hinge + length * np.sin(angle), length * np.cos(angle)], atol=1e-6)
    np.testing.assert_allclose(pose[:3, :3], np.eye(3), atol=1e-5)


def body(name: str, inner: str, joint: str = "") -> str:
    return f'<body name="{name}" pos="0 0 1">{joint}<geom size="0.1"/>{inner}</body>'


def test_a_hinge_turns_about_its_anchor(hand):
    text = body("a", "", '<joint axis="1 0 0" pos="0 0 -1"/>')
    pose = place(hand(f"<mujoco><worldbody>{text}</worldbody></mujoco>"), {0: np.pi / 2}, "a")
    np.testing.assert_allclose(pose[:3, 3], [0, -1, 0], atol=1e-12)


def test_a_reference_position_is_where_the_file_draws_the_hand(hand):
    text = body("a", "", '<joint type="slide" axis="0 1 0" ref="0.3"/>')
    moved = hand(f"<mujoco><worldbody>{text}</worldbody></mujoco>")
    np.testing.assert_allclose(place(moved, {}, "a")[:3, 3], [0, 0, 1])
    np.testing.assert_allclose(place(moved, {0: 0.5}, "a")[:3, 3], [0, 0.2, 1])


CHAIN = """<mujoco><worldbody>{}</worldbody><equality>
<joint joint1="c" joint2="b" polycoef="0.1 2 0 0 0"/><joint joint1="b" joint2="a" polycoef="0 -1 0.5 0 0"/>
<joint joint1="d" polycoef="0.7 0 0 0 0"/></equality></mujoco>"""


def test_followers_of_followers_follow_their_polynomials(hand):
    inner = ""
    for name in "dcba":
        inner = body(name, inner, f'<joint name="{name}" type="slide" axis="0 1 0"/>')
    values = joint_values(hand(CHAIN.format(inner)), {0: 0.2})
    second = -0.2 + 0.5 * 0.2**2
    np.testing.assert_allclose(values, [0.2, second, 0.1 + 2 * second, 0.7], atol=1e-12)


def test_a_joint_that_nothing_drives_settles_where_its_springs_balance(hand):
    """Two springs in a row: 1 N/m to 0.3 at the joint, 3 N/m to 0.1 by a tendon -> (1 x 0.3 + 3 x 0.1) / 4."""
    inner = body("a", "", '<joint name="a" type="slide" axis="0 1 0" stiffness="1" springref="0.3"/>')
    tendon = '<tendon><fixed stiffness="3" springlength="0.1"><joint joint="a" coef="1"/></fixed></tendon>'
    values = joint_values(hand(f"<mujoco><worldbody>{inner}</worldbody>{tendon}</mujoco>"), {})
    assert values[0] == pytest.approx(0.15, abs=1e-6)


def test_a_loop_that_cannot_close_is_named(hand):
    moved = hand(
        mjcf_parallelogram(**FOUR_BAR).replace('name="left_bar_joint"', 'name="left_bar_joint" range="0 0.01"')
    )
    with pytest.raises(
        InputError, match=r"the loop between 'left_finger' and 'left_bar' stays .* mm open; give values"
    ):
        joint_values(moved, {0: 0.9})


def test_links_without_a_joint_are_one_with_their_parent(hand):
    rigid = body("b", body("c", ""), '<joint type="slide" axis="0 1 0"/>')
    found = hand(f"<mujoco><worldbody>{body('a', rigid)}<body><freejoint/><geom size='1'/></body></worldbody></mujoco>")
    assert rigid_groups(found) == [0, 0, 2, 2, 4]
    assert descendants(found, 0) == {0, 1, 2, 3}  # what floats is no part of it


def test_where_there_are_actuators_only_what_they_move_is_driven(hand):
    inner = body("a", "", '<joint name="a"/>') + body("b", "", '<joint name="b"/>') + body("c", "", '<joint name="c"/>')
    text = "<mujoco><worldbody>{}</worldbody>{}</mujoco>"
    assert driven_joints(hand(text.format(inner, "")), {1, 2, 3}) == [0, 1, 2]
    motor = '<equality><joint joint1="c" joint2="b"/></equality><actuator><motor joint="c"/></actuator>'
    assert driven_joints(hand(text.format(inner, motor)), {1, 2, 3}) == [1]  # the motor of c moves b
