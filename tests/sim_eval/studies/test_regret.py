"""The study of regret: what a search left lying is counted from the best that any has found."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from graspnet.errors import InputError
from graspnet.sim_eval.studies.search import regret
from graspnet.sim_eval.studies.search.regret import Found, SearchVariant, main, markdown_table, rows, searched

FEW = (
    SearchVariant("few", "ranking", 8, ("samples=8", "grasps=4")),
    SearchVariant("many", "cross_entropy", 400, ("initial_samples=200", "iterations=2", "samples=100")),
)


def test_regret_is_counted_from_the_best_of_all_searches():
    found = [
        Found("few", 0, "a", 0.5, 0.1), Found("many", 0, "a", 0.9, 1.0),
        Found("few", 1, "b", 0.81, 0.3), Found("many", 1, "b", 0.8, 1.0),
        Found("few", 2, "c", None, 0.2), Found("many", 2, "c", 0.6, 1.0),
        Found("few", 3, "d", None, 0.2), Found("many", 3, "d", None, 1.0),
    ]  # fmt: skip
    few, many = rows(found, FEW)
    assert few.regret == pytest.approx((0.4 + 0.0 + 0.6) / 3)  # the fourth trial says nothing
    assert many.regret == pytest.approx(0.01 / 3)
    assert (few.nearly_best, many.nearly_best) == (pytest.approx(1 / 3), 1.0)
    assert (few.no_plan, many.no_plan) == (1, 0)
    assert few.seconds == pytest.approx(0.2)
    assert few.low <= few.regret <= few.high
    assert markdown_table([few]).splitlines()[-1].startswith("| few | 8 | 0.333 [")
    with pytest.raises(InputError, match="nothing to regret"):
        rows(found[-2:], FEW)


def test_a_longer_search_finds_a_better_grasp_of_a_known_quality(box_scene):
    """The quality is 1 at the middle of a long bar and falls towards its ends."""

    def central(observation, grasps):
        return np.exp(-((grasps.origin[:, 0] / 0.02) ** 2))

    bar = box_scene(((0.2, 0.03, 0.04), (0.0, 0.0), 0.0))
    (few, _), (many, seconds) = searched(bar, central, FEW, seed=3)
    assert few < many
    assert many > 0.9
    assert seconds > 0


def test_the_command_prints_a_row_for_each_search(tmp_path, monkeypatch):
    class Here:
        def __init__(self, workers):
            pass

        def run(self, work, units):
            return map(work, units)

    monkeypatch.setattr(regret, "LocalEngine", Here)
    monkeypatch.setattr(regret, "SEARCHES", FEW)
    done = CliRunner().invoke(main, ["--trials", "2", "--output", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    kept = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [row["search"] for row in kept["rows"]] == ["few", "many"]
    records = (tmp_path / "out" / "records.jsonl").read_text()
    assert len(records.splitlines()) == 3
    assert done.output.count("| few | 8 |") == 1
    more = CliRunner().invoke(main, ["--trials", "3", "--resume", "--output", str(tmp_path / "out")])
    assert more.exit_code == 0, more.output
    assert (tmp_path / "out" / "records.jsonl").read_text().startswith(records)
    again = CliRunner().invoke(main, ["--trials", "3", "--output", str(tmp_path / "out")])
    assert "--resume goes on" in str(again.exception)
    other = CliRunner().invoke(main, ["--seed", "2", "--resume", "--output", str(tmp_path / "out")])
    assert "was begun as another run" in str(other.exception)


def test_a_heap_is_no_trial_of_one_object(tmp_path):
    done = CliRunner().invoke(main, ["--config", "vgn_pile", "--output", str(tmp_path / "out")])
    assert isinstance(done.exception, InputError)
    assert "vgn_pile is a protocol of several objects" in str(done.exception)
    assert not (tmp_path / "out").exists()
