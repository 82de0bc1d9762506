"""What a screen tries: named variants of a training, as a YAML file of `configs/screen/` has them.

    train: parallel_jaw
    variants:
      clearance_1mm: [train.label.clearance_sigma_mm=1]
      wide_hands: [generate.hands.random_share=1]
      a_third: [examples=100000]

An override's first name says what it changes: the training (`train.`), the dataset (`generate.`), or, without one, how
many `examples` of it there are. The training as it stands is the variant `base`, with which the others are compared.
"""

import re
from dataclasses import dataclass, field, replace

from graspnet.config import config_to_dict, load_config, parse_config, with_overrides
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.dataset import DatasetHeader
from graspnet.errors import InputError
from graspnet.run.storage import json_checksum
from graspnet.sim_eval.protocols.protocol import BASE, ProtocolConfig
from graspnet.training.examples.label import LabelConfig
from graspnet.training.trainer import TrainConfig

__all__ = ["ScreenConfig", "Variant"]

TRAIN, GENERATE, EXAMPLES = "train", "generate", "examples"

NAME_DIGITS = 12  # of the folders of trainings and datasets: screens that were begun have these names


@dataclass(frozen=True, kw_only=True)
class ScreenConfig:
    """A preset of `configs/screen/`: the variants, and what all of them have in common.

    train: the preset or file that variants change. examples: each training gets at least so many, in whole objects, if
    there are. seen: so many are seen in all epochs. validation: examples for average precision, top-1 and calibration,
    which are measured against `label`, whatever a variant learns. trials: of `protocol`, with `policy`, for each
    trained network.
    """

    train: str = "parallel_jaw"
    examples: int = 300_000
    seen: int = 1_500_000
    seeds: int = 3
    validation: int = 20_000
    label: LabelConfig = field(default_factory=LabelConfig)
    protocol: str = "tuning"
    policy: str = "cross_entropy"
    trials: int = 112
    variants: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("examples", "seen", "seeds", "validation", "trials"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        self.protocol_config()
        self.all_variants()

    def protocol_config(self) -> ProtocolConfig:
        """The protocol that lifts are counted in. InputError: there is none, or it is not of trials alone."""
        config = load_config(ProtocolConfig, "simulate", self.protocol)
        if not config.of_trials or config.variants:
            raise InputError(
                f"protocol is {self.protocol!r}; a screen pairs trials: take one of trials, without variants"
            )
        return replace(config, episodes=self.trials)

    def all_variants(self) -> "tuple[Variant, ...]":
        """The base, then the others in their order. InputError: an override that changes nothing that there is."""
        train = replace(load_config(TrainConfig, "train", self.train), examples=self.seen, threads=1)
        base = Variant(BASE, train, self.examples)
        return (base, *(_varied(base, name, overrides) for name, overrides in self.variants.items()))


@dataclass(frozen=True)
class Variant:
    """One way of training. generate: overrides of the config that the screen's dataset was generated with."""

    name: str
    train: TrainConfig
    examples: int
    generate: tuple[str, ...] = ()

    @property
    def training(self) -> str:
        """A name of the weights: variants that differ only in how a trained network answers share them."""
        train = config_to_dict(replace(self.train, flip_average=False))
        return json_checksum({"train": train, "examples": self.examples, "generate": self.generate}, NAME_DIGITS)

    @property
    def dataset(self) -> str:
        """A name of the dataset; empty for the screen's own."""
        return json_checksum(self.generate, NAME_DIGITS) if self.generate else ""

    def generate_config(self, header: DatasetHeader) -> GenerateConfig:
        """The config of the variant's dataset: that of the screen's own, changed. InputError: that has none of ours."""
        own = parse_config(GenerateConfig, header.config, f"dataset {header.name}: config")
        return with_overrides(own, self.generate)


def _varied(base: Variant, name: str, overrides: tuple[str, ...]) -> Variant:
    """The base under overrides, each taken to what its first name says."""
    if not re.fullmatch(r"[\w.-]+", name) or name == BASE:
        raise InputError(f"variant {name!r}: it names a folder; letters, digits, _, . and -, but not {BASE!r}")
    found: dict[str, list[str]] = {TRAIN: [], GENERATE: []}
    examples = base.examples
    for override in overrides:
        room, _, rest = override.partition(".")
        key, _, value = override.partition("=")
        if room in found and rest:
            found[room].append(rest)
        elif key == EXAMPLES and value.isdecimal() and int(value) > 0:
            examples = int(value)
        else:
            raise InputError(
                f"variant {name!r}: override {override!r} begins with neither train. nor generate., nor is examples=N"
            )
    try:
        with_overrides(GenerateConfig(), found[GENERATE])  # a misspelt key is refused before anything is trained
        train = with_overrides(base.train, found[TRAIN])
    except InputError as error:
        raise InputError(f"variant {name!r}: {error}") from None
    return Variant(name, train, examples, tuple(found[GENERATE]))
