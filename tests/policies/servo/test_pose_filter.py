"""The filter is Bayesian least squares where nothing changes by itself, and follows what does."""

import numpy as np
import pytest

from graspnet.policies.servo.pose_filter import FilterConfig, PoseFilter
from graspnet.policies.servo.registration import PlanarMotion

STEADY = FilterConfig(acceleration=0.0, creep=0.0)


def test_without_noise_of_its_own_it_is_the_least_squares_line_through_prior_and_measurements():
    """Oracle: the normal equations of all measurements at once, with the prior as further rows."""
    rng = np.random.default_rng(0)
    times = np.arange(1, 9) * 0.1
    measured = rng.normal(0, 0.002, (8, 3)) + np.outer(times, [0.03, -0.02, 0.0])
    followed = PoseFilter.begun(0.0, STEADY)
    for time, row in zip(times, measured, strict=True):
        followed, _ = followed.seen(PlanarMotion(*row.tolist()), float(time))
    for axis in (0, 1):
        design = np.concatenate([np.eye(2), np.column_stack([np.ones(8), times])])
        weight = 1 / np.array([STEADY.position, STEADY.first_speed, *[STEADY.position] * 8])
        values = np.array([0.0, 0.0, *measured[:, axis]])
        place, speed = np.linalg.lstsq(design * weight[:, None], values * weight, rcond=None)[0]
        assert followed.speed[axis] == pytest.approx(speed, rel=1e-9)
        at = followed.at(0.8)
        assert (at.x, at.y)[axis] == pytest.approx(place + 0.8 * speed, rel=1e-9)


def test_it_comes_to_the_speed_of_a_belt_and_looks_ahead():
    followed = PoseFilter.begun(0.0, FilterConfig())
    for k in range(1, 16):
        followed, _ = followed.seen(PlanarMotion(0.005 * k, 0.0, 0.0), 0.1 * k)
    np.testing.assert_allclose(followed.speed, [0.05, 0.0], atol=0.003)
    assert followed.at(1.7).x == pytest.approx(0.085, abs=0.002)


def test_a_push_is_a_surprise_and_a_turn_past_half_a_circle_is_none():
    followed = PoseFilter.begun(0.0, FilterConfig())
    for k in range(1, 20):
        followed, _ = followed.seen(PlanarMotion(0.0, 0.0, np.pi - 0.01), 0.1 * k)
    begun = PoseFilter.begun(0.0, FilterConfig())
    _, pushed = begun.seen(PlanarMotion(0.03, 0.0, 0.0), 0.1)
    _, still = begun.seen(PlanarMotion(0.001, 0.0, 0.01), 0.1)
    assert pushed > 16 > 3 > still
    _, wrapped = followed.seen(PlanarMotion(0.0, 0.0, -np.pi + 0.01), 2.0)
    assert wrapped < 3


def test_a_push_moves_the_place_and_leaves_the_speed():
    followed = PoseFilter.begun(0.0, FilterConfig())
    for k in range(1, 16):
        followed, _ = followed.seen(PlanarMotion(0.005 * k, 0.0, 0.0), 0.1 * k)
    pushed = followed.pushed(PlanarMotion(0.2, 0.1, 1.0), 1.6)
    np.testing.assert_allclose(pushed.speed, followed.speed)
    assert (pushed.at(1.6).x, pushed.at(1.6).y, pushed.at(1.6).yaw) == (0.2, 0.1, 1.0)
    again, surprise = pushed.seen(PlanarMotion(0.205, 0.1, 1.0), 1.7)
    assert surprise < 3
    assert again.at(1.7).x == pytest.approx(0.205, abs=1e-3)


def test_its_covariance_stays_symmetric_and_positive():
    followed, rng = PoseFilter.begun(0.0, FilterConfig()), np.random.default_rng(0)
    for k in range(1, 60):
        followed, _ = followed.seen(PlanarMotion(*rng.normal(0, 0.01, 3).tolist()), 0.05 * k)
        np.testing.assert_allclose(followed.covariance, followed.covariance.T, atol=1e-15)
        assert np.linalg.eigvalsh(followed.covariance).min() > 0
