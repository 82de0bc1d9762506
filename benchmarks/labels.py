"""Robust force-closure labels a second (25 samples each), over the bound of bare ray casting: two rays a sample."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import trimesh

from graspnet.benchmarks.measure import BenchmarkResult, interleaved
from graspnet.data_gen.candidates.mixture import CandidateConfig, sample_candidates
from graspnet.data_gen.contact.contacts import contact_finder
from graspnet.data_gen.labels.metrics import METRICS, MetricConfig
from graspnet.data_gen.labels.robustness import estimate
from graspnet.data_gen.labels.uncertainty import UncertaintyConfig, perturbed
from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import load_gripper
from graspnet.transforms import invert, rigid

__all__ = ["run"]

DOWN = np.array([0.0, 0.0, -1.0])


def run(quick: bool) -> BenchmarkResult:
    """On one thread: a blob of 1,280 faces and the candidates of a YuMi hand."""
    count, repeats = (2000, 5) if quick else (20000, 9)
    solid, hand, uncertainty = _blob(), load_gripper("yumi"), UncertaintyConfig()
    world_from_object = rigid(np.eye(3), np.array([0.0, 0.0, -solid.mesh.bounds[0, 2]]))
    grasps_in_world, _ = sample_candidates(
        solid, world_from_object, hand, count, CandidateConfig(), np.random.default_rng(0)
    )
    grasps = grasps_in_world.transformed(invert(world_from_object))
    start, direction = _rays(solid, grasps, uncertainty)
    scene, rays = _bare_scene(solid, np.concatenate([start, direction], axis=1).astype(np.float32))

    def labels(metrics: Sequence[str], part: Grasps) -> object:
        return estimate(metrics, solid, part, hand, DOWN, MetricConfig(), np.random.default_rng(1))

    ours, bound = interleaved(
        lambda: labels(["robust_force_closure"], grasps), lambda: scene.cast_rays(rays, nthreads=1), repeats
    )
    some = grasps[: count // 10]
    pads, points = interleaved(
        lambda: labels(["robust_pad_closure"], some), lambda: labels(["robust_force_closure"], some), repeats
    )
    reach, resistance = interleaved(
        lambda: labels(["robust_epsilon"], some), lambda: labels(["robust_wrench_resistance"], some), repeats
    )
    together = [n for n, metric in METRICS.items() if n != "epsilon_linf" and not metric.executed]  # 26 and 7 ms each
    everything, _ = interleaved(lambda: labels(together, some), lambda: None, repeats)
    return BenchmarkResult(
        benchmark="labels",
        ratio=bound / ours,
        of="robust force-closure labels a second (25 samples) over the ray-cast bound of the same rays",
        figures={
            "labels_per_second": count / ours,
            "bound_labels_per_second": count / bound,
            "pad_labels_per_second": len(some) / pads,
            "time_of_pads_over_points": pads / points,
            "robust_epsilon_labels_per_second": len(some) / reach,
            "robust_wrench_resistance_labels_per_second": len(some) / resistance,
            "grasps_with_all_metrics_per_second": len(some) / everything,
        },
    )


def _blob() -> Solid:
    """A ball with bumps, 44 mm across: fits the hand, and no two normals are alike."""
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=1.0)
    x, y, z = mesh.vertices.T
    bumps = 1 + 0.15 * np.sin(3 * x + 1) * np.cos(2 * y) + 0.1 * np.sin(4 * z)
    return solid_from_mesh(trimesh.Trimesh(0.019 * bumps[:, None] * mesh.vertices, mesh.faces), "blob")


def _rays(solid: Solid, grasps: Grasps, uncertainty: UncertaintyConfig) -> tuple[np.ndarray, np.ndarray]:
    """The rays of the same samples, both jaws of a sample in a row."""
    samples = perturbed(grasps, solid, uncertainty, np.random.default_rng(1))
    half = samples.closing * samples.width[..., None] / 2
    start = np.stack([samples.origin - half, samples.origin + half], axis=2)
    direction = np.stack([samples.closing, -samples.closing], axis=2)
    return start.reshape(-1, 3), direction.reshape(-1, 3)


def _bare_scene(solid: Solid, rays: np.ndarray) -> tuple[Any, Any]:
    """Open3D's scene and rays as its own documentation sets them up."""
    import open3d as o3d

    contact_finder(solid)  # ours is built before the clock starts, too
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(
        o3d.core.Tensor.from_numpy(np.ascontiguousarray(solid.mesh.vertices, dtype=np.float32)),
        o3d.core.Tensor.from_numpy(np.ascontiguousarray(solid.mesh.faces, dtype=np.uint32)),
    )
    return scene, o3d.core.Tensor.from_numpy(np.ascontiguousarray(rays))
