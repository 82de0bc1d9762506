"""What a network says of a dataset's grasps, beside their labels and all by which they can be grouped.

Crops are cut as in training and planning (`graspnet.crops.crops`), from the window around an image's grasps, as a
sensor shows it. The window is cut as training cuts it, but wider: a grasp may be moved by half an opening and still be
seen. The noise depends on (seed, draw, shard, image) and on nothing else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64, Shaped

from graspnet.crops.crops import CropConfig, GraspCrops, grasp_crops
from graspnet.dataset import Dataset, GraspTable, Shard
from graspnet.dataset.labels import soft_label
from graspnet.models.checkpoint import Checkpoint
from graspnet.models.network import predict
from graspnet.observation.height_map import DepthView
from graspnet.quality import NETWORK_BATCH
from graspnet.report.inspection.summary import family, hand_group
from graspnet.report.inspection.validation import object_rows
from graspnet.run.progress import track
from graspnet.sensors import load_sensor
from graspnet.training.examples.image_examples import crop_window
from graspnet.training.examples.label import LabelConfig

__all__ = ["NoisyView", "Place", "Predictions", "choose_images", "log_odds_of", "noisy_view", "predict_images"]

Index = Int64[np.ndarray, "M"] | Bool[np.ndarray, "N"]
Place = tuple[int, int]  # a shard's index, and an image's in it
WIDER = 4 / 3  # of the window of a crop, which is three openings wide: half an opening more on either side
DIRECTIONS = 36  # in which an object's width is measured, 5 degrees apart
MOST_POINTS = 2000  # of an object in an image, for its width


@dataclass(frozen=True)
class Predictions:
    """One row for each example: a grasp in an image. Metres and radians.

    robustness: the label, with the clearance's doubt. label_variance: of that number, from its own sampling. object:
    which one the grasp is of. scene: the shard, where it shows heaps; else the object. size: the object's width as it
    is seen in the clean image, in openings of the hand. tilt: of the approach from the camera's axis. closes: whether
    the jaws close on the object, as `GraspTable.closes`.
    """

    log_odds: Float64[np.ndarray, "N"]
    robustness: Float64[np.ndarray, "N"]
    label_variance: Float64[np.ndarray, "N"]
    closes: Bool[np.ndarray, "N"]
    clearance: Float64[np.ndarray, "N"]
    shard: Int64[np.ndarray, "N"]
    image: Int64[np.ndarray, "N"]
    row: Int64[np.ndarray, "N"]  # of the shard's grasps
    object: Shaped[np.ndarray, "N"]
    scene: Shaped[np.ndarray, "N"]
    family: Shaped[np.ndarray, "N"]
    stable_pose: Int64[np.ndarray, "N"]
    gripper: Shaped[np.ndarray, "N"]  # its name
    hand: Shaped[np.ndarray, "N"]  # the group that it belongs to
    source: Shaped[np.ndarray, "N"]
    size: Float64[np.ndarray, "N"]
    tilt: Float64[np.ndarray, "N"]
    distance: Float64[np.ndarray, "N"]

    def __len__(self) -> int:
        return len(self.log_odds)

    def __getitem__(self, index: Index) -> "Predictions":
        return Predictions(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @staticmethod
    def concatenate(parts: Sequence["Predictions"]) -> "Predictions":
        """The rows of one or more, in order."""
        names = [f.name for f in fields(Predictions)]
        return Predictions(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

    @property
    def free(self) -> Bool[np.ndarray, "N"]:
        """Which grasps close on their object and touch nothing on the way."""
        return self.closes & (self.clearance >= 0)

    @property
    def image_number(self) -> Int64[np.ndarray, "N"]:
        """A number for every image of every shard and each gripper in it: grasps of one gripper compete."""
        grippers = np.unique(self.gripper, return_inverse=True)[1]
        keys = np.stack([self.shard, self.image, grippers], axis=1)
        return np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)


def choose_images(dataset: Dataset, shards: Sequence[int], examples: int | None, seed: int) -> list[Place]:
    """Images with about so many grasps in all, spread over as many shards as possible; None: all images.

    Each shard gives an image before any gives a second one.
    """
    rng = np.random.default_rng([seed, 0])
    entries = [dataset.header.shards[name] for name in dataset.shard_names]
    drawn: list[tuple[int, float, Place]] = []
    for shard in shards:
        order = rng.permutation(entries[shard].images)
        drawn += [(turn, float(rng.random()), (shard, int(image))) for turn, image in enumerate(order)]
    chosen, total = list[Place](), 0.0
    for _, _, (shard, image) in sorted(drawn):
        if examples is not None and total >= examples:
            break
        chosen.append((shard, image))
        total += entries[shard].grasps / max(entries[shard].images, 1)
    return sorted(chosen)


def predict_images(
    dataset: Dataset,
    checkpoint: Checkpoint,
    label: LabelConfig,
    places: Sequence[Place],
    sensor: str,
    seed: int,
    draw: int = 0,
    said: str = "predicting",
) -> Predictions:
    """Predictions of all grasps of these images, as a sensor shows them in one of its draws. places: sorted."""
    found = list(track(_of_images(dataset, checkpoint, label, places, sensor, seed, draw), len(places), said, "images"))
    return Predictions.concatenate(found)


@dataclass(frozen=True)
class NoisyView:
    """The window's noisy depth and camera, and where it lies in the image."""

    view: DepthView
    rows: slice
    columns: slice


