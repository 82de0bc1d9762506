"""What holds of every network: what it says of crops does not depend on their batches, and quality is a probability."""

import numpy as np
import pytest
import torch
from scipy.special import logit

from graspnet.crops.crops import GraspCrops
from graspnet.crops.symmetry import flipped
from graspnet.models import NETWORKS
from graspnet.models.network import predict, quality_of


def test_quality_is_the_sigmoid_of_the_log_odds():
    odds = torch.from_numpy(logit(np.array([0.1, 0.5, 0.99])))
    np.testing.assert_allclose(quality_of(torch.stack([1 - odds / 2, 1 + odds / 2], dim=1), 1.0), [0.1, 0.5, 0.99])
    np.testing.assert_allclose(quality_of(torch.stack([-odds, odds], dim=1), 2.0), [0.1, 0.5, 0.99])


def test_logits_of_several_batches_are_those_of_all_crops_at_once():
    generator = torch.Generator().manual_seed(0)
    network = NETWORKS["compact"](generator).eval()
    crop = network.crop
    images = torch.rand(7, len(network.image_mean), crop.size, crop.size, generator=generator)
    pose = torch.rand(7, len(network.pose_mean), generator=generator)
    batches = [GraspCrops(images[rows], pose[rows]) for rows in (slice(0, 3), slice(3, 4), slice(4, 7))]
    torch.testing.assert_close(predict(network, batches), network(images, pose).detach())


@pytest.mark.parametrize("name", ["compact", "gqcnn_2.0"])
def test_flip_averaging_makes_a_network_blind_to_which_jaw_is_which(name):
    """Its answer is the same for a crop's four mirror images: the mean over a group is invariant under the group."""
    generator = torch.Generator().manual_seed(1)
    network = NETWORKS[name](generator).eval()
    crop = network.crop
    images = torch.rand(3, len(network.image_mean), crop.size, crop.size, generator=generator)
    crops = GraspCrops(images, torch.randn(3, len(network.pose_mean), generator=generator))
    plain, averaged = predict(network, [crops]), predict(network, [crops], flip_average=True)
    assert (plain - averaged).abs().max() > 1e-3
    answers = []
    for flips in ([[False, True]], [[True, False]], [[True, True]]):
        mirrored = flipped(crops, torch.tensor(flips).expand(3, 2), crop)
        torch.testing.assert_close(predict(network, [mirrored], flip_average=True), averaged)
        answers.append(predict(network, [mirrored]))
    torch.testing.assert_close(averaged, torch.stack([plain, *answers]).mean(0))
