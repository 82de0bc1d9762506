"""Grasp plans: ranked grasps in the camera frame, and their form as JSON (docs/formats.md)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from jaxtyping import Bool, Float64, Int64

from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grasps.image_grasps import image_from_grasps
from graspnet.inputs.depth_image import FARTHEST
from graspnet.observation.observation import Observation
from graspnet.refusals import Refusals

__all__ = ["PREGRASP_DISTANCE", "GraspPlan", "PlannedGrasp", "backed_off", "grasps_in_plan"]

PLAN_VERSION = 1
PREGRASP_DISTANCE = 0.1  # m back along the approach: where the collision check of the labels starts, too


@dataclass(frozen=True)
class PlannedGrasp:
    """One grasp of a plan: where the hand goes, how far it is opened, and how likely the grasp holds.

    quality: in [0, 1]; None where the policy predicts none.
    camera_from_grasp: (4, 4), the grasp frame has z along the approach and y along the closing axis (metres).
    world_from_grasp: the same in the world, and pregrasp: 0.1 m back along the approach; None where the camera's pose
    is unknown. thing: the number of what it grasps, 1 for the first; things that touch are one (None: nobody looked).
    center: (u, v) in pixels. angle: of the closing axis in the image, from +u towards +v, in [−π/2, π/2).
    depth: z of the grasp's origin in the camera frame, metres.
    """

    kind: str
    quality: float | None
    camera_from_grasp: Float64[np.ndarray, "4 4"]
    columns: dict[str, float]
    center: Float64[np.ndarray, "2"]
    angle: float
    depth: float
    world_from_grasp: Float64[np.ndarray, "4 4"] | None
    pregrasp: Float64[np.ndarray, "4 4"] | None
    thing: int | None = None

    @property
    def width(self) -> float:
        """Opening to command while approaching, in metres (parallel jaws)."""
        return self.columns["width"]

    def to_json(self) -> dict[str, Any]:
        """One row of `grasps` in docs/formats.md."""
        row: dict[str, Any] = {
            "kind": self.kind, "quality": self.quality, "camera_from_grasp": self.camera_from_grasp.tolist(),
            **self.columns, "image": {"center": self.center.tolist(), "angle": self.angle, "depth": self.depth},
        }  # fmt: skip
        if self.world_from_grasp is not None and self.pregrasp is not None:
            row |= {"world_from_grasp": self.world_from_grasp.tolist(), "pregrasp": self.pregrasp.tolist()}
        if self.thing is not None:
            row["thing"] = self.thing
        return row


@dataclass(frozen=True)
class GraspPlan:
    """Ranked grasps of one observation, best first; none, and a `reason`, where nothing can be grasped.

    qualities: (N,), descending; all NaN of a policy that predicts none. seconds: what each stage took, with the
    `total`. warnings: sentences that a person should read before a robot moves. model, seed: what the plan was made
    with, where that is known. refusals: the candidates that the policy refused, and why. things: (N,), the number of
    the thing that each grasp takes. generations: what a policy has judged, batch after batch, with its qualities.

    >>> import numpy as np, graspnet as gn
    >>> depth = np.full((240, 320), 0.5, np.float32)  # a table half a metre below the camera ...
    >>> depth[100:140, 150:170] = 0.46  # ... and a block on it, 4 cm high
    >>> plan = gn.plan(depth, gn.Camera(300.0, 300.0, 159.5, 119.5, 320, 240), gn.load_gripper("yumi"))
    >>> plan.best.camera_from_grasp.shape, 0 < plan.best.width <= 0.05
    ((4, 4), True)
    >>> qualities = [grasp.quality for grasp in plan]
    >>> qualities == sorted(qualities, reverse=True)
    True
    >>> sorted(plan.to_json())[:3]
    ['grasps', 'gripper', 'model']
    >>> plan.draw("plan.png")
    """

    observation: Observation
    grasps_in_camera: Grasps
    qualities: Float64[np.ndarray, "N"]
    reason: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    policy: str = ""
    model: str = ""
    seed: int | None = None
    warnings: tuple[str, ...] = ()
    refusals: Refusals = field(default_factory=Refusals)
    things: Int64[np.ndarray, "N"] | None = None
    generations: tuple[tuple[Grasps, Float64[np.ndarray, "_"]], ...] = ()

    def __post_init__(self) -> None:
        assert len(self.grasps_in_camera) == len(self.qualities)
        assert self.things is None or len(self.things) == len(self.qualities)
        ranked = np.isnan(self.qualities).all() or bool(np.all(np.diff(self.qualities) <= 0))
        assert ranked, "a plan is sorted, best first, or has no qualities at all"
        assert bool(self.reason) == (len(self) == 0), "no grasps and a reason, or grasps and none"

    @staticmethod
    def nothing(
        policy: str, observation: Observation, seconds: dict[str, float], refusals: Refusals | None = None
    ) -> "GraspPlan":
        """The plan without a grasp, and why. refusals: the candidates that there were."""
        refusals = refusals or Refusals()
        if len(observation.object_points):
            reason = "no free grasp" + _faults(refusals)
        else:
            reason = f"no object: {observation.why_nothing}"
        return GraspPlan(observation, Grasps.none(), np.zeros(0), reason, seconds, policy, refusals=refusals)

    @staticmethod
    def from_json(plan: Any, observation: Observation, seconds: dict[str, float] | None = None) -> "GraspPlan":
        """A plan of docs/formats.md, version 1, sorted here if it was not; `seconds` replace those that it states.

        InputError: names the field that is missing, not finite, not rigid (or left-handed), further away than
        depth cameras see, or impossible for the gripper; a grasp of another kind of gripper; a quality that is no
        probability.
        """
        if (
            not isinstance(plan, dict)
            or plan.get("version") != PLAN_VERSION
            or not isinstance(plan.get("grasps"), list)
        ):
            raise InputError(f"a plan is an object with version {PLAN_VERSION} and a list of grasps")
        policy, taken = str(plan.get("policy", "")), plan.get("seconds", {}) if seconds is None else seconds
        if not plan["grasps"]:
            reason = str(plan.get("reason") or "no grasp, and no reason")
            return GraspPlan(observation, Grasps.none(), np.zeros(0), reason, taken, policy)
        gripper = observation.gripper
        for i, row in enumerate(plan["grasps"]):
            if isinstance(row, dict) and row.get("kind", gripper.kind) != gripper.kind:
                raise InputError(f"grasps[{i}].kind is {str(row['kind'])[:40]!r}; the gripper is a {gripper.kind}")

        grasps, qualities = grasps_in_plan(plan["grasps"], [column.name for column in gripper.columns])
        if not gripper.possible(grasps.columns).all():
            raise InputError(gripper.demand)
        order = np.argsort(-qualities, kind="stable")
        return GraspPlan(observation, grasps[order], qualities[order], "", taken, policy)

    def __len__(self) -> int:
        return len(self.qualities)

    def __iter__(self) -> Iterator[PlannedGrasp]:
        return map(self.__getitem__, range(len(self)))

    @overload
    def __getitem__(self, rank: int) -> PlannedGrasp: ...

    @overload
    def __getitem__(self, rank: slice) -> list[PlannedGrasp]: ...

    def __getitem__(self, rank: int | slice) -> PlannedGrasp | list[PlannedGrasp]:
        """The grasp of that rank, 0 for the best, or a list of those of a slice. IndexError: there are fewer."""
        if isinstance(rank, slice):
            return [self[k] for k in range(len(self))[rank]]
        if not -len(self) <= rank < len(self):
            raise IndexError(f"a plan of {len(self)} grasps has no grasp {rank}")
        grasp = self.grasps_in_camera[np.array([rank])]
        image = image_from_grasps(grasp, self.observation.camera)
        world_from_camera = self.observation.world_from_camera
        in_world = None if world_from_camera is None else world_from_camera @ grasp.poses[0]
        return PlannedGrasp(
            kind=self.observation.gripper.kind,
            quality=float(self.qualities[rank]) if self.has_qualities else None,
            camera_from_grasp=grasp.poses[0],
            columns={name: float(values[0]) for name, values in grasp.columns.items()},
            center=image.center[0],
            angle=float(image.angle[0]),
            depth=float(image.depth[0]),
            world_from_grasp=in_world,
            pregrasp=None if in_world is None else backed_off(in_world, PREGRASP_DISTANCE),
            thing=None if self.things is None else int(self.things[rank]),
        )

    @property
    def has_qualities(self) -> bool:
        """Whether the policy predicted how likely its grasps hold."""
        return bool(np.isfinite(self.qualities).all())

    def at_least(self, quality: float) -> "GraspPlan":
        """Only the grasps of that quality and above; a plan without qualities stays as it is."""
        if not self.has_qualities or (self.qualities >= quality).all():
            return self
        kept = self.qualities >= quality
        reason = ""
        if not kept.any():
            reason = (
                f"the best of {len(self)} grasps has quality {self.qualities[0]:.3f}, below the least that counts, "
                f"min_quality = {quality:g}"
            )
        return self.only(kept, reason)

    def only(self, kept: Bool[np.ndarray, "N"], reason: str = "") -> "GraspPlan":
        """The grasps that are marked, in their order; a reason where none is."""
        grasps, qualities = self.grasps_in_camera[kept], self.qualities[kept]
        things = None if self.things is None else self.things[kept]
        return replace(self, grasps_in_camera=grasps, qualities=qualities, reason=reason, things=things)

    @property
    def best(self) -> PlannedGrasp:
        """The grasp of highest quality. InputError: there is none, and why."""
        if not len(self):
            raise InputError(f"the plan holds no grasp: {self.reason}")
        return self[0]

    @property
    def summary(self) -> str:
        """One line for a person."""
        if not len(self):
            return f"no grasp: {self.reason}"
        taken = f" in {self.seconds['total']:.2f} s" if "total" in self.seconds else ""
        count = f"{len(self)} {'grasp' if len(self) == 1 else 'grasps'}{taken}"
        if not self.has_qualities:
            return f"{count}; {self.policy or 'the planner'} predicts no quality"
        return f"{count}; the best has quality {self.qualities[0]:.3f}"

    def to_json(self) -> dict[str, Any]:
        """The plan as the JSON object of docs/formats.md, version 1; world poses where the camera's pose is known."""
        plan: dict[str, Any] = {"version": PLAN_VERSION, "grasps": [grasp.to_json() for grasp in self]}
        if self.reason:
            plan["reason"] = self.reason
        if self.warnings:
            plan["warnings"] = list(self.warnings)
        if self.refusals:
            plan["refused"] = dict(self.refusals.counts.most_common())
        gripper = self.observation.gripper.name
        plan |= {"policy": self.policy, "model": self.model, "gripper": gripper, "seed": self.seed}
        return plan | {"seconds": {name: round(seconds, 6) for name, seconds in self.seconds.items()}}

    def draw(self, path: str | Path, explain: bool = False) -> None:
        """Draw the plan on its depth image, as a picture file: what `graspnet plan --image` writes.

        explain: a third picture shows where candidates were refused, in a colour for each reason, and a fourth the
        quality of those that a search or a dense pass has judged. A strip below has the relief around the best.
        """
        from graspnet.plan_picture import draw_plan

        refusals, judged = (self.refusals, self.generations) if explain else (None, ())
        draw_plan(self.observation, self.grasps_in_camera, self.qualities, self.summary, Path(path), refusals, judged)


