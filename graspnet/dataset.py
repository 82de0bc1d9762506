"""A dataset on disk: whole clean depth images, and for every image a table of labelled grasps.

    DATASET/dataset.json                 version, config, grippers, splits, counts; `complete` once every shard is there
    DATASET/shards/00012/grasps.parquet  one row a grasp
                        /images.parquet  one row an image: camera, its pose, the bin
                        /objects.parquet one row an object in an image: what it is and where
                        /depth.zarr      uint16 (image, row, column), units of 0.1 mm, 0 = missing
                        /instance.zarr   uint8, 0 = table, bin or nothing, k = object k
                        /shard.json      sizes and checksums of those; written last, then the folder is renamed

Crops are not stored: `graspnet.ops.grasp_crops` cuts them, so that noise, crop size and augmentation are chosen at
training time. Files are plain Parquet and Zarr 3, readable without us.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zarr
from jaxtyping import Bool, Float, Float32, Float64, Int64, UInt8
from scipy.special import ndtr
from zarr.codecs import BloscCodec

from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.gripper import ParallelJawGripper
from graspnet.run_record import write_json

__all__ = [
    "Dataset",
    "DatasetHeader",
    "DatasetWriter",
    "DepthImages",
    "GraspTable",
    "MetricColumns",
    "SceneObjects",
    "Shard",
    "quantised",
]

VERSION = 2
DEPTH_UNIT = 1e-4  # metres; a uint16 then reaches 6.5 m
_FILES = ("grasps.parquet", "images.parquet", "objects.parquet", "depth.zarr", "instance.zarr")


@dataclass(frozen=True)
class DepthImages:
    """n clean depth images of one size, with what is known of each. Poses are 4x4 `target_from_source`, metres."""

    depth: Float32[np.ndarray, "n H W"]  # metres, NaN where nothing was hit
    instance: UInt8[np.ndarray, "n H W"]  # 0 = table, bin or nothing, k = object k of the image
    cameras: tuple[Camera, ...]
    world_from_camera: Float64[np.ndarray, "n 4 4"]
    bin: Float64[np.ndarray, "n 3"]  # inner x, y and wall height of the bin that the scene lies in; NaN = bare table

    def __len__(self) -> int:
        return len(self.depth)


@dataclass(frozen=True)
class SceneObjects:
    """M objects, each in one image. Poses are 4x4 `target_from_source`, metres, of the scaled object."""

    image: Int64[np.ndarray, "M"]  # index into the shard's images
    instance: Int64[np.ndarray, "M"]  # its number in the instance image, from 1
    object: tuple[str, ...]
    scale: Float64[np.ndarray, "M"]  # of the object's mesh, to fit the hand
    stable_pose: Int64[np.ndarray, "M"]  # 0 = the likeliest; -1 where it came to rest in a heap
    world_from_object: Float64[np.ndarray, "M 4 4"]

    def __len__(self) -> int:
        return len(self.image)


@dataclass(frozen=True)
class MetricColumns:
    """One robust metric of N grasps: mean and variance over perturbed samples, and how many samples those were."""

    mean: Float64[np.ndarray, "N"]
    variance: Float64[np.ndarray, "N"]
    samples: Int64[np.ndarray, "N"]


@dataclass(frozen=True)
class GraspTable:
    """N grasps, each in one image. Poses, contacts and approach in the camera's frame; metres and radians."""

    image: Int64[np.ndarray, "N"]  # index into the shard's images
    instance: Int64[np.ndarray, "N"]  # the object of the image that the grasp is meant for
    camera_from_grasp: Float64[np.ndarray, "N 4 4"]
    width: Float64[np.ndarray, "N"]  # commanded opening
    center: Float64[np.ndarray, "N 2"]  # (u, v), pixels
    angle: Float64[np.ndarray, "N"]  # of the closing axis, from +u towards +v, in [-π/2, π/2)
    depth: Float64[np.ndarray, "N"]  # z of the grasp's origin
    contacts: Float64[np.ndarray, "N 2 3"]  # of the unperturbed grasp, jaw at −y first; NaN where none was found
    contact_found: Bool[np.ndarray, "N"]
    clearance_fingers: Float64[np.ndarray, "N"]  # signed, along the whole approach; negative = penetration
    clearance_palm: Float64[np.ndarray, "N"]
    clearance_table: Float64[np.ndarray, "N"]
    clearance_neighbours: Float64[np.ndarray, "N"]  # to other objects and the bin's walls; +inf without any
    origin: tuple[str, ...]  # how the candidate was sampled
    gripper: tuple[str, ...]
    metrics: dict[str, MetricColumns] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.image)

    @staticmethod
    def concatenate(tables: "Sequence[GraspTable]") -> "GraspTable":
        """The rows of one or more tables with the same metrics, in order."""
        columns: dict[str, Any] = {}
        for name in (f.name for f in fields(GraspTable) if f.name != "metrics"):
            parts = [getattr(table, name) for table in tables]
            columns[name] = np.concatenate(parts) if isinstance(parts[0], np.ndarray) else tuple(chain(*parts))
        metrics = {
            name: MetricColumns(
                *(np.concatenate([getattr(t.metrics[name], f.name) for t in tables]) for f in fields(MetricColumns))
            )
            for name in tables[0].metrics
        }
        return GraspTable(**columns, metrics=metrics)

    @property
    def clearance(self) -> Float64[np.ndarray, "N"]:
        """The smallest of the four clearances, in metres."""
        return np.minimum.reduce(
            [self.clearance_fingers, self.clearance_palm, self.clearance_table, self.clearance_neighbours]
        )

    @property
    def collision_free(self) -> Bool[np.ndarray, "N"]:
        """Whether the hand touches nothing along the whole approach."""
        return self.clearance >= 0

    def robustness(self, metric: str, clearance_sigma: float = 0.0) -> Float64[np.ndarray, "N"]:
        """The label: the metric's mean × the probability that the approach is free of collisions.

        That is 1 or 0 by the sign of the clearance c, or with `clearance_sigma` > 0 (metres) the Φ(c/σ) of a hand
        whose pose is known up to N(0, σ²): grasps that barely touch often lift all the same.
        """
        if metric not in self.metrics:
            raise InputError(f"the dataset has no metric {metric!r}; it has {', '.join(self.metrics) or 'none'}")
        free = ndtr(self.clearance / clearance_sigma) if clearance_sigma > 0 else self.collision_free
        return np.asarray(self.metrics[metric].mean * free, dtype=np.float64)


