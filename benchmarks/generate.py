"""Generating a dataset of Dex-Net 2.0's size, extrapolated from a run of minutes: 90 minutes over what it would take.

Two workers make the preset `dexnet_2.0` (6.7 million grasps in images of 1,500 objects) until the time is up or it is
done. Where the time goes is measured in a second run within this process; the preset `default` in a third.
"""

import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

import numpy as np

from graspnet.benchmarks.measure import BenchmarkResult
from graspnet.config import load_config
from graspnet.data_gen.candidates.mixture import sample_candidates, sample_from_sources
from graspnet.data_gen.candidates.object_grasps import sample_object_grasps
from graspnet.data_gen.collision.collision import clearance
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.run import UnitSummary, generate
from graspnet.data_gen.labels.label import hold_labels, seen_in_image
from graspnet.data_gen.objects.object_source import load_object
from graspnet.data_gen.objects.stable_poses import stable_poses
from graspnet.data_gen.scenes.rendering import Renderer
from graspnet.dataset.shard_files import shard_to_files
from graspnet.run.engines import Engine, LocalEngine
from graspnet.run.storage import Folder

__all__ = ["Measured", "run", "timed_stages"]

U = TypeVar("U")
R = TypeVar("R")
EXAMPLES, OBJECTS, MINUTES = 6.7e6, 1500, 90.0  # of Dex-Net 2.0 (RSS 2017); the goal for two cores
WORKERS = 2
STAGES: dict[str, tuple[Callable[..., object], ...]] = {
    "load": (load_object,),
    "stable_poses": (stable_poses,),
    "candidates": (sample_object_grasps, sample_candidates, sample_from_sources),
    "contacts_and_metrics": (hold_labels,),
    "clearance": (clearance,),
    "render": (Renderer.render,),
    "rows": (seen_in_image,),
    "encode": (shard_to_files,),
    "write": tuple(folder.write for folder in Folder.__subclasses__()),
}


def run(quick: bool) -> BenchmarkResult:
    """On two workers of one thread each, as `graspnet generate --workers 2` does it; 640x480 pixels."""
    published, ours, alone = (3.0, 2.0, 1.0) if quick else (330.0, 120.0, 60.0)
    dexnet = _measured("dexnet_2.0", published)
    stages = _stages("dexnet_2.0", alone)
    default = _measured("default", ours)
    return BenchmarkResult(
        benchmark="generate",
        ratio=MINUTES / dexnet.minutes,
        of="90 minutes / extrapolated time of 6.7 million examples of 1,500 objects with dexnet_2.0 at 640x480",
        figures={
            **dexnet.figures(),
            **{f"share_{stage}": share for stage, share in stages.items()},
            **{f"default_{name}": value for name, value in default.figures().items()},
        },
        threads=WORKERS,
    )


@dataclass
class Measured:
    """What a run made in how long. memory: of each worker, bytes that it held as each unit was done."""

    seconds: float = 0.0
    objects: int = 0
    images: int = 0
    examples: int = 0
    bytes_per_example: float = 0.0
    memory: dict[str, list[int]] = field(default_factory=dict)
    peak: int = 0

    @property
    def minutes(self) -> float:
        """Of the whole set: as many examples from at least as many objects."""
        return self.seconds / 60 * max(EXAMPLES / self.examples, OBJECTS / self.objects)

    def figures(self) -> dict[str, float]:
        """By name."""
        quarters = [np.array_split(held, 4) for held in self.memory.values() if len(held) >= 8]
        growth = [np.median(last) - np.median(second) for _, second, _, last in quarters]
        return {
            "minutes": self.minutes,
            "seconds_measured": self.seconds,
            "examples": float(self.examples),
            "examples_per_second": self.examples / self.seconds,
            "examples_per_object": self.examples / self.objects,
            "images_per_second": self.images / self.seconds,
            "bytes_per_example": self.bytes_per_example,
            "peak_memory_of_a_worker_mib": self.peak / 2**20,
            **({"memory_growth_of_a_worker_mib": float(max(growth)) / 2**20} if growth else {}),
        }


def _measured(preset: str, seconds: float) -> Measured:
    """A run of the preset for so long. Units that are under way at the end count neither as time nor as examples."""
    config = load_config(GenerateConfig, "generate", preset)
    done = Measured()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with closing(_generated(config, folder, LocalEngine(WORKERS))) as summaries:
            for summary in summaries:
                done.seconds = time.perf_counter() - start
                done.objects += 1
                done.images += summary.images
                done.examples += summary.total.grasps
                for worker in multiprocessing.active_children():
                    now, peak = _memory(worker)
                    done.memory.setdefault(worker.name, []).append(now)
                    done.peak = max(done.peak, peak)
                if done.seconds > seconds and done.examples:
                    break
        done.bytes_per_example = _bytes_per_example(Path(folder))
    return done


def _generated(config: GenerateConfig, folder: str, engine: Engine) -> Generator[UnitSummary]:
    yield from generate(config, "benchmark", 0, Path(folder) / "data", engine)


def _memory(worker: BaseProcess) -> tuple[int, int]:
    """Bytes that a process holds, and the most that it ever held; Linux keeps them in a file."""
    status = Path(f"/proc/{worker.pid}/status").read_text().splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in status if line.startswith(("VmRSS:", "VmHWM:"))}
    return kib["VmRSS"] * 1024, kib["VmHWM"] * 1024


def _bytes_per_example(folder: Path) -> float:
    records = list(folder.glob("data/shards/*/shard.json"))
    examples = sum(json.loads(record.read_text())["grasps"] for record in records)
    return sum(f.stat().st_size for r in records for f in r.parent.rglob("*") if f.is_file()) / examples


def _stages(preset: str, seconds: float) -> dict[str, float]:
    """Shares of the time that one process spends in each stage, after a unit that warms it up."""
    config = load_config(GenerateConfig, "generate", preset)
    with tempfile.TemporaryDirectory() as folder, closing(_generated(config, folder, _Here())) as summaries:
        next(summaries)
        with timed_stages() as spent:
            start = time.perf_counter()
            for _ in summaries:
                total = time.perf_counter() - start
                if total > seconds:
                    break
    shares = {stage: spent[stage] / total for stage in STAGES}
    return shares | {"rest": 1 - sum(shares.values())}


class _Here(Engine):
    """Works in this process, where stages can be timed."""

    def run(self, work: Callable[[U], R], units: Sequence[U]) -> Iterator[R]:
        yield from map(work, units)


@contextmanager
def timed_stages() -> Iterator[dict[str, float]]:
    """Seconds spent in the functions of each stage; wherever they were imported, they are replaced by timed ones."""
    spent = dict.fromkeys(STAGES, 0.0)

    def timed(stage: str, function: Callable[..., object]) -> Callable[..., object]:
        @wraps(function)
        def wrapper(*args: object, **kwargs: object) -> object:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spent[stage] += time.perf_counter() - start

        return wrapper

    modules = [module for name, module in sys.modules.items() if name.startswith("graspnet.")]
    stage_of = {id(function): stage for stage, functions in STAGES.items() for function in functions}
    with ExitStack() as stack:
        for place in [*modules, Renderer, *Folder.__subclasses__()]:
            for name, value in list(vars(place).items()):
                if id(value) in stage_of:
                    stack.enter_context(patch.object(place, name, timed(stage_of[id(value)], value)))
        yield spent
