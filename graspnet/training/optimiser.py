"""How weights move: AdamW with a warm-up and a cosine, or the originals' SGD with a staircase."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from graspnet.errors import InputError

__all__ = ["OptimiserConfig", "make_optimiser"]


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig:
    """Which optimiser, and how its rate goes.

    schedule: `cosine` rises over the share `warmup` of all steps, then falls to 0; `staircase` multiplies the rate
    by `decay` after every `decay_epochs`.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    rate: float = 2e-3
    weight_decay: float = 0.01  # Weights decay, biases do not; adamw: decoupled from the gradient, sgd: L2.
    momentum: float = 0.9  # Only sgd has one.
    schedule: Literal["cosine", "staircase"] = "cosine"
    warmup: float = 0.1
    decay: float = 0.95
    decay_epochs: float = 1.0

    def __post_init__(self) -> None:
        for name in ("rate", "decay_epochs"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be positive")
        for name in ("warmup", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must lie in [0, 1)")
        if not 0 < self.decay <= 1 or self.weight_decay < 0:
            raise InputError("decay must lie in (0, 1], and weight_decay must not be negative")

    def rate_at(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """The learning rate of one step, counted from 0."""
        if self.schedule == "staircase":
            return self.rate * self.decay ** math.floor(step / steps_per_epoch / self.decay_epochs)
        total = steps_per_epoch * epochs
        rising = self.warmup * total
        if step < rising:
            return self.rate * (step + 1) / (rising + 1)
        return self.rate * (1 + math.cos(math.pi * (step - rising) / (total - rising))) / 2


def make_optimiser(network: nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    """The optimiser of a network's weights (decayed) and biases (not decayed)."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    biases = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": config.weight_decay}, {"params": biases, "weight_decay": 0.0}]
    if config.name == "sgd":
        return torch.optim.SGD(groups, lr=config.rate, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.rate)
