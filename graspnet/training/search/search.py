"""Trainings with settings that Optuna proposes, each judged by its look at validation objects; killed, it goes on.

OUTPUT/trials.log      Optuna's journal, one JSON a line: what was proposed, and what came of it
      /trial_003/      the training of trial 3: model.json, metrics.json, logs …
      /best.yaml       the best settings as a config of `graspnet train`
      /trials.json     all trials as a table
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
import numpy as np
import yaml

from graspnet.config import config_to_dict, load_config, parse_json
from graspnet.dataset import Dataset
from graspnet.errors import InputError
from graspnet.run.record import write_json
from graspnet.training.curves import CurvePoint
from graspnet.training.divergence import Diverged
from graspnet.training.resume import discard_states
from graspnet.training.search.space import Choice, Range, drawn
from graspnet.training.trainer import TrainConfig, train

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

__all__ = ["SearchConfig", "SearchResult", "search"]

LOWER_IS_BETTER = ("cross_entropy", "brier", "calibration_error")
JOURNAL = "trials.log"


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """A preset of `configs/search/`.

    train: a preset or file of `configs/train/`, which `overrides` and then the trial's settings change. objective: a
    figure of the validation objects (`graspnet.training.metrics.Evaluation`). space: what is searched, by key.
    startup: so many trials are drawn at random, before Optuna's tree-structured Parzen estimator proposes (Bergstra et
    al., NeurIPS 2011). prune: a training ends where its look is worse than the median of the others' at that point.
    """

    train: str = "parallel_jaw"
    overrides: tuple[str, ...] = ()
    objective: Literal[
        "average_precision", "feasible_average_precision", "roc_auc", "cross_entropy", "brier", "calibration_error"
    ] = "average_precision"
    trials: int = 30
    startup: int = 8
    prune: bool = True
    seed: int = 0
    space: dict[str, Range | Choice] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("trials", "startup"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not self.space:
            raise InputError("space is empty; name what is to be searched, such as optimiser.rate")
        for key, each in self.space.items():
            for value in each.examples():
                self.training((f"{key}={value}",))

    def training(self, settings: tuple[str, ...]) -> TrainConfig:
        """The training with these settings."""
        return load_config(TrainConfig, "train", self.train, (*self.overrides, *settings))


@dataclass(frozen=True)
class SearchResult:
    """All trials in their order, as plain data, and the best one's overrides."""

    trials: list[dict[str, Any]]
    best: tuple[str, ...]
    value: float


def search(
    config: SearchConfig, dataset: Dataset | Sequence[Dataset], output: Path, parent: str | Path | None = None
) -> SearchResult:
    """Run the trials that are missing in `output`, and write what came of all.

    A search of the same seed, config and dataset proposes the same trials, killed and begun again or not: each trial's
    proposal depends on the seed, its number, and the values before it. InputError: Optuna is not installed, the output
    holds a search of another space, no training ended with a value.
    """
    study = _study(config, output)
    for number in range(len(_ended(study)), config.trials):
        _run_trial(study, number, config, dataset, output / f"trial_{number:03d}", parent)
    return _written(study, config, output)


