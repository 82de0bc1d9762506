"""Episodes of several objects: a pile, upright objects packed close, or a bin full."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.object_source import object_names, posed_for_hand
from graspnet.data_gen.physics.heaps import draw_bin, drop_heap
from graspnet.data_gen.physics.pick import ClutterWorld
from graspnet.data_gen.scenes.scenes import Bin, sample_camera
from graspnet.errors import InputError
from graspnet.grippers.parallel_jaw import ParallelJaw, load_parallel_jaw
from graspnet.sensors import load_sensor
from graspnet.sim_eval.episodes.chance import SPARES, calibration_error, friction_coefficient, solid_of, stream
from graspnet.sim_eval.episodes.episode import Episode, Workspace
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.sim_eval.protocols.tasks import BinConfig, ClutterTask, PackedConfig, PileConfig
from graspnet.transforms import rigid, rotation_about

__all__ = ["draw_clutter", "drawn_shapes"]

RELEASE_HEIGHT = 0.002  # m above the table at which upright objects are let go (VGN)
UP = np.array([0.0, 0.0, 1.0])
Indices = Int64[np.ndarray, "K"]
WorldOf = Callable[[Indices, Bin | None], ClutterWorld]  # a world of some of the drawn objects


@dataclass(frozen=True)
class _Arrangement:
    """Where objects were put, before they are let go."""

    kept: Int64[np.ndarray, "K"]  # numbers of the drawn objects that are there
    world_from_objects: Float64[np.ndarray, "K 4 4"]
    workspace: Workspace
    bin: Bin | None = None


def draw_clutter(config: ProtocolConfig, task: ClutterTask, seed: int, index: int) -> Episode:
    """Draw episode number `index` of a seed; nobody has looked yet. InputError: it cannot start."""
    rng = np.random.default_rng([seed, index])
    gripper, sensor = load_parallel_jaw(config.gripper), load_sensor(config.sensor, config.sensor_noise)
    names, solids, passed_over = _draw_solids(config, task, gripper, rng, stream(seed, index, SPARES))
    friction, densities = friction_coefficient(config, rng), rng.uniform(*config.density, len(solids))

    def world_of(kept: Int64[np.ndarray, "K"], bin_: Bin | None) -> ClutterWorld:
        of_kept = [solids[k] for k in kept]
        return ClutterWorld(of_kept, gripper, config.pick, [float(densities[k]) for k in kept], friction, bin_)

    put = _ARRANGE[type(task)](task, solids, world_of, rng)
    kept, poses = put.kept, put.world_from_objects
    while len(kept):  # without the box, and without what then rolled away, the others may move again
        world = world_of(kept, put.bin)
        poses = world.settled(poses, task.settle_time)
        inside = put.workspace.contains(poses)
        if inside.all():
            break
        kept, poses = kept[inside], poses[inside]
    if not len(kept):
        raise InputError("no object came to rest in the workspace")
    camera, world_from_camera = sample_camera(config.view, rng, radius=put.workspace.radius)
    return Episode(
        config, seed, index, tuple(names[k] for k in kept), tuple(solids[k] for k in kept), friction, world, poses,
        poses, camera, world_from_camera, world_from_camera @ calibration_error(config, rng), sensor, put.workspace,
        len(solids) - len(kept), passed_over,
    )  # fmt: skip


def drawn_shapes(count: int, task: ClutterTask, rng: np.random.Generator) -> list[int]:
    """Draw which of `count` objects an episode has, if all can be used: its first draw from [seed, index]."""
    return [int(shape) for shape in rng.choice(count, task.objects, replace=task.objects > count)]


def _draw_solids(
    config: ProtocolConfig,
    task: ClutterTask,
    gripper: ParallelJaw,
    rng: np.random.Generator,
    spares: np.random.Generator,
) -> tuple[list[str], list[Solid], dict[str, str]]:
    """Draw objects, each at a scale of its own: names, solids, and why others were passed over.

    Without repetition, where there are enough. A stand-in is drawn from `spares`, so that a bad mesh changes nothing
    but its own place. InputError: none of the meshes can be used.
    """
    names = object_names(config.objects)
    chosen = drawn_shapes(len(names), task, rng)
    solids: list[Solid] = []
    passed_over: dict[str, str] = {}
    for place in range(task.objects):
        while True:
            name = names[chosen[place]]
            try:
                solid = solid_of(config, chosen[place], name)
                break
            except InputError as error:
                passed_over[name] = str(error)
                chosen[place] = _stand_in(names, chosen, passed_over, spares)
        scale, _ = posed_for_hand(solid, np.eye(4), config.objects, gripper, rng)
        solids.append(solid.scaled(scale * float(rng.uniform(*task.scale))))
    return [names[shape] for shape in chosen], solids, passed_over


def _stand_in(
    names: Sequence[str], chosen: Sequence[int], passed_over: Mapping[str, str], spares: np.random.Generator
) -> int:
    """Draw one of the objects that are not known to be bad, and that is not there yet if there is such a one."""
    usable = [shape for shape, name in enumerate(names) if name not in passed_over]
    if not usable:
        raise InputError(f"none of {len(names)} objects can be used; {next(iter(passed_over.values()))}")
    return int(spares.choice([shape for shape in usable if shape not in chosen] or usable))


def _pile(task: PileConfig, solids: Sequence[Solid], world_of: WorldOf, rng: np.random.Generator) -> _Arrangement:
    """Drop the objects into a box, which is gone when they are let go."""
    heap = drop_heap(solids, draw_bin(task.drop, rng), task.drop, rng)
    return _Arrangement(heap.kept, heap.world_from_object, Workspace.cube(task.side))


def _pack(task: PackedConfig, solids: Sequence[Solid], world_of: WorldOf, rng: np.random.Generator) -> _Arrangement:
    """Stand the objects upright, as their files have them, and clear of each other."""
    world = world_of(np.arange(len(solids)), None)
    poses = np.tile(np.eye(4), (len(solids), 1, 1))
    world.present[:] = False
    waiting = list(range(len(solids)))
    for _ in range(task.places):
        k = waiting.pop(0)
        yaw = rotation_about(UP, np.array(rng.uniform(0, 2 * np.pi)))
        lowest = float(solids[k].mesh.bounds[0, 2])
        poses[k] = rigid(yaw, np.array([*rng.uniform(-task.spread, task.spread, 2), RELEASE_HEIGHT - lowest]))
        world.present[k] = True
        if world.touching(poses):
            world.present[k] = False
            waiting.append(k)
        if not waiting:
            break
    kept = np.flatnonzero(world.present)
    return _Arrangement(kept, poses[kept], Workspace.cube(task.side))


def _fill(task: BinConfig, solids: Sequence[Solid], world_of: WorldOf, rng: np.random.Generator) -> _Arrangement:
    """Drop the objects into a bin."""
    bin_ = draw_bin(task.drop, rng)
    assert bin_ is not None, "all heaps have one"
    heap = drop_heap(solids, bin_, task.drop, rng)
    return _Arrangement(heap.kept, heap.world_from_object, Workspace.between_walls(bin_), bin_)


_ARRANGE: dict[type, Callable[..., _Arrangement]] = {PileConfig: _pile, PackedConfig: _pack, BinConfig: _fill}
