"""The GQ-CNNs of Dex-Net 2.0 and 4.0 as released: a depth crop and the grasp's depth to the quality of the grasp.

    image (1, S, S) ─ conv … conv ─ fc ─┐
    depth of grasp  (1)  ─────────── fc ─┴─ fc ─ fc ─ 2 logits

Mahler et al., RSS 2017 and Science Robotics 2019; their layers are the configs below. Biases start at 0 and
a weight decay leaves them alone; the originals drew them at random and decayed them, too.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from graspnet.crops.pixel import PixelCropConfig
from graspnet.errors import InputError
from graspnet.models.network import GraspNetwork, he_initialise

__all__ = ["GQCNN", "GQCNN_2_0", "GQCNN_4_0_PARALLEL_JAW", "Convolution", "GQCNNConfig", "LocalResponseNorm"]

SMALLEST_DEVIATION = 1e-3  # m: a constant input is shifted to 0, not divided by 0


@dataclass(frozen=True)
class Convolution:
    """conv, ReLU, then (where asked for) local response normalisation and a 2x2 maximum."""

    channels: int
    kernel: int
    normalise: bool = False
    pool: bool = False

    def __post_init__(self) -> None:
        if self.kernel < 1 or self.kernel % 2 == 0 or self.channels < 1:
            raise InputError(f"convolution is {self}; channels must be positive and the kernel odd")


@dataclass(frozen=True, kw_only=True)
class GQCNNConfig:
    """Sizes of one GQ-CNN."""

    crop: PixelCropConfig
    convolutions: tuple[Convolution, ...]
    padding: Literal["same", "valid"]
    image_features: int
    pose_inputs: int = 1
    pose_features: int = 16
    merged_features: int


GQCNN_2_0 = GQCNNConfig(
    crop=PixelCropConfig(window_px=96, size=32),
    convolutions=(
        Convolution(64, 7),
        Convolution(64, 5, normalise=True, pool=True),
        Convolution(64, 3),
        Convolution(64, 3, normalise=True, pool=True),
    ),
    padding="same",
    image_features=1024,
    merged_features=1024,
)
GQCNN_4_0_PARALLEL_JAW = GQCNNConfig(
    crop=PixelCropConfig(window_px=96, size=96),
    convolutions=(
        Convolution(16, 9),
        Convolution(16, 5, pool=True),
        Convolution(16, 5),
        Convolution(16, 5, pool=True),
    ),
    padding="valid",
    image_features=128,
    merged_features=128,
)


class GQCNN(GraspNetwork):
    """A GQ-CNN; the pose is the depth z of the grasp's origin in metres.

    A missing pixel (NaN or 0) enters as the mean depth of the training crops, which is 0 after the normalisation. The
    originals saw 0 m there, or a depth that an inpainting step had made up before.
    """

    def __init__(self, config: GQCNNConfig, generator: torch.Generator) -> None:
        super().__init__(config, config.crop, channels=1, pose_inputs=config.pose_inputs)
        self.image_stream = nn.Sequential(*_convolutions(config), nn.Flatten())
        flat = _flat_size(self.image_stream, config.crop.size)
        self.image_features = nn.Linear(flat, config.image_features)
        self.pose_features = nn.Linear(config.pose_inputs, config.pose_features)
        self.merged_features = nn.Linear(config.image_features + config.pose_features, config.merged_features)
        self.output = nn.Linear(config.merged_features, 2)
        he_initialise(self, generator)

    def forward(self, images: Float32[Tensor, "N C S S"], pose: Float32[Tensor, "N F"]) -> Float32[Tensor, "N 2"]:
        """Logits; class 1 = the grasp holds."""
        seen = _measured(images)
        normalised = torch.where(seen, (images - self.image_mean) / self.image_deviation, 0.0)
        image_features = torch.relu(self.image_features(self.image_stream(normalised)))
        pose_features = torch.relu(self.pose_features((pose - self.pose_mean) / self.pose_deviation))
        merged = torch.relu(self.merged_features(torch.cat([image_features, pose_features], dim=1)))
        return self.output(merged).float()

    def fit_normalisation(self, images: Float32[Tensor, "N C S S"], pose: Float32[Tensor, "N F"]) -> None:
        """Mean and deviation of the measured pixels, and of each pose number, from crops with their noise."""
        depth = images[_measured(images)].double()
        if depth.numel() < 2:
            raise InputError("the training crops hold no measured pixel; is the sensor right for these images?")
        self.image_mean.fill_(depth.mean())
        self.image_deviation.fill_(depth.std().clamp(min=SMALLEST_DEVIATION))
        self.pose_mean.copy_(pose.double().mean(0))
        self.pose_deviation.copy_(pose.double().std(0).clamp(min=SMALLEST_DEVIATION))


class LocalResponseNorm(nn.Module):
    """x / (1 + α Σ x²)^β over the two channels on either side; Krizhevsky et al., NeurIPS 2012.

    α = 2e-5 multiplies the sum, as in TensorFlow (`torch.nn.LocalResponseNorm` divides its α by the window's length).
    The sum is a product with a banded matrix, several times faster on a CPU than torch's padded average.
    """

    radius, alpha, beta = 2, 2e-5, 0.75
    band: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        index = torch.arange(channels)
        band = ((index[:, None] - index[None]).abs() <= self.radius).float()
        self.register_buffer("band", band[:, :, None, None], persistent=False)

    def forward(self, features: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        """The features, damped where their neighbours are large."""
        neighbours = nn.functional.conv2d(features.square(), self.band)
        return features * (1.0 + self.alpha * neighbours).pow(-self.beta)


def _convolutions(config: GQCNNConfig) -> list[nn.Module]:
    layers: list[nn.Module] = []
    channels = 1
    for spec in config.convolutions:
        layers += [nn.Conv2d(channels, spec.channels, spec.kernel, padding=config.padding), nn.ReLU()]
        if spec.normalise:
            layers.append(LocalResponseNorm(spec.channels))
        if spec.pool:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))  # as TensorFlow's SAME: an odd size is rounded up
        channels = spec.channels
    return layers


def _flat_size(image_stream: nn.Module, size: int) -> int:
    with torch.no_grad():
        return int(image_stream(torch.zeros(1, 1, size, size)).shape[1])


def _measured(images: Float32[Tensor, "N C S S"]) -> Tensor:
    return torch.isfinite(images) & (images > 0)
