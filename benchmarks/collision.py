"""Collision of hand, object and table along the approach, against trimesh's CollisionManager (FCL) in a loop."""

import numpy as np
import trimesh
from jaxtyping import Bool, Float64

from data_gen.candidates import CandidateConfig, sample_candidates
from data_gen.collision import clearance, swept_boxes
from data_gen.meshes import Solid
from data_gen.procedural import make_solid
from data_gen.scenes import Scene
from data_gen.stable_poses import stable_poses
from graspnet.benchmarks.measure import BenchmarkResult, interleaved
from graspnet.grasps import Grasps
from graspnet.gripper import load_gripper

__all__ = ["run"]


def run(quick: bool) -> BenchmarkResult:
    """On one thread: candidates of a YuMi hand on a mug. The loop's meshes and managers are built once, outside."""
    count, repeats = (400, 3) if quick else (10000, 5)
    solid, hand = make_solid("mug", np.random.default_rng(0)).scaled(0.6), load_gripper("yumi")
    world_from_object = stable_poses(solid).world_from_object[0]
    grasps, _ = sample_candidates(solid, world_from_object, hand, count, CandidateConfig(), np.random.default_rng(0))
    low, high = swept_boxes(hand, grasps.width[:1])  # every candidate is as wide as the hand opens
    world, fingers_and_palm = _managers(solid, world_from_object, low[0], high[0])
    some = grasps[: max(1, count // 10)]  # of the loop, whose time is proportional

    def ours() -> Bool[np.ndarray, "N"]:
        return clearance(Scene((solid,), world_from_object[None]), 0, grasps, hand).collision_free

    ours_seconds, tenth = interleaved(ours, lambda: _by_fcl(world, fingers_and_palm, some), repeats)
    verdicts = _by_fcl(world, fingers_and_palm, grasps)
    return BenchmarkResult(
        benchmark="collision",
        ratio=(tenth / len(some)) / (ours_seconds / count),
        of="grasps checked a second / trimesh's CollisionManager in a loop, built once",
        figures={
            "grasps_per_second": count / ours_seconds,
            "grasps_per_second_of_the_loop": len(some) / tenth,
            "equal_verdicts": float((ours() == verdicts).mean()),
            "free": float(verdicts.mean()),
            "faces": float(len(solid.mesh.faces)),
        },
    )


def _managers(
    solid: Solid, world_from_object: Float64[np.ndarray, "4 4"], low: Float64[np.ndarray, "3 3"], high: np.ndarray
) -> tuple[trimesh.collision.CollisionManager, trimesh.collision.CollisionManager]:
    """The object and the table (a slab below z = 0); the hand's boxes, swept along the approach."""
    world = trimesh.collision.CollisionManager()
    world.add_object("object", solid.mesh, world_from_object)
    world.add_object("table", trimesh.creation.box(bounds=[[-1, -1, -0.1], [1, 1, 0]]))
    hand = trimesh.collision.CollisionManager()
    for k in range(3):
        hand.add_object(str(k), trimesh.creation.box(bounds=[low[k], high[k]]))
    return world, hand


def _by_fcl(
    world: trimesh.collision.CollisionManager, hand: trimesh.collision.CollisionManager, grasps_in_world: Grasps
) -> Bool[np.ndarray, "N"]:
    free = []
    for pose in grasps_in_world.poses:
        for k in range(3):
            hand.set_transform(str(k), pose)
        free.append(not world.in_collision_other(hand))
    return np.array(free)
