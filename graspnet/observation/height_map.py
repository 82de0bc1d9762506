"""The relief that a gripper meets on its way along an approach: one map, which everything that plans reads.

A depth image is taken as a mesh of two triangles for each quad of neighbouring pixels, and that mesh is seen along the
approach, orthographically. A triangle between pixels of one surface is *surface*. A triangle across an edge, or across
pixels where the sensor measured nothing, is a *curtain*: the border of the shadow, below which something may hide. In
each cell the highest triangle wins.

From a camera far away that looks along the approach all curtains are upright, and no cell is hidden. From the side the
curtain of a wall of height h, seen at an angle α to the approach, falls to the table over a length of h tan α.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64

from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.observation.depth_mesh import filled, halved, inverse_depth, rasterise, span_of_pixels
from graspnet.transforms import unit

__all__ = ["NOTHING", "STEEPEST_VIEW", "DepthView", "HeightMap", "map_axes", "shared_approaches"]

STEEPEST_VIEW = np.deg2rad(75)  # a camera that looks across the approach at more than this sees hardly any relief
STEEPEST_SURFACE = 4.0  # pixels of depth for one pixel sideways (76°): a steeper triangle is a curtain
FINEST_SOURCE = 1.5  # map pitch over pixel pitch above which the image is halved: finer detail would alias
NOTHING = np.float32(-1e30)  # a height that stands for no cell; finite, so that compiled code needs no exceptions
SAME_SURFACE = 4.0  # cells: heights of two views no further apart are of one surface, and their difference is noise
MOST_CELLS = 5000  # along a side: a larger map is a mistake in the pitch or in the bounds


@dataclass(frozen=True)
class DepthView:
    """A depth image and where it was taken. depth: (H, W), metres along z, 0 or NaN = missing.

    mask: (H, W), True on what may be grasped; without it, nothing is marked. frame_from_camera: the camera's pose in
    the frame that the map is asked for in; without it, the camera's own frame.
    """

    depth: Float32[np.ndarray, "H W"]
    camera: Camera
    mask: Bool[np.ndarray, "H W"] | None = None
    frame_from_camera: Float64[np.ndarray, "4 4"] | None = None

    def height_map(self, approach: Float64[np.ndarray, "3"], pitch: float) -> "HeightMap":
        """The map of everything that the image shows."""
        return HeightMap.of([self], approach, pitch)


@dataclass(frozen=True)
class HeightMap:
    """Heights across an approach a, in cells (row = y, column = x) of `pitch` metres. Made by `HeightMap.of`.

    A point p of the frame has the coordinates (x, y, height) = (p · e_x, p · e_y, −p · a): heights grow towards where
    the gripper comes from, and are 0 at the frame's origin. Cell (r, c) lies at x = pitch (first_column + c) and
    y = pitch (first_row + r), so that maps of the same view with other bounds have the same cells.

    height: of the surface, or where `measured` is False of the curtain: something may hide below it; −inf where no view
    has seen anything. on_object: where the surface is part of what may be grasped.
    frame_from_camera, pixel_angle: the camera's pose, and what a pixel spans at unit depth; of the first view.
    """

    frame_from_map: Float64[np.ndarray, "3 3"]
    pitch: float
    first_column: int
    first_row: int
    height: Float32[np.ndarray, "h w"]
    measured: Bool[np.ndarray, "h w"]
    on_object: Bool[np.ndarray, "h w"]
    frame_from_camera: Float64[np.ndarray, "4 4"]
    pixel_angle: float

    @staticmethod
    def of(
        views: Sequence[DepthView],
        approach: Float64[np.ndarray, "3"],
        pitch: float,
        bounds: Float64[np.ndarray, "2 2"] | None = None,
    ) -> "HeightMap":
        """The map of one or several views along an approach of their common frame.

        Several views merge by the mean of measured surfaces that agree to a few cells' width, so that noise averages
        out, else by the highest; where none was measured, by the lowest curtain: what one of them has seen to be free
        is free. bounds: the lowest and highest (x, y) that the map must hold; without them it holds whatever was
        measured.
        InputError: no view; a pitch that is not positive; an approach further than 75° from every camera's axis;
        bounds that ask for more than 5,000 cells along a side.
        """
        if not views or not 0 < pitch < np.inf:
            raise InputError(f"{len(views)} views at a pitch of {pitch}; a map needs a view and a positive pitch (m)")
        axes = map_axes(approach)
        for view in views:
            _check_view(view, axes[:, 2])
        low, high = _cell_bounds(views, axes, pitch, bounds)
        maps = [_map_of_view(view, axes, pitch, low, high) for view in views]
        height, measured, on_object = _merged(maps, SAME_SURFACE * pitch)
        first = views[0]
        return HeightMap(
            frame_from_map=axes,
            pitch=pitch,
            first_column=int(low[0]),
            first_row=int(low[1]),
            height=height,
            measured=measured,
            on_object=on_object,
            frame_from_camera=_pose(first),
            pixel_angle=2 / (first.camera.fx + first.camera.fy),
        )

    @property
    def approach(self) -> Float64[np.ndarray, "3"]:
        """Unit vector along which the map is seen."""
        return self.frame_from_map[:, 2]

    @cached_property
    def padded(self) -> tuple[Float32[np.ndarray, "h2 w2"], Float32[np.ndarray, "h2 w2"]]:
        """The height of what was measured, and all heights, each in a frame of one cell; NOTHING elsewhere."""
        surface = np.where(self.measured, self.height, NOTHING)
        framed = [np.pad(layer, 1, constant_values=NOTHING) for layer in (surface, np.maximum(self.height, NOTHING))]
        return framed[0], framed[1]

    def coordinates(self, points: Float[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "*B 3"]:
        """(x, y, height) of points of the frame."""
        return np.asarray((points @ self.frame_from_map) * [1.0, 1.0, -1.0], dtype=np.float64)

    def points(self, coordinates: Float[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "*B 3"]:
        """Points of the frame; undoes `coordinates`."""
        return np.asarray((coordinates * [1.0, 1.0, -1.0]) @ self.frame_from_map.T, dtype=np.float64)

    def cells(self, xy: Float[np.ndarray, "*B 2"]) -> Float64[np.ndarray, "*B 2"]:
        """(column, row) of places (x, y); whole numbers are the cells' centres."""
        return np.asarray(xy / self.pitch - [self.first_column, self.first_row], dtype=np.float64)

    def places(self, cells: Float[np.ndarray, "*B 2"]) -> Float64[np.ndarray, "*B 2"]:
        """(x, y) of (column, row); undoes `cells`."""
        return np.asarray((cells + np.array([self.first_column, self.first_row])) * self.pitch, dtype=np.float64)

    def cell_places(self) -> Float64[np.ndarray, "h w 2"]:
        """(x, y) of every cell's centre."""
        rows, columns = self.height.shape
        column, row = np.meshgrid(np.arange(columns, dtype=np.float64), np.arange(rows, dtype=np.float64))
        return self.places(np.stack([column, row], axis=-1))


