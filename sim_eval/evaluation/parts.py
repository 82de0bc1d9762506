"""Which examples are which part: trained on (train), other images of those objects (train-dev), new ones (dev, test).

A checkpoint names the dataset that it was trained on by its fingerprint. Objects of that dataset's `train` split were
trained on. Those of `validation` are new, and so is everything in any other dataset. What is new is halved: dev fits
the temperature, test is what is reported. No unit (an object, a stable pose, an image, a family) is in both halves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Shaped

from graspnet.dataset import Dataset
from graspnet.models.checkpoint import Checkpoint
from graspnet.sim_eval.evaluation.predictions import Place, Predictions, choose_images

__all__ = ["PARTS", "UNITS", "ChosenImages", "choose", "halves", "was_trained_on"]

PARTS = ("train", "train-dev", "dev", "test")
HELD_OUT = 5  # without validation objects, training holds out every fifth image that has grasps (`trainer.train`)


@dataclass(frozen=True)
class ChosenImages:
    """Images to predict, sorted, by what the network may know of them."""

    train: list[Place]
    train_dev: list[Place]
    new: list[Place]


def was_trained_on(checkpoint: Checkpoint, dataset: Dataset) -> bool:
    """Whether the checkpoint says that it was trained on this dataset, alone or with others.

    Whatever physics labels it had then, and has now: its objects are the same.
    """
    told = checkpoint.details.get("dataset", {})
    prints = {one.get(name) for one in (told, *told.get("of_each", [])) for name in ("fingerprint", "generated")}
    return not prints.isdisjoint({dataset.fingerprint, dataset.header.fingerprint})


def choose(dataset: Dataset, trained_on: bool, examples: int | None, seed: int) -> ChosenImages:
    """Images with about so many grasps that are new to the network, and as many that it was trained on."""
    if not trained_on:
        return ChosenImages([], [], choose_images(dataset, dataset.indices(), examples, seed))
    train = choose_images(dataset, dataset.indices("train"), examples, seed)
    if validation := dataset.indices("validation"):
        return ChosenImages(train, [], choose_images(dataset, validation, examples, seed))
    held_out = set(_with_grasps(dataset)[::HELD_OUT])
    wanted = [place for place in choose_images(dataset, dataset.indices("train"), None, seed) if place in held_out]
    return ChosenImages([place for place in train if place not in held_out], wanted, [])


def _with_grasps(dataset: Dataset) -> list[Place]:
    """The images that have grasps, in the order in which training reads them."""
    return [
        (index, int(image))
        for index in dataset.indices("train")
        for image in np.unique(dataset.read(index).grasps.image)
    ]


# What stays together when new examples are halved. In a heap, whose objects share their images, it is the scene.
UNITS = {
    "object": lambda of: of.scene,
    "family": lambda of: np.where(of.scene == of.object, of.family, of.scene),
    "pose": lambda of: _joined(of.scene, of.stable_pose),
    "image": lambda of: _joined(of.shard, of.image),
}


def halves(new: Predictions, unit: str, seed: int) -> Bool[np.ndarray, "N"]:
    """Which of the new examples are dev: half of the units, drawn; none where there is only one unit."""
    names, of_example = np.unique(UNITS[unit](new), return_inverse=True)
    drawn = np.random.default_rng([seed, 1]).permutation(len(names))[: len(names) // 2]
    return np.isin(of_example, drawn)


def _joined(*columns: Sequence[object] | np.ndarray) -> Shaped[np.ndarray, "N"]:
    return np.array([" ".join(map(str, each)) for each in zip(*columns, strict=True)], dtype=np.str_)
