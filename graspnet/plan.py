"""Grasp plans: ranked grasps in the camera frame, and their form as JSON (docs/formats.md)."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64

from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grasps.image_grasps import image_from_grasps
from graspnet.observation import Observation

__all__ = ["GraspPlan"]

PLAN_VERSION = 1
PREGRASP_DISTANCE = 0.1  # m back along the approach: where the collision check of the labels starts, too


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
    def nothing(
        policy: str, observation: Observation, seconds: dict[str, float], refused: Counter[str] | None = None
    ) -> "GraspPlan":
        """The plan without a grasp, and why. refused: how many candidates there were of which fault."""
        if observation.object_mask.any():
            reason = "no free grasp" + _faults(refused or Counter())
        else:
            reason = f"no object: {observation.why_nothing}"
        return GraspPlan(Grasps.none(), np.zeros(0), reason, seconds, policy)

    @staticmethod
    def from_json(plan: Any, observation: Observation, seconds: dict[str, float] | None = None) -> "GraspPlan":
        """A plan of docs/formats.md, version 1, sorted here if it was not; `seconds` replace those that it states.

        InputError: names the field that is missing, not finite, not rigid (or left-handed), or impossible for the
        gripper; a grasp of another kind of gripper; a quality that is no probability.
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
        gripper = observation.gripper
        for i, row in enumerate(plan["grasps"]):
            if isinstance(row, dict) and row.get("kind", gripper.kind) != gripper.kind:
                raise InputError(f"grasps[{i}].kind is {str(row['kind'])[:40]!r}; the gripper is a {gripper.kind}")

        def numbers(field: str, shape: tuple[int, ...] = ()) -> Float64[np.ndarray, "N *D"]:
            return np.array([_numbers(row, field, shape, i) for i, row in enumerate(plan["grasps"])])

        poses, columns = numbers("camera_from_grasp", (4, 4)), {c.name: numbers(c.name) for c in gripper.columns}
        qualities = numbers("quality")
        if not gripper.possible(columns).all():
            raise InputError(gripper.demand)
        if not np.all((qualities >= 0) & (qualities <= 1)):
            raise InputError("a grasp's quality must lie in [0, 1]: it is the probability that the grasp holds")
        order = np.argsort(-qualities, kind="stable")
        return GraspPlan(Grasps(poses, columns)[order], qualities[order], "", taken, policy)

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
        image, kind = image_from_grasps(self.grasps_in_camera, observation.camera), observation.gripper.kind
        rows = []
        for i in range(len(self)):
            pose = self.grasps_in_camera.poses[i]
            row = {
                "kind": kind, "quality": float(self.qualities[i]), "camera_from_grasp": pose.tolist(),
                **{name: float(values[i]) for name, values in self.grasps_in_camera.columns.items()},
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


def _faults(refused: Counter[str]) -> str:
    """What was wrong with the candidates, the most frequent fault first."""
    counts = [f"{fault} ({count})" for fault, count in refused.most_common() if count]
    if not counts:
        return ": every candidate would touch something that the image shows, or the table"
    return f": of {sum(refused.values())} candidates, all had {', or '.join(counts)}"


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
