"""A trained network that another training starts from: its weights, normalisation and architecture."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graspnet.crops.pixel import PixelCropConfig
from graspnet.errors import InputError
from graspnet.models import CompactConfig, NetworkConfig
from graspnet.models.checkpoint import Checkpoint, load_checkpoint, weights_checksum
from graspnet.models.network import GraspNetwork

__all__ = ["Parent", "load_parent"]

OTHER_LENS = 1.25  # A quarter more of focal length is within what a change of distance does to a crop, too.


@dataclass(frozen=True)
class Parent:
    """The checkpoint, the name it has among people, and the SHA-256 of its weights, which names it for sure."""

    checkpoint: Checkpoint
    name: str
    fingerprint: str

    def network(self) -> GraspNetwork:
        """A copy of its network, to be trained on."""
        return copy.deepcopy(self.checkpoint.network).train()

    def to_json(self) -> dict[str, Any]:
        """What a checkpoint tells of the one that it was made from."""
        return {
            "name": self.name, "fingerprint": self.fingerprint, "metric": self.checkpoint.metric,
            "dataset": self.checkpoint.details.get("dataset", {}),
        }  # fmt: skip


def load_parent(
    source: str | Path, network: NetworkConfig, gripper_kind: str, focal_lengths_px: tuple[float, float]
) -> Parent:
    """The model in a folder, or the one that ships under a name, for a training of that network and kind of gripper.

    The default `compact` takes whatever options the model has. focal_lengths_px: smallest and largest of the cameras in
    that training. InputError: as of `load_checkpoint`, which refuses other versions of the crop; the model is another
    network, or a `compact` with other options than the config says, is of another kind of gripper, takes other pose
    numbers than its crop comes with, or has crops of so many pixels and was trained with another lens.
    """
    checkpoint = load_checkpoint(source)
    if checkpoint.name != network.kind:
        raise InputError(
            f"{source}: is a {checkpoint.name}, and the config trains a {network.kind}; a network's weights fit no "
            f"other: network={checkpoint.name}, or leave out --from"
        )
    if isinstance(network, CompactConfig) and network not in (CompactConfig(), checkpoint.network.config):
        raise InputError(f"{source}: has other options than the config's network; leave them out, or leave out --from")
    if checkpoint.gripper_kind != gripper_kind:
        raise InputError(
            f"{source}: was trained for grippers of kind {checkpoint.gripper_kind}, and the dataset is of "
            f"{gripper_kind}; leave out --from"
        )
    inputs, features = checkpoint.network.pose_mean.numel(), checkpoint.crop.pose_features
    if inputs != features:
        raise InputError(
            f"{source}: takes {inputs} pose numbers, and its crop comes with {features}; train from the start instead"
        )
    _check_lens(checkpoint, focal_lengths_px, source)
    return Parent(checkpoint, Path(source).name, weights_checksum(source))


def _check_lens(checkpoint: Checkpoint, focal_lengths_px: tuple[float, float], source: str | Path) -> None:
    """A crop of so many pixels spans another length behind another lens; one in units of the hand does not."""
    camera = checkpoint.details.get("camera", {})
    if not isinstance(checkpoint.crop, PixelCropConfig) or "focal_length_px" not in camera:
        return
    (low, high), (own_low, own_high) = focal_lengths_px, camera["focal_length_px"]
    if high * OTHER_LENS < own_low or low > own_high * OTHER_LENS:
        raise InputError(
            f"{source}: crops pixels and was trained at focal lengths of {own_low:.0f} to {own_high:.0f} px; the "
            f"dataset's are {low:.0f} to {high:.0f} px: train from the start, or a network with metric crops (compact)"
        )
