"""Limits: one thing at a time is changed, by as much as is said; and the table, the document and the model agree."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from graspnet.camera import load_camera
from graspnet.config import config_to_dict
from graspnet.grippers.parallel_jaw import load_parallel_jaw
from graspnet.models.checkpoint import load_checkpoint
from graspnet.policies.model_range import NUMBERS
from graspnet.sensors import load_sensor
from graspnet.sim_eval.episodes.records import Attempt, EpisodeRecord, EpisodeResult
from graspnet.sim_eval.protocols.protocol import BASE, ProtocolConfig
from graspnet.sim_eval.studies import limits
from graspnet.sim_eval.studies.limits import FACTORS, Point, limits_of, markdown_table, points, read_table, table
from tests.places import ROOT

TABLE = ROOT / "docs" / "img" / "limits.csv"
CHANGED = {  # by each factor, and nothing else
    "distance": {"view.distance"},
    "tilt": {"view.tilted_share", "view.tilted_polar"},
    "hand": {"gripper"},
    "hand_alone": {"gripper", "objects.graspable_width", "objects.largest_extent"},
    "hand_far": {"gripper", "view.distance"},
    "object_width": {"objects.graspable_width"},
    "blobs": {"sensor"},
    "grains": {"sensor"},
    "focal_length": {"view.focal_length"},
    "image_width": {"view.width", "view.height"},
    "sensor": {"sensor"},
}


@pytest.fixture(scope="module")
def all_points(tmp_path_factory) -> list[Point]:
    return points(tmp_path_factory.mktemp("made"))


def _flat(data: dict, prefix: str = "") -> dict:
    nested = [
        _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
        for key, value in data.items()
    ]
    return {key: value for part in nested for key, value in part.items()}


def test_every_point_changes_what_its_factor_says_and_nothing_else(all_points):
    single = _flat(config_to_dict(ProtocolConfig()))
    assert all_points[0].config == ProtocolConfig()
    assert {point.factor for point in all_points[1:]} == CHANGED.keys() == FACTORS.keys()
    for point in all_points[1:]:
        changed = _flat(config_to_dict(point.config))
        assert {key for key, value in changed.items() if single[key] != value} == CHANGED[point.factor], point.name


def test_points_are_folders_with_names_of_their_own(all_points):
    names = [point.name for point in all_points]
    assert names[0] == BASE
    assert len(set(names)) == len(names)
    assert "distance_0.2" in names


def test_angles_are_in_degrees_and_images_keep_their_shape(all_points):
    by_name = {point.name: point.config.view for point in all_points}
    assert by_name["tilt_60"].tilted_polar == pytest.approx((np.pi / 3, np.pi / 3))
    assert (by_name["image_width_1280"].width, by_name["image_width_1280"].height) == (1280, 960)


def test_a_hand_of_twice_the_opening_is_twice_the_yumi_in_every_size_and_in_force(all_points):
    (point,) = (point for point in all_points if point.name == "hand_0.1")
    hand, yumi = load_parallel_jaw(point.config.gripper), load_parallel_jaw("yumi")
    np.testing.assert_allclose(hand.sizes(), 2 * yumi.sizes())
    assert (hand.force, hand.friction) == (2 * yumi.force, yumi.friction)


def test_beside_a_hand_alone_objects_keep_the_size_that_they_have_for_50_mm(all_points):
    (point,) = (point for point in all_points if point.name == "hand_alone_0.2")
    opening = load_parallel_jaw(point.config.gripper).max_width
    sizes = opening * np.array(point.config.objects.graspable_width)
    np.testing.assert_allclose(sizes, 0.05 * np.array(ProtocolConfig().objects.graspable_width))
    assert opening * point.config.objects.largest_extent == pytest.approx(0.05 * 4)


@pytest.mark.parametrize("name", ["blobs_0.1", "blobs_0.5", "blobs_0.8", "grains_0.3", "grains_0.8"])
def test_as_much_depth_is_missing_as_a_point_says(all_points, name):
    """A wall seen head-on has no edges, shadows or grazing parts: only holes are missing there.

    Blobs have an area of 218 pixels on average, so that a share of one half has a deviation of about 1.3 points in an
    image of 640x480.
    """
    (point,) = (point for point in all_points if point.name == name)
    camera = load_camera("primesense")
    wall = np.full((camera.height, camera.width), 0.7, dtype=np.float32)
    seen = load_sensor(point.config.sensor)(wall, camera, np.random.default_rng(0))
    assert np.isnan(seen).mean() == pytest.approx(float(point.value), abs=0.04)


def _record(index: int, network: str, heuristic: str) -> EpisodeRecord:
    results = {
        name: EpisodeResult((Attempt(outcome),), "failures")
        for name, outcome in (("cross_entropy", network), ("principal_axis", heuristic))
    }
    return EpisodeRecord(index, ("box",), results=results)


def test_the_table_counts_lifts_on_trials_that_start_in_both_runs():
    """3 of 4 have Wilson's bounds [0.301, 0.954]: (p + z²/2n ± z √(pq/n + z²/4n²)) / (1 + z²/n) for z = 1.96."""
    base = [_record(k, "success", "missed") for k in range(5)]
    near = [_record(k, "success" if k < 3 else "missed", "success") for k in range(4)]
    records = {BASE: {r.index: r for r in base}, "distance_0.2": {r.index: r for r in near}}
    records["distance_0.2"][4] = EpisodeRecord(4, problem="out of the camera's view")
    rows = table(records, [Point("", "", ProtocolConfig()), Point("distance", 0.2, ProtocolConfig())])
    assert [(row["factor"], row["planner"], row["lifted"], row["trials"]) for row in rows] == [
        (BASE, "cross_entropy", 5, 5), (BASE, "principal_axis", 0, 5),
        ("distance", "cross_entropy", 3, 4), ("distance", "principal_axis", 4, 4),
    ]  # fmt: skip
    assert (rows[2]["rate"], rows[2]["low"], rows[2]["high"]) == pytest.approx((0.75, 0.301, 0.954), abs=5e-4)
    assert (rows[2]["difference"], rows[3]["difference"]) == (-0.25, 1.0)
    assert (
        markdown_table(rows).splitlines()[-1].startswith("| distance of the camera | 0.2 m | 4 | 75 [30, 95] | −25 [")
    )


