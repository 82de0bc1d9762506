"""The grasp-aligned crop: a hand-worked cell, a plain loop, and the invariances that it is made for."""

import inspect
import math

import cv2
import numpy as np
import pytest
import torch
from jaxtyping import Float, Float32, Float64

from graspnet.camera import Camera
from graspnet.crops.crops import GraspCrops, MetricCropConfig, PixelCropConfig, grasp_crops
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grasps.image_grasps import ImageGrasps, grasps_from_image, image_from_grasps
from graspnet.grippers.parallel_jaw import ParallelJaw, load_parallel_jaw
from graspnet.transforms import frame_from_axes, rigid, rotation_about, unit
from tests import jaws

CAMERA = Camera(fx=525.0, fy=525.0, cx=319.5, cy=239.5, width=640, height=480)
YUMI = load_parallel_jaw("yumi")


def crops(
    depth: Float[np.ndarray, "H W"],
    camera: Camera,
    poses: Float64[np.ndarray, "N 4 4"],
    config: MetricCropConfig | PixelCropConfig | None = None,
    hand: ParallelJaw = YUMI,
    standoff: float = 0.0,
) -> GraspCrops:
    """Crops of several grasps in one image."""
    count = len(poses)
    return grasp_crops(
        torch.tensor(np.ascontiguousarray(depth), dtype=torch.float32)[None, None],
        torch.tensor([[camera.fx, camera.fy, camera.cx, camera.cy]]),
        torch.tensor(poses),
        torch.zeros(count, dtype=torch.int64),
        torch.tensor(hand.sizes()).expand(count, 8),
        config or MetricCropConfig(),
        torch.full((count,), standoff) if standoff else None,
    )


def pose(
    origin: tuple[float, float, float], closing_angle: float = 0.0, approach: tuple[float, float, float] = (0, 0, 1)
) -> Float64[np.ndarray, "1 4 4"]:
    """One grasp in the camera frame whose closing axis is `closing_angle` from the camera's x towards its y."""
    closing = np.array([[math.cos(closing_angle), math.sin(closing_angle), 0.0]])
    return rigid(frame_from_axes(np.array([approach], dtype=np.float64), closing), np.array([origin], dtype=np.float64))


def random_poses(rng: np.random.Generator, count: int, tilt: float = 0.5) -> Float64[np.ndarray, "N 4 4"]:
    """Grasps near 0.7 m whose approaches lie within `tilt` radians of the optical axis."""
    lean = rng.uniform(0, tilt, count)
    bearing, yaw = rng.uniform(0, 2 * np.pi, (2, count))
    approach = np.stack([np.sin(lean) * np.cos(bearing), np.sin(lean) * np.sin(bearing), np.cos(lean)], axis=1)
    closing = np.stack([np.cos(yaw), np.sin(yaw), np.zeros(count)], axis=1)
    origin = rng.uniform([-0.15, -0.1, 0.6], [0.15, 0.1, 0.8], (count, 3))
    return rigid(frame_from_axes(approach, closing), origin)


def plane_depth(camera: Camera, normal: tuple[float, float, float], offset: float) -> Float64[np.ndarray, "H W"]:
    """Depth of the plane normal · p = offset."""
    return offset / (camera.rays(camera.pixel_grid()) @ unit(np.array(normal, dtype=np.float64)))


def block_world(
    camera: Camera, camera_from_world: Float64[np.ndarray, "4 4"], side: float = 0.04
) -> Float64[np.ndarray, "H W"]:
    """Depth of a cube on the table z = 0 of the world, ray by ray (the slab method); the world's z points up."""
    rotation, translation = camera_from_world[:3, :3], camera_from_world[:3, 3]
    eye = -rotation.T @ translation
    rays = camera.rays(camera.pixel_grid()) @ rotation
    with np.errstate(divide="ignore", invalid="ignore"):
        table = -eye[2] / rays[..., 2]
        low, high = np.array([-side / 2, -side / 2, 0]), np.array([side / 2, side / 2, side])
        near, far = np.sort([(low - eye) / rays, (high - eye) / rays], axis=0)
    enter, leave = near.max(axis=-1), far.min(axis=-1)
    return np.where((enter < leave) & (enter > 0), enter, table)


