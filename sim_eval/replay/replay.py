"""Replays: the trials and rounds of a finished run once more, to be looked at.

A trial is a function of protocol, seed, number and planner, and a record holds the grasp that was executed: nothing
else has to be stored to show what happened.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import click
import numpy as np
from jaxtyping import Bool, Float64
from PIL import Image

from data_gen.physics.film import film, film_strip
from data_gen.physics.outcome import PickFrame
from data_gen.physics.pick import HandWorld
from data_gen.scenes.rendering import RaycastRenderer
from graspnet.config import parse_config
from graspnet.drawing import webp_bytes
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.observation import Observation
from graspnet.transforms import invert
from sim_eval.analysis.records import as_json, from_json
from sim_eval.analysis.run_time import Session
from sim_eval.planners.choice import PlannerChoice, planner_of
from sim_eval.planners.command import save_observation
from sim_eval.protocols.clutter import RoundRecord, clear_away
from sim_eval.protocols.clutter_scenes import draw_clutter, situation_of
from sim_eval.protocols.kinds import kind_named
from sim_eval.protocols.protocol import ProtocolConfig, TrialRecord
from sim_eval.protocols.trial import Trial, TrialResult, draw_trial

__all__ = [
    "FRAME_INTERVAL",
    "FinishedRun",
    "PickRecord",
    "ReplayedPick",
    "Replays",
    "describe",
    "picks_of",
    "read_run",
    "replay_unit",
]

FRAME_INTERVAL = 0.05  # s between the pictures of a film


@dataclass(frozen=True)
class FinishedRun:
    """All that a run's report and replays depend on."""

    config: ProtocolConfig
    planners: tuple[PlannerChoice, ...]
    seed: int
    records: tuple[Any, ...]  # Kind.record, in the order of their numbers
    name: str = ""  # of the protocol, as --config gave it
    session: Session | None = None  # in which it was finished, where that is known


@dataclass(frozen=True)
class PickRecord:
    """One attempt of one planner, as recorded: in which trial or round, which attempt of the round, and how it went.

    object: the one that was there; in clutter the one that both pads held, if any. size: of its bounding box, metres.
    """

    index: int
    attempt: int | None  # None in a trial, which has but one
    planner: str
    object: str
    size: tuple[float, ...]
    result: TrialResult

    @property
    def place(self) -> str:
        """Where it is found."""
        return f"trial {self.index}" if self.attempt is None else f"round {self.index}, attempt {self.attempt}"


@dataclass(frozen=True, eq=False)
class ReplayedPick:
    """An attempt made again: what the camera saw (None: nothing in the workspace), where things were, the grasp that
    was executed (or none), and the pick's frames.

    A grasp that was refused, since it would have gone below the table, has one frame: the hand where it was sent.
    """

    record: PickRecord
    observation: Observation | None
    world: HandWorld
    present: Bool[np.ndarray, "M"]
    world_from_objects: Float64[np.ndarray, "M 4 4"]
    world_from_believed_camera: Float64[np.ndarray, "4 4"]
    grasp_in_world: Grasps
    frames: tuple[PickFrame, ...]

    @property
    def grasp_in_camera(self) -> Grasps:
        """The grasp where the planner saw it."""
        return self.grasp_in_world.transformed(invert(self.world_from_believed_camera))


def read_run(folder: Path) -> FinishedRun:
    """The run that `graspnet simulate` or `demo` left in a folder. InputError: there is none, or of another version."""
    path = folder / "results.json"
    try:
        data = json.loads(path.read_text())
        if data["version"] != 2 or "planners" not in data:
            raise InputError(f"{path}: written by another version of graspnet; run it again")
        config = parse_config(ProtocolConfig, data["protocol"], str(path))
        kind = kind_named(config.kind)
        return FinishedRun(
            config, tuple(from_json(PlannerChoice, planner, str(path)) for planner in data["planners"]), data["seed"],
            tuple(from_json(kind.record, record, str(path)) for record in data[f"{kind.unit}s"]),
            data.get("protocol_name", ""),
        )  # fmt: skip
    except InputError:
        raise
    except OSError:
        raise InputError(_without_results(folder)) from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: not the results of a run") from None


