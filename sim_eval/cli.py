"""`graspnet simulate`: policies against physics, on the same trials."""

import os
import time
from pathlib import Path

import click

from graspnet.config import config_to_dict, load_config
from graspnet.errors import InputError
from graspnet.progress import track
from graspnet.run_record import write_json, write_run_record

__all__ = ["demo", "simulate"]


@click.command()
@click.option(
    "--config",
    "config_name",
    default="single",
    show_default=True,
    metavar="NAME|FILE",
    help="A protocol: a preset of configs/simulate/ or a file.",
)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    default=("principal_axis",),
    show_default=True,
    metavar="NAME",
    help="Repeat it to compare policies on the same trials.",
)
@click.option(
    "--model",
    default="parallel_jaw",
    show_default=True,
    metavar="NAME|DIR",
    help="For policies that rank grasps: a model that ships, or a folder that `graspnet train` made.",
)
@click.option(
    "--objects",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A folder of meshes, nested; without it, procedural objects.",
)
@click.option("--trials", type=int, metavar="N", help="How many; the protocol says, if this does not.")
@click.option(
    "--workers",
    type=int,
    default=os.cpu_count() or 1,
    show_default=True,
    metavar="N",
    help="Processes, one thread each; the results do not depend on it.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Gets results.json and run.json."
)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
def simulate(
    config_name: str, policies: tuple[str, ...], model: str, objects: Path | None, trials: int | None, workers: int,
    seed: int, output: Path, overrides: tuple[str, ...],
) -> None:  # fmt: skip
    """Let policies pick objects in MuJoCo, each on the same trials, and compare them.

    \b
    graspnet simulate --policy principal_axis --policy antipodal --trials 200 --output out/single
    graspnet simulate --objects my_meshes --output out/mine trial.gripper=panda trial.objects.unit=0.001

    KEY=VALUE changes the protocol's settings. Exit status: 0 done, 2 bad input, or no trial could start.
    """
    from data_gen.engines import LocalEngine
    from sim_eval.planners import PlannerChoice
    from sim_eval.protocols import ProtocolConfig, format_results, results_as_json, run_protocol

    started = time.time()
    if objects is not None:
        overrides = (*overrides, f"trial.objects.folder={objects}")
    if trials is not None:
        overrides = (*overrides, f"trials={trials}")
    config = load_config(ProtocolConfig, "simulate", config_name, overrides)
    choices = [PlannerChoice(name, model=model) for name in policies]
    output.mkdir(parents=True, exist_ok=True)
    records = list(
        track(run_protocol(config, choices, seed, LocalEngine(workers)), config.trials, "simulate", "trials")
    )
    write_json(output / "results.json", results_as_json(config, seed, records))
    if all(record.problem for record in records):
        raise InputError(f"no trial could start; the first: {records[0].problem}")
    click.echo(format_results(sorted(records, key=lambda record: record.index)))
    made = {"results": str(output / "results.json"), "trials": len(records)}
    write_run_record(output, "simulate", config_to_dict(config), seed, started, made)


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    metavar="DIR",
    help="Gets dataset/, model/, results.json and report.html.",
)
@click.option(
    "--workers",
    type=int,
    default=os.cpu_count() or 1,
    show_default=True,
    metavar="N",
    help="Processes, one thread each.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def demo(output: Path, workers: int, seed: int) -> None:
    """The whole loop in minutes: objects, dataset, network, plans, picks, and a report to look at.

    \b
    graspnet demo --output out/demo
    """
    from sim_eval.demo import run_demo

    run_demo(output, seed, workers)
