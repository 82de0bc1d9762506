"""A plan to walk around in, in a browser: the points that the camera saw, the map, the plan's hands, and the search.

Made with viser (viser.studio), which is optional: `pip install 'graspnet[view]'`.
"""

from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from graspnet.drawing import quality_colors
from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.observation.height_map import HeightMap
from graspnet.observation.observation import Observation
from graspnet.transforms import transform_points

__all__ = ["serve_plan"]

MOST_POINTS = 200_000  # more make a browser slow
SHOWN = 5  # hands at first; a slider shows others
NO_QUALITY = (255, 150, 30)
# corners of a box by (x, y, z) in {0, 1}, and its triangles, wound outward
CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
TRIANGLES = np.array(
    [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4],
     [1, 5, 7], [1, 7, 3]]
)  # fmt: skip


def serve_plan(plan: GraspPlan, port: int = 8080) -> Any:
    """Start a server that shows the plan at http://localhost:PORT, and return it: viser's, which `.stop()` ends.

    What is shown is in the world where the camera's pose is known, else in a frame whose z points away from the table.
    InputError: viser is not installed.
    """
    try:
        import viser
    except ImportError:
        raise InputError("to view a plan in the browser, install viser: pip install 'graspnet[view]'") from None
    server = viser.ViserServer(host="127.0.0.1", port=port, verbose=False)
    scene, gui = server.scene, server.gui
    scene.set_up_direction("+z")
    frame_from_camera = _upright(plan.observation)
    points, colors = _points(plan.observation, frame_from_camera)
    scene.add_point_cloud("/seen", points, colors, point_size=0.0012)
    hands = _add_hands(scene, plan, frame_from_camera)
    approach = plan.grasps_in_camera.approach[0] if len(plan) else plan.observation.approach
    surface = _add_map(scene, plan.observation, approach, frame_from_camera)
    refused = _add_refused(scene, plan, frame_from_camera)
    gui.add_markdown(f"**{plan.summary}**")
    if hands:
        slider = gui.add_slider("hands shown", 0, len(hands), 1, min(SHOWN, len(hands)))
        _on_change(slider, lambda value: _show(hands, value))
        _show(hands, min(SHOWN, len(hands)))
    if surface is not None:
        _on_change(gui.add_checkbox("height map", False), lambda value: _show([surface], int(value)))
    if refused:
        _on_change(gui.add_checkbox("refused candidates", False), lambda value: _show(refused, len(refused) * value))
    searched = [_add_search(scene, k, *generation, frame_from_camera) for k, generation in enumerate(plan.generations)]
    if searched:
        slider = gui.add_slider("generation of the search", 0, len(searched), 1, 0)
        _on_change(slider, lambda value: _show_one(searched, value - 1))
    return server


def _upright(observation: Observation) -> Float64[np.ndarray, "4 4"]:
    """The frame that is shown, from the camera's."""
    if observation.world_from_camera is not None:
        return observation.world_from_camera
    up = -observation.approach
    x = np.cross([0.0, 1.0, 0.0], up)
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, np.cross(up, x), up])
    middle = np.nanmedian(observation.points.reshape(-1, 3), axis=0)
    pose[:3, 3] = -pose[:3, :3] @ middle
    return pose


