"""Rendering: images a second, encoded and written as a dataset's, against bare ray casting and against pyrender.

The reference is what a competent user of Open3D writes: object and table in one RaycastingScene, all rays of the image
prepared beforehand, `cast_rays` and nothing else. Ours casts only the rays that can meet the object (the table needs
none), but also prepares them, finds the instances, and writes the images to disk as `graspnet generate` does. Noise is
added when an image is read, not when it is made, and has figures of its own: milliseconds for each sensor.
"""

import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from jaxtyping import Float64

from graspnet.benchmarks.measure import BenchmarkResult, interleaved
from graspnet.camera import Camera
from graspnet.config import preset_names
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.procedural import make_solid
from graspnet.data_gen.objects.stable_poses import stable_poses
from graspnet.data_gen.scenes.rendering import RasterRenderer, RaycastRenderer, Renderer, Rendering
from graspnet.data_gen.scenes.scenes import Scene, SceneConfig, sample_camera, sample_placement
from graspnet.dataset import Clearance, DatasetHeader, DatasetWriter, DepthImages, GraspTable, SceneObjects, Shard
from graspnet.grippers.gripper import gripper_fields, load_gripper
from graspnet.sensors import load_sensor
from graspnet.transforms import invert

View = tuple[Camera, Float64[np.ndarray, "4 4"], Float64[np.ndarray, "4 4"]]  # world_from_camera, world_from_object


def run(quick: bool) -> BenchmarkResult:
    """The default distribution's views of one procedural object, one thread."""
    solid = make_solid("bracket", np.random.default_rng(0), "bracket")
    views = _views(solid, 8 if quick else 32)
    repeats = 5 if quick else 9
    with TemporaryDirectory() as folder, RaycastRenderer() as raycast, RasterRenderer() as raster:
        writer = DatasetWriter(Path(folder), _header())
        write = _writer(writer, solid, views, raycast)
        whole, covered = _bare(solid, views, covered_only=False), _bare(solid, views, covered_only=True)
        written, bare = interleaved(write, whole, repeats)
        rendered, needed = interleaved(lambda: _render(solid, views, raycast), covered, repeats)
        _, rastered = interleaved(
            lambda: _render(solid, views, raycast), lambda: _render(solid, views, raster), repeats
        )
        noise = _noise_milliseconds(_render(solid, views, raycast), views)
    count = len(views)
    return BenchmarkResult(
        benchmark="render",
        ratio=bare / written,
        of="640x480 images a second rendered, encoded and written / bare cast_rays of all of their rays",
        figures={
            "written_images_per_second": count / written,
            "rendered_images_per_second": count / rendered,
            "bare_images_per_second": count / bare,
            "pyrender_images_per_second": count / rastered,
            "rendered_over_bare_of_the_rays_that_we_cast": needed / rendered,
            "rendered_over_pyrender": rastered / rendered,
            **noise,
        },
        threads=1,
    )


def _header() -> DatasetHeader:
    grippers = {"yumi": gripper_fields(load_gripper("yumi"))}
    return DatasetHeader(name="render", seed=0, config={}, packages={}, grippers=grippers, splits={}, units=1)


def _views(solid: Solid, count: int) -> list[View]:
    rng = np.random.default_rng(1)
    pose = stable_poses(solid).world_from_object[0]
    views: list[View] = []
    for _ in range(count):
        camera, world_from_camera = sample_camera(SceneConfig(), rng, radius=solid.radius)
        placed = sample_placement(pose, camera, world_from_camera, SceneConfig(), rng, radius=solid.radius)
        views.append((camera, world_from_camera, placed))
    return views


def _render(solid: Solid, views: list[View], renderer: Renderer) -> list[Rendering]:
    return [
        renderer.render(Scene((solid,), world_from_object[None]), camera, world_from_camera)
        for camera, world_from_camera, world_from_object in views
    ]


