"""Facts about central grasps, on boxes of known pose."""

import numpy as np
import pytest

from graspnet.policies.constraints import ConstraintConfig, Constraints, FeasibleSampler
from graspnet.policies.grasp_space import GraspSpace
from graspnet.policies.samplers.antipodal import AntipodalSampler, AntipodalSamplerConfig
from graspnet.policies.samplers.central import CentralSampler

CONFIG = AntipodalSamplerConfig()
BAR = ((0.12, 0.03, 0.04), (0.02, -0.03), 0.5)
ACROSS = np.array([-np.sin(0.5), np.cos(0.5), 0.0])


def central(observation) -> CentralSampler:
    return CentralSampler.of(AntipodalSampler.of(GraspSpace.of(observation), CONFIG))


@pytest.mark.parametrize("tilt", [0.0, 0.45])
@pytest.mark.parametrize("masked", [True, False])
def test_grasps_on_a_bar_close_across_its_middle(box_scene, in_world, tilt, masked):
    grasps = central(box_scene(BAR, tilt=tilt, masked=masked)).sample(400, np.random.default_rng(0))
    origin, closing = in_world(grasps, tilt=tilt)
    # one half has the narrow direction and up to 30° about it; of the other, only what fits into 50 mm across 30 mm
    assert np.median(np.abs(closing @ ACROSS)) > np.cos(np.deg2rad(15))
    assert np.quantile(np.abs((origin - [0.02, -0.03, 0.0]) @ ACROSS), 0.9) < 0.006
    along = (origin - [0.02, -0.03, 0.0]) @ [np.cos(0.5), np.sin(0.5), 0.0]
    assert abs(np.mean(along)) < 0.006
    assert 0.01 < np.std(along) < 0.03  # half of the bar's deviation, 0.12 / √12


def test_every_thing_has_as_many(box_scene, in_world):
    scene = box_scene(((0.03, 0.03, 0.03), (-0.1, 0.0), 0.0), ((0.04, 0.06, 0.03), (0.1, 0.02), 0.3))
    grasps = central(scene).sample(400, np.random.default_rng(0))
    origin, _ = in_world(grasps)
    assert 0.35 < np.mean(origin[:, 0] < 0.0) < 0.75  # of the second one, only what fits
    assert np.abs(origin[origin[:, 0] < 0] - [-0.1, 0.0, 0.0])[:, :2].max() < 0.02


def test_what_is_wider_than_the_hand_has_none_but_across_a_corner(box_scene, in_world):
    grasps = central(box_scene(((0.12, 0.12, 0.04), (0.0, 0.0), 0.0))).sample(400, np.random.default_rng(0))
    origin, _ = in_world(grasps)
    assert len(grasps) < 20
    assert (np.abs(origin[:, :2]).sum(axis=1) > 0.06).all()


def test_axes_are_those_of_the_covariance(box_scene):
    sampler = central(box_scene(BAR, ((0.02, 0.05, 0.03), (-0.1, 0.03), 0.2)))
    height_map, things = sampler.relief.height_map, sampler.things
    assert len(things.narrow) == 2
    for k in range(2):
        row, column = np.nonzero(things.number == k + 1)
        xy = height_map.places(np.stack([column, row], axis=1).astype(np.float64))
        variances, axes = np.linalg.eigh(np.cov(xy.T, bias=True))
        direction = np.array([np.cos(things.narrow[k]), np.sin(things.narrow[k])])
        np.testing.assert_allclose(things.center[k], xy.mean(axis=0), atol=1e-12)
        np.testing.assert_allclose(np.abs(direction @ axes), [1.0, 0.0], atol=1e-6)
        np.testing.assert_allclose(things.deviation[k], np.sqrt(variances[1]), rtol=1e-9)


def test_a_share_of_feasible_grasps_is_central(box_scene):
    scene = box_scene(BAR)
    few, many = (
        FeasibleSampler.within(Constraints(GraspSpace.of(scene), ConstraintConfig()), CONFIG, share).sample(
            200, np.random.default_rng(0)
        )
        for share in (0.0, 1.0)
    )
    middle = central(scene).things.center[0]
    space = GraspSpace.of(scene)
    far = [np.linalg.norm(space.coordinates(grasps)[:, :2] - middle, axis=1).mean() for grasps in (few, many)]
    assert len(few) == len(many) == 200
    assert far[1] < far[0]
