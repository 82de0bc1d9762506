"""What a screen found: each variant against the base, by lifts first and average precision second.

A difference is the mean over the seeds that both have, on the same objects: for lifts the same trials, for figures of
grasps the same images with the same noise. Its interval holds two kinds of chance. Which objects there were: whole
objects are drawn anew, for all seeds at once. How the trainings fell out: the variance of differences between seeds,
pooled over all variants, since three seeds alone hardly tell it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from scipy.special import ndtr

from graspnet.sim_eval.analysis.resampling import Estimate, Resampling
from graspnet.sim_eval.analysis.statistics import (
    PairedDifference,
    holm_adjusted,
    paired_difference,
    wilson_interval,
)
from graspnet.sim_eval.protocols.protocol import BASE
from graspnet.sim_eval.studies.screen.outcome import FIGURES, SEED, Outcome, Trial

__all__ = ["LIFTED", "Comparison", "compare"]

LIFTED = "lifted"
ALL_FIGURES = (LIFTED, *FIGURES)
DRAWS = 2000  # of objects, for the intervals of lifts
DEVIATIONS = 1.96  # of a normal distribution, to either side, hold 95 % of it
CHANCE = 0.05
VERDICTS = {LIFTED: ("lifts more", "lifts less"), "average_precision": ("ranks better", "ranks worse")}
Draws = Float64[np.ndarray, "S D"]  # a row for each seed: the figure itself, then the figure of each draw of objects


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One variant. figures: its own, means over its seeds; gains: minus the base's, on the seeds and trials of both.

    pairs: the trials of all seeds as if they were independent, which those of one object under several seeds are not.
    verdict: what may be said, once p-values are corrected (Holm) for the number of variants.
    """

    variant: str
    seeds: int = 0
    trials: int = 0  # of all seeds
    examples: int = 0
    examples_per_second: float = float("nan")
    planning_seconds: float = float("nan")  # the median of all plans
    overconfidence: float = float("nan")  # mean quality of the executed grasps minus the share of these that was lifted
    figures: dict[str, Estimate]
    gains: dict[str, Estimate]
    pairs: PairedDifference | None = None
    verdict: str = ""
    problem: str = ""


def compare(outcomes: Sequence[Outcome]) -> list[Comparison]:
    """Compare all variants: the base first, then by lifts gained, then by average precision gained."""
    found: dict[str, dict[int, Outcome]] = {outcome.variant: {} for outcome in outcomes}
    for outcome in outcomes:
        if not outcome.problem:
            found[outcome.variant][outcome.seed] = outcome
    base = found.get(BASE, {})
    differences = {name: _differences(of, base) for name, of in found.items() if name != BASE}
    seed_variance = {
        figure: _pooled_variance(each[figure] for each in differences.values() if figure in each)
        for figure in ALL_FIGURES
    }
    rows = [
        replace(
            _summary(name, of),
            gains={
                figure: _difference(draws, seed_variance[figure]) for figure, draws in differences.get(name, {}).items()
            },
            pairs=_pairs(of, base) if name != BASE else None,
            problem="; ".join({o.problem for o in outcomes if o.variant == name and o.problem}),
        )
        for name, of in found.items()
    ]
    return sorted(_with_verdicts(rows), key=_place)


def _summary(name: str, of: Mapping[int, Outcome]) -> Comparison:
    """A variant by itself."""
    if not of:
        return Comparison(variant=name, figures={}, gains={})
    outcomes = list(of.values())
    trials = [trial for outcome in outcomes for trial in outcome.trials]
    executed = [trial for trial in trials if np.isfinite(trial.quality)]
    own = {figure: np.stack([np.array(o.figures[figure]) for o in outcomes]) for figure in FIGURES}
    figures = {figure: Estimate.of(draws.mean(axis=0)) for figure, draws in own.items()}
    return Comparison(
        variant=name,
        seeds=len(of),
        trials=len(trials),
        examples=outcomes[0].examples,
        examples_per_second=float(np.median([o.examples_per_second for o in outcomes])),
        planning_seconds=float(np.median([t.seconds for t in trials])) if trials else float("nan"),
        overconfidence=float(np.mean([t.quality - t.lifted for t in executed])) if executed else float("nan"),
        figures=figures | ({LIFTED: _rate(trials)} if trials else {}),
        gains={},
    )


def _rate(trials: Sequence[Trial]) -> Estimate:
    """The share lifted, with Wilson's interval of as many trials as are different: other seeds repeat them."""
    rate, different = float(np.mean([trial.lifted for trial in trials])), len({trial.index for trial in trials})
    return Estimate(rate, *wilson_interval(round(rate * different), different))


