"""Antipodal grasps: straight down, on two surface points that face each other, spread as stated."""

import numpy as np
import pytest
import trimesh
from scipy import stats

from graspnet.data_gen.candidates.antipodal import (
    AntipodalConfig,
    NearMissConfig,
    lowest_origin,
    sample_antipodal,
    sample_near_misses,
)
from graspnet.data_gen.contact.contacts import ContactFinder
from graspnet.data_gen.contact.epsilon import lowest_friction
from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw, load_parallel_jaw
from graspnet.transforms import invert, rigid

CONFIG = AntipodalConfig()


@pytest.fixture(scope="module")
def hand() -> ParallelJaw:
    return load_parallel_jaw("yumi")


def solid(mesh: trimesh.Trimesh) -> tuple[Solid, np.ndarray]:
    """A solid and its pose on the table."""
    result = solid_from_mesh(mesh, "object")
    return result, rigid(np.eye(3), np.array([0.0, 0.0, -result.mesh.bounds[0, 2]]))


def sample(mesh: trimesh.Trimesh, hand, count: int, seed: int = 0) -> tuple[Grasps, Solid, np.ndarray]:
    body, world_from_object = solid(mesh)
    rng = np.random.default_rng(seed)
    return sample_antipodal(body, world_from_object, hand, count, CONFIG, rng), body, world_from_object


def test_grasps_come_straight_down_as_wide_as_the_hand_opens_and_stay_above_the_table(hand):
    grasps, _, _ = sample(trimesh.creation.box((0.04, 0.03, 0.03)), hand, 1000)
    assert len(grasps) == 1000
    np.testing.assert_array_equal(grasps.approach, np.tile([0.0, 0.0, -1.0], (1000, 1)))
    np.testing.assert_allclose(grasps.closing[:, 2], 0, atol=1e-12)
    np.testing.assert_array_equal(grasps.width, 0.05)
    assert (grasps.origin[:, 2] - hand.pad_to_tip >= 0.001).all()


@pytest.mark.parametrize(
    "mesh",
    [
        trimesh.creation.box((0.04, 0.03, 0.04)),
        trimesh.creation.cylinder(0.02, 0.05, sections=128),
        trimesh.creation.annulus(0.02, 0.023, 0.05, sections=128),
    ],
)
def test_on_upright_walls_every_grasp_is_antipodal_and_centred_on_its_contacts(mesh, hand):
    """On walls that are the same at all heights, whatever height the grasp took. Facets of 3° blur the cone."""
    grasps, body, world_from_object = sample(mesh, hand, 500)
    contacts = ContactFinder(body)(grasps.transformed(invert(world_from_object)))
    assert contacts.found.all()
    assert (lowest_friction(contacts) <= CONFIG.friction + 0.01).all()
    # the jaws start 25 mm from the middle, so inside a ring they may meet the far wall first: then they are off centre
    middle = contacts.transformed(world_from_object).points.mean(axis=1)
    centred = np.linalg.norm(middle - grasps.origin, axis=1) < 1e-5
    assert centred.mean() > 0.9


def test_the_closing_line_passes_a_cylinders_axis_within_the_friction_cone(hand):
    """At distance a from the axis the normals are at asin(a / R) to the line: a ≤ R sin(atan μ)."""
    grasps, _, _ = sample(trimesh.creation.cylinder(0.02, 0.05, sections=512), hand, 2000)
    closing, origin = grasps.closing, grasps.origin
    distance = np.abs(closing[:, 0] * origin[:, 1] - closing[:, 1] * origin[:, 0])
    limit = 0.02 * np.sin(np.arctan(CONFIG.friction))
    assert distance.max() <= limit * 1.01
    assert distance.max() > limit * 0.97


