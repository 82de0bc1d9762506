"""Dex-Net tensors: what is exported, what is imported, and that a crop shows the same place on both sides.

The scene is known in closed form: a ball on a table, seen by a tilted camera.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from jaxtyping import Float64

from graspnet.camera import Camera
from graspnet.cli import main
from graspnet.crops.pixel import PixelCropConfig, pixel_crops
from graspnet.dataset import (
    Clearance,
    Dataset,
    DatasetHeader,
    DatasetWriter,
    DepthImages,
    GraspTable,
    MetricEstimate,
    SceneObjects,
    Shard,
)
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grasps.image_grasps import image_from_grasps
from graspnet.grippers.gripper import gripper_fields, load_gripper
from graspnet.interchange.dexnet import LAYOUTS, HandPoses, grasp_index
from graspnet.interchange.dexnet_export import export_dexnet
from graspnet.interchange.dexnet_import import DexNetImport, DexNetImportConfig
from graspnet.interchange.tensors import TensorFolder
from graspnet.models.checkpoint import load_checkpoint
from graspnet.report.inspection.validation import invalid_columns
from graspnet.transforms import frame_from_axes, invert, rigid
from tests.places import SHARED

CAMERA = Camera(fx=525.0, fy=525.0, cx=319.5, cy=239.5, width=640, height=480)
RADIUS = 0.025  # of the ball, m; it lies on the table at the world's origin
ORIGINALS = SHARED / "dexnet_tensors"


# A dataset of balls


def world_from_camera(tilt: float, roll: float, height: float) -> Float64[np.ndarray, "4 4"]:
    """Looking at the world's origin."""
    approach = np.array([np.sin(tilt), 0.0, -np.cos(tilt)])
    rotation = frame_from_axes(approach, np.array([np.sin(roll), np.cos(roll), 0.3]))
    return rigid(rotation, -height * approach)


def hits(
    rays_in_world: Float64[np.ndarray, "*B 3"], eye: Float64[np.ndarray, "*B 3"]
) -> tuple[Float64[np.ndarray, "*B"], np.ndarray]:
    """Multiples of the rays to where they hit the ball or else the table, and whether it is the ball."""
    table = -eye[..., 2] / rays_in_world[..., 2]
    to_center = np.array([0.0, 0.0, RADIUS]) - eye
    a, b = np.sum(rays_in_world**2, -1), np.sum(rays_in_world * to_center, -1)
    inside = b**2 - a * (np.sum(to_center**2, -1) - RADIUS**2)
    ball = (b - np.sqrt(np.maximum(inside, 0))) / a
    return np.where(inside > 0, ball, table), inside > 0


def ball_shard(name: str, images: int, grasps: int, rng: np.random.Generator) -> Shard:
    poses = np.stack(
        [world_from_camera(rng.uniform(0.02, 0.2), rng.uniform(-3, 3), rng.uniform(0.6, 0.7)) for _ in range(images)]
    )
    depth, instance = [], []
    for pose in poses:
        rays = CAMERA.rays(CAMERA.pixel_grid()) @ pose[:3, :3].T
        z, on_ball = hits(rays, pose[:3, 3])
        depth.append(z.astype(np.float32))
        instance.append(on_ball.astype(np.uint8))
    image = np.repeat(np.arange(images), grasps)
    return Shard(
        DepthImages(np.stack(depth), np.stack(instance), (CAMERA,) * images, poses, np.full((images, 3), np.nan)),
        SceneObjects(
            image=np.arange(images), instance=np.ones(images, dtype=np.int64), object=(name,) * images,
            scale=np.ones(images), stable_pose=np.arange(images) % 2,
            world_from_object=np.tile(np.eye(4), (images, 1, 1)),
        ),
        ball_grasps(image, poses, rng),
    )  # fmt: skip


