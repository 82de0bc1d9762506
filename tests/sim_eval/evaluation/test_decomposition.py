"""Parts of the error that is made up of known parts."""

from dataclasses import replace

import numpy as np
import pytest

from graspnet.sim_eval.evaluation.decomposition import decompose, mismatch, noise_term

from .made_up import judged


def noisy(robustness: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    return robustness + np.random.default_rng(seed).normal(0, sigma, len(robustness))


def test_the_parts_add_up_to_the_brier_score_and_have_their_size():
    """Errors of σ 0.1 on new and 0.08 on trained objects; labels are known to 0.02, and vary by 0.05 in one image."""
    robustness = np.random.default_rng(0).uniform(0.4, 0.6, 20_000)
    sampling = np.full(20_000, 0.02**2)
    test = judged(noisy(robustness, 0.1, 1), robustness, objects=200, label_variance=sampling)
    train = judged(noisy(robustness, 0.08, 2), robustness, objects=200)
    differences = noisy(np.zeros(20_000), np.sqrt(2) * 0.05, 3)  # of two labels that the image allows
    terms = {term.name: term.size.value for term in decompose(test, train, None, test, differences)}
    assert sum(terms.values()) == pytest.approx(test.error.mean())
    assert terms["label"] == pytest.approx(0.02**2)
    assert terms["hidden"] == pytest.approx(0.05**2 - 0.02**2, abs=1e-4)
    assert terms["bias"] == pytest.approx(0.08**2 - 0.05**2, abs=3e-4)
    assert terms["variance"] == pytest.approx(0.1**2 - 0.08**2, abs=3e-4)


def test_other_images_of_trained_objects_divide_the_variance():
    robustness = np.random.default_rng(0).uniform(0.4, 0.6, 20_000)
    parts = [judged(noisy(robustness, sigma, k), robustness, objects=200) for k, sigma in enumerate((0.12, 0.08, 0.1))]
    terms = {term.name: term for term in decompose(*parts, parts[0], None)}
    assert terms["variance over images"].size.value == pytest.approx(0.1**2 - 0.08**2, abs=3e-4)
    assert terms["variance"].size.value == pytest.approx(0.12**2 - 0.1**2, abs=3e-4)
    assert "hidden" not in terms


def test_without_trained_objects_bias_and_variance_are_one_part():
    robustness = np.random.default_rng(0).uniform(0.4, 0.6, 2000)
    test = judged(noisy(robustness, 0.1, 1), robustness)
    assert [term.name for term in decompose(test, None, None, test, None)] == ["label", "bias and variance"]


def test_the_noise_is_the_variance_over_draws():
    robustness = np.full(20_000, 0.5)
    draws = [judged(noisy(robustness, 0.05, seed), robustness, objects=100) for seed in range(4)]
    term = noise_term(draws)
    assert term.size.value == pytest.approx(0.05**2, rel=0.03)
    assert term.certain


def test_the_same_examples_elsewhere_are_compared_one_by_one():
    """Each example is a little worse: a difference that paired examples show, and others never would."""
    rng = np.random.default_rng(5)
    robustness = rng.uniform(0.3, 0.7, 2000)
    error = 0.2 * np.repeat(rng.random(20), 100)  # objects differ a lot
    here = judged(robustness + error, robustness)
    there = judged(robustness + error + 0.005, robustness)
    assert mismatch("sensor", there, here).certain
    elsewhere = replace(there, of=replace(there.of, scene=there.of.scene[::-1].copy()))
    assert not mismatch("dataset", elsewhere, here).certain
    assert "as good there" in mismatch("sensor", here, here).advice