def looking_down(distance: float, roll: float = 0.0) -> Float64[np.ndarray, "4 4"]:
    """camera_from_world of a camera straight above the world's origin."""
    down = np.diag([1.0, -1.0, -1.0])
    turn = rotation_about(np.array([0.0, 0.0, 1.0]), np.array(roll))
    return rigid(turn @ down, np.array([0.0, 0.0, distance]))


def crop_by_loop(
    depth: Float32[np.ndarray, "H W"], camera: Camera, pose: Float64[np.ndarray, "4 4"], w: float, size: int
) -> Float64[np.ndarray, "2 S S"]:
    """DESIGN §5, one cell after the other, for images that need no halving."""
    x, y, a, r = pose[:3].T
    out = np.zeros((2, size, size))
    pitch = 3 * w / size
    assert r[2] / camera.fx >= pitch / 1.5, "this oracle does not halve"
    for i in range(size):
        for j in range(size):
            q = r + (j - (size - 1) / 2) * pitch * y - (i - (size - 1) / 2) * pitch * x
            u, v = camera.project(q)
            neighbours = []
            for column in (math.floor(u), math.floor(u) + 1):
                for row in (math.floor(v), math.floor(v) + 1):
                    inside = 0 <= column < camera.width and 0 <= row < camera.height
                    weight = (1 - abs(u - column)) * (1 - abs(v - row))
                    if inside and depth[row, column] > 0 and weight > 1e-3:
                        point = camera.deproject(np.array([column, row], dtype=float), np.array(depth[row, column]))
                        neighbours.append((weight, a @ (point - r) / w, 1 / depth[row, column]))
            if not neighbours:
                continue
            weights, heights, inverse = np.array(neighbours).T
            if np.ptp(heights) > 0.1:
                height = heights[np.argmax(weights - 1e-3 * heights.clip(-2, 2))]  # nearest; of a tie, the higher
            else:
                height = (weights * inverse) @ heights / (weights @ inverse)
            out[:, i, j] = np.clip(height, -1, 1), 1
    return out


def test_a_metric_crop_equals_a_plain_loop_over_its_cells():
    rng = np.random.default_rng(0)
    depth = (0.7 + 0.004 * rng.standard_normal((480, 640))).astype(np.float32)
    depth[rng.random(depth.shape) < 0.1] = np.nan
    depth[rng.random(depth.shape) < 0.1] = 0.0
    depth[:, 300:] -= 0.03
    depth[:40, :] = np.nan
    poses = random_poses(rng, 12)
    poses[0, :3, 3] = -0.41, -0.30, 0.70  # over the image's corner
    config = MetricCropConfig(size=20)  # 1.5 mm cells: the pixels, 1.1 to 1.5 mm, are not halved
    hand = ParallelJaw(
        max_width=0.010, finger_length=0.04, finger_thickness=0.01, finger_breadth=0.02, pad_to_tip=0.01,
        palm=(0.04, 0.07, 0.06),
    )  # fmt: skip
    found = crops(depth, CAMERA, poses, config, hand).images.numpy()
    for n in range(len(poses)):
        expected = crop_by_loop(depth, CAMERA, poses[n], 0.010, 20)
        np.testing.assert_array_equal(found[n, 1], expected[1])
        np.testing.assert_allclose(found[n, 0], expected[0], atol=1e-4)


