"""Collision: FCL's triangle meshes, closed forms, and the cases that a test of surfaces alone would miss."""

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from graspnet.data_gen.candidates.mixture import CandidateConfig, sample_candidates
from graspnet.data_gen.collision.collision import APPROACH, SLACK, clearance, swept_boxes
from graspnet.data_gen.collision.signed_distance import FAR
from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.data_gen.objects.unions import manifold_from_mesh
from graspnet.data_gen.scenes.scenes import Bin, Scene
from graspnet.dataset import Clearance
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw, load_parallel_jaw
from graspnet.transforms import frame_from_axes, invert, rigid, unit
from tests import jaws


@pytest.fixture(scope="module")
def hand() -> ParallelJaw:
    return load_parallel_jaw("yumi")


def turned(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    return mesh.copy().apply_transform(rigid(Rotation.random(random_state=0).as_matrix(), np.zeros(3)))


def mug() -> trimesh.Trimesh:
    body = trimesh.creation.annulus(r_min=0.011, r_max=0.014, height=0.045, sections=48)
    handle = trimesh.creation.torus(0.012, 0.003, major_sections=24, minor_sections=10)
    handle.apply_transform(rigid(Rotation.from_euler("x", 90, degrees=True).as_matrix(), np.array([0.022, 0.0, 0.0])))
    return trimesh.boolean.union([body, handle], engine="manifold")


SOLIDS = {
    "slab": solid_from_mesh(turned(trimesh.creation.box((0.07, 0.03, 0.015))), "slab"),
    "ball": solid_from_mesh(trimesh.creation.icosphere(subdivisions=3, radius=0.016), "ball"),
    "mug": solid_from_mesh(mug(), "mug"),
    "sliver": solid_from_mesh(turned(trimesh.creation.cone(0.002, 0.09, sections=3)), "sliver"),
}


def resting(solid: Solid) -> np.ndarray:
    """The object as it is, put down on the table."""
    return rigid(np.eye(3), np.array([0.0, 0.0, -solid.mesh.bounds[0, 2]]))


def alone(solid: Solid, world_from_object: np.ndarray, grasps: Grasps, hand: ParallelJaw) -> Clearance:
    """Clearance in a scene of nothing but the object and the table."""
    return clearance(Scene((solid,), world_from_object[None]), 0, grasps, hand)


def random_grasps(solid: Solid, hand: ParallelJaw, count: int, seed: int) -> Grasps:
    """Anything within reach: candidates, moved and tilted, some of them into the table."""
    rng = np.random.default_rng(seed)
    grasps, _ = sample_candidates(solid, resting(solid), hand, count, CandidateConfig(), rng)
    tilt = rigid(Rotation.from_rotvec(rng.normal(0, 0.1, (count, 3))).as_matrix(), rng.normal(0, 0.004, (count, 3)))
    return Grasps.of_jaws(grasps.poses @ tilt, rng.uniform(0.6, 1.0, count) * hand.max_width)


def box_meshes(low: np.ndarray, high: np.ndarray) -> list[trimesh.Trimesh]:
    return [trimesh.creation.box(bounds=bounds) for bounds in zip(low, high, strict=True)]


@pytest.mark.parametrize("name", SOLIDS)
def test_a_hand_that_is_called_free_touches_nothing_on_its_way(name, hand):
    """FCL, at 26 poses 4 mm apart, for 400 grasps on each of four solids."""
    solid = SOLIDS[name]
    grasps = random_grasps(solid, hand, 400, seed=1)
    result = alone(solid, resting(solid), grasps, hand)
    free = np.flatnonzero(result.collision_free)
    assert 30 < len(free) < 370
    world = trimesh.collision.CollisionManager()
    world.add_object(name, solid.mesh, resting(solid))
    low, high = hand.boxes(grasps.width)
    for i in free:
        fingers_and_palm = trimesh.collision.CollisionManager()
        for k, box in enumerate(box_meshes(low[i], high[i])):
            fingers_and_palm.add_object(str(k), box)
        for back in np.linspace(0.0, APPROACH, 26):
            pose = grasps.poses[i] @ rigid(np.eye(3), np.array([0.0, 0.0, -back]))
            for k in range(3):
                fingers_and_palm.set_transform(str(k), pose)
            assert not world.in_collision_other(fingers_and_palm)


@pytest.mark.parametrize("name", SOLIDS)
def test_verdict_and_distance_are_those_of_fcl_for_the_swept_boxes(name, hand):
    solid = SOLIDS[name]
    grasps = random_grasps(solid, hand, 150, seed=2)
    result = alone(solid, resting(solid), grasps, hand)
    world = trimesh.collision.CollisionManager()
    world.add_object(name, solid.mesh, resting(solid))
    low, high = swept_boxes(hand, grasps)
    for i in range(len(grasps)):
        boxes = box_meshes(low[i], high[i])
        touches = [world.in_collision_single(box, grasps.poses[i]) for box in boxes]
        assert (result.parts["fingers"][i] < 0) == (touches[0] or touches[1])
        assert (result.parts["palm"][i] < 0) == touches[2]
        for measured, parts in ((result.parts["fingers"][i], boxes[:2]), (result.parts["palm"][i], boxes[2:])):
            if measured >= 0:
                distance = min(world.min_distance_single(box, grasps.poses[i]) for box in parts)
                # FCL's own distance is good to some tens of micrometres
                assert min(distance, FAR) - 1e-4 <= measured <= distance + SLACK + 1e-4


def test_the_verdict_is_that_of_the_intersections_volume(hand):
    """manifold3d: a collision is a common volume (touches of measure zero do not occur at random)."""
    solid = SOLIDS["mug"]
    grasps = random_grasps(solid, hand, 150, seed=3)
    result = alone(solid, resting(solid), grasps, hand)
    body = manifold_from_mesh(solid.mesh.copy().apply_transform(resting(solid)))
    low, high = swept_boxes(hand, grasps)
    for i in range(len(grasps)):
        volumes = [
            (body ^ manifold_from_mesh(box.apply_transform(grasps.poses[i]))).volume()
            for box in box_meshes(low[i], high[i])
        ]
        assert (min(result.parts["fingers"][i], result.parts["palm"][i]) < 0) == (max(volumes) > 0)


def above(origin, width: float, closing=(0.0, 1.0, 0.0)) -> Grasps:
    rotation = frame_from_axes(np.array([[0.0, 0.0, -1.0]]), unit(np.array([closing])))
    return Grasps.of_jaws(rigid(rotation, np.array([origin])), np.array([width]))


def on_the_table(size) -> tuple[Solid, np.ndarray]:
    return solid_from_mesh(trimesh.creation.box(size), "box"), rigid(np.eye(3), np.array([0.0, 0.0, size[2] / 2]))


def check(result: Clearance, fingers: float, palm: float, table: float) -> None:
    assert result.parts["fingers"][0] == pytest.approx(fingers, abs=1e-7)  # measured in single precision
    assert result.parts["palm"][0] == pytest.approx(palm, abs=1e-7)
    assert result.table[0] == pytest.approx(table, abs=1e-9)


def test_clearances_of_a_box_between_the_fingers_are_its_gaps(hand):
    """A 30 mm box in a 50 mm hand, 4 mm aside: 6 mm to a finger. Origin 20 mm up: tip 10, palm's face 55 mm up."""
    solid, world_from_object = on_the_table((0.03, 0.03, 0.04))
    check(alone(solid, world_from_object, above([0.0, 0.004, 0.020], 0.05), hand), 0.006, 0.015, 0.010)


def test_what_is_farther_than_two_centimetres_is_just_far(hand):
    solid, world_from_object = on_the_table((0.01, 0.01, 0.01))
    check(alone(solid, world_from_object, above([0.0, 0.0, 0.1], 0.05), hand), FAR, FAR, 0.09)
    everything = ParallelJaw(max_width=0.1, finger_length=0.1, finger_thickness=0.1, finger_breadth=0.1,
                                    pad_to_tip=0.05, palm=(0.1, 0.3, 0.1))  # fmt: skip
    check(alone(solid, world_from_object, above([0.0, 0.1, 0.02], 0.1), everything), -FAR, FAR, -0.03)


def test_penetrations_are_how_deep_the_object_reaches_in(hand):
    """3 mm into a finger, and 5 mm into the palm: a box of 50 mm whose top stands 5 mm above the palm's face."""
    solid, world_from_object = on_the_table((0.03, 0.03, 0.05))
    check(alone(solid, world_from_object, above([0.0, 0.013, 0.010], 0.05), hand), -0.003, -0.005, 0.0)


def test_a_finger_through_the_table_has_a_negative_clearance_however_it_is_tilted(hand):
    solid, world_from_object = on_the_table((0.01, 0.01, 0.01))
    assert alone(solid, world_from_object, above([0.0, 0.0, 0.008], 0.05), hand).table[0] == pytest.approx(-0.002)
    tilt = rigid(Rotation.from_euler("x", 10, degrees=True).as_matrix(), np.zeros(3))
    grasp = above([0.0, 0.0, 0.02], 0.05)
    leaning = Grasps.of_jaws(grasp.poses @ tilt, grasp.width)
    lowest = 0.02 - 0.01 * np.cos(np.radians(10)) - 0.035 * np.sin(np.radians(10))  # the outer edge of one fingertip
    assert alone(solid, world_from_object, leaning, hand).table[0] == pytest.approx(lowest)


def test_a_touch_is_a_collision(hand):
    solid, world_from_object = on_the_table((0.03, 0.05, 0.04))
    result = alone(solid, world_from_object, above([0.0, 0.0, 0.025], 0.05), hand)
    assert -1e-8 < result.parts["fingers"][0] < 0
    assert not result.collision_free[0]


def test_what_stands_in_the_way_counts_though_the_hand_ends_beyond_it(hand):
    """A roof over the table: at its goal the hand, 60 mm lower, is free of it; on its way it is not."""
    roof = trimesh.creation.box((0.1, 0.1, 0.002), transform=rigid(np.eye(3), np.array([0.0, 0.0, 0.15])))
    post = trimesh.creation.box((0.002, 0.002, 0.15), transform=rigid(np.eye(3), np.array([0.04, 0.04, 0.075])))
    solid = solid_from_mesh(trimesh.boolean.union([roof, post], engine="manifold"), "roof")
    lift = rigid(np.eye(3), np.array([0.0, 0.0, -solid.mesh.bounds[0, 2]]))
    center = lift[:3, 3] + solid.mesh.bounds.mean(axis=0)
    result = alone(solid, lift, above([center[0], center[1], 0.02], 0.05), hand)
    assert result.parts["fingers"][0] < 0
    assert result.parts["palm"][0] < 0


def test_a_box_inside_the_object_and_an_object_inside_a_box_are_collisions(hand):
    """Neither surface crosses the other."""
    block = solid_from_mesh(trimesh.creation.box((1.0, 1.0, 1.0)), "block")
    result = alone(block, np.eye(4), above([0.0, 0.0, 0.0], 0.05), hand)
    assert result.parts["fingers"][0] == pytest.approx(-0.005)  # half of the finger's thickness
    assert result.parts["palm"][0] == pytest.approx(-0.020)
    crumb = solid_from_mesh(trimesh.creation.icosphere(subdivisions=1, radius=0.001), "crumb")
    in_a_finger = rigid(np.eye(3), np.array([0.0, 0.030, 0.02]))
    assert alone(crumb, in_a_finger, above([0.0, 0.0, 0.02], 0.05), hand).parts["fingers"][0] < 0


def test_a_large_triangle_without_a_corner_near_the_finger_is_met(hand):
    plate = solid_from_mesh(trimesh.creation.box((0.9, 0.9, 0.001)), "plate")
    lift = rigid(np.eye(3), np.array([0.1234, 0.2345, 0.015]))
    result = alone(plate, lift, above([0.0, 0.0, -0.01], 0.05), hand)
    assert result.parts["fingers"][0] < 0
    assert result.parts["palm"][0] == pytest.approx(0.025 - 0.0155, abs=1e-6)


def test_clearance_does_not_change_if_the_object_is_put_down_elsewhere(hand):
    solid = SOLIDS["mug"]
    grasps = random_grasps(solid, hand, 100, seed=4)
    elsewhere = rigid(Rotation.from_euler("z", 1.0).as_matrix(), np.array([0.2, -0.1, 0.0]))
    here = alone(solid, resting(solid), grasps, hand)
    there = alone(solid, elsewhere @ resting(solid), grasps.transformed(elsewhere), hand)
    for name in ("fingers", "palm", "table"):
        np.testing.assert_allclose(there.each[name], here.each[name], atol=1e-9)
    jaws_swapped = alone(solid, resting(solid), jaws.swapped(grasps), hand)
    np.testing.assert_allclose(jaws_swapped.parts["fingers"], here.parts["fingers"], atol=1e-9)


def test_a_grasp_in_the_object_frame_is_the_same_grasp(hand):
    """`world_from_object` is used the right way round: the object seen from an oblique frame."""
    solid = SOLIDS["slab"]
    grasps = random_grasps(solid, hand, 100, seed=5)
    here = alone(solid, resting(solid), grasps, hand)
    in_object = grasps.transformed(invert(resting(solid)))
    for part, there in alone(solid, np.eye(4), in_object, hand).parts.items():
        np.testing.assert_allclose(there, here.parts[part], atol=1e-9)


def test_no_grasps_have_no_clearance(hand):
    assert len(alone(SOLIDS["ball"], np.eye(4), Grasps.none(), hand).smallest) == 0


def test_clearance_to_neighbours_is_that_to_each_of_them_alone(hand):
    """The target's own clearance does not know of them, and without any they are infinitely far."""
    solids = (SOLIDS["mug"], SOLIDS["slab"], SOLIDS["ball"])
    lift = np.stack([resting(solid) for solid in solids])
    lift[:, 0, 3] = [0.0, 0.045, -0.04]
    grasps = random_grasps(solids[0], hand, 300, seed=6)
    together = clearance(Scene(solids, lift), 0, grasps, hand)
    apart = [alone(solid, pose, grasps, hand) for solid, pose in zip(solids, lift, strict=True)]
    np.testing.assert_array_equal(together.parts["fingers"], apart[0].parts["fingers"])
    np.testing.assert_array_equal(together.parts["palm"], apart[0].parts["palm"])
    others = np.minimum.reduce([distance for each in apart[1:] for distance in each.parts.values()])
    np.testing.assert_array_equal(together.neighbours, others)
    assert 0.05 < np.mean(together.collision_free[apart[0].collision_free]) < 0.95
    assert np.isposinf(apart[0].neighbours).all()


def test_without_a_table_nothing_is_below(hand):
    scene = Scene((SOLIDS["ball"],), np.eye(4)[None], table=False)
    assert np.isposinf(clearance(scene, 0, above([0.0, 0.0, 0.0], 0.05), hand).table).all()


def test_the_walls_of_a_bin_are_in_the_way_like_four_slabs(hand):
    """FCL, for hands anywhere in a bin: the fingers' and the palm's swept boxes against the walls as plain boxes."""
    box = Bin(0.2, 0.16, 0.06, wall_thickness=0.004)
    rng = np.random.default_rng(7)
    angle = rng.uniform(-np.pi, np.pi, 300)
    closing = np.stack([np.cos(angle), np.sin(angle), np.zeros(300)], axis=1)
    place = rng.uniform([-0.1, -0.08, 0.012], [0.1, 0.08, 0.08], (300, 3))
    rotation = frame_from_axes(np.tile([0.0, 0.0, -1.0], (300, 1)), closing)
    grasps = Grasps.of_jaws(rigid(rotation, place), np.full(300, hand.max_width))
    result = clearance(Scene((SOLIDS["ball"],), resting(SOLIDS["ball"])[None], bin=box), 0, grasps, hand)
    walls = trimesh.collision.CollisionManager()
    for k, (size, middle) in enumerate([
        ((0.004, 0.168, 0.06), (0.102, 0.0, 0.03)), ((0.004, 0.168, 0.06), (-0.102, 0.0, 0.03)),
        ((0.208, 0.004, 0.06), (0.0, 0.082, 0.03)), ((0.208, 0.004, 0.06), (0.0, -0.082, 0.03)),
    ]):  # fmt: skip
        walls.add_object(str(k), trimesh.creation.box(size), rigid(np.eye(3), np.array(middle)))
    low, high = swept_boxes(hand, grasps)
    touching = [
        any(walls.in_collision_single(part, grasps.poses[i]) for part in box_meshes(low[i], high[i]))
        for i in range(len(grasps))
    ]
    assert 0.2 < np.mean(touching) < 0.8
    np.testing.assert_array_equal(result.neighbours < 0, touching)