def map_axes(approach: Float[np.ndarray, "3"]) -> Float64[np.ndarray, "3 3"]:
    """A rotation with the columns e_x, e_y and the approach: the smallest one that takes the z axis to the approach.

    So e_x and e_y lie along the image's u and v where the camera looks along the approach, and near them elsewhere.
    Rodrigues' formula, R = I + [v] + [v]² / (1 + cos) for v = z × a. (Along −z, as in a world whose z points up, it is
    the smallest rotation after half a turn about x.) The approach is rounded as in `shared_approaches`.
    """
    a = _rounded(np.asarray(approach, dtype=np.float64))
    turn = np.diag([1.0, np.sign(a[2]), np.sign(a[2])]) if a[2] else np.eye(3)
    x, y, z = turn @ a
    v = np.array([[0.0, 0.0, x], [0.0, 0.0, y], [-x, -y, 0.0]])  # [z × a] as a matrix
    return np.asarray(turn @ (np.eye(3) + v + v @ v / (1 + z)), dtype=np.float64)


def shared_approaches(
    frame_from_grasp: Float64[np.ndarray, "N 4 4"],
) -> list[tuple[Float64[np.ndarray, "3"], Int64[np.ndarray, "M"]]]:
    """The different approaches of grasps, to a millionth, and the numbers of the grasps that have each.

    Whoever asks for the map of the same grasps gets the same one: rounding an approach again does not change it.
    """
    approaches = _rounded(frame_from_grasp[:, :3, 2])
    if len(approaches) and (approaches == approaches[0]).all():  # nearly always; np.unique sorts
        return [(approaches[0], np.arange(len(approaches)))]
    different, group = np.unique(approaches, axis=0, return_inverse=True)
    return [(each, np.flatnonzero(group.reshape(-1) == k)) for k, each in enumerate(different)]


