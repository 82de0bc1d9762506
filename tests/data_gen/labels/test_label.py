"""Labels: closed forms for a brick, the same wherever it lies, and where an image sees them."""

import numpy as np
import pytest
import trimesh

from graspnet.camera import Camera
from graspnet.data_gen.collision.collision import SLACK
from graspnet.data_gen.collision.signed_distance import FAR
from graspnet.data_gen.labels.label import LabelledGrasps, label_grasps, seen_in_image
from graspnet.data_gen.labels.metrics import MetricConfig
from graspnet.data_gen.labels.uncertainty import UncertaintyConfig
from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import load_gripper
from graspnet.transforms import frame_from_axes, invert, rigid, rotation_about, transform_points

HAND = load_gripper("yumi")  # opening 50 mm, fingertips 10 mm below the pads' centres, palm 35 mm above them
BRICK = solid_from_mesh(trimesh.creation.box((0.06, 0.03, 0.02)), "brick")
RESTING = rigid(np.eye(3), np.array([0.0, 0.0, 0.01]))
CERTAIN = MetricConfig(
    uncertainty=UncertaintyConfig(
        samples=4, grasp_translation=0.0, grasp_rotation=0.0, center_of_mass=0.0, friction_deviation=0.0
    )
)


def from_above(*origins: tuple[float, float, float]) -> Grasps:
    """Straight down, closing along the world's y."""
    down, along_y = (np.tile(axis, (len(origins), 1)) for axis in ([0.0, 0.0, -1.0], [0.0, 1.0, 0.0]))
    return Grasps.of_jaws(rigid(frame_from_axes(down, along_y), np.array(origins)), np.full(len(origins), 0.05))


def labels(scene: Scene, grasps: Grasps, target: int = 0) -> LabelledGrasps:
    source = np.array(["here"] * len(grasps))
    metrics = ("robust_force_closure", "robust_epsilon")
    return label_grasps(scene, target, grasps, source, HAND, metrics, CERTAIN, np.random.default_rng(0))


def test_a_brick_between_open_jaws_has_its_contacts_and_clearances():
    found = labels(Scene((BRICK,), RESTING[None]), from_above((0.0, 0.0, 0.012), (0.05, 0.0, 0.012), (0.0, 0.0, 0.009)))
    np.testing.assert_array_equal(found.hold.contacts.found, [True, False, True])
    sides = np.array([[0.0, -0.015, 0.012], [0.0, 0.015, 0.012]])
    np.testing.assert_allclose(found.hold.contacts.points[0], sides, atol=1e-6)
    assert -1e-6 <= found.clearance.parts["fingers"][0] - 0.010 <= SLACK  # (50 - 30) / 2 mm
    # 12 + 35 - 20 mm, but nobody looks further than 20 mm
    np.testing.assert_allclose(found.clearance.parts["palm"][0], FAR)
    np.testing.assert_allclose(found.clearance.table, [0.002, 0.002, -0.001], atol=1e-6)
    assert np.isinf(found.clearance.neighbours).all()


def test_opposed_flat_sides_close_in_every_sample_and_air_in_none():
    hold = labels(Scene((BRICK,), RESTING[None]), from_above((0.0, 0.0, 0.012), (0.05, 0.0, 0.012))).hold
    np.testing.assert_array_equal(hold.metrics["robust_force_closure"].mean, [1.0, 0.0])
    assert hold.metrics["robust_epsilon"].mean[0] > 0.05
    assert hold.metrics["robust_epsilon"].mean[1] == 0


def test_a_neighbour_takes_room_and_changes_nothing_else():
    beside = rigid(np.eye(3), np.array([0.0, 0.055, 0.01]))  # its near side is 25 mm from the brick's
    alone = labels(Scene((BRICK,), RESTING[None]), from_above((0.0, 0.0, 0.012)))
    scene = Scene((BRICK, BRICK), np.stack([beside, RESTING]))
    among = labels(scene, from_above((0.0, 0.0, 0.012)), target=1)
    assert -1e-6 <= among.clearance.neighbours[0] - (0.040 - 0.025 - HAND.finger_thickness) <= SLACK
    np.testing.assert_array_equal(among.hold.contacts.points, alone.hold.contacts.points)
    np.testing.assert_array_equal(among.clearance.parts["fingers"], alone.clearance.parts["fingers"])
    for name, metric in among.hold.metrics.items():
        np.testing.assert_array_equal(metric.mean, alone.hold.metrics[name].mean)


