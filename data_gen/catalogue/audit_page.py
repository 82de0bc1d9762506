"""A page of audited grasps: each from three sides, in millimetres, with everything that its label says.

Sections ask the solids themselves what is inside, and jaws are stopped by rays of their own: the pictures share no code
with the labels but the meshes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, UInt8

from graspnet.camera import Camera
from graspnet.data_gen.catalogue.audit import KINDS, AuditedGrasp
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.objects.raycasting import raycasting_scene
from graspnet.data_gen.physics.film import OBJECT_COLOURS, looking, shaded, square_camera
from graspnet.report.page import Section, details_html, figure_html, paragraph, table_html, write_report
from graspnet.report.words import counted, listed
from graspnet.run.progress import track
from graspnet.transforms import invert, perpendicular_to, transform_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["grasp_figure", "jaw_stops", "write_page"]

EXPLANATION = (
    "On the left is the scene from obliquely above, without the walls of a bin. It shows the hand as it comes, open; "
    "its pads where they stop; the contacts with their friction cones; and the approach in violet. In the middle is a "
    "cut along the approach (down) and the closing axis (right). On the right is a cut across the approach. Cuts show "
    "the object in orange, other things in grey and the table in brown. The hand is dashed where it is open, and "
    "filled where it has closed until a pad touches: blue at -y, green at +y. Below each picture are the robustness "
    "(0 to 1), the distance of the contacts, and the clearances along the way: below zero, something is touched."
)
SIZE = 300  # A picture is so many pixels wide and high.
ELEVATION = np.deg2rad(40)
JAWS, PALM, APPROACH, CONTACT = ("#286eb4", "#2d968c"), "#5a5f69", "#8040a0", "black"
INSIDE = {"table": (205, 190, 165), "other": (185, 192, 200), "object": (240, 190, 130)}
# The edges of a box join these of its corners.
EDGES = ((0, 1), (1, 3), (3, 2), (2, 0), (4, 5), (5, 7), (7, 6), (6, 4), (0, 4), (1, 5), (2, 6), (3, 7))
FAN = 12  # A friction cone is drawn with so many edges.
PAD_RAYS = 15  # A pad is looked at along so many rays on each side.


def write_page(path: Path, name: str, grasps: Sequence[AuditedGrasp], config: GenerateConfig) -> None:
    """The page, in one file; name: of the dataset's folder."""
    blocks: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for grasp in track(grasps, len(grasps), "report", "grasps"):
        blocks[grasp.kind] += _blocks(grasp, config)
    counts = Counter(grasp.kind for grasp in grasps)
    sections = [Section("How to read the pictures", (paragraph(EXPLANATION),))]
    for kind, meaning in KINDS.items():
        title = f"{kind} ({counted(counts[kind], 'grasp')})"
        sections.append(Section(title, (paragraph(meaning + "."), *blocks[kind])))
    write_report(path, f"Audit: {name}", sections, (paragraph(_opening(counts, config)),))


def _opening(counts: Mapping[str, int], config: GenerateConfig) -> str:
    drawn = listed([f"{counts[kind]} of the kind “{kind}”" for kind in KINDS])
    return (
        f"{counted(sum(counts.values()), 'grasp')} of the dataset were drawn at random: {drawn}. Each is drawn with "
        f"the object that it was labelled on, so that a person can judge the label, which is {config.metrics[0]} with "
        f"the threshold {config.threshold:g}. A label is right if the picture shows what the section's first sentence "
        "says."
    )


def grasp_figure(grasp: AuditedGrasp, friction: float) -> "Figure":
    """The grasp obliquely, cut along the approach, and cut across it; friction: of the cones."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 3.6), layout="constrained")
    oblique, along, across = figure.subplots(1, 3)
    cones = _cones(grasp, friction)
    _draw_oblique(oblique, grasp, cones)
    _draw_cut(along, grasp, cones, (1, 2))
    _draw_cut(across, grasp, cones, (1, 0))
    return figure


def jaw_stops(grasp: AuditedGrasp) -> Float64[np.ndarray, "2"]:
    """y of the jaws' faces (at −y, at +y of the grasp frame) where each pad first meets the object; NaN: never."""
    import open3d

    gripper, half = grasp.gripper, float(grasp.grasp_in_world.width[0]) / 2
    scene = raycasting_scene(grasp.scene.solids[grasp.target].mesh)
    cells = (np.arange(PAD_RAYS) + 0.5) / PAD_RAYS - 0.5
    x, z = np.meshgrid(cells * gripper.finger_breadth, cells * 2 * gripper.pad_to_tip)
    stops = []
    for side in (-1.0, 1.0):
        start = np.stack([x.ravel(), np.full(x.size, side * half), z.ravel()], axis=1)
        ends = np.stack([start, start - [0.0, side, 0.0]])
        one, other = transform_points(_object_from_grasp(grasp), ends.reshape(-1, 3)).reshape(2, -1, 3)
        rays = np.concatenate([one, other - one], axis=1).astype(np.float32)
        travel = float(scene.cast_rays(open3d.core.Tensor.from_numpy(rays), nthreads=1)["t_hit"].numpy().min())
        stops.append(side * (half - travel) if travel < 2 * half else np.nan)
    return np.array(stops)


