"""The report of a simulation: tables with intervals, how attempts ended, success against quality and size, pictures,
films, and what it takes to run it again. One HTML page that needs nothing else."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graspnet.config import config_to_dict
from graspnet.data_gen.physics.outcome import OUTCOMES
from graspnet.report.page import (
    Section,
    details_html,
    figure_html,
    paragraph,
    table_html,
    write_report,
)
from graspnet.report.words import folder_name, listed, percent
from graspnet.run.progress import track
from graspnet.run.record import package_versions
from graspnet.sim_eval.analysis.finished_run import FinishedRun
from graspnet.sim_eval.analysis.run_time import run_time
from graspnet.sim_eval.pages.findings import MEANING, in_question, opening_blocks, run_title
from graspnet.sim_eval.pages.gallery import example_blocks, film_blocks, gallery_blocks
from graspnet.sim_eval.pages.object_blocks import fit_blocks, object_blocks
from graspnet.sim_eval.pages.outcome_figures import (
    Calibration,
    calibration,
    calibration_figure,
    outcome_figure,
    planners_with_quality,
    short,
)
from graspnet.sim_eval.pages.result_blocks import episode_blocks, trial_blocks
from graspnet.sim_eval.planners.ceilings import CEILINGS
from graspnet.sim_eval.planners.choice import PlannerChoice, planning_policy
from graspnet.sim_eval.protocols.identity import protocol_hash
from graspnet.sim_eval.replay.replay import PickRecord, Replays, picks_of

__all__ = ["simulation_sections", "write_simulation_report"]

MAX_PICTURED = 4  # episodes in pictures: to show one attempt, all those before it in its episode are made again
MAX_UNSTARTED = 50  # episodes that are listed one by one


def write_simulation_report(path: Path, run: FinishedRun) -> None:
    """Write the page of a run, under its folder's name. A few of its episodes are made again, to be pictured."""
    sections = [*simulation_sections(run), _time_section(run), _protocol_section(run)]
    write_report(path, f"Simulation: {folder_name(path.parent)}", sections, opening_blocks(run))


def simulation_sections(run: FinishedRun) -> list[Section]:
    """Make the sections on films, results, outcomes, quality, objects and gallery, as far as anything could start."""
    picks = picks_of(run)
    if not picks:
        return [Section("Results", (paragraph(f"No {run.config.task.unit} could start."),))]
    replay, pictured, about = Replays(run), _pictured(picks), in_question(run).label
    makers: dict[str, Callable[[], tuple[str, ...]]] = {
        f"Films of {short(about)}": lambda: film_blocks(pictured, replay, about),
        "Results": lambda: (*(trial_blocks(run) if run.config.of_trials else episode_blocks(run)), _planners(run)),
        "How attempts ended": lambda: (*outcome_blocks(picks), *example_blocks(picks, replay, about)),
        "Is quality the chance of success?": lambda: quality_blocks(run, picks),
        "Easy and hard objects": lambda: object_blocks(run),
        "Gallery": lambda: gallery_blocks(pictured, replay, about),
        "Collision geometry": lambda: fit_blocks(run.records),
    }
    return [Section(title, makers[title]()) for title in track(makers, len(makers), "report", "sections")]


def _planners(run: FinishedRun) -> str:
    """Tell what each planner does, as the first paragraph of its documentation has it."""
    rows = []
    for choice in run.planners:
        if choice.command is not None:
            rows.append([short(choice.label), "A program from outside, which is given the image in files."])
        else:
            kind = CEILINGS[choice.name] if choice.name in CEILINGS else planning_policy(choice.name)
            rows.append([choice.label, " ".join((kind.__doc__ or "–").partition("\n\n")[0].split())])
    return table_html(["planner", "what it does"], rows)


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
    counted = table_html(["attempts that ended as", *planners], rows)
    strips = "One pick that ended in each of these ways, moment by moment from left to right."
    meaning = table_html(["outcome", "what it means"], meanings)
    return figure_html(outcome_figure(picks), caption), counted, meaning, paragraph(strips)


def quality_blocks(run: FinishedRun, picks: Sequence[PickRecord]) -> tuple[str, ...]:
    """Show, for the planners whose quality is meant as a chance, whether grasps succeed as often as it says.

    The heuristics that ship rank by something else: by how near a grasp is to the middle, for one.
    """
    chances = {c.label for c in run.planners if c.ranks or c.command is not None or c.name in CEILINGS}
    planners = [planner for planner in planners_with_quality(picks) if planner in chances]
    without = [p for p in dict.fromkeys(pick.planner for pick in picks) if p not in planners]
    silent = f"There is no such quality from {listed([short(p) for p in without])}." if without else ""
    if not planners:
        return (paragraph(silent),)
    calibrations = [calibration(picks, planner) for planner in planners]
    meaning = (
        "The quality of a grasp is meant as its chance of success: of many grasps with a quality of 0.8, 80 % should "
        "be lifted. Here executed grasps are put in groups by their quality, in steps of a tenth. Each point is a "
        "group: its mean quality to the right, the share of it that was lifted upwards. The bar is that share's 95 % "
        "interval (Wilson's), and the small number says how many grasps the group has. A point on the dotted line "
        "keeps what it promises; below it, the planner is too sure of itself, and above it, too modest."
    )
    caption = f"Share of grasps that was lifted, against the quality that {listed(planners)} gave them."
    told = " ".join(_calibration_text(one) for one in calibrations)
    figure = figure_html(calibration_figure(calibrations), caption)
    return tuple(filter(None, (paragraph(meaning), figure, paragraph(told), silent and paragraph(silent))))


def _calibration_text(one: Calibration) -> str:
    counts = np.array([len(group) for group in one.success])
    mean = float(np.average(one.quality, weights=counts))
    lifted = sum(int(group.sum()) for group in one.success)
    return (
        f"{short(one.planner)} gave its {counts.sum()} executed grasps a quality of {mean:.2f} on average, and "
        f"{percent(lifted / counts.sum())} of them were lifted. On average a group is {one.error:.3f} away from the "
        "dotted line (the expected calibration error, ECE)."
    )


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
        ["protocol, hash", f"{run_title(run)}, {protocol_hash(run.config)}"],
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
