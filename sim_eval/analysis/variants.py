"""Variants: one protocol under changed settings, on the same trials. What does each change cost, and whom?

Every variant is a run of its own, in a folder of its own. A planner's success under it is compared with that under the
base, the protocol as it stands, trial by trial.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from graspnet.sim_eval.analysis.results import CeilingShare, lifted, shares_of_ceilings
from graspnet.sim_eval.analysis.statistics import (
    PairedDifference,
    bootstrap_over_objects,
    holm_adjusted,
    paired_difference,
    wilson_interval,
)
from graspnet.sim_eval.episodes.records import EpisodeRecord
from graspnet.sim_eval.protocols.protocol import BASE

__all__ = ["Effect", "effects", "format_effects"]


@dataclass(frozen=True)
class Effect:
    """One planner under one variant, on the trials that started there and under the base."""

    planner: str
    variant: str
    trials: int
    successes: int
    low: float  # Wilson's 95 % bounds of the success rate
    high: float
    paired: PairedDifference  # success under the variant minus success under the base
    holm_p_value: float  # of McNemar's test, corrected for all variants and planners of the run
    low_over_objects: float  # 95 % of the difference, from resampled objects
    high_over_objects: float
    shares_of_ceilings: dict[str, CeilingShare]  # of each other ceiling under the same variant


def effects(runs: Mapping[str, Sequence[EpisodeRecord]]) -> list[Effect]:
    """Compare every planner under every variant; `runs` holds the records of each variant and of the base.

    A variant that has no trial in common with the base is left out.
    """
    started = {name: {record.index: record for record in runs[name] if not record.problem} for name in runs}
    base = started.pop(BASE)
    found = [
        _effect(planner, name, [base[i] for i in common], [variant[i] for i in common])
        for planner in (next(iter(base.values())).results if base else ())
        for name, variant in started.items()
        if (common := sorted(base.keys() & variant.keys()))
    ]
    adjusted = holm_adjusted([one.holm_p_value for one in found])
    return [replace(one, holm_p_value=float(p_value)) for one, p_value in zip(found, adjusted, strict=True)]


def format_effects(found: Sequence[Effect]) -> str:
    """Write the table that `graspnet simulate` prints after the last variant."""
    width = [max([len(name), *(len(getattr(one, name)) for one in found)]) for name in ("planner", "variant")]
    lines = [
        f"{'planner':<{width[0]}}  {'variant':<{width[1]}}  success  95 % interval   points more than {BASE}"
        " (over objects), p by exact McNemar, Holm"
    ]
    for one in found:
        pair = one.paired
        lines.append(
            f"{one.planner:<{width[0]}}  {one.variant:<{width[1]}}  {one.successes:>3}/{one.trials:<3}"
            f"  {one.successes / one.trials:.1%} [{one.low:.1%}, {one.high:.1%}]  {100 * pair.difference:+.1f}"
            f" [{100 * pair.low:+.1f}, {100 * pair.high:+.1f}]"
            f" ([{100 * one.low_over_objects:+.1f}, {100 * one.high_over_objects:+.1f}]), p = {one.holm_p_value:.3g}"
        )
    return "\n".join(lines)


def _effect(planner: str, variant: str, base: Sequence[EpisodeRecord], changed: Sequence[EpisodeRecord]) -> Effect:
    """Compare one planner under one variant; the p-value is not yet corrected for the others."""
    before, after = (lifted(records)[planner] > 0 for records in (base, changed))
    pair = paired_difference(after, before)
    objects = [record.objects[0] for record in changed]
    gain = after.astype(np.float64) - before
    over_objects = bootstrap_over_objects(lambda trials: float(gain[trials].mean()), objects)
    return Effect(
        planner, variant, len(after), int(after.sum()), *wilson_interval(int(after.sum()), len(after)), pair,
        pair.p_value, *over_objects, shares_of_ceilings(planner, lifted(changed), objects),
    )  # fmt: skip
