"""What holds of every network: what it says of crops does not depend on their batches, and quality is a probability."""

import numpy as np
import torch
from scipy.special import logit

from graspnet.crops.crops import GraspCrops
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
