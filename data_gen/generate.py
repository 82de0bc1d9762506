"""Generation: p(x) p(u|x) p(y|x) p(S|u,x), one object a work unit (Mahler et al., RSS 2017, section IV).

An object in a stable pose, scaled to a hand: candidate grasps are drawn and labelled once in the world of that pose;
every image of it shows some of them. A unit's random stream depends on the seed and the unit alone.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from data_gen.candidates import CandidateConfig, sample_candidates
from data_gen.collision import clearance
from data_gen.contacts import ContactFinder
from data_gen.engines import Engine
from data_gen.hands import HandConfig, sample_hand
from data_gen.meshes import Solid
from data_gen.metrics import METRICS, MetricConfig
from data_gen.objects import ObjectConfig, load_object, object_names, posed_for_hand
from data_gen.pads import PadConfig
from data_gen.rendering import RENDERERS, Renderer
from data_gen.robustness import MetricEstimate, estimate
from data_gen.scenes import Scene, SceneConfig, sample_camera, sample_placement
from data_gen.stable_poses import stable_poses
from data_gen.uncertainty import UncertaintyConfig
from data_gen.wrenches import WrenchConfig
from graspnet.camera import Camera
from graspnet.config import config_to_dict
from graspnet.dataset import DatasetHeader, DatasetWriter, DepthImages, GraspTable, MetricColumns, SceneObjects, Shard
from graspnet.errors import InputError, unknown_name
from graspnet.grasps import Grasps, image_from_grasps
from graspnet.gripper import ParallelJawGripper
from graspnet.run_record import package_versions
from graspnet.transforms import invert, transform_points

__all__ = ["GenerateConfig", "UnitSummary", "generate", "generate_unit"]


@dataclass(frozen=True, kw_only=True)
class GenerateConfig:
    """A dataset: the distributions of objects, hands, scenes and candidates, and what is computed for each grasp."""

    objects: ObjectConfig = field(default_factory=ObjectConfig)
    hands: HandConfig = field(default_factory=HandConfig)
    scene: SceneConfig = field(default_factory=SceneConfig)
    candidates: CandidateConfig = field(default_factory=CandidateConfig)
    uncertainty: UncertaintyConfig = field(default_factory=UncertaintyConfig)
    wrenches: WrenchConfig = field(default_factory=WrenchConfig)
    pads: PadConfig = field(default_factory=PadConfig)
    metrics: tuple[str, ...] = ("robust_pad_closure", "robust_force_closure")  # the first is counted in summaries
    views: int = 8  # images of each object
    grasps_per_view: int = 48
    stable_pose_probability: float = 0.01  # poses less likely than this are left out
    renderer: str = "raycast"

    def __post_init__(self) -> None:
        for name in ("views", "grasps_per_view"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.renderer not in RENDERERS:
            raise unknown_name("renderer", self.renderer, RENDERERS)
        for metric in self.metrics:
            if metric not in METRICS:
                raise unknown_name("metric", metric, METRICS)


@dataclass(frozen=True)
class UnitSummary:
    """What one unit made, for the progress and the closing table. `skipped` says why it made nothing."""

    object: str
    images: int = 0
    grasps: int = 0
    collision_free: int = 0
    positives: int = 0  # robustness of the first metric above one half
    skipped: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class _Unit:
    index: int
    name: str
    config: GenerateConfig
    writer: DatasetWriter


def generate(
    config: GenerateConfig, name: str, seed: int, folder: Path, engine: Engine, resume: bool = False
) -> Iterator[UnitSummary]:
    """Make a dataset in `folder`, yielding a summary as each unit is done; complete once the iterator ends.

    InputError: the folder holds a dataset already (`resume` continues one with the same config and seed).
    """
    names = object_names(config.objects)
    header = DatasetHeader(
        name=name,
        seed=seed,
        config=config_to_dict(config),
        packages=package_versions(),
        grippers={hand.name: _gripper_fields(hand) for hand in _hands(config, len(names), seed)},
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
    hand = _hand(config, index, seed)
    rng = np.random.default_rng([seed, index])
    shape = load_object(config.objects, name, rng)
    poses = stable_poses(shape, config.stable_pose_probability)
    pose_of_view = np.sort(poses.draw(config.views, rng))
    views: list[_View] = []
    with RENDERERS[config.renderer]() as renderer:
        for pose, count in zip(*np.unique(pose_of_view, return_counts=True), strict=True):
            scale, world_from_object = posed_for_hand(shape, poses.world_from_object[pose], config.objects, hand, rng)
            solid = shape.scaled(scale)
            grasps = _label(solid, world_from_object, hand, config, int(count) * config.grasps_per_view, rng)
            for share in np.array_split(rng.permutation(len(grasps.grasps_in_world)), count):
                views.append(_view(solid, scale, world_from_object, int(pose), grasps[share], config, renderer, rng))
    return _shard(name, views, hand)


@dataclass(frozen=True)
class _LabelledGrasps:
    """Grasps in the world of a stable pose, with everything that depends on object and grasp alone."""

    grasps_in_world: Grasps
    contacts_in_world: Float64[np.ndarray, "N 2 3"]
    contact_found: np.ndarray
    clearances: Float64[np.ndarray, "N 3"]  # fingers, palm, table
    origin: np.ndarray
    metrics: dict[str, MetricEstimate]

    def __getitem__(self, index: Int64[np.ndarray, "M"]) -> "_LabelledGrasps":
        metrics = {name: metric[index] for name, metric in self.metrics.items()}
        return _LabelledGrasps(
            self.grasps_in_world[index], self.contacts_in_world[index], self.contact_found[index],
            self.clearances[index], self.origin[index], metrics,
        )  # fmt: skip


@dataclass(frozen=True)
class _View:
    depth: np.ndarray
    instance: np.ndarray
    camera: Camera
    world_from_camera: Float64[np.ndarray, "4 4"]
    world_from_object: Float64[np.ndarray, "4 4"]
    scale: float
    stable_pose: int
    grasps_in_camera: Grasps
    contacts_in_camera: Float64[np.ndarray, "N 2 3"]
    labels: _LabelledGrasps


def _work(unit: _Unit) -> UnitSummary:
    start = time.perf_counter()
    try:
        shard = generate_unit(unit.config, unit.index, unit.name, unit.writer.header.seed)
    except InputError as error:
        unit.writer.skip(unit.index, unit.name, str(error))
        return UnitSummary(unit.name, skipped=str(error), seconds=time.perf_counter() - start)
    unit.writer.write(unit.index, shard)
    grasps = shard.grasps
    return UnitSummary(
        unit.name, len(shard.images), len(grasps), int(grasps.collision_free.sum()),
        int((grasps.robustness(unit.config.metrics[0]) > 0.5).sum()), "", time.perf_counter() - start,
    )  # fmt: skip


def _label(
    solid: Solid,
    world_from_object: Float64[np.ndarray, "4 4"],
    hand: ParallelJawGripper,
    config: GenerateConfig,
    count: int,
    rng: np.random.Generator,
) -> _LabelledGrasps:
    grasps_in_world, origin = sample_candidates(solid, world_from_object, hand, count, config.candidates, rng)
    grasps_in_object = grasps_in_world.transformed(invert(world_from_object))
    gravity_in_object = world_from_object[:3, :3].T @ np.array([0.0, 0.0, -1.0])
    contacts = ContactFinder(solid)(grasps_in_object)
    free = clearance(Scene((solid,), world_from_object[None]), 0, grasps_in_world, hand)
    assumed = MetricConfig(uncertainty=config.uncertainty, wrenches=config.wrenches, pads=config.pads)
    metrics = estimate(config.metrics, solid, grasps_in_object, hand, gravity_in_object, assumed, rng)
    return _LabelledGrasps(
        grasps_in_world,
        transform_points(world_from_object, contacts.points.reshape(-1, 3)).reshape(-1, 2, 3),
        contacts.found,
        np.stack([free.fingers, free.palm, free.table], axis=1),
        np.asarray(origin),
        metrics,
    )


def _view(
    solid: Solid,
    scale: float,
    world_from_object: Float64[np.ndarray, "4 4"],
    stable_pose: int,
    labels: _LabelledGrasps,
    config: GenerateConfig,
    renderer: Renderer,
    rng: np.random.Generator,
) -> _View:
    """The object put down elsewhere on the table (a turn and a shift, which change no label), seen by some camera."""
    camera, world_from_camera = sample_camera(config.scene, rng, radius=solid.radius)
    placed = sample_placement(world_from_object, camera, world_from_camera, config.scene, rng, radius=solid.radius)
    moved = placed @ invert(world_from_object)
    camera_from_old_world = invert(world_from_camera) @ moved
    rendering = renderer.render(Scene((solid,), placed[None]), camera, world_from_camera)
    return _View(
        rendering.depth,
        rendering.instance,
        camera,
        world_from_camera,
        placed,
        scale,
        stable_pose,
        labels.grasps_in_world.transformed(camera_from_old_world),
        transform_points(camera_from_old_world, labels.contacts_in_world.reshape(-1, 3)).reshape(-1, 2, 3),
        labels,
    )


def _shard(name: str, views: list[_View], hand: ParallelJawGripper) -> Shard:
    images = DepthImages(
        depth=np.stack([v.depth for v in views]),
        instance=np.stack([v.instance for v in views]),
        cameras=tuple(v.camera for v in views),
        world_from_camera=np.stack([v.world_from_camera for v in views]),
        bin=np.full((len(views), 3), np.nan),
    )
    objects = SceneObjects(
        image=np.arange(len(views)),
        instance=np.ones(len(views), dtype=np.int64),
        object=(name,) * len(views),
        scale=np.array([v.scale for v in views]),
        stable_pose=np.array([v.stable_pose for v in views], dtype=np.int64),
        world_from_object=np.stack([v.world_from_object for v in views]),
    )
    seen = [image_from_grasps(v.grasps_in_camera, v.camera) for v in views]
    grasps = Grasps.concatenate([v.grasps_in_camera for v in views])
    clearances = np.concatenate([v.labels.clearances for v in views])
    found = np.concatenate([v.labels.contact_found for v in views])
    contacts = np.concatenate([v.contacts_in_camera for v in views])
    table = GraspTable(
        image=np.repeat(np.arange(len(views)), [len(v.grasps_in_camera) for v in views]),
        instance=np.ones(len(grasps), dtype=np.int64),
        camera_from_grasp=grasps.poses,
        width=grasps.width,
        center=np.concatenate([s.center for s in seen]),
        angle=np.concatenate([s.angle for s in seen]),
        depth=np.concatenate([s.depth for s in seen]),
        contacts=np.where(found[:, None, None], contacts, np.nan),
        contact_found=found,
        clearance_fingers=clearances[:, 0],
        clearance_palm=clearances[:, 1],
        clearance_table=clearances[:, 2],
        clearance_neighbours=np.full(len(grasps), np.inf),
        origin=tuple(np.concatenate([v.labels.origin for v in views]).tolist()),
        gripper=(hand.name,) * len(grasps),
        metrics={name: _columns([v.labels.metrics[name] for v in views]) for name in views[0].labels.metrics},
    )
    return Shard(images, objects, table)


def _columns(estimates: list[MetricEstimate]) -> MetricColumns:
    columns = (np.concatenate([getattr(e, part) for e in estimates]) for part in ("mean", "variance", "samples"))
    return MetricColumns(*columns)


def _hand(config: GenerateConfig, index: int, seed: int) -> ParallelJawGripper:
    """The hand of a unit, from a stream of its own: the header lists all hands without making the objects."""
    return sample_hand(config.hands, f"hand_{index:05d}", np.random.default_rng([seed, index, 1]))


def _hands(config: GenerateConfig, count: int, seed: int) -> list[ParallelJawGripper]:
    return [_hand(config, index, seed) for index in range(count)]


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
