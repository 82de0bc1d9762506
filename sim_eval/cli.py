"""`graspnet simulate`: policies against physics, on the same episodes."""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from graspnet.config import config_to_dict, load_config
from graspnet.errors import InputError
from graspnet.run.options import run_options
from graspnet.run.progress import told_if_slow, track
from graspnet.run.record import write_json, write_run_record

if TYPE_CHECKING:
    from graspnet.run.engines import Engine
    from graspnet.sim_eval.episodes.records import EpisodeRecord
    from graspnet.sim_eval.planners.choice import PlannerChoice
    from graspnet.sim_eval.protocols.protocol import ProtocolConfig

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
    metavar="NAME[=CONFIG]",
    help="A policy, or a ceiling that sees the truth; repeat it to compare them on the same episodes. CONFIG: a preset"
    " of configs/policy/ or a file with settings other than the policy's own. Without it, and without --planner:"
    " principal_axis, in clutter antipodal.",
)
@click.option(
    "--planner",
    "commands",
    multiple=True,
    metavar="COMMAND",
    help="An outside planner: 'COMMAND {depth} {camera} {segmask} {gripper} {output}', which writes a plan as JSON.",
)
@click.option(
    "--planner-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="An outside planner that has not answered by then is killed; it counts as a failure.",
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
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A folder of meshes, nested, repeatable; without it, procedural objects. Where the protocol has a pattern for"
    " file names (vgn_*), meshes named so alone, if the folders hold any.",
)
@click.option("--trials", type=int, metavar="N", help="How many episodes; the protocol says, if this does not.")
@run_options
@click.option(
    "--resume",
    is_flag=True,
    help="Continue a run that was stopped, or extend it with more --trials; what ended is kept, what could "
    "not start is tried again.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Gets records.jsonl while it runs, then results.json, report.html and run.json.",
)
@click.option("--report/--no-report", default=True, show_default=True, help="A page with tables, plots and films.")
@click.option(
    "--replay", type=click.IntRange(min=0), metavar="TRIAL", help="Look at one trial, or round, of OUTPUT's run again."
)
@click.option("--view", is_flag=True, help="With --replay: in MuJoCo's viewer, which needs a display.")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
def simulate(
    config_name: str, policies: tuple[str, ...], commands: tuple[str, ...], planner_timeout: float, model: str,
    objects: tuple[Path, ...], trials: int | None, engine: "Engine", resume: bool, seed: int, output: Path,
    report: bool, replay: int | None, view: bool, overrides: tuple[str, ...],
) -> None:  # fmt: skip
    """Let policies pick objects in MuJoCo, each in the same episodes, and compare them.

    \b
    graspnet simulate --policy principal_axis --policy antipodal --trials 200 --output out/single
    graspnet simulate --objects my_meshes --output out/mine gripper=panda objects.unit=0.001
    graspnet simulate --config bin --output out/few task.objects=10
    graspnet simulate --policy cross_entropy --policy cross_entropy=my_settings.yaml --output out/settings
    graspnet simulate --planner 'my_planner {depth} {camera} {segmask} {gripper} {output}' --output out/peer
    graspnet simulate --replay 12 --output out/single

    An episode is one attempt at one object (a trial) or, in clutter, a round of attempts at many. KEY=VALUE changes
    the protocol's settings. A protocol with variants runs them all, each in a folder of OUTPUT, and says how much each
    costs whom (effects.json).

    --replay takes protocol, planners and seed from OUTPUT, and writes what was seen and films of the picks into
    OUTPUT/trial_00012/. Exit status: 0 done, 1 a replay is not as recorded, 2 bad input, or no episode could start.
    """
    if replay is not None:
        from graspnet.sim_eval.replay.again import replay_episode

        sys.exit(not replay_episode(output, replay, view))
    if view:
        raise InputError("--view shows a trial that --replay TRIAL names")
    from graspnet.sim_eval.analysis.variants import effects, format_effects
    from graspnet.sim_eval.episodes.log import as_json
    from graspnet.sim_eval.pages.effects_report import write_effects_report
    from graspnet.sim_eval.planners.choice import PlannerChoice, check_planners, identified
    from graspnet.sim_eval.protocols.protocol import BASE

    if trials is not None:
        overrides = (*overrides, f"episodes={trials}")
    config = _protocol(config_name, objects, overrides)
    nobody_named = not policies and not commands
    policies = (config.task.heuristic,) if nobody_named else policies
    choices = [identified(PlannerChoice.of(name, model)) for name in policies]
    choices += [PlannerChoice(f"planner {c}", command=c, timeout=planner_timeout) for c in commands]
    with told_if_slow("loading the planners", terminal_only=True):
        check_planners(choices)  # before a folder is made
    _prepare(config, seed, engine)
    runs = {
        name: _run(
            variant, f"{config_name}, {name}" if config.variants else config_name, choices, seed, engine, resume,
            output / name if config.variants else output, report,
        )
        for name, variant in config.runs().items()
    }  # fmt: skip
    if all(record.problem for records in runs.values() for record in records):
        raise InputError(f"no {config.task.unit} could start; the first: {runs[BASE][0].problem}")
    if nobody_named:
        click.echo(f"{policies[0]} has no network, and planned since no --policy was named; cross_entropy has one")
    if config.variants:
        found = effects(runs)
        write_json(output / "effects.json", [as_json(effect) for effect in found])
        click.echo(format_effects(found))
        if report:
            write_effects_report(output / "report.html", config_name, found)


