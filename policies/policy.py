"""The seam of all planners: a Policy turns an Observation into one ranked GraspPlan; a Quality scores grasps for it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from graspnet.config import load_config
from graspnet.crops.crops import grasp_crops
from graspnet.errors import InputError, unknown_name
from graspnet.grasps.grasps import Grasps, image_from_grasps
from graspnet.models.checkpoint import Checkpoint
from graspnet.observation import Observation

__all__ = [
    "POLICIES",
    "GraspPlan",
    "NetworkQuality",
    "Policy",
    "Quality",
    "make_policy",
    "policy_class",
    "policy_names",
]

PLAN_VERSION = 1
KIND = "parallel_jaw"  # of a plan's grasps
# crops for one call of a network: with 128, gqcnn_2.0's feature maps pass the 32 MB above which malloc asks the system
# for fresh pages each time, and those cost more than the convolution
NETWORK_BATCH = 32
PREGRASP_DISTANCE = 0.1  # m back along the approach: where the collision check of the labels starts, too


@runtime_checkable  # beartype checks it under pytest
class Quality(Protocol):
    """Scores grasps: the probability, in [0, 1], that each one holds. A network's, or any function of this form."""

    def __call__(self, observation: Observation, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
        """One quality for each grasp; never negative, never NaN."""
        ...


@dataclass(frozen=True)
class GraspPlan:
    """Ranked grasps in the camera frame, best first; none, and a `reason`, where nothing can be grasped.

    qualities: (N,), descending. seconds: what each stage took, with the `total`.
    """

    grasps_in_camera: Grasps
    qualities: Float64[np.ndarray, "N"]
    reason: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    policy: str = ""

    def __post_init__(self) -> None:
        assert len(self.grasps_in_camera) == len(self.qualities)
        assert np.all(np.diff(self.qualities) <= 0), "a plan is sorted, best first"
        assert bool(self.reason) == (len(self) == 0), "no grasps and a reason, or grasps and none"

    @staticmethod
    def nothing(policy: str, observation: Observation, seconds: dict[str, float]) -> "GraspPlan":
        """The plan without a grasp, and why."""
        if observation.object_mask.any():
            reason = "no free grasp: every candidate would touch something that the image shows, or the table"
        elif observation.segmask is not None:
            reason = "no object: no depth was measured under the segmask"
        else:
            reason = "no object: nothing rises above the table"
        return GraspPlan(Grasps.none(), np.zeros(0), reason, seconds, policy)

    @staticmethod
    def from_json(plan: Any, observation: Observation, seconds: dict[str, float] | None = None) -> "GraspPlan":
        """A plan of docs/formats.md, version 1, sorted here if it was not; `seconds` replace those that it states.

        InputError: names the field that is missing, not finite, not rigid (or left-handed), or wider than the hand; a
        grasp of another kind of hand; a quality that is no probability.
        """
        if (
            not isinstance(plan, dict)
            or plan.get("version") != PLAN_VERSION
            or not isinstance(plan.get("grasps"), list)
        ):
            raise InputError(f"a plan is an object with version {PLAN_VERSION} and a list of grasps")
        policy, taken = str(plan.get("policy", "")), plan.get("seconds", {}) if seconds is None else seconds
        if not plan["grasps"]:
            return GraspPlan(
                Grasps.none(), np.zeros(0), str(plan.get("reason") or "no grasp, and no reason"), taken, policy
            )
        for i, row in enumerate(plan["grasps"]):
            if isinstance(row, dict) and row.get("kind", KIND) != KIND:
                raise InputError(f"grasps[{i}].kind is {str(row['kind'])[:40]!r}; the hand is a {KIND}")
        columns = {
            field: np.array([_numbers(row, field, shape, i) for i, row in enumerate(plan["grasps"])])
            for field, shape in (("camera_from_grasp", (4, 4)), ("width", ()), ("quality", ()))
        }
        widest = observation.gripper.max_width
        if not np.all((columns["width"] > 0) & (columns["width"] <= widest + 1e-6)):
            raise InputError(f"a grasp's width must lie in (0, {widest}], the hand's opening (metres)")
        if not np.all((columns["quality"] >= 0) & (columns["quality"] <= 1)):
            raise InputError("a grasp's quality must lie in [0, 1]: it is the probability that the grasp holds")
        order = np.argsort(-columns["quality"], kind="stable")
        grasps = Grasps(columns["camera_from_grasp"][order], columns["width"][order])
        return GraspPlan(grasps, columns["quality"][order], "", taken, policy)

    def __len__(self) -> int:
        return len(self.qualities)

    def to_json(self, observation: Observation, model: str, seed: int) -> dict[str, Any]:
        """The plan as the JSON object of docs/formats.md, version 1; world poses where the camera's pose is known."""
        plan: dict[str, Any] = {"version": PLAN_VERSION, "grasps": self._grasps_as_json(observation)}
        if self.reason:
            plan["reason"] = self.reason
        names = {"policy": self.policy, "model": model, "gripper": observation.gripper.name, "seed": seed}
        return plan | names | {"seconds": {name: round(seconds, 6) for name, seconds in self.seconds.items()}}

    def _grasps_as_json(self, observation: Observation) -> list[dict[str, Any]]:
        image = image_from_grasps(self.grasps_in_camera, observation.camera)
        rows = []
        for i in range(len(self)):
            pose = self.grasps_in_camera.poses[i]
            row = {
                "kind": KIND, "quality": float(self.qualities[i]), "camera_from_grasp": pose.tolist(),
                "width": float(self.grasps_in_camera.width[i]),
                "image": {
                    "center": image.center[i].tolist(), "angle": float(image.angle[i]), "depth": float(image.depth[i])
                },
            }  # fmt: skip
            if observation.world_from_camera is not None:
                world_from_grasp = observation.world_from_camera @ pose
                row["world_from_grasp"] = world_from_grasp.tolist()
                row["pregrasp"] = _backed_off(world_from_grasp, PREGRASP_DISTANCE).tolist()
            rows.append(row)
        return rows


def _numbers(row: Any, field: str, shape: tuple[int, ...], index: int) -> Float64[np.ndarray, "*D"]:
    """One field of one grasp of a plan."""
    try:
        value = np.asarray(row[field], dtype=np.float64)
    except (KeyError, TypeError, ValueError, OverflowError):  # an integer of 400 digits overflows
        raise InputError(f"grasps[{index}].{field} is missing or not made of numbers") from None
    if value.shape != shape or not np.isfinite(value).all():
        raise InputError(f"grasps[{index}].{field} must be {shape or 'one number'}, and finite")
    return value


def _backed_off(frame_from_grasp: Float64[np.ndarray, "4 4"], distance: float) -> Float64[np.ndarray, "4 4"]:
    back = np.eye(4)
    back[2, 3] = -distance
    return np.asarray(frame_from_grasp @ back, dtype=np.float64)


class Policy(ABC):
    """From what is seen to ranked grasps. Its config is a dataclass that `configs/policy/*.yaml` fill in."""

    name: ClassVar[str]
    config_type: ClassVar[type]
    needs_quality: ClassVar[bool] = True

    @abstractmethod
    def __init__(self, config: Any, quality: Quality | None = None) -> None:
        """Keep the config and the quality (which is None where `needs_quality` is False)."""

    @abstractmethod
    def plan(self, observation: Observation, rng: np.random.Generator) -> GraspPlan:
        """The ranked grasps; the same observation and generator state give the same plan."""


# where each policy lives: its module is imported only when it is asked for; entry points `graspnet.policies` add more
POLICIES: dict[str, str] = {
    "antipodal": "policies.ranking:RandomAntipodalPolicy",
    "ranking": "policies.ranking:RankingPolicy",
    "cross_entropy": "policies.cross_entropy.cross_entropy:CrossEntropyPolicy",
}


def policy_class(name: str) -> type[Policy]:
    """The Policy class of that name: ours, or an installed package's (entry-point group `graspnet.policies`)."""
    entries = _entries()
    if name not in entries:
        raise unknown_name("policy", name, entries)
    loaded: type[Policy] = entries[name].load()
    return loaded


def policy_names() -> list[str]:
    """The names that `policy_class` knows."""
    return sorted(_entries())


def _entries() -> dict[str, EntryPoint]:
    group = "graspnet.policies"
    entries = {entry.name: entry for entry in entry_points(group=group)}
    return entries | {key: EntryPoint(key, value, group) for key, value in POLICIES.items()}


def make_policy(
    name: str,
    config: str | Path | None = None,
    overrides: tuple[str, ...] = (),
    quality: Quality | None = None,
) -> Policy:
    """The policy of that name, configured by a preset of `configs/policy/` or a file (default: the preset `name`).

    InputError: unknown policy, preset or key; no quality where the policy needs one.
    """
    policy = policy_class(name)
    if policy.needs_quality and quality is None:
        raise InputError(f"policy {name!r} ranks grasps by a quality and got none: give it a model")
    return policy(load_config(policy.config_type, "policy", name if config is None else config, overrides), quality)


class NetworkQuality:
    """A trained network as a Quality: crops as in training (`graspnet.crops.crops`), scored in batches.

    The network stays on the device where it is. threads: how many of the CPU's to use; 1 for a worker among others;
    None tries one and two on the first full batches, after one to warm up, and takes two where that is a third faster
    at least (on a busy machine two can be ten times slower).
    """

    def __init__(self, checkpoint: Checkpoint, batch_size: int = 128, threads: int | None = 1) -> None:
        self.checkpoint = checkpoint
        self.batch_size = batch_size
        self._trials = [1, 1, 2] if threads is None else []  # the first one warms up
        self._seconds: dict[int, float] = {1: float("inf")} if threads is None else {threads: 0.0}

    @property
    def threads(self) -> int:
        """The number of threads in use."""
        return min(self._seconds, key=lambda count: self._seconds[count] * (1.0 if count == 1 else 1.5))

    def __call__(self, observation: Observation, grasps_in_camera: Grasps) -> Float64[np.ndarray, "N"]:
        """The checkpoint's quality of each grasp's crop."""
        if not len(grasps_in_camera):
            return np.zeros(0)
        before = torch.get_num_threads()
        try:
            batches = torch.from_numpy(grasps_in_camera.poses).split(self.batch_size)
            qualities = torch.cat([self._on_best_threads(observation, poses) for poses in batches])
        finally:
            torch.set_num_threads(before)
        return qualities.double().cpu().numpy()

    def _on_best_threads(self, observation: Observation, poses: Float64[Tensor, "N 4 4"]) -> Float32[Tensor, "N"]:
        if not self._trials or len(poses) < self.batch_size:
            torch.set_num_threads(self.threads)
            return self._qualities(observation, poses)
        threads = self._trials.pop(0)
        torch.set_num_threads(threads)
        start = perf_counter()
        qualities = self._qualities(observation, poses)
        self._seconds[threads] = perf_counter() - start
        return qualities

    @torch.inference_mode()
    def _qualities(self, observation: Observation, poses: Float64[Tensor, "N 4 4"]) -> Float32[Tensor, "N"]:
        network, camera = self.checkpoint.network, observation.camera
        device = next(network.parameters()).device
        depth = torch.from_numpy(observation.depth)[None, None].to(device)
        intrinsics = torch.tensor([[camera.fx, camera.fy, camera.cx, camera.cy]], dtype=torch.float64, device=device)
        hand = torch.from_numpy(observation.gripper.sizes()).to(device).expand(len(poses), -1)
        image_index = torch.zeros(len(poses), dtype=torch.int64, device=device)
        crops = grasp_crops(depth, intrinsics, poses.to(device), image_index, hand, self.checkpoint.crop)
        parts = zip(crops.images.split(NETWORK_BATCH), crops.pose.split(NETWORK_BATCH), strict=True)
        return self.checkpoint.quality(torch.cat([network(images, pose) for images, pose in parts]))
