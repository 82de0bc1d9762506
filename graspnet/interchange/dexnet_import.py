"""Dex-Net tensors to a dataset: every crop becomes an image of its own, with one grasp.

A crop is what a camera sees that is turned about its optical axis and has pixels 96 / size times as large; so it is an
image with intrinsics like any other, and `graspnet.crops` cuts from it what a network sees. What the tensors do not
tell is NaN: the camera's pose (then the approach is the optical axis), the object's, contacts, variances. Of the
clearances the sign alone is known: they are +inf or -inf metres.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64

from graspnet.camera import Camera
from graspnet.config import config_to_dict
from graspnet.dataset import (
    Clearance,
    DatasetHeader,
    DatasetWriter,
    DepthImages,
    GraspTable,
    MetricEstimate,
    SceneObjects,
    Shard,
)
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grasps.image_grasps import ImageGrasps, grasps_from_image
from graspnet.grippers.gripper import gripper_fields
from graspnet.grippers.parallel_jaw import ParallelJaw, load_parallel_jaw
from graspnet.interchange.dexnet import (
    LAYOUTS,
    OUR_METRICS,
    WINDOW_PX,
    HandPoses,
    Layout,
    camera_poses_from_columns,
    grasp_index,
)
from graspnet.interchange.tensors import TensorFolder
from graspnet.run.record import package_versions
from graspnet.transforms import rigid, rotation_about

__all__ = ["DexNetImport", "DexNetImportConfig"]

SAMPLES = 25  # A robust metric is the mean of so many samples (dex-net's generator).
# The table's normal is taken as the approach where its cosine with the optical axis is larger.
STEEPEST = np.cos(np.radians(30))
_LABELS = {"object": "obj_labels", "stable_pose": "pose_labels"}
_NAMES = {"object": "object_category_map.json", "stable_pose": "pose_category_map.json"}
Arrays = Mapping[str, np.ndarray]  # field -> datapoints


@dataclass(frozen=True, kw_only=True)
class DexNetImportConfig:
    """What the tensors do not tell. split_by: what no two splits share (one object has its stable poses only)."""

    gripper: str = "yumi"  # the originals' hand
    focal_length_px: float = 525.0  # where camera_intrs are absent; the generator drew 520 to 530
    split_by: Literal["object", "stable_pose"] = "object"
    validation_share: float = 0.2  # as in the originals, which split by datapoint

    def __post_init__(self) -> None:
        if not 0 < self.focal_length_px < np.inf:
            raise InputError(f"focal_length_px is {self.focal_length_px}; it must be positive (pixels)")
        if not 0 <= self.validation_share < 1:
            raise InputError(f"validation_share is {self.validation_share}; it must lie in [0, 1)")


class DexNetImport:
    """An import that is ready to run, shard by shard: the datapoints of one file and one split each."""

    def __init__(
        self, source: Path, output: str | Path, config: DexNetImportConfig, seed: int = 0, resume: bool = False
    ) -> None:
        self._tensors = TensorFolder.open(source)
        self._layout = _layout(self._tensors)
        self._config = config
        self._groups = _groups(self._tensors, self._layout, config.split_by)
        splits = _stored_splits(self._tensors, self._groups) or _drawn_splits(self._groups, config, seed)
        self._units = _units(self._groups, splits)
        gripper = load_parallel_jaw(config.gripper)
        header = DatasetHeader(
            name=source.resolve().name,
            seed=seed,
            config={"import": "dexnet"} | config_to_dict(config),
            packages=package_versions(),
            grippers={gripper.name: gripper_fields(gripper)},
            splits=splits,
            units=len(self._units),
            pixel_pitch=WINDOW_PX / self._tensors.read(self._layout.images, 0).shape[1],
        )
        self._writer = DatasetWriter(output, header, resume)
        finished = self._writer.finished()
        self._left = [index for index in range(len(self._units)) if index not in finished]

    @property
    def total(self) -> int:
        """Number of shards."""
        return len(self._units)

    @property
    def done(self) -> int:
        """How many shards were there already."""
        return self.total - len(self._left)

    def __iter__(self) -> Iterator[int]:
        """Write what is missing, and yield how many datapoints each shard has; the dataset is complete at the end."""
        gripper = load_parallel_jaw(self._config.gripper)
        for index in self._left:
            file, rows = self._units[index]
            arrays = {name: self._tensors.read(name, file)[rows] for name in self._tensors.paths}
            names = tuple(self._groups.names[group] for group in self._groups.of_file[file][rows])
            self._writer.write(index, _shard(arrays, names, self._layout, gripper, self._config.focal_length_px))
            yield len(names)
        self._writer.finish()


@dataclass(frozen=True)
class _Groups:
    """What is split: objects or stable poses. of_file: for each file, the group of each datapoint."""

    names: list[str]
    of_file: list[Int64[np.ndarray, "_"]]


def _layout(tensors: TensorFolder) -> Layout:
    if "robust_suction_wrench_resistance" in tensors.paths:
        raise InputError(f"{tensors.folder}: holds grasps of suction cups; only parallel jaws can be imported")
    for layout in LAYOUTS.values():
        if {layout.images, layout.poses} <= tensors.paths.keys():
            return layout
    needed = " or ".join(f"{layout.images} and {layout.poses}" for layout in LAYOUTS.values())
    raise InputError(f"{tensors.folder}: needs fields {needed}; it has {', '.join(sorted(tensors.paths))}")


def _groups(tensors: TensorFolder, layout: Layout, split_by: str) -> _Groups:
    """Groups by label, or else by file: the generator wrote object after object, so files share few of them."""
    files, field, path = range(tensors.file_count), _LABELS[split_by], tensors.folder / _NAMES[split_by]
    if field in tensors.paths:
        labels, prefix = [tensors.read(field, i).astype(np.int64) for i in files], split_by
    else:
        labels, prefix = [np.full(len(tensors.read(layout.poses, i)), i) for i in files], "file"
    named = json.loads(path.read_text()) if path.is_file() else {}
    names = {number: name for name, number in named.items()}
    numbers, index = np.unique(np.concatenate(labels), return_inverse=True)
    ends = np.cumsum([len(each) for each in labels])[:-1]
    return _Groups([names.get(int(n), f"{prefix}_{n:05d}") for n in numbers], np.split(index, ends))


def _stored_splits(tensors: TensorFolder, groups: _Groups) -> dict[str, list[str]]:
    """The first stored split that keeps groups together; empty if there is none (a datapoint-wise one is of no use)."""
    of_datapoint = np.concatenate(groups.of_file)
    for chosen in tensors.splits().values():
        validation = np.zeros(len(of_datapoint), dtype=bool)
        validation[chosen] = True
        held_out = set(of_datapoint[validation].tolist())
        if held_out and held_out.isdisjoint(of_datapoint[~validation].tolist()):
            return _named_splits(groups, held_out)
    return {}


def _drawn_splits(groups: _Groups, config: DexNetImportConfig, seed: int) -> dict[str, list[str]]:
    some = config.validation_share > 0
    if some and len(groups.names) < 2:
        remedy = "--split-by stable_pose" if config.split_by == "object" else "--validation-share 0"
        raise InputError(f"{groups.names[0]} is the only {config.split_by}; none is left to validate with: {remedy}")
    count = max(int(some), round(config.validation_share * len(groups.names)))
    order = np.random.default_rng(seed).permutation(len(groups.names))
    return _named_splits(groups, set(order[:count].tolist()))


def _named_splits(groups: _Groups, held_out: set[int]) -> dict[str, list[str]]:
    return {
        "train": [name for i, name in enumerate(groups.names) if i not in held_out],
        "validation": [groups.names[i] for i in sorted(held_out)],
    }


def _units(groups: _Groups, splits: Mapping[str, list[str]]) -> list[tuple[int, Int64[np.ndarray, "_"]]]:
    """File and rows of each shard."""
    units = []
    for names in splits.values():
        member = np.isin(groups.names, names)
        rows = [np.flatnonzero(member[of]) for of in groups.of_file]
        units += [(file, chosen) for file, chosen in enumerate(rows) if len(chosen)]
    return sorted(units, key=lambda unit: unit[0])


def _shard(
    arrays: Arrays, names: tuple[str, ...], layout: Layout, gripper: ParallelJaw, focal_length_px: float
) -> Shard:
    poses = HandPoses.from_columns(arrays[layout.poses].astype(np.float64), layout)
    depth = _images(arrays[layout.images]).astype(np.float32)
    size = depth.shape[1]
    focal, from_principal_point = _intrinsics(arrays, poses, focal_length_px)
    cameras = _crop_cameras(focal, from_principal_point, poses.angle, size)
    world_from_crop = _crop_poses(arrays, poses.angle)
    width = np.clip(np.nan_to_num(poses.width_px * poses.depth / focal, nan=np.inf), None, gripper.max_width)
    grasps = _grasps(cameras, world_from_crop, poses.depth, width)
    count, rows = len(names), np.arange(len(names))
    images = DepthImages(
        depth=np.where(depth > 0, depth, np.float32(np.nan)),
        instance=_masks(arrays, depth.shape),
        cameras=cameras,
        world_from_camera=world_from_crop,
        bin=np.full((count, 3), np.nan),
    )
    objects = SceneObjects(
        image=rows,
        instance=np.ones(count, dtype=np.int64),
        object=names,
        scale=np.full(count, np.nan),
        stable_pose=arrays.get("pose_labels", np.full(count, -1)).astype(np.int64),
        world_from_object=np.full((count, 4, 4), np.nan),
    )
    return Shard(images, objects, _table(arrays, grasps, size, gripper.name))


def _images(array: np.ndarray) -> np.ndarray:
    return array[..., 0] if array.ndim == 4 else array


def _masks(arrays: Arrays, shape: tuple[int, ...]) -> np.ndarray:
    return (_images(arrays.get("obj_masks", np.zeros(shape))) > 127).astype(np.uint8)


def _intrinsics(
    arrays: Arrays, poses: HandPoses, focal_length_px: float
) -> tuple[Float64[np.ndarray, "N"], Float64[np.ndarray, "N 2"]]:
    """Focal length of the camera, and the grasp's pixel from its principal point; nominal ones where unknown."""
    known = arrays.get("camera_intrs", np.full((len(poses.depth), 4), np.nan)).astype(np.float64)
    focal = np.where(np.isfinite(known[:, 0]), known[:, :2].mean(axis=1), focal_length_px)
    offset = np.where(np.isfinite(known[:, 2:]), poses.center - known[:, 2:], poses.from_principal_point)
    return focal, np.nan_to_num(offset, nan=0.0)


