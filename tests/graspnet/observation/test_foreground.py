"""Facts about what is an object where nobody marked the objects: boxes in closed form, sensors' noise, real images."""

from dataclasses import replace

import numpy as np
import pytest

from graspnet.camera import load_camera
from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper
from graspnet.inputs.depth_image import read_depth
from graspnet.inputs.mask_image import read_mask
from graspnet.observation.observation import Observation
from graspnet.sensors import load_sensor
from graspnet.transforms import invert
from tests.box_scenes import looking_down

BLOCK = ((0.04, 0.06, 0.05), (0.0, 0.0), 0.5)
ARM = ((0.08, 0.6, 0.12), (0.2, 0.3), 0.1)  # comes in at the image's border
LONG = ((0.45, 0.05, 0.06), (0.0, 0.12), 0.0)  # nine openings of the yumi, and whole in the image from 0.8 m


def unmasked(scene, *boxes, **options) -> tuple[Observation, np.ndarray]:
    """What a camera sees of the boxes without a mask, and the mask that it was not told."""
    truth = scene(*boxes, **options)
    return replace(truth, segmask=None), truth.segmask


def noisy(observation: Observation, sensor: str) -> Observation:
    return replace(
        observation, depth=load_sensor(sensor)(observation.depth, observation.camera, np.random.default_rng(0))
    )


@pytest.mark.parametrize("tilt", [0.0, np.pi / 4, np.pi / 3])
@pytest.mark.parametrize("height", [0.7, 1.0, 1.3])
@pytest.mark.parametrize("sensor", ["ideal", "structured_light", "realsense", "varied"])
def test_the_noise_of_an_empty_table_is_no_object(box_scene, sensor, height, tilt):
    bare = noisy(box_scene(masked=False, height=height, tilt=tilt), sensor)
    assert not bare.object_mask.any()
    assert bare.why_nothing.startswith("nothing rises above the table")


@pytest.mark.parametrize("tilt", [0.0, np.pi / 4])
@pytest.mark.parametrize("sensor", ["ideal", "structured_light", "realsense"])
def test_a_block_is_the_object_whatever_the_sensor(box_scene, sensor, tilt):
    seen, truth = unmasked(box_scene, BLOCK, tilt=tilt)
    found = noisy(seen, sensor).object_mask
    assert (found & truth).sum() > 0.85 * truth.sum()
    assert (found & ~truth).sum() < 0.25 * truth.sum()  # the sensors' edges are as soft as that


def test_a_low_plate_stands_out_of_small_noise(box_scene):
    plate, truth = unmasked(box_scene, ((0.04, 0.08, 0.008), (0.0, 0.0), 0.3), noise=0.0007)
    assert (plate.object_mask & truth).sum() > 0.9 * truth.sum()


def test_what_goes_on_beyond_the_image_is_no_object_and_the_block_beside_it_is(box_scene):
    seen, _ = unmasked(box_scene, BLOCK, ARM, tilt=0.3)
    _, block = unmasked(box_scene, BLOCK, tilt=0.3)
    assert (seen.object_mask & block).sum() > 0.95 * block.sum()
    assert not (seen.object_mask & ~block).any()
    alone, _ = unmasked(box_scene, ARM, tilt=0.3)
    assert not alone.object_mask.any()
    assert "beyond the border of the image (1); mark the objects with a segmask" in alone.why_nothing


def test_a_band_that_the_sensor_leaves_empty_does_not_hide_the_border(box_scene):
    seen, _ = unmasked(box_scene, BLOCK, ARM)
    depth = seen.depth.copy()
    depth[:, -12:] = 0
    depth[:9] = 0
    banded = replace(seen, depth=depth)
    _, block = unmasked(box_scene, BLOCK)
    assert not (banded.object_mask & ~block).any()
    assert banded.object_mask.any()


@pytest.mark.parametrize("tilt", [0.6, np.pi / 4, np.pi / 3])
def test_a_thing_that_stands_out_above_the_end_of_the_table_is_whole(box_scene, tilt):
    tall = ((0.04, 0.04, 0.16), (0.0, 0.03), 0.0)
    seen, truth = unmasked(box_scene, tall, tilt=tilt)
    world = seen.points @ looking_down(0.7, tilt)[:3, :3].T + looking_down(0.7, tilt)[:3, 3]
    beyond = ~truth & (np.abs(world[..., :2]).max(axis=-1) > 0.13)  # nothing is measured beside a small table
    small = replace(seen, depth=np.where(beyond, np.float32(0), seen.depth))
    assert truth[np.flatnonzero((~beyond & ~truth).any(axis=1))[0] - 1].any()  # its top is over the far edge
    assert (small.object_mask & truth).sum() > 0.9 * truth.sum()


def test_what_is_longer_than_eight_openings_is_no_object_for_this_hand_and_one_for_a_wide_hand(box_scene):
    seen, truth = unmasked(box_scene, LONG, height=0.8)
    assert not seen.object_mask.any()
    assert "longer than 8 openings of the gripper (0.40 m)" in seen.why_nothing
    wide = replace(seen, gripper=load_gripper("wide"))
    assert (wide.object_mask & truth).sum() > 0.9 * truth.sum()


def test_an_arm_above_an_object_takes_the_object_with_it_only_where_it_hides_it(box_scene):
    over = ((0.05, 0.5, 0.02), (0.03, 0.28), 0.0)
    seen, _ = unmasked(box_scene, BLOCK)
    depth = seen.depth.copy()
    arm, arm_mask = unmasked(box_scene, over)
    del arm
    depth[arm_mask] = 0.45  # hovers a quarter of a metre above the table, and hides a part of the block
    _, block = unmasked(box_scene, BLOCK)
    assert (arm_mask & block).any()
    np.testing.assert_array_equal(replace(seen, depth=depth).object_mask, block & ~arm_mask)


