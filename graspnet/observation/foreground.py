"""What stands on the table where nobody marked the objects, thing by thing: which of it may be an object at all.

A *thing* is a patch of neighbouring pixels above the table that belong to one surface. It is no object where it is no
more than the sensor's noise, where it goes on beyond the picture (a robot's arm, the wall of a bin, a person), where it
is many times longer than the gripper opens (a shelf, a table in front of another one), and where it is a crumb beside
one of these.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Float64, Int
from scipy.ndimage import distance_transform_edt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["MIN_HEIGHT", "NOISE", "Foreground", "find_foreground"]

NOISE = "no more than noise"  # the reason that says nothing to a person: every image has some

MIN_HEIGHT = 0.005  # m above the table that an object has at least: a good sensor's noise is 1 to 2 mm
PIXEL_NOISE = 2.5  # deviations of the table's noise that every pixel of a thing rises above
THING_NOISE, SURE_SHARE = 5.0, 0.2  # deviations that this share of its pixels does: no empty table has such a thing
SMALLEST = 0.03  # of the opening's square: what has less area is a speck (of a 5 cm hand: 9 mm x 9 mm)
LONGEST = 8.0  # openings: what is longer is no object (of a 5 cm hand: 0.4 m)
CRUMB_AREA = 0.5  # of the opening's square: of what lies beside a thing that is no object, a part that broke off
CRUMB_DISTANCE = 0.2  # openings between them at most: no finger fits in there
SURFACE_PIXELS, SURFACE_STEP = 4.0, 0.005  # on a surface neighbours' depths differ by so many pixels and metres at most
NEAR_TABLE = 0.03  # m below the table within which a measured point is noise, and not the floor beside it
FRAME_SHARE = 0.1  # a row or column of which no more was measured is empty
BROADEST_BAND = 0.1  # of the image: many sensors leave that much empty along a border, at most


@dataclass(frozen=True)
class Foreground:
    """mask: (H, W), what may be an object. refused: how many things are none, for each reason."""

    mask: Bool[np.ndarray, "H W"]
    refused: Counter[str] = field(default_factory=Counter)


def find_foreground(
    height: Float[np.ndarray, "H W"],
    points: Float[np.ndarray, "H W 3"],
    within: Bool[np.ndarray, "H W"],
    focal: float,
    span: float,
) -> Foreground:
    """The things above the table that may be objects.

    height: metres above the table, NaN where missing. points: in the camera's frame, metres. within: the pixels that
    count at all. focal: the camera's, in pixels. span: the gripper's opening, metres.
    """
    depth = points[..., 2]
    noise = _noise(height, depth)
    raised = within & (height > np.maximum(MIN_HEIGHT, PIXEL_NOISE * noise))
    if not raised.any():
        return Foreground(raised)
    thing, count = _things(raised, depth, focal)
    pixel = depth[raised] / focal

    def total(of_pixels: Float64[np.ndarray, "P"]) -> Float64[np.ndarray, "T"]:
        return np.asarray(np.bincount(thing, weights=of_pixels, minlength=count), dtype=np.float64)

    area = total(pixel**2)
    sure = total((height[raised] > np.maximum(MIN_HEIGHT, THING_NOISE * noise[raised])).astype(np.float64))
    is_noise = (area < SMALLEST * span**2) | (sure < SURE_SHARE * total(np.ones(len(thing))))
    is_cut = ~is_noise & (total(_frame(np.isfinite(depth))[raised].astype(np.float64)) > 0)
    is_long = ~is_noise & ~is_cut & (_length(points[raised], thing, count) > LONGEST * span)
    beside = _distance(raised, (is_cut | is_long)[thing])
    nearest = _lowest(beside[raised] * pixel, thing, count)
    is_crumb = (area < CRUMB_AREA * span**2) & (nearest < CRUMB_DISTANCE * span) & ~(is_noise | is_cut | is_long)

    mask = np.zeros_like(raised)
    mask[raised] = ~(is_noise | is_cut | is_long | is_crumb)[thing]
    reasons = {
        "beyond the border of the image": is_cut,
        f"longer than {LONGEST:.0f} openings of the gripper ({LONGEST * span:.2f} m)": is_long,
        "a small piece beside such a thing": is_crumb,
        NOISE: is_noise,
    }
    counts = {reason: int(refused.sum()) for reason, refused in reasons.items()}
    return Foreground(mask, Counter({reason: count for reason, count in counts.items() if count}))


def _noise(height: Float[np.ndarray, "H W"], depth: Float[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """Deviation of the table's height in each pixel: of triangulation it grows with the square of the distance.

    Nothing lies below a table, so what was measured there is noise; what lies above it may be an object. The deepest
    tenth of it tells the deviation, since depths from disparities come in steps: most of a table may lie on one.
    """
    below = (height < 0) & (height > -NEAR_TABLE)
    if below.sum() < 100:
        return np.zeros_like(height)
    deepest = np.quantile(-height[below] / depth[below] ** 2, 0.9)
    return np.asarray(deepest / 1.645 * depth**2)  # of a Gaussian's lower half, a tenth is below 1.645 deviations


def _things(
    raised: Bool[np.ndarray, "H W"], depth: Float[np.ndarray, "H W"], focal: float
) -> tuple[Int[np.ndarray, "P"], int]:
    """The number of the thing to which each raised pixel belongs, and how many things there are.

    All eight neighbours count; a step in depth between two of them parts an arm from what lies below it.
    """
    number = np.cumsum(raised).reshape(raised.shape) - 1
    one_and_other = (
        (np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:]),
        (np.s_[:-1, :-1], np.s_[1:, 1:]), (np.s_[:-1, 1:], np.s_[1:, :-1]),
    )  # fmt: skip
    links = []
    for one, other in one_and_other:
        step = SURFACE_PIXELS / focal * np.minimum(depth[one], depth[other]) + SURFACE_STEP
        linked = raised[one] & raised[other] & (np.abs(depth[one] - depth[other]) < step)
        links.append(np.stack([number[one][linked], number[other][linked]]))
    row, column = np.concatenate(links, axis=1)
    size = int(raised.sum())
    graph = coo_array((np.ones(len(row), dtype=np.int8), (row, column)), shape=(size, size))
    count, thing = connected_components(graph, directed=False)
    return thing, int(count)


def _frame(measured: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """The outermost pixels of the picture: of the image, or of what is left of it beside the bands that sensors leave.

    Where more than a band is empty, the scene ends there and not the picture: what stands out above it may be whole.
    """
    (top, bottom), (left, right) = (_bands(measured.mean(axis=axis) > FRAME_SHARE) for axis in (1, 0))
    inner = np.zeros_like(measured)
    inner[top + 1 : measured.shape[0] - bottom - 1, left + 1 : measured.shape[1] - right - 1] = True
    return ~inner


def _bands(used: Bool[np.ndarray, "L"]) -> tuple[int, int]:
    """How many lines at the beginning and at the end are empty, as far as that is no more than a band."""
    if not used.any():
        return 0, 0
    ends = int(np.argmax(used)), int(np.argmax(used[::-1]))
    widest = BROADEST_BAND * len(used)
    return ends[0] if ends[0] <= widest else 0, ends[1] if ends[1] <= widest else 0


def _length(points: Float[np.ndarray, "P 3"], thing: Int[np.ndarray, "P"], count: int) -> Float64[np.ndarray, "T"]:
    """The longest side of each thing's box in the camera's axes, metres."""
    sides = [-_lowest(-along, thing, count) - _lowest(along, thing, count) for along in points.T]
    return np.asarray(np.max(sides, axis=0), dtype=np.float64)


def _lowest(values: Float[np.ndarray, "P"], thing: Int[np.ndarray, "P"], count: int) -> Float64[np.ndarray, "T"]:
    """The smallest value of each thing. (SciPy sorts all pixels for it, which takes twenty times as long.)"""
    lowest = np.full(count, np.inf)
    np.minimum.at(lowest, thing, values)
    return lowest


def _distance(raised: Bool[np.ndarray, "H W"], marked: Bool[np.ndarray, "P"]) -> Float64[np.ndarray, "H W"]:
    """Pixels from each pixel to the nearest raised one that is marked; infinite where none is."""
    if not marked.any():
        return np.full(raised.shape, np.inf)
    is_marked = np.zeros_like(raised)
    is_marked[raised] = marked
    return np.asarray(distance_transform_edt(~is_marked))
