"""Pad contacts: what two flat pads touch, where point contacts (contacts.py) know only the middle of each pad.

Each pad is a grid of rays over its face. The jaw stops where its first ray meets the solid; what lies within a small
depth of that, soft pads and a little settling of the object bring into touch too: the contact patch. So a pad touches
a rim or a low plate that the line through its centre misses.
"""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float64
from numba import njit

from graspnet.data_gen.contact.contacts import ContactFinder
from graspnet.errors import InputError
from graspnet.grippers.parallel_jaw import ParallelJaw

__all__ = ["PadConfig", "PadContacts", "close_pads"]

_CHUNK = 20000  # rays at a time: they and what they hit stay in the processor's cache


@dataclass(frozen=True, kw_only=True)
class PadConfig:
    """What counts as the patch that a pad touches. Lengths are in metres.

    rays: a pad is looked at along rays x rays lines. depth: what lies so far behind the first touch belongs to the
    patch; 3 mm predicted lifts best among 0.3, 0.7, 1.5 and 3 mm (docs/experiments/labels.md). push_limit: the first
    pad to touch may push the object so far (robust_centered_closure); the judge of trials has the same limit.
    """

    rays: int = 5
    depth: float = 0.003
    push_limit: float = 0.010

    def __post_init__(self) -> None:
        if self.rays < 2 or not self.depth > 0:
            raise InputError(f"rays is {self.rays} and depth {self.depth}; expected at least 2, and a positive depth")
        if not self.push_limit >= 0:
            raise InputError(f"push_limit is {self.push_limit}; it must not be negative")


@dataclass(frozen=True)
class PadContacts:
    """What the pads touch: axis −1 (or −2 of vectors) is the jaw at −y, then the jaw at +y of the grasp frame.

    alignment: cosine between the patch's mean inward normal and the jaw's motion. center: of the patch on the pad,
    (x, z) in the grasp frame, metres; reach: its half extents there. opening: between the pads when they touch. offset:
    how far the first pad to touch must push the object along the closing axis until the other touches too.
    found: whether both pads touch the solid and none begins inside it.
    """

    alignment: Float64[np.ndarray, "*B 2"]
    center: Float64[np.ndarray, "*B 2 2"]
    reach: Float64[np.ndarray, "*B 2 2"]
    opening: Float64[np.ndarray, "*B"]
    offset: Float64[np.ndarray, "*B"]
    found: Bool[np.ndarray, "*B"]

    @property
    def lowest_friction(self) -> Float64[np.ndarray, "*B"]:
        """The least μ with which the pads hold; ∞ where there is none.

        Both patches must face their pad within the friction cone, and each other: patches that lie side by side on the
        two pads turn the object, which friction resists where the gap between them, seen along the closing axis, is at
        most μ times the opening.
        """
        cosine = np.where(self.found, self.alignment.min(axis=-1), 0.0)
        apart = np.abs(self.center[..., 0, :] - self.center[..., 1, :]) - self.reach.sum(axis=-2)
        with np.errstate(divide="ignore", invalid="ignore"):
            aslant = np.sqrt(np.maximum(0.0, cosine**-2 - 1))
            sideways = np.linalg.norm(np.maximum(apart, 0.0), axis=-1) / self.opening
        return np.where(cosine > 0, np.maximum(aslant, sideways), np.inf)