def _study(config: SearchConfig, output: Path) -> "Study":
    """The study in the output's journal; trials that were killed count as not begun."""
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend
    except ImportError:
        raise InputError("a search needs Optuna, which is not installed: pip install 'graspnet[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    output.mkdir(parents=True, exist_ok=True)
    lower = config.objective in LOWER_IS_BETTER
    study = optuna.create_study(
        storage=optuna.storages.JournalStorage(JournalFileBackend(str(output / JOURNAL))),
        study_name="search",
        direction="minimize" if lower else "maximize",
        pruner=optuna.pruners.MedianPruner(config.startup) if config.prune else optuna.pruners.NopPruner(),
        load_if_exists=True,
    )
    _check_same(study, config, output)
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _check_same(study: "Study", config: SearchConfig, output: Path) -> None:
    """A journal's trials are of one config; only their number may grow."""
    asked = config_to_dict(config) | {"trials": None}
    begun = study.user_attrs.get("config", asked)
    if begun != json.loads(json.dumps(asked)) and study.user_attrs:
        raise InputError(f"{output}: holds a search with another config; choose another --output")
    study.set_user_attr("config", asked)


def _ended(study: "Study") -> list["FrozenTrial"]:
    """The trials that came to an end, in their order: those with a value, and those that showed no promise."""
    return [trial for trial in study.trials if trial.state.name in ("COMPLETE", "PRUNED")]


def _run_trial(
    study: "Study",
    number: int,
    config: SearchConfig,
    dataset: Dataset | Sequence[Dataset],
    folder: Path,
    parent: str | Path | None,
) -> None:
    """Train with the settings that Optuna proposes, and tell it what came of that."""
    import optuna

    study.sampler = optuna.samplers.TPESampler(seed=_seed_of(config.seed, number), n_startup_trials=config.startup)
    trial = study.ask()
    settings = drawn(config.space, trial)
    click.echo(f"trial {number + 1}/{config.trials}: {' '.join(settings)}", err=True)

    def after_look(point: CurvePoint) -> None:
        trial.report(point.validation[config.objective], point.examples)
        if trial.should_prune():
            raise _NoPromise("worse than the median of the others")

    try:
        value = _value(config, settings, dataset, folder, parent, after_look)
    except (_NoPromise, Diverged) as end:
        click.echo(f"  ended early: {end}", err=True)
        discard_states(folder)
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    else:
        click.echo(f"  {config.objective} {value:.4f}", err=True)
        study.tell(trial, value)


def _value(
    config: SearchConfig,
    settings: tuple[str, ...],
    dataset: Dataset | Sequence[Dataset],
    folder: Path,
    parent: str | Path | None,
    after_look: Callable[[CurvePoint], None],
) -> float:
    """The figure that a training ends with: a new one, one that goes on, or one that ended just before a kill."""
    if (folder / "model.json").exists():
        evaluation = parse_json((folder / "metrics.json").read_text())["evaluation"]
    else:
        resume = any(folder.glob("state-*"))
        result = train(config.training(settings), dataset, folder, resume, parent, after_look=after_look)
        evaluation = result.evaluation.to_json()
    value: float | None = evaluation[config.objective]
    if value is None:
        raise InputError(f"{config.objective} is undefined on this dataset: its validation has one class only")
    return value


class _NoPromise(Exception):
    """Ends a training whose looks are worse than the median of the others'."""


def _seed_of(seed: int, number: int) -> int:
    """A seed for the proposal of one trial, so that none depends on where a search was interrupted."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _written(study: "Study", config: SearchConfig, output: Path) -> SearchResult:
    trials: list[dict[str, Any]] = [
        {"trial": number, "state": trial.state.name.lower(), config.objective: trial.value} | trial.params
        for number, trial in enumerate(_ended(study))
    ]
    found = [trial for trial in trials if trial["state"] == "complete"]
    if not found:
        raise InputError(f"{output}: no training came to its end; give more trials, or a narrower space of lower rates")
    sign = 1.0 if config.objective in LOWER_IS_BETTER else -1.0
    best = min(found, key=lambda trial: sign * float(trial[config.objective]))
    settings = {key: best[key] for key in config.space}
    overrides = (*config.overrides, *(f"{key}={value}" for key, value in settings.items()))
    write_json(output / "trials.json", trials)
    (output / "best.yaml").write_text(yaml.safe_dump(_as_config(config, overrides), sort_keys=False))
    return SearchResult(trials, overrides, best[config.objective])


def _as_config(config: SearchConfig, overrides: tuple[str, ...]) -> dict[str, Any]:
    """The file of `graspnet train --config` that says the same as these overrides."""
    whole = config_to_dict(load_config(TrainConfig, "train", config.train, overrides))
    said: dict[str, Any] = {"base": config.train}
    for override in overrides:
        names = override.partition("=")[0].split(".")
        value, section = whole, said
        for name in names[:-1]:
            value, section = value[name], section.setdefault(name, {})
        section[names[-1]] = value[names[-1]]
    return said
