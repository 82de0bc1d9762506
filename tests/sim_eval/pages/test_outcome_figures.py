"""What the report's plots show is what happened."""

import numpy as np
import pytest

from graspnet.sim_eval.episodes.records import Attempt
from graspnet.sim_eval.pages.outcome_figures import (
    ObjectOutcome,
    calibration,
    calibration_figure,
    family_of,
    outcome_figure,
    planners_with_quality,
    size_figure,
    worst_rows,
)
from graspnet.sim_eval.replay.replay import PickRecord


def picks(outcomes: str, planner: str = "p", quality: float = 0.5, thing: str = "cup", size: float = 0.02):
    """A pick for each letter: s for success, m for missed, n for no plan."""
    names = {"s": "success", "m": "missed", "n": "no_plan"}
    return [
        PickRecord(k, 0, planner, f"trial {k}", thing, (size, size, 2 * size), Attempt(names[o], quality=quality))
        for k, o in enumerate(outcomes)
    ]


def objects_of(several: list[PickRecord]) -> list[ObjectOutcome]:
    return [ObjectOutcome(pick.planner, pick.object, pick.size, pick.result.success) for pick in several]


def test_a_bar_is_divided_by_the_shares_of_the_outcomes():
    axes = outcome_figure(picks("ssmn", "a") + picks("smmm", "b")).axes[0]
    widths = {c.get_label(): [bar.get_width() for bar in c] for c in axes.containers}
    assert widths == {"success": [0.5, 0.25], "missed": [0.25, 0.75], "no plan": [0.25, 0.0]}
    ends = [bar.get_x() + bar.get_width() for bar in axes.containers[-1]]
    assert ends[0] == ends[1] + widths["no plan"][1] == 1.0


@pytest.mark.parametrize(("shift", "error"), [(0.0, "0.000"), (0.2, "0.200")])
def test_the_calibration_error_is_the_distance_from_quality_to_success(shift, error):
    mixed = picks("smmm", quality=0.25 + shift) + picks("sssm", quality=0.75 + shift)
    found = calibration(mixed, "p")
    assert f"{found.error:.3f}" == error
    points = calibration_figure([found]).axes[0].containers[0].lines[0].get_xydata()
    np.testing.assert_allclose(points, [[0.25 + shift, 0.25], [0.75 + shift, 0.75]])


def test_the_bars_of_a_rate_are_wilsons():
    found = calibration(picks("sssssssmmm", quality=0.65) + picks("m", quality=0.05), "p")
    axes = calibration_figure([found]).axes[0]
    low, high = axes.containers[0].lines[2][0].get_segments()[1][:, 1]
    assert (round(low, 4), round(high, 4)) == (0.3968, 0.8922)  # of 7 in 10


def test_a_planner_whose_qualities_are_all_the_same_gives_none():
    several = picks("sm", "flat", 0.0) + picks("s", "ranks", 0.3) + picks("m", "ranks", 0.6)
    several += picks("n", "silent", float("nan"))
    assert planners_with_quality(several) == ["ranks"]


def test_success_against_size_groups_small_and_large_objects():
    small, large = picks("ssss", size=0.01), picks("mmmm", size=0.05)
    axes = size_figure(objects_of(small + large), opening=0.05).axes
    for each, factor in zip(axes, (1, 2), strict=True):  # shortest side, longest side
        points = each.containers[0].lines[0].get_xydata()
        np.testing.assert_allclose(points, [[10 * factor, 1.0], [50 * factor, 0.0]])


def test_the_worst_come_first_and_more_failures_weigh_more():
    mixed = picks("mmmm", thing="ring_00001") + picks("m", thing="gear_00002") + picks("sm", thing="cup")
    rows = worst_rows(objects_of(mixed), [pick.object for pick in mixed], most=2)
    assert rows == [["ring_00001", "0 of 4", "0 of 4"], ["gear_00002", "0 of 1", "0 of 1"]]


def test_a_procedural_object_belongs_to_a_family_and_a_mesh_to_itself():
    assert family_of("bent_tube_00012") == "bent_tube"
    assert family_of("kit/Cup_800_tex") == "kit/Cup_800_tex"
