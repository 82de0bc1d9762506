"""The GQ-CNNs of Dex-Net 2.0, 3.0 and 4.0: a depth crop and the pose of a grasp to its quality.

    image (1, S, S) ─ conv … conv ─ fc ─┐
    pose  (1 or 2)  ─────────────── fc ─┴─ fc ─ fc ─ 2 logits

The pose is the grasp's depth; networks for suction cups take the angle of the approach, too. Mahler et al., RSS 2017,
ICRA 2018 and Science Robotics 2019; their layers are the configs below. Biases start at 0 and a weight decay leaves
them alone; the originals drew them at random and decayed them, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor, nn

from graspnet.crops.pixel import PixelCropConfig
from graspnet.errors import InputError
from graspnet.models.network import GraspNetwork, he_initialise

__all__ = [
    "GQCNN",
    "PUBLISHED",
    "SMALLEST_DEVIATION",
    "Convolution",
    "GQCNNConfig",
    "LocalResponseNorm",
    "convolution_layers",
    "measured",
]

Padding = Literal["same", "valid"]

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
    """Sizes of one GQ-CNN. pose_inputs: 1, the depth; 2, the depth and the angle of a suction cup's approach."""

    crop: PixelCropConfig
    convolutions: tuple[Convolution, ...]
    padding: Padding
    image_features: int
    pose_inputs: int = 1
    pose_features: int = 16
    merged_features: int


_RELEASED_2_0 = GQCNNConfig(
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
PUBLISHED = {
    "gqcnn_2.0": _RELEASED_2_0,  # the configuration that was released; the paper's lacks the second pool
    "gqcnn_2.0_paper": replace(
        _RELEASED_2_0, convolutions=(*_RELEASED_2_0.convolutions[:3], Convolution(64, 3, normalise=True))
    ),
    "gqcnn_3.0": replace(_RELEASED_2_0, pose_inputs=2, pose_features=128),
    "gqcnn_4.0_pj": GQCNNConfig(
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
    ),
    # The released training configuration. The model folder that was published holds another network, of 631,426
    # parameters: `gqcnn_4.0_pj` with two pose inputs (graspnet/interchange/gqcnn_import.py reads it as it is).
    "gqcnn_4.0_suction": GQCNNConfig(
        crop=PixelCropConfig(window_px=96, size=96),
        convolutions=(
            Convolution(8, 9),
            Convolution(8, 3, pool=True),
            Convolution(8, 3),
            Convolution(8, 3, pool=True),
        ),
        padding="valid",
        image_features=64,
        pose_inputs=2,
        merged_features=64,
    ),
}


class GQCNN(GraspNetwork):
    """A GQ-CNN; the pose is the depth z of the grasp's origin in metres, and where it has two numbers, an angle.

    The angle, in radians, is that between the approach and the optical axis.

    A missing pixel (NaN or 0) enters as the mean depth of the training crops, which is 0 after the normalisation. The
    originals saw 0 m there, or a depth that an inpainting step had made up before.
    """

    def __init__(self, config: GQCNNConfig, generator: torch.Generator) -> None:
        super().__init__(config, config.crop, channels=1, pose_inputs=config.pose_inputs)
        self.image_stream = nn.Sequential(*convolution_layers(config.convolutions, config.padding), nn.Flatten())
        flat = _flat_size(self.image_stream, config.crop.size)
        self.image_features = nn.Linear(flat, config.image_features)
        self.pose_features = nn.Linear(config.pose_inputs, config.pose_features)
        self.merged_features = nn.Linear(config.image_features + config.pose_features, config.merged_features)
        self.output = nn.Linear(config.merged_features, 2)
        he_initialise(self, generator)

    def forward(self, images: Float32[Tensor, "N C S S"], pose: Float32[Tensor, "N F"]) -> Float32[Tensor, "N 2"]:
        """Logits; class 1 = the grasp holds."""
        seen = measured(images)
        normalised = torch.where(seen, (images - self.image_mean) / self.image_deviation, 0.0)
        image_features = torch.relu(self.image_features(self.image_stream(normalised)))
        pose_features = torch.relu(self.pose_features((pose - self.pose_mean) / self.pose_deviation))
        merged = torch.relu(self.merged_features(torch.cat([image_features, pose_features], dim=1)))
        return self.output(merged).float()

    def fit_normalisation(self, images: Float32[Tensor, "N C S S"], pose: Float32[Tensor, "N F"]) -> None:
        """Mean and deviation of the measured pixels, and of each pose number, from crops with their noise."""
        depth = images[measured(images)].double()
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


def convolution_layers(convolutions: Sequence[Convolution], padding: Padding) -> list[nn.Module]:
    """The layers of these convolutions, for images of one channel."""
    layers: list[nn.Module] = []
    channels = 1
    for spec in convolutions:
        layers += [nn.Conv2d(channels, spec.channels, spec.kernel, padding=padding), nn.ReLU()]
        if spec.normalise:
            layers.append(LocalResponseNorm(spec.channels))
        if spec.pool:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))  # as TensorFlow's SAME: an odd size is rounded up
        channels = spec.channels
    return layers


def _flat_size(image_stream: nn.Module, size: int) -> int:
    with torch.no_grad():
        return int(image_stream(torch.zeros(1, 1, size, size)).shape[1])


def measured(images: Float[Tensor, "N 1 H W"]) -> Bool[Tensor, "N 1 H W"]:
    """Which pixels of depth images in metres were measured: neither NaN nor 0."""
    return torch.isfinite(images) & (images > 0)
