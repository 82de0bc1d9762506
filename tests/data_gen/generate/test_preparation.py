"""Facts about preparation.py: what cannot be used is known before work begins, and pieces are paid for once."""

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.generate.preparation import prepare, usable_objects
from graspnet.data_gen.objects import decomposition
from graspnet.data_gen.objects.object_source import ObjectConfig, load_object, with_parts
from graspnet.errors import InputError
from graspnet.run.engines import Engine


class InProcess(Engine):
    """One unit after another, here."""

    def run(self, work, units):
        return map(work, units)


@pytest.fixture
def config(tmp_path, monkeypatch) -> ObjectConfig:
    """A folder of a bracket, which is not convex, and a surface that is open; pieces are kept beside it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "meshes").mkdir()
    bars = [trimesh.creation.box(bounds=[[0, 0, 0], [*far, 0.02]]) for far in ([0.06, 0.01], [0.01, 0.05])]
    trimesh.boolean.union(bars, engine="manifold").export(tmp_path / "meshes" / "bracket.stl")
    (tmp_path / "meshes" / "nothing.stl").write_bytes(b"solid nothing\nendsolid nothing\n")
    return ObjectConfig(folders=(str(tmp_path / "meshes"),))


def test_what_cannot_be_used_is_named_with_its_reason_and_left_out(config):
    usable, left_out = usable_objects(config, InProcess(), "test")
    assert usable.files == ("bracket.stl",)
    assert list(left_out) == ["nothing.stl"]
    assert "no triangles in it" in left_out["nothing.stl"]
    procedural = ObjectConfig(count=3)
    assert usable_objects(procedural, InProcess(), "test") == (procedural, {})


def test_nothing_that_can_be_used_is_one_error_unless_there_are_procedural_objects_too(config, tmp_path):
    (tmp_path / "meshes" / "bracket.stl").unlink()
    with pytest.raises(InputError, match=r"no object could be used; the first: .*nothing\.stl"):
        usable_objects(config, InProcess(), "test")
    mixed, _ = usable_objects(ObjectConfig(folders=config.folders, count=3), InProcess(), "test")
    assert mixed == ObjectConfig(count=3)


def test_pieces_that_were_prepared_are_there_for_all_who_follow(config, monkeypatch):
    assert prepare(config, ["bracket.stl"], InProcess(), "test") == {}
    monkeypatch.setattr(decomposition, "decompose", lambda *_: pytest.fail("cut again"))
    assert len(with_parts(load_object(config, "bracket.stl", np.random.default_rng(0)), config).parts) >= 2
