"""Augmented crops are crops of real scenes: interchanged jaws and mirrored images, cut by the same crop."""

import numpy as np
import pytest
import torch

from graspnet.camera import Camera
from graspnet.crops.crops import grasp_crops
from graspnet.crops.metric import MetricCropConfig
from graspnet.crops.pixel import PixelCropConfig
from graspnet.crops.symmetry import flipped
from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper
from graspnet.observation.height_map import DepthView
from graspnet.training.augmentation import AugmentationConfig, draw_flips, draw_standoffs, shifted_along_approach
from graspnet.transforms import frame_from_axes, rigid

CROPS = [MetricCropConfig(size=32), PixelCropConfig(window_px=40, size=20)]
CAMERA = Camera(fx=200.0, fy=200.0, cx=52.3, cy=44.1, width=110, height=90)
EQUAL = {"rtol": 0, "atol": 2e-5}  # float32 sums in another order


@pytest.fixture
def scene():
    """A smooth bumpy surface and six tilted grasps off the optical axis, seen aslant: nothing is symmetric."""
    rng = np.random.default_rng(2)
    u, v = np.moveaxis(CAMERA.pixel_grid(), -1, 0)
    depth = (0.5 + 0.01 * np.sin(u / 9 + 0.3) + 0.008 * np.cos(v / 7 + u / 23)).astype(np.float32)
    approach = np.column_stack([rng.normal(0, 0.2, (6, 2)), np.ones(6)])
    closing = rng.normal(size=(6, 3)) * [1, 1, 0]
    origin = np.column_stack([rng.uniform(-0.03, 0.03, (6, 2)), np.full(6, 0.49)])
    return depth, rigid(frame_from_axes(approach, closing), origin)


@pytest.mark.parametrize("crop", CROPS)
def test_interchanged_jaws_reverse_rows_and_columns(scene, crop):
    depth, poses = scene
    swapped = _cut(depth, CAMERA, poses @ np.diag([-1.0, -1.0, 1.0, 1.0]), crop)
    both = flipped(_cut(depth, CAMERA, poses, crop), torch.ones(6, 2, dtype=torch.bool), crop)
    torch.testing.assert_close(swapped.images, both.images, **EQUAL)
    torch.testing.assert_close(swapped.pose, both.pose, **EQUAL)


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("axis", [0, 1])
def test_a_mirrored_scene_reverses_rows_or_columns(scene, crop, axis):
    """The image mirrored in its columns; the grasp's mirror image keeps y (rows reverse) or turns it (columns do)."""
    depth, poses = scene
    mirrored_camera = Camera(200.0, 200.0, CAMERA.width - 1 - CAMERA.cx, CAMERA.cy, CAMERA.width, CAMERA.height)
    sign = 1.0 if axis == 0 else -1.0
    mirrored_poses = np.diag([-1.0, 1.0, 1.0, 1.0]) @ poses @ np.diag([-sign, sign, 1.0, 1.0])
    assert np.allclose(np.linalg.det(mirrored_poses), 1)
    mirrored = _cut(depth[:, ::-1].copy(), mirrored_camera, mirrored_poses, crop)
    flips = torch.zeros(6, 2, dtype=torch.bool)
    flips[:, axis] = True
    expected = flipped(_cut(depth, CAMERA, poses, crop), flips, crop)
    # the two triangles over four pixels meet along a diagonal, and the mirrored image has the other one: noise shows it
    close = torch.isclose(mirrored.images, expected.images, atol=0.03)
    assert close.float().mean() > 0.99 if isinstance(crop, MetricCropConfig) else close.all()
    torch.testing.assert_close(mirrored.pose, expected.pose, **EQUAL)


