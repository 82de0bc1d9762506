"""Which of the things in an image to grasp: a point on one of them, a box in the image, or a mask."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

from graspnet.errors import InputError
from graspnet.inputs.array_file import as_numbers, one_channel
from graspnet.inputs.mask_image import read_mask
from graspnet.observation.observation import Observation
from graspnet.observation.things import Things
from graspnet.policies.grasp_space import GraspSpace

__all__ = ["read_region", "thing_numbers", "within_region"]

FORMATS = "expected u,v (a point on the thing), left,top,right,bottom (a box), both in pixels, or a mask image"


def within_region(observation: Observation, region: Any) -> Observation:
    """The same observation, of which only what lies in the region may be grasped; all else stays in the way.

    region: (u, v), the thing that is seen there; (left, top, right, bottom) in pixels; or a mask (H, W).
    InputError: neither, outside of the image, or nothing that may be grasped there.
    """
    region = one_channel(as_numbers(region, "region", "a point (u, v), a box (left, top, right, bottom) or a mask"))
    if region.shape not in ((2,), (4,), observation.depth.shape):
        raise InputError(
            f"region has the shape {region.shape}; a point (2,), a box (4,) or a mask {observation.depth.shape}"
        )
    if region.shape == observation.depth.shape:
        return replace(observation, region=region)
    if not np.isfinite(region).all():
        raise InputError(f"region is {region.tolist()}; expected pixels")
    numbers = region.astype(np.float64)
    mask = _box(observation, numbers) if len(numbers) == 4 else _thing_at(observation, numbers)
    return replace(observation, region=mask)


def thing_numbers(observation: Observation, origins_in_camera: Float64[np.ndarray, "N 3"]) -> Int64[np.ndarray, "N"]:
    """The number of the thing at each place of the camera's frame, or of the nearest one (metres)."""
    space = GraspSpace.of(observation)
    return Things.of(space.height_map).nearest(space.height_map.coordinates(origins_in_camera)[:, :2])


def read_region(source: str) -> Shaped[np.ndarray, "..."]:
    """A region from a command line: `u,v`, `left,top,right,bottom` or the file of a mask. InputError: neither."""
    if not any(letter.isalpha() for letter in source):
        try:
            numbers = np.array([float(number) for number in source.split(",")])
        except ValueError:
            raise InputError(f"--region {source}: not made of numbers; {FORMATS}") from None
        if len(numbers) not in (2, 4):
            raise InputError(f"--region {source}: {len(numbers)} numbers; {FORMATS}")
        return numbers
    if not Path(source).exists():
        raise InputError(f"--region {source}: no such file; {FORMATS}")
    return read_mask(Path(source))


def _box(observation: Observation, box: Float64[np.ndarray, "4"]) -> Bool[np.ndarray, "H W"]:
    left, top, right, bottom = box
    height, width = observation.depth.shape
    if not (left <= right and top <= bottom) or right < 0 or bottom < 0 or left > width - 1 or top > height - 1:
        raise InputError(
            f"region {box.tolist()}: no box in the image of {width} x {height}; expected left, top, right, bottom"
        )
    row, column = np.arange(height)[:, None], np.arange(width)
    return np.asarray((column >= left) & (column <= right) & (row >= top) & (row <= bottom))


def _thing_at(observation: Observation, place: Float64[np.ndarray, "2"]) -> Bool[np.ndarray, "H W"]:
    column, row = np.rint(place).astype(np.int64)
    height, width = observation.depth.shape
    if not (0 <= column < width and 0 <= row < height):
        raise InputError(
            f"region {place.tolist()}: outside of the image of {width} x {height}; expected u, v in pixels"
        )
    mask = observation.object_mask
    if not mask[row, column]:
        raise InputError(
            f"region {place.tolist()}: nothing that may be grasped is seen at this pixel (u, v); "
            + (observation.why_nothing if not mask.any() else "name a pixel on a thing, or a box around it")
        )
    number = np.zeros(mask.shape, dtype=np.int64)
    number[mask] = thing_numbers(observation, observation.points[mask])
    return np.asarray(mask & (number == number[row, column]))
