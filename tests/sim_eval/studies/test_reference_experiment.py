"""The reference experiment trains each network once, on the same label, and says what came of it."""

import json

import pytest
from click.testing import CliRunner

from graspnet.dataset import Dataset
from graspnet.sim_eval.studies import reference_experiment
from graspnet.sim_eval.studies.reference_experiment import Entry, Figure, main, markdown_table
from tests.graspnet.training.conftest import write_bars

QUICK = ["batches.size=16", "batches.pool=32", "threads=1", "precision=float32", "device=cpu"]


@pytest.fixture(scope="module")
def bars(tmp_path_factory) -> Dataset:
    return write_bars(tmp_path_factory.mktemp("bars") / "dataset", train=3, validation=2, images=3)


def run(bars, output, *arguments):
    given = ["--dataset", str(bars.folder), "--output", str(output), "--label", "closure", "--sensor", "ideal"]
    return CliRunner().invoke(main, [*given, *arguments, *QUICK])


def test_networks_are_trained_side_by_side_and_not_again(bars, tmp_path, monkeypatch):
    arguments = ("--examples", "48", "--split", "image", "--network", "compact", "--network", "gqcnn_4.0_pj")
    done = run(bars, tmp_path, *arguments)
    assert done.exit_code == 0, done.output
    entries = json.loads((tmp_path / "reference.json").read_text())["entries"]
    assert [(entry["network"], entry["budget"]) for entry in entries] == [
        ("compact", "examples"), ("gqcnn_4.0_pj", "examples"), ("gqcnn_4.0_pj", "time"),
    ]  # fmt: skip
    compact, equal_examples, equal_time = entries
    assert (compact["parameters"], equal_examples["parameters"]) == (468_098, 631_410)
    assert compact["examples"] == equal_examples["examples"] == 48
    affordable = 48 * compact["seconds"] / equal_examples["seconds"]
    assert equal_time["examples"] == max(128, round(affordable))
    for entry in entries:
        low, high = entry["accuracy"]["low"], entry["accuracy"]["high"]
        assert 0 <= low <= entry["accuracy"]["value"] <= high <= 1

    monkeypatch.setattr(reference_experiment, "train", lambda *given: pytest.fail("trained again"))
    again = run(bars, tmp_path, *arguments)
    assert again.exit_code == 0, again.output
    assert again.stdout.splitlines()[-3:] == done.stdout.splitlines()[-3:]


def test_equal_time_needs_compact_first(bars, tmp_path, monkeypatch):
    entry = Entry("gqcnn_2.0", "object", "examples", 48, 2.0, 0.5, *[Figure(0.5, 0.4, 0.6)] * 3, 1.0, 5_442_914)
    monkeypatch.setattr(reference_experiment, "_entry", lambda *given: entry)
    done = run(bars, tmp_path, "--split", "object", "--network", "gqcnn_2.0")
    assert "equal time is that of compact: train it first" in str(done.exception)


def test_the_published_accuracy_stands_beside_the_network_that_it_is_of():
    figures = (Figure(0.8593, 0.84, 0.87), Figure(0.71234, 0.7, 0.73), Figure(None, None, None))
    entry = Entry("gqcnn_2.0", "object", "examples", 300_000, 123.4, 0.2, *figures, 30.04, 5_442_914)
    assert markdown_table([entry]).splitlines()[-1] == (
        "| object | gqcnn_2.0 | examples | 300,000 | 123 | 20.0 | 85.9 [84.0, 87.0] (85.9) | 0.712 [0.700, 0.730] "
        "| undefined | 30.0 | 5,442,914 |"
    )
