"""Clean depth images of scenes: a ray caster (Open3D) and a rasteriser (pyrender), which agree.

Depth is z in the camera, at pixel centres, not the distance along the ray: rays are cast with direction (x, y, 1), so
that the ray's parameter at the hit is z itself. The table is no triangle: 1/z of a plane is linear in the image.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float, Float32, Float64, UInt8

from graspnet.camera import Camera
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.raycasting import raycasting_scene
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.errors import InputError
from graspnet.transforms import invert, is_rigid, transform_points

__all__ = ["FAR", "NEAR", "RENDERERS", "RasterRenderer", "RaycastRenderer", "Renderer", "Rendering"]

NEAR, FAR = 0.05, 10.0  # m: nothing is seen outside of these depths, by either renderer


@dataclass(frozen=True)
class Rendering:
    """depth: z in metres, NaN where nothing is seen. instance: 0 the table, the bin or nothing, k the scene's solid
    k - 1."""

    depth: Float32[np.ndarray, "H W"]
    instance: UInt8[np.ndarray, "H W"]


class Renderer(ABC):
    """Renders scenes; keeps what it built for each solid. A context manager, because some renderers must be closed."""

    def render(self, scene: Scene, camera: Camera, world_from_camera: Float[np.ndarray, "4 4"]) -> Rendering:
        """What the camera sees. InputError: a camera pose that is not rigid, or below the table of the scene."""
        if not is_rigid(world_from_camera):
            raise InputError("world_from_camera must be a rigid transform: a 4x4 matrix with a proper rotation")
        if scene.table and not world_from_camera[2, 3] > 0:
            raise InputError(f"the camera is at z = {world_from_camera[2, 3]:.3g} m; the table is at 0 and opaque")
        return self._render(scene, camera, world_from_camera)

    @abstractmethod
    def close(self) -> None:
        """Frees what the renderer built and holds."""

    def __enter__(self) -> "Renderer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _render(self, scene: Scene, camera: Camera, world_from_camera: Float[np.ndarray, "4 4"]) -> Rendering: ...


class RaycastRenderer(Renderer):
    """Open3D's ray casting (Embree): one hierarchy for each solid, in its own frame; the rays move, not the mesh."""

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads
        self._scenes: WeakKeyDictionary[Solid, Any] = WeakKeyDictionary()

    def close(self) -> None:
        """Forgets the hierarchies."""
        self._scenes.clear()

    def _render(self, scene: Scene, camera: Camera, world_from_camera: Float[np.ndarray, "4 4"]) -> Rendering:
        depth = _table_depth(camera, world_from_camera) if scene.table else _nothing(camera)
        instance = np.zeros(depth.shape, dtype=np.uint8)
        for number, solid, world_from_object in _numbered(scene):
            object_from_camera = invert(world_from_object) @ world_from_camera
            box = _bounding_box(solid, camera, invert(object_from_camera))
            hit = self._cast(solid, camera, object_from_camera, box)
            nearer = hit < np.where(np.isnan(depth[box]), np.float32(FAR), depth[box])
            depth[box][nearer] = hit[nearer]
            instance[box][nearer] = number
        return Rendering(depth, instance)

    def _cast(
        self,
        solid: Solid,
        camera: Camera,
        object_from_camera: Float64[np.ndarray, "4 4"],
        box: tuple[slice, slice],
    ) -> Float32[np.ndarray, "h w"]:
        """z of the first surface at or beyond NEAR through each pixel of the box; inf where there is none."""
        rays = _rays(camera, object_from_camera, box)
        if rays.size == 0:
            return np.zeros(rays.shape[:2], dtype=np.float32)
        if solid not in self._scenes:
            self._scenes[solid] = raycasting_scene(solid.mesh)
        hits = self._scenes[solid].cast_rays(rays, nthreads=self.threads)
        return np.asarray(hits["t_hit"].numpy() + np.float32(NEAR))


class RasterRenderer(Renderer):
    """pyrender on EGL (OpenGL, on a GPU where there is one): an independent check, and faster for heavy meshes."""

    def __init__(self) -> None:
        # pyrender chooses its platform at import; without a display only EGL (or osmesa, if the user says so) works.
        os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
        try:
            import pyrender

            self._offscreen = _without_terminating(pyrender.OffscreenRenderer(640, 480))
        except (ImportError, AttributeError, OSError, ValueError) as error:
            message = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"renderer 'raster' needs EGL (Debian: libegl1 libgl1-mesa-dri): {message}") from None
        self._meshes: WeakKeyDictionary[Solid, Any] = WeakKeyDictionary()

    def close(self) -> None:
        """Frees the OpenGL context."""
        if self._offscreen is not None:
            self._offscreen.delete()
            self._offscreen = None

    def _render(self, scene: Scene, camera: Camera, world_from_camera: Float[np.ndarray, "4 4"]) -> Rendering:
        import pyrender

        picture = pyrender.Scene()
        number_of = {}
        if scene.table:
            number_of[picture.add(_table_mesh(world_from_camera))] = 0
        for number, solid, world_from_object in _numbered(scene):
            if solid not in self._meshes:
                self._meshes[solid] = pyrender.Mesh.from_trimesh(solid.mesh, smooth=False)
            number_of[picture.add(self._meshes[solid], pose=world_from_object)] = number
        # OpenGL's pixel 0 reaches from 0 to 1, so its centre is at ½; ours is at 0. Its cameras look along -z, y up.
        intrinsics = pyrender.IntrinsicsCamera(camera.fx, camera.fy, camera.cx + 0.5, camera.cy + 0.5, NEAR, FAR)
        picture.add(intrinsics, pose=world_from_camera @ np.diag([1.0, -1.0, -1.0, 1.0]))
        self._offscreen.viewport_width, self._offscreen.viewport_height = camera.width, camera.height
        # SEG paints each solid in its number; it is also the only mode without multisampling, whose depth belongs to a
        # corner of the pixel.
        color, depth = self._offscreen.render(picture, pyrender.RenderFlags.SEG, number_of)
        depth = np.where(depth > 0, depth, np.float32(np.nan))
        return Rendering(depth, np.where(np.isnan(depth), np.uint8(0), color[:, :, 0]))


