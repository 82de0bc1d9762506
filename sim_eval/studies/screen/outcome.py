"""One variant with one seed: trained, judged on grasps, and tried on tuning objects. Each stage goes on where it was.

OUTPUT/VARIANT/seed_0/model/          what `graspnet train` writes
OUTPUT/VARIANT/seed_0/records.jsonl   the trials
OUTPUT/VARIANT/seed_0/outcome.json    all that the comparison needs, written last
"""

import shutil
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from graspnet.config import parse_json
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.dataset import Dataset
from graspnet.errors import InputError
from graspnet.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from graspnet.run.record import write_json
from graspnet.sim_eval.analysis.resampling import Resampling
from graspnet.sim_eval.episodes.log import RecordLog, as_json, from_json
from graspnet.sim_eval.episodes.records import EpisodeRecord, started
from graspnet.sim_eval.episodes.run import record_episode
from graspnet.sim_eval.evaluation.judged import Judged
from graspnet.sim_eval.evaluation.predictions import Predictions, choose_images, predict_images
from graspnet.sim_eval.planners.choice import PlannerChoice, identified, planner_of
from graspnet.sim_eval.protocols.identity import run_identity
from graspnet.sim_eval.studies.screen.data import limited
from graspnet.sim_eval.studies.screen.matrix import ScreenConfig, Variant
from graspnet.training.examples.label import LabelConfig
from graspnet.training.metrics import fit_temperature
from graspnet.training.trainer import train

__all__ = ["FIGURES", "Outcome", "Screen", "Trial", "Unit", "is_done", "read_outcome", "run_unit", "units_of"]

DRAWS = 400  # of objects, for the intervals of figures of grasps
FIGURES = ("average_precision", "top_1", "calibration_error")
RECORD = "outcome.json"
SEED = 0  # of the trials, the validation images' noise and the draws: they are the same for every variant and seed


@dataclass(frozen=True)
class Screen:
    """What every unit of a screen needs.

    datasets: folders or URLs of those that all variants share; the validation objects of the first one are judged.
    generated: what stands in the first one's place, by `Variant.dataset`.
    """

    config: ScreenConfig
    output: Path
    datasets: tuple[str, ...]
    generated: dict[str, str] = field(default_factory=dict)

    @property
    def judged(self) -> Dataset:
        """The dataset whose validation objects all variants are judged on."""
        return Dataset.open(self.datasets[0])

    def training_sets(self, variant: Variant, examples: int | None = None) -> list[Dataset]:
        """What a variant trains on, without objects that are judged. examples: instead of the variant's own number."""
        folders = (self.generated.get(variant.dataset, self.datasets[0]), *self.datasets[1:])
        whole = [Dataset.open(folder) for folder in folders]
        return limited(
            whole, examples or variant.examples, self.config.validation, without=self.judged.split("validation")
        )

    def folder(self, variant: Variant, seed: int) -> Path:
        """Where a variant's outcome lies."""
        return self.output / variant.name / f"seed_{seed}"


@dataclass(frozen=True)
class Unit:
    """One training, and the variants that share its weights; the first one keeps them."""

    seed: int
    variants: tuple[Variant, ...]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What became of one trial. quality: of the grasp that was executed; NaN without one."""

    index: int
    object: str
    lifted: bool
    quality: float = float("nan")
    seconds: float = float("nan")  # of planning


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one variant fared with one seed.

    figures: each of FIGURES as its value, then its values for DRAWS draws of objects, which are the same for all
    variants. problem: why there is nothing else.
    """

    variant: str
    seed: int
    training: str  # `Variant.training`
    examples: int = 0
    examples_per_second: float = float("nan")
    figures: dict[str, tuple[float, ...]] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    problem: str = ""


def units_of(config: ScreenConfig) -> list[Unit]:
    """All units; the first seed of every variant comes before the second of any, so that a stop leaves whole rounds."""
    shared: dict[str, list[Variant]] = {}
    for variant in config.all_variants():
        shared.setdefault(variant.training, []).append(variant)
    return [Unit(seed, tuple(variants)) for seed in range(config.seeds) for variants in shared.values()]


def read_outcome(screen: Screen, variant: Variant, seed: int) -> Outcome | None:
    """The outcome that is there, if there is one. InputError: it is of another training."""
    path = screen.folder(variant, seed) / RECORD
    if not path.is_file():
        return None
    outcome = from_json(Outcome, parse_json(path.read_text()), str(path))
    if outcome.training != variant.training:
        raise InputError(
            f"{path}: the variant {variant.name!r} was trained otherwise then; give it another name, or delete its "
            "folder"
        )
    return outcome


def is_done(screen: Screen, unit: Unit) -> bool:
    """Whether all variants of a unit have an outcome without a problem; one with a problem is tried again."""
    found = [read_outcome(screen, variant, unit.seed) for variant in unit.variants]
    return all(outcome is not None and not outcome.problem for outcome in found)


def run_unit(screen: Screen, unit: Unit) -> tuple[Outcome, ...]:
    """Train, judge and try what is not yet there. What cannot be trained or tried is an outcome with a problem."""
    return tuple(_run_variant(screen, unit, variant) for variant in unit.variants)