@dataclass(frozen=True)
class Shard:
    """What one work unit made."""

    images: DepthImages
    objects: SceneObjects
    grasps: GraspTable


@dataclass(frozen=True, kw_only=True)
class DatasetHeader:
    """`dataset.json`. Nothing in it depends on time, machine or the number of workers."""

    version: int = VERSION
    name: str
    seed: int
    config: dict[str, Any]
    packages: dict[str, str]
    grippers: dict[str, dict[str, Any]]
    splits: dict[str, list[str]]  # split -> names of objects; no object is in two
    units: int  # work units, each one shard
    complete: bool = False
    shards: dict[str, str] = field(default_factory=dict)  # shard -> checksum of its shard.json
    skipped: dict[str, str] = field(default_factory=dict)  # object -> why it has no shard
    counts: dict[str, int] = field(default_factory=dict)  # objects, images, grasps

    @property
    def fingerprint(self) -> str:
        """A checksum of the contents, which names the dataset in a checkpoint."""
        return hashlib.sha256(json.dumps(self.shards, sort_keys=True).encode()).hexdigest()[:16]


def quantised(depth: Float32[np.ndarray, "*B H W"]) -> Float32[np.ndarray, "*B H W"]:
    """Depth as the dataset stores it: multiples of 0.1 mm, NaN where missing or beyond 6.5 m."""
    return _from_units(_to_units(depth))


