"""Facts about `graspnet generate`: its summary and record, and one clear line for each kind of bad input."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner, Result

from graspnet.cli import main
from graspnet.dataset import Dataset

SMALL = ("hands.presets=[yumi]", "hands.random_share=0", "views=1", "grasps_per_view=6", "metrics=[robust_pad_closure]")


def generate(output: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["generate", "--workers", "1", "--output", str(output), *arguments, *SMALL])


def assert_refused(result: Result, message: str) -> None:
    lines = [line for line in result.stderr.splitlines() if not line.startswith("generate: ")]  # but for the progress
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert len(lines) == 1
    assert message in lines[0]


def brick() -> trimesh.Trimesh:
    return trimesh.creation.box((0.06, 0.03, 0.02))


def without_lid() -> trimesh.Trimesh:
    mesh = brick()
    mesh.update_faces(np.arange(len(mesh.faces)) > 1)
    return mesh


@pytest.mark.parametrize(
    ("mesh", "message"),
    [
        (without_lid, "bad.stl: the surface is open: 4 open edges"),
        (lambda: brick().apply_scale([1, 1, 0]), "bad.stl: encloses no volume"),
        (lambda: brick().apply_scale(10_000 / 0.06), "bad.stl: longest side is 1e+04 m; expected 0.001 to 2.0 m"),
        (trimesh.Trimesh, "bad.stl: "),
    ],
    ids=["open", "without volume", "10 km", "empty"],
)
def test_a_mesh_that_cannot_be_used_is_one_line_and_status_2(tmp_path, mesh: Callable[[], trimesh.Trimesh], message):
    (tmp_path / "meshes").mkdir()
    mesh().export(tmp_path / "meshes" / "bad.stl")
    result = generate(tmp_path / "data", "--objects", str(tmp_path / "meshes"))
    assert_refused(result, message)
    assert "no object could be used" in result.stderr
    assert not any(path.is_file() for path in (tmp_path / "data").rglob("*"))  # the remedy may be tried at once


def test_the_remedy_of_a_wrong_unit_can_be_tried_in_the_same_folder(tmp_path):
    (tmp_path / "meshes").mkdir()
    brick().apply_scale(1000).export(tmp_path / "meshes" / "in_millimetres.stl")
    asked = ("--objects", str(tmp_path / "meshes"))
    assert_refused(generate(tmp_path / "data", *asked), "objects.unit=0.001")
    mended = generate(tmp_path / "data", *asked, "objects.unit=0.001")
    assert mended.exit_code == 0, mended.output


def test_a_folder_with_one_good_mesh_makes_a_dataset_and_names_what_was_left_out(tmp_path):
    (tmp_path / "meshes").mkdir()
    brick().export(tmp_path / "meshes" / "good.stl")
    without_lid().export(tmp_path / "meshes" / "bad.stl")
    result = generate(tmp_path / "data", "--objects", str(tmp_path / "meshes"))
    assert result.exit_code == 0, result.output
    assert "1 objects, 1 images, 6 grasps" in result.stdout
    assert "left out bad.stl: " in result.stdout
    made = json.loads((tmp_path / "data" / "run.json").read_text())["made"]
    assert made == {"dataset": str(tmp_path / "data"), "objects": 1, "images": 1, "grasps": 6}


def test_a_run_that_was_stopped_is_resumed_by_the_command_and_refused_without_the_flag(tmp_path):
    whole = generate(tmp_path / "data", "objects.count=2")
    assert whole.exit_code == 0, whole.output
    header = json.loads((tmp_path / "data" / "dataset.json").read_text())
    (tmp_path / "data" / "dataset.json").write_text(json.dumps(header | {"complete": False}))
    (tmp_path / "data" / "shards" / "00001" / "shard.json").rename(tmp_path / "moved")  # as if it had not come so far
    assert_refused(generate(tmp_path / "data", "objects.count=2"), "holds a dataset already; --resume continues it")
    result = generate(tmp_path / "data", "objects.count=2", "--resume")
    assert result.exit_code == 0, result.output
    assert "with what was there: 2 objects, 12 grasps" in result.stdout
    assert Dataset.open(tmp_path / "data").header.counts["grasps"] == 12


def test_an_on_policy_round_takes_a_quarter_of_the_grasps_and_the_summary_counts_them(tmp_path):
    result = generate(
        tmp_path / "data", "--on-policy", "parallel_jaw", "objects.count=1", "objects.families=[box]", "views=2",
        "objects.graspable_width=[0.4, 0.6]",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = {line.split()[0]: line.split()[1] for line in result.stdout.splitlines() if line}
    assert 0 < int(rows["on_policy"]) <= 4  # a quarter of 6 in each of two images, rounded, if they allow so many
    header = json.loads((tmp_path / "data" / "dataset.json").read_text())
    assert header["config"]["candidates"]["options"] == {"on_policy": {"model": "parallel_jaw"}}


def test_bad_usage_is_one_line_and_nothing_is_written(tmp_path):
    for arguments, message in (
        (["vews=3"], "unknown key 'vews'; did you mean 'views'"),
        (["--config", "quik"], "did you mean 'quick'"),
        (["--workers", "0"], "workers is 0; it must be at least 1"),
        (["--objects", str(tmp_path / "nowhere")], "nowhere: no such folder"),
        (["--resume", "renderer=pixar"], "unknown renderer 'pixar'"),
        (["--on-policy", "nobody"], "nobody"),
        (["candidates.sources.policy_sampl=1"], "did you mean 'policy_sampler'"),
    ):
        assert_refused(generate(tmp_path / "data", *arguments), message)
        assert not (tmp_path / "data").exists()
    negative = generate(tmp_path / "data", "--seed", "-1")
    assert negative.exit_code == 2
    assert "-1 is not in the range x>=0" in negative.stderr


def test_physics_labels_lead_the_metrics_and_train_a_network(tmp_path):
    """Here on newtons above a threshold."""
    (tmp_path / "meshes").mkdir()
    for name, height in (("low", 0.03), ("high", 0.05)):
        trimesh.creation.box((0.05, 0.03, height)).export(tmp_path / "meshes" / f"{name}.stl")
    made = generate(
        tmp_path / "data", "--labels", "physics", "--objects", str(tmp_path / "meshes"), "assumed.tugs.executions=2",
        "objects.validation_share=0.5",
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    assert "positive: physics_hold above 0.5" in made.stdout
    dataset = Dataset.open(tmp_path / "data")
    assert dataset.header.config["metrics"] == ["physics_hold", "physics_held_force", "robust_pad_closure"]
    metrics = dataset.read(0).grasps.metrics
    np.testing.assert_array_equal(metrics["physics_held_force"].samples, 2)
    assert set(metrics["physics_hold"].mean) <= {0.0, 0.5, 1.0}
    arguments = ["--config", "demo", "--dataset", str(tmp_path / "data"), "--output", str(tmp_path / "model")]
    newtons = ["label.metric=physics_held_force", "label.threshold=2", "label.soft=false", "epochs=1", "threads=1"]
    trained = CliRunner().invoke(main, ["train", *arguments, *newtons])
    assert trained.exit_code == 0, trained.output
    model = json.loads((tmp_path / "model" / "model.json").read_text())
    assert (model["metric"], model["threshold"]) == ("physics_held_force", 2)
