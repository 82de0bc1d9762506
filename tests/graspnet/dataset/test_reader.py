"""Facts about reading a dataset: what was written comes back, and nothing half-written or damaged is ever read."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from graspnet.dataset import Dataset, DatasetWriter
from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper

from .conftest import assert_equal_shards, make_header, make_shard


def test_a_shard_is_read_back_as_it_was_written(folder):
    assert_equal_shards(Dataset.open(folder).read(1), make_shard(np.random.default_rng(1)))


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


def test_an_unfinished_dataset_is_refused(tmp_path):
    DatasetWriter(tmp_path, make_header()).write(0, make_shard(np.random.default_rng(0)))
    with pytest.raises(InputError, match=r"unfinished.*--resume"):
        Dataset.open(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not JSON"), ("[]", "schema version"), (json.dumps({"version": 99}), "schema version 99")],
)
def test_a_damaged_header_is_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        Dataset.open(tmp_path)
    assert "\n" not in str(error.value)


def test_every_broken_file_of_a_shard_is_named(folder):
    shard = folder / "shards" / "00001"
    (shard / "grasps.parquet").write_bytes(b"")
    (shard / "depth.zarr" / "zarr.json").unlink()
    dataset = Dataset.open(folder)
    assert dataset.broken_files(0) == []
    missing, changed = dataset.broken_files(1)
    assert "00001/depth.zarr/zarr.json: missing" in missing
    assert "00001/grasps.parquet: truncated or changed" in changed


def test_a_dataset_of_version_1_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "dataset.json").write_text(json.dumps({"version": 1, "complete": True}))
    with pytest.raises(InputError, match="schema version 1; this graspnet reads 2 and 3; make the dataset again"):
        Dataset.open(tmp_path)


def test_a_shard_belongs_to_a_split_if_all_of_its_objects_do(tmp_path):
    header = make_header(splits={"train": ["cube", "rod"], "validation": ["cube"]})
    writer = DatasetWriter(tmp_path, header)
    for unit in range(2):
        writer.write(unit, make_shard(np.random.default_rng(unit)))
    writer.finish()
    dataset = Dataset.open(tmp_path)
    assert [len(list(dataset.shards(split))) for split in ("train", "validation", None)] == [2, 0, 2]


def test_a_dataset_of_version_2_is_read_and_its_grippers_are_parallel_jaws(folder):
    as_version_2(folder)
    dataset = Dataset.open(folder)
    assert dataset.header.kind == "parallel_jaw"
    assert dataset.gripper("yumi") == load_gripper("yumi")
    assert_equal_shards(dataset.read(1), make_shard(np.random.default_rng(1)))


def test_a_dataset_of_version_2_is_not_resumed_with_columns_of_another_name(folder):
    as_version_2(folder)
    with pytest.raises(InputError, match="begun with another version"):
        DatasetWriter(folder, make_header(), resume=True)


def as_version_2(folder: Path) -> None:
    """Rewrite a dataset as the version before wrote it: no kind of gripper, and `source` is called `origin`."""
    header = json.loads((folder / "dataset.json").read_text()) | {"version": 2}
    for gripper in header["grippers"].values():
        del gripper["kind"]
    for name, entry in header["shards"].items():
        place = folder / "shards" / name
        table = pq.read_table(place / "grasps.parquet")
        names = ["origin" if column == "source" else column for column in table.column_names]
        pq.write_table(table.rename_columns(names), place / "grasps.parquet")
        data, record = (place / "grasps.parquet").read_bytes(), json.loads((place / "shard.json").read_text())
        record["files"]["grasps.parquet"] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        (place / "shard.json").write_text(json.dumps(record))
        entry["checksum"] = hashlib.sha256((place / "shard.json").read_bytes()).hexdigest()
    (folder / "dataset.json").write_text(json.dumps(header))
