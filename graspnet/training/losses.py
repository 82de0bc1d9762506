"""What training minimises: soft cross-entropy, smoothed or focused if asked, and a ranking of the grasps of an image.

A plan takes the best of a thousand grasps of one image. Cross-entropy asks that each quality be right by itself; a
ranking loss asks that, within an image, better grasps come first. z is the log odds of a grasp (the second logit minus
the first), p = sigmoid(z) its quality, t its target in [0, 1].
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor
from torch.nn import functional

from graspnet.errors import InputError

__all__ = ["LossConfig", "factored", "listwise_ranking", "pairwise_ranking", "pointwise", "training_loss"]


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """The loss is `pointwise` + ranking_weight · the ranking loss of that name. The defaults are soft cross-entropy.

    factor_weight: of the cross-entropy of the label's factors, for a network that says these, too (`factored`).

    smoothing: ε; a target t becomes (1 − ε) t + ε / 2. focus: γ; an example's cross-entropy is weighted by |t − p|^γ,
    so that those count most which the network has furthest wrong. It is 0 or at least 1: between these, the gradient
    is infinite where p = t.
    """

    smoothing: float = 0.0
    focus: float = 0.0
    ranking: Literal["none", "pairwise", "listwise"] = "none"
    ranking_weight: float = 1.0
    factor_weight: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1:
            raise InputError(f"smoothing is {self.smoothing}; it must lie in [0, 1)")
        if self.focus != 0 and not self.focus >= 1:
            raise InputError(f"focus is {self.focus}; it must be 0 (none) or at least 1")
        if not self.ranking_weight > 0:
            raise InputError(f"ranking_weight is {self.ranking_weight}; it must be positive: ranking=none for none")
        if self.factor_weight < 0:
            raise InputError(f"factor_weight is {self.factor_weight}; it must not be negative")


def training_loss(
    logits: Float32[Tensor, "N 2"], target: Float32[Tensor, "N"], image: Int64[Tensor, "N"], config: LossConfig
) -> Float32[Tensor, ""]:
    """The loss of N examples; `image` numbers the image that each one's grasp belongs to."""
    loss = pointwise(logits, target, config)
    if config.ranking == "none":
        return loss
    return loss + config.ranking_weight * _RANKINGS[config.ranking](logits[:, 1] - logits[:, 0], target, image)


def pointwise(logits: Float32[Tensor, "N 2"], target: Float32[Tensor, "N"], config: LossConfig) -> Float32[Tensor, ""]:
    """Mean of |t − p|^γ · H(t, p), where H(t, p) = −t ln p − (1 − t) ln(1 − p) and t is smoothed.

    With γ = 0 it is soft cross-entropy. With γ > 0 it is the quality focal loss of Li et al., NeurIPS 2020, equation 5,
    which is the focal loss of Lin et al., ICCV 2017 where t is 0 or 1.
    """
    smoothed = (1 - config.smoothing) * target + config.smoothing / 2
    both = torch.stack([1 - smoothed, smoothed], dim=1)
    if config.focus == 0:
        return functional.cross_entropy(logits, both)
    quality = torch.softmax(logits, dim=1)[:, 1]
    return (
        (smoothed - quality).abs() ** config.focus * functional.cross_entropy(logits, both, reduction="none")
    ).mean()


def factored(log_odds: Float32[Tensor, "N 2"], factors: Float32[Tensor, "N 2"]) -> Float32[Tensor, ""]:
    """Mean cross-entropy of the label's factors, of those that are known; a negative one is not. 0 where none is.

    log_odds: of each factor, as `graspnet.training.examples.label.FACTORS` orders them.
    """
    known = factors >= 0
    losses = functional.binary_cross_entropy_with_logits(log_odds, factors.clamp(min=0), reduction="none")
    return (losses * known).sum() / known.sum().clamp(min=1)


def pairwise_ranking(
    log_odds: Float32[Tensor, "N"], target: Float32[Tensor, "N"], image: Int64[Tensor, "N"]
) -> Float32[Tensor, ""]:
    """Mean of ln(1 + exp(z_j − z_i)) over the pairs of one image with t_i > t_j, each weighted by t_i − t_j.

    Pairs that differ more count more, so noise of the labels counts little. 0 without such a pair. RankNet: Burges et
    al., ICML 2005, equation 3.
    """
    better = (target[:, None] - target[None, :]).clamp(min=0) * _same_image(image)
    losses = functional.softplus(log_odds[None, :] - log_odds[:, None])
    return (better * losses).sum() / better.sum().clamp(min=_LEAST)


def listwise_ranking(
    log_odds: Float32[Tensor, "N"], target: Float32[Tensor, "N"], image: Int64[Tensor, "N"]
) -> Float32[Tensor, ""]:
    """Mean over images of −Σ_i (t_i / Σ_j t_j) ln softmax(z)_i, both sums over the grasps of the image.

    It is the cross-entropy between the grasps that deserve to be picked and those that a softmax of the log odds would
    pick. Images whose targets are all 0 and images with a single grasp say nothing and are left out; 0 without any
    other. ListNet, top one: Cao et al., ICML 2007, with targets for scores.
    """
    same = _same_image(image)
    log_share = log_odds - torch.where(same, log_odds[None, :], -torch.inf).logsumexp(dim=1)
    deserved = (same * target[None, :]).sum(dim=1)  # Σ_j t_j of each example's image
    counts = (same.sum(dim=1) > 1) & (deserved > 0)
    losses = -target * log_share / deserved.clamp(min=_LEAST)
    images = (counts / same.sum(dim=1)).sum()  # each example is one of its image's
    return (losses * counts).sum() / images.clamp(min=_LEAST)


_LEAST = 1e-12  # stands for a sum of weights that is 0, above which there is 0 too
_RANKINGS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "pairwise": pairwise_ranking,
    "listwise": listwise_ranking,
}


def _same_image(image: Int64[Tensor, "N"]) -> Bool[Tensor, "N N"]:
    return image[:, None] == image[None, :]
