"""Layers without padding: what they say of a window is what they say of a larger image there.

A dense network stands on that: the same weights, slid over a whole image, give in each cell what the crop there gives.
`PoseCorrection` alone breaks it, since it moves each crop by itself.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graspnet.crops.metric import MetricCropConfig
from graspnet.ops.affine import affine_grid, bilinear_sample

__all__ = ["GatedBlock", "PoseCorrection", "plain_block"]

REDUCTION = 4  # a gate decides from so many times fewer numbers than there are channels
LARGEST_SHIFT = 0.15  # in w, the gripper's max_width, along both axes
LARGEST_TURN = math.radians(15.0)


def plain_block(channels: int, middle: int, outputs: int, dilation: int) -> list[nn.Module]:
    """Two 3x3 convolutions, each with a rectifier."""
    first, second = (nn.Conv2d(*sizes, 3, dilation=dilation) for sizes in ((channels, middle), (middle, outputs)))
    return [first, nn.ReLU(), second, nn.ReLU()]


class GatedBlock(nn.Module):
    """Two 3x3 convolutions whose outputs may be scaled by a gate, and to which their input may be added.

    y = relu(gate(x) · conv(relu(conv(x))) + shortcut(x)). The shortcut is the input without the cells at its border
    that the convolutions use up, by a 1x1 convolution where the numbers of channels differ (He et al., CVPR 2016). The
    gate is the sigmoid of two 1x1 convolutions on the mean of x over what the convolutions see of it. Squeeze-and-
    excitation (Hu et al., CVPR 2018) takes the mean of the whole image, which would not slide.
    """

    def __init__(
        self, channels: int, middle: int, outputs: int, dilation: int, residual: bool, squeeze_excite: bool
    ) -> None:
        super().__init__()
        self.margin = 2 * dilation
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, middle, 3, dilation=dilation),
            nn.ReLU(),
            nn.Conv2d(middle, outputs, 3, dilation=dilation),
        )
        self.shortcut = _shortcut(channels, outputs) if residual else None
        self.gate = _gate(channels, outputs, 2 * self.margin + 1) if squeeze_excite else None

    def forward(self, features: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        """The block's outputs: 4 dilation rows and columns fewer than it was given."""
        outputs = self.convolutions(features)
        if self.gate is not None:
            outputs = self.gate(features) * outputs
        if self.shortcut is not None:
            inner = slice(self.margin, -self.margin)
            outputs = outputs + self.shortcut(features[:, :, inner, inner])
        return torch.relu(outputs)


class PoseCorrection(nn.Module):
    """A spatial transformer: a small network looks at each crop and says how to turn and shift it before it is judged.

    The turn is at most 15° about the crop's middle, the shift at most 0.15 w along each axis; what then lies outside of
    the crop is 0, the mean of training crops. Jaderberg et al., NeurIPS 2015.
    """

    def __init__(self, channels: int, crop: MetricCropConfig) -> None:
        super().__init__()
        self.largest_shift = LARGEST_SHIFT / crop.window * crop.size  # in cells
        side = (crop.size // 4 - 3) // 2 - 1  # of what looks, at its end: 64 -> 16 -> 7 -> 5
        self.look = nn.Sequential(
            nn.AvgPool2d(4),
            nn.Conv2d(channels, 8, 3, stride=2), nn.ReLU(),
            nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(),
        )  # fmt: skip
        self.say = nn.Linear(8 * side**2, 3)

    def begin_with_none(self) -> None:
        """Set the weights so that every correction is 0."""
        nn.init.zeros_(self.say.weight)
        nn.init.zeros_(self.say.bias)

    def forward(self, planes: Float[Tensor, "N C S S"]) -> Float[Tensor, "N C S S"]:
        """The crops, moved."""
        size = planes.shape[-1]
        turn, shift = torch.tanh(self.say(self.look(planes))).float().split([1, 2], dim=1)
        angle = LARGEST_TURN * turn[:, 0]
        linear = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(-1, 2, 2)
        middle = (size - 1) / 2
        offset = middle + self.largest_shift * shift - middle * linear.sum(2)
        source_from_target = torch.cat([linear, offset[:, :, None]], dim=2)
        return bilinear_sample(planes, affine_grid(source_from_target, size, size))


def _shortcut(channels: int, outputs: int) -> nn.Module:
    return nn.Identity() if channels == outputs else nn.Conv2d(channels, outputs, 1)


def _gate(channels: int, outputs: int, extent: int) -> nn.Module:
    squeezed = max(1, channels // REDUCTION)
    return nn.Sequential(
        nn.AvgPool2d(extent, stride=1), nn.Conv2d(channels, squeezed, 1), nn.ReLU(), nn.Conv2d(squeezed, outputs, 1),
        nn.Sigmoid(),
    )  # fmt: skip
