"""Tasks: what lies before the hand, and when an episode ends. A protocol holds one of them.

- `single` is Dex-Net 2.0's (Mahler et al., RSS 2017): one object in a stable pose, and one attempt.
- `pile` and `packed` are those of VGN (Breyer et al., CoRL 2020) and GIGA (Jiang et al., RSS 2021): a cube of 0.30 m,
  objects dropped one after another into a box that is then taken away, or set down upright without touching.
- `bin` is Dex-Net 4.0's (Mahler et al., 2019): a heap in a bin.

The defaults are those of the preset with that name. A task has the settings that mean something to it, and no others.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from graspnet.data_gen.physics.heaps import DropConfig
from graspnet.data_gen.scenes.scenes import PlacementConfig
from graspnet.errors import InputError

__all__ = ["BinConfig", "ClutterTask", "FusionConfig", "PackedConfig", "PileConfig", "SingleConfig", "Task"]

# a pile's box stands 2 cm within the cube on all sides; its height is assumed
BOX = DropConfig(
    offset=(0.05, 0.05), drop_time=1.0, bin_x=(0.26, 0.26), bin_y=(0.26, 0.26), wall_height=(0.2, 0.2)
)  # fmt: skip
BIN = DropConfig(bin_x=(0.32, 0.32), bin_y=(0.24, 0.24), wall_height=(0.10, 0.10), offset=(0.1, 0.1))


@dataclass(frozen=True, kw_only=True)
class FusionConfig:
    """Clean views from all around, fused into one image (VGN's: its paper and its released code). SI units."""

    views: int = 6  # as many images, taken on a circle
    radius: float = 0.6  # the circle lies on a sphere of this radius about the cube's centre on the table
    polar: float = np.deg2rad(30)  # angle from the vertical to the circle
    # voxels along a side of the cube. 120, 2.5 mm of 0.30 m: VGN's for methods that plan on the fused surface, as we
    # do; 40 for its own network
    resolution: int = 120
    truncation: float = 4.0  # voxels

    def __post_init__(self) -> None:
        if not 1 <= self.views <= 100 or not 8 <= self.resolution <= 400:
            raise InputError(f"views is {self.views}, resolution {self.resolution}; expected 1 to 100, and 8 to 400")
        if not self.radius > 0 or not self.truncation > 0 or not 0 <= self.polar < np.pi / 2:
            raise InputError(
                f"radius is {self.radius}, truncation {self.truncation}, polar {self.polar}; "
                "expected positive ones, and an angle below 90 degrees"
            )


@dataclass(frozen=True, kw_only=True)
class SingleConfig(PlacementConfig):
    """One object in a stable pose on the table, and one attempt at it. SI units."""

    kind: Literal["single"] = "single"
    object_set: str | None = None  # a frozen set or its file instead of `objects`; its sizes follow the hand's opening
    stable_pose_probability: float = 0.01  # poses less likely than this are left out
    settle_time: float = 0.5  # longest time until the camera looks
    shift: float = 0.0  # the object moves so far along the table, to a random side, between the look and the pick
    turn: float = 0.0  # it turns so far about the vertical meanwhile, one way or the other

    unit: ClassVar[str] = "trial"  # what people call an episode
    heuristic: ClassVar[str] = "principal_axis"  # who plans where nobody is named
    in_turn: ClassVar[bool] = True  # episode k is about object k, and after the last object the first comes again
    objects: ClassVar[int] = 1
    scale: ClassVar[tuple[float, float]] = (1.0, 1.0)
    failures: ClassVar[int] = 1
    ends_without_plan: ClassVar[bool] = True
    fusion: ClassVar[None] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive(self, "settle_time")
        if min(self.shift, self.turn) < 0:
            raise InputError(f"shift is {self.shift} and turn {self.turn}; they must not be negative")


@dataclass(frozen=True, kw_only=True)
class _ClutterConfig:
    """Several objects, and attempts until the episode ends. SI units."""

    objects: int = 5
    scale: tuple[float, float] = (0.8, 1.0)  # each object draws a factor for its size from this range
    settle_time: float = 2.0  # longest time before each attempt
    failures: int = 2  # so many in a row end an episode
    ends_without_plan: bool = True  # an episode ends when no grasp is found; else that counts among `failures`

    unit: ClassVar[str] = "round"
    heuristic: ClassVar[str] = "antipodal"  # principal_axis takes all that it sees for one object
    in_turn: ClassVar[bool] = False
    object_set: ClassVar[None] = None

    def __post_init__(self) -> None:
        if not 1 <= self.objects <= 100:
            raise InputError(f"objects is {self.objects}; it must lie in [1, 100]")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise InputError(f"scale is {list(self.scale)}; expected two positive numbers, least first")
        if self.failures < 1:
            raise InputError(f"failures is {self.failures}; it must be at least 1")
        _check_positive(self, "settle_time")


@dataclass(frozen=True, kw_only=True)
class PileConfig(_ClutterConfig):
    """Objects that were dropped into a box, which was then taken away."""

    kind: Literal["pile"] = "pile"
    side: float = 0.30  # the workspace is a cube with this side
    drop: DropConfig = BOX
    fusion: FusionConfig | None = None  # planners see clean views from all around instead of what the sensor gives

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive(self, "side")


@dataclass(frozen=True, kw_only=True)
class PackedConfig(_ClutterConfig):
    """Objects that stand upright, as their files have them, turned about the vertical, without touching each other."""

    kind: Literal["packed"] = "packed"
    scale: tuple[float, float] = (0.7, 0.9)
    side: float = 0.30  # the workspace is a cube with this side
    spread: float = 0.07  # objects stand at x, y in ± this
    places: int = 12  # all objects together are tried at so many; what touches another one is left out
    fusion: FusionConfig | None = None  # as for a pile

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive(self, "side", "spread")
        if self.places < 1:
            raise InputError(f"places is {self.places}; it must be at least 1")


@dataclass(frozen=True, kw_only=True)
class BinConfig(_ClutterConfig):
    """Objects that were dropped into a bin and lie there. What is between its walls is the workspace."""

    kind: Literal["bin"] = "bin"
    objects: int = 25
    scale: tuple[float, float] = (0.6, 1.4)
    failures: int = 5
    ends_without_plan: bool = False
    drop: DropConfig = BIN

    fusion: ClassVar[None] = None  # views from all around do not see into a bin


ClutterTask = PileConfig | PackedConfig | BinConfig
Task = SingleConfig | ClutterTask


def _check_positive(task: SingleConfig | _ClutterConfig, *names: str) -> None:
    for name in names:
        if not getattr(task, name) > 0:
            raise InputError(f"{name} is {getattr(task, name)}; it must be positive")
