"""Candidates: the mixture of grasps that get a label, and how each was drawn.

Satish et al., RA-L 2019: the distribution of the grasps that a network is trained on matters more than the network. So
it is a config: shares of grasps drawn on the object's surface, moved away from there, spread over the action space, and
proposed by sources that look at the image as a policy does. Those are found by name among the installed packages (entry
points `graspnet.candidates`), since a policy needs this package's data and this package no policy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from graspnet.data_gen.candidates.action_space import sample_action_space
from graspnet.data_gen.candidates.antipodal import AntipodalConfig, NearMissConfig, sample_antipodal, sample_near_misses
from graspnet.data_gen.objects.meshes import Solid
from graspnet.errors import InputError, unknown_name
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.observation.observation import Observation

__all__ = [
    "SOURCES",
    "CandidateConfig",
    "CandidateSource",
    "MinedSource",
    "Proposals",
    "candidate_source",
    "sample_candidates",
    "sample_from_sources",
]

SOURCES = "graspnet.candidates"  # entry points: a name, and a factory from options to a CandidateSource


@dataclass(frozen=True, kw_only=True)
class CandidateConfig:
    """Which share of the grasps each sampler gets (shares are divided by their sum), and the samplers' parameters."""

    antipodal: float = 0.40
    near_miss: float = 0.35
    action_space: float = 0.25
    dilation: float = 0.25  # Action-space grasps lie over the silhouette widened by so many openings.
    pairs: AntipodalConfig = field(default_factory=AntipodalConfig)
    misses: NearMissConfig = field(default_factory=NearMissConfig)
    # Installed sources such as policy_sampler have these shares.
    sources: dict[str, float] = field(default_factory=dict)
    options: dict[str, dict[str, str]] = field(default_factory=dict)  # Those sources have these options, by name.
    # Sources look at this share of the views, and propose as many more there: one look costs as much as many grasps.
    source_views: float = 1.0

    def __post_init__(self) -> None:
        shares = (self.antipodal, self.near_miss, self.action_space, *self.sources.values())
        if min(shares) < 0 or sum(shares) <= 0:
            raise InputError(f"shares of candidates are {shares}; expected none negative and some positive")
        if self.dilation < 0:
            raise InputError(f"dilation is {self.dilation}; it must not be negative")
        if not self._of_sources <= self.source_views <= 1 or self.source_views == 0:
            raise InputError(
                f"source_views is {self.source_views}; it must be at most 1, and at least the sources' share of all "
                f"candidates, {self._of_sources:.3g}, since no view has more grasps of theirs than it has grasps"
            )
        installed = {entry.name for entry in entry_points(group=SOURCES)} if self.sources else set()
        for name in self.sources:
            if name not in installed:
                raise unknown_name("candidate source", name, installed, "sources")
        for name in self.options:
            if name not in self.sources:
                raise unknown_name("source", name, self.sources, "options")

    def source_counts(self, count: int) -> dict[str, int]:
        """How many of a view's `count` grasps each source is asked for, where sources look at that view."""
        total = (self.antipodal + self.near_miss + self.action_space + sum(self.sources.values())) * self.source_views
        left, counts = count, {}
        for name, share in self.sources.items():
            counts[name] = min(left, round(count * share / total))
            left -= counts[name]
        return counts

    @property
    def _of_sources(self) -> float:
        """The share of all grasps that sources propose."""
        of_sources = sum(self.sources.values())
        return of_sources / (self.antipodal + self.near_miss + self.action_space + of_sources)

    def with_on_policy(self, model: str, share: float = 0.25) -> "CandidateConfig":
        """The same mixture diluted by what a trained model's policy picks (an installed source, `on_policy`)."""
        others = {name: part for name, part in self.sources.items() if name != "on_policy"}
        total = self.antipodal + self.near_miss + self.action_space + sum(others.values())
        sources = others | {"on_policy": total * share / (1 - share)}
        options = self.options | {"on_policy": self.options.get("on_policy", {}) | {"model": model}}
        views = max(self.source_views, sum(sources.values()) / (total + sources["on_policy"]))
        return replace(self, sources=sources, options=options, source_views=views)

    def check_sources(self) -> None:
        """InputError: a source cannot be made, for want of a model, say."""
        for name in self.sources:
            self.source(name)

    def source(self, name: str) -> "CandidateSource":
        """One of the sources, with its options."""
        return candidate_source(name, tuple(sorted(self.options.get(name, {}).items())))


