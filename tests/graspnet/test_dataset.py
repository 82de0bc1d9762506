"""The dataset on disk: what is written is read back, and nothing half-written or damaged is ever read."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr

from graspnet.camera import Camera
from graspnet.dataset import (
    Dataset,
    DatasetHeader,
    DatasetWriter,
    DepthImages,
    GraspTable,
    MetricColumns,
    SceneObjects,
    Shard,
    quantised,
)
from graspnet.errors import InputError
from graspnet.gripper import load_gripper


def make_shard(rng: np.random.Generator, images: int = 2, grasps: int = 7) -> Shard:
    depth = rng.uniform(0.4, 1.2, (images, 6, 8)).astype(np.float32)
    depth[0, 0, :3] = np.nan
    camera = Camera(10.0, 11.0, 3.5, 2.5, 8, 6)
    poses = np.tile(np.eye(4), (grasps, 1, 1))
    poses[:, :3, 3] = rng.normal(size=(grasps, 3))
    poses = as_stored(poses)
    values = {name: as_stored(rng.normal(size=grasps)) for name in ("angle", "depth")}
    parts = ("fingers", "palm", "table", "neighbours")
    clearances = {f"clearance_{part}": as_stored(rng.normal(size=grasps)) for part in parts}
    return Shard(
        DepthImages(
            quantised(depth), (depth > 0.8).astype(np.uint8), (camera,) * images, np.tile(np.eye(4), (images, 1, 1)),
            np.full((images, 3), [0.4, 0.3, np.nan]),
        ),
        SceneObjects(
            np.repeat(np.arange(images), 2), np.tile([1, 2], images), ("cube", "rod") * images,
            rng.random(2 * images), np.tile([0, -1], images), np.tile(np.eye(4), (2 * images, 1, 1)),
        ),
        GraspTable(
            image=rng.integers(images, size=grasps), instance=rng.integers(1, 3, size=grasps),
            camera_from_grasp=poses, width=np.full(grasps, 0.0625),
            center=as_stored(rng.uniform(0, 8, (grasps, 2))), contacts=as_stored(rng.normal(size=(grasps, 2, 3))),
            contact_found=rng.random(grasps) > 0.5, origin=("antipodal",) * grasps, gripper=("yumi",) * grasps,
            metrics={"robust_force_closure": MetricColumns(*as_stored(rng.random((2, grasps))), np.full(grasps, 25))},
            **values, **clearances,
        ),
    )  # fmt: skip


def as_stored(values: np.ndarray) -> np.ndarray:
    """Numbers that 32 bits hold: grasps are stored in so many."""
    return values.astype(np.float32).astype(np.float64)


def make_header(units: int = 2) -> DatasetHeader:
    gripper = load_gripper("yumi")
    return DatasetHeader(
        name="tiny", seed=3, config={"views": 2}, packages={}, units=units,
        grippers={"yumi": {**vars(gripper), "palm": list(gripper.palm)}},
        splits={"train": ["cube", "rod"], "validation": ["ball"]},
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    writer = DatasetWriter(tmp_path / "data", make_header())
    for unit in range(2):
        writer.write(unit, make_shard(np.random.default_rng(unit)))
    writer.finish()
    return tmp_path / "data"


def assert_equal_shards(a: Shard, b: Shard) -> None:
    for part in ("images", "objects", "grasps"):
        for name, value in vars(getattr(a, part)).items():
            other = getattr(getattr(b, part), name)
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(value, other)
            elif name == "metrics":
                for metric, columns in value.items():
                    np.testing.assert_array_equal(columns.mean, other[metric].mean)
                    np.testing.assert_array_equal(columns.samples, other[metric].samples)
            else:
                assert value == other


def test_a_shard_is_read_back_as_it_was_written(folder):
    assert_equal_shards(Dataset.open(folder).read(1), make_shard(np.random.default_rng(1)))


def test_depth_is_kept_to_a_twentieth_of_a_millimetre():
    depth = np.random.default_rng(0).uniform(0.2, 6.5, (1, 50, 50)).astype(np.float32)
    assert np.abs(quantised(depth) - depth).max() < 0.51e-4


def test_missing_depth_stays_missing_and_beyond_range_becomes_missing():
    depth = np.array([[[np.nan, 7.0, 0.0, 1.0]]], dtype=np.float32)
    np.testing.assert_array_equal(np.isfinite(quantised(depth)), [[[False, False, False, True]]])


def test_files_open_without_graspnet(folder):
    shard = folder / "shards" / "00000"
    assert pq.read_table(shard / "grasps.parquet").num_rows == 7
    depth = zarr.open_array(str(shard / "depth.zarr"), mode="r")[:]
    assert depth.dtype == np.uint16
    assert 4000 <= depth.max() <= 12000  # 0.4 to 1.2 m in units of 0.1 mm


def test_the_same_shards_make_the_same_bytes(folder, tmp_path):
    writer = DatasetWriter(tmp_path / "again", make_header())
    for unit in (1, 0):
        writer.write(unit, make_shard(np.random.default_rng(unit)))
    writer.finish()
    first = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    second = {p.relative_to(tmp_path / "again"): p.read_bytes() for p in (tmp_path / "again").rglob("*") if p.is_file()}
    assert first == second


def test_robustness_is_zero_in_collision(folder):
    grasps = Dataset.open(folder).read(0).grasps
    free = (grasps.clearance_fingers >= 0) & (grasps.clearance_palm >= 0) & (grasps.clearance_table >= 0)
    free &= grasps.clearance_neighbours >= 0
    expected = np.where(free, grasps.metrics["robust_force_closure"].mean, 0)
    np.testing.assert_array_equal(grasps.robustness("robust_force_closure"), expected)
    assert np.all(grasps.robustness("robust_force_closure", clearance_sigma=1e-9)[~free] < 1e-6)
    with pytest.raises(InputError, match=r"no metric 'epsilon'.*robust_force_closure"):
        grasps.robustness("epsilon")


def test_a_soft_label_halves_where_the_hand_just_touches(folder):
    grasps = replace(Dataset.open(folder).read(0).grasps, clearance_table=np.zeros(7), clearance_palm=np.ones(7))
    touching = replace(grasps, clearance_fingers=np.ones(7), clearance_neighbours=np.full(7, np.inf))
    soft = touching.robustness("robust_force_closure", clearance_sigma=0.002)
    np.testing.assert_allclose(soft, grasps.metrics["robust_force_closure"].mean / 2)


def test_a_truncated_file_is_named(folder):
    path = folder / "shards" / "00001" / "grasps.parquet"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match=r"00001/grasps\.parquet: truncated or changed.*--resume"):
        Dataset.open(folder).read(1)


@pytest.mark.parametrize("text", ["", '{"files": {'])
def test_a_truncated_record_of_a_shard_is_named_whoever_reads_it(folder, text):
    (folder / "shards" / "00001" / "shard.json").write_text(text)
    message = r"00001/shard\.json: missing or truncated; `graspnet generate --resume`"
    with pytest.raises(InputError, match=message):
        Dataset.open(folder).read(1)
    with pytest.raises(InputError, match=message):
        list(Dataset.open(folder).shards("train"))


@pytest.mark.parametrize("name", ["shard.json", "grasps.parquet", "depth.zarr/zarr.json"])
def test_a_resumed_run_makes_damaged_shards_again(folder, name):
    path = folder / "shards" / "00001" / name
    path.write_bytes(path.read_bytes()[:-5])
    writer = DatasetWriter(folder, make_header(), resume=True)
    assert writer.finished() == {0}
    writer.write(1, make_shard(np.random.default_rng(1)))
    writer.finish()
    assert_equal_shards(Dataset.open(folder).read(1), make_shard(np.random.default_rng(1)))


def test_a_resumed_run_tries_again_what_was_left_out(tmp_path):
    DatasetWriter(tmp_path, make_header()).skip(1, "ball", "open mesh")
    assert DatasetWriter(tmp_path, make_header(), resume=True).finished() == set()


def test_a_dataset_of_nothing_is_not_finished(tmp_path):
    writer = DatasetWriter(tmp_path, make_header())
    for unit in range(2):
        writer.skip(unit, f"plate_{unit}", "encloses no volume")
    with pytest.raises(InputError, match="no object could be used; the first: encloses no volume"):
        writer.finish()


def test_an_unfinished_dataset_is_refused(tmp_path):
    DatasetWriter(tmp_path, make_header()).write(0, make_shard(np.random.default_rng(0)))
    with pytest.raises(InputError, match=r"unfinished.*--resume"):
        Dataset.open(tmp_path)


def test_resuming_keeps_whole_shards_and_removes_half_written_ones(tmp_path):
    DatasetWriter(tmp_path, make_header()).write(0, make_shard(np.random.default_rng(0)))
    (tmp_path / "shards" / "00001.tmp").mkdir()
    writer = DatasetWriter(tmp_path, make_header(), resume=True)
    assert writer.finished() == {0}
    writer.skip(1, "ball", "open mesh")
    assert writer.finished() == {0, 1}
    header = writer.finish()
    assert header.skipped == {"ball": "open mesh"}
    assert header.counts == {"objects": 2, "images": 2, "grasps": 7}


def test_an_existing_dataset_is_not_overwritten(folder):
    with pytest.raises(InputError, match="holds a dataset already"):
        DatasetWriter(folder, make_header())


def test_resuming_with_another_seed_is_refused(tmp_path):
    DatasetWriter(tmp_path, make_header())
    data = vars(make_header()) | {"seed": 4}
    with pytest.raises(InputError, match="another seed"):
        DatasetWriter(tmp_path, DatasetHeader(**data), resume=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not JSON"), ("[]", "schema version"), (json.dumps({"version": 99}), "schema version 99")],
)
def test_a_damaged_header_is_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        Dataset.open(tmp_path)
    assert "\n" not in str(error.value)
