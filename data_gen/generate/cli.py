"""`graspnet generate`: meshes to a dataset."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from graspnet.config import config_to_dict, load_config, preset_path
from graspnet.run.options import run_options
from graspnet.run.progress import track
from graspnet.run.record import write_run_record

if TYPE_CHECKING:
    from graspnet.data_gen.generate.config import GenerateConfig
    from graspnet.data_gen.generate.run import UnitSummary
    from graspnet.run.engines import Engine

__all__ = ["generate"]

MOST_NAMED = 5


@click.command()
@click.option(
    "--config",
    "config_name",
    default="quick",
    show_default=True,
    metavar="NAME|FILE",
    help="A preset of configs/generate/ or a file.",
)
@click.option(
    "--objects",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A folder of meshes (.obj .stl .ply .off .glb), nested, repeatable; without it, procedural objects.",
)
@click.option(
    "--on-policy",
    metavar="MODEL",
    help="Draw a quarter of the grasps with the cross-entropy policy and this model (one that ships, or a folder).",
)
@click.option(
    "--labels",
    type=click.Choice(["analytic", "physics"]),
    default="analytic",
    show_default=True,
    help="physics: execute every grasp in a physics engine too; what it holds there comes first of its metrics.",
)
@run_options
@click.option("--resume", is_flag=True, help="Continue a run that was stopped; finished shards are kept.")
@click.option("--output", required=True, metavar="DIR|URL", help="The dataset's folder, on a disk or behind fsspec.")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
def generate(
    config_name: str, objects: tuple[Path, ...], on_policy: str | None, labels: str, engine: "Engine", resume: bool,
    seed: int, output: str, overrides: tuple[str, ...],
) -> None:  # fmt: skip
    """Make a dataset of depth images and labelled grasps from meshes or procedural objects.

    \b
    graspnet generate --config quick --output out/quick
    graspnet generate --config default --objects my_meshes --output out/mine views=4 objects.unit=0.001
    graspnet generate --config default --on-policy out/model --output out/round2
    graspnet generate --config quick --labels physics --output out/tugged assumed.tugs.executions=8
    graspnet generate --config quick --output out/hands "hands.presets=[yumi, panda, my_hand.yaml]" hands_per_view=2
    graspnet generate --config dexnet_2.0 --objects my_meshes --workers 8 --output out/dexnet --resume
    graspnet generate --config default --engine ray --address head:6379 --output s3://bucket/data

    Presets: quick (a minute), default (any hand, any camera), dexnet_2.0 and dexnet_2.0_tool (as published, see
    docs/dexnet.md), bin_clutter (heaps), scale and scale_heaps (millions of grasps). KEY=VALUE changes the config's
    settings. A mesh that cannot be used is left out and named with its reason. Exit status: 0 done, 2 bad input, or no
    object could be used.
    """
    from graspnet.data_gen.generate.config import GenerateConfig
    from graspnet.data_gen.generate.run import generate as run
    from graspnet.data_gen.objects.object_source import keeping_size, only_meshes_of, size_in_words
    from graspnet.dataset import Dataset

    started = time.time()
    config = load_config(GenerateConfig, "generate", config_name, (*only_meshes_of(objects, "objects"), *overrides))
    by_preset = config.objects.scaling
    config = replace(config, objects=keeping_size(config.objects, "generate", config_name, overrides, of_one_kind=True))
    if on_policy is not None:
        config = replace(config, candidates=config.candidates.with_on_policy(on_policy))
    if labels == "physics":
        config = config.with_physics()
    generation = run(config, preset_path("generate", config_name).stem, seed, output, engine, resume)
    config = generation.config
    if config.objects.folders:
        other = "" if config.objects.scaling == by_preset else f"; objects.scaling={by_preset} suits them to the hand"
        click.echo(f"generate: {size_in_words(config.objects)}{other}", err=True)
    for note in generation.notes:
        click.echo(f"generate: {note}", err=True)
    if config.heap is not None:
        click.echo(f"generate: {generation.total} heaps (scenes=N makes N)", err=True)
    made = list(track(generation, generation.total, "generate", _units(config), generation.done))
    click.echo(summary_table(made, config))
    header = Dataset.open(output).header  # of the whole dataset, where --resume made the rest of it
    click.echo(_splits_in_words(header.splits))
    if resume:
        click.echo(f"with what was there: {header.counts['objects']} objects, {header.counts['grasps']} grasps")
    found = {"dataset": output} | header.counts | ({"notes": list(generation.notes)} if generation.notes else {})
    write_run_record(output, "generate", config_to_dict(config), seed, started, found)


def summary_table(summaries: "list[UnitSummary]", config: "GenerateConfig") -> str:
    """What a run made, by the source of the grasps, at which sizes, and which objects it left out and why."""
    from graspnet.data_gen.generate.run import SourceCounts
    from graspnet.data_gen.objects.object_source import size_in_words

    made = [s for s in summaries if not s.skipped]
    names = sorted({name for s in made for name in s.sources})
    sources = {name: SourceCounts.total(s.sources[name] for s in made if name in s.sources) for name in names}
    sources["all"] = SourceCounts.total(sources.values())
    lines = [
        f"{len(made)} {_units(config)}, {sum(s.images for s in made)} images, {sources['all'].grasps} grasps",
        f"{'source':16}{'grasps':>10}{'free of collision':>18}{'positive':>18}",
    ]
    for name, of in sources.items():
        shares = f"{_share(of.collision_free, of.grasps):>18}{_share(of.positives, of.grasps):>18}"
        lines.append(f"{name:16}{of.grasps:>10}{shares}")
    lines.append(f"(positive: {config.metrics[0]} above {config.threshold:g}, and free of collision)")
    if made:
        low, high = min(s.scales[0] for s in made), max(s.scales[1] for s in made)
        factor = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
        lines.append(f"sizes times {factor}: {size_in_words(config.objects)}")
    hopeless = [s.name for s in made if not s.total.positives]
    if hopeless and config.objects.scaling == "as_is":
        named = ", ".join(hopeless[:MOST_NAMED]) + (", …" if len(hopeless) > MOST_NAMED else "")
        lines.append(
            f"no grasp is positive on {len(hopeless)} of {len(made)} {_units(config)}: {named}; is their unit "
            "right (objects.unit)? If the hand is too small for them, choose another, or scale them to it: "
            "objects.scaling=fit_gripper"
        )
    left_out = {s.name: s.skipped for s in summaries if s.skipped}
    for summary in made:
        left_out |= summary.left_out
    lines += [f"left out {name}: {reason}" for name, reason in left_out.items()]
    return "\n".join(lines)


def _splits_in_words(splits: dict[str, list[str]]) -> str:
    """How many objects there are to train on, and what becomes of validation where there is none for it."""
    counts = ", ".join(f"{len(names)} for {name}" for name, names in splits.items())
    if splits["validation"]:
        return f"objects: {counts}"
    return f"objects: {counts}; `graspnet train` will look at images of the same objects: that says nothing of others"


def _units(config: "GenerateConfig") -> str:
    return "objects" if config.heap is None else "heaps"


def _share(part: int, whole: int) -> str:
    return f"{part} ({part / whole:.1%})" if whole else "none"
