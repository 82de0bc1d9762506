"""Heaps: objects dropped one after another into a bin or onto a table, in MuJoCo, until they lie still.

Dex-Net 2.1's heaps (Mahler & Goldberg, CoRL 2017), and `scenes.Bin` to hold them. What falls out or does not come to
rest is dropped again a few times and then left out: whatever a heap holds, it holds still.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.spatial.transform import Rotation
from scipy.stats import poisson

from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.physics.world import SolverConfig, World, world_spec
from graspnet.data_gen.scenes.scenes import Bin
from graspnet.errors import InputError
from graspnet.transforms import rigid

__all__ = ["MAX_REACH", "DropConfig", "Heap", "HeapConfig", "HeapWorld", "draw_bin", "draw_count", "drop_heap"]

# An object is at rest if none of its points moves further than so many metres within a window of so many seconds.
REST_WINDOW, MAX_REST_MOTION = 0.1, 0.0002
MAX_PENETRATION = 0.002  # m; deeper, two thin objects have passed through each other's middle: no contact at rest is
MAX_REACH = 0.2  # m; without a bin, an object that is farther from the table's centre has rolled off


@dataclass(frozen=True, kw_only=True)
class DropConfig:
    """How objects are dropped into a bin, in SI units. Ranges are uniform; height and offset are Dex-Net 2.1's."""

    bin_x: tuple[float, float] = (0.20, 0.40)  # inner size of the bin; assumed: such robots pick from boxes like that
    bin_y: tuple[float, float] = (0.16, 0.30)
    wall_height: tuple[float, float] = (0.05, 0.14)
    wall_thickness: float = 0.005
    drop_height: float = 0.2  # an object's lowest point is let go so high above the table, or above a higher heap
    # objects are dropped at x, y in ± this, but within the walls; it is drawn for each heap, from a pile to a spread
    # (Dex-Net 2.1: 0.1 always)
    offset: tuple[float, float] = (0.01, 0.1)
    drops: int = 3  # an object that so often falls out, or does not come to rest, is left out
    drop_time: float = 0.3  # time from one drop to the next
    settle_time: float = 2.0  # longest time after the last drop
    density: float = 500.0  # kg/m³
    friction: float = 0.5  # everything slides on everything with this coefficient
    time_step: float = 0.004

    def __post_init__(self) -> None:
        for name in ("bin_x", "bin_y", "wall_height", "offset"):
            low_size, high_size = getattr(self, name)
            if not 0 < low_size <= high_size < 10:
                raise InputError(f"{name} is [{low_size}, {high_size}]; expected 0 < low <= high (metres)")
        for name in ("wall_thickness", "drop_height", "drop_time", "settle_time", "density", "time_step"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be positive")
        if not self.friction >= 0:
            raise InputError(f"friction is {self.friction}; it must not be negative")
        if self.drops < 1:
            raise InputError(f"drops is {self.drops}; it must be at least 1")


@dataclass(frozen=True, kw_only=True)
class HeapConfig(DropConfig):
    """How many objects are dropped, and whether there is a bin. The numbers are Dex-Net 2.1's."""

    objects: tuple[int, int] = (1, 15)  # a Poisson number of objects, drawn again until it lies in this range
    mean_objects: float | None = 5.0  # mean of that Poisson distribution; None: uniform over the range
    bin_share: float = 1.0  # share of heaps that lie in a bin; the others lie on the table
    reach: float = MAX_REACH

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self.objects
        if not 1 <= low <= high <= 100:
            raise InputError(f"objects is [{low}, {high}]; expected 1 <= low <= high <= 100")
        if self.mean_objects is not None and not low <= self.mean_objects <= high:
            raise InputError(f"mean_objects is {self.mean_objects}; it must lie in objects = [{low}, {high}]")
        if not 0 <= self.bin_share <= 1:
            raise InputError(f"bin_share is {self.bin_share}; it must lie in [0, 1]")
        if not self.reach > 0:
            raise InputError(f"reach is {self.reach}; it must be positive")


@dataclass(frozen=True)
class Heap:
    """What came to rest: which of the dropped solids, in their order, and where each lies."""

    kept: Int64[np.ndarray, "M"]
    world_from_object: Float64[np.ndarray, "M 4 4"]


def draw_count(config: HeapConfig, rng: np.random.Generator) -> int:
    """Draw how many objects are dropped."""
    low, high = config.objects
    if config.mean_objects is None:
        return int(rng.integers(low, high + 1))
    counts = np.arange(low, high + 1)
    chance = poisson(config.mean_objects).pmf(counts)
    return int(rng.choice(counts, p=chance / chance.sum()))


def draw_bin(config: DropConfig, rng: np.random.Generator, *, share: float = 1.0) -> Bin | None:
    """Draw the bin that objects are dropped into. A share of heaps has one; None: they are dropped onto the table."""
    if rng.random() >= share:
        return None
    x, y, height = (float(rng.uniform(*sizes)) for sizes in (config.bin_x, config.bin_y, config.wall_height))
    return Bin(x, y, height, config.wall_thickness)


def drop_heap(
    solids: Sequence[Solid], bin_: Bin | None, config: DropConfig, rng: np.random.Generator, *, reach: float = MAX_REACH
) -> Heap:
    """Drop the solids, each in a random orientation; the same generator gives the same heap.

    reach: how far from the table's centre an object may roll where there is no bin.
    """
    world, waiting = HeapWorld(solids, bin_, config), np.arange(len(solids))
    offset = float(rng.uniform(*config.offset))
    for round_ in range(len(solids) + config.drops):  # after the drops, each round leaves out one object or is the last
        for k in waiting:
            world.drop(int(k), offset, rng)
        moving = world.rest(config.settle_time)
        bad = world.present & (moving | world.outside(reach) | world.overlapping())
        if not bad.any():
            break
        for k in np.flatnonzero(bad):
            world.remove(int(k))
        waiting = np.flatnonzero(bad) if round_ + 1 < config.drops else waiting[:0]
    kept = np.flatnonzero(world.present)
    at = world.coordinates[kept]
    # by SciPy, which rounds otherwise than MuJoCo: seeded heaps hang on the last bit
    return Heap(kept, rigid(Rotation.from_quat(at[:, 3:], scalar_first=True).as_matrix(), at[:, :3]))


@final
class HeapWorld(World):
    """A world without a hand, in which objects are dropped one after another."""

    def __init__(self, solids: Sequence[Solid], bin_: Bin | None, config: DropConfig) -> None:
        solver = SolverConfig(time_step=config.time_step, contact_time=2 * config.time_step)
        densities = [config.density] * len(solids)
        super().__init__(world_spec(solids, densities, bin_, solver, config.friction, config.friction), solids, bin_)
        self.config = config
        self._radius = np.array([solid.radius for solid in solids])

    def drop(self, k: int, offset: float, rng: np.random.Generator) -> None:
        """Let object k go at x, y in ± `offset` above the heap, turned at random, and give it time to fall."""
        rotation = Rotation.random(rng=rng)
        lowest = float(rotation.apply(self.solids[k].mesh.vertices)[:, 2].min())
        x, y = rng.uniform(-1, 1, 2) * np.minimum(self._room(self._radius[k]), offset)
        top = np.max(self.coordinates[:, 2] + self._radius, where=self.present, initial=0.0)
        height = max(self.config.drop_height, top) - lowest
        # by way of the matrix, which rounds: seeded heaps hang on the last bit
        quaternion = Rotation.from_matrix(rotation.as_matrix()).as_quat(scalar_first=True)
        self.put(k, np.array([x, y, height]), quaternion)
        self._run(self.config.drop_time)

    def rest(self, seconds: float) -> Bool[np.ndarray, "M"]:
        """See World."""
        for _ in range(max(1, round(seconds / REST_WINDOW))):
            before = self.coordinates.copy()
            self._run(REST_WINDOW)
            moving = self._moved(before) > MAX_REST_MOTION
            if not moving.any():
                break
        return moving

    def outside(self, reach: float = MAX_REACH) -> Bool[np.ndarray, "M"]:
        """Say whose centre of mass is not between the walls, or without walls further than `reach` from the centre."""
        x, y = self.coordinates[:, 0], self.coordinates[:, 1]
        if self.bin is None:
            return np.asarray(np.hypot(x, y) > reach)
        return np.asarray((np.abs(x) > self.bin.inner_x / 2) | (np.abs(y) > self.bin.inner_y / 2))

    def overlapping(self) -> Bool[np.ndarray, "M"]:
        """Say what reaches deep into something else."""
        deep = self.data.contact.geom[self.data.contact.dist < -MAX_PENETRATION]
        overlaps = np.zeros(self.model.nbody, dtype=bool)
        overlaps[self.model.geom_bodyid[deep]] = True
        return overlaps[1:]  # body 0 is the world

    def _room(self, radius: float) -> Float64[np.ndarray, "2"]:
        """Find the largest x and y at which a ball of that radius falls between the walls."""
        if self.bin is None:
            return np.full(2, np.inf)
        return np.maximum(np.array([self.bin.inner_x, self.bin.inner_y]) / 2 - radius, 0.0)

    def _run(self, seconds: float) -> None:
        self.mujoco.mj_step(self.model, self.data, nstep=max(1, round(seconds / self.config.time_step)))

    def _moved(self, before: Float64[np.ndarray, "M 7"]) -> Float64[np.ndarray, "M"]:
        """Bound how far some point of each object has moved since then."""
        now = self.coordinates
        turned = 2 * np.arccos(np.clip(np.abs(np.sum(now[:, 3:] * before[:, 3:], axis=1)), 0.0, 1.0))
        return np.linalg.norm(now[:, :3] - before[:, :3], axis=1) + turned * self._radius
