"""Objects beside the hand: their width as they lie, and the scale that brings it to what was asked for."""

import numpy as np
import pytest
import trimesh

from data_gen.meshes import Solid, solid_from_mesh
from data_gen.objects import ObjectConfig, object_names, outline_width, posed_for_hand
from data_gen.stable_poses import stable_poses
from graspnet.errors import InputError
from graspnet.gripper import load_gripper
from graspnet.transforms import rigid, rotation_about

HAND = load_gripper("yumi")


def box(*sides: float) -> Solid:
    return solid_from_mesh(trimesh.creation.box(sides), "box")


def upright(angle: float = 0.0) -> np.ndarray:
    return rigid(rotation_about(np.array([0.0, 0.0, 1.0]), np.array(angle)), np.zeros(3))


def test_a_plate_is_as_wide_as_its_shorter_side_flat_and_as_its_thickness_on_edge():
    plate = box(0.10, 0.06, 0.004)
    assert outline_width(plate, upright()) == pytest.approx(0.06)
    on_edge = rigid(rotation_about(np.array([1.0, 0.0, 0.0]), np.array(np.pi / 2)), np.zeros(3))
    assert outline_width(plate, on_edge) == pytest.approx(0.004)


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.2, 2.9])
def test_turning_an_object_on_the_table_changes_no_width(angle):
    assert outline_width(box(0.05, 0.03, 0.02), upright(angle)) == pytest.approx(0.03)


def test_a_ball_is_as_wide_as_its_diameter():
    ball = solid_from_mesh(trimesh.creation.icosphere(subdivisions=4, radius=0.02), "ball")
    assert outline_width(ball, upright(0.4)) == pytest.approx(0.04, rel=0.005)


def test_the_scaled_object_has_the_width_that_was_asked_for_and_rests_on_the_table():
    config = ObjectConfig(graspable_width=(0.5, 0.5), largest_extent=100.0)
    solid = box(0.10, 0.06, 0.02)
    for pose in stable_poses(solid).world_from_object:
        scale, scaled_pose = posed_for_hand(solid, pose, config, HAND, np.random.default_rng(0))
        scaled = solid.scaled(scale)
        assert outline_width(scaled, scaled_pose) == pytest.approx(0.5 * HAND.max_width)
        heights = scaled.mesh.vertices @ scaled_pose[2, :3] + scaled_pose[2, 3]
        assert heights.min() == pytest.approx(0.0, abs=1e-9)


def test_no_object_grows_beyond_the_largest_extent():
    needle = box(0.30, 0.003, 0.003)
    config = ObjectConfig(graspable_width=(1.0, 1.0), largest_extent=3.0)
    scale, _ = posed_for_hand(needle, upright(), config, HAND, np.random.default_rng(0))
    assert max(needle.scaled(scale).mesh.extents) == pytest.approx(3.0 * HAND.max_width)


def test_without_a_width_an_object_keeps_its_size():
    config = ObjectConfig(graspable_width=None)
    scale, pose = posed_for_hand(box(0.1, 0.1, 0.1), upright(), config, HAND, np.random.default_rng(0))
    assert scale == 1.0
    np.testing.assert_array_equal(pose, upright())


def test_families_take_turns():
    names = object_names(ObjectConfig(families=("box", "mug"), count=5))
    assert names == ["box_00000", "mug_00001", "box_00002", "mug_00003", "box_00004"]


def test_a_family_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match=r"unknown family 'bx'.*did you mean 'box'"):
        ObjectConfig(families=("bx",))
