"""Whether a shard holds what docs/dataset.md says: indices that exist, rigid poses, values within their ranges.

Names and types of columns are checked whenever a shard is read; this is about their contents.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float64, Int64

from graspnet.dataset import HOLD, DatasetHeader, DepthImages, GraspTable, MetricEstimate, SceneObjects, Shard
from graspnet.grasps.grasps import Grasps
from graspnet.grasps.image_grasps import image_from_grasps
from graspnet.grippers.gripper import gripper_class, parse_gripper

__all__ = ["invalid_columns", "object_rows"]

POSE_TOLERANCE = 1e-4  # of 32-bit rotation matrices
PIXELS = 0.02  # by which 32-bit poses and pixels may disagree
METRES = 1e-5


def invalid_columns(shard: Shard, header: DatasetHeader) -> list[str]:
    """One line for each column whose values cannot be, with how many those are: `grasps.parquet: width: …`."""
    found = [*_images(shard.images, header), *_objects(shard, header), *_indices(shard), *_grasps(shard, header)]
    found += _metrics(shard.grasps, header)
    return [f"{place}: {int(np.sum(wrong))} {what}" for place, wrong, what in found if np.any(wrong)]


def object_rows(objects: SceneObjects, grasps: GraspTable) -> Int64[np.ndarray, "N"]:
    """Each grasp's row of the objects, -1 where its object is not among them."""
    key = objects.image * _INSTANCES + objects.instance
    wanted = grasps.image * _INSTANCES + grasps.instance
    if not len(key):
        return np.full(len(wanted), -1)
    order = np.argsort(key)
    place = np.minimum(np.searchsorted(key, wanted, sorter=order), len(key) - 1)
    return np.where(key[order][place] == wanted, order[place], -1)


_INSTANCES = 256  # numbers that an instance image can hold
_Finding = tuple[str, Bool[np.ndarray, "..."], str]  # file: column, which values are wrong, what they are


def _unknown(values: Float64[np.ndarray, "N *shape"], header: DatasetHeader) -> Bool[np.ndarray, "N"]:
    """Which rows are not told: all NaN, which an import may be and a generated row may not."""
    return np.isnan(values).reshape(len(values), -1).all(axis=1) & ("import" in header.config)


def _images(images: DepthImages, header: DatasetHeader) -> Iterator[_Finding]:
    size = np.array([(c.height, c.width) != images.depth.shape[1:] for c in images.cameras])
    poses = images.world_from_camera
    yield "images.parquet: camera_width", size, "images of another size than their camera's"
    yield "images.parquet: world_from_camera", ~(_rigid(poses) | _unknown(poses, header)), "not rigid"
    yield "images.parquet: bin", images.bin <= 0, "sizes that are not positive"


def _objects(shard: Shard, header: DatasetHeader) -> Iterator[_Finding]:
    objects = shard.objects
    poses = objects.world_from_object
    names = {name for split in header.splits.values() for name in split}
    yield "objects.parquet: image", _outside(objects.image, 0, len(shard.images)), "rows that do not exist"
    yield "objects.parquet: instance", _outside(objects.instance, 1, _INSTANCES), "outside [1, 255]"
    yield "objects.parquet: object", np.array([name not in names for name in objects.object]), "in no split"
    yield "objects.parquet: scale", ~((objects.scale > 0) | _unknown(objects.scale, header)), "not positive"
    yield "objects.parquet: stable_pose", objects.stable_pose < -1, "below -1"
    yield "objects.parquet: world_from_object", ~(_rigid(poses) | _unknown(poses, header)), "not rigid"
    counts = (np.bincount(image.ravel(), minlength=_INSTANCES) for image in shard.images.instance)
    seen = {(i, int(k)) for i, count in enumerate(counts) for k in np.flatnonzero(count) if k}
    strangers = seen - set(zip(objects.image.tolist(), objects.instance.tolist(), strict=True))
    yield "instance.zarr", np.ones(len(strangers), bool), "objects that objects.parquet does not know"


def _indices(shard: Shard) -> Iterator[_Finding]:
    yield "grasps.parquet: image", _outside(shard.grasps.image, 0, len(shard.images)), "rows that do not exist"
    yield "grasps.parquet: instance", object_rows(shard.objects, shard.grasps) < 0, "objects that are not in the image"