# Limits


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("known_pose", [True, False])
def test_only_what_lies_in_the_workspace_is_an_object(box_scene, masked, known_pose):
    left, right = ((0.03, 0.03, 0.04), (-0.1, 0.0), 0.0), ((0.03, 0.03, 0.04), (0.1, 0.0), 0.0)
    truth = box_scene(left, right, tilt=0.4, known_pose=True)
    _, wanted = unmasked(box_scene, right, tilt=0.4)
    corners = np.array([[0.02, -0.1, -0.01], [0.2, 0.1, 0.2]])  # in the world: x > 0.02
    if not known_pose:  # x of this camera is x of the world
        corners = np.array([[0.02, -1.0, 0.1], [0.2, 1.0, 2.0]])
    seen = replace(
        truth,
        segmask=truth.segmask if masked else None,
        world_from_camera=truth.world_from_camera if known_pose else None,
        workspace=corners,
    )
    assert (seen.object_mask & wanted).sum() > 0.9 * wanted.sum()  # without a mask, what is higher than 5 mm
    assert not (seen.object_mask & ~wanted).any()
    u, v = truth.camera.project(invert(truth.world_from_camera)[:3] @ [0.1, 0.0, 0.04, 1.0])
    assert seen.object_mask[round(v), round(u)]


def test_a_workspace_around_nothing_says_so(box_scene):
    seen, _ = unmasked(box_scene, BLOCK)
    away = replace(seen, workspace=np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]))
    assert away.why_nothing == "nothing rises above the table within the workspace"
    masked = replace(box_scene(BLOCK), workspace=away.workspace)
    assert masked.why_nothing == "no depth was measured under the segmask within the workspace"


@pytest.mark.parametrize("masked", [True, False])
def test_what_is_higher_than_max_height_is_no_object(box_scene, masked):
    low, high = ((0.03, 0.03, 0.03), (-0.1, 0.0), 0.0), ((0.03, 0.03, 0.09), (0.1, 0.0), 0.0)
    truth = replace(box_scene(low, high, known_pose=True), max_height=0.05)
    seen = truth if masked else replace(truth, segmask=None)
    heights = -truth.table.normal @ truth.points[seen.object_mask].T + truth.table.offset
    assert heights.max() <= 0.05
    _, low_one = unmasked(box_scene, low)
    assert (seen.object_mask & low_one).sum() > 0.9 * low_one.sum()
    capped = replace(seen, max_height=0.001)
    assert capped.why_nothing == "all that may be grasped is higher above the table than max_height (0.001 m)"


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_height": 0.0}, "max_height is 0.0; it must be positive"),
        ({"max_height": float("nan")}, "max_height is nan"),
        ({"max_height": 50.0}, r"max_height is 50 m above the table; expected metres\. Millimetres\? 0\.05"),
        (
            {"workspace": np.array([[-200.0, -150.0, 0.0], [200.0, 150.0, 300.0]])},
            "300 m from the origin; expected metres",
        ),
        ({"workspace": np.zeros((2, 3))}, "workspace must be two corners .* the lowest first"),
        ({"workspace": np.array([[0.0, 0.0, 0.0], [1.0, 1.0, np.inf]])}, "workspace must be two corners"),
    ],
)
def test_impossible_limits_are_refused(box_scene, limits, message):
    with pytest.raises(InputError, match=message):
        replace(box_scene(BLOCK), **limits)


def test_without_a_table_there_is_no_object_and_no_height(box_scene):
    rng = np.random.default_rng(0)
    chaos = replace(box_scene(masked=False), depth=rng.uniform(0.4, 1.5, (480, 640)).astype(np.float32))
    assert chaos.table is None
    assert not chaos.object_mask.any()
    assert chaos.why_nothing.startswith("no table was found in the image; give the camera's pose")
    with pytest.raises(InputError, match="no table was found: give the camera's pose"):
        assert replace(chaos, max_height=0.1).object_mask.any()


# The table


def test_a_larger_wall_behind_the_table_is_not_taken_for_it(box_scene):
    wall = ((4.0, 0.02, 3.0), (0.0, 0.11), 0.0)  # more of the image than the table
    truth = box_scene(BLOCK, wall, tilt=np.pi / 4, known_pose=True)
    fitted = replace(truth, world_from_camera=None, segmask=None)
    wall_pixels = np.abs(
        (truth.points @ truth.world_from_camera[:3, :3].T + truth.world_from_camera[:3, 3])[..., 1] - 0.1
    )
    assert (wall_pixels < 0.002).mean() > 0.4
    np.testing.assert_allclose(fitted.table.normal, truth.table.normal, atol=0.01)


@pytest.mark.parametrize(
    ("folder", "least"), [("clutter_primesense", 0.75), ("single_primesense", 0.55), ("clutter_phoxi", 0.8)]
)
def test_on_real_images_the_objects_are_found_among_arms_and_bin_walls(shared_data, folder, least):
    real, sensor = shared_data / "real_depth", folder.split("_")[1]
    camera = load_camera(real / "calib" / sensor / f"{sensor}.intr")
    for file in sorted((real / folder).glob("depth_*.npy")):
        mask = read_mask(file.with_name(file.name.replace("depth", "segmask")).with_suffix(".png"))
        found = Observation(read_depth(file), camera, load_gripper("yumi")).object_mask
        marked = Observation(read_depth(file), camera, load_gripper("yumi"), mask).object_mask
        assert (found & marked).sum() > least * (found | marked).sum(), file
