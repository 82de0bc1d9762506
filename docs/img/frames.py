"""The picture of docs/conventions.md: every frame, the sizes of a hand, and a grasp as an image shows it.

Writes frames.png beside itself: `python docs/img/frames.py`. Poses, boxes and pixels come from the package, so that the
picture shows what the code does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import trimesh

from graspnet.camera import Camera
from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.drawing import draw_depth, save_png
from graspnet.grasps.grasps import Grasps
from graspnet.grasps.image_grasps import image_from_grasps
from graspnet.grippers.gripper import load_gripper
from graspnet.transforms import frame_from_axes, invert, rigid, rotation_about, transform_points, unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AXES = {"x": "#d62728", "y": "#2a9d2a", "z": "#1f5fd0"}  # red, green, blue: the usual colours of a frame's axes
INK, OBJECT, HAND, TRANSFORM = "#222222", "#e8c07d", "#9db4c8", "#7a3e9d"
HALO = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}

SIDES = (0.190, 0.030, 0.050)  # m, the object: a bar
gripper = load_gripper("yumi")
camera = Camera(fx=400.0, fy=400.0, cx=159.5, cy=119.5, width=320, height=240)


def looking_at(eye: tuple[float, float, float], target: tuple[float, float, float]) -> np.ndarray:
    """world_from_camera of a camera at `eye` whose optical axis meets `target`, with its x axis level."""
    z = unit(np.subtract(target, eye).astype(np.float64))
    x = unit(np.cross(z, [0.0, 0.0, 1.0]))
    return rigid(np.stack([x, np.cross(z, x), z], axis=1), np.array(eye, dtype=np.float64))


world_from_camera = looking_at((-0.04, -0.12, 0.34), (0.13, 0.028, 0.0))
turn = rotation_about(np.array([0.0, 0.0, 1.0]), np.array(np.deg2rad(-18.0)))
world_from_object = rigid(turn, np.array([0.155, 0.045, SIDES[2] / 2]))
# straight down near the bar's end, closing across its narrow side, the pads' centres 14 mm below its top
grasp_rotation = frame_from_axes(np.array([0.0, 0.0, -1.0]), turn @ np.array([0.0, -1.0, 0.0]))
world_from_grasp = rigid(grasp_rotation, world_from_object[:3, 3] + turn @ np.array([0.072, 0.0, SIDES[2] / 2 - 0.014]))
WIDTH = 0.042  # m, the commanded opening
camera_from_grasp = invert(world_from_camera) @ world_from_grasp

# From here the whole scene is drawn.
observer = Camera(fx=1000.0, fy=1000.0, cx=0.0, cy=0.0, width=1, height=1)
observer_from_world = invert(looking_at((0.34, -0.80, 0.50), (0.06, 0.0, 0.14)))


def seen(points_in_world: np.ndarray) -> np.ndarray:
    """Where the observer sees points, (N, 2); v runs down."""
    return observer.project(transform_points(observer_from_world, np.atleast_2d(points_in_world)))


def box_faces(low: np.ndarray, high: np.ndarray, world_from_box: np.ndarray) -> list[np.ndarray]:
    """The six faces of a box, (4, 3) each, in the world."""
    corner = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    corners = transform_points(world_from_box, low + corner * (high - low))
    indices = ((0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5))
    return [corners[list(four)] for four in indices]


def draw_faces(axes: Axes, faces: list[np.ndarray], color: str, alpha: float) -> None:
    """Faces from far to near, each lit by how much it faces up or towards the observer."""
    from matplotlib.colors import to_rgb

    eye = invert(observer_from_world)[:3, 3]
    for face in sorted(faces, key=lambda four: -np.linalg.norm(four.mean(axis=0) - eye)):
        normal = unit(np.cross(face[1] - face[0], face[3] - face[0]))
        light = 0.72 + 0.28 * abs(normal[2]) - 0.12 * abs(normal[0])
        shade = np.clip(np.array(to_rgb(color)) * light, 0, 1)
        axes.fill(*seen(face).T, facecolor=(*shade, alpha), edgecolor=INK, linewidth=0.6)


def draw_frame(axes: Axes, world_from_frame: np.ndarray, length: float, nudges: dict[str, tuple[int, int]]) -> None:
    """The three axes of a frame as arrows, with their letters; `nudges` move letters by points."""
    ends = transform_points(world_from_frame, np.vstack([np.zeros(3), length * np.eye(3)]))
    origin, *tips = seen(ends)
    for (letter, color), tip in zip(AXES.items(), tips, strict=True):
        style = {"arrowstyle": "-|>", "color": color, "linewidth": 2.4, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", xy=tip, xytext=origin, arrowprops=style, zorder=8)
        away = 9 * unit(tip - origin) * np.array([1, -1]) + nudges.get(letter, (0, 0))
        axes.annotate(
            letter, tip, xytext=away, textcoords="offset points", color=color, fontsize=12, fontweight="bold",
            ha="center", va="center", zorder=9,
        )  # fmt: skip
    axes.plot(*origin, "o", color=INK, markersize=4.5, zorder=9)
    axes.update_datalim([origin + 1.25 * (tip - origin) for tip in tips])  # annotations do not count by themselves


def draw_transform(
    axes: Axes, source: np.ndarray, target: np.ndarray, text: str, bend: float, away: tuple[int, int]
) -> None:
    """A dashed arrow from the origin of the source frame to that of the target frame; its name lies `away` in points
    from the middle between both."""
    start, end = seen(np.stack([source[:3, 3], target[:3, 3]]))
    style = {
        "arrowstyle": "-|>", "color": TRANSFORM, "linewidth": 1.4, "linestyle": (0, (5, 3)), "shrinkA": 6, "shrinkB": 7,
        "connectionstyle": f"arc3,rad={bend}",
    }  # fmt: skip
    axes.annotate("", xy=end, xytext=start, arrowprops=style, zorder=6)
    axes.annotate(
        text, (start + end) / 2, xytext=away, textcoords="offset points", color=TRANSFORM, fontsize=10.5,
        family="monospace", ha="center", va="center", bbox=HALO, zorder=10,
    )  # fmt: skip


def draw_scene(axes: Axes) -> None:
    """Table, camera, object and hand, each with its frame, and the transforms between them."""
    (left, right), (front, back) = (-0.10, 0.30), (-0.10, 0.15)
    corners = np.array([[left, front, 0], [right, front, 0], [right, back, 0], [left, back, 0]])
    axes.fill(*seen(corners).T, facecolor="#f6f2ea", edgecolor="#b8b0a0", linewidth=1.2, zorder=0)
    for x in np.arange(left, right + 1e-6, 0.05):
        axes.plot(*seen(np.array([[x, front, 0], [x, back, 0]])).T, color="#d9d4cb", linewidth=0.8, zorder=1)
    for y in np.arange(front, back + 1e-6, 0.05):
        axes.plot(*seen(np.array([[left, y, 0], [right, y, 0]])).T, color="#d9d4cb", linewidth=0.8, zorder=1)

    half = np.array(SIDES) / 2
    draw_faces(axes, box_faces(-half, half, world_from_object), OBJECT, 1.0)
    low, high = gripper.boxes(np.array([WIDTH]))
    hand = [face for k in range(3) for face in box_faces(low[0, k], high[0, k], world_from_grasp)]
    draw_faces(axes, hand, HAND, 0.42)

    body = np.array([0.035, 0.012, 0.010])  # the camera's housing, behind its centre; then the cone that it sees
    draw_faces(axes, box_faces(-body - [0, 0, 0.010], body - [0, 0, 0.010], world_from_camera), "#6b6b6b", 1.0)
    border = np.array([[-0.5, -0.5], [319.5, -0.5], [319.5, 239.5], [-0.5, 239.5]])
    rays = transform_points(world_from_camera, camera.deproject(border, np.full(4, 0.11)))
    for ray in rays:
        axes.plot(*seen(np.stack([world_from_camera[:3, 3], ray])).T, color="#888888", linewidth=0.8, zorder=5)
    axes.fill(*seen(rays).T, facecolor=(0.5, 0.6, 0.7, 0.13), edgecolor="#888888", linewidth=0.8, zorder=5)

    draw_transform(axes, world_from_camera, np.eye(4), "world_from_camera", 0.25, (-74, 10))
    draw_transform(axes, world_from_grasp, world_from_camera, "camera_from_grasp", 0.30, (66, 70))
    draw_transform(axes, world_from_object, np.eye(4), "world_from_object", -0.45, (10, -40))
    for frame, length in (
        (np.eye(4), 0.06),
        (world_from_camera, 0.06),
        (world_from_object, 0.042),
        (world_from_grasp, 0.06),
    ):
        draw_frame(axes, frame, length, {})
    draw_name(axes, np.eye(4), "world", "z up; the table is z = 0", (-14, -4), "right")
    draw_name(axes, world_from_camera, "camera (OpenCV)", "x right, y down, z forward", (54, 14), "left")
    draw_name(axes, world_from_object, "object", "origin at its\ncentre of mass", (-30, 66), "right")
    draw_name(
        axes,
        world_from_grasp,
        "grasp",
        "z = approach\ny = closing axis, x = y × z\norigin between the pads",
        (44, 88),
        "left",
    )
    axes.set_title("1  Four frames, and the transforms between them", loc="left", fontsize=12, fontweight="bold")
    axes.set_aspect("equal")
    axes.autoscale_view()
    axes.invert_yaxis()
    axes.set_axis_off()


def draw_name(
    axes: Axes, world_from_frame: np.ndarray, name: str, meaning: str, away: tuple[int, int], align: str
) -> None:
    """The name of a frame beside its origin, `away` in points, and what its axes mean."""
    (origin,) = seen(world_from_frame[:3, 3])
    said = {"textcoords": "offset points", "ha": align, "bbox": HALO, "zorder": 10}
    axes.annotate(name, origin, xytext=away, va="bottom", fontsize=11, fontweight="bold", color=INK, **said)
    axes.annotate(meaning, origin, xytext=(away[0], away[1] - 2), va="top", fontsize=9.5, color=INK, **said)


def draw_measure(axes: Axes, start: tuple, end: tuple, text: str, at: tuple, align: str = "center") -> None:
    """A dimension line between two points (mm), with its name."""
    style = {"arrowstyle": "<->", "color": INK, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=end, xytext=start, arrowprops=style, zorder=6)
    axes.text(*at, text, fontsize=9, family="monospace", ha=align, va="center", bbox=HALO, zorder=7)


def draw_hand(axes: Axes) -> None:
    """The hand from the side: its y to the right and its z down, in millimetres of the grasp frame."""
    from matplotlib.patches import Rectangle

    low, high = (1000 * corners[0] for corners in gripper.boxes(np.array([WIDTH])))
    for k in range(3):
        size = high[k] - low[k]
        axes.add_patch(Rectangle(low[k, 1:], *size[1:], facecolor=HAND, edgecolor=INK, linewidth=0.9, zorder=2))
    axes.text(0, low[2, 2] + 14, "palm", ha="center", va="center", fontsize=10)
    depth = 1000 * (SIDES[2] - 0.014)
    across, top = 1000 * SIDES[1], depth - 1000 * SIDES[2]
    axes.add_patch(Rectangle((-across / 2, top), across, 1000 * SIDES[2], facecolor=OBJECT, edgecolor=INK, zorder=1))
    axes.text(0, depth - 5, "object", ha="center", va="center", fontsize=10)
    axes.plot([-75, 75], [depth, depth], color="#b8b0a0", linewidth=2)
    axes.text(74, depth + 2, "table", ha="right", va="top", fontsize=9, color="#7d7466")

    half, tip, face = 1000 * WIDTH / 2, 1000 * gripper.pad_to_tip, 1000 * gripper.palm_face
    for side in (-half, half):  # the pads: what touches, from tip to tip about z = 0
        axes.plot([side, side], [-tip, tip], color="#d1495b", linewidth=3.5, solid_capstyle="butt", zorder=3)
    axes.plot([-across / 2, across / 2], [0, 0], "o", color="#d1495b", markersize=5, zorder=6)
    said = {"fontsize": 9, "color": "#b02a3d", "va": "center", "zorder": 7}
    axes.annotate(
        "pad", (-half, -tip + 2), xytext=(-half - 26, -tip - 9), ha="right",
        arrowprops={"arrowstyle": "-", "color": "#b02a3d", "linewidth": 0.8}, **said,
    )  # fmt: skip
    draw_measure(axes, (-half, face + 9), (half, face + 9), "width", (0, face + 4.5))
    draw_measure(axes, (-across / 2, 18), (across / 2, 18), "contact_distance", (0, 22.5))
    outer = half + 1000 * gripper.finger_thickness
    draw_measure(axes, (outer + 8, 0), (outer + 8, tip), "pad_to_tip", (outer + 11, tip / 2), "left")
    draw_measure(axes, (-outer - 8, face), (-outer - 8, tip), "finger_length", (-outer - 11, -12), "right")
    for z in (face, tip):
        axes.plot([-outer - 11, -outer], [z, z], color="#999999", linewidth=0.7, zorder=1)
    for z in (0, tip):
        axes.plot([outer, outer + 11], [z, z], color="#999999", linewidth=0.7, zorder=1)
    style = {"arrowstyle": "-|>", "linewidth": 2.2, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=(13, 0), xytext=(0, 0), arrowprops=style | {"color": AXES["y"]}, zorder=5)
    axes.annotate("", xy=(0, 13), xytext=(0, 0), arrowprops=style | {"color": AXES["z"]}, zorder=5)
    axes.text(10.5, -3.5, "y", color=AXES["y"], fontsize=11, fontweight="bold", ha="center", va="center", zorder=7)
    axes.text(-4, 10, "z", color=AXES["z"], fontsize=11, fontweight="bold", ha="center", va="center", zorder=7)
    axes.plot(0, 0, "o", color=INK, markersize=4.5, zorder=8)
    axes.annotate("", xy=(58, face - 4), xytext=(58, face - 40), arrowprops=style | {"color": AXES["z"]}, zorder=5)
    axes.text(61, face - 24, "approach", color=AXES["z"], fontsize=10, ha="left", va="center")
    axes.set_title("2  A hand at its grasp, seen along x", loc="left", fontsize=12, fontweight="bold")
    axes.set_xlim(-82, 92)
    axes.set_ylim(46, -98)
    axes.set_aspect("equal")
    axes.set_axis_off()


def draw_image(axes: Axes) -> None:
    """What the camera sees, and the grasp in it."""
    from matplotlib.patches import Arc

    solid = solid_from_mesh(trimesh.creation.box(SIDES), "box")
    with RaycastRenderer() as renderer:
        depth = renderer.render(Scene((solid,), world_from_object[None]), camera, world_from_camera).depth
    draw_depth(axes, depth, limits=(0.30, 0.62))
    grasp = Grasps.of_jaws(camera_from_grasp[None], np.array([WIDTH]))
    image = image_from_grasps(grasp, camera)
    (u, v), angle = image.center[0], float(image.angle[0])
    ends = transform_points(camera_from_grasp, np.array([[0, -WIDTH / 2, 0], [0, WIDTH / 2, 0]]))
    first, second = camera.project(ends)
    direction = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-direction[1], direction[0]])
    for end in (first, second):
        axes.plot(*np.stack([end - 11 * across, end + 11 * across]).T, color="#d1495b", linewidth=4, zorder=5)
    axes.plot(*np.stack([first, second]).T, color="#d1495b", linewidth=1.5, zorder=5)
    axes.plot(u, v, "o", color="white", markeredgecolor=INK, markersize=6, zorder=6)
    for along in (np.array([1.0, 0.0]), direction):  # +u, and the closing axis, on to the arc between them
        line = image.center[0] + np.outer([0, 66], along)
        axes.plot(*line.T, color="white", linewidth=1.2, linestyle=(0, (4, 3)), zorder=4)
    low, high = sorted((0.0, np.rad2deg(angle)))
    axes.add_patch(Arc((u, v), 110, 110, theta1=low, theta2=high, color="white", linewidth=1.6, zorder=6))
    middle = np.deg2rad((low + high) / 2)
    axes.text(
        u + 61 * np.cos(middle), v + 61 * np.sin(middle), "angle", color="white", fontsize=10, ha="left", va="center"
    )
    axes.annotate(
        "center (u, v)\ndepth = z of the grasp's origin", (u, v), xytext=(12, 205), color=INK, fontsize=9.5,
        arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.8, "shrinkB": 5}, va="center", zorder=7,
    )  # fmt: skip
    style = {"arrowstyle": "-|>", "linewidth": 2.2, "color": "black", "shrinkA": 0, "shrinkB": 0}
    for tip, letter in (((70, 0), "u"), ((0, 60), "v")):
        axes.annotate("", xy=tip, xytext=(0, 0), arrowprops=style, zorder=6, annotation_clip=False)
        at = (np.array(tip) + 10 * unit(np.array(tip, dtype=float))) + (0, 8) * np.array(letter == "u")
        axes.text(*at, letter, fontsize=12, fontweight="bold", ha="center", va="center", bbox=HALO, zorder=7)
    axes.plot(0, 0, "o", color="black", markersize=5, clip_on=False, zorder=8)
    axes.text(12, 15, "(0, 0): the centre of\nthe first pixel", fontsize=9, va="top", bbox=HALO, zorder=7)
    axes.set_title("3  The same grasp in the depth image", loc="left", fontsize=12, fontweight="bold")


def main() -> None:
    """Draw the three pictures and write frames.png."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.4, 7.6), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=[1.55, 1], height_ratios=[1.05, 1])
    draw_scene(figure.add_subplot(grid[:, 0]))
    draw_hand(figure.add_subplot(grid[0, 1]))
    draw_image(figure.add_subplot(grid[1, 1]))
    save_png(figure, Path(__file__).with_suffix(".png"), dpi=110)


main()
