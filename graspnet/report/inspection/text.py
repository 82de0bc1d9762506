"""What a terminal says of a dataset, a model or a plan."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graspnet.dataset import Dataset
from graspnet.errors import InputError
from graspnet.grippers.gripper import gripper_class
from graspnet.report.inspection.summary import Summary, Tally, threshold_of

__all__ = ["dataset_text", "model_text", "plan_text", "rows_of"]

MOST_ROWS = 40  # of a table; where there are more, the lowest and the highest rates are shown


def dataset_text(dataset: Dataset, summary: Summary) -> str:
    """Counts, and positive rates by source, hand, metric and family."""
    header, total = dataset.header, summary.total
    lines = [
        f"{header.name}: version {header.version}, seed {header.seed}, fingerprint {header.fingerprint}",
        f"{len(summary.by['object'])} objects, {summary.images} images, {total.grasps} grasps",
        *(f"{name}: {len(objects)} objects" for name, objects in header.splits.items()),
        f"left out: {len(header.skipped)}",
        f"free of collision: {total.free / max(total.grasps, 1):.1%}",
        f"positive ({summary.metric} above {summary.threshold:g}, and free): {total.rate:.1%}",
    ]
    for kind in ("source", "hand", "family"):
        lines += ["", *_aligned([kind, "grasps", "free", "positive"], rows_of(summary.by[kind]))]
    rates = [[row[0], f"{threshold_of(str(row[0])):g}", *row[1:]] for row in rows_of(summary.metric_rates)]
    return "\n".join([*lines, "", *_aligned(["metric", "above", "grasps", "free", "positive"], rates)])


def rows_of(tallies: Mapping[str, Tally]) -> list[list[object]]:
    """Name, grasps, share free of collision and positive rate; of very many, the lowest and the highest rates."""
    chosen = list(tallies.items())
    if len(chosen) > MOST_ROWS:
        chosen.sort(key=lambda item: item[1].rate)
        chosen = [*chosen[: MOST_ROWS // 2], *chosen[-MOST_ROWS // 2 :]]
    return [[name, t.grasps, f"{t.free / t.grasps:.1%}", f"{t.rate:.1%}"] for name, t in chosen if t.grasps]


def model_text(folder: Path) -> str:
    """What `model.json` says: network, hands, label, calibration, and how good it was on objects it had not seen."""
    record = _json(folder / "model.json")
    details = record.pop("details", {})
    evaluation = details.pop("evaluation", {})
    rows = [[key, _short(value)] for part in (record, details) for key, value in part.items()]
    rows += [[f"evaluation: {key}", _short(value)] for key, value in evaluation.items()]
    return "\n".join(_aligned(["model", str(folder)], rows))


def plan_text(path: Path) -> str:
    """The grasps of a `plan.json`, best first."""
    record = _json(path)
    if not isinstance(record.get("grasps"), list):
        raise InputError(f"{path}: no grasps; expected a file from `graspnet plan --output`")
    if not record["grasps"]:
        return f"no grasp: {record.get('reason')}"
    kind = gripper_class(str(record["grasps"][0].get("kind", "parallel_jaw")), f"{path}: ")
    columns = [column.name for column in kind.columns]
    rows = [_plan_row(grasp, columns) for grasp in record["grasps"]]
    return "\n".join(_aligned(["quality", "u", "v", "angle", "depth", *columns], rows))


def _plan_row(grasp: Mapping[str, Any], columns: Sequence[str]) -> list[object]:
    image = grasp["image"]
    u, v = image["center"]
    numbers = (f"{image['angle']:.3f}", f"{image['depth']:.4f}", *(f"{grasp[name]:.4f}" for name in columns))
    quality = "none" if grasp["quality"] is None else f"{grasp['quality']:.3f}"
    return [quality, f"{u:.1f}", f"{v:.1f}", *numbers]


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: expected a JSON object")
    return data


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 90 else text[:87] + "..."


def _aligned(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """A table in plain text: the first column to the left, numbers to the right."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for first, *rest in cells:
        aligned = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *aligned]).rstrip())
    return lines
