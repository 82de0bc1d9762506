"""Film strips and films of a pick: object, hand's boxes and table, shaded by ray casting (no display, no GPU)."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float64, UInt8

from data_gen.meshes import Solid
from data_gen.physics.picking import ClutterWorld, PickFrame
from data_gen.stable_poses import stable_poses
from graspnet.camera import Camera
from graspnet.transforms import rigid, rotate_directions, unit

__all__ = [
    "FINGER_COLOURS",
    "OBJECT_COLOURS",
    "PALM_COLOUR",
    "TABLE_COLOURS",
    "WALL_COLOUR",
    "draw_frame",
    "film",
    "film_strip",
    "last_picture",
    "looking",
    "object_picture",
    "shaded",
    "square_camera",
]

Colour = tuple[int, int, int]
OBJECT_COLOURS: tuple[Colour, ...] = ((214, 128, 40), (170, 60, 60), (200, 180, 60), (140, 90, 160), (110, 140, 60))
PALM_COLOUR, WALL_COLOUR = (90, 95, 105), (150, 165, 180)
FINGER_COLOURS = ((40, 110, 180), (45, 150, 140))  # left (-y), right (+y): one sees when the hand is turned round
TABLE_COLOURS = ((225, 225, 222), (205, 205, 202))  # squares of 5 cm
SKY_COLOUR = (245, 247, 250)
LIGHT = np.array([0.4, -0.5, 0.8])
EYE, EYE_ABOVE_OTHERS = np.deg2rad(25), np.deg2rad(55)  # elevations: one looks steeply over neighbours and walls


def film_strip(
    frames: Sequence[PickFrame], world: ClutterWorld, count: int = 6, size: int = 200
) -> UInt8[np.ndarray, "H W 3"]:
    """`count` pictures of a pick, evenly spread over its frames, side by side; the eye moves along with the hand."""
    if not frames:
        return np.zeros((size, 0, 3), dtype=np.uint8)
    telling = [frame for frame in frames[:-1] if frame.phase != "shake"] + [frames[-1]]  # shaking looks like standing
    chosen = [telling[i] for i in np.linspace(0, len(telling) - 1, min(count, len(telling))).round().astype(int)]
    return np.concatenate([_framed(last_picture([frame], world, size)) for frame in chosen], axis=1)


def last_picture(frames: Sequence[PickFrame], world: ClutterWorld, size: int = 200) -> UInt8[np.ndarray, "S S 3"]:
    """How the pick ended, seen close to the hand."""
    last = frames[-1]
    focus = last.world_from_grasp[:3, 3] - [0.0, 0.0, 0.02]
    eye = _eye(world, focus, last, 0.1 + 3.0 * world.gripper.max_width)
    return draw_frame(last, world, square_camera(1.1, size), eye)


def film(frames: Sequence[PickFrame], world: ClutterWorld, size: int = 240) -> list[UInt8[np.ndarray, "S S 3"]]:
    """A picture of each frame from an eye at rest, which sees all of the hand's way."""
    way = np.stack([frame.world_from_grasp[:3, 3] for frame in frames])
    low, high = way.min(axis=0), way.max(axis=0)
    middle = (low + high) / 2 + [0.0, 0.0, 0.03]  # the hand rises above its fingertips
    distance = 0.1 + 3.0 * world.gripper.max_width + float(np.linalg.norm(high - low))
    eye = _eye(world, middle, frames[0], distance)
    return [draw_frame(frame, world, square_camera(1.4, size), eye) for frame in frames]


def draw_frame(
    frame: PickFrame,
    world: ClutterWorld,
    camera: Camera,
    world_from_camera: Float64[np.ndarray, "4 4"],
) -> UInt8[np.ndarray, "H W 3"]:
    """One picture, seen by that camera."""
    return shaded(_meshes(frame, world), camera, world_from_camera)


def object_picture(solid: Solid, size: int = 160) -> UInt8[np.ndarray, "S S 3"]:
    """The object alone on the table, in its most likely pose, as large as the picture."""
    posed = solid.mesh.copy().apply_transform(stable_poses(solid).world_from_object[0])
    camera = square_camera(1.6, size)
    eye = looking(np.asarray(posed.bounds.mean(axis=0)), np.array([0.6, 0.8, 0.0]), 3.6 * solid.radius)
    return shaded([(posed, OBJECT_COLOURS[0])], camera, eye)


def shaded(
    meshes: Sequence[tuple[trimesh.Trimesh, Colour]], camera: Camera, world_from_camera: Float64[np.ndarray, "4 4"]
) -> UInt8[np.ndarray, "H W 3"]:
    """What each ray meets first, by its colour and its angle to the light."""
    import open3d

    to_tensor = open3d.core.Tensor.from_numpy
    scene = open3d.t.geometry.RaycastingScene(nthreads=1)
    for mesh, _ in meshes:
        scene.add_triangles(to_tensor(mesh.vertices.astype(np.float32)), to_tensor(mesh.faces.astype(np.uint32)))
    directions = rotate_directions(world_from_camera, camera.rays(camera.pixel_grid()).reshape(-1, 3))
    origins = np.broadcast_to(world_from_camera[:3, 3], directions.shape)
    rays = np.concatenate([origins, directions], axis=1).astype(np.float32)
    hit = scene.cast_rays(to_tensor(rays), nthreads=1)
    geometry, normals = hit["geometry_ids"].numpy(), hit["primitive_normals"].numpy()
    palette = np.array([colour for _, colour in meshes], dtype=np.float64)
    to_table = _to_table(origins, directions)
    found = hit["t_hit"].numpy() < to_table + 1e-4  # m: what stands on the table is not cut off by it
    facing = np.where(np.sum(normals * directions, axis=1) > 0, -1.0, 1.0)
    shade = 0.45 + 0.55 * np.clip(facing * (normals @ unit(LIGHT)), 0, 1)
    image = palette[np.minimum(geometry, len(palette) - 1)] * shade[:, None]
    image[~found] = _background(origins[~found], directions[~found], to_table[~found], scene, to_tensor)
    return image.reshape(camera.height, camera.width, 3).astype(np.uint8)


