"""A second kind of gripper: a suction cup on a stem. No label and no network knows it; it lives in the tests only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float64

from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import Boxes, GraspColumn, Gripper, Outline

CORNERS = 24  # of the polygon that is drawn for the cup's rim


@dataclass(frozen=True, kw_only=True)
class SuctionCup(Gripper):
    """Sizes in metres. The grasp's origin is the middle of the rim, z points into the surface."""

    kind: ClassVar[str] = "suction"
    columns: ClassVar[tuple[GraspColumn, ...]] = (
        GraspColumn("squeeze", "m", "how far the cup is pressed together", "[0, cup_height)"),
    )
    parts: ClassVar[tuple[str, ...]] = ("cup", "stem")
    contacts: ClassVar[int] = 1

    name: str = "gripper"
    cup_radius: float
    cup_height: float
    stem_radius: float
    stem_length: float

    def __post_init__(self) -> None:
        for field in ("cup_radius", "cup_height", "stem_radius", "stem_length"):
            if not 0 < getattr(self, field) < 1:
                raise InputError(f"{field} is {getattr(self, field)}; it must lie in (0, 1) (metres)")

    @property
    def span(self) -> float:
        return 2 * self.cup_radius

    def sizes(self) -> Float64[np.ndarray, "4"]:
        return np.array([self.cup_radius, self.cup_height, self.stem_radius, self.stem_length])

    def possible(self, columns: Mapping[str, Float64[np.ndarray, "N"]]) -> Bool[np.ndarray, "N"]:
        return np.asarray((columns["squeeze"] >= 0) & (columns["squeeze"] < self.cup_height))

    @property
    def demand(self) -> str:
        return f"a grasp's squeeze must lie in [0, {self.cup_height}), the cup's height (metres)"

    def solids(self, grasps: Grasps) -> Boxes:
        low, high = np.zeros((len(grasps), 2, 3)), np.zeros((len(grasps), 2, 3))
        top = grasps.columns["squeeze"] - self.cup_height
        for box, radius in enumerate((self.cup_radius, self.stem_radius)):
            low[:, box, :2], high[:, box, :2] = -radius, radius
        low[:, 0, 2] = high[:, 1, 2] = top
        low[:, 1, 2] = top - self.stem_length
        return Boxes(self.parts, low, high)

    def outline(self, grasps: Grasps) -> Outline:
        turn = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
        rim = self.cup_radius * np.stack([np.cos(turn), np.sin(turn), np.zeros(CORNERS)], axis=-1)
        stem = np.array([[0.0, 0.0, -self.cup_height - self.stem_length], [0.0, 0.0, 0.0]])
        return Outline(np.tile(rim, (len(grasps), 1, 1, 1)), np.tile(stem, (len(grasps), 1, 1, 1)))
