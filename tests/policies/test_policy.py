"""Facts about plans, the registry of policies, and a network as a quality."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps, ImageGrasps, grasps_from_image
from graspnet.models import NETWORKS
from graspnet.models.checkpoint import Checkpoint
from policies.policy import POLICIES, GraspPlan, NetworkQuality, Policy, make_policy, policy_class
from policies.samplers.antipodal import AntipodalSamplerConfig, sample_antipodal

BLOCK = ((0.12, 0.03, 0.04), (0.02, -0.03), 0.5)


def untrained(name: str = "compact") -> Checkpoint:
    network = NETWORKS[name](torch.Generator().manual_seed(3)).eval()
    return Checkpoint(network=network, name=name, gripper_name="yumi", metric="none", threshold=0.5)


@pytest.fixture
def two_grasps(box_scene):
    observation = box_scene(BLOCK, tilt=0.2, known_pose=True)
    return observation, sample_antipodal(observation, 2, AntipodalSamplerConfig(), np.random.default_rng(0))


def test_a_plan_in_json_gives_its_grasps_back_from_the_image_alone(two_grasps):
    observation, grasps = two_grasps
    plan = GraspPlan(grasps, np.array([0.9, 0.4]), "", {"total": 0.1}, "ranking")
    data = json.loads(json.dumps(plan.to_json(observation, "parallel_jaw", seed=7)))
    assert data["version"] == 1
    assert (data["policy"], data["model"], data["gripper"], data["seed"]) == ("ranking", "parallel_jaw", "yumi", 7)
    assert [g["quality"] for g in data["grasps"]] == [0.9, 0.4]
    images = [g["image"] for g in data["grasps"]]
    seen = ImageGrasps(
        np.array([i["center"] for i in images]), np.array([i["angle"] for i in images]),
        np.array([i["depth"] for i in images]), np.array([g["width"] for g in data["grasps"]]),
    )  # fmt: skip
    again = grasps_from_image(seen, observation.camera, observation.approach)
    for k, row in enumerate(data["grasps"]):
        pose = np.array(row["camera_from_grasp"])
        swapped = pose @ np.diag([-1.0, -1.0, 1.0, 1.0])  # an image cannot tell the two jaws apart
        assert np.allclose(again.poses[k], pose, atol=1e-9) or np.allclose(again.poses[k], swapped, atol=1e-9)


def test_world_poses_and_pregrasps_are_there_where_the_cameras_pose_is_known(two_grasps):
    observation, grasps = two_grasps
    plan = GraspPlan(grasps, np.array([0.9, 0.4]))
    row = plan.to_json(observation, "", 0)["grasps"][0]
    world_from_grasp = np.array(row["world_from_grasp"])
    np.testing.assert_allclose(world_from_grasp, observation.world_from_camera @ grasps.poses[0], atol=1e-12)
    # straight down onto the table: the pregrasp is 0.1 m above
    np.testing.assert_allclose(np.array(row["pregrasp"])[:3, 3] - world_from_grasp[:3, 3], [0, 0, 0.1], atol=1e-9)
    blind = plan.to_json(replace(observation, world_from_camera=None), "", 0)["grasps"][0]
    assert "world_from_grasp" not in blind
    assert "pregrasp" not in blind


def test_a_plan_without_a_grasp_says_why(box_scene):
    bare = box_scene(masked=False)
    assert "rises above the table" in GraspPlan.nothing("ranking", bare, {}).reason
    masked = replace(bare, segmask=bare.depth > 0)
    hidden = replace(masked, segmask=np.arange(640)[None] < np.full((480, 1), 10), depth=np.where(
        np.arange(640)[None] < np.full((480, 1), 10), np.float32(np.nan), bare.depth))  # fmt: skip
    assert "under the segmask" in GraspPlan.nothing("ranking", hidden, {}).reason
    data = GraspPlan.nothing("ranking", masked, {}).to_json(masked, "", 0)
    assert data["grasps"] == []
    assert "would touch" in data["reason"]


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_policy_has_its_preset_and_its_name(name):
    policy = make_policy(name, quality=lambda observation, grasps: np.zeros(len(grasps)))
    assert isinstance(policy, Policy)
    assert policy.name == name


def test_presets_hold_the_defaults_of_their_configs():
    policy = make_policy("cross_entropy", quality=lambda observation, grasps: np.zeros(len(grasps)))
    assert policy.config == policy.config_type()  # what DESIGN 6 says, twice


def test_overrides_reach_the_config_and_a_wrong_key_is_refused():
    policy = make_policy("cross_entropy", None, ("iterations=5", "sampler.friction=0.4"), untrained)
    assert (policy.config.iterations, policy.config.sampler.friction) == (5, 0.4)
    with pytest.raises(InputError, match="did you mean 'iterations'"):
        make_policy("cross_entropy", None, ("iteration=5",), untrained)
    with pytest.raises(InputError, match="elite_fraction is 0"):
        make_policy("cross_entropy", None, ("elite_fraction=0",), untrained)


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

    entry = EntryPoint("theirs", "policies.ranking:RandomAntipodalPolicy", "graspnet.policies")
    monkeypatch.setattr("policies.policy.entry_points", lambda group: [entry])
    assert policy_class("theirs").name == "antipodal"
    assert policy_class("ranking").name == "ranking"


def test_a_networks_quality_does_not_depend_on_batches_or_threads(box_scene):
    observation = box_scene(BLOCK)
    grasps = sample_antipodal(observation, 70, AntipodalSamplerConfig(), np.random.default_rng(0))
    checkpoint = untrained()
    whole = NetworkQuality(checkpoint, batch_size=70, threads=1)(observation, grasps)
    assert whole.shape == (70,)
    assert np.all((whole > 0) & (whole < 1))
    assert whole.std() > 0
    # another batch size may sum in another order
    np.testing.assert_allclose(NetworkQuality(checkpoint, batch_size=16)(observation, grasps), whole, atol=1e-5)
    probing = NetworkQuality(checkpoint, batch_size=16, threads=None)
    np.testing.assert_allclose(probing(observation, grasps), whole, atol=1e-5)
    assert probing.threads in (1, 2)


def test_scoring_leaves_torchs_number_of_threads_alone(box_scene):
    observation = box_scene(BLOCK)
    grasps = sample_antipodal(observation, 8, AntipodalSamplerConfig(), np.random.default_rng(0))
    before = torch.get_num_threads()
    NetworkQuality(untrained(), threads=before + 1)(observation, grasps)
    assert torch.get_num_threads() == before


def test_the_temperature_flattens_a_networks_quality(box_scene):
    observation = box_scene(BLOCK)
    grasps = sample_antipodal(observation, 8, AntipodalSamplerConfig(), np.random.default_rng(0))
    sharp = NetworkQuality(untrained())(observation, grasps)
    flat = NetworkQuality(replace(untrained(), temperature=2.0))(observation, grasps)
    np.testing.assert_allclose(np.log(flat / (1 - flat)), np.log(sharp / (1 - sharp)) / 2, atol=1e-4)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_network_can_be_a_quality(box_scene, name):
    observation = box_scene(BLOCK)
    grasps = sample_antipodal(observation, 3, AntipodalSamplerConfig(), np.random.default_rng(0))
    qualities = NetworkQuality(untrained(name))(observation, grasps)
    assert qualities.shape == (3,)
    assert np.isfinite(qualities).all()


def test_no_grasps_have_no_qualities(box_scene):
    assert NetworkQuality(untrained())(box_scene(BLOCK), Grasps.none()).shape == (0,)
