"""Quality: the probability that a grasp holds, as a network predicts it or as any function of the same form says."""

from time import perf_counter
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from graspnet.crops.crops import grasp_crops
from graspnet.grasps.grasps import Grasps
from graspnet.models.checkpoint import Checkpoint
from graspnet.observation import Observation

__all__ = ["NETWORK_BATCH", "NetworkQuality", "Quality"]

# Crops for one call of a network: with 128, gqcnn_2.0's feature maps pass the 32 MB above which malloc asks the system
# for fresh pages each time, and those cost more than the convolution.
NETWORK_BATCH = 32


@runtime_checkable  # beartype checks it under pytest
class Quality(Protocol):
    """Scores grasps: the probability, in [0, 1], that each one holds. A network's, or any function of this form."""

    def __call__(self, observation: Observation, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
        """One quality for each grasp; never negative, never NaN."""
        ...


class NetworkQuality:
    """A trained network as a Quality: crops as in training (`graspnet.crops.crops`), scored in batches.

    The network stays on the device where it is. threads: how many of the CPU's to use; 1 for a worker among others;
    None tries one and two on the first full batches, after one to warm up, and takes two where that is a third faster
    at least (on a busy machine two can be ten times slower).
    """

    def __init__(self, checkpoint: Checkpoint, batch_size: int = 128, threads: int | None = 1) -> None:
        self.checkpoint = checkpoint
        self.batch_size = batch_size
        self._trials = [1, 1, 2] if threads is None else []  # the first one warms up
        self._seconds: dict[int, float] = {1: float("inf")} if threads is None else {threads: 0.0}

    @property
    def threads(self) -> int:
        """The number of threads in use."""
        return min(self._seconds, key=lambda count: self._seconds[count] * (1.0 if count == 1 else 1.5))

    def __call__(self, observation: Observation, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
        """The checkpoint's quality of each grasp's crop."""
        if not len(grasps_in_camera):
            return np.zeros(0)
        before = torch.get_num_threads()
        try:
            starts = range(0, len(grasps_in_camera), self.batch_size)
            batches = [grasps_in_camera.poses[start : start + self.batch_size] for start in starts]
            qualities = torch.cat([self._on_best_threads(observation, poses) for poses in batches])
        finally:
            torch.set_num_threads(before)
        return qualities.double().cpu().numpy()

    def _on_best_threads(self, observation: Observation, poses: Float64[np.ndarray, "N 4 4"]) -> Float32[Tensor, "N"]:
        if not self._trials or len(poses) < self.batch_size:
            torch.set_num_threads(self.threads)
            return self._qualities(observation, poses)
        threads = self._trials.pop(0)
        torch.set_num_threads(threads)
        start = perf_counter()
        qualities = self._qualities(observation, poses)
        self._seconds[threads] = perf_counter() - start
        return qualities

    @torch.inference_mode()
    def _qualities(self, observation: Observation, poses: Float64[np.ndarray, "N 4 4"]) -> Float32[Tensor, "N"]:
        network, gripper = self.checkpoint.network, observation.gripper
        device = next(network.parameters()).device
        sizes = np.broadcast_to(gripper.sizes(), (len(poses), 8))
        crops = grasp_crops(observation, poses, sizes, self.checkpoint.crop)
        parts = zip(crops.images.split(NETWORK_BATCH), crops.pose.split(NETWORK_BATCH), strict=True)
        logits = [network(images.to(device), pose.to(device)) for images, pose in parts]
        return self.checkpoint.quality(torch.cat(logits))
