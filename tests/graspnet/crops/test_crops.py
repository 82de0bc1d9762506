"""The grasp-aligned crop: a hand-worked cell, a plain loop, and the invariances that it is made for."""

import inspect
import math

import cv2
import numpy as np
import pytest
import torch
from jaxtyping import Float, Float32, Float64

from graspnet.camera import Camera
from graspnet.crops.crops import CropConfig, GraspCrops, grasp_crops
from graspnet.crops.metric import MetricCropConfig, metric_crops
from graspnet.crops.pixel import PixelCropConfig
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grasps.image_grasps import ImageGrasps, grasps_from_image, image_from_grasps
from graspnet.grippers.parallel_jaw import ParallelJaw, load_parallel_jaw
from graspnet.models import NETWORKS
from graspnet.models.checkpoint import Checkpoint
from graspnet.observation.height_map import DepthView, HeightMap
from graspnet.observation.observation import Observation
from graspnet.policies.grasp_space import GraspSpace
from graspnet.quality import NetworkQuality
from graspnet.transforms import frame_from_axes, rigid, rotation_about, unit
from tests import jaws

CAMERA = Camera(fx=525.0, fy=525.0, cx=319.5, cy=239.5, width=640, height=480)
YUMI = load_parallel_jaw("yumi")


def crops(
    depth: Float[np.ndarray, "H W"],
    camera: Camera,
    poses: Float64[np.ndarray, "N 4 4"],
    config: CropConfig | None = None,
    gripper: ParallelJaw = YUMI,
    standoff: float = 0.0,
) -> GraspCrops:
    """Crops of several grasps in one image."""
    view = DepthView(np.ascontiguousarray(depth, dtype=np.float32), camera)
    sizes = np.tile(gripper.sizes(), (len(poses), 1))
    offsets = np.full(len(poses), standoff) if standoff else None
    return grasp_crops(view, poses, sizes, config or MetricCropConfig(), offsets)


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
    height_map: HeightMap, pose: Float64[np.ndarray, "4 4"], w: float, size: int
) -> Float64[np.ndarray, "2 S S"]:
    """The module's text, one cell after the other."""
    x, y, _, r = pose[:3].T
    out = np.zeros((2, size, size))
    pitch = 3 * w / size
    rows, columns = height_map.height.shape
    for i in range(size):
        for j in range(size):
            q = r + (j - (size - 1) / 2) * pitch * y - (i - (size - 1) / 2) * pitch * x
            u, v = height_map.cells(height_map.coordinates(q)[:2])
            neighbours = []
            for column in (math.floor(u), math.floor(u) + 1):
                for row in (math.floor(v), math.floor(v) + 1):
                    inside = 0 <= column < columns and 0 <= row < rows
                    weight = (1 - abs(u - column)) * (1 - abs(v - row))
                    if inside and weight > 1e-3 and np.isfinite(height_map.height[row, column]):
                        neighbours.append((weight, height_map.height[row, column], height_map.measured[row, column]))
            if not neighbours:
                continue
            weights, heights, measured = np.array(neighbours).T
            if measured.any():
                weights, heights = weights[measured > 0], heights[measured > 0]
            flat = np.ptp(heights) <= 0.1 * w
            height = weights @ heights / weights.sum() if flat else heights.max()
            out[:, i, j] = np.clip((height - height_map.coordinates(r)[2]) / w, -1, 1), measured.any()
    return out


def rough_scene(rng: np.random.Generator) -> Float32[np.ndarray, "H W"]:
    """Noise, holes, a step and a missing border."""
    depth = (0.7 + 0.004 * rng.standard_normal((480, 640))).astype(np.float32)
    depth[rng.random(depth.shape) < 0.1] = np.nan
    depth[rng.random(depth.shape) < 0.1] = 0.0
    depth[:, 300:] -= 0.03
    depth[:40, :] = np.nan
    return depth


def test_a_metric_crop_equals_a_plain_loop_over_its_cells():
    rng = np.random.default_rng(0)
    view = DepthView(rough_scene(rng), CAMERA)
    poses = random_poses(rng, 6, tilt=0.9)
    poses[0, :3, 3] = -0.41, -0.30, 0.70  # over the image's corner
    found = crops(view.depth, CAMERA, poses, MetricCropConfig(size=20)).images.numpy()
    for n in range(len(poses)):
        height_map = view.height_map(poses[n, :3, 2], MetricCropConfig(size=20).map_pitch(0.05))
        expected = crop_by_loop(height_map, poses[n], 0.05, 20)
        same = np.isclose(found[n], expected, atol=2e-3)  # the approach is rounded to 1e-6 before the map is made
        assert same.mean() > 0.99


