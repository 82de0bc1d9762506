"""From a depth image to a grasp plan in one call: what `graspnet.plan` and the command `graspnet plan` both do."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Float64

from graspnet.camera import Camera
from graspnet.grasp_plan import GraspPlan
from graspnet.grippers.gripper import Gripper
from graspnet.models.checkpoint import load_checkpoint
from graspnet.observation.observation import Observation
from graspnet.plausibility.doubts import doubts
from graspnet.plausibility.sources import Sources
from graspnet.policies.policy import Policy
from graspnet.policies.registry import make_policy, policy_class
from graspnet.quality import NetworkQuality, Quality

__all__ = ["load_policy", "plan", "plan_observation"]

DEFAULT_POLICY, DEFAULT_MODEL = "cross_entropy", "parallel_jaw"


def plan(
    depth: Float[np.ndarray, "H W"],
    camera: Camera,
    gripper: Gripper,
    *,
    mask: Bool[np.ndarray, "H W"] | None = None,
    world_from_camera: Float64[np.ndarray, "4 4"] | None = None,
    policy: str | Policy = DEFAULT_POLICY,
    model: str | Quality = DEFAULT_MODEL,
    seed: int = 0,
) -> GraspPlan:
    """Plan grasps on one depth image, best first.

    depth: metres along z; 0 or NaN = missing. mask: True on what may be grasped; without one, what rises above the
    table. world_from_camera: the camera's pose (metres, OpenCV axes); grasps then have poses in the world, too, and
    the table is the world's plane z = 0. policy: a name (`graspnet.load_policy`), or a Policy that was made before: do
    so in a loop, since a name loads the network anew. model: a network by name or folder, or a function that scores
    grasps (`graspnet.Quality`); a policy that was made before has its own.

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
    depth = np.asarray(depth)
    if depth.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what 32 bits cannot hold becomes infinite: not measured
            depth = depth.astype(np.float32)
    observation = Observation(depth, camera, gripper, mask, world_from_camera)
    return plan_observation(observation, policy, model, seed)


def plan_observation(
    observation: Observation,
    policy: str | Policy = DEFAULT_POLICY,
    model: str | Quality = DEFAULT_MODEL,
    seed: int = 0,
    sources: Sources | None = None,
) -> GraspPlan:
    """The same for an Observation. sources: what warnings and refusals call its parts; without them, by their names."""
    doubtful = doubts(observation, sources or Sources())
    planner = load_policy(policy, model) if isinstance(policy, str) else policy
    planned = planner.plan(observation, np.random.default_rng(seed))
    named = isinstance(policy, str) and planner.needs_quality and isinstance(model, str)
    warnings = (*doubtful, *planned.warnings)
    return replace(planned, model=str(model) if named else "", seed=seed, warnings=warnings)


def load_policy(
    name: str = DEFAULT_POLICY,
    model: str | Quality = DEFAULT_MODEL,
    config: str | None = None,
    overrides: tuple[str, ...] = (),
) -> Policy:
    """A policy by name, with the network that it ranks grasps by.

    name: ours or an installed package's, such as "cross_entropy", "ranking" or "principal_axis". model: a name that
    ships, a folder that `graspnet train` made, or a function of your own that scores grasps (`graspnet.Quality`);
    unused by a policy that ranks without one. config: a preset of
    `configs/policy/` or a file; by default the preset of the policy's name. overrides: `KEY=VALUE` settings.
    InputError: an unknown name, preset or key, or a folder without a model.

    >>> import graspnet as gn
    >>> policy = gn.load_policy("cross_entropy", overrides=("iterations=1",))
    >>> policy.config.iterations
    1
    """
    quality: Quality | None = None
    if policy_class(name).needs_quality:
        quality = NetworkQuality(load_checkpoint(model), threads=None) if isinstance(model, str) else model
    return make_policy(name, config, overrides, quality)