class DatasetWriter:
    """Writes shards, each atomically, so that a killed run leaves only whole ones behind and can be resumed."""

    def __init__(self, folder: Path, header: DatasetHeader, resume: bool = False) -> None:
        self.folder = folder
        self.header = header
        path = folder / "dataset.json"
        if path.exists() and not resume:
            raise InputError(f"{folder}: holds a dataset already; --resume continues it, or choose another --output")
        if path.exists():
            _check_same_run(_read_header(path), header, path)
        (folder / "shards").mkdir(parents=True, exist_ok=True)
        _remove_unfinished(folder / "shards")
        write_json(path, asdict(header))

    def finished(self) -> set[int]:
        """Units whose shard is on disk, or was left out for a reason."""
        shards = self.folder / "shards"
        made = {int(p.name) for p in shards.iterdir() if p.is_dir() and p.suffix == ""}
        return made | {int(p.stem) for p in shards.glob("*.skipped")}

    def write(self, unit: int, shard: Shard) -> None:
        """Write one unit's shard under a temporary name and rename it when it is whole."""
        final = _shard_folder(self.folder, unit)
        temporary = final.with_suffix(f".{os.getpid()}.tmp")  # never a folder that another process writes to
        temporary.mkdir(parents=True)
        _write_images(shard.images, temporary)
        _write_objects(shard.objects, temporary / "objects.parquet")
        _write_grasps(shard.grasps, temporary / "grasps.parquet")
        objects = sorted(set(shard.objects.object))
        counts = {"images": len(shard.images), "grasps": len(shard.grasps), "objects": objects}
        write_json(temporary / "shard.json", {"files": _checksums(temporary), **counts})
        temporary.rename(final)

    def skip(self, unit: int, name: str, reason: str) -> None:
        """Record that a unit could not be made, and why."""
        path = _shard_folder(self.folder, unit).with_suffix(".skipped")
        write_json(path, {"object": name, "reason": reason})

    def finish(self) -> DatasetHeader:
        """Mark the dataset as complete, with the checksums and counts of all shards.

        InputError: a shard is missing or damaged, or there is none at all.
        """
        shards, skipped, objects, counts = {}, {}, set[str](), {"images": 0, "grasps": 0}
        for path in sorted((self.folder / "shards").iterdir()):
            if path.suffix == ".skipped":
                entry = json.loads(path.read_text())
                skipped[entry["object"]] = entry["reason"]
                continue
            entry, shards[path.name] = _read_record(path / "shard.json")
            objects |= set(entry["objects"])
            counts["images"] += entry["images"]
            counts["grasps"] += entry["grasps"]
        missing = self.header.units - len(shards) - len(skipped)
        if missing:
            raise InputError(f"{self.folder}: {missing} of {self.header.units} shards are missing; use --resume")
        if not shards:
            raise InputError(f"{self.folder}: no object could be used; the first: {next(iter(skipped.values()))}")
        counts = {"objects": len(objects)} | counts
        header = replace(self.header, complete=True, shards=shards, skipped=skipped, counts=counts)
        write_json(self.folder / "dataset.json", asdict(header))
        return header


@dataclass(frozen=True)
class Dataset:
    """A dataset to read. Objects, not grasps, are split: no object of `validation` was seen in `train`."""

    folder: Path
    header: DatasetHeader

    @staticmethod
    def open(folder: str | Path) -> "Dataset":
        """Open a complete dataset. InputError: no dataset, an unfinished one, or one of another version."""
        folder = Path(folder)
        path = folder / "dataset.json"
        if not path.is_file():
            raise InputError(f"{folder}: no dataset.json; is this the --output of `graspnet generate`?")
        header = _read_header(path)
        if not header.complete:
            raise InputError(f"{folder}: unfinished; `graspnet generate --resume --output {folder}` completes it")
        return Dataset(folder, header)

    @property
    def shard_count(self) -> int:
        """Number of shards."""
        return len(self.header.shards)

    def read(self, index: int) -> Shard:
        """The shard at a position in [0, shard_count). InputError: a file is missing, truncated or changed."""
        folder, record = self._record(index)
        _check_files(folder, record)
        return Shard(
            _read_images(folder), _read_objects(folder / "objects.parquet"), _read_grasps(folder / "grasps.parquet")
        )

    def shards(self, split: str | None = None) -> Iterable[Shard]:
        """All shards, or those whose objects are in a split, in order."""
        names = set(self.split(split)) if split else None
        for index in range(self.shard_count):
            if names is None or self._objects_of(index) <= names:
                yield self.read(index)

    def split(self, name: str) -> list[str]:
        """Names of a split's objects."""
        if name not in self.header.splits:
            raise InputError(f"{self.folder}: no split {name!r}; it has {', '.join(self.header.splits)}")
        return self.header.splits[name]

    def gripper(self, name: str) -> ParallelJawGripper:
        """One of the grippers that the grasps were labelled for."""
        fields_ = dict(self.header.grippers[name])
        return ParallelJawGripper(**(fields_ | {"palm": tuple(fields_["palm"])}))

    def _objects_of(self, index: int) -> set[str]:
        return set(self._record(index)[1]["objects"])

    def _record(self, index: int) -> tuple[Path, dict[str, Any]]:
        """A shard's folder, and its shard.json as it was when the dataset was made."""
        folder = self.folder / "shards" / sorted(self.header.shards)[index]
        record, checksum = _read_record(folder / "shard.json")
        if checksum != self.header.shards[folder.name]:
            raise InputError(f"{folder / 'shard.json'}: changed since the dataset was made; {_REMEDY}")
        return folder, record


