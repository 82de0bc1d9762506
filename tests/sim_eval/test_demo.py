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


def cut(kind: type, room: str, source: str, overrides: tuple[str, ...] = ()) -> Any:
    return config.load_config(kind, room, source, (*overrides, *CUTS[room]))


@pytest.fixture(scope="module")
def result(output) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "load_config", cut)
        return CliRunner().invoke(main, ["demo", "--workers", "1", "--output", str(output)])


def test_every_step_prints_its_figures(result, output):
    assert result.exit_code == 0, result.output
    for text in (
        "the best has quality",
        f"a first report is there: {output / 'report.html'}",
        "24 objects of 24 families, 24 of them watertight",
        "768 labelled grasps in 48 depth images",
        "of objects not seen in training",
        "average precision",
        "In the same trials, antipodal lifted",
        " principal_axis (95 % interval",
    ):
        assert text in result.stdout


def test_the_report_needs_no_other_file_and_has_every_section(result, output):
    page = (output / "report.html").read_text()
    assert f"<h1>Demo: {output.name}</h1>" in page
    assert page.index("First, the network that ships") < page.index("Then the network that") < page.index("<nav>")
    titles = ["A grasp on a depth image", "First picks, with the network that ships"]
    titles += ["Objects", "Dataset", "Training", "Picks", "Gallery", "Time"]
    places = [page.index(f">{title}</h2>") for title in titles]
    assert places == sorted(places)
    assert page.count("<img") >= 8  # objects, grasps, crops, curves; outcomes and one of them, sizes, a gallery
    assert page.count('src="data:') == page.count("src=")


def test_its_record_and_results_are_files(result, output):
    assert set(json.loads((output / "run.json").read_text())["config"]) == {"generate", "train", "simulate"}
    results = json.loads((output / "results.json").read_text())
    assert [policy["policy"] for policy in results["policies"]] == ["cross_entropy", "antipodal", "principal_axis"]
    assert [policy["episodes"] for policy in results["policies"]] == [3, 3, 3]
    assert json.loads((output / "plan.json").read_text())["grasps"]


def test_an_earlier_demo_is_not_overwritten(result, output):
    again = CliRunner().invoke(main, ["demo", "--output", str(output)])
    assert again.exit_code == 2
    assert again.stderr.count("\n") == 1
    assert "holds an earlier demo; delete it" in again.stderr


def test_who_stops_it_after_the_first_picks_has_a_report_with_a_plan_and_films(tmp_path, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "load_config", cut)
    monkeypatch.setattr(demo, "generate", stop)
    done = CliRunner().invoke(main, ["demo", "--workers", "1", "--output", str(tmp_path)])
    assert done.exit_code == 1
    page = (tmp_path / "report.html").read_text()
    assert page.count("<img") >= 3  # the plan, a film, a strip
    assert "cross_entropy" in page
    assert page.endswith("</body></html>\n")
    assert not (tmp_path / "dataset").exists()


def test_without_training_it_ends_after_the_first_picks(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "load_config", cut)
    done = CliRunner().invoke(main, ["demo", "--no-train", "--workers", "1", "--output", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "done in" in done.stdout
    first = json.loads((tmp_path / "first" / "results.json").read_text())
    assert [policy["policy"] for policy in first["policies"]] == ["cross_entropy", "principal_axis"]
    assert set(json.loads((tmp_path / "run.json").read_text())["config"]) == {"simulate"}
