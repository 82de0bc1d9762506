"""Triangles of an open hand -> palm's face, fingertips, pads and boxes, in axes parallel to the grasp frame's.

z is the approach, y the closing axis. Our model is symmetric about the approach: where a hand is not, boxes grow.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from graspnet.errors import InputError

__all__ = ["HandSizes", "bounds", "finger_box", "measure_hand", "palm_box"]

PAD_DEPTH = 5e-4  # metres; the pad is what lies within it of the innermost plane: ribs and rounded edges may be so deep
CONTACT = 1e-6  # metres; geometry that ends at a plane does not reach beyond it


@dataclass(frozen=True, kw_only=True)
class HandSizes:
    """Where the parts of an open hand begin and end along the grasp frame's axes."""

    palm: Float64[np.ndarray, "P 3 3"]  # triangles
    fingers: tuple[Float64[np.ndarray, "F1 3 3"], Float64[np.ndarray, "F2 3 3"]]  # at −y and at +y
    palm_face: float  # z
    tip: float  # z of the finger that reaches further
    inner: tuple[float, float]  # y of the two faces between which the hand closes
    overhang: float  # by how much a finger reaches further inwards where it does not face the other one
    pads_x: float  # middle of these faces across the closing axis
    pads_front: float  # z of their end near the fingertips
    pads_height: float  # their extent along the approach

    @property
    def gap(self) -> float:
        """Distance between the inner faces."""
        return self.inner[1] - self.inner[0]


def measure_hand(
    palm: Float64[np.ndarray, "P 3 3"],
    fingers: tuple[Float64[np.ndarray, "F1 3 3"], Float64[np.ndarray, "F2 3 3"]],
    where: str,
) -> HandSizes:
    """The sizes of a hand; `where` names its file in error messages.

    Only geometry before the palm's face counts as a finger. Its inner face is its innermost plane where the two fingers
    face each other. InputError: fingertips behind the palm's face, fingers that do not face each other or overlap.
    """
    palm_face = float(bounds(palm)[1, 2])
    tip = max(float(bounds(finger)[1, 2]) for finger in fingers)
    fronts = [_clip(finger, 2, low=palm_face) for finger in fingers]
    if not all(len(front) and bounds(front)[1, 2] > palm_face + CONTACT for front in fronts):
        raise InputError(
            f"{where}: the palm reaches {1000 * (palm_face - tip):.1f} mm beyond the fingertips along the approach; "
            "another approach: --approach X Y Z; a palm that begins later: --root LINK"
        )
    facing = [_where_it_faces(front, other) for front, other in (fronts, fronts[::-1])]
    if not all(map(len, facing)):
        raise InputError(f"{where}: the fingers pass each other without facing; other links: --fingers LEFT RIGHT")
    inner = (float(bounds(facing[0])[1, 1]), float(bounds(facing[1])[0, 1]))
    if inner[1] - inner[0] < CONTACT:
        raise InputError(
            f"{where}: the fingers overlap by {1000 * (inner[0] - inner[1]):.1f} mm when the hand is open; other joint "
            "values: --open and --closed"
        )
    pads = [_clip(facing[0], 1, low=inner[0] - PAD_DEPTH), _clip(facing[1], 1, high=inner[1] + PAD_DEPTH)]
    edges = np.stack([bounds(pad) for pad in pads])  # pad, low or high, xyz
    pads_front = float(edges[:, 1, 2].min())
    return HandSizes(
        palm=palm,
        fingers=fingers,
        palm_face=palm_face,
        tip=tip,
        inner=inner,
        overhang=max(float(bounds(fronts[0])[1, 1]) - inner[0], inner[1] - float(bounds(fronts[1])[0, 1])),
        pads_x=float(edges[:, :, 0].mean()),
        pads_front=pads_front,
        pads_height=max(pads_front - float(edges[:, 0, 2].max()), 0.0),
    )


def finger_box(sizes: HandSizes, x: float) -> tuple[Float64[np.ndarray, "2 3"], Float64[np.ndarray, "2 3"]]:
    """Corners of the two fingers before the palm's face: exact ones; `x` is where the grasp frame's origin will be."""
    first, second = (bounds(_clip(finger, 2, low=sizes.palm_face)) - [x, 0, 0] for finger in sizes.fingers)
    first[1, 1], second[0, 1] = sizes.inner
    return first, second


def palm_box(sizes: HandSizes) -> Float64[np.ndarray, "2 3"]:
    """Corners of the box around the palm and around what the fingers have behind its face."""
    behind = [_clip(finger, 2, high=sizes.palm_face - CONTACT) for finger in sizes.fingers]
    return bounds(np.concatenate([sizes.palm, *behind]))


def bounds(triangles: Float64[np.ndarray, "T 3 3"]) -> Float64[np.ndarray, "2 3"]:
    """Lowest and highest coordinates."""
    points = triangles.reshape(-1, 3)
    return np.stack([points.min(axis=0), points.max(axis=0)])


def _where_it_faces(
    finger: Float64[np.ndarray, "F1 3 3"], other: Float64[np.ndarray, "F2 3 3"]
) -> Float64[np.ndarray, "F3 3 3"]:
    """What of a finger lies opposite to the other one, in x and z."""
    for axis in (0, 2):
        low, high = bounds(other)[:, axis]
        finger = _clip(finger, axis, low=float(low), high=float(high))
        if not len(finger):
            break
    return finger


def _clip(
    triangles: Float64[np.ndarray, "T 3 3"], axis: int, low: float = -np.inf, high: float = np.inf
) -> Float64[np.ndarray, "T2 3 3"]:
    """What of some triangles lies between two planes across an axis."""
    for sign, bound in ((1.0, low), (-1.0, high)):
        height = sign * (triangles[..., axis] - bound)
        if np.isinf(bound) or not len(triangles) or height.min() >= 0:
            continue
        triangles = triangles[height.max(axis=1) >= 0]
        if len(triangles):
            triangles = _sliced(triangles, axis, sign, bound)
    return triangles


def _sliced(
    triangles: Float64[np.ndarray, "T 3 3"], axis: int, sign: float, bound: float
) -> Float64[np.ndarray, "T2 3 3"]:
    from trimesh.intersections import slice_faces_plane

    normal, point = np.zeros(3), np.zeros(3)
    normal[axis], point[axis] = sign, bound
    corners = np.arange(3 * len(triangles)).reshape(-1, 3)
    vertices, faces, _ = slice_faces_plane(triangles.reshape(-1, 3), corners, normal, point)
    return np.asarray(vertices[faces], dtype=np.float64).reshape(-1, 3, 3)
