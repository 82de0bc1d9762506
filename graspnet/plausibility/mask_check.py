"""The mask against the depth: whether it marks what rises above the table, or everything but that."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool

from graspnet.errors import InputError
from graspnet.observation.foreground import MIN_HEIGHT
from graspnet.observation.observation import Observation, fit_plane

__all__ = ["mask_doubts"]

FEWEST = 100  # pixels above the table that are more than noise
REMEDY = "White (nonzero) must be what may be grasped; is it inverted?"


def mask_doubts(observation: Observation, name: str) -> Iterator[str]:
    """What is odd about the mask; nothing where there is none.

    InputError: it marks the border and the table, and leaves out what rises above the table.
    """
    mask = observation.segmask
    if mask is None:
        return
    measured = np.isfinite(observation.depth)
    of_whole_image = _border(mask).mean() > 0.5  # beside an inverted mask are only objects, and no table
    table = fit_plane(observation.points[measured]) if of_whole_image else None
    if table is not None:
        raised = measured & (table.height(np.nan_to_num(observation.points)) > MIN_HEIGHT)
        inside, outside = int((raised & mask).sum()), int((raised & ~mask).sum())
        beside = int((measured & ~mask).sum())
        if outside > max(FEWEST, 0.5 * beside) and inside < 0.5 * mask.sum():
            text = f"{name}: the mask marks the image's border and the table, and leaves out objects on it"
            if inside < 0.1 * outside:
                raise InputError(f"{text}. {REMEDY}")
            yield f"{text}. {REMEDY}"
            return
    if observation.table is None and mask.mean() > 0.5:
        yield f"{name}: the mask marks {mask.mean():.0%} of the image, and what is left of it shows no table"


def _border(mask: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "B"]:
    return np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
