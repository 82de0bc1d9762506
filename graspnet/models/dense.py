"""A network of crops as a dense one: the same weights, slid over one large image, judge the grasps of all its windows.

`compact` pads nothing, so each output of its convolutions sees just the cells that it sees in a crop; its first fully
connected layer is a convolution as large as what it sees (Satish et al., RA-L 2019). What a window shares with its
neighbours is computed once. Beside the rounding of sums, cell (i, j) says what the crop says whose first cell is
(4 i, 4 j), the pose numbers of that crop given.
"""

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from graspnet.errors import InputError
from graspnet.models.compact import CompactNetwork
from graspnet.models.fcgqcnn import FCGQCNN
from graspnet.models.network import GraspNetwork
from graspnet.ops.patches import patches

__all__ = ["DenseForm"]


class DenseForm:
    """The dense form of a network; it shares the network's weights.

    stride: cells of the image between neighbouring windows. size: cells along the side of a window.
    InputError: a network that does not slide, and why.
    """

    stride = 4

    def __init__(self, network: GraspNetwork) -> None:
        if not isinstance(network, CompactNetwork):
            reason = (
                "it judges all angles of an image without turning it, and is dense as it is"
                if isinstance(network, FCGQCNN)
                else "its convolutions are padded: at the border of each crop they see zeros that a large image has not"
            )
            raise InputError(f"{type(network).__name__} has no exact dense form: {reason}")
        if network.pose_correction is not None:
            raise InputError("a network with pose_correction has no dense form: it moves each crop by itself")
        if network.fine_stream is not None:
            raise InputError("a network with crop.fine_window has no dense form: its second window has another pitch")
        self.network, self.size, self._side = network, network.crop.size, network.config.side

    def features(self, images: Float32[Tensor, "B C H W"]) -> Float32[Tensor, "B D h w"]:
        """What the convolutions say of large images, before any window is cut."""
        return self.network.image_stream(self.network.normalised(images))

    def windows(self, height: int, width: int) -> tuple[int, int]:
        """How many windows an image has, (rows, columns). InputError: it is smaller than one."""
        if min(height, width) < self.size:
            raise InputError(f"an image of {height} x {width} holds no window of {self.size} x {self.size}")
        return (height - self.size) // self.stride + 1, (width - self.size) // self.stride + 1

    def image_features_at(
        self, features: Float32[Tensor, "B C h w"], window: Int64[Tensor, "N 3"]
    ) -> Float32[Tensor, "N D"]:
        """Output of the first fully connected layer for some windows, before its rectifier.

        window: (image, row, column) of each. `CompactNetwork.merged` turns a row of it and pose numbers into logits; a
        row may serve several grasps.
        """
        every = patches(features, (self._side, self._side))
        image, row, column = window.T
        seen: Tensor = self.network.image_features(every[image, :, row, column].flatten(1))
        return seen

    def logits(
        self, images: Float32[Tensor, "B C H W"], pose: Float32[Tensor, "B rows columns F"]
    ) -> Float32[Tensor, "B rows columns 2"]:
        """Logits of all windows: the fully connected layers as convolutions."""
        layer = self.network.image_features
        kernel = layer.weight.unflatten(1, (-1, self._side, self._side))
        seen = torch.nn.functional.conv2d(self.features(images), kernel, layer.bias)
        return self.network.merged(seen.movedim(1, -1), pose)
