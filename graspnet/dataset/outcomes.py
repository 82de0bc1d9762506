"""`outcomes.parquet`: grasps that a robot tried, and which of them succeeded; one row a grasp, written by its user.

docs/formats.md prints the columns, and where a pose may be given as an image grasp instead. What the columns hold is
checked row by row, and a refusal names row, column and remedy: a wrong frame or unit would train a network, too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Bool, Float64

from graspnet.camera import Camera, load_camera
from graspnet.dataset.columns import Column
from graspnet.errors import InputError, unknown_name
from graspnet.grasps.grasps import Grasps
from graspnet.grasps.image_grasps import ImageGrasps, grasps_from_image
from graspnet.grippers.gripper import Gripper, load_gripper
from graspnet.inputs.depth_image import FARTHEST, NEAREST, read_depth
from graspnet.transforms import rigid

__all__ = ["IMAGE_GRASP", "OPTIONAL", "POSE", "REQUIRED", "TABLE", "Outcomes", "read_outcomes"]

TABLE = "outcomes.parquet"
REQUIRED = (
    Column("image", "string", "", "depth image: .npy or .npz in metres, or 16-bit PNG or TIFF with its depth_scale"),
    Column("camera", "string", "", "a preset's name, or a camera file"),
    Column("gripper", "string", "", "a preset's name, or a gripper file"),
    Column("success", "int64", "", "1 = the object was lifted, 0 = it was not"),
)
POSE = (Column("camera_from_grasp", "float64", "m", "pose of the grasp frame: z = approach, y = closing", (4, 4)),)
IMAGE_GRASP = (
    Column("center", "float64", "px", "(u, v) of the grasp's origin in the image", (2,)),
    Column("angle", "float64", "rad", "of the closing axis, from +u towards +v"),
    Column("depth", "float64", "m", "z of the grasp's origin in the camera frame; the approach is the optical axis"),
)
OPTIONAL = (
    Column("object", "string", "", "what was grasped; objects, not grasps, are split"),
    Column("depth_scale", "float64", "", "metres in one unit of the image's file"),
)
OPTICAL_AXIS = np.array([0.0, 0.0, 1.0])
ROTATION_TOLERANCE = 1e-3  # of RᵀR = 1: poses that were written with four digits pass
UNNAMED = "unnamed"  # the object of a table that names none


@dataclass(frozen=True)
class Outcomes:
    """N grasps, each in one of n images, and whether it succeeded. Poses in the camera's frame; metres."""

    depth: tuple[np.ndarray, ...]  # of each image, (H, W) float32, NaN where nothing was measured
    cameras: tuple[Camera, ...]
    grippers: Mapping[str, Gripper]
    image: tuple[int, ...]  # of each grasp
    gripper: tuple[str, ...]
    object: tuple[str, ...]
    grasps_in_camera: Grasps
    success: Bool[np.ndarray, "N"]

    def __len__(self) -> int:
        return len(self.success)


def read_outcomes(path: Path) -> Outcomes:
    """The table and the images that it names, relative to its folder.

    InputError: no Parquet; a column is missing, unknown or of another type; in a row, a file that cannot be read, an
    image of another size than its camera's, a pose that is no rigid transform or lies outside of the image, a grasp
    that its gripper cannot take, a success that is neither 0 nor 1.
    """
    table = _Table(path)
    images, image = _images(table)
    grippers = {name: table.load("gripper", row, load_gripper) for name, row in table.first_rows("gripper")}
    names = tuple(table.texts("gripper"))
    columns = _gripper_columns(table, grippers)
    grasps = _grasps(table, [images[k][1] for k in image], columns)
    _check_in_view(table, grasps, [images[k][1] for k in image])
    _check_possible(table, grippers, names, columns)
    return Outcomes(
        depth=tuple(depth for depth, _ in images),
        cameras=tuple(camera for _, camera in images),
        grippers=grippers,
        image=image,
        gripper=names,
        object=tuple(table.texts("object")) if table.has("object") else (UNNAMED,) * len(table),
        grasps_in_camera=grasps,
        success=_success(table),
    )


