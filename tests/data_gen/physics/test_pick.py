"""Sanity worlds: picks whose outcome is known without a simulator."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.data_gen.physics.outcome import OUTCOMES, PickResult
from graspnet.data_gen.physics.pick import PickConfig, PickWorld
from graspnet.data_gen.physics.world import SolverConfig
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import load_gripper
from graspnet.transforms import frame_from_axes, rigid

HANDS = ["yumi", "panda", "robotiq_85", "wide"]
Z = np.array([0.0, 0.0, 1.0])


def _box(*sides: float) -> Solid:
    return solid_from_mesh(trimesh.creation.box(sides), "box")


def _on_table(solid: Solid) -> np.ndarray:
    return rigid(np.eye(3), np.array([0, 0, -solid.mesh.bounds[0, 2]]))


def _grasp(x: float, y: float, z: float, width: float, yaw: float = 0.0, tilt: float = 0.0) -> Grasps:
    """Closing along y turned by `yaw`; the approach leans by `tilt` about the closing axis."""
    closing = np.array([-np.sin(yaw), np.cos(yaw), 0.0])
    aside = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    rotation = frame_from_axes(-Z * np.cos(tilt) + aside * np.sin(tilt), closing)
    return Grasps.of_jaws(rigid(rotation, np.array([x, y, z]))[None], np.array([width]))


def _pick(solid: Solid, grasp: Grasps, hand: str = "yumi", **world) -> PickResult:
    gripper = replace(load_gripper(hand), force=world.pop("force", load_gripper(hand).force))
    return PickWorld(solid, gripper, **world).pick(_on_table(solid), grasp)


@pytest.mark.parametrize("hand", HANDS)
def test_every_hand_lifts_a_cube_that_it_grasps_at_the_centre(hand):
    result = _pick(_box(0.03, 0.03, 0.03), _grasp(0, 0, 0.02, load_gripper(hand).max_width), hand)
    assert result.outcome == "success"
    assert result.contact_distance == pytest.approx(0.03, abs=0.001)
    assert result.rise == pytest.approx(0.2, abs=0.005)


@pytest.mark.parametrize("hand", HANDS)
def test_without_friction_everything_slips(hand):
    result = _pick(_box(0.03, 0.03, 0.03), _grasp(0, 0, 0.02, load_gripper(hand).max_width), hand, friction=0.0)
    assert result.outcome == "slipped_in_lift"


@pytest.mark.parametrize("hand", HANDS)
def test_a_box_wider_than_the_opening_cannot_be_taken(hand):
    width = load_gripper(hand).max_width
    result = _pick(_box(0.03, width + 0.004, 0.03), _grasp(0, 0, 0.02, width), hand)
    assert result.outcome == "approach_collision"
    assert result.peak_force > 10


def test_five_newtons_do_not_hold_five_kilograms():
    """2 μ F = 2 · 0.5 · 5 N = 5 N against a weight of 49 N."""
    heavy = _box(0.04, 0.04, 0.04)
    world = {"density": 5.0 / heavy.volume, "config": PickConfig(max_mass=5.0), "friction": 0.5}
    assert _pick(heavy, _grasp(0, 0, 0.03, 0.05), force=5.0, **world).outcome == "slipped_in_lift"


@pytest.mark.parametrize(("share", "holds"), [(0.5, False), (1.3, True)])
def test_the_load_that_a_grip_lifts_is_coulombs(share, holds):
    """A box lifted at its centre needs 2 μ F > m (g + a); lift and shake accelerate by at most 10 m/s²."""
    box = _box(0.04, 0.03, 0.04)
    mass, force = 0.2, 20.0
    friction = share * mass * (9.81 + 10.0) / (2 * force) if holds else share * mass * 9.81 / (2 * force)
    result = _pick(box, _grasp(0, 0, 0.02, 0.05), density=mass / box.volume, friction=friction)
    assert result.success == holds


def test_mass_is_capped():
    world = PickWorld(_box(0.1, 0.1, 0.2), load_gripper("wide"), density=1200.0)
    assert world.mass == 1.0
    assert world.model.body("object_0").mass[0] == pytest.approx(1.0)


def test_a_tilted_approach_lifts_too():
    assert _pick(_box(0.03, 0.03, 0.03), _grasp(0, 0, 0.02, 0.05, tilt=0.4)).success


@pytest.mark.parametrize("yaw", [0.4, 1.2, 2.5])
def test_the_outcome_does_not_depend_on_which_way_the_scene_is_turned(yaw):
    box = _box(0.03, 0.025, 0.03)
    turned = rigid(np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]]), np.zeros(3))
    result = PickWorld(box, load_gripper("yumi")).pick(turned @ _on_table(box), _grasp(0, 0, 0.02, 0.05, yaw=yaw))
    assert result.outcome == "success"
    assert result.contact_distance == pytest.approx(0.025, abs=0.001)


def test_a_fingertip_sent_deep_into_the_table_fails_and_a_little_is_forgiven():
    box, tip = _box(0.02, 0.02, 0.02), load_gripper("yumi").pad_to_tip
    assert _pick(box, _grasp(0, 0, tip - 0.0035, 0.05)).outcome == "below_table"
    assert _pick(box, _grasp(0, 0, tip - 0.0025, 0.05)).outcome == "success"


def test_fingers_stop_at_the_table():
    box, gripper = _box(0.02, 0.02, 0.02), load_gripper("yumi")
    lowest = []
    world = PickWorld(box, gripper)
    grasp = _grasp(0, 0, gripper.pad_to_tip - 0.0025, 0.05)
    world.pick(_on_table(box), grasp, watch=lambda w: lowest.append(w.world_from_grasp[2, 3] - gripper.pad_to_tip))
    assert min(lowest) > -0.0003  # the servo's overshoot


def test_jaws_that_close_beside_the_object_miss_it():
    assert _pick(_box(0.03, 0.03, 0.03), _grasp(0.2, 0, 0.02, 0.05)).outcome == "missed"


def test_a_jaw_that_shoves_the_object_away_is_a_failure():
    """The 14 cm hand closes 15 mm off the cube's centre: one jaw must push it by 15 mm before both touch."""
    solid = _box(0.03, 0.03, 0.03)
    result = _pick(solid, _grasp(0, 0.015, 0.02, 0.14), "wide")
    assert result.outcome == "pushed"
    assert 0.01 < result.pushed < 0.012
    assert _pick(solid, _grasp(0, 0.007, 0.02, 0.14), "wide").success


