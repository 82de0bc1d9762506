"""Which pose error should a label assume, and which clearance does it ask for?

`python -m graspnet.sim_eval.studies.label_sweep --objects 150 --grasps 30 --table F.parquet`

Grasps are drawn as in generation. Each gets the centred closure for several pose errors, and the share of short
physical picks that it survives. The judge of trials then executes it with the error of a calibrated arm (1 mm, 0.1°).
Each closure is multiplied by a soft clearance of several widths, and set beside what was lifted.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
from jaxtyping import Float64

from graspnet.data_gen.labels.metrics import MetricConfig
from graspnet.data_gen.labels.tugs import TugConfig
from graspnet.data_gen.labels.uncertainty import UncertaintyConfig
from graspnet.data_gen.objects.object_source import object_names
from graspnet.dataset.labels import soft_label
from graspnet.sim_eval.studies.label_study import (
    StudyConfig,
    drawn_grasps,
    executed,
    kept_table,
    print_scores,
    summary,
)

__all__ = ["CLEARANCES_MM", "POSE_ERRORS", "label_variants", "sweep_object"]

POSE_ERRORS = ((1.0, 0.1), (1.0, 1.5), (1.5, 1.0), (2.5, 1.5), (3.0, 2.0))  # (mm, degrees) that a label assumes
CLEARANCES_MM = (0.0, 0.5, 1.0, 1.5, 2.5, 3.0)  # σ of the soft clearance; 0: any touch is a collision
CLOSURE, HOLD, FORCE = "robust_centered_closure", "physics_hold", "physics_held_force"
ARM = UncertaintyConfig(samples=32, grasp_translation=0.001, grasp_rotation=np.deg2rad(0.1))


def sweep_object(config: StudyConfig, executions: int, seed: int, index: int) -> pa.Table:
    """Fill a row for each grasp of one object: clearance, closures, physical holds, and the judge's outcome."""
    rng, judges = np.random.default_rng([seed, index]), np.random.default_rng([seed, index, 1])
    drawn = drawn_grasps(config, seed, index, rng)
    columns = {"object": [drawn.solid.name] * len(drawn.clearance), "source": drawn.source}
    columns["clearance"] = drawn.clearance
    for error in POSE_ERRORS:
        assumed = MetricConfig(uncertainty=_uncertainty(*error))
        columns[_column(*error)] = drawn.labels((CLOSURE,), assumed, rng)[CLOSURE]
    physics = MetricConfig(uncertainty=ARM, tugs=TugConfig(executions=executions))
    columns |= drawn.labels((HOLD, FORCE), physics, rng)
    return pa.table(columns | executed(drawn, config, judges))


def label_variants(table: pa.Table) -> Iterator[tuple[str, Float64[np.ndarray, "N"]]]:
    """Name each label, and compute it for all grasps of the table."""
    free, hold = table["clearance"].to_numpy(), table[HOLD].to_numpy()
    yield "physics alone", hold
    for sigma in CLEARANCES_MM:
        yield f"physics × clearance {sigma} mm", soft_label(hold, free, sigma / 1000)
        for error in POSE_ERRORS:
            closure = soft_label(table[_column(*error)].to_numpy(), free, sigma / 1000)
            name = f"{_column(*error)} × clearance {sigma} mm"
            yield name, closure
            if error in ((1.0, 0.1), (2.5, 1.5)):
                yield f"mean of ({name}) and physics", (closure + hold) / 2
                yield f"({name}) × physics", closure * hold


def _uncertainty(millimetres: float, degrees: float) -> UncertaintyConfig:
    return replace(ARM, grasp_translation=millimetres / 1000, grasp_rotation=float(np.deg2rad(degrees)))


def _column(millimetres: float, degrees: float) -> str:
    return f"closure {millimetres} mm {degrees}°"


@click.command()
@click.option("--objects", default=150, show_default=True)
@click.option("--grasps", default=30, show_default=True, help="Of each object.")
@click.option("--executions", default=4, show_default=True, help="Physical picks behind each physics label.")
@click.option("--workers", default=2, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--table", required=True, type=click.Path(path_type=Path), help="Parquet file; read if it is there.")
def main(objects: int, grasps: int, executions: int, workers: int, seed: int, table: Path) -> None:
    """Print a row for each label."""
    config = StudyConfig(grasps=grasps, execution=ARM)
    count = min(objects, len(object_names(config.objects)))
    study = kept_table(table, partial(sweep_object, config, executions, seed), count, workers, "label sweep")
    click.echo(summary(study))
    print_scores(label_variants(study), study)


if __name__ == "__main__":
    main()
