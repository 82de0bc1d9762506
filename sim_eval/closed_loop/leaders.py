"""Leaders: who tells the hand where to go. They differ in when they look, and share all else (approach.py).

- `open`: the grasp that the camera beside the arm showed, and nothing more.
- `second_look`: on the way the hand stops once, a camera looks, and what that shows is grasped.
- `servo`: a camera looks all along (`graspnet.policies.servo`).

The camera hangs on the hand, or is the one beside the arm.
"""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar

from graspnet.policies.planning import plan_observation
from graspnet.policies.policy import Policy
from graspnet.policies.servo.servo import Servo, Target, without_arm
from graspnet.sim_eval.closed_loop.cameras import Look

__all__ = ["LEADERS", "Leader", "OpenLoop", "SecondLook", "Servoing"]

UNSEEN = 3  # pictures in which nothing is found, and the hand goes on all the same


class Leader(ABC):
    """Tells where the hand is to go, in the arm's world, from a first grasp and from what its camera sees."""

    name: ClassVar[str]

    def __init__(self, first: Target) -> None:
        self.target = first

    @abstractmethod
    def looks(self, standoff: float, still: bool) -> bool:
        """Say whether the camera is to take a picture now, where the hand is so far from the grasp (metres)."""

    @abstractmethod
    def take(self, look: Look, time: float) -> None:
        """Take in a picture of that time, with `world_from_camera` as the arm believes it."""

    @property
    def least_standoff(self) -> float:
        """How near the hand may come before more has been seen, metres."""
        return 0.0

    @property
    def holds(self) -> bool:
        """Say whether the hand is to stand still."""
        return False


class OpenLoop(Leader):
    """Goes where the first look said."""

    name = "open"

    def looks(self, standoff: float, still: bool) -> bool:
        """See Leader: never."""
        return False

    def take(self, look: Look, time: float) -> None:
        """See Leader: there are no pictures."""


class SecondLook(Leader):
    """Stops `standoff` (metres) before the grasp, and looks once more."""

    name = "second_look"

    def __init__(self, first: Target, policy: Policy, seed: int, standoff: float) -> None:
        super().__init__(first)
        self._policy, self._seed, self._standoff = policy, seed, standoff
        self._asked = self._answered = False

    def looks(self, standoff: float, still: bool) -> bool:
        """See Leader: once, when the hand stands still there."""
        if self._asked or not still or standoff > self._standoff + 0.005:
            return False
        self._asked = True
        return True

    def take(self, look: Look, time: float) -> None:
        """See Leader: plan anew. Without a grasp, the first one stays."""
        observation = look.observation if look.arm is None else without_arm(look.observation, look.arm)
        assert observation.world_from_camera is not None
        plan = plan_observation(replace(observation, world_from_camera=None), self._policy, seed=self._seed)
        self._answered = True
        if len(plan):
            grasp = observation.world_from_camera @ plan.best.camera_from_grasp
            quality = float(plan.qualities[0])
            self.target = Target("following", time, grasp, width=plan.best.width, quality=quality)

    @property
    def least_standoff(self) -> float:
        """See Leader."""
        return 0.0 if self._answered else self._standoff


class Servoing(Leader):
    """Looks all along. What its camera does not find in some pictures, it grasps where the first look was."""

    name = "servo"

    def __init__(self, first: Target, servo: Servo, waits: float) -> None:
        """waits: so near the hand comes before the camera has seen anything."""
        super().__init__(first)
        self._servo, self._waits, self._unseen = servo, waits, 0
        self._servo.forget()

    def looks(self, standoff: float, still: bool) -> bool:
        """See Leader: until it is too near."""
        return self.target.status != "blind"

    def take(self, look: Look, time: float) -> None:
        """See Leader. Where nothing is found, what was known stays the aim."""
        seen = self._servo.see(look.observation, time, look.arm)
        found = seen.world_from_grasp is not None
        self._unseen = 0 if found else self._unseen + 1
        self.target = seen if found else replace(self.target, status=seen.status)

    @property
    def least_standoff(self) -> float:
        """See Leader: until it is sure of what it follows, or has looked for long enough."""
        follows = self.target.status == "blind" or (self.target.status in ("following", "hidden") and self.target.sure)
        return 0.0 if follows or self._unseen >= UNSEEN else self._waits

    @property
    def holds(self) -> bool:
        """See Leader."""
        return self.target.status == "lost"


LEADERS = (OpenLoop.name, SecondLook.name, Servoing.name)
