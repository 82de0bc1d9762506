"""A heap as a work unit: objects of one split dropped together, seen from above, each one's grasps labelled among all.

The model of Dex-Net 2.1 and 4.0: a grasp is judged by how it holds its object, and by whether the hand gets there past
the table, the neighbours and the walls of the bin.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.pose_grasps import ObjectInView, label_fresh_grasps
from graspnet.data_gen.labels.label import LabelledGrasps, seen_in_image
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.object_source import load_object, posed_at_random, with_parts
from graspnet.data_gen.physics.heaps import draw_bin, drop_heap
from graspnet.data_gen.scenes.rendering import RENDERERS, Renderer
from graspnet.data_gen.scenes.scenes import Bin, Scene, SceneConfig, sample_camera
from graspnet.data_gen.scenes.views import View, depth_images
from graspnet.dataset import GraspTable, SceneObjects, Shard
from graspnet.errors import InputError
from graspnet.grasps.image_grasps import image_from_grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.transforms import invert

__all__ = ["HeapMember", "generate_heap"]

FITTING = 0.8  # No object is longer than this share of a bin's shorter side: it would lie across the walls.


@dataclass(frozen=True)
class HeapMember:
    """An object to drop: its name, and its number among the config's objects."""

    name: str
    number: int


def generate_heap(
    members: Sequence[HeapMember],
    hands: Sequence[ParallelJaw],
    config: GenerateConfig,
    seed: int,
    rng: np.random.Generator,
) -> tuple[Shard, dict[str, str]]:
    """One heap's images and labelled grasps, and which objects it does without because they cannot be used, and why.

    InputError: none can be used, nothing came to rest, or nothing is seen.
    """
    assert config.heap is not None
    bin_ = draw_bin(config.heap, rng, share=config.heap.bin_share)
    shapes, left_out = _loaded(members, config, seed)
    if config.objects.scaling == "as_is":
        shapes = _fitting(shapes, bin_, left_out)
    dropped = [_scaled(shape, bin_, hands[0], config, rng) for _, shape in shapes]
    heap = drop_heap(tuple(solid for solid, _ in dropped), bin_, config.heap, rng, reach=config.heap.reach)
    if not len(heap.kept):
        raise InputError("none of its objects came to rest in the bin, or near the table's centre")
    scene = Scene(tuple(dropped[k][0] for k in heap.kept), heap.world_from_object, bin=bin_)
    names = tuple(shapes[k][0] for k in heap.kept)
    scales = np.array([dropped[k][1] for k in heap.kept])
    config = config.with_one_camera(rng)
    with RENDERERS[config.renderer]() as renderer:
        views = [_view(scene, config.scene, renderer, rng) for _ in range(config.views)]
    grasps = _labelled(scene, views, hands, config, rng)
    return Shard(depth_images(views, bin_), _objects(names, scales, scene, len(views)), grasps), left_out


def _loaded(
    members: Sequence[HeapMember], config: GenerateConfig, seed: int
) -> tuple[list[tuple[str, Solid]], dict[str, str]]:
    """Names and objects at their own size, with their convex pieces (so that one decomposition serves every scale), and
    what is wrong with the others.

    A procedural object has the same shape in all heaps, and in the dataset of single objects with the same seed.
    """
    shapes: list[tuple[str, Solid]] = []
    left_out: dict[str, str] = {}
    for member in members:
        try:
            shape = load_object(config.objects, member.name, np.random.default_rng([seed, member.number]))
            shapes.append((member.name, with_parts(shape, config.objects)))
        except InputError as error:
            left_out[member.name] = str(error)
    if not shapes:
        raise InputError("; ".join(left_out.values()))
    return shapes, left_out


def _fitting(shapes: list[tuple[str, Solid]], bin_: Bin | None, left_out: dict[str, str]) -> list[tuple[str, Solid]]:
    """The objects that are not too long for the bin; why the others are left out is added to `left_out`.

    InputError: all of them are too long.
    """
    longest = np.inf if bin_ is None else FITTING * min(bin_.inner_x, bin_.inner_y)
    too_long = {name: length for name, shape in shapes if (length := float(max(shape.mesh.extents))) > longest}
    left_out |= {
        name: f"not in every heap: {length:.3g} m long, too long for a bin in which {longest:.3g} m fit; widen "
        "heap.bin_x and heap.bin_y, or let objects.scaling make it smaller"
        for name, length in too_long.items()
    }
    kept = [(name, shape) for name, shape in shapes if name not in too_long]
    if not kept:
        raise InputError("; ".join(f"{name}: {reason}" for name, reason in left_out.items()))
    return kept


