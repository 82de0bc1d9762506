"""The command `graspnet train`."""

import time
from pathlib import Path

import click

__all__ = ["train"]


@click.command()
@click.option("--config", default="parallel_jaw", show_default=True, help="A preset of configs/train/, or a YAML file.")
@click.option(
    "--dataset",
    "folders",
    required=True,
    multiple=True,
    metavar="DIR|URL",
    help="What `generate` wrote; repeatable: all are trained on, and what any holds out is not.",
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for the model.")
@click.option("--from", "parent", metavar="MODEL", help="Train on from this model: a folder, or one that ships.")
@click.option("--resume", is_flag=True, help="Go on with the interrupted training in --output.")
@click.option("--seed", type=click.IntRange(min=0), help="Instead of the config's.")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
def train(
    config: str,
    folders: tuple[str, ...],
    output: Path,
    parent: str | None,
    resume: bool,
    seed: int | None,
    overrides: tuple[str, ...],
) -> None:
    """Train a grasp quality network on one or more datasets, and evaluate it on objects that it has not seen.

    Writes model.safetensors, model.json, metrics.json, logs/ (TensorBoard) and run.json into --output.

    \b
    graspnet train --config demo --dataset out/dataset --output out/model
    graspnet train --config demo --dataset out/dataset --output out/model --resume
    graspnet train --config parallel_jaw --dataset out/dataset --output out/model epochs=5 batches.sensor=ideal
    graspnet train --dataset out/single --dataset out/heaps --output out/model "batches.shares=[1, 0.5]"
    graspnet train --from parallel_jaw --dataset out/mine --output out/tuned examples=200000 optimiser.rate=5e-4
    torchrun --nproc-per-node 2 --no-python graspnet train --dataset out/dataset --output out/model
    """
    from graspnet.config import config_to_dict, load_config, says
    from graspnet.dataset import Dataset
    from graspnet.errors import InputError
    from graspnet.run.processes import joined
    from graspnet.run.record import write_run_record
    from graspnet.training import trainer

    started = time.time()
    if seed is not None:
        overrides = (*overrides, f"seed={seed}")
    train_config = load_config(trainer.TrainConfig, "train", config, overrides)
    if train_config.examples and says("train", config, ["epochs"], overrides):
        asked = f"epochs={train_config.epochs}"
        raise InputError(
            f"{asked}: this config counts examples (examples={train_config.examples}), not epochs; give examples=null, "
            "too, to train for epochs"
        )
    with joined() as processes:
        datasets = [Dataset.open(folder) for folder in folders]
        result = trainer.train(train_config, datasets, output, resume, parent, processes)
        evaluation = result.evaluation.to_json()
        if processes.first:
            write_run_record(output, "train", config_to_dict(train_config), train_config.seed, started, evaluation)
        for line in result.evaluation.lines():
            click.echo(line)
        for name, figures in result.of_each.items():
            click.echo("\n".join([f"{name}:", *figures.lines()]))
        click.echo(f"model: {output}")
