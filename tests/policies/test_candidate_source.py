"""What policies propose for a dataset: free grasps of the object, and those that a network takes for best."""

import numpy as np
import pytest

from graspnet.errors import InputError
from graspnet.models.checkpoint import load_checkpoint
from graspnet.policies.candidate_source import HardNegatives, OnPolicy, PolicySampler, PrincipalAxisGrasps
from graspnet.policies.constraints import ConstraintConfig, FeasibleSampler
from graspnet.policies.samplers.antipodal import AntipodalSamplerConfig
from graspnet.quality import NetworkQuality
from tests.feasibility import feasible

BLOCK = ((0.10, 0.03, 0.04), (0.0, 0.0), 0.5)
IDEAL = {"sensor": "ideal"}


def test_the_sampler_proposes_free_grasps_of_the_object(box_scene):
    scene = box_scene(BLOCK, known_pose=True)
    grasps = PolicySampler(IDEAL)(scene, 40, np.random.default_rng(0))
    assert len(grasps) == 40
    assert feasible(scene, grasps).all()


def test_a_part_of_the_image_around_the_object_allows_the_same_grasps(box_scene):
    scene = box_scene(BLOCK, known_pose=True)
    grasps = PolicySampler(IDEAL)(scene, 300, np.random.default_rng(0))
    whole = FeasibleSampler.of(scene, AntipodalSamplerConfig(), ConstraintConfig()).sample(
        300, np.random.default_rng(1)
    )
    for a, b in ((grasps, whole), (whole, grasps)):  # the same places, heights and directions, within the sampling
        near = np.linalg.norm(a.origin[:, None] - b.origin, axis=2) < 0.006
        assert (near & (np.abs(np.einsum("ik,jk->ij", a.closing, b.closing)) > 0.9)).any(axis=1).mean() > 0.95


def test_the_sampler_looks_at_the_image_through_a_sensor(box_scene):
    scene = box_scene(BLOCK, known_pose=True)
    clean, noisy = (
        PolicySampler({"sensor": s})(scene, 40, np.random.default_rng(0)) for s in ("ideal", "structured_light")
    )
    assert not np.array_equal(clean.poses[:10], noisy.poses[:10])
    again = PolicySampler({"sensor": "structured_light"})(scene, 40, np.random.default_rng(0))
    np.testing.assert_array_equal(noisy.poses, again.poses)


def test_on_policy_grasps_are_those_of_which_the_network_thinks_highly(box_scene):
    scene = box_scene(BLOCK, known_pose=True)
    quality = NetworkQuality(load_checkpoint("parallel_jaw"))
    drawn = PolicySampler(IDEAL)(scene, 100, np.random.default_rng(0))
    picked = OnPolicy(IDEAL | {"model": "parallel_jaw"})(scene, 12, np.random.default_rng(0))
    assert len(picked) == 12
    assert quality(scene, picked).min() > np.median(quality(scene, drawn))


def test_mined_grasps_are_the_networks_best_of_many_and_more_than_asked_for(box_scene):
    scene = box_scene(BLOCK, known_pose=True)
    source = HardNegatives(IDEAL | {"model": "parallel_jaw"})
    grasps, quality = source.mine(scene, 6, np.random.default_rng(0))
    assert len(grasps) == 24
    assert np.all(np.diff(quality) <= 0)
    network = NetworkQuality(load_checkpoint("parallel_jaw"))
    np.testing.assert_allclose(network(scene, grasps), quality, atol=0.02)  # on a part of the image, not on all of it


def test_principal_axis_grasps_close_across_the_narrow_side_of_a_block_and_near_by(box_scene):
    scene = box_scene(BLOCK, known_pose=True)
    grasps = PrincipalAxisGrasps(IDEAL)(scene, 200, np.random.default_rng(0))
    assert len(grasps) == 200
    own = np.abs(grasps.closing[0])
    turned = np.arccos(np.clip(np.abs(grasps.closing @ grasps.closing[0]), 0, 1))
    assert own.max() < 1.0  # the block is turned by 0.5 rad
    assert np.std(turned[1:]) > 0.02
    assert np.rad2deg(np.sqrt(np.mean(turned[1:] ** 2))) == pytest.approx(6, rel=0.2)
    away = np.linalg.norm(grasps.origin[1:] - grasps.origin[0], axis=1)
    assert 0.5 * 0.06 * scene.gripper.span < np.median(away) < 2.5 * 0.06 * scene.gripper.span


def test_nothing_to_take_is_no_grasps(box_scene):
    sheet = box_scene(((0.05, 0.05, 0.0005), (0.0, 0.0), 0.0), known_pose=True)
    assert len(PolicySampler(IDEAL)(sheet, 10, np.random.default_rng(0))) == 0
    for source in (OnPolicy, HardNegatives):
        assert len(source(IDEAL | {"model": "parallel_jaw"})(sheet, 10, np.random.default_rng(0))) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sensr": "ideal"}, "candidates.options.policy_sampler: unknown key 'sensr'; did you mean 'sensor'"),
        ({"sensor": "ideel"}, "did you mean 'ideal'"),
        ({"policy": "cross_entropi"}, "did you mean 'cross_entropy'"),
    ],
)
def test_options_that_do_not_exist_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        PolicySampler(options)


def test_the_network_of_on_policy_grasps_must_be_named():
    with pytest.raises(InputError, match="on_policy has no model"):
        OnPolicy({})


def test_sources_propose_along_approaches_of_a_cone_and_a_third_of_the_views_upright(box_scene):
    scene = box_scene(BLOCK, tilt=0.8, known_pose=True)
    source = PolicySampler(IDEAL | {"approach_tilt_deg": "35"})
    tilts = []
    for view in range(40):
        grasps = source(scene, 8, np.random.default_rng(view))
        (approach,) = np.unique(grasps.approach.round(9), axis=0)  # of one view all have the same
        tilts.append(np.rad2deg(np.arccos(min(1.0, approach @ scene.approach))))
        assert feasible(scene, grasps).all()
    tilts = np.array(tilts)
    upright = int((tilts < 0.05).sum())
    assert 5 <= upright <= 22  # a third of 40; beyond three deviations of that count
    assert tilts.max() <= 35.05
    assert np.quantile(tilts[tilts > 0.05], 0.75) > 20  # uniform up to 35


def test_a_tilt_beyond_sixty_degrees_is_no_option():
    with pytest.raises(InputError, match="approach_tilt is 75°"):
        PolicySampler(IDEAL | {"approach_tilt_deg": "75"})
