"""Grips a second (labels of `graspnet label physics`), over tugs (`physics_hold` of `generate --labels physics`)."""

import numpy as np

from graspnet.benchmarks.measure import BenchmarkResult, interleaved
from graspnet.data_gen.candidates.mixture import CandidateConfig, sample_candidates
from graspnet.data_gen.labels.grips import GripLabelConfig, held, label_world
from graspnet.data_gen.labels.tugs import TugConfig, tug
from graspnet.data_gen.labels.uncertainty import perturbed
from graspnet.data_gen.objects.object_source import ObjectConfig, posed_at_random, with_parts
from graspnet.data_gen.objects.procedural import make_solid
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.grippers.parallel_jaw import load_parallel_jaw
from graspnet.transforms import invert

__all__ = ["run"]

FAMILIES = ("box", "mug", "wedge", "superquadric", "bracket", "vase", "gem", "tube")


def run(quick: bool) -> BenchmarkResult:
    """On one thread: objects of several families, scaled to a YuMi hand, with candidates as generation draws them."""
    count, repeats, families = (10, 5, FAMILIES[:3]) if quick else (40, 9, FAMILIES)
    hand, config, objects = load_parallel_jaw("yumi"), GripLabelConfig(), ObjectConfig()
    cases = []
    for number, family in enumerate(families):
        rng = np.random.default_rng(number)
        shape = with_parts(make_solid(family, rng, family), objects)
        scale, world_from_object = posed_at_random(shape, 0.01, objects, hand, rng)
        scene = Scene((shape.scaled(scale),), world_from_object[None])
        grasps, _ = sample_candidates(scene.solids[0], world_from_object, hand, count, CandidateConfig(), rng)
        world = label_world(scene, hand, config, rng)
        cases.append((scene, world, grasps))

    def grips() -> None:
        for scene, world, grasps in cases:
            held(world, scene, 0, grasps, config, np.random.default_rng(0))

    def tugs() -> None:
        for scene, _, grasps in cases:
            (solid,), (world_from_object,) = scene.solids, scene.world_from_object
            in_object = grasps.transformed(invert(world_from_object))
            samples = perturbed(in_object, solid, config.uncertainty, np.random.default_rng(0))
            tug(samples, solid, hand, -world_from_object[2, :3], TugConfig(executions=1))

    ours, theirs = interleaved(grips, tugs, repeats)
    executions = count * len(families)
    return BenchmarkResult(
        benchmark="grips",
        ratio=theirs / ours,
        of="grips a second / tugs a second, of the same grasps with the same errors",
        figures={"grips_per_second": executions / ours, "tugs_per_second": executions / theirs},
    )
