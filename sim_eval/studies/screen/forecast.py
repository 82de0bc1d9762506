"""How long a screen will take, from rates that are measured before it begins."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np

from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.models import network_words
from graspnet.sim_eval.episodes.run import record_episode
from graspnet.sim_eval.planners.choice import PlannerChoice, planner_of
from graspnet.sim_eval.protocols.protocol import BASE
from graspnet.sim_eval.studies.screen.matrix import Variant
from graspnet.sim_eval.studies.screen.outcome import SEED, Screen, Unit, is_done
from graspnet.training.trainer import train

__all__ = ["Forecast", "forecast"]

EXAMPLES, SEEN = 1024, 2048  # of a pilot training: what it has, and sees
TRIALS = 3  # of a pilot; the first one also loads what the others use, and does not count


@dataclass(frozen=True)
class Forecast:
    """How long what is left will take. rates: examples a second of each kind of training; seconds: of a trial."""

    units: int
    trainings: int  # of the units, those whose network is not there yet
    trials: int
    rates: dict[str, float]
    trial_seconds: float
    hours: float

    def __str__(self) -> str:
        if not self.units:
            return "nothing is left to do."
        rates = ", ".join(f"{name} {rate:.0f}" for name, rate in self.rates.items())
        return (
            f"{self.units} units are left: {self.trainings} trainings and {self.trials} trials. Measured just now, by "
            f"one process alone: examples/s {rates}; a trial takes {self.trial_seconds:.1f} s. "
            f"All of it: {_duration(self.hours)}."
        )


def forecast(screen: Screen, units: Sequence[Unit], workers: int) -> Forecast:
    """Train and try a little of every kind of training, and reckon how long the units will take on so many workers.

    A pilot also fails where the screen would, after seconds: a metric that the dataset lacks, a loss that explodes.
    """
    left = [unit for unit in units if not is_done(screen, unit)]
    rates: dict[str, float] = {}
    trial_seconds = float("nan")
    for unit in left:
        kind = _kind(unit.variants[0])
        if kind not in rates:
            with tempfile.TemporaryDirectory(prefix="graspnet_pilot_") as folder:
                rates[kind] = _training_rate(screen, unit.variants[0], Path(folder) / "model")
                if not np.isfinite(trial_seconds):
                    trial_seconds = _trial_seconds(screen, Path(folder) / "model")
    trainings = [unit for unit in left if not _has_model(screen, unit)]
    trials = sum(len(unit.variants) for unit in left) * screen.config.trials
    seconds = trials * trial_seconds if left else 0.0
    for unit in left:
        shown = len(unit.variants) * screen.config.validation  # takes no longer than to train on as many
        shown += (unit.variants[0].train.examples or 0) if unit in trainings else 0
        seconds += shown / rates[_kind(unit.variants[0])]
    at_once = max(1, min(workers, len(left)))
    return Forecast(len(left), len(trainings), trials, rates, trial_seconds, seconds / at_once / 3600)


def _kind(variant: Variant) -> str:
    """What decides how fast a training is: the network, the sensor, and the dataset."""
    parts = (network_words(variant.train.network), variant.train.batches.sensor, variant.dataset)
    return " ".join(filter(None, parts))


def _has_model(screen: Screen, unit: Unit) -> bool:
    return (screen.folder(unit.variants[0], unit.seed) / "model" / "model.json").exists()


def _training_rate(screen: Screen, variant: Variant, folder: Path) -> float:
    """Examples a second of a training that is cut short."""
    config = replace(variant.train, examples=SEEN, look_examples=SEEN // 2)
    return (
        train(config, screen.training_sets(variant, EXAMPLES), folder).history[-1].examples_per_second
    )  # after what is done once


def _trial_seconds(screen: Screen, model: Path) -> float:
    """The mean of a few trials with the network of a pilot."""
    protocol, choice = screen.config.protocol_config(), PlannerChoice(screen.config.policy, model=str(model))
    seconds = []
    for index in range(TRIALS):
        start = perf_counter()
        record_episode(protocol, SEED, {BASE: planner_of(choice)}, index, RaycastRenderer())
        seconds.append(perf_counter() - start)
    return float(np.mean(seconds[1:]))


def _duration(hours: float) -> str:
    return f"about {hours:.1f} hours" if hours >= 2 else f"about {60 * hours:.0f} minutes"