class _Table:
    """The rows, with errors that name their place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._table = pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{path}: cannot be read as Parquet ({' '.join(str(error).split())})") from None
        if not len(self._table):
            raise InputError(f"{path}: the table has no rows")
        self._folder = path.parent

    def __len__(self) -> int:
        return len(self._table)

    def has(self, name: str) -> bool:
        """Whether there is such a column."""
        return name in self._table.column_names

    def names(self) -> list[str]:
        """The names of all columns."""
        return list(self._table.column_names)

    def refuse(self, row: int, column: str, found: str) -> InputError:
        """The error of one value: what was found there, and what to do."""
        return InputError(f"{self.path}: row {row}, column {column!r}: {found}")

    def texts(self, name: str) -> list[str]:
        """A column of strings."""
        column = self._column(name)
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            raise InputError(f"{self.path}: column {name!r} holds {column.type}; expected texts")
        return [str(value) for value in column.to_pylist()]

    def numbers(self, name: str, *shape: int) -> Float64[np.ndarray, "N *S"]:
        """A column of numbers or, with a shape, of lists of so many. All are finite."""
        column = self._column(name)
        if shape:
            kind = column.type
            if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
                raise InputError(f"{self.path}: column {name!r} holds {kind}; expected lists of numbers")
            count = int(np.prod(shape))
            for row, length in enumerate(pc.list_value_length(column).to_pylist()):
                if length != count:
                    raise self.refuse(row, name, f"a list of {length}; expected {count} numbers, row by row")
            column = column.flatten()
        try:
            values = np.array(column.cast(pa.float64()).to_numpy(zero_copy_only=False)).reshape(len(self), *shape)
        except pa.ArrowException:
            raise InputError(f"{self.path}: column {name!r} holds {column.type}; expected numbers") from None
        broken = ~np.isfinite(values).reshape(len(self), -1).all(axis=1)
        if broken.any():
            raise self.refuse(int(broken.argmax()), name, "a value is missing or not finite; leave the row out")
        return values

    def first_rows(self, name: str) -> list[tuple[str, int]]:
        """The different texts of a column, and where each stands first."""
        texts = self.texts(name)
        return [(text, texts.index(text)) for text in dict.fromkeys(texts)]

    def place_of(self, text: str) -> Path | str:
        """A file beside the table, or the text itself, where it names a preset."""
        return self._folder / text if (self._folder / text).is_file() else text

    def load(self, name: str, row: int, load: Any) -> Any:
        """What a column's text names, by a function that reads a preset or a file."""
        try:
            return load(self.place_of(self.texts(name)[row]))
        except InputError as error:
            raise self.refuse(row, name, str(error)) from None

    def _column(self, name: str) -> pa.Array:
        column = self._table.column(name).combine_chunks()
        if column.null_count:
            missing = column.is_null().to_pylist().index(True)
            raise self.refuse(missing, name, "a value is missing; fill it in, or leave the row out")
        return column


def _images(table: _Table) -> tuple[list[tuple[np.ndarray, Camera]], tuple[int, ...]]:
    """The different images with their cameras, and which of them each row is of."""
    _check_names(table)
    names = list(zip(table.texts("image"), table.texts("camera"), _scales(table), strict=True))
    places = {key: place for place, key in enumerate(dict.fromkeys(names))}
    read = []
    for key in places:
        row = names.index(key)
        camera = table.load("camera", row, load_camera)
        depth = table.load("image", row, lambda place, scale=key[2]: read_depth(Path(place), scale))
        if depth.shape != (camera.height, camera.width):
            found = f"{depth.shape[1]}x{depth.shape[0]}, and its camera is of {camera.size_text}; name the image's own"
            raise table.refuse(row, "camera", f"the image is {found}")
        read.append((depth, camera))
    return read, tuple(places[key] for key in names)


def _check_names(table: _Table) -> None:
    """The columns that must be there are, and nothing is there that nobody would read."""
    pose = {column.name for column in POSE}
    image_grasp = {column.name for column in IMAGE_GRASP}
    present = set(table.names())
    for column in REQUIRED:
        if column.name not in present:
            raise InputError(
                f"{table.path}: no column {column.name!r} ({column.meaning}); docs/formats.md has them all"
            )
    given = [wanted for wanted in (pose, image_grasp) if wanted <= present]
    if len(given) != 1:
        found = "both" if given else "neither whole"
        names = ", ".join(column.name for column in IMAGE_GRASP)
        raise InputError(f"{table.path}: a grasp is either camera_from_grasp or {names}; found {found}")


def _scales(table: _Table) -> list[float | None]:
    return table.numbers("depth_scale").tolist() if table.has("depth_scale") else [None] * len(table)


