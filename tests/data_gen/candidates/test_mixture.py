"""Candidates: the stated mixture, and what replaces it where an object cannot be taken."""

import numpy as np
import pytest
import trimesh

from graspnet.camera import Camera
from graspnet.data_gen.candidates.mixture import CandidateConfig, sample_candidates, sample_from_sources
from graspnet.data_gen.contact.contacts import ContactFinder
from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import load_gripper
from graspnet.observation.observation import Observation
from graspnet.transforms import rigid

HAND = load_gripper("yumi")


def candidates(size, count: int, config: CandidateConfig, seed: int = 0):
    solid = solid_from_mesh(trimesh.creation.box(size), "box")
    world_from_object = rigid(np.eye(3), np.array([0.0, 0.0, size[2] / 2]))
    return sample_candidates(solid, world_from_object, HAND, count, config, np.random.default_rng(seed))


def counts(source: np.ndarray) -> dict[str, int]:
    return dict(zip(*np.unique(source, return_counts=True), strict=True))


def test_candidates_have_the_stated_shares():
    grasps, source = candidates((0.04, 0.03, 0.04), 200, CandidateConfig())
    assert len(grasps) == len(source) == 200
    assert counts(source) == {"antipodal": 80, "near_miss": 70, "action_space": 50}


@pytest.mark.parametrize("count", [0, 1, 2, 7, 13])
def test_any_count_is_met(count):
    grasps, source = candidates((0.04, 0.03, 0.04), count, CandidateConfig())
    assert len(grasps) == len(source) == count


def test_one_source_alone_can_be_asked_for():
    for name in ("antipodal", "near_miss", "action_space"):
        shares = {"antipodal": 0.0, "near_miss": 0.0, "action_space": 0.0} | {name: 1.0}
        assert counts(candidates((0.04, 0.03, 0.04), 20, CandidateConfig(**shares))[1]) == {name: 20}


def test_an_object_without_antipodal_pairs_gets_grasps_from_the_action_space():
    grasps, source = candidates((0.07, 0.08, 0.04), 60, CandidateConfig())
    assert counts(source) == {"action_space": 60}
    assert len(grasps) == 60


def test_shares_that_are_no_shares_are_refused():
    with pytest.raises(InputError, match="shares of candidates"):
        CandidateConfig(antipodal=-0.1)
    with pytest.raises(InputError, match="shares of candidates"):
        CandidateConfig(antipodal=0.0, near_miss=0.0, action_space=0.0)
    with pytest.raises(InputError, match="dilation is -1"):
        CandidateConfig(dilation=-1.0)


def test_the_action_space_has_misses_grasps_beside_above_too_deep_and_turned_ones():
    """What a policy may propose and antipodal grasps never show (RA-L 2019)."""
    size = (0.04, 0.02, 0.05)
    config = CandidateConfig(antipodal=0.0, near_miss=0.0, action_space=1.0)
    grasps, _ = candidates(size, 4000, config)
    x, y, z = grasps.origin.T
    solid = solid_from_mesh(trimesh.creation.box(size), "box")
    lifted = Grasps.of_jaws(grasps.poses.copy(), grasps.width)
    lifted.poses[:, 2, 3] -= size[2] / 2  # the mesh's centre is its origin
    misses = ~ContactFinder(solid)(lifted).found
    beside = (np.abs(x) > size[0] / 2) | (np.abs(y) > size[1] / 2)
    above = z > size[2] - HAND.pad_to_tip  # less than a pad's half is between the jaws
    too_deep = z < size[2] + HAND.palm_face  # the palm would have to pass the top
    turned = np.abs(np.sin(2 * np.arctan2(grasps.closing[:, 1], grasps.closing[:, 0]))) > 0.6
    for kind in (misses, beside, above, too_deep, turned):
        assert 0.05 < kind.mean() < 0.95


