"""Facts about networks that slide over the image as it is: they say what they say of crops, and plan as any other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import graspnet as gn
from graspnet.crops.pixel import PixelCropConfig
from graspnet.errors import InputError
from graspnet.inputs.depth_image import read_depth
from graspnet.inputs.mask_image import read_mask
from graspnet.interchange.gqcnn_import import read_gqcnn
from graspnet.models.checkpoint import Checkpoint
from graspnet.models.fcgqcnn import FCGQCNN, FCGQCNNConfig
from graspnet.models.gqcnn import Convolution
from graspnet.policies.constraints import ConstraintConfig, Constraints
from graspnet.policies.demands.failures import share_left
from graspnet.policies.dense.dense import DensePolicy
from graspnet.policies.dense.grid import DenseConfig
from graspnet.policies.dense.pixels import best_pixels
from graspnet.policies.grasp_space import GraspSpace
from graspnet.quality import NetworkQuality

BLOCK = ((0.06, 0.03, 0.04), (0.0, 0.0), 0.4)
AT_THE_EDGE = ((0.06, 0.03, 0.04), (0.22, 0.0), 0.4)  # windows reach beyond the image there
FEW = DenseConfig(heights=3)


def untrained(offset: float) -> NetworkQuality:
    crop = PixelCropConfig(window_px=96, size=96, turned=False, offset=offset)
    network = FCGQCNN(FCGQCNNConfig(crop=crop), torch.Generator().manual_seed(0)).eval()
    network.image_deviation.fill_(0.1)
    return NetworkQuality(Checkpoint(network, "fcgqcnn_4.0_pj", "yumi", "robust_epsilon", 0.5))


@pytest.mark.parametrize("offset", [0.0, 0.5])
@pytest.mark.parametrize("block", [BLOCK, AT_THE_EDGE])
def test_each_cell_says_what_its_crop_says(box_scene, block, offset):
    observation, quality = box_scene(block, noise=0.001, tilt=0.1), untrained(offset)
    holes = np.random.default_rng(1).random(observation.depth.shape) < 0.01
    observation = replace(observation, depth=np.where(holes, np.float32(np.nan), observation.depth))
    constraints = Constraints(GraspSpace.of(observation), ConstraintConfig())
    grasps, qualities = best_pixels(constraints, quality, FEW, 200)
    assert len(grasps) > 20
    assert np.all(np.diff(qualities) <= 0)
    np.testing.assert_allclose(qualities, quality(observation, grasps), atol=1e-5)
    assert np.ptp(qualities) > 1e-3
    assert Constraints(GraspSpace.of(observation), ConstraintConfig()).feasible(grasps).all()


def test_an_original_slides_over_a_real_heap(shared_data):
    quality = NetworkQuality(read_gqcnn(shared_data / "gqcnn_models" / "FC-GQCNN-4.0-PJ"))
    folder = Path(shared_data / "real_depth" / "clutter_primesense")
    depth, mask = read_depth(folder / "depth_0.npy"), read_mask(folder / "segmask_0.png")
    observation = gn.Observation(depth, gn.load_camera("primesense"), gn.load_gripper("yumi"), mask)
    plan = DensePolicy(DenseConfig(), quality).plan(observation, np.random.default_rng(0))
    grasps, qualities = plan.generations[0]
    np.testing.assert_allclose(qualities, quality(observation, grasps), atol=1e-5)
    assert len(grasps) > 50
    assert plan.best.quality > 0.3
    again = DensePolicy(DenseConfig(), quality).plan(observation, np.random.default_rng(0))
    np.testing.assert_array_equal(again.grasps_in_camera.poses, plan.grasps_in_camera.poses)


def test_an_ideal_image_of_an_object_that_is_flat_has_one_depth(box_scene):
    flat = box_scene(BLOCK)
    depth = np.where(flat.object_mask, np.float32(0.66), np.float32(0.7))
    plan = DensePolicy(DenseConfig(), untrained(0.5)).plan(replace(flat, depth=depth), np.random.default_rng(0))
    assert len(plan)


def test_where_only_a_further_look_shows_a_thing_there_is_nothing_to_slide_over(box_scene):
    seen = box_scene(BLOCK, masked=False, known_pose=True)
    bare = replace(seen, depth=np.where(seen.depth < 0.69, np.float32(0.7), seen.depth), others=(seen,))
    constraints = Constraints(GraspSpace.of(bare), ConstraintConfig())
    grasps, qualities = best_pixels(constraints, untrained(0.5), FEW, 200)
    assert len(grasps) == len(qualities) == 0


def test_another_stride_is_another_grid(box_scene):
    """One pool less: cells are two pixels apart."""
    crop = PixelCropConfig(window_px=96, size=96, turned=False)
    convolutions = (Convolution(8, 9), Convolution(8, 5, pool=True), Convolution(8, 5))
    network = FCGQCNN(FCGQCNNConfig(crop=crop, convolutions=convolutions), torch.Generator().manual_seed(0)).eval()
    assert network.config.stride == 2
    quality = NetworkQuality(replace(untrained(0.0).checkpoint, network=network))
    observation = box_scene(BLOCK, noise=0.001)
    grasps, qualities = best_pixels(Constraints(GraspSpace.of(observation), ConstraintConfig()), quality, FEW, 100)
    np.testing.assert_allclose(qualities, quality(observation, grasps), atol=1e-5)


def test_places_where_grasps_failed_count_for_less(box_scene):
    observation, quality = box_scene(BLOCK, noise=0.001), untrained(0.0)
    best, _ = best_pixels(Constraints(GraspSpace.of(observation), ConstraintConfig()), quality, FEW, 1)
    after = replace(observation, failed=best.origin)
    grasps, qualities = best_pixels(Constraints(GraspSpace.of(after), ConstraintConfig()), quality, FEW, 100)
    expected = quality(observation, grasps) * share_left(grasps.origin, best.origin, 0.05)
    np.testing.assert_allclose(qualities, expected, atol=1e-5)
    assert np.all(np.diff(qualities) <= 0)


def test_scaled_crops_are_no_windows_of_the_image():
    quality = untrained(0.0)
    crop = PixelCropConfig(window_px=48, size=96, turned=False)
    network = FCGQCNN(FCGQCNNConfig(crop=crop), torch.Generator().manual_seed(0))
    scaled = NetworkQuality(replace(quality.checkpoint, network=network))
    with pytest.raises(InputError, match="sees 48 pixels as 96 cells: it does not slide"):
        DensePolicy(DenseConfig(), scaled)
