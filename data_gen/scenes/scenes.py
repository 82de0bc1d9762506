"""Scenes: solids in poses, by default on a table or in a bin on it, and the distribution of cameras and places that
they are seen in."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Float64

from graspnet.camera import Camera, load_camera
from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.errors import InputError
from graspnet.transforms import is_rigid, rigid, rotation_about

__all__ = [
    "Bin",
    "CameraConfig",
    "PlacementConfig",
    "Scene",
    "SceneConfig",
    "in_view",
    "sample_camera",
    "sample_placement",
]

MAX_SOLIDS = 255  # an instance image is 8 bits deep, and 0 is the table
MAX_DRAWS = 64  # after so many cameras or places, what fits nowhere is put in the middle of the image
MARGIN = 0.02  # border of an image, as a share of its width, that objects in view keep clear
VERTICAL = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Bin:
    """An open box about the world's origin, its sides along x and y: walls that stand on the table, which is its floor.

    Inner sizes along x and y, height and thickness of the walls, all in metres.
    """

    inner_x: float
    inner_y: float
    wall_height: float
    wall_thickness: float = 0.005  # assumed: sheets of plastic or card

    def __post_init__(self) -> None:
        for name in ("inner_x", "inner_y", "wall_height", "wall_thickness"):
            if not 0 < getattr(self, name) < 10:
                raise InputError(f"bin: {name} is {getattr(self, name)}; it must lie in (0, 10) (metres)")

    def walls(self) -> Solid:
        """Make the four walls as one solid, which stands at `world_from_walls`; equal bins share it."""
        return _walls(self)

    @property
    def world_from_walls(self) -> Float64[np.ndarray, "4 4"]:
        """The pose of `walls()`, whose frame is in their middle."""
        return rigid(np.eye(3), np.array([0.0, 0.0, self.wall_height / 2]))


@dataclass(frozen=True)
class Scene:
    """Solids at `world_from_object`; with `table`, the plane z = 0 is there to rest on and to be seen; so is `bin`."""

    solids: tuple[Solid, ...]
    world_from_object: Float64[np.ndarray, "M 4 4"]
    table: bool = True
    bin: Bin | None = None

    def __post_init__(self) -> None:
        if len(self.solids) != len(self.world_from_object):
            raise InputError(f"scene: {len(self.solids)} solids, but {len(self.world_from_object)} poses")
        if len(self.solids) > MAX_SOLIDS:
            raise InputError(f"scene: {len(self.solids)} solids; at most {MAX_SOLIDS} can be told apart")
        if len(self.solids) and not is_rigid(self.world_from_object):
            raise InputError("scene: every pose must be a rigid transform: a 4x4 matrix with a proper rotation")
        if not self.solids and not self.table and self.bin is None:
            raise InputError("scene: neither a solid nor a table; there is nothing to see")


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """Where cameras hang (metres, radians). The defaults are our own distribution (docs/dexnet.md compares).

    A fixed camera has ranges with equal ends: `camera: primesense`, `distance: [0.7, 0.7]`, `polar: [0, 0]`,
    `tilted_share: 0`, `azimuth: [0, 0]`, `roll: [0, 0]`.
    """

    camera: str | None = None  # a preset or a file, and then its size and focal length; None: they are drawn
    width: int = 640
    height: int = 480
    field_of_view: tuple[float, float] = (np.deg2rad(35), np.deg2rad(75))  # horizontal
    focal_length: tuple[float, float] | None = None  # in pixels, instead of by the field of view
    distance: tuple[float, float] = (0.4, 1.1)  # from the camera to the world's origin, at which it looks
    polar: tuple[float, float] = (0.0, np.deg2rad(10))  # angle of the optical axis from the vertical
    tilted_share: float = 0.3  # so many cameras draw their polar angle from `tilted_polar` instead
    tilted_polar: tuple[float, float] = (np.deg2rad(10), np.deg2rad(30))
    azimuth: tuple[float, float] = (0.0, 2 * np.pi)  # on which side of the origin the camera hangs
    roll: tuple[float, float] = (0.0, 2 * np.pi)  # turn about the optical axis
    margin: float = MARGIN  # border, as a share of the image's width, that objects in view keep clear

    def __post_init__(self) -> None:
        limits = {
            "field_of_view": (1e-3, 3.0),
            "distance": (1e-3, 10.0),
            "polar": (0.0, 1.5),
            "tilted_polar": (0.0, 1.5),
            "azimuth": (-7.0, 7.0),
            "roll": (-7.0, 7.0),
        }
        for name, (lowest, highest) in limits.items():
            _check_range(name, getattr(self, name), lowest, highest)
        if self.focal_length is not None and not 1 <= self.focal_length[0] <= self.focal_length[1] < np.inf:
            raise InputError(f"focal_length is {list(self.focal_length)}; expected low and high of at least 1 (pixels)")
        for name, highest in (("tilted_share", 1.0), ("margin", 0.4)):
            _check_at_most(name, getattr(self, name), highest)
        if self.width <= 0 or self.height <= 0:
            raise InputError(f"an image of {self.width}x{self.height} pixels; both must be positive")


@dataclass(frozen=True, kw_only=True)
class PlacementConfig:
    """Where an object lies in a camera's view (metres, radians)."""

    placement: float | None = None  # objects lie at x, y in ± this; None: anywhere in view
    oblique: float = np.deg2rad(50)  # largest angle between an object's line of sight and the vertical; assumed
    yaw: tuple[float, float] = (0.0, 2 * np.pi)  # an object's turn about the vertical

    def __post_init__(self) -> None:
        _check_range("yaw", self.yaw, -7.0, 7.0)
        _check_at_most("oblique", self.oblique, 1.5)
        if self.placement is not None and not 0 <= self.placement <= 10:
            raise InputError(f"placement is {self.placement}; it must lie in [0, 10] (metres)")


