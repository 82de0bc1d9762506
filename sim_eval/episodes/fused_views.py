"""Six clean views in one: a truncated signed distance volume (Open3D's), looked at from above.

What VGN, GIGA and their successors plan on: depth images without noise, taken all around the objects and fused. Here
the fused surface is ray-cast into one depth image, so that a planner for depth images can be run on the same task.
"""

from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from graspnet.camera import Camera
from graspnet.data_gen.scenes.rendering import Renderer
from graspnet.data_gen.scenes.scenes import CameraConfig, Scene, sample_camera
from graspnet.sim_eval.protocols.tasks import FusionConfig

__all__ = ["fused_depth"]

EYE = Camera(540.0, 540.0, 319.5, 239.5, 640, 480)  # VGN's simulated camera
BELOW = 0.05  # m of the volume that lie below the table: VGN's table stands that high in its cube


def fused_depth(
    scene: Scene,
    side: float,
    camera: Camera,
    world_from_camera: Float64[np.ndarray, "4 4"],
    renderer: Renderer,
    config: FusionConfig,
) -> Float32[np.ndarray, "H W"]:
    """Make a depth image of the cube of that side about the world's origin: metres along z, NaN where nothing is."""
    import open3d

    fusion: Any = open3d.pipelines.integration
    geometry: Any = open3d.geometry
    blank = np.zeros((EYE.height, EYE.width, 3), dtype=np.uint8)  # the volume has no colour
    corner = np.array([-side / 2, -side / 2, -BELOW])
    voxel = side / config.resolution
    volume = fusion.UniformTSDFVolume(
        side, config.resolution, config.truncation * voxel, fusion.TSDFVolumeColorType.NoColor, corner
    )
    intrinsic = open3d.camera.PinholeCameraIntrinsic(EYE.width, EYE.height, EYE.fx, EYE.fy, EYE.cx, EYE.cy)
    for azimuth in np.arange(config.views) * 2 * np.pi / config.views:
        world_from_eye = _eye(float(azimuth), config)
        depth = np.nan_to_num(renderer.render(scene, EYE, world_from_eye).depth)
        image = geometry.RGBDImage.create_from_color_and_depth(
            geometry.Image(blank), geometry.Image(depth), depth_scale=1.0, depth_trunc=2.0
        )
        volume.integrate(image, intrinsic, np.linalg.inv(world_from_eye))
    return _cast(volume.extract_triangle_mesh(), camera, world_from_camera)


def _eye(azimuth: float, config: FusionConfig) -> Float64[np.ndarray, "4 4"]:
    """Hang a camera on the circle, so that it looks at the world's origin: world_from_eye."""
    fixed = CameraConfig(
        distance=(config.radius, config.radius), polar=(config.polar, config.polar), tilted_share=0.0,
        azimuth=(azimuth, azimuth), roll=(0.0, 0.0),
    )  # fmt: skip
    return sample_camera(fixed, np.random.default_rng(0))[1]  # only the focal length, not used here, is drawn


def _cast(mesh: Any, camera: Camera, world_from_camera: Float64[np.ndarray, "4 4"]) -> Float32[np.ndarray, "H W"]:
    """Cast a ray through each pixel: z of the first surface that it meets, NaN where there is none."""
    import open3d

    surface = open3d.t.geometry.RaycastingScene(nthreads=1)
    surface.add_triangles(open3d.t.geometry.TriangleMesh.from_legacy(mesh))
    v, u = np.mgrid[: camera.height, : camera.width].astype(np.float64)
    directions = camera.rays(np.stack([u, v], axis=-1)) @ world_from_camera[:3, :3].T  # z = 1: t is the depth
    origins = np.broadcast_to(world_from_camera[:3, 3], directions.shape)
    rays = np.concatenate([origins, directions], axis=-1).astype(np.float32)
    depth = surface.cast_rays(open3d.core.Tensor.from_numpy(rays), nthreads=1)["t_hit"].numpy()
    return np.where(np.isfinite(depth), depth, np.float32(np.nan))
