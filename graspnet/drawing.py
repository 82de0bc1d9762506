"""Pictures of values: depth images, grasps on them. Nothing is global (no pyplot)."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float32, Float64, UInt8
from PIL import Image

from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import Gripper
from graspnet.run.storage import clear_errors
from graspnet.transforms import transform_points, unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "draw_crops",
    "draw_depth",
    "draw_footprint",
    "draw_grasps",
    "draw_quality_bar",
    "draw_ranks",
    "draw_scale_bar",
    "draw_shaded",
    "hillshade",
    "new_figure",
    "new_figure_with_strip",
    "picture_format",
    "png_bytes",
    "quality_colors",
    "save_picture",
    "save_png",
    "webp_bytes",
]

PICTURE_FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}  # by the suffix of a file's name
BAR_LENGTHS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # m: a scale bar is the longest that fills a third at most
QUALITY_COLORS = "RdYlGn"
NO_QUALITY = "tab:orange"  # the colour of grasps whose policy predicts none

Color = str | tuple[float, ...]
MISSING = "#d8b4e2"  # no depth has this colour
RELIEF_SIGMA = 1.2  # pixels: the light falls on a surface that is smoothed so far
DARKEST, BRIGHTEST = 0.15, 0.85  # grey of the farthest and the nearest, where light falls as on a plane
RELIEF_STRENGTH = 0.7  # relative change of the grey for each unit of the cosine between surface and light
TOWARDS_LIGHT = unit(np.array([-1.0, -1.0, 1.7]))  # left and up in the image, 50° above its plane


def new_figure(rows: int = 1, columns: int = 1, *, width: float = 4.0, aspect: float = 0.75) -> tuple["Figure", Any]:
    """A figure of rows x columns pictures, each `width` inches wide and `aspect` as high, and the array of its axes."""
    figure, axes, _ = new_figure_with_strip(rows, columns, 0, width=width, aspect=aspect)
    return figure, axes


def new_figure_with_strip(
    rows: int, columns: int, strip: int, *, width: float = 4.0, aspect: float = 0.75
) -> tuple["Figure", Any, Any]:
    """The same with a row of `strip` small square pictures below, whose axes come last; 0: there is none."""
    from matplotlib.figure import Figure

    below = columns * width / strip + 0.3 if strip else 0.0
    above = rows * (width * aspect + 0.3)
    figure = Figure(figsize=(columns * width, above + below), layout="constrained")
    if not strip:
        return figure, figure.subplots(rows, columns, squeeze=False), np.zeros(0, dtype=object)
    pictures, small = figure.subfigures(2, 1, height_ratios=[above, below])
    return figure, pictures.subplots(rows, columns, squeeze=False), small.subplots(1, strip, squeeze=False)


def save_png(figure: "Figure", path: str | Path, dpi: int = 100) -> None:
    """Writes the figure; its folder must exist. InputError: it cannot be written there."""
    data = png_bytes(figure, dpi)
    with clear_errors(str(path), "written"):
        Path(path).write_bytes(data)


def picture_format(path: Path) -> str:
    """The kind of picture that a file's name asks for, `png` or `jpeg`. InputError: another one."""
    if path.suffix.lower() not in PICTURE_FORMATS:
        raise InputError(f"{path}: a picture's name must end in {', '.join(PICTURE_FORMATS)}")
    return PICTURE_FORMATS[path.suffix.lower()]


def save_picture(figure: "Figure", path: Path, dpi: int = 100) -> None:
    """Writes the figure as the kind of picture that its name asks for; its folder must exist.

    InputError: another kind, or it cannot be written there.
    """
    if picture_format(path) == "png":
        save_png(figure, path, dpi)
    else:
        with clear_errors(str(path), "written"):
            figure.savefig(path, format="jpeg", dpi=dpi, pil_kwargs={"quality": 92})


def png_bytes(figure: "Figure", dpi: int = 100) -> bytes:
    """The figure as a PNG file (the Agg canvas, which a bare Figure uses for PNG, needs no display)."""
    buffer = BytesIO()
    # Matplotlib would note its own version: the same picture should be the same bytes.
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def webp_bytes(pictures: Sequence[UInt8[np.ndarray, "H W 3"]], interval: float = 0.0) -> bytes:
    """Pictures as one WebP file: a still, or an animation that shows each for `interval` seconds, again and again.

    Lossy: a film of 50 pictures of 240 x 240 px takes 50 kB, every browser shows it, and pillow is all that it needs.
    """
    first, *others = [Image.fromarray(picture) for picture in pictures]
    motion = {"save_all": True, "append_images": others, "duration": round(1000 * interval), "loop": 0}
    buffer = BytesIO()
    first.save(buffer, format="WEBP", quality=75, **(motion if others else {}))
    return buffer.getvalue()