def _faults(refusals: Refusals) -> str:
    """What was wrong with the candidates, the most frequent fault first."""
    counts = refusals.counts
    if not counts:
        return ": what may be grasped rises too little above the table for the pads to hold it"
    faults = ", or ".join(f"{fault} ({count})" for fault, count in counts.most_common())
    return f": of {counts.total()} candidates, all had {faults}"


def grasps_in_plan(rows: list[Any], columns: Sequence[str]) -> tuple[Grasps, Float64[np.ndarray, "N"]]:
    """The grasps of a plan's rows, with these numbers of their gripper's kind, and their qualities, in their order.

    InputError: as `GraspPlan.from_json`.
    """

    def numbers(field: str, shape: tuple[int, ...] = ()) -> Float64[np.ndarray, "N *D"]:
        return np.array([_numbers(row, field, shape, i) for i, row in enumerate(rows)])

    poses = numbers("camera_from_grasp", (4, 4))
    furthest = float(np.abs(poses[:, :3, 3]).max())
    if furthest > FARTHEST:
        found = f"camera_from_grasp lies {furthest:.4g} m from the camera"
        raise InputError(f"{found}; expected metres, below {FARTHEST:g}. Millimetres?")
    return Grasps(poses, {name: numbers(name) for name in columns}), _qualities(rows)


