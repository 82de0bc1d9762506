"""What a variant trains on: whole objects of a dataset, as many as its budget allows, none of those that are judged."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from graspnet.data_gen.generate.run import generate
from graspnet.dataset import Dataset, DatasetHeader
from graspnet.errors import InputError
from graspnet.run.engines import Engine
from graspnet.run.progress import track
from graspnet.sim_eval.studies.screen.matrix import Variant

__all__ = ["generate_dataset", "limited"]

ORDER_SEED = 0  # of the order of the objects, whatever a training's seed is


def limited(datasets: Sequence[Dataset], train: int, validation: int, without: Collection[str] = ()) -> list[Dataset]:
    """The datasets with fewer objects in both splits: whole ones, with about so many examples in all.

    Each keeps its share. Objects come in a random order that is always the same, so that a smaller budget has a part of
    the objects of a larger one. without: objects that are never trained on. InputError: none is left for training.
    """
    whole = [sum(entry.grasps for entry in dataset.header.shards.values()) for dataset in datasets]
    shares = [grasps / sum(whole) for grasps in whole]
    return [
        _part(each, share * train, share * validation, without) for each, share in zip(datasets, shares, strict=True)
    ]


def generate_dataset(variant: Variant, base: Dataset, folder: Path, engine: Engine) -> None:
    """Make the dataset of a variant that has one of its own, with the seed of the screen's, or what is left of it."""
    config = variant.generate_config(base.header)
    generation = generate(config, base.header.name, base.header.seed, folder, engine, resume=True)
    for _ in track(generation, generation.total, f"generate {variant.name}", "units", generation.done):
        pass


def _part(dataset: Dataset, train: float, validation: float, without: Collection[str]) -> Dataset:
    splits = {
        "train": _objects(dataset.header, dataset.split("train"), train, without),
        "validation": _objects(dataset.header, dataset.split("validation"), validation, ()),
    }
    if not splits["train"]:
        raise InputError(f"{dataset.folder}: no object is left to train on that is not judged; generate more of them")
    return replace(dataset, header=replace(dataset.header, splits=splits))


def _objects(header: DatasetHeader, split: list[str], examples: float, without: Collection[str]) -> list[str]:
    """Objects of a split, in a random order, until the shards that hold them alone have so many examples."""
    usable = set(split) - set(without)
    shards = [entry for _, entry in sorted(header.shards.items()) if usable.issuperset(entry.objects)]
    chosen: dict[str, None] = {}
    found = 0
    for k in np.random.default_rng(ORDER_SEED).permutation(len(shards)).tolist():
        if found >= examples:
            break
        chosen |= dict.fromkeys(shards[k].objects)
        found += shards[k].grasps
    return list(chosen)
