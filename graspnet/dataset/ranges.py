"""What one or more datasets range over: hands, sizes of objects, and from where grasps were seen.

A checkpoint keeps these, so that a plan can warn where it asks a network for what it was never trained on.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from graspnet.dataset.records import DatasetHeader

__all__ = ["camera_range", "focal_range_px", "gripper_names", "gripper_ranges", "object_range"]

LENGTHS = ("finger_length", "finger_thickness", "finger_breadth", "pad_to_tip")  # of a hand, as its file names them
UPRIGHT = np.deg2rad(1.0)  # approaches no further from straight down tell how the camera is tilted
MOST_NAMES = 8  # Hands are named one by one up to so many.
Range = dict[str, list[Any]]


def gripper_names(headers: Sequence[DatasetHeader]) -> str:
    """The hands by name, or how many there were."""
    names = sorted(name for name, _ in _hands(headers))
    return ", ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} hands"


def gripper_ranges(headers: Sequence[DatasetHeader]) -> dict[str, Range]:
    """Smallest and largest of every size of the hands: in metres, and in units of each hand's opening."""
    hands = [hand for _, hand in _hands(headers)]
    return {"grippers": _range(hands), "grippers_in_openings": _range(list(map(_in_openings, hands)))}


def object_range(headers: Sequence[DatasetHeader]) -> Range:
    """The widths, in openings, that objects were scaled to; nothing where a dataset does not scale them so."""
    widths = []
    for header in headers:
        objects, hands = header.config.get("objects", {}), header.config.get("hands_per_view", 1)
        if objects.get("scaling") != "graspable_width" or hands != 1:  # a second hand meets objects of the first's size
            return {}
        widths.append(objects["graspable_width"])
    return {"width_in_openings": [min(low for low, _ in widths), max(high for _, high in widths)]}


def focal_range_px(headers: Sequence[DatasetHeader]) -> tuple[float, float]:
    """Smallest and largest focal length of all cameras, in pixels of the camera."""
    ranges = [(np.array(header.cameras["fx"]) * header.pixel_pitch).tolist() for header in headers]
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def camera_range(
    camera_from_grasp: Float64[np.ndarray, "N 4 4"],
    focal_lengths_px: Sequence[float],
    approach_tilt: Float64[np.ndarray, "N"],
) -> Range:
    """Smallest and largest distance (z of the grasps, metres), tilt of the camera and of the approach (radians), and
    focal length (pixels).

    approach_tilt: between each approach and straight down; its range is left out where no camera's pose is known (NaN).
    The camera's tilt is the angle between its axis and an upright approach, or any where none is known to be upright.
    """
    distance, cosine = camera_from_grasp[:, 2, [3, 2]].T
    upright = approach_tilt < UPRIGHT
    tilt = np.arccos(np.clip(cosine[upright] if upright.any() else cosine, -1.0, 1.0))
    known = approach_tilt[np.isfinite(approach_tilt)]
    of_approach: Range = {"approach_tilt": [float(known.min()), float(known.max())]} if len(known) else {}
    return of_approach | {
        "distance": [float(distance.min()), float(distance.max())],
        "tilt": [float(tilt.min()), float(tilt.max())],
        "focal_length_px": [float(min(focal_lengths_px)), float(max(focal_lengths_px))],
    }


def _hands(headers: Sequence[DatasetHeader]) -> list[tuple[str, dict[str, Any]]]:
    """Every hand and its name, each once: two datasets may have the same one, or call different ones alike."""
    found = {json.dumps(item, sort_keys=True): item for header in headers for item in header.grippers.items()}
    return list(found.values())


def _range(hands: list[dict[str, Any]]) -> Range:
    sizes = [name for name, value in hands[0].items() if isinstance(value, float)]
    found: Range = {n: [min(h[n] for h in hands), max(h[n] for h in hands)] for n in sizes}
    palms = list(zip(*(hand["palm"] for hand in hands), strict=True))
    return found | {"palm": [[min(side) for side in palms], [max(side) for side in palms]]}


def _in_openings(hand: dict[str, Any]) -> dict[str, Any]:
    """The sizes of a hand that a network sees, in units of its opening: all but the opening itself."""
    sizes = {name: hand[name] / hand["max_width"] for name in LENGTHS}
    return sizes | {"palm": [side / hand["max_width"] for side in hand["palm"]]}
