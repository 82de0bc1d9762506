"""Physics labels of a dataset: its objects made again, some of its grasps chosen, and these executed (labels/grips.py).

Which grasps are worth the time: one that would reach far into its object never holds, and one that the analytic label
is sure of teaches little. So the former are 0 without being executed, and the others are drawn with a probability that
grows with the analytic label's variance. That probability is kept: weights of 1/p make averages unbiased again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from jaxtyping import Bool, Float64, Int64

from graspnet.config import config_to_dict
from graspnet.data_gen.generate.remake import RemadeObjects, labelling_config
from graspnet.data_gen.labels.grips import GripLabelConfig, held, label_world
from graspnet.data_gen.objects.decomposition import DecompositionConfig, convex_parts, piece_fit
from graspnet.data_gen.objects.formats.mesh_file import MESH_SUFFIXES
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.object_source import with_parts
from graspnet.data_gen.physics.pick import HandWorld
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.dataset import HOLD, Dataset, GraspTable, MetricEstimate, PhysicsLabels, PhysicsWriter, Shard
from graspnet.dataset.labels import soft_label
from graspnet.errors import InputError
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.run.engines import Engine
from graspnet.transforms import transform_points

__all__ = ["ChoiceConfig", "Labelling", "PhysicsConfig", "chances", "label_physics", "resting_on_its_pieces"]

SURENESS = 0.0005  # metres: the standard deviation of clearances with which the analytic label is computed here


@dataclass(frozen=True, kw_only=True)
class ChoiceConfig:
    """Which grasps are executed."""

    share: float = 1.0  # of those that are not ruled out
    # A smaller clearance (metres) rules a grasp out: of 1,095 such grasps the judge lifted one (docs/experiments/).
    least_clearance: float = -0.003
    certain: float = 0.2  # how often a grasp is drawn whose analytic label is certain, beside one at 0.5
    on_policy: float = 2.0  # how often one that a policy proposed, beside others
    meshes: bool = True  # False leaves the objects of mesh files: CoACD takes seconds or a minute to cut each to pieces
    # An object is left whose pieces are more than 1 mm off over a larger share of its surface (piece_fit.py).
    largest_far_share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise InputError(f"share is {self.share}; it must lie in (0, 1]")
        if not 0 < self.certain <= 1:
            raise InputError(f"certain is {self.certain}; it must lie in (0, 1]")
        if not self.on_policy > 0:
            raise InputError(f"on_policy is {self.on_policy}; it must be positive")


@dataclass(frozen=True, kw_only=True)
class PhysicsConfig:
    """What `graspnet label physics` does."""

    # Coarser than a trial's, and five times as fast: the pieces of a thousand meshes take an hour of processor time.
    pieces: DecompositionConfig = field(
        default_factory=lambda: DecompositionConfig(
            thresholds=(0.05,), resolution=1000, search_iterations=20, patience=20.0
        )
    )
    choice: ChoiceConfig = field(default_factory=ChoiceConfig)
    label: GripLabelConfig = field(default_factory=GripLabelConfig)


@dataclass(frozen=True)
class Labelling:
    """A run that is ready: iterate to label what is left; at the end the labels are complete."""

    dataset: Dataset
    objects: RemadeObjects
    config: PhysicsConfig
    left: tuple[int, ...]  # positions of shards
    writer: PhysicsWriter
    engine: Engine

    @property
    def done(self) -> int:
        """Shards that an earlier run finished."""
        return self.dataset.shard_count - len(self.left)

    def __iter__(self) -> Iterator[int]:
        """How many executions each shard took, as it is done."""
        yield from self.engine.run(partial(_work, self.dataset, self.objects, self.config, self.writer), self.left)
        self.writer.finish()


def label_physics(
    dataset: Dataset, config: PhysicsConfig, seed: int, engine: Engine, resume: bool = False
) -> Labelling:
    """Prepare to add physics labels to a dataset of `graspnet generate`.

    InputError: its objects cannot be made again; it has such labels already (`resume` completes those of the same
    config and seed), or had them from its beginning.
    """
    made = labelling_config(dataset)
    if HOLD in made.metrics:
        raise InputError(f"{dataset.folder}: was made with {HOLD}; only a dataset without it can be given it")
    objects = RemadeObjects.of(dataset, made)
    writer = PhysicsWriter(dataset.folder, dataset.header, config_to_dict(config), seed, resume)
    finished = writer.finished()
    left = tuple(i for i, name in enumerate(dataset.shard_names) if name not in finished)
    return Labelling(replace(dataset, physics=None), objects, config, left, writer, engine)


def chances(grasps: GraspTable, metric: str, config: ChoiceConfig) -> Float64[np.ndarray, "N"]:
    """The probability with which each grasp is drawn; 0 of those that are ruled out.

    It is proportional to c + (1 − c) 4 y (1 − y), where y is the analytic label and c = `certain`, and no more than 1.
    """
    clearance = grasps.clearance.smallest
    label = soft_label(grasps.metrics[metric].mean, clearance, SURENESS)
    label = np.clip(np.nan_to_num(label), 0.0, 1.0)
    weight = config.certain + (1 - config.certain) * 4 * label * (1 - label)
    weight *= np.where(np.array(grasps.source) == "on_policy", config.on_policy, 1.0)
    weight[clearance < config.least_clearance] = 0.0
    return _with_sum(weight, config.share * np.count_nonzero(weight))


def _with_sum(weight: Float64[np.ndarray, "N"], total: float) -> Float64[np.ndarray, "N"]:
    """Probabilities in proportion to weights that sum to `total`; those that would exceed 1 are 1."""
    chance = np.zeros(len(weight))
    sure = np.zeros(len(weight), dtype=bool)
    while not sure.all():
        free = ~sure & (weight > 0)
        if not free.any():
            break
        chance[free] = weight[free] * max(total - sure.sum(), 0.0) / weight[free].sum()
        above = free & (chance >= 1 - 1e-9)
        chance[above], sure = 1.0, sure | above
        if not above.any():
            break
    return chance


def _work(dataset: Dataset, objects: RemadeObjects, config: PhysicsConfig, writer: PhysicsWriter, index: int) -> int:
    shard, name = dataset.read(index), dataset.shard_names[index]
    rng = np.random.default_rng([writer.header.seed, int(name), 4])
    clearance = shard.grasps.clearance.smallest
    chance = chances(shard.grasps, objects.config.metrics[0], config.choice)
    shapes = _in_pieces(objects, shard, config) if chance.any() else {}
    if not shapes:
        chance = np.zeros(len(chance))
    drawn = rng.random(len(chance)) < chance
    mean = np.full(len(chance), np.nan)
    place = f"shard {name}"
    for some, found in _executed(dataset, objects, shapes, place, shard, np.flatnonzero(drawn), config.label, rng):
        mean[some] = found.mean(axis=1)
    ruled_out = ~drawn & (clearance < config.choice.least_clearance)
    mean[ruled_out] = 0.0
    samples = np.where(drawn, config.label.executions, 0)
    chosen = np.select([drawn, ruled_out], ["drawn", "ruled_out"], "left")
    hold = MetricEstimate(mean, mean * (1 - mean), samples)
    return writer.write(name, PhysicsLabels(hold, chosen, chance)).executions


def _in_pieces(objects: RemadeObjects, shard: Shard, config: PhysicsConfig) -> dict[str, Solid]:
    """The shapes with convex pieces, to collide with; none at all if one of them is to be left, or its pieces do not
    fit at the largest of its sizes.

    Heaps came to rest on the pieces that they were dropped with, so these are taken.
    """
    shapes = objects.shapes(shard)
    meshes = {name for name in shapes if name.lower().endswith(MESH_SUFFIXES)}
    if meshes and not config.choice.meshes:
        return {}
    if objects.config.heap is not None:
        return {name: with_parts(shape, objects.config.objects) for name, shape in shapes.items()}
    found = {name: replace(shape, parts=convex_parts(shape, config=config.pieces)) for name, shape in shapes.items()}
    for name, scale in zip(shard.objects.object, shard.objects.scale.tolist(), strict=True):
        if name in meshes and piece_fit(found[name].scaled(scale)).far_share > config.choice.largest_far_share:
            return {}
    return found


def _executed(
    dataset: Dataset,
    objects: RemadeObjects,
    shapes: Mapping[str, Solid],
    place: str,
    shard: Shard,
    rows: Int64[np.ndarray, "R"],
    config: GripLabelConfig,
    rng: np.random.Generator,
) -> Iterator[tuple[Int64[np.ndarray, "S"], Bool[np.ndarray, "S K"]]]:
    """Outcomes of those rows, in groups: an image's grasps of an object by one hand.

    A world serves all images that show the same objects at the same sizes.
    """
    grasps, hands = shard.grasps, np.array(shard.grasps.gripper)
    groups = sorted(zip(grasps.image[rows].tolist(), hands[rows].tolist(), grasps.instance[rows].tolist(), strict=True))
    worlds: dict[tuple[str, tuple[float, ...]], HandWorld] = {}
    scenes: dict[int, tuple[Scene, Float64[np.ndarray, "4 4"]]] = {}
    for image, hand, instance in dict.fromkeys(groups):
        if image not in scenes:
            scene = objects.scene(shard, image, shapes)
            if not scenes:  # all images of a shard show the same objects, so that one look at them is enough
                objects.check_unchanged(scene, shard, image, f"{place}, image {image}")
            lifted = scene, np.eye(4)
            scenes[image] = lifted if objects.config.heap is not None else resting_on_its_pieces(scene)
        scene, raised_from_world = scenes[image]
        key = hand, tuple(shard.objects.scale[shard.objects.image == image].tolist())
        if key not in worlds:
            worlds[key] = label_world(scene, ParallelJaw.of(dataset.gripper(hand)), config, rng, objects.config.heap)
        some = rows[(grasps.image[rows] == image) & (hands[rows] == hand) & (grasps.instance[rows] == instance)]
        in_world = grasps.grasps_in_camera(some).transformed(shard.images.world_from_camera[image])
        yield some, held(worlds[key], scene, instance - 1, in_world.transformed(raised_from_world), config, rng)


def resting_on_its_pieces(scene: Scene) -> tuple[Scene, Float64[np.ndarray, "4 4"]]:
    """The scene with its only object so high that the lowest of its pieces touches the table, and the way there.

    Pieces are not the mesh: one that reached into the table would be shot off it.
    """
    (pose,) = scene.world_from_object
    lowest = min(transform_points(pose, np.asarray(p.vertices))[:, 2].min() for p in convex_parts(scene.solids[0]))
    up = np.eye(4)
    up[2, 3] = -lowest
    return replace(scene, world_from_object=(up @ pose)[None]), up
