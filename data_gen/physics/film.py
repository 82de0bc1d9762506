"""Film strips and films of a pick: object, hand's boxes and table, shaded by ray casting (no display, no GPU)."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float64, UInt8

from graspnet.camera import Camera
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.raycasting import raycasting_scene
from graspnet.data_gen.objects.stable_poses import stable_poses
from graspnet.data_gen.physics.hand import hand_meshes
from graspnet.data_gen.physics.outcome import PickFrame
from graspnet.data_gen.physics.pick import HandWorld
from graspnet.data_gen.scenes.scenes import Bin
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
LIGHT_IN_CAMERA = np.array([-0.5, -0.5, -0.8])  # from behind the eye: what it sees is never black
EYE_ELEVATION = np.deg2rad(25)  # elevation from which a hand from above hides little of its own fingers
ELEVATIONS = (EYE_ELEVATION, np.deg2rad(35), np.deg2rad(45))  # the steeper ones look over neighbours
STUMP_HEIGHT = 0.01  # m; a bin's walls are cut so low between the eye and what they would hide
PROBE_SIZE = 40  # pixels along a side; views are chosen by such small pictures


def film_strip(
    frames: Sequence[PickFrame], world: HandWorld, count: int = 6, size: int = 200
) -> UInt8[np.ndarray, "H W 3"]:
    """Draw `count` moments of a pick, evenly spread, side by side; the eye moves along with the hand."""
    if not frames:
        return np.zeros((size, 0, 3), dtype=np.uint8)
    side, elevation = _clearest_view(frames, world)
    telling = [frame for frame in frames[:-1] if frame.phase != "shake"] + [frames[-1]]  # shaking looks like standing
    chosen = [telling[i] for i in np.linspace(0, len(telling) - 1, min(count, len(telling))).round().astype(int)]
    return np.concatenate([_framed(_close_up(frame, world, side, elevation, size)) for frame in chosen], axis=1)


def last_picture(frames: Sequence[PickFrame], world: HandWorld, size: int = 200) -> UInt8[np.ndarray, "S S 3"]:
    """Draw how the pick ended, seen close to the hand."""
    return _close_up(frames[-1], world, *_clearest_view(frames, world), size)


def film(frames: Sequence[PickFrame], world: HandWorld, size: int = 240) -> list[UInt8[np.ndarray, "S S 3"]]:
    """Draw each frame as seen by an eye at rest, which sees all of the hand's way."""
    way = np.stack([frame.world_from_grasp[:3, 3] for frame in frames])
    low, high = way.min(axis=0), way.max(axis=0)
    middle = (low + high) / 2 + [0.0, 0.0, 0.03]  # the hand rises above its fingertips
    distance = 0.1 + 3.0 * world.gripper.max_width + float(np.linalg.norm(high - low))
    side, elevation = _clearest_view(frames, world)
    eye = looking(middle, side * frames[0].world_from_grasp[:3, 1], distance, elevation)
    return [draw_frame(frame, world, square_camera(1.4, size), eye) for frame in frames]


def draw_frame(
    frame: PickFrame,
    world: HandWorld,
    camera: Camera,
    world_from_camera: Float64[np.ndarray, "4 4"],
) -> UInt8[np.ndarray, "H W 3"]:
    """Draw what that camera sees; a bin's walls that stand before it are cut to a stump."""
    return shaded(_meshes(frame, world, world_from_camera[:3, 3]), camera, world_from_camera)


def object_picture(solid: Solid, size: int = 160) -> UInt8[np.ndarray, "S S 3"]:
    """Draw the object alone on the table, in its most likely pose, as large as the picture."""
    posed = solid.mesh.copy().apply_transform(stable_poses(solid).world_from_object[0])
    camera = square_camera(1.6, size)
    eye = looking(np.asarray(posed.bounds.mean(axis=0)), np.array([0.6, 0.8, 0.0]), 3.6 * solid.radius)
    return shaded([(posed, OBJECT_COLOURS[0])], camera, eye)


