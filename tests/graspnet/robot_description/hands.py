"""Hands to read: URDF and MJCF texts of box hands whose sizes are known, in any pose of the grasp frame."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.transforms import rigid

UPRIGHT = np.eye(4)  # the grasp frame is the root's frame


def pose(x: float, y: float, z: float) -> np.ndarray:
    """A translation."""
    return rigid(np.eye(3), np.array([x, y, z], dtype=np.float64))


def turned(rotation: Rotation, translation: Sequence[float]) -> np.ndarray:
    """A rotation and a translation."""
    return rigid(rotation.as_matrix(), np.array(translation, dtype=np.float64))


def origin(parent_from_child: np.ndarray) -> str:
    """URDF's <origin>: fixed-axis angles, exact to double precision."""
    rpy = Rotation.from_matrix(parent_from_child[:3, :3]).as_euler("xyz")
    return f'<origin xyz="{numbers(parent_from_child[:3, 3])}" rpy="{numbers(rpy)}"/>'


def numbers(values) -> str:
    return " ".join(repr(float(value)) for value in values)


def link(name: str, *collisions: str) -> str:
    return f'<link name="{name}">{"".join(collisions)}</link>'


def box(sizes: Sequence[float], link_from_box: np.ndarray = UPRIGHT) -> str:
    return f'<collision>{origin(link_from_box)}<geometry><box size="{numbers(sizes)}"/></geometry></collision>'


def joint(
    name: str, kind: str, parent: str, child: str, parent_from_joint: np.ndarray = UPRIGHT, inside: str = ""
) -> str:
    ends = f'<parent link="{parent}"/><child link="{child}"/>'
    return f'<joint name="{name}" type="{kind}">{ends}{origin(parent_from_joint)}{inside}</joint>'


def slide(axis: str, low: float, high: float, effort: float = 0.0, mimic: str = "") -> str:
    limit = f'<limit lower="{low!r}" upper="{high!r}" effort="{effort!r}" velocity="1"/>'
    return f'<axis xyz="{axis}"/>{limit}' + (f'<mimic joint="{mimic}"/>' if mimic else "")


def robot(*parts: str) -> str:
    return f'<robot name="hand">{"".join(parts)}</robot>'


def urdf_box_hand(hand: ParallelJaw, root_from_grasp: np.ndarray = UPRIGHT, *, mimic: bool = True) -> str:
    """Two slides, zero where the inner faces meet; with a frame `tcp` at the pads' centre."""
    finger = (hand.finger_breadth, hand.finger_thickness, hand.finger_length)
    middle = hand.pad_to_tip - hand.finger_length / 2
    low, high = hand.min_width / 2, hand.max_width / 2
    return robot(
        link("base", box(hand.palm, root_from_grasp @ pose(0, 0, hand.palm_face - hand.palm[2] / 2))),
        link("left", box(finger, pose(0, hand.finger_thickness / 2, middle))),
        link("right", box(finger, pose(0, -hand.finger_thickness / 2, middle))),
        link("tcp"),
        joint("to_left", "prismatic", "base", "left", root_from_grasp, slide("0 1 0", low, high, hand.force)),
        joint(
            "to_right", "prismatic", "base", "right", root_from_grasp,
            slide("0 -1 0", low, high, hand.force, "to_left" if mimic else ""),
        ),
        joint("to_tcp", "fixed", "base", "tcp", root_from_grasp),
    )  # fmt: skip


def mjcf_box_hand(hand: ParallelJaw, root_from_grasp: np.ndarray = UPRIGHT, *, equality: bool = True) -> str:
    """The same hand for MuJoCo: slides that an equality couples, or that have an actuator each; a site `tcp`."""
    quat = Rotation.from_matrix(root_from_grasp[:3, :3]).as_quat(scalar_first=True)
    finger = numbers(np.array([hand.finger_breadth, hand.finger_thickness, hand.finger_length]) / 2)
    middle = hand.pad_to_tip - hand.finger_length / 2
    back = hand.palm_face - hand.palm[2] / 2
    low, high, half = hand.min_width / 2, hand.max_width / 2, hand.finger_thickness / 2
    couple = (
        '<equality><joint joint1="to_right" joint2="to_left" polycoef="0 -1 0 0 0"/></equality>' if equality else ""
    )
    motor = f'forcerange="{-hand.force!r} {hand.force!r}" ctrlrange="0 1"'
    return f"""
    <mujoco><compiler autolimits="true"/>
      <worldbody><geom type="plane" size="1 1 1"/>
        <body name="base"><body name="frame" pos="{numbers(root_from_grasp[:3, 3])}" quat="{numbers(quat)}">
          <geom type="box" size="{numbers(np.array(hand.palm) / 2)}" pos="0 0 {back!r}"/>
          <geom type="box" size="1 1 1" contype="0" conaffinity="0"/>
          <site name="tcp"/>
          <body name="left"><joint name="to_left" type="slide" axis="0 1 0" range="{low!r} {high!r}"/>
            <geom type="box" size="{finger}" pos="0 {half!r} {middle!r}"/></body>
          <body name="right"><joint name="to_right" type="slide" axis="0 1 0" range="{-high!r} {-low!r}"/>
            <geom type="box" size="{finger}" pos="0 {-half!r} {middle!r}"/></body>
        </body></body>
      </worldbody>
      {couple}
      <actuator><general joint="to_left" {motor}/><general joint="to_right" {motor}/></actuator>
    </mujoco>"""


