"""What a model's or a plan's JSON says, in sentences and tables: on a terminal, and as a page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graspnet.config import parse_json
from graspnet.errors import InputError
from graspnet.grasp_plan import grasps_in_plan
from graspnet.grippers.gripper import gripper_class
from graspnet.report.inspection.text import aligned
from graspnet.report.page import Section, paragraph, table_html, write_report
from graspnet.report.words import counted, folder_name, percent

__all__ = ["Account", "Table", "account_text", "evaluation_rows", "model_account", "plan_account", "write_account"]


@dataclass(frozen=True)
class Table:
    """A table under a title; a blank header is not shown."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Account:
    """What there is to say of a file: first in sentences, then in tables."""

    title: str
    opening: tuple[str, ...]
    tables: tuple[Table, ...]


# What the figures of a model's evaluation are. A network that guesses has the share of positives, or what is in
# brackets.
EVALUATION = {
    "examples": "grasps that it was tried on, of objects that it had not seen",
    "positive_rate": "share of them that holds",
    "average_precision": "precision, averaged over the recall; a guess has the share that holds",
    "roc_auc": "chance that of two grasps the one that holds has the higher quality (a guess: 0.5)",
    "accuracy": "share for which a quality above one half says what the label says",
    "balanced_accuracy": "the same, with those that hold and those that do not counting alike (a guess: 0.5)",
    "feasible_examples": "grasps that close on the object and touch nothing on the way",
    "feasible_positive_rate": "share of those that holds",
    "feasible_average_precision": "average precision on those alone",
    "brier": "mean square of quality minus label; 0 is best",
    "calibration_error": "mean distance of quality from the share that holds, over groups of like quality; 0 is best",
    "cross_entropy": "in nats; lower is better",
}
# What ranges are told in: the factor from SI units, and the unit.
LENGTHS = ("max_width", "min_width", "finger_length", "finger_thickness", "finger_breadth", "pad_to_tip")
UNITS = {
    **dict.fromkeys(LENGTHS, (1000.0, " mm")), "force": (1.0, " N"), "distance": (1.0, " m"),
    **dict.fromkeys(("tilt", "approach_tilt"), (180 / np.pi, "°")), "focal_length_px": (1.0, " px"),
}  # fmt: skip


def model_account(folder: Path) -> Account:
    """What `model.json` says: network, hands, cameras, label, and how good it was on objects it had not seen.

    InputError: unreadable. `details` are for people, so whatever is missing there is passed over.
    """
    record = _json(folder / "model.json")
    details = record.pop("details", {})
    details = details if isinstance(details, dict) else {}
    evaluation = _part(details, "evaluation")
    hands, camera = _part(details, "grippers"), _part(details, "camera")
    ranges = [(f"hand: {key}", _range(key, value)) for key, value in hands.items() if key != "palm"]
    ranges += [(f"camera: {key}", _range(key, value)) for key, value in camera.items()]
    left = {key: value for key, value in details.items() if key not in ("evaluation", "grippers", "camera")}
    settings = tuple((key, _short(value)) for key, value in _flat(record | left))
    tables = (
        Table("How good it is", ("figure", "value", "what it is"), evaluation_rows(evaluation)),
        Table("What it was made for", ("", ""), tuple(ranges)),
        Table("Settings", ("", ""), settings),
    )
    name = folder_name(folder)
    return Account(f"Model: {name}", _model_opening(name, record, details), tuple(t for t in tables if t.rows))


