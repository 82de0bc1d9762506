"""Candidates for a dataset as a policy would propose them: labels where a network will be asked for its quality.

Four sources of the entry-point group `graspnet.candidates`. All look at the object through a sensor's noise, since a
policy finds its edges in a noisy image, not in a clean one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64

from graspnet.config import load_config, parse_config
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.models.checkpoint import load_checkpoint
from graspnet.observation.observation import REACH, Observation
from graspnet.policies.constraints import FeasibleSampler
from graspnet.policies.cross_entropy.approaches import check_approach_tilt, tilted_approaches
from graspnet.policies.cross_entropy.cross_entropy import CrossEntropyConfig, Search, feasible_sampler
from graspnet.policies.grasp_space import GraspSpace
from graspnet.policies.heuristics import PrincipalAxisConfig, PrincipalAxisPolicy
from graspnet.policies.ranking import RankedGrasps
from graspnet.quality import NetworkQuality
from graspnet.sensors import Sensor, load_sensor

__all__ = ["HardNegatives", "OnPolicy", "PolicySampler", "PrincipalAxisGrasps", "SourceOptions"]

# Spans from an object's pixel to where a hand's palm may be: half of HandConfig's 2.6, and of a finger.
HAND_REACH = 1.5
CROP_REACH = REACH  # spans to the farthest corner of a crop
# One search: 352 evaluations, of a plan's 960. A dataset has many views, and its elites need not be the best.
SHORT_SEARCH: dict[str, Any] = {"initial_samples": 160, "iterations": 2, "samples": 96}
MINED_AMONG = 128  # feasible grasps of a view that a model scores to find the ones it may overrate
UPRIGHT_SHARE = 1 / 3  # of the views, where approaches are tilted: a policy always tries the upright one, too
AZIMUTHS = 24  # ways in which a tilted approach may lean
# Grasps near the heuristic's differ from it by these σ: in spans of the hand, and in radians about its approach.
JITTER, JITTER_ANGLE = 0.06, np.deg2rad(6)


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Options of all sources: `candidates.options.on_policy: {model: …}` in a config of `graspnet generate`."""

    sensor: str = "varied"  # a preset of configs/sensors/ or a file: the noise that the policy sees
    # a preset of configs/policy/ or a file: a cross-entropy policy's settings; none: the preset's with a SHORT_SEARCH
    policy: str | None = None
    # of on_policy and hard_negatives: one that ships, or a folder that `graspnet train` made
    model: str | None = None
    # of policy_sampler, on_policy and hard_negatives, in radians (approach_tilt_deg): a view's grasps share an approach
    # that is drawn up to so far off the table's normal; in a third of the views it is the normal
    approach_tilt: float = 0.0

    def __post_init__(self) -> None:
        check_approach_tilt(self.approach_tilt)


@dataclass(frozen=True)
class _PolicyView:
    """What sources that search as a policy does have in common: what they see, and along which approach."""

    sensor: Sensor
    config: CrossEntropyConfig
    approach_tilt: float

    def sampler(self, observation: Observation, reach: float, rng: np.random.Generator) -> FeasibleSampler | None:
        """The sampler of a noisy image; None where that shows nothing to take."""
        noisy = _through(self.sensor, _around_object(observation, reach), rng)
        if not noisy.object_mask.any():
            return None
        return feasible_sampler(GraspSpace.along(noisy, self._approach(noisy, rng)), self.config)

    def _approach(self, observation: Observation, rng: np.random.Generator) -> Float64[np.ndarray, "3"]:
        if not self.approach_tilt or rng.random() < UPRIGHT_SHARE:
            return observation.approach
        approaches = tilted_approaches(observation, rng.uniform(0, self.approach_tilt), AZIMUTHS)
        return approaches[rng.integers(len(approaches))] if approaches else observation.approach


class PolicySampler:
    """`policy_sampler`: the feasible antipodal grasps among which every policy starts."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self._view, _ = _parsed(options, "policy_sampler")

    def __call__(self, observation: Observation, count: int, rng: np.random.Generator) -> Grasps:
        """At most `count`; none where the noisy image shows nothing to take."""
        sampler = self._view.sampler(observation, HAND_REACH, rng)
        return sampler.sample(count, rng) if sampler else Grasps.none()


class OnPolicy:
    """`on_policy`: what the cross-entropy method with a trained model takes for best, rightly or wrongly.

    Satish et al., RA-L 2019: a network's errors matter where its policy looks. Drawn at random from the elites: as many
    of the best of all generations as one generation fits its mixture to.
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        self._view, model = _parsed(options, "on_policy")
        self._quality = _network(model, "on_policy", "`--on-policy MODEL`")

    def __call__(self, observation: Observation, count: int, rng: np.random.Generator) -> Grasps:
        """At most `count`; none where the noisy image shows nothing to take."""
        sampler, config = self._view.sampler(observation, CROP_REACH, rng), self._view.config
        if sampler is None:
            return Grasps.none()
        ranked = Search(self._quality, sampler, config, rng).ranked()
        elites = ranked.top(max(count, config.elites(config.samples))).grasps_in_camera
        return elites[rng.permutation(len(elites))[:count]]


