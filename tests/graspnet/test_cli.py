"""The command `graspnet`: which subcommands it has, and the exit status of every kind of end."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from click.testing import CliRunner

from graspnet.cli import NOTHING_FOUND, main

PROBE = f'''
import sys
import click
from graspnet.errors import InputError

@click.command("probe")
@click.option("--end", type=click.Choice(["well", "input", "bug", "nothing"]), required=True)
def probe(end):
    """Ends as it is told to."""
    if end == "input":
        raise InputError("hand.yaml: max_width is 0;\\nit must be positive")
    if end == "bug":
        raise ZeroDivisionError("a fault of ours")
    if end == "nothing":
        sys.exit({NOTHING_FOUND})
'''


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A folder on Python's path where a package lies that adds the command `probe`."""
    (tmp_path / "ending.py").write_text(PROBE)
    metadata = tmp_path / "ending-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: ending\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[graspnet.commands]\nprobe = ending:probe\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("ending", None)


@pytest.fixture
def run(outside):
    """Run `graspnet ARGUMENTS` where the package with `probe` is installed."""
    return lambda *arguments: CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(("end", "status"), [("well", 0), ("bug", 1), ("input", 2), ("nothing", 3)])
def test_the_exit_status_tells_how_it_ended(run, end, status):
    assert run("probe", "--end", end).exit_code == status


def test_what_a_person_can_mend_is_one_line_on_standard_error(run):
    result = run("probe", "--end", "input")
    assert result.stderr == "graspnet: hand.yaml: max_width is 0; it must be positive\n"
    assert result.stdout == ""


def test_a_fault_of_ours_keeps_its_traceback(run, outside):
    assert isinstance(run("probe", "--end", "bug").exception, ZeroDivisionError)
    program = (
        f"import sys; sys.path.insert(0, {str(outside)!r})\n"
        "import graspnet.cli\n"
        "graspnet.cli.main(['probe', '--end', 'bug'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError" in done.stderr


@pytest.mark.parametrize("arguments", [["probe"], ["probe", "--end", "badly"], ["probe", "--and", "x"], ["--nope"]])
def test_bad_usage_ends_with_status_2(run, arguments):
    assert run(*arguments).exit_code == 2


def test_a_misspelt_command_is_answered_with_the_nearest(run):
    result = run("prob")
    assert result.exit_code == 2
    assert "No such command 'prob'. Did you mean 'probe'?" in result.stderr


def test_help_lists_every_declared_command():
    declared = {entry.name for entry in entry_points(group="graspnet.commands")}
    assert {"demo", "generate", "train", "plan", "simulate", "benchmark"} <= declared
    text = CliRunner().invoke(main, ["--help"]).stdout
    for name in declared:
        assert f"  {name} " in text
