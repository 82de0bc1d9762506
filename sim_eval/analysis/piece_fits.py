"""Which objects collide as another shape than they show: how well their pieces fit, over the records of a run."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from data_gen.objects.piece_fit import FAR, TOLERATED, Fit
from graspnet.report.page import paragraph, table_html
from sim_eval.analysis.records import started
from sim_eval.protocols.protocol import TrialRecord

__all__ = ["fit_blocks", "fits_as_json", "fits_by_object", "format_fits"]

LISTED = 20  # objects in a table
NAMED = 5  # objects in a line


def fits_by_object(records: Sequence[Any]) -> dict[str, Fit]:
    """Of every object of trials or rounds that tell it: the fit in the size in which it is worst, the worst first."""
    worst: dict[str, Fit] = {}
    for record in started(records):
        of_one = isinstance(record, TrialRecord)
        told = [(record.object, record.fit)] if of_one else zip(record.objects, record.fits, strict=False)
        for name, fit in told:
            if fit is not None and (name not in worst or _badness(fit) > _badness(worst[name])):
                worst[name] = fit
    return dict(sorted(worst.items(), key=lambda item: _badness(item[1]), reverse=True))


def fits_as_json(records: Sequence[Any]) -> dict[str, Any]:
    """How many objects there are, of how many the pieces are too far off, and the worst ones."""
    fits = fits_by_object(records)
    worst = [{"object": name} | asdict(fit) for name, fit in list(fits.items())[:LISTED]]
    return {"objects": len(fits), "far": _far(fits), "worst": worst}


def format_fits(records: Sequence[Any]) -> str:
    """A line for people; empty where no record tells it."""
    fits = fits_by_object(records)
    if not fits:
        return ""
    named = ", ".join(
        f"{name} {fit.far_share:.1%}" for name, fit in list(fits.items())[: max(1, min(_far(fits), NAMED))]
    )
    return f"{_counted(fits)}; the worst: {named}"


def fit_blocks(records: Sequence[Any]) -> tuple[str, ...]:
    """A table of the worst objects for the report."""
    fits = fits_by_object(records)
    if not fits:
        return (paragraph("The records do not tell it: the run is of an older version."),)
    rows = [
        [name, f"{fit.far_share:.1%}", f"{1000 * fit.hausdorff:.2f}", f"{fit.volume_error:.2%}"]
        for name, fit in list(fits.items())[:LISTED]
    ]
    header = ["object", f"surface > {1000 * FAR:g} mm off", "farthest, mm", "volume error"]
    note = (
        f"{_counted(fits)}. Physics meets convex pieces, cameras and labels the surface itself; where they differ, "
        "verdicts are of another shape. Of each object, the size in which they differ most; the worst first."
    )
    return (table_html(header, rows), paragraph(note))


def _badness(fit: Fit) -> tuple[float, float]:
    return fit.far_share, fit.hausdorff


def _far(fits: dict[str, Fit]) -> int:
    return sum(fit.far_share > TOLERATED for fit in fits.values())


def _counted(fits: dict[str, Fit]) -> str:
    return (
        f"collision pieces more than {1000 * FAR:g} mm off over more than {TOLERATED:.0%} of the surface:"
        f" {_far(fits)} of {len(fits)} objects"
    )
