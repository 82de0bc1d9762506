"""What a terminal says of a dataset."""

from collections.abc import Mapping, Sequence

from graspnet.dataset import Dataset
from graspnet.report.inspection.summary import Summary, Tally, threshold_of
from graspnet.report.page import NUMBER

__all__ = ["aligned", "dataset_text", "rows_of"]

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
        lines += ["", *aligned([kind, "grasps", "free", "positive"], rows_of(summary.by[kind]))]
    rates = [[row[0], f"{threshold_of(str(row[0])):g}", *row[1:]] for row in rows_of(summary.metric_rates)]
    return "\n".join([*lines, "", *aligned(["metric", "above", "grasps", "free", "positive"], rates)])


def rows_of(tallies: Mapping[str, Tally]) -> list[list[object]]:
    """Name, grasps, share free of collision and positive rate; of very many, the lowest and the highest rates."""
    chosen = list(tallies.items())
    if len(chosen) > MOST_ROWS:
        chosen.sort(key=lambda item: item[1].rate)
        chosen = [*chosen[: MOST_ROWS // 2], *chosen[-MOST_ROWS // 2 :]]
    return [[name, t.grasps, f"{t.free / t.grasps:.1%}", f"{t.rate:.1%}"] for name, t in chosen if t.grasps]


def aligned(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """A table in plain text: columns of numbers to the right, others to the left; without a blank header."""
    cells = [[str(cell) for cell in row] for row in rows]
    numbers = [all(NUMBER.fullmatch(row[k]) for row in cells) for k in range(len(header))]
    cells = [list(header), *cells] if any(header) else cells
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(_padded, row, widths, numbers)).rstrip() for row in cells]


def _padded(cell: str, width: int, number: bool) -> str:
    return cell.rjust(width) if number else cell.ljust(width)
