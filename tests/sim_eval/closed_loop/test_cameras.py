"""What the cameras of a closed loop see, and what the arm believes of it."""

import numpy as np
import pytest

from graspnet.config import load_config
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.observation.observation import Observation
from graspnet.policies.servo.servo import load_servo
from graspnet.sim_eval.closed_loop.cameras import BesideArm, HandAt, OnHand
from graspnet.sim_eval.closed_loop.rig import RigConfig
from graspnet.sim_eval.closed_loop.study import ClosedLoopConfig
from graspnet.sim_eval.closed_loop.trial import run_trial
from graspnet.sim_eval.episodes.draw import draw_episode
from graspnet.transforms import frame_from_axes, invert, rigid, transform_points

OFF = rigid(np.eye(3), np.array([0.0, 0.004, 0.0]))
ALONG_X = np.array([1.0, 0.0, 0.0])
DOWN = frame_from_axes(np.array([0.0, 0.0, -1.0]), np.array([0.0, 1.0, 0.0]))


@pytest.fixture(scope="module")
def renderer():
    with RaycastRenderer() as made:
        yield made


@pytest.fixture(scope="module")
def config() -> ClosedLoopConfig:
    return load_config(ClosedLoopConfig, "closed_loop", "beside_arm")


@pytest.fixture(scope="module")
def episode(config, renderer):
    return draw_episode(config.protocol, 1, 1, renderer)  # a mug, seen from the side


def hand_over(episode, height: float, moved: float = 0.0) -> HandAt:
    """A hand over the object, in an arm's world that a belt has moved so far past the object's along x."""
    at = episode.world_from_objects[0, :3, 3] + [0.0, 0.0, height]
    return HandAt(rigid(DOWN, at + moved * ALONG_X), rigid(DOWN, at), 0.04, 1.0)


def test_the_hand_is_in_the_picture_of_a_camera_beside_the_arm_and_under_its_mask(episode, renderer):
    camera = BesideArm(episode, renderer, episode.world_from_camera @ OFF)
    hand = hand_over(episode, 0.1)
    look = camera.look(hand)
    assert look.arm is not None
    np.testing.assert_array_equal(look.observation.world_from_camera, episode.world_from_camera @ OFF)
    low, high = (corners[0] for corners in episode.gripper.boxes(np.array([hand.width])))
    inside = transform_points(hand.world_from_hand, (low + high) / 2)  # middles of both fingers and of the palm
    in_camera = transform_points(invert(episode.world_from_camera), inside)
    for (u, v), z in zip(np.rint(episode.camera.project(in_camera)).astype(int), in_camera[:, 2], strict=True):
        assert look.arm[v, u]
        assert -0.06 < look.observation.depth[v, u] - z < 0.005  # its near side
    before = camera.first().observation.depth
    changed = np.abs(look.observation.depth - before) > 0.02
    assert (changed & look.arm).sum() > 0.7 * changed.sum()  # the rest is the hand's shadow, where nothing is measured


def test_on_a_belt_the_camera_moves_past_the_object_as_the_arm_does(episode, renderer):
    """In the arm's world the object has moved on as far as the belt has."""
    camera = BesideArm(episode, renderer, episode.world_from_camera)
    there = [_middle_of_what_rises(camera.look(hand_over(episode, 0.4, moved)).observation) for moved in (0.0, 0.03)]
    np.testing.assert_allclose(there[1] - there[0], [0.03, 0.0], atol=0.004)


def test_the_camera_on_the_hand_sees_from_where_it_hangs_and_believes_what_the_arm_believes(episode, renderer):
    rig, hand = RigConfig(), hand_over(episode, 0.3, 0.05)
    right, off = (
        OnHand(episode, renderer, rig, error).look(hand)
        for error in (np.eye(4), rigid(np.eye(3), np.array([0.03, 0.0, 0.0])))
    )
    assert right.arm is None
    for look in (right, off):
        np.testing.assert_allclose(look.observation.world_from_camera, hand.arm_from_hand @ rig.hand_from_camera)
    believed_at = [_middle_of_what_rises(look.observation) for look in (right, off)]
    place = episode.world_from_objects[0, :2, 3] + [0.05, 0.0]
    assert np.linalg.norm(believed_at[0] - place) < episode.solids[0].radius
    across = 0.03 * (hand.arm_from_hand @ rig.hand_from_camera)[:2, 0]
    np.testing.assert_allclose(believed_at[1] - believed_at[0], -across, atol=0.006)


def _middle_of_what_rises(observation: Observation) -> np.ndarray:
    """The mean place of what is more than 15 mm above the table, in the arm's world."""
    points = observation.points[np.isfinite(observation.depth)]
    placed = transform_points(observation.world_from_camera, points)
    return np.median(placed[placed[:, 2] > 0.015, :2], axis=0)


def test_beside_the_arm_a_servo_meets_what_moves_and_an_open_loop_does_not(config, episode, renderer):
    servo = load_servo(threads=1)
    outcomes = run_trial(
        episode, config.conditions["belt_50mm_s"], config.rig, servo.policy, servo, renderer, ("open", "servo")
    )
    assert outcomes["open"].result.outcome != "success"
    assert outcomes["servo"].result.outcome == "success"
    assert outcomes["servo"].pictures > 15
