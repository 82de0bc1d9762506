"""`compact`: ours, for any camera and any hand; the default that ships.

    metric crop (2, 64, 64) ─ conv 6/2 ─ conv 4/2 ─ conv 3 ─ conv 3 ─ fc ─┐
    11 pose numbers ─────────────────────────────────────────────── fc ─┴─ fc ─ 2 logits

No convolution is padded and the total stride is 4, so the same weights slide over a whole image and give, in each
cell, exactly what the crop there gives. No batch statistics either: what is trained is what runs.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from graspnet.crops.metric import MetricCropConfig
from graspnet.crops.pose_layout import COUNT
from graspnet.errors import InputError
from graspnet.models.network import GraspNetwork, he_initialise

__all__ = ["CompactConfig", "CompactNetwork"]

SMALLEST_DEVIATION = 0.1  # a number that never varies in training, such as the one hand's sizes, must not explode later


@dataclass(frozen=True, kw_only=True)
class CompactConfig:
    """Sizes of the network. `channels` are those of the four convolutions (kernels 6, 4, 3, 3; strides 2, 2, 1, 1)."""

    crop: MetricCropConfig = field(default_factory=MetricCropConfig)
    channels: tuple[int, int, int, int] = (16, 32, 48, 32)
    image_features: int = 128
    pose_features: int = 32
    merged_features: int = 128

    def __post_init__(self) -> None:
        if len(self.channels) != 4 or min(self.channels) < 1:
            raise InputError(f"channels is {self.channels}; it must be four positive numbers")
        if self.crop.size % 4 or self.crop.size < 24:
            raise InputError(f"crop.size is {self.crop.size}; it must be a multiple of 4, the stride, and at least 24")


class CompactNetwork(GraspNetwork):
    """Four valid convolutions on (height over the grasp in units of w, valid), the pose numbers, and a merge."""

    def __init__(self, config: CompactConfig, generator: torch.Generator) -> None:
        super().__init__(config, config.crop, channels=2, pose_inputs=COUNT)
        first, second, third, fourth = config.channels
        self.image_stream = nn.Sequential(
            nn.Conv2d(2, first, 6, stride=2), nn.ReLU(),
            nn.Conv2d(first, second, 4, stride=2), nn.ReLU(),
            nn.Conv2d(second, third, 3), nn.ReLU(),
            nn.Conv2d(third, fourth, 3), nn.ReLU(),
        )  # fmt: skip
        side = config.crop.size // 4 - 6  # 64 -> 30 -> 14 -> 12 -> 10
        self.image_features = nn.Linear(fourth * side**2, config.image_features)
        self.pose_features = nn.Linear(COUNT, config.pose_features)
        self.merged_features = nn.Linear(config.image_features + config.pose_features, config.merged_features)
        self.output = nn.Linear(config.merged_features, 2)
        he_initialise(self, generator)

    def forward(self, images: Float32[Tensor, "N C S S"], pose: Float32[Tensor, "N F"]) -> Float32[Tensor, "N 2"]:
        """Logits; class 1 = the grasp holds."""
        features = self.image_stream((images - self.image_mean) / self.image_deviation)
        image_features = torch.relu(self.image_features(features.flatten(1)))
        pose_features = torch.relu(self.pose_features((pose - self.pose_mean) / self.pose_deviation))
        merged = torch.relu(self.merged_features(torch.cat([image_features, pose_features], dim=1)))
        return self.output(merged).float()

    def fit_normalisation(self, images: Float32[Tensor, "N C S S"], pose: Float32[Tensor, "N F"]) -> None:
        """Mean and deviation of each channel and of each pose number; deviations are at least 0.1."""
        pixels = images.double().transpose(0, 1).flatten(1)
        self.image_mean.copy_(pixels.mean(1)[:, None, None])
        self.image_deviation.copy_(pixels.std(1).clamp(min=SMALLEST_DEVIATION)[:, None, None])
        self.pose_mean.copy_(pose.double().mean(0))
        self.pose_deviation.copy_(pose.double().std(0).clamp(min=SMALLEST_DEVIATION))