def test_a_cell_worked_by_hand():
    """f = 500 px, 0.5 m away: 1 mm a pixel. w = 0.04, N = 60: 2 mm a cell, and 1 mm a cell of the map. The origin is at
    (0.5, 0.5) mm, so the cell (i, j) looks at x = 0.5 + 2 (j − 29.5) mm: the closing axis y is the camera's x, and
    x = y × z is minus the camera's y, so rows, along −x, run down the image. A step at u = 100 from 0.52 m (0.5 w below
    the grasp) to 0.49 m (0.25 w above it); the farther side's pixels end at 98.5 · 1.04 − 99.5 · 0.04 = … mm.
    """
    camera = Camera(fx=500.0, fy=500.0, cx=99.5, cy=99.5, width=200, height=200)
    depth = np.full((200, 200), 0.52)
    depth[:, 100:] = 0.49
    gripper = ParallelJaw(
        max_width=0.04, finger_length=0.04, finger_thickness=0.01, finger_breadth=0.02, pad_to_tip=0.01,
        palm=(0.04, 0.08, 0.06),
    )  # fmt: skip
    found = crops(depth, camera, pose((0.0005, 0.0005, 0.50)), MetricCropConfig(size=60), gripper)
    height, measured = found.images[0].numpy()
    x = 0.0005 + 0.002 * (np.arange(60) - 29.5)
    far, near = x < -0.0008, x > 0.0008  # pixels 99 and 100 lie half a millimetre to both sides of x = 0
    np.testing.assert_allclose(height[:, far], -0.5, atol=1e-5)
    np.testing.assert_allclose(height[:, near], 0.25, atol=1e-5)
    np.testing.assert_array_equal(measured[:, far | near], 1)
    ln = math.log
    pose_by_hand = [ln(1 / 4), ln(1 / 2), ln(1), ln(1 / 4), ln(1 / 2), ln(1), ln(3 / 4), 0, -0.001, 0.001, 0.5]
    np.testing.assert_allclose(found.pose[0].numpy(), pose_by_hand, atol=1e-6)


def test_the_compiled_crop_equals_the_differentiable_one():
    rng = np.random.default_rng(1)
    height_map = DepthView(rough_scene(rng), CAMERA).height_map(np.array([0.2, 0.5, 0.8]), 0.0012)
    poses = random_poses(rng, 8, tilt=0.0)
    poses[:, :3, :3] = height_map.frame_from_map @ poses[:, :3, :3]
    sizes = torch.tensor(np.tile(YUMI.sizes(), (8, 1)))
    compiled, numbers = metric_crops(height_map, torch.tensor(poses), sizes, MetricCropConfig())
    traced, same_numbers = metric_crops(height_map, torch.tensor(poses, requires_grad=True), sizes, MetricCropConfig())
    assert torch.isclose(compiled.double(), traced, atol=2e-4).double().mean() > 0.9999  # on a seam, rounding decides
    torch.testing.assert_close(numbers, same_numbers)


def test_gradients_in_x_y_angle_and_height_are_those_of_the_crop():
    """On a smooth relief; numerical differences of the whole crop are the oracle (torch.autograd.gradcheck)."""
    u, v = np.moveaxis(CAMERA.pixel_grid(), -1, 0)
    depth = 0.7 + 0.01 * np.sin(u / 40) * np.cos(v / 50)
    height_map = DepthView(depth.astype(np.float32), CAMERA).height_map(np.array([0.0, 0.0, 1.0]), 0.004)
    sizes = torch.tensor(YUMI.sizes())[None]

    def crop_at(x: torch.Tensor, y: torch.Tensor, angle: torch.Tensor, height: torch.Tensor) -> torch.Tensor:
        cosine, sine, zero, one = angle.cos(), angle.sin(), torch.zeros_like(x), torch.ones_like(x)
        rows = [[sine, cosine, zero, x], [-cosine, sine, zero, y], [zero, zero, one, -height], [zero, zero, zero, one]]
        frame_from_grasp = torch.stack([torch.stack(row) for row in rows])[None]
        return metric_crops(height_map, frame_from_grasp, sizes, MetricCropConfig(size=8))[0][:, 0]

    start = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.0113, -0.0071, 0.37, -0.69)]
    assert torch.autograd.gradcheck(crop_at, start, eps=1e-7, atol=1e-4)


