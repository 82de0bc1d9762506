"""A servo follows a grasp on a box while the camera comes down, says when it no longer sees, and when it lost it."""

from dataclasses import replace

import numpy as np
import pytest

import graspnet as gn
from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.observation.observation import Observation
from graspnet.policies.servo.servo import ServoConfig, Target, load_servo
from tests.box_scenes import looking_down, render

CAMERA = Camera(240.0, 240.0, 159.5, 119.5, 320, 240)
BOX = (0.06, 0.03, 0.03)
NOWHERE = np.zeros((240, 320), dtype=bool)  # where the arm of a cell is that is not in view


def seen(height: float, x: float, y: float, yaw: float = 0.3, arm_off: float = 0.0, empty: bool = False) -> Observation:
    """A box at (x, y) seen from above. arm_off: so far is the arm's belief of the camera off, along x."""
    where = looking_down(height)
    depth, _ = render([] if empty else [(BOX, (x, y), yaw)], CAMERA, where)
    noise = 0.0005 * np.random.default_rng(round(1e6 * height)).standard_normal(depth.shape)
    believed = where.copy()
    believed[0, 3] += arm_off
    return Observation(depth + noise.astype(np.float32), CAMERA, gn.load_gripper("yumi"), world_from_camera=believed)


@pytest.fixture
def servo():
    return load_servo(threads=1)


def heights(count: int = 10) -> list[float]:
    return np.linspace(0.45, 0.26, count).tolist()


def test_a_box_at_rest_is_grasped_across_its_middle_and_the_grasp_stays(servo):
    targets = [servo.see(seen(height, 0.02, -0.01), 0.1 * k) for k, height in enumerate(heights())]
    assert {target.status for target in targets} == {"following"}
    last = targets[-1].world_from_grasp
    assert np.linalg.norm(last[:2, 3] - [0.02, -0.01]) < 0.02
    across = np.array([-np.sin(0.3), np.cos(0.3), 0.0])
    assert abs(last[:3, 1] @ across) > np.cos(np.deg2rad(12))
    assert np.abs(targets[-1].velocity).max() < 0.01
    steps = np.diff([target.world_from_grasp[:3, 3] for target in targets], axis=0)
    assert np.linalg.norm(steps, axis=1).max() < 0.008


def test_a_box_on_a_belt_is_met_where_it_will_be(servo):
    """40 mm/s: after ten pictures its speed is known to a tenth, and 0.2 s later it is where it was said to be."""
    for k, height in enumerate(heights()):
        target = servo.see(seen(height, -0.03 + 0.004 * k, 0.0), 0.1 * k)
    np.testing.assert_allclose(target.velocity, [0.04, 0.0, 0.0], atol=0.008)
    there = target.at(target.time + 0.2)[:2, 3]
    assert np.linalg.norm(there - [-0.03 + 0.036 + 0.008, 0.0]) < 0.02


def test_an_arm_that_errs_about_its_camera_errs_as_much_about_the_grasp_and_no_more(servo):
    """What counts is the grasp beside the hand that carries the camera: the two errors cancel."""
    for k, height in enumerate(heights(4)):
        target = servo.see(seen(height, 0.0, 0.0, arm_off=0.02), 0.1 * k)
    assert np.linalg.norm(target.world_from_grasp[:2, 3] - [0.02, 0.0]) < 0.02


def test_a_push_is_followed_and_makes_it_unsure_until_four_images_have_seen_it_there(servo):
    targets = [servo.see(seen(0.4, 0.0 if k < 5 else 0.014, 0.0, 0.3 if k < 5 else 0.45), 0.1 * k) for k in range(9)]
    assert [target.sure for target in targets] == [False] * 3 + [True] * 2 + [False] * 3 + [True]
    assert np.abs(targets[5].velocity).max() < 0.02  # a push is no speed
    last = targets[-1]
    assert last.status == "following"
    assert abs(last.world_from_grasp[0, 3] - 0.014) < 0.015
    across = np.array([-np.sin(0.45), np.cos(0.45), 0.0])
    assert abs(last.world_from_grasp[:3, 1] @ across) > np.cos(np.deg2rad(12))


def test_nearer_than_the_sensor_sees_the_last_grasp_moves_on(servo):
    for k in range(3):
        servo.see(seen(0.4, 0.0, 0.0), 0.1 * k)
    blind = servo.see(seen(0.18, 0.0, 0.0), 0.3)
    assert blind.status == "blind"
    assert np.linalg.norm(blind.world_from_grasp[:2, 3]) < 0.02


def with_arm(image: Observation, columns: slice, height: float) -> tuple[Observation, np.ndarray]:
    """The image with something flat over some columns, so high above the table (metres), and where that is."""
    assert image.world_from_camera is not None
    arm = np.zeros(image.depth.shape, dtype=bool)
    arm[:, columns] = True
    depth = np.where(arm, np.float32(image.world_from_camera[2, 3] - height), image.depth)
    return replace(image, depth=depth.astype(np.float32)), arm


BEHIND, LEFT, RIGHT = slice(100, 230), slice(0, 160), slice(160, 320)  # columns: over all of the box, or over a half


