"""Observations: what is refused, where the table lies, what counts as an object; on drawn and on real images."""

import subprocess
import sys

import numpy as np
import pytest

from graspnet.camera import Camera, load_camera
from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper
from graspnet.inputs.depth_image import read_depth
from graspnet.inputs.mask_image import read_mask
from graspnet.observation.observation import Observation, fit_plane
from graspnet.transforms import invert, rigid, rotation_about

CAMERA = Camera(fx=260.0, fy=260.0, cx=159.5, cy=119.5, width=320, height=240)
YUMI = load_gripper("yumi")


def table_depth(normal, distance, camera=CAMERA):
    """Depth of a plane whose unit normal n points away from the camera, n · p = distance: z = distance / (n · ray)."""
    return (distance / (camera.rays(camera.pixel_grid()) @ normal)).astype(np.float32)


def tilted_normal(tilt, turn):
    return np.array([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt)])


def observe(depth, **rest):
    return Observation(depth.astype(np.float32), CAMERA, YUMI, **rest)


def angle_between(a, b):
    return np.arccos(np.clip(a @ b, -1, 1))


def box_mask():
    mask = np.zeros((240, 320), dtype=bool)
    mask[100:140, 140:200] = True
    return mask


# What is refused


EMPTY = "depth image is empty: every pixel is 0 or NaN"


@pytest.mark.parametrize(
    ("value", "message"), [(0.0, EMPTY), (np.nan, EMPTY), (np.inf, EMPTY), (-1.0, r"no depth is positive, .*OpenGL")]
)
def test_an_image_without_a_measured_pixel_is_refused(value, message):
    with pytest.raises(InputError, match=message):
        observe(np.full((240, 320), value))


def test_millimetres_are_recognised_by_their_size():
    with pytest.raises(InputError, match="median depth is 700; expected metres below 10"):
        observe(np.full((240, 320), 700.0))


def test_a_depth_image_of_another_size_than_the_camera_is_refused():
    with pytest.raises(InputError, match="depth image is 320x239; the camera says 320x240"):
        observe(np.ones((239, 320)))


def test_a_depth_image_of_another_size_is_told_what_it_may_come_from():
    with pytest.raises(InputError, match=r"320x240\. Are width and height exchanged\?"):
        observe(np.ones((320, 240)))
    with pytest.raises(InputError, match=r"If the image was scaled by 0\.5, so must be fx, fy, cx and cy"):
        observe(np.ones((120, 160)))


def test_a_mask_without_an_object_is_refused():
    with pytest.raises(InputError, match="segmask is empty"):
        observe(np.ones((240, 320)), segmask=np.zeros((240, 320), bool))


def test_a_camera_pose_that_is_no_rigid_transform_is_refused():
    with pytest.raises(InputError, match="world_from_camera must be a rigid transform"):
        observe(np.ones((240, 320)), world_from_camera=np.diag([1.0, 1.0, 2.0, 1.0]))


def test_what_annotations_would_refuse_here_is_refused_in_a_users_run_too():
    # pytest's type checks stop these before they arrive; a user's process has none
    program = """
import numpy as np
from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper
from graspnet.observation.observation import Observation

camera = Camera(fx=20.0, fy=20.0, cx=9.5, cy=7.5, width=20, height=16)
metres = np.full((16, 20), 0.7)
whole = np.ones((16, 20), bool)
for depth, mask in (
    (metres[:, :, None], None), (np.dstack([metres, metres]), None), (metres[0], None),
    ((1000 * metres).astype(np.uint16), None), (metres, whole[1:]),
):
    try:
        Observation(depth, camera, load_gripper("yumi"), mask)
        print("accepted")
    except InputError as error:
        print(error)
mask = np.zeros((16, 20), np.uint8)
mask[4:8, 4:8] = 255
for marked in (mask, np.where(mask, 0.93, 0.02)):  # and as probabilities
    seen = Observation(metres, camera, load_gripper("yumi"), marked)
    print(seen.depth.dtype, seen.object_mask.sum(), seen.table is not None)
"""
    lines = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert lines == [
        "accepted",  # one channel is one channel
        "depth is (16, 20, 2) of float64; expected one channel (height, width)",
        "depth is (20,) of float64; expected one channel (height, width)",
        "depth is uint16; expected float metres. Millimetres? Multiply by 0.001",
        "segmask is 20x15 of bool; the depth image is 20x16",
        "float32 16 True",
        "float32 16 True",
    ]


# The table


@pytest.mark.parametrize("tilt", np.deg2rad([0.0, 5.0, 15.0, 28.0]))
@pytest.mark.parametrize("turn", [0.0, 2.0, 4.0])
def test_the_table_is_found_at_any_tilt_under_noise_objects_and_outliers(tilt, turn):
    rng = np.random.default_rng(7)
    normal = tilted_normal(tilt, turn)
    depth = table_depth(normal, 0.7)
    depth[100:140, 140:200] -= 0.05  # an object
    depth += rng.normal(0, 0.0015, size=depth.shape).astype(np.float32)
    wild = rng.random(depth.shape) < 0.1
    depth[wild] = rng.uniform(0.3, 1.5, size=wild.sum())
    depth[rng.random(depth.shape) < 0.2] = np.nan
    table = observe(depth).table
    assert table is not None
    assert angle_between(table.normal, normal) < np.deg2rad(0.3)
    assert table.offset == pytest.approx(0.7, abs=0.001)