_REMEDY = "`graspnet generate --resume` makes the shard again"


def _read_header(path: Path) -> DatasetHeader:
    try:
        data = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON ({error}); make the dataset again") from None
    version = data.get("version") if isinstance(data, dict) else None
    if version != VERSION:
        raise InputError(f"{path}: schema version {version}; this graspnet reads {VERSION}; make the dataset again")
    try:
        return DatasetHeader(**data)
    except TypeError as error:
        raise InputError(f"{path}: {error}") from None


def _read_record(path: Path) -> tuple[dict[str, Any], str]:
    """A shard.json, and its checksum."""
    try:
        text = path.read_bytes()
        return json.loads(text), hashlib.sha256(text).hexdigest()
    except (OSError, ValueError):  # of JSON, of UTF-8
        raise InputError(f"{path}: missing or truncated; {_REMEDY}") from None


def _check_same_run(found: DatasetHeader, asked: DatasetHeader, path: Path) -> None:
    for name in ("config", "seed", "splits", "packages"):
        if getattr(found, name) != json.loads(json.dumps(getattr(asked, name))):
            raise InputError(f"{path}: was begun with another {name}; --resume needs the same one, or a new --output")


def _shard_folder(folder: Path, unit: int) -> Path:
    return folder / "shards" / f"{unit:05d}"


def _remove_unfinished(shards: Path) -> None:
    """Delete what a resumed run makes again: half-written and damaged shards, and objects left out (a mesh may have
    been mended)."""
    for path in shards.iterdir():
        if path.suffix == ".skipped":
            path.unlink()
        elif path.suffix == ".tmp":
            shutil.rmtree(path)
        else:
            try:
                _check_files(path, _read_record(path / "shard.json")[0])
            except InputError:
                shutil.rmtree(path)


def _check_files(folder: Path, record: dict[str, Any]) -> None:
    """InputError if a file of the shard is missing, truncated or changed since its record was written."""
    for name, checksum in record["files"].items():
        if not (folder / name).is_file() or _checksum(folder / name) != checksum:
            raise InputError(f"{folder / name}: truncated or changed since the dataset was made; {_REMEDY}")


def _write_images(images: DepthImages, folder: Path) -> None:
    _write_array(folder / "depth.zarr", _to_units(images.depth))
    _write_array(folder / "instance.zarr", images.instance)
    cameras = {f.name: [getattr(c, f.name) for c in images.cameras] for f in fields(Camera)}
    table = pa.table(
        {
            **{f"camera_{name}": values for name, values in cameras.items()},
            "world_from_camera": _matrix_column(images.world_from_camera),
            "bin": _matrix_column(images.bin),
        }
    )
    pq.write_table(table, folder / "images.parquet", compression="zstd")


def _read_images(folder: Path) -> DepthImages:
    table = pq.read_table(folder / "images.parquet")
    columns = {name: table.column(f"camera_{name}").to_pylist() for name in (f.name for f in fields(Camera))}
    cameras = tuple(Camera(**dict(zip(columns, values, strict=True))) for values in zip(*columns.values(), strict=True))
    return DepthImages(
        depth=_from_units(_read_array(folder / "depth.zarr")),
        instance=_read_array(folder / "instance.zarr"),
        cameras=cameras,
        world_from_camera=_floats(table, "world_from_camera", (4, 4)),
        bin=_floats(table, "bin", (3,)),
    )


def _write_objects(objects: SceneObjects, path: Path) -> None:
    columns = {
        "image": objects.image,
        "instance": objects.instance,
        "object": pa.array(list(objects.object), pa.string()),
        "scale": objects.scale,
        "stable_pose": objects.stable_pose,
        "world_from_object": _matrix_column(objects.world_from_object),
    }
    pq.write_table(pa.table(columns), path, compression="zstd")


