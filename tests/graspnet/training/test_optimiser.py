"""Learning rates as the schedules are defined, and decay of weights only."""

import pytest
import torch

from graspnet.errors import InputError
from graspnet.training.optimiser import OptimiserConfig, make_optimiser


def test_the_cosine_rises_to_the_rate_and_falls_to_nothing():
    config = OptimiserConfig(rate=0.1, warmup=0.2)
    rates = [config.rate_at(step, steps_per_epoch=25, epochs=4) for step in range(100)]
    assert rates.index(max(rates)) == 20
    assert max(rates) == pytest.approx(0.1)
    assert rates[60] == pytest.approx(0.05)  # halfway down
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert 0 < rates[-1] < 1e-4


def test_the_staircase_of_dexnet_ends_where_the_published_one_does():
    """0.01 × 0.95^75 = 2.1e-4 after 50 epochs of a step every 0.66."""
    config = OptimiserConfig(name="sgd", rate=0.01, schedule="staircase", decay=0.95, decay_epochs=0.66)
    assert config.rate_at(0, 1000, 50) == 0.01
    assert config.rate_at(659, 1000, 50) == 0.01
    assert config.rate_at(661, 1000, 50) == pytest.approx(0.0095)
    assert config.rate_at(49_999, 1000, 50) == pytest.approx(0.01 * 0.95**75)


def test_biases_do_not_decay():
    """With a gradient of zero only the decay moves a value: SGD's step is rate × decay × value."""
    layer = torch.nn.Linear(3, 2)
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    optimiser = make_optimiser(layer, OptimiserConfig(name="sgd", rate=0.5, weight_decay=0.1))
    (0 * layer(torch.ones(1, 3))).sum().backward()
    optimiser.step()
    torch.testing.assert_close(layer.weight.detach(), weight * (1 - 0.05))
    assert torch.equal(layer.bias.detach(), bias)


@pytest.mark.parametrize("change", [{"rate": 0.0}, {"warmup": 1.0}, {"momentum": -0.1}, {"decay": 0.0}])
def test_a_value_out_of_its_range_is_refused(change):
    with pytest.raises(InputError, match=next(iter(change))):
        OptimiserConfig(**change)
