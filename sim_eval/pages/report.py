"""The report of a simulation: tables with intervals, how attempts ended, success against quality and size, pictures,
films, and what it takes to run it again. One HTML page that needs nothing else."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_gen.physics.outcome import OUTCOMES, Outcome
from graspnet.config import config_to_dict
from graspnet.grippers.parallel_jaw import load_gripper
from graspnet.report.page import Section, details_html, figure_html, paragraph, table_html, write_report
from graspnet.run.record import package_versions
from sim_eval.analysis.piece_fits import fit_blocks
from sim_eval.analysis.results import PolicySummary, compare, summarise
from sim_eval.analysis.run_time import run_time
from sim_eval.analysis.statistics import wilson_interval
from sim_eval.pages.cells import share_cell
from sim_eval.pages.clutter_report import cleared_blocks, round_blocks
from sim_eval.pages.gallery import example_blocks, film_blocks, gallery_blocks
from sim_eval.pages.outcome_figures import (
    SizedOutcome,
    family_of,
    outcome_figure,
    planners_with_quality,
    reliability_figure,
    size_figure,
    worst_rows,
)
from sim_eval.planners.choice import PlannerChoice
from sim_eval.protocols.identity import protocol_hash
from sim_eval.protocols.kinds import kind_named
from sim_eval.replay.replay import FinishedRun, PickRecord, Replays, picks_of

__all__ = ["MEANING", "simulation_sections", "write_simulation_report"]

PICTURED_ROUNDS = 4  # the first ones: to picture one attempt, all those before it in its round are made again
UNSTARTED = 50  # that are listed one by one

MEANING: dict[Outcome, str] = {
    "success": "The object was still between both pads after lifting and shaking.",
    "no_plan": "The planner proposed nothing.",
    "planner_failed": "The planner raised an error, crashed, took too long, or answered with what is no plan.",
    "below_table": "The grasp would have sent a fingertip deeper below the table than is tolerated; it was refused.",
    "approach_collision": "The hand hit something on its way, with more than the force limit.",
    "pushed": "The object was moved by more than is tolerated before both pads touched it.",
    "missed": "The jaws closed on nothing.",
    "slipped_in_lift": "The object left the hand while it was lifted, or did not come along.",
    "dropped_in_shake": "The object was lifted, and lost when the hand was shaken.",
}


def write_simulation_report(path: Path, run: FinishedRun) -> None:
    """Write the page of a run. A few of its trials are made again, to be pictured."""
    sections = [*simulation_sections(run), _time_section(run), _protocol_section(run)]
    write_report(path, f"Simulation: {run.name or run.config.kind}", sections)


def simulation_sections(run: FinishedRun) -> list[Section]:
    """Results, outcomes, films, quality, objects and gallery, as far as anything could start."""
    picks = picks_of(run.records)
    if not picks:
        return [Section("Results", (paragraph(f"No {kind_named(run.config.kind).unit} could start."),))]
    replay = Replays(run)
    pictured = picks
    if run.config.clutter is None:
        results, objects = results_blocks(run), object_blocks(picks, load_gripper(run.config.trial.gripper).max_width)
    else:
        results, objects = round_blocks(run), cleared_blocks(run)
        first = sorted({pick.index for pick in picks})[:PICTURED_ROUNDS]
        pictured = [pick for pick in picks if pick.index in first]
    return [
        Section("Results", results),
        Section("How attempts ended", (*outcome_blocks(picks), *example_blocks(picks, replay))),
        Section("Films", film_blocks(pictured, replay)),
        Section("Success against quality", quality_blocks(picks)),
        Section("Easy and hard objects", objects),
        Section("Collision geometry", fit_blocks(run.records)),
        Section("Gallery", gallery_blocks(pictured, replay)),
    ]


def results_blocks(run: FinishedRun) -> tuple[str, ...]:
    """The table of planners and that of their paired differences."""
    summaries = summarise(run.records)
    ceilings = list(dict.fromkeys(name for summary in summaries for name in summary.shares_of_ceilings))
    header = ["planner", "trials", "success", "robust plans (Q > 0.5)", "precision of those",
              *(f"of {ceiling}" for ceiling in ceilings), "s per plan"]  # fmt: skip
    blocks = [table_html(header, [_summary_row(summary, ceilings) for summary in summaries])]
    rows = [
        [
            f"{one.first} − {one.second}", _points(one.paired.difference),
            f"{_points(one.paired.low)} to {_points(one.paired.high)}",
            f"{_points(one.low_over_objects)} to {_points(one.high_over_objects)}",
            f"{one.paired.only_first}, {one.paired.only_second}", f"{one.holm_p_value:.2g}",
        ]
        for one in compare(run.records)
    ]  # fmt: skip
    if rows:
        header = ["difference, same trials", "points", "95 % (Newcombe)", "95 % over objects", "only one, other",
                  "p (McNemar, Holm)"]  # fmt: skip
        blocks.append(table_html(header, rows))
    blocks.append(paragraph(
        "In brackets: Wilson's 95 % intervals; of shares of a ceiling, a bootstrap over objects. Seconds per plan: "
        "median. Differences: the interval over objects is a bootstrap; trials with the same object are not "
        "independent, and where the two intervals differ much, it is the one to believe. The p-values are exact, and "
        "corrected for all pairs of this run."
    ))  # fmt: skip
    return tuple(blocks)


def outcome_blocks(picks: Sequence[PickRecord]) -> tuple[str, ...]:
    """How often each outcome occurred."""
    planners = list(dict.fromkeys(pick.planner for pick in picks))
    counts = {p: Counter(pick.result.outcome for pick in picks if pick.planner == p) for p in planners}
    occurred = [outcome for outcome in OUTCOMES if any(count[outcome] for count in counts.values())]
    names = [outcome.replace("_", " ") for outcome in occurred]
    rows = [[name, *(str(counts[p][o]) for p in planners)] for name, o in zip(names, occurred, strict=True)]
    meanings = [[name, MEANING[o]] for name, o in zip(names, occurred, strict=True)]
    caption = f"How the attempts of {', '.join(planners)} ended."
    counted = table_html(["outcome", *planners], rows)
    return figure_html(outcome_figure(picks), caption), counted, table_html(["outcome", "what it means"], meanings)


def quality_blocks(picks: Sequence[PickRecord]) -> tuple[str, ...]:
    """Calibration in the physical sense, of the planners that give a quality."""
    planners = planners_with_quality(picks)
    without = [p for p in dict.fromkeys(pick.planner for pick in picks) if p not in planners]
    blocks = []
    if planners:
        caption = (
            "Success of executed grasps against the quality that the planner gave them, in tenths, with Wilson's 95 % "
            "intervals and the number of grasps. On the dotted line, quality is the chance of success. Planners: "
            f"{', '.join(planners)}."
        )
        blocks.append(figure_html(reliability_figure(picks), caption))
    if without:
        blocks.append(paragraph(f"Without a quality that tells grasps apart: {', '.join(without)}."))
    return tuple(blocks)


def object_blocks(picks: Sequence[PickRecord], opening: float) -> tuple[str, ...]:
    """Success by size, and where it is lowest."""
    caption = (
        "Success against the object's bounding box, in groups of equal numbers, with Wilson's 95 % intervals; dotted: "
        "the hand's opening."
    )
    planners = list(dict.fromkeys(pick.planner for pick in picks))
    objects, families = [pick.object for pick in picks], [family_of(pick.object) for pick in picks]
    tables = [("family", families)] if families != objects else []
    tables.append(("object", objects))
    worst = [table_html([f"worst by {name}", "all", *planners], worst_rows(picks, of)) for name, of in tables]
    note = "The worst are those whose Wilson interval ends lowest, all planners together."
    sized = [SizedOutcome(pick.planner, pick.size, pick.result.success) for pick in picks]
    return (figure_html(size_figure(sized, opening), caption), *worst, paragraph(note))


def _summary_row(summary: PolicySummary, ceilings: Sequence[str]) -> list[str]:
    robust = wilson_interval(summary.robust_plans, summary.trials)
    precise = wilson_interval(summary.robust_successes, summary.robust_plans)
    shares = summary.shares_of_ceilings
    return [
        summary.policy,
        str(summary.trials),
        _rate(summary.rate, (summary.low, summary.high)),
        _rate(summary.robust_plans / summary.trials, robust),
        _rate(summary.precision, precise) if summary.robust_plans else "–",
        *(share_cell(shares, name) for name in ceilings),
        f"{summary.planning_seconds:.3f}",
    ]


def _rate(rate: float, bounds: tuple[float, float]) -> str:
    return f"{rate:.1%} [{100 * bounds[0]:.1f}, {100 * bounds[1]:.1f}]"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}".replace("-", "−")


def _time_section(run: FinishedRun) -> Section:
    """Where the seconds went."""
    time = run_time(run.records, run.session)
    rows = [[f"planning, {label}", f"{seconds:.1f}"] for label, seconds in time.planning.items()]
    rows += [
        ["all else: drawing, settling, rendering, picking", _number(time.all_else)],
        ["picks", str(time.picks)],
        ["picks a second of a worker, apart from planning", _number(time.picks_per_worker_second)],
    ]
    if time.wall is not None and time.picks_per_wall_second is not None:
        rows += [
            [f"picks a second of the wall clock, apart from planning; workers: {time.workers}",
             _number(time.picks_per_wall_second)],
            ["the last command, start-up included, without this page", f"{time.wall:.1f}"],
        ]  # fmt: skip
    note = "Seconds are sums over workers, of the trials or rounds that started."
    return Section("Time", (table_html(["", ""], rows), paragraph(note)))


def _number(value: float) -> str:
    return f"{value:.1f}" if np.isfinite(value) else "–"


def _protocol_section(run: FinishedRun) -> Section:
    """What it takes to run it again, what could not start, and all settings."""
    unit = kind_named(run.config.kind).unit
    unstarted = [[record.index, record.problem] for record in run.records if record.problem]
    facts = [
        ["protocol, hash", f"{run.name or run.config.kind}, {protocol_hash(run.config)}"],
        ["seed", str(run.seed)],
        [f"{unit}s", f"{len(run.records)}, of which {len(unstarted)} could not start"],
        *[["planner", _planner_text(planner)] for planner in run.planners],
        ["packages", ", ".join(f"{name} {version}" for name, version in package_versions().items())],
        [f"see {unit} N again", "graspnet simulate --replay N --output (this folder) [--view]"],
    ]
    blocks = [table_html(["", ""], facts)]
    if unstarted:
        blocks.append(table_html([f"{unit} that could not start", "why"], unstarted[:UNSTARTED]))
    if len(unstarted) > UNSTARTED:
        blocks.append(paragraph(f"and {len(unstarted) - UNSTARTED} more, in results.json."))
    settings = table_html(["setting (SI units)", "value"], _flat(config_to_dict(run.config)))
    return Section("Protocol", (*blocks, details_html("All settings", settings)))


def _planner_text(planner: PlannerChoice) -> str:
    if planner.command is not None:
        return f"{planner.label}, at most {planner.timeout:g} s"
    if not planner.ranks:
        return planner.label
    weights = f", weights {planner.weights[:16]}" if planner.weights else ""
    return f"{planner.label}, model {planner.model}{weights}"


def _flat(settings: dict[str, Any], prefix: str = "") -> list[list[str]]:
    rows = []
    for key, value in settings.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append([prefix + key, str(value)])
    return rows
