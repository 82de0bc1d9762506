"""How far can a camera stand, how large may a hand be, how much depth may be missing? One factor at a time.

`python -m graspnet.sim_eval.studies.limits --output DIR --trials 112`

Every point of a curve is the protocol `single` with one thing changed, so its trials are those of `single`: the same
shapes, poses, frictions and seeds. Trial 0 is run at every point before trial 1 is begun, so that a study which is
stopped early has equally many trials everywhere; with --resume it goes on, or gets more of them.

DIR/limits.csv is the table: `docs/img/limits.py` draws the curves of docs/limits.md from a copy of it. `--into MODEL`
tells a model its own curves, and then plans with it warn where they fall (`graspnet.policies.model_range`).
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from graspnet.config import config_to_dict, with_overrides
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.grippers.parallel_jaw import ParallelJaw, load_parallel_jaw
from graspnet.models.checkpoint import RECORD
from graspnet.run.engines import Engine
from graspnet.run.options import run_options
from graspnet.run.progress import track
from graspnet.run.record import write_json
from graspnet.sim_eval.analysis.results import lifted
from graspnet.sim_eval.analysis.statistics import paired_difference, wilson_interval
from graspnet.sim_eval.episodes.log import RecordLog
from graspnet.sim_eval.episodes.records import EpisodeRecord
from graspnet.sim_eval.episodes.run import record_episode
from graspnet.sim_eval.planners.choice import PlannerChoice, identified, planner_of
from graspnet.sim_eval.protocols.identity import run_identity
from graspnet.sim_eval.protocols.protocol import BASE, ProtocolConfig

__all__ = ["FACTORS", "Factor", "Point", "limits_of", "markdown_table", "points", "read_table", "scaled_hand", "table"]

Value = float | int | str
TABLE = "limits.csv"
PLANNERS = (PlannerChoice("cross_entropy"), PlannerChoice("principal_axis"))
SINGLE = ProtocolConfig()
HAND = load_parallel_jaw(SINGLE.gripper)
BLOB_RADII_PX, GRAIN_RADII_PX = (4.0, 12.0), (0.5, 1.0)  # blobs are as wide as small objects, grains are single pixels


@dataclass(frozen=True)
class Factor:
    """What is changed, in words and with its unit; at which values; and what each value makes of `single`.

    overrides: KEY=VALUE of the protocol for a value. Hands and sensors are files in the folder that it is given.
    number: what `graspnet.policies.model_range` calls that which it measures in an image, and `si` its SI units in a
    unit of `values`; empty where it measures no such thing. unchanged: the value that `single` has, where it has one.
    """

    title: str
    unit: str
    values: tuple[Value, ...]
    overrides: Callable[[Value, Path], tuple[str, ...]]
    number: str = ""
    si: float = 1.0
    unchanged: float | int | None = None


@dataclass(frozen=True)
class Point:
    """One point of a curve: the protocol where a factor has a value. The base is no factor's."""

    factor: str
    value: Value
    config: ProtocolConfig

    @property
    def name(self) -> str:
        """Name its folder."""
        return f"{self.factor}_{self.value}" if self.factor else BASE


