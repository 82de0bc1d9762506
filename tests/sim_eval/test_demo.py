"""The demo, with every preset cut down: each step's figures, and a report that has them all."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from graspnet import config
from graspnet.cli import main
from graspnet.sim_eval import demo

CUTS = {
    "generate": ("objects.count=24", "views=2", "grasps_per_view=16"),
    "train": ("epochs=1", "device=cpu", "precision=float32", "threads=1"),
    "simulate": ("episodes=3",),
}


@pytest.fixture(scope="module")
def output(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def result(output) -> Result:
    def cut(kind: type, room: str, source: str, overrides: tuple[str, ...] = ()) -> Any:
        return config.load_config(kind, room, source, (*overrides, *CUTS[room]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "load_config", cut)
        return CliRunner().invoke(main, ["demo", "--workers", "1", "--output", str(output)])


def test_every_step_prints_its_figures(result):
    assert result.exit_code == 0, result.output
    for text in (
        "24 objects of 24 families, 24 of them watertight",
        "768 labelled grasps in 48 depth images",
        "of objects not seen in training",
        "average precision",
        "the random antipodal sampler",
        "the principal-axis heuristic",
    ):
        assert text in result.stdout


def test_the_report_needs_no_other_file_and_has_every_section(result, output):
    page = (output / "report.html").read_text()
    assert [page.index(f"{name}</h2>") for name in ("Objects", "Dataset", "Training", "Picks", "Gallery", "Time")]
    assert page.count("<img") >= 8  # objects, grasps, crops, curves; outcomes and one of them, sizes, a gallery
    assert page.count('src="data:') == page.count("src=")


def test_its_record_and_results_are_files(result, output):
    assert set(json.loads((output / "run.json").read_text())["config"]) == {"generate", "train", "simulate"}
    results = json.loads((output / "results.json").read_text())
    assert [policy["policy"] for policy in results["policies"]] == ["cross_entropy", "antipodal", "principal_axis"]
    assert [policy["episodes"] for policy in results["policies"]] == [3, 3, 3]


def test_an_earlier_demo_is_not_overwritten(result, output):
    again = CliRunner().invoke(main, ["demo", "--output", str(output)])
    assert again.exit_code == 2
    assert again.stderr.count("\n") == 1
    assert "holds an earlier demo; delete it" in again.stderr