def shaded(
    meshes: Sequence[tuple[trimesh.Trimesh, Colour]], camera: Camera, world_from_camera: Float64[np.ndarray, "4 4"]
) -> UInt8[np.ndarray, "H W 3"]:
    """Colour each pixel by what its ray meets first, and by the angle of that surface to the light."""
    import open3d

    to_tensor = open3d.core.Tensor.from_numpy
    scene = raycasting_scene(*(mesh for mesh, _ in meshes))
    origins, directions = _rays(camera, world_from_camera)
    rays = np.concatenate([origins, directions], axis=1).astype(np.float32)
    hit = scene.cast_rays(to_tensor(rays), nthreads=1)
    geometry, normals = hit["geometry_ids"].numpy(), hit["primitive_normals"].numpy()
    palette = np.array([colour for _, colour in meshes], dtype=np.float64)
    to_table = _to_table(origins, directions)
    found = hit["t_hit"].numpy() < to_table + 1e-4  # m: what stands on the table is not cut off by it
    facing = np.where(np.sum(normals * directions, axis=1) > 0, -1.0, 1.0)
    light = world_from_camera[:3, :3] @ unit(LIGHT_IN_CAMERA)
    shade = 0.45 + 0.55 * np.clip(facing * (normals @ light), 0, 1)
    image = palette[np.minimum(geometry, len(palette) - 1)] * shade[:, None]
    image[~found] = _background(origins[~found], directions[~found], to_table[~found], scene, to_tensor)
    return image.reshape(camera.height, camera.width, 3).astype(np.uint8)


def _close_up(
    frame: PickFrame, world: HandWorld, side: float, elevation: float, size: int
) -> UInt8[np.ndarray, "S S 3"]:
    """Draw one moment, seen close to the hand."""
    return draw_frame(frame, world, square_camera(1.1, size), _near_eye(frame, world, side, elevation))


def _near_eye(frame: PickFrame, world: HandWorld, side: float, elevation: float) -> Float64[np.ndarray, "4 4"]:
    focus = frame.world_from_grasp[:3, 3] - [0.0, 0.0, 0.02]
    return looking(focus, side * frame.world_from_grasp[:3, 1], 0.1 + 3.0 * world.gripper.max_width, elevation)


def _clearest_view(frames: Sequence[PickFrame], world: HandWorld) -> tuple[float, float]:
    """Choose from which side of the jaws' plane (±1), and from how high, to look.

    Most is seen from there of the less visible finger when the jaws have closed. Of like views it is the lowest.
    """
    closing = [frame for frame in frames if frame.phase in ("approach", "close")]
    frame = (closing or frames)[-1]
    views = [(side, elevation) for elevation in ELEVATIONS for side in (1.0, -1.0)]
    return max(views, key=lambda view: _fingers_seen(frame, world, _near_eye(frame, world, *view)))


def _fingers_seen(frame: PickFrame, world: HandWorld, eye: Float64[np.ndarray, "4 4"]) -> int:
    """Count the pixels of a small picture that show the finger of which less is seen."""
    import open3d

    meshes = _meshes(frame, world, eye[:3, 3])
    origins, directions = _rays(square_camera(1.1, PROBE_SIZE), eye)
    rays = open3d.core.Tensor.from_numpy(np.concatenate([origins, directions], axis=1).astype(np.float32))
    seen = raycasting_scene(*(mesh for mesh, _ in meshes)).cast_rays(rays, nthreads=1)["geometry_ids"].numpy()
    left = len(meshes) - 3
    return int(min(np.sum(seen == left), np.sum(seen == left + 1)))