def test_training_and_planning_cut_the_same_bits():
    """A planner asks an observation, training asks a view: other bounds, the same cells."""
    rng = np.random.default_rng(2)
    depth = block_world(CAMERA, looking_down(0.7, roll=0.2)) + 0.001 * rng.standard_normal((480, 640))
    observation = Observation(depth.astype(np.float32), CAMERA, YUMI)
    grasps = GraspSpace.of(observation).grasps(
        rng.uniform([-0.02, -0.02, -0.69], [0.02, 0.02, -0.67], (50, 3)), rng.uniform(-1.5, 1.5, 50), np.full(50, 0.05)
    )
    network = NETWORKS["compact"]()
    seen: list[GraspCrops] = []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(GraspCrops(*inputs)))
    NetworkQuality(Checkpoint(network.eval(), "compact", "yumi", "none", 0.5))(observation, grasps)
    view = DepthView(observation.depth, CAMERA)
    trained_on = grasp_crops(view, grasps.poses, np.tile(YUMI.sizes(), (50, 1)), network.crop)
    assert torch.equal(torch.cat([each.images for each in seen]), trained_on.images)
    assert torch.equal(torch.cat([each.pose for each in seen]), trained_on.pose)


def test_the_pose_tells_where_the_camera_is_and_how_far_off_the_reference_point():
    poses = pose((0.10, -0.05, 0.60), closing_angle=np.pi / 2)  # y = (0, 1, 0), x = y × z = (1, 0, 0)
    found = crops(np.full((480, 640), 0.7), CAMERA, poses, standoff=0.01).pose[0].numpy()
    pitch = 0.59 / 525 / (3 * 0.05 / 64)
    np.testing.assert_allclose(found[7:], [0.2, 0.10 / 0.59, -0.05 / 0.59, pitch], rtol=1e-6)


def test_every_plane_is_exact_at_every_level():
    """Heights in closed form, for tilted planes, tilted approaches, sources finer by up to 12."""
    rng = np.random.default_rng(1)
    for normal in ((0.0, 0.0, 1.0), (0.3, -0.2, 1.0), (0.0, 0.7, 1.0)):
        for focal in (525.0, 1000.0):
            camera = Camera(fx=focal, fy=focal * 1.02, cx=330.2, cy=236.9, width=640, height=480)
            n, offset = unit(np.array(normal)), 0.7 * unit(np.array(normal))[2]
            poses = random_poses(rng, 4, tilt=0.25)
            for width in (0.05, 0.15):
                gripper = ParallelJaw(
                    max_width=width, finger_length=0.04, finger_thickness=0.01, finger_breadth=0.02, pad_to_tip=0.01,
                    palm=(0.04, 0.07, 0.06),
                )  # fmt: skip
                found = crops(plane_depth(camera, normal, offset), camera, poses, gripper=gripper).images
                height, measured = found.unbind(1)
                t = (np.arange(64) - 31.5) * 3 * width / 64
                x, y, a, r = (poses[:, None, None, :3, axis] for axis in range(4))
                q = r + t[:, None] * y - t[:, None, None] * x
                below = (offset - q @ n) / (a @ n)  # along the approach, from q to the plane
                expected = np.clip(-below / width, -1, 1)
                uv = camera.project(q + below[..., None] * a)
                inside = ((uv > 16) & (uv < np.array([640, 480]) - 16)).all(-1)
                assert measured[torch.tensor(inside)].min() == 1
                assert inside.mean() > 0.3
                np.testing.assert_allclose(height.numpy()[inside], expected[inside], atol=2e-4)


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
        np.testing.assert_allclose(images[0, 0].numpy(), -0.3, atol=1e-4)
        np.testing.assert_array_equal(images[0, 1].numpy(), 1.0)


