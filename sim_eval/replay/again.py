"""`graspnet simulate --replay N`: an episode of a finished run again, planners and all. Is it as recorded?"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from PIL import Image

from graspnet.data_gen.physics.film import film, film_strip
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.drawing import webp_bytes
from graspnet.errors import InputError
from graspnet.sim_eval.analysis.finished_run import FinishedRun, read_run
from graspnet.sim_eval.episodes.log import as_json
from graspnet.sim_eval.episodes.records import EpisodeRecord
from graspnet.sim_eval.episodes.run import record_episode
from graspnet.sim_eval.planners.choice import planner_of
from graspnet.sim_eval.planners.command import save_observation
from graspnet.sim_eval.replay.replay import FRAME_INTERVAL, ReplayedPick, Replays, describe, picks_of
from graspnet.sim_eval.replay.viewer import require_display, show_picks

__all__ = ["replay_episode"]

UNCOMPARED = {"seconds", "fits"}  # what was on the clock, and how well pieces fit: older records lack that


def replay_episode(folder: Path, index: int, view: bool) -> bool:
    """Run one episode again, from its drawing to each planner's picks; say what happened. Returns: it is as recorded.

    Writes into folder/trial_00012/ (or round_00012/) what the camera saw, and each pick as a strip and a film. view:
    show the picks in MuJoCo's viewer. InputError: no such episode, or it could not start; no display.
    """
    if view:
        require_display()  # before anything is done
    run = read_run(folder)
    unit, record = run.config.task.unit, _started(run, index)
    planners = {choice.label: planner_of(choice) for choice in run.planners}
    again = record_episode(run.config, run.seed, planners, index, RaycastRenderer())
    click.echo(f"{unit} {index} of seed {run.seed}: {_drawn(again)}")
    rerun = replace(run, records=(again,))
    picks = picks_of(rerun)
    for pick in picks:
        click.echo(f"  {pick.place}, {pick.planner}: {describe(pick.result)}")
    changed = list(_changes(as_json(record), as_json(again)))
    click.echo("not as recorded (another machine, version or model?):" if changed else "as recorded")
    for change in changed:
        click.echo(change)
    into = folder / f"{unit}_{index:05d}"
    replays = Replays(rerun)
    replayed = [replays(pick) for pick in picks]
    for one in replayed:
        of_attempt = f"{_file_name(one.record.planner)}/attempt_{one.record.attempt:02d}"
        _save(one, into if run.config.of_trials else into / of_attempt)
    click.echo(f"wrote {into}")
    if view:
        show_picks(replayed)
    return not changed


def _started(run: FinishedRun, index: int) -> EpisodeRecord:
    unit = run.config.task.unit
    for record in run.records:
        if record.index == index:
            if record.problem:
                raise InputError(f"{unit} {index} could not start: {record.problem}")
            return record
    raise InputError(f"no {unit} {index}; the run has {unit}s 0 to {len(run.records) - 1}")


def _drawn(record: EpisodeRecord) -> str:
    """Tell what chance decided."""
    sizes = [" x ".join(f"{1000 * side:.0f}" for side in size) for size in record.sizes]
    objects = ", ".join(f"{name} ({size} mm)" for name, size in zip(record.objects, sizes, strict=True))
    grams = f"{1000 * sum(record.masses):.0f} g{' together' if len(record.masses) > 1 else ''}"
    return f"{objects}, {grams}, friction {record.friction:.2f}, plan seed {record.plan_seed}"


def _changes(recorded: Any, again: Any, path: str = "") -> Iterator[str]:
    """Tell what is not as recorded."""
    if isinstance(recorded, dict) and isinstance(again, dict) and recorded.keys() == again.keys():
        for key in recorded.keys() - UNCOMPARED:
            yield from _changes(recorded[key], again[key], f"{path} {key}")
    elif isinstance(recorded, list) and isinstance(again, list) and len(recorded) == len(again):
        for k, (old, new) in enumerate(zip(recorded, again, strict=True)):
            yield from _changes(old, new, f"{path} {k}")
    elif recorded != again:
        yield f" {path}: recorded was {recorded}, now it is {again}"


def _save(pick: ReplayedPick, folder: Path) -> None:
    """Write what was seen, and the pick."""
    folder.mkdir(parents=True, exist_ok=True)
    if pick.observation is not None:
        save_observation(pick.observation, folder)
    if pick.frames:
        name = folder / _file_name(pick.record.planner)
        Image.fromarray(film_strip(pick.frames, pick.world)).save(f"{name}.png")
        Path(f"{name}.webp").write_bytes(webp_bytes(film(pick.frames, pick.world), FRAME_INTERVAL))


def _file_name(label: str) -> str:
    return re.sub(r"[^\w.-]+", "_", label)
