"""`graspnet plan`: a depth image, its camera and a gripper in; ranked grasps out, as JSON (docs/formats.md)."""

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import numpy as np
from jaxtyping import Bool

from graspnet.camera import load_camera
from graspnet.cli import NOTHING_FOUND
from graspnet.drawing import draw_depth, draw_grasps, new_figure, quality_colors, save_png
from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper
from graspnet.inputs.camera_pose import read_camera_pose
from graspnet.inputs.depth_image import read_depth
from graspnet.inputs.mask_image import read_mask
from graspnet.models.checkpoint import load_checkpoint
from graspnet.observation import Observation
from graspnet.plan import GraspPlan
from graspnet.policies.registry import make_policy, policy_class
from graspnet.quality import NetworkQuality
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
    needs_quality = policy_class(policy_name).needs_quality
    quality = NetworkQuality(load_checkpoint(model), threads=None) if needs_quality else None
    policy = make_policy(policy_name, config, overrides, quality)
    loaded = perf_counter() - start

    grasp_plan = policy.plan(observation, np.random.default_rng(seed))
    data = grasp_plan.to_json(observation, model if needs_quality else "", seed)
    data["seconds"] = {"load": round(loaded, 6)} | data["seconds"] | {"total": round(perf_counter() - start, 6)}
    _write(data, output)
    if image_file is not None:
        _draw(grasp_plan, observation, image_file)
    click.echo(_summary(grasp_plan), err=True)
    if not len(grasp_plan):
        sys.exit(NOTHING_FOUND)


def _read_observation(
    depth_file: Path,
    depth_scale: float | None,
    camera: str,
    segmask: Path | None,
    camera_pose: Path | None,
    gripper: str,
) -> Observation:
    if depth_scale is not None and not 0 < depth_scale < np.inf:
        raise InputError(f"--depth-scale is {depth_scale}; it must be positive (metres in one unit of the file)")
    depth = read_depth(depth_file, depth_scale)
    parts: dict[str, Any] = {
        "camera": load_camera(camera),
        "gripper": load_gripper(gripper),
        "segmask": None if segmask is None else read_mask(segmask),
        "world_from_camera": None if camera_pose is None else read_camera_pose(camera_pose),
    }
    try:
        return Observation(depth, **parts)
    except InputError as error:
        raise InputError(f"{depth_file}: {error}") from None


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


def _summary(grasp_plan: GraspPlan) -> str:
    if not len(grasp_plan):
        return f"no grasp: {grasp_plan.reason}"
    seconds = grasp_plan.seconds["total"]
    return f"{len(grasp_plan)} grasps in {seconds:.2f} s; the best has quality {grasp_plan.qualities[0]:.3f}"


def _draw(grasp_plan: GraspPlan, observation: Observation, path: Path) -> None:
    """The whole image with the best grasp, and the objects from near with the best five, coloured by quality."""
    figure, axes = new_figure(1, 2, width=6.0)
    left, right, top, bottom = _around(observation.object_mask, margin=40)
    seen = observation.depth[int(max(top, 0)) : int(bottom) + 1, int(max(left, 0)) : int(right) + 1]
    near, far = np.nanpercentile(seen, [1, 99]) if np.isfinite(seen).any() else (0.0, 1.0)
    best = grasp_plan.grasps_in_camera
    for axis, count, title in ((axes[0, 0], 1, _summary(grasp_plan)), (axes[0, 1], 5, "the best five, by quality")):
        draw_depth(axis, observation.depth, limits=(float(near), float(far)), title=title)
        shown = best[np.arange(min(count, len(best)))[::-1]]  # the best is drawn last, on top
        colors = quality_colors(grasp_plan.qualities[:count][::-1])
        draw_grasps(axis, shown, observation.camera, observation.gripper, colors)
    axes[0, 1].set_xlim(left, right)
    axes[0, 1].set_ylim(bottom, top)
    save_png(figure, path)


def _around(mask: Bool[np.ndarray, "H W"], margin: int) -> tuple[float, float, float, float]:
    """left, right, top, bottom of the mask with a margin; of the image where it is empty."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return -0.5, mask.shape[1] - 0.5, -0.5, mask.shape[0] - 0.5
    left, right = columns.min() - margin, columns.max() + margin
    return float(left), float(right), float(rows.min() - margin), float(rows.max() + margin)
