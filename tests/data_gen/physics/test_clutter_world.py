"""Picks among several objects whose outcome is known without a simulator."""

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.data_gen.physics.pick import ClutterWorld, PickConfig
from graspnet.data_gen.scenes.scenes import Bin
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import load_gripper
from graspnet.transforms import frame_from_axes, rigid

HAND = load_gripper("yumi")


def _box(*sides: float) -> Solid:
    return solid_from_mesh(trimesh.creation.box(sides), "box")


def _at(*places: tuple[float, float, float]) -> np.ndarray:
    return rigid(np.tile(np.eye(3), (len(places), 1, 1)), np.array(places))


def _grasp(x: float, y: float, z: float, width: float = 0.05) -> Grasps:
    """Straight down, closing along y."""
    rotation = frame_from_axes(np.array([0.0, 0.0, -1.0]), np.array([0.0, 1.0, 0.0]))
    return Grasps.of_jaws(rigid(rotation, np.array([x, y, z]))[None], np.array([width]))


CUBE = _box(0.03, 0.03, 0.03)


def test_the_object_between_the_pads_is_lifted_and_its_neighbour_stays():
    world = ClutterWorld((CUBE, CUBE), HAND)
    start = world.settled(_at((0.1, 0, 0.015), (0, 0, 0.015)))
    result = world.attempt(start, _grasp(0, 0, 0.02))
    assert result.success
    assert result.held == 1
    np.testing.assert_allclose(world.world_from_objects[0], start[0], atol=1e-4)


def test_what_was_lifted_is_taken_away_and_what_stood_on_it_is_not():
    """A cube across two others: without the one on the left it tips over to that side."""
    world = ClutterWorld((CUBE, CUBE, CUBE), HAND)
    start = world.settled(_at((-0.02, 0, 0.015), (0.025, 0, 0.015), (0, 0, 0.0455)))
    world.remove(0)
    after = world.after_attempt(2.0)
    assert start[2, 2, 3] == pytest.approx(0.045, abs=0.001)
    assert after[2, 2, 3] < 0.035
    assert list(world.present) == [False, True, True]


def test_a_finger_that_lands_on_a_neighbour_is_a_collision():
    """A slab 2 cm from the cube's side is where the left finger, of a hand open by 5 cm, comes down."""
    world = ClutterWorld((CUBE, _box(0.03, 0.01, 0.04)), HAND)
    poses = world.settled(_at((0, 0, 0.015), (0, -0.03, 0.02)))
    assert world.attempt(poses, _grasp(0, 0, 0.015)).outcome == "approach_collision"
    world.remove(1)
    assert world.attempt(poses, _grasp(0, 0, 0.015)).success


def test_two_objects_side_by_side_in_the_jaws_are_not_held():
    """Each is pressed by one pad: neither is between both."""
    half = _box(0.03, 0.015, 0.03)
    world = ClutterWorld((half, half), HAND)
    poses = world.settled(_at((0, -0.0076, 0.015), (0, 0.0076, 0.015)))
    result = world.attempt(poses, _grasp(0, 0, 0.015))
    assert (result.outcome, result.held) == ("missed", -1)


def test_the_hand_collides_with_a_bins_wall():
    """The cube lies in a corner: the finger outside of it comes down on the wall, 5 mm from the cube."""
    bin_ = Bin(0.2, 0.2, 0.05)
    world = ClutterWorld((CUBE,), HAND, bin_=bin_)
    at_wall, central = _at((0, 0.08, 0.015)), _at((0, 0, 0.015))
    assert world.attempt(world.settled(at_wall), _grasp(0, 0.08, 0.015)).outcome == "approach_collision"
    assert world.attempt(world.settled(central), _grasp(0, 0, 0.015)).success


def test_what_slips_out_of_the_hand_comes_to_rest_on_the_table():
    world = ClutterWorld((CUBE,), HAND, friction=0.0)
    assert world.attempt(world.settled(_at((0, 0, 0.015))), _grasp(0, 0, 0.02)).outcome == "slipped_in_lift"
    after = world.after_attempt(2.0)
    assert after[0, 2, 3] == pytest.approx(0.015, abs=0.002)
    assert np.linalg.norm(world.data.qvel) < 0.02


def test_masses_are_capped_and_densities_are_each_objects_own():
    world = ClutterWorld((CUBE, _box(0.2, 0.1, 0.1)), HAND, PickConfig(max_mass=0.5), (1000.0, 1000.0))
    assert world.masses == pytest.approx((0.027, 0.5))
    np.testing.assert_allclose(world.model.body_mass[1:3], world.masses)


def test_touching_objects_are_told_from_those_apart():
    world = ClutterWorld((CUBE, CUBE), HAND)
    assert world.touching(_at((0, 0, 0.016), (0.029, 0, 0.016)))
    assert not world.touching(_at((0, 0, 0.016), (0.05, 0, 0.016)))
    world.remove(1)
    assert not world.touching(_at((0, 0, 0.016), (0.029, 0, 0.016)))


def test_the_target_is_the_object_that_the_pads_centre_is_in():
    world = ClutterWorld((CUBE, _box(0.1, 0.01, 0.05)), HAND)
    world.settled(_at((0, 0, 0.015), (0, 0.05, 0.025)))
    assert world.nearest(np.array([0.04, 0.049, 0.03])) == 1
    assert world.nearest(np.array([0.005, 0.010, 0.03])) == 0
