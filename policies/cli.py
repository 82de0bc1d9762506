"""`graspnet plan`: a depth image, its camera and a gripper in; ranked grasps out, as JSON (docs/formats.md)."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import numpy as np
from click.core import ParameterSource
from jaxtyping import Float64

from graspnet.camera import Camera, load_camera
from graspnet.cli import NOTHING_FOUND
from graspnet.config import NO_YAML, parse_yaml
from graspnet.drawing import picture_format
from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.grippers.gripper import load_gripper
from graspnet.inputs.camera_pose import read_camera_pose
from graspnet.inputs.depth_image import read_depth
from graspnet.inputs.mask_image import read_mask
from graspnet.observation.observation import Observation
from graspnet.observation.point_cloud import CLOUDS, read_cloud_as_depth
from graspnet.observation.recordings import Recording, recording_of
from graspnet.plausibility.sources import Sources
from graspnet.policies.demands.reach import load_feasible
from graspnet.policies.demands.region import read_region, within_region
from graspnet.policies.planning import MIN_QUALITY, load_policy, plan_observation
from graspnet.policies.registry import policy_names
from graspnet.run.record import write_json

__all__ = ["plan", "read_workspace"]


@click.command()
@click.option(
    "--depth",
    "depth_file",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="Depth image: .npy, .npz or .exr in metres, or a 16-bit PNG or TIFF with --depth-scale; 0 or NaN = missing. Or"
    " a point cloud in the camera's frame: .ply or .pcd. Folders of BOP and of TUM say the scale themselves.",
)
@click.option("--depth-scale", type=float, metavar="METRES", help="Metres in one unit of the file; millimetres: 0.001.")
@click.option(
    "--camera",
    metavar="NAME|FILE",
    help="Intrinsics: a preset, or a file (ours, ROS, OpenCV, RealSense, Open3D, autolab). BOP's folders have theirs.",
)
@click.option("--segmask", type=click.Path(path_type=Path), metavar="FILE", help="Image: nonzero = may be grasped.")
@click.option(
    "--camera-pose",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="world_from_camera: a 4x4 in .json or .yaml, or autolab's .tf; the table is the world's z = 0.",
)
@click.option(
    "--workspace",
    metavar="x0,x1,y0,y1,z0,z1|FILE",
    help="A box, metres: nothing outside is grasped. In the world with --camera-pose, else in the camera's frame.",
)
@click.option("--max-height", type=float, metavar="METRES", help="Nothing higher above the table is grasped.")
@click.option(
    "--region",
    metavar="u,v|BOX|FILE",
    help="Grasp this thing: a point on it, a box left,top,right,bottom (pixels), or a mask image.",
)
@click.option(
    "--feasible",
    metavar="MODULE:FUNCTION",
    help="Keep what your arm reaches: a function of poses (N, 4, 4) to a mask, or an entry point's name.",
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
    help=f"{', '.join(policy_names())}. Those that rank grasps by --model: cross_entropy, dense (soonest with "
    "parallel_jaw_dense), ranking.",
)
@click.option("--config", metavar="NAME|FILE", help="The policy's settings; default: the preset of its name.")
@click.option(
    "--min-quality",
    type=click.FloatRange(0, 1),
    default=MIN_QUALITY,
    show_default=True,
    help="Grasps of less are left out.",
)
@click.option("--top-k", type=click.IntRange(min=1), metavar="N", help="At most so many grasps, of different places.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--output", required=True, metavar="FILE", help="The plan, as JSON; - = standard output.")
@click.option(
    "--image", "image_file", type=click.Path(path_type=Path), metavar="FILE", help="Draw the plan (.png, .jpg)."
)
@click.option("--view", is_flag=True, help="Show the plan in the browser, until Ctrl-C. Needs graspnet[view].")
@click.option("--port", type=int, default=8080, show_default=True, help="Of --view.")
@click.option(
    "--explain", is_flag=True, help="Say what was refused, and why; --image shows where, and how the rest was judged."
)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
def plan(
    depth_file: Path,
    depth_scale: float | None,
    camera: str | None,
    segmask: Path | None,
    camera_pose: Path | None,
    workspace: str | None,
    max_height: float | None,
    region: str | None,
    feasible: str | None,
    gripper: str,
    model: str,
    policy_name: str,
    config: str | None,
    min_quality: float,
    top_k: int | None,
    seed: int,
    output: str,
    image_file: Path | None,
    view: bool,
    port: int,
    explain: bool,
    overrides: tuple[str, ...],
) -> None:
    """Plan grasps on a depth image, best first.

    \b
    graspnet plan --depth depth.npy --camera primesense --gripper yumi --output plan.json --image plan.png
    graspnet plan --depth depth.png --depth-scale 0.001 --camera c.yaml --output - iterations=5
    graspnet plan --depth scene/depth/000003.png --output plan.json      # a BOP scene says its camera and its unit
    graspnet plan --depth cloud.ply --camera c.yaml --region 312,240 --explain --output plan.json --image plan.png
    graspnet plan --depth depth.npy --camera c.yaml --camera-pose pose.json --feasible my_arm:reaches --output plan.json

    KEY=VALUE changes the policy's settings. Exit status: 0 done, 2 bad input, 3 no grasp found (the plan says why).
    """
    start = perf_counter()
    _check_writable([Path(output)] if output != "-" else [])
    if image_file is not None:
        _check_writable([image_file])
        picture_format(image_file)
    recording = recording_of(depth_file)
    observation = _read_observation(
        depth_file,
        _depth_scale(depth_scale, recording),
        segmask,
        camera=_camera(camera, recording),
        gripper=load_gripper(gripper),
        world_from_camera=None if camera_pose is None else read_camera_pose(camera_pose),
        workspace=None if workspace is None else read_workspace(workspace),
        max_height=max_height,
        feasible=None if feasible is None else load_feasible(feasible),
    )
    if region is not None:
        observation = within_region(observation, read_region(region))
    policy = load_policy(policy_name, model, config, overrides)
    asked = click.get_current_context().get_parameter_source("model")
    if asked is ParameterSource.COMMANDLINE and not policy.needs_quality:
        raise InputError(f"--model {model}: the policy {policy_name} ranks grasps without one; leave it out")
    loaded = perf_counter() - start

    sources = Sources(str(depth_file), camera or "the recording's camera", gripper, str(segmask), str(camera_pose))
    planned = plan_observation(observation, policy, min_quality=min_quality, seed=seed, sources=sources, top_k=top_k)
    seconds = {"load": loaded} | planned.seconds | {"total": perf_counter() - start}
    planned = replace(planned, model=model if policy.needs_quality else "", seconds=seconds)
    _write(planned.to_json(), output)
    if image_file is not None:
        planned.draw(image_file, explain)
    for warning in planned.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(planned.summary, err=True)
    if explain:
        click.echo(f"candidates that were refused:\n{planned.refusals}" if planned.refusals else NONE_REFUSED, err=True)
    if view:
        _view(planned, port)
    if not len(planned):
        sys.exit(NOTHING_FOUND)


def _view(planned: GraspPlan, port: int) -> None:
    """Show the plan until somebody ends it."""
    from graspnet.report.plan_view import serve_plan

    server = serve_plan(planned, port)
    click.echo(f"http://localhost:{server.get_port()} shows the plan; Ctrl-C ends it", err=True)
    with suppress(KeyboardInterrupt):
        server.sleep_forever()
    server.stop()


def _depth_scale(given: float | None, recording: Recording | None) -> float | None:
    """Metres in one unit of the file: what was given, else what the folder says, said aloud."""
    if given is not None or recording is None:
        return given
    click.echo(f"{recording.source}: its depth is in {recording.unit}", err=True)
    return recording.depth_scale


def _camera(given: str | None, recording: Recording | None) -> Camera:
    """InputError: neither was a camera given, nor does the folder say one."""
    if given is not None:
        return load_camera(given)
    if recording is None or recording.camera is None:
        raise InputError("--camera is missing: a preset (primesense, realsense_d435, phoxi) or a file of intrinsics")
    click.echo(f"{recording.source}: its camera is taken", err=True)
    return recording.camera


def _read_observation(depth_file: Path, depth_scale: float | None, segmask: Path | None, **parts: Any) -> Observation:
    """What the files hold; each is blamed for what it says."""
    if depth_scale is not None and not 0 < depth_scale < np.inf:
        raise InputError(f"--depth-scale is {depth_scale}; it must be positive (metres in one unit of the file)")
    if depth_file.suffix.lower() in CLOUDS:
        depth = read_cloud_as_depth(depth_file, parts["camera"], depth_scale)
    else:
        depth = read_depth(depth_file, depth_scale)
    mask = None if segmask is None else read_mask(segmask)
    limits = {name: parts.pop(name) for name in ("workspace", "max_height", "feasible")}
    with _blaming(depth_file):
        observation = Observation(depth, **parts)
    observation = replace(observation, **limits)  # their messages name them, and no file
    with _blaming(segmask):
        return replace(observation, segmask=mask)


@contextmanager
def _blaming(path: Path | None) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def read_workspace(source: str) -> Float64[np.ndarray, "2 3"]:
    """The corners of a box from `x0,x1,y0,y1,z0,z1`, or from a JSON or YAML file with x, y and z: [low, high].

    InputError: unreadable, or not two numbers for each axis, the lower first.
    """
    try:
        if "," in source:
            sides = np.array([float(number) for number in source.split(",")]).reshape(3, 2)
        else:
            data = parse_yaml(Path(source).read_text())  # JSON is YAML
            if set(data) != {"x", "y", "z"}:
                raise ValueError
            sides = np.array([data[axis] for axis in "xyz"], dtype=np.float64).reshape(3, 2)
    except FileNotFoundError:
        raise InputError(f"--workspace {source}: no such file; {_WORKSPACE_FORMATS}") from None
    except (OSError, TypeError, *NO_YAML):
        raise InputError(f"--workspace {source}: no box; {_WORKSPACE_FORMATS}") from None
    if not np.isfinite(sides).all() or not (sides[:, 0] < sides[:, 1]).all():
        raise InputError(f"--workspace {source}: on each axis the second number must be larger than the first")
    return sides.T


NONE_REFUSED = "no candidate was refused"
_WORKSPACE_FORMATS = "expected x0,x1,y0,y1,z0,z1 in metres, or a file with x: [x0, x1], y: [y0, y1], z: [z0, z1]"


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
