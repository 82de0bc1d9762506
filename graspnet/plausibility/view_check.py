"""Intrinsics against what cameras are: field of view, principal point, shape of a pixel."""

from collections.abc import Iterator

import numpy as np

from graspnet.camera import Camera
from graspnet.errors import InputError

__all__ = ["view_doubts"]

WIDEST = np.deg2rad(140)  # the widest depth cameras see 120°; a pinhole's image of more than 140° is mostly stretched
NARROWEST = np.deg2rad(10)  # long lenses on 3D scanners see 20°
FURTHEST_RAY = np.deg2rad(75)  # from the optical axis
OFF_CENTER = 0.2  # of the image's side; calibrations lie within 0.06
PIXEL_SHAPES = (0.7, 1 / 0.7)  # fx / fy; a 4:3 image that was made square has 0.75


def view_doubts(camera: Camera, name: str) -> Iterator[str]:
    """What is odd about the intrinsics. InputError: no camera has such a view; with the likely reason."""
    fields = np.array([_field_of_view(camera.fx, camera.width), _field_of_view(camera.fy, camera.height)])
    text = f"{name}: fx = {camera.fx:g} and fy = {camera.fy:g} px on an image of {camera.size_text} px"
    seen = f"a field of view of {np.rad2deg(fields[0]):.3g}° x {np.rad2deg(fields[1]):.3g}°"
    hint = "Focal lengths in pixels of this image?"
    if fields.max() > WIDEST:
        raise InputError(f"{text} mean {seen}; a depth camera has 20° to 120°. {_focal_hint(camera)}")
    corners = camera.rays(np.array([[0, 0], [camera.width - 1, camera.height - 1.0]]))
    furthest = np.arctan(np.abs(corners[:, :2]).max())
    center = f"{name}: the principal point (cx, cy) = ({camera.cx:g}, {camera.cy:g})"
    if furthest > FURTHEST_RAY:
        where = f"lies far outside of the image of {camera.size_text} px"
        raise InputError(f"{center} {where}: a pixel would look {np.rad2deg(furthest):.0f}° to the side. {_size_hint}")
    if fields.min() < NARROWEST:
        yield f"{text} mean {seen}, that of a telescope; a depth camera has 20° to 120°. {hint}"
    low, high = PIXEL_SHAPES
    if not low <= camera.fx / camera.fy <= high:
        yield f"{text}: pixels {camera.fy / camera.fx:.3g} times as wide as high. Were fx and fy mixed with others?"
    yield from _center_doubts(camera, center)


def _field_of_view(focal: float, side: int) -> float:
    return float(2 * np.arctan(side / (2 * focal)))


def _focal_hint(camera: Camera) -> str:
    if camera.fx < 10 and camera.fy < 10:
        return "Focal lengths must be in pixels, neither in millimetres nor in widths of the image"
    return "Focal lengths in pixels of this image?"


_size_hint = "Do the intrinsics belong to an image of this size?"


def _center_doubts(camera: Camera, text: str) -> Iterator[str]:
    """A principal point away from the middle: of another image size, exchanged coordinates, or a cropped image."""
    sides, point = np.array([camera.width, camera.height]), np.array([camera.cx, camera.cy])
    off = np.abs(point - (sides - 1) / 2) / sides
    swapped = np.abs(point[::-1] - (sides - 1) / 2) / sides
    if off.max() > 0.06 and swapped.max() < min(0.06, off.max() / 2):
        yield f"{text} would lie in the middle of the image of {camera.size_text} px if cx and cy were exchanged"
    elif off.max() > OFF_CENTER:
        inside = ((point >= -0.5) & (point <= sides - 0.5)).all()
        where = f"lies {off.max():.0%} of a side from the middle of" if inside else "lies outside of"
        yield f"{text} {where} the image of {camera.size_text} px. {_size_hint}"
