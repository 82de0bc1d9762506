"""A search finds what is to be found, proposes the same whether it was killed or not, and says what is missing."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from graspnet.config import load_config
from graspnet.errors import InputError
from graspnet.training.curves import CurvePoint
from graspnet.training.divergence import Diverged
from graspnet.training.search import search as searching
from graspnet.training.search.search import SearchConfig, search
from graspnet.training.search.space import Choice, Range
from graspnet.training.trainer import TrainConfig

RATE = Range(low=1e-4, high=1e-1, log=True)
CONFIG = SearchConfig(
    train="demo", trials=20, startup=5, prune=False,
    space={"optimiser.rate": RATE, "optimiser.name": Choice(values=("adamw", "sgd"))},
)  # fmt: skip


def value_of(config: TrainConfig) -> float:
    """The figure that a made-up training ends with: best by AdamW at a rate of 0.003, where it is 1."""
    return 1 - np.log10(config.optimiser.rate / 3e-3) ** 2 / 4 - 0.3 * (config.optimiser.name == "sgd")


def made_up(config, dataset, output, resume, parent, after_look):
    """In the place of a training: three looks, and the value."""
    output.mkdir(parents=True, exist_ok=True)
    for look in (1, 2, 3):
        figures = {"average_precision": value_of(config) - 0.1 * (3 - look)}
        after_look(CurvePoint(float(look), look, 100 * look, 0.0, 0.0, 0.0, figures))
    return SimpleNamespace(evaluation=SimpleNamespace(to_json=lambda: {"average_precision": value_of(config)}))


@pytest.fixture
def trainings(monkeypatch):
    pytest.importorskip("optuna")
    monkeypatch.setattr(searching, "train", made_up)


def test_it_finds_the_best_settings_and_writes_them_as_a_config(bars, tmp_path, trainings):
    result = search(CONFIG, bars, tmp_path)
    assert len(result.trials) == 20
    assert result.value > 0.97  # within a third of a decade of the best rate; 20 random ones reach it one time in two
    best = load_config(TrainConfig, "train", tmp_path / "best.yaml")
    assert value_of(best) == pytest.approx(result.value)
    assert best.epochs == load_config(TrainConfig, "train", "demo").epochs
    assert yaml.safe_load((tmp_path / "best.yaml").read_text())["base"] == "demo"


def test_a_killed_search_proposes_what_one_that_was_not_did(bars, tmp_path, trainings, monkeypatch):
    config = SearchConfig(train="demo", trials=8, startup=3, space=CONFIG.space)
    search(config, bars, tmp_path / "whole")

    def killed_in_the_sixth(*given, **more):
        if given[2].name == "trial_005":
            raise KeyboardInterrupt
        return made_up(*given, **more)

    monkeypatch.setattr(searching, "train", killed_in_the_sixth)
    with pytest.raises(KeyboardInterrupt):
        search(config, bars, tmp_path / "killed")
    monkeypatch.setattr(searching, "train", made_up)
    search(config, bars, tmp_path / "killed")
    whole, killed = (json.loads((tmp_path / name / "trials.json").read_text()) for name in ("whole", "killed"))
    assert whole == killed
    assert search(config, bars, tmp_path / "whole").trials == whole  # nothing is left to do


def test_a_training_that_ended_just_before_a_kill_is_not_done_again(bars, tmp_path, trainings):
    config = SearchConfig(train="demo", trials=1, startup=1, space=CONFIG.space)
    folder = tmp_path / "trial_000"
    folder.mkdir()
    (folder / "model.json").write_text("{}")
    (folder / "metrics.json").write_text(json.dumps({"evaluation": {"average_precision": 0.625}}))
    assert search(config, bars, tmp_path).value == 0.625


def test_a_training_without_promise_ends_early_and_one_that_explodes_does_not_end_the_search(
    bars, tmp_path, trainings, monkeypatch
):
    looks = []

    def may_explode(config, dataset, output, resume, parent, after_look):
        if output.name == "trial_001":
            raise Diverged("the loss is nan")
        looks.append(0)

        def counted(point):
            looks[-1] += 1
            after_look(point)

        return made_up(config, dataset, output, resume, parent, counted)

    monkeypatch.setattr(searching, "train", may_explode)
    result = search(SearchConfig(train="demo", trials=15, startup=4, space=CONFIG.space), bars, tmp_path)
    assert result.trials[1]["state"] == "pruned"
    states = [trial["state"] for trial in result.trials]
    assert states.count("pruned") > 1  # so did some that are worse than the median
    assert min(looks) == 1
    assert max(looks) == 3


def test_another_config_in_the_same_folder_is_refused(bars, tmp_path, trainings):
    search(SearchConfig(train="demo", trials=2, space=CONFIG.space), bars, tmp_path)
    with pytest.raises(InputError, match="holds a search with another config; choose another --output"):
        search(SearchConfig(train="demo", trials=2, space={"optimiser.rate": RATE}), bars, tmp_path)
    assert len(search(SearchConfig(train="demo", trials=3, space=CONFIG.space), bars, tmp_path).trials) == 3


def test_without_optuna_the_remedy_is_named(bars, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"a search needs Optuna, which is not installed: pip install 'graspnet\["):
        search(CONFIG, bars, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": {}}, "space is empty"),
        ({"space": {"optimiser.rat": RATE}}, "did you mean 'rate'"),
        ({"space": {"optimiser.warmup": Range(low=0.1, high=1.5)}}, r"warmup is 1\.5; it must lie in"),
        ({"trials": 0}, "trials is 0"),
        ({"train": "demmo"}, "did you mean 'demo'"),
    ],
)
def test_a_space_that_leads_out_of_what_a_training_takes_is_refused_at_once(change, message):
    with pytest.raises(InputError, match=message):
        SearchConfig(**{"space": CONFIG.space, **change})


def test_ranges_and_choices_that_say_nothing_are_refused():
    with pytest.raises(InputError, match="low must be below high"):
        Range(low=1.0, high=1.0)
    with pytest.raises(InputError, match="positive with log"):
        Range(low=0.0, high=1.0, log=True)
    with pytest.raises(InputError, match="ends must be whole numbers"):
        Range(low=0.5, high=3.0, whole=True)
    with pytest.raises(InputError, match="two different values"):
        Choice(values=("a", "a"))