def _qualities(rows: list[Any]) -> Float64[np.ndarray, "N"]:
    """The qualities of a plan's grasps; NaN where all of them are null."""
    unknown = [isinstance(row, dict) and "quality" in row and row["quality"] is None for row in rows]
    if all(unknown):
        return np.full(len(rows), np.nan)
    if any(unknown):
        raise InputError(f"grasps[{unknown.index(True)}].quality is null, others are numbers: give all of them or none")
    qualities = np.array([_numbers(row, "quality", (), i) for i, row in enumerate(rows)])
    if not np.all((qualities >= 0) & (qualities <= 1)):
        raise InputError("a grasp's quality must lie in [0, 1]: it is the probability that the grasp holds")
    return qualities


def _numbers(row: Any, field: str, shape: tuple[int, ...], index: int) -> Float64[np.ndarray, "*D"]:
    """One field of one grasp of a plan."""
    try:
        value = np.asarray(row[field], dtype=np.float64)
    except (KeyError, TypeError, ValueError, OverflowError):  # an integer of 400 digits overflows
        raise InputError(f"grasps[{index}].{field} is missing or not made of numbers") from None
    if value.shape != shape or not np.isfinite(value).all():
        raise InputError(f"grasps[{index}].{field} must be {shape or 'one number'}, and finite")
    return value


def backed_off(frame_from_grasp: Float64[np.ndarray, "*B 4 4"], distance: float) -> Float64[np.ndarray, "*B 4 4"]:
    """The poses of hands that far back along their approach, metres."""
    back = np.eye(4)
    back[2, 3] = -distance
    return np.asarray(frame_from_grasp @ back, dtype=np.float64)