def noisy_view(
    dataset: Dataset, shard: Shard, place: Place, crop: CropConfig, sensor: str, seed: int, draw: int = 0
) -> NoisyView:
    """The window around all grasps of an image, of which there must be some, in a draw of a sensor."""
    grasps, camera = shard.grasps, shard.images.cameras[place[1]]
    of_image = np.flatnonzero(grasps.image == place[1])
    sizes = np.stack([dataset.gripper(grasps.gripper[row]).sizes() for row in of_image])
    sizes[:, 0] *= WIDER
    u, v, width, height = crop_window(grasps.camera_from_grasp[of_image], sizes, camera, crop)
    rows, columns = slice(v, v + height), slice(u, u + width)
    window = camera.window(u, v, width, height)
    rng = np.random.default_rng([seed, draw, *place])
    noisy = load_sensor(sensor)(shard.images.depth[place[1], rows, columns].copy(), window, rng)
    return NoisyView(DepthView(noisy, window), rows, columns)


def log_odds_of(
    checkpoint: Checkpoint,
    view: DepthView,
    camera_from_grasp: Float64[np.ndarray, "N 4 4"],
    sizes: Float[np.ndarray, "N 8"],
) -> Float64[np.ndarray, "N"]:
    """The network's two logits, one minus the other: the log odds that each grasp holds, before the temperature."""
    crops = grasp_crops(view, camera_from_grasp, sizes, checkpoint.crop)
    parts = zip(crops.images.split(NETWORK_BATCH), crops.pose.split(NETWORK_BATCH), strict=True)
    batches = (GraspCrops(*part) for part in parts)
    logits = predict(checkpoint.network, batches, checkpoint.flip_average).double()
    return (logits[:, 1] - logits[:, 0]).cpu().numpy()


def _of_images(
    dataset: Dataset,
    checkpoint: Checkpoint,
    label: LabelConfig,
    places: Sequence[Place],
    sensor: str,
    seed: int,
    draw: int,
) -> Iterator[Predictions]:
    """The predictions of each image; shards are read one at a time."""
    shard, held = None, -1
    for place in places:
        if place[0] != held or shard is None:
            shard, held = dataset.read(place[0]), place[0]
        yield _of_image(dataset, shard, checkpoint, label, place, sensor, seed, draw)


