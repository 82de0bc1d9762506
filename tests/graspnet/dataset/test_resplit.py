"""Splits by image and by stable pose: nothing is lost, nothing is in both, and objects are in both."""

import numpy as np
import pytest

from graspnet.dataset import Dataset
from graspnet.dataset.resplit import ResplitDataset
from graspnet.errors import InputError
from tests.graspnet.training.conftest import write_bars


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    return write_bars(tmp_path_factory.mktemp("bars") / "dataset", train=6, validation=2, images=5)


def keys(dataset: Dataset, split: str) -> list[tuple[str, bytes]]:
    """Object and pose of every grasp of a split: they name it."""
    return [
        (shard.objects.object[0], pose.tobytes())
        for shard in dataset.shards(split)
        for pose in shard.grasps.camera_from_grasp
    ]


def units(dataset: ResplitDataset, split: str) -> set[tuple[str, int]]:
    return {
        (shard.objects.object[0], int(image if dataset.by == "image" else shard.objects.stable_pose[image]))
        for shard in dataset.shards(split)
        for image in shard.grasps.image
    }


def test_every_grasp_is_in_one_split_and_no_image_in_both(dataset):
    resplit = ResplitDataset.of(dataset, "image", held_out=0.3, seed=1)
    train, validation = keys(resplit, "train"), keys(resplit, "validation")
    assert sorted(train + validation) == sorted(keys(dataset, "train") + keys(dataset, "validation"))
    assert not units(resplit, "train") & units(resplit, "validation")
    assert {name for name, _ in units(resplit, "train")} & {name for name, _ in units(resplit, "validation")}
    assert len(validation) / (len(train) + len(validation)) == pytest.approx(0.3, abs=0.2)  # 40 images: 3 deviations


def test_a_grasp_keeps_its_label_and_its_image(dataset):
    resplit = ResplitDataset.of(dataset, "image")
    labels = {
        pose.tobytes(): (mean, shard.images.depth[image].tobytes())
        for shard in dataset.shards()
        for pose, mean, image in zip(
            shard.grasps.camera_from_grasp, shard.grasps.metrics["robust_centered_closure"].mean, shard.grasps.image,
            strict=True,
        )
    }  # fmt: skip
    for shard in resplit.shards("validation"):
        for row, pose in enumerate(shard.grasps.camera_from_grasp):
            mean, depth = labels[pose.tobytes()]
            assert shard.grasps.metrics["robust_centered_closure"].mean[row] == mean
            assert shard.images.depth[shard.grasps.image[row]].tobytes() == depth


def test_all_images_of_a_stable_pose_stay_together(dataset):
    """In this dataset every object has one stable pose: whole objects are held out."""
    resplit = ResplitDataset.of(dataset, "pose", held_out=0.5)
    assert not {name for name, _ in units(resplit, "train")} & {name for name, _ in units(resplit, "validation")}


def test_another_seed_holds_out_other_images(dataset):
    first, same, other = (units(ResplitDataset.of(dataset, "image", seed=s), "validation") for s in (0, 0, 1))
    assert first == same != other


def test_what_cannot_be_split_so_is_refused(dataset, monkeypatch):
    with pytest.raises(InputError, match="held_out is 1"):
        ResplitDataset.of(dataset, "image", held_out=1.0)
    with pytest.raises(InputError, match="no split 'test'; split by image it has train, validation"):
        ResplitDataset.of(dataset, "image").indices("test")
    heap = next(dataset.shards())
    heap.objects.stable_pose[:] = -1
    monkeypatch.setattr(Dataset, "read", lambda self, index: heap)
    with pytest.raises(InputError, match="heaps have no stable pose"):
        ResplitDataset.of(dataset, "pose").read(0)
    assert np.all(heap.objects.stable_pose == -1)
