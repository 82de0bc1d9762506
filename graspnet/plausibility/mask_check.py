"""The mask against the depth: whether it marks what rises above the table, or everything but that."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Shaped
from scipy.ndimage import label

from graspnet.errors import InputError
from graspnet.observation.foreground import MIN_HEIGHT
from graspnet.observation.observation import Observation, fit_plane

__all__ = ["mask_doubts"]

FEWEST = 100  # pixels above the table that are more than noise
MOST_TABLE = 0.5  # of the marked pixels
REMEDY = "White (nonzero) must be what may be grasped; is it inverted?"


def mask_doubts(observation: Observation, name: str) -> Iterator[str]:
    """What is odd about the mask; nothing where there is none.

    InputError: it marks the border and the table, and leaves out what rises above the table.
    """
    mask = observation.segmask
    if mask is None:
        return
    measured = np.isfinite(observation.depth)
    large = max(_border(mask).mean(), mask.mean()) > 0.5  # beside an inverted mask are only objects, and no table
    table = fit_plane(observation.points[measured]) if large else None
    if table is not None:
        raised = measured & (table.height(np.nan_to_num(observation.points)) > MIN_HEIGHT)
        things = raised & ~_reaching_border(raised)  # an arm or a wall is none of the things on the table
        text = f"{name}: the mask marks the image's border and the table, and leaves out objects on it. {REMEDY}"
        left_out = False
        for rises, share in ((raised, 0.1), (things, 0.5)):  # masks are drawn tighter than what rises
            inside, outside = int((rises & mask).sum()), int((rises & ~mask).sum())
            if outside > max(FEWEST, 0.5 * int((measured & ~mask).sum())) and inside < 0.5 * mask.sum():
                left_out = True
                if inside < share * outside:
                    raise InputError(text)
        if left_out:
            yield text
            return
        of_table = float((measured & mask & ~raised).sum() / max(int((measured & mask).sum()), 1))
        if observation.table is not None and of_table > MOST_TABLE:
            text = f"{name}: {of_table:.0%} of what the mask marks is the table or lies below it"
            yield f"{text}; is it a picture, and no mask? White (nonzero) must be what may be grasped, and nothing else"
            return
    if observation.table is None and mask.mean() > 0.5:
        yield f"{name}: the mask marks {mask.mean():.0%} of the image, and what is left of it shows no table"


def _reaching_border(raised: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """What goes on beyond the image."""
    number = label(raised)[0]
    return np.asarray(np.isin(number, np.unique(_border(number))) & raised)


def _border(mask: Shaped[np.ndarray, "H W"]) -> Shaped[np.ndarray, "B"]:
    return np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
