"""How weights move: over which budget of examples, by which optimiser, at which rate, averaged over how many; a step.

All of it is told in examples seen, not in steps: two trainings with batches of different sizes, or on datasets of
different sizes, then follow the same curve.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from graspnet.errors import InputError
from graspnet.run.processes import ALONE, Processes
from graspnet.training.batches import Batch
from graspnet.training.device_probe import loss_of
from graspnet.training.divergence import LossWatch
from graspnet.training.losses import LossConfig
from graspnet.training.resume import TrainingState

__all__ = ["Budget", "OptimiserConfig", "make_optimiser", "move_average", "take_step"]


@dataclass(frozen=True)
class Budget:
    """How many examples a training sees in all, how many its dataset has (an epoch), and how many a batch has."""

    examples: int
    epoch: int
    batch: int

    @property
    def steps(self) -> int:
        """The batches that show so many examples, or a few more; the last batch of an epoch may be smaller."""
        epochs, rest = divmod(self.examples, self.epoch)
        return epochs * math.ceil(self.epoch / self.batch) + math.ceil(rest / self.batch)

    @property
    def epochs(self) -> float:
        """The budget in epochs."""
        return self.examples / self.epoch

    def progress(self, seen: float) -> float:
        """Which share of the budget has been seen, in [0, 1]."""
        return min(1.0, seen / self.examples)


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig:
    """Which optimiser, and how its rate goes.

    schedule: `cosine` rises over the share `warmup` of the budget, then falls to 0; `staircase` multiplies the rate by
    `decay` after every `decay_epochs`. clip_norm: a gradient (of all weights together) that is longer is shortened to
    this. ema_half_life: so many examples after a step, its weights count half in the exponential moving average, which
    is then what is evaluated and saved.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    rate: float = 2e-3
    weight_decay: float = 0.01  # Weights decay, biases do not; adamw: decoupled from the gradient, sgd: L2.
    momentum: float = 0.9  # Only sgd has one.
    schedule: Literal["cosine", "staircase"] = "cosine"
    warmup: float = 0.1
    decay: float = 0.95
    decay_epochs: float = 1.0
    clip_norm: float | None = None
    ema_half_life: float | None = None

    def __post_init__(self) -> None:
        for name in ("rate", "decay_epochs"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be positive")
        for name, what in (("clip_norm", "clipping"), ("ema_half_life", "average")):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"{name} is {value}; it must be positive, or null for no {what}")
        for name in ("warmup", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must lie in [0, 1)")
        if not 0 < self.decay <= 1 or self.weight_decay < 0:
            raise InputError("decay must lie in (0, 1], and weight_decay must not be negative")

    def rate_at(self, seen: float, budget: Budget) -> float:
        """The learning rate after so many examples. A step asks for that of its batch's middle example."""
        if self.schedule == "staircase":
            return self.rate * self.decay ** math.floor(seen / budget.epoch / self.decay_epochs)
        progress = budget.progress(seen)
        if progress < self.warmup:
            return self.rate * progress / self.warmup
        return self.rate * (1 + math.cos(math.pi * (progress - self.warmup) / (1 - self.warmup))) / 2


def make_optimiser(network: nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    """The optimiser of a network's weights (decayed) and biases (not decayed)."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    biases = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": config.weight_decay}, {"params": biases, "weight_decay": 0.0}]
    if config.name == "sgd":
        return torch.optim.SGD(groups, lr=config.rate, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.rate)


def take_step(
    state: TrainingState,
    batch: Batch,
    config: OptimiserConfig,
    loss_config: LossConfig,
    budget: Budget,
    watch: LossWatch,
    processes: Processes = ALONE,
) -> Float32[Tensor, ""]:
    """Move the weights, and their average, by one step of the optimiser; return the loss before it.

    Each of several processes computes its part of the batch, and their gradients are averaged. The loss is weighted so
    that this is the gradient of the mean over the whole batch.
    """
    rate = config.rate_at(state.seen + len(batch) / 2, budget)
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    part, weight = _part(batch, processes)
    loss = weight * loss_of(state.called, part, state.computing, loss_config)
    watch.see(loss, part, state)
    state.optimiser.zero_grad()
    loss.backward()
    if config.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), config.clip_norm)
    state.optimiser.step()
    if state.average is not None and config.ema_half_life is not None:
        move_average(state.average, state.network, state.seen, len(batch), config.ema_half_life)
    state.loss_sum = state.loss_sum.to(loss.device) + loss.detach() / processes.count
    state.step += 1
    state.seen += len(batch)
    return loss.detach()


@torch.no_grad()
def move_average(average: nn.Module, network: nn.Module, seen: int, count: int, half_life: float) -> None:
    """Let the weights after a step on `count` examples into the moving average of all steps before it.

    Weights from which n examples have passed count 2^(−n / half_life), over the sum of these: the average of the first
    step is that step, and no initial weights linger. seen: examples before the step.
    """
    decay = -math.log(2) / half_life
    share = math.expm1(decay * count) / math.expm1(decay * (seen + count))
    for mean, value in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(value, share)


def _part(batch: Batch, processes: Processes) -> tuple[Batch, float]:
    """This process's examples of a batch, and their share of it times the number of processes.

    Without any (the last batch of an epoch may be smaller than the processes are many), an example that counts nothing.
    """
    if processes.count == 1:
        return batch, 1.0
    rows = np.arange(processes.rank, len(batch), processes.count)
    weight = len(rows) * processes.count / len(batch)
    return batch.take(rows if len(rows) else np.zeros(1, dtype=np.int64)), weight