def ball_grasps(image: np.ndarray, world_from_cameras: np.ndarray, rng: np.random.Generator) -> GraspTable:
    """Straight down around the ball, in any direction."""
    count, yaw = len(image), rng.uniform(-np.pi, np.pi, len(image))
    closing = np.column_stack([np.cos(yaw), np.sin(yaw), np.zeros(count)])
    origin = np.column_stack([rng.uniform(-0.03, 0.03, (count, 2)), rng.uniform(0.01, 0.03, count)])
    world_from_grasp = rigid(frame_from_axes(np.tile([0.0, 0.0, -1.0], (count, 1)), closing), origin)
    grasps = Grasps.of_jaws(invert(world_from_cameras[image]) @ world_from_grasp, rng.uniform(0.03, 0.05, count))
    seen = image_from_grasps(grasps, CAMERA)
    clearance = rng.uniform(-0.01, 0.02, count)
    return GraspTable(
        image=image, instance=np.ones(count, dtype=np.int64), camera_from_grasp=grasps.poses, columns=grasps.columns,
        center=seen.center, angle=seen.angle, depth=seen.depth, contacts=np.full((count, 2, 3), np.nan),
        contact_found=np.ones(count, dtype=bool), 
        clearance=Clearance(
            {"fingers": clearance, "palm": clearance + 0.01}, clearance + 0.01, np.full(count, np.inf)
        ),
        source=("made up",) * count,
        gripper=("yumi",) * count,
        metrics={
            name: MetricEstimate(rng.uniform(0, 1, count), rng.uniform(0, 1, count), np.full(count, 25))
            for name in ("robust_epsilon", "robust_force_closure")
        },
    )  # fmt: skip


GRASPS = {"2.0": 120, "4.0": 12}  # in each image: the smaller crops fill two files


