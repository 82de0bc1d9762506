"""How well does each label predict a lift?

`python -m graspnet.sim_eval.studies.label_study --objects 150 --grasps 36 --table F.parquet`

Grasps drawn as in generation, on each object for a hand of its own, get every metric, analytic and physical. Then the
judge of trials executes them, with the pose error, friction and density of which labels know the distributions only.
Printed for each label: ROC AUC, average precision, how often the best grasp of each object by that label is lifted, and
where it is a share how well it is calibrated. 95 % intervals are a bootstrap over objects.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float64, Shaped
from scipy.special import ndtr

from graspnet.data_gen.candidates.mixture import CandidateConfig, sample_candidates
from graspnet.data_gen.collision.collision import clearance
from graspnet.data_gen.generate.grippers import HandConfig, sample_hands
from graspnet.data_gen.labels.metrics import METRICS, MetricConfig
from graspnet.data_gen.labels.robustness import estimate
from graspnet.data_gen.labels.tugs import TugConfig
from graspnet.data_gen.labels.uncertainty import UncertaintyConfig, perturbed
from graspnet.data_gen.objects.decomposition import convex_parts
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.object_source import ObjectConfig, load_object, object_names, posed_at_random
from graspnet.data_gen.physics.pick import PickConfig, PickWorld
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.dataset.labels import soft_label
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.run.engines import LocalEngine
from graspnet.run.progress import track
from graspnet.sim_eval.analysis.statistics import bootstrap_over_objects
from graspnet.transforms import frame_from_axes, invert, rigid

__all__ = [
    "LABELLED",
    "Drawn",
    "StudyConfig",
    "calibration",
    "drawn_grasps",
    "executed",
    "kept_table",
    "labels_of",
    "print_scores",
    "scores",
    "study_object",
    "summary",
]

LABELLED = tuple(name for name in METRICS if name != "epsilon_linf")  # its hulls take 26 ms each
DRAWS = 400  # of the bootstrap
BINS = 10  # of the calibration error
DENSITY = (200.0, 1200.0)  # kg/m³, as in trials


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """What grasps are drawn from, what their labels assume, and who judges."""

    grasps: int = 36  # of each object
    hands: HandConfig = field(default_factory=HandConfig)
    objects: ObjectConfig = field(default_factory=lambda: ObjectConfig(count=10_000))
    assumed: MetricConfig = field(
        default_factory=lambda: MetricConfig(uncertainty=UncertaintyConfig(samples=64), tugs=TugConfig(executions=8))
    )
    judge: PickConfig = field(default_factory=PickConfig)
    execution: UncertaintyConfig = field(default_factory=UncertaintyConfig)  # the error of the executed pose


@dataclass(frozen=True)
class Drawn:
    """Grasps on one object, as generation draws them, and how far the hand stays from object and table."""

    solid: Solid
    gripper: ParallelJaw
    world_from_object: Float64[np.ndarray, "4 4"]
    grasps_in_world: Grasps
    source: Shaped[np.ndarray, "N"]
    clearance: Float64[np.ndarray, "N"]

    def labels(
        self, names: Sequence[str], assumed: MetricConfig, rng: np.random.Generator
    ) -> dict[str, Float64[np.ndarray, "N"]]:
        """Compute the means of metrics."""
        grasps_in_object = self.grasps_in_world.transformed(invert(self.world_from_object))
        down = -self.world_from_object[2, :3]
        found = estimate(names, self.solid, grasps_in_object, self.gripper, down, assumed, rng)
        return {name: found[name].mean for name in names}


def drawn_grasps(config: StudyConfig, seed: int, index: int, rng: np.random.Generator) -> Drawn:
    """Draw a hand, an object that fits it, a stable pose, and grasps."""
    (gripper,) = sample_hands(config.hands, "hand", 1, rng)
    shape = load_object(config.objects, object_names(config.objects)[index], rng)
    shape = replace(shape, parts=convex_parts(shape))
    scale, world_from_object = posed_at_random(shape, 0.01, config.objects, gripper, rng)
    solid = shape.scaled(scale)
    grasps_in_world, source = sample_candidates(
        solid, world_from_object, gripper, config.grasps, CandidateConfig(), rng
    )
    free = clearance(Scene((solid,), world_from_object[None]), 0, grasps_in_world, gripper).smallest
    return Drawn(solid, gripper, world_from_object, grasps_in_world, source, free)


def executed(drawn: Drawn, config: StudyConfig, rng: np.random.Generator) -> dict[str, Any]:
    """Let the judge pick once with each grasp: the columns friction, density and outcome."""
    grasps_in_object = drawn.grasps_in_world.transformed(invert(drawn.world_from_object))
    once = perturbed(grasps_in_object, drawn.solid, replace(config.execution, samples=1), rng)
    rotation = frame_from_axes(np.cross(once.across[:, 0], once.closing[:, 0]), once.closing[:, 0])
    moved = Grasps.of_jaws(rigid(rotation, once.origin[:, 0]), drawn.grasps_in_world.width)
    at_rest = PickWorld(drawn.solid, drawn.gripper, config.judge).settle(drawn.world_from_object)
    moved_in_world = moved.transformed(at_rest)
    density, friction = rng.uniform(*DENSITY, len(moved)), once.friction[:, 0]
    worlds = (
        PickWorld(drawn.solid, drawn.gripper, config.judge, *load) for load in zip(density, friction, strict=True)
    )
    outcome = [world.pick(at_rest, moved_in_world[i : i + 1]).outcome for i, world in enumerate(worlds)]
    return {"friction": friction, "density": density, "outcome": outcome}


def study_object(config: StudyConfig, seed: int, index: int) -> pa.Table:
    """Fill a row for each grasp of one object: where it comes from, its clearance, its metrics and its outcome.

    Every draw comes from (seed, index); other settings of the labels change neither grasps nor outcomes.
    """
    rng, judges = np.random.default_rng([seed, index]), np.random.default_rng([seed, index, 1])
    drawn = drawn_grasps(config, seed, index, rng)
    labels = drawn.labels(LABELLED, config.assumed, rng)
    outcomes = executed(drawn, config, judges)
    count = len(drawn.clearance)
    return pa.table(
        {"object": [drawn.solid.name] * count, "opening": [drawn.gripper.max_width] * count}
        | {"source": drawn.source, "clearance": drawn.clearance}
        | {name: outcomes.pop(name) for name in ("friction", "density")}
        | labels
        | outcomes
    )


def labels_of(table: pa.Table, assumed: MetricConfig) -> dict[str, Float64[np.ndarray, "N"]]:
    """Collect by name each metric (so turned that more is better), the same times no collision, and times soft
    clearance; and pad closures times what they leave out."""
    sigma = assumed.uncertainty.grasp_translation
    free = _column(table, "clearance")
    values = {name: _column(table, name) for name in LABELLED}
    values["lowest_friction"] = 1 / (1 + np.nan_to_num(values["lowest_friction"], nan=np.inf))
    values["antipodality"] = np.maximum(values["antipodality"], 0.0)
    values["centering"] = ndtr((PickConfig().push_limit - values["centering"]) / sigma)
    labels: dict[str, np.ndarray] = {}
    for name, value in values.items():
        labels[name] = value
        labels[f"{name} × no collision"] = soft_label(value, free, sigma=0.0)
        labels[f"{name} × soft clearance"] = soft_label(value, free, sigma)
    for name in ("robust_pad_closure", "robust_centered_closure"):
        for other in ("centering", "robust_wrench_resistance", "physics_hold"):
            labels[f"{name} × soft clearance × {other}"] = labels[f"{name} × soft clearance"] * values[other]
    return labels


def scores(
    label: Float64[np.ndarray, "N"], lifted: Bool[np.ndarray, "N"], objects: Sequence[str]
) -> dict[str, tuple[float, float, float]]:
    """Score one label: AUC, AP and top-1 success, each with the bounds of its interval."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    names = sorted(set(objects))
    rows_of = [np.flatnonzero(np.array(objects) == name) for name in names]
    first = np.array([lifted[rows][label[rows] == label[rows].max()].mean() for rows in rows_of])
    figures = {
        "AUC": (lambda rows: float(roc_auc_score(lifted[rows], label[rows])), objects, len(label)),
        "AP": (lambda rows: float(average_precision_score(lifted[rows], label[rows])), objects, len(label)),
        "top-1": (lambda rows: float(first[rows].mean()), names, len(names)),
    }
    return {
        name: (figure(np.arange(count)), *bootstrap_over_objects(figure, owner, DRAWS))
        for name, (figure, owner, count) in figures.items()
    }


