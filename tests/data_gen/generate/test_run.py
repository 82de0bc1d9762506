"""Generation: what was labelled is what is stored, whoever makes it, in however many tries."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner

from graspnet.config import load_config
from graspnet.data_gen.candidates.mixture import CandidateConfig
from graspnet.data_gen.candidates.object_grasps import ObjectGraspConfig
from graspnet.data_gen.collision.collision import clearance
from graspnet.data_gen.contact.contacts import ContactFinder
from graspnet.data_gen.generate.cli import generate as command
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.grippers import HandConfig, sample_hands
from graspnet.data_gen.generate.run import generate, generate_unit
from graspnet.data_gen.labels.metrics import METRICS
from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.data_gen.objects.object_source import ObjectConfig, object_names
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.dataset import Dataset
from graspnet.errors import InputError
from graspnet.grasps.image_grasps import image_from_grasps
from graspnet.run.engines import Engine, LocalEngine
from graspnet.transforms import invert, transform_points


def tiny(**objects) -> GenerateConfig:
    return GenerateConfig(
        objects=ObjectConfig(**({"count": 4} | objects)),
        hands=HandConfig(presets=("yumi",), random_share=0.0),
        views=2,
        grasps_per_view=12,
    )


def make(folder: Path | str, workers: int, config: GenerateConfig, seed: int = 5, resume: bool = False) -> None:
    list(generate(config, "tiny", seed, folder, LocalEngine(workers), resume))


class InProcess(Engine):
    """One unit after another, here: no time is lost on starting workers."""

    def run(self, work, units):
        return map(work, units)


def contents(folder: Path) -> dict[Path, bytes]:
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != "run.json"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("generated") / "data"
    make(folder, 1, tiny())
    return folder


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_writes_the_same_bytes(dataset, tmp_path, workers):
    make(tmp_path / "data", workers, tiny())
    assert contents(tmp_path / "data") == contents(dataset)


def test_workers_write_the_same_bytes_behind_a_url(dataset, tmp_path):
    make(f"file://{tmp_path}/data", 1, tiny())
    assert contents(tmp_path / "data") == contents(dataset)


@pytest.mark.parametrize("kind", [pytest.param("policies and hands", marks=pytest.mark.slow), "object grasps"])
def test_candidates_of_every_kind_are_the_same_bytes_from_any_number_of_workers(tmp_path, kind):
    mixture = CandidateConfig(sources={"policy_sampler": 0.2}).with_on_policy("parallel_jaw")
    hands = HandConfig(presets=("yumi", "panda"), random_share=0.5)
    config = {
        "policies and hands": replace(tiny(count=2), candidates=mixture, hands=hands, hands_per_view=2),
        "object grasps": replace(
            tiny(count=2, scaling="fit_gripper"), object_grasps=ObjectGraspConfig(count=20), views_per_pose=1
        ),
    }[kind]
    for workers in (1, 2):
        make(tmp_path / str(workers), workers, config)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_another_seed_writes_other_grasps():
    first, second = (generate_unit(tiny(), 0, object_names(tiny().objects)[0], seed) for seed in (0, 1))
    assert not np.array_equal(first.grasps.camera_from_grasp, second.grasps.camera_from_grasp)


def test_a_killed_run_resumes_to_the_same_bytes(dataset, tmp_path):
    folder = tmp_path / "data"
    script = (
        "from pathlib import Path; from tests.data_gen.test_generate import make, tiny\n"
        f"if __name__ == '__main__': make(Path({str(folder)!r}), 1, tiny())"
    )
    process = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    while not list(folder.glob("shards/00000")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    make(folder, 1, tiny(), resume=True)
    assert contents(folder) == contents(dataset)


def test_a_stored_grasp_has_its_stored_image_contacts_and_clearance(tmp_path):
    """Relabelled from the mesh and what is on disk alone; a folder of one mesh in its own scale."""
    mesh = trimesh.creation.box((0.06, 0.03, 0.02))
    mesh.export(tmp_path / "brick.stl")
    config = tiny(count=None, folders=(str(tmp_path),), scaling="as_is", validation_share=0.0)
    make(tmp_path / "data", 1, config)
    shard = Dataset.open(tmp_path / "data").read(0)
    hand = Dataset.open(tmp_path / "data").gripper("yumi")
    solid = solid_from_mesh(mesh, "brick")
    for i in range(len(shard.images)):
        rows = shard.grasps.image == i
        camera = shard.images.cameras[i]
        grasps_in_camera = shard.grasps.grasps_in_camera(rows)
        seen = image_from_grasps(grasps_in_camera, camera)
        np.testing.assert_allclose(seen.center, shard.grasps.center[rows], atol=1e-3)  # stored in 32 bits
        world_from_camera, world_from_object = shard.images.world_from_camera[i], shard.objects.world_from_object[i]
        grasps_in_world = grasps_in_camera.transformed(world_from_camera)
        np.testing.assert_allclose(grasps_in_world.approach, np.tile([0, 0, -1.0], (rows.sum(), 1)), atol=1e-6)
        object_from_camera = invert(world_from_object) @ world_from_camera
        contacts = ContactFinder(solid)(grasps_in_camera.transformed(object_from_camera))
        found = shard.grasps.contact_found[rows]
        np.testing.assert_array_equal(contacts.found, found)
        in_camera = transform_points(invert(object_from_camera), contacts.points[found].reshape(-1, 3))
        np.testing.assert_allclose(in_camera, shard.grasps.contacts[rows][found].reshape(-1, 3), atol=1e-5)
        free = clearance(Scene((solid,), world_from_object[None]), 0, grasps_in_world, hand)
        np.testing.assert_allclose(free.table, shard.grasps.clearance.table[rows], atol=1e-6)
        stored_free = shard.grasps.clearance.parts["fingers"][rows] >= 0
        now_free = free.parts["fingers"] >= 0
        assert np.mean(now_free == stored_free) > 0.98  # a grasp that just touches may fall either way


def test_the_stored_image_shows_the_object_where_its_pose_says(dataset):
    for shard in Dataset.open(dataset).shards():
        for i, camera in enumerate(shard.images.cameras):
            camera_from_object = invert(shard.images.world_from_camera[i]) @ shard.objects.world_from_object[i]
            u, v = np.rint(camera.project(camera_from_object[:3, 3])).astype(int)
            rows, columns = np.nonzero(shard.images.instance[i])
            assert rows.min() - 5 <= v <= rows.max() + 5
            assert columns.min() - 5 <= u <= columns.max() + 5


def test_another_renderer_changes_pixels_and_no_grasp():
    name = object_names(tiny().objects)[0]
    cast, drawn = (generate_unit(replace(tiny(), renderer=renderer), 0, name, 3) for renderer in ("raycast", "raster"))
    np.testing.assert_array_equal(cast.grasps.camera_from_grasp, drawn.grasps.camera_from_grasp)
    difference = np.abs(cast.images.depth - drawn.images.depth)
    assert np.mean(difference < 5e-4) > 0.99  # all but silhouettes


def test_no_object_is_in_two_splits(dataset):
    splits = Dataset.open(dataset).header.splits
    assert not set(splits["train"]) & set(splits["validation"])
    assert sorted(splits["train"] + splits["validation"]) == sorted(object_names(tiny().objects))


def test_two_meshes_are_enough_to_train_on_one_and_validate_on_the_other(tmp_path):
    for name, side in (("a", 0.02), ("b", 0.025)):
        trimesh.creation.box((0.05, 0.03, side)).export(tmp_path / f"{name}.stl")
    make(tmp_path / "data", 1, tiny(count=None, folders=(str(tmp_path),)))
    splits = Dataset.open(tmp_path / "data").header.splits
    assert {name: len(objects) for name, objects in splits.items()} == {"train": 1, "validation": 1}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_splits_are_drawn_over_the_objects_that_could_be_used(tmp_path, seed):
    """Two of five: whichever of them a draw over all would hold out, both splits have one."""
    meshes = tmp_path / "meshes"
    meshes.mkdir()
    for k in range(3):
        (meshes / f"broken{k}.stl").write_bytes(b"solid nothing")
    for k in range(2):
        trimesh.creation.box((0.05, 0.03, 0.02 + 0.005 * k)).export(meshes / f"good{k}.stl")
    config = replace(tiny(count=None, folders=(str(meshes),)), views=1, grasps_per_view=4)
    generation = generate(config, "tiny", seed, tmp_path / "data", InProcess())
    assert sum(bool(summary.skipped) for summary in generation) == 3
    header = Dataset.open(tmp_path / "data").header
    assert {name: len(objects) for name, objects in header.splits.items()} == {"train": 1, "validation": 1}
    assert sorted(header.skipped) == ["broken0.stl", "broken1.stl", "broken2.stl"]
    list(generate(config, "tiny", seed, tmp_path / "data", InProcess(), resume=True))
    assert Dataset.open(tmp_path / "data").header == header
    trimesh.creation.box((0.05, 0.03, 0.04)).export(meshes / "new.stl")
    with pytest.raises(InputError, match="begun with another config"):
        generate(config, "tiny", seed, tmp_path / "data", InProcess(), resume=True)


def test_an_object_in_three_formats_is_one_object_in_one_split(tmp_path):
    for name, side in (("a", 0.02), ("b", 0.025)):
        for suffix in ("obj", "stl", "ply"):
            (tmp_path / "meshes" / name).mkdir(parents=True, exist_ok=True)
            trimesh.creation.box((0.05, 0.03, side)).export(tmp_path / "meshes" / name / f"textured.{suffix}")
    config = tiny(count=None, folders=(str(tmp_path / "meshes"),))
    generation = generate(config, "tiny", 0, tmp_path / "data", InProcess())
    assert generation.total == 2
    assert generation.notes[0] == (
        "a/textured.obj stands for 2 other files of the same object: a/textured.ply, a/textured.stl"
    )
    assert generation.config.objects.files == ("a/textured.obj", "b/textured.obj")


def test_a_mesh_that_cannot_be_used_is_skipped_with_its_reason(tmp_path):
    (tmp_path / "meshes").mkdir()
    trimesh.creation.box((0.05, 0.03, 0.02)).export(tmp_path / "meshes" / "good.stl")
    (tmp_path / "meshes" / "broken.stl").write_bytes(b"solid nothing")
    make(tmp_path / "data", 1, tiny(count=None, folders=(str(tmp_path / "meshes"),)))
    header = Dataset.open(tmp_path / "data").header
    assert header.counts["objects"] == 1
    assert "broken.stl" in header.skipped


def test_random_hands_keep_to_their_ranges():
    config = HandConfig()
    hands = [sample_hands(config, "h", 1, np.random.default_rng(i))[0] for i in range(300)]
    opening = np.array([h.max_width for h in hands])
    thickness = np.array([h.finger_thickness for h in hands]) / opening
    assert config.opening[0] <= opening.min() < 0.045
    assert 0.14 < opening.max() <= config.opening[1]
    assert config.thickness[0] <= thickness.min()
    assert thickness.max() <= config.thickness[1]
    median = np.exp(np.mean(np.log(config.opening)))  # log-uniform
    assert abs(np.mean(opening < median) - 0.5) < 0.1


def test_a_hand_without_a_palm_is_refused_with_the_fields_name():
    with pytest.raises(InputError, match=r"palm_width is \(0.0, 1.0\)"):
        HandConfig(palm_width=(0.0, 1.0))


@pytest.mark.parametrize("preset", ["default", "quick", "bin_clutter", "dexnet_2.0", "dexnet_2.0_tool"])
def test_the_presets_store_every_metric_but_those_that_are_slow_or_have_no_meaning_there(preset):
    config = load_config(GenerateConfig, "generate", preset)
    fast = {name for name, metric in METRICS.items() if name != "epsilon_linf" and not metric.executed}
    assert set(config.metrics) == (fast if config.object_grasps is None else fast - {"robust_wrench_resistance"})


def test_an_override_that_does_not_exist_is_one_line(tmp_path):
    result = CliRunner().invoke(command, ["--output", str(tmp_path / "d"), "grasp_per_view=3"])
    assert isinstance(result.exception, InputError)
    assert "did you mean 'grasps_per_view'" in str(result.exception)
    assert not (tmp_path / "d").exists()


def test_an_empty_folder_of_objects_is_refused(tmp_path):
    with pytest.raises(InputError, match="no mesh file"):
        object_names(ObjectConfig(folders=(str(tmp_path),)))