@runtime_checkable  # beartype checks it under pytest
class CandidateSource(Protocol):
    """Proposes at most `count` grasps, in the camera frame, of what the segmask marks in a clean depth image.

    What noise it wants to see them through, it adds itself.
    """

    def __call__(self, observation: Observation, count: int, rng: np.random.Generator) -> Grasps:
        """The grasps; the same observation and generator state give the same ones."""
        ...


@runtime_checkable
class MinedSource(CandidateSource, Protocol):
    """A source of hard examples: it proposes more grasps than it is asked for, and what a model thinks of each.

    They are all labelled; of those, the ones that the model overrates most are kept.
    """

    def mine(
        self, observation: Observation, count: int, rng: np.random.Generator
    ) -> tuple[Grasps, Float64[np.ndarray, "N"]]:
        """More grasps than `count`, in the camera frame, and the quality of each, in [0, 1]."""
        ...


@dataclass(frozen=True)
class Proposals:
    """What the sources propose in one image, before it is labelled."""

    grasps: Grasps  # in the camera frame, or in that of the labels
    source: Shaped[np.ndarray, "N"]
    quality: Float64[np.ndarray, "N"]  # of mined ones; NaN: of a grasp that is kept whatever its label is
    mined: int  # So many of those with a quality are kept.

    @property
    def kept(self) -> int:
        """How many grasps are left after `chosen`."""
        return len(self.quality) - int(np.sum(~np.isnan(self.quality))) + self.mined

    def chosen(self, label: Float64[np.ndarray, "N"]) -> Int64[np.ndarray, "K"]:
        """Which grasps are kept, in their order: those that quality − label calls most overrated, and all others."""
        overrated = np.where(np.isnan(self.quality), np.inf, self.quality - label)
        return np.sort(np.argsort(-overrated, kind="stable")[: self.kept])


def sample_candidates(
    solid: Solid,
    world_from_object: Float64[np.ndarray, "4 4"],
    gripper: ParallelJaw,
    count: int,
    config: CandidateConfig,
    rng: np.random.Generator,
) -> tuple[Grasps, Shaped[np.ndarray, "N"]]:
    """`count` grasps in the world and the source of each: "antipodal", "near_miss" or "action_space".

    They come from the mesh, in the shares that these three have beside each other. An object with too few antipodal
    pairs gets more grasps from the action space instead.
    """
    total = config.antipodal + config.near_miss + config.action_space
    wanted = round(count * config.antipodal / total) if total > 0 else 0
    misses = min(round(count * config.near_miss / total), count - wanted) if total > 0 else 0
    pairs = sample_antipodal(solid, world_from_object, gripper, wanted + misses, config.pairs, rng)
    # Near misses get their share of what was found: a lack of pairs must not make every one of them antipodal.
    split = len(pairs) if misses == 0 else round(len(pairs) * wanted / (wanted + misses))
    near = sample_near_misses(pairs[split:], gripper, config.misses, rng)
    rest = count - len(pairs)
    dilation = config.dilation * gripper.max_width
    spread = sample_action_space(solid, world_from_object, gripper, rest, dilation, rng)
    source = np.repeat(["antipodal", "near_miss", "action_space"], [split, len(near), rest])
    return Grasps.concatenate([pairs[:split], near, spread]), source


def sample_from_sources(
    observation: Observation, count: int, config: CandidateConfig, rng: np.random.Generator
) -> Proposals:
    """What the config's sources propose of a view's `count` grasps, in the camera frame; nothing if they do not look at
    this view."""
    proposed, source, quality, mined = [Grasps.none()], list[str](), [np.zeros(0)], 0
    if config.source_views < 1 and rng.random() >= config.source_views:
        return Proposals(Grasps.none(), np.zeros(0, dtype=np.str_), np.zeros(0), 0)
    for name, share in config.source_counts(count).items():
        if not share:
            continue
        of = config.source(name)
        if isinstance(of, MinedSource):
            grasps, rated = of.mine(observation, share, rng)
            mined += min(share, len(grasps))
        else:
            grasps = of(observation, share, rng)[slice(share)]
            rated = np.full(len(grasps), np.nan)
        proposed.append(grasps)
        quality.append(rated)
        source += [name] * len(grasps)
    return Proposals(Grasps.concatenate(proposed), np.array(source, dtype=np.str_), np.concatenate(quality), mined)


@lru_cache(maxsize=8)
def candidate_source(name: str, options: tuple[tuple[str, str], ...] = ()) -> CandidateSource:
    """The installed source of that name, made once in each process: it may hold a network."""
    (entry,) = entry_points(group=SOURCES, name=name)
    factory: Callable[[Mapping[str, str]], CandidateSource] = entry.load()
    return factory(dict(options))
