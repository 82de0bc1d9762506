"""Hard sets: what is easy is left out, what nobody can lift too; a set that is continued is the one made at once."""

import shutil
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.data_gen.objects.stable_poses import stable_poses
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.run.engines import Engine
from graspnet.sim_eval.sets.object_sets import FROZEN, KEPT, NO_START, ObjectPose, load_object_set, read_object_set
from graspnet.sim_eval.studies.hard_sets import RULES, Rule, build, candidate, distinct
from graspnet.transforms import rigid, rotation_about

UP = np.array([0.0, 0.0, 1.0])


class _InThisProcess(Engine):
    def run(self, work: Callable, units: Sequence) -> Iterator:
        yield from map(work, reversed(units))  # any order


def _lying(mesh: trimesh.Trimesh, name: str) -> ObjectPose:
    solid = solid_from_mesh(mesh, name)
    return ObjectPose(solid, stable_poses(solid).world_from_object[0])


CUBE = _lying(trimesh.creation.box([0.025] * 3), "cube")
# sides at 45 degrees: a friction of 1 would hold them
CONE = _lying(trimesh.creation.cone(radius=0.022, height=0.022, sections=32), "cone")


def _grasp(x: float = 0.0, angle: float = 0.0) -> np.ndarray:
    return rigid(rotation_about(UP, np.array(angle)), np.array([x, 0.0, 0.02]))


@pytest.mark.parametrize(
    ("pose", "is_distinct"),
    [
        (_grasp(0.008), False),
        (_grasp(0.012), True),
        (_grasp(0.0, np.deg2rad(15)), False),
        (_grasp(0.0, np.deg2rad(25)), True),
        (_grasp(0.0, np.pi), False),  # the jaws have changed places
        (_grasp(0.0, np.pi - np.deg2rad(25)), True),
    ],
)
def test_grasps_are_distinct_by_a_centimetre_or_twenty_degrees(pose, is_distinct):
    grasps = Grasps.of_jaws(np.stack([_grasp(), pose]), np.full(2, 0.05))
    assert list(distinct(grasps, 8)) == ([0, 1] if is_distinct else [0])


def test_no_more_distinct_grasps_than_asked_for():
    grasps = Grasps.of_jaws(np.stack([_grasp(0.02 * k) for k in range(5)]), np.full(5, 0.05))
    assert list(distinct(grasps, 3)) == [0, 1, 2]
    assert list(distinct(Grasps.none(), 3)) == []


def test_what_heuristics_lift_is_easy_and_what_the_ceiling_drops_is_left_out():
    hard = RULES["hard"]
    assert hard.meaning[hard.verdict(CUBE, 0, 0)] == "a heuristic lifted it in every run"
    assert hard.meaning[hard.verdict(CONE, 0, 0)] == "heuristics failed, but so did the ceiling"


def test_shape_alone_tells_a_cube_with_room_around_it_from_slanting_sides():
    shape = RULES["hard_shape"]
    assert shape.meaning[shape.verdict(CUBE, 0, 0)] == "as many or more"
    assert shape.meaning[shape.verdict(CONE, 0, 0)] == "no such pair"
    wide = _lying(trimesh.creation.box([0.047, 0.06, 0.04]), "wide")  # 1.5 mm on either side: less than the margin
    assert shape.meaning[shape.verdict(wide, 0, 0)] == "no such pair"


def test_every_rule_can_say_that_it_keeps():
    for rule in RULES.values():
        assert KEPT in rule.meaning.values()
    assert NO_START in RULES["hard"].meaning.values()


def test_a_candidate_is_a_function_of_seed_and_number():
    one, again, other = candidate(1, 4), candidate(1, 4), candidate(2, 4)
    np.testing.assert_array_equal(one.solid.mesh.vertices, again.solid.mesh.vertices)
    assert one.solid.name == other.solid.name == "rock_00004"
    assert one.solid.volume != other.solid.volume


@pytest.fixture
def even(monkeypatch) -> str:
    """A rule that keeps every second candidate."""
    odd_or_even = Rule("even numbers", {"k": KEPT, "o": "odd"}, lambda one, seed, number: "ko"[number % 2], 7)
    monkeypatch.setitem(RULES, "even", odd_or_even)
    return "even"


def test_a_set_stops_at_the_last_one_that_it_keeps(even, tmp_path):
    record = build(even, 1, 3, 60, tmp_path / "set.json", _InThisProcess())
    assert record.verdicts == "kokok"
    assert record.names == ("box_00000", "cylinder_00002", "rock_00004")
    assert read_object_set(tmp_path / "set.json").record == record


def test_a_set_that_is_continued_is_the_one_made_at_once(even, tmp_path):
    whole = build(even, 1, 4, 60, tmp_path / "whole.json", _InThisProcess())
    build(even, 1, 60, 3, tmp_path / "parts.json", _InThisProcess())  # after three candidates it was stopped
    assert build(even, 1, 4, 60, tmp_path / "parts.json", _InThisProcess()) == whole
    assert (tmp_path / "parts.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_a_set_of_another_seed_is_not_continued(even, tmp_path):
    build(even, 1, 1, 5, tmp_path / "set.json", _InThisProcess())
    with pytest.raises(InputError, match="another seed, 1, not 2"):
        build(even, 2, 1, 5, tmp_path / "set.json", _InThisProcess())


def test_a_set_that_another_ceiling_chose_is_not_continued(tmp_path):
    for end in ("json", "npz"):
        shutil.copy(FROZEN / f"hard.{end}", tmp_path)
    record = load_object_set("hard").record
    assert "the ceiling, by robust_pad_closure, lifts it" in record.rule
    assert len(record.made_with["commit"]) == 40
    with pytest.raises(InputError, match=r"another rule, .*robust_pad_closure.*, not .*robust_centered_closure"):
        build("hard", record.seed, 251, 2000, tmp_path / "hard.json", _InThisProcess())
