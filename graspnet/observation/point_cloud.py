"""Point clouds as depth images: `.ply` and `.pcd` files of what one camera saw, in the frame of that camera."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.inputs.depth_image import in_metres

__all__ = ["CLOUDS", "depth_of_points", "read_cloud_as_depth"]

CLOUDS = (".ply", ".pcd")
LEAST_SEEN = 0.05  # of the points must fall into the image; otherwise the cloud is in another frame


def read_cloud_as_depth(path: Path, camera: Camera, scale: float | None = None) -> Float32[np.ndarray, "H W"]:
    """The depth image that a camera sees of a cloud in its own frame (x right, y down, z forward); NaN between points.

    scale: metres in one unit of the file; without it they are metres.
    InputError: unreadable; hardly a point falls into the image; another unit than metres.
    """
    if scale is not None and not 0 < scale < np.inf:
        raise InputError(f"depth scale is {scale}; it must be positive (metres per unit of the file)")
    points = _points(path) * (1.0 if scale is None else scale)
    try:
        return in_metres(depth_of_points(points, camera), scale)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def depth_of_points(points_in_camera: Float64[np.ndarray, "P 3"], camera: Camera) -> Float64[np.ndarray, "H W"]:
    """z of the nearest point in each pixel, 0 where there is none. InputError: hardly a point falls into the image."""
    measured = points_in_camera[np.isfinite(points_in_camera).all(axis=1)]
    if len(measured) and np.median(measured[:, 2]) <= 0:
        raise InputError("most points have z <= 0; z points forward here: turn the cloud by diag(1, -1, -1) (OpenGL?)")
    ahead = measured[measured[:, 2] > 0]
    column, row = np.rint(camera.project(ahead)).astype(np.int64).T
    inside = (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    if inside.sum() <= LEAST_SEEN * len(points_in_camera):
        raise InputError(
            f"{inside.sum()} of {len(points_in_camera)} points fall into the camera's image of {camera.size_text}; "
            "expected a cloud in the frame of that camera (x right, y down, z forward)"
        )
    depth = np.zeros((camera.height, camera.width))
    farthest_first = np.argsort(-ahead[inside, 2], kind="stable")  # what is written last stays
    depth[row[inside][farthest_first], column[inside][farthest_first]] = ahead[inside, 2][farthest_first]
    return depth


def _points(path: Path) -> Float64[np.ndarray, "P 3"]:
    if not path.is_file():
        raise InputError(f"{path}: {'is a folder; expected a file' if path.is_dir() else 'no such file'}")
    try:
        import open3d
    except ImportError:
        raise InputError(
            f"{path}: point clouds are read by open3d, which is not installed: pip install open3d"
        ) from None
    with open3d.utility.VerbosityContextManager(open3d.utility.VerbosityLevel.Error):
        points = np.asarray(open3d.io.read_point_cloud(path, remove_nan_points=False).points, dtype=np.float64)
    if not len(points):
        raise InputError(f"{path}: holds no points that can be read; expected a point cloud (.ply or .pcd)")
    return points