def _without_results(folder: Path) -> str:
    runs = sorted(path.parent.name for path in folder.glob("*/results.json"))  # variants, mostly
    if runs:
        inner = f"{', '.join(runs)} in it do; --output {folder}/{runs[0]} is that run"
        return f"{folder}: holds no results.json, but {inner}"
    return f"{folder}: holds no results.json; --output names the folder of a finished run"


def picks_of(records: Sequence[Any]) -> list[PickRecord]:
    """Every attempt of every planner in every trial or round that started."""
    picks: list[PickRecord] = []
    for record in records:
        for label, result in record.results.items():
            if isinstance(record, TrialRecord):
                picks.append(PickRecord(record.index, None, label, record.object, record.size, result))
            else:
                picks += [
                    PickRecord(record.index, k, label, attempt.held, (), attempt.result)
                    for k, attempt in enumerate(result.attempts)
                ]
    return picks


class Replays:
    """Makes recorded picks of a run again, from the grasps as recorded: nobody has to plan."""

    def __init__(self, run: FinishedRun) -> None:
        self.run = run
        self._records = {record.index: record for record in run.records}
        self._renderer = RaycastRenderer()
        self._trial = lru_cache(maxsize=None)(self._drawn_trial)
        self._round = lru_cache(maxsize=None)(self._whole_round)

    def __call__(self, record: PickRecord) -> ReplayedPick:
        """The pick once more. In clutter, the round up to its end: each attempt starts where the last one ended."""
        if record.attempt is not None:
            return self._round(record.index, record.planner)[record.attempt]
        trial = self._trial(record.index)
        grasp, poses = _executed(record.result), trial.world_from_object[None]
        frames = trial.world.attempt(poses, grasp, FRAME_INTERVAL).frames if len(grasp) else ()
        return ReplayedPick(
            record, trial.observation, trial.world, np.ones(1, dtype=bool), poses, trial.world_from_believed_camera,
            grasp, frames or _refused(poses, grasp),
        )  # fmt: skip

    def _drawn_trial(self, index: int) -> Trial:
        return draw_trial(self.run.config.trial, self.run.seed, index, self._renderer)

    def _whole_round(self, index: int, label: str) -> list[ReplayedPick]:
        clutter, trial = self.run.config.clutter, self.run.config.trial
        assert clutter is not None, "of this kind"
        record: RoundRecord = self._records[index]
        scene = draw_clutter(trial, clutter, self.run.seed, index)
        world, poses, picks = scene.world, scene.world_from_objects, []
        for k, attempt in enumerate(record.results[label].attempts):
            situation = situation_of(scene, poses, k, trial, clutter.fusion, self._renderer)
            grasp, before, present = _executed(attempt.result), poses, world.present.copy()
            frames: tuple[PickFrame, ...] = ()
            if len(grasp):
                pick = world.attempt(before, grasp, FRAME_INTERVAL)
                frames = pick.frames or _refused(before, grasp)
                poses, _ = clear_away(scene, pick, clutter.settle_time)
            seen = None if situation is None else situation.observation
            picks.append(ReplayedPick(
                PickRecord(index, k, label, attempt.held, (), attempt.result), seen,
                world, present, before, scene.world_from_believed_camera, grasp, frames,
            ))  # fmt: skip
        return picks


def replay_unit(folder: Path, index: int, view: bool) -> bool:
    """One trial or round again, from its drawing to each planner's picks; says what happened, and whether it is as
    recorded, which it returns.

    Writes into folder/trial_00012/ (or round_00012/) what the camera saw, and each pick as a strip and a film. view:
    show the picks in MuJoCo's viewer. InputError: no such trial, or it could not start; no display.
    """
    if view:
        from sim_eval.replay.viewer import require_display

        require_display()  # before anything is done
    run = read_run(folder)
    unit, record = kind_named(run.config.kind).unit, _started(run, index)
    planners = {choice.label: planner_of(choice) for choice in run.planners}
    again = kind_named(run.config.kind).run(run.config, run.seed, planners, index, RaycastRenderer())
    click.echo(f"{unit} {index} of seed {run.seed}: {_drawn(again)}")
    picks = picks_of([again])
    for pick in picks:
        click.echo(f"  {pick.place}, {pick.planner}: {describe(pick.result)}")
    changed = list(_changes(as_json(record), as_json(again)))
    click.echo("not as recorded (another machine, version or model?):" if changed else "as recorded")
    for change in changed:
        click.echo(change)
    into = folder / f"{unit}_{index:05d}"
    replays = Replays(FinishedRun(run.config, run.planners, run.seed, (again,)))
    replayed = [replays(pick) for pick in picks]
    for one in replayed:
        attempt = one.record.attempt
        _save(one, into if attempt is None else into / _file_name(one.record.planner) / f"attempt_{attempt:02d}")
    click.echo(f"wrote {into}")
    if view:
        from sim_eval.replay.viewer import show_picks

        show_picks(replayed)
    return not changed


