"""Chance: the random streams of an episode, and the draws that all episodes share.

Everything that chance decides comes from default_rng([seed, index]) and from streams beside it, so that every planner
meets the same episode. Shapes alone have a seed of their own: `generate` draws its shapes from [seed, index], so that
an episode's object was in no dataset.
"""

import numpy as np
from jaxtyping import Float64

from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.object_source import load_object, with_parts
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.transforms import rigid, rotation_about

__all__ = [
    "MOTION",
    "SPARES",
    "calibration_error",
    "friction_coefficient",
    "noise_of",
    "planning_seed",
    "solid_of",
    "stream",
]

NOISE, PLANNING, MOTION, SPARES = 1, 2, 4, 5  # streams of an episode: [seed, index, STREAM]
SHAPES = 3  # a stream of shapes: [shape seed, shape, SHAPES]


def stream(seed: int, index: int, number: int) -> np.random.Generator:
    """Open a stream of an episode beside the main one."""
    return np.random.default_rng([seed, index, number])


def noise_of(seed: int, index: int, attempt: int) -> np.random.Generator:
    """Open the stream of the sensor's noise at an attempt. (To NumPy, [seed, index, NOISE] is that of attempt 0.)"""
    return np.random.default_rng([seed, index, NOISE, attempt])


def planning_seed(seed: int, index: int, attempt: int) -> int:
    """Draw a planner's seed: `graspnet plan --seed` on the saved observation gives the plan of that attempt."""
    return int(np.random.SeedSequence([seed, index, PLANNING, attempt]).generate_state(1)[0])


def solid_of(config: ProtocolConfig, shape: int, name: str) -> Solid:
    """Load an object at its own size, with its convex pieces: one decomposition serves every scale."""
    solid = load_object(config.objects, name, np.random.default_rng([config.shape_seed, shape, SHAPES]))
    return with_parts(solid, config.objects)


def friction_coefficient(config: ProtocolConfig, rng: np.random.Generator) -> float:
    """Draw from the truncated normal distribution, by rejection."""
    low, high = config.friction_range
    while True:
        friction = float(rng.normal(config.friction_mean, config.friction_deviation))
        if low <= friction <= high:
            return friction


def calibration_error(config: ProtocolConfig, rng: np.random.Generator) -> Float64[np.ndarray, "4 4"]:
    """Draw camera_from_believed_camera: a small shift and a small turn, each normal about each axis."""
    shift = rng.normal(0.0, config.calibration_translation, 3)
    turn = rng.normal(0.0, config.calibration_rotation, 3)
    angle = np.linalg.norm(turn)
    axis = turn / angle if angle > 0 else np.array([0.0, 0.0, 1.0])
    return rigid(rotation_about(axis, np.array(angle)), shift)
