"""Single objects: one mesh in its stable poses on a table, seen from around, with labelled grasps for some hands.

p(x) p(y|x) p(u|x) p(S|u,x) of Mahler et al., RSS 2017, section IV. Labels belong to a pose of the object, above the
origin of the world. Each view puts it down elsewhere, turned about the vertical and shifted: that changes no label.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from graspnet.data_gen.candidates.object_grasps import (
    ObjectGraspConfig,
    best_clearance,
    sample_object_grasps,
    turned_to_table,
)
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.pose_grasps import ObjectInView, label_fresh_grasps
from graspnet.data_gen.labels.label import HoldLabels, LabelledGrasps, hold_labels, seen_in_image
from graspnet.data_gen.labels.metrics import METRICS
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.object_source import load_object, posed_for_hand, with_parts
from graspnet.data_gen.objects.stable_poses import StablePoses, stable_poses
from graspnet.data_gen.scenes.rendering import RENDERERS, Renderer
from graspnet.data_gen.scenes.scenes import Scene, SceneConfig, sample_camera, sample_placement
from graspnet.data_gen.scenes.views import View, depth_images
from graspnet.dataset import GraspTable, SceneObjects, Shard
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.transforms import invert

__all__ = ["generate_object"]


def generate_object(name: str, hands: Sequence[ParallelJaw], config: GenerateConfig, rng: np.random.Generator) -> Shard:
    """One object's images and labelled grasps. InputError: its mesh cannot be used, or no grasp can be sampled."""
    shape = load_object(config.objects, name, rng)
    if any(METRICS[metric].executed for metric in config.metrics):  # at its own size: pieces once for every scale
        shape = with_parts(shape, config.objects)
    poses = stable_poses(shape, config.stable_pose_probability)
    config = config.with_one_camera(rng)
    label_views = _with_fresh_grasps if config.object_grasps is None else _with_object_grasps
    with RENDERERS[config.renderer]() as renderer:
        return _shard(name, list(label_views(shape, poses, hands, renderer, config, rng)))


@dataclass(frozen=True)
class _Resting:
    """The scaled object in a stable pose, its centre of mass above the world's origin: where grasps are labelled."""

    solid: Solid
    scale: float
    stable_pose: int
    world_from_object: Float64[np.ndarray, "4 4"]

    @property
    def scene(self) -> Scene:
        """It alone on the table."""
        return Scene((self.solid,), self.world_from_object[None])


@dataclass(frozen=True)
class _Placed:
    """The object put down somewhere else, and an image of it."""

    resting: _Resting
    view: View
    world_from_object: Float64[np.ndarray, "4 4"]

    @property
    def camera_from_rest(self) -> Float64[np.ndarray, "4 4"]:
        """camera_from_world, for the world in which the grasps were labelled."""
        return invert(self.view.world_from_camera) @ self.world_from_object @ invert(self.resting.world_from_object)

    @property
    def of_object(self) -> ObjectInView:
        """The object in this image."""
        return ObjectInView(self.view, 1, self.camera_from_rest)


@dataclass(frozen=True)
class _LabelledView:
    """An image, and for each hand's name its grasps."""

    placed: _Placed
    grasps: dict[str, LabelledGrasps]


def _with_fresh_grasps(
    shape: Solid,
    poses: StablePoses,
    hands: Sequence[ParallelJaw],
    renderer: Renderer,
    config: GenerateConfig,
    rng: np.random.Generator,
) -> Iterator[_LabelledView]:
    """Views whose grasps are drawn in each pose; the object's scale may differ from pose to pose."""
    for stable_pose, count in _poses_to_show(poses, config, rng):
        pose = poses.world_from_object[stable_pose]
        scale, world_from_object = posed_for_hand(shape, pose, config.objects, hands[0], rng)
        resting = _Resting(shape.scaled(scale), scale, stable_pose, world_from_object)
        placed = [_put_down(resting, config.scene, renderer, rng) for _ in range(count)]
        counts, seen = np.full(count, config.grasps_per_view), [one.of_object for one in placed]
        labels = {h.name: label_fresh_grasps(resting.scene, 0, seen, counts, h, config, rng) for h in hands}
        for k, one in enumerate(placed):
            yield _LabelledView(one, {name: of_view[k] for name, of_view in labels.items()})


