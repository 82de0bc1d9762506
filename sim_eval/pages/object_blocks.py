"""What a report says of objects: which are easy and which are hard, and how well their collision pieces fit."""

from collections.abc import Sequence

from graspnet.data_gen.objects.piece_fit import FAR
from graspnet.grippers.parallel_jaw import load_parallel_jaw
from graspnet.report.page import figure_html, paragraph, table_html
from graspnet.sim_eval.analysis.finished_run import FinishedRun
from graspnet.sim_eval.analysis.piece_fits import MAX_LISTED, count_far, fits_by_object
from graspnet.sim_eval.episodes.records import EpisodeRecord, started
from graspnet.sim_eval.pages.outcome_figures import ObjectOutcome, family_of, size_figure, worst_rows

__all__ = ["fit_blocks", "object_blocks", "object_outcomes"]


def object_blocks(run: FinishedRun) -> tuple[str, ...]:
    """Show how often objects were lifted by their size, and which were lifted least."""
    outcomes, unit = object_outcomes(started(run.records)), run.config.task.unit
    planners = list(dict.fromkeys(one.planner for one in outcomes))
    objects, families = [one.object for one in outcomes], [family_of(one.object) for one in outcomes]
    tables = [("family", families)] if families != objects else []
    tables.append(("object", objects))
    blocks = [table_html([f"worst by {name}", "all", *planners], worst_rows(outcomes, of)) for name, of in tables]
    blocks.append(paragraph(
        f"How often each was lifted, of the times that it was there when a {unit} began. The worst come first: those "
        "whose Wilson interval ends lowest, all planners together."
    ))  # fmt: skip
    sized = [one for one in outcomes if one.size]
    if sized:
        what, rate = ("Success", "success rate") if run.config.of_trials else (
            "Share of the objects that was cleared,", "share cleared"
        )  # fmt: skip
        caption = (
            f"{what} against the sides of the object's bounding box. Each point is a group of equally many objects, "
            "with Wilson's 95 % interval. The dotted line is the hand's largest opening."
        )
        opening = load_parallel_jaw(run.config.gripper).max_width
        blocks.insert(0, figure_html(size_figure(sized, opening, rate), caption))
    return tuple(blocks)


def object_outcomes(ran: Sequence[EpisodeRecord]) -> list[ObjectOutcome]:
    """Tell of every object in every episode, and every planner, whether it was lifted in the end."""
    outcomes = []
    for record in ran:
        sizes = record.sizes or ((),) * len(record.objects)  # records of older runs have none
        for planner, result in record.results.items():
            taken = {attempt.held for attempt in result.attempts if attempt.success}
            outcomes += [
                ObjectOutcome(planner, name, size, k in taken)
                for k, (name, size) in enumerate(zip(record.objects, sizes, strict=True))
            ]
    return outcomes


def fit_blocks(records: Sequence[EpisodeRecord]) -> tuple[str, ...]:
    """Show the objects whose collision pieces fit worst."""
    fits = fits_by_object(records)
    if not fits:
        return (paragraph("The records do not tell it: the run is of an older version."),)
    rows = [
        [name, f"{fit.far_share:.1%}", f"{1000 * fit.hausdorff:.2f}", f"{fit.volume_error:.2%}"]
        for name, fit in list(fits.items())[:MAX_LISTED]
    ]
    header = ["object", f"surface > {1000 * FAR:g} mm off", "farthest, mm", "volume error"]
    note = (
        f"{count_far(fits)}. Physics meets convex pieces, cameras and labels the surface itself; where they differ, "
        "verdicts are of another shape. Of each object, the size in which they differ most; the worst first."
    )
    return (table_html(header, rows), paragraph(note))