def _gripper_columns(table: _Table, grippers: Mapping[str, Gripper]) -> dict[str, Float64[np.ndarray, "N"]]:
    """What the grasps of these grippers have besides a pose; all grippers are of one kind, and no column is unknown."""
    kinds = sorted({gripper.kind for gripper in grippers.values()})
    if len(kinds) > 1:
        raise InputError(f"{table.path}: grippers of the kinds {', '.join(kinds)}; make a table for each kind")
    own = next(iter(grippers.values())).columns
    known = [column.name for column in (*REQUIRED, *POSE, *IMAGE_GRASP, *OPTIONAL)] + [column.name for column in own]
    for name in table.names():
        if name not in known:
            raise unknown_name("column", name, known, str(table.path))
    for column in own:
        if not table.has(column.name):
            raise InputError(
                f"{table.path}: no column {column.name!r}, {column.meaning}, in {column.unit or 'no unit'}"
            )
    return {column.name: table.numbers(column.name) for column in own}


def _grasps(table: _Table, cameras: list[Camera], columns: dict[str, Float64[np.ndarray, "N"]]) -> Grasps:
    if table.has("camera_from_grasp"):
        return Grasps(_rigid(table, table.numbers("camera_from_grasp", 4, 4)), columns)
    shown = ImageGrasps(table.numbers("center", 2), table.numbers("angle"), table.numbers("depth"))
    poses = np.empty((len(table), 4, 4))
    for rows, camera in _rows_of_each(cameras):
        part = ImageGrasps(shown.center[rows], shown.angle[rows], shown.depth[rows])
        poses[rows] = grasps_from_image(part, camera, OPTICAL_AXIS).poses
    return Grasps(poses, columns)


def _rows_of_each(cameras: list[Camera]) -> Iterator[tuple[list[int], Camera]]:
    for camera in dict.fromkeys(cameras):
        yield [row for row, each in enumerate(cameras) if each == camera], camera


def _rigid(table: _Table, poses: Float64[np.ndarray, "N 4 4"]) -> Float64[np.ndarray, "N 4 4"]:
    """The poses, each with the rotation nearest to what was written with few digits."""
    rotation = poses[:, :3, :3]
    error = np.abs(rotation.transpose(0, 2, 1) @ rotation - np.eye(3)).max(axis=(1, 2))
    broken = (error > ROTATION_TOLERANCE) | (np.linalg.det(rotation) < 0)
    broken |= np.abs(poses[:, 3] - [0, 0, 0, 1]).max(axis=1) > ROTATION_TOLERANCE
    if broken.any():
        found = "no rigid transform; expected 16 numbers, row by row, with a rotation at the upper left: transpose it?"
        raise table.refuse(int(broken.argmax()), "camera_from_grasp", found)
    left, _, right = np.linalg.svd(rotation)
    return rigid(left @ right, poses[:, :3, 3])


def _check_in_view(table: _Table, grasps: Grasps, cameras: list[Camera]) -> None:
    """Every grasp lies where a depth camera sees, within its image: else its frame or its unit is another one."""
    name = "camera_from_grasp" if table.has("camera_from_grasp") else "depth"
    depth = grasps.origin[:, 2]
    wrong = (depth < NEAREST) | (depth > FARTHEST)
    if wrong.any():
        row = int(wrong.argmax())
        found = (
            f"{depth[row]:g} m in front of the camera; expected metres between {NEAREST:g} and {FARTHEST:g}, along z"
        )
        raise table.refuse(row, name, found)
    for row, camera in enumerate(cameras):
        u, v = camera.project(grasps.origin[row])
        if not (-0.5 <= u <= camera.width - 0.5 and -0.5 <= v <= camera.height - 0.5):
            place = f"lies at pixel ({u:.0f}, {v:.0f}), outside of the image of {camera.size_text}"
            name = "center" if name == "depth" else name
            raise table.refuse(row, name, f"{place}; poses are in the frame of the camera, z forward, y down")


def _check_possible(
    table: _Table,
    grippers: Mapping[str, Gripper],
    names: tuple[str, ...],
    columns: Mapping[str, Float64[np.ndarray, "N"]],
) -> None:
    for name, gripper in grippers.items():
        rows = np.array([row for row, each in enumerate(names) if each == name])
        possible = gripper.possible({key: values[rows] for key, values in columns.items()})
        if not possible.all():
            row = int(rows[~possible][0])
            values = ", ".join(f"{key} {column[row]:g}" for key, column in columns.items())
            raise table.refuse(row, next(iter(columns)), f"{values}: {gripper.demand}")


def _success(table: _Table) -> Bool[np.ndarray, "N"]:
    values = table.numbers("success")
    wrong = ~np.isin(values, (0.0, 1.0))
    if wrong.any():
        row = int(wrong.argmax())
        raise table.refuse(row, "success", f"{values[row]:g}; expected 1 (lifted) or 0 (not)")
    return values == 1.0
