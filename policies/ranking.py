"""Sample and rank: candidates of the antipodal sampler by their quality; and the baseline that does not rank at all."""

from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter
from typing import ClassVar

import numpy as np
from jaxtyping import Float64

from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.grasps.grasps import Grasps
from graspnet.observation.observation import Observation
from graspnet.policies.constraints import ConstraintConfig, FeasibleSampler
from graspnet.policies.policy import Policy
from graspnet.policies.samplers.antipodal import AntipodalSamplerConfig
from graspnet.quality import Quality

__all__ = ["RandomAntipodalPolicy", "RankedGrasps", "RankingConfig", "RankingPolicy"]


@dataclass(frozen=True)
class RankedGrasps:
    """Grasps in the camera frame and their qualities, best first; equals keep the order in which they came."""

    grasps_in_camera: Grasps
    qualities: Float64[np.ndarray, "N"]

    @staticmethod
    def none() -> "RankedGrasps":
        """No grasps."""
        return RankedGrasps(Grasps.none(), np.zeros(0))

    def __len__(self) -> int:
        return len(self.qualities)

    def merged(self, grasps_in_camera: Grasps, qualities: Float64[np.ndarray, "M"]) -> "RankedGrasps":
        """These and more, ranked."""
        grasps = Grasps.concatenate([self.grasps_in_camera, grasps_in_camera])
        values = np.concatenate([self.qualities, qualities])
        order = np.argsort(-values, kind="stable")
        return RankedGrasps(grasps[order], values[order])

    def top(self, count: int) -> "RankedGrasps":
        """The best `count`."""
        return RankedGrasps(self.grasps_in_camera[slice(count)], self.qualities[:count])


@dataclass(frozen=True, kw_only=True)
class RankingConfig:
    """samples: how many feasible candidates to draw. grasps: how many of them the plan holds."""

    samples: int = 1000  # as many as Dex-Net 2.0's ranking policy
    grasps: int = 16
    sampler: AntipodalSamplerConfig = field(default_factory=AntipodalSamplerConfig)
    constraints: ConstraintConfig = field(default_factory=ConstraintConfig)

    def __post_init__(self) -> None:
        if not 1 <= self.grasps <= self.samples:
            raise InputError(f"samples is {self.samples}, grasps {self.grasps}; expected 1 <= grasps <= samples")


class RankingPolicy(Policy):
    """The best of many candidates (Dex-Net 2.0's robust grasping policy, with constraints)."""

    name: ClassVar[str] = "ranking"
    config_type: ClassVar[type] = RankingConfig

    def __init__(self, config: RankingConfig, quality: Quality | None = None) -> None:
        if quality is None:
            raise InputError("the ranking policy needs a quality")
        self.config, self.quality = config, quality

    def plan(self, observation: Observation, rng: np.random.Generator) -> GraspPlan:
        """Candidates, sorted by quality."""
        start = perf_counter()
        candidates, refused = _candidates(observation, self.config, rng)
        sampled = perf_counter()
        if not len(candidates):
            return GraspPlan.nothing(self.name, observation, _seconds(start, sampled, sampled), refused)
        ranked = RankedGrasps.none().merged(candidates, self.quality(observation, candidates)).top(self.config.grasps)
        seconds = _seconds(start, sampled, perf_counter())
        return GraspPlan(observation, ranked.grasps_in_camera, ranked.qualities, "", seconds, self.name)


class RandomAntipodalPolicy(Policy):
    """A random feasible antipodal grasp: the baseline that every ranking must beat. Its qualities are all 0."""

    name: ClassVar[str] = "antipodal"
    config_type: ClassVar[type] = RankingConfig
    needs_quality: ClassVar[bool] = False

    def __init__(self, config: RankingConfig, quality: Quality | None = None) -> None:
        self.config = config

    def plan(self, observation: Observation, rng: np.random.Generator) -> GraspPlan:
        """Candidates in the order in which they were drawn, which says nothing about them."""
        start = perf_counter()
        candidates, refused = _candidates(observation, self.config, rng)
        candidates = candidates[slice(self.config.grasps)]
        seconds = _seconds(start, perf_counter(), perf_counter())
        if not len(candidates):
            return GraspPlan.nothing(self.name, observation, seconds, refused)
        return GraspPlan(observation, candidates, np.zeros(len(candidates)), "", seconds, self.name)


def _candidates(
    observation: Observation, config: RankingConfig, rng: np.random.Generator
) -> tuple[Grasps, Counter[str]]:
    """Feasible grasps, and how many candidates were refused for which fault."""
    if not observation.object_mask.any():
        return Grasps.none(), Counter()
    sampler = FeasibleSampler.of(observation, config.sampler, config.constraints)
    return sampler.sample(config.samples, rng), sampler.constraints.refused


def _seconds(start: float, sampled: float, end: float) -> dict[str, float]:
    return {"sample": sampled - start, "evaluate": end - sampled, "total": end - start}
