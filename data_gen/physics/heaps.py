"""Heaps: objects dropped one after another into a bin or onto a table, in MuJoCo, until they lie still.

Dex-Net 2.1's heaps (Mahler & Goldberg, CoRL 2017), and `scenes.Bin` to hold them. What falls out or does not come to
rest is dropped again a few times and then left out: whatever a heap holds, it holds still.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.spatial.transform import Rotation
from scipy.stats import poisson

from data_gen.objects.decomposition import convex_parts
from data_gen.objects.meshes import Solid
from data_gen.physics.bodies import add_bin, add_object, add_table, load_mujoco
from data_gen.scenes.scenes import Bin
from graspnet.errors import InputError
from graspnet.transforms import rigid

__all__ = ["Heap", "HeapConfig", "HeapWorld", "draw_bin", "draw_count", "drop_heap"]

WINDOW = 0.1  # s: over this time …
STILL = 0.0002  # m: … no point of an object at rest moves further
ROLL = 1e-4  # m: coefficient of rolling friction, as of the table in picking.py
DEEP = 0.002  # m of penetration that no contact at rest has: two thin objects that passed through each other's middle


@dataclass(frozen=True, kw_only=True)
class HeapConfig:
    """What is dropped where, in SI units; ranges are uniform. Count, height, offset and reach: Dex-Net 2.1's."""

    objects: tuple[int, int] = (1, 15)  # dropped: a Poisson number, drawn again until it lies in this range
    mean_objects: float | None = 5.0  # of that Poisson distribution; None: uniform over the range
    bin_share: float = 1.0  # of heaps that lie in a bin; the others lie on the table
    bin_x: tuple[float, float] = (0.20, 0.40)  # inner sizes; assumed: boxes that such robots pick from
    bin_y: tuple[float, float] = (0.16, 0.30)
    wall_height: tuple[float, float] = (0.05, 0.14)
    wall_thickness: float = 0.005
    drop_height: float = 0.2  # of an object's lowest point above the table, or just above the heap if that is higher
    offset: tuple[float, float] = (0.01, 0.1)  # objects are dropped at x, y in ± this, drawn for each heap: from a pile
    # to a spread; Dex-Net 2.1: 0.1 always. But within the walls.
    reach: float = 0.2  # on the table, an object further from the centre has rolled off
    drops: int = 3  # tries of an object that falls out or does not come to rest, before it is left out
    drop_time: float = 0.3  # from one drop to the next
    settle_time: float = 2.0  # at most, after the last drop
    density: float = 500.0  # kg/m³
    friction: float = 0.5  # of everything with everything
    time_step: float = 0.004

    def __post_init__(self) -> None:
        low, high = self.objects
        if not 1 <= low <= high <= 100:
            raise InputError(f"objects is [{low}, {high}]; expected 1 <= low <= high <= 100")
        if self.mean_objects is not None and not low <= self.mean_objects <= high:
            raise InputError(f"mean_objects is {self.mean_objects}; it must lie in objects = [{low}, {high}]")
        if not 0 <= self.bin_share <= 1:
            raise InputError(f"bin_share is {self.bin_share}; it must lie in [0, 1]")
        for name in ("bin_x", "bin_y", "wall_height", "offset"):
            low_size, high_size = getattr(self, name)
            if not 0 < low_size <= high_size < 10:
                raise InputError(f"{name} is [{low_size}, {high_size}]; expected 0 < low <= high (metres)")
        for name in ("wall_thickness", "drop_height", "reach", "drop_time", "settle_time", "density", "time_step"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be positive")
        if not self.friction >= 0:
            raise InputError(f"friction is {self.friction}; it must not be negative")
        if self.drops < 1:
            raise InputError(f"drops is {self.drops}; it must be at least 1")


@dataclass(frozen=True)
class Heap:
    """What came to rest: which of the dropped solids, in their order, and where each lies."""

    kept: Int64[np.ndarray, "M"]
    world_from_object: Float64[np.ndarray, "M 4 4"]


def draw_count(config: HeapConfig, rng: np.random.Generator) -> int:
    """How many objects are dropped."""
    low, high = config.objects
    if config.mean_objects is None:
        return int(rng.integers(low, high + 1))
    counts = np.arange(low, high + 1)
    chance = poisson(config.mean_objects).pmf(counts)
    return int(rng.choice(counts, p=chance / chance.sum()))


def draw_bin(config: HeapConfig, rng: np.random.Generator) -> Bin | None:
    """The bin that they are dropped into; None: they are dropped onto the table."""
    if rng.random() >= config.bin_share:
        return None
    x, y, height = (float(rng.uniform(*sizes)) for sizes in (config.bin_x, config.bin_y, config.wall_height))
    return Bin(x, y, height, config.wall_thickness)


def drop_heap(solids: tuple[Solid, ...], bin_: Bin | None, config: HeapConfig, rng: np.random.Generator) -> Heap:
    """Drop the solids, each in a random orientation; the same generator gives the same heap."""
    world, waiting = HeapWorld(solids, bin_, config), np.arange(len(solids))
    offset = float(rng.uniform(*config.offset))
    for round_ in range(len(solids) + config.drops):  # after the drops, each round leaves out one object or is the last
        for k in waiting:
            world.drop(int(k), offset, rng)
        moving = world.settle()
        bad = world.present & (moving | world.outside() | world.overlapping())
        if not bad.any():
            break
        world.remove(bad)
        waiting = np.flatnonzero(bad) if round_ + 1 < config.drops else waiting[:0]
    kept = np.flatnonzero(world.present)
    return Heap(kept, world.world_from_object[kept])


class HeapWorld:
    """A table, perhaps a bin, and bodies that hang without weight, far away, until they are dropped."""

    def __init__(self, solids: tuple[Solid, ...], bin_: Bin | None, config: HeapConfig) -> None:
        self.solids, self.bin, self.config = solids, bin_, config
        self._mujoco = load_mujoco()
        self.model = _world(solids, bin_, config).compile()
        self.data = self._mujoco.MjData(self.model)
        self.present = np.zeros(len(solids), dtype=bool)
        self._radius = np.array([solid.radius for solid in solids])

    @property
    def world_from_object(self) -> Float64[np.ndarray, "M 4 4"]:
        """Where the bodies are now."""
        qpos = self.data.qpos.reshape(-1, 7)
        return rigid(Rotation.from_quat(qpos[:, 3:], scalar_first=True).as_matrix(), qpos[:, :3])

    def drop(self, k: int, offset: float, rng: np.random.Generator) -> None:
        """Let body k go at x, y in ± `offset` above the heap, turned at random, and give it time to fall."""
        rotation = Rotation.random(rng=rng)
        lowest = float(rotation.apply(self.solids[k].mesh.vertices)[:, 2].min())
        x, y = rng.uniform(-1, 1, 2) * np.minimum(self._room(self._radius[k]), offset)
        top = np.max(self.data.qpos[2::7] + self._radius, where=self.present, initial=0.0)
        height = max(self.config.drop_height, top) - lowest
        self._place(k, rigid(rotation.as_matrix(), np.array([x, y, height])), weight=True)
        self._run(self.config.drop_time)

    def put(self, world_from_object: Float64[np.ndarray, "M 4 4"]) -> None:
        """Lay every body down at its pose, at rest: a heap that was dropped before."""
        for k, pose in enumerate(world_from_object):
            self._place(k, pose, weight=True)

    def settle(self) -> Bool[np.ndarray, "M"]:
        """Wait until everything lies still, or for `settle_time`; says what still moves."""
        for _ in range(max(1, round(self.config.settle_time / WINDOW))):
            before = self.data.qpos.reshape(-1, 7).copy()
            self._run(WINDOW)
            moving = self._moved(before) > STILL
            if not moving.any():
                break
        return moving

    def outside(self) -> Bool[np.ndarray, "M"]:
        """Whose centre of mass is not between the walls, or too far from the table's centre."""
        x, y = self.data.qpos[0::7], self.data.qpos[1::7]
        if self.bin is None:
            return np.asarray(np.hypot(x, y) > self.config.reach)
        return np.asarray((np.abs(x) > self.bin.inner_x / 2) | (np.abs(y) > self.bin.inner_y / 2))

    def overlapping(self) -> Bool[np.ndarray, "M"]:
        """What reaches deep into something else."""
        deep = self.data.contact.geom[self.data.contact.dist < -DEEP]
        overlaps = np.zeros(self.model.nbody, dtype=bool)
        overlaps[self.model.geom_bodyid[deep]] = True
        return overlaps[1:]  # body 0 is the world

    def remove(self, which: Bool[np.ndarray, "M"]) -> None:
        """Take bodies out of the heap and hang them up again."""
        for k in np.flatnonzero(which):
            self._place(int(k), rigid(np.eye(3), _hook(int(k))), weight=False)

    def _place(self, k: int, pose: Float64[np.ndarray, "4 4"], weight: bool) -> None:
        quaternion = Rotation.from_matrix(pose[:3, :3]).as_quat(scalar_first=True)
        self.data.qpos[7 * k : 7 * k + 7] = [*pose[:3, 3], *quaternion]
        self.data.qvel[6 * k : 6 * k + 6] = 0.0
        self.model.body_gravcomp[k + 1] = not weight
        self.present[k] = weight

    def _room(self, radius: float) -> Float64[np.ndarray, "2"]:
        """Largest x and y at which a ball of that radius falls between the walls."""
        if self.bin is None:
            return np.full(2, np.inf)
        return np.maximum(np.array([self.bin.inner_x, self.bin.inner_y]) / 2 - radius, 0.0)

    def _run(self, seconds: float) -> None:
        self._mujoco.mj_step(self.model, self.data, nstep=max(1, round(seconds / self.config.time_step)))

    def _moved(self, before: Float64[np.ndarray, "M 7"]) -> Float64[np.ndarray, "M"]:
        """How far some point of each body may have moved since then."""
        now = self.data.qpos.reshape(-1, 7)
        turned = 2 * np.arccos(np.clip(np.abs(np.sum(now[:, 3:] * before[:, 3:], axis=1)), 0.0, 1.0))
        return np.linalg.norm(now[:, :3] - before[:, :3], axis=1) + turned * self._radius


def _world(solids: tuple[Solid, ...], bin_: Bin | None, config: HeapConfig) -> Any:
    """The MjSpec; body k + 1 is solid k, whose position and velocity are the kth in qpos and qvel."""
    mujoco = load_mujoco()
    spec = mujoco.MjSpec()
    spec.option.timestep = config.time_step
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0
    add_table(spec)
    if bin_ is not None:
        add_bin(spec, bin_)
    for k, solid in enumerate(solids):
        body = add_object(spec, solid, convex_parts(solid), config.density, f"object_{k}")
        body.pos = _hook(k)  # where MuJoCo puts it too if a step diverges: outside, so that it is dropped anew
        body.gravcomp = 1.0
    for geom in spec.geoms:
        geom.solref = [2 * config.time_step, 1.0]
        geom.solimp = [0.99, 0.999, 0.0005, 0.5, 2.0]
        geom.condim, geom.friction = 6, [config.friction, 0.003, ROLL]
    return spec


def _hook(k: int) -> Float64[np.ndarray, "3"]:
    """Where body k hangs."""
    return np.array([5.0 + 5.0 * k, 0.0, 5.0])
