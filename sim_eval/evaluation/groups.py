"""Where a network is worse: figures by family, size, hand, tilt, distance and candidate source, and which stand out.

Average precision and the Brier score depend on how many positives a group has. So two figures that do not are tested,
each against all examples: the ROC AUC (does it rank worse here?) and the mean of quality − target (does it
promise too much here?). The p-values are corrected for the number of groups (Holm).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float64, Shaped

from graspnet.sim_eval.analysis.resampling import FEWEST_CLUSTERS, Estimate
from graspnet.sim_eval.analysis.statistics import holm_adjusted
from graspnet.sim_eval.evaluation.judged import Judged
from graspnet.sim_eval.evaluation.predictions import Predictions

__all__ = ["KEYS", "SIGNIFICANT", "Group", "judge_groups"]

SIGNIFICANT = 0.05
FEWEST_EXAMPLES = 40  # a smaller group is not tested, nor one of fewer objects than an interval takes
SMALL_FAMILIES = f"families of fewer than {FEWEST_CLUSTERS} objects"
SIZES = (0.25, 0.5, 0.75, 1.0)  # openings
TILTS = tuple(np.deg2rad([10.0, 20.0, 30.0, 45.0]).tolist())
DISTANCES = (0.5, 0.7, 0.9)  # metres


@dataclass(frozen=True)
class Group:
    """A group's figures, and how it differs from all examples; p-values are corrected, NaN where not tested."""

    key: str
    name: str
    examples: int
    objects: int
    positive_rate: Estimate
    average_precision: Estimate
    roc_auc: Estimate
    brier: Estimate
    calibration_error: Estimate
    overconfidence: Estimate
    auc_difference: Estimate
    overconfidence_difference: Estimate

    @property
    def ranks_worse(self) -> bool:
        """Whether grasps are ranked worse here than elsewhere, by more than chance would give."""
        return self.auc_difference.value < 0 and self.auc_difference.p_value < SIGNIFICANT

    @property
    def promises_more(self) -> bool:
        """Whether qualities are too high here, and more so than elsewhere, by more than chance would give."""
        more = self.overconfidence_difference.value > 0 and self.overconfidence_difference.p_value < SIGNIFICANT
        return more and self.overconfidence.value > 0

    def to_json(self) -> dict[str, object]:
        """Counts and figures, and p-values where there are any."""
        tested = {"auc_p": self.auc_difference.p_value, "overconfidence_p": self.overconfidence_difference.p_value}
        return {
            "group": self.name, "examples": self.examples, "objects": self.objects,
            **{name: getattr(self, name).to_json() for name in _ESTIMATES},
            **{name: value if np.isfinite(value) else None for name, value in tested.items()},
            "ranks_worse": self.ranks_worse, "promises_more": self.promises_more,
        }  # fmt: skip


_ESTIMATES = (
    "positive_rate", "average_precision", "roc_auc", "brier", "calibration_error", "overconfidence", "auc_difference",
    "overconfidence_difference",
)  # fmt: skip


def judge_groups(judged: Judged) -> list[Group]:
    """Every group of every key that has more than one group, in the order of KEYS."""
    found: list[Group] = []
    draws, every = judged.resampling, np.ones(len(judged), dtype=bool)
    everywhere = draws.ranking(judged.quality, judged.positive, every)[1], draws.mean(judged.quality - judged.target)
    for key, name_of in KEYS.items():
        names = name_of(judged.of)
        groups = np.unique(names)
        if len(groups) > 1:
            found += [_judge(judged, key, str(group), names == group, everywhere) for group in groups]
    return _corrected(found)


def _judge(
    judged: Judged, key: str, name: str, rows: Bool[np.ndarray, "N"], everywhere: tuple[np.ndarray, np.ndarray]
) -> Group:
    draws = judged.resampling
    precision, area = draws.ranking(judged.quality, judged.positive, rows)
    surplus = judged.quality - judged.target
    overconfidence = draws.mean(surplus, rows)
    objects = len(np.unique(judged.of.scene[rows]))
    rest = len(np.unique(judged.of.scene[~rows]))
    enough = int(rows.sum()) >= FEWEST_EXAMPLES and min(objects, rest) >= FEWEST_CLUSTERS
    estimate = Estimate.of if objects >= FEWEST_CLUSTERS else Estimate.without_interval
    return Group(
        key=key,
        name=name,
        examples=int(rows.sum()),
        objects=objects,
        positive_rate=estimate(draws.mean(judged.positive.astype(np.float64), rows)),
        average_precision=estimate(precision),
        roc_auc=estimate(area),
        brier=estimate(draws.mean(judged.error, rows)),
        calibration_error=estimate(draws.calibration_error(judged.quality, judged.target, rows)),
        overconfidence=estimate(overconfidence),
        auc_difference=_difference(area - everywhere[0], enough),
        overconfidence_difference=_difference(overconfidence - everywhere[1], enough),
    )


def _difference(draws: Float64[np.ndarray, "D"], tested: bool) -> Estimate:
    estimate = Estimate.of_difference(draws)
    return estimate if tested else replace(estimate, p_value=float("nan"))


def _corrected(groups: list[Group]) -> list[Group]:
    """The groups with Holm's p-values, over both tests of all groups."""
    names = ("auc_difference", "overconfidence_difference")
    tests = [(i, name) for i, group in enumerate(groups) for name in names]
    tests = [(i, name) for i, name in tests if np.isfinite(getattr(groups[i], name).p_value)]
    adjusted = holm_adjusted([getattr(groups[i], name).p_value for i, name in tests])
    for (i, name), p_value in zip(tests, adjusted.tolist(), strict=True):
        groups[i] = replace(groups[i], **{name: replace(getattr(groups[i], name), p_value=p_value)})
    return groups


def _ranges(
    values: Float64[np.ndarray, "N"], edges: tuple[float, ...], text: Callable[[float], str]
) -> Shaped[np.ndarray, "N"]:
    """The range that each value lies in, in words that sort as the ranges do."""
    names = [f"below {text(edges[0])}"]
    names += [f"from {text(low)} to {text(high)}" for low, high in pairwise(edges)]
    names += [f"over {text(edges[-1])}"]
    found = np.array(names, dtype=np.str_)[np.searchsorted(edges, np.nan_to_num(values), side="right")]
    return np.where(np.isfinite(values), found, "unknown")


def _families(of: Predictions) -> Shaped[np.ndarray, "N"]:
    """Families with enough objects to be compared; of meshes, most are alone in theirs, and together they are many."""
    names, number = np.unique(of.family, return_inverse=True)
    pairs = np.unique(np.stack([number, np.unique(of.object, return_inverse=True)[1]], axis=1), axis=0)
    objects = np.bincount(pairs[:, 0], minlength=len(names))
    return np.where(objects[number] >= FEWEST_CLUSTERS, of.family, SMALL_FAMILIES)


KEYS: dict[str, Callable[[Predictions], Shaped[np.ndarray, "N"]]] = {
    "family": _families,
    "object size (its width as seen, in openings)": lambda of: _ranges(of.size, SIZES, lambda x: f"{x:g}"),
    "hand": lambda of: of.hand,
    "candidate source": lambda of: of.source,
    "tilt of the view": lambda of: _ranges(of.tilt, TILTS, lambda x: f"{np.rad2deg(x):.0f}°"),
    "distance of the camera": lambda of: _ranges(of.distance, DISTANCES, lambda x: f"{x:g} m"),
}
