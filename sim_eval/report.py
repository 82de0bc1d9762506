"""The report of a simulation: tables with intervals, how attempts ended, success against quality and size, pictures,
films, and what it takes to run it again. One HTML page that needs nothing else."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data_gen.physics.film import film, film_strip, last_picture
from data_gen.physics.picking import OUTCOMES, Outcome
from graspnet.config import config_to_dict
from graspnet.drawing import draw_depth, draw_grasps, new_figure, quality_colors
from graspnet.gripper import load_gripper
from graspnet.report_page import (
    Section,
    details_html,
    figure_html,
    paragraph,
    picture_html,
    table_html,
    write_report,
)
from graspnet.run_record import package_versions
from policies.policy import policy_class
from sim_eval.outcome_figures import (
    family_of,
    outcome_figure,
    planners_with_quality,
    reliability_figure,
    size_figure,
    worst_rows,
)
from sim_eval.planners import CEILINGS, PlannerChoice
from sim_eval.records import protocol_hash
from sim_eval.replay import FRAME_INTERVAL, Attempt, FinishedRun, ReplayedPick, attempts_of, describe, replay_pick
from sim_eval.results import PolicySummary, compare, summarise
from sim_eval.statistics import wilson_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["simulation_sections", "write_simulation_report"]

Replay = Callable[[Attempt], ReplayedPick]
GALLERY = 4  # successes, and as many failures, of each planner
GALLERY_PLANNERS = 6  # the first ones: a page should stay below some megabytes
FILMS = 3
UNSTARTED = 50  # that are listed one by one

MEANING: dict[Outcome, str] = {
    "success": "The object was still between both pads after lifting and shaking.",
    "no_plan": "The planner proposed nothing.",
    "planner_failed": "An outside planner crashed, took too long, or answered with what is no plan.",
    "below_table": "The grasp would have sent a fingertip deeper below the table than is tolerated; it was refused.",
    "approach_collision": "The hand hit something on its way, with more than the force limit.",
    "pushed": "The object was moved by more than is tolerated before both pads touched it.",
    "missed": "The jaws closed on nothing.",
    "slipped_in_lift": "The object left the hand while it was lifted, or did not come along.",
    "dropped_in_shake": "The object was lifted, and lost when the hand was shaken.",
}


def write_simulation_report(path: Path, run: FinishedRun) -> None:
    """Write the page of a run. A few of its trials are made again, to be pictured."""
    write_report(path, f"Simulation: {run.config.kind}", [*simulation_sections(run), _protocol_section(run)])


def simulation_sections(run: FinishedRun) -> list[Section]:
    """Results, outcomes, films, quality, size and gallery, as far as any trial could start."""
    attempts = attempts_of(run.records)
    if not attempts:
        return [Section("Results", (paragraph("No trial could start."),))]
    replay = lru_cache(maxsize=None)(partial(replay_pick, run))
    return [
        Section("Results", results_blocks(run)),
        Section("How attempts ended", outcome_blocks(attempts, replay)),
        Section("Films", film_blocks(attempts, replay)),
        Section("Success against quality", quality_blocks(attempts)),
        Section("Success against object", object_blocks(attempts, load_gripper(run.config.trial.gripper).max_width)),
        Section("Gallery", gallery_blocks(attempts, replay)),
    ]


def results_blocks(run: FinishedRun) -> tuple[str, ...]:
    """The table of planners and that of their paired differences."""
    header = ["planner", "trials", "success", "robust plans (Q > 0.5)", "precision of those", "of the ceiling",
              "s per plan"]  # fmt: skip
    blocks = [table_html(header, [_summary_row(summary) for summary in summarise(run.records)])]
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
            "In brackets: Wilson's 95 % intervals. Seconds per plan: median. Differences: the interval over objects "
            "is a bootstrap; trials with the same object are not independent, and where the two intervals differ "
            "much, it is the one to believe. The p-values are exact, and corrected for all pairs of this run."
        ))  # fmt: skip
    unstarted = sum(bool(record.problem) for record in run.records)
    if unstarted:
        blocks.append(paragraph(f"{unstarted} of {len(run.records)} trials could not start; see Protocol."))
    return tuple(blocks)


def outcome_blocks(attempts: Sequence[Attempt], replay: Replay) -> tuple[str, ...]:
    """How often each outcome occurred, and an example of each."""
    planners = list(dict.fromkeys(attempt.planner for attempt in attempts))
    counts = {p: Counter(a.result.outcome for a in attempts if a.planner == p) for p in planners}
    occurred = [outcome for outcome in OUTCOMES if any(count[outcome] for count in counts.values())]
    rows = [[_in_words(o), *(str(counts[p][o]) for p in planners), MEANING[o]] for o in occurred]
    caption = f"How the attempts of {', '.join(planners)} ended."
    blocks = [figure_html(outcome_figure(attempts), caption), table_html(["outcome", *planners, ""], rows)]
    for outcome in occurred:
        example = next(attempt for attempt in attempts if attempt.result.outcome == outcome)
        blocks.append(_example(replay(example)))
    return tuple(blocks)


def film_blocks(attempts: Sequence[Attempt], replay: Replay) -> tuple[str, ...]:
    """A success, and of each of the commonest failures with a pick one, in real time."""
    moved = [a for a in attempts if a.result.world_from_grasp and a.result.outcome != "below_table"]
    common = [outcome for outcome, _ in Counter(a.result.outcome for a in moved).most_common()]
    common.sort(key=lambda outcome: outcome != "success")
    chosen = [[a for a in moved if a.result.outcome == outcome][-1] for outcome in common[:FILMS]]  # [0] has a strip
    picks = [replay(attempt) for attempt in chosen]
    blocks = [picture_html(film(p.frames, p.world), _caption(p.attempt), FRAME_INTERVAL) for p in picks]
    return tuple(blocks) or (paragraph("No attempt moved the hand."),)


def quality_blocks(attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """Calibration in the physical sense, of the planners that give a quality."""
    planners = planners_with_quality(attempts)
    without = [p for p in dict.fromkeys(a.planner for a in attempts) if p not in planners]
    blocks = []
    if planners:
        caption = (
            "Success of executed grasps against the quality that the planner gave them, in tenths, with Wilson's 95 % "
            "intervals and the number of grasps. On the dotted line, quality is the chance of success. Planners: "
            f"{', '.join(planners)}."
        )
        blocks.append(figure_html(reliability_figure(attempts), caption))
    if without:
        blocks.append(paragraph(f"Without a quality that tells grasps apart: {', '.join(without)}."))
    return tuple(blocks)


def object_blocks(attempts: Sequence[Attempt], opening: float) -> tuple[str, ...]:
    """Success by size, and where it is lowest."""
    caption = (
        "Success against the object's bounding box, in groups of equal numbers, with Wilson's 95 % intervals; dotted: "
        "the hand's opening."
    )
    planners = list(dict.fromkeys(attempt.planner for attempt in attempts))
    objects, families = [a.object for a in attempts], [family_of(a.object) for a in attempts]
    tables = [("family", families)] if families != objects else []
    tables.append(("object", objects))
    worst = [table_html([f"worst by {name}", "all", *planners], worst_rows(attempts, of)) for name, of in tables]
    note = "The worst are those whose Wilson interval ends lowest, all planners together."
    return (figure_html(size_figure(attempts, opening), caption), *worst, paragraph(note))


def gallery_blocks(attempts: Sequence[Attempt], replay: Replay) -> tuple[str, ...]:
    """Of each planner some successes and some failures: the image with the executed grasp, and how the pick ended."""
    blocks = []
    for planner in list(dict.fromkeys(attempt.planner for attempt in attempts))[:GALLERY_PLANNERS]:
        executed = [a for a in attempts if a.planner == planner and a.result.world_from_grasp]
        successes = _spread([a for a in executed if a.result.success])
        failures = _spread([a for a in executed if not a.result.success])
        if executed:
            text = f"{planner}: {len(successes)} successes and {len(failures)} failures, evenly from all of its trials."
            blocks.append(figure_html(_gallery([replay(a) for a in [*successes, *failures]]), text))
    return (paragraph(
        "Above, what the camera saw (violet: no depth; blue: outline of what is to be grasped), with the grasp that "
        "was executed, coloured by its quality: red 0, yellow ½, green 1, orange where the planner gives none. Below, "
        "the end of the pick."
    ), *blocks)  # fmt: skip


def _summary_row(summary: PolicySummary) -> list[str]:
    robust = wilson_interval(summary.robust_plans, summary.trials)
    precise = wilson_interval(summary.robust_successes, summary.robust_plans)
    return [
        summary.policy,
        str(summary.trials),
        _rate(summary.rate, (summary.low, summary.high)),
        _rate(summary.robust_plans / summary.trials, robust),
        _rate(summary.precision, precise) if summary.robust_plans else "–",
        f"{summary.share_of_ceiling:.1%}" if np.isfinite(summary.share_of_ceiling) else "–",
        f"{summary.planning_seconds:.3f}",
    ]


def _rate(rate: float, bounds: tuple[float, float]) -> str:
    return f"{rate:.1%} [{100 * bounds[0]:.1f}, {100 * bounds[1]:.1f}]"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}".replace("-", "−")


def _in_words(outcome: str) -> str:
    return outcome.replace("_", " ")


def _caption(attempt: Attempt) -> str:
    quality = f", quality {attempt.result.quality:.2f}" if attempt.result.quality > 0 else ""
    how = describe(attempt.result)
    return f"{how[0].upper()}{how[1:]}. {attempt.object}, trial {attempt.trial}, {attempt.planner}{quality}."


def _example(pick: ReplayedPick) -> str:
    """A film strip; of an attempt without a grasp, what the camera saw."""
    caption = _caption(pick.attempt)
    if pick.frames:
        return picture_html([film_strip(pick.frames, pick.world, count=7, size=180)], caption)
    figure, axes = new_figure(1, 1, width=3.2)
    _draw_view(axes[0, 0], pick, "")
    return figure_html(figure, caption)


def _spread(attempts: Sequence[Attempt]) -> list[Attempt]:
    """At most GALLERY of them, evenly from the first to the last."""
    rows = np.linspace(0, len(attempts) - 1, min(GALLERY, len(attempts))).round().astype(int)
    return [attempts[row] for row in rows]


def _gallery(picks: Sequence[ReplayedPick]) -> "Figure":
    figure, axes = new_figure(2, len(picks), width=max(1.6, 12.8 / max(len(picks), 6)), aspect=1.0)
    for (above, below), pick in zip(axes.T, picks, strict=True):
        result = pick.attempt.result
        quality = f", Q = {result.quality:.2f}" if result.quality > 0 else ""
        _draw_view(above, pick, f"{pick.attempt.object}\ntrial {pick.attempt.trial}{quality}")
        below.imshow(last_picture(pick.frames, pick.world, size=160))
        below.set_title(_in_words(result.outcome), fontsize=8)
        below.set_axis_off()
    return figure


def _draw_view(axes: "Axes", pick: ReplayedPick, title: str) -> None:
    """The part of the image with what is to be grasped, and the grasp."""
    seen, grasp = pick.observation, pick.grasp_in_camera
    mask = seen.object_mask if seen.segmask is None else seen.segmask
    v, u = np.nonzero(mask)
    reach = grasp.width[:, None] / 2 + 2 * seen.gripper.finger_thickness
    ends = [seen.camera.project(grasp.origin + sign * reach * grasp.closing) for sign in (-1, 1)]
    points = np.concatenate([np.stack([u, v], axis=1), *ends])
    low, high = points.min(axis=0), points.max(axis=0)
    middle, half = (low + high) / 2, float(np.max(high - low)) / 2 * 1.1 + 2
    window = seen.depth[_pixels(middle[1], half), _pixels(middle[0], half)]
    near, far = np.nanpercentile(np.where(window > 0, window, np.nan), [1, 99])
    draw_depth(axes, seen.depth, limits=(float(near), float(max(far, near + 0.015))))  # not the noise alone
    axes.contour(mask, levels=[0.5], colors="deepskyblue", linewidths=0.8)
    quality = pick.attempt.result.quality
    color = tuple(quality_colors(np.array([quality]))[0].tolist()) if quality > 0 else "tab:orange"
    draw_grasps(axes, grasp, seen.camera, seen.gripper, color)
    axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] + half, middle[1] - half))
    axes.set_title(title, fontsize=8)


def _pixels(middle: float, half: float) -> slice:
    return slice(max(0, round(middle - half)), round(middle + half) + 1)


def _protocol_section(run: FinishedRun) -> Section:
    """What it takes to run it again, what could not start, and all settings."""
    facts = [
        ["protocol, hash", f"{run.config.kind}, {protocol_hash(run.config)}"],
        ["seed", str(run.seed)],
        ["trials", f"{len(run.records)}, of which {sum(bool(r.problem) for r in run.records)} could not start"],
        *[["planner", _planner_text(planner)] for planner in run.planners],
        ["packages", ", ".join(f"{name} {version}" for name, version in package_versions().items())],
        ["see trial N again", "graspnet simulate --replay N --output (this folder) [--view]"],
    ]
    unstarted = [[record.index, record.problem] for record in run.records if record.problem]
    blocks = [table_html(["", ""], facts)]
    if unstarted:
        blocks.append(table_html(["trial that could not start", "why"], unstarted[:UNSTARTED]))
    if len(unstarted) > UNSTARTED:
        blocks.append(paragraph(f"and {len(unstarted) - UNSTARTED} more, in results.json."))
    settings = table_html(["setting (SI units)", "value"], _flat(config_to_dict(run.config)))
    return Section("Protocol", (*blocks, details_html("All settings", settings)))


def _planner_text(planner: PlannerChoice) -> str:
    if planner.command is not None:
        return f"{planner.label}, at most {planner.timeout:g} s"
    ranks = planner.name not in CEILINGS and policy_class(planner.name).needs_quality
    return f"{planner.label}, model {planner.model}" if ranks else planner.label


def _flat(settings: dict[str, Any], prefix: str = "") -> list[list[str]]:
    rows = []
    for key, value in settings.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append([prefix + key, str(value)])
    return rows
