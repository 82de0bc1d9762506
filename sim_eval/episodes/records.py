"""Records of episodes: what was drawn, and every attempt of every planner. A trial is an episode of one attempt."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from graspnet.data_gen.objects.piece_fit import Fit
from graspnet.data_gen.physics.outcome import Outcome

__all__ = ["Attempt", "Ending", "EpisodeRecord", "EpisodeResult", "in_words", "started"]

Ending = Literal["cleared", "no_plan", "failures"]


@dataclass(frozen=True)
class Attempt:
    """One look, plan and pick, in SI units."""

    outcome: Outcome
    quality: float = float("nan")  # the executed grasp's, by its planner
    seconds: float = 0.0  # how long planning took
    reason: str = ""  # why there is no plan
    contact_distance: float = float("nan")  # this and the next three are those of the PickResult (outcome.py)
    rise: float = 0.0
    pushed: float = 0.0
    peak_force: float = 0.0
    world_from_grasp: tuple[tuple[float, ...], ...] = ()  # the executed grasp; nothing where there was no plan
    width: float = float("nan")
    objects: int = 1  # how many were there
    held: int = -1  # which of the record's objects both pads held; -1: none
    lost: int = 0  # how many objects left the workspace

    @property
    def success(self) -> bool:
        """True if the object was still in the hand at the end."""
        return self.outcome == "success"

    @property
    def executed(self) -> bool:
        """True unless the planner said by itself that there is no grasp: clutter then counts no attempt."""
        return self.outcome != "no_plan"

    @property
    def moved(self) -> bool:
        """True if the hand moved: a grasp was planned, and not refused."""
        return bool(self.world_from_grasp) and self.outcome != "below_table"


@dataclass(frozen=True)
class EpisodeResult:
    """How one planner fared in one episode."""

    attempts: tuple[Attempt, ...] = ()
    ended: Ending = "cleared"  # also where what was left got lost

    @property
    def executed(self) -> int:
        """Count the attempts with a grasp, or with a planner that broke down."""
        return sum(attempt.executed for attempt in self.attempts)

    @property
    def cleared(self) -> int:
        """Count the objects that were lifted."""
        return sum(attempt.success for attempt in self.attempts)

    @property
    def lost(self) -> int:
        """Count the objects that left the workspace."""
        return sum(attempt.lost for attempt in self.attempts)


@dataclass(frozen=True)
class EpisodeRecord:
    """One episode: what was there at the start, and each planner's result. SI units."""

    index: int
    objects: tuple[str, ...] = ()
    sizes: tuple[tuple[float, ...], ...] = ()  # sides of the objects' bounding boxes along the axes of their files
    masses: tuple[float, ...] = ()
    friction: float = float("nan")
    plan_seed: int = 0  # every planner makes its first plan with it
    left_out: int = 0  # objects that did not come to rest in the workspace, or found no place, before the episode
    passed_over: dict[str, str] = field(default_factory=dict)  # objects that cannot be used, and why; others stood in
    results: dict[str, EpisodeResult] = field(default_factory=dict)  # keys are the planners' labels
    problem: str = ""  # why the episode could not start, or be judged; then it has no results
    fits: tuple[Fit, ...] = ()  # how well the objects' collision pieces fit, at their sizes
    seconds: float = float("nan")  # how long all of it took, planning included


def started(records: Sequence[EpisodeRecord]) -> list[EpisodeRecord]:
    """Choose the records of episodes that could start, in the order of their numbers."""
    return sorted((record for record in records if not record.problem), key=lambda record: record.index)


def in_words(error: BaseException) -> str:
    """Put an exception that nobody foresaw into a record: its type and the beginning of what it says."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}".rstrip(": ")
