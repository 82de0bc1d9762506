"""Exact epsilon (Ferrari-Canny, L1) of many grasps, against SciPy's hull of the same wrenches, grasp by grasp."""

import numpy as np
from jaxtyping import Float64
from scipy.spatial import ConvexHull

from graspnet.benchmarks.measure import BenchmarkResult, interleaved
from graspnet.data_gen.contact.contacts import Contacts
from graspnet.data_gen.contact.epsilon import epsilon
from graspnet.data_gen.contact.wrenches import WrenchConfig, grasp_wrenches
from graspnet.transforms import frame_from_axes, perpendicular_to, unit

__all__ = ["run"]


def run(quick: bool) -> BenchmarkResult:
    """On one thread: two soft fingers that face each other within their friction cones, 20 wrenches each."""
    count, repeats = (300, 3) if quick else (3000, 5)
    contacts, across, center, friction = _grasps(count)
    config = WrenchConfig()
    wrenches = grasp_wrenches(contacts, across, center, friction, config)
    ours, theirs = interleaved(
        lambda: epsilon(contacts, across, center, friction, config), lambda: _by_hulls(wrenches), repeats
    )
    difference = np.abs(epsilon(contacts, across, center, friction, config) - _by_hulls(wrenches))
    return BenchmarkResult(
        benchmark="epsilon",
        ratio=theirs / ours,
        of="SciPy's exact 6-D hull time / ours, on one core",
        figures={
            "microseconds_a_grasp": 1e6 * ours / count,
            "microseconds_a_hull": 1e6 * theirs / count,
            "largest_difference": float(difference.max()),
            "share_with_force_closure": float((_by_hulls(wrenches) > 0).mean()),
        },
    )


def _by_hulls(wrenches: Float64[np.ndarray, "N 20 6"]) -> Float64[np.ndarray, "N"]:
    """Distance from the origin to the nearest facet of each hull; 0 outside of it."""
    offsets = [ConvexHull(each).equations[:, -1].max() for each in wrenches]
    return np.maximum(0.0, -np.array(offsets))


def _grasps(
    count: int,
) -> tuple[Contacts, Float64[np.ndarray, "N 3"], Float64[np.ndarray, "N 3"], Float64[np.ndarray, "N"]]:
    """Contacts 1 to 5 cm apart with normals up to about 25° off the line between them; x axis, CoM and friction."""
    rng = np.random.default_rng(0)
    line = unit(rng.normal(size=(count, 3)))
    half = rng.uniform(0.005, 0.025, (count, 1)) * line
    normals = np.stack([unit(sign * line + 0.15 * rng.normal(size=(count, 3))) for sign in (-1.0, 1.0)], axis=1)
    across = frame_from_axes(perpendicular_to(line), line)[:, :, 0]
    contacts = Contacts(np.stack([-half, half], axis=1), normals, np.ones(count, dtype=bool))
    return contacts, across, rng.normal(0.0, 0.01, (count, 3)), rng.uniform(0.3, 0.8, count)
