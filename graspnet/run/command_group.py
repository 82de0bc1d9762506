"""A group of commands that knows none of them: entry points name them, and one is imported only when it is called.

So `--help` answers at once, and an outside package adds a command by declaring it. What a command is for is told by
the first sentence of its own docstring, which is read from its source.
"""

import ast
import re
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from itertools import accumulate
from typing import Any

import click

from graspnet.errors import InputError
from graspnet.run.progress import told_if_slow

__all__ = ["CommandGroup"]


class CommandGroup(click.Group):
    """The commands that installed packages declare under the group `installed` of entry points."""

    def __init__(self, *arguments: Any, installed: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.installed = installed

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all installed commands."""
        return sorted(self._entries())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command and return it."""
        entry = self._entries().get(cmd_name)
        with told_if_slow(f"loading graspnet {cmd_name}", terminal_only=True):
            return entry.load() if entry else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first argument names, or a usage error with the nearest name."""
        names = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in names:
            near = get_close_matches(args[0], names, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, each with its own first sentence, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _summary(entry)) for name, entry in sorted(self._entries().items())])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what a person can mend becomes one line on standard error and exit status 2."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            click.echo(f"graspnet: {' '.join(str(error).split())}", err=True)
            sys.exit(2)

    def _entries(self) -> Mapping[str, EntryPoint]:
        return {entry.name: entry for entry in entry_points(group=self.installed)}


def _summary(entry: EntryPoint) -> str:
    """First sentence of the docstring of an entry's function; empty where no Python source has that function."""
    for node in ast.parse(_source_of(entry.module)).body:
        if isinstance(node, ast.FunctionDef) and node.name == entry.attr:
            return _first_sentence(ast.get_docstring(node) or "")
    return ""


def _source_of(module: str) -> str:
    """Python source of a module that stays unloaded; empty where there is none."""
    path, spec = None, None
    for name in accumulate(module.split("."), lambda package, part: f"{package}.{part}"):
        spec = _find(name, path)
        path = spec.submodule_search_locations if spec else []
    return (spec.loader.get_source(module) or "") if spec and isinstance(spec.loader, InspectLoader) else ""


def _find(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    """Where a module lies, as `importlib.util.find_spec` says; but that imports the packages around it."""
    try:
        found = (finder.find_spec(name, path) for finder in sys.meta_path)
        return next((spec for spec in found if spec), None)
    except KeyError:  # a folder without __init__.py in a package: Python looks for that package among the imported ones
        return None


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return re.split(r"(?<=\.)\s", paragraph, maxsplit=1)[0]
