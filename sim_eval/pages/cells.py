"""Cells of tables that several pages have."""

from collections.abc import Mapping

from sim_eval.analysis.results import CeilingShare, format_share

__all__ = ["points_cell", "share_cell"]


def points_cell(difference: float, low: float, high: float) -> str:
    """A difference of shares in points, with its interval."""
    return f"{100 * difference:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]".replace("-", "−")


def share_cell(shares: Mapping[str, CeilingShare], ceiling: str) -> str:
    """A planner's share of a ceiling, if there is one."""
    return format_share(shares[ceiling]) if ceiling in shares else "–"