def points(folder: Path) -> list[Point]:
    """Make the base and every point of every factor; hands and sensors that have no preset are written to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = [
        Point(name, value, with_overrides(SINGLE, factor.overrides(value, folder)))
        for name, factor in FACTORS.items()
        for value in factor.values
    ]
    return [Point("", "", SINGLE), *changed]


def scaled_hand(opening: float) -> ParallelJaw:
    """Make the hand of `single` as large as its opening says (metres): every size and the force grow alike.

    A hand of twice the size holds objects of twice the size, and the force keeps pace with what people build.
    """
    scale = opening / HAND.max_width
    sizes = ("max_width", "min_width", "finger_length", "finger_thickness", "finger_breadth", "pad_to_tip", "force")
    x, y, z = HAND.palm
    palm = (scale * x, scale * y, scale * z)
    return replace(HAND, name="scaled", palm=palm, **{name: scale * getattr(HAND, name) for name in sizes})


def table(
    records: Mapping[str, Mapping[int, EpisodeRecord]], found_points: list[Point]
) -> list[dict[str, float | str | int]]:
    """Make a row for each planner at each point: its lifts, and the difference from `single` on the same trials.

    Rates carry Wilson's 95 % bounds, differences Newcombe's; both are shares, not per cent. A trial counts where it
    could start both here and in the base; a point without such a trial has no row.
    """
    rows = []
    for point in found_points:
        started = {k: record for k, record in records[point.name].items() if not record.problem}
        common = sorted(started.keys() & {k for k, record in records[BASE].items() if not record.problem})
        if not common:
            continue
        here, before = (lifted([of[k] for k in common]) for of in (started, records[BASE]))
        for planner in here:
            here_lifted, before_lifted = here[planner] > 0, before[planner] > 0
            successes, trials = int(here_lifted.sum()), len(common)
            low, high = wilson_interval(successes, trials)
            pair = paired_difference(here_lifted, before_lifted)
            shares = {"rate": successes / trials, "low": low, "high": high, "difference": pair.difference}
            shares |= {"difference_low": pair.low, "difference_high": pair.high}
            row = {"factor": point.factor or BASE, "value": point.value, "planner": planner}
            counts = {"trials": trials, "lifted": successes}
            rows.append(row | counts | {name: round(share, 4) for name, share in shares.items()})
    return rows


def limits_of(rows: Sequence[Mapping[str, Any]], planner: str = PLANNERS[0].name) -> dict[str, Any]:
    """Make of a table what a model's `details.limits` holds: the share that a planner lifts, and its curves.

    Curves are of the numbers that `graspnet.policies.model_range` measures. Their points are (value in SI units, share
    lifted, upper 95 % bound of the difference from `single`), by growing values.
    """
    of_planner = [row for row in rows if row["planner"] == planner]
    (base,) = (row for row in of_planner if row["factor"] == BASE)
    curves: dict[str, list[list[float]]] = {}
    for name, factor in FACTORS.items():
        if factor.number:
            found = [row for row in of_planner if row["factor"] == name]
            found += [] if factor.unchanged is None else [{**base, "value": factor.unchanged}]
            points = [[float(row[column]) for column in ("value", "rate", "difference_high")] for row in found]
            curves[factor.number] = sorted([round(factor.si * value, 6), *shares] for value, *shares in points)
    return {"protocol": "single", "trials": int(base["trials"]), "lifted": float(base["rate"]), "curves": curves}


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write the table of docs/limits.md: a line for each point, both planners beside each other, in per cent."""
    lines = ["| changed | to | trials | the network lifts | points more | the heuristic |", "|---|---|---|---|---|---|"]
    by_point: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        by_point.setdefault((row["factor"], str(row["value"])), {})[row["planner"]] = row
    for (name, value), planned in by_point.items():
        network, heuristic = (planned[choice.name] for choice in PLANNERS)
        more = _in_per_cent(network, "difference", "difference_low", "difference_high", sign="+")
        first = (
            ["nothing", "", ""]
            if name == BASE
            else [FACTORS[name].title, f"{value} {FACTORS[name].unit}".strip(), more]
        )
        cells = [*first[:2], str(network["trials"]), _in_per_cent(network), first[2], _in_per_cent(heuristic)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _in_per_cent(row: Mapping[str, Any], *names: str, sign: str = "") -> str:
    """Write a share and its bounds: `76 [68, 83]`."""
    share, low, high = (f"{100 * float(row[name]):{sign}.0f}" for name in names or ("rate", "low", "high"))
    return f"{share} [{low}, {high}]".replace("-", "−")


def read_table(path: Path) -> list[dict[str, str]]:
    """Read limits.csv."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _distance(value: Value, _: Path) -> tuple[str, ...]:
    return (f"view.distance=[{value}, {value}]",)


def _tilt(value: Value, _: Path) -> tuple[str, ...]:
    return ("view.tilted_share=1", f"view.tilted_polar_deg=[{value}, {value}]")


def _focal_length(value: Value, _: Path) -> tuple[str, ...]:
    return (f"view.focal_length=[{value}, {value}]",)


def _image_width(value: Value, _: Path) -> tuple[str, ...]:
    return (f"view.width={value}", f"view.height={3 * int(value) // 4}")


def _hand(value: Value, folder: Path) -> tuple[str, ...]:
    return (f"gripper={_hand_file(float(value), folder)}",)


def _hand_alone(value: Value, folder: Path) -> tuple[str, ...]:
    """Objects are sized in openings: in those of the larger hand, the same objects are smaller."""
    scale = HAND.max_width / float(value)
    low, high = SINGLE.objects.graspable_width
    sizes = (f"objects.graspable_width=[{scale * low}, {scale * high}]",)
    return (*_hand(value, folder), *sizes, f"objects.largest_extent={scale * SINGLE.objects.largest_extent}")


def _hand_far(value: Value, folder: Path) -> tuple[str, ...]:
    """Large hands take large objects, which a camera sees whole only from further away."""
    return (*_hand(value, folder), "view.distance=[1.5, 2.0]")


def _object_width(value: Value, _: Path) -> tuple[str, ...]:
    return (f"objects.graspable_width=[{value}, {value}]",)


def _blobs(value: Value, folder: Path) -> tuple[str, ...]:
    return (f"sensor={_holed_sensor(float(value), BLOB_RADII_PX, folder / f'blobs_{value}.json')}",)


def _grains(value: Value, folder: Path) -> tuple[str, ...]:
    return (f"sensor={_holed_sensor(float(value), GRAIN_RADII_PX, folder / f'grains_{value}.json')}",)


def _sensor(value: Value, _: Path) -> tuple[str, ...]:
    return (f"sensor={value}",)


def _hand_file(opening: float, folder: Path) -> Path:
    path = folder.resolve() / f"hand_{opening}.json"
    hand = scaled_hand(opening)
    write_json(path, {"kind": hand.kind, **config_to_dict(hand)})
    return path


def _holed_sensor(share: float, radii: tuple[float, float], path: Path) -> Path:
    """Write the sensor of `single` with so many holes more that they cover this share of the image.

    Holes at random places with a mean area of A leave a pixel measured with the chance exp(−A · holes per pixel).
    """
    area = np.pi * (radii[0] ** 2 + radii[0] * radii[1] + radii[1] ** 2) / 3  # the mean of π r² for a uniform r
    holes = {"holes_per_pixel": -np.log(1 - share) / area, "hole_radius_px": list(radii)}
    write_json(path, {"base": SINGLE.sensor, "triangulation": holes})
    return path.resolve()


FACTORS: dict[str, Factor] = {
    "distance": Factor("distance of the camera", "m", (0.2, 0.3, 0.5, 0.8, 1.1, 1.3, 1.5, 2.0), _distance, "distance"),
    "tilt": Factor("camera's axis off the vertical", "°", (0, 20, 40, 60, 70), _tilt, "tilt", np.pi / 180),
    "hand": Factor(
        "opening of the hand, objects as large beside it", "m", (0.015, 0.025, 0.04, 0.1, 0.15, 0.2, 0.3), _hand,
        "opening", unchanged=HAND.max_width,
    ),
    "hand_alone": Factor(
        "opening of the hand, objects as before", "m", (0.1, 0.2), _hand_alone, unchanged=HAND.max_width
    ),
    "hand_far": Factor(
        "opening of the hand, objects as large beside it, camera at 1.5 to 2 m", "m", (0.3,), _hand_far
    ),
    "object_width": Factor(
        "narrow side of the object", "openings", (0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.1), _object_width, "object_width"
    ),
    "blobs": Factor(
        "missing depth, in blobs", "of the pixels", (0.1, 0.3, 0.5, 0.8), _blobs, "missing", unchanged=0.0
    ),
    "grains": Factor("missing depth, in grains", "of the pixels", (0.3, 0.5, 0.8), _grains, unchanged=0.0),
    "focal_length": Factor("focal length, 640 pixels wide", "px", (200, 300, 1500), _focal_length, "focal_length_px"),
    "image_width": Factor(
        "width of the image, same field of view", "px", (160, 320, 1280), _image_width, unchanged=SINGLE.view.width
    ),
    "sensor": Factor(
        "sensor", "", ("ideal", "dexnet", "phoxi", "primesense", "realsense", "realsense_d415", "varied"), _sensor
    ),
}  # fmt: skip


def _trial(
    configs: Mapping[str, ProtocolConfig], planners: tuple[PlannerChoice, ...], seed: int, unit: tuple[str, int]
) -> tuple[str, EpisodeRecord]:
    name, index = unit
    by_label = {choice.label: planner_of(choice) for choice in planners}
    return name, record_episode(configs[name], seed, by_label, index, _renderer())


@lru_cache(maxsize=1)
def _renderer() -> RaycastRenderer:
    """Keep one in each process."""
    return RaycastRenderer()


def _units(logs: Mapping[str, RecordLog], trials: int) -> Iterator[tuple[str, int]]:
    for index in range(trials):
        yield from ((name, index) for name, log in logs.items() if index not in log.done)


@click.command()
@click.option("--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Gets a folder a point.")
@click.option("--trials", default=112, show_default=True, help="At each point; 112 are every shape of `single` once.")
@click.option("--resume", is_flag=True, help="Continue a study that was stopped, or extend it with more --trials.")
@click.option("--model", default="parallel_jaw", show_default=True, metavar="NAME|DIR", help="Who ranks grasps.")
@click.option(
    "--into",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="MODEL",
    help="The model's folder: its model.json gets the curves, and plans with it warn where they fall.",
)
@run_options
def main(output: Path, trials: int, resume: bool, model: str, into: Path | None, engine: Engine, seed: int) -> None:
    """Measure all curves, and write limits.csv."""
    found_points = points(output / "made")
    configs = {point.name: point.config for point in found_points}
    planners = tuple(identified(replace(choice, model=model)) for choice in PLANNERS)
    logs = {
        name: RecordLog(output / name, run_identity(config, planners, seed), resume, trials)
        for name, config in configs.items()
    }
    units = list(_units(logs, trials))
    for name, record in track(
        engine.run(partial(_trial, configs, planners, seed), units), len(units), "limits", "trials"
    ):
        logs[name].add(record)
    rows = table({name: log.done for name, log in logs.items()}, found_points)
    with (output / TABLE).open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    click.echo(markdown_table(rows))
    if into is not None:
        record = json.loads((into / RECORD).read_text())
        record["details"]["limits"] = limits_of(rows)
        write_json(into / RECORD, record)


if __name__ == "__main__":
    main()