def draw_depth(
    axes: "Axes",
    depth: Float32[np.ndarray, "H W"],
    *,
    limits: tuple[float, float] | None = None,
    title: str = "",
) -> None:
    """Near is bright, far is dark, missing (0 or NaN) is violet; `limits` are the nearest and farthest depth shown.

    Axes are in pixels, with integers at pixel centres. Without limits: the middle 98 % of what was measured.
    """
    measured = np.where(depth > 0, depth, np.nan)
    if limits is None and np.isfinite(measured).any():
        low, high = np.nanpercentile(measured, [1, 99])
        limits = (float(low), float(high))
    near, far = limits or (0.0, 1.0)
    axes.imshow(measured, cmap="gray_r", vmin=near, vmax=far, interpolation="nearest")
    axes.set_facecolor(MISSING)
    _in_pixels(axes, depth.shape[0], depth.shape[1], title)


def hillshade(
    depth: Float32[np.ndarray, "H W"], pitch: float, limits: tuple[float, float]
) -> Float64[np.ndarray, "H W 3"]:
    """The picture of a depth image as of a relief with light from the upper left: red, green and blue in [0, 1].

    Near is bright and far dark, as in `draw_depth`, and missing (0 or NaN) is violet. pitch: metres that a pixel spans.
    limits: the nearest and the farthest depth shown. The light falls on a smoothed image, for noise has steep slopes.
    """
    from matplotlib.colors import to_rgb
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    near, far = limits
    measured = depth > 0
    if not measured.any():
        return np.broadcast_to(np.array(to_rgb(MISSING)), (*depth.shape, 3)).copy()
    nearest = distance_transform_edt(~measured, return_distances=False, return_indices=True)  # a hole is no cliff
    filled = depth[tuple(nearest)].astype(np.float64)
    down, along = np.gradient(-gaussian_filter(filled, RELIEF_SIGMA), pitch)
    normal = unit(np.stack([-along, -down, np.ones_like(filled)], axis=-1))
    light = np.maximum(normal @ TOWARDS_LIGHT, 0.25) - TOWARDS_LIGHT[2]  # no side is quite black
    brightness = np.clip((far - filled) / max(far - near, 1e-9), 0, 1)
    grey = (DARKEST + (BRIGHTEST - DARKEST) * brightness) * (1 + RELIEF_STRENGTH * light)
    return np.where(measured[..., None], np.clip(grey, 0, 1)[..., None], to_rgb(MISSING))


def draw_shaded(axes: "Axes", picture: Float64[np.ndarray, "H W 3"], title: str = "") -> None:
    """What `hillshade` made; axes are in pixels, with integers at pixel centres."""
    axes.imshow(picture, interpolation="nearest")
    _in_pixels(axes, picture.shape[0], picture.shape[1], title)


def _in_pixels(axes: "Axes", height: int, width: int, title: str) -> None:
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_yticks([])
    if title:
        axes.set_title(title, fontsize=9)


def draw_grasps(
    axes: "Axes",
    grasps_in_camera: Grasps,
    camera: Camera,
    gripper: Gripper,
    colors: Color | Sequence[Color] | Float[np.ndarray, "N 4"] = "tab:orange",
) -> None:
    """Each grasp as the gripper's outline: of jaws, the two fingers and the line along which they close.

    It is projected corner by corner, so that what is drawn is as large as the gripper would be there. The last grasp
    lies on top.
    """
    from matplotlib.collections import LineCollection, PolyCollection

    outline = gripper.outline(grasps_in_camera)
    faces = _projected(outline.faces, grasps_in_camera, camera)
    lines = _projected(outline.lines, grasps_in_camera, camera)
    shared = isinstance(colors, str) or (len(colors) > 0 and isinstance(colors[0], float))
    each = [colors] * len(grasps_in_camera) if shared else list(colors)
    of_faces, of_lines = ([color for color in each for _ in range(part.shape[1])] for part in (faces, lines))
    polygons, strokes = (list(part.reshape(-1, *part.shape[2:])) for part in (faces, lines))
    axes.add_collection(PolyCollection(polygons, facecolors=of_faces, edgecolors="black", linewidths=0.4))
    axes.add_collection(LineCollection(strokes, colors=of_lines, linewidths=1.2))


def draw_footprint(axes: "Axes", grasps_in_camera: Grasps, camera: Camera, gripper: Gripper, color: Color) -> None:
    """All that the gripper occupies, to scale: the leading face of each of its boxes, dashed, as it would be there."""
    from matplotlib.collections import PolyCollection

    boxes = gripper.solids(grasps_in_camera)
    x, y = (np.stack([boxes.low[..., k], boxes.high[..., k]], axis=-1) for k in (0, 1))
    z = np.repeat(boxes.high[..., 2:], 4, axis=-1)
    faces = _projected(np.stack([x[..., [0, 1, 1, 0]], y[..., [0, 0, 1, 1]], z], axis=-1), grasps_in_camera, camera)
    outlines = list(faces.reshape(-1, 4, 2))
    axes.add_collection(PolyCollection(outlines, facecolors="none", edgecolors=color, linewidths=0.9, linestyles="--"))