def test_a_cell_worked_by_hand():
    """f = 500 px, 0.5 m away: 1 mm a pixel. w = 0.04, N = 60: 2 mm a cell, so the source is halved once (1 < 2/1.5) and
    a half-size pixel is a cell. The origin at 0.50 m projects to (99.5, 99.5). The closing axis y is the camera's x,
    and x = y × z is minus the camera's y, so rows, along −x, run down the image: cell (i, j) looks at
    u = 99.5 + 2 (j − 29.5), v = 99.5 + 2 (i − 29.5). A step at u = 100 from 0.52 m (+0.5 w) to 0.49 m (−0.25 w).
    """
    camera = Camera(fx=500.0, fy=500.0, cx=99.5, cy=99.5, width=200, height=200)
    depth = np.full((200, 200), 0.52)
    depth[:, 100:] = 0.49
    depth[60:64, 140:144] = np.nan  # cells: j = 29.5 + (141.5 ± 1 − 99.5) / 2 = 50, 51; i = 10, 11
    hand = ParallelJaw(
        max_width=0.04, finger_length=0.04, finger_thickness=0.01, finger_breadth=0.02, pad_to_tip=0.01,
        palm=(0.04, 0.08, 0.06),
    )  # fmt: skip
    found = crops(depth, camera, pose((0.0, 0.0, 0.50)), MetricCropConfig(size=60), hand)
    height, valid = found.images[0].numpy()
    expected = np.where(np.arange(60) < 30, 0.5, -0.25) * np.ones((60, 1))
    hole = np.zeros((60, 60), dtype=bool)
    hole[10:12, 50:52] = True
    np.testing.assert_array_equal(valid, ~hole)
    np.testing.assert_allclose(height, np.where(hole, 0, expected), atol=1e-5)
    ln = math.log
    pose_by_hand = [ln(1 / 4), ln(1 / 2), ln(1), ln(1 / 4), ln(1 / 2), ln(1), ln(3 / 4), 0, 0, 0, 0.5]
    np.testing.assert_allclose(found.pose[0].numpy(), pose_by_hand, atol=1e-6)


def test_the_pose_tells_where_the_camera_is_and_how_far_off_the_reference_point():
    poses = pose((0.10, -0.05, 0.60), closing_angle=np.pi / 2)  # y = (0, 1, 0), x = y × z = (1, 0, 0)
    found = crops(np.full((480, 640), 0.7), CAMERA, poses, standoff=0.01).pose[0].numpy()
    pitch = 0.59 / 525 / (3 * 0.05 / 64)
    np.testing.assert_allclose(found[7:], [0.2, 0.10 / 0.59, -0.05 / 0.59, pitch], rtol=1e-6)


def test_every_plane_is_exact_at_every_level():
    """a · (P − r) / w in closed form, for tilted planes, tilted approaches, sources finer by 1 to 12."""
    rng = np.random.default_rng(1)
    for normal in ((0.0, 0.0, 1.0), (0.3, -0.2, 1.0), (0.0, 0.7, 1.0)):
        for focal in (525.0, 1000.0):
            camera = Camera(fx=focal, fy=focal * 1.02, cx=330.2, cy=236.9, width=640, height=480)
            offset = 0.7 * unit(np.array(normal))[2]
            poses = random_poses(rng, 8, tilt=0.25)
            for width in (0.05, 0.15):
                hand = ParallelJaw(
                    max_width=width, finger_length=0.04, finger_thickness=0.01, finger_breadth=0.02, pad_to_tip=0.01,
                    palm=(0.04, 0.07, 0.06),
                )  # fmt: skip
                height, valid = crops(plane_depth(camera, normal, offset), camera, poses, hand=hand).images.unbind(1)
                t = (np.arange(64) - 31.5) * 3 * width / 64
                x, y, a, r = (poses[:, None, None, :3, axis] for axis in range(4))
                q = r + t[:, None] * y - t[:, None, None] * x
                points = q * (offset / (q @ unit(np.array(normal))))[..., None]
                expected = np.clip(((points - r) * a).sum(-1) / width, -1, 1)
                uv = camera.project(q)  # 16: half-filled cells at the image's border show their nearest pixel's height
                inside = ((uv > 16) & (uv < np.array([640, 480]) - 16)).all(-1)
                seen = (valid.numpy() > 0) & inside
                assert valid[torch.tensor(inside)].min() == 1
                assert seen.mean() > 0.3
                np.testing.assert_allclose(height.numpy()[seen], expected[seen], atol=1e-4)


