"""Is an image within what a network knows? One sentence for each number that lies outside of it.

A checkpoint tells two things of its own range (`details` of model.json, docs/formats.md). What it was trained on: the
distance and the tilt of its cameras, their focal lengths, the sizes of hands and objects. And, where somebody has
measured them, its curves: how much it lifts in simulation when one of these numbers alone is changed
(`graspnet.sim_eval.studies.limits`, docs/limits.md). A warning says the number, what was trained, and what the curve
says. A checkpoint that tells nothing warns of nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from scipy import ndimage

from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.observation.height_map import map_axes
from graspnet.observation.observation import Observation
from graspnet.policies.grasp_space import stands_out

__all__ = ["NUMBERS", "range_warnings"]

FALL = 0.1  # a curve has fallen where it lies so far below the unchanged protocol; less is nothing to warn of
SIZE_SLACK = 0.02  # a hand's size may pass a trained one by so much, in openings
SOURCE = "docs/limits.md"
PALM = ("breadth", "width", "length")  # of the palm: its x, y and z
JUMP, JUMP_PER_SQUARE = 0.01, 0.004  # m + m per m²: between neighbouring pixels, where an object's outline ends
LEAST_SIDE = 0.4  # what is smaller than a square with this side, in openings, is a sliver or a corner
OPENING_PX = 24  # narrow places are looked for with about so many pixels to an opening
MOST_PARTS, MOST_POINTS = 16, 4000  # so many parts are measured, the largest ones, by so many of their points


@dataclass(frozen=True)
class _Number:
    """A number of an observation in words. `{}` stands for its value: times `factor`, with so many digits, and unit.

    slack: it may pass the ends of a trained range by so much, since it is measured with noise; in SI units.
    """

    name: str
    words: str
    digits: int
    unit: str
    slack: float
    factor: float = 1.0

    def text(self, *values: float) -> str:
        """Print a value, or the ends of a range, with the unit."""
        return " to ".join(f"{self.factor * value:.{self.digits}f}" for value in values) + self.unit


NUMBERS = (
    _Number("distance", "the object is {} from the camera", 2, " m", 0.02),
    _Number("tilt", "the camera looks {} off the table's normal", 0, "°", np.pi / 180, 180 / np.pi),
    _Number("focal_length_px", "the camera's focal length is {}", 0, " px", 10.0),
    _Number("opening", "the hand opens to {}", 0, " mm", 0.001, 1000.0),
    _Number("object_width", "the object's narrow side is {} of the hand", 2, " openings", 0.02),
    _Number("missing", "{} of the pixels around the object have no depth", 0, " %", 0.0, 100.0),
)
APPROACH = _Number("approach_tilt", "the hand comes {} off the table's normal", 0, "°", np.pi / 180, 180 / np.pi)


def range_warnings(details: Mapping[str, Any], observation: Observation, planned: Grasps | None = None) -> list[str]:
    """Say in one sentence each what of an observation lies outside of a network's range; nothing where all is well.

    details: of a `Checkpoint`. planned: grasps in the camera frame, whose approaches may be tilted. A number is outside
    where it was not trained, or where the network's curve has fallen.
    """
    seen, trained, limits = _seen(observation), _trained(details), details.get("limits", {})
    if planned is not None and len(planned) and observation.table is not None:
        cosine = planned.approach @ observation.table.normal
        seen["approach_tilt"] = float(np.arccos(np.clip(cosine.min(), -1.0, 1.0)))
    found = []
    for number in (*NUMBERS, APPROACH):
        value, known = seen.get(number.name), trained.get(number.name)
        if value is None:
            continue
        curve = _Curve.of(limits, number.name)
        if not _within(value, known, number.slack) or (curve is not None and curve.fallen(value)):
            said = [number.words.format(number.text(value))]
            said += [] if known is None else [f"the network was trained from {number.text(*known)}"]
            said += [] if curve is None else [curve.text(value, number)]
            found.append("; ".join(said))
    return found + _unusual_sizes(details, observation)


@dataclass(frozen=True)
class _Curve:
    """How much a network lifts where one number alone is changed. Between measured values it is interpolated.

    points: (value, share lifted, upper 95 % bound of the difference from the unchanged protocol), by growing values.
    """

    points: Float64[np.ndarray, "P 3"]
    unchanged: float

    @staticmethod
    def of(limits: Mapping[str, Any], name: str) -> "_Curve | None":
        """Take the curve of a number from `details.limits`; None where it was not measured."""
        points = limits.get("curves", {}).get(name)
        return None if points is None else _Curve(np.array(points, dtype=np.float64), float(limits["lifted"]))

    def fallen(self, value: float) -> bool:
        """Say whether the network lifts less by FALL here, and surely less."""
        return self._at(value, 1) < self.unchanged - FALL and self._at(value, 2) < 0

    def text(self, value: float, number: _Number) -> str:
        """Say how much is lifted at a value, or at the last one that was tried, and how much in the protocol."""
        nearest = float(np.clip(value, self.points[0, 0], self.points[-1, 0]))
        where = "there" if nearest == value else f"at {number.text(nearest)}, the last value that was tried,"
        there, before = (f"{100 * share:.0f} %" for share in (self._at(value, 1), self.unchanged))
        chance = "" if self._at(value, 2) < 0 else ", a difference that may be chance"
        return f"in simulation it lifts {there} {where} and {before} in the protocol single{chance} ({SOURCE})"

    def _at(self, value: float, column: int) -> float:
        return float(np.interp(value, self.points[:, 0], self.points[:, column]))


def _seen(observation: Observation) -> dict[str, float]:
    """Measure an observation, in SI units; without a table there is no tilt, and without an object there is less."""
    mask, w = observation.object_mask, observation.gripper.span
    seen = {"focal_length_px": observation.camera.fx, "opening": w}
    if observation.table is not None:
        seen["tilt"] = float(np.arccos(np.clip(observation.table.normal[2], -1.0, 1.0)))
    region = mask if observation.segmask is None else observation.segmask
    seen["missing"] = _missing_share(observation, region)
    if mask.any():
        seen["distance"] = float(np.median(observation.depth[mask]))
        seen |= _object_width(observation)
    return seen


def _missing_share(observation: Observation, region: Bool[np.ndarray, "H W"]) -> float:
    """The share of pixels without depth on what may be grasped or in the box around it, whichever is larger.

    The box leaves room for half an opening on every side: a finger goes there. Without an object it is the image.
    """
    missing = np.isnan(observation.depth)
    if not region.any():
        return float(missing.mean())
    v, u = np.nonzero(region)
    measured = region & ~missing
    z = float(np.median(observation.depth[measured] if measured.any() else observation.depth[~missing]))
    room = int(np.ceil(observation.gripper.span / 2 * observation.camera.fx / z))
    box = missing[max(v.min() - room, 0) : v.max() + room + 1, max(u.min() - room, 0) : u.max() + room + 1]
    return float(max(box.mean(), missing[region].mean()))


def _object_width(observation: Observation) -> dict[str, float]:
    """The least width, across the approach, of the narrowest part of what may be grasped, in openings.

    Parts end where the depth jumps, so that the objects of a heap are measured one by one; a hand needs one that it can
    take. Where a mask is larger than its object, the table is left out. Nothing is said of an object that is too wide
    as a whole, but has a narrow place: a handle.
    """
    mask, w = observation.object_mask.copy(), observation.gripper.span
    if observation.table is not None:
        mask[mask] = stands_out(observation.table.height(observation.points[mask]))
    mask &= ~_jumps(observation, mask)
    if not mask.any():
        return {}
    labels, count = ndimage.label(mask)
    part, points = labels[mask], observation.points[mask]
    pixels = np.bincount(part, minlength=count + 1)
    depth = np.bincount(part, points[:, 2], minlength=count + 1) / np.maximum(pixels, 1)
    parts = np.flatnonzero(np.sqrt(pixels) * depth / observation.camera.fx >= LEAST_SIDE * w)
    largest = parts[np.argsort(-pixels[parts])][:MOST_PARTS]
    chosen = [points[part == number] for number in largest] or [points]
    width = min(_width(some, observation) for some in chosen)
    if width > w and _has_narrow_place(mask, w * observation.camera.fx / float(np.median(points[:, 2]))):
        return {}
    return {"object_width": width / w}


def _has_narrow_place(mask: Bool[np.ndarray, "H W"], opening_px: float) -> bool:
    """Say whether a disc as wide as the opening leaves out a whole place of the mask, and not just its corners.

    What the disc covers wherever it lies wholly in the mask is the mask's morphological opening by it.
    """
    step = max(1, int(opening_px / OPENING_PX))
    v, u = np.nonzero(mask)
    some = np.pad(mask[v.min() : v.max() + 1 : step, u.min() : u.max() + 1 : step], 1)
    radius = opening_px / step / 2
    middles = ndimage.distance_transform_edt(some) >= radius
    if not middles.any():
        return True
    places, _ = ndimage.label(some & (ndimage.distance_transform_edt(~middles) > radius))
    return bool(np.bincount(places.ravel())[1:].max(initial=0) >= (2 * LEAST_SIDE * radius) ** 2)


def _jumps(observation: Observation, mask: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Pixels of the mask beside a neighbour in the mask that lies on something else."""
    depth = np.where(mask, observation.depth, np.float32(np.nan))
    limit = JUMP + JUMP_PER_SQUARE * depth**2
    jumps = np.zeros(depth.shape, dtype=bool)
    for image, edge, most in ((depth, jumps, limit), (depth.T, jumps.T, limit.T)):
        jump = np.abs(np.diff(image, axis=0)) > most[1:]
        edge[1:] |= jump
        edge[:-1] |= jump
    return jumps


