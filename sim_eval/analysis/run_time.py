"""Where the time of a run went: each planner's planning, and all else (drawing, settling, rendering, picking)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graspnet.sim_eval.episodes.records import EpisodeRecord, started

__all__ = ["RunTime", "Session", "format_time", "run_time"]


@dataclass(frozen=True)
class Session:
    """What one command did of a run."""

    wall: float  # its seconds, start-up included
    workers: int  # how many it was given
    resumed: frozenset[int] = frozenset()  # numbers of the episodes that were there before


@dataclass(frozen=True)
class RunTime:
    """Where the seconds of a run went: sums over workers, of all episodes that started; NaN where records are silent.

    The pick rates leave planning out: one is of a worker that is at work, the other of the wall clock, of which
    planning is taken to have had its share of the workers' seconds.
    """

    planning: dict[str, float]  # of each planner
    all_else: float
    picks: int  # grasps that were executed, without those that were refused
    picks_per_worker_second: float
    workers: int | None = None
    wall: float | None = None  # of the last command, which may have resumed the run
    picks_per_wall_second: float | None = None


def run_time(records: Sequence[EpisodeRecord], session: Session | None = None) -> RunTime:
    """Sum up the times of a run; those of the wall clock where its last session is known and did something."""
    ran = started(records)
    planning, all_else, picks = _summed(ran)
    rate = picks / all_else if all_else > 0 else float("nan")
    if session is None:
        return RunTime(planning, all_else, picks, rate)
    new_planning, new_else, new_picks = _summed([record for record in ran if record.index not in session.resumed])
    seconds = session.wall * new_else / (sum(new_planning.values()) + new_else) if new_else > 0 else float("nan")
    return RunTime(planning, all_else, picks, rate, session.workers, session.wall, new_picks / seconds)


def format_time(time: RunTime) -> str:
    """Write the line that `graspnet simulate` prints below its table."""
    if not np.isfinite(time.all_else):
        return "time: some records do not tell it"
    each = ", ".join(f"{label} {seconds:.1f} s" for label, seconds in time.planning.items())
    text = (
        f"time: planning {sum(time.planning.values()):.1f} s ({each}), all else {time.all_else:.1f} s;"
        f" apart from planning {time.picks_per_worker_second:.1f} picks a second of a worker"
    )
    if time.wall is None or time.picks_per_wall_second is None or not np.isfinite(time.picks_per_wall_second):
        return text
    return f"{text}, {time.picks_per_wall_second:.1f} of the wall clock ({time.wall:.0f} s, workers: {time.workers})"


def _summed(records: Sequence[EpisodeRecord]) -> tuple[dict[str, float], float, int]:
    """Sum up the seconds of planning of each planner, the seconds of all else, and executed grasps."""
    planning: dict[str, float] = {}
    picks = 0
    for record in records:
        for label, result in record.results.items():
            planning[label] = planning.get(label, 0.0) + sum(attempt.seconds for attempt in result.attempts)
            picks += sum(attempt.moved for attempt in result.attempts)
    return planning, float(sum(record.seconds for record in records) - sum(planning.values())), picks
