"""Batch normalisation folded into the convolution before it, and its gradient in closed form.

Ioffe & Szegedy, ICML 2015: y = γ (x − μ) / √(σ² + ε) + β, with the mean μ and the variance σ² over batch and pixels.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from graspnet.ops.convolution import Convolution

__all__ = ["batch_norm_gradient", "fold_batch_norm"]


def fold_batch_norm(
    layer: Convolution,
    gamma: Float[Tensor, "F"],
    beta: Float[Tensor, "F"],
    mean: Float[Tensor, "F"],
    variance: Float[Tensor, "F"],
    epsilon: float = 1e-5,
) -> Convolution:
    """The layer with a trained normalisation of its outputs in its own kernel and bias: one operation fewer."""
    scale = gamma / torch.sqrt(variance + epsilon)
    return replace(layer, kernel=layer.kernel * scale[:, None, None, None], bias=(layer.bias - mean) * scale + beta)


def batch_norm_gradient(
    x: Float[Tensor, "N F H W"], gamma: Float[Tensor, "F"], dy: Float[Tensor, "N F H W"], epsilon: float = 1e-5
) -> tuple[Float[Tensor, "N F H W"], Float[Tensor, "F"], Float[Tensor, "F"]]:
    """(dx, dγ, dβ) of a normalisation by the batch's own statistics, from the loss's gradient dy.

    With x̂ = (x − μ) / √(σ² + ε) and means over the M values of a channel: dβ = Σ dy, dγ = Σ dy x̂ and
    dx = γ / √(σ² + ε) (dy − mean(dy) − x̂ mean(dy x̂)).
    """
    over = (0, 2, 3)
    variance, mean = torch.var_mean(x, dim=over, correction=0, keepdim=True)
    deviation = torch.sqrt(variance + epsilon)
    normal = (x - mean) / deviation
    scale = gamma[:, None, None] / deviation
    dx = scale * (dy - dy.mean(over, keepdim=True) - normal * (dy * normal).mean(over, keepdim=True))
    return dx, (dy * normal).sum(over), dy.sum(over)
