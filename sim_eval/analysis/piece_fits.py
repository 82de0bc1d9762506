"""Which objects collide as another shape than they show: how well their pieces fit, over the records of a run."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from graspnet.data_gen.objects.piece_fit import FAR, TOLERATED, Fit
from graspnet.sim_eval.episodes.records import EpisodeRecord, started

__all__ = ["MAX_LISTED", "count_far", "fits_as_json", "fits_by_object", "format_fits"]

MAX_LISTED, MAX_NAMED = 20, 5  # objects in a table, and in a line


def fits_by_object(records: Sequence[EpisodeRecord]) -> dict[str, Fit]:
    """Find the fit of every object in the size in which it is worst, the worst object first."""
    worst: dict[str, Fit] = {}
    for record in started(records):
        for name, fit in zip(record.objects, record.fits, strict=False):  # records of older runs have none
            if name not in worst or _badness(fit) > _badness(worst[name]):
                worst[name] = fit
    return dict(sorted(worst.items(), key=lambda item: _badness(item[1]), reverse=True))


def fits_as_json(records: Sequence[EpisodeRecord]) -> dict[str, Any]:
    """Tell how many objects there are, of how many the pieces are too far off, and which are the worst."""
    fits = fits_by_object(records)
    worst = [{"object": name} | asdict(fit) for name, fit in list(fits.items())[:MAX_LISTED]]
    return {"objects": len(fits), "far": _far(fits), "worst": worst}


def format_fits(records: Sequence[EpisodeRecord]) -> str:
    """Write a line for people; nothing where no record tells it."""
    fits = fits_by_object(records)
    if not fits:
        return ""
    named = ", ".join(
        f"{name} {fit.far_share:.1%}" for name, fit in list(fits.items())[: max(1, min(_far(fits), MAX_NAMED))]
    )
    return f"{count_far(fits)}; the worst: {named}"


def count_far(fits: dict[str, Fit]) -> str:
    """Say of how many objects the pieces are too far off."""
    return (
        f"collision pieces more than {1000 * FAR:g} mm off over more than {TOLERATED:.0%} of the surface:"
        f" {_far(fits)} of {len(fits)} objects"
    )


def _badness(fit: Fit) -> tuple[float, float]:
    return fit.far_share, fit.hausdorff


def _far(fits: dict[str, Fit]) -> int:
    return sum(fit.far_share > TOLERATED for fit in fits.values())
