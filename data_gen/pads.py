"""Pad contacts: what two flat pads touch, where point contacts (contacts.py) know only the middle of each pad.

Each pad is a grid of rays over its face. The jaw stops where its first ray meets the solid; what lies within a small
depth of that, soft pads and a little settling of the object bring into touch too: the contact patch. So a pad touches
a rim or a low plate that the line through its centre misses.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from data_gen.contacts import ContactFinder
from graspnet.errors import InputError
from graspnet.gripper import ParallelJawGripper

__all__ = ["PadConfig", "PadContacts", "close_pads"]


@dataclass(frozen=True, kw_only=True)
class PadConfig:
    """rays: a side of the grid. depth: metres behind the first touch that belong to the patch.

    3 mm predicted lifts best among 0.3, 0.7, 1.5 and 3 mm (docs/experiments.md, labels).
    """

    rays: int = 5
    depth: float = 0.003

    def __post_init__(self) -> None:
        if self.rays < 2 or not self.depth > 0:
            raise InputError(f"rays is {self.rays} and depth {self.depth}; expected at least 2, and a positive depth")


@dataclass(frozen=True)
class PadContacts:
    """What the pads touch: axis −1 (or −2 of vectors) is the jaw at −y, then the jaw at +y of the grasp frame.

    alignment: cosine between the patch's mean inward normal and the jaw's motion. center: of the patch on the pad,
    (x, z) in the grasp frame, metres; reach: its half extents there. opening: between the pads when they touch.
    found: whether both pads touch the solid and none begins inside it.
    """

    alignment: Float64[np.ndarray, "*B 2"]
    center: Float64[np.ndarray, "*B 2 2"]
    reach: Float64[np.ndarray, "*B 2 2"]
    opening: Float64[np.ndarray, "*B"]
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
    gripper: ParallelJawGripper,
    config: PadConfig,
) -> PadContacts:
    """Close flat pads (finger_breadth x 2 pad_to_tip, centred on the grasp's origin) that start `width` apart.

    origin, across (x) and closing (y of the grasp frame) are in the object frame.
    """
    # rays at the middles of equal cells: every ray stands for the same area of the pad
    cells = (np.arange(config.rays) + 0.5) / config.rays * 2 - 1
    grid = np.stack(np.meshgrid(cells, cells, indexing="ij"), axis=-1).reshape(-1, 2)
    grid = grid * [gripper.finger_breadth / 2, gripper.pad_to_tip]
    approach = np.cross(across, closing)
    on_pad = grid[:, :1] * across[..., None, :] + grid[:, 1:] * approach[..., None, :]
    half = (width / 2)[..., None] * closing
    start = np.stack([origin - half, origin + half], axis=-2)[..., None, :] + on_pad[..., None, :, :]
    direction = np.broadcast_to(np.stack([closing, -closing], axis=-2)[..., None, :], start.shape)
    travel, normals = finder.cast(start, direction)
    cosine = -np.einsum("...i,...i->...", normals, direction)
    first = travel.min(axis=-1)
    patch = travel <= (first + config.depth)[..., None]
    begins_inside = (np.isfinite(travel) & (cosine < 0)).any(axis=-1)
    with np.errstate(invalid="ignore"):
        opening = np.broadcast_to(width, first.shape[:-1]) - first.sum(axis=-1)
        found = np.isfinite(first).all(axis=-1) & ~begins_inside.any(axis=-1) & (opening > gripper.min_width)
    touched = np.where(patch[..., None], grid, np.nan)
    with np.errstate(invalid="ignore"):
        low, high = np.nanmin(touched, axis=-2), np.nanmax(touched, axis=-2)
    cell = np.array([gripper.finger_breadth, 2 * gripper.pad_to_tip]) / config.rays / 2
    return PadContacts(
        alignment=_alignment(normals, cosine, patch),
        center=(low + high) / 2,
        reach=(high - low) / 2 + cell,
        opening=np.asarray(opening),
        found=np.asarray(found),
    )


def _alignment(
    normals: Float64[np.ndarray, "*B 2 R 3"], cosine: Float64[np.ndarray, "*B 2 R"], patch: Bool[np.ndarray, "*B 2 R"]
) -> Float64[np.ndarray, "*B 2"]:
    """Cosine between the mean normal and the jaw's motion: on a ridge that points at the pad, the sides cancel."""
    total = np.linalg.norm(np.sum(normals * patch[..., None], axis=-2), axis=-1)
    return np.asarray(np.sum(cosine * patch, axis=-1) / np.maximum(total, 1e-12))
