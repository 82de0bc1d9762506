"""Facts about the mixture; scikit-learn's GaussianMixture and SciPy's normal densities are the oracles."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn import mixture as sklearn_mixture

from graspnet.policies.cross_entropy.gaussian_mixture import fit_mixture

FLOOR = np.full(3, 0.05)


def three_clouds(rng, count=240):
    centers = np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 1.0], [0.0, 3.0, -1.0]])
    spread = np.array([[0.3, 0.1, 0.2], [0.1, 0.4, 0.1], [0.2, 0.2, 0.2]])
    which = np.arange(count) % 3
    return centers[which] + spread[which] * rng.standard_normal((count, 3)), centers


def as_sklearn(mixture, iterations):
    return sklearn_mixture.GaussianMixture(
        n_components=len(mixture.weights), weights_init=mixture.weights, means_init=mixture.means,
        precisions_init=np.linalg.inv(mixture.covariances), reg_covar=FLOOR[0] ** 2, max_iter=iterations, tol=0.0,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learn_does_not_move_a_mixture_that_has_converged():
    features, _ = three_clouds(np.random.default_rng(0))
    mixture = fit_mixture(features, 3, FLOOR, np.random.default_rng(1), iterations=300)
    theirs = as_sklearn(mixture, iterations=20).fit(features)
    np.testing.assert_allclose(theirs.means_, mixture.means, atol=1e-6)
    np.testing.assert_allclose(theirs.weights_, mixture.weights, atol=1e-6)
    np.testing.assert_allclose(theirs.covariances_, mixture.covariances, atol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_one_step_is_scikit_learns_step():
    features, _ = three_clouds(np.random.default_rng(2))
    before = fit_mixture(features, 5, FLOOR, np.random.default_rng(3), iterations=2)
    after = fit_mixture(features, 5, FLOOR, np.random.default_rng(3), iterations=3)
    theirs = as_sklearn(before, iterations=1).fit(features)
    np.testing.assert_allclose(theirs.means_, after.means, atol=1e-9)
    np.testing.assert_allclose(theirs.covariances_, after.covariances, atol=1e-9)


def test_densities_are_those_of_scipy():
    features, _ = three_clouds(np.random.default_rng(4))
    mixture = fit_mixture(features, 4, FLOOR, np.random.default_rng(5))
    expected = [
        np.log(w) + multivariate_normal(m, c).logpdf(features)
        for w, m, c in zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
    ]
    np.testing.assert_allclose(mixture.log_densities(features), np.stack(expected, axis=1), atol=1e-9)


def test_separate_clouds_are_found():
    features, centers = three_clouds(np.random.default_rng(6))
    mixture = fit_mixture(features, 3, FLOOR, np.random.default_rng(7))
    distances = np.linalg.norm(mixture.means[:, None] - centers[None], axis=2)
    assert sorted(np.argmin(distances, axis=1)) == [0, 1, 2]
    assert distances.min(axis=1).max() < 0.15  # the mean of 80 points with σ 0.4


def test_more_steps_never_lower_the_likelihood():
    features, _ = three_clouds(np.random.default_rng(8))
    floor = np.full(3, 1e-4)  # the floor itself is not part of the likelihood
    values = [
        logsumexp(fit_mixture(features, 4, floor, np.random.default_rng(9), k).log_densities(features), axis=1).sum()
        for k in range(12)
    ]
    assert np.all(np.diff(values) > -1e-3)


def test_samples_have_the_moments_of_the_mixture():
    features, _ = three_clouds(np.random.default_rng(10))
    mixture = fit_mixture(features, 3, FLOOR, np.random.default_rng(11))
    drawn = mixture.sample(100_000, np.random.default_rng(12))
    mean = mixture.weights @ mixture.means
    second = np.einsum("k,kij->ij", mixture.weights, mixture.covariances)
    second += np.einsum("k,ki,kj->ij", mixture.weights, mixture.means - mean, mixture.means - mean)
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.02)  # σ up to 1.5 over √100 000
    np.testing.assert_allclose(np.cov(drawn.T), second, atol=0.05)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_few_equal_points_make_a_mixture_of_the_floors_size(count):
    mixture = fit_mixture(np.ones((count, 3)), 4, FLOOR, np.random.default_rng(0))
    np.testing.assert_allclose(mixture.covariances, np.diag(FLOOR**2)[None], atol=1e-12)
    np.testing.assert_allclose(mixture.weights.sum(), 1.0)