def test_distance_focal_length_and_turning_the_camera_change_nothing_on_a_plane():
    """The plane lies 0.3 w behind the grasp, frontal to the first camera; the last camera is turned by 15°."""
    turn = rotation_about(unit(np.array([1.0, 2.0, 0.5])), np.array(np.deg2rad(15.0)))
    turned_from_camera = rigid(turn, np.zeros(3))
    seen = []
    for camera, z in ((CAMERA, 0.5), (CAMERA, 0.9), (Camera(900.0, 880.0, 300.0, 260.0, 640, 480), 0.9)):
        depth = plane_depth(camera, (0, 0, 1), z + 0.3 * 0.05)
        seen.append(crops(depth, camera, pose((0.0, 0.01, z), closing_angle=0.4)).images)
    normal = tuple((turn @ np.array([0.0, 0.0, 1.0])).tolist())
    depth = plane_depth(CAMERA, normal, 0.5 + 0.3 * 0.05)
    seen.append(crops(depth, CAMERA, turned_from_camera @ pose((0.0, 0.01, 0.5), closing_angle=0.4)).images)
    for images in seen:
        np.testing.assert_allclose(images[0, 0].numpy(), 0.3, atol=1e-4)
        np.testing.assert_array_equal(images[0, 1].numpy(), 1.0)


@pytest.mark.parametrize("distance", [0.55, 0.6, 0.7, 0.8, 0.9, 1.0])
def test_a_cube_of_4_cm_looks_the_same_from_half_a_metre_and_from_a_metre(distance):
    """From straight above, but for cells on its outline: at most 1 % of the cells, the mean difference below 0.01 w.

    What remains is true parallax: the top's outline hides 0.9 mm more of the table from 0.5 m than from 1 m.
    """
    world_from_grasp = rigid(
        frame_from_axes(np.array([[0.0, 0.0, -1.0]]), np.array([[0.9, 0.5, 0.0]])), np.array([[0.003, 0.002, 0.02]])
    )

    def seen_from(z: float) -> Float32[np.ndarray, "2 S S"]:
        camera_from_world = looking_down(z, roll=0.3)
        depth = block_world(CAMERA, camera_from_world)
        return crops(depth, CAMERA, camera_from_world @ world_from_grasp).images[0].numpy()

    difference = np.abs(seen_from(distance) - seen_from(0.5))
    assert difference[0].mean() < 0.01
    assert (difference[0] > 0.01).mean() < 0.01
    assert difference[1].max() == 0


def test_doubling_object_hand_and_distance_changes_nothing():
    rng = np.random.default_rng(2)
    big = ParallelJaw(
        max_width=0.10, finger_length=0.09, finger_thickness=0.02, finger_breadth=0.04, pad_to_tip=0.02,
        palm=(0.08, 0.144, 0.12),
    )  # fmt: skip
    depth = block_world(CAMERA, looking_down(0.7)).astype(np.float32) + 0.003 * rng.standard_normal((480, 640))
    poses = random_poses(rng, 6)
    twice = poses.copy()
    twice[:, :3, 3] *= 2
    once, doubled = crops(depth, CAMERA, poses), crops(2 * depth, CAMERA, twice, hand=big)
    np.testing.assert_allclose(doubled.images.numpy(), once.images.numpy(), atol=1e-5)
    np.testing.assert_allclose(doubled.pose.numpy(), once.pose.numpy(), atol=1e-5)


