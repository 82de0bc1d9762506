"""Facts about a shard's files: nothing but what 0.1 mm and 32 bits round away is lost, and anybody can read them."""

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr

from graspnet.dataset import quantised
from graspnet.dataset.shard_files import shard_from_files, shard_to_files
from graspnet.errors import InputError

from .conftest import assert_equal_shards, make_shard

KIND = "parallel_jaw"


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


def test_a_shard_survives_its_files():
    shard = make_shard(np.random.default_rng(3))
    assert_equal_shards(shard_from_files(shard_to_files(shard, KIND), KIND), shard)


def test_a_shard_without_grasps_or_with_many_metrics_survives_too():
    shard = make_shard(np.random.default_rng(3), grasps=0)
    assert len(shard_from_files(shard_to_files(shard, KIND), KIND).grasps) == 0
    several = make_shard(np.random.default_rng(3))
    several.grasps.metrics["epsilon"] = several.grasps.metrics["robust_force_closure"]
    assert list(shard_from_files(shard_to_files(several, KIND), KIND).grasps.metrics) == [
        "robust_force_closure",
        "epsilon",
    ]


def test_one_image_can_be_read_alone(folder):
    path = folder / "shards" / "00000" / "depth.zarr"
    assert zarr.open_array(str(path), mode="r").chunks == (1, 6, 8)


def test_a_table_of_a_plane_takes_little_space():
    """640x480 of a tilted table: 614 kB of integers, whose rows repeat each other."""
    rows, columns = np.mgrid[:480, :640]
    depth = (0.7 / (1 + 2e-4 * rows + 1e-4 * columns)).astype(np.float32)
    shard = make_shard(np.random.default_rng(0), depth=depth[None])
    files = shard_to_files(shard, KIND)
    assert sum(len(data) for name, data in files.items() if name.startswith("depth.zarr")) < 614_400 / 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["clearance_neighbours"]), "grasps.parquet: no column 'clearance_neighbours'"),
        (lambda t: t.set_column(3, "width", t["width"].cast("double")), "'width' holds double; expected float"),
    ],
)
def test_a_table_that_is_not_as_documented_is_refused(change, message):
    files = shard_to_files(make_shard(np.random.default_rng(0)), KIND)
    sink = io.BytesIO()
    pq.write_table(change(pq.read_table(io.BytesIO(files["grasps.parquet"]))), sink)
    with pytest.raises(InputError, match=message):
        shard_from_files(files | {"grasps.parquet": sink.getvalue()}, KIND)