def _writer(writer: DatasetWriter, solid: Solid, views: list[View], renderer: Renderer) -> Callable[[], None]:
    """Renders all views and writes them as the next shard, with a table of no grasps."""
    cameras, world_from_camera, world_from_object = zip(*views, strict=True)
    units = count()

    def write() -> None:
        renderings = _render(solid, views, renderer)
        images = DepthImages(
            depth=np.stack([r.depth for r in renderings]),
            instance=np.stack([r.instance for r in renderings]),
            cameras=cameras,
            world_from_camera=np.stack(world_from_camera),
            bin=np.full((len(views), 3), np.nan),
        )
        objects = SceneObjects(
            image=np.arange(len(views)),
            instance=np.ones(len(views), dtype=np.int64),
            object=(solid.name,) * len(views),
            scale=np.ones(len(views)),
            stable_pose=np.zeros(len(views), dtype=np.int64),
            world_from_object=np.stack(world_from_object),
        )
        writer.write(next(units), Shard(images, objects, _no_grasps()))

    return write


def _noise_milliseconds(renderings: list[Rendering], views: list[View]) -> dict[str, float]:
    """Mean time of one image, for every sensor (Dex-Net's adds its field to half of them)."""
    figures: dict[str, float] = {}
    for name in preset_names("sensors"):
        sensor, rng, seconds = load_sensor(name), np.random.default_rng(2), []
        for rendering, (camera, _, _) in zip(renderings, views, strict=True):
            start = time.perf_counter()
            sensor(rendering.depth, camera, rng)
            seconds.append(time.perf_counter() - start)
        figures[f"noise_ms_{name}"] = 1e3 * float(np.mean(seconds))
    return figures


def _bare(solid: Solid, views: list[View], covered_only: bool) -> Callable[[], None]:
    """Casts prepared rays in the object's frame: those of whole images, or of the object's bounding box only."""
    import open3d

    scene: Any = open3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(
        np.asarray(solid.mesh.vertices, dtype=np.float32), np.asarray(solid.mesh.faces, dtype=np.uint32)
    )
    if not covered_only:  # every view has the same stable pose, so one square is everybody's table
        object_from_world = invert(views[0][2])
        corners = np.array([[-20, -20, 0], [20, -20, 0], [20, 20, 0], [-20, 20, 0]]) @ object_from_world[:3, :3].T
        table = (corners + object_from_world[:3, :3] @ [0, 0, -views[0][2][2, 3]]).astype(np.float32)
        scene.add_triangles(table, np.array([[0, 1, 2], [0, 2, 3]], dtype=np.uint32))
    rays = [open3d.core.Tensor.from_numpy(_rays(solid, *view, covered_only)) for view in views]

    def cast() -> None:
        for image in rays:
            scene.cast_rays(image, nthreads=1)

    return cast


def _rays(
    solid: Solid,
    camera: Camera,
    world_from_camera: Float64[np.ndarray, "4 4"],
    world_from_object: Float64[np.ndarray, "4 4"],
    covered_only: bool,
) -> np.ndarray:
    object_from_camera = invert(world_from_object) @ world_from_camera
    uv = camera.pixel_grid()
    if covered_only:
        vertices = np.asarray(solid.mesh.vertices)
        camera_from_object = invert(object_from_camera)
        seen = camera.project(vertices @ camera_from_object[:3, :3].T + camera_from_object[:3, 3])
        (left, top), (right, bottom) = (
            np.floor(seen.min(axis=0).clip(0)).astype(int),
            np.ceil(seen.max(axis=0)).astype(int),
        )
        uv = uv[top : bottom + 1, left : right + 1]
    directions = camera.rays(uv) @ object_from_camera[:3, :3].T
    origins = np.broadcast_to(object_from_camera[:3, 3], directions.shape)
    return np.concatenate([origins, directions], axis=-1).astype(np.float32)


def _no_grasps() -> GraspTable:
    none = np.zeros(0)
    return GraspTable(
        image=np.zeros(0, dtype=np.int64),
        instance=np.zeros(0, dtype=np.int64),
        camera_from_grasp=np.zeros((0, 4, 4)),
        columns={"width": none},
        center=np.zeros((0, 2)),
        angle=none,
        depth=none,
        contacts=np.zeros((0, 2, 3)),
        contact_found=np.zeros(0, dtype=bool),
        clearance=Clearance({"fingers": none, "palm": none}, none, none),
        source=(),
        gripper=(),
    )
