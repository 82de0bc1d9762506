"""A set that does not fit into memory is read shard by shard: bounded, mixed, each example once, and reproducible."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from graspnet.errors import InputError
from graspnet.models import NETWORKS
from graspnet.training.augmentation import AugmentationConfig
from graspnet.training.batches import BatchConfig, Batches
from graspnet.training.examples.datasets import load_examples
from graspnet.training.examples.example_set import ExampleSet
from graspnet.training.examples.label import LabelConfig
from graspnet.training.examples.order import epoch_order

CROP = NETWORKS["compact"].config.crop
PLAIN = BatchConfig(
    size=20, pool=30, sensor="ideal", augmentation=AugmentationConfig(flip=False, depth_offset=0.0), memory_mb=0.05
)


@pytest.fixture(scope="module")
def kept(bars):
    return load_examples(bars, "train", CROP, LabelConfig())


@pytest.fixture(scope="module")
def on_disk(bars):
    return load_examples(bars, "train", CROP, LabelConfig(), most_bytes=10_000)


def made_up(shards: int, images: int, size: int) -> ExampleSet:
    """A set on the disk, of which nothing can be read: it is only put in order."""
    count = shards * images
    return ExampleSet(
        number=np.arange(count), dataset=np.zeros(count, dtype=np.int64), shard=np.repeat(np.arange(shards), images),
        grasps=np.full(count, 2), size=np.full(count, size), robustness=np.zeros(2 * count),
        feasible=np.ones(2 * count, dtype=bool), camera={}, read=lambda _: [], kept=False,
    )  # fmt: skip


def held_at_once(examples: ExampleSet, order: np.ndarray) -> int:
    """The most bytes in memory, if a shard is read when its first image is shown, and an image let go after it."""
    held, most, read = 0, 0, set()
    for image in order:
        shard = examples.shard[image]
        if shard not in read:
            read.add(shard)
            held += int(examples.size[examples.shard == shard].sum())
        most = max(most, held)
        held -= int(examples.size[image])
    return most


@pytest.mark.parametrize("buffer", [1, 2_000, 10_000])
def test_no_more_than_the_buffer_and_a_shard_is_in_memory(buffer):
    """100 shards of 8 images of 100 bytes are 80,000 bytes."""
    examples = made_up(100, 8, 100)
    order = [shown.image for shown in epoch_order(examples, {0: 1600}, buffer, np.random.default_rng(0))]
    assert sorted(order) == list(range(800))
    assert held_at_once(examples, np.array(order)) <= buffer + 800


def test_a_buffer_mixes_as_far_as_it_reaches():
    """An image waits for U(0, 10,000) bytes, 100 images: half of a shard's images are that far from each other."""
    examples = made_up(100, 8, 100)
    order = np.array([shown.image for shown in epoch_order(examples, {0: 1600}, 10_000, np.random.default_rng(0))])
    places = np.argsort(order).reshape(100, 8)
    spread = np.ptp(places, axis=1)
    assert 60 < np.median(spread) <= 110  # the range of 8 uniform draws is 7/9 of 100 in the mean
    together = np.mean(examples.shard[order[1:]] == examples.shard[order[:-1]])
    assert together < 0.2  # in the order of reading it would be 7/8


def test_a_set_in_memory_is_put_in_any_order_at_all(kept):
    """The mean place of the first shard's images over 300 epochs is the middle, 11.5, with a deviation of 0.19."""
    rng = np.random.default_rng(0)
    places = [np.argsort([s.image for s in epoch_order(kept, {0: 192}, 1, rng)])[:4].mean() for _ in range(300)]
    assert np.mean(places) == pytest.approx(11.5, abs=0.6)


def test_a_set_too_large_for_memory_says_so_and_knows_the_same(bars, kept, on_disk, capsys):
    again = load_examples(bars, "train", CROP, LabelConfig(), most_bytes=10_000)
    assert "MB of images are more than batches.memory_mb, so they are read from the disk" in capsys.readouterr().err
    assert kept.kept
    assert not on_disk.kept
    assert not again.kept
    assert kept.camera == on_disk.camera
    for name in ("number", "dataset", "shard", "grasps", "size", "robustness", "feasible"):
        assert (getattr(kept, name) == getattr(on_disk, name)).all()
    for a, b in zip(kept, on_disk, strict=True):
        assert np.array_equal(a.depth, b.depth, equal_nan=True)
        assert a.number == b.number
    assert on_disk[7].number == 7


def test_an_epoch_from_the_disk_shows_every_example_once_and_reads_every_shard_once(kept, on_disk):
    reads = []

    def counted(shard):
        reads.append(shard)
        return on_disk.read(shard)

    seen = _keys(Batches(replace(on_disk, read=counted), CROP, LabelConfig(), PLAIN, seed=0).stream(0, 10))
    expected = _keys(Batches(kept, CROP, LabelConfig(), PLAIN, seed=0).stream(0, 10))
    assert len(seen) == 192
    assert sorted(seen) == sorted(expected)
    assert seen != expected
    assert sorted(reads[:6]) == list(range(6))


@pytest.mark.parametrize("shares", [(), (1.5,)])
def test_a_stream_from_the_disk_does_not_depend_on_workers_and_goes_on_anywhere(on_disk, shares):
    config = replace(PLAIN, sensor="dexnet", shares=shares)
    batches = Batches(on_disk, CROP, LabelConfig(), config, seed=3)
    whole = list(batches.stream(0, 14))
    many = list(replace(batches, config=replace(config, workers=3)).stream(0, 14))
    rest = list(batches.stream(6, 14))
    for a, b in zip(whole + whole[6:], many + rest, strict=True):
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.pose, b.pose)


def test_some_images_of_a_set_are_a_set(on_disk):
    some = on_disk.only(np.array([1, 5, 6]))
    assert [image.number for image in some] == [1, 5, 6]
    assert some.examples == 24
    assert [shown.image for shown in epoch_order(some, {0: 24}, 1, np.random.default_rng(0))] != []
    batches = Batches(some, CROP, LabelConfig(), replace(PLAIN, size=24), seed=0)
    (batch,) = batches.stream(0, 1)
    assert set(batch.image.tolist()) == {1, 5, 6}


def test_no_memory_at_all_is_refused():
    with pytest.raises(InputError, match="memory_mb is 0"):
        BatchConfig(memory_mb=0.0)


def _keys(stream):
    return [row.numpy().tobytes() for batch in stream for row in batch.pose]
