"""How well do grips, the short executions of `graspnet label physics`, predict what the judge lifts?

`python -m graspnet.sim_eval.studies.grip_study --table F.parquet`

F.parquet is a table of label_sweep.py with the same --grasps and --seed: its grasps are drawn again, and executed as
labels are. Printed is how well that predicts the outcomes in the table, alone and as the mean with the centred closure,
beside what the table's tugs predict of the same grasps; and how many executions a second of processor time it took.
"""

import time
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float64

from graspnet.data_gen.generate.physics_labels import resting_on_its_pieces
from graspnet.data_gen.labels.grips import GripLabelConfig, held, label_world
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.dataset.labels import soft_label
from graspnet.errors import InputError
from graspnet.run.progress import track
from graspnet.sim_eval.studies.label_study import Drawn, StudyConfig, drawn_grasps, print_scores, summary

__all__ = ["grip_labels"]

CLOSURE = "closure 1.5 mm 1.0°"  # of label_sweep.py
SIGMA = 0.0005  # metres, of the soft clearance


def grip_labels(drawn: Drawn, config: GripLabelConfig, rng: np.random.Generator) -> Float64[np.ndarray, "N"]:
    """The share of executions in which each grasp holds, as `graspnet label physics` would find it."""
    scene, raised = resting_on_its_pieces(Scene((drawn.solid,), drawn.world_from_object[None]))
    world = label_world(scene, drawn.gripper, config, rng)
    return held(world, scene, 0, drawn.grasps_in_world.transformed(raised), config, rng).mean(axis=1)


@click.command()
@click.option("--table", required=True, type=click.Path(path_type=Path, exists=True), help="Of label_sweep.py.")
@click.option("--grasps", default=30, show_default=True, help="Of each object, as the table has them.")
@click.option("--seed", default=0, show_default=True, help="As the table's.")
@click.option("--every", default=1, show_default=True, help="Only every n-th object.")
@click.option("--executions", default=4, show_default=True)
def main(table: Path, grasps: int, seed: int, every: int, executions: int) -> None:
    """Print a row for each label."""
    sweep = pq.read_table(table)
    names = np.array(sweep["object"].to_pylist())
    study, config = StudyConfig(grasps=grasps), GripLabelConfig(executions=executions)
    rows, found, seconds = [], [], 0.0
    indices = range(0, len(set(names)), every)
    for index in track(indices, len(indices), "grip study", "objects"):
        drawn = drawn_grasps(study, seed, index, np.random.default_rng([seed, index]))
        mine = np.flatnonzero(names == drawn.solid.name)
        if not np.allclose(sweep["clearance"].to_numpy()[mine], drawn.clearance):
            raise InputError(f"{table}: holds other grasps of {drawn.solid.name}; use its --grasps and --seed")
        start = time.process_time()
        found.append(grip_labels(drawn, config, np.random.default_rng([seed, index, 2])))
        seconds += time.process_time() - start
        rows.append(mine)
    some = sweep.take(pa.array(np.concatenate(rows)))
    closure = soft_label(some[CLOSURE].to_numpy(), some["clearance"].to_numpy(), SIGMA)
    grips, tugs = np.concatenate(found), some["physics_hold"].to_numpy()
    click.echo(
        f"{summary(some)}; grips: {grips.mean():.1%} held, "
        f"{executions * len(some) / seconds:.0f} executions a second of processor time"
    )
    labels = {
        "grips": grips,
        "tugs": tugs,
        f"{CLOSURE} × clearance 0.5 mm": closure,
        "mean of that closure and grips": (closure + grips) / 2,
        "mean of that closure and tugs": (closure + tugs) / 2,
    }
    print_scores(labels.items(), some)


if __name__ == "__main__":
    main()
