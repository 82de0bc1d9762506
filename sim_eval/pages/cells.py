"""Figures as text, in the cells of tables and in sentences."""

from collections.abc import Mapping

import numpy as np

from graspnet.sim_eval.analysis.results import CeilingShare
from graspnet.sim_eval.analysis.tables import format_share

__all__ = ["points", "points_cell", "rate_cell", "share_cell"]


def rate_cell(rate: float, low: float, high: float) -> str:
    """Write a rate with its interval, or a dash where there is nothing to divide by."""
    return f"{rate:.1%} [{100 * low:.1f}, {100 * high:.1f}]" if np.isfinite(rate) else "–"


def points(difference: float) -> str:
    """Write a difference of shares in points, with its sign."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def points_cell(difference: float, low: float, high: float) -> str:
    """Write a difference of shares in points, with its interval."""
    return f"{points(difference)} [{points(low)}, {points(high)}]"


def share_cell(shares: Mapping[str, CeilingShare], ceiling: str) -> str:
    """Write a planner's share of a ceiling, if there is one."""
    return format_share(shares[ceiling]) if ceiling in shares else "–"