@pytest.mark.parametrize("distance", [0.55, 0.6, 0.7, 0.8, 0.9, 1.0])
def test_a_cube_of_4_cm_looks_the_same_from_half_a_metre_and_from_a_metre(distance):
    """From straight above, but for cells on its outline: at most 1 % of the cells, the mean difference below 0.01 w.

    What remains is true parallax: the top's outline hides 0.9 mm more of the table from 0.5 m than from 1 m, and where
    something is hidden the crop holds the curtain.
    """
    world_from_grasp = rigid(
        frame_from_axes(np.array([[0.0, 0.0, -1.0]]), np.array([[0.9, 0.5, 0.0]])), np.array([[0.003, 0.002, 0.02]])
    )

    def seen_from(z: float) -> Float32[np.ndarray, "2 S S"]:
        camera_from_world = looking_down(z, roll=0.3)
        depth = block_world(CAMERA, camera_from_world)
        return crops(depth, CAMERA, camera_from_world @ world_from_grasp).images[0].numpy()

    one, other = seen_from(distance), seen_from(0.5)
    difference = np.abs(one - other)
    assert difference[0].mean() < 0.01
    assert (difference[0] > 0.01)[(one[1] > 0) & (other[1] > 0)].mean() < 0.01
    assert (difference[1] > 0).mean() < 0.02  # what the cube hides is wider from nearby


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
    once, doubled = crops(depth, CAMERA, poses), crops(2 * depth, CAMERA, twice, gripper=big)
    np.testing.assert_allclose(doubled.images.numpy(), once.images.numpy(), atol=1e-5)
    np.testing.assert_allclose(doubled.pose.numpy(), once.pose.numpy(), atol=1e-5)


@pytest.mark.parametrize("config", [MetricCropConfig(), MetricCropConfig(size=96, window=1.5), PixelCropConfig()])
def test_a_quarter_turn_of_the_image_is_a_quarter_turn_of_the_grasp(config):
    """crop(rotate(image), R g) = crop(image, g) to rounding, edges and holes included: no rule prefers a side.

    A quarter turn takes pixel (u, v) to (479 − v, u), so a camera with (cx, cy) becomes one with (479 − cy, cx). There
    is no noise: two triangles over four points that lie in no plane depend on the diagonal, as do single holes.
    """
    rng = np.random.default_rng(3)
    depth = block_world(CAMERA, looking_down(0.7, roll=0.2))
    for v, u in rng.integers(100, 380, (20, 2)):
        depth[v : v + 6, u : u + 9] = np.nan
    turned = np.rot90(depth, k=-1)
    turned_camera = Camera(525.0, 525.0, 479 - CAMERA.cy, CAMERA.cx, 480, 640)
    quarter = rigid(rotation_about(np.array([0.0, 0.0, 1.0]), np.array(np.pi / 2)), np.zeros(3))
    poses = random_poses(rng, 6, tilt=0.4)
    before, after = crops(depth, CAMERA, poses, config), crops(turned, turned_camera, quarter @ poses, config)
    same = np.isclose(after.images.numpy(), before.images.numpy(), atol=2e-4)
    assert same.mean() > 0.995  # at an edge the diagonal and rounding decide
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


def rises(image: Float32[np.ndarray, "S S"], config: CropConfig) -> np.ndarray:
    """What stands out of the ground: a metric crop holds heights, a pixel crop depths."""
    return image > image.mean() if isinstance(config, MetricCropConfig) else image < image.mean()


@pytest.mark.parametrize("angle", [0.0, 0.5, -1.2, np.pi / 2])
@pytest.mark.parametrize("config", [MetricCropConfig(), PixelCropConfig(), PixelCropConfig(size=96)])
def test_a_bar_across_the_closing_axis_comes_out_vertical(angle, config):
    u, v = np.moveaxis(CAMERA.pixel_grid(), -1, 0)
    along = (u - CAMERA.cx) * np.cos(angle) + (v - CAMERA.cy) * np.sin(angle)  # pixels along the closing axis
    depth = np.where(np.abs(along) < 12, 0.66, 0.70)
    image = crops(depth, CAMERA, pose((0.0, 0.0, 0.68), closing_angle=angle), config).images[0, 0].numpy()
    bar = rises(image, config)
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
    letter = rises(image, config)
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
def test_no_height_is_invented_across_an_edge(focal):
    """A step of 4 cm on a slant: every measured cell lies on one of the two planes, halved (900, 2000 px) or not."""
    camera = Camera(focal, focal, 319.5, 239.5, 640, 480)
    u, v = np.moveaxis(camera.pixel_grid(), -1, 0)
    depth = np.where(u + 0.37 * v < 400, 0.66, 0.70)
    poses = random_poses(np.random.default_rng(5), 20, tilt=0.0)
    poses[:, :2, 3] *= 0.3
    poses[:, 2, 3] = 0.68
    height, measured = crops(depth, camera, poses).images.unbind(1)
    seen = height[measured > 0]
    assert bool(torch.all(torch.minimum((seen + 0.4).abs(), (seen - 0.4).abs()) < 1e-4))