def _rounded(approach: Float64[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "*B 3"]:
    """Unit vectors whose x and y have six decimals."""
    exact = unit(approach)
    xy = np.round(exact[..., :2], 6) + 0.0  # no −0, which np.unique would tell from 0
    z = np.sqrt(np.maximum(1 - np.sum(xy**2, axis=-1, keepdims=True), 0.0))
    return unit(np.concatenate([xy, np.where(exact[..., 2:] < 0, -z, z)], axis=-1))  # x and y alone may exceed 1


def _check_view(view: DepthView, approach: Float64[np.ndarray, "3"]) -> None:
    camera = view.camera
    if view.depth.shape != (camera.height, camera.width):
        found = f"{view.depth.shape[1]}x{view.depth.shape[0]}"
        raise InputError(f"depth image is {found}; the camera says {camera.size_text}")
    tilt = np.arccos(np.clip(_pose(view)[:3, 2] @ approach, -1, 1))
    if tilt > STEEPEST_VIEW + 1e-6:
        raise InputError(
            f"the approach is {np.rad2deg(tilt):.0f}° off the camera's axis; a map needs at most 75°: "
            "look more along the approach"
        )


def _pose(view: DepthView) -> Float64[np.ndarray, "4 4"]:
    return np.eye(4) if view.frame_from_camera is None else view.frame_from_camera


def _cell_bounds(
    views: Sequence[DepthView],
    axes: Float64[np.ndarray, "3 3"],
    pitch: float,
    bounds: Float64[np.ndarray, "2 2"] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """The first and last (column, row) of the map, in cells counted from the frame's origin."""
    if bounds is None:
        spans = [span for view in views if np.isfinite(span := _span(view, axes)).all()]
        bounds = np.array([np.min(spans, axis=0)[0], np.max(spans, axis=0)[1]]) if spans else np.zeros((2, 2))
    low, high = np.floor(bounds[0] / pitch).astype(np.int64), np.ceil(bounds[1] / pitch).astype(np.int64)
    if (high - low + 1 > MOST_CELLS).any():
        size = " x ".join(f"{extent:.2f}" for extent in bounds[1] - bounds[0])
        raise InputError(
            f"what may be grasped extends over {size} m, too far for a map in cells of {1000 * pitch:.2g} mm; is the "
            "depth in metres (--depth-scale)? Else mark one object (mask), or give a workspace"
        )
    return low, high


def _span(view: DepthView, axes: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "2 2"]:
    """The lowest and the highest (x, y) that a view measured; infinite where it measured nothing."""
    camera = view.camera
    rotation, offset = _map_from_camera(view, axes)
    depth = np.ascontiguousarray(view.depth, dtype=np.float32)
    return span_of_pixels(depth, np.array([camera.fx, camera.fy]), np.array([camera.cx, camera.cy]), rotation, offset)


def _map_from_camera(
    view: DepthView, axes: Float64[np.ndarray, "3 3"]
) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, "3"]]:
    """Rotation and translation from the camera's frame to the map's axes (the third one along the approach)."""
    pose = _pose(view)
    return np.ascontiguousarray(axes.T @ pose[:3, :3]), np.asarray(axes.T @ pose[:3, 3], dtype=np.float64)


