"""Facts about a network as a quality."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from graspnet.grasps.grasps import Grasps
from graspnet.models import NETWORKS
from graspnet.models.checkpoint import Checkpoint
from graspnet.policies.samplers.antipodal import AntipodalSamplerConfig, sample_antipodal
from graspnet.quality import NetworkQuality

BLOCK = ((0.12, 0.03, 0.04), (0.02, -0.03), 0.5)


def untrained(name: str = "compact") -> Checkpoint:
    network = NETWORKS[name](torch.Generator().manual_seed(3)).eval()
    return Checkpoint(network=network, name=name, gripper_name="yumi", metric="none", threshold=0.5)


def test_a_networks_quality_does_not_depend_on_batches_or_threads(box_scene):
    observation = box_scene(BLOCK)
    grasps = sample_antipodal(observation, 70, AntipodalSamplerConfig(), np.random.default_rng(0))
    checkpoint = untrained()
    whole = NetworkQuality(checkpoint, batch_size=70, threads=1)(observation, grasps)
    assert whole.shape == (70,)
    assert np.all((whole > 0) & (whole < 1))
    assert whole.std() > 0
    # another batch size may sum in another order
    np.testing.assert_allclose(NetworkQuality(checkpoint, batch_size=16)(observation, grasps), whole, atol=1e-5)
    probing = NetworkQuality(checkpoint, batch_size=16, threads=None)
    np.testing.assert_allclose(probing(observation, grasps), whole, atol=1e-5)
    assert probing.threads in (1, 2)


def test_scoring_leaves_torchs_number_of_threads_alone(box_scene):
    observation = box_scene(BLOCK)
    grasps = sample_antipodal(observation, 8, AntipodalSamplerConfig(), np.random.default_rng(0))
    before = torch.get_num_threads()
    NetworkQuality(untrained(), threads=before + 1)(observation, grasps)
    assert torch.get_num_threads() == before


def test_the_temperature_flattens_a_networks_quality(box_scene):
    observation = box_scene(BLOCK)
    grasps = sample_antipodal(observation, 8, AntipodalSamplerConfig(), np.random.default_rng(0))
    sharp = NetworkQuality(untrained())(observation, grasps)
    flat = NetworkQuality(replace(untrained(), temperature=2.0))(observation, grasps)
    np.testing.assert_allclose(np.log(flat / (1 - flat)), np.log(sharp / (1 - sharp)) / 2, atol=1e-4)


def test_a_checkpoint_may_ask_for_the_mean_over_mirror_images(box_scene):
    """Then a grasp and the same grasp with its jaws interchanged are as good."""
    observation = box_scene(BLOCK)
    grasps = sample_antipodal(observation, 8, AntipodalSamplerConfig(), np.random.default_rng(0))
    swapped = replace(grasps, poses=grasps.poses @ np.diag([-1.0, -1.0, 1.0, 1.0]))
    plain, averaging = (NetworkQuality(replace(untrained(), flip_average=average)) for average in (False, True))
    np.testing.assert_allclose(averaging(observation, swapped), averaging(observation, grasps), atol=1e-4)
    assert np.abs(plain(observation, swapped) - plain(observation, grasps)).max() > 1e-3


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"gqcnn_3.0", "gqcnn_4.0_suction"}))
def test_every_network_for_jaws_can_be_a_quality(box_scene, name):
    observation = box_scene(BLOCK)
    grasps = sample_antipodal(observation, 3, AntipodalSamplerConfig(), np.random.default_rng(0))
    qualities = NetworkQuality(untrained(name))(observation, grasps)
    assert qualities.shape == (3,)
    assert np.isfinite(qualities).all()


def test_no_grasps_have_no_qualities(box_scene):
    assert NetworkQuality(untrained())(box_scene(BLOCK), Grasps.none()).shape == (0,)