def test_a_hole_is_unmeasured_at_the_height_of_its_rim_and_what_lies_outside_is_nothing():
    depth = np.full((480, 640), 0.7)
    depth[200:280, 300:340] = 0.0
    depth[:, :100] = np.nan
    metric = crops(depth, CAMERA, pose((0.0, 0.0, 0.71))).images[0].numpy()
    assert metric[1, 31:33, 31:33].max() == 0
    np.testing.assert_allclose(metric[0], 0.2, atol=1e-4)  # 1 cm over the grasp, in units of 5 cm
    assert metric[1].mean() > 0.5
    corner = crops(depth, CAMERA, pose((0.43, 0.32, 0.7))).images[0].numpy()
    assert corner[1, 32:, 32:].mean() < 1
    assert np.isfinite(corner).all()
    assert crops(depth, CAMERA, pose((5.0, 0.0, 0.7))).images.abs().max() == 0
    pixel = crops(depth, CAMERA, pose((0.0, 0.0, 0.7)), PixelCropConfig()).images[0, 0].numpy()
    assert set(np.unique(pixel.round(4))) == {0.0, np.float32(0.7)}  # nothing between missing and 0.7 m


def test_grasps_of_several_approaches_and_grippers_get_the_crops_that_they_get_alone():
    rng = np.random.default_rng(6)
    view = DepthView(rough_scene(rng), CAMERA)
    poses = random_poses(rng, 6, tilt=0.5)
    poses[3:, :3, :3] = poses[0, :3, :3]
    sizes = np.array([load_parallel_jaw(name).sizes() for name in ("yumi", "wide", "yumi", "yumi", "wide", "wide")])
    for config in (MetricCropConfig(), PixelCropConfig(size=48)):
        together = grasp_crops(view, poses, sizes, config)
        for n in range(6):
            alone = grasp_crops(view, poses[n : n + 1], sizes[n : n + 1], config)
            torch.testing.assert_close(together.images[n : n + 1], alone.images)
            torch.testing.assert_close(together.pose[n : n + 1], alone.pose)


@pytest.mark.parametrize("tilt", [0.0, 0.5, 0.95])
def test_what_is_seen_of_a_block_is_the_same_from_any_side(tilt):
    """A grasp straight down over a cube, from above and from 54°: measured cells agree, and the shadow lies behind."""
    world_from_grasp = rigid(
        frame_from_axes(np.array([[0.0, 0.0, -1.0]]), np.array([[1.0, 0.0, 0.0]])), np.array([[0.0, 0.0, 0.02]])
    )
    aside = rigid(rotation_about(np.array([1.0, 0.0, 0.0]), np.array(tilt)), np.zeros(3))
    camera_from_world = looking_down(0.7) @ aside  # the world turned under the camera
    depth = block_world(CAMERA, camera_from_world)
    height, measured = crops(depth, CAMERA, camera_from_world @ world_from_grasp).images[0].numpy()
    x, y = np.meshgrid((np.arange(64) - 31.5) * 0.15 / 64, (np.arange(64) - 31.5) * 0.15 / 64)
    on_top, clear = (np.maximum(abs(x), abs(y)) < 0.017), (np.maximum(abs(x), abs(y)) > 0.023)
    np.testing.assert_allclose(height[on_top], 0.4, atol=2e-3)
    np.testing.assert_allclose(height[clear & (measured > 0)], -0.4, atol=2e-3)
    hidden = (measured == 0) & (np.abs(x) < 0.017) & (np.abs(y) > 0.026)  # perspective alone hides 1.2 mm
    assert hidden.any() == (tilt > 0)
    if tilt:
        length = np.abs(y[hidden]).max() - 0.02
        assert length == pytest.approx(0.04 * np.tan(tilt), abs=0.006)


def test_a_fine_window_is_a_second_crop_of_its_own_size():
    """On a block whose top reaches just over the fine window, and with the same numbers as without it."""
    depth = block_world(CAMERA, rigid(np.diag([1.0, -1.0, -1.0])[None], np.array([[0.0, 0.0, 0.7]]))[0], side=0.065)
    poses = pose((0.0, 0.0, 0.65))
    both = crops(depth, CAMERA, poses, MetricCropConfig(fine_window=1.2))
    whole, fine = crops(depth, CAMERA, poses), crops(depth, CAMERA, poses, MetricCropConfig(window=1.2))
    assert torch.equal(both.images, torch.cat([whole.images, fine.images], dim=1))
    assert torch.equal(both.pose, whole.pose)
    on_top = (both.images[0, [0, 2]] > (0.065 - 0.05) / 0.05 - 0.05).float().mean((1, 2))
    assert on_top.tolist() == pytest.approx([(0.065 / 0.15) ** 2, 1.0], abs=0.02)  # shares of 3 w and 1.2 w


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


