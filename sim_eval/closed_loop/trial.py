"""One object, one pick for each leader, under one condition: how wrong the first look is, and how the object moves."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from graspnet.data_gen.physics.outcome import PickResult
from graspnet.data_gen.physics.pick import PickWorld
from graspnet.data_gen.scenes.rendering import Renderer
from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.policies.policy import Policy
from graspnet.policies.servo.servo import Servo, Target
from graspnet.sim_eval.closed_loop.approach import Approach, Motion
from graspnet.sim_eval.closed_loop.cameras import BesideArm, OnHand
from graspnet.sim_eval.closed_loop.leaders import LEADERS, Leader, OpenLoop, SecondLook, Servoing
from graspnet.sim_eval.closed_loop.rig import RigConfig
from graspnet.sim_eval.episodes.chance import stream
from graspnet.sim_eval.episodes.episode import Episode
from graspnet.transforms import rigid, rotation_about, unit

__all__ = ["ConditionConfig", "Outcome", "run_trial"]

CONDITION = 6  # a stream of an episode: [seed, index, STREAM]; chance.py and cameras.py have the others
FRAME_INTERVAL = 0.04  # s between the pictures of a film
UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, kw_only=True)
class ConditionConfig:
    """SI units. The first look's camera is off by exactly `translation` and `rotation`, in a random direction.

    shift, turn: the object is pushed so far, in a random direction, while the hand comes, where the hand is `pushed_at`
    from its aim. belt: the object moves at that speed from the first look on, in a random direction. hand_translation,
    hand_rotation: so far is the camera on the hand off from where the arm believes it, besides the rig's own error.
    """

    translation: float = 0.0
    rotation: float = 0.0
    shift: float = 0.0
    turn: float = 0.0
    pushed_at: float = 0.15
    belt: float = 0.0
    hand_translation: float = 0.0
    hand_rotation: float = 0.0

    def __post_init__(self) -> None:
        at_hand = min(self.hand_translation, self.hand_rotation)
        if min(self.translation, self.rotation, self.shift, self.turn, self.belt, at_hand) < 0:
            raise InputError("a condition's lengths, angles and speeds must not be negative")


@dataclass(frozen=True)
class Outcome:
    """How a leader's pick went: the physics' result, how long the hand took, and what looking cost.

    seconds: of processor time, for all pictures.
    """

    result: PickResult
    duration: float = 0.0
    pictures: int = 0
    seconds: float = 0.0
    quality: float = float("nan")


def run_trial(
    episode: Episode,
    condition: ConditionConfig,
    rig: RigConfig,
    policy: Policy,
    servo: Servo,
    renderer: Renderer,
    leaders: tuple[str, ...] = LEADERS,
    film: bool = False,
) -> dict[str, Outcome]:
    """Let each leader pick, all from the same first look and with the same chance."""
    assert isinstance(episode.world, PickWorld), "one object lies there"
    rng = stream(episode.seed, episode.index, CONDITION)
    off = _off_by(condition.translation, condition.rotation, rng)  # from where the camera is to where it is believed
    motion = _motion(episode, condition, rig, rng)
    hand_error = rigid(
        rotation_about(_direction(rng), np.array(rng.normal(0.0, rig.rotation * np.sqrt(3)))),
        rng.normal(0.0, rig.translation, 3),
    ) @ _off_by(condition.hand_translation, condition.hand_rotation, rng)
    plan = policy.plan(episode.observation, np.random.default_rng(episode.plan_seed))
    if not len(plan):
        return {name: Outcome(PickResult("no_plan")) for name in leaders}
    believed = episode.world_from_camera @ off
    first = _first(plan, believed)
    outcomes = {}
    for name in leaders:
        beside = BesideArm(episode, renderer, believed) if rig.place == "beside_arm" else None
        leader = _leader(name, first, rig, policy, servo, episode.plan_seed, beside)
        camera = beside or OnHand(episode, renderer, rig, hand_error)
        approach = Approach(leader, rig, motion, camera, episode.config.pick.solver.time_step)
        result = episode.world.guided(episode.world_from_objects[0], approach, FRAME_INTERVAL if film else None)
        outcomes[name] = Outcome(result, approach.duration, approach.pictures, approach.seconds, leader.target.quality)
    return outcomes


def _first(plan: GraspPlan, arm_from_camera: Float64[np.ndarray, "4 4"]) -> Target:
    """The best grasp of the first look, as the arm believes it."""
    grasp = arm_from_camera @ plan.best.camera_from_grasp
    return Target("searching", 0.0, grasp, width=plan.best.width, quality=float(plan.qualities[0]))


def _leader(
    name: str, first: Target, rig: RigConfig, policy: Policy, servo: Servo, seed: int, beside: BesideArm | None
) -> Leader:
    if name == OpenLoop.name:
        return OpenLoop(first)
    if name == SecondLook.name:
        return SecondLook(first, policy, seed, rig.second_look - rig.behind)
    leader = Servoing(first, servo, rig.second_look - rig.behind)
    if beside is not None:  # it has looked already
        leader.take(beside.first(), -rig.delay)
    return leader


def _motion(episode: Episode, condition: ConditionConfig, rig: RigConfig, rng: np.random.Generator) -> Motion:
    belt = condition.belt * _level(rng)
    turn, shift = condition.turn * rng.choice([-1.0, 1.0]), condition.shift * _level(rng)
    pushed = None
    if condition.shift or condition.turn:
        pushed = episode.world_from_objects[0].copy()
        pushed[:3, :3] = rotation_about(UP, np.array(turn)) @ pushed[:3, :3]
        pushed[:3, 3] += shift
    return Motion(belt, pushed, rig.delay, condition.pushed_at)


def _off_by(translation: float, rotation: float, rng: np.random.Generator) -> Float64[np.ndarray, "4 4"]:
    """A rigid transform that moves and turns by so much, in random directions."""
    turn = rotation_about(_direction(rng), np.array(rotation))
    return rigid(turn, translation * _direction(rng))


def _direction(rng: np.random.Generator) -> Float64[np.ndarray, "3"]:
    return np.asarray(unit(rng.standard_normal((1, 3)))[0], dtype=np.float64)


def _level(rng: np.random.Generator) -> Float64[np.ndarray, "3"]:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle), 0.0])
