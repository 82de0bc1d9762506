"""Does it pay to train on important examples more often?

`python -m graspnet.sim_eval.studies.importance_sampling --dataset DATASET --output DIR`

Small networks are trained on the same crops, from the same weights, with the same budget of examples. They differ in
how an epoch is drawn (`graspnet.training.examples.importance`). Printed, with 95 % intervals over the seeds: average
precision at the end, examples and seconds (of processor time, crops not counted) until the last average precision of
uniform sampling, calibration; and of the uniform runs, how well each stand-in ranks examples as the length of the
gradient does, and whether an example stays in its decile from epoch to epoch. A run that is in DIR is not made again.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.stats import spearmanr, t
from torch import Tensor

from graspnet.crops.crops import GraspCrops
from graspnet.crops.metric import MetricCropConfig
from graspnet.dataset import Dataset
from graspnet.models.compact import CompactConfig, CompactNetwork
from graspnet.models.network import predict
from graspnet.run.record import write_json
from graspnet.run.threads import using_threads
from graspnet.training.batches import BatchConfig, evaluation_crops
from graspnet.training.examples.datasets import load_examples
from graspnet.training.examples.example_set import ExampleSet
from graspnet.training.examples.importance import STAND_INS, Draw, ImportanceConfig, draw, gradient_norms, stand_ins
from graspnet.training.examples.label import LabelConfig
from graspnet.training.metrics import evaluate, fit_temperature
from graspnet.training.optimiser import OptimiserConfig, make_optimiser

__all__ = ["ARMS", "Pool", "StudyConfig", "run_arm", "summary"]

ARMS: dict[str, ImportanceConfig | None] = {
    "uniform": None,
    "loss": ImportanceConfig(by="loss"),
    "loss, unbiased": ImportanceConfig(by="loss", unbiased=True),
    "error": ImportanceConfig(by="error"),
}
DECILES = 10
SMOOTHED = 3  # looks
CALIBRATION = ("calibration_error", "calibration_error_fitted", "surplus")  # of a look


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """The budget, the network's crop, and how many examples are looked at closely.

    The learning rate is constant: a schedule that ends with the budget would hide who was there first.
    """

    training: int = 8_000  # examples
    validation: int = 3_000
    epochs: int = 5
    looks: int = 2  # at the validation examples, in every epoch
    batch: int = 128
    rate: float = 1e-3
    side: int = 32  # pixels of a crop; half of `compact`'s, so that a run takes a quarter of the time
    probed: int = 2_000  # training examples whose deciles are followed
    exact: int = 256  # of these, the examples whose gradients are computed one by one


@dataclass(frozen=True)
class Pool:
    """Crops that are cut once, with one draw of the sensor's noise, and their labels."""

    images: Float32[Tensor, "N C S S"]
    pose: Float32[Tensor, "N F"]
    target: Float32[Tensor, "N"]
    positive: Bool[np.ndarray, "N"]
    feasible: Bool[np.ndarray, "N"]

    def __len__(self) -> int:
        return len(self.target)


def pool_of(examples: ExampleSet, crop: MetricCropConfig, label: LabelConfig, seed: int) -> Pool:
    """The crops of a set."""
    crops = list(evaluation_crops(examples, crop, BatchConfig(), seed))
    target = torch.from_numpy(label.target(examples.robustness)).float()
    images, pose = torch.cat([each.images for each in crops]), torch.cat([each.pose for each in crops])
    return Pool(images, pose, target, label.positive(examples.robustness), examples.feasible)


