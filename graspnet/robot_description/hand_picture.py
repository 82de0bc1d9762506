"""A derived gripper drawn over the hand that it was measured on, from two sides, with its dimensions."""

from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float64

from graspnet.drawing import new_figure
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.robot_description.from_urdf import DerivedGripper

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_dimensions", "draw_gripper_boxes", "draw_triangles", "hand_figure"]

Side = Literal["front", "side"]  # along x: closing axis to the right; along y: x to the right. The approach goes down.
ACROSS, TOWARDS_VIEWER = {"front": 1, "side": 0}, {"front": 0, "side": 1}
PALM, FINGER = "tab:blue", "tab:orange"
LIGHT = np.array([0.35, 0.45, -0.82])  # direction towards the light, in (across, towards the viewer, down)
STEP, WORDS, MARGIN = 0.035, 0.07, 0.2  # of a picture's width: to a dimension's line; its words' height; their width


def hand_figure(derived: DerivedGripper, title: str) -> "Figure":
    """The open hand's geometry with the gripper's boxes: closing axis and approach, and the other side; one scale."""
    gripper = derived.gripper
    width = _picture_width(gripper)
    top = gripper.palm_face - gripper.palm[2] - (STEP / 2 + WORDS) * width
    bottom = gripper.pad_to_tip + (STEP + WORDS) * width
    figure, axes = new_figure(1, 2, width=6.0, aspect=(bottom - top) / width)
    sides: tuple[Side, Side] = ("front", "side")
    for ax, side, caption in zip(axes[0], sides, ("front: closing axis y", "side: x"), strict=True):
        draw_triangles(ax, derived.palm_in_grasp, side, PALM)
        draw_triangles(ax, derived.fingers_in_grasp, side, FINGER)
        draw_gripper_boxes(ax, gripper, side)
        draw_dimensions(ax, gripper, side)
        ax.set_aspect("equal")
        ax.set_xlim(-width / 2, width / 2)
        ax.set_ylim(bottom, top)
        ax.set_axis_off()
        ax.set_title(f"{caption} to the right, approach z down", fontsize=9)
    figure.suptitle(f"{title}: outlines are the gripper file, surfaces the hand's collision geometry", fontsize=10)
    return figure


def _picture_width(gripper: ParallelJaw) -> float:
    """Metres that a picture shows from left to right: the wider side of the hand, and words on both sides of it.

    A long hand gets more, such that its picture is about as high as it is wide.
    """
    half = max(gripper.max_width / 2 + gripper.finger_thickness, *(size / 2 for size in gripper.palm[:2]))
    return max(2 * half / (1 - 2 * MARGIN), gripper.finger_length + gripper.palm[2])


def draw_triangles(axes: "Axes", triangles_in_grasp: Float64[np.ndarray, "T 3 3"], side: Side, color: str) -> None:
    """A surface in metres, shaded by its slope, the nearest on top."""
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgb

    seen = triangles_in_grasp[..., [ACROSS[side], TOWARDS_VIEWER[side], 2]]
    normals = np.cross(seen[:, 1] - seen[:, 0], seen[:, 2] - seen[:, 0])
    lengths = np.linalg.norm(normals, axis=-1)
    order = np.argsort(seen[..., 1].mean(axis=1))
    order = order[lengths[order] > 0]
    light = np.abs(normals[order] @ LIGHT) / lengths[order]  # either way round: meshes need not be closed
    grey = 0.62 + 0.33 * light[:, None]
    tint = 0.25 * np.array(to_rgb(color)) + 0.75 * grey
    axes.add_collection(
        PolyCollection(list(seen[order][..., [0, 2]]), facecolors=tint, edgecolors=tint, linewidths=0.2)
    )


def draw_gripper_boxes(axes: "Axes", gripper: ParallelJaw, side: Side) -> None:
    """The open gripper's three boxes as outlines, and its grasp frame."""
    from matplotlib.patches import Rectangle

    low, high = (corners[0] for corners in gripper.boxes(np.array([gripper.max_width])))
    across = ACROSS[side]
    for corner, opposite, color in zip(low, high, (FINGER, FINGER, PALM), strict=True):
        size = opposite - corner
        axes.add_patch(
            Rectangle((corner[across], corner[2]), size[across], size[2], fill=False, edgecolor=color, linewidth=1.8)
        )
    length = min(gripper.max_width / 4, 1.5 * STEP * _picture_width(gripper))
    for end in ((length, 0.0), (0.0, length)):
        axes.annotate("", xy=end, xytext=(0, 0), arrowprops={"arrowstyle": "->", "lw": 1.2, "shrinkA": 0, "shrinkB": 0})
    name = "y" if side == "front" else "x"
    axes.annotate(name, (length, 0), xytext=(2, 0), textcoords="offset points", va="center", fontsize=8)
    axes.annotate("z", (0, length), xytext=(5, 2), textcoords="offset points", ha="center", fontsize=8)


def draw_dimensions(axes: "Axes", gripper: ParallelJaw, side: Side) -> None:
    """The numbers of the gripper file that this side shows, in millimetres."""
    palm_x, palm_y, palm_z = gripper.palm
    tip, face, back = gripper.pad_to_tip, gripper.palm_face, gripper.palm_face - palm_z
    step = STEP * _picture_width(gripper)
    if side == "front":
        inner, outer = gripper.max_width / 2, gripper.max_width / 2 + gripper.finger_thickness
        edge = max(outer, palm_y / 2) + step / 2
        _level(axes, (-palm_y / 2, palm_y / 2), back - step / 2, "palm y", anchor="above")
        _level(axes, (-inner, inner), tip + step, "max_width")
        _level(axes, (inner, outer), tip + step, "finger_thickness", anchor="left")
        _upright(axes, (face, tip), edge, "finger_length")
        _upright(axes, (0.0, tip), -edge, "pad_to_tip")
    else:
        edge = max(palm_x, gripper.finger_breadth) / 2 + step / 2
        _level(axes, (-palm_x / 2, palm_x / 2), back - step / 2, "palm x", anchor="above")
        _level(axes, (-gripper.finger_breadth / 2, gripper.finger_breadth / 2), tip + step, "finger_breadth")
        _upright(axes, (back, face), edge, "palm z")


def _level(axes: "Axes", ends: tuple[float, float], z: float, name: str, anchor: str = "below") -> None:
    """A dimension across the approach; its words stand in its middle above or below, or below from its left end on."""
    _arrow(axes, (ends[0], z), (ends[1], z))
    above, left = anchor == "above", anchor == "left"
    axes.annotate(
        _words(name, ends), (ends[0] if left else sum(ends) / 2, z), xytext=(0, 4 if above else -4),
        textcoords="offset points", ha="left" if left else "center", va="bottom" if above else "top", fontsize=8,
    )  # fmt: skip


def _upright(axes: "Axes", ends: tuple[float, float], across: float, name: str) -> None:
    """A dimension along the approach."""
    _arrow(axes, (across, ends[0]), (across, ends[1]))
    right = across > 0
    axes.annotate(
        _words(name, ends), (across, sum(ends) / 2), xytext=(5 if right else -5, 0), textcoords="offset points",
        ha="left" if right else "right", va="center", fontsize=8,
    )  # fmt: skip


def _arrow(axes: "Axes", first: tuple[float, float], last: tuple[float, float]) -> None:
    axes.annotate("", xy=last, xytext=first, arrowprops={"arrowstyle": "<->", "lw": 0.8, "shrinkA": 0, "shrinkB": 0})


def _words(name: str, ends: tuple[float, float]) -> str:
    return f"{name}\n{1000 * (ends[1] - ends[0]):.1f} mm"