def _poses_to_show(poses: StablePoses, config: GenerateConfig, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Stable poses, and of each the number of its images."""
    if config.views_per_pose is not None:
        return [(pose, config.views_per_pose) for pose in range(len(poses))]
    drawn, counts = np.unique(poses.draw(config.views, rng), return_counts=True)
    return list(zip(drawn.tolist(), counts.tolist(), strict=True))


def _put_down(resting: _Resting, scene: SceneConfig, renderer: Renderer, rng: np.random.Generator) -> _Placed:
    radius = resting.solid.radius
    camera, world_from_camera = sample_camera(scene, rng, radius=radius)
    placed = sample_placement(
        resting.world_from_object, camera, world_from_camera, scene, rng, radius=radius, margin=scene.margin
    )
    rendering = renderer.render(Scene((resting.solid,), placed[None]), camera, world_from_camera)
    return _Placed(resting, View(rendering, camera, world_from_camera), placed)


def _with_object_grasps(
    shape: Solid,
    poses: StablePoses,
    hands: Sequence[ParallelJaw],
    renderer: Renderer,
    config: GenerateConfig,
    rng: np.random.Generator,
) -> Iterator[_LabelledView]:
    """Views that all show the same grasps of the object, as far as its pose allows them; poses that allow none have no
    images. What a metric says is computed once, a clearance once for each pose."""
    assert config.object_grasps is not None
    scale, _ = posed_for_hand(shape, poses.world_from_object[0], config.objects, hands[0], rng)  # the same in any pose
    solid = shape.scaled(scale)
    held = {hand.name: _held(solid, hand, config, rng) for hand in hands}
    shown = False
    for stable_pose, count in _poses_to_show(poses, config, rng):
        world_from_object = poses.world_from_object[stable_pose].copy()
        world_from_object[:3, 3] *= scale
        resting = _Resting(solid, scale, stable_pose, world_from_object)
        labels = {hand.name: _resting_labels(resting, *held[hand.name], hand, config.object_grasps) for hand in hands}
        if any(len(grasps) for grasps in labels.values()):
            shown = True
            for _ in range(count):
                yield _LabelledView(_put_down(resting, config.scene, renderer, rng), labels)
    if not shown:
        raise InputError("no antipodal grasp of it comes from above in any of its stable poses")


def _held(
    solid: Solid, hand: ParallelJaw, config: GenerateConfig, rng: np.random.Generator
) -> tuple[Grasps, HoldLabels]:
    """Grasps in the object frame and whether they hold it."""
    assert config.object_grasps is not None
    grasps_in_object = sample_object_grasps(solid, hand, config.object_grasps, rng)
    unused = np.array([0.0, 0.0, -1.0])  # gravity: GenerateConfig refuses metrics that depend on it
    return grasps_in_object, hold_labels(solid, grasps_in_object, hand, unused, config.metrics, config.assumed, rng)


def _resting_labels(
    resting: _Resting,
    grasps_in_object: Grasps,
    hold: HoldLabels,
    hand: ParallelJaw,
    config: ObjectGraspConfig,
) -> LabelledGrasps:
    """The grasps that come from above in this pose, with their clearance there."""
    possible, grasps = turned_to_table(grasps_in_object.transformed(resting.world_from_object), config.max_tilt)
    free = best_clearance(resting.scene, 0, grasps, hand, config)
    source = np.full(len(grasps), "antipodal")
    return LabelledGrasps(grasps, source, hold[possible].transformed(resting.world_from_object), free)


def _shard(name: str, views: Sequence[_LabelledView]) -> Shard:
    shown = [v.placed for v in views]
    objects = SceneObjects(
        image=np.arange(len(shown)),
        instance=np.ones(len(shown), dtype=np.int64),
        object=(name,) * len(shown),
        scale=np.array([v.resting.scale for v in shown]),
        stable_pose=np.array([v.resting.stable_pose for v in shown], dtype=np.int64),
        world_from_object=np.stack([v.world_from_object for v in shown]),
    )
    tables = [
        seen_in_image(grasps, v.placed.camera_from_rest, v.placed.view.camera, image, 1, hand)
        for image, v in enumerate(views)
        for hand, grasps in v.grasps.items()
    ]
    return Shard(depth_images([v.view for v in shown], None), objects, GraspTable.concatenate(tables))
