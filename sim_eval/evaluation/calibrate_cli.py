"""`graspnet calibrate`: qualities that say how many picks lift."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from graspnet.errors import InputError

__all__ = ["calibrate"]


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--model", required=True, metavar="NAME|DIR", help="The one by which the runs' grasps were ranked.")
@click.option("--planner", default="cross_entropy", show_default=True, metavar="NAME", help="Whose picks count.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the cross-validation.")
@click.option("--output", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Gets the new model.")
def calibrate(runs: tuple[Path, ...], model: str, planner: str, seed: int, output: Path) -> None:
    """Calibrate a model's qualities by picks that `graspnet simulate` has executed.

    \b
    graspnet simulate --config tuning --policy cross_entropy --model out/model --trials 400 --output out/tuning
    graspnet calibrate out/tuning --model out/model --output out/calibrated

    The new model has the same weights and ranks grasps as before, but its log odds are stretched and shifted so that
    0.8 means 80 picks of 100. Take runs on objects that no test has, such as those of the protocol `tuning`. The curves
    printed are by cross-validation over objects. Exit status: 0 done, 2 bad input.
    """
    import numpy as np

    from graspnet.models.checkpoint import load_checkpoint, save_checkpoint, weights_checksum
    from graspnet.run.record import write_run_record
    from graspnet.sim_eval.analysis.finished_run import read_run
    from graspnet.sim_eval.evaluation.calibration import (
        Picks,
        calibrated,
        calibration_error,
        cross_fitted,
        curve,
        fit_map,
        picks_of,
    )

    started = time.time()
    checkpoint, weights = load_checkpoint(model), weights_checksum(model)
    parts: dict[str, Picks] = {}
    for folder in runs:
        run = read_run(folder)
        part = picks_of(run, planner)
        used = next(choice.weights for choice in run.planners if choice.label == planner)
        if used != weights:
            raise InputError(f"{folder}: its {planner} ranked by other weights than those of {model!r}")
        name = run.name or folder.name
        parts[name] = parts[name].followed_by(part) if name in parts else part
    first, *others = parts.values()
    picks = first
    for part in others:
        picks = picks.followed_by(part)
    found = fit_map(picks)
    after = cross_fitted(picks, np.random.default_rng(seed))
    curves: list[dict[str, Any]] = []
    start = 0
    for name, part in parts.items():
        mine = after[start : start + len(part)]
        start += len(part)
        for stage, quality in (("before", part.quality), ("after", mine)):
            error = calibration_error(quality, part.lifted)
            points = curve(quality, part.lifted)
            click.echo(f"{name}, {stage}: {len(part)} picks, calibration error {error:.3f}")
            for point in points:
                click.echo(
                    f"  quality {point.low:.1f} to {point.high:.1f}, mean {point.quality:.3f}: {point.lifted} of "
                    f"{point.picks} lifted, {point.lifted / point.picks:.3f} "
                    f"[{point.share_low:.3f}, {point.share_high:.3f}]"
                )
            curves.append({"protocol": name, "stage": stage, "error": error, "curve": [asdict(p) for p in points]})
    made = calibrated(checkpoint, found, curves)
    save_checkpoint(made, output)
    write_run_record(output, "calibrate", {"runs": [str(run) for run in runs], "model": model}, seed, started, curves)
    click.echo(
        f"temperature {checkpoint.temperature:.3f} -> {made.temperature:.3f}, bias {checkpoint.bias:.3f} -> "
        f"{made.bias:.3f}: {output}"
    )