def test_a_mirrored_image_is_a_reversed_crop_that_is_not_turned_and_the_negative_angle(scene):
    depth, poses = scene
    crop = PixelCropConfig(window_px=40, size=20, turned=False)
    mirrored_camera = Camera(200.0, 200.0, CAMERA.width - 1 - CAMERA.cx, CAMERA.cy, CAMERA.width, CAMERA.height)
    mirrored_poses = np.diag([-1.0, 1.0, 1.0, 1.0]) @ poses @ np.diag([-1.0, 1.0, 1.0, 1.0])
    mirrored = _cut(depth[:, ::-1].copy(), mirrored_camera, mirrored_poses, crop)
    columns = torch.tensor([[False, True]] * 6)
    expected = flipped(_cut(depth, CAMERA, poses, crop), columns, crop)
    torch.testing.assert_close(mirrored.images, expected.images, **EQUAL)
    torch.testing.assert_close(mirrored.pose, expected.pose, **EQUAL)
    both = flipped(expected, ~columns | columns, crop)
    torch.testing.assert_close(both.pose, expected.pose)


def test_crops_that_are_not_chosen_stay_and_the_given_ones_are_not_edited(scene):
    depth, poses = scene
    crops = _cut(depth, CAMERA, poses, CROPS[0])
    before = crops.images.clone(), crops.pose.clone()
    flips = torch.tensor([[True, True]] + [[False, False]] * 5)
    after = flipped(crops, flips, CROPS[0])
    assert torch.equal(after.images[1:], crops.images[1:])
    assert torch.equal(after.pose[1:], crops.pose[1:])
    assert torch.equal(crops.images, before[0])
    assert torch.equal(crops.pose, before[1])


def test_each_reversal_is_drawn_half_of_the_time_and_independently():
    flips = draw_flips(4000, AugmentationConfig(), np.random.default_rng(0)).float()
    share = torch.stack([flips[:, 0], flips[:, 1], flips[:, 0] * flips[:, 1]]).mean(1)
    torch.testing.assert_close(share, torch.tensor([0.5, 0.5, 0.25]), rtol=0, atol=4 * 0.5 / 4000**0.5)


def test_no_reversal_where_none_is_asked_for():
    assert not draw_flips(100, AugmentationConfig(flip=False), np.random.default_rng(0)).any()


def test_the_shift_goes_along_the_approach_with_the_stated_deviation(scene):
    _, poses = scene
    poses = np.repeat(poses, 500, axis=0)
    shift = shifted_along_approach(poses, AugmentationConfig(depth_offset=0.003), np.random.default_rng(0)) - poses
    along = np.sum(shift[:, :3, 3] * poses[:, :3, 2], axis=1)
    np.testing.assert_allclose(shift[:, :3, 3], along[:, None] * poses[:, :3, 2], atol=1e-15)
    assert not shift[:, :3, :3].any()
    assert abs(along.std() / 0.003 - 1) < 4 / (2 * 3000) ** 0.5
    assert abs(along.mean()) < 4 * 0.003 / 3000**0.5


def test_a_negative_shift_is_refused():
    with pytest.raises(InputError, match="depth_offset is -1"):
        AugmentationConfig(depth_offset=-1.0)


def _cut(depth, camera, poses, crop):
    sizes = np.tile(load_gripper("yumi").sizes(), (len(poses), 1))
    return grasp_crops(DepthView(depth, camera), poses, sizes, crop)


def test_half_of_the_crops_are_cut_at_the_origin_and_the_others_up_to_the_standoff_away():
    width = np.repeat([0.05, 0.1], 20_000)
    drawn = draw_standoffs(width, AugmentationConfig(standoff=0.25), np.random.default_rng(1)) / width
    assert np.mean(drawn == 0) == pytest.approx(0.5, abs=0.02)
    away = drawn[drawn != 0]
    assert np.abs(away).max() <= 0.25
    assert np.std(away) == pytest.approx(0.5 / np.sqrt(12), rel=0.02)  # of a uniform distribution over ±0.25
    assert draw_standoffs(width, AugmentationConfig(), np.random.default_rng(1)) is None


@pytest.mark.parametrize("standoff", [-0.1, 1.5, float("nan")])
def test_a_standoff_that_no_crop_reaches_is_refused(standoff):
    with pytest.raises(InputError, match=r"standoff is .*share of the gripper's width"):
        AugmentationConfig(standoff=standoff)
