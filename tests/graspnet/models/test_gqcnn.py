"""The faithful GQ-CNNs: their size, their normalisation, and that they can learn at all."""

import numpy as np
import pytest
import torch

from graspnet.errors import InputError
from graspnet.models import NETWORKS, architecture
from graspnet.models.gqcnn import Convolution, LocalResponseNorm


@pytest.mark.parametrize(("name", "count"), [("gqcnn_2.0", 5_442_914), ("gqcnn_4.0_pj", 631_410)])
def test_published_parameter_counts(name, count):
    assert NETWORKS[name]().parameter_count() == count


@pytest.mark.parametrize("name", ["gqcnn_2.0", "gqcnn_4.0_pj"])
def test_one_depth_image_and_one_depth_make_two_logits(name):
    network = NETWORKS[name]()
    side = network.crop.size
    assert network(torch.rand(3, 1, side, side), torch.rand(3, 1)).shape == (3, 2)


def test_response_norm_is_tensorflows_formula():
    """out_c = x_c / (1 + α Σ_{|d − c| ≤ 2} x_d²)^β, by a plain loop over channels."""
    features = 100 * torch.randn(2, 7, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).numpy()
    expected = np.empty_like(features)
    for c in range(7):
        around = features[:, max(0, c - 2) : c + 3]
        expected[:, c] = features[:, c] / (1 + 2e-5 * np.sum(around**2, axis=1)) ** 0.75
    found = LocalResponseNorm(7).double()(torch.from_numpy(features))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_missing_pixel_enters_as_the_mean_depth():
    network = NETWORKS["gqcnn_2.0"]()
    rng = torch.Generator().manual_seed(1)
    depth, pose = 0.6 + 0.1 * torch.rand(4, 1, 32, 32, generator=rng), torch.full((4, 1), 0.65)
    network.fit_normalisation(depth, pose)
    holes = torch.rand(depth.shape, generator=rng) < 0.2
    filled = network(torch.where(holes, network.image_mean, depth), pose)
    torch.testing.assert_close(network(torch.where(holes, 0.0, depth), pose), filled)
    torch.testing.assert_close(network(torch.where(holes, torch.nan, depth), pose), filled)


def test_normalisation_counts_measured_pixels_only():
    network = NETWORKS["gqcnn_4.0_pj"]()
    depth = torch.full((2, 1, 96, 96), 0.5)
    depth[0, 0, :48] = 0.7
    depth[1, 0, :48] = 0.0
    network.fit_normalisation(depth, torch.tensor([[0.6], [0.8]]))
    assert float(network.image_mean) == pytest.approx((0.7 + 0.5 + 0.5) / 3)
    assert float(network.pose_mean) == pytest.approx(0.7)


def test_a_depth_that_never_varies_does_not_divide_by_zero():
    network = NETWORKS["gqcnn_2.0"]()
    depth, pose = torch.full((3, 1, 32, 32), 0.7), torch.full((3, 1), 0.7)
    network.fit_normalisation(depth, pose)
    assert network(depth, pose).isfinite().all()


def test_crops_without_a_measured_pixel_are_refused():
    with pytest.raises(InputError, match="no measured pixel"):
        NETWORKS["gqcnn_2.0"]().fit_normalisation(torch.zeros(2, 1, 32, 32), torch.ones(2, 1))


@pytest.mark.parametrize("name", ["gqcnn_2.0", "gqcnn_4.0_pj"])
def test_overfits_32_bars_that_stand_or_lie(name):
    network = NETWORKS[name](torch.Generator().manual_seed(0))
    images, target = _bars(32, network.crop.size, np.random.default_rng(0))
    pose = torch.full((32, 1), 0.7)
    network.fit_normalisation(images, pose)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    for _ in range(15):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(images, pose), target).backward()
        optimiser.step()
    assert (network(images, pose).argmax(1) == target).float().mean() > 0.98


def test_the_seed_alone_decides_the_first_weights():
    def weights(seed):
        return NETWORKS["gqcnn_4.0_pj"](torch.Generator().manual_seed(seed)).output.weight

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


def test_an_unknown_network_is_named_with_its_nearest():
    with pytest.raises(InputError, match=r"unknown network 'compct'; did you mean 'compact'"):
        architecture("compct")


def test_an_even_kernel_is_refused():
    with pytest.raises(InputError, match="kernel odd"):
        Convolution(16, 4)


def _bars(count, side, rng):
    """Depth images of a bar 4 cm above a table at 0.7 m, standing (class 1) or lying (class 0)."""
    images = np.full((count, 1, side, side), 0.7, dtype=np.float32)
    target = np.arange(count) % 2
    for image, stands in zip(images[:, 0], target, strict=True):
        start = int(rng.uniform(0.3, 0.5) * side)
        bar = slice(start, start + side // 5)
        image[:, bar] -= 0.04 * stands
        image[bar, :] -= 0.04 * (1 - stands)
    return torch.from_numpy(images), torch.from_numpy(target)
