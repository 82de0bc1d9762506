"""From a depth image to a grasp plan in one call: what `graspnet.plan` and the command `graspnet plan` both do."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Shaped

from graspnet.camera import Camera, load_camera
from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.grippers.gripper import Gripper, load_gripper
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.inputs.array_file import as_numbers
from graspnet.models.checkpoint import load_checkpoint
from graspnet.observation.depth_scale import scaled_to_table
from graspnet.observation.observation import Feasible, Observation, seen_together
from graspnet.observation.things import Things
from graspnet.plausibility.doubts import doubts
from graspnet.plausibility.sources import Sources
from graspnet.policies.constraints import REASONS, fingers_in_view, hand_above_table, something_between_jaws
from graspnet.policies.demands.reach import within_reach
from graspnet.policies.demands.region import thing_numbers, within_region
from graspnet.policies.grasp_space import GraspSpace
from graspnet.policies.model_range import range_warnings
from graspnet.policies.policy import Policy
from graspnet.policies.registry import make_policy, policy_class
from graspnet.quality import CheckedQuality, NetworkQuality, Quality
from graspnet.refusals import Refusals

__all__ = ["load_policy", "load_quality", "plan", "plan_each", "plan_observation"]

DEFAULT_POLICY, DEFAULT_MODEL = "cross_entropy", "parallel_jaw"
MIN_QUALITY = 0.05  # grasps of less are no plan; docs/experiments/policies.md has how many of those held
LARGE_SCALE = 0.02  # of the depth: more than cameras err by
SCALED = (
    "depth was multiplied by {:.3f}, so that the table in the image lies at z = 0, where the camera's pose has it: "
    "calibrate the camera, or correct the pose"
)


def plan(
    depth: Float[np.ndarray, "H W"] | Observation | Sequence[Observation],
    camera: Camera | str | Path | None = None,
    gripper: Gripper | str | Path | None = None,
    *,
    mask: Bool[np.ndarray, "H W"] | None = None,
    world_from_camera: Float64[np.ndarray, "4 4"] | None = None,
    workspace: Float[np.ndarray, "2 3"] | None = None,
    max_height: float | None = None,
    failed: Float[np.ndarray, "..."] | None = None,
    region: Shaped[np.ndarray, "..."] | Sequence[int | float] | None = None,
    feasible: Feasible | None = None,
    policy: str | Policy = DEFAULT_POLICY,
    model: str | Quality = DEFAULT_MODEL,
    min_quality: float = MIN_QUALITY,
    top_k: int | None = None,
    seed: int = 0,
) -> GraspPlan:
    """Plan grasps on one depth image, best first; or on several looks at one scene.

    depth: metres along z; 0 or NaN = missing. Or an Observation, which has its camera, gripper and all that is said of
    the image; or a list of them, looks at one scene from cameras whose poses are known (`world_from_camera`), which are
    merged into one map: grasps are then in the frame of the first. camera, gripper: or the names of presets, or files.
    mask: True on what may be grasped; without one, what stands on the table and neither goes on beyond the image nor is
    longer than eight openings of the gripper.
    world_from_camera: the camera's pose (metres, OpenCV axes); grasps then have poses in the world, too, and the table
    is the world's plane z = 0, to which the depth is scaled (by 10 % at most; it is said if by more than 2 %).
    workspace: the lowest and the highest corner (x, y, z) of a box, in the world where the camera's pose is known, else
    in the camera's frame; what is outside may not be grasped. max_height: nor what is higher above the table, metres.
    failed: where grasps have failed just now, as origins in the camera's frame (`camera_from_grasp[:3, 3]` of the
    grasps, if the camera stands still): the plan rather tries elsewhere.
    region: which of the things to grasp: a point (u, v) on one of them, a box (left, top, right, bottom), both in
    pixels, or a mask (H, W). feasible: a function of poses, (N, 4, 4), to a mask, (N,): whether the arm can bring the
    grasp frame there, in the world where the camera's pose is known, else in the camera's frame. It is asked for each
    grasp and for the pose 0.1 m back along its approach.
    policy: a name (`graspnet.load_policy`), or a Policy that was made before: do so in a loop, since a name loads the
    network anew. model: a network by name or folder, or a function that scores grasps (`graspnet.Quality`); a policy
    that was made before has its own. min_quality: grasps of less are left out. top_k: at most so many grasps;
    those of a policy that ranks are of different places, so that an arm that cannot reach the best has another.

    The plan is empty, with a reason, where nothing can be grasped; read its `warnings`. InputError: an argument that
    cannot be right, and how to mend it.

    >>> import numpy as np, graspnet as gn
    >>> depth = np.full((240, 320), 0.5, np.float32)  # a table half a metre below the camera ...
    >>> depth[100:140, 150:170] = 0.46  # ... and a block on it, 4 cm high
    >>> plan = gn.plan(depth, gn.Camera(300.0, 300.0, 159.5, 119.5, 320, 240), gn.load_gripper("yumi"))
    >>> plan.best.quality > 0.5
    True
    >>> bool(np.abs(plan.best.center - [159.5, 119.5]).max() < 20)  # on the block, in pixels
    True
    """
    if isinstance(depth, Observation) or not hasattr(depth, "shape"):  # whatever has a shape is an image
        looks = [depth] if isinstance(depth, Observation) else list(depth) if isinstance(depth, Iterable) else []
        given: dict[str, Any] = {"camera": camera, "gripper": gripper, "mask": mask, "workspace": workspace}
        given |= {"world_from_camera": world_from_camera, "max_height": max_height, "failed": failed}
        given |= {"feasible": feasible, "region": region if len(looks) > 1 else None}
        seen = _together(looks, [name for name, value in given.items() if value is not None])
    else:
        if camera is None or gripper is None:
            raise InputError("a depth image needs a camera and a gripper: plan(depth, camera, gripper)")
        image: Any = depth
        seen = _observed(image, camera, gripper, mask, world_from_camera, workspace, max_height, failed, feasible)
    if region is not None:
        seen = within_region(seen, region)
    return plan_observation(seen, policy, model, min_quality, seed, top_k=top_k)


def plan_each(
    observations: Sequence[Observation],
    *,
    policy: str | Policy = DEFAULT_POLICY,
    model: str | Quality = DEFAULT_MODEL,
    min_quality: float = MIN_QUALITY,
    top_k: int | None = None,
    seed: int = 0,
) -> list[GraspPlan]:
    """Plan grasps on many images that have nothing to do with each other: a plan for each, as `plan` makes it.

    The network is loaded once. InputError: as `plan`, with the number of the observation.

    >>> import numpy as np, graspnet as gn
    >>> depth = np.full((240, 320), 0.5, np.float32)
    >>> depth[100:140, 150:170] = 0.46
    >>> seen = gn.Observation(depth, gn.Camera(300.0, 300.0, 159.5, 119.5, 320, 240), gn.load_gripper("yumi"))
    >>> [len(plan) > 0 for plan in gn.plan_each([seen, seen])]
    [True, True]
    """
    planner = load_policy(policy, model) if isinstance(policy, str) else policy
    name = _model_name(policy, planner, model)
    plans = []
    for k, observation in enumerate(observations):
        try:
            planned = plan_observation(observation, planner, min_quality=min_quality, seed=seed, top_k=top_k)
        except InputError as error:
            raise InputError(f"observation {k}: {error}") from None
        plans.append(replace(planned, model=name))
    return plans


def _together(looks: list[Any], given: list[str]) -> Observation:
    """One observation of all looks. given: what was said of them beside, which is refused."""
    if not looks or not all(isinstance(look, Observation) for look in looks):
        raise InputError(
            "expected a depth image (an array; a file is read by np.load), an Observation, or a list of Observations"
        )
    if given:
        raise InputError(f"{', '.join(given)}: an Observation has its own; give it there")
    return seen_together(looks)


def _observed(
    depth: Float[np.ndarray, "H W"],
    camera: Camera | str | Path,
    gripper: Gripper | str | Path,
    mask: Bool[np.ndarray, "H W"] | None,
    world_from_camera: Float64[np.ndarray, "4 4"] | None,
    workspace: Float[np.ndarray, "2 3"] | None,
    max_height: float | None,
    failed: Float[np.ndarray, "..."] | None,
    feasible: Feasible | None,
) -> Observation:
    """InputError: an array that is none of numbers, or whatever an Observation refuses."""
    depth = as_numbers(depth, "depth", "an array of numbers, (height, width)")
    if not isinstance(camera, Camera | str | Path):
        made = "a Camera (of a matrix: gn.Camera.from_matrix(K, width, height))"
        raise InputError(f"camera is a {type(camera).__name__}; expected {made}, the name of a preset, or a file")
    if not isinstance(gripper, Gripper | str | Path):
        made = "a gripper such as gn.ParallelJaw(...)"
        raise InputError(f"gripper is a {type(gripper).__name__}; expected {made}, the name of a preset, or a file")
    camera = camera if isinstance(camera, Camera) else load_camera(camera)
    gripper = gripper if isinstance(gripper, Gripper) else load_gripper(gripper)
    if depth.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what 32 bits cannot hold becomes infinite: not measured
            depth = depth.astype(np.float32)
    return Observation(
        depth, camera, gripper, mask, world_from_camera, workspace, max_height, failed=failed, feasible=feasible
    )


def plan_observation(
    observation: Observation,
    policy: str | Policy = DEFAULT_POLICY,
    model: str | Quality = DEFAULT_MODEL,
    min_quality: float = MIN_QUALITY,
    seed: int = 0,
    sources: Sources | None = None,
    top_k: int | None = None,
) -> GraspPlan:
    """The same for an Observation. sources: what warnings and refusals call its parts; without them, by their names.

    Where a network ranks, the plan warns of what is outside of the network's range. Whatever the policy: no
    grasp is kept whose fingers leave the image, whose tips reach into the table, or that closes on nothing.
    """
    if not isinstance(min_quality, Real) or not 0 <= min_quality <= 1:
        raise InputError(f"min_quality is {min_quality!r}; it must lie in [0, 1], as qualities do")
    if top_k is not None and (not isinstance(top_k, int | np.integer) or top_k < 1):
        raise InputError(f"top_k is {top_k!r}; it must be at least 1 (grasps)")
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed is {seed!r}; it must be a whole number, 0 or more")
    if not isinstance(policy, str) and not hasattr(policy, "plan"):
        raise InputError(f"policy is a {type(policy).__name__}; expected its name, or a Policy that was made before")
    doubtful = doubts(observation, sources or Sources())
    observation, factor = scaled_to_table(observation)
    scaled = [SCALED.format(factor)] if abs(factor - 1) > LARGE_SCALE else []
    planner = load_policy(policy, model) if isinstance(policy, str) else policy
    planned = _possible(planner.plan(observation, np.random.default_rng(seed))).at_least(min_quality)
    if not len(planned) and planner.of_one_object and len(Things.of(GraspSpace.of(observation).height_map)) > 1:
        one = "it takes all that may be grasped for one object: name one by --region, or mark it by a mask"
        planned = replace(planned, reason=f"{planned.reason}; {one}")
    if top_k is not None and len(planned) > top_k:
        planned = planned.only(np.arange(len(planned)) < top_k)
    quality = getattr(planner, "quality", None)  # heuristics have none
    outside = list[str]()
    if isinstance(quality, NetworkQuality):
        outside = range_warnings(quality.checkpoint.details, observation, planned.grasps_in_camera)
    warnings = (*doubtful, *scaled, *planned.warnings, *outside)
    things = thing_numbers(observation, planned.grasps_in_camera.origin) if len(planned) else None
    name = _model_name(policy, planner, model)
    return replace(planned, model=name, seed=seed, warnings=warnings, things=things)


def _model_name(policy: str | Policy, planner: Policy, model: str | Quality) -> str:
    """The model that a plan is made with; nothing where it has no name, or nobody named the policy that uses it."""
    named = isinstance(policy, str) and planner.needs_quality and isinstance(model, str | Path)
    return str(model) if named else ""


def _possible(planned: GraspPlan) -> GraspPlan:
    """The grasps that the image shows whole, that stay above the table, that have an object between the jaws and that
    the arm reaches.

    Only of a parallel jaw; grasps of other kinds stay as they are.
    """
    if not len(planned) or not isinstance(planned.observation.gripper, ParallelJaw):
        return planned
    refusals, kept = Refusals(), np.ones(len(planned), dtype=bool)
    checks = ((REASONS[0], fingers_in_view), (REASONS[1], hand_above_table), (REASONS[4], something_between_jaws))
    for reason, allowed in checks:
        passed = kept & allowed(planned.observation, planned.grasps_in_camera)
        refusals.add(reason, planned.grasps_in_camera.origin[kept & ~passed])
        kept = passed
    grasps, reached = within_reach(planned.observation, planned.grasps_in_camera)
    refusals.add(REASONS[5], grasps.origin[kept & ~reached])
    planned, kept = replace(planned, grasps_in_camera=grasps), kept & reached
    if not kept.any():
        return GraspPlan.nothing(planned.policy, planned.observation, planned.seconds, refusals)
    return replace(planned.only(kept), refusals=planned.refusals.merged(refusals))


def load_policy(
    name: str = DEFAULT_POLICY,
    model: str | Quality = DEFAULT_MODEL,
    config: str | None = None,
    overrides: tuple[str, ...] = (),
) -> Policy:
    """A policy by name, with the network that it ranks grasps by.

    name: ours or an installed package's, such as "cross_entropy", "ranking" or "principal_axis". model: a name that
    ships, a folder that `graspnet train` made, or a function of your own that scores grasps (`graspnet.Quality`);
    unused by a policy that ranks without one. config: a preset of `configs/policy/` or a file; by default the preset
    of the policy's name. overrides: `KEY=VALUE` settings.
    InputError: an unknown name, preset or key, or a folder without a model.

    >>> import graspnet as gn
    >>> policy = gn.load_policy("cross_entropy", overrides=("iterations=1",))
    >>> policy.config.iterations
    1
    """
    quality: Quality | None = None
    if policy_class(name).needs_quality:
        quality = load_quality(model)
    return make_policy(name, config, overrides, quality)


def load_quality(model: str | Quality, threads: int | None = None) -> Quality:
    """A network by its name or folder, as a Quality, or a function that scores grasps, whose answers are checked.

    threads: the network's on the CPU. InputError: no model of that name, or what is neither.
    """
    if isinstance(model, str | Path):
        return NetworkQuality(load_checkpoint(model), threads=threads)
    return model if isinstance(model, NetworkQuality | CheckedQuality) else CheckedQuality(model)