def evaluation_rows(evaluation: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    """Figure, value, and what it is, of each figure that a network was evaluated with."""
    return tuple((key, _short(value), EVALUATION.get(key, "")) for key, value in evaluation.items())


def _model_opening(name: str, record: Mapping[str, Any], details: Mapping[str, Any]) -> tuple[str, ...]:
    evaluation, dataset = _part(details, "evaluation"), _part(details, "dataset")
    parameters = f" with {record['parameters']:,} weights" if isinstance(record.get("parameters"), int) else ""
    made = [f"{name} is a {record.get('network')} network{parameters}, for {record.get('gripper')}."]
    if "train" in dataset:
        made.append(f"It was trained on {counted(dataset['train'], 'grasp')} of the dataset {dataset.get('name')}.")
    made.append(
        f"To it a grasp holds where the metric {record.get('metric')} lies above {record.get('threshold')}, and "
        "quality is the chance of that."
    )
    good = []
    if isinstance(evaluation.get("average_precision"), float):
        good.append(
            f"On {counted(evaluation['examples'], 'grasp')} of objects that it had not seen, its average precision is "
            f"{evaluation['average_precision']:.3f}; a guess would have {evaluation['positive_rate']:.3f}."
        )
    if isinstance(evaluation.get("calibration_error"), float):
        good.append(f"Its quality is {percent(evaluation['calibration_error'])} off on average (calibration error).")
    return tuple(" ".join(sentences) for sentences in (made, good) if sentences)


def plan_account(path: Path) -> Account:
    """The grasps of a `plan.json`, best first. InputError: no plan, or what no planner's plan may say."""
    record = _json(path)
    if not isinstance(record.get("grasps"), list):
        raise InputError(f"{path}: no grasps; expected a file from `graspnet plan --output`")
    warnings = tuple(f"Warning: {warning}" for warning in record.get("warnings", ()))
    title, planned = f"Plan: {path.name}", _planned(record)
    if not record["grasps"]:
        return Account(title, (f"no grasp: {record.get('reason')}", planned, *warnings), ())
    try:
        kind = gripper_class(str(record["grasps"][0].get("kind", "parallel_jaw")), f"{path}: ")
        columns = [column.name for column in kind.columns]
        _, qualities = grasps_in_plan(record["grasps"], columns)
        grasps = [record["grasps"][k] for k in np.argsort(-qualities, kind="stable")]
        rows = tuple(_plan_row(grasp, columns) for grasp in grasps)
        pose = tuple(tuple(f"{x:.4f}" for x in row) for row in grasps[0]["camera_from_grasp"])
        best = grasps[0]["image"]
        turned = float(np.rad2deg(best["angle"]))
    except InputError as error:
        raise InputError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InputError(f"{path}: a grasp lacks a field; docs/formats.md has them all") from None
    table = Table("Grasps", ("quality", "u", "v", "angle", "depth", *columns), rows)
    stated = "no quality" if rows[0][0] == "none" else f"quality {rows[0][0]}"
    opening = (
        f"{counted(len(rows), 'grasp')}, best first. {planned}",
        f"The best has {stated}. It lies at pixel ({rows[0][1]}, {rows[0][2]}), at a depth of "
        f"{float(best['depth']):.3f} m, and its closing axis is turned by {turned:.0f}° from the image's rows. In the "
        "tables u and v are pixels, angles are radians, and lengths are metres.",
        *warnings,
    )
    return Account(title, opening, (table, Table("Pose of the best: camera_from_grasp", ("",) * 4, pose)))


def _planned(record: Mapping[str, Any]) -> str:
    by = f"They were planned by {record['policy']}" if record.get("policy") else ""
    model = f" with the network {record['model']}" if by and record.get("model") else ""
    hand = f", for the hand {record['gripper']}" if by and record.get("gripper") else ""
    return f"{by}{model}{hand}." if by else ""


def _plan_row(grasp: Mapping[str, Any], columns: Sequence[str]) -> tuple[str, ...]:
    image = grasp["image"]
    u, v = image["center"]
    numbers = (f"{image['angle']:.3f}", f"{image['depth']:.4f}", *(f"{grasp[name]:.4f}" for name in columns))
    quality = "none" if grasp["quality"] is None else f"{grasp['quality']:.3f}"
    return quality, f"{u:.1f}", f"{v:.1f}", *numbers


def account_text(account: Account) -> str:
    """The account for a terminal: the sentences, and each table under its title."""
    parts = ["\n".join(filter(None, account.opening))]
    for table in account.tables:
        parts.append("\n".join([f"{table.title}:", *aligned(table.header, table.rows)]))
    return "\n\n".join(parts)


def write_account(path: Path, account: Account) -> None:
    """The account as a page."""
    sections = [Section(table.title, (table_html(table.header, table.rows),)) for table in account.tables]
    write_report(path, account.title, sections, [paragraph(text) for text in account.opening if text])


def _part(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _flat(record: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Keys and values, those of inner objects under names with dots."""
    rows: list[tuple[str, Any]] = []
    for key, value in record.items():
        rows += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return rows


def _range(key: str, value: Any) -> str:
    """From the least to the greatest, where the two are numbers."""
    if not (isinstance(value, list) and len(value) == 2 and all(isinstance(x, int | float) for x in value)):
        return _short(value)
    factor, unit = UNITS.get(key, (1.0, ""))
    low, high = (f"{factor * x:.3g}" if abs(factor * x) < 1000 else f"{factor * x:.0f}" for x in value)
    return (low if low == high else f"{low} to {high}") + unit


def _json(path: Path) -> dict[str, Any]:
    try:
        data = parse_json(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: expected a JSON object")
    return data


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list) and value and all(isinstance(row, list) for row in value):
        return "; ".join(_short(row) for row in value)
    if isinstance(value, list):
        return ", ".join(_short(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value)
