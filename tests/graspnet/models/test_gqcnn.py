"""The faithful GQ-CNNs: their size, their normalisation, and that they can learn at all."""

import numpy as np
import pytest
import torch

from graspnet.errors import InputError
from graspnet.models import NETWORKS
from graspnet.models.checkpoint import Checkpoint
from graspnet.models.gqcnn import Convolution, LocalResponseNorm
from graspnet.quality import NetworkQuality

COUNTS = {  # the paper says "approximately 18 million"; the others are counted from the released configurations
    "gqcnn_2.0": 5_442_914,
    "gqcnn_2.0_paper": 18_025_826,
    "gqcnn_3.0": 5_557_954,
    "gqcnn_4.0_pj": 631_410,
    "gqcnn_4.0_suction": 212_634,
}
LRN = torch.nn.LocalResponseNorm(size=5, alpha=5 * 2e-5, beta=0.75, k=1.0)  # torch divides its α by the size
LAYERS = {  # (kernel, response norm, pool) of each convolution, as the configurations list them
    "gqcnn_2.0": [(7, 0, 0), (5, 1, 1), (3, 0, 0), (3, 1, 1)],
    "gqcnn_2.0_paper": [(7, 0, 0), (5, 1, 1), (3, 0, 0), (3, 1, 0)],
    "gqcnn_3.0": [(7, 0, 0), (5, 1, 1), (3, 0, 0), (3, 1, 1)],
    "gqcnn_4.0_pj": [(9, 0, 0), (5, 0, 1), (5, 0, 0), (5, 0, 1)],
    "gqcnn_4.0_suction": [(9, 0, 0), (3, 0, 1), (3, 0, 0), (3, 0, 1)],
}


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_published_parameter_counts(name):
    assert NETWORKS[name]().parameter_count() == COUNTS[name]


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_every_published_network_computes_what_a_list_of_its_layers_says(name):
    """Written with torch's functions from the layers above, in double precision; TensorFlow pools a border of -∞."""
    network = NETWORKS[name](torch.Generator().manual_seed(3))
    side, inputs = network.crop.size, network.config.pose_inputs
    generator = torch.Generator().manual_seed(4)
    images, pose = (
        0.6 + 0.2 * torch.rand(2, 1, side, side, generator=generator),
        torch.rand(2, inputs, generator=generator),
    )
    network.fit_normalisation(images, pose)
    found = network(images, pose)
    weights = {key: value.double() for key, value in network.state_dict().items()}
    images, pose = images.double(), pose.double()
    x = (images - images.mean()) / images.std()
    convolutions = sorted({key.rpartition(".")[0] for key in weights if key.startswith("image_stream")}, key=_number)
    for layer, (kernel, normalise, pool) in zip(convolutions, LAYERS[name], strict=True):
        padding = kernel // 2 if name < "gqcnn_4" else 0
        x = torch.conv2d(x, weights[f"{layer}.weight"], weights[f"{layer}.bias"], padding=padding).clamp(min=0)
        x = LRN(x) if normalise else x
        if pool:
            odd = x.shape[-1] % 2
            x = torch.nn.functional.pad(x, (0, odd, 0, odd), value=-torch.inf)
            x = x.unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5))
    z = (pose - pose.mean(0)) / pose.std(0)
    x, z = (
        (v.flatten(1) @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]).clamp(min=0)
        for v, layer in ((x, "image_features"), (z, "pose_features"))
    )
    merged = torch.cat([x, z], 1) @ weights["merged_features.weight"].T + weights["merged_features.bias"]
    expected = merged.clamp(min=0) @ weights["output.weight"].T + weights["output.bias"]
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)


def _number(layer: str) -> int:
    return int(layer.rpartition(".")[2])


def test_a_network_for_suction_cups_scores_no_parallel_jaw():
    network = NETWORKS["gqcnn_4.0_suction"]()
    with pytest.raises(InputError, match=r"takes 2 pose numbers, but 1 come with .* suction cups"):
        NetworkQuality(Checkpoint(network, "gqcnn_4.0_suction", "suction", "grasp_metrics", 0.5))


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
