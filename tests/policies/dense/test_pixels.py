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
from graspnet.policies.constraints import ConstraintConfig, Constraints
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


def test_scaled_crops_are_no_windows_of_the_image():
    quality = untrained(0.0)
    crop = PixelCropConfig(window_px=48, size=96, turned=False)
    network = FCGQCNN(FCGQCNNConfig(crop=crop), torch.Generator().manual_seed(0))
    scaled = NetworkQuality(replace(quality.checkpoint, network=network))
    with pytest.raises(InputError, match="sees 48 pixels as 96 cells: it does not slide"):
        DensePolicy(DenseConfig(), scaled)