@dataclass(frozen=True)
class _Cone:
    """A friction cone in the world: its tip, and the ends of its edges."""

    tip: Float64[np.ndarray, "3"]
    edges: Float64[np.ndarray, "F 3"]


def _blocks(grasp: AuditedGrasp, config: GenerateConfig) -> tuple[str, str, str]:
    table, row = grasp.table, grasp.row
    name = grasp.scene.solids[grasp.target].name
    opening = _mm(table.columns["width"][row])
    caption = f"{name}: {grasp.place}; {table.source[row]}; hand {table.gripper[row]}, {opening} open"
    metrics = [
        [name, f"{m.mean[row]:.3g}", f"{np.sqrt(m.variance[row]):.2g}", m.samples[row]]
        for name, m in table.metrics.items()
    ]
    header = ["metric", "mean", "standard deviation of one sample", "samples"]
    clearances = ", ".join(
        f"{part} {_mm(values[row])}" for part, values in table.clearance.each.items() if np.isfinite(values[row])
    )
    apart = f"contacts {_mm(grasp.contacts.distance.item())} apart" if grasp.contacts.found.item() else "no contacts"
    robustness = f"robustness {table.robustness(config.metrics[0])[row]:.3g}"
    return (
        figure_html(grasp_figure(grasp, config.assumed.uncertainty.friction_mean), caption),
        paragraph(f"{robustness}; {apart}; clearance: {clearances}"),
        details_html("All metrics of its label", table_html(header, metrics)),
    )


def _mm(length: float) -> str:
    return f"{1000 * length:.1f} mm"


def _cones(grasp: AuditedGrasp, friction: float) -> list[_Cone]:
    """A friction cone for each contact whose normal is known."""
    angle = 2 * np.pi * np.arange(FAN) / FAN
    length = 0.2 * grasp.gripper.max_width
    cones = []
    for point, normal in zip(grasp.contacts.points[0], grasp.contacts.normals[0], strict=True):
        if np.isfinite(point).all() and np.isfinite(normal).all():
            tangent = perpendicular_to(normal)
            around = np.cos(angle)[:, None] * tangent + np.sin(angle)[:, None] * np.cross(normal, tangent)
            cones.append(_Cone(point, point + length * (friction * around - normal)))
    return cones


def _draw_oblique(axes: "Axes", grasp: AuditedGrasp, cones: Sequence[_Cone]) -> None:
    pose, gripper = grasp.grasp_in_world.poses[0], grasp.gripper
    camera = square_camera(1.4, SIZE)
    distance = 3.2 * max(gripper.max_width + 2 * gripper.finger_thickness, gripper.finger_length)
    world_from_camera = looking(pose[:3, 3], pose[:3, 1], distance, ELEVATION)
    axes.imshow(_photograph(grasp, camera, world_from_camera))
    camera_from_world = invert(world_from_camera)

    def line(points_in_world: Float64[np.ndarray, "P 3"], **style: Any) -> None:
        axes.plot(*camera.project(transform_points(camera_from_world, points_in_world)).T, **style)

    low, high = (corners[0] for corners in gripper.boxes(grasp.grasp_in_world.width))
    for box, colour in enumerate((*JAWS, PALM)):
        corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
        corners = transform_points(pose, low[box] + corners * (high[box] - low[box]))
        for one, other in EDGES:
            line(corners[[one, other]], color=colour, lw=0.8, alpha=0.8)
    for stop, colour in zip(jaw_stops(grasp), JAWS, strict=True):
        if np.isfinite(stop):
            corners = np.array([[-0.5, 0, -1], [0.5, 0, -1], [0.5, 0, 1], [-0.5, 0, 1], [-0.5, 0, -1]])
            pad = corners * [gripper.finger_breadth, 0, gripper.pad_to_tip] + [0, stop, 0]
            line(transform_points(pose, pad), color=colour, lw=2)
    line(transform_points(pose, np.array([[0, 0, -0.5 * gripper.finger_length], [0, 0, 0]])), color=APPROACH, lw=1.5)
    for cone in cones:
        for edge in cone.edges:
            line(np.stack([cone.tip, edge]), color=CONTACT, lw=0.4)
    if grasp.contacts.found.item():
        line(grasp.contacts.points[0], color=CONTACT, marker="o", ms=4, lw=1)
    axes.set(xlim=(-0.5, SIZE - 0.5), ylim=(SIZE - 0.5, -0.5), xticks=[], yticks=[])


