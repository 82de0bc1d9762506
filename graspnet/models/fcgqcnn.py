"""FC-GQ-CNN, parallel jaw: the layers of `gqcnn_4.0_pj` without a pose stream, so that they slide over a whole image.

    image − depth of the grasp (1, H, W) ─ conv … conv ─ conv 17 ─ conv 1 ─ conv 1 ─ 2 logits for each of 16 angles

The image is not turned: half a circle of closing angles is cut into bins, each with logits of its own. On a crop of 96
pixels there is one cell; on a larger image cell (i, j) sees the window whose first pixel is (4 i, 4 j), for the one
depth that was subtracted. Satish et al., RA-L 2019.
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

from graspnet.crops.pixel import PixelCropConfig
from graspnet.errors import InputError
from graspnet.models.gqcnn import PUBLISHED, SMALLEST_DEVIATION, Convolution, convolution_layers, measured
from graspnet.models.network import GraspNetwork, he_initialise

__all__ = ["FCGQCNN", "FCGQCNNConfig", "angle_bin"]


@dataclass(frozen=True, kw_only=True)
class FCGQCNNConfig:
    """Sizes of the network; the defaults are those that were published. angle_bins: over half a circle."""

    pose_inputs: ClassVar[int] = 2  # depth and angle

    crop: PixelCropConfig = field(default_factory=lambda: PixelCropConfig(window_px=96, size=96, turned=False))
    convolutions: tuple[Convolution, ...] = PUBLISHED["gqcnn_4.0_pj"].convolutions
    image_features: int = 128
    merged_features: int = 128
    angle_bins: int = 16

    def __post_init__(self) -> None:
        if self.crop.turned or self.angle_bins < 1:
            raise InputError(
                f"crop.turned is {self.crop.turned}, angle_bins {self.angle_bins}; expected false, and ≥ 1"
            )

    @property
    def stride(self) -> int:
        """Pixels between the windows of neighbouring cells: each pool doubles it."""
        return 2 ** sum(each.pool for each in self.convolutions)


class FCGQCNN(GraspNetwork):
    """A fully convolutional GQ-CNN; the pose is the depth z of the grasp's origin (metres), and its angle in the image.

    A missing pixel enters as the mean of training, as in `GQCNN`.
    """

    def __init__(self, config: FCGQCNNConfig, generator: torch.Generator) -> None:
        super().__init__(config, config.crop, channels=1, pose_inputs=config.pose_inputs)
        self.image_stream = nn.Sequential(*convolution_layers(config.convolutions, "valid"))
        with torch.no_grad():
            _, channels, side, _ = self.image_stream(torch.zeros(1, 1, config.crop.size, config.crop.size)).shape
        self.image_features = nn.Conv2d(channels, config.image_features, side)
        self.merged_features = nn.Conv2d(config.image_features, config.merged_features, 1)
        self.output = nn.Conv2d(config.merged_features, 2 * config.angle_bins, 1)
        he_initialise(self, generator)

    def forward(self, images: Float32[Tensor, "N C S S"], pose: Float32[Tensor, "N F"]) -> Float32[Tensor, "N 2"]:
        """Logits of each crop's middle, in the bin of its grasp's angle; class 1 = the grasp holds."""
        logits = self.dense(images, pose[:, 0])[..., 0, 0]
        return logits[torch.arange(len(pose)), angle_bin(pose[:, 1], self.config.angle_bins)]

    def dense(self, images: Float32[Tensor, "N 1 H W"], depth: Float32[Tensor, "N"]) -> Float32[Tensor, "N A 2 h w"]:
        """Logits in all cells and angle bins, of images in metres and one depth for each."""
        relative = images - depth[:, None, None, None]
        normalised = torch.where(measured(images), (relative - self.image_mean) / self.image_deviation, 0.0)
        features = torch.relu(self.image_features(self.image_stream(normalised)))
        logits: Tensor = self.output(torch.relu(self.merged_features(features))).float()
        return logits.unflatten(1, (self.config.angle_bins, 2))

    def fit_normalisation(self, images: Float32[Tensor, "N C S S"], pose: Float32[Tensor, "N F"]) -> None:
        """Mean and deviation of the measured pixels beyond the grasp's depth, from crops with their noise."""
        relative = (images - pose[:, :1, None, None])[measured(images)].double()
        if relative.numel() < 2:
            raise InputError("the training crops hold no measured pixel; is the sensor right for these images?")
        self.image_mean.fill_(relative.mean())
        self.image_deviation.fill_(relative.std().clamp(min=SMALLEST_DEVIATION))


def angle_bin(angle: Float[Tensor, "N"], bins: int) -> Int64[Tensor, "N"]:
    """The bin of each closing angle (from +u towards +v, radians): bin i has its centre at π/2 − (i + ½) π / bins."""
    return ((math.pi / 2 - angle) / (math.pi / bins)).floor().long() % bins
