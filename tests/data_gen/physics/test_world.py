"""Worlds: what is there lies where it was laid, what is not there hangs far away without weight."""

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.data_gen.physics.heaps import DropConfig, HeapWorld
from graspnet.data_gen.physics.pick import ClutterWorld, HandWorld, PickWorld
from graspnet.data_gen.physics.world import SolverConfig, World, world_spec
from graspnet.data_gen.scenes.scenes import Bin
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import load_gripper
from graspnet.transforms import frame_from_axes, rigid, rotation_about

CUBE = solid_from_mesh(trimesh.creation.box([0.03, 0.03, 0.03]), "cube")
HAND = load_gripper("yumi")
TURNED = rigid(rotation_about(np.array([0.0, 0.6, 0.8]), np.array(1.1)), np.array([0.1, -0.2, 0.3]))


@pytest.fixture(params=["heap", "clutter"])
def world(request) -> World:
    if request.param == "heap":
        return HeapWorld((CUBE, CUBE), None, DropConfig())
    world = ClutterWorld((CUBE, CUBE), HAND)
    world.reset(np.tile(np.eye(4), (2, 1, 1)))  # the hand is far away then
    return world


def test_a_world_is_abstract_or_final():
    for abstract in (World, HandWorld):
        assert abstract.__abstractmethods__
    for final in (HeapWorld, PickWorld, ClutterWorld):
        assert final.__final__
        assert not final.__abstractmethods__


def test_an_object_lies_where_it_is_placed_and_moves_without_weight_nowhere(world):
    world.place(0, TURNED)
    world.remove(1)
    assert list(world.present) == [True, False]
    np.testing.assert_allclose(world.world_from_objects[0], TURNED, atol=1e-12)
    away = world.world_from_objects[1].copy()
    world.rest(0.2)
    np.testing.assert_allclose(world.world_from_objects[1], away, atol=1e-9)
    assert world.world_from_objects[0, 2, 3] < TURNED[2, 3]  # it falls


def test_what_is_at_rest_does_not_move_and_what_falls_does(world):
    world.place(0, rigid(np.eye(3), np.array([0.0, 0.0, 0.015])))
    world.place(1, rigid(np.eye(3), np.array([0.1, 0.0, 0.7])))
    assert list(world.rest(0.1)) == [False, True]
    assert list(world.rest(2.0)) == [False, False]
    np.testing.assert_allclose(world.world_from_objects[:, 2, 3], 0.015, atol=1e-3)


def test_a_reset_takes_nothing_away_and_brings_nothing_back():
    world = ClutterWorld((CUBE, CUBE), HAND)
    world.remove(1)
    world.reset(np.stack([TURNED, TURNED]))
    assert list(world.present) == [True, False]
    assert np.linalg.norm(world.world_from_objects[1, :3, 3]) > 5


def test_a_lone_object_is_picked_alike_whichever_world_it_is_in():
    start = rigid(np.eye(3), np.array([0.0, 0.0, 0.015]))
    rotation = frame_from_axes(np.array([0.0, 0.0, -1.0]), np.array([0.0, 1.0, 0.0]))
    for y in (0.0, 0.004, 0.025):  # held, pushed to the middle, landed on
        grasp = Grasps.of_jaws(rigid(rotation, np.array([0.0, y, 0.02]))[None], np.array([0.05]))
        alone, among = PickWorld(CUBE, HAND), ClutterWorld((CUBE,), HAND)
        assert repr(alone.pick(start, grasp)) == repr(among.attempt(start[None], grasp))  # repr: NaN is not NaN


def test_walls_and_table_say_how_anything_slides_on_them():
    spec = world_spec((CUBE,), (500.0,), Bin(0.2, 0.2, 0.1), SolverConfig(), 0.3, 0.7)
    model = spec.compile()
    sliding = {model.geom(k).name: model.geom(k).friction[0] for k in range(model.ngeom)}
    assert sliding == pytest.approx({"table": 0.7, **{f"wall_{k}": 0.7 for k in range(4)}, "object_0_part_0": 0.3})
    assert {model.geom(k).name for k in np.flatnonzero(model.geom_priority)} == {
        "table",
        *(f"wall_{k}" for k in range(4)),
    }
