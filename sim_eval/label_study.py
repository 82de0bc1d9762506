"""How well does each analytic label predict a lift? `python -m sim_eval.label_study --objects 60 --grasps 40`

Grasps drawn as in generation, on objects scaled to the hand, are labelled, and each is executed in MuJoCo with the pose
error that the labels assume. Prints ROC AUC and average precision of every label, with 95 % intervals from a bootstrap
over objects: grasps of one object are not independent.
"""

from dataclasses import dataclass, field

import click
import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.special import ndtr

from data_gen.candidates import CandidateConfig, sample_candidates
from data_gen.collision import clearance
from data_gen.engines import LocalEngine
from data_gen.metrics import METRICS, MetricConfig
from data_gen.objects import ObjectConfig, load_object, object_names, posed_for_hand
from data_gen.physics.picking import PickWorld
from data_gen.robustness import estimate
from data_gen.scenes import Scene
from data_gen.stable_poses import stable_poses
from data_gen.uncertainty import UncertaintyConfig, perturbed
from graspnet.grasps import Grasps
from graspnet.gripper import load_gripper
from graspnet.progress import track
from graspnet.transforms import frame_from_axes, invert, rigid

__all__ = ["ROBUST", "StudiedObject", "Study", "study_object"]

ROBUST = tuple(name for name, metric in METRICS.items() if metric.robust)


@dataclass(frozen=True)
class Study:
    """One object's share of the study; every draw comes from (seed, index)."""

    index: int
    seed: int
    grasps: int
    gripper: str = "yumi"
    objects: ObjectConfig = field(default_factory=lambda: ObjectConfig(count=10_000))


@dataclass(frozen=True)
class StudiedObject:
    """Labels by name and outcomes of N grasps on one object."""

    name: str
    labels: dict[str, Float64[np.ndarray, "N"]]
    lifted: Bool[np.ndarray, "N"]


def study_object(study: Study) -> StudiedObject:
    """Label and execute grasps on one object."""
    rng = np.random.default_rng([study.seed, study.index])
    hand = load_gripper(study.gripper)
    name = object_names(study.objects)[study.index]
    shape = load_object(study.objects, name, rng)
    poses = stable_poses(shape)
    pose = poses.world_from_object[poses.draw(1, rng)[0]]
    scale, world_from_object = posed_for_hand(shape, pose, study.objects, hand, rng)
    solid = shape.scaled(scale)
    grasps_in_world, _ = sample_candidates(solid, world_from_object, hand, study.grasps, CandidateConfig(), rng)
    grasps_in_object = grasps_in_world.transformed(invert(world_from_object))
    worst = clearance(Scene((solid,), world_from_object[None]), 0, grasps_in_world, hand).smallest
    gravity_in_object = -world_from_object[2, :3]
    config = MetricConfig()
    labels: dict[str, np.ndarray] = {}
    for metric, found in estimate(ROBUST, solid, grasps_in_object, hand, gravity_in_object, config, rng).items():
        labels |= {
            metric: found.mean,
            f"{metric}, no collision": found.mean * (worst >= 0),
            f"{metric}, soft clearance": found.mean * ndtr(worst / config.uncertainty.grasp_translation),
        }
    world = PickWorld(
        solid, hand, density=rng.uniform(200, 1200), friction=float(np.clip(rng.normal(0.5, 0.1), 0.2, 1))
    )
    world_from_object = world.settle(world_from_object)
    once = UncertaintyConfig(samples=1)
    moved = perturbed(grasps_in_object, solid, once, rng)
    rotation = frame_from_axes(np.cross(moved.across[:, 0], moved.closing[:, 0]), moved.closing[:, 0])
    executed = Grasps(rigid(rotation, moved.origin[:, 0]), grasps_in_world.width).transformed(world_from_object)
    lifted = np.array([world.pick(world_from_object, executed[i : i + 1]).success for i in range(len(executed))])
    return StudiedObject(name, labels, lifted)


@click.command()
@click.option("--objects", default=60, show_default=True)
@click.option("--grasps", default=40, show_default=True, help="Of each object.")
@click.option("--workers", default=2, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(objects: int, grasps: int, workers: int, seed: int) -> None:
    """Print the table."""
    studies = [Study(index, seed, grasps) for index in range(objects)]
    studied = list(track(LocalEngine(workers).run(study_object, studies), objects, "label study", "objects"))
    studied.sort(key=lambda one: one.name)
    lifted = np.concatenate([one.lifted for one in studied])
    click.echo(f"{len(studied)} objects, {len(lifted)} grasps, {lifted.mean():.1%} lifted")
    draws = np.random.default_rng(seed).integers(len(studied), size=(200, len(studied)))
    everything = np.arange(len(studied))
    for name in studied[0].labels:
        (auc, precision), *resampled = (_scores(studied, name, draw) for draw in [everything, *draws])
        low, high = np.percentile(resampled, [2.5, 97.5], axis=0)
        click.echo(
            f"{name:45s} AUC {auc:.3f} [{low[0]:.3f}, {high[0]:.3f}]  AP {precision:.3f} [{low[1]:.3f}, {high[1]:.3f}]"
        )


def _scores(studied: list[StudiedObject], name: str, draw: Int64[np.ndarray, "M"]) -> tuple[float, float]:
    """ROC AUC and average precision of a label on some of the objects."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    lifted = np.concatenate([studied[i].lifted for i in draw])
    label = np.concatenate([studied[i].labels[name] for i in draw])
    return float(roc_auc_score(lifted, label)), float(average_precision_score(lifted, label))


if __name__ == "__main__":
    main()
