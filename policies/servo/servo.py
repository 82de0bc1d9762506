"""Closed loop: image after image, where the grasp is now, while the hand that carries the camera goes there.

The first image is planned as a whole. From then on the thing is followed by how high it rises above its table
(registration.py), its motion is smoothed (pose_filter.py), and the grasp is planned anew on a window around it: grasps
nearby refine it, and one elsewhere takes its place only if it stays better for several images. Closer than the sensor's
smallest range nothing is planned: the last grasp moves on at its last speed.

The arm may be anywhere: all that counts is where the camera was, beside the hand, when each image was taken. An error
of the cell's calibration, or a thing that was pushed, is seen and made good; an error between hand and camera is not.

The camera may also stand beside the arm. Then the arm covers a part of its images, and what lies behind is not known: a
thing that is mostly hidden moves on as it did until it can be seen again.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float64

from graspnet.config import load_config
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.inputs.array_file import mask_of
from graspnet.observation.foreground import MIN_HEIGHT
from graspnet.observation.observation import REACH, Observation, Plane, fit_plane
from graspnet.policies.constraints import Constraints, FeasibleSampler
from graspnet.policies.cross_entropy.cross_entropy import CrossEntropyConfig
from graspnet.policies.grasp_space import GraspSpace
from graspnet.policies.planning import MIN_QUALITY, load_policy, load_quality, plan_observation
from graspnet.policies.policy import Policy
from graspnet.policies.ranking import SAME_PLACE
from graspnet.policies.servo.pose_filter import FilterConfig, PoseFilter
from graspnet.policies.servo.registration import Relief, motion_between, visible_share
from graspnet.quality import Quality
from graspnet.transforms import invert, perpendicular_to, rigid, transform_points

__all__ = ["Servo", "ServoConfig", "Target", "load_servo", "without_arm"]

Status = Literal["searching", "following", "hidden", "blind", "lost"]
SQUARE = 4.0  # spans of the hand: the side of what is followed
ELITES = 0.25  # of the grasps nearby: the place that their mean has is the place of the best one, less its luck
GATE = 16.0  # squared deviations: what moved further than this did not move on, it was pushed
OVER = 0.02  # m: what rises so far above all that stood around the thing is the arm, where one is in view
WHOLE, SOME = 0.95, 0.4  # of the thing in view: enough to plan its grasp anew, and to see where it is


@dataclass(frozen=True, kw_only=True)
class ServoConfig:
    """A preset of `configs/servo/`. Lengths are metres."""

    smallest_range: float = 0.2  # from the camera, along its axis; nearer the sensor measures nothing
    near: int = 48  # grasps drawn around the one that is followed, each image
    near_position: float = 0.05  # their σ, in spans of the hand
    near_angle: float = np.deg2rad(5.0)
    fresh: int = 32  # grasps drawn anew on the window: one of them may be better
    fresh_interval: int = 3  # they are drawn in every third image
    gain: float = 0.4  # how far a grasp moves towards what an image says of its place, relative to the thing
    better: float = 0.1  # so much more quality has a grasp that takes its place
    patience: int = 2  # so many times in a row
    likeness: float = 0.7  # of what is seen and what is followed, at least, 1 at best
    sure_images: int = 4  # so many since it was found or pushed, and the hand may come nearer than the sensor sees
    misses: int = 5  # so many images in a row without it, and it is lost
    longest_hidden: float = 2.0  # seconds behind the arm, and it is lost
    min_quality: float = MIN_QUALITY
    search: CrossEntropyConfig = field(default_factory=CrossEntropyConfig)
    filter: FilterConfig = field(default_factory=FilterConfig)

    def __post_init__(self) -> None:
        self.search.check_upright("the servo")
        for name in ("near", "fresh", "fresh_interval", "patience", "sure_images", "misses"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 < self.gain <= 1 or not 0 < self.likeness < 1:
            raise InputError(f"gain is {self.gain}, likeness {self.likeness}; expected shares, in (0, 1]")
        if self.smallest_range < 0 or self.longest_hidden < 0:
            found = f"smallest_range is {self.smallest_range} m, longest_hidden {self.longest_hidden} s"
            raise InputError(f"{found}; they must not be negative")


@dataclass(frozen=True)
class Target:
    """Where the hand is to go.

    status: `following` it sees the thing; `hidden` the arm is in the way; `blind` it is nearer than the sensor sees;
    `searching` nothing to grasp has been found yet; `lost` it has not seen the thing for some images: stop, or go back
    and look. world_from_grasp: the grasp at `time`, in the arm's world, None while searching. velocity: of the thing,
    metres a second. width: opening, metres. quality: what the network thinks of it now. sure: the thing was seen often
    enough since it was found or pushed; until then the hand should stay where its camera sees.
    """

    status: Status
    time: float
    world_from_grasp: Float64[np.ndarray, "4 4"] | None = None
    velocity: Float64[np.ndarray, "3"] = field(default_factory=lambda: np.zeros(3))
    width: float = float("nan")
    quality: float = float("nan")
    reason: str = ""
    sure: bool = False

    def at(self, time: float) -> Float64[np.ndarray, "4 4"]:
        """The grasp at another time, if the thing moves on as it does. There is one."""
        assert self.world_from_grasp is not None, self.status
        moved = self.world_from_grasp.copy()
        moved[:3, 3] += self.velocity * (time - self.time)
        return moved


@dataclass(frozen=True)
class _Followed:
    """A grasp on a thing, both as they were in the image in which the thing was first seen, and its motion since.

    They are in the thing's frame: the arm's world, moved to where the thing was. top: how high rises what stood around
    it, metres above the table.
    """

    world_from_thing: Float64[np.ndarray, "4 4"]
    relief: Relief
    top: float
    grasp: Float64[np.ndarray, "4 4"]
    width: float
    quality: float
    filter: PoseFilter
    images: int = 1
    since: int = 1  # images in which it was seen since it was found or pushed
    missed: int = 0
    rival_seen: int = 0  # how often a better grasp elsewhere was found, in a row

    def moved(self, time: float) -> Float64[np.ndarray, "4 4"]:
        """From the thing's frame to the arm's world at a time."""
        return np.asarray(self.world_from_thing @ self.filter.at(time).matrix, dtype=np.float64)

    def target(self, status: Status, time: float, sure_images: int) -> Target:
        """The grasp at a time."""
        moved, sure = self.moved(time) @ self.grasp, self.since >= sure_images
        return Target(status, time, moved, np.append(self.filter.speed, 0.0), self.width, self.quality, sure=sure)


@dataclass(frozen=True)
class _Seen:
    """An image without the arm, what it shows of the table around a thing, and how much of the thing is not hidden."""

    observation: Observation
    relief: Relief
    share: float

    @staticmethod
    def of(
        followed: _Followed,
        observation: Observation,
        table: Plane,
        time: float,
        arm: Bool[np.ndarray, "H W"] | None,
    ) -> "_Seen":
        """What an image shows of the thing that is followed. arm: pixels known to be the arm's; None: none are."""
        expected = followed.filter.at(time)
        center = np.array([expected.x, expected.y])
        if arm is None:
            return _Seen(observation, _relief(observation, table, followed.world_from_thing, center), 1.0)
        arm = arm | (np.nan_to_num(table.height(observation.points), nan=0.0) > followed.top + OVER)
        seen = without_arm(observation, arm)
        relief = _relief(seen, table, followed.world_from_thing, center)
        relief = relief.unknown_where(_behind_arm(relief.places, followed, seen, table, arm))
        return _Seen(seen, relief, visible_share(followed.relief, relief, expected))