def test_the_approach_is_the_tables_normal_up_to_75_degrees_and_the_optical_axis_beyond():
    for tilt, expected in [(60.0, tilted_normal(np.deg2rad(60), 1.0)), (78.0, np.array([0.0, 0.0, 1.0]))]:
        seen = observe(table_depth(tilted_normal(np.deg2rad(tilt), 1.0), 0.7))
        assert angle_between(seen.approach, expected) < np.deg2rad(0.1)


def test_a_known_camera_pose_gives_the_table_without_a_fit():
    world_from_camera = rigid(
        rotation_about(np.array([1.0, 0.0, 0.0]), np.array(np.pi - 0.2)), np.array([0.1, -0.2, 0.8])
    )
    rays = CAMERA.rays(CAMERA.pixel_grid()) @ world_from_camera[:3, :3].T
    depth = -world_from_camera[2, 3] / rays[..., 2]  # where each ray meets z = 0
    seen = observe(depth, world_from_camera=world_from_camera)
    np.testing.assert_allclose(seen.table.height(seen.points.reshape(-1, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(seen.approach, invert(world_from_camera)[:3, :3] @ [0.0, 0.0, -1.0], atol=1e-12)
    fitted = observe(depth)
    assert angle_between(fitted.approach, seen.approach) < 1e-4


def test_heights_grow_towards_the_camera():
    table = observe(table_depth(np.array([0.0, 0.0, 1.0]), 0.7)).table
    np.testing.assert_allclose(table.height(np.array([[0.0, 0.0, 0.7], [0.0, 0.0, 0.6]])), [0.0, 0.1], atol=1e-6)


def test_the_same_image_always_has_the_same_table():
    depth = table_depth(tilted_normal(0.2, 1.0), 0.7) + np.random.default_rng(0).normal(0, 0.002, (240, 320))
    assert np.array_equal(observe(depth).table.normal, observe(depth).table.normal)


@pytest.mark.parametrize("points", [np.zeros((0, 3)), np.ones((50, 3)), np.tile([0.1, 0.2, 0.7], (500, 1))])
def test_too_few_or_coinciding_points_have_no_plane(points):
    assert fit_plane(points) is None


def test_scattered_points_have_no_plane():
    assert fit_plane(np.random.default_rng(0).uniform(0.3, 1.5, size=(5000, 3))) is None


def test_a_steep_wall_is_no_table():
    assert fit_plane(np.random.default_rng(0).uniform([-1, 0.3, 0.3], [1, 0.3, 1.5], size=(5000, 3))) is None


# What may be grasped


def test_without_a_mask_the_object_is_what_rises_above_the_table():
    depth = table_depth(tilted_normal(0.2, 1.0), 0.7)
    depth[box_mask()] -= 0.03
    seen = observe(depth)
    np.testing.assert_array_equal(seen.object_mask, box_mask())


def test_with_a_mask_it_is_the_measured_part_of_the_mask():
    depth = table_depth(np.array([0.0, 0.0, 1.0]), 0.7)
    depth[110, 150] = 0.0  # missing
    seen = observe(depth, segmask=box_mask())
    assert np.isnan(seen.depth[110, 150])
    assert seen.object_mask.sum() == box_mask().sum() - 1


def test_an_observation_does_not_edit_the_callers_image():
    depth = np.full((240, 320), 0.7, np.float32)
    depth[0, 0] = 0.0
    Observation(depth, CAMERA, YUMI)
    assert depth[0, 0] == 0.0


# Real images


def real_observation(folder, camera, index):
    mask = read_mask(folder / f"segmask_{index}.png")
    return Observation(read_depth(folder / f"depth_{index}.npy"), camera, YUMI, mask)


def calibrated_normal(path):
    """The table's normal in the camera frame, from autolab's .tf file (rows of world_from_camera's rotation)."""
    rows = [[float(number) for number in line.split()] for line in path.read_text().splitlines()[3:6]]
    return -np.array(rows)[2]


@pytest.mark.parametrize(
    ("folder", "camera", "transform", "count"),
    [
        ("single_primesense", "primesense/primesense.intr", "primesense/primesense.tf", 5),
        ("clutter_primesense", "primesense/primesense.intr", "primesense/primesense.tf", 2),
        ("clutter_phoxi", "phoxi/phoxi.intr", "phoxi/phoxi_to_world.tf", 2),
    ],
)
def test_on_real_images_the_table_lies_as_the_camera_was_calibrated(shared_data, folder, camera, transform, count):
    real = shared_data / "real_depth"
    expected = calibrated_normal(real / "calib" / transform)
    for index in range(count):
        seen = real_observation(real / folder, load_camera(real / "calib" / camera), index)
        assert angle_between(seen.table.normal, expected) < np.deg2rad(0.5)
        assert seen.object_mask.sum() > 1000
