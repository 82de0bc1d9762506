"""What every benchmark promises: JSON of one shape, two things measured in turn, and the names of the design."""

import importlib
import json
from functools import partial

import numpy as np
import pytest
from click.testing import CliRunner

from graspnet.benchmarks import generate
from graspnet.benchmarks.cli import benchmark_names
from graspnet.benchmarks.measure import BenchmarkResult, interleaved
from graspnet.cli import main
from graspnet.data_gen.collision import collision
from graspnet.data_gen.labels import label
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import load_gripper

PUBLISHED = {
    "render", "labels", "grips", "epsilon", "collision", "generate", "crops", "loader", "networks", "plan", "simulate",
    "dense", "algebra", "servo",
}  # fmt: skip


def test_every_published_benchmark_is_there():
    assert set(benchmark_names()) >= PUBLISHED
    listed = CliRunner().invoke(main, ["benchmark"])
    assert listed.stdout.split() == benchmark_names()


def test_json_is_one_object_and_nothing_else(monkeypatch):
    result = BenchmarkResult(benchmark="crops", ratio=2.34567, of="ours / theirs", figures={"ours": 1e6 / 3})
    monkeypatch.setattr("graspnet.benchmarks.crops.run", lambda quick: result)
    done = CliRunner().invoke(main, ["benchmark", "crops", "--json"])
    data = json.loads(done.stdout)
    assert set(data) == {"benchmark", "ratio", "of", "figures", "threads", "machine"}
    assert (data["ratio"], data["figures"], data["threads"]) == (2.346, {"ours": 333300.0}, 1)


def test_subject_and_reference_run_in_turn():
    order: list[str] = []
    interleaved(lambda: order.append("A"), lambda: order.append("B"), repeats=5)
    assert "".join(order) == "AB" * 6  # the first pair warms up


def test_an_unknown_benchmark_is_one_line_with_the_nearest():
    done = CliRunner().invoke(main, ["benchmark", "crop"])
    assert done.exit_code == 2
    assert done.stderr.startswith("graspnet: unknown benchmark 'crop'; did you mean 'crops'?")


def test_a_dataset_takes_as_long_as_its_examples_or_its_objects_whichever_is_more():
    measured = partial(generate.Measured, seconds=60.0)
    assert measured(objects=150, examples=6_700_000).minutes == pytest.approx(10)
    assert measured(objects=1500, examples=670_000).minutes == pytest.approx(10)


def test_time_is_counted_where_a_function_was_imported_to():
    with generate.timed_stages() as spent:
        label.clearance(Scene((), np.zeros((0, 4, 4))), 0, Grasps.none(), load_gripper("yumi"))
    assert {stage for stage, seconds in spent.items() if seconds > 0} == {"clearance"}
    assert label.clearance is collision.clearance


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_a_benchmark_says_what_it_compares(name):
    module = importlib.import_module(f"graspnet.benchmarks.{name}")
    assert module.__doc__
    assert callable(module.run)
