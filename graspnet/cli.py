"""The command `graspnet`: a group that knows no subcommand, and imports one only when it is called.

Every package declares its commands under the entry-point group `graspnet.commands`; so `--help` answers at once and an
outside package can add a command of its own. Exit status: 0 done, 1 internal error, 2 bad input, 3 nothing found.
"""

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any

import click

from graspnet.errors import InputError

__all__ = ["NOTHING_FOUND", "LazyGroup", "main"]

NOTHING_FOUND = 3  # exit status of a command that did its work and found nothing, such as a plan without a grasp


class LazyGroup(click.Group):
    """Commands from a group of entry points; their modules stay unloaded until one of them is called.

    summaries: a line for those that we know, as help must not import them.
    """

    def __init__(self, *arguments: Any, installed: str, summaries: Mapping[str, str], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.installed = installed
        self.summaries = summaries

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all installed commands."""
        return sorted(_commands(self.installed))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command and return it."""
        entry = _commands(self.installed).get(cmd_name)
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
        """List the commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.summaries.get(name, "")) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what a person can mend becomes one line on standard error and exit status 2."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            click.echo(f"graspnet: {' '.join(str(error).split())}", err=True)
            sys.exit(2)


_SUMMARIES = {
    "audit": "Labels to look at: random grasps of a dataset in 3-D, with all that is said of them.",
    "benchmark": "Measure a part against a reference, side by side.",
    "demo": "The whole loop in minutes: meshes, dataset, network, plans, picks, report.",
    "export": "Our data and networks to other people's formats.",
    "generate": "Meshes to a dataset of depth images and labelled grasps.",
    "gripper": "A gripper file from the URDF or MJCF of your hand, with a picture.",
    "import": "Other people's data and networks to ours.",
    "inspect": "What is in a dataset, a model or a plan, and whether it is whole.",
    "objects": "Which objects a dataset would be made of, how diverse, and what is wrong with them.",
    "plan": "A depth image to ranked grasps.",
    "simulate": "Pick objects in a physics simulator with one or more policies.",
    "train": "A dataset to a grasp quality network.",
}


def _commands(installed: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=installed)}


@click.command(
    cls=LazyGroup,
    installed="graspnet.commands",
    summaries=_SUMMARIES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(version("graspnet"), prog_name="graspnet")
def main() -> None:
    """Grasp planning on depth images: mesh, dataset, network, plan, pick, report.

    \b
    graspnet demo                                    # the whole loop, in minutes
    graspnet plan --depth d.npy --camera c.intr --gripper yumi --output plan.json --image plan.png
    graspnet COMMAND --help                          # what a command takes, with an example
    """
