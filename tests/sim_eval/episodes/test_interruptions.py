"""A run that is killed and resumed, or done on another engine, gives what an undisturbed one gives, but for times."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from graspnet.cli import main

TRIALS = 10
SMALL = [
    "simulate", "--config", "quick", "--policy", "antipodal", "--policy", "principal_axis", "--trials", str(TRIALS),
    "--seed", "3", "--workers", "1", "--no-report",
]  # fmt: skip
CLOCK = ("seconds", "planning_seconds", "picks_per_hour", "time")  # keys of what a clock measured


def _simulate(output: Path, *arguments: str) -> None:
    done = CliRunner().invoke(main, [*SMALL, "--output", str(output), *arguments])
    assert done.exit_code == 0, done.output


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(entry) for key, entry in value.items() if key not in CLOCK}
    return [_timeless(entry) for entry in value] if isinstance(value, list) else value


def _results(folder: Path) -> Any:
    return _timeless(json.loads((folder / "results.json").read_text()))


def _records(folder: Path) -> list[Any]:
    """The run's first line, then its records in the order of their numbers."""
    lines = [_timeless(json.loads(line)) for line in (folder / "records.jsonl").read_text().splitlines()]
    return lines[:1] + sorted(lines[1:], key=lambda record: record["index"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """What an undisturbed run leaves."""
    folder = tmp_path_factory.mktemp("whole")
    _simulate(folder)
    return folder


def test_a_run_that_is_killed_and_resumed_equals_the_undisturbed_one(whole, tmp_path):
    folder = tmp_path / "run"
    path = folder / "records.jsonl"
    program = "from graspnet.cli import main\nif __name__ == '__main__': main()"
    run = subprocess.Popen(
        [sys.executable, "-c", program, *SMALL, "--output", str(folder)],
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while run.poll() is None and not (path.is_file() and path.read_bytes().count(b"\n") >= 4):
        time.sleep(0.001)
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    assert path.read_bytes().count(b"\n") <= TRIALS, "some trials are left"
    assert not (folder / "results.json").exists()
    _simulate(folder, "--resume")
    assert _records(folder) == _records(whole)
    assert _results(folder) == _results(whole)


def test_a_run_on_ray_equals_the_local_one(whole, tmp_path):
    pytest.importorskip("ray", reason="the engine ray needs Ray: pip install graspnet[cluster]")
    _simulate(tmp_path, "--engine", "ray")
    assert _records(tmp_path) == _records(whole)
    assert _results(tmp_path) == _results(whole)
