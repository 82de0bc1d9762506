"""Learning rates as the schedules are defined, and decay of weights only."""

import numpy as np
import pytest
import torch

from graspnet.errors import InputError
from graspnet.training.optimiser import Budget, OptimiserConfig, make_optimiser, move_average


def test_the_cosine_rises_to_the_rate_and_falls_to_nothing():
    config = OptimiserConfig(rate=0.1, warmup=0.2)
    rates = [config.rate_at(float(seen), Budget(examples=100, epoch=25, batch=1)) for seen in range(101)]
    assert rates.index(max(rates)) == 20
    assert max(rates) == pytest.approx(0.1)
    assert rates[10] == pytest.approx(0.05)  # halfway up
    assert rates[60] == pytest.approx(0.05)  # halfway down
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[-1] == 0.0


def test_the_staircase_of_dexnet_ends_where_the_published_one_does():
    """0.01 × 0.95^75 = 2.1e-4 after 50 epochs of a step every 0.66."""
    config = OptimiserConfig(name="sgd", rate=0.01, schedule="staircase", decay=0.95, decay_epochs=0.66)
    budget = Budget(examples=50_000, epoch=1000, batch=64)
    assert config.rate_at(0.0, budget) == 0.01
    assert config.rate_at(659.0, budget) == 0.01
    assert config.rate_at(661.0, budget) == pytest.approx(0.0095)
    assert config.rate_at(49_999.0, budget) == pytest.approx(0.01 * 0.95**75)


@pytest.mark.parametrize(("examples", "epoch", "batch"), [(100, 25, 10), (100, 25, 25), (37, 25, 10), (5, 25, 10)])
def test_the_steps_of_a_budget_are_those_of_a_plain_count(examples, epoch, batch):
    steps = seen = 0
    while seen < examples:
        seen += min(batch, epoch - seen % epoch)  # the last batch of an epoch is smaller
        steps += 1
    assert Budget(examples, epoch, batch).steps == steps


def test_the_moving_average_is_the_weighted_mean_of_all_steps_and_of_nothing_before_them():
    """Oracle: weights 2^(-n / half_life), n the examples since, over their sum. Batches are of several sizes."""
    network, average = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    values, counts, half_life = [3.0, -1.0, 4.0, 1.5], [8, 8, 2, 8], 10.0
    seen = 0
    for value, count in zip(values, counts, strict=True):
        torch.nn.init.constant_(network.weight, value)
        move_average(average, network, seen, count, half_life)
        seen += count
    after = np.array(counts)[::-1].cumsum()[::-1]  # examples from the step's first one to the end
    share = 2.0 ** (-(after - counts) / half_life) - 2.0 ** (-after / half_life)  # of each batch's examples
    assert average.weight.item() == pytest.approx(np.average(values, weights=share), rel=1e-6)


def test_biases_do_not_decay():
    """With a gradient of zero only the decay moves a value: SGD's step is rate × decay × value."""
    layer = torch.nn.Linear(3, 2)
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    optimiser = make_optimiser(layer, OptimiserConfig(name="sgd", rate=0.5, weight_decay=0.1))
    (0 * layer(torch.ones(1, 3))).sum().backward()
    optimiser.step()
    torch.testing.assert_close(layer.weight.detach(), weight * (1 - 0.05))
    assert torch.equal(layer.bias.detach(), bias)


@pytest.mark.parametrize(
    "change",
    [{"rate": 0.0}, {"warmup": 1.0}, {"momentum": -0.1}, {"decay": 0.0}, {"clip_norm": 0.0}, {"ema_half_life": -1.0}],
)
def test_a_value_out_of_its_range_is_refused(change):
    with pytest.raises(InputError, match=next(iter(change))):
        OptimiserConfig(**change)
