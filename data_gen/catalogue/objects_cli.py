"""`graspnet objects`: which objects a dataset would be made of, how diverse they are, and what is wrong with them."""

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from graspnet.config import config_to_dict, load_config
from graspnet.errors import InputError
from graspnet.report.words import counted
from graspnet.run.options import run_options
from graspnet.run.progress import told_if_slow, track
from graspnet.run.record import write_run_record

if TYPE_CHECKING:
    from graspnet.data_gen.catalogue.objects_page import ObjectReport
    from graspnet.data_gen.objects.object_source import ObjectConfig
    from graspnet.run.engines import Engine

__all__ = ["objects"]

SIDES = ("smallest", "middle", "longest")  # columns of objects.csv
NUMBERS = ("thickness", "flat", "rounded", "sharp", "hollow", "convexity", "graspable", "poses")
BLANK = [""] * len(SIDES + NUMBERS)


@click.command()
@click.option(
    "--config",
    "config_name",
    default="default",
    show_default=True,
    metavar="NAME|FILE",
    help="A preset of configs/generate/ or a file: its `objects`.",
)
@click.option(
    "--objects",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A folder of meshes instead, nested; repeat it to compare sets.",
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    metavar="N",
    help="Objects of a set that are looked at, evenly spread over it.",
)
@run_options
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Gets objects.html, objects.csv and run.json.",
)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
def objects(
    config_name: str, folders: tuple[Path, ...], most: int, engine: "Engine", seed: int, output: Path,
    overrides: tuple[str, ...],
) -> None:  # fmt: skip
    """Load every object, and show how large, thin, bent, hollow and graspable they are, and which cannot be used.

    \b
    graspnet objects --output out/objects
    graspnet objects --objects my_meshes --most 1000 --output out/mine objects.unit=0.001
    graspnet objects --objects my_meshes --objects others --output out/both objects.count=100

    The last one compares two folders and 100 procedural objects. Sizes are as loaded, before any scaling. Exit
    status: 0 done, 2 bad input, or no object could be used.
    """
    from graspnet.data_gen.catalogue.diversity import COLUMNS
    from graspnet.data_gen.catalogue.objects_page import group_table, notes_table, write_page
    from graspnet.data_gen.generate.config import GenerateConfig
    from graspnet.data_gen.objects.object_source import (
        keeping_size,
        object_names,
        one_file_an_object,
        only_meshes_of,
        size_in_words,
    )

    started = time.time()
    config = load_config(GenerateConfig, "generate", config_name, (*only_meshes_of(folders, "objects"), *overrides))
    chosen, notes = one_file_an_object(keeping_size(config.objects, "generate", config_name, overrides), "objects")
    config = replace(config, objects=chosen)
    for note in notes:
        click.echo(f"objects: {note}", err=True)
    units = _chosen(object_names(config.objects), config.objects, most)
    work = partial(_report, config=config.objects, seed=seed)
    reports = list(track(engine.run(work, units), len(units), "objects", "objects"))
    reports.sort(key=lambda report: (report.group, report.name))
    problems = [report for report in reports if report.problem]
    if len(problems) == len(reports):
        raise InputError(f"no object could be used; the first: {problems[0].problem}")
    output.mkdir(parents=True, exist_ok=True)
    with told_if_slow("writing the page"):
        write_page(output / "objects.html", reports)
    _write_csv(output / "objects.csv", reports)
    click.echo(_aligned([("", *COLUMNS), *group_table(reports, "group")]))
    for group, count, note in notes_table(reports):
        click.echo(f"{group}: {counted(count, 'object')}: {note}")
    for report in problems:
        click.echo(f"left out {report.name}: {report.problem}")
    if config.objects.folders:
        click.echo(f"sizes are as loaded; in a dataset, {size_in_words(config.objects)}")
    made = {"page": str(output / "objects.html"), "objects": len(reports), "left_out": len(problems), "notes": notes}
    write_run_record(output, "objects", config_to_dict(config), seed, started, made)


@dataclass(frozen=True)
class _Unit:
    name: str
    index: int  # among all objects: the one that `graspnet generate` makes with the same seed
    group: str


def _chosen(names: Sequence[str], config: "ObjectConfig", most: int) -> list[_Unit]:
    groups: dict[str, list[_Unit]] = {}
    for index, name in enumerate(names):
        group = _group(name, config)
        groups.setdefault(group, []).append(_Unit(name, index, group))
    return [
        some[i]
        for some in groups.values()
        for i in np.unique(np.linspace(0, len(some) - 1, min(most, len(some))).round().astype(int))
    ]


def _group(name: str, config: "ObjectConfig") -> str:
    from graspnet.data_gen.objects.formats.mesh_file import MESH_SUFFIXES

    if not name.lower().endswith(MESH_SUFFIXES):
        return "procedural"
    return Path(name).parts[0] if len(config.folders) > 1 else Path(config.folders[0]).resolve().name


def _report(unit: _Unit, config: "ObjectConfig", seed: int) -> "ObjectReport":
    from graspnet.data_gen.catalogue.diversity import measure
    from graspnet.data_gen.catalogue.objects_page import ObjectReport
    from graspnet.data_gen.objects.object_source import load_object
    from graspnet.data_gen.physics.film import object_picture

    family = unit.name.rpartition("_")[0] if unit.group == "procedural" else unit.group
    rng = np.random.default_rng([seed, unit.index])
    try:
        solid = load_object(config, unit.name, rng)
    except InputError as error:
        return ObjectReport(unit.name, unit.group, family, problem=str(error))
    return ObjectReport(unit.name, unit.group, family, measure(solid, rng), object_picture(solid, 120))


def _write_csv(path: Path, reports: Sequence["ObjectReport"]) -> None:
    """A row for each object: lengths in metres, shares of 1."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["name", "group", *SIDES, *NUMBERS, "notes", "problem"])
        for report in reports:
            m = report.measures
            values = [f"{v:.6g}" for v in (*m.sides, *(getattr(m, name) for name in NUMBERS))] if m else BLANK
            table.writerow([report.name, report.group, *values, "; ".join(m.notes) if m else "", report.problem])


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