@dataclass(frozen=True, kw_only=True)
class SceneConfig(PlacementConfig, CameraConfig):
    """Where cameras hang and an object lies."""

    def __post_init__(self) -> None:
        CameraConfig.__post_init__(self)
        PlacementConfig.__post_init__(self)


def _check_range(name: str, ends: tuple[float, float], lowest: float, highest: float) -> None:
    low, high = ends
    if not lowest <= low <= high <= highest:
        raise InputError(f"{name} is [{low}, {high}]; expected low and high within [{lowest}, {highest}] (SI)")


def _check_at_most(name: str, value: float, highest: float) -> None:
    if not 0 <= value <= highest:
        raise InputError(f"{name} is {value}; it must lie in [0, {highest}]")


def sample_camera(
    config: CameraConfig, rng: np.random.Generator, *, radius: float = 0.0
) -> tuple[Camera, Float64[np.ndarray, "4 4"]]:
    """Draw a camera that looks at the world's origin, and its world_from_camera.

    Cameras so close that a ball of `radius` at the origin would leave the image are drawn again, at most 64 times.
    """
    given = None if config.camera is None else load_camera(config.camera)
    for _ in range(MAX_DRAWS):
        camera, rotation = given or _intrinsics(config, rng), _orientation(config, rng)
        distance = rng.uniform(*config.distance)
        if in_view(camera, np.array([[0.0, 0.0, distance]]), radius, config.margin).all():
            break
    return camera, rigid(rotation, -distance * rotation[:, 2])


def sample_placement(
    world_from_object: Float[np.ndarray, "4 4"],
    camera: Camera,
    world_from_camera: Float[np.ndarray, "4 4"],
    config: PlacementConfig,
    rng: np.random.Generator,
    *,
    radius: float = 0.0,
    margin: float = MARGIN,
) -> Float64[np.ndarray, "4 4"]:
    """Turn a stable pose about the vertical and move it along the table: its height and its resting face are kept.

    Anywhere in view means: the centre of mass is seen at a pixel drawn uniformly from those where a ball of `radius`
    about it (the solid's, to have all of it in view) lies in the image. Where there is none: in the middle.
    """
    rotation = rotation_about(VERTICAL, np.array(rng.uniform(*config.yaw))) @ world_from_object[:3, :3]
    height = float(world_from_object[2, 3])
    if config.placement is None:
        x, y = _place_in_view(height, camera, world_from_camera, config.oblique, radius, margin, rng)
    else:
        x, y = rng.uniform(-config.placement, config.placement, size=2)
    return rigid(rotation, np.array([x, y, height]))