def _photograph(
    grasp: AuditedGrasp, camera: Camera, world_from_camera: Float64[np.ndarray, "4 4"]
) -> UInt8[np.ndarray, "H W 3"]:
    """The objects on the table, the one that is grasped in another colour."""
    scene = grasp.scene
    meshes = []
    for k, (solid, pose) in enumerate(zip(scene.solids, scene.world_from_object, strict=True)):
        colour = OBJECT_COLOURS[0] if k == grasp.target else INSIDE["other"]
        meshes.append((solid.mesh.copy().apply_transform(pose), colour))
    return shaded(meshes, camera, world_from_camera)


def _draw_cut(axes: "Axes", grasp: AuditedGrasp, cones: Sequence[_Cone], shown: tuple[int, int]) -> None:
    from matplotlib.patches import Rectangle

    gripper, world_from_grasp = grasp.gripper, grasp.grasp_in_world.poses[0]
    right, down = shown
    reach = 1.15 * max(
        gripper.max_width / 2 + gripper.finger_thickness, 1.1 * gripper.finger_length - gripper.pad_to_tip
    )
    cells = (np.arange(SIZE) + 0.5) / SIZE * 2 * reach - reach
    points = np.zeros((SIZE, SIZE, 3))
    points[..., right], points[..., down] = cells[None, :], cells[:, None]
    extent = np.array([-reach, reach, reach, -reach]) * 1000
    axes.imshow(_cut(grasp, points.reshape(-1, 3)).reshape(SIZE, SIZE, 3), extent=tuple(extent))

    low, high = (corners[0] * 1000 for corners in gripper.boxes(grasp.grasp_in_world.width))
    stops = jaw_stops(grasp) * 1000
    for box, colour in enumerate((*JAWS, PALM)):
        if down == 0 and box == 2:
            continue  # the palm is behind this cut
        size = high[box] - low[box]
        corner = low[box].copy()
        outline: dict[str, Any] = {"edgecolor": colour, "lw": 1.2}
        axes.add_patch(Rectangle(tuple(corner[[right, down]]), size[right], size[down], fill=False, ls="--", **outline))
        if box < 2 and np.isfinite(stops[box]):
            corner[1] = stops[box] - (size[1] if box == 0 else 0.0)
            corners, sizes = tuple(corner[[right, down]]), (size[right], size[down])
            axes.add_patch(Rectangle(corners, *sizes, facecolor=colour, alpha=0.35, **outline))
    grasp_from_world = invert(world_from_grasp)
    for cone in cones:
        tip, *edges = transform_points(grasp_from_world, np.concatenate([cone.tip[None], cone.edges])) * 1000
        for edge in edges:
            axes.plot([tip[right], edge[right]], [tip[down], edge[down]], color=CONTACT, lw=0.4)
    if grasp.contacts.found.item():
        contacts = transform_points(grasp_from_world, grasp.contacts.points[0]) * 1000
        axes.plot(contacts[:, right], contacts[:, down], color=CONTACT, marker="o", ms=4, lw=1)
    if down == 2:
        axes.plot([0, 0], [-500 * gripper.finger_length, 0], color=APPROACH, lw=1.5)
    axes.set(xlim=extent[:2], ylim=extent[2:], xlabel="y, closing (mm)", ylabel=f"{'xyz'[down]} (mm)")


def _cut(grasp: AuditedGrasp, points_in_grasp: Float64[np.ndarray, "P 3"]) -> UInt8[np.ndarray, "P 3"]:
    """The colour of what is at each point."""
    import open3d

    points_in_world = transform_points(grasp.grasp_in_world.poses[0], points_in_grasp)
    colours = np.full((len(points_in_grasp), 3), 255, dtype=np.uint8)
    colours[points_in_world[:, 2] < 0] = INSIDE["table"]
    scene = grasp.scene
    things = [(s, p, "other") for s, p in zip(scene.solids, scene.world_from_object, strict=True)]
    solid, pose, _ = things.pop(grasp.target)
    things += [(scene.bin.walls(), scene.bin.world_from_walls, "other")] if scene.bin else []
    for thing, world_from_thing, kind in [*things, (solid, pose, "object")]:
        points = transform_points(invert(world_from_thing), points_in_world).astype(np.float32)
        occupancy = raycasting_scene(thing.mesh).compute_occupancy(open3d.core.Tensor.from_numpy(points), nthreads=1)
        colours[occupancy.numpy() > 0] = INSIDE[kind]
    return colours


def _object_from_grasp(grasp: AuditedGrasp) -> Float64[np.ndarray, "4 4"]:
    return invert(grasp.scene.world_from_object[grasp.target]) @ grasp.grasp_in_world.poses[0]
