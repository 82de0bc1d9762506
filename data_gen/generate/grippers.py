"""The distribution of hands: presets, or boxes drawn at random so that one network learns to serve them all."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graspnet.errors import InputError
from graspnet.grippers.parallel_jaw import ParallelJaw, load_parallel_jaw

__all__ = ["HandConfig", "sample_hands"]


@dataclass(frozen=True, kw_only=True)
class HandConfig:
    """Which hands grasps are labelled for. Ranges are (low, high); all but the opening are in units of the opening.

    The ranges cover the presets yumi, panda, robotiq_85 and wide with some room on either side.
    """

    presets: tuple[str, ...] = ()  # or files, drawn with equal chance; empty: random hands only
    random_share: float = 1.0  # of objects that get a random hand where presets are named too
    opening: tuple[float, float] = (0.040, 0.150)  # metres, log-uniform
    thickness: tuple[float, float] = (0.06, 0.30)
    breadth: tuple[float, float] = (0.10, 0.50)
    length: tuple[float, float] = (0.5, 1.3)
    pad_to_tip: tuple[float, float] = (0.1, 0.3)
    palm_breadth: tuple[float, float] = (0.5, 1.2)  # x of the palm
    palm_width: tuple[float, float] = (1.2, 2.6)  # y of the palm, beyond the open fingers
    palm_length: tuple[float, float] = (0.6, 1.3)  # z of the palm

    def __post_init__(self) -> None:
        if not 0 <= self.random_share <= 1:
            raise InputError(f"random_share is {self.random_share}; it must lie in [0, 1]")
        if not self.presets and self.random_share == 0:
            raise InputError("random_share is 0 and no presets are named: there is no hand to draw")
        names = [Path(preset).stem for preset in self.presets]
        if len(set(names)) < len(names):
            raise InputError(f"presets are {', '.join(names)}: a dataset tells hands by name; each must be different")
        for name in (
            "opening", "thickness", "breadth", "length", "pad_to_tip", "palm_breadth", "palm_width", "palm_length",
        ):  # fmt: skip
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise InputError(f"{name} is ({low}, {high}); expected 0 < low <= high")


def sample_hands(config: HandConfig, name: str, count: int, rng: np.random.Generator) -> list[ParallelJaw]:
    """`count` different hands: presets, or random boxes that are called `name`, `name`_1, `name`_2 …

    There must be as many presets where no hand is random.
    """
    hands: dict[str, ParallelJaw] = {}
    while len(hands) < count:
        hand = _sample_hand(config, f"{name}_{len(hands)}" if hands else name, rng)
        hands.setdefault(hand.name, hand)
    return list(hands.values())


def _sample_hand(config: HandConfig, name: str, rng: np.random.Generator) -> ParallelJaw:
    """One hand: a preset, or random boxes called `name`."""
    if config.presets and rng.random() >= config.random_share:
        return load_parallel_jaw(config.presets[rng.integers(len(config.presets))])
    opening = float(np.exp(rng.uniform(*np.log(config.opening))))

    def size(limits: tuple[float, float]) -> float:
        return float(rng.uniform(*limits)) * opening

    return ParallelJaw(
        name=name,
        max_width=opening,
        finger_thickness=size(config.thickness),
        finger_breadth=size(config.breadth),
        finger_length=size(config.length),
        pad_to_tip=size(config.pad_to_tip),
        palm=(size(config.palm_breadth), size(config.palm_width), size(config.palm_length)),
    )
