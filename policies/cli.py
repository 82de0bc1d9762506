"""`graspnet plan`: a depth image, its camera and a gripper in; ranked grasps out, as JSON (docs/formats.md)."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import numpy as np

from graspnet.camera import load_camera
from graspnet.cli import NOTHING_FOUND
from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper
from graspnet.inputs.camera_pose import read_camera_pose
from graspnet.inputs.depth_image import read_depth
from graspnet.inputs.mask_image import read_mask
from graspnet.observation.observation import Observation
from graspnet.plausibility.sources import Sources
from graspnet.policies.planning import load_policy, plan_observation
from graspnet.run.record import write_json

__all__ = ["plan"]


@click.command()
@click.option(
    "--depth",
    "depth_file",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="Depth image: .npy in metres, or a 16-bit PNG or TIFF with --depth-scale. 0 or NaN = missing.",
)
@click.option("--depth-scale", type=float, metavar="METRES", help="Metres in one unit of the file; millimetres: 0.001.")
@click.option("--camera", required=True, metavar="NAME|FILE", help="Intrinsics: a preset, .yaml, .json or .intr.")
@click.option("--segmask", type=click.Path(path_type=Path), metavar="FILE", help="Image: nonzero = may be grasped.")
@click.option(
    "--camera-pose",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="world_from_camera: a 4x4 in .json or .yaml, or autolab's .tf; the table is the world's z = 0.",
)
@click.option("--gripper", default="yumi", show_default=True, metavar="NAME|FILE", help="A preset, .yaml or .json.")
@click.option(
    "--model",
    default="parallel_jaw",
    show_default=True,
    metavar="NAME|DIR",
    help="A model that ships, or a folder that `graspnet train` made.",
)
@click.option(
    "--policy",
    "policy_name",
    default="cross_entropy",
    show_default=True,
    metavar="NAME",
    help="cross_entropy, ranking or antipodal (random, without a model).",
)
@click.option("--config", metavar="NAME|FILE", help="The policy's settings; default: the preset of its name.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--output", required=True, metavar="FILE", help="The plan, as JSON; - = standard output.")
@click.option("--image", "image_file", type=click.Path(path_type=Path), metavar="FILE", help="Draw the plan (.png).")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
def plan(
    depth_file: Path,
    depth_scale: float | None,
    camera: str,
    segmask: Path | None,
    camera_pose: Path | None,
    gripper: str,
    model: str,
    policy_name: str,
    config: str | None,
    seed: int,
    output: str,
    image_file: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Plan grasps on a depth image, best first.

    \b
    graspnet plan --depth depth.npy --camera primesense --gripper yumi --output plan.json --image plan.png
    graspnet plan --depth depth.png --depth-scale 0.001 --camera c.yaml --output - iterations=5

    KEY=VALUE changes the policy's settings. Exit status: 0 done, 2 bad input, 3 no grasp found (the plan says why).
    """
    start = perf_counter()
    _check_writable([Path(output)] if output != "-" else [])
    _check_writable([image_file] if image_file else [])
    observation = _read_observation(depth_file, depth_scale, camera, segmask, camera_pose, gripper)
    policy = load_policy(policy_name, model, config, overrides)
    loaded = perf_counter() - start

    sources = Sources(str(depth_file), camera, gripper, str(segmask), str(camera_pose))
    planned = plan_observation(observation, policy, seed=seed, sources=sources)
    seconds = {"load": loaded} | planned.seconds | {"total": perf_counter() - start}
    planned = replace(planned, model=model if policy.needs_quality else "", seconds=seconds)
    _write(planned.to_json(), output)
    if image_file is not None:
        planned.draw(image_file)
    for warning in planned.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(planned.summary, err=True)
    if not len(planned):
        sys.exit(NOTHING_FOUND)


def _read_observation(
    depth_file: Path,
    depth_scale: float | None,
    camera: str,
    segmask: Path | None,
    camera_pose: Path | None,
    gripper: str,
) -> Observation:
    """What the files hold; each is blamed for what it says."""
    if depth_scale is not None and not 0 < depth_scale < np.inf:
        raise InputError(f"--depth-scale is {depth_scale}; it must be positive (metres in one unit of the file)")
    depth = read_depth(depth_file, depth_scale)
    camera_of_image, hand = load_camera(camera), load_gripper(gripper)
    mask = None if segmask is None else read_mask(segmask)
    pose = None if camera_pose is None else read_camera_pose(camera_pose)
    with _blaming(depth_file):
        observation = Observation(depth, camera_of_image, hand)
    with _blaming(segmask):
        observation = replace(observation, segmask=mask)
    return replace(observation, world_from_camera=pose)


@contextmanager
def _blaming(path: Path | None) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _check_writable(paths: list[Path]) -> None:
    for path in paths:
        if not path.parent.is_dir():
            raise InputError(f"{path}: the folder {path.parent} does not exist")
        if path.is_dir():
            raise InputError(f"{path}: is a folder; expected the name of a file")


def _write(data: dict[str, Any], output: str) -> None:
    if output == "-":
        click.echo(json.dumps(data, indent=1))
    else:
        write_json(Path(output), data)