class Servo:
    """Follows one grasp from image to image. Made by `load_servo`; one for each pick, or `forget` between them.

    >>> import numpy as np, graspnet as gn
    >>> depth = np.full((240, 320), 0.5, np.float32)  # a table half a metre below the camera ...
    >>> depth[100:140, 150:170] = 0.46  # ... and a block on it, 4 cm high
    >>> held = np.diag([1.0, -1.0, -1.0, 1.0])  # where the arm held the camera: it looks straight down,
    >>> held[2, 3] = 0.5  # from half a metre above the table
    >>> camera, hand = gn.Camera(300.0, 300.0, 159.5, 119.5, 320, 240), gn.load_gripper("yumi")
    >>> seen, servo = gn.Observation(depth, camera, hand, world_from_camera=held), gn.load_servo()
    >>> targets = [servo.see(seen, time) for time in (0.0, 0.1, 0.2)]
    >>> [target.status for target in targets]
    ['following', 'following', 'following']
    >>> bool(np.abs(targets[-1].world_from_grasp[:2, 3]).max() < 0.03)  # on the block, which lies near the origin
    True
    """

    def __init__(self, policy: Policy, quality: Quality, config: ServoConfig | None = None, seed: int = 0) -> None:
        """policy: plans the first image. quality: scores grasps in all others."""
        self.policy, self.quality, self.config = policy, quality, config or ServoConfig()
        self._rng = np.random.default_rng(seed)
        self._seed = seed
        self._followed: _Followed | None = None
        self._time = -np.inf

    def forget(self) -> None:
        """The next image is the first of another pick."""
        self._followed, self._time = None, -np.inf

    def see(self, observation: Observation, time: float, arm: Any = None) -> Target:
        """Take in an image, and say where the grasp was when it was taken (`Target.at` says where it will be).

        observation: with `world_from_camera`, where the arm says that the camera was. The table is found in the image.
        time: when the image was taken, seconds. arm: of a camera beside the arm, a mask (H, W) of pixels that show the
        arm or its hand; what they hide is not known. What rises 2 cm above all that stood around the thing is then
        taken for the arm, too. InputError: no pose; an image that is not later than the last one; a mask of another
        size.
        """
        if observation.world_from_camera is None:
            raise InputError("an image of a servo needs world_from_camera: where the arm held the camera (4x4, metres)")
        if not time > self._time:
            raise InputError(f"an image of time {time:g} s came after one of {self._time:g} s; they must come in order")
        self._time = time
        covered = None if arm is None else mask_of(arm, observation.depth, "arm", "where the arm is seen") > 0
        if self._followed is None:
            return self._search(observation, time, covered)
        return self._follow(self._followed, observation, time, covered)

    def _search(self, observation: Observation, time: float, arm: Bool[np.ndarray, "H W"] | None) -> Target:
        """Plan the whole image, and begin to follow the best grasp."""
        assert observation.world_from_camera is not None
        if arm is not None:
            if not (np.isfinite(observation.depth) & ~arm).any():
                return Target("searching", time, reason="the arm hides all that the camera sees")
            observation = without_arm(observation, arm)
        seen = replace(observation, world_from_camera=None)
        plan = plan_observation(seen, self.policy, min_quality=self.config.min_quality, seed=self._seed)
        if not len(plan) or seen.table is None:
            return Target("searching", time, reason=plan.reason or "no table was found in the image")
        grasp = observation.world_from_camera @ plan.best.camera_from_grasp
        here = rigid(np.eye(3), np.append(grasp[:2, 3], 0.0))
        around = _around(observation, seen.table, here, np.zeros(2))
        relief = Relief.of(around, np.zeros(2), SQUARE * observation.gripper.span)
        top = float(np.percentile(around[:, 2], 99)) if len(around) else 0.0
        begun = PoseFilter.begun(time, self.config.filter)
        in_thing = invert(here) @ grasp
        self._followed = _Followed(here, relief, top, in_thing, plan.best.width, float(plan.qualities[0]), begun)
        return self._followed.target("following", time, self.config.sure_images)

    def _follow(
        self, followed: _Followed, observation: Observation, time: float, arm: Bool[np.ndarray, "H W"] | None
    ) -> Target:
        assert observation.world_from_camera is not None
        expected = followed.target("blind", time, self.config.sure_images)
        assert expected.world_from_grasp is not None
        in_camera = transform_points(invert(observation.world_from_camera), expected.world_from_grasp[None, :3, 3])[0]
        if in_camera[2] < self.config.smallest_range:
            return expected
        measured = np.isfinite(observation.depth) if arm is None else np.isfinite(observation.depth) & ~arm
        table = fit_plane(observation.points[measured])
        if table is None:
            return self._not_seen(followed, expected) if arm is None else self._hidden(followed, expected)
        seen = _Seen.of(followed, observation, table, time, arm)
        if seen.share < SOME:
            return self._hidden(followed, expected)
        moved = self._moved(followed, seen.relief, time)
        if moved is None:
            return self._not_seen(followed, expected)
        again = moved if seen.share < WHOLE else self._planned_again(moved, seen.observation, table, time)
        self._followed = again
        if again is None:
            return replace(expected, status="lost", reason="nothing can be grasped there any more")
        return again.target("following", time, self.config.sure_images)

    def _hidden(self, followed: _Followed, expected: Target) -> Target:
        """What to say of an image in which the arm hides the thing: it moves on as it did, for some time."""
        if expected.time - followed.filter.time > self.config.longest_hidden:
            self._followed = None
            return replace(expected, status="lost", reason="the arm has hidden it for too long")
        return replace(expected, status="hidden")

    def _not_seen(self, followed: _Followed, expected: Target) -> Target:
        """What to say of an image without the thing: it is still followed, or lost by now."""
        self._followed = self._missed(followed)
        return replace(expected, status="following" if self._followed else "lost")

    def _moved(self, followed: _Followed, seen: Relief, time: float) -> _Followed | None:
        """The thing where it is now; None where it is not seen."""
        expected = followed.filter.at(time)
        drift = seen.centroid - followed.relief.centroid - seen.center
        starts = (expected, replace(expected, x=expected.x + drift[0], y=expected.y + drift[1]))
        motion, alike = max(
            (motion_between(followed.relief, seen, start) for start in starts), key=lambda each: each[1]
        )
        if alike < self.config.likeness:
            return None
        moved, surprise = followed.filter.seen(motion, time)
        if surprise > GATE:
            return replace(followed, filter=followed.filter.pushed(motion, time), missed=0, since=1)
        return replace(followed, filter=moved, missed=0, since=followed.since + 1)

    def _planned_again(
        self, followed: _Followed, observation: Observation, table: Plane, time: float
    ) -> _Followed | None:
        """The grasp refined by those nearby, or another one that has been better for long enough; None: there has been
        no grasp for some images."""
        moved = followed.moved(time)
        assert observation.world_from_camera is not None
        window = _window(observation, table, (moved @ followed.grasp)[:3, 3])
        if window is None or not window.object_mask.any():
            return self._missed(followed)
        config = self.config
        constraints = Constraints(GraspSpace.of(window), config.search.constraints)
        thing_from_camera = invert(moved) @ observation.world_from_camera
        now = Grasps.of_jaws((invert(thing_from_camera) @ followed.grasp)[None], np.array([followed.width]))
        around = constraints.pulled_back(self._near(now, constraints.space))
        if not len(around):
            return self._missed(followed)
        draws = followed.images % config.fresh_interval == 0
        fresh = Grasps.none()
        if draws:
            fresh = FeasibleSampler.within(constraints, config.search.sampler).sample(config.fresh, self._rng)
        qualities = self.quality(window, Grasps.concatenate([around, fresh]))
        elites = np.argsort(-qualities[: len(around)])[: max(4, round(ELITES * len(around)))]
        quality = float(qualities[elites].mean())
        refined = _refined(now, around[elites], constraints.space, config.gain)
        of_fresh = qualities[len(around) :]
        elsewhere = np.linalg.norm(fresh.origin - refined.origin, axis=1) > SAME_PLACE * window.gripper.span
        better = np.flatnonzero(elsewhere & (of_fresh > quality + config.better))
        rivals = followed.rival_seen + int(len(better) > 0) if len(better) or not draws else 0
        if len(better) and rivals >= config.patience:
            best = better[np.argmax(of_fresh[better])]
            refined, quality, rivals = fresh[best : best + 1], float(of_fresh[best]), 0
        width = float(constraints.opened(refined).width[0])
        grasp = thing_from_camera @ refined.poses[0]
        return replace(
            followed, grasp=grasp, width=width, quality=quality, missed=0, images=followed.images + 1, rival_seen=rivals
        )

    def _missed(self, followed: _Followed) -> _Followed | None:
        """The same after one more image without it; None: it is lost."""
        missed = followed.missed + 1
        return replace(followed, missed=missed) if missed < self.config.misses else None

    def _near(self, grasp_in_camera: Grasps, space: GraspSpace) -> Grasps:
        """The grasp, and others around it."""
        config, count = self.config, self.config.near
        moves = space.w * config.near_position * self._rng.standard_normal((count, 3))
        turns = config.near_angle * self._rng.standard_normal(count)
        moves[0], turns[0] = 0.0, 0.0
        angle = space.angles(grasp_in_camera) + turns
        return space.grasps(space.coordinates(grasp_in_camera) + moves, angle, np.repeat(grasp_in_camera.width, count))


