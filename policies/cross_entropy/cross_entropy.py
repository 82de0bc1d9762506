"""The cross-entropy method: sample, score, fit a Gaussian mixture to the elites, sample from it, and again.

Rubinstein 1999; for grasps Levine et al. 2016 and Dex-Net 2.0. Features (x/w, y/w, cos 2θ, sin 2θ, height/w, opening/w)
in the space across the approach: dimensionless, and the same for a grasp with its jaws swapped.
"""

import math
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import zip_longest
from time import perf_counter
from typing import ClassVar

import numpy as np
from jaxtyping import Float64

from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.grasps.grasps import Grasps
from graspnet.observation.observation import Observation
from graspnet.policies.constraints import ConstraintConfig, Constraints, FeasibleSampler
from graspnet.policies.cross_entropy.approaches import check_approach_tilt, tilted_approaches
from graspnet.policies.cross_entropy.ascent import ascended
from graspnet.policies.cross_entropy.gaussian_mixture import GaussianMixture, fit_mixture
from graspnet.policies.demands.failures import AfterFailures
from graspnet.policies.grasp_space import GraspSpace
from graspnet.policies.policy import Policy
from graspnet.policies.ranking import RankedGrasps
from graspnet.policies.samplers.antipodal import AntipodalSamplerConfig
from graspnet.quality import NetworkQuality, Quality
from graspnet.refusals import Refusals

__all__ = ["CrossEntropyConfig", "CrossEntropyPolicy", "Search", "feasible_sampler", "rescored"]

NARROWEST = 0.1  # opening of a grasp drawn from a mixture, as a share of the hand's


