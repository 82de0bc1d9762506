"""What a screen tries: named variants of a training, as a YAML file of `configs/screen/` has them.

    train: parallel_jaw
    variants:
      clearance_1mm: [train.label.clearance_sigma_mm=1]
      wide_hands: [generate.hands.random_share=1]
      fewer: [examples=100000]

An override's first name says what it changes: the training (`train.`), the dataset (`generate.`), or the budget
(`examples`, `seen`). The training as it stands is the variant `base`, with which all others are compared.
"""

import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from typing import Any

from graspnet.config import config_to_dict, load_config, parse_config, with_overrides
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.dataset import DatasetHeader
from graspnet.errors import InputError
from graspnet.sim_eval.protocols.protocol import BASE, ProtocolConfig
from graspnet.training.batches import LabelConfig
from graspnet.training.trainer import TrainConfig

__all__ = ["Budget", "ScreenConfig", "Variant"]

ROOMS = ("train", "generate")  # overrides of these begin with the name and a dot; all others are of the budget


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What each training may use. examples: at least so many in whole objects, if there are. seen: in all epochs."""

    examples: int = 300_000
    seen: int = 1_500_000

    def __post_init__(self) -> None:
        for name in ("examples", "seen"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")


@dataclass(frozen=True, kw_only=True)
class ScreenConfig:
    """A preset of `configs/screen/`: the variants, and what all of them have in common.

    train: the preset or file that variants change. protocol, policy: what lifts are counted in, and who plans. label:
    what average precision, top-1 and calibration are measured against, whatever a variant learns. validation: examples
    for those figures. confirmed by `trials` of the protocol for every training.
    """

    train: str = "parallel_jaw"
    budget: Budget = field(default_factory=Budget)
    seeds: int = 3
    validation: int = 20_000
    trials: int = 112
    protocol: str = "tuning"
    policy: str = "cross_entropy"
    label: LabelConfig = field(default_factory=LabelConfig)
    variants: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("seeds", "validation", "trials"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        self.protocol_config()
        for name in self.variants:
            if not re.fullmatch(r"[\w.-]+", name) or name == BASE:
                raise InputError(f"variant {name!r}: it names a folder; letters, digits, _, . and -, but not {BASE!r}")
        self.all_variants()

    def protocol_config(self) -> ProtocolConfig:
        """The protocol that lifts are counted in. InputError: there is none, or it is not of trials."""
        config = load_config(ProtocolConfig, "simulate", self.protocol)
        if not config.of_trials or config.variants:
            raise InputError(f"protocol {self.protocol!r} is not of trials, or has variants; a screen pairs trials")
        return replace(config, episodes=self.trials)

    def all_variants(self) -> "tuple[Variant, ...]":
        """The base, then the others as the file has them. InputError: an override that changes nothing we know."""
        train = load_config(TrainConfig, "train", self.train)
        base = Variant(BASE, replace(train, threads=1), self.budget)
        return (base, *(_varied(base, name, overrides) for name, overrides in self.variants.items()))


@dataclass(frozen=True)
class Variant:
    """One way of training. generate: overrides of the config that the screen's dataset was generated with."""

    name: str
    train: TrainConfig
    budget: Budget
    generate: tuple[str, ...] = ()

    @property
    def training(self) -> str:
        """Names the weights: variants that differ only in how a trained network answers share them."""
        train = config_to_dict(replace(self.train, flip_average=False))
        recipe: dict[str, Any] = {"train": train, "budget": config_to_dict(self.budget), "generate": self.generate}
        return _digest(recipe)

    @property
    def dataset(self) -> str:
        """Names the variant's dataset; empty for the screen's own."""
        return _digest(self.generate) if self.generate else ""

    def generate_config(self, header: DatasetHeader) -> GenerateConfig:
        """The config of the variant's dataset: that of the screen's own, changed. InputError: it cannot be."""
        own = parse_config(GenerateConfig, header.config, f"dataset {header.name}: config")
        return with_overrides(own, self.generate)


def _varied(base: Variant, name: str, overrides: tuple[str, ...]) -> Variant:
    """The base with overrides, each taken to what its first name says."""
    found: dict[str, list[str]] = {room: [] for room in (*ROOMS, "budget")}
    for override in overrides:
        room, dot, rest = override.partition(".")
        found[room if dot and room in ROOMS else "budget"].append(rest if dot and room in ROOMS else override)
    try:
        with_overrides(GenerateConfig(), found["generate"])  # to refuse a misspelt key before an hour of training
        return Variant(
            name,
            with_overrides(base.train, found["train"]),
            with_overrides(base.budget, found["budget"]),
            tuple(found["generate"]),
        )
    except InputError as error:
        raise InputError(
            f"variant {name!r}: {error}; overrides begin with train. or generate., or are of the budget"
        ) from None


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]