def _read_objects(path: Path) -> SceneObjects:
    table = pq.read_table(path)
    return SceneObjects(
        image=table.column("image").to_numpy(),
        instance=table.column("instance").to_numpy(),
        object=tuple(table.column("object").to_pylist()),
        scale=_floats(table, "scale", ()),
        stable_pose=table.column("stable_pose").to_numpy(),
        world_from_object=_floats(table, "world_from_object", (4, 4)),
    )


def _write_array(path: Path, array: np.ndarray) -> None:
    """One Zarr file of chunks of one image: an image can be read alone, and a shard is few files."""
    stored = zarr.create_array(
        store=str(path), shape=array.shape, chunks=(1, *array.shape[1:]), shards=array.shape, dtype=array.dtype,
        compressors=BloscCodec(cname="zstd", clevel=1, shuffle="shuffle"), fill_value=0,
    )  # fmt: skip
    stored[:] = array


def _read_array(path: Path) -> np.ndarray:
    return np.asarray(zarr.open_array(str(path), mode="r")[:])


def _write_grasps(grasps: GraspTable, path: Path) -> None:
    columns: dict[str, Any] = {
        "image": grasps.image,
        "instance": grasps.instance,
        "camera_from_grasp": _matrix_column(grasps.camera_from_grasp.astype(np.float32)),
        **{name: getattr(grasps, name).astype(np.float32) for name in _SCALARS},
        "center": _matrix_column(grasps.center.astype(np.float32)),
        "contacts": _matrix_column(grasps.contacts.astype(np.float32)),
        "contact_found": grasps.contact_found,
        "origin": pa.array(list(grasps.origin), pa.string()),
        "gripper": pa.array(list(grasps.gripper), pa.string()),
    }
    for name, metric in grasps.metrics.items():
        columns |= {f"{name}_{part}": getattr(metric, part).astype(np.float32) for part in ("mean", "variance")}
        columns[f"{name}_samples"] = metric.samples
    pq.write_table(pa.table(columns), path, compression="zstd")


def _read_grasps(path: Path) -> GraspTable:
    table = pq.read_table(path)
    metrics = [name.removesuffix("_mean") for name in table.column_names if name.endswith("_mean")]
    return GraspTable(
        image=table.column("image").to_numpy(),
        instance=table.column("instance").to_numpy(),
        camera_from_grasp=_floats(table, "camera_from_grasp", (4, 4)),
        **{name: _floats(table, name, ()) for name in _SCALARS},
        center=_floats(table, "center", (2,)),
        contacts=_floats(table, "contacts", (2, 3)),
        contact_found=table.column("contact_found").to_numpy(),
        origin=tuple(table.column("origin").to_pylist()),
        gripper=tuple(table.column("gripper").to_pylist()),
        metrics={
            name: MetricColumns(
                _floats(table, f"{name}_mean", ()),
                _floats(table, f"{name}_variance", ()),
                table.column(f"{name}_samples").to_numpy(),
            )
            for name in metrics
        },
    )


_CLEARANCES = ("clearance_fingers", "clearance_palm", "clearance_table", "clearance_neighbours")
_SCALARS = ("width", "angle", "depth", *_CLEARANCES)


def _matrix_column(values: Float[np.ndarray, "N *D"]) -> pa.FixedSizeListArray:
    size = int(np.prod(values.shape[1:]))
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), size)


def _floats(table: pa.Table, name: str, shape: Sequence[int]) -> Float64[np.ndarray, "N *D"]:
    column = table.column(name).combine_chunks()
    flat = column.flatten() if shape else column
    return np.array(flat.to_numpy(zero_copy_only=False), dtype=np.float64).reshape(len(table), *shape)


def _to_units(depth: Float32[np.ndarray, "*B H W"]) -> np.ndarray:
    units = np.nan_to_num(depth / np.float32(DEPTH_UNIT), nan=0.0)
    return np.where(units < np.iinfo(np.uint16).max, np.rint(units), 0).astype(np.uint16)


def _from_units(units: np.ndarray) -> Float32[np.ndarray, "*B H W"]:
    return np.where(units > 0, units * np.float32(DEPTH_UNIT), np.float32(np.nan))


def _checksums(folder: Path) -> dict[str, str]:
    files = sorted(path for name in _FILES for path in _files_under(folder / name))
    return {str(path.relative_to(folder)): _checksum(path) for path in files}


def _files_under(path: Path) -> list[Path]:
    return [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
