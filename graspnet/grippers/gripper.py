"""Grippers: what every kind of gripper answers, and how a file names its kind.

Whoever needs no more than this works for every kind: observations, datasets, grasp plans, drawings. A kind is a class
that a package declares by name under the entry-point group `graspnet.grippers`, ours (parallel_jaw.py) as any other's.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float64

from graspnet.config import config_to_dict, parse_config, preset_path, read_mapping
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps

__all__ = [
    "Boxes",
    "GraspColumn",
    "Gripper",
    "Outline",
    "gripper_class",
    "gripper_fields",
    "gripper_kinds",
    "load_gripper",
    "parse_gripper",
]


@dataclass(frozen=True)
class GraspColumn:
    """A number that every grasp of a kind has besides its pose: in `Grasps`, in a dataset, in a grasp plan."""

    name: str
    unit: str  # m, rad, or empty for what has none
    meaning: str
    limits: str  # where it must lie, in the words of a gripper file: "(0, max_width]"


@dataclass(frozen=True)
class Boxes:
    """What B boxes occupy in the frame of each of N grasps: their lowest and highest corners, metres."""

    parts: tuple[str, ...]  # for each box the part of the gripper that it belongs to
    low: Float64[np.ndarray, "N B 3"]
    high: Float64[np.ndarray, "N B 3"]


@dataclass(frozen=True)
class Outline:
    """How N grasps are drawn: F faces of C corners and L lines each, in the grasp frame, metres."""

    faces: Float64[np.ndarray, "N F C 3"]
    lines: Float64[np.ndarray, "N L 2 3"]


class Gripper(ABC):
    """A gripper of any kind. Each kind is a frozen dataclass, whose fields are the keys of a gripper file.

    kind: its name in files. columns: what its grasps have besides a pose. parts: what clearances are told of, one by
    one. contacts: in how many points a grasp touches its object. name: this gripper's own.
    """

    kind: ClassVar[str]
    columns: ClassVar[tuple[GraspColumn, ...]]
    parts: ClassVar[tuple[str, ...]]
    contacts: ClassVar[int]
    name: str

    @property
    @abstractmethod
    def span(self) -> float:
        """The length w, in metres, over which everything about this gripper has no unit: its largest opening, say."""

    @abstractmethod
    def sizes(self) -> Float64[np.ndarray, "S"]:
        """What a network may know of the gripper, in metres."""

    @abstractmethod
    def possible(self, columns: Mapping[str, Float64[np.ndarray, "N"]]) -> Bool[np.ndarray, "N"]:
        """Which of N grasps this gripper can take, as far as their columns tell."""

    @property
    @abstractmethod
    def demand(self) -> str:
        """What `possible` asks for, in a sentence that tells a person what to change."""

    @abstractmethod
    def solids(self, grasps: Grasps) -> Boxes:
        """What the gripper occupies while it approaches each grasp."""

    @abstractmethod
    def outline(self, grasps: Grasps) -> Outline:
        """How each grasp is drawn in an image, as large as the gripper would be there."""


def load_gripper(source: str | Path) -> Gripper:
    """A gripper of any kind from a preset's name (`yumi`, `panda` …) or a YAML or JSON file (docs/formats.md).

    >>> import graspnet as gn
    >>> hand = gn.load_gripper("panda")
    >>> hand.kind, hand.max_width
    ('parallel_jaw', 0.08)
    """
    path = preset_path("grippers", source)
    data = read_mapping(path, "keys such as kind, max_width, finger_length")
    return parse_gripper({"name": path.stem} | data, str(path))


def parse_gripper(fields: Mapping[str, Any], where: str) -> Gripper:
    """A gripper from the keys and values of its file; `where` names the source in error messages."""
    kind = fields.get("kind")
    if not isinstance(kind, str):
        raise _unknown_kind(kind, f"{where}: ")
    cls = gripper_class(kind, f"{where}: ")
    return parse_config(cls, {key: value for key, value in fields.items() if key != "kind"}, where)


def gripper_fields(gripper: Gripper) -> dict[str, Any]:
    """The keys and values of a gripper's file, JSON-ready; `parse_gripper` turns them back into an equal gripper."""
    return {"kind": gripper.kind} | config_to_dict(gripper)


def gripper_class(kind: str, where: str = "") -> type[Gripper]:
    """The class of a kind of gripper. InputError, which begins with `where`: no installed package has that kind."""
    if kind not in gripper_kinds():
        raise _unknown_kind(kind, where)
    cls: type[Gripper] = gripper_kinds()[kind].load()
    return cls


@cache
def gripper_kinds() -> dict[str, EntryPoint]:
    """The installed kinds of gripper by name. They are looked up once: a dataset may name thousands of grippers."""
    return {entry.name: entry for entry in entry_points(group="graspnet.grippers")}


def _unknown_kind(kind: object, where: str) -> InputError:
    return InputError(f"{where}kind is {kind!r}; this version knows {', '.join(sorted(gripper_kinds()))}")
