"""Candidates: the mixture of grasps of an object that get a label, and how each was drawn."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64, Shaped

from data_gen.action_space import sample_action_space
from data_gen.antipodal import AntipodalConfig, NearMissConfig, sample_antipodal, sample_near_misses
from data_gen.meshes import Solid
from graspnet.errors import InputError
from graspnet.grasps import Grasps
from graspnet.gripper import ParallelJawGripper

__all__ = ["CandidateConfig", "sample_candidates"]


@dataclass(frozen=True, kw_only=True)
class CandidateConfig:
    """Shares of each origin (they are divided by their sum), and the parameters of the samplers."""

    antipodal: float = 0.40
    near_miss: float = 0.35
    action_space: float = 0.25
    dilation: float = 0.25  # of the silhouette that action-space grasps lie over, in openings
    pairs: AntipodalConfig = field(default_factory=AntipodalConfig)
    misses: NearMissConfig = field(default_factory=NearMissConfig)

    def __post_init__(self) -> None:
        shares = (self.antipodal, self.near_miss, self.action_space)
        if min(shares) < 0 or sum(shares) <= 0:
            raise InputError(f"shares of candidates are {shares}; expected none negative and some positive")
        if self.dilation < 0:
            raise InputError(f"dilation is {self.dilation}; it must not be negative")


def sample_candidates(
    solid: Solid,
    world_from_object: Float64[np.ndarray, "4 4"],
    gripper: ParallelJawGripper,
    count: int,
    config: CandidateConfig,
    rng: np.random.Generator,
) -> tuple[Grasps, Shaped[np.ndarray, "N"]]:
    """`count` grasps in the world and the origin of each: "antipodal", "near_miss" or "action_space".

    An object with too few antipodal pairs for its shares gets more grasps from the action space instead.
    """
    total = config.antipodal + config.near_miss + config.action_space
    wanted = round(count * config.antipodal / total)
    misses = min(round(count * config.near_miss / total), count - wanted)
    pairs = sample_antipodal(solid, world_from_object, gripper, wanted + misses, config.pairs, rng)
    # Near misses get their share of what was found: a lack of pairs must not make every one of them antipodal.
    split = len(pairs) if misses == 0 else round(len(pairs) * wanted / (wanted + misses))
    near = sample_near_misses(pairs[split:], gripper, config.misses, rng)
    rest = count - len(pairs)
    dilation = config.dilation * gripper.max_width
    spread = sample_action_space(solid, world_from_object, gripper, rest, dilation, rng)
    origin = np.repeat(["antipodal", "near_miss", "action_space"], [split, len(near), rest])
    return Grasps.concatenate([pairs[:split], near, spread]), origin
