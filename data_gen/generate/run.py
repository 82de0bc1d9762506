"""Generation: a dataset from work units, one object or one heap each, on an engine.

A unit's random stream depends on the seed and the unit alone, so that any number of workers writes the same bytes.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from data_gen.generate.config import GenerateConfig
from data_gen.generate.grippers import sample_hands
from data_gen.generate.heap import HeapMember, generate_heap
from data_gen.generate.single import generate_object
from data_gen.objects.object_source import object_names
from data_gen.physics.heaps import draw_count
from graspnet.config import config_to_dict
from graspnet.dataset import DatasetHeader, DatasetWriter, GraspTable, Shard
from graspnet.errors import InputError
from graspnet.grippers.gripper import gripper_fields
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.run.engines import Engine
from graspnet.run.record import package_versions

__all__ = ["Generation", "SourceCounts", "UnitSummary", "generate", "generate_unit", "unit_names"]


@dataclass(frozen=True)
class SourceCounts:
    """Grasps of one source: all, those whose hand touches nothing, and those that are positive besides."""

    grasps: int
    collision_free: int
    positives: int  # the first metric above the config's threshold

    @staticmethod
    def total(counts: "Iterable[SourceCounts]") -> "SourceCounts":
        """The sums."""
        return SourceCounts(*(sum(c) for c in zip((0, 0, 0), *map(astuple, counts), strict=True)))


@dataclass(frozen=True)
class UnitSummary:
    """What one unit made, for the progress and the closing table. `skipped` says why it made nothing; left_out: which
    objects a heap does without, and why."""

    name: str  # of the object or heap
    images: int = 0
    sources: dict[str, SourceCounts] = field(default_factory=dict)
    skipped: str = ""
    left_out: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def total(self) -> SourceCounts:
        """Of all sources together."""
        return SourceCounts.total(self.sources.values())


@dataclass(frozen=True)
class Generation:
    """A run that is ready: iterate to work on the units that are left; at the end the dataset is complete."""

    total: int  # work units
    left: "tuple[_Unit, ...]"
    config: GenerateConfig
    writer: DatasetWriter
    engine: Engine

    @property
    def done(self) -> int:
        """Units that an earlier run finished."""
        return self.total - len(self.left)

    def __iter__(self) -> Iterator[UnitSummary]:
        """A summary as each unit is done."""
        yield from self.engine.run(partial(_work, self.config, self.writer), self.left)
        self.writer.finish()


@dataclass(frozen=True)
class _Unit:
    index: int
    name: str
    members: tuple[HeapMember, ...]  # of a heap; none: a single object


def unit_names(config: GenerateConfig) -> list[str]:
    """The work units: every object, or so many heaps."""
    return object_names(config.objects) if config.heap is None else [f"heap_{i:05d}" for i in range(config.scenes)]


def generate(
    config: GenerateConfig, name: str, seed: int, folder: str | Path, engine: Engine, resume: bool = False
) -> Generation:
    """Prepare to make a dataset in `folder`, a path or a URL.

    InputError: the folder holds a dataset already (`resume` continues one with the same config and seed); a candidate
    source cannot be made.
    """
    names, objects = unit_names(config), object_names(config.objects)
    config.candidates.check_sources()
    splits = _splits(objects, config.objects.validation_share, seed)
    header = DatasetHeader(
        name=name,
        seed=seed,
        config=config_to_dict(config),
        packages=package_versions(),
        grippers={hand.name: gripper_fields(hand) for i in range(len(names)) for hand in _hands(config, i, seed)},
        splits=splits,
        units=len(names),
    )
    writer = DatasetWriter(folder, header, resume)
    finished = writer.finished()
    members = [()] * len(names) if config.heap is None else _members(config, objects, splits, seed)
    units = [_Unit(i, n, m) for i, (n, m) in enumerate(zip(names, members, strict=True))]
    left = tuple(unit for unit in units if unit.index not in finished)
    return Generation(len(units), left, config, writer, engine)


def generate_unit(config: GenerateConfig, index: int, name: str, seed: int) -> Shard:
    """One object's images and labelled grasps. InputError: its mesh cannot be used, or no grasp can be sampled."""
    return generate_object(name, _hands(config, index, seed), config, np.random.default_rng([seed, index]))


def _work(config: GenerateConfig, writer: DatasetWriter, unit: _Unit) -> UnitSummary:
    start, seed = time.perf_counter(), writer.header.seed
    left_out: dict[str, str] = {}
    try:
        if unit.members:
            hands, rng = _hands(config, unit.index, seed), np.random.default_rng([seed, unit.index])
            shard, left_out = generate_heap(unit.members, hands, config, seed, rng)
        else:
            shard = generate_unit(config, unit.index, unit.name, seed)
    except InputError as error:
        writer.skip(unit.index, unit.name, str(error))
        return UnitSummary(unit.name, skipped=str(error), seconds=time.perf_counter() - start)
    writer.write(unit.index, shard)
    sources = _source_counts(shard.grasps, config)
    seconds = time.perf_counter() - start
    return UnitSummary(unit.name, len(shard.images), sources, left_out=left_out, seconds=seconds)


def _source_counts(grasps: GraspTable, config: GenerateConfig) -> dict[str, SourceCounts]:
    sources, free = np.array(grasps.source), grasps.clearance.collision_free
    positive = grasps.robustness(config.metrics[0]) > config.threshold
    return {
        str(name): SourceCounts(*(int(np.sum(rows)) for rows in (of, of & free, of & positive)))
        for name in np.unique(sources)
        for of in [sources == name]
    }


def _hands(config: GenerateConfig, index: int, seed: int) -> list[ParallelJaw]:
    """The hands of a unit, from a stream of their own: the header lists all of them without making the objects."""
    rng = np.random.default_rng([seed, index, 1])
    return sample_hands(config.hands, f"hand_{index:05d}", config.hands_per_view, rng)


def _members(
    config: GenerateConfig, objects: list[str], splits: dict[str, list[str]], seed: int
) -> list[tuple[HeapMember, ...]]:
    """The objects of each heap, all of one split: as large a share of the heaps is held out as of the objects."""
    assert config.heap is not None
    number = {name: i for i, name in enumerate(objects)}
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