def in_view(
    camera: Camera, centers_in_camera: Float[np.ndarray, "N 3"], radius: float, margin: float = 0.0
) -> Bool[np.ndarray, "N"]:
    """Say whether balls lie wholly in the image, `margin` (a share of its width) away from its border.

    Seen along y, the ball is a disc whose tangents leave the camera at atan(x / z) ± asin(r / |(x, z)|); so along x.
    """
    border = margin * camera.width
    inside = np.ones(len(centers_in_camera), dtype=bool)
    for axis, focal, principal, size in (
        (0, camera.fx, camera.cx, camera.width),
        (1, camera.fy, camera.cy, camera.height),
    ):
        across, z = centers_in_camera[:, axis], centers_in_camera[:, 2]
        direction = np.arctan2(across, z)
        half = np.arcsin(np.minimum(radius / np.hypot(across, z), 1.0))
        ahead = np.abs(direction) + half < np.pi / 2
        low = principal + focal * np.tan(np.where(ahead, direction - half, 0.0))
        high = principal + focal * np.tan(np.where(ahead, direction + half, 0.0))
        inside &= ahead & (low >= border - 0.5) & (high <= size - 0.5 - border)
    return inside


@lru_cache(maxsize=16)
def _walls(of: Bin) -> Solid:
    """Make a ring of four boxes, also as its convex pieces; the two along x reach over the corners."""
    inner = np.array([of.inner_x, of.inner_y]) / 2
    outer, top = inner + of.wall_thickness, of.wall_height / 2
    corners = [
        ([-outer[0], inner[1]], outer),
        (-outer, [outer[0], -inner[1]]),
        ([inner[0], -inner[1]], [outer[0], inner[1]]),
        ([-outer[0], -inner[1]], [-inner[0], inner[1]]),
    ]
    boxes = tuple(trimesh.creation.box(bounds=[[*low, -top], [*high, top]]) for low, high in corners)
    return solid_from_mesh(trimesh.boolean.union(boxes, engine="manifold"), "bin", boxes)


def _intrinsics(config: CameraConfig, rng: np.random.Generator) -> Camera:
    if config.focal_length is None:
        focal = float(config.width / 2 / np.tan(rng.uniform(*config.field_of_view) / 2))
    else:
        focal = float(rng.uniform(*config.focal_length))
    return Camera(focal, focal, (config.width - 1) / 2, (config.height - 1) / 2, config.width, config.height)


def _orientation(config: CameraConfig, rng: np.random.Generator) -> Float64[np.ndarray, "3 3"]:
    """Draw world_from_camera's rotation. With azimuth −π/2 and no roll, +x is right in the image and +y up."""
    tilted = rng.random() < config.tilted_share
    polar = rng.uniform(*(config.tilted_polar if tilted else config.polar))
    azimuth, roll = rng.uniform(*config.azimuth), rng.uniform(*config.roll)
    back = np.array([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)])
    level = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    upright = np.stack([level, np.cross(-back, level), -back], axis=1)
    return np.asarray(upright @ rotation_about(VERTICAL, np.array(roll)))


def _place_in_view(
    height: float,
    camera: Camera,
    world_from_camera: Float[np.ndarray, "4 4"],
    oblique: float,
    radius: float,
    margin: float,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Draw x and y of the centre of mass at its height above the table."""
    uv = rng.uniform(-0.5, [camera.width - 0.5, camera.height - 0.5], size=(MAX_DRAWS, 2))
    middle = np.array([[(camera.width - 1) / 2, (camera.height - 1) / 2]])
    rays = camera.rays(np.concatenate([uv, middle]))
    rays_in_world = rays @ world_from_camera[:3, :3].T
    depth = (height - world_from_camera[2, 3]) / rays_in_world[:, 2]
    if not (depth[-1] > 0 and rays_in_world[-1, 2] < 0):
        raise InputError("the camera does not look down at the table from above; no object can be put in its view")
    steep = -rays_in_world[:, 2] >= np.cos(oblique) * np.linalg.norm(rays_in_world, axis=1)
    seen = steep & in_view(camera, rays * np.where(steep, depth, 1.0)[:, None], radius, margin)
    chosen = int(np.argmax(seen[:-1])) if seen[:-1].any() else -1
    x, y = world_from_camera[:2, 3] + depth[chosen] * rays_in_world[chosen, :2]
    return float(x), float(y)
