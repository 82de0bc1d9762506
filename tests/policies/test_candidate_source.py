"""What policies propose for a dataset: free grasps of the object, and those that a network takes for best."""

import numpy as np
import pytest

from graspnet.errors import InputError
from graspnet.models.checkpoint import load_checkpoint
from graspnet.policies.candidate_source import OnPolicy, PolicySampler
from graspnet.quality import NetworkQuality
from tests.feasibility import feasible

BLOCK = ((0.10, 0.03, 0.04), (0.0, 0.0), 0.5)
IDEAL = {"sensor": "ideal"}


def test_the_sampler_proposes_free_grasps_of_the_object(box_scene):
    scene = box_scene(BLOCK, known_pose=True)
    grasps = PolicySampler(IDEAL)(scene, 40, np.random.default_rng(0))
    assert len(grasps) == 40
    assert feasible(scene, grasps).all()


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


def test_nothing_to_take_is_no_grasps(box_scene):
    sheet = box_scene(((0.05, 0.05, 0.0005), (0.0, 0.0), 0.0), known_pose=True)
    assert len(PolicySampler(IDEAL)(sheet, 10, np.random.default_rng(0))) == 0
    assert len(OnPolicy(IDEAL | {"model": "parallel_jaw"})(sheet, 10, np.random.default_rng(0))) == 0


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