FOUR_BAR = {"length": 0.05, "hinge": 0.02, "offset": 0.012, "low": 0.1, "high": 0.9}  # metres, radians


def urdf_four_bar(length: float, hinge: float, offset: float, low: float, high: float, effort: float = 2.0) -> str:
    """Each finger hangs on a knuckle of some length, and turns back by as much as the knuckle turns out.

    The gap is 2 (hinge + length sin(angle) - offset): a palm 0.04 high, fingers 0.03 long, 0.01 thick, 0.02 broad.
    """
    sides = {"left": 1, "right": -1}
    limit = f'<limit lower="{low!r}" upper="{high!r}" effort="{effort!r}" velocity="1"/>'
    follow = '<limit lower="-2" upper="2" effort="1000" velocity="1"/><mimic joint="left_out" multiplier="1"/>'
    parts = [link("base", box((0.06, 0.1, 0.04), pose(0, 0, -0.02)))]
    for side, sign in sides.items():
        parts += [
            link(f"{side}_knuckle"),
            link(f"{side}_finger", box((0.02, 0.01, 0.03), pose(0, sign * (0.005 - offset), 0.015))),
            joint(
                f"{side}_out", "revolute", "base", f"{side}_knuckle", pose(0, sign * hinge, 0),
                f'<axis xyz="{-sign} 0 0"/>' + (limit if side == "left" else follow),
            ),
            joint(
                f"{side}_back", "revolute", f"{side}_knuckle", f"{side}_finger", pose(0, 0, length),
                f'<axis xyz="{sign} 0 0"/>' + follow,
            ),
        ]  # fmt: skip
    return robot(*parts)


def mjcf_parallelogram(length: float, hinge: float, offset: float, low: float, high: float) -> str:
    """The same fingers, kept upright by a second bar of the same length and a closed loop in place of mimic joints."""
    sides = ""
    for side, sign in (("left", 1), ("right", -1)):
        sides += f"""
        <body name="{side}_knuckle" pos="0 {sign * hinge!r} 0">
          <joint name="{side}_out" axis="{-sign} 0 0" range="{low!r} {high!r}"/>
          <body name="{side}_finger" pos="0 0 {length!r}"><joint name="{side}_wrist" axis="1 0 0"/>
            <geom type="box" size="0.01 0.005 0.015" pos="0 {sign * (0.005 - offset)!r} 0.015"/></body>
        </body>
        <body name="{side}_bar" pos="0 {sign * (hinge - 0.015)!r} 0"><joint name="{side}_bar_joint" axis="1 0 0"/>
          <geom type="capsule" fromto="0 0 0 0 0 {length!r}" size="0.002" contype="0" conaffinity="0"/></body>"""
    loops = "".join(
        f'<connect body1="{side}_finger" body2="{side}_bar" anchor="0 {-0.015 * sign!r} 0"/>'
        for side, sign in (("left", 1), ("right", -1))
    )
    return f"""
    <mujoco><compiler angle="radian" autolimits="true"/>
      <worldbody><body name="base"><geom type="box" size="0.03 0.05 0.02" pos="0 0 -0.02"/>{sides}</body></worldbody>
      <equality>{loops}<joint joint1="right_out" joint2="left_out"/></equality>
      <actuator><motor joint="left_out" ctrlrange="-2 2"/></actuator>
    </mujoco>"""


def urdf_three_fingers() -> str:
    """Three slides at 120 degrees."""
    parts = [link("base", box((0.1, 0.1, 0.04), pose(0, 0, -0.02)))]
    for i in range(3):
        around = turned(Rotation.from_euler("z", 2 * np.pi * i / 3), (0, 0, 0))
        parts += [
            link(f"finger_{i}", box((0.02, 0.01, 0.04), pose(0, 0.005, 0.02))),
            joint(f"joint_{i}", "prismatic", "base", f"finger_{i}", around, slide("0 1 0", 0.0, 0.03)),
        ]
    return robot(*parts)