class HardNegatives:
    """`hard_negatives`: feasible grasps of which a trained model thinks highly, and their labels do not.

    It proposes `surplus` times as many as it is asked for. The generator labels all of them, and keeps those where
    quality − label is largest (`MinedSource` in data_gen/candidates/mixture.py). Shrivastava et al., CVPR 2016, mine
    examples by their loss alike. What they say is biased, also by the label's noise: a small share is enough.
    """

    surplus = 4

    def __init__(self, options: Mapping[str, str]) -> None:
        self._view, model = _parsed(options, "hard_negatives")
        remedy = "`candidates.options.hard_negatives.model=MODEL`"
        self._quality = _network(model, "hard_negatives", remedy)

    def __call__(self, observation: Observation, count: int, rng: np.random.Generator) -> Grasps:
        """At most `count`, best first by the model alone; none where the noisy image shows nothing to take."""
        return self.mine(observation, count, rng)[0][slice(count)]

    def mine(
        self, observation: Observation, count: int, rng: np.random.Generator
    ) -> tuple[Grasps, Float64[np.ndarray, "N"]]:
        """At most `surplus` times `count`, best first, and the quality of each."""
        sampler = self._view.sampler(observation, CROP_REACH, rng)
        if sampler is None:
            return Grasps.none(), np.zeros(0)
        drawn = sampler.sample(MINED_AMONG, rng)
        qualities = self._quality(sampler.observation, drawn)
        best = RankedGrasps.none().merged(drawn, qualities).top(self.surplus * count)
        return best.grasps_in_camera, best.qualities


class PrincipalAxisGrasps:
    """`principal_axis`: the grasp across the object's narrow side that the heuristic of that name takes, and others
    near by. What a network must not underrate."""

    def __init__(self, options: Mapping[str, str]) -> None:
        view, _ = _parsed(options, "principal_axis")
        self._sensor, self._table_clearance = view.sensor, view.config.sampler.table_clearance
        self._policy = PrincipalAxisPolicy(PrincipalAxisConfig())

    def __call__(self, observation: Observation, count: int, rng: np.random.Generator) -> Grasps:
        """`count`, the heuristic's own first; none where the noisy image shows nothing to take."""
        noisy = _through(self._sensor, _around_object(observation, HAND_REACH), rng)
        if count == 0 or not noisy.object_mask.any():
            return Grasps.none()
        plan, space = self._policy.plan(noisy, rng), GraspSpace.of(noisy)
        if not len(plan):
            return Grasps.none()
        own, turn = space.coordinates(plan.grasps_in_camera), space.angles(plan.grasps_in_camera)
        shift, twist = rng.standard_normal((count, 3)) * JITTER * space.w, rng.standard_normal(count) * JITTER_ANGLE
        shift[0], twist[0] = 0.0, 0.0
        near = own + shift
        floor = space.tip_floor(near[:, :2], self._table_clearance) + space.gripper.pad_to_tip
        near[:, 2] = np.maximum(near[:, 2], floor)
        return space.grasps(near, turn + twist, np.full(count, space.w))


def _parsed(options: Mapping[str, str], source: str) -> tuple[_PolicyView, str | None]:
    """What a source sees, and the name of its model. InputError: an unknown option, sensor or policy."""
    chosen = parse_config(SourceOptions, options, f"candidates.options.{source}")
    config = load_config(CrossEntropyConfig, "policy", chosen.policy or "cross_entropy")
    if chosen.policy is None:
        config = replace(config, **SHORT_SEARCH)
    if config.approach_tilt:
        tilt = f"approach_tilt_deg: {np.rad2deg(config.approach_tilt):.4g}"
        raise InputError(
            f"candidates.options.{source}: the policy's {tilt} is not read; give it as the source's option"
        )
    return _PolicyView(load_sensor(chosen.sensor), config, chosen.approach_tilt), chosen.model


def _network(model: str | None, source: str, remedy: str) -> NetworkQuality:
    """InputError: no model, or one that cannot be read."""
    if model is None:
        raise InputError(f"candidates.options.{source} has no model; name one: {remedy}")
    return NetworkQuality(load_checkpoint(model))


def _around_object(observation: Observation, reach: float) -> Observation:
    """The part of the image and of the height map that lies within `reach` spans of the hand around the segmask.

    Noise costs by the pixel, and what is made of the map by its cells.
    """
    mask = observation.object_mask
    if not mask.any():
        return observation
    camera, nearest = observation.camera, float(observation.depth[mask].min())
    margin = int(np.ceil(reach * observation.gripper.span * max(camera.fx, camera.fy) / nearest))
    rows, columns = (
        slice(max(0, int(pixels[0]) - margin), int(pixels[-1]) + margin + 1)
        for pixels in (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    )
    depth = observation.depth[rows, columns]
    window = camera.window(columns.start, rows.start, depth.shape[1], depth.shape[0])
    return replace(observation, depth=depth, camera=window, segmask=mask[rows, columns], reach=reach)


def _through(sensor: Sensor, observation: Observation, rng: np.random.Generator) -> Observation:
    return replace(observation, depth=sensor(observation.depth, observation.camera, rng))
