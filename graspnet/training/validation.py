"""Looks at examples that are not trained on: some after every epoch, all of them, calibrated, at the end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from graspnet.crops.crops import CropConfig, GraspCrops
from graspnet.models.network import GraspNetwork, predict, quality_of
from graspnet.run.progress import track
from graspnet.training.batches import BatchConfig, evaluation_crops
from graspnet.training.divergence import Diverged
from graspnet.training.examples.datasets import Datasets
from graspnet.training.examples.example_set import ExampleSet
from graspnet.training.examples.label import LabelConfig
from graspnet.training.metrics import Evaluation, evaluate, fit_temperature, precision_recall

__all__ = ["Calibration", "Validation"]

LOOK_EXAMPLES = 4096  # A look is at about so many unseen examples; the last evaluation takes all.


@dataclass(frozen=True)
class Calibration:
    """The temperature that fits all validation examples, the figures with it, and the precision-recall curve.

    of_each: the figures on each dataset by its name, where there are several.
    """

    temperature: float
    evaluation: Evaluation
    of_each: dict[str, Evaluation]
    precision_recall: dict[str, list[float]]


class Validation:
    """Validation examples, and the crops of those that are looked at again and again, which are cut once."""

    def __init__(
        self,
        examples: ExampleSet,
        crop: CropConfig,
        label: LabelConfig,
        batches: BatchConfig,
        seed: int,
        datasets: Datasets,
    ) -> None:
        self._all, self._looked_at = examples, examples.spread(LOOK_EXAMPLES)
        self._crop, self._label, self._batches, self._seed = crop, label, batches, seed
        self._of_new_objects = any(datasets.indices("validation"))
        self._names = datasets.names
        self._looked_at_crops = list(self._crops(self._looked_at))

    def __len__(self) -> int:
        return self._all.examples

    def look(self, network: GraspNetwork) -> Evaluation:
        """The figures of about LOOK_EXAMPLES examples, uncalibrated. InputError: the weights are not finite."""
        return self._figures(_logits(network, self._looked_at_crops), 1.0, self._looked_at)

    def calibrated(self, network: GraspNetwork, flip_average: bool = False) -> Calibration:
        """The figures of all examples, calibrated on them: that fits one number, so it hardly flatters them.

        flip_average: those of a network that answers with the mean over a crop's mirror images.
        """
        crops = track(self._crops(self._all), len(self._all), f"evaluating {len(self)}", "image")
        logits = _logits(network, crops, flip_average)
        robustness = self._all.robustness
        temperature = fit_temperature(_log_odds(logits), self._label.target(robustness))
        evaluation = replace(self._figures(logits, temperature, self._all), of_new_objects=self._of_new_objects)
        curve = precision_recall(_quality(logits, temperature), self._label.positive(robustness))
        return Calibration(temperature, evaluation, self._of_each(logits, temperature), curve)

    def _of_each(self, logits: Float32[Tensor, "N 2"], temperature: float) -> dict[str, Evaluation]:
        """The figures of all examples of each dataset that has some; nothing where there is one dataset alone."""
        figures = {}
        for k, name in enumerate(self._names if len(self._names) > 1 else ()):
            own = self._all.only(np.flatnonzero(self._all.dataset == k))
            if len(own):
                rows = torch.from_numpy(self._all.of_dataset(k))
                figures[name] = replace(
                    self._figures(logits[rows], temperature, own), of_new_objects=self._of_new_objects
                )
        return figures

    def _crops(self, examples: ExampleSet) -> Iterator[GraspCrops]:
        return evaluation_crops(examples, self._crop, self._batches, self._seed)

    def _figures(self, logits: Float32[Tensor, "N 2"], temperature: float, examples: ExampleSet) -> Evaluation:
        target, positive = self._label.target(examples.robustness), self._label.positive(examples.robustness)
        return evaluate(_quality(logits, temperature), target, positive, examples.feasible)


def _logits(
    network: GraspNetwork, crops: Sequence[GraspCrops] | Iterator[GraspCrops], flip_average: bool = False
) -> Float32[Tensor, "N 2"]:
    logits = predict(network, crops, flip_average)
    if not logits.isfinite().all():
        raise Diverged("the network's answers are not finite: lower optimiser.rate, or set optimiser.clip_norm")
    return logits


def _log_odds(logits: Float32[Tensor, "N 2"]) -> Float64[np.ndarray, "N"]:
    return (logits[:, 1] - logits[:, 0]).double().cpu().numpy()


def _quality(logits: Float32[Tensor, "N 2"], temperature: float) -> Float64[np.ndarray, "N"]:
    """In double precision: where a network is sure, float32 would make many qualities equal, and tie their ranks."""
    return quality_of(logits.double(), temperature).cpu().numpy()
