"""A dataset to a checkpoint: optimise on noisy crops, look at unseen objects after each epoch, calibrate at the end."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import click
import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from graspnet.config import config_to_dict
from graspnet.crops.crops import GraspCrops
from graspnet.dataset import Dataset, DatasetHeader
from graspnet.errors import InputError
from graspnet.models import architecture
from graspnet.models.checkpoint import Checkpoint, save_checkpoint
from graspnet.models.network import predict, quality_of
from graspnet.run.progress import track
from graspnet.run.record import write_json
from graspnet.run.threads import using_threads
from graspnet.training.batches import (
    Batch,
    BatchConfig,
    Batches,
    ImageExamples,
    LabelConfig,
    evaluation_crops,
    load_examples,
)
from graspnet.training.device_probe import Computing, find_fastest, loss_of, placed
from graspnet.training.losses import LossConfig
from graspnet.training.metrics import Evaluation, evaluate, fit_temperature, precision_recall
from graspnet.training.optimiser import OptimiserConfig, make_optimiser
from graspnet.training.resume import EpochRecord, TrainingState, discard_states, load_state, save_state

__all__ = ["TrainConfig", "TrainingResult", "take_step", "train"]

NORMALISATION_EXAMPLES = 2048
EPOCH_EXAMPLES = 4096  # An epoch ends with a look at about so many unseen examples; the last evaluation takes all.
RARE, COMMON = 0.05, 0.95  # With a base rate outside of these, a network learns little but the base rate.
LOG_STEPS = 20
LENGTHS = ("finger_length", "finger_thickness", "finger_breadth", "pad_to_tip")  # of a hand, as its file names them
MOST_NAMES = 8  # A checkpoint names its hands one by one up to so many.


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A preset of `configs/train/`. device and precision `auto`, threads 0: what a short probe shows to be fastest."""

    network: str = "compact"
    seed: int = 0
    epochs: int = 8
    label: LabelConfig = field(default_factory=LabelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    batches: BatchConfig = field(default_factory=BatchConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    flip_average: bool = False  # The trained network answers with the mean over a crop's mirror images.
    save_steps: int = 2000  # A killed run loses at most so many steps, or an epoch.
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        architecture(self.network)
        for name in ("epochs", "save_steps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.threads < 0 or self.seed < 0:
            raise InputError("threads and seed must not be negative")


@dataclass(frozen=True)
class TrainingResult:
    """The checkpoint, its figures on the validation objects, and the curves that led there."""

    checkpoint: Checkpoint
    evaluation: Evaluation
    history: tuple[EpochRecord, ...]
    precision_recall: dict[str, list[float]]


def train(config: TrainConfig, dataset: Dataset, output: Path, resume: bool = False) -> TrainingResult:
    """Train on the dataset's `train` objects, evaluate on its `validation` objects, and write everything to `output`.

    With `resume`, go on from the last state in `output` (of the same config and dataset) as if never interrupted, on
    one CPU to the bit. InputError: the output is taken, the dataset lacks a split or the metric, the loss explodes.
    """
    _check_output(output, resume)
    crop = architecture(config.network)().crop.at_pitch(dataset.header.pixel_pitch)
    training = load_examples(dataset, "train", crop, config.label)
    if dataset.indices("validation"):
        validation = load_examples(dataset, "validation", crop, config.label)
    else:
        training, validation = _every_fifth_held_out(training, dataset)
    _warn_of_base_rates(training, validation, config.label)

    batches = Batches(training, crop, config.label, config.batches, config.seed)
    recipe = {"config": config_to_dict(config), "dataset": dataset.header.fingerprint}
    state, stream = _resumed(config, batches, recipe, output) if resume else _begun(config, batches)
    with using_threads(state.computing.threads):
        _optimise(state, stream, batches, _seen_after_epochs(validation, batches), config, recipe, output)
        result = _finished(state, training, validation, batches, config, dataset)
    save_checkpoint(result.checkpoint, output)
    write_json(output / "metrics.json", _figures(result))
    discard_states(output)
    return result


@dataclass(frozen=True)
class _Seen:
    """Validation examples to look at after every epoch, and their crops, which are cut once."""

    examples: Sequence[ImageExamples]
    crops: Sequence[GraspCrops]


def _check_output(output: Path, resume: bool) -> None:
    if (output / "model.json").exists():
        remedy = "its training is complete" if resume else "choose another --output"
        raise InputError(f"{output}: holds a trained model already; {remedy}")
    if not resume and any(output.glob("state-*")):
        raise InputError(f"{output}: holds an interrupted training; --resume goes on, or choose another --output")
    output.mkdir(parents=True, exist_ok=True)


def _every_fifth_held_out(
    examples: list[ImageExamples], dataset: Dataset
) -> tuple[list[ImageExamples], list[ImageExamples]]:
    """Images to train on and to look at, where no object is left for validation; said aloud."""
    if len(examples) < 2:
        raise InputError(f"{dataset.folder}: it has one image and no validation objects; generate more of both")
    held_out = examples[::5]
    click.echo(
        f"warning: the dataset has no validation objects; figures are of {len(held_out)} other images of the objects "
        "that are trained on, and say nothing of new ones: generate more objects",
        err=True,
    )
    return [example for k, example in enumerate(examples) if k % 5], held_out


def _warn_of_base_rates(
    training: Sequence[ImageExamples], validation: Sequence[ImageExamples], label: LabelConfig
) -> None:
    """Say at once what would make an hour of training worthless."""
    for name, examples in (("train", training), ("validation", validation)):
        positive = label.positive(_robustness(examples))
        rate = float(positive.mean())
        click.echo(f"{name}: {len(positive)} examples in {len(examples)} images, {rate:.1%} positive", err=True)
        if not positive.any() or positive.all():
            click.echo(f"warning: {name} has one class only; average precision and AUC will be undefined", err=True)
        elif not RARE <= rate <= COMMON:
            click.echo(f"warning: {name} is {rate:.1%} positive; generate more balanced candidates", err=True)


def _begun(config: TrainConfig, batches: Batches) -> tuple[TrainingState, Iterator[Batch]]:
    """A new network and its batches. Computing is probed while a thread prepares these, as it will from now on."""
    network = architecture(config.network)(torch.Generator().manual_seed(config.seed))
    sample = list(evaluation_crops(_spread(batches.examples, NORMALISATION_EXAMPLES), *_evaluation_inputs(batches)))
    images, pose = (torch.cat([getattr(crops, name) for crops in sample]) for name in ("images", "pose"))
    network.fit_normalisation(images, pose)
    stream = batches.stream(0, config.epochs * batches.steps_per_epoch)
    first = next(stream)
    computing = find_fastest(network, first, config.device, config.precision, config.threads, config.batches.workers)
    click.echo(f"computing in {computing.precision} on {computing.device}, threads: {computing.threads}", err=True)
    placed(network, computing)
    return TrainingState(network, make_optimiser(network, config.optimiser), computing), chain([first], stream)


def _resumed(
    config: TrainConfig, batches: Batches, recipe: dict[str, Any], output: Path
) -> tuple[TrainingState, Iterator[Batch]]:
    """The interrupted network, and the batches that it has not seen."""
    network = architecture(config.network)()
    state = load_state(network, make_optimiser(network, config.optimiser), recipe, output)
    click.echo(f"resuming after step {state.step}", err=True)
    return state, batches.stream(state.step, config.epochs * batches.steps_per_epoch)


def _spread(examples: Sequence[ImageExamples], count: int) -> Sequence[ImageExamples]:
    """Images evenly spaced over all, with about `count` examples."""
    total = sum(map(len, examples))
    stride = max(1, round(total / count))
    return examples[::stride]


def _seen_after_epochs(validation: Sequence[ImageExamples], batches: Batches) -> _Seen:
    examples = _spread(validation, EPOCH_EXAMPLES)
    return _Seen(examples, list(evaluation_crops(examples, *_evaluation_inputs(batches))))


def _evaluation_inputs(batches: Batches) -> tuple[Any, BatchConfig, int]:
    """(crop, batch config, seed) for `evaluation_crops`."""
    return batches.crop, batches.config, batches.seed


def _optimise(
    state: TrainingState,
    stream: Iterator[Batch],
    batches: Batches,
    seen: _Seen,
    config: TrainConfig,
    recipe: dict[str, Any],
    output: Path,
) -> None:
    """Take all steps that are left; save a state now and then, and look at unseen examples after each epoch."""
    first, last = state.step, config.epochs * batches.steps_per_epoch
    with _Log(output, first) as log:
        for batch in track(stream, last - first, "training", "step"):
            log.step(state, take_step(state, batch, config, batches.steps_per_epoch), len(batch))
            closes_epoch = state.step % batches.steps_per_epoch == 0
            if closes_epoch:
                log.epoch(_close_epoch(state, seen, batches, config, log.examples_per_second()), config.epochs)
            if closes_epoch or state.step % config.save_steps == 0:
                save_state(state, recipe, output)


def take_step(state: TrainingState, batch: Batch, config: TrainConfig, steps_per_epoch: int) -> torch.Tensor:
    """Move the weights by one step of the optimiser, and return the loss before it."""
    rate = config.optimiser.rate_at(state.step, steps_per_epoch, config.epochs)
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    loss = loss_of(state.network, batch, state.computing, config.loss)
    state.optimiser.zero_grad()
    loss.backward()
    state.optimiser.step()
    state.loss_sum = state.loss_sum.to(loss.device) + loss.detach()
    state.step += 1
    return loss.detach()


def _close_epoch(
    state: TrainingState, seen: _Seen, batches: Batches, config: TrainConfig, examples_per_second: float
) -> EpochRecord:
    """Add the epoch's point of the curves to the history, and return it."""
    loss = float(state.loss_sum) / batches.steps_per_epoch
    if not np.isfinite(loss):
        raise InputError(f"the loss is {loss} by step {state.step}; lower optimiser.rate ({config.optimiser.rate})")
    logits = predict(state.network, seen.crops)
    record = EpochRecord(
        epoch=state.step // batches.steps_per_epoch,
        step=state.step,
        loss=loss,
        rate=config.optimiser.rate_at(state.step - 1, batches.steps_per_epoch, config.epochs),
        examples_per_second=examples_per_second,
        validation=_evaluation(logits, 1.0, seen.examples, config.label).to_json(),
    )
    state.history.append(record)
    state.loss_sum = torch.zeros_like(state.loss_sum)
    return record


def _finished(
    state: TrainingState,
    training: Sequence[ImageExamples],
    validation: Sequence[ImageExamples],
    batches: Batches,
    config: TrainConfig,
    dataset: Dataset,
) -> TrainingResult:
    """The result, calibrated on all validation examples: that fits one number, so it hardly flatters their figures."""
    total = sum(map(len, validation))
    crops = track(
        evaluation_crops(validation, *_evaluation_inputs(batches)), len(validation), f"evaluating {total}", "image"
    )
    logits = predict(state.network, crops, config.flip_average)
    robustness = _robustness(validation)
    temperature = fit_temperature(_log_odds(logits), config.label.target(robustness))
    evaluation = replace(
        _evaluation(logits, temperature, validation, config.label), of_new_objects=bool(dataset.indices("validation"))
    )
    checkpoint = Checkpoint(
        network=placed(state.network, Computing("cpu", "float32", 1)).eval(),
        name=config.network,
        gripper_name=_gripper_names(dataset.header),
        metric=config.label.metric,
        threshold=config.label.threshold,
        temperature=temperature,
        flip_average=config.flip_average,
        details={
            "grippers": _gripper_range(list(dataset.header.grippers.values())),
            "grippers_in_openings": _gripper_range(list(map(_in_openings, dataset.header.grippers.values()))),
            "objects": _object_range(dataset.header),
            "camera": _camera_range(training),
            "dataset": {"name": dataset.header.name, "fingerprint": dataset.header.fingerprint}
            | {"train": sum(map(len, training)), "validation": total},
            "training": config_to_dict(config) | {"computing": asdict(state.computing)},
            "evaluation": evaluation.to_json(),
        },
    )
    curve = precision_recall(_quality(logits, temperature), config.label.positive(robustness))
    return TrainingResult(checkpoint, evaluation, tuple(state.history), curve)


def _evaluation(
    logits: Float32[Tensor, "N 2"], temperature: float, examples: Sequence[ImageExamples], label: LabelConfig
) -> Evaluation:
    robustness = _robustness(examples)
    feasible = np.concatenate([image.feasible for image in examples])
    quality = _quality(logits, temperature)
    return evaluate(quality, label.target(robustness), label.positive(robustness), feasible)


def _log_odds(logits: Float32[Tensor, "N 2"]) -> Float64[np.ndarray, "N"]:
    return (logits[:, 1] - logits[:, 0]).double().cpu().numpy()


def _quality(logits: Float32[Tensor, "N 2"], temperature: float) -> Float64[np.ndarray, "N"]:
    """In double precision: where a network is sure, float32 would make many qualities equal, and tie their ranks."""
    return quality_of(logits.double(), temperature).cpu().numpy()


def _robustness(examples: Sequence[ImageExamples]) -> Float64[np.ndarray, "N"]:
    return np.concatenate([image.robustness for image in examples])


def _gripper_names(header: DatasetHeader) -> str:
    """The hands by name, or how many there were."""
    names = sorted(header.grippers)
    return ", ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} hands"


def _gripper_range(hands: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Smallest and largest of every size of the hands in training (metres, or openings)."""
    sizes = [name for name, value in hands[0].items() if isinstance(value, float)]
    found: dict[str, list[Any]] = {n: [min(h[n] for h in hands), max(h[n] for h in hands)] for n in sizes}
    palms = list(zip(*(hand["palm"] for hand in hands), strict=True))
    return found | {"palm": [[min(side) for side in palms], [max(side) for side in palms]]}


def _in_openings(hand: dict[str, Any]) -> dict[str, Any]:
    """The sizes of a hand that a network sees, in units of its opening: all but the opening itself."""
    sizes = {name: hand[name] / hand["max_width"] for name in LENGTHS}
    return sizes | {"palm": [side / hand["max_width"] for side in hand["palm"]]}


def _object_range(header: DatasetHeader) -> dict[str, list[float]]:
    """The widths, in openings, that objects were scaled to; nothing where a dataset does not scale them so."""
    objects, hands = header.config.get("objects", {}), header.config.get("hands_per_view", 1)
    if objects.get("scaling") != "graspable_width" or hands != 1:  # a second hand meets objects of the first one's size
        return {}
    return {"width_in_openings": list(objects["graspable_width"])}


def _camera_range(examples: Sequence[ImageExamples]) -> dict[str, list[float]]:
    """Smallest and largest distance (z of the grasps, metres), tilt (radians) and focal length (pixels) in training.

    The tilt is the angle between a grasp's approach and the camera's axis.
    """
    distance, cosine = np.concatenate([image.camera_from_grasp[:, 2, [3, 2]] for image in examples]).T
    tilt = np.arccos(np.clip(cosine, -1.0, 1.0))
    focal = [image.camera.fx for image in examples]
    return {
        "distance": [float(distance.min()), float(distance.max())],
        "tilt": [float(tilt.min()), float(tilt.max())],
        "focal_length_px": [float(min(focal)), float(max(focal))],
    }


def _figures(result: TrainingResult) -> dict[str, Any]:
    return {
        "evaluation": result.evaluation.to_json(),
        "temperature": result.checkpoint.temperature,
        "history": [asdict(record) for record in result.history],
        "precision_recall": result.precision_recall,
    }


class _Log:
    """Scalars for TensorBoard in OUTPUT/logs, a line after every epoch, and the rate of examples since the last."""

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

    def step(self, state: TrainingState, loss: torch.Tensor, examples: int) -> None:
        """Count a step; write its loss and rate now and then."""
        self._examples += examples
        if state.step % LOG_STEPS == 0:
            self._writer.add_scalar("train/loss", float(loss), state.step)
            self._writer.add_scalar("train/rate", state.optimiser.param_groups[0]["lr"], state.step)

    def examples_per_second(self) -> float:
        """The rate since the last epoch's end."""
        return self._examples / (time.perf_counter() - self._start)

    def epoch(self, record: EpochRecord, epochs: int) -> None:
        """Write and print an epoch's figures, and begin to count anew."""
        figures = record.validation
        for name, value in figures.items():
            if value is not None:
                self._writer.add_scalar(f"validation/{name}", value, record.step)
        words = [f"{label} {figures[name]:.3f}" for name, label in _PRINTED.items() if figures[name] is not None]
        click.echo(
            f"epoch {record.epoch}/{epochs}: loss {record.loss:.4f}, {record.examples_per_second:.0f} examples/s; "
            f"validation {', '.join(words)}",
            err=True,
        )
        self._start, self._examples = time.perf_counter(), 0


_PRINTED = {
    "average_precision": "AP",
    "roc_auc": "AUC",
    "accuracy": "accuracy",
    "feasible_average_precision": "AP feasible",
}