def _protocol(config_name: str, objects: tuple[Path, ...], overrides: tuple[str, ...]) -> "ProtocolConfig":
    """Load the config, with the meshes of --objects: those that the preset's pattern names, or all if it names none."""
    from graspnet.data_gen.objects.object_source import keeping_size, one_file_an_object, only_meshes_of
    from graspnet.sim_eval.protocols.protocol import ProtocolConfig

    key = "objects"
    config = load_config(ProtocolConfig, "simulate", config_name, (*only_meshes_of(objects, key), *overrides))
    meshes = only_meshes_of(objects, key, config.objects.pattern)
    config = load_config(ProtocolConfig, "simulate", config_name, (*meshes, *overrides))
    # Nothing is split here: two objects of one shape do no harm, and no file is read to find them.
    chosen, notes = one_file_an_object(
        keeping_size(config.objects, "simulate", config_name, overrides), "simulate", copies=False
    )
    for note in notes:
        click.echo(f"simulate: {note}", err=True)
    return replace(config, objects=chosen)


def _prepare(config: "ProtocolConfig", seed: int, engine: "Engine") -> None:
    """Load the meshes that episodes begin with, and cut them into pieces, once for all episodes and variants.

    InputError: none of them can be used.
    """
    from graspnet.data_gen.generate.preparation import prepare
    from graspnet.data_gen.objects.object_source import mesh_files
    from graspnet.sim_eval.episodes.draw import objects_met

    if config.task.object_set is not None or not config.objects.folders:
        return
    met = objects_met(config, seed)
    names = [name for name in mesh_files(config.objects) if name in met]
    left_out = prepare(config.objects, names, engine, "simulate")
    for name, reason in left_out.items():
        click.echo(f"simulate: left out {name}: {reason}", err=True)
    if len(left_out) == len(met):
        raise InputError(f"no object could be used; the first: {next(iter(left_out.values()))}")


def _run(
    config: "ProtocolConfig", name: str, choices: "list[PlannerChoice]", seed: int, engine: "Engine", resume: bool,
    output: Path, report: bool,
) -> "list[EpisodeRecord]":  # fmt: skip
    """Run one protocol, and write and sum up its records in a folder of its own."""
    from graspnet.sim_eval.analysis.finished_run import FinishedRun
    from graspnet.sim_eval.analysis.piece_fits import format_fits
    from graspnet.sim_eval.analysis.results import results_as_json
    from graspnet.sim_eval.analysis.run_time import Session, format_time, run_time
    from graspnet.sim_eval.analysis.tables import format_results
    from graspnet.sim_eval.episodes.log import RecordLog, as_json
    from graspnet.sim_eval.episodes.run import run_protocol
    from graspnet.sim_eval.pages.report import write_simulation_report
    from graspnet.sim_eval.protocols.identity import run_identity

    started = time.time()
    run, units = run_identity(config, choices, seed), f"{config.task.unit}s"
    log = RecordLog(output, run, resume, config.episodes)
    resumed = frozenset(log.done)
    new = run_protocol(config, choices, seed, engine, resumed)
    for record in track(new, config.episodes, output.name, units, len(resumed)):
        log.add(record)
    records = [log.done[index] for index in sorted(log.done)]
    session = Session(time.time() - started, engine.workers, resumed)
    write_json(output / "results.json", results_as_json(config, name, choices, seed, records, session))
    if not all(record.problem for record in records):
        taken = run_time(records, session)
        lines = [format_results(config, records), _sizes(config), format_fits(records), format_time(taken)]
        click.echo("\n".join([*filter(None, lines), f"protocol {run['protocol']}, seed {seed}"]))
        made = {"protocol_name": name, "results": "results.json", units: len(records), "time": as_json(taken)}
        if report:
            finished = FinishedRun(config, tuple(choices), seed, tuple(records), name, session)
            write_simulation_report(output / "report.html", finished)
            made["report"] = "report.html"
        write_run_record(output, "simulate", config_to_dict(config), seed, started, made)
    return records


def _sizes(config: "ProtocolConfig") -> str:
    """Say how large the objects were."""
    from graspnet.data_gen.objects.object_source import size_in_words

    if config.task.object_set is not None:
        return "objects are as large beside the hand as their frozen set says"
    times = "" if config.task.scale == (1.0, 1.0) else " times {:g} to {:g} (task.scale)".format(*config.task.scale)
    return size_in_words(config.objects) + times


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    metavar="DIR",
    help="Gets report.html, and what it is made of.",
)
@click.option("--train/--no-train", "train_too", default=True, show_default=True, help="Stop before a dataset is made.")
@run_options
def demo(output: Path, train_too: bool, engine: "Engine", seed: int) -> None:
    """Plan and pick with the network that ships, then make a dataset, train a network on it and pick with that.

    \b
    graspnet demo --output out/demo
    graspnet demo --no-train --output out/picks      # the first two minutes of it

    report.html is there after the first step, and written anew after every other; Ctrl-C leaves the last one.
    """
    from graspnet.sim_eval.demo import run_demo

    run_demo(output, seed, engine, train_too)
