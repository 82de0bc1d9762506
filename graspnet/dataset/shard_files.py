"""A shard as files and back: tables in Parquet, images in Zarr. Everything goes through memory, wherever it is kept."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zarr
from jaxtyping import Float32, UInt8, UInt16
from zarr.abc.buffer import Buffer
from zarr.buffer import cpu
from zarr.codecs import ZstdCodec
from zarr.storage import MemoryStore

from graspnet.camera import Camera
from graspnet.dataset.columns import (
    CLEARANCE,
    IMAGES,
    OBJECTS,
    Column,
    arrays_from_table,
    grasp_columns,
    metric_names,
    table_from_arrays,
)
from graspnet.dataset.labels import Clearance, MetricEstimate
from graspnet.dataset.shard import DepthImages, GraspTable, SceneObjects, Shard
from graspnet.errors import InputError
from graspnet.grippers.gripper import gripper_class

__all__ = ["DEPTH_UNIT", "quantised", "shard_from_files", "shard_to_files"]

DEPTH_UNIT = 1e-4  # metres; a uint16 then reaches 6.5 m
FORMER_NAMES = {"origin": "source"}  # columns of grasps.parquet that version 2 calls otherwise
LEVEL = 6  # of zstd: levels up to 5 need a third more space for depth images, and 9 saves another 7 % at 1.4x the time


def quantised(depth: Float32[np.ndarray, "*B H W"]) -> Float32[np.ndarray, "*B H W"]:
    """Depth as the dataset stores it: multiples of 0.1 mm, NaN where missing or beyond 6.5 m."""
    return _from_units(_to_units(depth))


def shard_to_files(shard: Shard, kind: str) -> dict[str, bytes]:
    """The contents of the shard's files, by name; the same shard gives the same bytes. kind: of its grippers."""
    cameras = {f"camera_{f.name}": [getattr(c, f.name) for c in shard.images.cameras] for f in fields(Camera)}
    grasps = vars(shard.grasps) | dict(shard.grasps.columns)
    grasps |= {f"{CLEARANCE}{name}": values for name, values in shard.grasps.clearance.each.items()}
    for name, metric in shard.grasps.metrics.items():
        grasps |= {f"{name}_{part}": values for part, values in vars(metric).items()}
    return {
        "images.parquet": _parquet(table_from_arrays(IMAGES, vars(shard.images) | cameras)),
        "objects.parquet": _parquet(table_from_arrays(OBJECTS, vars(shard.objects))),
        "grasps.parquet": _parquet(table_from_arrays(grasp_columns(kind, shard.grasps.metrics), grasps)),
        **_zarr("depth.zarr", _to_units(shard.images.depth)),
        **_zarr("instance.zarr", shard.images.instance),
    }


def shard_from_files(files: Mapping[str, bytes], kind: str) -> Shard:
    """The shard in these files, whose grippers are of a kind. InputError: a column is absent or of another type."""
    images, objects, grasps = (_table(files, f"{name}.parquet") for name in ("images", "objects", "grasps"))
    grasps = grasps.rename_columns([FORMER_NAMES.get(name, name) for name in grasps.column_names])
    metrics = metric_names(grasps)
    return Shard(
        _images(_arrays("images.parquet", IMAGES, images), _array(files, "depth.zarr"), _array(files, "instance.zarr")),
        SceneObjects(**_arrays("objects.parquet", OBJECTS, objects)),
        _grasps(_arrays("grasps.parquet", grasp_columns(kind, metrics), grasps), kind, metrics),
    )


def _parquet(table: pa.Table) -> bytes:
    """Dictionaries for strings only: floats are all different, and a dictionary of them is one column too many."""
    strings = [f.name for f in table.schema if f.type == pa.string()]
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", use_dictionary=strings, write_statistics=False)
    return sink.getvalue().to_pybytes()


def _table(files: Mapping[str, bytes], name: str) -> pa.Table:
    return pq.read_table(pa.BufferReader(files[name]))


def _arrays(name: str, columns: tuple[Column, ...], table: pa.Table) -> dict[str, Any]:
    try:
        return arrays_from_table(columns, table)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _images(
    columns: dict[str, Any], depth: UInt16[np.ndarray, "n H W"], instance: UInt8[np.ndarray, "n H W"]
) -> DepthImages:
    intrinsics = zip(*(columns[f"camera_{f.name}"].tolist() for f in fields(Camera)), strict=True)
    cameras = tuple(Camera(*values) for values in intrinsics)
    return DepthImages(_from_units(depth), instance, cameras, columns["world_from_camera"], columns["bin"])


def _grasps(columns: dict[str, Any], kind: str, metrics: Iterable[str]) -> GraspTable:
    own = {column.name: columns.pop(column.name) for column in gripper_class(kind).columns}
    clearances = [name for name in columns if name.startswith(CLEARANCE)]
    clearance = Clearance.of({name.removeprefix(CLEARANCE): columns.pop(name) for name in clearances})
    parts = [f.name for f in fields(MetricEstimate)]
    named = {metric: MetricEstimate(*(columns.pop(f"{metric}_{part}") for part in parts)) for metric in metrics}
    return GraspTable(**columns, columns=own, clearance=clearance, metrics=named)


def _zarr(name: str, images: np.ndarray) -> dict[str, bytes]:
    """One array in one Zarr shard of chunks of one image: an image can be read alone, and files are few."""
    store = MemoryStore()
    zarr.create_array(
        store, data=images, chunks=(1, *images.shape[1:]), shards=images.shape, compressors=ZstdCodec(level=LEVEL),
        fill_value=0, config={"write_empty_chunks": True},  # to look for empty chunks takes longer than to pack them
    )  # fmt: skip
    return {f"{name}/{key}": buffer.to_bytes() for key, buffer in store._store_dict.items()}


def _array(files: Mapping[str, bytes], name: str) -> np.ndarray:
    parts: dict[str, Buffer] = {
        key.removeprefix(f"{name}/"): cpu.Buffer.from_bytes(data)
        for key, data in files.items()
        if key.startswith(f"{name}/")
    }
    return np.asarray(zarr.open_array(MemoryStore(parts), mode="r")[:])


def _to_units(depth: Float32[np.ndarray, "*B H W"]) -> UInt16[np.ndarray, "*B H W"]:
    """Image by image: what fits into the cache is three times as fast."""
    units = np.empty(depth.shape, dtype=np.uint16)
    for image, out in zip(depth.reshape(-1, *depth.shape[-2:]), units.reshape(-1, *depth.shape[-2:]), strict=True):
        rounded = np.rint(image / np.float32(DEPTH_UNIT))
        out[:] = np.where(rounded < np.iinfo(np.uint16).max, rounded, 0)  # NaN is not less either
    return units


def _from_units(units: UInt16[np.ndarray, "*B H W"]) -> Float32[np.ndarray, "*B H W"]:
    return np.where(units > 0, units * np.float32(DEPTH_UNIT), np.float32(np.nan))