def close_pads(
    finder: ContactFinder,
    origin: Float64[np.ndarray, "*B 3"],
    across: Float64[np.ndarray, "*B 3"],
    closing: Float64[np.ndarray, "*B 3"],
    width: Float64[np.ndarray, "*#B"],
    gripper: ParallelJaw,
    config: PadConfig,
) -> PadContacts:
    """Close flat pads (finger_breadth x 2 pad_to_tip, centred on the grasp's origin) that start `width` apart.

    origin, across (x) and closing (y of the grasp frame) are in the object frame.
    """
    batch, rays = origin.shape[:-1], config.rays
    origin, across, closing = (vectors.reshape(-1, 3) for vectors in (origin, across, closing))
    width = np.broadcast_to(width, batch).reshape(-1)
    count, size = len(origin), np.array([gripper.finger_breadth, 2 * gripper.pad_to_tip])
    center, reach, held = np.empty((count, 2, 2)), np.empty((count, 2, 2)), np.empty(count, dtype=bool)
    found = PadContacts(np.empty((count, 2)), center, reach, np.empty(count), np.empty(count), held)
    step = max(1, _CHUNK // (2 * rays**2))
    for start in range(0, count, step):
        part = slice(start, start + step)
        cast = _rays(origin[part], across[part], closing[part], width[part], size, rays)
        travel, face = finder.first_faces(cast)
        _touch(
            travel, face, finder.face_normals, closing[part], width[part], size, rays, config.depth, gripper.min_width,
            found.alignment[part], found.center[part], found.reach[part], found.opening[part], found.offset[part],
            found.found[part],
        )  # fmt: skip
    return PadContacts(
        found.alignment.reshape(*batch, 2),
        found.center.reshape(*batch, 2, 2),
        found.reach.reshape(*batch, 2, 2),
        found.opening.reshape(batch),
        found.offset.reshape(batch),
        found.found.reshape(batch),
    )


# Compiled: one sample after the other, in arrays that stay in the processor's cache.


@njit(cache=True)
@no_type_check
def _rays(origin, across, closing, width, size, rays):
    """(sample, jaw, ray, start and direction), at the middles of equal cells: every ray stands for the same area."""
    cast = np.empty((len(origin), 2, rays * rays, 6), np.float32)
    for n in range(len(origin)):
        x, y = across[n], closing[n]
        for jaw in range(2):
            way = 1.0 - 2.0 * jaw
            for i in range(rays):
                u = ((i + 0.5) / rays - 0.5) * size[0]
                for j in range(rays):
                    v = ((j + 0.5) / rays - 0.5) * size[1]
                    ray = cast[n, jaw, i * rays + j]
                    for k in range(3):
                        z = x[(k + 1) % 3] * y[(k + 2) % 3] - x[(k + 2) % 3] * y[(k + 1) % 3]
                        ray[k] = origin[n, k] - way * width[n] / 2 * y[k] + u * x[k] + v * z
                        ray[3 + k] = way * y[k]
    return cast


@njit(cache=True)
@no_type_check
def _touch(
    travel, face, face_normals, closing, width, size, rays, depth, min_width,
    alignment, center, reach, opening, offset, found,
):  # fmt: skip
    """The fields of PadContacts, filled in. On a ridge that points at the pad the normals of its sides cancel."""
    normal = np.empty(3)
    for n in range(len(travel)):
        gap, lead, touched = width[n], 0.0, True
        for jaw in range(2):
            way = 1.0 - 2.0 * jaw
            first = travel[n, jaw].min()
            gap -= first
            lead += way * first
            touched &= first < np.inf
            normal[:] = 0.0
            low_i, low_j, high_i, high_j = rays, rays, -1, -1
            for ray in range(rays * rays):
                distance = travel[n, jaw, ray]
                if distance == np.inf:
                    continue
                of_face = face_normals[face[n, jaw, ray]]
                facing = of_face[0] * closing[n, 0] + of_face[1] * closing[n, 1] + of_face[2] * closing[n, 2]
                touched &= way * facing <= 0  # else the ray leaves the solid: the pad begins inside it
                if distance <= first + depth:
                    normal += of_face
                    i, j = ray // rays, ray % rays
                    low_i, high_i, low_j, high_j = min(low_i, i), max(high_i, i), min(low_j, j), max(high_j, j)
            length = np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2)
            along = normal[0] * closing[n, 0] + normal[1] * closing[n, 1] + normal[2] * closing[n, 2]
            alignment[n, jaw] = -way * along / max(length, 1e-12)
            center[n, jaw, 0] = ((low_i + high_i + 1) / rays - 1) / 2 * size[0]
            center[n, jaw, 1] = ((low_j + high_j + 1) / rays - 1) / 2 * size[1]
            reach[n, jaw, 0] = (high_i - low_i + 1) / rays / 2 * size[0]
            reach[n, jaw, 1] = (high_j - low_j + 1) / rays / 2 * size[1]
        opening[n], offset[n] = gap, abs(lead) / 2
        found[n] = touched and gap > min_width
