"""Facts about audits: grasps stand where they were labelled, beside objects as the images show them, or not at all."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner

from graspnet.cli import main
from graspnet.data_gen.catalogue.audit import KINDS, AuditedGrasp, audited_grasps
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.grippers import HandConfig
from graspnet.data_gen.generate.remake import labelling_config
from graspnet.data_gen.generate.run import generate
from graspnet.data_gen.objects.object_source import ObjectConfig
from graspnet.data_gen.physics.heaps import HeapConfig
from graspnet.data_gen.scenes.scenes import SceneConfig
from graspnet.dataset import Dataset
from graspnet.errors import InputError
from graspnet.run.engines import Engine
from graspnet.transforms import invert, transform_points

SIDES = np.array([0.06, 0.03, 0.02])
COUNT = 8


class InProcess(Engine):
    """One unit after another, here: no time is lost on starting workers."""

    def run(self, work, units):
        return map(work, units)


def make(folder: Path, **changes) -> Path:
    config = GenerateConfig(
        hands=HandConfig(presets=("yumi",), random_share=0.0),
        scene=SceneConfig(width=160, height=120, field_of_view=(0.6, 0.6), distance=(0.5, 0.6)),
        metrics=("robust_pad_closure", "antipodality"),
        views=2,
        grasps_per_view=100,
        **changes,
    )
    list(generate(config, "small", 5, folder, InProcess()))
    return folder


def put_brick(folder: Path, sides: np.ndarray) -> Path:
    folder.mkdir(exist_ok=True)
    trimesh.creation.box(sides).export(folder / "brick.stl")
    return folder


@pytest.fixture(scope="module")
def bricks(tmp_path_factory) -> Path:
    """The folder of a dataset, beside that of its mesh."""
    here = tmp_path_factory.mktemp("bricks")
    meshes = put_brick(here / "meshes", SIDES)
    return make(here / "data", objects=ObjectConfig(folders=(str(meshes),), validation_share=0.0))


def audited(folder: Path, count: int = COUNT, seed: int = 0) -> list[AuditedGrasp]:
    return list(audited_grasps(Dataset.open(folder), count, np.random.default_rng(seed)))


def test_stored_contacts_lie_on_the_objects_faces_and_normals_point_out_of_them(bricks):
    touching = [grasp for grasp in audited(bricks) if grasp.contacts.found.item()]
    assert len(touching) > COUNT / 4
    for grasp in touching:
        object_from_world = invert(grasp.scene.world_from_object[grasp.target])
        points = transform_points(object_from_world, grasp.contacts.points[0])
        half = SIDES / 2 * (grasp.scene.solids[grasp.target].mesh.extents[0] / SIDES[0])
        outside = np.abs(points) - half
        np.testing.assert_allclose(outside.max(axis=1), 0, atol=1e-5)  # metres; poses are stored in 32 bits
        expected = np.sign(points) * (outside == outside.max(axis=1, keepdims=True))
        np.testing.assert_allclose(grasp.contacts.normals[0] @ object_from_world[:3, :3].T, expected, atol=1e-4)


def test_kinds_are_what_they_say_and_as_many_of_each(bricks):
    grasps = audited(bricks)
    assert len({grasp.row for grasp in grasps}) == COUNT
    for kind in KINDS:
        assert sum(grasp.kind == kind for grasp in grasps) == COUNT // 4
    for grasp in grasps:
        above = grasp.table.metrics["robust_pad_closure"].mean[grasp.row] > 0.5
        free, touched = grasp.table.clearance.collision_free[grasp.row], grasp.contacts.found.item()
        what = {"holds": above and free, "slips": touched and free and not above, "collides": above and not free}
        assert (what | {"misses": not touched and not above})[grasp.kind]


def test_the_same_seed_draws_the_same_grasps_and_another_others(bricks):
    places = [[grasp.place for grasp in audited(bricks, seed=seed)] for seed in (1, 1, 2)]
    assert places[0] == places[1] != places[2]


def test_more_grasps_than_there_are_is_all_of_some_kinds(bricks):
    assert COUNT < len(audited(bricks, 10_000)) < 400


def test_heaps_are_back_in_their_bins(tmp_path):
    folder = make(
        tmp_path / "heaps",
        objects=ObjectConfig(count=6, validation_share=0.0),
        heap=HeapConfig(objects=(3, 4), mean_objects=None),
        scenes=1,
    )
    grasps = audited(folder, 4)
    shard = Dataset.open(folder).read(0)
    assert len(grasps) > 0
    for grasp in grasps:
        bin_ = grasp.scene.bin
        np.testing.assert_array_equal([bin_.inner_x, bin_.inner_y, bin_.wall_height], shard.images.bin[0])
        assert len(grasp.scene.solids) == np.sum(shard.objects.image == 0)
        seen = shard.objects.object[grasp.table.instance[grasp.row] - 1]
        assert grasp.scene.solids[grasp.target].name == seen


def test_a_mesh_that_has_changed_or_gone_is_refused(tmp_path):
    meshes = put_brick(tmp_path / "meshes", SIDES)
    folder = make(tmp_path / "data", objects=ObjectConfig(folders=(str(meshes),), validation_share=0.0))
    put_brick(meshes, SIDES * [1, 1, 2])
    with pytest.raises(InputError, match=r"not as stored.*make the dataset again"):
        audited(folder, 4)
    meshes.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"cannot be made again.*no such folder"):
        audited(folder, 4)


def test_a_dataset_that_was_not_generated_is_refused(bricks):
    dataset = Dataset.open(bricks)
    imported = Dataset(dataset.folder, replace(dataset.header, config={"imported": "dexnet"}))
    with pytest.raises(InputError, match="cannot be made again"):
        list(audited_grasps(imported, 4, np.random.default_rng(0)))


def test_a_dataset_whose_settings_have_gone_or_moved_is_read(bricks):
    dataset = Dataset.open(bricks)
    config = deepcopy(dataset.header.config)
    config |= config.pop("assumed")  # what metrics assume stood beside all else
    config["tugs"]["pick"]["settle_time"] = 0.5  # nothing settles before a label's pick
    older = replace(dataset, header=replace(dataset.header, config=config))
    assert labelling_config(older) == labelling_config(dataset)


def test_the_command_writes_one_page_that_needs_nothing_else(bricks, tmp_path):
    arguments = ["audit", str(bricks), "--output", str(tmp_path), "--grasps", "4"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "report.html").read_text()
    assert page.count("<img") == 4
    assert f"<h1>Audit: {bricks.name}</h1>" in page
    assert "4 grasps of the dataset were drawn at random: 1 of the kind “holds”" in page
    for text in ("robust_pad_closure", "antipodality", "clearance: fingers", "hand yumi", *KINDS):
        assert text in page
    assert "http" not in page
    assert "<script" not in page
    assert (tmp_path / "run.json").is_file()
