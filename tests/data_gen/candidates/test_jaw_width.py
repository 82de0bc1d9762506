"""The opening in clutter: what stands between the fingers plus a margin, by arithmetic on boxes."""

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.candidates.jaw_width import fitted_opening
from graspnet.data_gen.objects.meshes import Solid
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.transforms import rigid, rotation_about

HAND = ParallelJaw(
    max_width=0.05, finger_length=0.04, finger_thickness=0.01, finger_breadth=0.02, pad_to_tip=0.01,
    palm=(0.04, 0.07, 0.06),
)  # fmt: skip
MARGIN = 0.006


def opening(mesh: trimesh.Trimesh, *position: float, yaw: float = 0.0) -> float:
    """Of a grasp from above at a position in the object frame; the jaws close along y, turned by yaw."""
    down = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])
    rotation = rotation_about(np.array([0.0, 0.0, 1.0]), np.array(yaw)) @ down
    grasps = Grasps.of_jaws(rigid(rotation, np.array(position, dtype=np.float64))[None], np.array([HAND.max_width]))
    fitted = fitted_opening(Solid("object", mesh), grasps, HAND, MARGIN)
    np.testing.assert_array_equal(fitted.poses, grasps.poses)
    return float(fitted.width[0])


def test_a_box_between_the_jaws_has_a_margin_on_either_side():
    box = trimesh.creation.box((0.06, 0.02, 0.03))
    assert opening(box, 0, 0, 0) == pytest.approx(0.02 + 2 * MARGIN, abs=1e-6)
    assert opening(box, 0, 0, 0, yaw=np.pi / 2) == 0.05  # 60 mm: the fingers would start inside


def test_jaws_that_are_not_centred_open_for_the_farther_side():
    assert opening(trimesh.creation.box((0.06, 0.02, 0.03)), 0, 0.004, 0) == pytest.approx(
        2 * (0.014 + MARGIN), abs=1e-6
    )


def test_what_is_wider_above_the_pads_counts_too():
    """A T: a foot 10 mm wide between the pads, a head of 30 mm between the fingers, 25 mm above the pads' centre."""
    foot, head = trimesh.creation.box((0.02, 0.01, 0.04)), trimesh.creation.box((0.02, 0.03, 0.01))
    head.apply_translation((0, 0, 0.025))
    shape = trimesh.boolean.union([foot, head], engine="manifold")
    assert opening(shape, 0, 0, 0) == pytest.approx(0.03 + 2 * MARGIN, abs=1e-6)
    assert opening(shape, 0, 0, -0.015) == pytest.approx(
        0.01 + 2 * MARGIN, abs=1e-6
    )  # the head is above the palm's face


def test_the_opening_is_never_wider_than_the_hand_s():
    assert opening(trimesh.creation.box((0.06, 0.045, 0.03)), 0, 0, 0) == 0.05


def test_jaws_around_nothing_open_wide():
    assert opening(trimesh.creation.box((0.06, 0.02, 0.03)), 0.1, 0, 0) == 0.05
