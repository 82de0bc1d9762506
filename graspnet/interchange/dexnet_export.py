"""A dataset to Dex-Net tensors: one crop a grasp, cut and turned as the originals do it.

The hand is not among the fields, as their networks are made for one hand and one camera: export a dataset of such.
Rows and columns are not rounded to pixels, and cameras are written, both unlike in the original generator.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64

from graspnet.camera import Camera
from graspnet.crops.pixel import PixelCropConfig, pixel_crops
from graspnet.dataset import Dataset, Shard
from graspnet.errors import unknown_name
from graspnet.interchange.dexnet import (
    LAYOUTS,
    THEIR_METRICS,
    WINDOW_PX,
    HandPoses,
    Layout,
    columns_from_camera_poses,
)
from graspnet.interchange.tensors import Field, TensorWriter, write_split
from graspnet.run.record import write_json

__all__ = ["export_dexnet"]

OFF_CENTER_PX = 0.5  # the grasp's pixel has index 48, the middle of 96 pixels is 47.5
_NUMBERS = ("collision_free", "obj_labels", "pose_labels", "image_labels")


def export_dexnet(dataset: Dataset, output: Path, version: str = "2.0", metric: str | None = None) -> Iterator[int]:
    """Write the tensors of all grasps, yielding the number of datapoints after each shard; whole once it ends.

    version: 2.0 (32x32, all metrics under the originals' names) or 4.0 (96x96, one `metric` as `grasp_metrics`; the
    dataset's first, if none is given). The split `object_wise` is the dataset's own.
    """
    if version not in LAYOUTS:
        raise unknown_name("version", version, LAYOUTS)
    layout = LAYOUTS[version]
    dataset = replace(dataset, physics=None)  # labels that were added to some of the grasps: tensors have no gaps
    metrics = _metrics(list(dataset.read(0).grasps.metrics), version, metric)
    writer = TensorWriter(output, _fields(layout, metrics))
    labels = _Labels({name: i for i, name in enumerate(sorted(chain(*dataset.header.splits.values())))})
    for shard in dataset.shards():
        crops = _crops(shard, layout, dataset.header.pixel_pitch)
        poses = {layout.poses: _hand_poses(shard, dataset.header.pixel_pitch).to_columns(layout)}
        numbers = labels.of(shard) | {"collision_free": shard.grasps.clearance.collision_free}
        values = {theirs: shard.grasps.robustness(ours) for ours, theirs in metrics.items()}
        writer.append(crops | poses | _cameras(shard, dataset.header.pixel_pitch) | numbers | values)
        yield len(shard.grasps)
    writer.close()
    write_json(output / "object_category_map.json", labels.objects)
    write_json(output / "pose_category_map.json", labels.poses)
    _write_split(dataset, labels, output)


def _metrics(names: list[str], version: str, chosen: str | None) -> dict[str, str]:
    """Our name -> field."""
    if version == "2.0":
        return {name: THEIR_METRICS.get(name, name) for name in names}
    if chosen is not None and chosen not in names:
        raise unknown_name("metric", chosen, names)
    return {chosen or names[0]: "grasp_metrics"}


def _fields(layout: Layout, metrics: Mapping[str, str]) -> dict[str, Field]:
    square = (layout.size, layout.size, 1)
    columns = 7 if layout is LAYOUTS["2.0"] else 6
    return {
        layout.images: Field("float32", square),
        "obj_masks": Field("uint8", square),
        "camera_poses": Field("float32", (7,)),
        "camera_intrs": Field("float32", (4,)),
        layout.poses: Field("float32", (columns,)),
        **{name: Field("uint32") for name in _NUMBERS},
        **{name: Field("float32") for name in metrics.values()},
    }


@dataclass
class _Labels:
    """Numbers of objects, stable poses and images, in the order in which they come."""

    objects: dict[str, int]
    poses: dict[str, int] = field(default_factory=dict)
    images: int = 0
    of_datapoints: list[Int64[np.ndarray, "_"]] = field(default_factory=list)  # objects, shard by shard

    def of(self, shard: Shard) -> dict[str, Int64[np.ndarray, "N"]]:
        """The label fields of a shard's grasps."""
        objects, grasps = shard.objects, shard.grasps
        row_of = {key: row for row, key in enumerate(zip(objects.image, objects.instance, strict=True))}
        rows = [row_of[key] for key in zip(grasps.image, grasps.instance, strict=True)]
        names = [f"{name}_pose_{k}" for name, k in zip(objects.object, objects.stable_pose, strict=True)]
        poses = np.array([self.poses.setdefault(name, len(self.poses)) for name in names])
        images = grasps.image + self.images
        self.images += len(shard.images)
        self.of_datapoints.append(np.array([self.objects[objects.object[row]] for row in rows], dtype=np.int64))
        return {"obj_labels": self.of_datapoints[-1], "pose_labels": poses[rows], "image_labels": images}


def _crops(shard: Shard, layout: Layout, pitch: float) -> dict[str, np.ndarray]:
    """Depth and masks around the grasps; 0 = missing or outside of the image."""
    crop = PixelCropConfig(window_px=WINDOW_PX, size=layout.size).at_pitch(pitch)
    intrinsics, grasps = _intrinsics(shard), shard.grasps
    poses = _off_center(grasps.camera_from_grasp, intrinsics[grasps.image, :2], OFF_CENTER_PX / pitch)
    masks = np.zeros((len(grasps), layout.size, layout.size, 1), dtype=np.uint8)
    for k in np.unique(grasps.instance):
        rows = np.flatnonzero(grasps.instance == k)
        object_is_two = np.float32(1) + (shard.images.instance == k)  # for 0 would be missing
        masks[rows] = 255 * (_cut(object_is_two, intrinsics, poses[rows], grasps.image[rows], crop) > 1.5)
    depth = _cut(np.nan_to_num(shard.images.depth), intrinsics, poses, grasps.image, crop)
    return {layout.images: depth, "obj_masks": masks}


def _intrinsics(shard: Shard) -> Float64[np.ndarray, "n 4"]:
    return np.array([[c.fx, c.fy, c.cx, c.cy] for c in shard.images.cameras])


def _off_center(
    camera_from_grasp: Float64[np.ndarray, "N 4 4"], focal: Float64[np.ndarray, "N 2"], by_px: float
) -> Float64[np.ndarray, "N 4 4"]:
    """The poses moved across the view, so that the middle of a crop lies left of and above the grasp's pixel."""
    along = _closing_in_image(camera_from_grasp, focal)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    moved = camera_from_grasp.copy()
    moved[:, :2, 3] -= by_px * (along + across) / focal * camera_from_grasp[:, 2, 3:]
    return moved


def _closing_in_image(
    camera_from_grasp: Float64[np.ndarray, "N 4 4"], focal: Float64[np.ndarray, "N 2"]
) -> Float64[np.ndarray, "N 2"]:
    """Unit vectors (u, v) along which the projected closing axis points."""
    closing, origin = camera_from_grasp[:, :3, 1], camera_from_grasp[:, :3, 3]
    along = focal * (closing[:, :2] - origin[:, :2] / origin[:, 2:] * closing[:, 2:])
    return along / np.linalg.norm(along, axis=1, keepdims=True)


def _cut(
    images: Float32[np.ndarray, "n H W"],
    intrinsics: Float64[np.ndarray, "n 4"],
    camera_from_grasp: Float64[np.ndarray, "N 4 4"],
    image: Int64[np.ndarray, "N"],
    crop: PixelCropConfig,
) -> Float32[np.ndarray, "N S S 1"]:
    crops = np.empty((len(image), crop.size, crop.size, 1), dtype=np.float32)
    for i in np.unique(image):
        rows = np.flatnonzero(image == i)
        fx, fy, cx, cy = intrinsics[i].tolist()
        camera = Camera(fx, fy, cx, cy, images.shape[2], images.shape[1])
        depth, poses = torch.from_numpy(images[i]), torch.from_numpy(camera_from_grasp[rows])
        crops[rows, :, :, 0] = pixel_crops(depth, camera, poses, crop)[0][:, 0].numpy()
    return crops


def _hand_poses(shard: Shard, pitch: float) -> HandPoses:
    """The grasps in pixels of the camera; a pixel of the shard's images spans `pitch` of them."""
    grasps = shard.grasps
    intrinsics = _intrinsics(shard)[grasps.image]
    along = _closing_in_image(grasps.camera_from_grasp, intrinsics[:, :2])
    return HandPoses(
        center=(grasps.center + 0.5) * pitch - 0.5,
        depth=grasps.depth,
        angle=np.arctan2(along[:, 1], along[:, 0]) % (2 * np.pi),
        from_principal_point=(grasps.center - intrinsics[:, 2:]) * pitch,
        width_px=grasps.columns["width"] * intrinsics[:, :2].mean(axis=1) * pitch / grasps.depth,
        approach_angle=np.arccos(np.clip(grasps.camera_from_grasp[:, 2, 2], -1, 1)),
    )


def _cameras(shard: Shard, pitch: float) -> dict[str, np.ndarray]:
    intrinsics = _intrinsics(shard)
    full_size = np.concatenate([intrinsics[:, :2] * pitch, (intrinsics[:, 2:] + 0.5) * pitch - 0.5], axis=1)
    poses = columns_from_camera_poses(shard.images.world_from_camera)
    return {"camera_intrs": full_size[shard.grasps.image], "camera_poses": poses[shard.grasps.image]}


def _write_split(dataset: Dataset, labels: _Labels, output: Path) -> None:
    objects = np.concatenate(labels.of_datapoints)
    of_split = [[labels.objects[name] for name in dataset.split(split)] for split in ("train", "validation")]
    train, validation = (np.flatnonzero(np.isin(objects, numbers)) for numbers in of_split)
    write_split(output, "object_wise", train, validation)
