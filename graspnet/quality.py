"""Quality: the probability that a grasp holds, as a network predicts it or as any function of the same form says."""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64

from graspnet.crops.crops import GraspCrops
from graspnet.crops.of_observation import crop
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.inputs.array_file import as_numbers
from graspnet.models.checkpoint import Checkpoint
from graspnet.models.network import check_pose_inputs, predict
from graspnet.observation.observation import Observation
from graspnet.run.threads import ThreadTrial

__all__ = ["NETWORK_BATCH", "CheckedQuality", "NetworkQuality", "Quality"]

# Crops for one call of a network: with 128, gqcnn_2.0's feature maps pass the 32 MB above which malloc asks the system
# for fresh pages each time, and those cost more than the convolution.
NETWORK_BATCH = 32
ROUNDING = 1e-6  # of 32 bits
EXPECTED = "a quality in [0, 1] for each grasp, shape (N,)"


@runtime_checkable  # beartype checks it under pytest
class Quality(Protocol):
    """Scores grasps: the probability, in [0, 1], that each one holds. A network's, or any function of this form.

    >>> import numpy as np, graspnet as gn
    >>> def near_the_camera(observation, grasps_in_camera):
    ...     return np.exp(-grasps_in_camera.origin[:, 2])
    >>> isinstance(near_the_camera, gn.Quality)
    True
    """

    def __call__(self, observation: Observation, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
        """One quality for each grasp; never negative, never NaN."""
        ...


class CheckedQuality:
    """A user's own function as a Quality, whose answers are looked at: a plan believes whatever it is told."""

    def __init__(self, function: Quality) -> None:
        if not callable(function):
            raise InputError(
                f"model is a {type(function).__name__}; expected a model's name or folder, or a function that scores "
                "grasps: f(observation, grasps_in_camera) -> qualities"
            )
        self.function = function

    def __call__(self, observation: Observation, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
        """The function's qualities. InputError: not one for each grasp, or one outside of [0, 1]."""
        said = as_numbers(self.function(observation, grasps_in_camera), "what the model's function said", EXPECTED)
        if said.shape != (len(grasps_in_camera),):
            found = f"of {len(grasps_in_camera)} grasps the model's function said {said.shape}"
            raise InputError(f"{found}; expected {EXPECTED}")
        wrong = said[~((said >= -ROUNDING) & (said <= 1 + ROUNDING))]
        if len(wrong):
            raise InputError(f"the model's function said {float(wrong[0])!r}; expected {EXPECTED}")
        return np.clip(said.astype(np.float64), 0.0, 1.0)


class NetworkQuality:
    """A trained network as a Quality: crops as in training (`graspnet.crops.crops`), scored in batches.

    The network stays on the device where it is. threads: how many of the CPU's to use; 1 for a worker among others;
    None tries one and two on the first full batches (`ThreadTrial`). InputError: a network for other grasps than those
    of parallel jaws.
    """

    def __init__(self, checkpoint: Checkpoint, batch_size: int = 128, threads: int | None = 1) -> None:
        check_pose_inputs(checkpoint.name, len(checkpoint.network.pose_mean), checkpoint.crop)
        self.checkpoint = checkpoint
        self.batch_size = batch_size
        self._trial = ThreadTrial(threads)

    @property
    def threads(self) -> int:
        """The number of threads in use."""
        return self._trial.threads

    def __call__(self, observation: Observation, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
        """The checkpoint's quality of each grasp's crop."""
        qualities = np.zeros(len(grasps_in_camera))
        for start in range(0, len(qualities), self.batch_size):
            rows = slice(start, start + self.batch_size)
            batch = grasps_in_camera[rows]
            with self._trial.piece(whole=len(batch) == self.batch_size):
                qualities[rows] = self._qualities(observation, batch)
        return qualities

    def _qualities(self, observation: Observation, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
        crops = crop(observation, grasps_in_camera, self.checkpoint.crop)
        parts = zip(crops.images.split(NETWORK_BATCH), crops.pose.split(NETWORK_BATCH), strict=True)
        batches = (GraspCrops(*part) for part in parts)
        logits = predict(self.checkpoint.network, batches, self.checkpoint.flip_average)
        return self.checkpoint.quality(logits).double().cpu().numpy()
