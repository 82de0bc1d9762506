"""Grasps of the object itself: antipodal, apart from each other, and turned to whatever table it lies on."""

import numpy as np
import pytest
import trimesh
from scipy import stats
from scipy.spatial.transform import Rotation

from graspnet.data_gen.candidates.object_grasps import (
    ObjectGraspConfig,
    best_clearance,
    sample_object_grasps,
    turned_to_table,
)
from graspnet.data_gen.collision.collision import clearance
from graspnet.data_gen.contact.contacts import ContactFinder
from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import load_gripper
from graspnet.transforms import frame_from_axes, rigid

HAND = load_gripper("yumi")
CONFIG = ObjectGraspConfig()


def sample(mesh: trimesh.Trimesh, config: ObjectGraspConfig = CONFIG, seed: int = 0) -> tuple[Grasps, Solid]:
    solid = solid_from_mesh(mesh, "object")
    return sample_object_grasps(solid, HAND, config, np.random.default_rng(seed)), solid


def anywhere(count: int, seed: int = 0) -> Grasps:
    rotation = Rotation.random(count, random_state=seed).as_matrix()
    return Grasps.of_jaws(rigid(rotation, np.zeros((count, 3))), np.full(count, 0.05))


@pytest.mark.parametrize("friction", [0.3, 0.6, 0.75])
def test_the_closing_axis_lies_in_both_friction_cones(friction):
    grasps, solid = sample(trimesh.creation.capsule(0.03, 0.012), ObjectGraspConfig(friction=friction))
    contacts = ContactFinder(solid)(grasps)
    assert len(grasps) == 100
    cosine = np.einsum("nik,nk->ni", contacts.normals, grasps.closing) * [-1, 1]
    assert contacts.found.all()
    assert (np.rad2deg(np.arccos(cosine)) <= np.rad2deg(np.arctan(friction)) + 1e-4).all()


def test_the_origin_is_midway_between_the_contacts_and_the_hand_is_wide_open():
    grasps, solid = sample(trimesh.creation.icosphere(subdivisions=3, radius=0.02))
    contacts = ContactFinder(solid)(grasps)
    np.testing.assert_allclose(contacts.points.mean(axis=1), grasps.origin, atol=1e-5)
    np.testing.assert_array_equal(grasps.width, 0.05)


def test_axes_lie_nearer_the_normals_than_the_cones_would_have_it():
    """tan of the angle is μ U with uniform U, as in the released code, not uniform over the cone (μ √U)."""
    grasps, solid = sample(trimesh.creation.box((0.3, 0.3, 0.01)), ObjectGraspConfig(count=400, spacing=0.0))
    contacts = ContactFinder(solid)(grasps)
    cosine = np.abs(np.einsum("nk,nk->n", contacts.normals[:, 0], grasps.closing))
    assert stats.kstest(np.sqrt(1 / cosine**2 - 1) / CONFIG.friction, "uniform").pvalue > 1e-3


def test_no_two_grasps_are_nearer_than_the_spacing():
    config = ObjectGraspConfig(count=300, spacing=0.006)
    grasps, _ = sample(trimesh.creation.box((0.03, 0.03, 0.03)), config)
    axis = grasps.closing
    angle = np.arccos(np.clip(np.abs(axis @ axis.T), 0, 1))
    distance = np.linalg.norm(grasps.origin[:, None] - grasps.origin, axis=-1) + 0.05 * 2 / np.pi * angle
    assert distance[~np.eye(len(grasps), dtype=bool)].min() >= 0.006
    close, _ = sample(trimesh.creation.box((0.03, 0.03, 0.03)), ObjectGraspConfig(count=300, spacing=0.0))
    assert len(close) == 300


def test_an_object_wider_than_the_hand_has_none():
    assert len(sample(trimesh.creation.icosphere(subdivisions=3, radius=0.032))[0]) == 0


def test_the_same_generator_gives_the_same_grasps():
    one, two = (sample(trimesh.creation.box((0.04, 0.03, 0.02)), seed=3)[0] for _ in range(2))
    np.testing.assert_array_equal(one.poses, two.poses)