@pytest.mark.parametrize(("columns", "side"), [(LEFT, 1.0), (RIGHT, -1.0)])
@pytest.mark.parametrize("height", [0.04, 0.2])
def test_a_thing_that_the_arm_hides_in_part_is_followed_by_what_is_left(servo, columns, side, height):
    """An arm over half of the table is marked, or known by its height; a box on a belt turns round beneath it."""
    for k in range(8):
        target = servo.see(seen(0.45, side * (-0.014 + 0.004 * k), 0.0), 0.1 * k, NOWHERE)
    offset = target.world_from_grasp[:2, 3] - [side * (-0.014 + 0.028), 0.0]
    for k in range(8, 11):
        image, arm = with_arm(seen(0.45, side * (0.02 - 0.006 * (k - 7)), 0.0), columns, height)
        target = servo.see(image, 0.1 * k, arm if height < 0.1 else NOWHERE)
        assert target.status == "following"
    place = target.world_from_grasp[:2, 3] - offset
    np.testing.assert_allclose(place, [side * (0.02 - 0.018), 0.0], atol=0.004)


def test_what_the_arm_hides_moves_on_and_is_followed_again_or_lost_in_the_end(servo):
    """40 mm/s; for 0.6 s, longer than until something is lost that is not there, the arm is over it."""
    for k in range(8):
        target = servo.see(seen(0.45, -0.04 + 0.004 * k, 0.0), 0.1 * k, NOWHERE)
    offset = target.world_from_grasp[0, 3] - (-0.04 + 0.028)
    for k in range(8, 14):
        image, arm = with_arm(seen(0.45, -0.04 + 0.004 * k, 0.0), BEHIND, 0.1)
        hidden = servo.see(image, 0.1 * k, arm)
        assert hidden.status == "hidden"
        assert hidden.world_from_grasp[0, 3] - offset == pytest.approx(-0.04 + 0.004 * k, abs=0.008)
    again = servo.see(seen(0.45, -0.04 + 0.004 * 14, 0.0), 1.4, NOWHERE)
    assert again.status == "following"
    assert again.world_from_grasp[0, 3] - offset == pytest.approx(0.016, abs=0.005)
    everything = np.ones_like(NOWHERE)
    assert servo.see(image, 3.3, everything).status == "hidden"
    assert servo.see(image, 3.5, everything).status == "lost"
    assert servo.see(image, 3.6, everything).reason == "the arm hides all that the camera sees"


@pytest.mark.parametrize("size", [(0.01, 0.01, 0.07), (0.03, 0.01, 0.06), (0.06, 0.03, 0.03)])
def test_a_thing_in_full_view_is_never_taken_for_an_arm(servo, size):
    """A standing pin's relief is blurred, and lower than the pin."""
    for k in range(4):
        depth, _ = render([(size, (0.0, 0.0), 0.3)], CAMERA, looking_down(0.45))
        depth = depth + 0.0005 * np.random.default_rng(k).standard_normal(depth.shape).astype(np.float32)
        image = Observation(depth, CAMERA, gn.load_gripper("yumi"), world_from_camera=looking_down(0.45))
        assert servo.see(image, 0.1 * k, NOWHERE).status == "following"


@pytest.mark.parametrize("as_what", [bool, np.uint8, np.float64, list])
def test_a_mask_of_the_arm_is_taken_as_people_have_it_and_must_fit_the_image(servo, as_what):
    image, arm = with_arm(seen(0.4, 0.0, 0.0), BEHIND, 0.1)
    servo.see(seen(0.4, 0.0, 0.0), 0.0)
    given = arm.tolist() if as_what is list else (255 * arm).astype(as_what)
    assert servo.see(image, 0.1, given).status == "hidden"
    with pytest.raises(InputError, match=r"arm is 10x10.*; the depth image is 320x240"):
        servo.see(image, 0.2, np.zeros((10, 10), dtype=bool))


def test_what_is_taken_away_is_lost_and_then_searched_for(servo):
    servo.see(seen(0.4, 0.0, 0.0), 0.0)
    statuses = [servo.see(seen(0.4, 0.0, 0.0, empty=True), 0.1 * k).status for k in range(1, 8)]
    assert statuses[:4] == ["following"] * 4
    assert statuses[4] == "lost"
    assert statuses[5:] == ["searching"] * 2
    assert servo.see(seen(0.4, 0.0, 0.0), 1.0).status == "following"


def test_an_empty_table_is_searched_and_says_why(servo):
    target = servo.see(seen(0.4, 0.0, 0.0, empty=True), 0.0)
    assert target.status == "searching"
    assert "above the table" in target.reason
    with pytest.raises(AssertionError):
        target.at(1.0)


def test_images_without_a_pose_or_out_of_order_are_refused(servo):
    first = seen(0.4, 0.0, 0.0)
    with pytest.raises(InputError, match="needs world_from_camera"):
        servo.see(replace(first, world_from_camera=None), 0.0)
    servo.see(first, 1.0)
    with pytest.raises(InputError, match=r"of time 1 s came after one of 1 s"):
        servo.see(first, 1.0)
    servo.forget()
    assert servo.see(first, 0.5).status == "following"


def test_the_same_images_give_the_same_grasps():
    first, second = [load_servo(threads=1, seed=3).see(seen(0.4, 0.0, 0.0), 0.0).world_from_grasp for _ in range(2)]
    np.testing.assert_array_equal(first, second)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="near is 0"):
        ServoConfig(near=0)
    with pytest.raises(InputError, match="gain is 0"):
        ServoConfig(gain=0.0)
    with pytest.raises(InputError, match="smallest_range is -1"):
        ServoConfig(smallest_range=-1.0)


def test_a_target_moves_on_at_its_speed():
    target = Target("following", 1.0, np.eye(4), np.array([0.1, 0.0, 0.0]))
    np.testing.assert_allclose(target.at(1.5)[:3, 3], [0.05, 0.0, 0.0])
