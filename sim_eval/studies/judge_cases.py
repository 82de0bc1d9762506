"""What studies of the judge let it judge: the same grasps of an object at rest, and grips whose answer is known."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float64

from graspnet.data_gen.candidates.mixture import CandidateConfig, sample_candidates
from graspnet.data_gen.labels.tugs import GRAVITY
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.object_source import ObjectConfig, load_object, object_names, posed_at_random
from graspnet.data_gen.physics.pick import PickConfig, PickWorld
from graspnet.data_gen.physics.world import SolverConfig
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw, load_parallel_jaw
from graspnet.transforms import frame_from_axes, invert, rigid, transform_points

__all__ = ["CREEP_LOADS", "CREEP_SOLIDS", "Case", "Share", "creep", "drawn"]


@dataclass(frozen=True)
class Share:
    """One object's share of a study; every draw comes from (seed, index)."""

    study: str
    index: int
    seed: int
    grasps: int
    gripper: str = "yumi"
    objects: ObjectConfig = field(default_factory=lambda: ObjectConfig(count=10_000))


@dataclass(frozen=True)
class Case:
    """An object about to be let go on the table, and the grasps to try on it."""

    solid: Solid
    world_from_object: Float64[np.ndarray, "4 4"]
    gripper: ParallelJaw
    grasps: Grasps
    density: float
    friction: float


def drawn(share: Share) -> Case:
    """Draw the share's object and grasps as in generation, most of them near the edge between lifting and not."""
    rng = np.random.default_rng([share.seed, share.index])
    gripper = load_parallel_jaw(share.gripper)
    shape = load_object(share.objects, object_names(share.objects)[share.index], rng)
    scale, world_from_object = posed_at_random(shape, 0.01, share.objects, gripper, rng)
    solid = shape.scaled(scale)
    mixture = CandidateConfig(antipodal=0.6, near_miss=0.4, action_space=0.0)
    grasps, _ = sample_candidates(solid, world_from_object, gripper, share.grasps, mixture, rng)
    density, friction = rng.uniform(200, 1200), float(np.clip(rng.normal(0.5, 0.1), 0.2, 1.0))
    return Case(solid, world_from_object, gripper, grasps, density, friction)


CREEP_SOLIDS = {  # 30 to 36 mm between the pads
    "box": trimesh.creation.box([0.04, 0.03, 0.04]),
    "cylinder": trimesh.creation.cylinder(0.015, 0.05),
    "ball": trimesh.creation.icosphere(3, 0.018),
}
CREEP_LOADS = (0.2, 0.5, 0.7)


def creep(
    solid: Solid,
    solver: SolverConfig,
    load: float,
    seconds: float = 2.0,
    edit: Callable[[Any], None] | None = None,
) -> float:
    """Measure how fast (m/s) a YuMi's grip through the middle lets a solid slide while its hand stands still.

    load: weight as a share of what Coulomb's friction holds, 2 μ F. Below one, the exact answer is no motion at all; a
    lift at `single`'s speed needs a third more. edit: of the world's MjSpec. NaN: the object was lost.
    """
    gripper, friction = load_parallel_jaw("yumi"), 0.5
    mass = load * 2 * friction * gripper.force / GRAVITY
    hold = PickConfig(solver=solver, max_mass=mass, shake_amplitude=0.0, shake_frequency=3 / seconds)  # x, y, z: thrice
    world = PickWorld(solid, gripper, hold, mass / solid.volume, friction, edit)
    height = -float(solid.mesh.bounds[0, 2])
    closing_along_y = frame_from_axes(np.array([0.0, 0.0, -1.0]), np.array([0.0, 1.0, 0.0]))
    grasp = Grasps.of_jaws(rigid(closing_along_y, np.array([0.0, 0.0, height]))[None], np.array([gripper.max_width]))
    interval = seconds / 20
    result = world.pick(rigid(np.eye(3), np.array([0.0, 0.0, height])), grasp, frame_interval=interval)
    held = [transform_points(invert(f.world_from_grasp), f.world_from_objects[0, :3, 3][None])[0]
            for f in result.frames if f.phase == "shake"]  # fmt: skip
    if not result.success or len(held) < 10:
        return float("nan")
    return float(np.linalg.norm(held[-1] - held[4])) / ((len(held) - 5) * interval)
