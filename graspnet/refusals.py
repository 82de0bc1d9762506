"""What a planner refused: how many candidates, for which reasons, and where. It answers "why not there?"."""

from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64

__all__ = ["Refusals"]


class Refusals:
    """Candidates that were refused, by the first reason that spoke against each.

    >>> import numpy as np
    >>> refusals = Refusals()
    >>> refusals.add("a fingertip in the table", np.zeros((3, 3)))
    >>> refusals.counts
    Counter({'a fingertip in the table': 3})
    """

    def __init__(self) -> None:
        self._places: defaultdict[str, list[Float64[np.ndarray, "N 3"]]] = defaultdict(list)

    def add(self, reason: str, places: Float64[np.ndarray, "N 3"]) -> None:
        """Add candidates that were refused. places: their origins in the camera's frame, metres."""
        if len(places):
            self._places[reason].append(places)

    def merged(self, other: "Refusals") -> "Refusals":
        """These and others."""
        both = Refusals()
        for refusals in (self, other):
            for reason, places in refusals.places.items():
                both.add(reason, places)
        return both

    @property
    def places(self) -> Mapping[str, Float64[np.ndarray, "N 3"]]:
        """Where they lie: origins in the camera's frame, (N, 3), metres, for each reason."""
        return {reason: np.concatenate(places) for reason, places in self._places.items()}

    @property
    def counts(self) -> Counter[str]:
        """How many there are for each reason."""
        return Counter({reason: sum(map(len, places)) for reason, places in self._places.items()})

    def __bool__(self) -> bool:
        return bool(self._places)

    def __str__(self) -> str:
        """A line for each reason, the most frequent one first."""
        counts = self.counts
        digits = len(str(max(counts.values(), default=0)))
        return "\n".join(f"{count:>{digits}}  {reason}" for reason, count in counts.most_common())
