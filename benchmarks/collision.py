"""Collision of hand, object and table along the approach, against trimesh's CollisionManager (FCL) in a loop.

The loop is what Dex-Net's generator does with another library: the hand's three meshes are put at 21 poses, 5 mm apart
along the last 10 cm, from the goal backwards, until something touches. Two stronger loops are measured beside it: with
our own idea, one test of boxes that are swept along the approach, by CollisionManager and by bare python-fcl.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Bool, Float64

from graspnet.benchmarks.measure import BenchmarkResult, interleaved
from graspnet.data_gen.candidates.mixture import CandidateConfig, sample_candidates
from graspnet.data_gen.collision.collision import APPROACH, clearance, swept_boxes
from graspnet.data_gen.objects.object_source import ObjectConfig, posed_for_hand
from graspnet.data_gen.objects.procedural import make_solid
from graspnet.data_gen.objects.stable_poses import stable_poses
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw, load_parallel_jaw
from graspnet.transforms import rigid

__all__ = ["run"]

FAMILIES = ("box", "mug", "bowl", "hammer", "superquadric", "blob", "vase", "figure", "bracket", "gear")
BACK = rigid(np.tile(np.eye(3), (21, 1, 1)), np.linspace([0, 0, 0], [0, 0, -APPROACH], 21))  # in the grasp frame
TABLE = trimesh.creation.box(bounds=np.array([[-1.0, -1.0, -0.1], [1.0, 1.0, 0.0]]))


@dataclass(frozen=True)
class _Case:
    """An object on the table, scaled to the hand, and candidates of it; each is as wide as the hand opens."""

    scene: Scene
    grasps: Grasps


Verdicts = Callable[[Float64[np.ndarray, "N 4 4"]], Bool[np.ndarray, "N"]]  # of grasps in the world: is it free?


def run(quick: bool) -> BenchmarkResult:
    """On one thread: candidates of a YuMi hand on ten objects. Meshes, managers and trees are built outside."""
    count, repeats = (60, 3) if quick else (1200, 5)
    hand = load_parallel_jaw("yumi")
    cases = [_case(family, hand, count) for family in FAMILIES]
    some = [_Case(case.scene, case.grasps[: max(1, count // 10)]) for case in cases]  # of the loops: they take long
    loops = {kind: [build(case, hand) for case in cases] for kind, build in LOOPS.items()}

    def ours() -> list[Bool[np.ndarray, "N"]]:
        return [clearance(case.scene, 0, case.grasps, hand).collision_free for case in cases]

    def theirs(kind: str, of: list[_Case]) -> list[Bool[np.ndarray, "N"]]:
        return [verdicts(case.grasps.poses) for verdicts, case in zip(loops[kind], of, strict=True)]

    seconds = {kind: interleaved(ours, lambda kind=kind: theirs(kind, some), repeats) for kind in LOOPS}
    rate = count * len(cases) / float(np.median([mine for mine, _ in seconds.values()]))
    loop_rate = {kind: sum(len(case.grasps) for case in some) / loop for kind, (_, loop) in seconds.items()}
    free = np.concatenate(ours())
    equal = {kind: float((np.concatenate(theirs(kind, cases)) == free).mean()) for kind in LOOPS}
    return BenchmarkResult(
        benchmark="collision",
        ratio=rate / loop_rate["stepped"],
        of="grasps checked a second / trimesh's CollisionManager in a loop over 21 poses, built once",
        figures={
            "grasps": float(len(free)),
            "in_collision": float(1 - free.mean()),
            "grasps_per_second": rate,
            **{f"grasps_per_second_{kind}": value for kind, value in loop_rate.items()},
            **{f"ratio_{kind}": rate / value for kind, value in loop_rate.items()},
            **{f"equal_verdicts_{kind}": value for kind, value in equal.items()},
            "faces": float(np.mean([len(case.scene.solids[0].mesh.faces) for case in cases])),
        },
    )


def _case(family: str, hand: ParallelJaw, count: int) -> _Case:
    rng = np.random.default_rng(FAMILIES.index(family))
    shape = make_solid(family, rng)
    pose = stable_poses(shape).world_from_object[0]
    scale, world_from_object = posed_for_hand(shape, pose, ObjectConfig(), hand, rng)
    solid = shape.scaled(scale)
    grasps, _ = sample_candidates(solid, world_from_object, hand, count, CandidateConfig(), rng)
    return _Case(Scene((solid,), world_from_object[None]), grasps)


def _stepped(case: _Case, hand: ParallelJaw) -> Verdicts:
    low, high = hand.boxes(case.grasps.width[:1])
    return _by_manager(case.scene, low[0], high[0], BACK)


def _swept(case: _Case, hand: ParallelJaw) -> Verdicts:
    low, high = swept_boxes(hand, case.grasps[:1])
    return _by_manager(case.scene, low[0], high[0], np.eye(4)[None])


def _by_manager(scene: Scene, low: np.ndarray, high: np.ndarray, steps: Float64[np.ndarray, "S 4 4"]) -> Verdicts:
    world, hand = trimesh.collision.CollisionManager(), trimesh.collision.CollisionManager()
    world.add_object("object", scene.solids[0].mesh, scene.world_from_object[0])
    world.add_object("table", TABLE)
    for k in range(3):
        hand.add_object(str(k), trimesh.creation.box(bounds=[low[k], high[k]]))

    def touches(pose: Float64[np.ndarray, "4 4"]) -> bool:
        for k in "012":
            hand.set_transform(k, pose)
        return bool(world.in_collision_other(hand))

    return lambda poses: np.array([not any(touches(pose @ step) for step in steps) for pose in poses])


def _bare_fcl(case: _Case, hand: ParallelJaw) -> Verdicts:
    """FCL's own boxes, swept, one after the other; the table is a half space."""
    import fcl

    low, high = (corners[0] for corners in swept_boxes(hand, case.grasps[:1]))
    mesh = case.scene.solids[0].mesh
    model = fcl.BVHModel()
    model.beginModel(len(mesh.faces), len(mesh.vertices))
    model.addSubModel(mesh.vertices, mesh.faces)
    model.endModel()
    pose = case.scene.world_from_object[0]
    world = [
        fcl.CollisionObject(model, fcl.Transform(pose[:3, :3], pose[:3, 3])),
        fcl.CollisionObject(fcl.Halfspace(np.array([0.0, 0.0, 1.0]), 0.0)),
    ]
    boxes = [fcl.CollisionObject(fcl.Box(*(high[k] - low[k]))) for k in range(3)]
    middle = (low + high) / 2

    def free(pose: Float64[np.ndarray, "4 4"]) -> bool:
        rotation, centers = pose[:3, :3], middle @ pose[:3, :3].T + pose[:3, 3]
        for box, center in zip(boxes, centers, strict=True):
            box.setTransform(fcl.Transform(rotation, center))
            for thing in world:
                if fcl.collide(box, thing, fcl.CollisionRequest(), fcl.CollisionResult()):
                    return False
        return True

    return lambda poses: np.array([free(pose) for pose in poses])


LOOPS = {"stepped": _stepped, "swept": _swept, "bare_fcl": _bare_fcl}