def _grasps(shard: Shard, header: DatasetHeader) -> Iterator[_Finding]:
    grasps = shard.grasps
    known = np.array([name in header.grippers for name in grasps.gripper], dtype=bool)
    yield "grasps.parquet: gripper", ~known, "names that dataset.json does not have"
    yield from _own_columns(grasps, header)
    rigid = _rigid(grasps.camera_from_grasp)
    yield "grasps.parquet: camera_from_grasp", ~rigid, "not rigid"
    z = grasps.camera_from_grasp[:, 2, 3]
    yield "grasps.parquet: depth", ~(np.abs(grasps.depth - z) < METRES), "not z of the pose"
    yield "grasps.parquet: angle", ~(np.abs(grasps.angle) <= np.pi / 2 + METRES), "outside [-π/2, π/2)"
    off = np.full(len(grasps), False)
    for i in np.unique(grasps.image[~_outside(grasps.image, 0, len(shard.images))]):
        rows = (grasps.image == i) & rigid
        seen = image_from_grasps(Grasps(grasps.camera_from_grasp[rows]), shard.images.cameras[i])
        off[rows] = ~(np.abs(seen.center - grasps.center[rows]) < PIXELS).all(axis=1)
    yield "grasps.parquet: center", off, "not where the camera sees the pose"
    absent = ~np.isfinite(grasps.contacts).all(axis=(1, 2))
    wrong = (absent == grasps.contact_found) & ~_unknown(grasps.contacts, header)
    yield "grasps.parquet: contacts", wrong, "not finite where found, or finite where not"
    for part, values in grasps.clearance.each.items():
        yield f"grasps.parquet: clearance_{part}", np.isnan(values), "NaN"
    yield "grasps.parquet: source", np.array([not name for name in grasps.source]), "empty"


def _own_columns(grasps: GraspTable, header: DatasetHeader) -> Iterator[_Finding]:
    """What grasps of this kind have besides, judged by the gripper of each."""
    own = gripper_class(header.kind).columns
    wrong, names = np.zeros(len(grasps), dtype=bool), np.array(grasps.gripper)
    for name in set(grasps.gripper) & header.grippers.keys():
        rows = np.flatnonzero(names == name)
        gripper = parse_gripper(header.grippers[name], f"gripper {name}")
        wrong[rows] = ~gripper.possible({column: values[rows] for column, values in grasps.columns.items()})
    place = f"grasps.parquet: {', '.join(column.name for column in own)}"
    yield place, wrong, f"outside {', '.join(column.limits for column in own)}"


def _metrics(grasps: GraspTable, header: DatasetHeader) -> Iterator[_Finding]:
    for name, metric in grasps.metrics.items():
        if name == HOLD and name not in header.config.get("metrics", ()):
            yield from _added(metric)
            continue
        yield f"grasps.parquet: {name}_mean", np.isnan(metric.mean) & grasps.contact_found, "NaN where pads touch"
        yield f"grasps.parquet: {name}_variance", metric.variance < 0, "negative"
        yield f"grasps.parquet: {name}_samples", metric.samples < 1, "below 1"


def _added(metric: MetricEstimate) -> Iterator[_Finding]:
    """Labels beside the shard: NaN where a grasp was not executed, 0 without samples where it was ruled out."""
    executed = metric.samples > 0
    yield f"physics: {HOLD}_mean", executed & ~((metric.mean >= 0) & (metric.mean <= 1)), "outside [0, 1]"
    yield f"physics: {HOLD}_mean", ~executed & (metric.mean > 0), "held without an execution"
    yield f"physics: {HOLD}_samples", metric.samples < 0, "negative"


def _outside(index: Int64[np.ndarray, "N"], first: int, end: int) -> Bool[np.ndarray, "N"]:
    return (index < first) | (index >= end)


def _rigid(poses: Float64[np.ndarray, "N 4 4"]) -> Bool[np.ndarray, "N"]:
    """Which poses are rigid, each on its own (`transforms.is_rigid` judges all at once)."""
    rotation = poses[:, :3, :3]
    expected = np.tile(np.eye(4), (len(poses), 1, 1))
    found = np.concatenate([rotation @ rotation.swapaxes(1, 2), poses[:, 3:, :3]], axis=1)
    close = (np.abs(found - expected[:, :, :3]) < POSE_TOLERANCE).all(axis=(1, 2)) & (poses[:, 3, 3] == 1)
    return close & np.isfinite(poses).all(axis=(1, 2)) & (np.linalg.det(np.nan_to_num(rotation)) > 0)
