"""`compact`: small, and the same network when it slides over a larger image."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from graspnet.crops.metric import MetricCropConfig
from graspnet.errors import InputError
from graspnet.models import NETWORKS, network_words
from graspnet.models.checkpoint import load_checkpoint
from graspnet.models.compact import CompactConfig, WithFactors
from graspnet.models.parent import load_parent
from graspnet.models.sliding import GatedBlock

VARIANTS = [
    {}, {"width": 0.5}, {"residual": True}, {"squeeze_excite": True}, {"blocks": 2, "residual": True}, {"dilation": 2},
    {"dilation": 2, "residual": True, "squeeze_excite": True}, {"curtain_channel": True}, {"factors": "product"},
]  # fmt: skip


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


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_the_features_of_a_window_are_those_of_the_whole_image_there(options):
    """Stride 4 and no padding: what the dense form stands on. Tolerance: float64 sums in another order."""
    config = CompactConfig(**options)
    network = NETWORKS["compact"](torch.Generator().manual_seed(1), config).double()
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, config.planes, 96, 88, generator=generator, dtype=torch.float64)
    dense = network.image_stream(image)
    for i, j in [(0, 0), (3, 2), (8, 6)]:
        window = network.image_stream(image[:, :, 4 * i : 4 * i + 64, 4 * j : 4 * j + 64])
        assert window.shape[2:] == (config.side, config.side)
        torch.testing.assert_close(dense[:, :, i : i + config.side, j : j + config.side], window, rtol=0, atol=1e-12)


def test_a_product_is_the_product_of_its_factors_probabilities():
    """Far from 0 and 1 to rounding, and finite where a factor is as good as certain."""
    network = NETWORKS["compact"](torch.Generator().manual_seed(0), CompactConfig(factors="product"))
    crops = torch.rand(6, 2, 64, 64), torch.rand(6, 11)
    logits, log_odds = WithFactors(network)(*crops)
    torch.testing.assert_close(torch.softmax(logits, 1)[:, 1], torch.sigmoid(log_odds).prod(dim=1))
    assert torch.equal(network(*crops), logits)
    with torch.no_grad():
        network.output.bias.fill_(100.0)
    sure = network(*crops)
    assert sure.isfinite().all()
    sure.sum().backward()
    assert all(each.grad is None or each.grad.isfinite().all() for each in network.parameters())


def test_auxiliary_factors_leave_the_quality_to_its_own_head():
    """The two networks differ by one layer; with the same weights elsewhere they say the same qualities."""
    alone = NETWORKS["compact"](torch.Generator().manual_seed(0))
    beside = NETWORKS["compact"](torch.Generator().manual_seed(1), CompactConfig(factors="auxiliary"))
    beside.load_state_dict(alone.state_dict(), strict=False)
    crops = torch.rand(3, 2, 64, 64), torch.rand(3, 11)
    logits, log_odds = WithFactors(beside)(*crops)
    assert torch.equal(alone(*crops), logits)
    assert log_odds.shape == (3, 2)
    assert beside.parameter_count() == alone.parameter_count() + 2 * (128 + 1)


@pytest.mark.parametrize(
    "options",
    [
        {"residual": True, "squeeze_excite": True, "curtain_channel": True, "hand_numbers": False},
        {"pose_correction": True},
    ],
)
def test_with_its_options_it_learns_whether_a_bar_stands_or_lies(options):
    config = CompactConfig(crop=MetricCropConfig(size=32), **options)
    network = NETWORKS["compact"](torch.Generator().manual_seed(0), config)
    images, target = bars(32, network.crop)
    pose = torch.zeros(32, 11)
    network.fit_normalisation(images, pose)
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(20):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(images, pose), target).backward()
        optimiser.step()
    assert (network(images, pose).argmax(1) == target).float().mean() > 0.95


def test_a_gated_residual_block_is_its_formula():
    """relu(σ(B relu(A mean₅ₓ₅ x)) · conv(relu(conv x)) + C x) at one cell, from the weights by matrix products."""
    block = GatedBlock(6, 5, 4, dilation=1, residual=True, squeeze_excite=True).double()
    x = torch.rand(1, 6, 9, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    w = block.state_dict()
    i, j = 2, 3  # of the outputs, (5, 5): cell (4, 5) of x in the middle
    seen = x[0, :, i : i + 5, j : j + 5]
    inner = torch.zeros(5, 3, 3, dtype=torch.float64)
    for a in range(3):
        for b in range(3):
            taps = (w["convolutions.0.weight"] * seen[None, :, a : a + 3, b : b + 3]).sum((1, 2, 3))
            inner[:, a, b] = (taps + w["convolutions.0.bias"]).clamp(min=0)
    outputs = (w["convolutions.2.weight"] * inner).sum((1, 2, 3)) + w["convolutions.2.bias"]
    squeezed = (w["gate.1.weight"][:, :, 0, 0] @ seen.mean((1, 2)) + w["gate.1.bias"]).clamp(min=0)
    gate = torch.sigmoid(w["gate.3.weight"][:, :, 0, 0] @ squeezed + w["gate.3.bias"])
    shortcut = w["shortcut.weight"][:, :, 0, 0] @ seen[:, 2, 2] + w["shortcut.bias"]
    torch.testing.assert_close(block(x)[0, :, i, j], (gate * outputs + shortcut).clamp(min=0))


def test_a_pose_correction_begins_with_none_and_then_turns_and_shifts_as_scipy_does():
    network = NETWORKS["compact"](config=CompactConfig(pose_correction=True)).double()
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 2, 64, 64, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(network.pose_correction(images), images, rtol=0, atol=1e-12)
    with torch.no_grad():
        network.pose_correction.say.bias.copy_(torch.atanh(torch.tensor([0.8, -0.5, 0.25])))
    angle, shift = math.radians(0.8 * 15), 0.15 / 3 * 64 * np.array([0.25, -0.5])  # rows, columns
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])  # of (row, column)
    offset = 31.5 + shift - turn @ [31.5, 31.5]
    expected = ndimage.affine_transform(images[0, 0].numpy(), turn, offset, order=1, mode="grid-constant")
    found = network.pose_correction(images)[0, 0].detach().numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5)  # places are float32: 64 cells to 4e-6


def test_without_the_hands_numbers_no_hand_changes_a_quality():
    images, pose = torch.rand(3, 2, 64, 64), torch.rand(3, 11)
    other = torch.cat([torch.rand(3, 7), pose[:, 7:]], dim=1)
    for hand_numbers in (False, True):
        network = NETWORKS["compact"](config=CompactConfig(hand_numbers=hand_numbers))
        assert torch.equal(network(images, pose), network(images, other)) is not hand_numbers
        assert not torch.equal(network(images, pose), network(images, pose + torch.eye(11)[7]))


def test_a_curtain_channel_takes_the_heights_that_were_not_measured():
    network = NETWORKS["compact"](config=CompactConfig(curtain_channel=True))
    image = torch.tensor([[[0.3, 0.2], [-0.1, 0.0]], [[1.0, 0.0], [1.0, 0.0]]])  # height, measured
    network.fit_normalisation(image[None].expand(2, -1, -1, -1), torch.rand(2, 11))
    planes = torch.tensor([[0.3, 0.0, -0.1, 0.0], [1.0, 0.0, 1.0, 0.0], [0.0, 0.2, 0.0, 0.0]])
    torch.testing.assert_close(network.image_mean[:, 0, 0], planes.mean(1))


def test_both_windows_of_a_crop_count():
    network = NETWORKS["compact"](config=CompactConfig(crop=MetricCropConfig(fine_window=1.2)))
    images, pose = torch.rand(2, 4, 64, 64), torch.rand(2, 11)
    logits = network(images, pose)
    for channels in (slice(0, 2), slice(2, 4)):
        changed = images.clone()
        changed[:, channels] = torch.rand(2, 2, 64, 64)
        assert not torch.equal(network(changed, pose), logits)


def test_the_width_multiplies_channels_and_features():
    network = NETWORKS["compact"](config=CompactConfig(width=2.0))
    assert network.image_stream[0].out_channels == 32
    assert network.image_stream[6].out_channels == 64
    assert network.merged_features.out_features == 256


def test_people_are_told_the_name_and_the_options_that_were_chosen():
    assert network_words(CompactConfig()) == "compact"
    assert network_words(CompactConfig(blocks=2, residual=True)) == "compact blocks=2 residual=True"


def test_what_ships_is_the_default_network():
    assert load_checkpoint("parallel_jaw").network.config == CompactConfig()


def test_a_training_that_goes_on_keeps_the_options_of_its_model():
    lenses = (500.0, 600.0)
    assert load_parent("parallel_jaw", CompactConfig(), "parallel_jaw", lenses).network().config == CompactConfig()
    with pytest.raises(InputError, match="has other options than the config's network"):
        load_parent("parallel_jaw", CompactConfig(residual=True), "parallel_jaw", lenses)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": 4}, r"crop.size is 64; with blocks = 4 and dilation = 1 it must be at least 76"),
        ({"dilation": 4}, r"with blocks = 1 and dilation = 4 it must be at least 76"),
        ({"blocks": 0}, "blocks is 0; it must be at least 1"),
        ({"width": 0.0}, "width is 0.0; it must be positive"),
        ({"channels": (16, 0, 48, 32)}, "four positive numbers"),
        ({"pose_correction": True, "crop": MetricCropConfig(fine_window=1.2)}, "needs crop.fine_window = 0"),
    ],
)
def test_sizes_that_leave_nothing_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        CompactConfig(**options)


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


def bars(count, crop):
    """Metric crops of a bar 0.5 w high, standing (class 1) or lying (class 0), all of them measured."""
    rng = np.random.default_rng(0)
    images = np.zeros((count, crop.channels, crop.size, crop.size), dtype=np.float32)
    images[:, 1::2] = 1.0
    target = np.arange(count) % 2
    for image, stands in zip(images, target, strict=True):
        start = int(rng.uniform(0.3, 0.5) * crop.size)
        bar = slice(start, start + crop.size // 5)
        image[0::2, :, bar] += 0.5 * stands
        image[0::2, bar, :] += 0.5 * (1 - stands)
    return torch.from_numpy(images), torch.from_numpy(target)
