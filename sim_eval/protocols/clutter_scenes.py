"""Scenes of several objects: a pile, upright objects packed close, or a bin full; and what a planner is told of them.

- `pile` and `packed` are those of VGN (Breyer et al., CoRL 2020) and GIGA (Jiang et al., RSS 2021): a cube of 0.30 m,
  objects dropped one after another into a box that is then taken away, or set down upright without touching.
- `bin` is Dex-Net 4.0's (Mahler et al., 2019): a heap in a bin.

The arm knows where its camera and its workspace are, up to its calibration error: planners get the believed camera
pose and a mask of what rises above the floor within the workspace. Walls and what lies beyond are to be avoided, not
taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.ndimage import binary_opening, label

from data_gen.objects.meshes import Solid
from data_gen.objects.object_source import object_names, posed_for_hand
from data_gen.physics.heaps import HeapConfig, draw_bin, drop_heap
from data_gen.physics.pick import ClutterWorld
from data_gen.scenes.rendering import Renderer
from data_gen.scenes.scenes import Bin, Scene, sample_camera
from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.grippers.parallel_jaw import ParallelJawGripper, load_gripper
from graspnet.observation import MASK_HEIGHT, Observation
from graspnet.sensors import Sensor, load_sensor
from graspnet.transforms import rigid, rotation_about, transform_points
from sim_eval.planners.planner import Situation
from sim_eval.protocols.fused_views import FusionConfig, fused_depth
from sim_eval.protocols.trial import NOISE, PLANNING, TrialConfig, calibration_error, friction_coefficient, solid_of

__all__ = ["ClutterConfig", "ClutterScene", "draw_clutter", "situation_of"]

WALL_MARGIN = 0.005  # m from a bin's walls inwards where nothing is taken for an object: calibration and noise
LEAST_AREA = 1e-4  # m²: smaller patches above the floor are noise of the sensor
ABOVE_TABLE = 0.002  # m at which upright objects are let go (VGN)
# the box of a pile, 2 cm within the cube on all sides; its height is assumed
PILE_BOX = HeapConfig(
    objects=(1, 100), mean_objects=None, offset=(0.05, 0.05), drop_time=1.0,
    bin_x=(0.26, 0.26), bin_y=(0.26, 0.26), wall_height=(0.2, 0.2),
)  # fmt: skip
UNUSED = {"pile": ("spread", "places"), "packed": ("heap",), "bin": ("side", "spread", "places")}  # by each kind
UP = np.array([0.0, 0.0, 1.0])
SPARES = 5  # stream of the objects that stand in for those that cannot be used: [seed, index, SPARES]


@dataclass(frozen=True, kw_only=True)
class ClutterConfig:
    """What lies there, and when a round ends. The defaults are VGN's pile, where not said otherwise."""

    kind: Literal["pile", "packed", "bin"] = "pile"
    objects: int = 5
    scale: tuple[float, float] = (0.8, 1.0)  # of each object, uniform
    side: float = 0.30  # of the cube that is the workspace; of a bin, it is what lies between the walls
    heap: HeapConfig = PILE_BOX  # how they are dropped: into that box, or into the bin; `objects` says how many
    spread: float = 0.07  # packed: objects stand at x, y in ± this
    places: int = 12  # packed: tries for all objects together; what touches another one is left out
    settle_time: float = 2.0  # at most, before each attempt
    failures: int = 2  # in a row, that end a round
    ends_without_plan: bool = True  # a round ends when no grasp is found; else that counts among `failures`
    motion_time: float = 9.8  # s of an attempt without planning, to give picks per hour; FC-GQ-CNN's: 296 an hour at
    # 85.6 % are 10.4 s each, of which planning took 0.625 s (Satish et al., RA-L 2019)
    fusion: FusionConfig | None = None  # what planners see is made of clean views from all around, not of the sensor

    def __post_init__(self) -> None:
        if not 1 <= self.objects <= 100:
            raise InputError(f"objects is {self.objects}; it must lie in [1, 100]")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise InputError(f"scale is {list(self.scale)}; expected two positive numbers, least first")
        for name in ("side", "spread", "settle_time"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be positive")
        if self.failures < 1 or self.places < 1:
            raise InputError(f"failures is {self.failures}, places {self.places}; both must be at least 1")
        if not self.motion_time >= 0:
            raise InputError(f"motion_time is {self.motion_time}; it must not be negative (seconds)")
        if self.fusion is not None and self.kind == "bin":
            raise InputError("fusion: views from all around do not see into a bin; it is for pile and packed")
        for one in fields(self):
            if one.name in UNUSED[self.kind] and getattr(self, one.name) != one.default:
                raise InputError(f"{one.name} means nothing for kind {self.kind!r}: leave it out")
        counts = [(heap.objects, heap.mean_objects) for heap in (self.heap, PILE_BOX, HeapConfig())]
        if counts[0] not in counts[1:]:
            raise InputError("heap.objects and heap.mean_objects: `objects` says how many there are; leave these out")
        if self.kind == "bin" and self.heap.bin_share != 1:
            raise InputError(f"heap.bin_share is {self.heap.bin_share}; kind 'bin' always has a bin: leave it out")


@dataclass(frozen=True, eq=False)
class ClutterScene:
    """A round that is ready: M objects at rest, a camera, and the physics."""

    seed: int
    index: int
    names: tuple[str, ...]
    solids: tuple[Solid, ...]
    friction: float
    left_out: int  # objects that rolled out of the workspace, or found no place, before the first attempt
    passed_over: dict[str, str]  # objects that were drawn and cannot be used, and why; others took their places
    bin: Bin | None
    gripper: ParallelJawGripper
    world: ClutterWorld
    world_from_objects: Float64[np.ndarray, "M 4 4"]  # at the start
    camera: Camera
    world_from_camera: Float64[np.ndarray, "4 4"]  # the truth
    world_from_believed_camera: Float64[np.ndarray, "4 4"]  # what the arm takes for the truth
    sensor: Sensor
    side: float

    def inside(self, world_from_objects: Float64[np.ndarray, "M 4 4"]) -> Bool[np.ndarray, "M"]:
        """Whose centres of mass are in the workspace."""
        return _inside(world_from_objects, self.bin, self.side)


def draw_clutter(trial: TrialConfig, config: ClutterConfig, seed: int, index: int) -> ClutterScene:
    """Round number `index` of a seed, the same for every planner. InputError: it cannot start."""
    rng = np.random.default_rng([seed, index])
    gripper, sensor = load_gripper(trial.gripper), load_sensor(trial.sensor, trial.sensor_noise)
    names, solids, passed_over = _draw_solids(trial, config, gripper, rng, np.random.default_rng([seed, index, SPARES]))
    friction, densities = friction_coefficient(trial, rng), rng.uniform(*trial.density, len(solids))
    bin_ = draw_bin(config.heap, rng) if config.kind == "bin" else None

    def world_of(kept: Int64[np.ndarray, "M"]) -> ClutterWorld:
        of_kept = [solids[k] for k in kept]
        return ClutterWorld(of_kept, gripper, trial.pick, [float(densities[k]) for k in kept], friction, bin_)

    if config.kind == "packed":
        kept, poses = _packed(world_of(np.arange(len(solids))), config, rng)
    else:
        heap = drop_heap(tuple(solids), bin_ or draw_bin(config.heap, rng), config.heap, rng)
        kept, poses = heap.kept, heap.world_from_object
    while len(kept):  # without the box, and without what then rolled away, the others may move again
        world = world_of(kept)
        poses = world.settled(poses, config.settle_time)
        inside = _inside(poses, bin_, config.side)
        if inside.all():
            break
        kept, poses = kept[inside], poses[inside]
    if not len(kept):
        raise InputError("no object came to rest in the workspace")
    radius = 0.5 * float(np.hypot(bin_.inner_x, bin_.inner_y)) if bin_ else config.side / np.sqrt(2)
    camera, world_from_camera = sample_camera(trial.scene, rng, radius=radius)
    return ClutterScene(
        seed, index, tuple(names[k] for k in kept), tuple(solids[k] for k in kept), friction, len(solids) - len(kept),
        passed_over, bin_, gripper, world, poses, camera, world_from_camera,
        world_from_camera @ calibration_error(trial, rng), sensor, config.side,
    )  # fmt: skip


def situation_of(
    scene: ClutterScene,
    world_from_objects: Float64[np.ndarray, "M 4 4"],
    attempt: int,
    trial: TrialConfig,
    fusion: FusionConfig | None,
    renderer: Renderer,
) -> Situation | None:
    """What a planner is asked at an attempt; None where nothing is to be seen of the objects that are left."""
    left = np.flatnonzero(scene.world.present)
    solids = tuple(scene.solids[k] for k in left)
    truth = Scene(solids, world_from_objects[left], bin=scene.bin)
    depth = _depth(scene, truth, attempt, trial, fusion, renderer)
    mask = _in_workspace(depth, scene)
    if not mask.any():
        return None
    believed = scene.world_from_believed_camera
    observation = Observation(depth, scene.camera, scene.gripper, mask, believed)
    plan_seed = int(np.random.SeedSequence([scene.seed, scene.index, PLANNING, attempt]).generate_state(1)[0])
    return Situation(observation, truth, scene.world_from_camera, believed, plan_seed)


def _draw_solids(
    trial: TrialConfig,
    config: ClutterConfig,
    gripper: ParallelJawGripper,
    rng: np.random.Generator,
    spares: np.random.Generator,
) -> tuple[list[str], list[Solid], dict[str, str]]:
    """Names and solids of the objects, each at a scale of its own, and why others were passed over.

    Without repetition, where there are enough. A stand-in is drawn from `spares`, so that a bad mesh changes nothing
    but its own place. InputError: none of the meshes can be used.
    """
    names = object_names(trial.objects)
    chosen = [int(shape) for shape in rng.choice(len(names), config.objects, replace=config.objects > len(names))]
    solids: list[Solid] = []
    passed_over: dict[str, str] = {}
    for place in range(config.objects):
        while True:
            name = names[chosen[place]]
            try:
                solid = solid_of(trial, chosen[place], name)
                break
            except InputError as error:
                passed_over[name] = str(error)
                chosen[place] = _stand_in(names, chosen, passed_over, spares)
        scale, _ = posed_for_hand(solid, np.eye(4), trial.objects, gripper, rng)
        solids.append(solid.scaled(scale * float(rng.uniform(*config.scale))))
    return [names[shape] for shape in chosen], solids, passed_over


def _stand_in(
    names: Sequence[str], chosen: Sequence[int], passed_over: Mapping[str, str], spares: np.random.Generator
) -> int:
    """One of the objects that are not known to be bad, and not in the round if there is such a one."""
    usable = [shape for shape, name in enumerate(names) if name not in passed_over]
    if not usable:
        raise InputError(f"none of {len(names)} objects can be used; {next(iter(passed_over.values()))}")
    return int(spares.choice([shape for shape in usable if shape not in chosen] or usable))


def _packed(
    world: ClutterWorld, config: ClutterConfig, rng: np.random.Generator
) -> tuple[Int64[np.ndarray, "K"], Float64[np.ndarray, "K 4 4"]]:
    """Which of the world's objects stand where: upright, as their files have them, and clear of each other."""
    poses = np.tile(np.eye(4), (len(world.solids), 1, 1))
    world.present[:] = False
    waiting = list(range(len(world.solids)))
    for _ in range(config.places):
        k = waiting.pop(0)
        yaw = rotation_about(UP, np.array(rng.uniform(0, 2 * np.pi)))
        lowest = float(world.solids[k].mesh.bounds[0, 2])
        poses[k] = rigid(yaw, np.array([*rng.uniform(-config.spread, config.spread, 2), ABOVE_TABLE - lowest]))
        world.present[k] = True
        if world.touching(poses):
            world.present[k] = False
            waiting.append(k)
        if not waiting:
            break
    kept = np.flatnonzero(world.present)
    return kept, poses[kept]


def _inside(world_from_objects: Float64[np.ndarray, "M 4 4"], bin_: Bin | None, side: float) -> Bool[np.ndarray, "M"]:
    """Whose origins are above the floor and between the walls, or in the cube."""
    half = np.array([bin_.inner_x, bin_.inner_y]) / 2 if bin_ else np.full(2, side / 2)
    at = world_from_objects[:, :3, 3]
    return np.asarray((np.abs(at[:, :2]) <= half).all(axis=1) & (at[:, 2] > 0))


def _depth(
    scene: ClutterScene, truth: Scene, attempt: int, trial: TrialConfig, fusion: FusionConfig | None, renderer: Renderer
) -> Float32[np.ndarray, "H W"]:
    if fusion is not None:
        return fused_depth(truth, scene.side, scene.camera, scene.world_from_camera, renderer, fusion)
    noise = np.random.default_rng([scene.seed, scene.index, NOISE, attempt])
    clean = renderer.render(truth, scene.camera, scene.world_from_camera).depth
    return scene.sensor(clean, scene.camera, noise) * np.float32(trial.depth_scale)


def _in_workspace(depth: Float32[np.ndarray, "H W"], scene: ClutterScene) -> Bool[np.ndarray, "H W"]:
    """Pixels that rise above the floor, in the cube or between the walls, as the arm believes; no single specks."""
    in_camera = np.nan_to_num(scene.camera.deproject_image(depth)).reshape(-1, 3)
    points = transform_points(scene.world_from_believed_camera, in_camera).reshape(*depth.shape, 3)
    half = np.full(2, scene.side / 2)
    if scene.bin is not None:
        half = np.array([scene.bin.inner_x, scene.bin.inner_y]) / 2 - WALL_MARGIN
    within = (np.abs(points[..., :2]) <= half).all(axis=-1) & (points[..., 2] > MASK_HEIGHT)
    areas, number = label(binary_opening(np.isfinite(depth) & within, np.ones((3, 3))))
    pixel = float(np.nanmedian(depth)) ** 2 / (scene.camera.fx * scene.camera.fy)
    large = np.bincount(areas.ravel(), minlength=number + 1) * pixel >= LEAST_AREA
    large[0] = False  # what is not within
    return np.asarray(large[areas])
