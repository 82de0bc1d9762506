"""A dataset to a checkpoint: optimise on noisy crops, look at unseen objects now and then, calibrate at the end."""

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import click
import numpy as np
import torch
from torch import Tensor

from graspnet.config import config_to_dict
from graspnet.dataset import Dataset
from graspnet.dataset.ranges import camera_range, gripper_names, gripper_ranges, object_range
from graspnet.errors import InputError
from graspnet.models import CompactConfig, NetworkConfig, PublishedConfig, new_network
from graspnet.models.checkpoint import Checkpoint, save_checkpoint
from graspnet.models.network import GraspNetwork, check_pose_inputs
from graspnet.models.parent import Parent, load_parent
from graspnet.run.progress import track
from graspnet.run.record import write_json
from graspnet.run.threads import using_threads
from graspnet.training.batches import Batch, BatchConfig, Batches, evaluation_crops
from graspnet.training.device_probe import Computing, find_fastest, loss_of, placed
from graspnet.training.divergence import LossWatch
from graspnet.training.examples.datasets import Datasets, by_dataset, training_and_validation
from graspnet.training.examples.image_examples import ImageExamples
from graspnet.training.examples.label import LabelConfig
from graspnet.training.losses import LossConfig
from graspnet.training.metrics import Evaluation
from graspnet.training.optimiser import Budget, OptimiserConfig, make_optimiser, move_average
from graspnet.training.resume import CurvePoint, TrainingState, discard_states, load_state, save_state
from graspnet.training.validation import Calibration, Validation, robustness_of, spread

__all__ = ["TrainConfig", "TrainingResult", "take_step", "train"]

NORMALISATION_EXAMPLES = 2048
RARE, COMMON = 0.05, 0.95  # With a base rate outside of these, a network learns little but the base rate.
LOG_STEPS = 20


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A preset of `configs/train/`. device and precision `auto`, threads 0: what a short probe shows to be fastest.

    examples: how many are seen in all, so that datasets of different sizes get equal budgets; `epochs` then says
    nothing. look_examples: after so many, the network is looked at on validation objects; null: after every epoch.
    """

    network: NetworkConfig = field(default_factory=CompactConfig)
    seed: int = 0
    epochs: int = 8
    examples: int | None = None
    look_examples: int | None = None
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
        for name in ("epochs", "examples", "look_examples", "save_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}; it must be at least 1")
        if self.threads < 0 or self.seed < 0:
            raise InputError("threads and seed must not be negative")

    def budget(self, epoch: int) -> Budget:
        """What a training on a dataset of `epoch` examples sees."""
        return Budget(self.examples or self.epochs * epoch, epoch, self.batches.size)


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


def train(
    config: TrainConfig,
    dataset: Dataset | Sequence[Dataset],
    output: Path,
    resume: bool = False,
    parent: str | Path | None = None,
) -> TrainingResult:
    """Train on the `train` objects of one or more datasets, evaluate on their `validation` objects, write to `output`.

    With `resume`, go on from the last state in `output` (of the same config, datasets and parent) as if never
    interrupted, on one CPU to the bit. parent: the trained model, a folder or a name, whose weights, normalisation and
    architecture are the beginning. InputError: the output is taken, the dataset lacks a split or the metric, the
    parent does not fit, the loss explodes.
    """
    _check_output(output, resume)
    datasets = Datasets.of(dataset)
    datasets.check_shares(config.batches.shares)
    begins_from = None if parent is None else load_parent(parent, config.network, datasets.kind)
    network = _first_network(config, begins_from)
    crop = network.crop.at_pitch(datasets.pixel_pitch)
    training, unseen = training_and_validation(datasets, crop, config.label)
    _warn_of_base_rates(training, unseen, config.label, datasets.names)

    batches = Batches(training, crop, config.label, config.batches, config.seed)
    run = _Run(
        config=config,
        batches=batches,
        budget=config.budget(batches.examples_per_epoch),
        validation=Validation(unseen, crop, config.label, config.batches, config.seed, datasets),
        recipe=_recipe(config, datasets, begins_from),
        output=output,
    )
    state, stream = _resumed(network, run) if resume else _begun(network, begins_from, run)
    with using_threads(state.computing.threads):
        _optimise(state, stream, run)
        calibration = run.validation.calibrated(state.evaluated, config.flip_average)
    provenance = _provenance(state, run, datasets.record(training, unseen), begins_from, calibration)
    details = _ranges(datasets, training) | provenance
    result = _result(state, config, gripper_names(datasets.headers), calibration, details)
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


def _first_network(config: TrainConfig, parent: Parent | None) -> GraspNetwork:
    """The parent's network, or a new one."""
    if parent is not None:
        return parent.network()
    return new_network(config.network, torch.Generator().manual_seed(config.seed))