def _differences(of: Mapping[int, Outcome], base: Mapping[int, Outcome]) -> dict[str, Draws]:
    """Variant minus base for each seed that both have, and each draw."""
    seeds = sorted(of.keys() & base.keys())
    if not seeds:
        return {}
    found = {
        figure: np.stack([np.array(of[s].figures[figure]) - np.array(base[s].figures[figure]) for s in seeds])
        for figure in FIGURES
    }
    lifts = _lift_draws([_gained(of[s], base[s]) for s in seeds], [base[s] for s in seeds])
    return found | ({} if lifts is None else {LIFTED: lifts})


def _gained(outcome: Outcome, base: Outcome) -> dict[int, float]:
    """By trial: 1 where only the variant lifted, −1 where only the base did."""
    before = {trial.index: trial.lifted for trial in base.trials}
    return {t.index: float(t.lifted) - float(before[t.index]) for t in outcome.trials if t.index in before}


def _lift_draws(values: Sequence[Mapping[int, float]], outcomes: Sequence[Outcome]) -> Draws | None:
    """Means over the trials that all seeds have a value for, for each seed and draw of objects; None without trials."""
    trials = sorted(set.intersection(*(set(each) for each in values)))
    if not trials:
        return None
    objects = {trial.index: trial.object for outcome in outcomes for trial in outcome.trials}
    resampling = Resampling(np.array([objects[k] for k in trials]), DRAWS, SEED)
    return np.stack([resampling.mean(np.array([each[k] for k in trials])) for each in values])


def _pairs(of: Mapping[int, Outcome], base: Mapping[int, Outcome]) -> PairedDifference | None:
    """Newcombe's interval and McNemar's test over the trials of all seeds; None where none are common."""
    before = {(seed, trial.index): trial.lifted for seed in base for trial in base[seed].trials}
    here = {(seed, trial.index): trial.lifted for seed in of for trial in of[seed].trials}
    common = sorted(before.keys() & here.keys())
    if not common:
        return None
    return paired_difference(np.array([here[key] for key in common]), np.array([before[key] for key in common]))


def _pooled_variance(differences: Iterable[Draws]) -> float:
    """Variance of one seed's difference about its variant's mean, pooled over the variants; NaN with one seed each."""
    tables = [draws[:, 0] for draws in differences]
    freedom = sum(len(values) - 1 for values in tables)
    squares = sum(float(np.sum((values - values.mean()) ** 2)) for values in tables)
    return squares / freedom if freedom else float("nan")


def _difference(draws: Draws, seed_variance: float) -> Estimate:
    """The mean over seeds; its variance is that over draws of objects plus that between seeds over their number.

    Without a variance there is no interval, and nothing is told apart.
    """
    mean = draws.mean(axis=0)
    of_seeds = seed_variance / len(draws) if np.isfinite(seed_variance) else 0.0
    deviation = float(np.sqrt(np.nanvar(mean[1:]) + of_seeds))
    value = float(mean[0])
    if deviation == 0:  # nothing differs in any object: that says little of others where there are few
        return Estimate(value, float("nan"), float("nan"), 1.0)
    half = DEVIATIONS * deviation
    return Estimate(value, value - half, value + half, float(2 * ndtr(-abs(value) / deviation)))


def _with_verdicts(rows: Sequence[Comparison]) -> list[Comparison]:
    """Add what may be said: of lifts, else of average precision, else nothing."""
    adjusted = {figure: _adjusted(rows, figure) for figure in VERDICTS}
    return [replace(row, verdict=_verdict(row, adjusted)) for row in rows]


def _adjusted(rows: Sequence[Comparison], figure: str) -> dict[str, float]:
    """The p-value of every variant that has a gain in this figure, corrected for their number."""
    having = [row for row in rows if figure in row.gains]
    p_values = holm_adjusted([row.gains[figure].p_value for row in having])
    return {row.variant: float(p_value) for row, p_value in zip(having, p_values, strict=True)}


def _verdict(row: Comparison, adjusted: Mapping[str, Mapping[str, float]]) -> str:
    if row.variant == BASE:
        return "the base"
    for figure, (better, worse) in VERDICTS.items():
        if adjusted[figure].get(row.variant, 1.0) < CHANCE:
            return better if row.gains[figure].value > 0 else worse
    return "not told apart" if row.gains else "nothing to compare"


def _place(row: Comparison) -> tuple[float, float, float]:
    """The base first, then by lifts, then by average precision; what has none comes last."""
    lifts, precision = (
        row.gains[figure].value if figure in row.gains else -np.inf for figure in (LIFTED, "average_precision")
    )
    return (float(row.variant != BASE), -lifts, -precision)
