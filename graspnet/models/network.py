"""What every grasp quality network is: crops and pose numbers in, two logits out; it normalises its own input.

The normalisation is part of the network (buffers, saved with the weights), so that no file of means can be lost or
belong to another model.
"""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from graspnet.crops.crops import CropConfig, GraspCrops
from graspnet.crops.symmetry import mirror_images
from graspnet.errors import InputError

__all__ = ["GraspNetwork", "check_pose_inputs", "he_initialise", "predict", "quality_of"]


class GraspNetwork(nn.Module):
    """The seam of all networks. `crop` is what their images are cut with, `config` what rebuilds them.

    Missing pixels are NaN or 0 in a pixel crop, and (0, 0) in a metric one, whose second channel says so.
    """

    image_mean: Tensor  # (C, 1, 1)
    image_deviation: Tensor
    pose_mean: Tensor  # (F,)
    pose_deviation: Tensor

    def __init__(self, config: Any, crop: CropConfig, channels: int, pose_inputs: int) -> None:
        super().__init__()
        self.config = config
        self.crop = crop
        self.register_buffer("image_mean", torch.zeros(channels, 1, 1))
        self.register_buffer("image_deviation", torch.ones(channels, 1, 1))
        self.register_buffer("pose_mean", torch.zeros(pose_inputs))
        self.register_buffer("pose_deviation", torch.ones(pose_inputs))

    @abstractmethod
    def forward(self, images: Float32[Tensor, "N C S S"], pose: Float32[Tensor, "N F"]) -> Float32[Tensor, "N 2"]:
        """Logits; class 1 = the grasp holds."""

    @abstractmethod
    def fit_normalisation(self, images: Float32[Tensor, "N C S S"], pose: Float32[Tensor, "N F"]) -> None:
        """Set the normalisation from crops as the network will see them (noise included)."""

    def parameter_count(self) -> int:
        """Number of trainable values."""
        return sum(parameter.numel() for parameter in self.parameters())


def check_pose_inputs(name: str, pose_inputs: int, crop: CropConfig) -> None:
    """Refuse a network that asks for other pose numbers than come with a parallel jaw's crops (InputError)."""
    if pose_inputs != crop.pose_features:
        raise InputError(
            f"network {name} takes {pose_inputs} pose numbers, but {crop.pose_features} come with the crop of a "
            "parallel-jaw grasp; it is a network for suction cups, which are not there yet"
        )


def predict(network: GraspNetwork, crops: Iterable[GraspCrops], flip_average: bool = False) -> Float32[Tensor, "N 2"]:
    """Logits of crops that come in batches, in their order: computed where the network is, float32 throughout.

    flip_average: the mean of the logits of a crop and its three mirror images, which takes four times as long.
    """
    device = next(network.parameters()).device
    with torch.inference_mode():
        logits = []
        for batch in crops:
            images = mirror_images(batch, network.crop) if flip_average else [batch]
            seen = [network(each.images.to(device), each.pose.to(device)) for each in images]
            logits.append(torch.stack(seen).mean(dim=0))
        return torch.cat(logits)


def quality_of(logits: Float[Tensor, "N 2"], temperature: float, bias: float = 0.0) -> Float[Tensor, "N"]:
    """softmax(logits / temperature + (0, bias))[1]: the probability that each grasp holds.

    The temperature calibrates against labels, the bias besides against picks.
    """
    return torch.softmax(logits / temperature + logits.new_tensor([0.0, bias]), dim=1)[:, 1]


def he_initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Weights from N(0, 2 / fan_in), biases 0, all drawn from `generator`. He et al., ICCV 2015."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