def _refined(now: Grasps, elites: Grasps, space: GraspSpace, gain: float) -> Grasps:
    """A grasp moved towards the mean of better ones around it."""
    place, angle = space.coordinates(now)[0], space.angles(now)[0]
    place = place + gain * (space.coordinates(elites).mean(axis=0) - place)
    turns = (space.angles(elites) - angle + np.pi / 2) % np.pi - np.pi / 2  # jaws may be swapped
    return space.grasps(place[None], np.array([angle + gain * turns.mean()]), now.width)


def _relief(
    observation: Observation,
    table: Plane,
    world_from_thing: Float64[np.ndarray, "4 4"],
    center: Float64[np.ndarray, "2"],
) -> Relief:
    """How high what an image shows rises above its table, in a square of the thing's frame."""
    around = _around(observation, table, world_from_thing, center)
    return Relief.of(around, center, SQUARE * observation.gripper.span)


def _around(
    observation: Observation,
    table: Plane,
    world_from_thing: Float64[np.ndarray, "4 4"],
    center: Float64[np.ndarray, "2"],
) -> Float64[np.ndarray, "P 3"]:
    """What an image shows above its table in a square of the thing's frame: x and y there, height above the table."""
    assert observation.world_from_camera is not None
    points = observation.points[_raised(observation, table)]
    places = transform_points(invert(world_from_thing) @ observation.world_from_camera, points)
    places = np.column_stack([places[:, :2], table.height(points)])
    return places[(np.abs(places[:, :2] - center) < SQUARE / 2 * observation.gripper.span).all(axis=1)]