@pytest.mark.parametrize("config", [MetricCropConfig(), MetricCropConfig(size=96, window=1.5), PixelCropConfig()])
def test_a_quarter_turn_of_the_image_is_a_quarter_turn_of_the_grasp(config):
    """crop(rotate(image), R g) = crop(image, g) to rounding, edges, holes and noise included: no rule prefers a side.

    A quarter turn takes pixel (u, v) to (479 − v, u), so a camera with (cx, cy) becomes one with (479 − cy, cx).
    """
    rng = np.random.default_rng(3)
    depth = block_world(CAMERA, looking_down(0.7, roll=0.2)) + 0.001 * rng.standard_normal((480, 640))
    depth[rng.random(depth.shape) < 0.05] = np.nan
    turned = np.rot90(depth, k=-1)
    turned_camera = Camera(525.0, 525.0, 479 - CAMERA.cy, CAMERA.cx, 480, 640)
    quarter = rigid(rotation_about(np.array([0.0, 0.0, 1.0]), np.array(np.pi / 2)), np.zeros(3))
    poses = random_poses(rng, 40, tilt=0.4)
    before, after = crops(depth, CAMERA, poses, config), crops(turned, turned_camera, quarter @ poses, config)
    same = np.isclose(after.images.numpy(), before.images.numpy(), atol=1e-4)
    assert same.mean() > 0.9999  # a sample within rounding of a seam may fall on its other side
    np.testing.assert_allclose(after.pose.numpy(), before.pose.numpy(), atol=1e-5)


def test_any_turn_of_the_camera_about_its_axis_is_a_turn_of_the_grasp_up_to_interpolation():
    """On a smooth surface, 5 mm waves 6 cm long: seen through pixels of 1.3 mm, the crops agree within 0.02 w."""

    def waves(camera_from_world: Float64[np.ndarray, "4 4"]) -> Float64[np.ndarray, "H W"]:
        rays = CAMERA.rays(CAMERA.pixel_grid())
        world_from_camera = np.linalg.inv(camera_from_world)
        z = np.full(rays.shape[:2], 0.7)
        for _ in range(20):  # a fixed point: the slope is at most 0.5, the ray's at most 0.6
            world = (rays * z[..., None]) @ world_from_camera[:3, :3].T
            z = 0.7 - 0.005 * np.sin(world[..., 0] / 0.06 * 2 * np.pi) * np.cos(world[..., 1] / 0.06 * 2 * np.pi)
        return z

    world_from_grasp = rigid(
        frame_from_axes(np.array([[0.1, 0.2, -1.0]]), np.array([[1.0, 0.3, 0.0]])), np.array([[0.02, 0.01, 0.0]])
    )
    images = []
    for roll in (0.0, 0.5, 2.0):
        camera_from_world = looking_down(0.7, roll)
        depth = waves(camera_from_world)
        images.append(crops(depth, CAMERA, camera_from_world @ world_from_grasp).images[0, 0].numpy())
    assert np.ptp(images[0]) > 0.2
    assert np.abs(images[1] - images[0]).max() < 0.02
    assert np.abs(images[2] - images[0]).max() < 0.02


