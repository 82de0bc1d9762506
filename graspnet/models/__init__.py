"""Grasp quality networks and their checkpoints."""

from dataclasses import dataclass, fields
from typing import Any, Literal

import torch

from graspnet.crops.pixel import PixelCropConfig
from graspnet.models.compact import CompactConfig, CompactNetwork
from graspnet.models.fcgqcnn import FCGQCNN, FCGQCNNConfig
from graspnet.models.gqcnn import GQCNN, PUBLISHED, GQCNNConfig
from graspnet.models.network import GraspNetwork

__all__ = ["NETWORKS", "Architecture", "NetworkConfig", "PublishedConfig", "network_words", "new_network"]


@dataclass(frozen=True, kw_only=True)
class PublishedConfig:
    """A network of the originals, by its name; its sizes are the published ones."""

    kind: Literal["gqcnn_2.0", "gqcnn_2.0_paper", "gqcnn_3.0", "gqcnn_4.0_pj", "gqcnn_4.0_suction", "fcgqcnn_4.0_pj"]

    @property
    def sizes(self) -> GQCNNConfig | FCGQCNNConfig:
        """What the name stands for."""
        sizes: GQCNNConfig | FCGQCNNConfig = NETWORKS[self.kind].config
        return sizes

    @property
    def crop(self) -> PixelCropConfig:
        """What the network's images are cut with."""
        return self.sizes.crop


NetworkConfig = CompactConfig | PublishedConfig  # what a training may ask for


@dataclass(frozen=True)
class Architecture:
    """A named network: its class and the sizes that the name stands for."""

    network: type[Any]
    config: Any

    def __call__(self, generator: torch.Generator | None = None, config: Any = None) -> GraspNetwork:
        """A new network, its weights drawn from `generator` (None: from seed 0, for weights that are replaced)."""
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        network: GraspNetwork = self.network(self.config if config is None else config, generator)
        return network


NETWORKS: dict[str, Architecture] = {
    "compact": Architecture(CompactNetwork, CompactConfig()),
    **{name: Architecture(GQCNN, config) for name, config in PUBLISHED.items()},
    "fcgqcnn_4.0_pj": Architecture(FCGQCNN, FCGQCNNConfig()),
}


def network_words(config: NetworkConfig) -> str:
    """The network for people: its name, and the options that are not the default ones."""
    if not isinstance(config, CompactConfig):
        return config.kind
    default = CompactConfig()
    changed = [f.name for f in fields(config) if getattr(config, f.name) != getattr(default, f.name)]
    return " ".join([config.kind, *(f"{name}={getattr(config, name)}" for name in changed)])


def new_network(config: NetworkConfig, generator: torch.Generator | None = None) -> GraspNetwork:
    """The network that a training asks for, with new weights; `generator` as in `Architecture`."""
    sizes = config if isinstance(config, CompactConfig) else None
    return NETWORKS[config.kind](generator, sizes)
