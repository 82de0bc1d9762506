"""`graspnet gripper`: a hand's description, URDF or MJCF, to a gripper file (docs/formats.md)."""

from pathlib import Path

import click

from graspnet.errors import InputError

__all__ = ["gripper"]


@click.command()
@click.argument("description", type=click.Path(path_type=Path), metavar="FILE.urdf|FILE.xml")
@click.option("--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The gripper, as .yaml.")
@click.option(
    "--image", type=click.Path(path_type=Path), metavar="FILE", help="Its picture; the output's name as .png."
)
@click.option("--name", metavar="NAME", help="Of the gripper; the output's name if not given.")
@click.option("--fingers", nargs=2, metavar="LEFT RIGHT", help="Links of the two jaws, where they cannot be told.")
@click.option("--tool", metavar="NAME", help="A link or site at the pads' centre.")
@click.option("--root", metavar="LINK", help="Part of the palm that gives the hand's frame; the palm begins there.")
@click.option("--approach", type=float, nargs=3, metavar="X Y Z", help="From palm to fingertips, in the root's frame.")
@click.option("--open", "opened", multiple=True, metavar="[JOINT=]VALUE", help="Joint value of the open hand (m, rad).")
@click.option("--closed", multiple=True, metavar="[JOINT=]VALUE", help="Joint value of the closed hand.")
@click.option("--force", type=float, metavar="NEWTONS", help="Closing force of a finger.")
@click.option("--friction", type=float, metavar="MU", help="Of the pads; 0.5 is assumed.")
def gripper(
    description: Path,
    output: Path,
    image: Path | None,
    name: str | None,
    fingers: tuple[str, str] | None,
    tool: str | None,
    root: str | None,
    approach: tuple[float, float, float] | None,
    opened: tuple[str, ...],
    closed: tuple[str, ...],
    force: float | None,
    friction: float | None,
) -> None:
    """A parallel-jaw gripper file from the description of your hand: boxes from its collision geometry, opening from
    its joint limits.

    \b
    graspnet gripper hand.urdf --output my.yaml
    graspnet gripper hand.xml --tool grip_site --force 40 --output my.yaml --image my.png
    graspnet gripper arm_and_hand.urdf --fingers left_finger right_finger --root hand --output my.yaml
    graspnet gripper hand.xml --open 0 --closed 0.85 --output my.yaml
    graspnet plan --gripper my.yaml ...

    Each number stands in the file with its source, or the word assumed; look at the picture before you trust them.
    hand_from_grasp is what a robot needs to execute a plan: world_from_hand = world_from_grasp @ hand_from_grasp⁻¹.
    Two slides, or two hinged fingers on parallel linkages; docs/formats.md says what is assumed. Exit status: 0 done,
    2 bad input, or a hand that is no parallel jaw.
    """
    from graspnet.drawing import save_png
    from graspnet.robot_description.from_urdf import HandChoices, derive_gripper
    from graspnet.robot_description.gripper_file import gripper_yaml, pose_lines, source_table
    from graspnet.robot_description.hand_picture import hand_figure
    from graspnet.robot_description.jaws import JawChoices

    picture = image or output.with_suffix(".png")
    _check(output, picture)
    choices = HandChoices(
        jaws=JawChoices(fingers=fingers or None, root=root, open=opened, closed=closed),
        tool=tool,
        approach_in_root=approach or None,
        force=force,
        friction=friction,
        name=name or output.stem,
    )
    derived = derive_gripper(description, choices)
    output.write_text(gripper_yaml(derived, description, name))
    save_png(hand_figure(derived, f"{choices.name}, from {description.name}"), picture, dpi=120)
    click.echo("\n".join([source_table(derived), *derived.notes, *pose_lines(derived)]))
    click.echo(f"gripper: {output}\npicture: {picture}")


def _check(output: Path, picture: Path) -> None:
    """Refuses names of files that cannot be written, before any work is done."""
    if output.suffix not in (".yaml", ".yml"):
        raise InputError(
            f"{output}: expected a name that ends in .yaml, as the sources of the numbers are its comments"
        )
    if picture.suffix != ".png":
        raise InputError(f"{picture}: expected a name that ends in .png")
    for path in (output, picture):
        if not path.parent.is_dir():
            raise InputError(f"{path}: the folder {path.parent} does not exist")
        if path.is_dir():
            raise InputError(f"{path}: is a folder; expected the name of a file")