def _map_of_view(
    view: DepthView, axes: Float64[np.ndarray, "3 3"], pitch: float, low: np.ndarray, high: np.ndarray
) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """Height of the surface, height of the curtain (−inf where there is none) and `on_object`; the highest wins."""
    camera = view.camera
    inverse = inverse_depth(np.ascontiguousarray(view.depth, dtype=np.float32))
    mask = np.zeros(view.depth.shape, np.uint8) if view.mask is None else view.mask.astype(np.uint8)
    focal, center = np.array([camera.fx, camera.fy]), np.array([camera.cx, camera.cy])
    for _ in range(_halvings(view, pitch)):
        inverse, mask = halved(inverse, mask, STEEPEST_SURFACE / focal.mean())
        focal, center = focal / 2, (center + 0.5) / 2 - 0.5  # pixel k of the half image lies at 2k + 0.5
    rotation, offset = _map_from_camera(view, axes)
    scale = np.array([1 / pitch, 1 / pitch, -1.0])
    shape = (int(high[1] - low[1]) + 1, int(high[0] - low[0]) + 1)
    surface, curtain = (np.full(shape, -np.inf, dtype=np.float32) for _ in range(2))
    on_object = np.zeros(shape, dtype=np.uint8)
    rasterise(
        inverse, filled(inverse), mask, focal, center,
        np.ascontiguousarray(scale[:, None] * rotation), scale * offset - [low[0], low[1], 0],
        STEEPEST_SURFACE / focal.mean(), surface, curtain, on_object,
    )  # fmt: skip
    seen = surface >= curtain
    return np.where(seen, surface, -np.inf), np.where(seen, -np.inf, curtain), (on_object > 0) & seen


def _halvings(view: DepthView, pitch: float) -> int:
    """How often the image is halved: until its pixels, where they are of interest, span at least pitch / 1.5."""
    chosen = view.depth if view.mask is None or not view.mask.any() else view.depth[view.mask]
    chosen = chosen.ravel()[:: max(1, chosen.size // 10_000)]  # a median of thousands is as good as one of all
    chosen = chosen[chosen > 0]
    if not len(chosen):
        return 0
    pixel = float(np.median(chosen)) * 2 / (view.camera.fx + view.camera.fy)
    most = int(np.log2(min(view.depth.shape)))
    return int(np.clip(np.ceil(np.log2(pitch / FINEST_SOURCE / pixel) - 1e-9), 0, most))


def _merged(
    maps: Sequence[tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]],
    tolerance: float,
) -> tuple[Float32[np.ndarray, "h w"], Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    surface, curtain, on_object = maps[0]
    views = np.ones_like(surface)  # of which the surface is the mean
    for other_surface, other_curtain, other_on_object in maps[1:]:
        with np.errstate(invalid="ignore"):  # −inf − −inf: neither has measured anything
            agree = np.abs(other_surface - surface) <= tolerance
        higher = ~agree & (other_surface > surface)
        on_object = np.where(agree, on_object | other_on_object, np.where(higher, other_on_object, on_object))
        step = (np.where(agree, other_surface, 0) - np.where(agree, surface, 0)) / (views + 1)
        surface = np.where(higher, other_surface, surface + step)
        views = np.where(agree, views + 1, np.where(higher, np.float32(1), views))
        lower = np.minimum(curtain, other_curtain)
        curtain = np.where(np.isinf(curtain), other_curtain, np.where(np.isinf(other_curtain), curtain, lower))
    measured = surface > -np.inf
    return np.where(measured, surface, curtain), measured, on_object & measured
