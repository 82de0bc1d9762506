"""Figures in sentences, as the pages' openings have them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

__all__ = ["counted", "folder_name", "listed", "percent"]


def counted(number: int, thing: str) -> str:
    """Write a number of things: `1 grasp`, `2,400 grasps`."""
    return f"{number:,} {thing}{'s' * (number != 1)}"


def listed(parts: Sequence[str]) -> str:
    """Join parts of a sentence with commas, and "and" before the last."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def percent(share: float) -> str:
    """Write a share, or a dash where there is nothing to divide by."""
    return f"{100 * share:.1f} %" if np.isfinite(share) else "–"


def folder_name(folder: str | Path) -> str:
    """Name a folder without the way to it, wherever it is: on this machine, relative to the present place, or a URL."""
    return str(folder).rstrip("/").rpartition("/")[2] if "://" in str(folder) else Path(folder).resolve().name
