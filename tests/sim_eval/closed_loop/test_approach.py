"""The hand goes where its leader says, as fast as it may, and picks as one that knew the grasp from the start."""

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.physics.guide import Command, Guide
from graspnet.data_gen.physics.pick import PickWorld
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import load_parallel_jaw
from graspnet.observation.observation import Observation
from graspnet.policies.servo.servo import Servo, Target
from graspnet.sim_eval.closed_loop.approach import Approach, Motion
from graspnet.sim_eval.closed_loop.cameras import HandAt, Look, RigCamera
from graspnet.sim_eval.closed_loop.leaders import Leader, OpenLoop, Servoing
from graspnet.sim_eval.closed_loop.rig import RigConfig
from graspnet.transforms import frame_from_axes, is_rigid, rigid

HAND, RIG, STEP = load_parallel_jaw("yumi"), RigConfig(), 0.002
BOX = Solid("box", trimesh.creation.box((0.06, 0.03, 0.03)))
AT = rigid(np.eye(3), np.array([0.1, 0.05, 0.015]))
STILL = Motion(np.zeros(3), None, 0.3, 0.15)


def grasp(x: float = 0.1, y: float = 0.05, z: float = 0.015) -> np.ndarray:
    """A grasp straight down across the box."""
    return rigid(frame_from_axes(np.array([0.0, 0.0, -1.0]), np.array([0.0, 1.0, 0.0])), np.array([x, y, z]))


def open_loop(pose: np.ndarray) -> OpenLoop:
    return OpenLoop(Target("searching", 0.0, pose, width=0.05, quality=0.5))


class NoCamera(RigCamera):
    """An open loop takes no picture."""

    def __init__(self) -> None:
        """Nothing is needed."""

    def look(self, hand: HandAt) -> Look:
        raise AssertionError("an open loop takes no picture")


class Camera(RigCamera):
    """Always the same picture; it remembers where the hand was."""

    def __init__(self) -> None:
        self.hands: list[HandAt] = []

    def look(self, hand: HandAt) -> Look:
        self.hands.append(hand)
        return Look(Observation(np.full((240, 320), 0.3, dtype=np.float32), RIG.camera, HAND))


def approached(leader: Leader, motion: Motion = STILL, camera: RigCamera | None = None) -> Approach:
    return Approach(leader, RIG, motion, camera or NoCamera(), STEP)


def world() -> PickWorld:
    return PickWorld(BOX, HAND)


def test_an_open_loop_lifts_what_a_straight_pick_lifts():
    straight = world().pick(AT, Grasps.of_jaws(grasp()[None], np.array([0.05])))
    leader = approached(open_loop(grasp()))
    guided = world().guided(AT, leader)
    assert straight.outcome == guided.outcome == "success"
    assert guided.contact_distance == pytest.approx(straight.contact_distance, abs=2e-4)
    assert 0.35 / RIG.speed < leader.duration < 0.35 / RIG.speed + 1.0


def test_the_hand_keeps_to_its_speeds_and_arrives_where_it_was_told():
    leader = approached(open_loop(grasp()))
    commands = [leader.begin()]
    while (command := leader.next(STEP * len(commands))) is not None:
        commands.append(command)
    poses = np.stack([each.world_from_grasp for each in commands])
    assert is_rigid(poses)
    speed = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1) / STEP
    assert speed.max() < RIG.speed + 1e-9
    assert np.abs(np.diff(speed)).max() < 1.01 * RIG.acceleration * STEP
    np.testing.assert_allclose(poses[-1], grasp(), atol=0.0015)
    assert poses[0, 2, 3] == pytest.approx(0.015 + RIG.height)


class Late(OpenLoop):
    """Changes its mind half-way: 30 mm to the side, and a quarter turn."""

    def take(self, look, time):
        turned = grasp(0.13)
        turned[:3, :3] = frame_from_axes(np.array([0.0, 0.0, -1.0]), np.array([1.0, 0.2, 0.0]))
        self.target = Target("following", time, turned, width=0.03, quality=0.5)

    def looks(self, standoff, still):
        return standoff < 0.2


def test_a_new_aim_is_reached_sideways_first_and_its_pictures_are_as_late_as_the_rig_says():
    camera = Camera()
    leader = approached(Late(Target("searching", 0.0, grasp(), width=0.05)), camera=camera)
    poses, off = [], []
    while (command := leader.next(STEP * len(poses))) is not None:
        poses.append(command.world_from_grasp)
        off.append(np.hypot(poses[-1][0, 3] - 0.13, poses[-1][1, 3] - 0.05))
    height = np.array(poses)[:, 2, 3] - 0.015
    taken = [hand.time for hand in camera.hands]
    late = np.arange(len(poses)) * STEP > taken[0] + RIG.latency + 0.3
    assert (height[late] > np.minimum(RIG.funnel * (np.array(off)[late] - 0.003), 0.1) - 0.02).all()
    assert off[-1] < 0.0016
    assert abs(poses[-1][:3, 1] @ np.array([1.0, 0.2, 0.0])) / np.hypot(1, 0.2) > np.cos(np.deg2rad(1.1))
    np.testing.assert_allclose(np.diff(taken), RIG.frame_interval, atol=STEP + 1e-9)
    assert leader.pictures in (len(taken), len(taken) - 1)


