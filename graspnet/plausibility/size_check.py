"""Distances and sizes against the hand: a wrong unit or focal length makes everything too far, too large, too small."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64
from scipy.ndimage import find_objects, label

from graspnet.observation.height_map import map_axes
from graspnet.observation.observation import Observation
from graspnet.plausibility.sources import Sources

__all__ = ["size_doubts"]

DISTANCES = (0.1, 3.0)  # m to what may be grasped: from the nearest of depth cameras to the arm's own length
MOST_OBJECTS = 20  # the largest are looked at
SMALLEST = 30  # pixels; less is noise
TOO_LARGE = 10.0  # in the hand's span; a whole heap may be one object in the mask
TOO_SMALL = 0.2  # in the hand's span; and below 10 mm
HINT = "Are the depth's unit and the focal length right?"


def size_doubts(observation: Observation, sources: Sources) -> Iterator[str]:
    """What is odd about how far away, how large or how small everything would be."""
    looked_at, what = observation.object_mask, "what may be grasped"
    if not looked_at.any():
        looked_at, what = np.isfinite(observation.depth), "what is seen"
    distance, span = float(np.median(observation.depth[looked_at])), observation.gripper.span
    low, high = DISTANCES
    if not low <= distance <= high:
        factor, change = ("large", "divide") if distance > high else ("small", "multiply")
        remedy = f"10 times too {factor}? Then {change} --depth-scale by 10 (it is 1 where it is not given)"
        yield f"{sources.depth}: {what} is {distance:.3g} m away, expected {low:g} to {high:g} m. {remedy}"
    extents = _extents(observation)
    if not len(extents):
        return
    narrowest, largest = float(extents[:, 0].min()), float(extents[:, 1].max())
    names, opening = f"{sources.depth}, {sources.camera}", f"the hand opens {span:.3g} m ({sources.gripper})"
    if narrowest > TOO_LARGE * span:
        yield f"{names}: even the narrowest object would be {narrowest:.2g} m wide, and {opening}. {HINT}"
    elif largest < min(TOO_SMALL * span, 0.01):
        yield f"{names}: even the largest object would be only {largest:.2g} m long, and {opening}. {HINT}"


def _extents(observation: Observation) -> Float64[np.ndarray, "M 2"]:
    """Width and length across the approach of each connected part of what may be grasped, the smaller first."""
    labels, count = label(observation.object_mask)
    pixels = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    largest = [k for k in np.argsort(-pixels)[:MOST_OBJECTS] if pixels[k] >= SMALLEST]
    boxes, axes = find_objects(labels), map_axes(observation.approach)[:, :2]
    sides = [_sides(observation.points[boxes[k]][labels[boxes[k]] == k + 1] @ axes) for k in largest]
    return np.array(sides, dtype=np.float64).reshape(-1, 2)


def _sides(points: Float64[np.ndarray, "P 2"]) -> Float64[np.ndarray, "2"]:
    """Extents along the principal axes, without the outermost hundredth at each end."""
    centered = points - points.mean(axis=0)
    _, directions = np.linalg.eigh(centered.T @ centered)
    low, high = np.percentile(centered @ directions, [1, 99], axis=0)
    return np.sort(high - low)