def calibration(label: Float64[np.ndarray, "N"], lifted: Bool[np.ndarray, "N"]) -> tuple[float, float]:
    """Brier score, and the mean over grasps of |share lifted − mean label| in its tenth of [0, 1]."""
    bins = np.minimum((label * BINS).astype(int), BINS - 1)
    gaps = [np.sum(bins == b) * abs(lifted[bins == b].mean() - label[bins == b].mean()) for b in np.unique(bins)]
    return float(np.mean((label - lifted) ** 2)), float(np.sum(gaps) / len(label))


def kept_table(file: Path, of_object: Callable[[int], pa.Table], count: int, workers: int, said: str) -> pa.Table:
    """Read the table of a study, or make it of `count` objects, sorted by their names, and keep it in the file."""
    if not file.exists():
        parts = LocalEngine(workers).run(of_object, range(count))
        done = sorted(track(parts, count, said, "objects"), key=lambda part: part["object"][0].as_py())
        pq.write_table(pa.concat_tables(done), file)
    return pq.read_table(file)


def summary(study: pa.Table) -> str:
    """Say how many objects and grasps there are, and how many of these were lifted."""
    return f"{len(set(study['object'].to_pylist()))} objects, {len(study)} grasps, {_lifted(study).mean():.1%} lifted"


