"""What a search may set: ranges and choices of a training's settings, by their dotted keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from graspnet.errors import InputError

if TYPE_CHECKING:
    from optuna import Trial

__all__ = ["Choice", "Range", "Space", "drawn"]


@dataclass(frozen=True, kw_only=True)
class Range:
    """A number between two. log: its logarithm is drawn evenly, and not the number itself. whole: no fractions."""

    kind: Literal["range"] = "range"
    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise InputError(f"range from {self.low} to {self.high}: low must be below high, and positive with log")
        if self.whole and (self.low != int(self.low) or self.high != int(self.high)):
            raise InputError(f"range from {self.low} to {self.high}: its ends must be whole numbers, too")

    def draw(self, trial: "Trial", name: str) -> float | int:
        """A value that Optuna suggests."""
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def examples(self) -> list[Any]:
        """Values that must be valid, for all between to be."""
        return [int(self.low), int(self.high)] if self.whole else [self.low, self.high]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of several values, each as one would type it in KEY=VALUE: '64', 'sgd', 'null'."""

    kind: Literal["choice"] = "choice"
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.values)) < 2:
            raise InputError(f"choice of {', '.join(self.values) or 'nothing'}; it must have two different values")

    def draw(self, trial: "Trial", name: str) -> str:
        """A value that Optuna suggests."""
        chosen: str = trial.suggest_categorical(name, self.values)
        return chosen

    def examples(self) -> list[Any]:
        """All of them."""
        return list(self.values)


Space = Mapping[str, Range | Choice]


def drawn(space: Space, trial: "Trial") -> tuple[str, ...]:
    """Overrides `key=value` of a training, one for each setting, in the order of the config."""
    return tuple(f"{key}={each.draw(trial, key)}" for key, each in space.items())
