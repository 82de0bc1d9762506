"""Candidates for a dataset as a policy would propose them: labels where a network will be asked for its quality.

Two sources of the entry-point group `graspnet.candidates`. Both look at the object through a sensor's noise, since a
policy finds its edges in a noisy image, not in a clean one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from graspnet.config import load_config, parse_config
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.models.checkpoint import load_checkpoint
from graspnet.observation.observation import Observation
from graspnet.policies.constraints import FeasibleSampler
from graspnet.policies.cross_entropy.cross_entropy import CrossEntropyConfig, search
from graspnet.quality import NetworkQuality
from graspnet.sensors import Sensor, load_sensor

__all__ = ["OnPolicy", "PolicySampler", "SourceOptions"]


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Options of both sources: `candidates.options.on_policy: {model: …}` in a config of `graspnet generate`."""

    sensor: str = "varied"  # a preset of configs/sensors/ or a file: the noise that the policy sees
    policy: str = "cross_entropy"  # a preset of configs/policy/ or a file: a cross-entropy policy's settings
    model: str | None = None  # of on_policy: one that ships, or a folder that `graspnet train` made


class PolicySampler:
    """`policy_sampler`: the feasible antipodal grasps among which every policy starts."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self._sensor, self._config, _ = _parsed(options, "policy_sampler")

    def __call__(self, observation: Observation, count: int, rng: np.random.Generator) -> Grasps:
        """At most `count`; none where the noisy image shows nothing to take."""
        noisy = _through(self._sensor, observation, rng)
        if not noisy.object_mask.any():
            return Grasps.none()
        return FeasibleSampler.of(noisy, self._config.sampler, self._config.constraints).sample(count, rng)


class OnPolicy:
    """`on_policy`: what the cross-entropy method with a trained model takes for best, rightly or wrongly.

    Satish et al., RA-L 2019: a network's errors matter where its policy looks. Drawn at random from the elites: as many
    of the best of all generations as one generation fits its mixture to.
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        self._sensor, self._config, model = _parsed(options, "on_policy")
        if model is None:
            raise InputError("candidates.options.on_policy has no model; name one: `--on-policy MODEL`")
        self._quality = NetworkQuality(load_checkpoint(model))

    def __call__(self, observation: Observation, count: int, rng: np.random.Generator) -> Grasps:
        """At most `count`; none where the noisy image shows nothing to take."""
        noisy, config = _through(self._sensor, observation, rng), self._config
        if not noisy.object_mask.any():
            return Grasps.none()
        ranked = search(
            noisy, self._quality, FeasibleSampler.of(noisy, config.sampler, config.constraints), config, rng
        )
        elites = ranked.top(max(count, int(np.ceil(config.elite_fraction * config.samples)))).grasps_in_camera
        return elites[rng.permutation(len(elites))[:count]]


def _parsed(options: Mapping[str, str], source: str) -> tuple[Sensor, CrossEntropyConfig, str | None]:
    """InputError: an unknown option, sensor or policy."""
    chosen = parse_config(SourceOptions, options, f"candidates.options.{source}")
    return load_sensor(chosen.sensor), load_config(CrossEntropyConfig, "policy", chosen.policy), chosen.model


def _through(sensor: Sensor, observation: Observation, rng: np.random.Generator) -> Observation:
    return replace(observation, depth=sensor(observation.depth, observation.camera, rng))