def _of_image(
    dataset: Dataset,
    shard: Shard,
    checkpoint: Checkpoint,
    label: LabelConfig,
    place: Place,
    sensor: str,
    seed: int,
    draw: int,
) -> Predictions:
    index, image = place
    grasps, objects = shard.grasps, shard.objects
    robustness = label.robustness(grasps)
    rows = np.flatnonzero((grasps.image == image) & np.isfinite(robustness))
    poses = grasps.camera_from_grasp[rows]
    grippers = [dataset.gripper(grasps.gripper[row]) for row in rows]
    sizes = np.stack([gripper.sizes() for gripper in grippers]) if len(rows) else np.zeros((0, 8))
    log_odds = np.zeros(0)
    if len(rows):
        seen = noisy_view(dataset, shard, place, checkpoint.crop, sensor, seed, draw)
        log_odds = log_odds_of(checkpoint, seen.view, poses, sizes)
    owner = object_rows(objects, grasps)[rows]
    name = np.array([*objects.object, "unknown"])[owner]
    heaped = len(np.unique(objects.image)) < len(objects)
    width = _widths(shard, image)
    span = np.array([gripper.span for gripper in grippers], dtype=np.float64)
    return Predictions(
        log_odds=log_odds,
        robustness=robustness[rows],
        label_variance=_label_variance(grasps, label)[rows],
        closes=grasps.closes[rows],
        clearance=grasps.clearance.smallest[rows],
        shard=np.full(len(rows), index),
        image=np.full(len(rows), image),
        row=rows,
        object=name,
        scene=np.full(len(rows), f"shard {dataset.shard_names[index]}") if heaped else name,
        family=np.array([family(each) for each in name.tolist()], dtype=np.str_),
        stable_pose=np.append(objects.stable_pose, -1)[owner],
        gripper=np.array([grasps.gripper[row] for row in rows], dtype=np.str_),
        hand=np.array([hand_group(grasps.gripper[row], dataset) for row in rows], dtype=np.str_),
        source=np.array([grasps.source[row] for row in rows], dtype=np.str_),
        size=width[grasps.instance[rows]] / span,
        tilt=np.arccos(np.clip(poses[:, 2, 2], -1.0, 1.0)),
        distance=poses[:, 2, 3],
    )


def _label_variance(grasps: GraspTable, label: LabelConfig) -> Float64[np.ndarray, "N"]:
    """The variance of every label by the sampling of its metrics' means: s² / K of each."""
    total, known = np.zeros(len(grasps)), np.zeros(len(grasps))
    for estimate in (grasps.metrics[metric] for metric in label.metrics if metric in grasps.metrics):
        there = (estimate.samples > 0) & np.isfinite(estimate.mean)
        total += np.where(there, estimate.variance / np.maximum(estimate.samples, 1), 0.0)
        known += there
    free = soft_label(np.ones(len(grasps)), grasps.clearance.smallest, label.clearance_sigma)
    return total / np.maximum(known, 1) ** 2 * free**2


def _widths(shard: Shard, image: int) -> Float64[np.ndarray, "256"]:
    """By instance: the least extent of what is seen of it, over directions along the table; NaN where nothing is seen.

    Where the camera's pose is not known, directions lie in the image plane.
    """
    images, widths = shard.images, np.full(256, np.nan)
    instance, world_from_camera = images.instance[image], images.world_from_camera[image]
    rotation = world_from_camera[:3, :3] if np.isfinite(world_from_camera).all() else np.eye(3)
    angles = np.linspace(0, np.pi, DIRECTIONS, endpoint=False)
    across = rotation.T[:, :2] @ np.stack([np.cos(angles), np.sin(angles)])
    points = images.cameras[image].deproject_image(images.depth[image])
    for number in np.unique(instance[instance > 0]):
        seen = points[(instance == number) & np.isfinite(images.depth[image])]
        if len(seen):
            widths[number] = float(np.ptp(seen[:: 1 + len(seen) // MOST_POINTS] @ across, axis=0).min())
    return widths
