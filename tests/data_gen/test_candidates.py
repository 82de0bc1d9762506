"""Candidates: the stated mixture, and what replaces it where an object cannot be taken."""

import numpy as np
import pytest
import trimesh

from data_gen.candidates import CandidateConfig, sample_candidates
from data_gen.meshes import solid_from_mesh
from graspnet.errors import InputError
from graspnet.gripper import load_gripper
from graspnet.transforms import rigid

HAND = load_gripper("yumi")


def candidates(size, count: int, config: CandidateConfig, seed: int = 0):
    solid = solid_from_mesh(trimesh.creation.box(size), "box")
    world_from_object = rigid(np.eye(3), np.array([0.0, 0.0, size[2] / 2]))
    return sample_candidates(solid, world_from_object, HAND, count, config, np.random.default_rng(seed))


def counts(origin: np.ndarray) -> dict[str, int]:
    return dict(zip(*np.unique(origin, return_counts=True), strict=True))


def test_candidates_have_the_stated_shares():
    grasps, origin = candidates((0.04, 0.03, 0.04), 200, CandidateConfig())
    assert len(grasps) == len(origin) == 200
    assert counts(origin) == {"antipodal": 80, "near_miss": 70, "action_space": 50}


@pytest.mark.parametrize("count", [0, 1, 2, 7, 13])
def test_any_count_is_met(count):
    grasps, origin = candidates((0.04, 0.03, 0.04), count, CandidateConfig())
    assert len(grasps) == len(origin) == count


def test_one_origin_alone_can_be_asked_for():
    for name in ("antipodal", "near_miss", "action_space"):
        shares = {"antipodal": 0.0, "near_miss": 0.0, "action_space": 0.0} | {name: 1.0}
        assert counts(candidates((0.04, 0.03, 0.04), 20, CandidateConfig(**shares))[1]) == {name: 20}


def test_an_object_without_antipodal_pairs_gets_grasps_from_the_action_space():
    grasps, origin = candidates((0.07, 0.08, 0.04), 60, CandidateConfig())
    assert counts(origin) == {"action_space": 60}
    assert len(grasps) == 60


def test_shares_that_are_no_shares_are_refused():
    with pytest.raises(InputError, match="shares of candidates"):
        CandidateConfig(antipodal=-0.1)
    with pytest.raises(InputError, match="shares of candidates"):
        CandidateConfig(antipodal=0.0, near_miss=0.0, action_space=0.0)
    with pytest.raises(InputError, match="dilation is -1"):
        CandidateConfig(dilation=-1.0)
