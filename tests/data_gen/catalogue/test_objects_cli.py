"""Facts about `graspnet objects`: sets side by side, problems named, all in files that anyone can open."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner

from graspnet.cli import main
from graspnet.data_gen.catalogue.diversity import measure
from graspnet.data_gen.catalogue.objects_page import ObjectReport, notes_table
from graspnet.data_gen.objects.meshes import solid_from_mesh


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two folders, of which one holds a mesh that is open and one that is inside out, and four procedural objects."""
    root = tmp_path_factory.mktemp("sets")
    for folder in ("bricks", "cans"):
        (root / folder).mkdir()
    for k in range(3):
        trimesh.creation.box((0.06, 0.04, 0.01 + 0.01 * k)).export(root / "bricks" / f"brick{k}.stl")
    can = trimesh.creation.cylinder(0.02, 0.08)
    trimesh.Trimesh(can.vertices, can.faces[:, ::-1], process=False).export(root / "cans" / "can.ply")
    trimesh.Trimesh(can.vertices, can.faces[: len(can.faces) // 2], process=False).export(root / "cans" / "half.ply")
    arguments = [
        "objects", "--objects", str(root / "bricks"), "--objects", str(root / "cans"), "--workers", "1",
        "--most", "4", "--output", str(root / "out"), "objects.count=9",
    ]  # fmt: skip
    return root / "out", CliRunner().invoke(main, arguments)


def test_the_table_has_a_row_for_each_set_and_problems_are_named_with_their_remedy(made):
    _, done = made
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.output.splitlines()]
    counted = {row[0]: row[1] for row in rows if row and row[0] in ("bricks", "cans", "procedural")}
    assert counted == {"bricks": "3", "cans": "1", "procedural": "4"}
    assert "cans: 1 object: was inside out: flipped" in done.output
    assert "left out cans/half.ply:" in done.output
    assert "objects.wall" in done.output


def test_every_object_is_a_row_of_a_csv_file(made):
    with (made[0] / "objects.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    brick = next(row for row in rows if row["name"] == "bricks/brick0.stl")
    assert [float(brick[side]) for side in ("smallest", "middle", "longest")] == pytest.approx([0.01, 0.04, 0.06])
    assert float(brick["convexity"]) == pytest.approx(1.0)
    half = next(row for row in rows if row["name"] == "cans/half.ply")
    assert half["convexity"] == ""
    assert "open" in half["problem"]


def test_the_page_needs_no_other_file_and_shows_every_set(made):
    page = (made[0] / "objects.html").read_text()
    for part in ("Sets of objects", "Pictures: bricks", "Pictures: cans", "Pictures: procedural", "half.ply"):
        assert part in page
    assert page.count("data:image/png;base64") == 4
    assert "<h1>Objects: out</h1>" in page
    assert "bricks: 3 objects were looked at, and all can be used; 3 had to be mended."  # STL repeats vertices in page
    assert "cans: 2 objects were looked at, and 1 cannot be used" in page
    assert 'src="http' not in page
    record = json.loads((made[0] / "run.json").read_text())
    assert record["made"]["left_out"] == 1


def test_a_folder_of_which_nothing_can_be_used_is_bad_input(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.obj").write_text("v 0 0 0\n")
    done = CliRunner().invoke(main, ["objects", "--objects", str(tmp_path / "in"), "--output", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "no object could be used; the first: " in done.output


def test_notes_are_counted_by_kind_and_tell_from_which_number_to_which():
    brick = measure(solid_from_mesh(trimesh.creation.box((0.06, 0.04, 0.02)), "brick"), np.random.default_rng(0))
    notes = [("merged 28 vertices",), ("merged 7 vertices", "was inside out: flipped"), ("merged 9 vertices",), ()]
    reports = [ObjectReport("x", "set", "set", replace(brick, notes=each)) for each in notes]
    assert notes_table(reports) == [("set", 3, "merged 7 to 28 vertices"), ("set", 1, "was inside out: flipped")]
