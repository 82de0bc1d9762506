"""The way to a grasp: at every step of the physics the hand moves on to where its leader wants it, as an arm would.

Two worlds: the arm's, in which leaders think, and the object's, in which the physics happens. On a belt the arm's moves
past the object's with the belt's speed; else they are the same.
"""

from collections import deque
from dataclasses import dataclass
from time import process_time

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

from graspnet.data_gen.physics.guide import Command, Guide
from graspnet.data_gen.physics.outcome import Outcome
from graspnet.sim_eval.closed_loop.cameras import HandAt, Look, RigCamera
from graspnet.sim_eval.closed_loop.leaders import Leader
from graspnet.sim_eval.closed_loop.rig import RigConfig

__all__ = ["Approach", "Motion"]

GAIN = 8.0  # 1/s: so many times its distance is the hand's speed near its aim
ALONG, ACROSS, TURNED, STILL = 0.0007, 0.0015, np.deg2rad(1.0), 0.01  # m, m, rad, m/s: then the hand has arrived
FUNNEL_FREE, FUNNEL_TOP = 0.003, 0.1  # m: so far off sideways costs nothing; higher than this the hand need not wait


@dataclass(frozen=True)
class Motion:
    """How the object moves while the hand comes: a belt's speed (m/s, in the arm's world), or a push to another pose.

    delay: so many seconds pass between the first look and the hand's start. pushed_at: how far the hand still is from
    its aim (metres) when the object is pushed.
    """

    belt: Float64[np.ndarray, "3"]
    pushed_to: Float64[np.ndarray, "4 4"] | None
    delay: float
    pushed_at: float


class Approach(Guide):
    """Leads the hand, takes the camera's pictures, and hands them to the leader when they are ready."""

    def __init__(self, leader: Leader, rig: RigConfig, motion: Motion, camera: RigCamera, step: float) -> None:
        self.leader, self.rig, self.motion, self._camera, self._step = leader, rig, motion, camera, step
        aim = leader.target.at(0.0)
        self._pose = aim.copy()
        self._pose[:3, 3] -= rig.height * aim[:3, 2]
        self._velocity = np.zeros(3)
        self._underway: deque[tuple[float, float, Look]] = deque()  # ready at, taken at, what is seen
        self._next_picture, self._pushed = 0.0, False
        self.pictures, self.seconds, self.duration = 0, 0.0, 0.0

    def begin(self) -> Command:
        """See Guide."""
        return self._command(0.0)

    def next(self, time: float) -> Command | Outcome | None:
        """See Guide."""
        self.duration = time
        if time > self.rig.patience:
            return "no_plan"
        self._look(time)
        if self.leader.holds:
            self._move(np.zeros(3))
            return self._command(time)
        aim = self.leader.target.at(time)
        along, across = self._off(aim)
        turn = self._turn(aim)
        still = float(np.linalg.norm(self._velocity - self.leader.target.velocity)) < STILL
        arrived = abs(along) < ALONG and np.linalg.norm(across) < ACROSS and np.linalg.norm(turn) < TURNED and still
        if arrived and not self.leader.least_standoff:
            return None
        self._go(aim, along, across, turn)
        return self._command(time)

    def moved_object(self, time: float) -> Float64[np.ndarray, "4 4"] | None:
        """See Guide."""
        if self.motion.pushed_to is None or self._pushed or self._standoff(time) > self.motion.pushed_at:
            return None
        self._pushed = True
        return self.motion.pushed_to

    @property
    def drift(self) -> Float64[np.ndarray, "3"]:
        """See Guide: what the leader takes for the object's speed, less the belt's."""
        return self.leader.target.velocity - self.motion.belt

    def _look(self, time: float) -> None:
        """Take a picture if it is time for one, and hand over those that are ready."""
        still = float(np.linalg.norm(self._velocity)) < STILL
        if time >= self._next_picture and self.leader.looks(self._standoff(time), still):
            self._next_picture = time + self.rig.frame_interval
            command = self._command(time)
            hand = HandAt(self._pose.copy(), command.world_from_grasp, command.width, time)
            self._underway.append((time + self.rig.latency, time, self._camera.look(hand)))
        while self._underway and self._underway[0][0] <= time:
            _, taken, seen = self._underway.popleft()
            start = process_time()
            self.leader.take(seen, taken)
            self.seconds += process_time() - start
            self.pictures += 1

    def _standoff(self, time: float) -> float:
        return self._off(self.leader.target.at(time))[0]

    def _off(self, aim: Float64[np.ndarray, "4 4"]) -> tuple[float, Float64[np.ndarray, "3"]]:
        """How far the hand is from its aim: along the approach, and across it."""
        error = aim[:3, 3] - self._pose[:3, 3]
        along = float(error @ aim[:3, 2])
        return along, error - along * aim[:3, 2]

    def _turn(self, aim: Float64[np.ndarray, "4 4"]) -> Float64[np.ndarray, "3"]:
        """The shorter turn (a rotation vector in the hand's frame) to the aim, or to the aim with its jaws swapped."""
        to_aim = self._pose[:3, :3].T @ aim[:3, :3]
        swapped = to_aim * [-1.0, -1.0, 1.0]
        nearer = to_aim if np.trace(to_aim) >= np.trace(swapped) else swapped  # trace: 1 + 2 cos of the angle
        return np.asarray(Rotation.from_matrix(nearer).as_rotvec(), dtype=np.float64)

    def _go(
        self,
        aim: Float64[np.ndarray, "4 4"],
        along: float,
        across: Float64[np.ndarray, "3"],
        turn: Float64[np.ndarray, "3"],
    ) -> None:
        """Move on by one step: sideways first, and down as far as the funnel allows."""
        rig, angle = self.rig, float(np.linalg.norm(turn))
        off = max(float(np.linalg.norm(across)) - FUNNEL_FREE, 0.0) + 0.02 * max(angle - TURNED, 0.0)
        nearest = max(self.leader.least_standoff, min(rig.funnel * off, FUNNEL_TOP))
        forwards = np.clip(GAIN * (along - nearest), -rig.speed, rig.speed) * aim[:3, 2]
        sideways = GAIN * across
        sideways *= min(1.0, rig.sideways / max(float(np.linalg.norm(sideways)), 1e-9))
        if angle > 0:
            step = turn * min(1.0, min(GAIN * angle, rig.turning) * self._step / angle)
            self._pose[:3, :3] = self._pose[:3, :3] @ Rotation.from_rotvec(step).as_matrix()
        self._move(self.leader.target.velocity + forwards + sideways)

    def _move(self, wanted: Float64[np.ndarray, "3"]) -> None:
        """Change the speed towards what is wanted, as fast as the arm can, and move by it."""
        change, most = wanted - self._velocity, self.rig.acceleration * self._step
        self._velocity = self._velocity + change * min(1.0, most / max(float(np.linalg.norm(change)), 1e-12))
        self._pose[:3, 3] += self._velocity * self._step

    def _command(self, time: float) -> Command:
        pose = self._pose.copy()
        pose[:3, 3] -= self.motion.belt * (time + self.motion.delay)
        return Command(pose, self.leader.target.width)