RENDERERS: dict[str, Callable[[], Renderer]] = {"raycast": RaycastRenderer, "raster": RasterRenderer}


def _numbered(scene: Scene) -> Iterator[tuple[int, Solid, Float64[np.ndarray, "4 4"]]]:
    """What stands in the scene: its number in the instance image, the solid and its pose."""
    yield from zip(count(1), scene.solids, scene.world_from_object, strict=False)
    if scene.bin is not None:
        yield 0, scene.bin.walls(), scene.bin.world_from_walls


def _nothing(camera: Camera) -> Float32[np.ndarray, "H W"]:
    return np.full((camera.height, camera.width), np.nan, dtype=np.float32)


def _table_depth(camera: Camera, world_from_camera: Float[np.ndarray, "4 4"]) -> Float32[np.ndarray, "H W"]:
    """z of the plane z_world = 0; NaN towards the horizon.

    With d = the third row of world_from_camera's rotation and h the camera's height, z (d · ray) + h = 0, so that
    1/z = −(d · ray) / h.
    """
    slope_x, slope_y, constant = -world_from_camera[2, :3] / world_from_camera[2, 3]
    across = slope_x * (np.arange(camera.width) - camera.cx) / camera.fx
    down = slope_y * (np.arange(camera.height) - camera.cy) / camera.fy + constant
    inverse = (down[:, None] + across).astype(np.float32)
    inverse[(inverse < 1 / FAR) | (inverse > 1 / NEAR)] = np.nan
    return np.divide(1, inverse, out=inverse)


def _bounding_box(solid: Solid, camera: Camera, camera_from_object: Float64[np.ndarray, "4 4"]) -> tuple[slice, slice]:
    """Rows and columns that can see the solid: those around its projected vertices; all if it reaches behind NEAR."""
    vertices = transform_points(camera_from_object, np.asarray(solid.mesh.vertices))
    if vertices[:, 2].max() < NEAR:
        return slice(0, 0), slice(0, 0)
    if vertices[:, 2].min() < NEAR:
        return slice(0, camera.height), slice(0, camera.width)
    uv = camera.project(vertices)
    size = (camera.width, camera.height)
    low = np.clip(np.floor(uv.min(axis=0)), 0, size).astype(int)
    high = np.clip(np.ceil(uv.max(axis=0)) + 1, 0, size).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _rays(
    camera: Camera, object_from_camera: Float64[np.ndarray, "4 4"], box: tuple[slice, slice]
) -> Float32[np.ndarray, "h w 6"]:
    """Origins (on the plane z = NEAR of the camera) and directions (with z = 1 in the camera), in the object frame."""
    rotation, translation = object_from_camera[:3, :3], object_from_camera[:3, 3]
    x = (np.arange(box[1].start, box[1].stop) - camera.cx) / camera.fx
    y = (np.arange(box[0].start, box[0].stop) - camera.cy) / camera.fy
    rays = np.empty((len(y), len(x), 6), dtype=np.float32)
    directions = (rotation[:, 1] * y[:, None] + rotation[:, 2])[:, None] + rotation[:, 0] * x[:, None]
    rays[..., 3:] = directions
    rays[..., :3] = translation + NEAR * directions
    return rays


def _without_terminating(offscreen: Any) -> Any:
    """The same pyrender.OffscreenRenderer, whose `delete` leaves the process's EGL display to its other users.

    pyrender terminates the display together with the context: a second renderer, ours or MuJoCo's, would then fail.
    """
    platform = offscreen._platform
    if os.environ["PYOPENGL_PLATFORM"] == "egl":
        from OpenGL.EGL import eglDestroyContext

        platform.delete_context = lambda: eglDestroyContext(platform._egl_display, platform._egl_context)
    return offscreen


def _table_mesh(world_from_camera: Float[np.ndarray, "4 4"]) -> Any:
    """A square on z = 0 below the camera, as far as can be seen."""
    import pyrender
    import trimesh

    x, y = world_from_camera[:2, 3]
    reach = 4 * FAR
    corners = [
        [x - reach, y - reach, 0],
        [x + reach, y - reach, 0],
        [x + reach, y + reach, 0],
        [x - reach, y + reach, 0],
    ]
    return pyrender.Mesh.from_trimesh(trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 3]], process=False), smooth=False)