def describe(result: TrialResult) -> str:
    """An outcome and its figures in words."""
    outcome = result.outcome.replace("_", " ")
    if result.reason:
        return f"{outcome} ({result.reason})"
    if result.outcome == "below_table":
        return outcome
    lifted = f", lifted by {1000 * result.rise:.0f} mm" if result.rise > 1e-3 else ""
    return f"{outcome}, moved by {1000 * result.pushed:.1f} mm, met with {result.peak_force:.1f} N on the way{lifted}"


def _executed(result: TrialResult) -> Grasps:
    """The grasp that was sent to the arm, in the world; or none."""
    if not result.world_from_grasp:
        return Grasps.none()
    return Grasps(np.array([result.world_from_grasp]), np.array([result.width]))


def _refused(world_from_objects: Float64[np.ndarray, "M 4 4"], grasp_in_world: Grasps) -> tuple[PickFrame, ...]:
    return tuple(
        PickFrame("refused", world_from_objects, pose, float(width))
        for pose, width in zip(grasp_in_world.poses, grasp_in_world.width, strict=True)
    )


def _started(run: FinishedRun, index: int) -> Any:
    unit = kind_named(run.config.kind).unit
    for record in run.records:
        if record.index == index:
            if record.problem:
                raise InputError(f"{unit} {index} could not start: {record.problem}")
            return record
    raise InputError(f"no {unit} {index}; the run has {unit}s 0 to {len(run.records) - 1}")


def _drawn(record: Any) -> str:
    """What chance decided."""
    if isinstance(record, TrialRecord):
        size = " x ".join(f"{1000 * side:.0f}" for side in record.size)
        what = f"{record.object}, {size} mm, {1000 * record.mass:.0f} g"
        return f"{what}, friction {record.friction:.2f}, plan seed {record.plan_seed}"
    return f"{', '.join(record.objects)}, {1000 * sum(record.masses):.0f} g together, friction {record.friction:.2f}"


def _changes(recorded: Any, again: Any, path: str = "") -> Iterator[str]:
    """What is not as recorded, apart from what was on the clock and how well pieces fit: older records lack that."""
    if isinstance(recorded, dict) and isinstance(again, dict) and recorded.keys() == again.keys():
        for key in recorded.keys() - {"seconds", "fit", "fits"}:
            yield from _changes(recorded[key], again[key], f"{path} {key}")
    elif isinstance(recorded, list) and isinstance(again, list) and len(recorded) == len(again):
        for k, (old, new) in enumerate(zip(recorded, again, strict=True)):
            yield from _changes(old, new, f"{path} {k}")
    elif recorded != again:
        yield f" {path}: recorded was {recorded}, now it is {again}"


def _save(pick: ReplayedPick, folder: Path) -> None:
    """What was seen, and the pick."""
    folder.mkdir(parents=True, exist_ok=True)
    if pick.observation is not None:
        save_observation(pick.observation, folder)
    if pick.frames:
        name = folder / _file_name(pick.record.planner)
        Image.fromarray(film_strip(pick.frames, pick.world)).save(f"{name}.png")
        Path(f"{name}.webp").write_bytes(webp_bytes(film(pick.frames, pick.world), FRAME_INTERVAL))


def _file_name(label: str) -> str:
    return re.sub(r"[^\w.-]+", "_", label)