def draw_ranks(axes: "Axes", grasps_in_camera: Grasps, camera: Camera, gripper: Gripper) -> None:
    """Number the grasps from 1, in a column beside them; a line leads from each number to its gripper."""
    corners = _projected(gripper.outline(grasps_in_camera).faces, grasps_in_camera, camera)
    corners = corners.reshape(len(grasps_in_camera), -1, 2)
    ends = corners[np.arange(len(corners)), np.argmax(corners[..., 0], axis=1)]
    left, right, height = *sorted(axes.get_xlim()), float(np.ptp(axes.get_ylim()))
    order, gap = np.argsort(ends[:, 1]), 0.05 * height
    spread = np.maximum.accumulate(ends[order, 1] - gap * np.arange(len(ends))) + gap * np.arange(len(ends))
    v = np.empty(len(ends))
    v[order] = spread - np.mean(spread - ends[order, 1])  # as near to their grippers as a line of text allows
    u = min(float(ends[:, 0].max()) + 0.06 * (right - left), right - 0.03 * (right - left))
    for rank, (end, label_v) in enumerate(zip(ends, v, strict=True), start=1):
        axes.plot([end[0], u], [end[1], label_v], color="white", linewidth=0.8, path_effects=_halo(1.8))
        axes.text(
            u, float(label_v), f" {rank}", va="center", fontsize=9, fontweight="bold", color="white",
            path_effects=_halo(2.5),
        )  # fmt: skip


def draw_scale_bar(axes: "Axes", camera: Camera, depth: float) -> None:
    """A bar in the lower left corner, with its length in millimetres at that depth (metres)."""
    left, right = sorted(axes.get_xlim())
    bottom, top = max(axes.get_ylim()), min(axes.get_ylim())
    pixels_per_metre = camera.fx / depth
    length = max((each for each in BAR_LENGTHS if each * pixels_per_metre < (right - left) / 3), default=BAR_LENGTHS[0])
    u, v = left + 0.04 * (right - left), bottom + 0.05 * (top - bottom)
    axes.plot([u, u + length * pixels_per_metre], [v, v], color="white", linewidth=3, path_effects=_halo(5.0))
    axes.text(
        u, v + 0.02 * (top - bottom), f"{1000 * length:.0f} mm at {depth:.2f} m", color="white", fontsize=8,
        va="bottom", path_effects=_halo(2.0),
    )  # fmt: skip


def draw_quality_bar(axes: "Axes") -> None:
    """The colours of `quality_colors` beside a picture."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = axes.figure.colorbar(
        ScalarMappable(Normalize(0, 1), QUALITY_COLORS), ax=axes, fraction=0.04, pad=0.02, shrink=0.93
    )
    bar.set_label("quality: the predicted chance that the grasp holds", fontsize=8)
    bar.ax.tick_params(labelsize=8)


def draw_crops(
    axes: np.ndarray,
    images: Float32[np.ndarray, "N C S S"],
    *,
    opening: float | None = None,
    titles: Sequence[str] = (),
    color: Color = "tab:orange",
) -> None:
    """What a network sees of each grasp (`graspnet.crops`), one crop for each of the figure's axes, in their order.

    Metric crops (C = 2): bright = higher than the grasp's origin, grey = level with it, dark = below it; black and
    white are one max_width away. Pixel crops (C = 1): depth. What was not measured is violet. `opening`: the distance
    between the jaws in cells (`size / window` is the hand's max_width), drawn as two bars. Axes left over stay empty.
    """
    for index, ax in enumerate(axes.flat):
        if index >= len(images):
            ax.set_axis_off()
            continue
        first, *measured = images[index]
        # draw_depth draws what is near bright, and takes what is not positive for missing: [−1, 1] becomes [3, 1].
        depth, limits = (np.where(measured[0] > 0, 2 - first, np.nan), (1.0, 3.0)) if measured else (first, None)
        draw_depth(ax, depth.astype(np.float32), limits=limits, title=titles[index] if index < len(titles) else "")
        if opening is not None:
            middle, reach = (first.shape[0] - 1) / 2, first.shape[0] / 10
            jaws = [middle - opening / 2, middle + opening / 2]
            ax.vlines(jaws, middle - reach, middle + reach, colors=color, linewidths=2)


def quality_colors(qualities: Float[np.ndarray, "N"]) -> Float64[np.ndarray, "N 4"]:
    """Red at 0, yellow at ½, green at 1; orange where there is none (NaN)."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgba

    colors = np.asarray(colormaps[QUALITY_COLORS](np.clip(qualities, 0, 1)), dtype=np.float64)
    return np.where(np.isnan(qualities)[:, None], to_rgba(NO_QUALITY), colors)


def _halo(width: float) -> list[Any]:
    """What keeps white marks readable on a bright image."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=width, foreground="black")]


def _projected(
    points_in_grasp: Float64[np.ndarray, "N F C 3"], grasps_in_camera: Grasps, camera: Camera
) -> Float64[np.ndarray, "N F C 2"]:
    """Pixels of what belongs to each grasp."""
    poses = np.repeat(grasps_in_camera.poses[:, None], points_in_grasp.shape[1], axis=1)
    return camera.project(transform_points(poses, points_in_grasp))