def _crop_cameras(
    focal: Float64[np.ndarray, "N"],
    from_principal_point: Float64[np.ndarray, "N 2"],
    angle: Float64[np.ndarray, "N"],
    size: int,
) -> tuple[Camera, ...]:
    """The camera turned by the angle, with larger pixels."""
    scale, (u, v) = size / WINDOW_PX, from_principal_point.T
    cx = grasp_index(size) - scale * (np.cos(angle) * u + np.sin(angle) * v)
    cy = grasp_index(size) - scale * (np.cos(angle) * v - np.sin(angle) * u)
    intrinsics = np.stack([scale * focal, scale * focal, cx, cy], axis=1).tolist()
    return tuple(Camera(*each, width=size, height=size) for each in intrinsics)


def _crop_poses(arrays: Arrays, angle: Float64[np.ndarray, "N"]) -> Float64[np.ndarray, "N 4 4"]:
    """world_from_crop of the turned cameras; NaN where the camera's pose is unknown."""
    columns = arrays.get("camera_poses", np.full((len(angle), 7), np.nan)).astype(np.float64)
    camera_from_crop = rigid(rotation_about(np.tile([0.0, 0.0, 1.0], (len(angle), 1)), angle), np.zeros(3))
    return camera_poses_from_columns(columns) @ camera_from_crop