@pytest.fixture(scope="module", params=LAYOUTS)
def version(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def balls(version, tmp_path_factory) -> Dataset:
    return write_balls(tmp_path_factory.mktemp("balls") / "dataset", GRASPS[version])


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> Dataset:
    return write_balls(tmp_path_factory.mktemp("few") / "dataset", 7)


def write_balls(folder: Path, grasps: int) -> Dataset:
    """Nine images of three objects."""
    names = ["a", "b", "c"]
    header = DatasetHeader(
        name="balls", seed=0, config={}, packages={}, grippers={"yumi": gripper_fields(load_gripper("yumi"))},
        splits={"train": ["c", "a"], "validation": ["b"]}, units=3,
    )  # fmt: skip
    writer = DatasetWriter(folder, header)
    for unit, name in enumerate(names):
        writer.write(unit, ball_shard(name, 3, grasps, np.random.default_rng(unit)))
    writer.finish()
    return Dataset.open(folder)


@pytest.fixture(scope="module")
def exported(balls, version, tmp_path_factory) -> TensorFolder:
    folder = tmp_path_factory.mktemp("exported") / "tensors"
    assert sum(export_dexnet(balls, folder, version)) == 9 * GRASPS[version]
    return TensorFolder.open(folder)


@pytest.fixture(scope="module")
def imported(exported, version, tmp_path_factory) -> Dataset:
    folder = tmp_path_factory.mktemp("imported") / "dataset"
    assert sum(DexNetImport(exported.folder, folder, DexNetImportConfig())) == 9 * GRASPS[version]
    return Dataset.open(folder)


def all_of(folder: TensorFolder, field: str) -> np.ndarray:
    return np.concatenate([folder.read(field, i) for i in range(folder.file_count)])


def grasps_of(dataset: Dataset) -> Iterator[tuple[Shard, int]]:
    """Shard and row of every grasp."""
    return ((shard, row) for shard in dataset.shards() for row in range(len(shard.grasps)))


def by_depth(values: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """In the order of the grasps' depths, which both sides know and no two grasps share."""
    return values[np.argsort(depth)]


# Export


def test_the_files_hold_a_thousand_datapoints_and_are_described(exported, version):
    config = json.loads((exported.folder / "config.json").read_text())
    assert config["datapoints_per_file"] == 1000
    assert set(config["fields"]) == set(exported.paths)
    size, columns = {"2.0": (32, 7), "4.0": (96, 6)}[version]
    images = {"2.0": "depth_ims_tf_table", "4.0": "tf_depth_ims"}[version]
    poses = {"2.0": "hand_poses", "4.0": "grasps"}[version]
    assert config["fields"][images] == {"dtype": "float32", "height": size, "width": size, "channels": 1}
    assert config["fields"][poses] == {"dtype": "float32", "height": columns}
    for field, described in config["fields"].items():
        lengths = [len(exported.read(field, i)) for i in range(exported.file_count)]
        assert lengths == {"2.0": [1000, 80], "4.0": [108]}[version]
        assert exported.read(field, 0).dtype == described["dtype"]


@pytest.mark.skipif(not ORIGINALS.exists(), reason="needs ../shared/data/dexnet_tensors")
def test_version_2_has_the_originals_fields_with_their_types_and_shapes(few, tmp_path):
    list(export_dexnet(few, tmp_path / "t"))
    ours, theirs = (json.loads((f / "config.json").read_text())["fields"] for f in (tmp_path / "t", ORIGINALS))
    del theirs["force_closure"]  # a metric that these grasps do not have
    assert theirs.items() <= ours.items()
    assert set(ours) - set(theirs) == {"robust_force_closure"}


def test_poses_hold_row_column_depth_angle_and_the_rest_as_documented(exported, balls, version):
    rows = all_of(exported, LAYOUTS[version].poses).astype(float)
    for (shard, i), row in zip(grasps_of(balls), rows, strict=True):
        grasps = shard.grasps
        (u, v), z = CAMERA.project(grasps.camera_from_grasp[i, :3, 3]), grasps.camera_from_grasp[i, 2, 3]
        np.testing.assert_allclose(row[:3], [v, u, z], atol=1e-4)
        ahead = CAMERA.project(grasps.camera_from_grasp[i, :3, 3] + 1e-3 * grasps.camera_from_grasp[i, :3, 1]) - (u, v)
        np.testing.assert_allclose(ahead / np.linalg.norm(ahead), [np.cos(row[3]), np.sin(row[3])], atol=2e-3)
        if version == "2.0":
            np.testing.assert_allclose(
                row[4:], [v - CAMERA.cy, u - CAMERA.cx, grasps.columns["width"][i] * 525.0 / z], atol=1e-3
            )
        else:
            np.testing.assert_allclose(row[4], np.arccos(grasps.camera_from_grasp[i, 2, 2]), atol=1e-3)


def test_a_crop_shows_what_lies_around_the_grasps_pixel_at_index_48_of_96_turned_by_its_angle(exported, balls, version):
    layout = LAYOUTS[version]
    images, masks = all_of(exported, layout.images)[..., 0], all_of(exported, "obj_masks")[..., 0]
    poses = HandPoses.from_columns(all_of(exported, layout.poses).astype(float), layout)
    step = 96 / layout.size
    column, row = np.meshgrid(*(step * (np.arange(layout.size) + 0.5) - 0.5 - 48,) * 2)
    wrong_masks = []
    for n, (shard, i) in enumerate(grasps_of(balls)):
        cos, sin = np.cos(poses.angle[n]), np.sin(poses.angle[n])
        uv = np.stack([cos * column - sin * row, sin * column + cos * row], axis=-1) + poses.center[n]
        pose = shard.images.world_from_camera[shard.grasps.image[i]]
        depth, on_ball = hits(CAMERA.rays(uv) @ pose[:3, :3].T, pose[:3, 3])
        error = np.abs(images[n] - depth)
        assert np.median(error) < 1e-4  # stored at 0.1 mm
        assert np.mean(error > 1e-3) < 0.03  # at the ball's silhouette
        wrong_masks.append(np.mean((masks[n] > 0) != on_ball))
    assert set(np.unique(masks)) == {0, 255}
    assert np.mean(wrong_masks) < 0.005


def test_labels_count_objects_poses_and_images_and_the_maps_name_them(exported, balls):
    names = json.loads((exported.folder / "object_category_map.json").read_text())
    poses = json.loads((exported.folder / "pose_category_map.json").read_text())
    assert names == {"a": 0, "b": 1, "c": 2}
    labels = (all_of(exported, f"{kind}_labels") for kind in ("obj", "pose", "image"))
    for (shard, i), (of_object, of_pose, of_image) in zip(grasps_of(balls), zip(*labels, strict=True), strict=True):
        image = shard.grasps.image[i]
        assert names[shard.objects.object[image]] == of_object
        assert poses[f"{shard.objects.object[image]}_pose_{shard.objects.stable_pose[image]}"] == of_pose
        assert of_image == 3 * of_object + image
    train, validation = (
        np.load(exported.folder / "splits" / "object_wise" / f"{split}_indices.npz", allow_pickle=False)["arr_0"]
        for split in ("train", "val")
    )
    assert set(all_of(exported, "obj_labels")[train]) == {0, 2}
    assert set(all_of(exported, "obj_labels")[validation]) == {1}


def test_a_metric_is_zero_where_the_hand_collides(exported, balls, version):
    free = np.concatenate([shard.grasps.clearance.collision_free for shard in balls.shards()])
    np.testing.assert_array_equal(all_of(exported, "collision_free"), free)
    fields = {"2.0": {"robust_ferrari_canny": "robust_epsilon", "robust_force_closure": "robust_force_closure"},
              "4.0": {"grasp_metrics": "robust_epsilon"}}[version]  # fmt: skip
    for theirs, ours in fields.items():
        mean = np.concatenate([shard.grasps.metrics[ours].mean for shard in balls.shards()])
        np.testing.assert_allclose(all_of(exported, theirs), np.where(free, mean, 0), rtol=1e-6)


# Import


def test_an_imported_pixel_is_where_the_scene_has_a_surface(imported):
    """Camera, turn, pixel size and alignment of every crop at once: its points lie on the table or on the ball."""
    for shard in imported.shards():
        images = shard.images
        for i in range(0, len(images), 25):
            points = images.cameras[i].deproject_image(images.depth[i])
            in_world = points @ images.world_from_camera[i, :3, :3].T + images.world_from_camera[i, :3, 3]
            off_table = np.abs(in_world[..., 2])
            off_ball = np.abs(np.linalg.norm(in_world - [0, 0, RADIUS], axis=-1) - RADIUS)
            assert np.median(np.minimum(off_table, off_ball)) < 1e-4
            assert np.mean(np.minimum(off_table, off_ball) < 1e-3) > 0.95  # the others straddle the silhouette
            assert np.mean(images.instance[i] == (off_ball < off_table)) > 0.95


def test_an_imported_grasp_is_the_grasp_that_was_exported(imported, balls, version):
    """Compared in the world, which knows of no crop; jaws may be interchanged."""
    poses, widths, depths = [], [], []
    for dataset in (balls, imported):
        shards = list(dataset.shards())
        in_world = [s.images.world_from_camera[s.grasps.image] @ s.grasps.camera_from_grasp for s in shards]
        depths.append(np.concatenate([s.grasps.depth for s in shards]))
        poses.append(by_depth(np.concatenate(in_world), depths[-1]))
        widths.append(by_depth(np.concatenate([s.grasps.columns["width"] for s in shards]), depths[-1]))
    np.testing.assert_allclose(np.sort(depths[0]), np.sort(depths[1]), atol=1e-6)
    np.testing.assert_allclose(poses[0][:, :3, 3], poses[1][:, :3, 3], atol=1e-5)
    np.testing.assert_allclose(poses[0][:, :3, :3], poses[1][:, :3, :3], atol=1e-4)
    np.testing.assert_allclose(widths[1], widths[0] if version == "2.0" else 0.05, atol=1e-6)


def test_imported_columns_are_the_tensors_or_unknown(imported, exported, version):
    layout = LAYOUTS[version]
    poses = HandPoses.from_columns(all_of(exported, layout.poses).astype(float), layout)
    shards = list(imported.shards())
    depth = np.concatenate([s.grasps.depth for s in shards])
    theirs = {"2.0": "robust_ferrari_canny", "4.0": "grasp_metrics"}[version]
    ours = {"2.0": "robust_epsilon", "4.0": "grasp_metrics"}[version]
    metric = np.concatenate([s.grasps.metrics[ours].mean for s in shards])
    np.testing.assert_array_equal(by_depth(metric, depth), by_depth(all_of(exported, theirs), poses.depth))
    images = np.concatenate([s.images.depth for s in shards])
    np.testing.assert_allclose(
        by_depth(images, depth), by_depth(all_of(exported, layout.images)[..., 0], poses.depth), atol=6e-5
    )
    masks = np.concatenate([s.images.instance for s in shards])
    np.testing.assert_array_equal(
        by_depth(masks, depth), by_depth(all_of(exported, "obj_masks")[..., 0] > 0, poses.depth)
    )
    free = np.concatenate([s.grasps.clearance.collision_free for s in shards])
    np.testing.assert_array_equal(by_depth(free, depth), by_depth(all_of(exported, "collision_free"), poses.depth))
    names = np.concatenate([s.objects.object for s in shards])
    np.testing.assert_array_equal(
        by_depth(names, depth), np.array(["a", "b", "c"])[by_depth(all_of(exported, "obj_labels"), poses.depth)]
    )
    for shard in shards:
        assert np.isnan(shard.grasps.metrics[ours].variance).all()
        assert set(shard.grasps.metrics[ours].samples) == {25}
        assert np.isinf(shard.grasps.clearance.smallest).all()
        assert np.isnan(shard.grasps.contacts).all()
        assert np.isnan(shard.images.bin).all()
        assert set(shard.grasps.source) == {"dexnet"}
        assert set(shard.grasps.gripper) == set(imported.header.grippers) == {"yumi"}


def test_an_imported_set_keeps_the_split_that_it_was_stored_with(imported, version):
    assert {name: sorted(of) for name, of in imported.header.splits.items()} == {
        "train": ["a", "c"], "validation": ["b"],
    }  # fmt: skip
    assert sum(len(shard.grasps) for shard in imported.shards("validation")) == 3 * GRASPS[version]


def test_the_network_sees_the_same_crop_before_export_and_after_import(imported, balls, version):
    size = LAYOUTS[version].size
    crop = PixelCropConfig(window_px=96, size=size)
    before, after = (crops_of(dataset, crop.at_pitch(dataset.header.pixel_pitch)) for dataset in (balls, imported))
    error = np.abs(before - after)
    assert np.median(error) < 1e-4
    assert np.mean(error > 2e-3) < 0.06  # silhouettes, resampled half a camera pixel aside
    half_a_pixel_aside = np.abs(before[:, :, 1:] - after[:, :, :-1])
    assert np.mean(half_a_pixel_aside) > 2 * np.mean(error)


def crops_of(dataset: Dataset, crop: PixelCropConfig) -> np.ndarray:
    crops, depths = [], []
    for shard in dataset.shards():
        poses = torch.from_numpy(shard.grasps.camera_from_grasp)
        for i, camera in enumerate(shard.images.cameras):
            rows = np.flatnonzero(shard.grasps.image == i)
            depth = torch.from_numpy(shard.images.depth[i])
            crops.append(pixel_crops(depth, camera, poses[rows], crop)[0][:, 0].numpy())
            depths.append(shard.grasps.depth[rows])
    return by_depth(np.concatenate(crops), np.concatenate(depths))


def test_a_stopped_import_resumes_to_the_same_bytes(exported, imported, tmp_path):
    folder = tmp_path / "dataset"
    next(iter(DexNetImport(exported.folder, folder, DexNetImportConfig())))
    with pytest.raises(InputError, match="--resume"):
        DexNetImport(exported.folder, folder, DexNetImportConfig())
    resumed = DexNetImport(exported.folder, folder, DexNetImportConfig(), resume=True)
    assert resumed.done == 1
    assert resumed.total == 1 + sum(1 for _ in resumed) == imported.shard_count
    assert contents(folder) == contents(Path(str(imported.folder)))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# What others wrote


@pytest.mark.skipif(not ORIGINALS.exists(), reason="needs ../shared/data/dexnet_tensors")
def test_the_originals_crops_of_one_image_show_one_table_if_the_grasp_is_at_index_48():
    """1 / z of a plane is affine in pixels, so all crops of an image must agree on three numbers."""
    tensors = TensorFolder.open(ORIGINALS)
    image, mask = (all_of(tensors, field)[..., 0] for field in ("depth_ims_tf_table", "obj_masks"))
    poses = HandPoses.from_columns(all_of(tensors, "hand_poses").astype(float), LAYOUTS["2.0"])
    of_image = all_of(tensors, "image_labels")

    def residual(number: int, index: float) -> float:
        """Millimetres that table pixels lie off the plane, for a grasp at this index of 32."""
        rows = np.flatnonzero(of_image == number)
        column, row = np.meshgrid(*(3 * (np.arange(32) - index),) * 2)
        cos, sin = (f(poses.angle[rows])[:, None, None] for f in (np.cos, np.sin))
        u = cos * column - sin * row + poses.from_principal_point[rows, 0, None, None]
        v = sin * column + cos * row + poses.from_principal_point[rows, 1, None, None]
        far = np.stack([np.pad(m > 0, 2) for m in mask[rows]])
        near_object = np.any([far[:, i : i + 32, j : j + 32] for i in range(5) for j in range(5)], axis=0)
        table = ~near_object
        inputs = np.stack([u[table], v[table], np.ones(table.sum())], axis=1)
        target = 1 / image[rows][table].astype(float)
        for _ in range(3):  # shadows of the mask's edge apart
            plane = np.linalg.lstsq(inputs, target, rcond=None)[0]
            off = np.abs(target - inputs @ plane)
            inputs, target = inputs[off < 5 * np.median(off)], target[off < 5 * np.median(off)]
        return float(1e3 * 0.7**2 * np.sqrt(np.mean((target - inputs @ plane) ** 2)))

    for number in (0, 7, 12, 30):
        at_48 = residual(number, grasp_index(32))
        assert at_48 < 0.03
        assert all(residual(number, grasp_index(32) + off) > 2 * at_48 for off in (-1 / 3, -1 / 6, 1 / 6, 1 / 3))


@pytest.mark.skipif(not ORIGINALS.exists(), reason="needs ../shared/data/dexnet_tensors")
def test_the_originals_data_set_imports_with_its_names_and_numbers(tmp_path):
    with pytest.raises(InputError, match=r"bar_clamp is the only object.*--split-by stable_pose"):
        DexNetImport(ORIGINALS, tmp_path / "d", DexNetImportConfig())
    assert sum(DexNetImport(ORIGINALS, tmp_path / "d", DexNetImportConfig(split_by="stable_pose"))) == 1870
    dataset, tensors = Dataset.open(tmp_path / "d"), TensorFolder.open(ORIGINALS)
    assert dataset.header.pixel_pitch == 3
    splits = dataset.header.splits
    assert sorted(splits["train"] + splits["validation"]) == [f"bar_clamp_pose_{i}" for i in range(7)]
    shards = list(dataset.shards())
    assert sum(s.grasps.clearance.collision_free.sum() for s in shards) == all_of(tensors, "collision_free").sum()
    positive = sum((s.grasps.robustness("robust_epsilon") > 0.002).sum() for s in shards)
    assert positive == (all_of(tensors, "robust_ferrari_canny") > 0.002).sum()
    for shard in shards:
        assert np.isnan(shard.images.world_from_camera).all()
        assert {camera.fx for camera in shard.images.cameras} == {175.0}
        assert np.all((shard.grasps.columns["width"] > 0.04) & (shard.grasps.columns["width"] <= 0.05))
        assert set(shard.grasps.metrics) == {"robust_epsilon", "force_closure"}
        assert invalid_columns(shard, dataset.header) == []
    looked = CliRunner().invoke(main, ["inspect", str(tmp_path / "d")])
    assert looked.exit_code == 0
    assert "7 objects, 1870 images, 1870 grasps" in looked.stdout


@pytest.mark.skipif(not ORIGINALS.exists(), reason="needs ../shared/data/dexnet_tensors")
def test_the_originals_data_set_comes_out_as_it_went_in(tmp_path):
    """Field by field; but an image is now one crop, so rows, columns and angles count in that, turned by the angle."""
    config = DexNetImportConfig(split_by="stable_pose", validation_share=0.0)
    assert sum(DexNetImport(ORIGINALS, tmp_path / "d", config)) == 1870
    assert sum(export_dexnet(Dataset.open(tmp_path / "d"), tmp_path / "t")) == 1870
    before, after = TensorFolder.open(ORIGINALS), TensorFolder.open(tmp_path / "t")
    images = "depth_ims_tf_table"
    np.testing.assert_allclose(all_of(after, images), all_of(before, images), atol=6e-5)  # stored at 0.1 mm
    for field in ("obj_masks", "collision_free", "robust_ferrari_canny", "force_closure"):
        np.testing.assert_array_equal(all_of(after, field) > 0, all_of(before, field) > 0)
        np.testing.assert_array_equal(all_of(after, field), all_of(before, field))
    went_in, came_out = (
        HandPoses.from_columns(all_of(f, "hand_poses").astype(float), LAYOUTS["2.0"]) for f in (before, after)
    )
    np.testing.assert_allclose(came_out.depth, went_in.depth, atol=1e-6)
    assert np.abs(np.sin(came_out.angle)).max() < 1e-6
    openings = np.minimum(went_in.width_px, 0.05 * 525 / went_in.depth)  # no hand opens wider than it can
    np.testing.assert_allclose(came_out.width_px, openings, rtol=1e-5)
    cos, sin = np.cos(went_in.angle), np.sin(went_in.angle)
    u, v = went_in.from_principal_point.T
    turned = np.stack([cos * u + sin * v, cos * v - sin * u], axis=1)
    np.testing.assert_allclose(came_out.from_principal_point, turned, atol=1e-3)


def flat_copy(source: TensorFolder, folder: Path, fields: tuple[str, ...]) -> None:
    """As the first releases were: all files in one folder, fewer fields, poses of six columns; and with six digits."""
    folder.mkdir()
    for field in fields:
        array = source.read(field, 0)
        for i, part in enumerate(np.array_split(array[:, :6] if field == "hand_poses" else array, 2)):
            np.savez_compressed(folder / f"{field}_{i:06d}.npz", part)


def test_a_flat_release_without_labels_imports_file_by_file(few, tmp_path):
    list(export_dexnet(few, tmp_path / "t"))
    tensors = TensorFolder.open(tmp_path / "t")
    names = ("depth_ims_tf_table", "hand_poses", "robust_ferrari_canny")
    flat_copy(tensors, tmp_path / "flat", names)
    assert sum(DexNetImport(tmp_path / "flat", tmp_path / "d", DexNetImportConfig(validation_share=0.5))) == 63
    dataset = Dataset.open(tmp_path / "d")
    assert sorted(dataset.header.splits["train"] + dataset.header.splits["validation"]) == ["file_00000", "file_00001"]
    grasps = [shard.grasps for shard in dataset.shards()]
    assert {float(w) for g in grasps for w in g.columns["width"]} == {np.float32(0.05)}
    metric = np.concatenate([g.robustness("robust_epsilon") for g in grasps])
    np.testing.assert_array_equal(metric, all_of(tensors, "robust_ferrari_canny"))


def test_what_is_no_such_data_set_is_refused_with_the_reason(few, tmp_path):
    list(export_dexnet(few, tmp_path / "t"))
    files = tmp_path / "t" / "tensors"
    with pytest.raises(InputError, match="holds a data set already"):
        list(export_dexnet(few, tmp_path / "t"))
    with pytest.raises(InputError, match=r"unknown version '3\.0'"):
        list(export_dexnet(few, tmp_path / "u", "3.0"))
    with pytest.raises(InputError, match="unknown metric 'robust_epsilo'; did you mean 'robust_epsilon'"):
        list(export_dexnet(few, tmp_path / "u", "4.0", "robust_epsilo"))
    with pytest.raises(InputError, match=r"no FIELD_00000\.npz"):
        DexNetImport(tmp_path, tmp_path / "d", DexNetImportConfig())
    np.savez(files / "robust_ferrari_canny_00000.npz", np.array([{"an": "object"}], dtype=object))
    with pytest.raises(InputError, match=r"robust_ferrari_canny_00000\.npz: not an array.*allow_pickle"):
        list(DexNetImport(tmp_path / "t", tmp_path / "d", DexNetImportConfig()))
    (files / "extra_00001.npz").write_bytes(b"")
    with pytest.raises(InputError, match="extra lacks file 0"):
        DexNetImport(tmp_path / "t", tmp_path / "e", DexNetImportConfig())
    (files / "extra_00001.npz").unlink()
    (files / "hand_poses_00000.npz").unlink()
    with pytest.raises(InputError, match="needs fields depth_ims_tf_table and hand_poses or"):
        DexNetImport(tmp_path / "t", tmp_path / "e", DexNetImportConfig())
    (files / "robust_ferrari_canny_00000.npz").rename(files / "robust_suction_wrench_resistance_00000.npz")
    with pytest.raises(InputError, match="suction cups"):
        DexNetImport(tmp_path / "t", tmp_path / "e", DexNetImportConfig())


# The commands


def test_the_commands_take_a_dataset_there_and_back_and_gqcnn_2_trains_on_it(few, tmp_path):
    tensors, dataset, model = (str(tmp_path / name) for name in ("tensors", "dataset", "model"))
    settings = ("epochs=1", "device=cpu", "threads=1", "precision=float32", "label.threshold=0.5")
    for arguments, said in (
        (["export", "dexnet", str(few.folder), "--output", tensors], "63 datapoints"),
        (["import", "dexnet", tensors, "--output", dataset], "63 grasps of 3 objects"),
        (["train", "--config", "gqcnn_2.0", "--dataset", dataset, "--output", model, *settings], "on 21 examples"),
    ):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        assert said in result.stdout
    assert json.loads((tmp_path / "dataset" / "run.json").read_text())["made"]["grasps"] == 63
    trained = load_checkpoint(tmp_path / "model").network
    assert trained.crop == PixelCropConfig(window_px=96, size=32)  # of images from a camera, not of imported crops


@pytest.mark.parametrize("group", ["import", "export"])
def test_a_group_lists_its_commands_and_an_unknown_one_is_answered_with_the_nearest(group):
    assert "dexnet" in CliRunner().invoke(main, [group, "--help"]).stdout
    result = CliRunner().invoke(main, [group, "dexnt"])
    assert result.exit_code == 2
    assert "Did you mean 'dexnet'?" in result.stderr
    shown = CliRunner().invoke(main, [group, "dexnet", "--help"])
    assert f"graspnet {group} dexnet " in shown.stdout
