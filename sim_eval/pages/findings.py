"""What a run found, in sentences: how a report begins, for somebody who reads nothing else of it."""

from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from graspnet.data_gen.physics.outcome import Outcome
from graspnet.report.page import paragraph
from graspnet.report.words import listed, percent
from graspnet.sim_eval.analysis.finished_run import FinishedRun
from graspnet.sim_eval.analysis.results import Summary, compare_episodes, compare_trials, summarise
from graspnet.sim_eval.episodes.records import started
from graspnet.sim_eval.pages.cells import points
from graspnet.sim_eval.pages.outcome_figures import short
from graspnet.sim_eval.planners.ceilings import CEILINGS
from graspnet.sim_eval.planners.choice import PlannerChoice

__all__ = ["CHANCE", "MEANING", "in_question", "opening_blocks", "opening_sentences", "protocol_title", "run_title"]

CHANCE = 0.05  # A difference counts as more than chance if its corrected p-value lies below.
MAX_COMPARED = 3  # With more planners, sentences compare with the best of them alone; the table has all.

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


def opening_blocks(run: FinishedRun) -> tuple[str, ...]:
    """Write the paragraphs that a page begins with."""
    return tuple(map(paragraph, opening_sentences(run)))


def opening_sentences(run: FinishedRun) -> tuple[str, ...]:
    """Say who lifted how many of how many, against whom, whether that is more than chance, and what failed most.

    One text for each paragraph. The figures are those of results.json; intervals are of 95 %.
    """
    unit, ran = run.config.task.unit, started(run.records)
    if not ran:
        problem = f" The first says: {run.records[0].problem}" if run.records else ""
        return (f"No {unit} could start.{problem}",)
    choice = in_question(run)
    summaries = {summary.policy: summary for summary in summarise(run.config, run.records)}
    mine = summaries.pop(choice.label)
    others = [other for label, other in summaries.items() if label not in CEILINGS]
    ceilings = [other for label, other in summaries.items() if label in CEILINGS]
    first = [_lifted(run, mine, choice), _also_lifted(run, others), *_differences(run, mine, others)]
    if not summaries:
        first.append("No other planner had the same task, so there is nothing to compare these figures with.")
    second = [_of_ceilings(mine, ceilings), _failures(mine), _unstarted(run)]
    return tuple(" ".join(filter(None, sentences)) for sentences in (first, second) if any(sentences))


def in_question(run: FinishedRun) -> PlannerChoice:
    """Choose the planner that a page is about: the first with a network, else the first program from outside, else the
    first that is no ceiling, else the first."""
    kinds = (
        lambda choice: choice.ranks,
        lambda choice: choice.command is not None,
        lambda choice: choice.name not in CEILINGS,
        lambda choice: True,
    )
    return next(choice for kind in kinds for choice in run.planners if kind(choice))


def run_title(run: FinishedRun) -> str:
    """Name the protocol of a run; of a protocol from a file, by the file's name."""
    return protocol_title(run.name) or run.config.task.kind


def protocol_title(name: str) -> str:
    """Name a protocol that --config gave by a preset's name or a file's path."""
    return PurePath(name).name.replace(".yaml", "")


def _lifted(run: FinishedRun, mine: Summary, choice: PlannerChoice) -> str:
    network = f" with the network {PurePath(choice.model).name}" if choice.ranks and choice.model else ""
    who, where = f"{short(mine.policy)}{network}", f"(protocol {run_title(run)}, seed {run.seed})"
    if run.config.of_trials:
        return (
            f"In {mine.episodes} trials in the simulator {where}, {who} lifted {mine.successes} of {mine.attempts} "
            f"objects: {percent(mine.rate)} (95 % interval: {percent(mine.low)} to {percent(mine.high)})."
        )
    rate = f"{percent(mine.rate)} (95 % interval: {percent(mine.low_over_units)} to {percent(mine.high_over_units)})"
    return (
        f"In {mine.episodes} rounds in the simulator {where}, {who} lifted {mine.successes} of {mine.objects} objects: "
        f"{percent(mine.cleared)} (95 % interval: {percent(mine.cleared_low)} to {percent(mine.cleared_high)}). "
        f"It made {mine.attempts} attempts, of which {rate if mine.attempts else 'none'} succeeded."
    )


