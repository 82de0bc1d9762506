"""The command `graspnet`, which knows none of its subcommands.

Every package declares its commands under the entry-point group `graspnet.commands`; an outside package can add one of
its own. Exit status: 0 done, 1 internal error, 2 bad input, 3 nothing found.
"""

from importlib.metadata import version

import click

from graspnet.run.command_group import CommandGroup

__all__ = ["NOTHING_FOUND", "main"]

NOTHING_FOUND = 3  # exit status of a command that did its work and found nothing, such as a plan without a grasp


@click.command(
    cls=CommandGroup,
    installed="graspnet.commands",
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