@dataclass(frozen=True, kw_only=True)
class CrossEntropyConfig:
    """Positions are fractions of the hand's max_width w, angles radians."""

    initial_samples: int = 384
    iterations: int = 3
    samples: int = 192  # in each iteration
    elite_fraction: float = 0.2  # of a generation: as many of the best of all generations are fitted
    components: int = 8  # at most; never more than a third of the elites
    position_floor: float = 0.03  # smallest σ of a component
    angle_floor: float = math.radians(4.0)
    fresh_fraction: float = 0.1  # of each generation: new samples, against early convergence
    central_fraction: float = 0.0  # of what is sampled: grasps through the middle of each thing; the rest is antipodal
    finalists: int = 16  # scored again, against the winner's curse
    alternatives: int = 8  # of other places, scored again with them, for an arm that cannot reach the best
    approach_tilt: float = 0.0  # off the table's normal: approaches tilted so are tried as well; 0: upright ones alone
    approaches: int = 6  # so many tilted ones, evenly around the normal
    approach_samples: int = 96  # first generation along each of them
    approach_searches: int = 1  # so many, those of the best first generations, are searched as the upright one is
    ascent_steps: int = 0  # along the network's gradient, from the best finalists; both ends are then ranked
    ascent_reach: float = 0.06  # so far in all
    ascents: int = 4  # so many finalists
    jitters: int = 8  # poses around each finalist
    jitter_position: float = 0.04  # σ
    jitter_angle: float = math.radians(3.0)
    pessimism: float = 0.5  # a finalist's quality: mean − pessimism × standard deviation over its jitters
    sampler: AntipodalSamplerConfig = field(default_factory=AntipodalSamplerConfig)
    constraints: ConstraintConfig = field(default_factory=ConstraintConfig)

    def __post_init__(self) -> None:
        counts = ("initial_samples", "samples", "components", "finalists", "jitters")
        for name in (*counts, "approach_samples", "approach_searches"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("iterations", "alternatives", "ascent_steps", "ascents", "approaches"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must not be negative")
        if not 0 < self.elite_fraction <= 1:
            raise InputError(f"elite_fraction is {self.elite_fraction}; it must lie in (0, 1]")
        for name in ("fresh_fraction", "central_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must lie in [0, 1]")
        if min(self.position_floor, self.angle_floor) <= 0:
            raise InputError("position_floor and angle_floor must be positive: without them a mixture collapses")
        check_approach_tilt(self.approach_tilt)
        if min(self.jitter_position, self.jitter_angle, self.pessimism, self.ascent_reach) < 0:
            raise InputError("jitter_position, jitter_angle, pessimism and ascent_reach must not be negative")

    def check_upright(self, who: str) -> None:
        """InputError: settings with a cone of approaches, for someone who searches along the upright one alone."""
        if self.approach_tilt:
            raise InputError(
                f"search.approach_tilt_deg: {who} grasps from above alone; only cross_entropy tilts its hand"
            )

    def elites(self, generation: int) -> int:
        """How many of the best are fitted after a generation of so many."""
        return max(2, math.ceil(self.elite_fraction * generation))


class CrossEntropyPolicy(Policy):
    """The best finalists of a cross-entropy search, by their mean quality over small errors of the pose."""

    name: ClassVar[str] = "cross_entropy"
    config_type: ClassVar[type] = CrossEntropyConfig

    def __init__(self, config: CrossEntropyConfig, quality: Quality | None = None) -> None:
        if quality is None:
            raise InputError("the cross-entropy policy needs a quality")
        self.config, self.quality = config, quality

    def plan(self, observation: Observation, rng: np.random.Generator) -> GraspPlan:
        """Search, then rank the finalists again; of those that are alike the plan holds the best."""
        start = perf_counter()
        quality = _Timed(AfterFailures(self.quality))
        best, searches = RankedGrasps.none(), list[Search]()
        if len(observation.object_points):
            searches = self._searches(observation, quality, rng)
            best = _over_all(searches)
        refusals = reduce(Refusals.merged, (run.sampler.constraints.refusals for run in searches), Refusals())
        total = perf_counter() - start
        seconds = {"sample": total - quality.seconds, "evaluate": quality.seconds, "total": total}
        if not len(best):
            return GraspPlan.nothing(self.name, observation, seconds, refusals)
        return GraspPlan(
            observation, best.grasps_in_camera, best.qualities, "", seconds, self.name, refusals=refusals,
            generations=_side_by_side([run.scored for run in searches]),
        )  # fmt: skip

    def _searches(self, observation: Observation, quality: Quality, rng: np.random.Generator) -> list["Search"]:
        """One along each approach, the upright one first."""
        config, approaches = self.config, [observation.approach]
        if config.approach_tilt:
            approaches += tilted_approaches(observation, config.approach_tilt, config.approaches)
        network = self.quality if isinstance(self.quality, NetworkQuality) else None
        samplers = [feasible_sampler(GraspSpace.along(observation, approach), config) for approach in approaches]
        return [Search(quality, sampler, config, rng, network) for sampler in samplers]


def feasible_sampler(space: GraspSpace, config: CrossEntropyConfig) -> FeasibleSampler:
    """Where a search begins. InputError: nothing measured on the object mask."""
    constraints = Constraints(space, config.constraints)
    return FeasibleSampler.within(constraints, config.sampler, config.central_fraction)


def _over_all(searches: list["Search"]) -> RankedGrasps:
    """The finalists of the upright search and of those tilted ones that begin best, ranked together."""
    (upright, *tilted), config = searches, searches[0].config
    best = upright.finished(upright.ranked())
    if not tilted:
        return best
    begun = [run.begun(config.approach_samples) for run in tilted]
    elites = config.elites(config.approach_samples)
    promise = np.array([ranked.qualities[:elites].sum() for ranked in begun])  # few grasps promise little
    for k in np.argsort(-promise, kind="stable")[: config.approach_searches]:
        ended = tilted[k].finished(tilted[k].improved(begun[k]))
        best = best.merged(ended.grasps_in_camera, ended.qualities)
    return best.only(best.distinct(len(best), upright.observation.gripper.span))


def _side_by_side(
    scored: list[list[tuple[Grasps, Float64[np.ndarray, "_"]]]],
) -> tuple[tuple[Grasps, Float64[np.ndarray, "_"]], ...]:
    """The first generations of all searches as one, then the second ones, and so on."""
    together = [[generation for generation in row if generation] for row in zip_longest(*scored)]
    return tuple(
        (Grasps.concatenate([grasps for grasps, _ in row]), np.concatenate([qualities for _, qualities in row]))
        for row in together
    )


class _Timed:
    """A quality that adds up its seconds."""

    def __init__(self, quality: Quality) -> None:
        self.quality, self.seconds = quality, 0.0

    def __call__(self, observation: Observation, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
        start = perf_counter()
        qualities = self.quality(observation, grasps_in_camera)
        self.seconds += perf_counter() - start
        return qualities


@dataclass(frozen=True)
class Search:
    """One search: how grasps are scored, where they may be, and the random numbers that it draws."""

    quality: Quality
    sampler: FeasibleSampler
    config: CrossEntropyConfig
    rng: np.random.Generator
    network: NetworkQuality | None = None  # what the quality is, if it can be climbed
    scored: list[tuple[Grasps, Float64[np.ndarray, "_"]]] = field(default_factory=list)  # each generation

    @property
    def observation(self) -> Observation:
        """What is seen."""
        return self.sampler.observation

    def ranked(self) -> RankedGrasps:
        """Every grasp that was scored, in all generations, best first. None that touches something is ever scored."""
        return self.improved(self.begun(self.config.initial_samples))

    def begun(self, count: int) -> RankedGrasps:
        """The first generation alone: what the sampler gives, best first."""
        return RankedGrasps.none().merged(*self.judged(self.sampler.sample(count, self.rng)))

    def judged(self, candidates: Grasps) -> tuple[Grasps, Float64[np.ndarray, "N"]]:
        """A generation and its qualities, which are kept."""
        self.scored.append((candidates, self.quality(self.observation, candidates)))
        return self.scored[-1]

    def improved(self, ranked: RankedGrasps) -> RankedGrasps:
        """A first generation that was scored, and those after it, best first: each is drawn around the best so far."""
        config = self.config
        generation = min(len(ranked), config.initial_samples)
        for _ in range(config.iterations):
            if not len(ranked):
                break
            elites = ranked.top(config.elites(generation))
            mixture = _fit(elites.grasps_in_camera, self.sampler.constraints.space, config, self.rng)
            candidates = _resample(mixture, self.sampler, config, self.rng)
            generation = len(candidates)
            ranked = ranked.merged(*self.judged(candidates))  # the last generation may be worse
        return ranked

    def finished(self, ranked: RankedGrasps) -> RankedGrasps:
        """The best, and the best of other places, scored again (`rescored`); of those that are alike the best one,
        opened as far as there is room."""
        config, span = self.config, self.observation.gripper.span
        others = ranked.distinct(config.alternatives + 1, span)
        finalists = np.union1d(np.arange(min(config.finalists, len(ranked))), others)
        space = self.sampler.constraints.space
        best = rescored(self._ascended(ranked.only(finalists)), space, self.quality, config, self.rng)
        best = best.only(best.distinct(len(best), span))
        return replace(best, grasps_in_camera=self.sampler.constraints.opened(best.grasps_in_camera))

    def _ascended(self, finalists: RankedGrasps) -> RankedGrasps:
        """The finalists, and those that a few steps uphill from the best of them lead to, if these are feasible."""
        config, network = self.config, self.network
        if not config.ascent_steps or network is None or not len(finalists):
            return finalists
        constraints = self.sampler.constraints
        best = finalists.top(config.ascents).grasps_in_camera
        moved = ascended(best, constraints.space, network, config.ascent_steps, config.ascent_reach)
        moved = moved[constraints.feasible_and_reached(moved)]
        return finalists.merged(moved, self.quality(self.observation, moved))


def rescored(
    ranked: RankedGrasps,
    space: GraspSpace,
    quality: Quality,
    config: CrossEntropyConfig,
    rng: np.random.Generator,
) -> RankedGrasps:
    """The same grasps by mean − pessimism × standard deviation of their quality over jittered poses, at least 0.

    The best of a thousand noisy scores is too good to be true; one that stays good nearby is not. All finalists get
    the same jitters, so that none is lucky. Their approach is the space's.
    """
    if not len(ranked):
        return ranked
    assert np.allclose(ranked.grasps_in_camera.approach, space.approach, atol=1e-5)
    coordinates = space.coordinates(ranked.grasps_in_camera)
    angles = space.angles(ranked.grasps_in_camera)
    moved = coordinates[:, None] + space.w * config.jitter_position * rng.standard_normal((config.jitters, 3))
    turned = angles[:, None] + config.jitter_angle * rng.standard_normal(config.jitters)
    width = np.repeat(ranked.grasps_in_camera.width, config.jitters)
    jittered = space.grasps(moved.reshape(-1, 3), turned.reshape(-1), width)
    scores = quality(space.observation, jittered).reshape(len(ranked), config.jitters)
    robust = np.maximum(scores.mean(axis=1) - config.pessimism * scores.std(axis=1), 0.0)
    return RankedGrasps.none().merged(ranked.grasps_in_camera, robust)


def _fit(
    grasps_in_camera: Grasps, space: GraspSpace, config: CrossEntropyConfig, rng: np.random.Generator
) -> GaussianMixture:
    coordinates, angle = space.coordinates(grasps_in_camera) / space.w, space.angles(grasps_in_camera)
    cosine, sine = np.cos(2 * angle), np.sin(2 * angle)
    opening = grasps_in_camera.width / space.w
    features = np.column_stack([coordinates[:, :2], cosine, sine, coordinates[:, 2], opening])
    length, of_angle = config.position_floor, 2 * config.angle_floor  # of a point on the unit circle at 2θ
    floor = np.array([length, length, of_angle, of_angle, length, length])
    components = min(config.components, max(1, len(features) // 3))
    return fit_mixture(features, components, floor, rng)


def _resample(
    mixture: GaussianMixture, sampler: FeasibleSampler, config: CrossEntropyConfig, rng: np.random.Generator
) -> Grasps:
    """The next generation: feasible grasps from the mixture, and some fresh ones."""
    fresh = sampler.sample(round(config.fresh_fraction * config.samples), rng)
    wanted, kept = config.samples - len(fresh), Grasps.none()
    for _ in range(4):
        drawn = _decoded(mixture.sample(2 * wanted, rng), sampler.constraints.space, config)
        kept = Grasps.concatenate([kept, sampler.constraints.pulled_back(drawn)])
        if len(kept) >= wanted:
            break
    return Grasps.concatenate([kept[slice(wanted)], fresh])


def _decoded(features: Float64[np.ndarray, "N 6"], space: GraspSpace, config: CrossEntropyConfig) -> Grasps:
    """Features to grasps; one whose tips would reach the table stops above it, as the sampler's do."""
    coordinates = features[:, [0, 1, 4]] * space.w
    floor = space.tip_floor(coordinates[:, :2], config.sampler.table_clearance)
    coordinates[:, 2] = np.maximum(coordinates[:, 2], floor + space.gripper.pad_to_tip)
    angle = np.arctan2(features[:, 3], features[:, 2]) / 2
    width = np.clip(np.maximum(features[:, 5], NARROWEST) * space.w, space.gripper.min_width, space.gripper.max_width)
    return space.grasps(coordinates, angle, width)
