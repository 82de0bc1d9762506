"""Examples come as often as they are important, weights undo that, and gradients are those of autograd, one by one."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from graspnet.crops.metric import MetricCropConfig
from graspnet.errors import InputError
from graspnet.models.compact import CompactConfig, CompactNetwork
from graspnet.training.examples.importance import ImportanceConfig, draw, gradient_norms, stand_ins

SMALL = CompactConfig(crop=MetricCropConfig(size=28), channels=(2, 3, 4, 2), image_features=4, merged_features=4)


def test_an_example_is_drawn_in_proportion_to_its_importance():
    """Binomial counts: within 5 deviations of N p each."""
    importance = np.repeat([1.0, 2.0, 4.0], 10_000)
    drawn = draw(importance, ImportanceConfig(drop=0.0, bring_back=0.0), np.random.default_rng(0))
    share = importance / importance.sum()
    counts = np.bincount(drawn.examples // 10_000, minlength=3)
    expected = 30_000 * share.reshape(3, -1).sum(1)
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()
    assert (drawn.weights == 1).all()


def test_the_lowest_tenth_is_dropped_and_a_hundredth_of_all_comes_back_out_of_it():
    importance = np.random.default_rng(1).permutation(np.arange(1.0, 1001.0))
    drawn = draw(importance, ImportanceConfig(), np.random.default_rng(0))
    assert len(drawn.examples) == 1000
    lowest = drawn.examples[importance[drawn.examples] <= 100]
    assert len(lowest) == len(set(lowest)) == 10


def test_weights_undo_the_choice():
    """The weighted mean of any values estimates their plain mean: here within 5 of its standard errors."""
    rng = np.random.default_rng(2)
    importance, values = rng.exponential(size=20_000), rng.normal(1.0, 1.0, 20_000)
    drawn = draw(importance, ImportanceConfig(unbiased=True), rng)
    terms = drawn.weights * values[drawn.examples]
    assert abs(terms.mean() - values.mean()) < 5 * terms.std() / np.sqrt(20_000)
    assert drawn.weights.max() <= 10


def test_where_nothing_is_important_all_are_alike():
    drawn = draw(np.zeros(1000), ImportanceConfig(drop=0.0, bring_back=0.0), np.random.default_rng(0))
    assert 590 < len(set(drawn.examples)) < 670  # 1 − 1/e of 1,000 are drawn at least once


def test_the_stand_ins_are_the_closed_forms():
    logits, target = torch.tensor([[0.0, 0.0], [0.0, float(np.log(3))]]), torch.tensor([0.5, 1.0])
    found = stand_ins(logits, target)
    np.testing.assert_allclose(found["loss"], [np.log(2), np.log(4 / 3)], rtol=1e-6)
    np.testing.assert_allclose(found["excess"], [0.0, np.log(4 / 3)], atol=1e-6)
    np.testing.assert_allclose(found["error"], [0.0, np.sqrt(2) / 4], rtol=1e-6)


def test_norms_are_those_of_gradients_taken_one_by_one():
    rng = torch.Generator().manual_seed(0)
    network = CompactNetwork(SMALL, rng)
    images, pose = torch.rand(5, 2, 28, 28, generator=rng), torch.rand(5, 11, generator=rng)
    target = torch.rand(5, generator=rng)
    norms = gradient_norms(network, images, pose, target)
    for k in range(5):
        logits = network(images[k : k + 1], pose[k : k + 1])
        loss = functional.cross_entropy(logits, torch.stack([1 - target[k], target[k]])[None])
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        expected = torch.cat([gradient.flatten() for gradient in gradients]).norm()
        torch.testing.assert_close(norms[k], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"transient_epochs": 0}, "transient_epochs is 0"),
        ({"drop": 0.1, "bring_back": 0.2}, "expected 0 <= bring_back <= drop < 1"),
        ({"uniform_share": 0.0}, "uniform_share is 0"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        ImportanceConfig(**settings)


def test_an_exploded_loss_is_no_importance():
    with pytest.raises(InputError, match="has the loss exploded"):
        draw(np.array([1.0, np.nan]), ImportanceConfig(), np.random.default_rng(0))