def _also_lifted(run: FinishedRun, others: Sequence[Summary]) -> str:
    if not others:
        return ""
    share = {s.policy: s.rate if run.config.of_trials else s.cleared for s in others}
    each = [
        f"{short(s.policy)}{' lifted' * (k == 0)} {s.successes} ({percent(share[s.policy])})"
        for k, s in enumerate(others)
    ]
    return f"In the same {run.config.task.unit}s, {listed(each)}."


def _differences(run: FinishedRun, mine: Summary, others: Sequence[Summary]) -> list[str]:
    """Compare the planner in question with the others one by one, or with the best of many."""
    rivals = sorted(others, key=lambda other: other.successes, reverse=True)
    episodes, sentences = f"{len(started(run.records))} {run.config.task.unit}s", []
    for rival in rivals[: 1 if len(rivals) > MAX_COMPARED else MAX_COMPARED]:
        gain, low, high, p_value = _gain(run, mine.policy, rival.policy)
        place = f"{abs(100 * gain):.1f} points {'ahead of' if gain > 0 else 'behind'}" if gain else "level with"
        figures = f"95 % interval: {points(low)} to {points(high)}; {_probability(p_value)}"
        chance = f"chance alone could give as much, so these {episodes} do not tell the two apart"
        verdict = "that is more than chance would give" if p_value < CHANCE else chance
        sentences.append(f"{short(mine.policy)} is {place} {short(rival.policy)} ({figures}): {verdict}.")
    return sentences


def _probability(p_value: float) -> str:
    if not np.isfinite(p_value):
        return "no test is possible"
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def _gain(run: FinishedRun, one: str, other: str) -> tuple[float, float, float, float]:
    """Subtract the lifted shares of two planners; the difference, its bounds, and the corrected p-value."""
    if run.config.of_trials:
        pairs = {
            (c.first, c.second): (c.paired.difference, c.paired.low, c.paired.high, c.holm_p_value)
            for c in compare_trials(run.records)
        }
    else:
        pairs = {
            (c.first, c.second): (c.cleared, c.cleared_low, c.cleared_high, c.cleared_holm_p_value)
            for c in compare_episodes(run.records)
        }
    if (one, other) in pairs:
        return pairs[one, other]
    difference, low, high, p_value = pairs[other, one]
    return -difference, -high, -low, p_value


def _of_ceilings(mine: Summary, ceilings: Sequence[Summary]) -> str:
    each = [
        f"{percent(mine.shares_of_ceilings[ceiling.policy].share)} of what {ceiling.policy} lifted"
        for ceiling in ceilings
        if ceiling.policy in mine.shares_of_ceilings
    ]
    if not each:
        return ""
    return f"It lifted {listed(each)}: these planners know the true shapes, so they show how much can be reached."


def _failures(mine: Summary) -> str:
    failed = {name: count for name, count in mine.outcomes.items() if name != "success"}
    if not failed:
        return "None of its attempts failed."
    most, total = max(failed.values()), sum(failed.values())
    commonest = [name for name in MEANING if failed.get(name) == most]
    each = [f"“{name.replace('_', ' ')}” ({MEANING[name][0].lower()}{MEANING[name][1:-1]})" for name in commonest]
    times = f"{most} times{' each' * (len(each) > 1)}"
    return f"Its failures, {total} in all, most often ended as {listed(each)}: {times}."


def _unstarted(run: FinishedRun) -> str:
    count, unit = sum(bool(record.problem) for record in run.records), run.config.task.unit
    if not count:
        return ""
    left_out = f"{count} of {len(run.records)} {unit}s could not start, and are not counted"
    return f"{left_out}: the section “Protocol” says why."
