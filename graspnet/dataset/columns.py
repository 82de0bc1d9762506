"""The columns of a dataset's tables: their names, types, units and meanings. docs/dataset.md prints the same.

The kind of gripper says what grasps have besides a pose, and which of its parts have a clearance. A column of a `shape`
holds fixed-size lists: matrices row by row. Grasps are many and hold 32-bit floats; images and objects are few and hold
64.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from graspnet.errors import InputError
from graspnet.grippers.gripper import gripper_class

__all__ = [
    "CLEARANCE",
    "IMAGES",
    "METRIC",
    "OBJECTS",
    "Column",
    "arrays_from_table",
    "grasp_columns",
    "metric_names",
    "table_from_arrays",
]

CLEARANCE = "clearance_"  # the names of all columns of clearances begin so


@dataclass(frozen=True)
class Column:
    """One column. `type` as Arrow names it; `unit`: m, rad, px, or empty for what has none."""

    name: str
    type: str
    unit: str
    meaning: str
    shape: tuple[int, ...] = ()

    @property
    def type_text(self) -> str:
        """The type as docs/dataset.md has it: `float32 4x4`."""
        return f"{self.type} {'x'.join(map(str, self.shape))}".strip()

    @property
    def arrow_type(self) -> pa.DataType:
        """The column's type in Parquet."""
        value = pa.type_for_alias(self.type)
        return pa.list_(value, int(np.prod(self.shape))) if self.shape else value


IMAGES = (
    Column("camera_fx", "float64", "px", "focal length along u"),
    Column("camera_fy", "float64", "px", "focal length along v"),
    Column("camera_cx", "float64", "px", "u of the principal point"),
    Column("camera_cy", "float64", "px", "v of the principal point"),
    Column("camera_width", "int64", "px", "columns of the image"),
    Column("camera_height", "int64", "px", "rows of the image"),
    Column("world_from_camera", "float64", "m", "pose of the camera; the table is z = 0 of the world", (4, 4)),
    Column("bin", "float64", "m",
           "inner x and y and wall height of the bin, centred on the world's z axis; NaN = none", (3,)),
)  # fmt: skip

OBJECTS = (
    Column("image", "int64", "", "row of images.parquet"),
    Column("instance", "int64", "", "the object's number in the instance image, from 1"),
    Column("object", "string", "", "name; dataset.json's splits are made of these"),
    Column("scale", "float64", "", "of the mesh (in metres, its origin moved to its centre of mass)"),
    Column("stable_pose", "int64", "",
           "which stable pose it rests in, 0 = the likeliest; -1 where it came to rest in a heap"),
    Column("world_from_object", "float64", "m", "pose of the scaled mesh", (4, 4)),
)  # fmt: skip

METRIC = (
    Column("METRIC_mean", "float32", "", "mean over perturbed samples, or a plain metric's value; not thresholded"),
    Column("METRIC_variance", "float32", "", "of one sample, not of the mean; 0 of a plain metric"),
    Column("METRIC_samples", "int64", "", "how many samples; 1 of a plain metric"),
)


def grasp_columns(kind: str, metrics: Iterable[str] = ()) -> tuple[Column, ...]:
    """The columns of a table of grasps of a kind of gripper, labelled with these metrics."""
    gripper = gripper_class(kind)
    return (
        Column("image", "int64", "", "row of images.parquet"),
        Column("instance", "int64", "", "which object of the image the grasp is meant for"),
        Column("camera_from_grasp", "float32", "m", "pose of the grasp frame: z = approach", (4, 4)),
        *(Column(own.name, "float32", own.unit, own.meaning) for own in gripper.columns),
        Column("center", "float32", "px", "(u, v) of the grasp's origin in the image", (2,)),
        Column("angle", "float32", "rad", "of the grasp frame's y in the image, from +u towards +v, in [-π/2, π/2)"),
        Column("depth", "float32", "m", "z of the grasp's origin in the camera frame"),
        Column("contacts", "float32", "m", "where the unperturbed grasp touches, camera frame; NaN where it does not",
               (gripper.contacts, 3)),
        Column("contact_found", "bool", "", "whether it touches the object in all of these points"),
        *(Column(f"{CLEARANCE}{part}", "float32", "m", f"signed, {part} to object; negative = overlap; within ±0.02")
          for part in gripper.parts),
        Column(f"{CLEARANCE}table", "float32", "m", "signed, gripper to table"),
        Column(f"{CLEARANCE}neighbours", "float32", "m",
               "signed, gripper to others and bin walls, ±0.02; +inf without any"),
        Column("source", "string", "", "how the candidate was sampled"),
        Column("gripper", "string", "", "a name of dataset.json's grippers"),
        *(replace(column, name=column.name.replace("METRIC", metric)) for metric in metrics for column in METRIC),
    )  # fmt: skip


def table_from_arrays(columns: Sequence[Column], values: Mapping[str, Any]) -> pa.Table:
    """A table of the columns, each from the array (or the sequence of strings) under its name."""
    return pa.table({c.name: _column_from_array(c, values[c.name]) for c in columns})


def arrays_from_table(columns: Sequence[Column], table: pa.Table) -> dict[str, Any]:
    """Each column as an array (floats in 64 bits) or a tuple of strings. InputError: absent, or of another type."""
    return {c.name: _array_from_column(c, table) for c in columns}


def metric_names(table: pa.Table) -> list[str]:
    """The metrics that a table of grasps has columns of."""
    return [name.removesuffix("_mean") for name in table.column_names if name.endswith("_mean")]


def _column_from_array(column: Column, values: Any) -> pa.Array:
    if column.type == "string":
        return pa.array(list(values), pa.string())
    flat = np.ascontiguousarray(values, dtype=pa.type_for_alias(column.type).to_pandas_dtype()).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), type=column.arrow_type) if column.shape else pa.array(flat)


def _array_from_column(column: Column, table: pa.Table) -> Any:
    if column.name not in table.column_names:
        raise InputError(f"no column {column.name!r}; it has {', '.join(table.column_names)}")
    stored = table.column(column.name).combine_chunks()
    if stored.type != column.arrow_type:
        raise InputError(f"column {column.name!r} holds {stored.type}; expected {column.arrow_type}")
    if column.type == "string":
        return tuple(stored.to_pylist())
    values = (stored.flatten() if column.shape else stored).to_numpy(zero_copy_only=False)
    return np.array(values, dtype=np.float64 if values.dtype.kind == "f" else None).reshape(len(table), *column.shape)