def _grasps(
    cameras: tuple[Camera, ...],
    world_from_crop: Float64[np.ndarray, "N 4 4"],
    depth: Float64[np.ndarray, "N"],
    width: Float64[np.ndarray, "N"],
) -> Grasps:
    """A grasp in the middle of each crop closes along +u and goes down onto the table, or ahead if none is known."""
    down = -world_from_crop[:, 2, :3]
    approach = np.where((down[:, 2] >= STEEPEST)[:, None], down, [0.0, 0.0, 1.0])  # NaN is not steep either
    middle = grasp_index(cameras[0].width)
    slopes = np.array([[(middle - camera.cx) / camera.fx, (middle - camera.cy) / camera.fy] for camera in cameras])
    one_camera = Camera(fx=1.0, fy=1.0, cx=0.0, cy=0.0, width=1, height=1)  # whose pixels are the slopes of the rays
    return grasps_from_image(ImageGrasps(slopes, np.zeros(len(depth)), depth, {"width": width}), one_camera, approach)


def _table(arrays: Arrays, grasps: Grasps, size: int, gripper: str) -> GraspTable:
    count = len(grasps)
    free = arrays["collision_free"] > 0 if "collision_free" in arrays else np.ones(count, dtype=bool)
    clearance = np.where(free, np.inf, -np.inf)
    numbers = [n for n, array in arrays.items() if array.ndim == 1 and array.dtype.kind == "f"]
    return GraspTable(
        image=np.arange(count),
        instance=np.ones(count, dtype=np.int64),
        camera_from_grasp=grasps.poses,
        columns=grasps.columns,
        center=np.full((count, 2), grasp_index(size)),
        angle=np.zeros(count),
        depth=grasps.origin[:, 2].copy(),
        contacts=np.full((count, 2, 3), np.nan),
        contact_found=np.ones(count, dtype=bool),  # the generator's candidates are antipodal points of the surface
        clearance=Clearance(dict.fromkeys(ParallelJaw.parts, clearance), clearance, clearance),
        source=("dexnet",) * count,
        gripper=(gripper,) * count,
        metrics={OUR_METRICS.get(name, name): _metric(arrays[name]) for name in numbers},
    )


def _metric(values: np.ndarray) -> MetricEstimate:
    mean = values.astype(np.float64)
    return MetricEstimate(mean, np.full_like(mean, np.nan), np.full(len(mean), SAMPLES))
