"""Action-space grasps: uniform over the widened silhouette, yaw and height."""

import numpy as np
import pytest
import trimesh
from scipy import stats

from graspnet.data_gen.candidates.action_space import sample_action_space
from graspnet.data_gen.candidates.antipodal import lowest_origin
from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw, load_parallel_jaw
from graspnet.transforms import rigid


@pytest.fixture(scope="module")
def hand() -> ParallelJaw:
    return load_parallel_jaw("yumi")


def sample(mesh: trimesh.Trimesh, hand, count: int, dilation: float = 0.01) -> Grasps:
    solid = solid_from_mesh(mesh, "object")
    world_from_object = rigid(np.eye(3), np.array([0.0, 0.0, -solid.mesh.bounds[0, 2]]))
    return sample_action_space(solid, world_from_object, hand, count, dilation, np.random.default_rng(0))


def test_positions_are_uniform_over_the_silhouette_and_its_margin(hand):
    """A ball of radius 30 mm and a margin of 10 mm: a disc of 40 mm, to a cell of the grid (1 mm)."""
    grasps = sample(trimesh.creation.icosphere(subdivisions=4, radius=0.03), hand, 20000)
    radius = np.linalg.norm(grasps.origin[:, :2], axis=1)
    assert radius.max() == pytest.approx(0.04, abs=0.0015)
    inner = radius < 0.035
    assert inner.mean() == pytest.approx((0.035 / radius.max()) ** 2, abs=0.03)
    assert stats.kstest((radius[inner] / 0.035) ** 2, "uniform").pvalue > 1e-3
    azimuth = np.arctan2(grasps.origin[inner, 1], grasps.origin[inner, 0])
    assert stats.kstest(azimuth / (2 * np.pi) + 0.5, "uniform").pvalue > 1e-3


def test_yaw_is_uniform_and_heights_reach_from_the_table_to_the_top(hand):
    grasps = sample(trimesh.creation.box((0.04, 0.03, 0.05)), hand, 5000)
    yaw = np.arctan2(grasps.closing[:, 1], grasps.closing[:, 0])
    assert stats.kstest(yaw / (2 * np.pi) + 0.5, "uniform").pvalue > 1e-3
    low = lowest_origin(hand)
    assert stats.kstest((grasps.origin[:, 2] - low) / (0.05 - low), "uniform").pvalue > 1e-3
    np.testing.assert_array_equal(grasps.approach, np.tile([0.0, 0.0, -1.0], (5000, 1)))
    np.testing.assert_array_equal(grasps.width, 0.05)


def test_the_hole_of_a_ring_is_left_out_beyond_the_margin(hand):
    grasps = sample(trimesh.creation.annulus(0.03, 0.04, 0.02, sections=128), hand, 5000, dilation=0.005)
    radius = np.linalg.norm(grasps.origin[:, :2], axis=1)
    assert radius.min() == pytest.approx(0.025, abs=0.002)
    assert radius.max() == pytest.approx(0.045, abs=0.002)


def test_a_plate_on_its_edge_and_an_object_lower_than_the_pads_have_grasps(hand):
    edge = sample(trimesh.creation.box((0.1, 0.0003, 0.05)), hand, 500, dilation=0.005)
    assert np.abs(edge.origin[:, 1]).max() < 0.01
    assert np.ptp(edge.origin[:, 0]) > 0.09
    low = sample(trimesh.creation.box((0.03, 0.03, 0.004)), hand, 10)
    np.testing.assert_array_equal(low.origin[:, 2], lowest_origin(hand))


def test_no_grasps_are_no_grasps(hand):
    assert len(sample(trimesh.creation.box((0.03, 0.03, 0.03)), hand, 0)) == 0