def _meshes(frame: PickFrame, world: ClutterWorld) -> list[tuple[trimesh.Trimesh, Colour]]:
    """The objects, the bin's walls, the left finger, the right finger and the palm, in the world."""
    low, high = world.gripper.boxes(np.array([max(frame.opening, 0.0)]))
    boxes = [trimesh.creation.box(bounds=np.stack([low[0, i], high[0, i]])) for i in range(3)]
    posed = [(solid.mesh, pose) for solid, pose in zip(world.solids, frame.world_from_objects, strict=True)]
    posed += [(world.bin.walls().mesh, world.bin.world_from_walls)] if world.bin else []
    colours = [OBJECT_COLOURS[k % len(OBJECT_COLOURS)] for k in range(len(world.solids))]
    colours += [WALL_COLOUR] if world.bin else []
    posed += [(box, frame.world_from_grasp) for box in boxes]
    meshes = [mesh.copy().apply_transform(pose) for mesh, pose in posed]
    return list(zip(meshes, [*colours, *FINGER_COLOURS, PALM_COLOUR], strict=True))


def _to_table(origins: Float64[np.ndarray, "R 3"], directions: Float64[np.ndarray, "R 3"]) -> Float64[np.ndarray, "R"]:
    """Along each ray to the plane z = 0, in lengths of its direction; infinite for one that does not go down."""
    down = directions[:, 2] < -1e-9
    return np.asarray(np.where(down, -origins[:, 2] / np.where(down, directions[:, 2], -1.0), np.inf))


def _background(
    origins: Float64[np.ndarray, "R 3"],
    directions: Float64[np.ndarray, "R 3"],
    to_table: Float64[np.ndarray, "R"],
    scene: Any,
    to_tensor: Callable,
) -> Float64[np.ndarray, "R 3"]:
    """The chequered table z = 0, darker in the shadow of a lamp straight above, and the sky."""
    reach = np.where(np.isfinite(to_table), to_table, 0.0)
    points = origins + reach[:, None] * directions
    squares = np.array(TABLE_COLOURS, dtype=np.float64)
    chequered = squares[np.floor(points[:, :2] / 0.05).sum(axis=1).astype(int) % 2]
    blur = np.clip(reach / 1.5, 0, 1)[:, None]  # far squares are finer than the pixels
    table = (1 - blur) * chequered + blur * squares.mean(axis=0)
    up = np.concatenate([points, np.tile([0.0, 0.0, 1.0], (len(points), 1))], axis=1).astype(np.float32)
    covered = scene.test_occlusions(to_tensor(up), nthreads=1).numpy()
    lit = table * np.where(covered, 0.75, 1.0)[:, None]
    return np.where(np.isfinite(to_table)[:, None], lit, np.array(SKY_COLOUR, dtype=np.float64))


def _framed(picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """With a white line on the right, between one picture and the next."""
    framed = picture.copy()
    framed[:, -2:] = 255
    return framed


def square_camera(focal: float, size: int) -> Camera:
    """A camera of size x size pixels with a focal length of `focal` sizes."""
    return Camera(focal * size, focal * size, (size - 1) / 2, (size - 1) / 2, size, size)


def _eye(
    world: ClutterWorld, focus: Float64[np.ndarray, "3"], frame: PickFrame, distance: float
) -> Float64[np.ndarray, "4 4"]:
    """Of the two sides from which one sees the jaws close sideways: in a bin, the one with the farther wall behind."""
    elevation = EYE if len(world.solids) == 1 else EYE_ABOVE_OTHERS
    closing = frame.world_from_grasp[:3, 1]
    sides = [looking(focus, sign * closing, distance, elevation) for sign in (1, -1)]
    return min(sides, key=lambda eye: float(np.hypot(*eye[:2, 3]))) if world.bin else sides[0]


def looking(
    focus: Float64[np.ndarray, "3"], closing: Float64[np.ndarray, "3"], distance: float, elevation: float = EYE
) -> Float64[np.ndarray, "4 4"]:
    """world_from_camera of an eye that looks down at that angle and sees the jaws close sideways."""
    aside = unit(np.array([-closing[1] + 1e-9, closing[0], 0.0]))  # any direction does for a vertical closing axis
    forward = unit(aside * np.cos(elevation) - [0.0, 0.0, np.sin(elevation)])
    right = unit(np.cross(forward, [0.0, 0.0, 1.0]))
    return rigid(np.stack([right, np.cross(forward, right), forward], axis=1), focus - distance * forward)