def _run_variant(screen: Screen, unit: Unit, variant: Variant) -> Outcome:
    found = read_outcome(screen, variant, unit.seed)
    if found is not None and not found.problem:
        return found
    folder = screen.folder(variant, unit.seed)
    try:
        outcome = _outcome(screen, variant, unit.seed, _trained(screen, unit))
    except InputError as error:  # of this variant's settings or data; the others may go on
        outcome = Outcome(variant=variant.name, seed=unit.seed, training=variant.training, problem=str(error))
    write_json(folder / RECORD, as_json(outcome))
    return outcome


def _trained(screen: Screen, unit: Unit) -> Path:
    """The trained model of a unit; begun, gone on with, or found."""
    variant = unit.variants[0]
    folder = screen.folder(variant, unit.seed) / "model"
    if not (folder / "model.json").exists():
        config = replace(variant.train, seed=unit.seed, flip_average=False)
        train(config, screen.training_sets(variant), folder, resume=any(folder.glob("state-*")))
    return folder


def _outcome(screen: Screen, variant: Variant, seed: int, model: Path) -> Outcome:
    """Judge the grasps of the validation objects, then try the tuning objects."""
    if variant.train.flip_average:
        model = _averaging(screen, variant, model, screen.folder(variant, seed) / "averaging")
    checkpoint = load_checkpoint(model)
    history = parse_json((model / "metrics.json").read_text())["history"]
    return Outcome(
        variant=variant.name,
        seed=seed,
        training=variant.training,
        examples=checkpoint.details["dataset"]["train"],
        examples_per_second=float(np.median([point["examples_per_second"] for point in history])),
        figures=_figures(screen.config, checkpoint, _predictions(screen, checkpoint)),
        trials=tuple(map(_trial, _records(screen, variant, seed, model))),
    )


def _averaging(screen: Screen, variant: Variant, model: Path, folder: Path) -> Path:
    """The model made to average over mirror images, with a temperature of its own."""
    if not (folder / "model.json").exists():
        checkpoint = replace(load_checkpoint(model), flip_average=True)
        found = _predictions(screen, checkpoint, variant.train.label)
        temperature = fit_temperature(found.log_odds, variant.train.label.target(found.robustness))
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model / "metrics.json", folder / "metrics.json")
        save_checkpoint(replace(checkpoint, temperature=temperature), folder)
    return folder


def _predictions(screen: Screen, checkpoint: Checkpoint, label: LabelConfig | None = None) -> Predictions:
    """What a network says of the same grasps of the screen's validation objects, as the same noise shows them."""
    config, dataset = screen.config, screen.judged
    places = choose_images(dataset, dataset.indices("validation"), config.validation, SEED)
    sensor = config.all_variants()[0].train.batches.sensor
    return predict_images(dataset, checkpoint, label or config.label, places, sensor, SEED)


def _figures(config: ScreenConfig, checkpoint: Checkpoint, found: Predictions) -> dict[str, tuple[float, ...]]:
    """Each of FIGURES for all objects, then for each draw of them. top_1: the share of images whose best grasp by
    quality is positive, of those that have a positive one."""
    judged = Judged(found, config.label, checkpoint.temperature, SEED, checkpoint.bias)
    quality, positive, best = judged.quality, judged.positive, judged.best
    resampling, every = Resampling(found.scene, DRAWS, SEED), np.ones(len(found), dtype=bool)
    offers_one = config.label.positive(best.robustness + best.regret)
    first = Resampling(found.scene[best.row], DRAWS, SEED)
    figures = {
        "average_precision": resampling.ranking(quality, positive, every)[0],
        "top_1": first.mean(positive[best.row].astype(np.float64), offers_one),
        "calibration_error": resampling.calibration_error(quality, judged.target, every),
    }
    return {name: tuple(map(float, values)) for name, values in figures.items()}


def _records(screen: Screen, variant: Variant, seed: int, model: Path) -> list[EpisodeRecord]:
    """The trials of the tuning protocol that could start, the same for all variants and seeds."""
    config, protocol = screen.config, screen.config.protocol_config()
    choice = identified(PlannerChoice(config.policy, model=str(model)))
    run = run_identity(protocol, [choice], SEED)
    log = RecordLog(screen.folder(variant, seed), run, resume=True, count=config.trials)
    for index in range(config.trials):
        if index not in log.done:
            log.add(record_episode(protocol, SEED, {choice.label: planner_of(choice)}, index, _renderer()))
    return started(list(log.done.values()))


def _trial(record: EpisodeRecord) -> Trial:
    (result,) = record.results.values()
    (attempt,) = result.attempts
    return Trial(
        index=record.index, object=record.objects[0], lifted=attempt.success, quality=attempt.quality,
        seconds=attempt.seconds,
    )  # fmt: skip


@lru_cache(maxsize=1)
def _renderer() -> RaycastRenderer:
    """Keep one in each process."""
    return RaycastRenderer()
