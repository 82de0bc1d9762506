"""`compact`: small, and the same network when it slides over a larger image."""

import pytest
import torch

from graspnet.crops.metric import MetricCropConfig
from graspnet.errors import InputError
from graspnet.models import NETWORKS
from graspnet.models.compact import CompactConfig


def test_it_has_fewer_than_half_a_million_parameters():
    assert NETWORKS["compact"]().parameter_count() < 500_000


def test_two_channels_and_eleven_numbers_make_two_logits():
    assert NETWORKS["compact"]()(torch.rand(5, 2, 64, 64), torch.rand(5, 11)).shape == (5, 2)


@pytest.mark.parametrize("size", [32, 48, 64, 96])
def test_any_crop_that_is_a_multiple_of_the_stride_fits(size):
    network = NETWORKS["compact"](config=CompactConfig(crop=MetricCropConfig(size=size)))
    assert network(torch.rand(2, 2, size, size), torch.rand(2, 11)).shape == (2, 2)


def test_a_crop_that_the_strides_would_cut_short_is_refused():
    with pytest.raises(InputError, match="multiple of 4"):
        CompactConfig(crop=MetricCropConfig(size=50))


def test_the_features_of_a_window_are_those_of_the_whole_image_there():
    """Stride 4 and no padding: what the dense form stands on. Tolerance: float32 sums in another order."""
    network = NETWORKS["compact"]().double()
    image = torch.rand(1, 2, 96, 88, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    dense = network.image_stream(image)
    for i, j in [(0, 0), (3, 2), (8, 6)]:
        window = network.image_stream(image[:, :, 4 * i : 4 * i + 64, 4 * j : 4 * j + 64])
        torch.testing.assert_close(dense[:, :, i : i + 10, j : j + 10], window, rtol=0, atol=1e-12)


def test_examples_do_not_see_each_other():
    network = NETWORKS["compact"]()
    images, pose = torch.rand(4, 2, 64, 64), torch.rand(4, 11)
    torch.testing.assert_close(network(images, pose)[2:3], network(images[2:3], pose[2:3]), rtol=1e-5, atol=1e-6)


def test_normalised_channels_have_mean_0_and_deviation_1():
    network = NETWORKS["compact"]()
    rng = torch.Generator().manual_seed(0)
    images = 0.3 + 0.5 * torch.randn(50, 2, 64, 64, generator=rng)
    pose = 2 + 3 * torch.randn(50, 11, generator=rng)
    network.fit_normalisation(images, pose)
    normalised = (images - network.image_mean) / network.image_deviation
    torch.testing.assert_close(normalised.mean((0, 2, 3)), torch.zeros(2), rtol=0, atol=1e-4)
    torch.testing.assert_close(normalised.std((0, 2, 3)), torch.ones(2), rtol=0, atol=1e-4)
    torch.testing.assert_close(((pose - network.pose_mean) / network.pose_deviation).std(0), torch.ones(11))


def test_a_hand_not_seen_in_training_moves_the_input_by_a_few_deviations_at_most():
    network = NETWORKS["compact"]()
    network.fit_normalisation(torch.rand(8, 2, 64, 64), torch.full((8, 11), -1.6))
    assert float(((torch.full((11,), -1.2) - network.pose_mean) / network.pose_deviation).max()) < 5