def _scaled(
    shape: Solid, bin_: Bin | None, hand: ParallelJaw, config: GenerateConfig, rng: np.random.Generator
) -> tuple[Solid, float]:
    """The object as large as it would be alone on the table in one of its stable poses, but not too large for the bin,
    and its scale."""
    scale, _ = posed_at_random(shape, config.stable_pose_probability, config.objects, hand, rng)
    if bin_ is not None:
        scale = min(scale, FITTING * min(bin_.inner_x, bin_.inner_y) / float(max(shape.mesh.extents)))
    return shape.scaled(scale), scale


def _view(scene: Scene, config: SceneConfig, renderer: Renderer, rng: np.random.Generator) -> View:
    camera, world_from_camera = sample_camera(config, rng, radius=_reach(scene))
    return View(renderer.render(scene, camera, world_from_camera), camera, world_from_camera)


def _reach(scene: Scene) -> float:
    """How far from the world's origin there is something to see: half the bin's longer side, or the objects' ends."""
    if scene.bin is not None:
        return max(scene.bin.inner_x, scene.bin.inner_y) / 2
    radius = np.array([solid.radius for solid in scene.solids])
    return float((np.linalg.norm(scene.world_from_object[:, :2, 3], axis=1) + radius).max())


def _labelled(
    scene: Scene,
    views: Sequence[View],
    hands: Sequence[ParallelJaw],
    config: GenerateConfig,
    rng: np.random.Generator,
) -> GraspTable:
    """Grasps of all objects, image by image; each view's are shared out evenly among the objects that it shows."""
    area = config.visible_area * hands[0].max_width ** 2
    counts = np.stack([_shares(_seen(view, len(scene.solids)) >= area, config.grasps_per_view, rng) for view in views])
    if not counts.any():
        raise InputError("no camera sees enough of any of its objects")
    rows: list[list[GraspTable]] = [[] for _ in views]
    for index in range(len(scene.solids)):
        shown = np.flatnonzero(counts[:, index]).tolist()
        in_view = [ObjectInView(views[v], index + 1, invert(views[v].world_from_camera)) for v in shown]
        for hand in hands if len(shown) else ():
            labels = label_fresh_grasps(scene, index, in_view, counts[shown, index], hand, config, rng)
            for v, of_view in zip(shown, labels, strict=True):
                rows[v].append(_in_image(of_view, views[v], v, index, hand.name))
    return GraspTable.concatenate([table for of_view in rows for table in of_view])


def _seen(view: View, count: int) -> Float64[np.ndarray, "M"]:
    """Area of each object's visible part in m², as if it faced the camera: (z / f)² a pixel."""
    instance, depth = view.rendering.instance, view.rendering.depth
    pixel = np.where(instance > 0, depth, 0.0).astype(np.float64) ** 2 / (view.camera.fx * view.camera.fy)
    return np.bincount(instance.ravel(), pixel.ravel(), minlength=count + 1)[1:]


def _shares(visible: Bool[np.ndarray, "M"], total: int, rng: np.random.Generator) -> Int64[np.ndarray, "M"]:
    """`total` grasps dealt out among the visible objects, in random order."""
    counts = np.zeros(len(visible), dtype=np.int64)
    if visible.any():
        dealt = np.resize(rng.permutation(np.flatnonzero(visible)), total)
        np.add.at(counts, dealt, 1)
    return counts


def _in_image(labels: LabelledGrasps, view: View, image: int, index: int, hand: str) -> GraspTable:
    """The labels whose centre lies in the image, as rows of its table: no policy could propose others."""
    camera, camera_from_world = view.camera, invert(view.world_from_camera)
    grasps_in_camera = labels.grasps_in_world.transformed(camera_from_world)
    u, v = image_from_grasps(grasps_in_camera, camera).center.T
    inside = (u > -0.5) & (u < camera.width - 0.5) & (v > -0.5) & (v < camera.height - 0.5)
    return seen_in_image(labels[np.flatnonzero(inside)], camera_from_world, camera, image, index + 1, hand)


def _objects(names: tuple[str, ...], scales: Float64[np.ndarray, "M"], scene: Scene, views: int) -> SceneObjects:
    """All objects of the heap, in every image."""
    count = len(names)
    return SceneObjects(
        image=np.repeat(np.arange(views), count),
        instance=np.tile(np.arange(1, count + 1), views),
        object=names * views,
        scale=np.tile(scales, views),
        stable_pose=np.full(count * views, -1),
        world_from_object=np.tile(scene.world_from_object, (views, 1, 1)),
    )