def test_a_models_curves_are_in_si_units_and_pass_through_the_unchanged_protocol():
    def row(factor, value, rate):
        return {
            "factor": factor, "value": value, "planner": "cross_entropy", "trials": 40, "rate": rate,
            "difference_high": rate - 0.7,
        }  # fmt: skip

    rows = [
        row(BASE, "", 0.75),
        row("tilt", 60, 0.5),
        row("tilt", 0, 0.8),
        row("blobs", 0.5, 0.4),
        row("hand", 0.1, 0.7),
    ]
    found = limits_of(rows)
    assert (found["trials"], found["lifted"]) == (40, 0.75)
    assert [point[:2] for point in found["curves"]["tilt"]] == [[0.0, 0.8], [pytest.approx(np.pi / 3, abs=1e-6), 0.5]]
    assert [point[:2] for point in found["curves"]["missing"]] == [[0.0, 0.75], [0.5, 0.4]]
    assert [point[:2] for point in found["curves"]["opening"]] == [[0.05, 0.75], [0.1, 0.7]]
    assert found["curves"]["tilt"][1][2] == pytest.approx(-0.2)


def test_every_number_of_a_curve_is_one_that_plans_are_warned_of():
    assert {factor.number for factor in FACTORS.values() if factor.number} == {number.name for number in NUMBERS}


def test_the_model_that_ships_has_the_curves_of_the_table():
    assert load_checkpoint("parallel_jaw").details["limits"] == limits_of(read_table(TABLE))


def test_the_document_shows_the_table():
    assert markdown_table(read_table(TABLE)) in (ROOT / "docs" / "limits.md").read_text()


def test_the_table_has_every_point_of_the_study(all_points):
    found = {(row["factor"], row["value"]) for row in read_table(TABLE)}
    assert found == {(point.factor or BASE, str(point.value)) for point in all_points}


@pytest.mark.slow
def test_a_study_can_be_extended_and_tells_a_model_its_curves(tmp_path: Path, monkeypatch):
    shutil.copytree(ROOT / "graspnet" / "weights" / "parallel_jaw", tmp_path / "model")
    monkeypatch.setattr(limits, "FACTORS", {"tilt": replace(FACTORS["tilt"], values=(0, 60))})
    options = ["--output", str(tmp_path / "out"), "--model", str(tmp_path / "model"), "--workers", "1"]
    for more in (["--trials", "1"], ["--trials", "2", "--resume", "--into", str(tmp_path / "model")]):
        result = CliRunner().invoke(limits.main, options + more)
        assert result.exit_code == 0, result.output
    with (tmp_path / "out" / "limits.csv").open(newline="") as file:
        assert [row["trials"] for row in csv.DictReader(file)] == ["2"] * 6
    found = json.loads((tmp_path / "model" / "model.json").read_text())["details"]["limits"]
    assert found["trials"] == 2
    assert [point[0] for point in found["curves"]["tilt"]] == pytest.approx([0.0, np.pi / 3], abs=1e-6)
