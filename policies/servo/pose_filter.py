"""Where a thing is that moves on a table at a nearly constant speed: a Kalman filter (Kalman 1960)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from graspnet.policies.servo.registration import PlanarMotion

__all__ = ["FilterConfig", "PoseFilter"]

MEASURED = np.eye(3, 5)  # (x, y, yaw) of the state (x, y, yaw, speed in x, speed in y)


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    """Deviations of what the filter expects; metres, radians, seconds."""

    position: float = 0.002  # of a measured place
    yaw: float = 0.05  # of a measured turn
    first_speed: float = 0.03  # of the speed that a thing may have when it is first seen
    pushed_speed: float = 0.005  # of what a push adds to it: what was pushed comes to rest at once
    acceleration: float = 0.03  # of the changes of its speed, in a second
    creep: float = 0.003  # of the changes of place and (in radians, ten times this) turn in a second beside the speed


@dataclass(frozen=True)
class PoseFilter:
    """The state (x, y, yaw, speed in x, speed in y) at a time, and its covariance."""

    state: Float64[np.ndarray, "5"]
    covariance: Float64[np.ndarray, "5 5"]
    time: float
    config: FilterConfig

    @staticmethod
    def begun(time: float, config: FilterConfig) -> "PoseFilter":
        """A thing that is where it is now: the motion is counted from here."""
        deviations = np.array([config.position, config.position, config.yaw, config.first_speed, config.first_speed])
        return PoseFilter(np.zeros(5), np.diag(deviations**2), time, config)

    def at(self, time: float) -> PlanarMotion:
        """The motion until a time, before or after the last one measured."""
        shift = self.state[:2] + self.state[3:] * (time - self.time)
        return PlanarMotion(float(shift[0]), float(shift[1]), float(self.state[2]))

    @property
    def speed(self) -> Float64[np.ndarray, "2"]:
        """Metres a second along the table's x and y."""
        return self.state[3:]

    def seen(self, motion: PlanarMotion, time: float) -> tuple["PoseFilter", float]:
        """The filter after a measurement, and how surprising that was: its squared distance in deviations, of which
        three are expected."""
        passed = time - self.time
        forward = np.eye(5)
        forward[0, 3] = forward[1, 4] = passed
        state = forward @ self.state
        covariance = forward @ self.covariance @ forward.T + self._process(passed)
        error = np.array([motion.x, motion.y, motion.yaw]) - state[:3]
        error[2] = (error[2] + np.pi) % (2 * np.pi) - np.pi
        noise = np.diag(np.array([self.config.position, self.config.position, self.config.yaw]) ** 2)
        expected = covariance[:3, :3] + noise
        gain = covariance[:, :3] @ np.linalg.inv(expected)
        surprise = float(error @ np.linalg.solve(expected, error))
        kept = np.eye(5) - gain @ MEASURED
        joseph = kept @ covariance @ kept.T + gain @ noise @ gain.T  # stays symmetric and positive, whatever the gain
        return PoseFilter(state + gain @ error, joseph, time, self.config), surprise

    def pushed(self, motion: PlanarMotion, time: float) -> "PoseFilter":
        """The filter of a thing that was pushed to somewhere else: it moves on as before, nearly."""
        speed = np.diag(self.covariance)[3:] + self.config.pushed_speed**2
        places = np.array([self.config.position, self.config.position, self.config.yaw]) ** 2
        state = np.array([motion.x, motion.y, motion.yaw, *self.speed])
        return PoseFilter(state, np.diag([*places, *speed]), time, self.config)

    def _process(self, passed: float) -> Float64[np.ndarray, "5 5"]:
        """What may have changed meanwhile: a random acceleration, and a random walk beside it."""
        noise = np.zeros((5, 5))
        variance = self.config.acceleration**2
        for place, speed in ((0, 3), (1, 4)):
            noise[place, place] = variance * passed**3 / 3 + self.config.creep**2 * passed
            noise[place, speed] = noise[speed, place] = variance * passed**2 / 2
            noise[speed, speed] = variance * passed
        noise[2, 2] = (10 * self.config.creep) ** 2 * passed
        return noise