def run_arm(
    importance: ImportanceConfig | None, training: Pool, unseen: Pool, config: StudyConfig, seed: int
) -> dict[str, Any]:
    """Train once. `looks`: figures on the unseen examples; `known`: what the uniform run tells of its stand-ins."""
    network = CompactNetwork(
        CompactConfig(crop=MetricCropConfig(size=config.side)), torch.Generator().manual_seed(seed)
    )
    network.fit_normalisation(training.images[:2048], training.pose[:2048])
    optimiser = make_optimiser(network, OptimiserConfig(rate=config.rate))
    last = np.full(len(training), np.nan)
    looks, known, seconds, seen = [], [], 0.0, 0
    for epoch in range(1, config.epochs + 1):
        rng = np.random.default_rng([seed, epoch])
        drawn = _epoch(importance, epoch, last, rng)
        steps = -(-len(training) // config.batch)
        look_at = set(np.linspace(0, steps, config.looks + 1).round().astype(int)[1:].tolist())
        for step in range(steps):
            rows = slice(step * config.batch, (step + 1) * config.batch)
            began = time.process_time()
            chosen, weights = drawn.examples[rows], torch.from_numpy(drawn.weights[rows]).float()
            index = torch.from_numpy(chosen)
            logits = network(training.images[index], training.pose[index])
            found = stand_ins(logits, training.target[index])
            optimiser.zero_grad()
            (weights * found["loss"]).mean().backward()
            optimiser.step()
            last[chosen] = found["loss" if importance is None else importance.by].detach().double().numpy()
            seconds += time.process_time() - began
            seen += len(chosen)
            if step + 1 in look_at:
                looks.append({"examples": seen, "seconds": seconds} | _figures(network, unseen))
        if importance is None:
            known.append(_probe(network, training, config))
    return {"looks": looks, "known": _comparisons(known)}


def _epoch(
    importance: ImportanceConfig | None, epoch: int, last: Float64[np.ndarray, "N"], rng: np.random.Generator
) -> Draw:
    if importance is None or epoch <= importance.transient_epochs:
        return Draw(rng.permutation(len(last)), np.ones(len(last)))
    return draw(last, importance, rng)


def _figures(network: CompactNetwork, unseen: Pool) -> dict[str, float]:
    """Average precision and calibration, as the network is and with the temperature that fits it best."""
    logits = predict(network, [GraspCrops(unseen.images, unseen.pose)]).double()
    odds, target = (logits[:, 1] - logits[:, 0]).numpy(), unseen.target.double().numpy()
    temperature = fit_temperature(odds, target)
    figures: dict[str, float] = {}
    for name, divisor in (("", 1.0), ("_fitted", temperature)):
        quality = 1 / (1 + np.exp(-odds / divisor))
        found = evaluate(quality, target, unseen.positive, unseen.feasible)
        figures |= {f"calibration_error{name}": found.calibration_error, f"brier{name}": found.brier}
        figures |= {f"surplus{name}": float((quality - target).mean())}
    assert found.average_precision is not None
    return figures | {"average_precision": found.average_precision, "temperature": temperature}


def _probe(network: CompactNetwork, training: Pool, config: StudyConfig) -> dict[str, Any]:
    """The stand-ins of some training examples, and the lengths of the gradients of a part of these."""
    some = slice(0, len(training), max(1, len(training) // config.probed))
    few = slice(0, len(training), max(1, len(training) // config.exact))
    probed: dict[str, Any] = {}
    for name, rows in (("deciles", some), ("exact", few)):
        images, pose, target = training.images[rows], training.pose[rows], training.target[rows]
        with torch.no_grad():
            found = stand_ins(network(images, pose), target)
        probed[name] = {key: value.double().numpy() for key, value in found.items()}
        if name == "exact":
            probed["norm"] = gradient_norms(network, images, pose, target).double().numpy()
    return probed


def _comparisons(known: Sequence[dict[str, Any]]) -> list[dict[str, float]]:
    """Of every epoch: rank correlation of each stand-in with the norm; and with itself an epoch before, by deciles."""
    rows = []
    for epoch, found in enumerate(known):
        row = {f"{name}, norm": float(spearmanr(found["exact"][name], found["norm"]).statistic) for name in STAND_INS}
        for name in STAND_INS if epoch else ():
            values, earlier = found["deciles"][name], known[epoch - 1]["deciles"][name]
            now, before = _decile(values), _decile(earlier)
            row[f"{name}, same decile"] = float((now == before).mean())
            row[f"{name}, lowest stays"] = float((now[before == 0] == 0).mean())
            row[f"{name}, epoch before"] = float(spearmanr(values, earlier).statistic)
        rows.append(row)
    return rows


def _decile(values: Float64[np.ndarray, "N"]) -> Int64[np.ndarray, "N"]:
    return values.argsort(kind="stable").argsort(kind="stable") * DECILES // len(values)


def summary(results: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Lines of Markdown: a row an arm, then what the uniform runs tell. `results`: by arm, a run for each seed."""
    lines = [
        "| drawn by | AP at the end | − uniform | examples until uniform's AP | seconds | calibration error | fitted | "
        "mean quality − target |",
        "|---|---|---|---|---|---|---|---|",
    ]
    uniform = results["uniform"]
    for arm, runs in results.items():
        pairs = list(zip(runs, uniform, strict=True))
        gains = [_precisions(run)[-1] - _precisions(other)[-1] for run, other in pairs]
        cells = [arm, _mean([_precisions(run)[-1] for run in runs]), _mean(gains)]
        cells += [_shares([_needed(run, other, what) for run, other in pairs]) for what in ("examples", "seconds")]
        cells += [_mean([_late(run, name) for run in runs]) for name in CALIBRATION]
        lines.append(f"| {' | '.join(cells)} |")
    known = [run["known"] for run in uniform]
    names = list(known[0][-1])
    lines += ["", f"| of the uniform runs | {' | '.join(f'epoch {k + 1}' for k in range(len(known[0])))} |"]
    lines += ["|---" * (len(known[0]) + 1) + "|"]
    for name in names:
        cells = [_mean([run[k][name] for run in known]) if name in known[0][k] else "" for k in range(len(known[0]))]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _precisions(run: dict[str, Any]) -> list[float]:
    """The average precision at each look, as the mean of it and of the looks just before: it swings."""
    found = [look["average_precision"] for look in run["looks"]]
    return [float(np.mean(found[max(0, k + 1 - SMOOTHED) : k + 1])) for k in range(len(found))]


def _late(run: dict[str, Any], name: str) -> float:
    """The mean of a figure over the last looks."""
    return float(np.mean([look[name] for look in run["looks"][-SMOOTHED:]]))


def _needed(run: dict[str, Any], uniform: dict[str, Any], what: str) -> float:
    """How much of it the run took to the last average precision of uniform sampling, as a share; inf: it never came."""
    goal, spent = _precisions(uniform)[-1], uniform["looks"][-1][what]
    before, at = 0.0, 0.0
    for look, precision in zip(run["looks"], _precisions(run), strict=True):
        if precision >= goal:
            return float(at + (goal - before) / (precision - before) * (look[what] - at)) / spent
        before, at = precision, look[what]
    return float("inf")


def _mean(values: Sequence[float]) -> str:
    """The mean and its 95 % interval, by Student's t."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{mean:.3f}"
    half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return f"{mean:.3f} [{mean - half:.3f}, {mean + half:.3f}]"


def _shares(shares: Sequence[float]) -> str:
    """The share that each seed needed; > 1: it did not get there within the budget."""
    return ", ".join("> 1" if np.isinf(share) else f"{share:.2f}" for share in shares)


@click.command()
@click.option("--dataset", required=True, help="What `generate` wrote.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for a file of each run.")
@click.option("--seeds", default=3, show_default=True)
@click.option("--arm", "arms", multiple=True, type=click.Choice(list(ARMS)), help="Some of the arms; else all.")
@click.option("--training", default=StudyConfig.training, show_default=True, help="Examples.")
@click.option("--epochs", default=StudyConfig.epochs, show_default=True)
def main(dataset: str, output: Path, seeds: int, arms: tuple[str, ...], training: int, epochs: int) -> None:
    """Train what is not there yet, and print the tables."""
    config = StudyConfig(training=training, epochs=epochs)
    crop, label = MetricCropConfig(size=config.side), LabelConfig()
    names = arms or tuple(ARMS)
    missing = [(seed, arm) for seed in range(seeds) for arm in names if not _file(output, arm, seed).exists()]
    output.mkdir(parents=True, exist_ok=True)
    if missing:
        opened = Dataset.open(dataset)
        with using_threads(1):
            training_pool, unseen = (
                pool_of(load_examples(opened, split, crop, label).spread(count), crop, label, seed=0)
                for split, count in (("train", config.training), ("validation", config.validation))
            )
            click.echo(f"{len(training_pool)} examples to train on, {len(unseen)} to look at", err=True)
            for seed, arm in missing:
                result = run_arm(ARMS[arm], training_pool, unseen, config, seed)
                write_json(_file(output, arm, seed), {"config": asdict(config)} | result)
                click.echo(f"seed {seed}, {arm}: AP {result['looks'][-1]['average_precision']:.3f}", err=True)
    done = {arm: [json.loads(_file(output, arm, seed).read_text()) for seed in range(seeds)] for arm in names}
    click.echo("\n".join(summary(done)))


def _file(output: Path, arm: str, seed: int) -> Path:
    return output / f"{arm.replace(', ', '_')}_{seed}.json"


if __name__ == "__main__":
    main()
