"""Object sets: what is read is what was frozen, to the bit; the sets that ship are what their seeds give."""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.data_gen.objects.object_source import outline_width
from graspnet.data_gen.objects.procedural import make_solid
from graspnet.errors import InputError
from graspnet.sim_eval.sets.object_sets import (
    KEPT,
    ObjectPose,
    SetRecord,
    load_object_set,
    read_object_set,
    save_object_set,
)
from graspnet.sim_eval.studies.hard_sets import candidate
from graspnet.transforms import is_rigid, rigid

SHIPPED = ("hard", "hard_shape")
RECORD = SetRecord(rule="any", seed=3, opening=0.05, meaning={"k": KEPT, "n": "left out"}, verdicts="nkk")


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, list[ObjectPose]]:
    ring = make_solid("ring", np.random.default_rng(0), "ring_00001")
    brick = solid_from_mesh(trimesh.creation.box([0.04, 0.03, 0.02]), "brick_00002")
    objects = [
        ObjectPose(solid, rigid(np.eye(3), np.array([0.0, 0.0, 0.01 * k]))) for k, solid in enumerate((ring, brick))
    ]
    save_object_set(RECORD, objects, tmp_path / "mine.json")
    return tmp_path / "mine.json", objects


def test_a_set_is_read_back_as_it_was_written(written):
    path, objects = written
    found = read_object_set(path)
    assert found.record.names == ("ring_00001", "brick_00002")
    assert found.record.counts == {KEPT: 2, "left out": 1}
    for i, one in enumerate(objects):
        read = found.object_pose(i)
        np.testing.assert_array_equal(read.solid.mesh.faces, one.solid.mesh.faces)
        np.testing.assert_allclose(read.solid.mesh.vertices, one.solid.mesh.vertices, atol=1e-8)
        assert len(read.solid.parts) == len(one.solid.parts)
        assert sum(part.volume for part in read.solid.parts) == pytest.approx(sum(p.volume for p in one.solid.parts))
        np.testing.assert_array_equal(read.world_from_object, one.world_from_object)


def test_after_the_last_object_the_first_one_comes_again(written):
    found = read_object_set(written[0])
    assert [found.object_pose(i).solid.name for i in range(5)] == [found.record.names[i % 2] for i in range(5)]


@pytest.mark.parametrize("array", ["vertices", "world_from_object"])
def test_an_object_that_was_changed_is_refused_by_name(written, array):
    path, _ = written
    with np.load(path.with_suffix(".npz")) as file:
        arrays = dict(file)
    arrays[array][-1].flat[0] += 1e-6
    np.savez_compressed(path.with_suffix(".npz"), **arrays)
    with pytest.raises(InputError, match="brick_00002 is not the object that was frozen"):
        read_object_set(path)


def test_half_a_set_and_an_unknown_name_are_refused(written):
    path, _ = written
    path.with_suffix(".npz").unlink()
    with pytest.raises(InputError, match="not an object set"):
        read_object_set(path)
    with pytest.raises(InputError, match="did you mean 'hard'"):
        load_object_set("hrd")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_set_is_what_its_seed_gives(name):
    """A sample, on the versions that made it: others may mesh a shape in another way, and so the meshes are kept."""
    found = load_object_set(name)
    for package in ("numpy", "manifold3d"):
        if version(package) != found.record.made_with[package]:
            pytest.skip(f"made with {package} {found.record.made_with[package]}")
    for i in range(0, len(found), 40):
        one, again = found.object_pose(i), candidate(found.record.seed, int(found.record.names[i].rpartition("_")[2]))
        assert again.solid.name == one.solid.name
        np.testing.assert_array_equal(again.solid.mesh.faces, one.solid.mesh.faces)
        np.testing.assert_allclose(again.solid.mesh.vertices, one.solid.mesh.vertices, atol=1e-8)  # float32
        np.testing.assert_allclose(again.world_from_object, one.world_from_object, atol=1e-12)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_set_says_what_became_of_every_candidate(name):
    record = load_object_set(name).record
    kept = [number for number, letter in enumerate(record.verdicts) if record.meaning[letter] == KEPT]
    assert kept == [int(name.rpartition("_")[2]) for name in record.names]
    assert sum(record.counts.values()) == len(record.verdicts)
    assert len(set(record.names)) == len(record.names) >= 250


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_objects_are_solids_that_rest_on_the_table_and_whose_narrow_side_fits_the_hand(name):
    found = load_object_set(name)
    for i in range(0, len(found), 7):
        one = found.object_pose(i)
        assert one.solid.mesh.is_watertight
        assert one.solid.volume > 0
        assert is_rigid(one.world_from_object)
        heights = one.solid.mesh.vertices @ one.world_from_object[2, :3] + one.world_from_object[2, 3]
        assert abs(heights.min()) < 1e-6
        assert outline_width(one.solid, one.world_from_object) < found.record.opening + 1e-6


def test_the_files_must_belong_together(written):
    path, objects = written
    record = read_object_set(path).record
    save_object_set(record, objects[:1], path.with_name("other.json"))
    path.with_name("other.npz").replace(path.with_suffix(".npz"))
    with pytest.raises(InputError, match="different numbers of objects"):
        read_object_set(path)
