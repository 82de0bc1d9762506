"""Replays: picks of a finished run once more, to be looked at.

An episode is a function of protocol, seed, number and planner, and a record holds the grasps that were executed:
nothing else has to be stored to show what happened.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float64

from graspnet.data_gen.physics.outcome import PickFrame
from graspnet.data_gen.physics.pick import HandWorld
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.grasps.grasps import Grasps
from graspnet.observation.observation import Observation
from graspnet.sim_eval.analysis.finished_run import FinishedRun
from graspnet.sim_eval.episodes.draw import draw_episode
from graspnet.sim_eval.episodes.episode import Episode
from graspnet.sim_eval.episodes.look import look
from graspnet.sim_eval.episodes.records import Attempt, EpisodeRecord
from graspnet.sim_eval.episodes.run import clear_away
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.transforms import invert

__all__ = ["FRAME_INTERVAL", "PickRecord", "ReplayedPick", "Replays", "describe", "picks_in", "picks_of"]

FRAME_INTERVAL = 0.05  # s between the pictures of a film


@dataclass(frozen=True)
class PickRecord:
    """One attempt of one planner, as recorded, and where it is found."""

    index: int  # the episode's number
    attempt: int  # its number in the episode
    planner: str
    place: str  # where it is found, for people
    object: str  # the one that was there, or of several the one that both pads held, if any
    size: tuple[float, ...]  # sides of that object's bounding box, metres
    result: Attempt


@dataclass(frozen=True, eq=False)
class ReplayedPick:
    """An attempt made again: what was seen, where things were, what was executed, and what happened."""

    record: PickRecord
    observation: Observation | None  # None: nothing in the workspace
    world: HandWorld
    present: Bool[np.ndarray, "M"]
    world_from_objects: Float64[np.ndarray, "M 4 4"]
    world_from_believed_camera: Float64[np.ndarray, "4 4"]
    grasp_in_world: Grasps  # one, or none
    frames: tuple[PickFrame, ...]  # one, if the grasp was refused, for it would have gone below the table

    @property
    def grasp_in_camera(self) -> Grasps:
        """The grasp where the planner saw it."""
        return self.grasp_in_world.transformed(invert(self.world_from_believed_camera))


def picks_of(run: FinishedRun) -> list[PickRecord]:
    """List every attempt of every planner in every episode that started."""
    return [pick for record in run.records for pick in picks_in(run.config, record)]


def picks_in(config: ProtocolConfig, record: EpisodeRecord) -> list[PickRecord]:
    """List every attempt of every planner in one episode."""
    return [
        _pick(config, record, label, k)
        for label, result in record.results.items()
        for k in range(len(result.attempts))
    ]  # fmt: skip


class Replays:
    """Makes recorded picks of a run again, from the grasps as recorded: nobody has to plan."""

    def __init__(self, run: FinishedRun) -> None:
        self.run = run
        self._records = {record.index: record for record in run.records}
        self._renderer = RaycastRenderer()
        self._drawn = lru_cache(maxsize=None)(self._draw)
        self._played = lru_cache(maxsize=None)(self._play)

    def __call__(self, pick: PickRecord) -> ReplayedPick:
        """Make a pick once more, and with it all others of its episode: each starts where the last one ended."""
        return self._played(pick.index, pick.planner)[pick.attempt]

    def _draw(self, index: int) -> Episode:
        return draw_episode(self.run.config, self.run.seed, index, self._renderer)

    def _play(self, index: int, label: str) -> Sequence[ReplayedPick]:
        episode = self._drawn(index)
        world, poses, situation = episode.world, episode.world_from_objects, episode.situation
        world.present[:] = True
        replayed: list[ReplayedPick] = []
        for pick in picks_in(self.run.config, self._records[index]):
            if pick.planner != label:
                continue
            if replayed:
                before = [each.record.result for each in replayed]
                situation = look(episode, poses, before, self._renderer)
            grasp, at_rest, present = _executed(pick.result), poses, world.present.copy()
            frames: tuple[PickFrame, ...] = ()
            if len(grasp):
                made = world.attempt(at_rest, grasp, FRAME_INTERVAL)
                frames = made.frames or _refused(at_rest, grasp)
                poses, _ = clear_away(episode, made)
            seen = None if situation is None else situation.observation
            replayed.append(ReplayedPick(
                pick, seen, world, present, at_rest, episode.world_from_believed_camera, grasp, frames
            ))  # fmt: skip
        return replayed


def describe(attempt: Attempt) -> str:
    """Put an outcome and its figures in words."""
    outcome = attempt.outcome.replace("_", " ")
    if attempt.reason:
        return f"{outcome} ({attempt.reason})"
    if attempt.outcome == "below_table":
        return outcome
    lifted = f", lifted by {1000 * attempt.rise:.0f} mm" if attempt.rise > 1e-3 else ""
    return f"{outcome}, moved by {1000 * attempt.pushed:.1f} mm, met with {attempt.peak_force:.1f} N on the way{lifted}"


def _pick(config: ProtocolConfig, record: EpisodeRecord, label: str, k: int) -> PickRecord:
    attempt = record.results[label].attempts[k]
    place = f"{config.task.unit} {record.index}" + ("" if config.of_trials else f", attempt {k}")
    about = 0 if len(record.objects) == 1 else attempt.held
    name, size = ("", ()) if about < 0 else (record.objects[about], record.sizes[about])
    return PickRecord(record.index, k, label, place, name, size, attempt)


def _executed(attempt: Attempt) -> Grasps:
    """Make the grasp again that was sent to the arm, in the world; none where there was no plan."""
    if not attempt.world_from_grasp:
        return Grasps.none()
    return Grasps.of_jaws(np.array([attempt.world_from_grasp]), np.array([attempt.width]))


def _refused(world_from_objects: Float64[np.ndarray, "M 4 4"], grasp_in_world: Grasps) -> tuple[PickFrame, ...]:
    """Show the hand where it was sent."""
    return tuple(
        PickFrame("refused", world_from_objects, pose, float(width))
        for pose, width in zip(grasp_in_world.poses, grasp_in_world.width, strict=True)
    )
