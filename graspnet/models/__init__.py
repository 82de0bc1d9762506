"""Grasp quality networks and their checkpoints."""

from dataclasses import dataclass
from typing import Any

import torch

from graspnet.errors import unknown_name
from graspnet.models.compact import CompactConfig, CompactNetwork
from graspnet.models.gqcnn import GQCNN, GQCNN_2_0, GQCNN_4_0_PARALLEL_JAW
from graspnet.models.network import GraspNetwork

__all__ = ["NETWORKS", "Architecture", "architecture"]


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
    "gqcnn_2.0": Architecture(GQCNN, GQCNN_2_0),
    "gqcnn_4.0_pj": Architecture(GQCNN, GQCNN_4_0_PARALLEL_JAW),
}


def architecture(name: str) -> Architecture:
    """The network of that name. InputError: there is none."""
    if name not in NETWORKS:
        raise unknown_name("network", name, NETWORKS)
    return NETWORKS[name]
