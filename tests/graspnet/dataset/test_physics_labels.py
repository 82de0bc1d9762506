"""Facts about labels that physics adds: they are read once all are there, and only with the shard that they are of."""

from pathlib import Path

import numpy as np
import pytest

from graspnet.dataset import HOLD, Dataset, MetricEstimate, PhysicsLabels, PhysicsWriter
from graspnet.errors import InputError
from graspnet.run.storage import open_folder

GRASPS = 7  # of a shard of conftest.py


def labels_of(seed: int) -> PhysicsLabels:
    rng = np.random.default_rng(seed)
    drawn = rng.random(GRASPS) < 0.5
    mean = np.where(drawn, 1.0, np.nan)
    hold = MetricEstimate(mean, np.zeros(GRASPS), np.where(drawn, 2, 0))
    return PhysicsLabels(hold, np.where(drawn, "drawn", "left"), np.full(GRASPS, 0.5))


def writer_of(folder: Path, resume: bool = False, **settings) -> PhysicsWriter:
    return PhysicsWriter(open_folder(folder), Dataset.open(folder).header, {"share": 1.0} | settings, 3, resume)


def write(folder: Path) -> PhysicsWriter:
    writer = writer_of(folder)
    for seed, name in enumerate(Dataset.open(folder).shard_names):
        writer.write(name, labels_of(seed))
    return writer


def test_labels_are_read_with_the_shard_and_change_nothing_else_of_it(folder):
    before = [Dataset.open(folder).read(index).grasps for index in range(2)]
    write(folder).finish()
    for index, grasps in enumerate(before):
        now = Dataset.open(folder).read(index).grasps
        assert list(now.metrics) == [*grasps.metrics, HOLD]
        np.testing.assert_array_equal(now.metrics[HOLD].mean, labels_of(index).hold.mean)
        np.testing.assert_array_equal(now.camera_from_grasp, grasps.camera_from_grasp)
        kept = Dataset.open(folder).physics_labels(index, GRASPS)
        assert kept.chosen.tolist() == labels_of(index).chosen.tolist()
        np.testing.assert_array_equal(kept.chance, 0.5)


def test_a_dataset_is_never_half_labelled(folder):
    writer = writer_of(folder)
    writer.write(Dataset.open(folder).shard_names[0], labels_of(0))
    assert HOLD not in Dataset.open(folder).read(0).grasps.metrics
    with pytest.raises(InputError, match="1 shards have no physics labels yet; use --resume"):
        writer.finish()


def test_counts_are_sums_over_executions(folder):
    counts = write(folder).finish().counts
    drawn = sum(int((labels_of(seed).chosen == "drawn").sum()) for seed in range(2))
    assert counts == {"executed": drawn, "ruled_out": 0, "executions": 2 * drawn, "held": 2 * drawn}


def test_a_resumed_run_does_again_what_is_not_whole(folder):
    write(folder)
    first, second = Dataset.open(folder).shard_names
    assert writer_of(folder, resume=True).finished() == {first, second}
    (folder / "physics" / f"{first}.parquet").write_bytes(b"half")
    (folder / "physics" / f"{second}.json").unlink()
    assert writer_of(folder, resume=True).finished() == set()


@pytest.mark.parametrize(
    ("settings", "resume", "message"), [({}, False, "already"), ({"share": 0.5}, True, "settings")]
)
def test_labels_are_neither_replaced_nor_mixed(folder, settings, resume, message):
    write(folder)
    with pytest.raises(InputError, match=message):
        writer_of(folder, resume, **settings)


def test_labels_that_were_changed_or_belong_to_another_shard_are_refused(folder):
    write(folder).finish()
    dataset = Dataset.open(folder)
    first, second = (folder / "physics" / f"{name}.parquet" for name in dataset.shard_names)
    first.write_bytes(second.read_bytes())
    with pytest.raises(InputError, match=r"physics/.*parquet: missing, truncated or changed"):
        Dataset.open(folder).read(0)
    (folder / "physics" / "physics.json").write_text('{"version": 1')
    with pytest.raises(InputError, match=r"physics\.json: truncated or changed"):
        Dataset.open(folder)


def test_a_dataset_without_such_labels_says_how_to_make_them(folder):
    with pytest.raises(InputError, match="graspnet label physics"):
        Dataset.open(folder).physics_labels(0, GRASPS)