def test_on_a_belt_a_hand_that_does_not_know_it_stays_behind_and_one_that_does_lifts():
    belt = Motion(np.array([0.05, 0.0, 0.0]), None, 0.0, 0.15)
    behind = world().guided(AT, approached(open_loop(grasp()), belt))
    assert behind.outcome in ("missed", "approach_collision", "pushed")
    knowing = OpenLoop(Target("following", 0.0, grasp(), np.array([0.05, 0.0, 0.0]), 0.05, 0.5))
    leader = approached(knowing, belt)
    np.testing.assert_allclose(leader.drift, 0.0)
    assert world().guided(AT, leader).outcome == "success"


def test_on_a_belt_the_hand_stays_behind_in_the_objects_world_as_far_as_the_belt_has_gone():
    class Looking(OpenLoop):
        def looks(self, standoff, still):
            return True

        def take(self, look, time):
            """It knows already."""

    camera = Camera()
    knowing = Looking(Target("following", 0.0, grasp(), np.array([0.05, 0.0, 0.0]), 0.05, 0.5))
    world().guided(AT, approached(knowing, Motion(np.array([0.05, 0.0, 0.0]), None, 0.3, 0.15), camera))
    assert len(camera.hands) > 10
    for hand in camera.hands:
        behind = hand.arm_from_hand[:3, 3] - hand.world_from_hand[:3, 3]
        np.testing.assert_allclose(behind, [0.05 * (hand.time + 0.3), 0.0, 0.0], atol=1e-12)
        assert hand.width == 0.05


def test_a_push_comes_once_and_where_the_hand_is_near():
    pushed = AT.copy()
    pushed[0, 3] += 0.05
    leader = approached(open_loop(grasp()), Motion(np.zeros(3), pushed, 0.0, 0.15))
    assert leader.moved_object(0.0) is None
    assert world().guided(AT, leader).outcome != "success"
    leader = approached(open_loop(grasp(0.15)), Motion(np.zeros(3), pushed, 0.0, 0.15))
    assert world().guided(AT, leader).outcome == "success"


def test_a_hand_that_is_never_told_to_go_on_gives_up():
    class Waiting(OpenLoop):
        holds = True

    leader = approached(Waiting(Target("lost", 0.0, grasp(), width=0.05)))
    assert world().guided(AT, leader).outcome == "no_plan"
    assert leader.duration == pytest.approx(RIG.patience, abs=0.01)


def test_tips_that_are_sent_into_the_table_stop_there():
    assert world().guided(AT, approached(open_loop(grasp(z=-0.02)))).outcome == "below_table"
    slightly = world().guided(AT, approached(open_loop(grasp(z=0.008))))  # tips 10 mm lower: 2 mm below the table
    assert slightly.outcome == "success"


class Scripted(Servo):
    """A servo that says what it was told to say."""

    def __init__(self, *answers: Target) -> None:
        self.answers = list(answers)

    def forget(self) -> None:
        """Nothing is remembered."""

    def see(self, observation, time: float, arm=None) -> Target:
        return self.answers.pop(0)


def test_a_servo_that_is_not_sure_keeps_the_hand_where_it_sees_and_one_that_finds_nothing_lets_it_go():
    image = Look(Observation(np.full((240, 320), 0.3, dtype=np.float32), RIG.camera, HAND))

    def leader(*answers: Target) -> Servoing:
        led = Servoing(Target("searching", 0.0, grasp(), width=0.05), Scripted(*answers), waits=0.2)
        for k in range(len(answers)):
            led.take(image, 0.1 * k)
        return led

    unsure, sure = (Target("following", 0.0, grasp(), width=0.04, sure=known) for known in (False, True))
    nothing = Target("searching", 0.0)
    assert leader(unsure).least_standoff == 0.2
    assert leader(unsure, sure).least_standoff == 0.0
    assert leader(Target("blind", 0.0, grasp(), width=0.04)).least_standoff == 0.0
    assert leader(nothing, nothing).least_standoff == 0.2
    blind_luck = leader(nothing, nothing, nothing)
    assert blind_luck.least_standoff == 0.0
    np.testing.assert_array_equal(blind_luck.target.world_from_grasp, grasp())
    assert leader(Target("lost", 0.0, grasp(), width=0.04)).holds
    assert not leader(unsure).holds


def test_a_leader_looks_on_where_the_arm_hides_the_thing_and_not_where_it_is_too_near():
    statuses = ("hidden", "following", "blind")
    led = Servoing(
        Target("searching", 0.0, grasp(), width=0.05),
        Scripted(*(Target(status, 0.0, grasp(), width=0.04, sure=True) for status in statuses)), 0.2,
    )  # fmt: skip
    for status in statuses:
        led.take(Camera().look(HandAt(np.eye(4), np.eye(4), 0.05, 0.0)), 0.0)
        assert led.looks(0.1, False) is (status != "blind")
        assert led.least_standoff == 0.0


def test_the_camera_sees_the_place_between_the_pads():
    """Its axis meets the approach axis; the grasp a quarter of a metre in front of it is in the middle of its image."""
    in_camera = np.linalg.inv(RIG.hand_from_camera) @ np.array([0.0, 0.0, RIG.looks_at - RIG.behind, 1.0])
    np.testing.assert_allclose(RIG.camera.project(in_camera[None, :3])[0], [159.5, 119.5], atol=1e-9)
    assert is_rigid(RIG.hand_from_camera)


class There(Guide):
    """A hand that begins where it is to close."""

    drift = np.zeros(3)

    def begin(self):
        return Command(grasp(), 0.05)

    def next(self, time):
        return None

    def moved_object(self, time):
        return None


def test_a_hand_that_is_there_already_just_closes():
    assert world().guided(AT, There()).outcome == "success"
