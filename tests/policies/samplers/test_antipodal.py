"""Facts about the antipodal sampler, on boxes of known pose and on the real images of the shared data."""

from dataclasses import replace

import numpy as np
import pytest

import graspnet as gn
from graspnet.camera import Camera, load_camera
from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper
from graspnet.inputs.depth_image import read_depth
from graspnet.inputs.mask_image import read_mask
from graspnet.observation.observation import Observation
from graspnet.policies.grasp_space import GraspSpace
from graspnet.policies.samplers.antipodal import AntipodalSampler, AntipodalSamplerConfig, sample_antipodal
from tests.places import SHARED

CONFIG = AntipodalSamplerConfig()
BAR = ((0.12, 0.03, 0.04), (0.02, -0.03), 0.5)  # its long sides are too far apart for the hand: one axis is left
ACROSS = np.array([-np.sin(0.5), np.cos(0.5), 0.0])
REAL = SHARED / "real_depth"


@pytest.mark.parametrize("tilt", [0.0, 0.22, 0.45])
@pytest.mark.parametrize("masked", [True, False])
def test_grasps_on_a_bar_close_across_it_within_the_friction_cone(box_scene, in_world, tilt, masked):
    grasps = sample_antipodal(box_scene(BAR, tilt=tilt, masked=masked), 200, CONFIG, np.random.default_rng(0))
    origin, closing = in_world(grasps, tilt=tilt)
    assert len(grasps) == 200
    # edges are found on pixels (1.3 mm), and corners turn their normals: nearly all, not all, lie in the cone
    assert np.mean(np.abs(closing @ ACROSS) >= np.cos(np.arctan(CONFIG.friction)) - 0.02) > 0.97
    # midpoints lie on the bar's centre line; a silhouette in perspective is some millimetres wider than the bar
    assert np.quantile(np.abs((origin - [0.02, -0.03, 0.0]) @ ACROSS), 0.9) < 0.008


def test_axes_are_metric_where_the_pixels_are_not_square(box_scene, in_world):
    camera = Camera(350.0, 700.0, 319.5, 239.5, 640, 480)
    grasps = sample_antipodal(box_scene(BAR, camera=camera), 200, CONFIG, np.random.default_rng(0))
    _, closing = in_world(grasps)
    turn = np.arcsin(np.cross(closing, ACROSS)[:, 2] * np.sign(closing @ ACROSS))
    assert abs(np.median(turn)) < np.deg2rad(4)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("known_pose", [True, False])
def test_fingertips_stay_above_the_table(box_scene, in_world, masked, known_pose):
    low = ((0.10, 0.03, 0.015), (0.0, 0.0), 0.3)
    observation = box_scene(low, tilt=0.2, masked=masked, known_pose=known_pose)
    grasps = sample_antipodal(observation, 200, CONFIG, np.random.default_rng(0))
    origin, _ = in_world(grasps, tilt=0.2)
    tip = origin[:, 2] - observation.gripper.pad_to_tip  # the approach is the table's normal
    assert len(grasps) == 200
    assert tip.min() > CONFIG.table_clearance - 1e-4
    assert tip.max() < 0.015


def test_depths_reach_from_a_tenth_of_the_hand_below_the_surface_to_the_deepest(box_scene, in_world):
    tall = ((0.12, 0.03, 0.09), (0.0, 0.0), 0.0)
    origin, _ = in_world(sample_antipodal(box_scene(tall), 400, CONFIG, np.random.default_rng(0)))
    below = 0.09 - origin[:, 2]
    assert 0.005 - 1e-3 < below.min() < 0.008  # 0.1 x 0.05 m; the top is found to a fraction of a millimetre
    # 0.8 x 0.05 m would put the palm into the box: its face is 0.035 m above the pads
    assert 0.032 < below.max() < 0.035 + 1e-3


def test_no_pair_is_wider_than_the_hand(box_scene, in_world):
    square = ((0.044, 0.07, 0.04), (0.0, 0.0), 0.0)
    grasps = sample_antipodal(box_scene(square), 200, CONFIG, np.random.default_rng(0))
    _, closing = in_world(grasps)
    # across the 70 mm there is no grasp; corner to side there is, up to atan(0.8) = 39 degrees off
    assert np.mean(np.abs(closing[:, 0]) > np.cos(np.deg2rad(41))) > 0.97


def test_missing_pixels_make_no_edges_and_cost_no_grasps(box_scene, in_world):
    observation = box_scene(BAR)
    holes = np.random.default_rng(1).random(observation.depth.shape) < 0.05
    shadow = np.zeros_like(holes)
    shadow[:, :200] = True  # far from the bar
    depth = np.where(holes | shadow, np.float32(np.nan), observation.depth)
    grasps = sample_antipodal(replace(observation, depth=depth), 200, CONFIG, np.random.default_rng(0))
    _, closing = in_world(grasps)
    assert len(grasps) == 200
    assert np.mean(np.abs(closing @ ACROSS) > np.cos(np.arctan(CONFIG.friction)) - 0.02) > 0.95