def _width(points: Float64[np.ndarray, "P 3"], observation: Observation) -> float:
    """The least extent of these points over directions across the approach, a degree apart.

    Points are the middles of pixels, so that one pixel is added to their extent.
    """
    some = points[:: max(1, len(points) // MOST_POINTS)]
    angles = np.deg2rad(np.arange(180))
    directions = map_axes(observation.approach)[:, :2] @ np.stack([np.cos(angles), np.sin(angles)])
    return float(np.ptp(some @ directions, axis=0).min() + np.median(some[:, 2]) / observation.camera.fx)


def _trained(details: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Collect the trained ranges by the names of NUMBERS; models of earlier versions tell fewer."""
    camera, grippers = details.get("camera", {}), details.get("grippers", {})
    found = {name: camera.get(name) for name in ("distance", "tilt", "focal_length_px", "approach_tilt")}
    found["opening"] = grippers.get("max_width")
    found["object_width"] = details.get("objects", {}).get("width_in_openings")
    return {name: (float(ends[0]), float(ends[1])) for name, ends in found.items() if ends is not None}


def _within(value: float, known: tuple[float, float] | None, slack: float) -> bool:
    return known is None or known[0] - slack <= value <= known[1] + slack


def _unusual_sizes(details: Mapping[str, Any], observation: Observation) -> list[str]:
    """Compare a jaw's sizes in units of its opening with those of the hands in training; curves have none of them."""
    trained, jaw = details.get("grippers_in_openings"), observation.gripper
    if trained is None or not isinstance(jaw, ParallelJaw):
        return []
    sizes = [(name, getattr(jaw, name), ends) for name, ends in trained.items() if name != "palm"]
    palm = zip(PALM, jaw.palm, *trained["palm"], strict=True)
    sizes += [(f"palm {name}", size, (low, high)) for name, size, low, high in palm]
    return [
        f"the hand's {name} is {size / jaw.span:.2f} of its opening; the network was trained from {low:.2f} to "
        f"{high:.2f}"
        for name, size, (low, high) in sizes
        if not _within(size / jaw.span, (low, high), SIZE_SLACK)
    ]