def without_arm(observation: Observation, arm: Bool[np.ndarray, "H W"]) -> Observation:
    """The same, with no depth where the arm is. InputError: nothing else was measured."""
    return replace(observation, depth=np.where(arm, np.float32(np.nan), observation.depth))


def _behind_arm(
    places: Float64[np.ndarray, "n n 2"],
    followed: _Followed,
    observation: Observation,
    table: Plane,
    arm: Bool[np.ndarray, "H W"],
) -> Bool[np.ndarray, "n n"]:
    """Which places of a thing's frame are out of view or behind the arm, on the table or as high as the thing is."""
    assert observation.world_from_camera is not None
    thing_from_camera = invert(followed.world_from_thing) @ observation.world_from_camera
    equations = np.vstack([thing_from_camera[:2, :3], -table.normal])  # of a point in the camera's frame
    hidden, size = np.zeros(places.shape[:2], dtype=bool), np.array(arm.shape[::-1])
    for height in (0.0, followed.top):
        wanted = np.dstack([places - thing_from_camera[:2, 3], np.full(hidden.shape, height - table.offset)])
        points = wanted @ np.linalg.inv(equations).T
        at = np.rint(observation.camera.project(np.maximum(points, [-np.inf, -np.inf, 1e-6])))
        inside = (points[..., 2] > 1e-6) & (at >= 0).all(axis=-1) & (at < size).all(axis=-1)
        u, v = np.where(inside[..., None], at, 0).astype(int).transpose(2, 0, 1)
        hidden |= ~inside | arm[v, u]
    return hidden


