"""A dataset to a checkpoint: optimise on noisy crops, look at unseen objects now and then, calibrate at the end."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np
import torch
from torch import nn

from graspnet.config import config_to_dict
from graspnet.crops.metric import MetricCropConfig
from graspnet.dataset import Dataset
from graspnet.dataset.ranges import focal_range_px, gripper_names, gripper_ranges, object_range
from graspnet.errors import InputError
from graspnet.models import CompactConfig, NetworkConfig, PublishedConfig, new_network
from graspnet.models.checkpoint import Checkpoint, save_checkpoint
from graspnet.models.compact import CompactNetwork, WithFactors
from graspnet.models.network import GraspNetwork, check_pose_inputs
from graspnet.models.parent import Parent, load_parent
from graspnet.run.processes import ALONE, Processes
from graspnet.run.progress import track
from graspnet.run.record import write_json
from graspnet.run.threads import using_threads
from graspnet.training.batches import Batch, BatchConfig, Batches, evaluation_crops
from graspnet.training.curves import CurveLog, CurvePoint, best_point
from graspnet.training.device_probe import WAYS, Computing, find_fastest, placed
from graspnet.training.divergence import LossWatch
from graspnet.training.examples.datasets import Datasets, training_and_validation
from graspnet.training.examples.example_set import ExampleSet
from graspnet.training.examples.label import LabelConfig
from graspnet.training.losses import LossConfig
from graspnet.training.metrics import Evaluation
from graspnet.training.optimiser import Budget, OptimiserConfig, make_optimiser, take_step
from graspnet.training.resume import TrainingState, discard_states, load_state, save_state
from graspnet.training.validation import Calibration, Validation

__all__ = ["TrainConfig", "TrainingResult", "train"]

NORMALISATION_EXAMPLES = 2048
LEAST_SPREAD = 1e-6  # between the targets of a training; labels are stored in float32
RARE, COMMON = 0.05, 0.95  # With a base rate outside of these, a network learns little but the base rate.


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A preset of `configs/train/`. device and precision `auto`, threads 0: what a short probe shows to be fastest.

    examples: how many are seen in all, so that datasets of different sizes get equal budgets; `epochs` then says
    nothing. look_examples: after so many, the network is looked at on validation objects; null: after every epoch.
    patience: training ends early where so many looks in a row have found no lower cross-entropy, and the weights of the
    best look are kept; null: it takes the whole budget, and keeps the last weights.
    """

    network: NetworkConfig = field(default_factory=CompactConfig)
    seed: int = 0
    epochs: int = 8
    examples: int | None = None
    look_examples: int | None = None
    patience: int | None = None
    label: LabelConfig = field(default_factory=LabelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    batches: BatchConfig = field(default_factory=BatchConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    flip_average: bool = False  # The trained network answers with the mean over a crop's mirror images.
    save_steps: int = 2000  # A killed run loses at most so many steps, or what it did since a look.
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.network, PublishedConfig):
            check_pose_inputs(self.network.kind, self.network.sizes.pose_inputs, self.network.crop)
        for name in ("epochs", "examples", "look_examples", "patience", "save_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}; it must be at least 1")
        if self.batches.augmentation.standoff > 0 and not isinstance(self.network.crop, MetricCropConfig):
            raise InputError(
                f"batches.augmentation.standoff is {self.batches.augmentation.standoff}; a crop in pixels has no "
                "reference height: it needs a network of metric crops, or 0"
            )
        if self.threads < 0 or self.seed < 0:
            raise InputError("threads and seed must not be negative")
        factors = "none" if isinstance(self.network, PublishedConfig) else self.network.factors
        if factors == "auxiliary" and self.loss.factor_weight == 0:
            raise InputError("network.factors=auxiliary learns nothing of them: loss.factor_weight=0.5, for one")
        if factors == "none" and self.loss.factor_weight > 0:
            raise InputError("loss.factor_weight needs a network that says its factors: network.factors=product")

    def budget(self, epoch: int, processes: int = 1) -> Budget:
        """What a training on a dataset of `epoch` examples sees, with a batch of its own for each process."""
        return Budget(self.examples or self.epochs * epoch, epoch, self.batches.size * processes)


@dataclass(frozen=True)
class TrainingResult:
    """The checkpoint, its figures on the validation objects, and the curves that led there."""

    checkpoint: Checkpoint
    evaluation: Evaluation
    of_each: dict[str, Evaluation]  # of several datasets: on the validation objects of each
    history: tuple[CurvePoint, ...]
    precision_recall: dict[str, list[float]]


@dataclass(frozen=True)
class _Run:
    """What stays the same all along."""

    config: TrainConfig
    batches: Batches
    budget: Budget
    validation: Validation
    recipe: dict[str, Any]
    output: Path
    processes: Processes
    after_look: Callable[[CurvePoint], None]


def train(
    config: TrainConfig,
    dataset: Dataset | Sequence[Dataset],
    output: Path,
    resume: bool = False,
    parent: str | Path | None = None,
    processes: Processes = ALONE,
    after_look: Callable[[CurvePoint], None] = lambda point: None,
) -> TrainingResult:
    """Train on the `train` objects of one or more datasets, evaluate on their `validation` objects, write to `output`.

    With `resume`, go on from the last state in `output` (of the same config, datasets and parent) as if never
    interrupted, on one CPU to the bit. parent: the trained model, a folder or a name, whose weights, normalisation and
    architecture are the beginning. processes: several share every step, each with its own part of a batch that is as
    many times as large; all return the same, the first one writes. after_look: called with each new point of the
    curves, and may raise to end the training. InputError: the output is taken, the dataset lacks a split or the metric,
    the parent does not fit, the loss explodes.
    """
    _check_output(output, resume)
    datasets = Datasets.of(dataset)
    datasets.check_shares(config.batches.shares)
    begins_from = None if parent is None else _parent(parent, config, datasets)
    network = _first_network(config, begins_from)
    crop = network.crop.at_pitch(datasets.pixel_pitch)
    training, unseen = training_and_validation(datasets, crop, config.label, config.batches.memory)
    _check_labels(training, unseen, config.label, datasets.names)

    batches = Batches(training, crop, config.label, _for_all(config.batches, processes), config.seed)
    run = _Run(
        config=config,
        batches=batches,
        budget=config.budget(batches.examples_per_epoch, processes.count),
        validation=Validation(unseen, crop, config.label, config.batches, config.seed, datasets),
        recipe=_recipe(config, datasets, begins_from, processes),
        output=output,
        processes=processes,
        after_look=after_look,
    )
    state, stream = _resumed(network, run) if resume else _begun(network, begins_from, run)
    state.called = processes.parallel(_as_trained(state.network, config.loss))
    with using_threads(state.computing.threads):
        if not _ends_early(state, run):  # as a run may have that was killed after its last look
            _optimise(state, stream, run)
        calibration = run.validation.calibrated(state.final, config.flip_average)
    provenance = _provenance(state, run, datasets.record(training, unseen), begins_from, calibration)
    details = _ranges(datasets, training) | {"standoff": config.batches.augmentation.standoff} | provenance
    result = _result(state, config, gripper_names(datasets.headers), calibration, details)
    if processes.first:
        write_json(output / "metrics.json", _figures(result))
        save_checkpoint(result.checkpoint, output)
        discard_states(output)
    return result


def _check_output(output: Path, resume: bool) -> None:
    if (output / "model.json").exists():
        remedy = "its training is complete" if resume else "choose another --output"
        raise InputError(f"{output}: holds a trained model already; {remedy}")
    if not resume and any(output.glob("state-*")):
        raise InputError(f"{output}: holds an interrupted training; --resume goes on, or choose another --output")
    output.mkdir(parents=True, exist_ok=True)


def _parent(source: str | Path, config: TrainConfig, datasets: Datasets) -> Parent:
    """The model to begin from. InputError: it does not fit the config and the datasets."""
    return load_parent(source, config.network, datasets.kind, focal_range_px(datasets.headers))


def _first_network(config: TrainConfig, parent: Parent | None) -> GraspNetwork:
    """The parent's network, or a new one."""
    if parent is not None:
        return parent.network()
    return new_network(config.network, torch.Generator().manual_seed(config.seed))


def _as_trained(network: GraspNetwork, loss: LossConfig) -> nn.Module:
    """What a step calls: the network, or the form of it that says the label's factors, too."""
    if loss.factor_weight > 0:
        assert isinstance(network, CompactNetwork), type(network)
        return WithFactors(network)
    return network


def _check_labels(training: ExampleSet, validation: ExampleSet, label: LabelConfig, names: Sequence[str]) -> None:
    """Say at once what would make an hour of training worthless. names: of the datasets.

    InputError: every example to train on has the same target, so that there is nothing to learn.
    """
    target = label.target(training.robustness)
    if np.ptp(target) < LEAST_SPREAD:
        raise InputError(
            f"the label of all {len(target)} examples to train on is {target[0]:.4g}: there is nothing to learn; "
            "`graspnet inspect` shows the dataset's labels, label.metric and label.threshold choose among them"
        )
    for split, examples in (("train", training), ("validation", validation)):
        positive = label.positive(examples.robustness)
        rate = float(positive.mean())
        click.echo(f"{split}: {len(positive)} examples in {len(examples)} images, {rate:.1%} positive", err=True)
        for k, name in enumerate(names if len(names) > 1 else ()):
            own = positive[examples.of_dataset(k)]
            if len(own):
                click.echo(f"  {name}: {len(own)} examples, {own.mean():.1%} positive", err=True)
        if not positive.any() or positive.all():
            click.echo(f"warning: {split} has one class only; average precision and AUC will be undefined", err=True)
        elif not RARE <= rate <= COMMON:
            click.echo(f"warning: {split} is {rate:.1%} positive; generate more balanced candidates", err=True)


def _for_all(config: BatchConfig, processes: Processes) -> BatchConfig:
    """One batch for all processes, of which each takes its part."""
    return replace(config, size=config.size * processes.count)


def _recipe(config: TrainConfig, datasets: Datasets, parent: Parent | None, processes: Processes) -> dict[str, Any]:
    """What a training that goes on must have begun with."""
    return {
        "config": config_to_dict(config), "dataset": datasets.fingerprint,
        "parent": None if parent is None else parent.fingerprint, "processes": processes.count,
    }  # fmt: skip


def _begun(network: GraspNetwork, parent: Parent | None, run: _Run) -> tuple[TrainingState, Iterator[Batch]]:
    """A state before the first step, and its batches, which a thread prepares while computing is probed."""
    config, batches = run.config, run.batches
    if parent is None:
        _fit_normalisation(network, batches)
    stream = batches.stream(0, run.budget.steps)
    first = next(stream)
    computing = _computing(network, first, run)
    how = f"{computing.precision}, {computing.layout.replace('_', ' ')}"
    click.echo(f"computing in {how} on {computing.device}, threads: {computing.threads}", err=True)
    placed(network, computing)
    average = None if config.optimiser.ema_half_life is None else copy.deepcopy(network)
    optimiser = make_optimiser(network, config.optimiser)
    return TrainingState(network, optimiser, computing, average), chain([first], stream)


def _computing(network: GraspNetwork, batch: Batch, run: _Run) -> Computing:
    """The fastest way to compute a step; where there are several processes, each has one thread, and all do as one."""
    config, several = run.config, run.processes.count > 1
    threads = config.threads or int(several)
    found = find_fastest(network, batch, config.device, config.precision, threads, config.batches.workers)
    if not several:
        return found
    way = WAYS.index((found.precision, found.layout))
    precision, layout = WAYS[int(run.processes.agreed(torch.tensor(way, device=found.device)))]
    return replace(found, precision=precision, layout=layout)


def _fit_normalisation(network: GraspNetwork, batches: Batches) -> None:
    images = batches.examples.spread(NORMALISATION_EXAMPLES)
    crops = list(evaluation_crops(images, batches.crop, batches.config, batches.seed))
    network.fit_normalisation(torch.cat([each.images for each in crops]), torch.cat([each.pose for each in crops]))


def _resumed(network: GraspNetwork, run: _Run) -> tuple[TrainingState, Iterator[Batch]]:
    """The interrupted state, and the batches that it has not seen."""
    state = load_state(network, make_optimiser(network, run.config.optimiser), run.recipe, run.output)
    if not run.processes.first:
        state.loss_sum = torch.zeros_like(state.loss_sum)
    click.echo(f"resuming after step {state.step}", err=True)
    return state, run.batches.stream(state.step, run.budget.steps)


def _optimise(state: TrainingState, stream: Iterator[Batch], run: _Run) -> None:
    """Take the steps that are left; save a state now and then, and look at unseen examples after each interval."""
    config, first, last = run.config, state.step, run.budget.steps
    interval = config.look_examples or run.budget.epoch
    watch = LossWatch(run.output, config.optimiser.rate, run.processes)
    with CurveLog(run.output, first, writes=run.processes.first) as log:
        for batch in track(stream, last - first, "training", "step"):
            looked_at = state.seen // interval
            loss = take_step(state, batch, config.optimiser, config.loss, run.budget, watch, run.processes)
            log.step(state.step, loss, state.optimiser.param_groups[0]["lr"], len(batch))
            looks = state.seen // interval > looked_at or state.step == last
            if looks or state.step % config.save_steps == 0:
                watch.check(state)
                state.loss_sum = run.processes.summed(state.loss_sum)
                if looks:
                    log.point(_look(state, run, log.examples_per_second()), run.budget.epochs)
                _save(state, run)
            if looks:
                run.after_look(state.history[-1])
            if looks and _ends_early(state, run):
                break


def _look(state: TrainingState, run: _Run, examples_per_second: float) -> CurvePoint:
    """Add a point to the curves, and return it."""
    point = CurvePoint(
        epoch=state.seen / run.budget.epoch,
        step=state.step,
        examples=state.seen,
        loss=float(state.loss_sum) / (state.step - state.last_look),
        rate=state.optimiser.param_groups[0]["lr"],
        examples_per_second=examples_per_second,
        validation=run.validation.look(state.evaluated).to_json(),
    )
    state.history.append(point)
    state.loss_sum = torch.zeros_like(state.loss_sum)
    if run.config.patience is not None and best_point(state.history) == len(state.history) - 1:
        state.best = copy.deepcopy(state.evaluated)
    return point


def _save(state: TrainingState, run: _Run) -> None:
    """The first process saves. The others forget the loss so far, which the first one's state now holds for all."""
    if run.processes.first:
        save_state(state, run.recipe, run.output)
    else:
        state.loss_sum = torch.zeros_like(state.loss_sum)


def _ends_early(state: TrainingState, run: _Run) -> bool:
    """Whether the last looks, as many as patience has, have found nothing better; the first process decides."""
    if run.config.patience is None or not state.history:
        return False
    waited = len(state.history) - 1 - best_point(state.history)
    ended = torch.tensor(int(waited >= run.config.patience), device=state.computing.device)
    return bool(run.processes.agreed(ended))


def _ranges(datasets: Datasets, training: ExampleSet) -> dict[str, Any]:
    """What the training's grasps, hands and objects ranged over; focal lengths are in pixels of the cameras."""
    focal_lengths = [focal * datasets.pixel_pitch for focal in training.camera["focal_length_px"]]
    return {
        "gripper_kind": datasets.kind,
        **gripper_ranges(datasets.headers),
        "objects": object_range(datasets.headers),
        "camera": training.camera | {"focal_length_px": focal_lengths},
    }


def _provenance(
    state: TrainingState, run: _Run, dataset: dict[str, Any], parent: Parent | None, calibration: Calibration
) -> dict[str, Any]:
    """What the weights were made from and how, and what came of it."""
    return {
        "dataset": dataset,
        "parent": None if parent is None else parent.to_json(),
        "training": config_to_dict(run.config) | {"computing": asdict(state.computing), "seen": state.seen},
        "evaluation": calibration.evaluation.to_json(),
        "evaluation_of_each": {name: figures.to_json() for name, figures in calibration.of_each.items()},
    }  # fmt: skip


def _result(
    state: TrainingState, config: TrainConfig, hands: str, calibration: Calibration, details: dict[str, Any]
) -> TrainingResult:
    checkpoint = Checkpoint(
        network=placed(state.final, Computing("cpu", "float32", 1)).eval(),
        name=config.network.kind,
        gripper_name=hands,
        metric=config.label.name,
        threshold=config.label.threshold,
        temperature=calibration.temperature,
        flip_average=config.flip_average,
        details=details,
    )
    return TrainingResult(
        checkpoint, calibration.evaluation, calibration.of_each, tuple(state.history), calibration.precision_recall
    )


def _figures(result: TrainingResult) -> dict[str, Any]:
    return {
        "evaluation": result.evaluation.to_json(),
        "evaluation_of_each": {name: figures.to_json() for name, figures in result.of_each.items()},
        "temperature": result.checkpoint.temperature,
        "history": [asdict(point) for point in result.history],
        "precision_recall": result.precision_recall,
    }
