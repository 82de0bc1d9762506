"""Predictions judged by their labels: AP, ROC AUC, Brier, calibration, the best of each image; with intervals."""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64
from scipy.special import expit

from graspnet.sim_eval.analysis.resampling import Estimate, Resampling
from graspnet.sim_eval.evaluation.predictions import Predictions
from graspnet.training.examples.label import LabelConfig
from graspnet.training.metrics import BestInImage, best_in_image

__all__ = ["Figures", "Judged"]

DRAWS = 400  # of the bootstrap: the ends of an interval are then known to a tenth of its length


@dataclass(frozen=True)
class Figures:
    """What some examples show. Each figure has an interval over objects, or over scenes where these are heaps.

    free_average_precision: among grasps that close on their object and touch nothing, the AP. best_positive: share of
    images whose grasp of the highest quality is positive. possible: share of images that show a positive one at all.
    regret: by how much that grasp's robustness falls behind the best of its image.
    """

    examples: int
    images: int
    objects: int
    positive_rate: Estimate
    average_precision: Estimate
    free_average_precision: Estimate
    roc_auc: Estimate
    accuracy: Estimate
    brier: Estimate
    calibration_error: Estimate
    overconfidence: Estimate  # mean quality − mean target
    best_positive: Estimate
    possible: Estimate
    regret: Estimate

    def to_json(self) -> dict[str, object]:
        """Counts, and [value, low, high] of each figure."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: each.to_json() if isinstance(each, Estimate) else each for name, each in values.items()}


@dataclass(frozen=True)
class Judged:
    """Predictions, what "holds" means, and the temperature and bias that make qualities of log odds (`Checkpoint`)."""

    of: Predictions
    label: LabelConfig
    temperature: float
    seed: int
    bias: float = 0.0

    def __len__(self) -> int:
        return len(self.of)

    @cached_property
    def quality(self) -> Float64[np.ndarray, "N"]:
        """The predicted probability that each grasp holds."""
        return self.quality_of(self.of.log_odds)

    def quality_of(self, log_odds: Float64[np.ndarray, "P"]) -> Float64[np.ndarray, "P"]:
        """The quality of any log odds."""
        return np.asarray(expit(log_odds / self.temperature + self.bias))

    @cached_property
    def positive(self) -> Bool[np.ndarray, "N"]:
        """Which grasps hold, says the label."""
        return self.label.positive(self.of.robustness)

    @cached_property
    def target(self) -> Float64[np.ndarray, "N"]:
        """What training aimed at, in [0, 1]."""
        return self.label.target(self.of.robustness)

    @cached_property
    def error(self) -> Float64[np.ndarray, "N"]:
        """(quality − target)², whose mean is the Brier score."""
        return np.asarray((self.quality - self.target) ** 2)

    @cached_property
    def resampling(self) -> Resampling:
        """The draws of all intervals."""
        return Resampling(self.of.scene, DRAWS, self.seed)

    @cached_property
    def best(self) -> BestInImage:
        """The best-predicted grasp of each image."""
        return best_in_image(self.quality, self.of.robustness, self.of.image_number)

    def figures(self) -> Figures:
        """All figures of all examples."""
        everywhere, draws = np.ones(len(self), dtype=bool), self.resampling
        precision, area = draws.ranking(self.quality, self.positive, everywhere)
        of_images = Resampling(self.of.scene[self.best.row], DRAWS, self.seed)
        highest = self.best.robustness + self.best.regret
        return Figures(
            examples=len(self),
            images=len(self.best.row),
            objects=draws.clusters,
            positive_rate=Estimate.of(draws.mean(self.positive.astype(np.float64))),
            average_precision=Estimate.of(precision),
            free_average_precision=Estimate.of(draws.ranking(self.quality, self.positive, self.of.free)[0]),
            roc_auc=Estimate.of(area),
            accuracy=Estimate.of(draws.mean(((self.quality > 0.5) == self.positive).astype(np.float64))),
            brier=Estimate.of(draws.mean(self.error)),
            calibration_error=Estimate.of(draws.calibration_error(self.quality, self.target, everywhere)),
            overconfidence=Estimate.of(draws.mean(self.quality - self.target)),
            best_positive=Estimate.of(of_images.mean(self.label.positive(self.best.robustness).astype(np.float64))),
            possible=Estimate.of(of_images.mean(self.label.positive(highest).astype(np.float64))),
            regret=Estimate.of(of_images.mean(self.best.regret)),
        )
