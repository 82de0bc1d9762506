"""Facts about writing a dataset: only whole shards count, wherever they are, and whoever stopped the writing."""

import numpy as np
import pytest

from graspnet.dataset import Dataset, DatasetHeader, DatasetWriter
from graspnet.errors import InputError
from graspnet.run.storage import open_folder

from .conftest import assert_equal_shards, make_header, make_shard


def test_the_same_shards_make_the_same_bytes(folder, tmp_path):
    writer = DatasetWriter(tmp_path / "again", make_header())
    for unit in (1, 0):
        writer.write(unit, make_shard(np.random.default_rng(unit)))
    writer.finish()
    first = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    second = {p.relative_to(tmp_path / "again"): p.read_bytes() for p in (tmp_path / "again").rglob("*") if p.is_file()}
    assert first == second


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


def test_resuming_keeps_whole_shards_and_removes_half_written_ones(tmp_path):
    DatasetWriter(tmp_path, make_header()).write(0, make_shard(np.random.default_rng(0)))
    open_folder(tmp_path).write({"shards/00001/depth.zarr/zarr.json": b"{}", "shards/00000/shard.json.7-a.tmp": b"{"})
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


@pytest.mark.parametrize("protocol", ["memory", "file"])
def test_a_url_holds_the_same_bytes_as_a_folder(protocol, folder, tmp_path):
    url = f"{protocol}://{tmp_path}/elsewhere"
    writer = DatasetWriter(url, make_header())
    writer.write(0, make_shard(np.random.default_rng(0)))
    open_folder(url).write({"shards/00001/grasps.parquet": b"the run was killed here"})
    resumed = DatasetWriter(url, make_header(), resume=True)
    assert resumed.finished() == {0}
    resumed.write(1, make_shard(np.random.default_rng(1)))
    resumed.finish()
    names = open_folder(url).sizes()
    assert open_folder(url).read(names) == {n: (folder / n).read_bytes() for n in open_folder(folder).sizes()}
    assert_equal_shards(Dataset.open(url).read(1), make_shard(np.random.default_rng(1)))


def test_a_shard_written_again_stays_the_same(folder):
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    header = Dataset.open(folder).header
    writer = DatasetWriter(folder, make_header(), resume=True)
    writer.write(1, make_shard(np.random.default_rng(1)))
    assert writer.finish() == header
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_a_shard_without_its_record_does_not_count(tmp_path):
    writer = DatasetWriter(tmp_path, make_header())
    for unit in range(2):
        writer.write(unit, make_shard(np.random.default_rng(unit)))
    (tmp_path / "shards" / "00001" / "shard.json").unlink()
    assert writer.finished() == {0}
    with pytest.raises(InputError, match=r"00001/shard\.json: missing or truncated; .*--resume"):
        writer.finish()


def test_a_file_that_lost_its_end_is_found_before_the_dataset_is_complete(tmp_path):
    writer = DatasetWriter(tmp_path, make_header(units=1))
    writer.write(0, make_shard(np.random.default_rng(0)))
    path = tmp_path / "shards" / "00000" / "objects.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"00000/objects\.parquet: missing or truncated"):
        writer.finish()


def test_the_header_tells_the_ranges_of_the_cameras(folder):
    cameras = Dataset.open(folder).header.cameras
    assert cameras["fx"] == [10.0, 10.0]
    assert cameras["width"] == [8, 8]


def test_two_units_of_one_name_may_both_be_left_out(tmp_path):
    writer = DatasetWriter(tmp_path, make_header(units=3))
    writer.write(0, make_shard(np.random.default_rng(0)))
    writer.skip(1, "ball", "open mesh")
    writer.skip(2, "ball", "open mesh")
    assert writer.finish().skipped == {"ball": "open mesh"}