@pytest.mark.parametrize("angle", [0.0, 0.5, -1.2, np.pi / 2])
@pytest.mark.parametrize("config", [MetricCropConfig(), PixelCropConfig(), PixelCropConfig(size=96)])
def test_a_bar_across_the_closing_axis_comes_out_vertical(angle, config):
    u, v = np.moveaxis(CAMERA.pixel_grid(), -1, 0)
    along = (u - CAMERA.cx) * np.cos(angle) + (v - CAMERA.cy) * np.sin(angle)  # pixels along the closing axis
    depth = np.where(np.abs(along) < 12, 0.66, 0.70)
    image = crops(depth, CAMERA, pose((0.0, 0.0, 0.68), closing_angle=angle), config).images[0, 0].numpy()
    bar = image < image.mean()
    third = config.size // 3
    assert bar[:, config.size // 2].all()
    assert not bar[:, :third].any()
    assert not bar[:, -third:].any()


@pytest.mark.parametrize("angle", [0.0, 0.8, -2.0])
@pytest.mark.parametrize("config", [MetricCropConfig(), PixelCropConfig()])
def test_a_letter_l_is_turned_but_not_mirrored(angle, config):
    """An L as the camera sees it: a stem, and a foot to the right at its lower end, turned with the closing axis."""
    u, v = np.moveaxis(CAMERA.pixel_grid(), -1, 0)
    right = (u - CAMERA.cx) * np.cos(angle) + (v - CAMERA.cy) * np.sin(angle)
    down = -(u - CAMERA.cx) * np.sin(angle) + (v - CAMERA.cy) * np.cos(angle)
    stem = (np.abs(right) < 6) & (np.abs(down) < 30)
    foot = (right > -6) & (right < 30) & (np.abs(down - 24) < 6)
    depth = np.where(stem | foot, 0.66, 0.70)
    image = crops(depth, CAMERA, pose((0.0, 0.0, 0.68), closing_angle=angle), config).images[0, 0].numpy()
    letter = image < image.mean()
    half = config.size // 2
    quarters = [letter[:half, :half], letter[:half, half:], letter[half:, :half], letter[half:, half:]]
    upper_left, upper_right, lower_left, lower_right = (quarter.sum() for quarter in quarters)
    assert lower_right > 1.5 * max(upper_left, upper_right, lower_left)


def test_interchanging_the_jaws_turns_the_crop_by_half():
    rng = np.random.default_rng(4)
    depth = block_world(CAMERA, looking_down(0.7, roll=0.2)) + 0.001 * rng.standard_normal((480, 640))
    grasps = Grasps.of_jaws(random_poses(rng, 5), np.full(5, 0.05))
    for config in (MetricCropConfig(), PixelCropConfig()):
        image = crops(depth, CAMERA, grasps.poses, config).images
        swapped = crops(depth, CAMERA, jaws.swapped(grasps).poses, config).images
        np.testing.assert_allclose(swapped.numpy(), image.flip(-1, -2).numpy(), atol=1e-4)


def test_a_standoff_looks_from_further_back():
    depth = block_world(CAMERA, looking_down(0.7, roll=0.2))
    here, back = pose((0.0, 0.0, 0.69)), pose((0.0, 0.0, 0.67))
    offset = crops(depth, CAMERA, here, standoff=0.02)
    moved = crops(depth, CAMERA, back)
    np.testing.assert_allclose(offset.images.numpy(), moved.images.numpy(), atol=1e-5)
    assert offset.pose[0, 7] == pytest.approx(0.4)


@pytest.mark.parametrize("focal", [400.0, 900.0, 2000.0])
def test_no_depth_is_invented_across_an_edge(focal):
    """A step of 4 cm on a slant: every valid cell lies on one of the two planes, halved (900, 2000 px) or not."""
    camera = Camera(focal, focal, 319.5, 239.5, 640, 480)
    u, v = np.moveaxis(camera.pixel_grid(), -1, 0)
    depth = np.where(u + 0.37 * v < 400, 0.66, 0.70)
    poses = random_poses(np.random.default_rng(5), 20, tilt=0.0)
    poses[:, :2, 3] *= 0.3
    poses[:, 2, 3] = 0.68
    height, valid = crops(depth, camera, poses).images.unbind(1)
    seen = height[valid > 0]
    assert bool(torch.all(torch.minimum((seen + 0.4).abs(), (seen - 0.4).abs()) < 1e-4))


def test_missing_depth_stays_missing_and_what_lies_outside_is_missing():
    depth = np.full((480, 640), 0.7)
    depth[200:280, 300:340] = 0.0
    depth[:, :100] = np.nan
    metric = crops(depth, CAMERA, pose((0.0, 0.0, 0.7))).images[0].numpy()
    assert metric[:, 31:33, 31:33].max() == 0
    assert metric[1].mean() > 0.5
    corner = crops(depth, CAMERA, pose((0.43, 0.32, 0.7))).images[0].numpy()
    assert corner[1, 32:, 32:].mean() < 1
    assert np.isfinite(corner).all()
    assert crops(depth, CAMERA, pose((5.0, 0.0, 0.7))).images.abs().max() == 0
    pixel = crops(depth, CAMERA, pose((0.0, 0.0, 0.7)), PixelCropConfig()).images[0, 0].numpy()
    assert set(np.unique(pixel.round(4))) == {0.0, np.float32(0.7)}  # nothing between missing and 0.7 m


def test_a_window_that_reaches_behind_the_camera_is_missing():
    depth = np.full((480, 640), 0.7)
    assert crops(depth, CAMERA, pose((0.0, 0.0, 0.02), approach=(0.6, 0.0, 0.8))).images.abs().max() == 0


def test_grasps_in_many_images_get_the_crops_that_they_get_alone():
    rng = np.random.default_rng(6)
    depth = torch.tensor(rng.uniform(0.6, 0.62, (3, 1, 120, 161)), dtype=torch.float32)
    depth[rng.random(depth.shape) < 0.1] = np.nan
    intrinsics = torch.tensor([[130.0, 130.0, 80.0, 60.0], [260.0, 250.0, 70.0, 65.0], [700.0, 700.0, 80.0, 60.0]])
    index = torch.tensor([2, 0, 1, 1, 0, 2, 2])
    poses = random_poses(rng, 7, tilt=0.3)
    poses[:, :3, 3] = rng.uniform([-0.02, -0.02, 0.58], [0.02, 0.02, 0.65], (7, 3))
    camera_from_grasp = torch.tensor(poses)
    sizes = [load_parallel_jaw("yumi").sizes(), load_parallel_jaw("wide").sizes()]
    hand = torch.tensor(np.array([sizes[n % 2] for n in range(7)]))
    for config in (MetricCropConfig(), PixelCropConfig(size=48)):
        together = grasp_crops(depth, intrinsics, camera_from_grasp, index, hand, config)
        for n in range(7):
            own, one, first = index[n : n + 1], slice(n, n + 1), torch.zeros(1, dtype=torch.int64)
            alone = grasp_crops(depth[own], intrinsics[own], camera_from_grasp[one], first, hand[one], config)
            torch.testing.assert_close(together.images[one], alone.images, rtol=0, atol=1e-6)
            torch.testing.assert_close(together.pose[one], alone.pose)


def test_no_grasps_give_no_crops():
    found = crops(np.full((480, 640), 0.7), CAMERA, np.zeros((0, 4, 4)))
    assert found.images.shape == (0, 2, 64, 64)
    assert found.pose.shape == (0, 11)


@pytest.mark.parametrize("size", [32, 96])
def test_a_pixel_crop_equals_opencv_s_warp_affine(size):
    """From the projected centre and angle that `image_from_grasps` tells, for approaches within 0.5 rad of the axis."""
    assert int(cv2.__version__.split(".")[0]) >= 5, "older releases round bilinear weights to 1/32"
    rng = np.random.default_rng(7)
    depth = rng.uniform(0.5, 0.9, (480, 640)).astype(np.float32)
    center, angle = rng.uniform([100, 100], [540, 380], (9, 2)), rng.uniform(-np.pi / 2, np.pi / 2, 9)
    image_grasps = ImageGrasps(center, angle, rng.uniform(0.5, 0.7, 9), {"width": np.full(9, 0.05)})
    grasps = grasps_from_image(image_grasps, CAMERA, np.array([0.3, -0.2, 1.0]))
    found = crops(depth, CAMERA, grasps.poses, PixelCropConfig(size=size))
    np.testing.assert_allclose(found.pose[:, 0].numpy(), image_grasps.depth, rtol=1e-6)
    for n in range(9):
        cosine, sine, step = math.cos(angle[n]), math.sin(angle[n]), 96 / size
        linear = step * np.array([[cosine, -sine], [sine, cosine]])
        image_from_crop = np.column_stack([linear, center[n] - linear @ np.full(2, (size - 1) / 2)])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        expected = cv2.warpAffine(depth, image_from_crop, (size, size), flags=flags)
        np.testing.assert_allclose(found.images[n, 0].numpy(), expected, atol=1e-4)


def test_the_angle_of_an_image_grasp_is_where_the_crop_s_columns_run():
    rng = np.random.default_rng(8)
    poses = random_poses(rng, 50)
    image_grasps = image_from_grasps(Grasps.of_jaws(poses, np.full(50, 0.05)), CAMERA)
    ramp = np.broadcast_to(np.arange(640.0) / 640 + 0.5, (480, 640))  # depth tells u
    images = crops(ramp, CAMERA, poses, PixelCropConfig(window_px=8, size=8)).images[:, 0].numpy()
    du = (images[:, 4, -1] - images[:, 4, 0]) * 640 / 7  # along a row; a column more is cos(angle) pixels to the right
    np.testing.assert_allclose(np.abs(du), np.abs(np.cos(image_grasps.angle)), atol=1e-3)


BAD_INPUT = {
    "depth is torch.float32 of shape": lambda good: good | {"depth": torch.zeros(1, 480, 640)},
    "2000 images are too many": lambda good: good | {"depth": torch.ones(1, 1, 480, 640).expand(2000, 1, 480, 640)},
    "intrinsics has shape": lambda good: good | {"intrinsics": torch.ones(2, 4)},
    "image_index must lie": lambda good: good | {"image_index": torch.tensor([1])},
    "pose must be finite": lambda good: good | {"camera_from_grasp": torch.full((1, 4, 4), torch.nan)},
    "origin in front of": lambda good: good | {"camera_from_grasp": torch.eye(4)[None]},
    "size of the hand": lambda good: good | {"hand": torch.zeros(1, 8)},
    "standoff has shape": lambda good: good | {"standoff": torch.zeros(3)},
}


@pytest.mark.parametrize("message", BAD_INPUT)
def test_what_does_not_fit_is_refused(message):
    good = {
        "depth": torch.full((1, 1, 480, 640), 0.7), "intrinsics": torch.tensor([[525.0, 525.0, 319.5, 239.5]]),
        "camera_from_grasp": torch.tensor(pose((0.0, 0.0, 0.7))), "image_index": torch.zeros(1, dtype=torch.int64),
        "hand": torch.tensor(YUMI.sizes())[None], "config": MetricCropConfig(),
    }  # fmt: skip
    unchecked = inspect.unwrap(grasp_crops)  # as a user's run has it: without pytest's shape checker
    unchecked(**good)
    with pytest.raises(InputError, match=message):
        unchecked(**BAD_INPUT[message](good))


@pytest.mark.parametrize("config", [{"size": 0}, {"window": 0.0}, {"window": math.inf}])
def test_a_metric_crop_needs_a_size_and_a_window(config):
    with pytest.raises(InputError, match="must be positive"):
        MetricCropConfig(**config)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("config", [MetricCropConfig(), PixelCropConfig()])
def test_a_gpu_cuts_the_same_crops(config):
    rng = np.random.default_rng(9)
    depth = torch.tensor(block_world(CAMERA, looking_down(0.7, roll=0.2)), dtype=torch.float32)[None, None]
    arguments = (
        depth, torch.tensor([[525.0, 525.0, 319.5, 239.5]]), torch.tensor(random_poses(rng, 20)),
        torch.zeros(20, dtype=torch.int64), torch.tensor(YUMI.sizes()).expand(20, 8),
    )  # fmt: skip
    here = grasp_crops(*arguments, config)
    there = grasp_crops(*(argument.cuda() for argument in arguments), config)
    assert torch.isclose(there.images.cpu(), here.images, atol=1e-4).float().mean() > 0.9999
    torch.testing.assert_close(there.pose.cpu(), here.pose)