def _warn_of_base_rates(
    training: Sequence[ImageExamples], validation: Sequence[ImageExamples], label: LabelConfig, names: Sequence[str]
) -> None:
    """Say at once what would make an hour of training worthless. names: of the datasets."""
    for split, examples in (("train", training), ("validation", validation)):
        positive = label.positive(robustness_of(examples))
        rate = float(positive.mean())
        click.echo(f"{split}: {len(positive)} examples in {len(examples)} images, {rate:.1%} positive", err=True)
        for name, part in by_dataset(examples, names).items() if len(names) > 1 else ():
            own = label.positive(robustness_of(part))
            click.echo(f"  {name}: {len(own)} examples in {len(part)} images, {own.mean():.1%} positive", err=True)
        if not positive.any() or positive.all():
            click.echo(f"warning: {split} has one class only; average precision and AUC will be undefined", err=True)
        elif not RARE <= rate <= COMMON:
            click.echo(f"warning: {split} is {rate:.1%} positive; generate more balanced candidates", err=True)


def _recipe(config: TrainConfig, datasets: Datasets, parent: Parent | None) -> dict[str, Any]:
    """What a training that goes on must have begun with."""
    return {
        "config": config_to_dict(config), "dataset": datasets.fingerprint,
        "parent": None if parent is None else parent.fingerprint,
    }  # fmt: skip


def _begun(network: GraspNetwork, parent: Parent | None, run: _Run) -> tuple[TrainingState, Iterator[Batch]]:
    """A state before the first step, and its batches, which a thread prepares while computing is probed."""
    config, batches = run.config, run.batches
    if parent is None:
        _fit_normalisation(network, batches)
    stream = batches.stream(0, run.budget.steps)
    first = next(stream)
    computing = find_fastest(network, first, config.device, config.precision, config.threads, config.batches.workers)
    click.echo(f"computing in {computing.precision} on {computing.device}, threads: {computing.threads}", err=True)
    placed(network, computing)
    average = None if config.optimiser.ema_half_life is None else copy.deepcopy(network)
    optimiser = make_optimiser(network, config.optimiser)
    return TrainingState(network, optimiser, computing, average), chain([first], stream)


def _fit_normalisation(network: GraspNetwork, batches: Batches) -> None:
    images = spread(batches.examples, NORMALISATION_EXAMPLES)
    crops = list(evaluation_crops(images, batches.crop, batches.config, batches.seed))
    network.fit_normalisation(torch.cat([each.images for each in crops]), torch.cat([each.pose for each in crops]))


def _resumed(network: GraspNetwork, run: _Run) -> tuple[TrainingState, Iterator[Batch]]:
    """The interrupted state, and the batches that it has not seen."""
    state = load_state(network, make_optimiser(network, run.config.optimiser), run.recipe, run.output)
    click.echo(f"resuming after step {state.step}", err=True)
    return state, run.batches.stream(state.step, run.budget.steps)


