"""Generation: a dataset from work units, one object each, on an engine.

A unit's random stream depends on the seed and the unit alone, so that any number of workers writes the same bytes.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path

import numpy as np

from data_gen.engines import Engine
from data_gen.generate_config import GenerateConfig
from data_gen.hands import sample_hands
from data_gen.objects import object_names
from data_gen.single_objects import generate_object
from graspnet.config import config_to_dict
from graspnet.dataset import DatasetHeader, DatasetWriter, GraspTable, Shard
from graspnet.errors import InputError
from graspnet.gripper import ParallelJawGripper
from graspnet.run_record import package_versions

__all__ = ["OriginCounts", "UnitSummary", "generate", "generate_unit"]


@dataclass(frozen=True)
class OriginCounts:
    """Grasps of one origin: all, those whose hand touches nothing, and those that are positive besides."""

    grasps: int
    collision_free: int
    positives: int  # the first metric above the config's threshold

    @staticmethod
    def total(counts: "Iterable[OriginCounts]") -> "OriginCounts":
        """The sums."""
        return OriginCounts(*(sum(c) for c in zip((0, 0, 0), *map(astuple, counts), strict=True)))


@dataclass(frozen=True)
class UnitSummary:
    """What one unit made, for the progress and the closing table. `skipped` says why it made nothing."""

    object: str
    images: int = 0
    origins: dict[str, OriginCounts] = field(default_factory=dict)
    skipped: str = ""
    seconds: float = 0.0

    @property
    def total(self) -> OriginCounts:
        """Of all origins together."""
        return OriginCounts.total(self.origins.values())


@dataclass(frozen=True)
class _Unit:
    index: int
    name: str
    config: GenerateConfig
    writer: DatasetWriter


def generate(
    config: GenerateConfig, name: str, seed: int, folder: str | Path, engine: Engine, resume: bool = False
) -> Iterator[UnitSummary]:
    """Make a dataset in `folder` (a path or a URL), yielding a summary as each unit is done; complete once the iterator ends.

    InputError: the folder holds a dataset already (`resume` continues one with the same config and seed); a candidate
    source cannot be made.
    """
    names = object_names(config.objects)
    config.candidates.check_sources()
    header = DatasetHeader(
        name=name,
        seed=seed,
        config=config_to_dict(config),
        packages=package_versions(),
        grippers={hand.name: _gripper_fields(hand) for i in range(len(names)) for hand in _hands(config, i, seed)},
        splits=_splits(names, config.objects.validation_share, seed),
        units=len(names),
    )
    writer = DatasetWriter(folder, header, resume)
    finished = writer.finished()
    units = [_Unit(i, n, config, writer) for i, n in enumerate(names) if i not in finished]
    yield from engine.run(_work, units)
    writer.finish()


def generate_unit(config: GenerateConfig, index: int, name: str, seed: int) -> Shard:
    """One object's images and labelled grasps. InputError: its mesh cannot be used, or no grasp can be sampled."""
    return generate_object(name, _hands(config, index, seed), config, np.random.default_rng([seed, index]))


def _work(unit: _Unit) -> UnitSummary:
    start = time.perf_counter()
    try:
        shard = generate_unit(unit.config, unit.index, unit.name, unit.writer.header.seed)
    except InputError as error:
        unit.writer.skip(unit.index, unit.name, str(error))
        return UnitSummary(unit.name, skipped=str(error), seconds=time.perf_counter() - start)
    unit.writer.write(unit.index, shard)
    origins = _origin_counts(shard.grasps, unit.config)
    return UnitSummary(unit.name, len(shard.images), origins, seconds=time.perf_counter() - start)


def _origin_counts(grasps: GraspTable, config: GenerateConfig) -> dict[str, OriginCounts]:
    origins, free = np.array(grasps.origin), grasps.collision_free
    positive = grasps.robustness(config.metrics[0]) > config.threshold
    return {
        str(name): OriginCounts(*(int(np.sum(rows)) for rows in (of, of & free, of & positive)))
        for name in np.unique(origins)
        for of in [origins == name]
    }


def _hands(config: GenerateConfig, index: int, seed: int) -> list[ParallelJawGripper]:
    """The hands of a unit, from a stream of their own: the header lists all of them without making the objects."""
    rng = np.random.default_rng([seed, index, 1])
    return sample_hands(config.hands, f"hand_{index:05d}", config.hands_per_view, rng)


def _gripper_fields(hand: ParallelJawGripper) -> dict[str, object]:
    return asdict(hand) | {"palm": list(hand.palm)}


def _splits(names: list[str], validation_share: float, seed: int) -> dict[str, list[str]]:
    some = validation_share > 0 and len(names) > 1  # a share of a few own meshes would round to none
    count = max(int(some), round(validation_share * len(names)))
    order = np.random.default_rng([seed, len(names), 2]).permutation(len(names))
    held_out = {names[i] for i in order[:count]}
    return {
        "train": [n for n in names if n not in held_out],
        "validation": [n for n in names if n in held_out],
    }