def test_a_pixel_crop_that_is_not_turned_is_a_slice_of_the_image_and_tells_the_angle():
    rng = np.random.default_rng(4)
    depth = rng.uniform(0.5, 0.9, (480, 640)).astype(np.float32)
    angles = np.array([0.0, 0.7, -1.2, 2.0])
    uv = np.array([[200.0, 150.0], [300.0, 220.0], [400.0, 300.0], [60.0, 60.0]])
    poses = np.concatenate([pose((0.0, 0.0, 0.7), angle) for angle in angles])
    poses[:, :3, 3] = CAMERA.deproject(uv, np.full(4, 0.7))
    found = crops(depth, CAMERA, poses, PixelCropConfig(window_px=96, size=96, offset=0.5, turned=False))
    for image, (u, v) in zip(found.images[:, 0].numpy(), uv.astype(int), strict=True):
        np.testing.assert_allclose(image, depth[v - 48 : v + 48, u - 48 : u + 48], rtol=1e-4)
    np.testing.assert_allclose(
        found.pose, np.stack([np.full(4, 0.7), [0.0, 0.7, -1.2, 2.0 - np.pi]], axis=1), atol=1e-6
    )


def test_the_angle_of_an_image_grasp_is_where_the_crop_s_columns_run():
    rng = np.random.default_rng(8)
    poses = random_poses(rng, 50)
    image_grasps = image_from_grasps(Grasps.of_jaws(poses, np.full(50, 0.05)), CAMERA)
    ramp = np.broadcast_to(np.arange(640.0) / 640 + 0.5, (480, 640))  # depth tells u
    images = crops(ramp, CAMERA, poses, PixelCropConfig(window_px=8, size=8)).images[:, 0].numpy()
    du = (images[:, 4, -1] - images[:, 4, 0]) * 640 / 7  # along a row; a column more is cos(angle) pixels to the right
    np.testing.assert_allclose(np.abs(du), np.abs(np.cos(image_grasps.angle)), atol=1e-3)


BAD_INPUT = {
    "depth image is 640x479": lambda good: good | {"source": DepthView(np.ones((479, 640), np.float32), CAMERA)},
    "pose must be finite": lambda good: good | {"camera_from_grasp": np.full((1, 4, 4), np.nan)},
    "origin in front of": lambda good: good | {"camera_from_grasp": np.eye(4)[None]},
    "size of the gripper": lambda good: good | {"sizes": np.zeros((1, 8))},
    "sizes has shape": lambda good: good | {"sizes": np.ones((2, 8))},
    "standoff has shape": lambda good: good | {"standoff": np.zeros(3)},
    "off the camera's axis": lambda good: good | {"camera_from_grasp": pose((0.0, 0.0, 0.7), approach=(1.0, 0.0, 0.1))},
}


@pytest.mark.parametrize("message", BAD_INPUT)
def test_what_does_not_fit_is_refused(message):
    good = {
        "source": DepthView(np.full((480, 640), 0.7, np.float32), CAMERA),
        "camera_from_grasp": pose((0.0, 0.0, 0.7)), "sizes": YUMI.sizes()[None], "config": MetricCropConfig(),
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
def test_a_gpu_cuts_the_same_crops():
    rng = np.random.default_rng(9)
    height_map = DepthView(rough_scene(rng), CAMERA).height_map(np.array([0.0, 0.0, 1.0]), 0.0012)
    poses, sizes = torch.tensor(random_poses(rng, 20, tilt=0.0)), torch.tensor(np.tile(YUMI.sizes(), (20, 1)))
    here, numbers = metric_crops(height_map, poses, sizes, MetricCropConfig())
    there, same_numbers = metric_crops(height_map, poses.cuda(), sizes.cuda(), MetricCropConfig())
    assert torch.isclose(there.cpu().float(), here, atol=2e-4).float().mean() > 0.9999
    torch.testing.assert_close(same_numbers.cpu(), numbers)
