"""Pad contacts: closed forms on boxes and balls, and what pads touch that a line through their middle misses."""

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.contact.contacts import ContactFinder
from graspnet.data_gen.contact.pads import PadConfig, PadContacts, close_pads
from graspnet.data_gen.labels.metrics import MetricConfig
from graspnet.data_gen.labels.robustness import estimate
from graspnet.data_gen.labels.uncertainty import UncertaintyConfig
from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import load_gripper
from graspnet.transforms import frame_from_axes, rigid
from tests import jaws

HAND = load_gripper("yumi")  # pads 20 mm broad, 20 mm high
DOWN = np.array([[0.0, 0.0, -1.0]])


def solid(mesh: trimesh.Trimesh) -> Solid:
    return solid_from_mesh(mesh, "solid")


def grasp(origin=(0.0, 0.0, 0.0), yaw: float = 0.0, width: float = 0.05) -> Grasps:
    closing = np.array([[-np.sin(yaw), np.cos(yaw), 0.0]])
    return Grasps.of_jaws(rigid(frame_from_axes(DOWN, closing), np.array([origin])), np.array([width]))


def touch(body: Solid, at: Grasps, config: PadConfig | None = None) -> PadContacts:
    axes = at.poses[:, :3, 0], at.poses[:, :3, 1]
    return close_pads(ContactFinder(body), at.origin, *axes, at.width, HAND, config or PadConfig())


def robustness(metric: str, body: Solid, grasps: Grasps, uncertainty: UncertaintyConfig) -> np.ndarray:
    config, rng = MetricConfig(uncertainty=uncertainty), np.random.default_rng(0)
    return estimate([metric], body, grasps, HAND, DOWN[0], config, rng)[metric].mean


def test_pads_on_a_box_lie_flat_and_stand_its_width_apart():
    pads = touch(solid(trimesh.creation.box((0.06, 0.03, 0.06))), grasp())
    assert pads.opening[0] == pytest.approx(0.03, abs=1e-6)
    np.testing.assert_allclose(pads.alignment, 1.0, atol=1e-6)
    np.testing.assert_allclose(pads.reach[0], [[0.01, 0.01], [0.01, 0.01]], atol=1e-9)
    assert pads.lowest_friction[0] <= 0.5


def test_pads_over_a_balls_equator_touch_around_its_poles():
    ball = solid(trimesh.creation.icosphere(subdivisions=5, radius=0.02))
    pads = touch(ball, grasp(), PadConfig(rays=21, depth=0.001))
    assert pads.opening[0] == pytest.approx(0.04, abs=1e-4)
    cap = np.sqrt(2 * 0.02 * 0.001)  # radius of a cap 1 mm high
    np.testing.assert_allclose(pads.reach[0], cap, atol=0.02 / 21)
    np.testing.assert_allclose(pads.center[0], 0.0, atol=1e-6)
    assert pads.lowest_friction[0] <= 0.5


def test_pads_take_a_low_plate_that_the_line_between_their_middles_misses():
    plate = solid(trimesh.creation.box((0.06, 0.03, 0.004)))
    above = grasp(origin=(0.0, 0.0, 0.008))  # the pads reach 10 mm below their middle
    still = UncertaintyConfig(grasp_translation=0.0, grasp_rotation=0.0)
    assert robustness("robust_force_closure", plate, above, still)[0] == 0.0
    assert robustness("robust_pad_closure", plate, above, still)[0] == 1.0


def test_a_ridge_that_points_at_the_pad_is_held_and_one_slanted_side_is_not():
    """A bar turned by 45° about its long axis meets the pads with ridges; a steep wedge meets them with slopes."""
    bar = trimesh.creation.box((0.08, 0.02, 0.02))
    bar.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 4, [1, 0, 0]))
    assert touch(solid(bar), grasp(), PadConfig(rays=20)).lowest_friction[0] <= 0.5
    cone = trimesh.creation.cone(radius=0.02, height=0.03, sections=64)  # sides 34° from the axis: outside atan 0.5
    assert touch(solid(cone), grasp(origin=(0.0, 0.0, 0.01))).lowest_friction[0] > 0.5


def test_patches_that_lie_side_by_side_do_not_hold():
    left = trimesh.creation.box(bounds=[[-0.010, -0.015, -0.02], [-0.004, 0.0, 0.02]])
    right = trimesh.creation.box(bounds=[[0.004, 0.0, -0.02], [0.010, 0.015, 0.02]])
    bridge = trimesh.creation.box(bounds=[[-0.010, -0.001, -0.02], [0.010, 0.001, 0.02]])
    step = solid(trimesh.boolean.union([left, right, bridge], engine="manifold"))
    pads = touch(step, grasp())
    assert pads.found[0]
    assert pads.lowest_friction[0] > 0.05


@pytest.mark.parametrize("shift", [-0.008, 0.0, 0.008])
def test_an_object_off_the_middle_is_pushed_by_as_much(shift):
    body = solid(trimesh.creation.box((0.06, 0.03, 0.06)))
    assert touch(body, grasp(origin=(0.0, shift, 0.0))).offset[0] == pytest.approx(abs(shift), abs=1e-6)


def test_a_grasp_that_would_push_the_object_too_far_is_no_centred_closure():
    """A plate of 10 mm between pads that start 50 mm apart, off by 12 mm: friction holds it, but 12 mm away."""
    plate = solid(trimesh.creation.box((0.06, 0.01, 0.06)))
    still = UncertaintyConfig(samples=1, grasp_translation=0.0, grasp_rotation=0.0)
    grasps = Grasps.concatenate([grasp(origin=(0.0, shift, 0.0)) for shift in (0.0, 0.008, 0.012)])
    assert robustness("robust_pad_closure", plate, grasps, still).tolist() == [1, 1, 1]
    assert robustness("robust_centered_closure", plate, grasps, still).tolist() == [1, 1, 0]
    np.testing.assert_allclose(robustness("centering", plate, grasps, still), [0, 0.008, 0.012], atol=1e-6)


def test_a_pad_that_begins_inside_the_solid_touches_nothing():
    assert not touch(solid(trimesh.creation.box((0.06, 0.06, 0.06))), grasp()).found[0]


def test_pads_that_meet_nothing_do_not_hold():
    pads = touch(solid(trimesh.creation.box((0.06, 0.03, 0.01))), grasp(origin=(0.0, 0.0, 0.05)))
    assert not pads.found[0]
    assert pads.lowest_friction[0] > 0.5


def test_swapping_the_jaws_changes_no_robustness():
    body = solid(trimesh.creation.icosphere(subdivisions=3, radius=0.02))
    still = UncertaintyConfig(grasp_translation=0.0, grasp_rotation=0.0, friction_deviation=0.0)
    origin = np.random.default_rng(0).normal(0.0, 0.004, (50, 3))
    poses = np.concatenate([grasp(origin=o).poses for o in origin])
    grasps = Grasps.of_jaws(poses, np.full(50, 0.05))
    both = [robustness("robust_pad_closure", body, g, still) for g in (grasps, jaws.swapped(grasps))]
    assert np.mean(both[0] == both[1]) > 0.95  # a patch's border may fall on either side of a ray


def test_a_grid_of_one_ray_is_refused():
    with pytest.raises(InputError, match="rays is 1"):
        PadConfig(rays=1)