def _raised(observation: Observation, table: Plane) -> Bool[np.ndarray, "H W"]:
    """Pixels above the table."""
    return np.asarray(np.nan_to_num(table.height(observation.points), nan=-1.0) > MIN_HEIGHT)


def _window(observation: Observation, table: Plane, place_in_world: Float64[np.ndarray, "3"]) -> Observation | None:
    """The part of an image around a place that a hand and a crop there can reach; None where none of it is in view.

    Its world is the table's own: z = 0 is the table that the image shows, so that nobody fits it again.
    """
    assert observation.world_from_camera is not None
    camera, span = observation.camera, observation.gripper.span
    center = transform_points(invert(observation.world_from_camera), place_in_world[None])[0]
    if not center[2] > 0:
        return None
    half = REACH * span / center[2] * np.array([camera.fx, camera.fy])
    size = np.array([camera.width, camera.height])
    at = camera.project(center[None])[0]
    low = np.clip(np.floor(at - half), 0, size).astype(int)
    high = np.clip(np.ceil(at + half), 0, size).astype(int)
    (u, v), (width, height) = low.tolist(), (high - low).tolist()
    if min(width, height) < 16:
        return None
    here = replace(
        observation, depth=observation.depth[v : v + height, u : u + width], camera=camera.window(u, v, width, height),
        segmask=None, region=None, world_from_camera=_table_from_camera(table),
    )  # fmt: skip
    near = np.linalg.norm(np.nan_to_num(here.points, nan=np.inf) - center, axis=-1) < SQUARE / 2 * span
    return replace(here, segmask=_raised(here, table) & near)


def _table_from_camera(table: Plane) -> Float64[np.ndarray, "4 4"]:
    """A frame whose z = 0 is the table, z up, below the camera."""
    up = -table.normal
    x = perpendicular_to(up[None])[0]
    rotation = np.stack([x, np.cross(up, x), up])
    return rigid(rotation, np.array([0.0, 0.0, table.offset]))


def load_servo(
    model: str | Quality = "parallel_jaw",
    config: str = "default",
    overrides: tuple[str, ...] = (),
    seed: int = 0,
    threads: int | None = None,
) -> Servo:
    """A servo, with the network that it ranks grasps by.

    model: as for `load_policy`. config: a preset of `configs/servo/` or a file. overrides: `KEY=VALUE` settings.
    threads: as for `NetworkQuality`.
    InputError: an unknown preset or key, or a folder without a model.

    >>> import graspnet as gn
    >>> servo = gn.load_servo(overrides=("smallest_range=0.07",))
    >>> servo.config.smallest_range
    0.07
    """
    loaded = load_config(ServoConfig, "servo", config, overrides)
    quality = load_quality(model, threads)
    return Servo(load_policy("cross_entropy", quality), quality, loaded, seed)
