"""Fits over a run: the worst size of each object, the worst object first; bad pieces are counted and named."""

import json

import pytest
import trimesh
from click.testing import CliRunner

from graspnet.cli import main
from graspnet.data_gen.objects.piece_fit import Fit
from graspnet.sim_eval.analysis.piece_fits import fits_as_json, fits_by_object, format_fits
from graspnet.sim_eval.episodes.records import EpisodeRecord
from graspnet.sim_eval.pages.object_blocks import fit_blocks

EXACT, GOOD, BAD = Fit(0.0, 0.0, 0.0), Fit(0.01, 0.001, 0.02), Fit(0.2, 0.01, 0.3)
TRIALS = [
    EpisodeRecord(0, ("box",), fits=(EXACT,)),
    EpisodeRecord(1, ("handle",), fits=(GOOD,)),
    EpisodeRecord(2, ("handle",), fits=(BAD,)),
    EpisodeRecord(3, problem="open.stl: the surface is open"),
    EpisodeRecord(4, ("of an older run",)),
]


def test_each_object_is_told_in_its_worst_size_and_the_worst_first():
    assert fits_by_object(TRIALS) == {"handle": BAD, "box": EXACT}
    assert list(fits_by_object(TRIALS)) == ["handle", "box"]
    found = fits_as_json(TRIALS)
    assert (found["objects"], found["far"], found["worst"][0]["object"]) == (2, 1, "handle")
    assert format_fits(TRIALS).endswith("1 of 2 objects; the worst: handle 30.0%")
    table, note = fit_blocks(TRIALS)
    assert table.index("handle") < table.index("box")
    assert "30.0%" in table
    assert "1 of 2 objects" in note


def test_rounds_tell_the_fit_of_each_of_their_objects():
    rounds = [EpisodeRecord(0, ("a", "b"), fits=(EXACT, GOOD)), EpisodeRecord(1, ("a",), fits=(BAD,))]
    assert fits_by_object(rounds) == {"a": BAD, "b": GOOD}


def test_older_records_tell_no_fit():
    assert format_fits(TRIALS[3:]) == ""
    assert "older version" in fit_blocks(TRIALS[3:])[0]
    assert fits_as_json([]) == {"objects": 0, "far": 0, "worst": []}


@pytest.mark.parametrize(
    ("mesh", "exact"),
    [(trimesh.creation.box([0.04, 0.03, 0.03]), True), (trimesh.creation.annulus(0.0141, 0.015, 0.02), False)],
)
def test_a_trial_records_how_well_its_object_fits(tmp_path, mesh, exact):
    mesh.export(tmp_path / "thing.stl")
    out = tmp_path / "out"
    arguments = [
        "simulate", "--config", "quick", "--objects", tmp_path, "--trials", 1, "--workers", 1, "--no-report",
        "--output", out, "objects.scaling=as_is", "view.distance=[0.6, 0.8]",
    ]  # fmt: skip
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    results = json.loads((out / "results.json").read_text())
    (fit,) = results["episodes"][0]["fits"]
    assert results["pieces"]["worst"] == [{"object": "thing"} | fit]
    assert "the worst: thing" in done.output
    assert (fit["hausdorff"] < 1e-5) == exact  # a thin wall is not convex
    assert "time: planning" in done.output
    run = json.loads((out / "run.json").read_text())
    assert run["made"]["time"] == results["time"]
    assert results["time"]["picks"] == 1
