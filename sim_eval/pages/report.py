"""The report of a simulation: tables with intervals, how attempts ended, success against quality and size, pictures,
films, and what it takes to run it again. One HTML page that needs nothing else."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graspnet.config import config_to_dict
from graspnet.data_gen.physics.outcome import OUTCOMES, Outcome
from graspnet.report.page import Section, details_html, figure_html, paragraph, table_html, write_report
from graspnet.run.record import package_versions
from graspnet.sim_eval.analysis.finished_run import FinishedRun
from graspnet.sim_eval.analysis.run_time import run_time
from graspnet.sim_eval.pages.gallery import example_blocks, film_blocks, gallery_blocks
from graspnet.sim_eval.pages.object_blocks import fit_blocks, object_blocks
from graspnet.sim_eval.pages.outcome_figures import outcome_figure, planners_with_quality, reliability_figure
from graspnet.sim_eval.pages.result_blocks import episode_blocks, trial_blocks
from graspnet.sim_eval.planners.choice import PlannerChoice
from graspnet.sim_eval.protocols.identity import protocol_hash
from graspnet.sim_eval.replay.replay import PickRecord, Replays, picks_of

__all__ = ["MEANING", "simulation_sections", "write_simulation_report"]

MAX_PICTURED = 4  # episodes in pictures: to show one attempt, all those before it in its episode are made again
MAX_UNSTARTED = 50  # episodes that are listed one by one

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
    """Write the page of a run. A few of its episodes are made again, to be pictured."""
    sections = [*simulation_sections(run), _time_section(run), _protocol_section(run)]
    write_report(path, f"Simulation: {_title(run)}", sections)


def simulation_sections(run: FinishedRun) -> list[Section]:
    """Make the sections on results, outcomes, films, quality, objects and gallery, as far as anything could start."""
    picks = picks_of(run)
    if not picks:
        return [Section("Results", (paragraph(f"No {run.config.task.unit} could start."),))]
    replay, pictured = Replays(run), _pictured(picks)
    return [
        Section("Results", trial_blocks(run) if run.config.of_trials else episode_blocks(run)),
        Section("How attempts ended", (*outcome_blocks(picks), *example_blocks(picks, replay))),
        Section("Films", film_blocks(pictured, replay)),
        Section("Success against quality", quality_blocks(picks)),
        Section("Easy and hard objects", object_blocks(run)),
        Section("Collision geometry", fit_blocks(run.records)),
        Section("Gallery", gallery_blocks(pictured, replay)),
    ]


def _pictured(picks: Sequence[PickRecord]) -> Sequence[PickRecord]:
    """Choose what films and gallery show: all, if every attempt is the only one of its episode."""
    if not any(pick.attempt for pick in picks):
        return picks
    first = sorted({pick.index for pick in picks})[:MAX_PICTURED]
    return [pick for pick in picks if pick.index in first]


def outcome_blocks(picks: Sequence[PickRecord]) -> tuple[str, ...]:
    """Show how often each outcome occurred, and what it means."""
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
    """Show calibration in the physical sense, for the planners that give a quality."""
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


def _time_section(run: FinishedRun) -> Section:
    """Tell where the seconds went."""
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
    note = f"Seconds are sums over workers, of the {run.config.task.unit}s that started."
    return Section("Time", (table_html(["", ""], rows), paragraph(note)))


def _number(value: float) -> str:
    return f"{value:.1f}" if np.isfinite(value) else "–"


def _protocol_section(run: FinishedRun) -> Section:
    """Tell what it takes to run it again, what could not start, and all settings."""
    unit = run.config.task.unit
    unstarted = [[record.index, record.problem] for record in run.records if record.problem]
    facts = [
        ["protocol, hash", f"{_title(run)}, {protocol_hash(run.config)}"],
        ["seed", str(run.seed)],
        [f"{unit}s", f"{len(run.records)}, of which {len(unstarted)} could not start"],
        *[["planner", _planner_text(planner)] for planner in run.planners],
        ["packages", ", ".join(f"{name} {version}" for name, version in package_versions().items())],
        [f"see {unit} N again", "graspnet simulate --replay N --output (this folder) [--view]"],
    ]
    blocks = [table_html(["", ""], facts)]
    if unstarted:
        blocks.append(table_html([f"{unit} that could not start", "why"], unstarted[:MAX_UNSTARTED]))
    if len(unstarted) > MAX_UNSTARTED:
        blocks.append(paragraph(f"and {len(unstarted) - MAX_UNSTARTED} more, in results.json."))
    settings = table_html(["setting (SI units)", "value"], _flat(config_to_dict(run.config)))
    return Section("Protocol", (*blocks, details_html("All settings", settings)))


def _title(run: FinishedRun) -> str:
    return run.name or run.config.task.kind


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
