"""Work units: what one worker makes at a time, an object or a heap; with which hands, and in which split.

A unit's random streams depend on the seed and the unit alone, so that any number of workers writes the same bytes.
"""

from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.grippers import sample_hands
from graspnet.data_gen.generate.heap import HeapMember
from graspnet.data_gen.objects.object_source import object_names
from graspnet.data_gen.physics.heaps import draw_count
from graspnet.grippers.parallel_jaw import ParallelJaw

__all__ = ["Unit", "split_objects", "unit_hands", "unit_names", "work_units"]

HEAPS_PER_OBJECT = 2  # where `scenes` says nothing; as many as 500 objects and 1,000 heaps


@dataclass(frozen=True)
class Unit:
    """One piece of work, and its number among all."""

    index: int
    name: str
    members: tuple[HeapMember, ...]  # what a heap is made of; none: the unit is a single object


def unit_names(config: GenerateConfig) -> list[str]:
    """Names of all units: every object, or as many heaps as the config asks for."""
    objects = object_names(config.objects)
    if config.heap is None:
        return objects
    heaps = HEAPS_PER_OBJECT * len(objects) if config.scenes is None else config.scenes
    return [f"heap_{i:05d}" for i in range(heaps)]


def work_units(config: GenerateConfig, splits: dict[str, list[str]], seed: int) -> list[Unit]:
    """All units; each heap has its objects drawn from one split."""
    names = unit_names(config)
    members = [()] * len(names) if config.heap is None else _members(config, splits, seed)
    return [Unit(i, name, of_heap) for i, (name, of_heap) in enumerate(zip(names, members, strict=True))]


def split_objects(config: GenerateConfig, seed: int, made: Container[str] | None = None) -> dict[str, list[str]]:
    """Objects for `train` and for `validation`: all, or those that are in `made`."""
    names = [name for name in object_names(config.objects) if made is None or name in made]
    return _splits(names, config.objects.validation_share, seed)


def unit_hands(config: GenerateConfig, index: int, seed: int) -> list[ParallelJaw]:
    """The hands of a unit, from a stream of their own: the header lists all of them without making the objects."""
    rng = np.random.default_rng([seed, index, 1])
    return sample_hands(config.hands, f"hand_{index:05d}", config.hands_per_view, rng)


def _members(config: GenerateConfig, splits: dict[str, list[str]], seed: int) -> list[tuple[HeapMember, ...]]:
    """The objects of each heap, all of one split: as large a share of the heaps is held out as of the objects."""
    assert config.heap is not None
    number = {name: i for i, name in enumerate(object_names(config.objects))}
    share = config.objects.validation_share if splits["validation"] else 0.0
    held_out = set(_splits(unit_names(config), share, seed)["validation"])
    members = []
    for index, name in enumerate(unit_names(config)):
        rng = np.random.default_rng([seed, index, 3])
        pool = splits["validation" if name in held_out else "train"]
        count = draw_count(config.heap, rng)
        drawn = rng.choice(len(pool), count, replace=count > len(pool))
        members.append(tuple(HeapMember(pool[k], number[pool[k]]) for k in drawn))
    return members


def _splits(names: list[str], validation_share: float, seed: int) -> dict[str, list[str]]:
    some = validation_share > 0 and len(names) > 1  # a share of a few own meshes would round to none
    count = max(int(some), round(validation_share * len(names)))
    order = np.random.default_rng([seed, len(names), 2]).permutation(len(names))
    held_out = {names[i] for i in order[:count]}
    return {
        "train": [n for n in names if n not in held_out],
        "validation": [n for n in names if n in held_out],
    }
