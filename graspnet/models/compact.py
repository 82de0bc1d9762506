"""`compact`: ours, for any camera and any hand; the default that ships.

    metric crop (2, 64, 64) ─ conv 6/2 ─ conv 4/2 ─ conv 3 ─ conv 3 ─ fc ─┐
    11 pose numbers ─────────────────────────────────────────────── fc ─┴─ fc ─ 2 logits

No convolution is padded and the total stride is 4, so the same weights slide over a whole image and give, in each
cell, exactly what the crop there gives. No batch statistics either: what is trained is what runs. Every option of the
config keeps this, but for `pose_correction`, which turns each crop by itself.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from graspnet.crops.metric import MetricCropConfig
from graspnet.crops.pose_layout import COUNT, HAND
from graspnet.errors import InputError
from graspnet.models.network import GraspNetwork, he_initialise
from graspnet.models.sliding import GatedBlock, PoseCorrection, plain_block

__all__ = ["CompactConfig", "CompactNetwork", "WithFactors"]

SMALLEST_DOUBT = 1e-6  # of a quality that is a product: ln(1 − quality) must stay finite
SMALLEST_DEVIATION = 0.1  # a number that never varies in training, such as the one hand's sizes, must not explode later


@dataclass(frozen=True, kw_only=True)
class CompactConfig:
    """Sizes and options of the network; the defaults are those of the weights that ship.

    channels: of the four convolutions (kernels 6, 4, 3, 3; strides 2, 2, 1, 1). width: factor of all channels and
    features. blocks: how many pairs of 3x3 convolutions follow the strided ones. residual: around each pair goes its
    cropped input (He et al., CVPR 2016). squeeze_excite: each pair's outputs are scaled by what the pair sees (Hu et
    al., CVPR 2018, but over the pair's own field of view, so that it slides). dilation: cells between the taps of the
    3x3 kernels. curtain_channel: heights of what was not measured have a channel of their own. hand_numbers: whether
    the network sees the sizes of the hand. pose_correction: a spatial transformer moves the crop first (Jaderberg et
    al., NeurIPS 2015); such a network does not slide. A crop with a `fine_window` has convolutions of its own for it.
    factors: whether the network learns what its label is the product of, closure and clearance. `auxiliary`: beside the
    quality, from the same features. `product`: the quality is their product.
    """

    kind: Literal["compact"] = "compact"
    crop: MetricCropConfig = field(default_factory=MetricCropConfig)
    channels: tuple[int, int, int, int] = (16, 32, 48, 32)
    width: float = 1.0
    blocks: int = 1
    residual: bool = False
    squeeze_excite: bool = False
    dilation: int = 1
    curtain_channel: bool = False
    hand_numbers: bool = True
    pose_correction: bool = False
    factors: Literal["none", "auxiliary", "product"] = "none"
    image_features: int = 128
    pose_features: int = 32
    merged_features: int = 128

    def __post_init__(self) -> None:
        if len(self.channels) != 4 or min(self.channels) < 1:
            raise InputError(f"channels is {self.channels}; it must be four positive numbers")
        for name in ("blocks", "dilation", "image_features", "pose_features", "merged_features"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not self.width > 0:
            raise InputError(f"width is {self.width}; it must be positive")
        if self.pose_correction and self.crop.fine_window:
            raise InputError("pose_correction moves one window; it needs crop.fine_window = 0")
        if self.crop.size % 4:
            raise InputError(f"crop.size is {self.crop.size}; it must be a multiple of 4, the stride")
        if self.side < 1:
            least = self.crop.size + 4 * (1 - self.side)
            raise InputError(
                f"crop.size is {self.crop.size}; with blocks = {self.blocks} and dilation = {self.dilation} it must be "
                f"at least {least}"
            )

    @property
    def side(self) -> int:
        """Rows and columns of the image stream's last layer: with the defaults 64 -> 30 -> 14 -> 12 -> 10."""
        return self.crop.size // 4 - 2 - 4 * self.dilation * self.blocks

    @property
    def planes(self) -> int:
        """Channels that a window's first convolution sees."""
        return 3 if self.curtain_channel else 2

    def scaled(self, count: int) -> int:
        """A number of channels or features times the width."""
        return max(1, round(self.width * count))