def test_an_object_in_a_shadow_keeps_its_edges(box_scene, in_world):
    observation = box_scene(BAR, masked=True)
    shadow = ~observation.segmask & (np.arange(640) < 340)[None]  # nothing measured left of the bar's middle
    depth = np.where(shadow, np.float32(np.nan), observation.depth)
    origin, closing = in_world(
        sample_antipodal(replace(observation, depth=depth), 200, CONFIG, np.random.default_rng(0))
    )
    assert np.mean(np.abs(closing @ ACROSS) > 0.75) > 0.95
    assert np.any(origin[:, 0] < 0.0)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_the_resolution_does_not_change_where_grasps_lie(box_scene, in_world, scale):
    camera = Camera(525 * scale, 525 * scale, 320 * scale - 0.5, 240 * scale - 0.5, int(640 * scale), int(480 * scale))
    grasps = sample_antipodal(box_scene(BAR, camera=camera), 200, CONFIG, np.random.default_rng(0))
    origin, closing = in_world(grasps)
    assert len(grasps) == 200
    assert np.mean(np.abs(closing @ ACROSS) > 0.75) > 0.95
    assert np.median(np.abs((origin - [0.02, -0.03, 0.0]) @ ACROSS)) < 0.003


def test_a_scene_twice_as_large_with_a_hand_twice_as_large_gives_the_same_grasps(box_scene):
    small = load_gripper("yumi")
    lengths = ("max_width", "finger_length", "finger_thickness", "finger_breadth", "pad_to_tip")
    large = replace(
        small, palm=tuple(2 * s for s in small.palm), **{name: 2 * getattr(small, name) for name in lengths}
    )
    config = replace(CONFIG, table_clearance=0.0, pad_overlap=0.0)  # these two are metres, for a sensor's noise
    twice = ((0.24, 0.06, 0.08), (0.04, -0.06), 0.5)
    one = sample_antipodal(box_scene(BAR), 50, config, np.random.default_rng(3))
    two = sample_antipodal(box_scene(twice, gripper=large, height=1.4), 50, config, np.random.default_rng(3))
    np.testing.assert_allclose(two.origin, 2 * one.origin, atol=2e-4)
    np.testing.assert_allclose(two.closing, one.closing, atol=2e-3)


def test_an_object_wider_than_the_hand_is_sampled_anywhere_on_its_mask(box_scene, in_world):
    observation = box_scene(((0.3, 0.3, 0.02), (0.0, 0.0), 0.0))  # its edges are too far apart for any pair
    origin, _ = in_world(sample_antipodal(observation, 200, CONFIG, np.random.default_rng(0)))
    assert len(origin) == 200
    assert np.abs(origin[:, :2]).max() < 0.152
    assert origin[:, :2].std(axis=0).min() > 0.05


def test_what_no_pad_can_reach_gives_no_grasp(box_scene):
    sheet = box_scene(((0.10, 0.03, 0.002), (0.0, 0.0), 0.0))
    assert len(sample_antipodal(sheet, 50, CONFIG, np.random.default_rng(0))) == 0


def test_an_empty_table_gives_no_grasp(box_scene):
    observation = box_scene(masked=False)
    assert len(sample_antipodal(observation, 50, CONFIG, np.random.default_rng(0))) == 0
    with pytest.raises(InputError, match="no measured pixel belongs to an object"):
        AntipodalSampler.of(GraspSpace.of(observation), CONFIG)


def test_the_same_seed_gives_the_same_grasps_and_another_gives_others(box_scene):
    observation = box_scene(BAR)
    one, two, other = (sample_antipodal(observation, 64, CONFIG, np.random.default_rng(k)) for k in (5, 5, 6))
    np.testing.assert_array_equal(one.poses, two.poses)
    assert not np.array_equal(one.poses, other.poses)


@pytest.mark.parametrize("change", [{"friction": 0.0}, {"shallowest": 0.9}, {"relaxations": -1}])
def test_impossible_settings_are_refused(change):
    with pytest.raises(InputError, match=next(iter(change))):
        AntipodalSamplerConfig(**change)


@pytest.mark.skipif(not REAL.is_dir(), reason="the shared real depth images are not on this machine")
@pytest.mark.parametrize(
    ("kind", "index"),
    [
        *(("single_primesense", i) for i in range(5)),
        *((f"clutter_{c}", i) for c in ("primesense", "phoxi") for i in (0, 1)),
    ],
)
@pytest.mark.parametrize("masked", [True, False])
def test_on_real_images_the_jaws_straddle_objects(kind, index, masked):
    name = kind.partition("_")[2]
    camera = load_camera(REAL / "calib" / name / f"{name}.intr")
    mask = read_mask(REAL / kind / f"segmask_{index}.png")
    depth = read_depth(REAL / kind / f"depth_{index}.npy")
    observation = Observation(depth, camera, load_gripper("yumi"), mask if masked else None)
    grasps = sample_antipodal(observation, 200, CONFIG, np.random.default_rng(0))
    assert len(grasps) > 150
    between = grasps.origin[:, None] + np.linspace(-0.5, 0.5, 11)[:, None] * 0.05 * grasps.closing[:, None]
    u, v = np.moveaxis(np.rint(camera.project(between)).astype(int), -1, 0)
    u, v = np.clip(u, 0, camera.width - 1), np.clip(v, 0, camera.height - 1)
    assert np.mean(observation.object_mask[v, u].sum(axis=1) >= 2) > 0.95


def test_what_is_too_low_for_the_pads_gives_no_grasp_and_the_plan_says_so(box_scene):
    scene = box_scene(((0.03, 0.02, 0.002), (0.0, 0.0), 0.0))
    plan = gn.plan(scene.depth, scene.camera, scene.gripper, mask=scene.segmask, policy="antipodal")
    assert plan.reason == (
        "no free grasp: what may be grasped rises too little above the table for the pads to hold it"
    )
