"""A training that is killed, wherever, goes on as if it had not been; one that finds nothing better ends early."""

import json
from dataclasses import replace

import pytest
import torch

from graspnet.errors import InputError
from graspnet.models import PublishedConfig
from graspnet.models.checkpoint import load_checkpoint
from graspnet.training import resume, trainer
from graspnet.training.batches import BatchConfig
from graspnet.training.curves import CurvePoint, best_point
from graspnet.training.optimiser import OptimiserConfig
from graspnet.training.trainer import TrainConfig, train

from .conftest import write_bars

CONFIG = TrainConfig(
    epochs=2, save_steps=2, batches=BatchConfig(size=8, pool=16, sensor="ideal"), device="cpu", precision="float32",
    threads=1,
)  # fmt: skip
AVERAGED = OptimiserConfig(ema_half_life=20.0, clip_norm=1.0)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Four images of eight grasps to train on: four batches of eight an epoch."""
    return write_bars(tmp_path_factory.mktemp("small") / "dataset", train=2, validation=1, images=2)


@pytest.mark.parametrize(
    "config",
    [
        replace(CONFIG, network=PublishedConfig(kind="gqcnn_4.0_pj"), optimiser=OptimiserConfig(name="sgd", rate=0.01)),
        replace(CONFIG, optimiser=AVERAGED, patience=5, look_examples=24, examples=64),
    ],
    ids=["gqcnn", "average, clipping, patience, looks between epochs"],
)
def test_a_killed_run_resumed_writes_the_weights_and_curves_of_one_that_was_not(small, tmp_path, monkeypatch, config):
    train(config, small, tmp_path / "whole")
    step = trainer.take_step

    def killed_at_the_eighth(state, *given):
        if state.step == 7:
            raise KeyboardInterrupt
        return step(state, *given)

    monkeypatch.setattr(trainer, "take_step", killed_at_the_eighth)
    with pytest.raises(KeyboardInterrupt):
        train(config, small, tmp_path / "killed")
    monkeypatch.undo()
    assert (tmp_path / "killed" / "state-000000006").is_dir()
    train(config, small, tmp_path / "killed", resume=True)
    whole, killed = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed"))
    assert whole == killed
    curves = [json.loads((tmp_path / name / "metrics.json").read_text())["history"] for name in ("whole", "killed")]
    for points in curves:
        for point in points:
            del point["examples_per_second"]
    assert curves[0] == curves[1]


@pytest.mark.parametrize("when", ["while a state is written", "before it has its name"])
def test_a_crash_while_a_state_is_saved_leaves_the_one_before(small, tmp_path, monkeypatch, when):
    """The state of step 4 is never whole: what goes on is that of step 2, and the end is the same."""
    train(CONFIG, small, tmp_path / "whole")

    class Crash(BaseException):
        pass

    write, rename = resume.write_json, resume.Path.rename

    def write_or_crash(path, data):
        if when == "while a state is written" and data["step"] == 4:
            path.write_text('{"recipe": {"conf')  # and the disk is full
            raise Crash
        write(path, data)

    def rename_or_crash(self, target):
        if when == "before it has its name" and self.name.startswith("state-000000004"):
            raise Crash
        return rename(self, target)

    monkeypatch.setattr(resume, "write_json", write_or_crash)
    monkeypatch.setattr(resume.Path, "rename", rename_or_crash)
    with pytest.raises(Crash):
        train(CONFIG, small, tmp_path / "crashed")
    monkeypatch.undo()
    train(CONFIG, small, tmp_path / "crashed", resume=True)
    whole, crashed = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "crashed"))
    assert whole == crashed
    assert not list((tmp_path / "crashed").glob("state-*"))


def test_a_crash_before_the_model_is_written_loses_nothing(small, tmp_path, monkeypatch):
    class Crash(BaseException):
        pass

    def crash(*given):
        raise Crash

    monkeypatch.setattr(trainer, "save_checkpoint", crash)
    with pytest.raises(Crash):
        train(CONFIG, small, tmp_path)
    monkeypatch.undo()
    train(CONFIG, small, tmp_path, resume=True)
    assert load_checkpoint(tmp_path).name == "compact"


def test_training_ends_when_patience_does_and_keeps_the_best_weights(small, tmp_path, monkeypatch):
    """The looks are made up: the second is the best, so two worse ones after it are the end."""
    told = iter([0.7, 0.3, 0.5, 0.4, 0.2, 0.1])
    seen = []

    class MadeUp:
        def __init__(self, network):
            seen.append({name: value.clone() for name, value in network.state_dict().items()})
            self.cross_entropy = next(told)

        def to_json(self):
            return {"cross_entropy": self.cross_entropy}

    monkeypatch.setattr(trainer.Validation, "look", lambda self, network: MadeUp(network))
    train(replace(CONFIG, epochs=6, patience=2, optimiser=AVERAGED), small, tmp_path)
    history = json.loads((tmp_path / "metrics.json").read_text())["history"]
    assert [point["epoch"] for point in history] == [1.0, 2.0, 3.0, 4.0]
    kept = load_checkpoint(tmp_path).network.state_dict()
    assert all(torch.equal(kept[name], seen[1][name]) for name in kept)


def test_the_best_point_of_a_curve_is_the_first_of_the_lowest():
    entropies = [0.4, 0.2, 0.3, 0.2]
    history = [
        CurvePoint(float(place), place, place, 0.0, 0.0, 0.0, {"cross_entropy": entropy})
        for place, entropy in enumerate(entropies)
    ]
    assert best_point(history) == 1


def test_a_budget_of_examples_ends_within_an_epoch_and_is_looked_at_where_asked(small, tmp_path):
    train(replace(CONFIG, examples=40, look_examples=16), small, tmp_path)
    history = json.loads((tmp_path / "metrics.json").read_text())["history"]
    assert [point["examples"] for point in history] == [16, 32, 40]
    assert history[-1]["epoch"] == 40 / 32


@pytest.mark.parametrize("name", ["examples", "look_examples", "patience"])
def test_a_budget_or_patience_of_nothing_is_refused(name):
    with pytest.raises(InputError, match=f"{name} is 0; it must be at least 1"):
        TrainConfig(**{name: 0})
