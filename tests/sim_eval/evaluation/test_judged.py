"""Figures of predictions are those of training's metrics, and groups that are worse are found: those and no others."""

import numpy as np
import pytest

from graspnet.sim_eval.evaluation.groups import judge_groups
from graspnet.training.metrics import evaluate

from .made_up import judged


def test_figures_are_those_that_training_prints():
    rng = np.random.default_rng(0)
    robustness = rng.random(400)
    quality = np.clip(robustness + rng.normal(0, 0.2, 400), 0.01, 0.99)
    closes = rng.random(400) < 0.7
    examples = judged(quality, robustness, closes=closes)
    found = examples.figures()
    expected = evaluate(examples.quality, robustness, robustness > 0.5, closes)
    assert found.average_precision.value == pytest.approx(expected.average_precision)
    assert found.free_average_precision.value == pytest.approx(expected.feasible_average_precision)
    assert found.roc_auc.value == pytest.approx(expected.roc_auc)
    assert found.brier.value == pytest.approx(expected.brier)
    assert found.calibration_error.value == pytest.approx(expected.calibration_error)
    assert (found.images, found.objects) == (80, 20)
    assert found.brier.low < found.brier.value < found.brier.high


def test_a_family_of_which_the_network_knows_nothing_is_named_and_no_other():
    rng = np.random.default_rng(1)
    robustness = rng.random(2000)
    family = np.array([("mug", "rod", "plate", "cone")[k * 40 // 2000 % 4] for k in range(2000)])
    known = np.clip(robustness + rng.normal(0, 0.15, 2000), 0, 1)
    quality = np.where(family == "plate", rng.random(2000), known)
    groups = judge_groups(judged(quality, robustness, objects=40, family=family))
    assert [group.name for group in groups if group.key == "family" and group.ranks_worse] == ["plate"]


def test_a_hand_for_which_qualities_are_too_high_is_named():
    rng = np.random.default_rng(2)
    robustness = 0.8 * rng.random(1500)
    hand = np.array(["yumi" if k * 30 // 1500 % 2 else "wide" for k in range(1500)])
    groups = judge_groups(judged(robustness + 0.15 * (hand == "wide"), robustness, objects=30, hand=hand))
    assert [group.name for group in groups if group.promises_more] == ["wide"]


def test_equal_groups_are_hardly_ever_called_worse():
    """Four groups without a difference, 8 times: at 5 % each, more than 2 calls have a chance of 0.6 %."""
    called = 0
    for seed in range(8):
        rng = np.random.default_rng([3, seed])
        robustness = rng.random(800)
        family = np.array([f"kind {k * 40 // 800 % 4}" for k in range(800)])
        quality = np.clip(robustness + rng.normal(0, 0.2, 800), 0, 1)
        groups = judge_groups(judged(quality, robustness, objects=40, family=family))
        called += any(group.ranks_worse or group.promises_more for group in groups)
    assert called <= 2


def test_a_group_of_two_objects_is_not_tested():
    rng = np.random.default_rng(4)
    robustness = rng.random(1000)
    source = np.array(["rare" if k < 100 else "common" for k in range(1000)])
    groups = judge_groups(judged(rng.random(1000), robustness, objects=20, source=source))
    rare = next(group for group in groups if group.name == "rare")
    assert rare.objects == 2
    assert np.isnan(rare.auc_difference.p_value)
    assert not rare.ranks_worse


def test_families_of_one_object_are_one_group():
    """Meshes of a folder without subfolders: each is its own family."""
    rng = np.random.default_rng(5)
    family = np.array([f"{k * 20 // 400}.obj" if k < 200 else "mug" for k in range(400)])
    groups = judge_groups(judged(rng.random(400), rng.random(400), objects=20, family=family))
    of_families = {group.name: group.objects for group in groups if group.key == "family"}
    assert of_families == {"families of fewer than 3 objects": 10, "mug": 10}
