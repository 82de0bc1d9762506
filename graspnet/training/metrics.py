"""How good predicted qualities are: ranking (AP, ROC AUC), decisions (accuracy), and calibration (Brier, ECE)."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.optimize import minimize_scalar
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

__all__ = ["BestInImage", "Evaluation", "best_in_image", "evaluate", "fit_temperature", "precision_recall"]

CALIBRATION_BINS = 15
SURELY_RANKS = 0.6  # of the ROC AUC, where a guess has 0.5 and the network that ships 0.96
TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True)
class Evaluation:
    """Figures of N predictions. None: undefined, since all labels are alike.

    positive: robustness above the threshold. `feasible` counts only candidates that close on the object and touch
    nothing on the way: misses and collisions are free points, whatever the network.
    """

    examples: int
    positive_rate: float
    accuracy: float  # how often quality > ½ says what the label says
    balanced_accuracy: float | None
    average_precision: float | None
    roc_auc: float | None
    feasible_examples: int
    feasible_positive_rate: float | None
    feasible_average_precision: float | None
    brier: float  # the mean square of quality − target
    calibration_error: float  # the mean over bins of |mean quality − mean target|, weighted by their size
    cross_entropy: float  # in nats
    of_new_objects: bool = True  # False: the examples are other images of the objects that were trained on

    def to_json(self) -> dict[str, Any]:
        """The figures as plain data."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The figures for people, each beside what a guess would score."""
        whose = "objects not seen in training" if self.of_new_objects else "the objects that were trained on"
        guess = [] if self.better_than_a_guess else [
            "  this is no better than a guess: the network cannot rank grasps; it needs more objects (hundreds), and "
            "more epochs"
        ]  # fmt: skip
        return [
            f"on {self.examples} examples of {whose}, {self.positive_rate:.1%} positive:",
            f"  accuracy {_percent(self.accuracy)}, balanced {_percent(self.balanced_accuracy)}",
            f"  average precision {_fixed(self.average_precision)} (a guess: {self.positive_rate:.3f}), "
            f"ROC AUC {_fixed(self.roc_auc)}",
            f"  of the {self.feasible_examples} that close on the object and touch nothing on the way: average "
            f"precision {_fixed(self.feasible_average_precision)} (a guess: {_fixed(self.feasible_positive_rate)})",
            f"  Brier score {self.brier:.4f}, calibration error {self.calibration_error:.4f}",
            *guess,
        ]

    @property
    def better_than_a_guess(self) -> bool:
        """Whether the qualities rank the positives clearly before the others: a guess has a ROC AUC of one half."""
        return self.roc_auc is None or self.roc_auc >= SURELY_RANKS


def evaluate(
    quality: Float64[np.ndarray, "N"],
    target: Float64[np.ndarray, "N"],
    positive: Bool[np.ndarray, "N"],
    feasible: Bool[np.ndarray, "N"],
) -> Evaluation:
    """All figures. `target` is what training aimed at (the robustness, or 0 and 1), `positive` the thresholded one."""
    assert len(quality) > 0
    chosen = quality > 0.5
    clipped = np.clip(quality, 1e-7, 1 - 1e-7)
    entropy = -(target * np.log(clipped) + (1 - target) * np.log(1 - clipped))
    return Evaluation(
        examples=len(quality),
        positive_rate=float(positive.mean()),
        accuracy=float((chosen == positive).mean()),
        balanced_accuracy=_balanced_accuracy(chosen, positive),
        average_precision=_average_precision(quality, positive),
        roc_auc=float(roc_auc_score(positive, quality)) if _both(positive) else None,
        feasible_examples=int(feasible.sum()),
        feasible_positive_rate=float(positive[feasible].mean()) if feasible.any() else None,
        feasible_average_precision=_average_precision(quality[feasible], positive[feasible]),
        brier=float(np.mean((quality - target) ** 2)),
        calibration_error=_calibration_error(quality, target),
        cross_entropy=float(entropy.mean()),
    )


@dataclass(frozen=True)
class BestInImage:
    """What the grasp of the highest quality is worth in each of M images: what counts is the best of many.

    row: that grasp's place among the examples. regret: the highest robustness in its image minus its own.
    """

    row: Int64[np.ndarray, "M"]
    robustness: Float64[np.ndarray, "M"]
    regret: Float64[np.ndarray, "M"]


def best_in_image(
    quality: Float64[np.ndarray, "N"], robustness: Float64[np.ndarray, "N"], image: Int64[np.ndarray, "N"]
) -> BestInImage:
    """The best-predicted grasp of every image, in the order of the images' numbers; of equals, the first."""
    order = np.lexsort((-quality, image))
    starts = np.flatnonzero(np.diff(image[order], prepend=-1))
    row = order[starts]
    highest = np.maximum.reduceat(robustness[order], starts) if len(order) else np.zeros(0)
    return BestInImage(row, robustness[row], highest - robustness[row])


def precision_recall(
    quality: Float64[np.ndarray, "N"], positive: Bool[np.ndarray, "N"], points: int = 101
) -> dict[str, list[float]]:
    """Precision at evenly spaced recalls: the best at that recall or more. Empty where no label is positive."""
    if not positive.any():
        return {"recall": [], "precision": []}
    precision, recall, _ = precision_recall_curve(positive, quality)
    grid = np.linspace(0, 1, points)
    attained = np.maximum.accumulate(precision)  # sklearn sorts by falling recall
    index = np.searchsorted(-recall, -grid, side="right") - 1
    return {"recall": grid.tolist(), "precision": attained[index].tolist()}


def fit_temperature(log_odds: Float64[np.ndarray, "N"], target: Float64[np.ndarray, "N"]) -> float:
    """The T > 0 that makes sigmoid(log_odds / T) most likely, given targets in [0, 1].

    Log odds are the difference of two logits. A minimum at a bound says that the network knows nothing, or all. Guo et
    al., ICML 2017, section 4.2.
    """

    def loss(log_temperature: float) -> float:
        z = log_odds / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0.0, z) - target * z))

    found = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded")
    return float(np.exp(found.x))


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.1%}"


def _fixed(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _both(positive: Bool[np.ndarray, "N"]) -> bool:
    return bool(positive.any() and not positive.all())


def _average_precision(quality: Float64[np.ndarray, "N"], positive: Bool[np.ndarray, "N"]) -> float | None:
    return float(average_precision_score(positive, quality)) if positive.any() else None


def _balanced_accuracy(chosen: Bool[np.ndarray, "N"], positive: Bool[np.ndarray, "N"]) -> float | None:
    if not _both(positive):
        return None
    return float((chosen[positive].mean() + (~chosen[~positive]).mean()) / 2)


def _calibration_error(quality: Float64[np.ndarray, "N"], target: Float64[np.ndarray, "N"]) -> float:
    """The mean over bins of equal width in quality, each weighted by its share of the predictions."""
    index = np.minimum((quality * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    surplus = np.bincount(index, weights=quality - target, minlength=CALIBRATION_BINS)
    return float(np.abs(surplus).sum() / len(quality))