def _rays(
    camera: Camera, world_from_camera: Float64[np.ndarray, "4 4"]
) -> tuple[Float64[np.ndarray, "R 3"], Float64[np.ndarray, "R 3"]]:
    """Cast rays through all pixels: origins and directions in the world."""
    directions = rotate_directions(world_from_camera, camera.rays(camera.pixel_grid()).reshape(-1, 3))
    return np.broadcast_to(world_from_camera[:3, 3], directions.shape), directions


def _meshes(
    frame: PickFrame, world: HandWorld, eye_in_world: Float64[np.ndarray, "3"]
) -> list[tuple[trimesh.Trimesh, Colour]]:
    """Pose the objects, the bin's walls, the left finger, the right finger and the palm in the world, in that order."""
    boxes = hand_meshes(world.gripper, max(frame.opening, 0.0))
    posed = [(solid.mesh, pose) for solid, pose in zip(world.solids, frame.world_from_objects, strict=True)]
    walls = _walls_as_seen(world.bin, eye_in_world) if world.bin else []
    posed += [(wall, np.eye(4)) for wall in walls]
    colours = [OBJECT_COLOURS[k % len(OBJECT_COLOURS)] for k in range(len(world.solids))]
    colours += [WALL_COLOUR] * len(walls)
    posed += [(box, frame.world_from_grasp) for box in boxes]
    meshes = [mesh.copy().apply_transform(pose) for mesh, pose in posed]
    return list(zip(meshes, [*colours, *FINGER_COLOURS, PALM_COLOUR], strict=True))


def _walls_as_seen(bin_: Bin, eye_in_world: Float64[np.ndarray, "3"]) -> list[trimesh.Trimesh]:
    """Pose the four walls in the world; those that the eye is behind are no higher than a stump."""
    walls = []
    for part in bin_.walls().parts or ():
        low, high = np.asarray(part.bounds) + bin_.world_from_walls[:3, 3]
        outward = (low + high)[:2] / 2
        if np.dot(eye_in_world[:2] - outward, outward) > 0:
            high[2] = min(high[2], STUMP_HEIGHT)
        walls.append(trimesh.creation.box(bounds=np.stack([low, high])))
    return walls


def _to_table(origins: Float64[np.ndarray, "R 3"], directions: Float64[np.ndarray, "R 3"]) -> Float64[np.ndarray, "R"]:
    """Measure the way along each ray to the plane z = 0, in lengths of its direction; infinite if it goes up."""
    down = directions[:, 2] < -1e-9
    return np.asarray(np.where(down, -origins[:, 2] / np.where(down, directions[:, 2], -1.0), np.inf))


def _background(
    origins: Float64[np.ndarray, "R 3"],
    directions: Float64[np.ndarray, "R 3"],
    to_table: Float64[np.ndarray, "R"],
    scene: Any,
    to_tensor: Callable,
) -> Float64[np.ndarray, "R 3"]:
    """Colour the chequered table z = 0, darker in the shadow of a lamp straight above, and the sky."""
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
    """Draw a white line on the right, between one picture and the next."""
    framed = picture.copy()
    framed[:, -2:] = 255
    return framed


def square_camera(focal: float, size: int) -> Camera:
    """Make a camera of size x size pixels with a focal length of `focal` sizes."""
    return Camera(focal * size, focal * size, (size - 1) / 2, (size - 1) / 2, size, size)


def looking(
    focus: Float64[np.ndarray, "3"],
    closing: Float64[np.ndarray, "3"],
    distance: float,
    elevation: float = EYE_ELEVATION,
) -> Float64[np.ndarray, "4 4"]:
    """Place an eye that looks down at that angle and sees the jaws close sideways: world_from_camera."""
    aside = unit(np.array([-closing[1] + 1e-9, closing[0], 0.0]))  # any direction does for a vertical closing axis
    forward = unit(aside * np.cos(elevation) - [0.0, 0.0, np.sin(elevation)])
    right = unit(np.cross(forward, [0.0, 0.0, 1.0]))
    return rigid(np.stack([right, np.cross(forward, right), forward], axis=1), focus - distance * forward)