class CompactNetwork(GraspNetwork):
    """Valid convolutions on (height over the grasp in units of w, measured), the pose numbers, and a merge."""

    seen_numbers: Tensor  # 1 for a pose number that the network sees, else 0

    def __init__(self, config: CompactConfig, generator: torch.Generator) -> None:
        windows = len(config.crop.windows)
        super().__init__(config, config.crop, channels=windows * config.planes, pose_inputs=COUNT)
        seen = torch.ones(COUNT)
        if not config.hand_numbers:
            seen[HAND] = 0.0
        self.register_buffer("seen_numbers", seen, persistent=False)
        image_features, pose_features, merged_features = map(
            config.scaled, (config.image_features, config.pose_features, config.merged_features)
        )
        self.image_stream = nn.Sequential(*_convolutions(config))
        self.fine_stream = nn.Sequential(*_convolutions(config)) if windows > 1 else None
        flat = windows * config.scaled(config.channels[-1]) * config.side**2
        self.image_features = nn.Linear(flat, image_features)
        self.pose_features = nn.Linear(COUNT, pose_features)
        self.merged_features = nn.Linear(image_features + pose_features, merged_features)
        self.output = nn.Linear(merged_features, 2)
        self.factors = nn.Linear(merged_features, 2) if config.factors == "auxiliary" else None
        self.pose_correction = PoseCorrection(config.planes, config.crop) if config.pose_correction else None
        he_initialise(self, generator)
        if self.pose_correction is not None:
            self.pose_correction.begin_with_none()

    def forward(self, images: Float32[Tensor, "N C S S"], pose: Float32[Tensor, "N F"]) -> Float32[Tensor, "N 2"]:
        """Logits; class 1 = the grasp holds."""
        return self.merged(self._image_features(images), pose)

    def with_factors(
        self, images: Float32[Tensor, "N C S S"], pose: Float32[Tensor, "N F"]
    ) -> tuple[Float32[Tensor, "N 2"], Float32[Tensor, "N 2"]]:
        """Logits, and the log odds of the label's factors. The network was made with `factors`."""
        features = self._merged_features(self._image_features(images), pose)
        log_odds = (self.output if self.factors is None else self.factors)(features).float()
        return self._logits(features), log_odds

    def normalised(self, images: Float32[Tensor, "N C H W"]) -> Float[Tensor, "N P H W"]:
        """What the convolutions see of crops, or of images of any size."""
        return (self._planes(images) - self.image_mean) / self.image_deviation

    def merged(self, image_features: Float[Tensor, "*N D"], pose: Float32[Tensor, "*N F"]) -> Float32[Tensor, "*N 2"]:
        """Logits from what the first fully connected layer says of each crop, before its rectifier."""
        return self._logits(self._merged_features(image_features, pose))

    def _image_features(self, images: Float32[Tensor, "N C S S"]) -> Tensor:
        """What the first fully connected layer says of each crop, (N, D)."""
        planes = self.normalised(images)
        if self.pose_correction is not None:
            planes = self.pose_correction(planes)
        return self.image_features(self._features(planes))

    def _merged_features(self, image_features: Float[Tensor, "*N D"], pose: Float32[Tensor, "*N F"]) -> Tensor:
        """What the last hidden layer says of each crop and its pose numbers."""
        numbers = (pose - self.pose_mean) / self.pose_deviation * self.seen_numbers
        both = torch.cat([torch.relu(image_features), torch.relu(self.pose_features(numbers))], dim=-1)
        return torch.relu(self.merged_features(both))

    def _logits(self, merged_features: Float[Tensor, "*N D"]) -> Float32[Tensor, "*N 2"]:
        said = self.output(merged_features).float()
        if self.config.factors != "product":
            return said
        both_hold = functional.logsigmoid(said).sum(dim=-1)  # ln of the product of the factors' probabilities
        return torch.stack([torch.log(-torch.expm1(both_hold.clamp(max=-SMALLEST_DOUBT))), both_hold], dim=-1)

    def fit_normalisation(self, images: Float32[Tensor, "N C S S"], pose: Float32[Tensor, "N F"]) -> None:
        """Mean and deviation of each channel and of each pose number; deviations are at least 0.1."""
        pixels = self._planes(images).double().transpose(0, 1).flatten(1)
        self.image_mean.copy_(pixels.mean(1)[:, None, None])
        self.image_deviation.copy_(pixels.std(1).clamp(min=SMALLEST_DEVIATION)[:, None, None])
        self.pose_mean.copy_(pose.double().mean(0))
        self.pose_deviation.copy_(pose.double().std(0).clamp(min=SMALLEST_DEVIATION))

    def _planes(self, images: Float32[Tensor, "N C H W"]) -> Tensor:
        """Each window's channels; with a curtain channel (height where measured, measured, height where it was not)."""
        if not self.config.curtain_channel:
            return images
        windows = [
            torch.stack([height * measured, measured, height * (1 - measured)], dim=1)
            for height, measured in (window.unbind(1) for window in images.split(2, dim=1))
        ]
        return torch.cat(windows, dim=1)

    def _features(self, planes: Float32[Tensor, "N C S S"]) -> Tensor:
        """What the convolutions say of all windows, (N, L)."""
        if self.fine_stream is None:
            return self.image_stream(planes).flatten(1)
        whole, fine = planes.split(self.config.planes, dim=1)
        return torch.cat([self.image_stream(whole).flatten(1), self.fine_stream(fine).flatten(1)], dim=1)


class WithFactors(nn.Module):
    """A network that answers with its logits and with the log odds of the label's factors, as a training asks."""

    def __init__(self, network: CompactNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, images: Float32[Tensor, "N C S S"], pose: Float32[Tensor, "N F"]
    ) -> tuple[Float32[Tensor, "N 2"], Float32[Tensor, "N 2"]]:
        """Logits, and log odds as `graspnet.training.examples.label.FACTORS` orders them."""
        return self.network.with_factors(images, pose)


def _convolutions(config: CompactConfig) -> list[nn.Module]:
    first, second, third, fourth = map(config.scaled, config.channels)
    layers: list[nn.Module] = [
        nn.Conv2d(config.planes, first, 6, stride=2), nn.ReLU(), nn.Conv2d(first, second, 4, stride=2), nn.ReLU(),
    ]  # fmt: skip
    channels = second
    for _ in range(config.blocks):
        if config.residual or config.squeeze_excite:
            layers.append(GatedBlock(channels, third, fourth, config.dilation, config.residual, config.squeeze_excite))
        else:
            layers += plain_block(channels, third, fourth, config.dilation)
        channels = fourth
    return layers
