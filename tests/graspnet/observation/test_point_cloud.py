"""Facts about point clouds as depth images: what a camera deprojects comes back, and other frames are refused."""

import numpy as np
import open3d
import pytest

from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.observation.point_cloud import depth_of_points, read_cloud_as_depth
from tests.box_scenes import CAMERA, looking_down, render

BOX = ((0.06, 0.03, 0.04), (0.0, 0.0), 0.3)


def cloud(points, path):
    saved = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points))
    assert open3d.io.write_point_cloud(str(path), saved)
    return path


@pytest.mark.parametrize("suffix", [".ply", ".pcd"])
@pytest.mark.parametrize("scale", [None, 0.001])
def test_an_image_comes_back_from_its_points(tmp_path, suffix, scale):
    depth, _ = render([BOX], CAMERA, looking_down(0.7, 0.3))
    depth[100:120, 50:90] = np.nan
    points = CAMERA.deproject_image(depth).reshape(-1, 3) / (scale or 1.0)
    points = points[np.isfinite(points).all(axis=1)]
    points = points[np.random.default_rng(0).permutation(len(points))]
    found = read_cloud_as_depth(cloud(points, tmp_path / f"cloud{suffix}"), CAMERA, scale)
    np.testing.assert_allclose(found, depth, atol=1e-5)


def test_the_nearest_point_of_a_pixel_counts():
    camera = Camera(100.0, 100.0, 1.5, 0.5, 4, 2)
    points = np.array([[0.0, 0.0, 0.9], [0.001, 0.0, 0.5], [0.0, 0.0, 0.7], [np.nan, 0.0, 0.1]])
    depth = depth_of_points(points, camera)
    np.testing.assert_array_equal(depth, [[0, 0, 0.5, 0], [0, 0, 0, 0]])  # of three points in one pixel


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.array([[0.0, 0.0, -0.7]] * 50), "most points have z <= 0"),
        (np.array([[5.0, 0.0, 0.7]] * 50), "0 of 50 points fall into the camera's image"),
        (np.array([[0.0, 0.0, 700.0]] * 50), "Millimetres"),
    ],
)
def test_a_cloud_of_another_frame_or_unit_is_refused(tmp_path, points, message):
    with pytest.raises(InputError, match=rf"cloud.ply: .*{message}"):
        read_cloud_as_depth(cloud(points, tmp_path / "cloud.ply"), CAMERA)


def test_what_is_no_cloud_is_named(tmp_path):
    (tmp_path / "a.pcd").write_text("nonsense")
    with pytest.raises(InputError, match=r"a\.pcd: holds no points"):
        read_cloud_as_depth(tmp_path / "a.pcd", CAMERA)
    with pytest.raises(InputError, match="no such file"):
        read_cloud_as_depth(tmp_path / "b.ply", CAMERA)
