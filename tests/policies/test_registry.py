"""Facts about the registry of policies and their presets."""

import numpy as np
import pytest

from graspnet.errors import InputError
from graspnet.models.checkpoint import load_checkpoint
from graspnet.policies.policy import Policy
from graspnet.policies.registry import POLICIES, make_policy, policy_class
from graspnet.quality import NetworkQuality


def ranks_nothing(observation, grasps_in_camera):
    return np.zeros(len(grasps_in_camera))


@pytest.fixture(scope="module")
def network():
    return NetworkQuality(load_checkpoint("parallel_jaw"))


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_policy_has_its_preset_and_its_name(name, network):
    policy = make_policy(name, quality=network)
    assert isinstance(policy, Policy)
    assert policy.name == name


def test_presets_hold_the_defaults_of_their_configs():
    policy = make_policy("cross_entropy", quality=ranks_nothing)
    assert policy.config == policy.config_type()  # the preset sets nothing


def test_overrides_reach_the_config_and_a_wrong_key_is_refused():
    policy = make_policy("cross_entropy", None, ("iterations=5", "sampler.friction=0.4"), ranks_nothing)
    assert (policy.config.iterations, policy.config.sampler.friction) == (5, 0.4)
    with pytest.raises(InputError, match="did you mean 'iterations'"):
        make_policy("cross_entropy", None, ("iteration=5",), ranks_nothing)
    with pytest.raises(InputError, match="elite_fraction is 0"):
        make_policy("cross_entropy", None, ("elite_fraction=0",), ranks_nothing)


def test_an_unknown_policy_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match="did you mean 'cross_entropy'"):
        make_policy("cross_entropi")


def test_a_policy_that_ranks_needs_a_quality_and_the_baseline_does_not():
    with pytest.raises(InputError, match="give it a model"):
        make_policy("ranking")
    assert not policy_class("antipodal").needs_quality
    make_policy("antipodal")


def test_an_installed_package_can_add_a_policy(monkeypatch):
    from importlib.metadata import EntryPoint

    entry = EntryPoint("theirs", "graspnet.policies.ranking:RandomAntipodalPolicy", "graspnet.policies")
    monkeypatch.setattr("graspnet.policies.registry.entry_points", lambda group: [entry])
    assert policy_class("theirs").name == "antipodal"
    assert policy_class("ranking").name == "ranking"