class Recorded:
    """A source that proposes some of the grasps that it is asked for, at the camera's origin."""

    def __init__(self, options):
        self.options, self.asked = options, []

    def __call__(self, observation, count, rng):
        self.asked.append(count)
        return Grasps.of_jaws(np.tile(np.eye(4), (count // 2, 1, 1)), np.full(count // 2, 0.05))


@pytest.fixture
def observation() -> Observation:
    depth = np.full((48, 64), 0.7, dtype=np.float32)
    mask = np.zeros(depth.shape, dtype=bool)
    mask[20:28, 28:36] = True
    return Observation(depth, Camera(50.0, 50.0, 31.5, 23.5, 64, 48), HAND, mask)


def test_sources_are_found_by_name_and_asked_for_their_share(observation, monkeypatch):
    made = []
    monkeypatch.setattr(
        "graspnet.data_gen.candidates.mixture.candidate_source",
        lambda name, options: made.append(Recorded(dict(options))) or made[-1],
    )
    options = {"policy_sampler": {"sensor": "ideal"}}
    config = CandidateConfig(
        antipodal=0.3, near_miss=0.3, action_space=0.2, sources={"policy_sampler": 0.2}, options=options
    )
    found = sample_from_sources(observation, 50, config, np.random.default_rng(0))
    assert (made[0].asked, made[0].options) == ([10], {"sensor": "ideal"})
    assert len(found.grasps) == found.kept == 5  # what it left short is drawn from the mesh
    assert found.source.tolist() == ["policy_sampler"] * 5


class Overrating:
    """A source that proposes three times as many as it is asked for, each thought to be as good as 0.9."""

    def __call__(self, observation, count, rng):
        return self.mine(observation, count, rng)[0][slice(count)]

    def mine(self, observation, count, rng):
        return Grasps.of_jaws(np.tile(np.eye(4), (3 * count, 1, 1)), np.full(3 * count, 0.05)), np.full(3 * count, 0.9)


def test_of_mined_grasps_those_are_kept_that_their_labels_contradict_most(observation, monkeypatch):
    monkeypatch.setattr(
        "graspnet.data_gen.candidates.mixture.candidate_source",
        lambda name, options: Recorded({}) if name == "policy_sampler" else Overrating(),
    )
    config = CandidateConfig(
        antipodal=0.6, near_miss=0.0, action_space=0.0, sources={"policy_sampler": 0.2, "on_policy": 0.2}
    )
    found = sample_from_sources(observation, 20, config, np.random.default_rng(0))
    assert (len(found.grasps), found.kept, found.mined) == (2 + 12, 2 + 4, 4)
    label = np.array([1.0, 1.0, *np.linspace(0.0, 0.8, 12)])  # the first two are not mined
    assert found.chosen(label).tolist() == [0, 1, 2, 3, 4, 5]
    assert found.chosen(label[::-1].copy()).tolist() == [0, 1, 8, 9, 10, 11]


def test_sources_that_look_at_few_views_propose_as_many_grasps_in_all(observation, monkeypatch):
    monkeypatch.setattr("graspnet.data_gen.candidates.mixture.candidate_source", lambda name, options: Overrating())
    config = CandidateConfig(
        antipodal=0.8, near_miss=0.0, action_space=0.0, sources={"policy_sampler": 0.2}, source_views=0.25
    )
    assert config.source_counts(100) == {"policy_sampler": 80}
    rng = np.random.default_rng(0)
    kept = np.array([sample_from_sources(observation, 20, config, rng).kept for _ in range(400)])
    assert set(kept) == {0, 16}
    assert kept.mean() == pytest.approx(0.2 * 20, rel=0.3)  # 400 draws of 0.25: σ 0.087 of the mean
    assert config.with_on_policy("some_model").source_views == pytest.approx(0.25 + 0.75 * 0.2)
    with pytest.raises(InputError, match=r"source_views is 0\.1; it must be at most 1, and at least .* 0\.2,"):
        CandidateConfig(antipodal=0.8, near_miss=0.0, action_space=0.0, sources={"on_policy": 0.2}, source_views=0.1)


def test_without_sources_nothing_is_proposed(observation):
    found = sample_from_sources(observation, 50, CandidateConfig(), np.random.default_rng(0))
    assert len(found.grasps) == len(found.source) == found.kept == 0


def test_a_source_or_option_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="unknown candidate source 'policy_sample'; did you mean 'policy_sampler'"):
        CandidateConfig(sources={"policy_sample": 0.2})
    with pytest.raises(InputError, match="unknown source 'on_policy'"):
        CandidateConfig(options={"on_policy": {"model": "parallel_jaw"}})


def test_an_on_policy_round_takes_a_quarter_and_leaves_the_others_their_proportions():
    config = CandidateConfig().with_on_policy("some_model")
    assert config.source_counts(100) == {"on_policy": 25}
    assert config.options == {"on_policy": {"model": "some_model"}}
    assert config.with_on_policy("another").source_counts(100) == {"on_policy": 25}
    assert (config.antipodal, config.near_miss, config.action_space) == (0.40, 0.35, 0.25)


def test_a_source_that_cannot_be_made_is_refused_before_anything_is_generated():
    config = CandidateConfig(sources={"on_policy": 0.25})
    with pytest.raises(InputError, match="on_policy has no model"):
        config.check_sources()