def test_a_turn_and_a_shift_along_the_table_change_no_label():
    grasps = from_above((0.0, 0.0, 0.012), (0.01, 0.004, 0.012), (0.0, 0.0, 0.009))
    turn = rotation_about(np.array([[0.0, 0.0, 1.0]]), np.array([0.7]))[0]
    moved = rigid(turn, np.array([0.2, -0.1, 0.0]))
    here = labels(Scene((BRICK,), RESTING[None]), grasps)
    there = labels(Scene((BRICK,), (moved @ RESTING)[None]), grasps.transformed(moved))
    contacts = transform_points(moved, here.hold.contacts.points.reshape(-1, 3)).reshape(-1, 2, 3)
    np.testing.assert_allclose(there.hold.contacts.points, contacts, atol=1e-6)
    for name in ("fingers", "palm", "table"):
        np.testing.assert_allclose(there.clearance.each[name], here.clearance.each[name], atol=1e-6)
    for name, metric in here.hold.metrics.items():
        np.testing.assert_allclose(there.hold.metrics[name].mean, metric.mean, atol=1e-5)


def test_an_image_sees_each_grasp_where_a_pinhole_camera_projects_it():
    camera = Camera(500.0, 500.0, 319.5, 239.5, 640, 480)
    world_from_camera = rigid(np.diag([1.0, -1.0, -1.0]), np.array([0.02, 0.0, 0.7]))
    found = labels(Scene((BRICK,), RESTING[None]), from_above((0.0, 0.01, 0.012), (0.0, 0.0, 0.009)))
    table = seen_in_image(found, invert(world_from_camera), camera, 3, 2, "yumi")
    # x of the world is to the right in the image, y up, and the camera is 0.7 m above the table
    depth = 0.7 - np.array([0.012, 0.009])
    u, v = 319.5 + 500 * np.array([-0.02, -0.02]) / depth, 239.5 - 500 * np.array([0.01, 0.0]) / depth
    np.testing.assert_allclose(table.center, np.stack([u, v], axis=1))
    np.testing.assert_allclose(table.depth, depth)
    np.testing.assert_allclose(np.abs(table.angle), np.pi / 2)
    np.testing.assert_array_equal(table.image, 3)
    np.testing.assert_array_equal(table.instance, 2)
    assert table.gripper == ("yumi", "yumi")
    assert table.source == ("here", "here")
    np.testing.assert_allclose(table.contacts[0, :, 2], depth[0], atol=1e-6)
    np.testing.assert_array_equal(table.clearance.smallest, found.clearance.smallest)


def test_a_grasp_beside_or_behind_the_camera_is_no_row():
    camera = Camera(500.0, 500.0, 319.5, 239.5, 640, 480)
    found = labels(Scene((BRICK,), RESTING[None]), from_above((0.0, 0.01, 0.012), (0.0, 0.0, 0.009)))
    for height, rows in ((0.7, 2), (0.0605, 1), (0.04, 0)):  # the grasps lie 12 and 9 mm high
        world_from_camera = rigid(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, height]))
        assert len(seen_in_image(found, invert(world_from_camera), camera, 0, 1, "yumi").depth) == rows


@pytest.mark.parametrize("rows", [[1], [2, 0], []])
def test_some_of_the_labels_are_those_of_their_grasps(rows):
    grasps = from_above((0.0, 0.0, 0.012), (0.05, 0.0, 0.012), (0.0, 0.0, 0.009))
    every = labels(Scene((BRICK,), RESTING[None]), grasps)
    some = every[np.array(rows, dtype=np.int64)]
    assert len(some) == len(rows)
    np.testing.assert_array_equal(some.grasps_in_world.poses, grasps.poses[rows])
    np.testing.assert_array_equal(some.clearance.table, every.clearance.table[rows])
    np.testing.assert_array_equal(some.hold.contacts.found, every.hold.contacts.found[rows])
    mean = every.hold.metrics["robust_epsilon"].mean
    np.testing.assert_array_equal(some.hold.metrics["robust_epsilon"].mean, mean[rows])
