"""A group of commands: help has each command's own words and imports none of them."""

import sys
from importlib.metadata import entry_points

import click
import pytest
from click.testing import CliRunner

from graspnet.run.command_group import CommandGroup

MODULE = '''
raise ImportError("help has imported a command")

def weigh():
    """Weigh an object to 0.1 g, twice. Then stop.

    Nothing of this.
    """

def turn():
    """Turn a hand that is wider than 1.5 cm
    until it fits"""

def silent():
    pass

made = weigh
'''
COMMANDS = {
    "weigh": "tools.scales.commands:weigh",
    "turn": "tools.scales.commands:turn",
    "silent": "tools.scales.commands:silent",
    "made": "tools.scales.commands:made",
    "lost": "tools.scales.nowhere:lost",
    "bare": "tools.bare.commands:weigh",
}


@pytest.fixture
def helped(tmp_path, monkeypatch):
    """What `--help` prints, by command, where a package declares COMMANDS."""
    folder = tmp_path / "tools" / "scales"
    folder.mkdir(parents=True)
    (tmp_path / "tools" / "__init__.py").write_text("raise ImportError('help has imported a package')")
    (folder / "__init__.py").touch()
    (folder / "commands.py").write_text(MODULE)
    (tmp_path / "tools" / "bare").mkdir()  # without __init__.py, Python finds it only once its parent is imported
    (tmp_path / "tools" / "bare" / "commands.py").write_text(MODULE)
    metadata = tmp_path / "tools-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tools\nVersion: 1.0\n")
    declared = "\n".join(f"{name} = {value}" for name, value in COMMANDS.items())
    (metadata / "entry_points.txt").write_text(f"[tests.commands]\n{declared}\n")
    monkeypatch.syspath_prepend(tmp_path)
    group = CommandGroup("all", installed="tests.commands")
    text = CliRunner().invoke(group, ["--help"], catch_exceptions=False).stdout
    lines = [line.split(maxsplit=1) for line in text.partition("Commands:\n")[2].splitlines()]
    return {name: "".join(words) for name, *words in lines}


def test_help_shows_the_first_sentence_of_a_command_of_an_outside_package(helped):
    assert helped["weigh"] == "Weigh an object to 0.1 g, twice."
    assert helped["turn"] == "Turn a hand that is wider than 1.5 cm until it fits"


def test_a_command_without_words_of_its_own_is_listed_all_the_same(helped):
    assert helped["silent"] == helped["made"] == helped["lost"] == helped["bare"] == ""
    assert set(helped) == set(COMMANDS)


def test_help_imports_no_command(helped):
    assert not [name for name in sys.modules if name.partition(".")[0] == "tools"]


@pytest.mark.parametrize("group", ["graspnet.commands", "graspnet.importers", "graspnet.exporters"])
def test_help_says_of_each_of_our_commands_what_its_docstring_says(group):
    for entry in entry_points(group=group):
        text = CliRunner().invoke(CommandGroup("all", installed=group), ["--help"], terminal_width=300).stdout
        (line,) = [line for line in text.splitlines() if line.startswith(f"  {entry.name} ")]
        command = entry.load()
        assert isinstance(command, click.Command)
        words = line.split(maxsplit=1)[1]
        assert words
        assert " ".join(command.callback.__doc__.split()).startswith(words)
