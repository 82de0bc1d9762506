"""Heaps as work units: what is stored is what was seen and judged, among all that lies there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from graspnet.config import load_config
from graspnet.crops.metric import MetricCropConfig
from graspnet.data_gen.candidates.mixture import CandidateConfig
from graspnet.data_gen.collision.collision import swept_boxes
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.grippers import HandConfig
from graspnet.data_gen.generate.run import generate
from graspnet.data_gen.generate.units import unit_names
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.object_source import ObjectConfig, load_object, object_names
from graspnet.data_gen.physics.heaps import HeapConfig
from graspnet.data_gen.scenes.scenes import Bin, SceneConfig
from graspnet.dataset import Dataset, Shard
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import load_gripper
from graspnet.run.engines import Engine, LocalEngine
from graspnet.training.examples.datasets import load_examples
from graspnet.training.examples.label import LabelConfig
from graspnet.transforms import invert, transform_points

SEED = 3
HAND = load_gripper("yumi")
CLUTTER = GenerateConfig(
    objects=ObjectConfig(count=12, validation_share=0.25),
    hands=HandConfig(presets=("yumi",), random_share=0.0),
    heap=HeapConfig(objects=(2, 6), mean_objects=4.0, bin_share=0.6, offset=(0.02, 0.05)),
    scene=SceneConfig(width=320, height=240, field_of_view=(1.0, 1.0), distance=(0.5, 0.6)),
    scenes=5,
    views=2,
    grasps_per_view=40,
    opening_margin=0.006,
)


class InProcess(Engine):
    """One unit after another, here: no time is lost on starting workers."""

    def run(self, work, units):
        return map(work, units)


def make(folder: Path, config: GenerateConfig = CLUTTER, engine: Engine | None = None) -> Path:
    list(generate(config, "clutter", SEED, folder, engine or InProcess()))
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("clutter") / "data")


@pytest.fixture(scope="module")
def shards(dataset) -> list[Shard]:
    return list(Dataset.open(dataset).shards())


def placed_objects(shard: Shard, image: int, config: GenerateConfig = CLUTTER) -> list[trimesh.Trimesh]:
    """The meshes in one image, in the world, from nothing but what is on disk."""
    rows = np.flatnonzero(shard.objects.image == image)
    np.testing.assert_array_equal(shard.objects.instance[rows], np.arange(1, len(rows) + 1))
    names = object_names(config.objects)
    meshes = []
    for row in rows:
        name = shard.objects.object[row]
        shape: Solid = load_object(config.objects, name, np.random.default_rng([SEED, names.index(name)]))
        mesh = shape.scaled(float(shard.objects.scale[row])).mesh
        meshes.append(mesh.copy().apply_transform(shard.objects.world_from_object[row]))
    return meshes


def walls(shard: Shard, image: int) -> list[trimesh.Trimesh]:
    sizes = shard.images.bin[image]
    if np.isnan(sizes).any():
        return []
    bin_ = Bin(*map(float, sizes))
    return [bin_.walls().mesh.copy().apply_transform(bin_.world_from_walls)]


def test_some_heaps_lie_in_a_bin_and_some_on_the_table(shards):
    in_bin = [bool(np.isfinite(shard.images.bin).all()) for shard in shards]
    assert any(in_bin)
    assert not all(in_bin)


def test_every_pixel_of_an_object_is_a_point_of_its_surface(shards):
    """Distances by another code of Open3D than the ray caster's; 0.1 mm of the file and 0.05 mm of single precision."""
    import open3d as o3d

    for shard in shards[:2]:
        for image, (camera, world_from_camera) in enumerate(
            zip(shard.images.cameras, shard.images.world_from_camera, strict=True)
        ):
            points_in_camera = camera.deproject_image(shard.images.depth[image])
            for k, mesh in enumerate(placed_objects(shard, image), start=1):
                scene = o3d.t.geometry.RaycastingScene(nthreads=1)
                scene.add_triangles(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
                seen = points_in_camera[shard.images.instance[image] == k]
                if len(seen):
                    points = transform_points(world_from_camera, seen).astype(np.float32)
                    assert scene.compute_distance(points, nthreads=1).numpy().max() < 1.5e-4


def test_clearance_to_neighbours_has_the_sign_that_fcl_finds(shards):
    """Every grasp of every heap: its three swept boxes against all other objects and the walls, by python-fcl."""
    verdicts, signs = [], []
    for shard in shards:
        for image, world_from_camera in enumerate(shard.images.world_from_camera):
            meshes, around = placed_objects(shard, image), walls(shard, image)
            rows = shard.grasps.image == image
            for k in np.unique(shard.grasps.instance[rows]):
                others = trimesh.collision.CollisionManager()
                for i, mesh in enumerate([*meshes[: k - 1], *meshes[k:], *around]):
                    others.add_object(str(i), mesh)
                for row in np.flatnonzero(rows & (shard.grasps.instance == k)):
                    grasp_in_world = shard.grasps.grasps_in_camera(np.array([row])).transformed(world_from_camera)
                    verdicts.append(bool(others.in_collision_other(hand_boxes(grasp_in_world))))
                    signs.append(bool(shard.grasps.clearance.neighbours[row] < 0))
    assert 0.1 < np.mean(verdicts) < 0.9
    # Grasps are stored in single precision, and FCL knows no inside: a finger wholly in a wall is rare, but possible.
    assert np.mean(np.equal(verdicts, signs)) > 0.99


def hand_boxes(grasp_in_world: Grasps) -> trimesh.collision.CollisionManager:
    low, high = swept_boxes(HAND, grasp_in_world)
    manager = trimesh.collision.CollisionManager()
    for i in range(3):
        manager.add_object(str(i), trimesh.creation.box(bounds=[low[0, i], high[0, i]]), grasp_in_world.poses[0])
    return manager


def test_the_jaws_open_a_margin_wider_than_their_contacts(shards):
    for shard in shards:
        found = shard.grasps.contact_found
        distance = np.linalg.norm(shard.grasps.contacts[found, 1] - shard.grasps.contacts[found, 0], axis=1)
        assert (shard.grasps.columns["width"] <= HAND.max_width + 1e-9).all()
        assert (shard.grasps.columns["width"][found] >= np.minimum(distance + 2 * 0.006, HAND.max_width) - 1e-6).all()
        assert (shard.grasps.columns["width"] < 0.99 * HAND.max_width).any()


def test_only_objects_that_are_seen_have_grasps_and_all_of_them_equally_many(shards):
    for shard in shards:
        for image in range(len(shard.images)):
            rows = shard.grasps.image == image
            assert rows.sum() <= CLUTTER.grasps_per_view
            counts = np.bincount(shard.grasps.instance[rows], minlength=2)[1:]
            for k in np.flatnonzero(counts):
                assert (shard.images.instance[image] == k + 1).any()
            camera = shard.images.cameras[image]
            u, v = shard.grasps.center[rows].T
            assert (u > -0.5).all()
            assert (u < camera.width - 0.5).all()
            assert (v > -0.5).all()
            assert (v < camera.height - 0.5).all()
            if rows.sum() == CLUTTER.grasps_per_view:
                assert np.ptp(counts[counts > 0]) <= 1


def test_the_table_and_the_walls_are_no_instance(shards):
    for shard in shards:
        for image in range(len(shard.images)):
            camera_from_world = invert(shard.images.world_from_camera[image])
            camera = shard.images.cameras[image]
            for mesh in walls(shard, image):
                rim = mesh.vertices[mesh.vertices[:, 2] > mesh.bounds[1, 2] - 1e-6]
                u, v = np.rint(camera.project(transform_points(camera_from_world, rim))).astype(int).T
                seen = (u >= 0) & (v >= 0) & (u < camera.width) & (v < camera.height)
                assert (shard.images.instance[image][v[seen], u[seen]] == 0).all()


def test_a_heap_s_objects_are_all_of_one_split_and_both_splits_have_heaps(dataset, shards):
    opened = Dataset.open(dataset)
    parts = {name: list(opened.shards(name)) for name in ("train", "validation")}
    assert sum(map(len, parts.values())) == len(shards) == CLUTTER.scenes
    assert all(parts.values())


def test_two_workers_write_what_one_writes(tmp_path):
    config = replace(CLUTTER, scenes=2)
    one, other = make(tmp_path / "one", config), make(tmp_path / "two", config, LocalEngine(2))
    files = [p.relative_to(one) for p in one.rglob("*") if p.is_file()]
    assert sorted(files) == sorted(p.relative_to(other) for p in other.rglob("*") if p.is_file())
    for file in files:
        assert (one / file).read_bytes() == (other / file).read_bytes()


def test_one_image_is_labelled_for_several_hands(tmp_path):
    hands = HandConfig(presets=("yumi", "panda"), random_share=0.0)
    folder = make(tmp_path / "data", replace(CLUTTER, hands=hands, hands_per_view=2, scenes=1))
    grasps = Dataset.open(folder).read(0).grasps
    for name in ("yumi", "panda"):
        assert grasps.columns["width"][np.array(grasps.gripper) == name].max() <= load_gripper(name).max_width + 1e-9


def test_what_a_policy_proposes_is_meant_for_the_object_that_it_was_shown(tmp_path):
    """Nearer to that object's middle than to the others' middles in most cases: its own mask was all that it saw."""
    config = replace(CLUTTER, candidates=CandidateConfig(sources={"policy_sampler": 1.0}), scenes=1)
    shard = Dataset.open(make(tmp_path / "data", config)).read(0)
    proposed = np.flatnonzero(np.array(shard.grasps.source) == "policy_sampler")
    assert len(proposed) > 10
    middles = shard.objects.world_from_object[shard.objects.image == 0, :3, 3]
    world_from_grasp = shard.images.world_from_camera[shard.grasps.image] @ shard.grasps.camera_from_grasp
    distance = np.linalg.norm(world_from_grasp[proposed, None, :2, 3] - middles[None, :, :2], axis=-1)
    assert np.mean(distance.argmin(axis=1) + 1 == shard.grasps.instance[proposed]) > 0.8


def test_the_training_loader_reads_heaps_as_it_reads_single_objects(dataset, shards):
    opened = Dataset.open(dataset)
    label = LabelConfig(metric="robust_pad_closure", clearance_sigma=0.0)
    examples = load_examples(opened, "train", MetricCropConfig(), label)
    of_train = [shard for shard in shards if set(shard.objects.object) <= set(opened.split("train"))]
    assert sum(map(len, examples)) == sum(len(shard.grasps) for shard in of_train)
    robustness = np.concatenate([shard.grasps.robustness("robust_pad_closure") for shard in of_train])
    assert np.concatenate([e.robustness for e in examples]).mean() == pytest.approx(robustness.mean(), abs=1e-9)


def test_a_mesh_that_cannot_be_used_is_left_out_of_its_heaps(tmp_path):
    folder = tmp_path / "meshes"
    folder.mkdir()
    for i in range(3):
        trimesh.creation.box((0.03, 0.02, 0.015 + 0.005 * i)).export(folder / f"brick_{i}.stl")
    (folder / "broken.stl").write_bytes(b"solid nothing")
    config = replace(
        CLUTTER, objects=ObjectConfig(folders=(str(folder),), validation_share=0.0), scenes=1,
        heap=HeapConfig(objects=(4, 4), mean_objects=None),
    )  # fmt: skip
    generation = generate(config, "clutter", SEED, tmp_path / "data", InProcess())
    (note,) = generation.notes
    assert note.startswith("left out broken.stl: ")
    list(generation)
    assert set(Dataset.open(tmp_path / "data").read(0).objects.object) <= {f"brick_{i}.stl" for i in range(3)}


def of_a_bar(folder: Path, **more) -> GenerateConfig:
    """A heap of a bar that is too long for its bin and, where there is a second object, a brick that is not."""
    trimesh.creation.box((0.5, 0.05, 0.04)).export(folder / "bar.stl")
    return replace(
        CLUTTER, objects=ObjectConfig(folders=(str(folder),), validation_share=0.0, **more), scenes=1, views=1,
        heap=HeapConfig(objects=(2, 2), mean_objects=None, bin_x=(0.2, 0.2), bin_y=(0.15, 0.15)),
    )  # fmt: skip


def test_large_objects_that_may_be_scaled_are_made_small_enough_for_the_bin(tmp_path):
    config = of_a_bar(tmp_path, scaling="smallest_side", smallest_side=0.04, largest_extent=100.0)
    shard = Dataset.open(make(tmp_path / "data", config)).read(0)
    assert shard.objects.scale[0] == pytest.approx(0.8 * 0.15 / 0.5)


def test_an_object_that_keeps_its_size_is_left_out_of_a_bin_that_is_too_small(tmp_path):
    (tmp_path / "meshes").mkdir()
    config = of_a_bar(tmp_path / "meshes", scaling="as_is")
    with pytest.raises(InputError, match=r"bar\.stl: not in every heap: 0\.5 m long.*0\.12 m fit; widen heap\.bin_x"):
        make(tmp_path / "alone", config)
    trimesh.creation.box((0.04, 0.03, 0.02)).export(tmp_path / "meshes" / "brick.stl")
    (summary,) = generate(config, "clutter", SEED, tmp_path / "both", InProcess())
    assert list(summary.left_out) == ["bar.stl"]
    assert summary.scales == (1.0, 1.0)
    assert set(Dataset.open(tmp_path / "both").read(0).objects.object) == {"brick.stl"}


def test_there_are_two_heaps_for_each_object_unless_a_number_is_given():
    config = load_config(GenerateConfig, "generate", "bin_clutter")
    assert len(unit_names(config)) == 1000
    few = load_config(GenerateConfig, "generate", "bin_clutter", ["objects.count=20"])
    assert len(unit_names(few)) == 40
    assert len(unit_names(replace(few, scenes=7))) == 7


def test_the_preset_is_a_bin_with_a_camera_above():
    config = load_config(GenerateConfig, "generate", "bin_clutter", ())
    assert config.heap is not None
    assert config.heap.objects == (1, 15)
    assert config.heap.bin_share == 1.0
    assert config.opening_margin == pytest.approx(0.006)


def test_heaps_of_stable_poses_are_refused():
    with pytest.raises(InputError, match="single objects only"):
        replace(CLUTTER, views_per_pose=2)