def print_scores(
    labels: Iterable[tuple[str, Float64[np.ndarray, "N"]]],
    study: pa.Table,
    is_share: Callable[[str], bool] = lambda name: True,
) -> None:
    """Print a row for each label of the table's grasps. is_share: whether a label's calibration means anything."""
    lifted, of = _lifted(study), study["object"].to_pylist()
    click.echo("| label | AUC | AP | top-1 lifted | Brier | calibration error |\n|---|---|---|---|---|---|")
    for name, label in labels:
        cells = [f"{mean:.3f} [{low:.3f}, {high:.3f}]" for mean, low, high in scores(label, lifted, of).values()]
        cells += [f"{figure:.3f}" for figure in calibration(label, lifted)] if is_share(name) else ["", ""]
        click.echo(f"| {' | '.join([name, *cells])} |")


@click.command()
@click.option("--objects", default=150, show_default=True)
@click.option("--grasps", default=36, show_default=True, help="Of each object.")
@click.option(
    "--meshes", type=click.Path(path_type=Path), help="A folder of meshes at their own size, for a YuMi hand."
)
@click.option("--workers", default=2, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--table", required=True, type=click.Path(path_type=Path), help="Parquet file; read if it is there.")
def main(objects: int, grasps: int, meshes: Path | None, workers: int, seed: int, table: Path) -> None:
    """Print a row for each label."""
    config = StudyConfig(grasps=grasps)
    if meshes is not None:
        folder, yumi = (
            ObjectConfig(folders=(str(meshes),), scaling="as_is"),
            HandConfig(presets=("yumi",), random_share=0.0),
        )
        config = replace(config, objects=folder, hands=yumi)
    count = min(objects, len(object_names(config.objects)))
    study = kept_table(table, partial(study_object, config, seed), count, workers, "label study")
    click.echo(summary(study))
    print_scores(labels_of(study, config.assumed).items(), study, _is_share)


def _is_share(name: str) -> bool:
    """Whether all factors of a label are shares, so that it can be calibrated."""
    return all(METRICS[factor].share for factor in METRICS if factor in name and factor != "centering")


def _lifted(study: pa.Table) -> Bool[np.ndarray, "N"]:
    return _column(study, "outcome") == "success"


def _column(table: pa.Table, name: str) -> np.ndarray:
    return np.asarray(table[name].to_numpy(zero_copy_only=False))


if __name__ == "__main__":
    main()
