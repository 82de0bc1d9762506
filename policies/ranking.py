"""Sample and rank: candidates of the antipodal sampler by their quality; and the baseline that does not rank at all."""

from dataclasses import dataclass, field
from time import perf_counter
from typing import ClassVar

import numpy as np
from jaxtyping import Float64, Int64

from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.grasps.grasps import Grasps
from graspnet.observation.observation import Observation
from graspnet.policies.constraints import ConstraintConfig, FeasibleSampler
from graspnet.policies.demands.failures import AfterFailures
from graspnet.policies.policy import Policy
from graspnet.policies.samplers.antipodal import AntipodalSamplerConfig
from graspnet.quality import Quality

__all__ = ["SAME_PLACE", "RandomAntipodalPolicy", "RankedGrasps", "RankingConfig", "RankingPolicy"]

SAME_PLACE = 0.3  # spans of the hand; grasps that are further apart are different ones
SAME_ANGLE = np.deg2rad(20.0)


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

    def only(self, rows: Int64[np.ndarray, "M"]) -> "RankedGrasps":
        """Some of them, by their ranks in ascending order."""
        return RankedGrasps(self.grasps_in_camera[rows], self.qualities[rows])

    def distinct(self, count: int, span: float) -> Int64[np.ndarray, "M"]:
        """The ranks of the best `count` of different places: none is like a better one (non-maximum suppression).

        Alike are grasps whose origins are within 0.3 spans of the hand (metres), and whose closing axes and approaches
        within 20°.
        """
        origin, closing = self.grasps_in_camera.origin, self.grasps_in_camera.closing
        approach = self.grasps_in_camera.approach
        left = np.ones(len(self), dtype=bool)
        ranks: list[int] = []
        while left.any() and len(ranks) < count:
            best = int(np.argmax(left))
            near = np.linalg.norm(origin - origin[best], axis=1) < SAME_PLACE * span
            near &= np.minimum(np.abs(closing @ closing[best]), approach @ approach[best]) > np.cos(SAME_ANGLE)
            left &= ~near
            ranks.append(best)
        return np.array(ranks, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class RankingConfig:
    """samples: how many feasible candidates to draw. grasps: how many of them the plan holds, at most."""

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
        """Candidates of different places, sorted by quality."""
        start = perf_counter()
        sampler = _sampler(observation, self.config)
        candidates = sampler.sample(self.config.samples, rng) if sampler else Grasps.none()
        sampled = perf_counter()
        if sampler is None or not len(candidates):
            refusals = sampler.constraints.refusals if sampler else None
            return GraspPlan.nothing(self.name, observation, _seconds(start, sampled, sampled), refusals)
        qualities = AfterFailures(self.quality)(observation, candidates)
        ranked = RankedGrasps.none().merged(candidates, qualities)
        ranked = ranked.only(ranked.distinct(self.config.grasps, observation.gripper.span))
        grasps = sampler.constraints.opened(ranked.grasps_in_camera)
        seconds, refusals = _seconds(start, sampled, perf_counter()), sampler.constraints.refusals
        return GraspPlan(
            observation, grasps, ranked.qualities, "", seconds, self.name, refusals=refusals,
            generations=((candidates, qualities),),
        )  # fmt: skip


class RandomAntipodalPolicy(Policy):
    """A random feasible antipodal grasp: the baseline that every ranking must beat. Its grasps have no quality."""

    name: ClassVar[str] = "antipodal"
    config_type: ClassVar[type] = RankingConfig
    needs_quality: ClassVar[bool] = False

    def __init__(self, config: RankingConfig, quality: Quality | None = None) -> None:
        self.config = config

    def plan(self, observation: Observation, rng: np.random.Generator) -> GraspPlan:
        """Candidates in the order in which they were drawn, which says nothing about them."""
        start = perf_counter()
        sampler = _sampler(observation, self.config)
        candidates = sampler.sample(self.config.samples, rng)[slice(self.config.grasps)] if sampler else Grasps.none()
        seconds = _seconds(start, perf_counter(), perf_counter())
        if sampler is None or not len(candidates):
            return GraspPlan.nothing(self.name, observation, seconds, sampler.constraints.refusals if sampler else None)
        opened, refusals = sampler.constraints.opened(candidates), sampler.constraints.refusals
        no_quality = np.full(len(candidates), np.nan)
        return GraspPlan(observation, opened, no_quality, "", seconds, self.name, refusals=refusals)


def _sampler(observation: Observation, config: RankingConfig) -> FeasibleSampler | None:
    """The sampler of what may be grasped; None where nothing may."""
    if not len(observation.object_points):
        return None
    return FeasibleSampler.of(observation, config.sampler, config.constraints)


def _seconds(start: float, sampled: float, end: float) -> dict[str, float]:
    return {"sample": sampled - start, "evaluate": end - sampled, "total": end - start}