def test_grasps_are_turned_about_their_closing_axes_only():
    grasps = anywhere(2000)
    index, turned = turned_to_table(grasps, np.deg2rad(5))
    np.testing.assert_allclose(turned.closing, grasps.closing[index], atol=1e-12)
    np.testing.assert_array_equal(turned.origin, grasps.origin[index])


def test_the_approach_is_the_nearest_to_straight_down_and_within_the_limit():
    limit = np.deg2rad(5)
    grasps = anywhere(2000)
    index, turned = turned_to_table(grasps, limit)
    tilt = np.arccos(np.clip(-turned.approach[:, 2], -1, 1))
    assert tilt.max() <= limit + 1e-9
    assert len(index) / 2000 == pytest.approx(np.sin(limit), abs=0.02)  # a uniform axis' height is uniform
    angle = np.linspace(-np.pi, np.pi, 721)
    for grasp in turned.poses[:20]:
        around = np.cos(angle)[:, None] * grasp[:3, 2] + np.sin(angle)[:, None] * grasp[:3, 0]
        assert (-around[:, 2]).max() <= -grasp[2, 2] + 1e-9


def wall_scene() -> tuple[Scene, Grasps]:
    """A low bar with a wall behind it that the palm, coming straight down, would meet."""
    bar = trimesh.creation.box((0.03, 0.02, 0.02), rigid(np.eye(3), np.array([0.0, 0.0, 0.01])))
    wall = trimesh.creation.box((0.02, 0.02, 0.08), rigid(np.eye(3), np.array([0.024, 0.0, 0.04])))
    solid = solid_from_mesh(trimesh.boolean.union([bar, wall], engine="manifold"), "wall")
    place = rigid(np.eye(3), -solid.mesh.bounds.mean(axis=0) * [1, 1, 0] - [0, 0, solid.mesh.bounds[0, 2]])
    edge = solid.mesh.bounds[0, 0] + place[0, 3]
    down, along_y = np.array([[0.0, 0.0, -1.0]]), np.array([[0.0, 1.0, 0.0]])
    origin = np.array([[edge + 0.012, 0.0, 0.014]])
    grasps = Grasps.of_jaws(rigid(frame_from_axes(down, along_y), origin), np.array([0.05]))
    return Scene((solid,), place[None]), grasps


def test_a_grasp_is_free_if_the_hand_is_at_any_of_the_tilts():
    scene, grasps = wall_scene()
    tilts = tuple(np.deg2rad([0.0, -10.0, -5.0, 5.0, 10.0]).tolist())
    straight = clearance(scene, 0, grasps, HAND)
    assert straight.parts["palm"][0] < 0
    best = best_clearance(scene, 0, grasps, HAND, ObjectGraspConfig(tilts=tilts))
    each = []
    for tilt in tilts:
        turn = Rotation.from_rotvec(tilt * grasps.closing[0]).as_matrix()
        tilted = Grasps.of_jaws(rigid(turn @ grasps.poses[:, :3, :3], grasps.origin), grasps.width)
        each.append(clearance(scene, 0, tilted, HAND).smallest[0])
    assert max(each) > straight.smallest[0] + 0.002
    assert best.smallest[0] == pytest.approx(max(each), abs=1e-9)


def test_the_hand_may_reach_into_the_table_as_far_as_it_is_allowed_to():
    scene, grasps = wall_scene()
    strict, lenient = (
        best_clearance(scene, 0, grasps, HAND, ObjectGraspConfig(table_tolerance=t)) for t in (0.0, 5e-3)
    )
    assert lenient.table[0] - strict.table[0] == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "count is 0"),
        ({"friction": 0.0}, "friction is 0.0"),
        ({"max_tilt": 5.0}, "max_tilt_deg"),
        ({"spacing": -1.0}, "must not be negative"),
        ({"tilts": ()}, "tilts is empty"),
    ],
)
def test_impossible_configs_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        ObjectGraspConfig(**change)
