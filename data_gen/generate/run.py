"""Generation: a dataset from work units (units.py) on an engine, in any order and with interruptions."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from graspnet.config import config_to_dict
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.heap import generate_heap
from graspnet.data_gen.generate.preparation import usable_objects
from graspnet.data_gen.generate.single import generate_object
from graspnet.data_gen.generate.units import Unit, split_objects, unit_hands, unit_names, work_units
from graspnet.data_gen.objects.object_source import one_file_an_object
from graspnet.dataset import DatasetHeader, DatasetWriter, GraspTable, Shard
from graspnet.errors import InputError
from graspnet.grippers.gripper import gripper_fields
from graspnet.run.engines import Engine
from graspnet.run.record import package_versions

__all__ = ["Generation", "SourceCounts", "UnitSummary", "generate", "generate_unit"]


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

    name: str  # the object's or the heap's name
    images: int = 0
    sources: dict[str, SourceCounts] = field(default_factory=dict)
    skipped: str = ""
    left_out: dict[str, str] = field(default_factory=dict)
    scales: tuple[float, float] = (1.0, 1.0)  # least and largest of its objects
    seconds: float = 0.0

    @property
    def total(self) -> SourceCounts:
        """Of all sources together."""
        return SourceCounts.total(self.sources.values())


@dataclass(frozen=True)
class Generation:
    """A run that is ready: iterate to work on the units that are left; at the end the dataset is complete."""

    total: int  # work units
    left: tuple[Unit, ...]
    notes: tuple[str, ...]  # which files stand for others, and which objects a heap cannot have; a line each
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
        seed = self.writer.header.seed
        alone = self.config.heap is None  # heaps were made of one split each, from objects that could be used
        self.writer.finish(partial(split_objects, self.config, seed) if alone else None)


def generate(
    config: GenerateConfig, name: str, seed: int, folder: str | Path, engine: Engine, resume: bool = False
) -> Generation:
    """Prepare to make a dataset in `folder`, a path or a URL: of each object that its meshes hold one file is chosen;
    for heaps, which share their objects, all are loaded.

    InputError: the folder holds a dataset already (`resume` continues one with the same config and seed); a candidate
    source cannot be made; no object can be used.
    """
    objects, notes = one_file_an_object(config.objects, "generate")
    config = replace(config, objects=objects)
    if config.heap is not None:
        objects, left_out = usable_objects(objects, engine, "generate")
        config = replace(config, objects=objects)
        config = replace(config, scenes=len(unit_names(config)))
        notes += [f"left out {object_}: {reason}" for object_, reason in left_out.items()]
    names = unit_names(config)
    config.candidates.check_sources()
    splits = split_objects(config, seed)
    header = DatasetHeader(
        name=name,
        seed=seed,
        config=config_to_dict(config),
        packages=package_versions(),
        grippers={hand.name: gripper_fields(hand) for i in range(len(names)) for hand in unit_hands(config, i, seed)},
        splits=splits,
        units=len(names),
    )
    writer = DatasetWriter(folder, header, resume)
    finished = writer.finished()
    left = tuple(unit for unit in work_units(config, splits, seed) if unit.index not in finished)
    return Generation(len(names), left, tuple(notes), config, writer, engine)


def generate_unit(config: GenerateConfig, index: int, name: str, seed: int) -> Shard:
    """One object's images and labelled grasps. InputError: its mesh cannot be used, or no grasp can be sampled."""
    return generate_object(name, unit_hands(config, index, seed), config, np.random.default_rng([seed, index]))


def _work(config: GenerateConfig, writer: DatasetWriter, unit: Unit) -> UnitSummary:
    start, seed = time.perf_counter(), writer.header.seed
    left_out: dict[str, str] = {}
    try:
        if unit.members:
            hands, rng = unit_hands(config, unit.index, seed), np.random.default_rng([seed, unit.index])
            shard, left_out = generate_heap(unit.members, hands, config, seed, rng)
        else:
            shard = generate_unit(config, unit.index, unit.name, seed)
    except InputError as error:
        writer.skip(unit.index, unit.name, str(error))
        return UnitSummary(unit.name, skipped=str(error), seconds=time.perf_counter() - start)
    writer.write(unit.index, shard)
    sources = _source_counts(shard.grasps, config)
    seconds = time.perf_counter() - start
    scales = float(shard.objects.scale.min()), float(shard.objects.scale.max())
    return UnitSummary(unit.name, len(shard.images), sources, left_out=left_out, scales=scales, seconds=seconds)


def _source_counts(grasps: GraspTable, config: GenerateConfig) -> dict[str, SourceCounts]:
    sources, free = np.array(grasps.source), grasps.clearance.collision_free
    positive = grasps.robustness(config.metrics[0]) > config.threshold
    return {
        str(name): SourceCounts(*(int(np.sum(rows)) for rows in (of, of & free, of & positive)))
        for name in np.unique(sources)
        for of in [sources == name]
    }
