"""A small run of `graspnet simulate`, made once."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from graspnet.cli import main


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> Path:
    """Six trials of two heuristics: successes, and failures of several kinds."""
    folder = tmp_path_factory.mktemp("run")
    arguments = [
        "simulate", "--config", "quick", "--policy", "principal_axis", "--policy", "antipodal", "--trials", "6",
        "--workers", "1", "--seed", "0", "--output", str(folder),
    ]  # fmt: skip
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    return folder
