"""Replays: the trials of a finished run once more, to be looked at.

A trial is a function of protocol, seed, number and planner, and a record holds the grasp that was executed: nothing
else has to be stored to show what happened.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from data_gen.physics.film import film, film_strip
from data_gen.physics.picking import ClutterWorld, PickFrame
from data_gen.rendering import RaycastRenderer
from graspnet.config import parse_config
from graspnet.drawing import webp_bytes
from graspnet.errors import InputError
from graspnet.grasps import Grasps
from graspnet.observation import Observation
from graspnet.run_record import write_json
from graspnet.transforms import invert
from policies.policy import GraspPlan
from sim_eval.planners import PlannerChoice, save_observation
from sim_eval.protocols import ProtocolConfig, TrialRecord, planner_of
from sim_eval.records import as_json, from_json
from sim_eval.trial import Trial, TrialResult, draw_trial, run_trial

__all__ = ["FRAME_INTERVAL", "Attempt", "FinishedRun", "ReplayedPick", "attempts_of", "read_run", "replay_pick",
           "replay_trial"]  # fmt: skip

FRAME_INTERVAL = 0.05  # s between the pictures of a film


@dataclass(frozen=True)
class FinishedRun:
    """All that a run's report and replays depend on."""

    config: ProtocolConfig
    planners: tuple[PlannerChoice, ...]
    seed: int
    records: tuple[TrialRecord, ...]  # in the order of their numbers


@dataclass(frozen=True)
class Attempt:
    """One attempt of one planner: in which trial, at which object of which size (metres), and how it went."""

    trial: int
    planner: str
    object: str
    size: tuple[float, ...]
    result: TrialResult


@dataclass(frozen=True, eq=False)
class ReplayedPick:
    """An attempt made again: what the camera saw, the grasp that was executed (or none), and the pick's frames.

    A grasp that was refused, since it would have gone below the table, has one frame: the hand where it was sent.
    """

    attempt: Attempt
    observation: Observation
    grasp_in_camera: Grasps
    world: ClutterWorld
    frames: tuple[PickFrame, ...]


def read_run(folder: Path) -> FinishedRun:
    """The run that `graspnet simulate` or `demo` left in a folder. InputError: there is none, or of another version."""
    path = folder / "results.json"
    try:
        data = json.loads(path.read_text())
        if data["version"] != 2 or "planners" not in data:
            raise InputError(f"{path}: written by another version of graspnet; run it again")
        return FinishedRun(
            parse_config(ProtocolConfig, data["protocol"], str(path)),
            tuple(from_json(PlannerChoice, planner, str(path)) for planner in data["planners"]),
            data["seed"],
            tuple(from_json(TrialRecord, trial, str(path)) for trial in data["trials"]),
        )
    except OSError:
        raise InputError(f"{folder}: holds no results.json; --output names the folder of a finished run") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: not the results of a run") from None


def attempts_of(records: Sequence[TrialRecord]) -> list[Attempt]:
    """Every planner's attempt in every trial that started."""
    return [
        Attempt(record.index, label, record.object, record.size, result)
        for record in records
        for label, result in record.results.items()
    ]


def replay_pick(run: FinishedRun, attempt: Attempt) -> ReplayedPick:
    """The recorded grasp executed again; nobody has to plan."""
    trial = draw_trial(run.config.trial, run.seed, attempt.trial, RaycastRenderer())
    return _picked(trial, attempt)


def replay_trial(folder: Path, index: int, view: bool) -> bool:
    """One trial again, from its drawing to each planner's pick; says what happened, and whether it is as recorded.

    Writes into folder/trial_00012/ what the camera saw, and each pick as a strip and a film. view: show the picks in
    MuJoCo's viewer. Returns whether all is as recorded. InputError: no such trial, or it could not start; no display.
    """
    run = read_run(folder)
    record = _record(run, index)
    if view:
        from sim_eval.viewer import require_display

        require_display()  # before anything is done
    trial = draw_trial(run.config.trial, run.seed, index, RaycastRenderer())
    outcomes = {choice.label: run_trial(trial, planner_of(choice)) for choice in run.planners}
    size = " x ".join(f"{1000 * side:.0f}" for side in record.size)
    click.echo(f"trial {index} of seed {run.seed}: {trial.solid.name}, {size} mm, {1000 * trial.world.mass:.0f} g, "
               f"friction {trial.friction:.2f}")  # fmt: skip
    picks = [
        _picked(trial, Attempt(index, label, record.object, record.size, result))
        for label, (result, _) in outcomes.items()
    ]
    for pick in picks:
        click.echo(f"  {pick.attempt.planner}: {describe(pick.attempt.result)}")
    changed = _changes(record, {label: result for label, (result, _) in outcomes.items()})
    click.echo("\n".join(changed) if changed else "as recorded")
    into = folder / f"trial_{index:05d}"
    _save(trial, picks, {label: plan for label, (_, plan) in outcomes.items()}, into)
    click.echo(f"wrote {into}")
    if view:
        from sim_eval.viewer import show_picks

        show_picks(trial, [(pick.attempt.planner, _executed(pick.attempt.result)) for pick in picks])
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


def _picked(trial: Trial, attempt: Attempt) -> ReplayedPick:
    grasp_in_world = _executed(attempt.result)
    grasp_in_camera = grasp_in_world.transformed(invert(trial.world_from_believed_camera))
    frames: tuple[PickFrame, ...] = ()
    if len(grasp_in_world):
        frames = trial.world.pick(trial.world_from_object, grasp_in_world, FRAME_INTERVAL).frames
        refused = PickFrame("refused", trial.world_from_object[None], grasp_in_world.poses[0], attempt.result.width)
        frames = frames or (refused,)
    return ReplayedPick(attempt, trial.observation, grasp_in_camera, trial.world, frames)


def _executed(result: TrialResult) -> Grasps:
    """The grasp that was sent to the arm, in the world; or none."""
    if not result.world_from_grasp:
        return Grasps.none()
    return Grasps(np.array([result.world_from_grasp]), np.array([result.width]))


def _record(run: FinishedRun, index: int) -> TrialRecord:
    for record in run.records:
        if record.index == index:
            if record.problem:
                raise InputError(f"trial {index} could not start: {record.problem}")
            return record
    raise InputError(f"no trial {index}; the run has trials 0 to {len(run.records) - 1}")


def _changes(record: TrialRecord, results: dict[str, TrialResult]) -> list[str]:
    """What is not as recorded, apart from the time that planning took."""
    changed = []
    for label, result in results.items():
        old, new = (as_json(replace(each, seconds=0.0)) for each in (record.results[label], result))
        changed += [f"  {label}: {key} is {new[key]}, recorded was {old[key]}" for key in old if old[key] != new[key]]
    return ["not as recorded (another machine, version or model?):", *changed] if changed else []


def _save(trial: Trial, picks: Sequence[ReplayedPick], plans: dict[str, GraspPlan], folder: Path) -> None:
    save_observation(trial.observation, folder)
    for pick in picks:
        name = re.sub(r"[^\w.-]+", "_", pick.attempt.planner)
        plan: dict[str, Any] = plans[pick.attempt.planner].to_json(trial.observation, "", trial.plan_seed)
        write_json(folder / f"{name}.json", plan)
        if pick.frames:
            Image.fromarray(film_strip(pick.frames, pick.world)).save(folder / f"{name}.png")
            (folder / f"{name}.webp").write_bytes(webp_bytes(film(pick.frames, pick.world), FRAME_INTERVAL))
