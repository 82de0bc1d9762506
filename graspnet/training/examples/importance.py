"""Which examples an epoch shows, by what the network last made of each: those that it knows already teach little.

The length of an example's gradient is the best importance there is (Katharopoulos & Fleuret, ICML 2018, section 3.2),
and too costly to know of each. Three stand-ins come with the forward pass. p is the quality, t the target, H the
cross-entropy:

    loss    H(t, p)
    excess  H(t, p) − H(t, t): of a soft target, the loss has a part that no network can remove
    error   √2 |p − t|: the gradient by the two logits, from which the paper bounds the whole gradient
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from graspnet.errors import InputError
from graspnet.models.network import GraspNetwork

__all__ = ["STAND_INS", "Draw", "ImportanceConfig", "draw", "gradient_norms", "stand_ins"]

STAND_INS = ("loss", "excess", "error")
CHUNK = 32  # gradients that are in memory at a time: 2 MB each of `compact`


@dataclass(frozen=True, kw_only=True)
class ImportanceConfig:
    """How an epoch is drawn. The first `transient_epochs` show every example once; then come as many draws.

    by: what an example is drawn in proportion to. Biased: the share `drop` of the lowest is left out, but the share
    `bring_back` of all examples is taken from these, at random. Unbiased: nothing is left out, `uniform_share` of the
    draws are uniform, and weights 1 / (N p) undo the choice; none is above 1 / uniform_share.
    """

    by: Literal["loss", "excess", "error"] = "loss"
    unbiased: bool = False
    transient_epochs: int = 1
    drop: float = 0.1
    bring_back: float = 0.01
    uniform_share: float = 0.1

    def __post_init__(self) -> None:
        if self.transient_epochs < 1:
            raise InputError(f"transient_epochs is {self.transient_epochs}; it must be at least 1: losses come first")
        if not 0 <= self.bring_back <= self.drop < 1:
            raise InputError(
                f"bring_back is {self.bring_back} and drop {self.drop}; expected 0 <= bring_back <= drop < 1"
            )
        if not 0 < self.uniform_share <= 1:
            raise InputError(f"uniform_share is {self.uniform_share}; it must lie in (0, 1]")


@dataclass(frozen=True)
class Draw:
    """The examples of an epoch in random order, some of them several times, and what each one's loss counts."""

    examples: Int64[np.ndarray, "N"]
    weights: Float64[np.ndarray, "N"]


def draw(importance: Float64[np.ndarray, "N"], config: ImportanceConfig, rng: np.random.Generator) -> Draw:
    """As many examples as there are, by the importance of each. InputError: one is negative or not finite."""
    if not (np.isfinite(importance) & (importance >= 0)).all():
        raise InputError("an importance is negative or not finite: has the loss exploded?")
    count = len(importance)
    if config.unbiased:
        chance = (1 - config.uniform_share) * _shares(importance) + config.uniform_share / count
        examples = rng.choice(count, count, p=chance)
        return Draw(examples, 1 / (count * chance[examples]))
    lowest = np.argsort(importance, kind="stable")[: round(config.drop * count)]
    brought_back = rng.choice(lowest, round(config.bring_back * count), replace=False)
    kept = importance.copy()
    kept[lowest] = 0.0
    by_importance = rng.choice(count, count - len(brought_back), p=_shares(kept))
    return Draw(rng.permutation(np.concatenate([by_importance, brought_back])), np.ones(count))


def stand_ins(logits: Float32[Tensor, "N 2"], target: Float32[Tensor, "N"]) -> dict[str, Float32[Tensor, "N"]]:
    """The stand-ins for the length of the gradient, by name."""
    both = torch.stack([1 - target, target], dim=1)
    loss = functional.cross_entropy(logits, both, reduction="none")
    excess = (loss + torch.xlogy(both, both).sum(dim=1)).clamp(min=0)
    error = 2**0.5 * (torch.softmax(logits, dim=1)[:, 1] - target).abs()
    return dict(zip(STAND_INS, (loss, excess, error), strict=True))


def gradient_norms(
    network: GraspNetwork,
    images: Float32[Tensor, "N C S S"],
    pose: Float32[Tensor, "N F"],
    target: Float32[Tensor, "N"],
) -> Float32[Tensor, "N"]:
    """The length of the gradient of each example's cross-entropy by all weights."""
    weights = {name: value.detach() for name, value in network.named_parameters()}
    buffers = dict(network.named_buffers())

    def loss(weights: dict[str, Tensor], image: Tensor, numbers: Tensor, wanted: Tensor) -> Tensor:
        logits = functional_call(network, (weights, buffers), (image[None], numbers[None]))
        return functional.cross_entropy(logits, torch.stack([1 - wanted, wanted])[None])

    def norm(image: Tensor, numbers: Tensor, wanted: Tensor) -> Tensor:
        gradients = grad(loss)(weights, image, numbers, wanted)
        return torch.stack([value.square().sum() for value in gradients.values()]).sum().sqrt()

    return vmap(norm, chunk_size=CHUNK)(images, pose, target)


def _shares(importance: Float64[np.ndarray, "N"]) -> Float64[np.ndarray, "N"]:
    """Chances in proportion to the importance; equal ones where all of it is 0."""
    total = importance.sum()
    return importance / total if total > 0 else np.full(len(importance), 1 / len(importance))