def test_the_first_contact_is_uniform_by_area_and_the_yaw_within_the_cone(hand):
    """A box of 45 by 30 mm, drawn again in the plane: a point of the outline, a yaw in the cone, kept if the line ends
    on the opposite wall within the opening."""
    rng = np.random.default_rng(5)
    wall = rng.random(400000) < 45 / 75  # along x: a wall of 45 mm, 30 mm from the next
    length, depth = np.where(wall, 0.045, 0.03), np.where(wall, 0.03, 0.045)
    start, yaw = rng.random(400000) * length, rng.uniform(-1, 1, 400000) * np.arctan(CONFIG.friction)
    end = start + depth * np.tan(yaw)
    kept = (end > 0) & (end < length) & (depth / np.cos(yaw) < 0.05)
    middle = (start + end) / 2 / length - 0.5
    grasps, _, _ = sample(trimesh.creation.box((0.045, 0.03, 0.04)), hand, 6000)
    closing, origin = grasps.closing, grasps.origin
    across = np.abs(closing[:, 1]) > np.sqrt(0.5)  # the 30 mm
    assert across.mean() == pytest.approx(wall[kept].mean(), abs=0.03)
    assert stats.ks_2samp(origin[across, 0] / 0.045, middle[kept & wall][:20000]).pvalue > 1e-3
    angle = np.arctan(closing[across, 0] / closing[across, 1])
    assert stats.ks_2samp(angle, yaw[kept & wall][:20000]).pvalue > 1e-3


def test_heights_put_the_contacts_on_the_pads(hand):
    """On a thin bar high over the table the contacts are at its height: the origin is within ± pad_to_tip of it."""
    bar = trimesh.creation.box((0.08, 0.02, 0.02), transform=rigid(np.eye(3), np.array([0.0, 0.0, 0.05])))
    foot = trimesh.creation.box((0.005, 0.005, 0.05), transform=rigid(np.eye(3), np.array([0.0, 0.0, 0.025])))
    grasps, _, _ = sample(trimesh.boolean.union([bar, foot], engine="manifold"), hand, 1000)
    on_bar = grasps.origin[np.abs(grasps.origin[:, 0]) > 0.01, 2]
    assert on_bar.min() > 0.04  # the closing line meets the bar
    assert on_bar.max() < 0.06
    assert np.ptp(on_bar) > 0.018


@pytest.mark.parametrize(
    "mesh",
    [
        trimesh.creation.box((0.06, 0.07, 0.03)),  # wider than the hand
        trimesh.creation.cone(0.02, 0.01, sections=64),  # no wall is steep enough
        trimesh.creation.box((0.02, 0.02, 0.008)),  # lower than the pads' centre can go
    ],
)
def test_what_cannot_be_taken_has_no_grasps(mesh, hand):
    assert len(sample(mesh, hand, 50)[0]) == 0


def test_a_ring_is_taken_by_its_wall_and_as_a_whole(hand):
    grasps, _, _ = sample(trimesh.creation.annulus(0.017, 0.02, 0.05, sections=128), hand, 1000)
    middle = np.linalg.norm(grasps.origin[:, :2], axis=1)
    assert (middle < 0.012).mean() > 0.15  # between opposite walls, up to the friction cone
    assert (middle > 0.015).mean() > 0.15  # across one wall


def test_near_misses_are_moved_as_stated_and_not_into_the_table(hand):
    rng = np.random.default_rng(1)
    grasps, _, _ = sample(trimesh.creation.box((0.04, 0.03, 0.08)), hand, 4000)
    up = np.eye(4)[3] * np.array([[0], [0], [0.1], [0]])  # 10 cm: room below
    high = Grasps(grasps.poses + up, grasps.columns)
    moved = sample_near_misses(high, hand, NearMissConfig(), rng)
    shift = (np.swapaxes(high.poses[:, :3, :3], 1, 2) @ (moved.origin - high.origin)[..., None])[..., 0]
    for axis in (0, 1):
        assert stats.kstest(shift[:, axis] / (0.12 * 0.05), "norm").pvalue > 1e-3
    assert stats.kstest(shift[:, 2] / (0.5 * 0.045) + 0.5, "uniform").pvalue > 1e-3
    cosine = np.sum(moved.closing * high.closing, axis=1)
    sine = np.sum(moved.closing * high.poses[:, :3, 0], axis=1)
    assert stats.kstest(np.arctan2(sine, cosine) / np.radians(12), "norm").pvalue > 1e-3
    np.testing.assert_allclose(moved.approach, high.approach, atol=1e-12)
    low = sample_near_misses(grasps, hand, NearMissConfig(), rng)
    assert low.origin[:, 2].min() >= lowest_origin(hand)


def test_a_seed_gives_the_same_grasps(hand):
    mesh = trimesh.creation.box((0.04, 0.03, 0.04))
    first, again, other = (sample(mesh, hand, 50, seed)[0].poses for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_impossible_parameters_are_refused():
    with pytest.raises(InputError, match="friction is 0"):
        AntipodalConfig(friction=0.0)
    with pytest.raises(InputError, match="turn is -1"):
        NearMissConfig(turn=-1.0)
