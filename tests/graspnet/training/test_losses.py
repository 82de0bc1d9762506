"""The losses against closed forms, plain loops over pairs and images, and numerical gradients."""

import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from graspnet.errors import InputError
from graspnet.training.losses import LossConfig, factored, listwise_ranking, pairwise_ranking, pointwise, training_loss
from graspnet.training.trainer import train
from tests.graspnet.training.test_trainer import QUICK

IMAGE = torch.tensor([4, 9, 4, 4, 9, 2, 4])  # four grasps, two, and one alone


def drawn(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Log odds and targets of seven grasps; one target is 0 and one is 1, and two of an image are alike."""
    rng = torch.Generator().manual_seed(seed)
    log_odds, target = 3 * torch.randn(7, generator=rng), torch.rand(7, generator=rng)
    target[0], target[2], target[6] = 0.0, 1.0, target[3]
    return log_odds, target


def as_logits(log_odds: torch.Tensor) -> torch.Tensor:
    """Logits with these differences, and levels that no loss may depend on."""
    level = torch.linspace(-1, 1, len(log_odds))
    return torch.stack([level, level + log_odds], dim=1)


def test_the_pointwise_loss_is_cross_entropy_with_smoothed_targets_and_focal_weights():
    log_odds, target = drawn()
    for smoothing, focus in ((0.0, 0.0), (0.2, 0.0), (0.0, 2.0), (0.1, 1.5)):
        expected = []
        for z, t in zip(log_odds.tolist(), target.tolist(), strict=True):
            p, smoothed = 1 / (1 + math.exp(-z)), t * (1 - smoothing) + smoothing / 2
            entropy = -smoothed * math.log(p) - (1 - smoothed) * math.log(1 - p)
            expected.append(abs(smoothed - p) ** focus * entropy)
        found = pointwise(as_logits(log_odds), target, LossConfig(smoothing=smoothing, focus=focus))
        assert float(found) == pytest.approx(np.mean(expected), rel=1e-4)


def test_the_focal_loss_of_a_certain_label_is_that_of_its_paper():
    log_odds = torch.tensor([-1.5, 0.3, 2.0])
    found = pointwise(as_logits(log_odds), torch.ones(3), LossConfig(focus=2.0))
    p = torch.sigmoid(log_odds)
    torch.testing.assert_close(found, (-((1 - p) ** 2) * p.log()).mean())


def test_the_pairwise_loss_is_a_loop_over_the_pairs_of_each_image():
    log_odds, target = drawn()
    total = weights = 0.0
    for i, j in permutations(range(7), 2):
        if IMAGE[i] == IMAGE[j] and target[i] > target[j]:
            weight = float(target[i] - target[j])
            total += weight * math.log(1 + math.exp(float(log_odds[j] - log_odds[i])))
            weights += weight
    assert float(pairwise_ranking(log_odds, target, IMAGE)) == pytest.approx(total / weights, rel=1e-5)


def test_the_listwise_loss_is_a_loop_over_the_images():
    log_odds, target = drawn()
    expected = []
    for rows in ([0, 2, 3, 6], [1, 4]):
        share = torch.softmax(log_odds[rows], dim=0)
        expected.append(float(-(target[rows] / target[rows].sum() * share.log()).sum()))
    assert float(listwise_ranking(log_odds, target, IMAGE)) == pytest.approx(np.mean(expected), rel=1e-5)


def test_the_loss_of_factors_is_cross_entropy_of_those_that_are_known():
    log_odds = torch.tensor([[0.5, -1.0], [2.0, 0.0]])
    factors = torch.tensor([[0.3, -1.0], [1.0, 0.5]])
    expected = [
        -t * math.log(p) - (1 - t) * math.log(1 - p)
        for t, p in ((0.3, 1 / (1 + math.exp(-0.5))), (1.0, 1 / (1 + math.exp(-2.0))), (0.5, 0.5))
    ]
    assert float(factored(log_odds, factors)) == pytest.approx(np.mean(expected), rel=1e-6)
    assert float(factored(log_odds, -torch.ones(2, 2))) == 0.0


@pytest.mark.parametrize("ranking", [pairwise_ranking, listwise_ranking])
def test_a_ranking_loss_says_nothing_where_an_image_has_one_grasp_or_no_good_one(ranking):
    log_odds = torch.tensor([0.3, -2.0, 5.0], requires_grad=True)
    alone = ranking(log_odds, torch.tensor([0.1, 0.9, 0.5]), torch.arange(3))
    bad = ranking(log_odds, torch.zeros(3), torch.zeros(3, dtype=torch.int64))
    (alone + bad).backward()
    assert float(alone.detach()) == float(bad.detach()) == 0.0
    assert torch.equal(log_odds.grad, torch.zeros(3))


@pytest.mark.parametrize("ranking", [pairwise_ranking, listwise_ranking])
def test_a_ranking_loss_falls_to_its_least_as_the_best_grasp_comes_first(ranking):
    target, image = torch.tensor([0.0, 1.0, 0.0]), torch.zeros(3, dtype=torch.int64)
    losses = [float(ranking(torch.tensor([0.0, z, 0.0]), target, image)) for z in (-2.0, 0.0, 2.0, 20.0)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    "config",
    [LossConfig(), LossConfig(smoothing=0.1, focus=2.0), *(LossConfig(ranking=r) for r in ("pairwise", "listwise"))],
)
def test_gradients_are_those_of_finite_differences(config):
    log_odds, target = drawn(1)
    logits = as_logits(log_odds).requires_grad_()
    training_loss(logits, target, IMAGE, config).backward()
    step = 1e-2  # float32: an error of 1e-7 over 2e-2, and a curvature of 1e-4
    for row, column in ((0, 1), (3, 0), (5, 1)):
        moved = torch.zeros(7, 2)
        moved[row, column] = step
        with torch.no_grad():
            above, below = (training_loss(logits + s * moved, target, IMAGE, config) for s in (1, -1))
        assert float(logits.grad[row, column]) == pytest.approx(float(above - below) / (2 * step), abs=2e-4)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"factor_weight": -1.0}, "factor_weight is -1.0; it must not be negative"),
        ({"smoothing": 1.0}, r"smoothing is 1.0; it must lie in \[0, 1\)"),
        ({"focus": 0.5}, "focus is 0.5; it must be 0 .none. or at least 1"),
        ({"ranking_weight": 0.0}, "ranking_weight is 0.0; it must be positive: ranking=none for none"),
    ],
)
def test_a_loss_that_means_nothing_is_refused(setting, message):
    with pytest.raises(InputError, match=message):
        LossConfig(**setting)


def test_a_network_trains_on_a_ranking_and_still_tells_across_from_along(bars, tmp_path):
    config = replace(QUICK, loss=LossConfig(ranking="listwise"))
    assert train(config, bars, tmp_path).evaluation.roc_auc > 0.9