def _points(
    observation: Observation, frame_from_camera: Float64[np.ndarray, "4 4"]
) -> tuple[Float64[np.ndarray, "P 3"], UInt8[np.ndarray, "P 3"]]:
    """What was measured: what may be grasped in blue, all else in grey."""
    measured = np.isfinite(observation.depth)
    points, graspable = observation.points[measured], observation.object_mask[measured]
    step = max(1, -(-len(points) // MOST_POINTS))
    colors = np.where(graspable[::step, None], [70, 120, 200], [150, 150, 150]).astype(np.uint8)
    return transform_points(frame_from_camera, points[::step]), colors


def _add_hands(scene: Any, plan: GraspPlan, frame_from_camera: Float64[np.ndarray, "4 4"]) -> list[Any]:
    """A mesh for each grasp of the plan, best first, in the colour of its quality."""
    if not len(plan) or not isinstance(plan.observation.gripper, ParallelJaw):
        return []
    low, high = plan.observation.gripper.boxes(plan.grasps_in_camera.width)
    colors = _colors(plan.qualities)
    hands = []
    for rank, pose in enumerate(plan.grasps_in_camera.transformed(frame_from_camera).poses):
        vertices, triangles = _boxes(low[rank], high[rank])
        hands.append(
            scene.add_mesh_simple(
                f"/hands/{rank + 1}", transform_points(pose, vertices), triangles, color=tuple(colors[rank].tolist()),
                opacity=0.85 if rank == 0 else 0.4, flat_shading=True,
            )
        )  # fmt: skip
    return hands


def _boxes(
    low: Float64[np.ndarray, "B 3"], high: Float64[np.ndarray, "B 3"]
) -> tuple[Float64[np.ndarray, "V 3"], Int64[np.ndarray, "T 3"]]:
    """Vertices and triangles of boxes by their corners."""
    vertices = low[:, None] + CORNERS * (high - low)[:, None]
    triangles = TRIANGLES + len(CORNERS) * np.arange(len(low))[:, None, None]
    return vertices.reshape(-1, 3), triangles.reshape(-1, 3)


def _add_map(
    scene: Any,
    observation: Observation,
    approach: Float64[np.ndarray, "3"],
    frame_from_camera: Float64[np.ndarray, "4 4"],
) -> Any | None:
    """The map across an approach as a surface: measured cells, and the curtains of what was not seen."""
    if not len(observation.object_points):
        return None
    seen = observation.height_map(approach, 0.1 * observation.gripper.span)  # coarse: cells of 5 mm for a hand of 5 cm
    vertices, triangles = _surface(seen)
    return scene.add_mesh_simple(
        "/map", transform_points(frame_from_camera, vertices), triangles, color=(190, 170, 120), wireframe=True,
        side="double", visible=False,
    )  # fmt: skip


def _surface(seen: HeightMap) -> tuple[Float64[np.ndarray, "V 3"], Int64[np.ndarray, "T 3"]]:
    """Two triangles between any four neighbouring cells that have a height; vertices in the camera's frame."""
    rows, columns = seen.height.shape
    known = np.isfinite(seen.height)
    places = seen.cell_places()
    heights = np.where(known, seen.height, 0.0).astype(np.float64)
    vertices = seen.points(np.concatenate([places, heights[..., None]], axis=-1).reshape(-1, 3))
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    whole = known[:-1, :-1] & known[:-1, 1:] & known[1:, :-1] & known[1:, 1:]
    first, second = np.stack([a, c, b], axis=-1)[whole], np.stack([b, c, d], axis=-1)[whole]
    return vertices, np.concatenate([first, second])


def _add_refused(scene: Any, plan: GraspPlan, frame_from_camera: Float64[np.ndarray, "4 4"]) -> list[Any]:
    """Where candidates were refused: points in a colour for each reason."""
    from graspnet.plan_picture import REFUSAL_COLORS

    clouds = []
    for k, (reason, places) in enumerate(plan.refusals.places.items()):
        color = tuple(bytes.fromhex(REFUSAL_COLORS[k % len(REFUSAL_COLORS)][1:]))
        points = transform_points(frame_from_camera, places)
        clouds.append(scene.add_point_cloud(f"/refused/{reason}", points, color, point_size=0.002, visible=False))
    return clouds


def _add_search(
    scene: Any,
    k: int,
    grasps_in_camera: Grasps,
    qualities: Float64[np.ndarray, "N"],
    frame_from_camera: Float64[np.ndarray, "4 4"],
) -> Any:
    """A generation of the search: a line from pad to pad for each grasp that was scored, coloured by its quality."""
    grasps = grasps_in_camera.transformed(frame_from_camera)
    half = grasps.closing * grasps.width[:, None] / 2
    lines = np.stack([grasps.origin - half, grasps.origin + half], axis=1)
    colors = np.repeat(_colors(qualities)[:, None], 2, axis=1)
    return scene.add_line_segments(f"/search/{k + 1}", lines, colors, line_width=1.5, visible=False)


def _colors(qualities: Float64[np.ndarray, "N"]) -> UInt8[np.ndarray, "N 3"]:
    """Red for 0, green for 1; one colour for grasps whose policy predicts no quality."""
    if np.isnan(qualities).any():
        return np.tile(np.array(NO_QUALITY, dtype=np.uint8), (len(qualities), 1))
    return np.round(255 * np.asarray(quality_colors(qualities))[:, :3]).astype(np.uint8)


def _on_change(control: Any, act: Any) -> None:
    control.on_update(lambda _: act(control.value))


def _show(nodes: list[Any], count: int) -> None:
    """Show the first `count` nodes of the scene, and hide the others."""
    for k, node in enumerate(nodes):
        node.visible = k < count


def _show_one(nodes: list[Any], which: int) -> None:
    """Show one node of the scene, or none."""
    for k, node in enumerate(nodes):
        node.visible = k == which
