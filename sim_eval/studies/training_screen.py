"""Which labels, losses, networks and data are worth scaling? Many small trainings under an equal budget.

    python -m graspnet.sim_eval.studies.training_screen --config loss --dataset out/dataset --output out/screen

Each variant of a matrix (`configs/screen/`) is trained with several seeds, judged on the same grasps of validation
objects, and tried on the same objects of the protocol `tuning`, which no test holds. A process works on one training
after the other. Everything that is finished is kept: --resume goes on, and a matrix may get more variants and seeds.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from graspnet.config import config_to_dict, load_config, parse_json
from graspnet.dataset import Dataset
from graspnet.errors import InputError
from graspnet.run.engines import Engine
from graspnet.run.options import run_options
from graspnet.run.progress import track
from graspnet.run.record import write_json, write_run_record
from graspnet.run.storage import json_bytes
from graspnet.sim_eval.episodes.log import as_json
from graspnet.sim_eval.protocols.identity import protocol_hash
from graspnet.sim_eval.studies.screen.comparison import Comparison, compare
from graspnet.sim_eval.studies.screen.data import generate_dataset
from graspnet.sim_eval.studies.screen.forecast import forecast
from graspnet.sim_eval.studies.screen.matrix import ScreenConfig
from graspnet.sim_eval.studies.screen.outcome import Screen, is_done, read_outcome, run_unit, units_of
from graspnet.sim_eval.studies.screen.page import markdown_table, write_screen_report
from graspnet.training.examples.datasets import Datasets

__all__ = ["prepare", "run_screen"]

IDENTITY = "screen.json"


def prepare(config: ScreenConfig, datasets: Sequence[str], output: Path, engine: Engine, resume: bool) -> Screen:
    """Make the folder and the datasets of variants that have their own.

    InputError: the folder holds a screen already; `resume` goes on with one of the same datasets, base, budget, trials.
    """
    opened = Datasets.of([Dataset.open(folder) for folder in datasets])
    _check_identity(output, _identity(config, opened), resume)
    own = {variant.dataset: variant for variant in config.all_variants() if variant.dataset}
    folders = {name: output / "datasets" / name for name in own}
    for name, variant in own.items():
        generate_dataset(variant, opened.members[0], folders[name], engine)
    return Screen(config, output, tuple(datasets), {name: str(folder) for name, folder in folders.items()})


def run_screen(screen: Screen, engine: Engine) -> list[Comparison]:
    """Run all units that are left; the table and the page are written anew after each of them."""
    units = units_of(screen.config)
    left = [unit for unit in units if not is_done(screen, unit)]
    rows = _compared(screen)
    for _ in track(engine.run(partial(run_unit, screen), left), len(units), "screen", "units", len(units) - len(left)):
        rows = _compared(screen)
    return rows


def _identity(config: ScreenConfig, datasets: Datasets) -> dict[str, Any]:
    """What a resumed screen must share with the one that was begun; it may have more variants and seeds."""
    common = config_to_dict(replace(config, variants={}, seeds=1))
    base = config_to_dict(config.all_variants()[0].train)
    return common | {
        "base": base, "datasets": datasets.fingerprint, "protocol_hash": protocol_hash(config.protocol_config())
    }  # fmt: skip


def _check_identity(output: Path, identity: dict[str, Any], resume: bool) -> None:
    path = output / IDENTITY
    if path.is_file():
        if not resume:
            raise InputError(f"{output}: holds a screen already; --resume goes on with it, or choose another --output")
        begun = parse_json(path.read_text())
        changed = [key for key in identity if parse_json(json_bytes(identity[key])) != begun.get(key)]
        if changed:
            raise InputError(f"{path}: was begun with another {', '.join(changed)}; choose another --output")
    output.mkdir(parents=True, exist_ok=True)
    write_json(path, identity)


def _compared(screen: Screen) -> list[Comparison]:
    """Compare what there is, and write it."""
    config = screen.config
    found = [read_outcome(screen, variant, seed) for variant in config.all_variants() for seed in range(config.seeds)]
    rows = compare([outcome for outcome in found if outcome is not None])
    if rows:
        write_json(screen.output / "results.json", {"variants": [as_json(row) for row in rows]})
        write_screen_report(screen.output / "report.html", config, rows)
    return rows


@click.command()
@click.option("--config", "name", required=True, metavar="NAME|FILE", help="A matrix: a preset of configs/screen/.")
@click.option(
    "--dataset",
    "datasets",
    required=True,
    multiple=True,
    metavar="DIR|URL",
    help="What `graspnet generate` wrote; repeatable: all are trained on, and objects of the first one are judged.",
)
@click.option("--resume", is_flag=True, help="Go on with the screen in --output; it may have more variants and seeds.")
@click.option("--plan", is_flag=True, help="Say how long it will take, and stop.")
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Gets a folder a variant."
)
@run_options
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
def main(
    name: str, datasets: tuple[str, ...], resume: bool, plan: bool, output: Path, engine: Engine, seed: int,
    overrides: tuple[str, ...],
) -> None:  # fmt: skip
    """Train and compare the variants of a matrix; KEY=VALUE changes what they have in common."""
    started = time.time()
    config = load_config(ScreenConfig, "screen", name, overrides)
    screen = prepare(config, datasets, output, engine, resume)
    click.echo(f"plan: {forecast(screen, units_of(config), engine.workers)}")
    if plan:
        return
    rows = run_screen(screen, engine)
    click.echo(markdown_table(rows))
    write_run_record(output, "training_screen", config_to_dict(config), seed, started, {"results": "results.json"})
    if all(row.problem for row in rows):
        raise InputError(f"no variant could be trained; the first: {rows[0].problem}")


if __name__ == "__main__":
    main()
