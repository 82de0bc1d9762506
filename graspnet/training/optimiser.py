"""How weights move: over which budget of examples, by which optimiser, at which rate, and averaged over how many.

All of it is told in examples seen, not in steps: two trainings with batches of different sizes, or on datasets of
different sizes, then follow the same curve.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from graspnet.errors import InputError

__all__ = ["Budget", "OptimiserConfig", "make_optimiser", "move_average"]


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