def _optimise(state: TrainingState, stream: Iterator[Batch], run: _Run) -> None:
    """Take all steps that are left; save a state now and then, and look at unseen examples after each interval."""
    first, last = state.step, run.budget.steps
    interval = run.config.look_examples or run.budget.epoch
    watch = LossWatch(run.output, run.config.optimiser.rate)
    with _Log(run.output, first) as log:
        for batch in track(stream, last - first, "training", "step"):
            looked_at = state.seen // interval
            loss = take_step(state, batch, run.config, run.budget, watch)
            log.step(state, loss, len(batch))
            looks = state.seen // interval > looked_at or state.step == last
            if looks:
                watch.check(state)
                log.point(_look(state, run, log.examples_per_second()), run.budget)
            if looks or state.step % run.config.save_steps == 0:
                watch.check(state)
                save_state(state, run.recipe, run.output)


def take_step(state: TrainingState, batch: Batch, config: TrainConfig, budget: Budget, watch: LossWatch) -> Tensor:
    """Move the weights, and their average, by one step of the optimiser; return the loss before it."""
    rate = config.optimiser.rate_at(state.seen + len(batch) / 2, budget)
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    loss = loss_of(state.network, batch, state.computing, config.loss)
    watch.see(loss, batch, state)
    state.optimiser.zero_grad()
    loss.backward()
    if config.optimiser.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), config.optimiser.clip_norm)
    state.optimiser.step()
    if state.average is not None and config.optimiser.ema_half_life is not None:
        move_average(state.average, state.network, state.seen, len(batch), config.optimiser.ema_half_life)
    state.loss_sum = state.loss_sum.to(loss.device) + loss.detach()
    state.step += 1
    state.seen += len(batch)
    return loss.detach()


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
    return point


def _ranges(datasets: Datasets, training: Sequence[ImageExamples]) -> dict[str, Any]:
    """What the training's grasps, hands and objects ranged over."""
    poses = np.concatenate([image.camera_from_grasp for image in training])
    focal_lengths_px = [image.camera.fx for image in training]
    return {
        "gripper_kind": datasets.kind,
        **gripper_ranges(datasets.headers),
        "objects": object_range(datasets.headers),
        "camera": camera_range(poses, focal_lengths_px),
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
        network=placed(state.evaluated, Computing("cpu", "float32", 1)).eval(),
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


class _Log:
    """Scalars for TensorBoard in OUTPUT/logs, a line after every look, and the rate of examples since the last."""

    def __init__(self, output: Path, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # takes a second to import

        self._writer: Any = SummaryWriter(str(output / "logs"), purge_step=first_step or None)
        self._start = time.perf_counter()
        self._examples = 0

    def __enter__(self) -> "_Log":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def step(self, state: TrainingState, loss: Tensor, examples: int) -> None:
        """Count a step; write its loss and rate now and then."""
        self._examples += examples
        if state.step % LOG_STEPS == 0:
            self._writer.add_scalar("train/loss", float(loss), state.step)
            self._writer.add_scalar("train/rate", state.optimiser.param_groups[0]["lr"], state.step)

    def examples_per_second(self) -> float:
        """The rate since the last look."""
        return self._examples / (time.perf_counter() - self._start)

    def point(self, point: CurvePoint, budget: Budget) -> None:
        """Write and print the figures of a look, and begin to count anew."""
        figures = point.validation
        for name, value in figures.items():
            if value is not None:
                self._writer.add_scalar(f"validation/{name}", value, point.step)
        words = [f"{label} {figures[name]:.3f}" for name, label in _PRINTED.items() if figures[name] is not None]
        click.echo(
            f"epoch {point.epoch:.4g}/{budget.examples / budget.epoch:.4g}: loss {point.loss:.4f}, "
            f"{point.examples_per_second:.0f} examples/s; validation {', '.join(words)}",
            err=True,
        )
        self._start, self._examples = time.perf_counter(), 0


_PRINTED = {
    "average_precision": "AP",
    "roc_auc": "AUC",
    "accuracy": "accuracy",
    "feasible_average_precision": "AP feasible",
}
