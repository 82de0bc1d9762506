"""A parallel-jaw gripper: two boxes for fingers and one for the palm, in the grasp frame (z approach, y closing)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float64

from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import Boxes, GraspColumn, Gripper, Outline, load_gripper

__all__ = ["ParallelJaw", "load_parallel_jaw"]

LENGTHS = {  # metres; the smallest and the largest of hands, from tweezers to what lifts car bodies, and a usual one
    "max_width": (5e-4, 1.0, 0.08), "min_width": (0.0, 1.0, 0.005), "finger_length": (1e-3, 0.6, 0.05),
    "finger_thickness": (1e-4, 0.2, 0.01), "finger_breadth": (1e-4, 0.4, 0.02), "pad_to_tip": (1e-4, 0.4, 0.01),
    "palm": (1e-3, 1.0, 0.08),
}  # fmt: skip
MOST_TIMES = 50.0  # of the opening: a finger, or a palm; and the opening, of a finger
MOST_FRICTION = 10.0
TOLERANCE = 1e-6  # metres; a width of 32 bits, or one that was printed, may pass max_width by so much


@dataclass(frozen=True, kw_only=True)
class ParallelJaw(Gripper):
    """Sizes in metres. The pads' centre is z = 0 of the grasp frame, the fingertips z = +pad_to_tip.

    Contacts of a grasp: where the pads touch, the jaw at −y first.

    >>> import graspnet as gn
    >>> hand = gn.ParallelJaw(
    ...     max_width=0.085, finger_length=0.05, finger_thickness=0.012, finger_breadth=0.022, pad_to_tip=0.012,
    ...     palm=(0.06, 0.12, 0.08),
    ... )
    >>> hand.span, hand.force
    (0.085, 20.0)
    """

    kind: ClassVar[str] = "parallel_jaw"
    columns: ClassVar[tuple[GraspColumn, ...]] = (
        GraspColumn("width", "m", "commanded opening while approaching", "(0, max_width]"),
    )
    parts: ClassVar[tuple[str, ...]] = ("fingers", "palm")
    contacts: ClassVar[int] = 2

    name: str = "gripper"
    max_width: float  # largest opening between the pads
    min_width: float = 0.0
    finger_length: float  # from the palm's face to the fingertip
    finger_thickness: float  # along the closing axis
    finger_breadth: float  # across the closing axis
    pad_to_tip: float  # from the pads' centre to the fingertip, along the approach
    palm: tuple[float, float, float]  # full sizes along x, y, z of the box behind the palm's face
    force: float = 20.0  # N, each finger's closing force
    friction: float = 0.5

    def __post_init__(self) -> None:
        for field in ("max_width", "finger_length", "finger_thickness", "finger_breadth", "pad_to_tip", "force"):
            if not 0 < getattr(self, field) < np.inf:
                raise InputError(f"{field} is {getattr(self, field)}; it must be positive (metres, newtons)")
        for field in LENGTHS:
            if field != "palm":
                _check_length(field, field, getattr(self, field))
        if not 0 <= self.min_width < self.max_width:
            raise InputError(f"min_width is {self.min_width}; it must lie in [0, max_width = {self.max_width})")
        if self.pad_to_tip >= self.finger_length:
            raise InputError(f"pad_to_tip is {self.pad_to_tip}; it must be less than finger_length")
        if not all(0 < size < np.inf for size in self.palm):
            raise InputError(f"palm is {self.palm}; its three sizes must be positive (metres)")
        for i, size in enumerate(self.palm):
            _check_length("palm", f"palm[{i}]", size)
        self._check_proportions()
        if not 0 <= self.friction < np.inf:
            raise InputError(f"friction is {self.friction}; it must be zero or positive")
        if self.friction > MOST_FRICTION:
            raise InputError(f"friction is {self.friction}; it is a coefficient, for rubber 1 (not a percentage)")

    def _check_proportions(self) -> None:
        for field, size in (("finger_length", self.finger_length), ("palm", max(self.palm))):
            times = size / self.max_width
            if not 1 / MOST_TIMES <= times <= MOST_TIMES:
                found = f"{field} is {getattr(self, field)}, {times:.2g} times max_width ({self.max_width})"
                raise InputError(f"{found}; one of the two is not in metres")

    @staticmethod
    def of(gripper: Gripper) -> "ParallelJaw":
        """The gripper, for code that knows parallel jaws only. InputError: it is of another kind."""
        if not isinstance(gripper, ParallelJaw):
            raise InputError(f"this part knows {ParallelJaw.kind} only; the gripper {gripper.name!r} is {gripper.kind}")
        return gripper

    @property
    def span(self) -> float:
        """The largest opening."""
        return self.max_width

    @property
    def palm_face(self) -> float:
        """z of the palm's face in the grasp frame (negative: behind the pads)."""
        return self.pad_to_tip - self.finger_length

    def boxes(
        self, width: Float64[np.ndarray, "N"]
    ) -> tuple[Float64[np.ndarray, "N 3 3"], Float64[np.ndarray, "N 3 3"]]:
        """Lower and upper corners in the grasp frame of three boxes: the fingers at −y and at +y, the palm.

        `width` is the opening between the pads, in metres. Corners are (N, box, xyz).
        """
        count = len(width)
        half, x = width / 2, np.full(count, self.finger_breadth / 2)
        root, tip = np.full(count, self.palm_face), np.full(count, self.pad_to_tip)
        outer = half + self.finger_thickness
        palm_x, palm_y, palm_z = np.array(self.palm) * [0.5, 0.5, 1.0]
        palm_low = np.tile([-palm_x, -palm_y, self.palm_face - palm_z], (count, 1))
        palm_high = np.tile([palm_x, palm_y, self.palm_face], (count, 1))
        low = np.stack([np.stack([-x, -outer, root], 1), np.stack([-x, half, root], 1), palm_low], axis=1)
        high = np.stack([np.stack([x, -half, tip], 1), np.stack([x, outer, tip], 1), palm_high], axis=1)
        return low, high

    def sizes(self) -> Float64[np.ndarray, "8"]:
        """(max_width, thickness, breadth, length, pad_to_tip, palm half sizes x, y, z): what a network may know."""
        finger = (self.finger_thickness, self.finger_breadth, self.finger_length, self.pad_to_tip)
        return np.array([self.max_width, *finger, *(size / 2 for size in self.palm)], dtype=np.float64)

    def possible(self, columns: Mapping[str, Float64[np.ndarray, "N"]]) -> Bool[np.ndarray, "N"]:
        """Which widths the jaws can open to."""
        width = columns["width"]
        return np.asarray((width > 0) & (width <= self.max_width + TOLERANCE))

    @property
    def demand(self) -> str:
        """Where a width must lie."""
        return f"a grasp's width must lie in (0, {self.max_width}], the hand's opening (metres)"

    def solids(self, grasps: Grasps) -> Boxes:
        """The fingers, as far apart as each grasp's width says, and the palm."""
        return Boxes(("fingers", "fingers", "palm"), *self.boxes(grasps.width))

    def outline(self, grasps: Grasps) -> Outline:
        """Cross-sections of the fingers at the pads' centre (breadth x thickness), the finger at −y first, and the line
        along which they close."""
        low, high = (corners[:, :2] for corners in self.boxes(grasps.width))  # without the palm
        x = np.stack([low[..., 0], high[..., 0], high[..., 0], low[..., 0]], axis=-1)
        y = np.stack([low[..., 1], low[..., 1], high[..., 1], high[..., 1]], axis=-1)
        half = grasps.width / 2
        zero = np.zeros_like(half)
        ends = [np.stack([zero, sign * half, zero], axis=-1) for sign in (-1, 1)]
        return Outline(np.stack([x, y, np.zeros_like(x)], axis=-1), np.stack(ends, axis=1)[:, None])


def load_parallel_jaw(source: str | Path) -> ParallelJaw:
    """A parallel jaw from a preset's name or a file. InputError: that file's gripper is of another kind."""
    return ParallelJaw.of(load_gripper(source))


def _check_length(field: str, name: str, value: float) -> None:
    """Refuse a length that no hand has; where another unit is likely, the message has it in metres."""
    low, high, usual = LENGTHS[field]
    if value > high:
        factor = min((0.001, 0.01), key=lambda factor: abs(np.log(value * factor / usual)))
        unit = f"Millimetres? {field}_mm, or in metres" if factor == 0.001 else "Centimetres? In metres"
        raise InputError(f"{name} is {value} m; expected metres below {high:g}. {unit} {value * factor:.4g}")
    if value < low:
        raise InputError(f"{name} is {value:g} m; expected metres above {low:g}. Was it divided by 1000 twice?")
