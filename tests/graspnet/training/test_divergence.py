"""A loss that is no number: one error, and a file from which the step can be taken again."""

import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from graspnet.errors import InputError
from graspnet.models import NETWORKS
from graspnet.run.processes import ALONE
from graspnet.training import trainer
from graspnet.training.batches import Batch, BatchConfig
from graspnet.training.device_probe import Computing, loss_of
from graspnet.training.divergence import LossWatch
from graspnet.training.optimiser import Budget, OptimiserConfig, make_optimiser, take_step
from graspnet.training.resume import TrainingState
from graspnet.training.trainer import TrainConfig

CPU = Computing("cpu", "float32", 1)
BUDGET = Budget(examples=64, epoch=64, batch=8)


def begun(optimiser: OptimiserConfig) -> tuple[TrainingState, TrainConfig, Batch]:
    """A state before the first step, its config, and a batch."""
    network = NETWORKS["compact"](torch.Generator().manual_seed(0))
    rng = torch.Generator().manual_seed(1)
    images, pose, target = (torch.rand(8, *shape, generator=rng) for shape in ((2, 64, 64), (11,), ()))
    batch = Batch(images, pose, target, torch.arange(8), torch.full((8, 2), -1.0))
    return TrainingState(network, make_optimiser(network, optimiser), CPU), TrainConfig(optimiser=optimiser), batch


def test_the_weights_and_batch_in_the_file_give_the_loss_that_stopped_the_training(tmp_path):
    state, config, batch = begun(OptimiserConfig(name="sgd", rate=1e30, warmup=0.0))
    watch = LossWatch(tmp_path, config.optimiser.rate, ALONE)
    take_step(state, batch, config.optimiser, config.loss, BUDGET, watch)  # flings the weights away
    with pytest.raises(InputError, match=r"the loss is nan at step 1; lower optimiser\.rate \(1e\+30\).*diverged"):
        take_step(state, batch, config.optimiser, config.loss, BUDGET, watch)
    held = load_file(tmp_path / "diverged.safetensors")
    network = NETWORKS["compact"]()
    network.load_state_dict({k.removeprefix("network."): v for k, v in held.items() if k.startswith("network.")})
    again = Batch(*(held[f"batch.{name}"] for name in ("images", "pose", "target", "image", "factors")))
    assert torch.equal(again.images, batch.images)
    assert math.isnan(loss_of(network, again, CPU).item())
    assert any(name.startswith("optimiser.0.") for name in held)


def test_a_batch_that_is_not_finite_is_told_from_a_rate_that_is_too_high(tmp_path):
    state, config, batch = begun(OptimiserConfig())
    batch.pose[3, 2] = torch.nan
    with pytest.raises(InputError, match=r"the loss is nan at step 0; batch\.pose holds values that are not finite"):
        take_step(
            state, batch, config.optimiser, config.loss, BUDGET, LossWatch(tmp_path, config.optimiser.rate, ALONE)
        )


def test_losses_of_a_gpu_are_looked_at_together_and_the_first_bad_one_is_named(tmp_path):
    state, config, batch = begun(OptimiserConfig())
    watch = LossWatch(tmp_path, config.optimiser.rate, ALONE)
    losses = [1.0, math.inf, math.nan]
    watch._unchecked.extend((step, torch.tensor(loss), batch) for step, loss in enumerate(losses))
    with pytest.raises(InputError, match="the loss is inf at step 1"):
        watch.check(state)


def test_a_gradient_is_shortened_to_the_clip_norm(tmp_path):
    """SGD without momentum moves the weights by rate × gradient: the whole move is then rate × clip_norm long."""
    state, config, batch = begun(OptimiserConfig(name="sgd", rate=1.0, momentum=0.0, weight_decay=0.0, clip_norm=1e-2))
    config = replace(config, optimiser=replace(config.optimiser, schedule="staircase"))
    before = torch.cat([p.detach().flatten().clone() for p in state.network.parameters()])
    take_step(state, batch, config.optimiser, config.loss, BUDGET, LossWatch(tmp_path, 1.0, ALONE))
    after = torch.cat([p.detach().flatten() for p in state.network.parameters()])
    assert float((after - before).norm()) == pytest.approx(1e-2, rel=1e-3)


def test_a_training_that_explodes_leaves_no_model(bars, tmp_path):
    wild = OptimiserConfig(name="sgd", rate=1e30, warmup=0.0)
    batches = BatchConfig(size=32, pool=64, sensor="ideal")
    config = TrainConfig(batches=batches, optimiser=wild, device="cpu", precision="float32", threads=1)
    with pytest.raises(InputError, match=r"holds the batch and the state"):
        trainer.train(config, bars, tmp_path)
    assert (tmp_path / "diverged.safetensors").is_file()
    assert not list(tmp_path.glob("state-*"))
    assert not (tmp_path / "model.json").exists()