def test_a_finger_that_lands_on_the_object_is_a_collision():
    result = _pick(_box(0.03, 0.03, 0.03), _grasp(0, 0.025, 0.02, 0.05))
    assert result.outcome == "approach_collision"


def test_a_palm_that_hits_a_tall_object_is_a_collision():
    assert _pick(_box(0.03, 0.03, 0.12), _grasp(0, 0, 0.03, 0.05)).outcome == "approach_collision"


def test_the_commanded_width_is_the_width_of_the_approach():
    solid = _box(0.03, 0.03, 0.03)
    assert _pick(solid, _grasp(0, 0, 0.02, 0.02)).outcome == "approach_collision"
    assert _pick(solid, _grasp(0, 0, 0.02, 0.036)).success


def test_pads_resist_twisting_as_soft_fingers_do():
    """A bar held off its centre by two pads of μ = 0.5: the torsion 2 · ⅔ μ r F of soft fingers holds it level; a
    point contact would let it swing down."""
    bar = solid_from_mesh(trimesh.creation.capsule(height=0.06, radius=0.012).apply_transform(
        trimesh.transformations.rotation_matrix(np.pi / 2, [0, 1, 0])), "bar")  # fmt: skip
    gripper = load_gripper("yumi")
    world = PickWorld(bar, gripper, density=1200.0)
    arm = 0.01  # m g arm = 4 mN m · 10 against 133 mN m
    result = world.pick(_on_table(bar), _grasp(arm, 0, 0.012, 0.05))
    assert result.success
    tilt = np.arccos(np.clip(world.world_from_object[2, 2], -1, 1))
    assert tilt < np.deg2rad(3)


@pytest.mark.parametrize("sides", [(0.03, 0.05, 0.02), (0.02, 0.02, 0.1)])
def test_a_box_on_a_face_stays_where_it_was_put(sides):
    box = _box(*sides)
    settled = PickWorld(box, load_gripper("yumi")).settle(_on_table(box))
    np.testing.assert_allclose(settled, _on_table(box), atol=5e-5)


def test_a_box_on_its_edge_topples():
    box = _box(0.03, 0.03, 0.03)
    edge = rigid(np.array(trimesh.transformations.euler_matrix(np.pi / 4 + 0.1, 0, 0)[:3, :3]), np.array([0, 0, 0.022]))
    settled = PickWorld(box, load_gripper("yumi")).settle(edge)
    assert settled[2, 3] == pytest.approx(0.015, abs=2e-4)


def test_light_objects_are_not_squashed_by_strong_hands():
    """5 g between the Robotiq's 235 N: the pads sink in by less than 0.5 mm each."""
    box = _box(0.02, 0.02, 0.025)
    result = _pick(box, _grasp(0, 0, 0.02, 0.085), "robotiq_85", density=500.0)
    assert result.success
    assert result.contact_distance > 0.019


def test_the_same_pick_gives_the_same_result():
    world = PickWorld(_box(0.03, 0.03, 0.03), load_gripper("yumi"))
    pose, grasp = _on_table(world.solid), _grasp(0, 0.003, 0.02, 0.05, yaw=0.3)
    assert world.pick(pose, grasp) == world.pick(pose, grasp)


def test_frames_tell_the_story_in_order():
    box = _box(0.03, 0.03, 0.03)
    result = PickWorld(box, load_gripper("yumi")).pick(_on_table(box), _grasp(0, 0, 0.02, 0.05), frame_interval=0.05)
    phases = [frame.phase for frame in result.frames]
    assert list(dict.fromkeys(phases)) == ["approach", "close", "lift", "shake"]
    heights = [frame.world_from_grasp[2, 3] for frame in result.frames]
    assert heights[0] == pytest.approx(0.12, abs=0.001)
    assert min(heights) == pytest.approx(0.02, abs=0.001)


def test_failures_have_names():
    assert set(OUTCOMES) == {
        "success", "no_plan", "planner_failed", "below_table", "approach_collision", "pushed", "missed",
        "slipped_in_lift", "dropped_in_shake",
    }  # fmt: skip


def test_a_time_step_beyond_the_contacts_is_refused():
    with pytest.raises(InputError, match="time_step"):
        SolverConfig(time_step=0.01)
