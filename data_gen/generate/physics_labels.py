"""Physics labels of a dataset: its objects made again, some of its grasps chosen, and these executed (labels/grips.py).

Which grasps are worth the time: one that would reach far into its object never holds, and one that the analytic label
is sure of teaches little. So the former are 0 without being executed, and the others are drawn with a probability that
grows with the analytic label's variance. That probability is kept: weights of 1/p make averages unbiased again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from jaxtyping import Bool, Float64, Int64

from graspnet.config import config_to_dict
from graspnet.data_gen.generate.remake import RemadeObjects, labelling_config
from graspnet.data_gen.labels.grips import GripLabelConfig, held
from graspnet.data_gen.objects.decomposition import DecompositionConfig, convex_parts, piece_fit
from graspnet.data_gen.objects.formats.mesh_file import MESH_SUFFIXES
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.physics.pick import PickWorld
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.dataset import HOLD, Dataset, GraspTable, MetricEstimate, PhysicsLabels, PhysicsWriter, Shard
from graspnet.dataset.labels import soft_label
from graspnet.errors import InputError
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.run.engines import Engine
from graspnet.transforms import transform_points

__all__ = ["ChoiceConfig", "Labelling", "PhysicsConfig", "chances", "label_physics"]

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
    if made.heap is not None:
        raise InputError(f"{dataset.folder}: shows heaps; physics labels are of single objects")
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
    shapes = _in_pieces(objects.shapes(shard), shard, config) if chance.any() else {}
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


def _in_pieces(shapes: dict[str, Solid], shard: Shard, config: PhysicsConfig) -> dict[str, Solid]:
    """The shapes with convex pieces, to collide with; none at all if one of them is to be left, or its pieces do not
    fit at the largest of its sizes."""
    found = {}
    for name, shape in shapes.items():
        if name.lower().endswith(MESH_SUFFIXES):
            if not config.choice.meshes:
                return {}
            shape = replace(shape, parts=convex_parts(shape, config=config.pieces))
            largest = max(
                s for s, o in zip(shard.objects.scale.tolist(), shard.objects.object, strict=True) if o == name
            )
            if piece_fit(shape.scaled(largest)).far_share > config.choice.largest_far_share:
                return {}
        found[name] = shape
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
    """Outcomes of those rows, in groups: an image's grasps by one hand. A world serves all images at one scale."""
    grasps, hands = shard.grasps, np.array(shard.grasps.gripper)
    images = np.unique(grasps.image[rows]).tolist()
    worlds: dict[tuple[float, str], PickWorld] = {}
    for image in images:
        scene = objects.scene(shard, image, shapes)
        if image == images[0]:  # a shard has one object, so that one look at it is enough
            objects.check_unchanged(scene, shard, image, f"{place}, image {image}")
        scene, down = _resting_on_its_pieces(scene)
        for hand in np.unique(hands[rows]).tolist():
            some = rows[(grasps.image[rows] == image) & (hands[rows] == hand)]
            if not len(some):
                continue
            key = float(shard.objects.scale[shard.objects.image == image][0]), hand
            if key not in worlds:
                worlds[key] = _world(scene, ParallelJaw.of(dataset.gripper(hand)), config, rng)
            in_world = grasps.grasps_in_camera(some).transformed(shard.images.world_from_camera[image])
            in_world = in_world.transformed(down)
            yield some, held(worlds[key], scene, 0, in_world, config, rng)


def _resting_on_its_pieces(scene: Scene) -> tuple[Scene, Float64[np.ndarray, "4 4"]]:
    """The scene with its only object so high that the lowest of its pieces touches the table, and the way there.

    Pieces are not the mesh: one that reached into the table would be shot off it.
    """
    (pose,) = scene.world_from_object
    pieces: Sequence = convex_parts(scene.solids[0])
    lowest = min(transform_points(pose, np.asarray(piece.vertices))[:, 2].min() for piece in pieces)
    up = np.eye(4)
    up[2, 3] = -lowest
    return replace(scene, world_from_object=(up @ pose)[None]), up


def _world(scene: Scene, hand: ParallelJaw, config: GripLabelConfig, rng: np.random.Generator) -> PickWorld:
    """Contacts are drawn for each world. The object's centre of mass is 10 µm off its origin, or MuJoCo would refuse to
    move it later."""
    (solid,) = scene.solids
    movable = replace(solid, mesh=solid.mesh.copy().apply_translation([1e-5, 0, 0]))
    return PickWorld(movable, hand, config.grip.contacts.draw(config.grip.pick, rng), friction=1.0)
