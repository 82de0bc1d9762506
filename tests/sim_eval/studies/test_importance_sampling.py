"""Every arm sees the same budget, the tables say what the runs did, and a run that is there is not made again."""

import numpy as np
import pytest
import torch

from graspnet.sim_eval.studies.importance_sampling import ARMS, Pool, StudyConfig, run_arm, summary

TINY = StudyConfig(training=96, epochs=2, looks=2, batch=32, side=28, probed=40, exact=8)


def noise(count: int, seed: int) -> Pool:
    """Crops whose mean brightness is their target."""
    rng = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 2, 28, 28, generator=rng) * torch.rand(count, 1, 1, 1, generator=rng)
    target = (images[:, 0].mean((1, 2)) * 2).clamp(max=1)
    return Pool(
        images, torch.rand(count, 11, generator=rng), target, (target > 0.5).numpy(), np.ones(count, dtype=bool)
    )


@pytest.fixture(scope="module")
def results():
    training, unseen = noise(96, 0), noise(64, 1)
    return {arm: [run_arm(config, training, unseen, TINY, seed) for seed in (0, 1)] for arm, config in ARMS.items()}


def test_every_arm_has_the_same_budget_and_the_same_first_epoch(results):
    for runs in results.values():
        for run, uniform in zip(runs, results["uniform"], strict=True):
            assert [look["examples"] for look in run["looks"]] == [64, 96, 160, 192]
            for first, other in zip(run["looks"][:2], uniform["looks"][:2], strict=True):
                assert first["average_precision"] == other["average_precision"]
    assert results["loss"][0]["looks"][-1]["brier"] != results["uniform"][0]["looks"][-1]["brier"]


def test_the_tables_have_a_row_for_each_arm_and_for_each_comparison(results):
    lines = summary(results)
    assert [line.split(" | ")[0] for line in lines[2 : 2 + len(ARMS)]] == [f"| {arm}" for arm in ARMS]
    assert "0.000 [0.000, 0.000]" in lines[2]  # uniform − uniform
    names = [line.split(" | ")[0] for line in lines[-12:]]
    assert names[:3] == ["| loss, norm", "| excess, norm", "| error, norm"]
    assert "| loss, epoch before" in names


def test_examples_until_uniforms_precision_are_interpolated_between_means_of_three_looks():
    """Uniform ends at the mean of 0.1, 0.3 and 0.5, 0.3. The fast one has 0.2, then 0.35: 0.3 comes after 5/3 looks."""

    def run(*precisions):
        looks = [
            {"examples": 100 * (k + 1), "seconds": 1.0 * (k + 1), "average_precision": p} | dict.fromkeys(ENDS, 0.0)
            for k, p in enumerate(precisions)
        ]
        return {"looks": looks, "known": [{"loss, norm": 0.5}]}

    lines = summary({"uniform": [run(0.1, 0.3, 0.5)], "fast": [run(0.2, 0.5, 0.5)], "never": [run(0.1, 0.3, 0.4)]})
    cells = {row[1].strip(): row[4].strip() for row in (line.split("|") for line in lines[2:5])}
    assert cells == {"uniform": "1.00", "fast": "0.56", "never": "> 1"}


ENDS = ("calibration_error", "calibration_error_fitted", "surplus")
