"""The whole evaluation of one network on one dataset: predict, judge, group, decompose, and look at single grasps."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float64

from graspnet.config import parse_config
from graspnet.dataset import Dataset
from graspnet.errors import InputError
from graspnet.models.checkpoint import Checkpoint
from graspnet.report.inspection.summary import threshold_of
from graspnet.sensors import load_sensor
from graspnet.sim_eval.evaluation.decomposition import Term, decompose, mismatch, noise_term, observer_differences
from graspnet.sim_eval.evaluation.fit import check_fit, doubts
from graspnet.sim_eval.evaluation.groups import Group, judge_groups
from graspnet.sim_eval.evaluation.judged import Figures, Judged
from graspnet.sim_eval.evaluation.parts import PARTS, choose, halves, was_trained_on
from graspnet.sim_eval.evaluation.predictions import Place, Predictions, predict_images
from graspnet.sim_eval.evaluation.sweeps import Sweep, grasps_to_sweep, sweep_grasps
from graspnet.sim_eval.evaluation.true_labels import TrueLabels
from graspnet.training.examples.label import PROBABILITIES, LabelConfig
from graspnet.training.metrics import fit_temperature, precision_recall

__all__ = ["EvaluateConfig", "Evaluated", "evaluate", "label_of"]

FORMAT = 1  # of evaluation.json


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What `graspnet evaluate` can be asked.

    split: what dev and test have none of in common. examples: about so many that are new to the network, and as many
    that it was trained on; None: all. sensor: None: the one of its training. draws, decomposed: so many draws of the
    sensor, for about so many examples. sweeps: ways through so many grasps. metric: the label; None: the network's own.
    """

    split: Literal["object", "family", "pose", "image"] = "object"
    examples: int | None = 20_000
    sensor: str | None = None
    other_sensors: tuple[str, ...] = ("ideal", "realsense", "phoxi")
    metric: str | None = None
    draws: int = 4
    decomposed: int = 1500
    sweeps: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("draws", 2), ("decomposed", 1), ("sweeps", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if self.examples is not None and self.examples < 1:
            raise InputError(f"examples is {self.examples}; it must be at least 1, or be left out")
        for sensor in (self.sensor, *self.other_sensors):
            if sensor is not None:
                load_sensor(sensor)


@dataclass(frozen=True)
class Evaluated:
    """Everything that was found. parts: by PARTS, those that there are. reported: the part that figures are of.

    dev_temperature: what dev asks for; None without dev. notes: what could not be done, and why.
    """

    model: str
    dataset: Dataset
    checkpoint: Checkpoint
    config: EvaluateConfig
    label: LabelConfig
    sensor: str
    trained_on: bool
    parts: dict[str, Judged]
    figures: dict[str, Figures]
    reported: str
    dev_temperature: float | None
    recalibrated: Figures | None  # of the reported part, with dev's temperature
    groups: list[Group]
    by_sensor: dict[str, Figures]  # of the same images, the network's own sensor first
    others: dict[str, Figures]  # of other datasets
    terms: list[Term]
    sweeps: list[Sweep]
    warnings: list[str]
    notes: list[str]

    @property
    def test(self) -> Judged:
        """The examples that figures are of."""
        return self.parts[self.reported]

    def to_json(self) -> dict[str, Any]:
        """What evaluation.json holds (docs/evaluate.md)."""
        test = self.test
        return {
            "version": FORMAT,
            "model": {
                "name": self.model, "network": self.checkpoint.name, "temperature": self.checkpoint.temperature,
                "bias": self.checkpoint.bias,
            },
            "dataset": {"name": self.dataset.header.name, "fingerprint": self.dataset.header.fingerprint},
            "label": {f.name: getattr(self.label, f.name) for f in fields(self.label)},
            "sensor": self.sensor, "seed": self.config.seed, "split": self.config.split,
            "trained_on_this_dataset": self.trained_on,
            "parts": {name: figures.to_json() for name, figures in self.figures.items()},
            "reported": self.reported,
            "dev_temperature": self.dev_temperature,
            "with_dev_temperature": None if self.recalibrated is None else self.recalibrated.to_json(),
            "groups": [{"key": group.key} | group.to_json() for group in self.groups],
            "sensors": {name: figures.to_json() for name, figures in self.by_sensor.items()},
            "other_datasets": {name: figures.to_json() for name, figures in self.others.items()},
            "error": [term.to_json() for term in self.terms],
            "precision_recall": precision_recall(test.quality, test.positive),
            "sweeps": [{"what": s.what, "ways": [way.to_json() for way in s.ways]} for s in self.sweeps],
            "warnings": self.warnings, "notes": self.notes,
        }  # fmt: skip


def evaluate(
    checkpoint: Checkpoint, model: str, dataset: Dataset, also: Sequence[Dataset], config: EvaluateConfig
) -> Evaluated:
    """Evaluate a network. InputError: network and dataset do not fit, or there is nothing to evaluate it on."""
    label, sensor = label_of(checkpoint, config.metric), config.sensor or _trained_sensor(checkpoint)
    for one in (dataset, *also):
        check_fit(checkpoint, one, label)
    trained_on = was_trained_on(checkpoint, dataset)
    run = _Run(checkpoint, dataset, label, sensor, config)
    parts = run.parts(trained_on)
    reported = next(name for name in ("test", "dev", "train-dev", "train") if name in parts)
    test, notes = parts[reported], _notes(parts, reported, trained_on)
    temperature = None
    if "dev" in parts and reported == "test":
        temperature = fit_temperature(parts["dev"].of.log_odds, parts["dev"].target)
    places = choose_among(test.of, config.decomposed, config.seed)
    draws = [run.judged(test.of[_in_places(test.of, places)])]
    draws += [run.judged(run.predicted(places, draw, f"draw {draw + 1}")) for draw in range(1, config.draws)]
    again = run.relabelled(places, notes)
    terms = decompose(test, parts.get("train"), parts.get("train-dev"), draws[0], again and again[1])
    terms.append(noise_term(draws))
    by_sensor = {sensor: draws[0]}
    for name in config.other_sensors:
        if name != sensor:
            by_sensor[name] = replace(run, sensor=name).judged_images(places, f"sensor {name}")
            terms.append(mismatch(f"sensor {name}", by_sensor[name], draws[0]))
    elsewhere = {}
    for one in also:
        name = f"dataset {one.header.name} ({one.header.fingerprint[:6]})"
        elsewhere[name] = replace(run, dataset=one).elsewhere(name)
        terms.append(mismatch(name, elsewhere[name], test))
    return Evaluated(
        model=model,
        dataset=dataset,
        checkpoint=checkpoint,
        config=config,
        label=label,
        sensor=sensor,
        trained_on=trained_on,
        parts=parts,
        figures={name: judged.figures() for name, judged in parts.items()},
        reported=reported,
        dev_temperature=temperature,
        recalibrated=None if temperature is None else replace(test, temperature=temperature, bias=0.0).figures(),
        groups=judge_groups(test),
        by_sensor={name: judged.figures() for name, judged in by_sensor.items()},
        others={name: judged.figures() for name, judged in elsewhere.items()},
        terms=terms,
        sweeps=[] if again is None else run.sweeps(again[0], test),
        warnings=doubts(checkpoint, dataset, test.of),
        notes=notes,
    )


def label_of(checkpoint: Checkpoint, metric: str | None = None) -> LabelConfig:
    """What "holds" meant in the checkpoint's training, or another metric at its usual threshold."""
    told = checkpoint.details.get("training", {}).get("label", {})
    if metric is None:
        known = {f.name: told[f.name] for f in fields(LabelConfig) if f.name in told}
        soft = checkpoint.metric in PROBABILITIES
        base = {"metric": checkpoint.metric, "threshold": checkpoint.threshold, "soft": soft, "clearance_sigma": 0.0}
        return parse_config(LabelConfig, base | known, "the model's training")
    sigma = float(told.get("clearance_sigma", 0.0))
    soft = metric in PROBABILITIES
    return LabelConfig(metric=metric, threshold=threshold_of(metric), soft=soft, clearance_sigma=sigma)


def choose_among(of: Predictions, examples: int, seed: int) -> list[Place]:
    """Images with about so many of these examples; each scene gives one before any gives a second one."""
    rng = np.random.default_rng([seed, 4])
    places, first, counts = np.unique(
        np.stack([of.shard, of.image], axis=1), axis=0, return_index=True, return_counts=True
    )
    turns: dict[str, int] = {}
    order: list[tuple[int, int]] = []
    for k in rng.permutation(len(places)).tolist():
        scene = str(of.scene[first[k]])
        turns[scene] = turns.get(scene, 0) + 1
        order.append((turns[scene], k))
    chosen = [k for _, k in sorted(order, key=lambda each: each[0])]
    enough = 1 + int(np.searchsorted(np.cumsum(counts[chosen]), examples))
    return sorted((int(places[k, 0]), int(places[k, 1])) for k in chosen[:enough])


def _in_places(of: Predictions, places: Sequence[Place]) -> Bool[np.ndarray, "N"]:
    """Which examples are of these images."""
    chosen = set(places)
    return np.array([place in chosen for place in zip(of.shard.tolist(), of.image.tolist(), strict=True)], dtype=bool)


def _trained_sensor(checkpoint: Checkpoint) -> str:
    return str(checkpoint.details.get("training", {}).get("batches", {}).get("sensor", "structured_light"))


def _notes(parts: dict[str, Judged], reported: str, trained_on: bool) -> list[str]:
    notes = []
    if reported != "test":
        notes.append(
            f"There is nothing new to test on, so the figures are of {reported}: "
            + ("a dataset with validation objects would say more." if trained_on else "one unit cannot be halved.")
        )
    if trained_on and "train-dev" not in parts:
        notes.append(
            "The dataset has no images of trained objects that training left out, so there is no train-dev: variance "
            "over images and over objects are one figure."
        )
    return notes


@dataclass(frozen=True)
class _Run:
    """One network on one dataset through one sensor."""

    checkpoint: Checkpoint
    dataset: Dataset
    label: LabelConfig
    sensor: str
    config: EvaluateConfig

    def parts(self, trained_on: bool) -> dict[str, Judged]:
        """The judged examples of every part that there is."""
        seed = self.config.seed
        chosen = choose(self.dataset, trained_on, self.config.examples, seed)
        found: dict[str, Predictions] = {}
        for name, places in (("train", chosen.train), ("train-dev", chosen.train_dev), ("new", chosen.new)):
            if places:
                found[name] = self.predicted(places, 0, f"predicting {name}")
        if new := found.pop("new", None):
            dev = halves(new, self.config.split, seed)
            found |= {name: new[rows] for name, rows in (("dev", dev), ("test", ~dev)) if rows.any()}
        found = {name: of for name, of in found.items() if len(of)}
        if not found:
            raise InputError(f"{self.dataset.folder}: its images have no grasps; generate more objects")
        return {name: self.judged(found[name]) for name in PARTS if name in found}

    def predicted(self, places: Sequence[Place], draw: int, said: str) -> Predictions:
        """Predictions of all grasps of these images in one draw of the sensor."""
        config = self.config
        return predict_images(
            self.dataset, self.checkpoint, self.label, places, self.sensor, config.seed, draw, f"evaluate: {said}"
        )

    def judged(self, of: Predictions) -> Judged:
        """The predictions with their labels, at the network's own temperature and bias."""
        return Judged(of, self.label, self.checkpoint.temperature, self.config.seed, self.checkpoint.bias)

    def judged_images(self, places: Sequence[Place], said: str) -> Judged:
        """The first draw of these images, judged."""
        return self.judged(self.predicted(places, 0, said))

    def elsewhere(self, name: str) -> Judged:
        """As many examples of this dataset as of the first one; new ones, if it has any."""
        trained_on = was_trained_on(self.checkpoint, self.dataset)
        chosen = choose(self.dataset, trained_on, self.config.examples, self.config.seed)
        return self.judged_images(chosen.new or chosen.train_dev or chosen.train, name)

    def relabelled(
        self, places: Sequence[Place], notes: list[str]
    ) -> tuple[TrueLabels, Float64[np.ndarray, "N"]] | None:
        """What labels grasps anew, and how an observer's labels differ; None and a note where objects are no more."""
        try:
            truth = TrueLabels.of(self.dataset, self.label)
            return truth, observer_differences(
                self.dataset, truth, self.label, places, self.checkpoint.crop, self.sensor, self.config.seed
            )
        except InputError as error:
            notes.append(
                f"There are no sweeps, and what the image hides is not known, for lack of true labels: {error}"
            )
            return None

    def sweeps(self, truth: TrueLabels, test: Judged) -> list[Sweep]:
        """Ways through some grasps."""
        chosen = grasps_to_sweep(test, self.config.sweeps)
        return sweep_grasps(self.dataset, self.checkpoint, truth, test, chosen, self.sensor)
