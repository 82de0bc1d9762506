"""The command `graspnet search`."""

import time
from pathlib import Path

import click

__all__ = ["search"]


@click.command()
@click.option("--config", default="compact", show_default=True, help="A preset of configs/search/, or a YAML file.")
@click.option(
    "--dataset", "folders", required=True, multiple=True, metavar="DIR|URL", help="What `generate` wrote; repeatable."
)
@click.option("--from", "parent", metavar="MODEL", help="Every trial trains on from this model.")
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="Folder for trials, and the best config."
)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
def search(config: str, folders: tuple[str, ...], parent: str | None, output: Path, overrides: tuple[str, ...]) -> None:
    """Search for the settings of a training, by Optuna; the same command goes on where it was stopped.

    Needs the extra package: pip install 'graspnet[search]'. Writes trials.json, best.yaml (a config of `graspnet
    train`), the journal trials.log, a folder for each trial, and run.json into --output.

    \b
    graspnet search --dataset out/dataset --output out/search trials=20
    graspnet train --config out/search/best.yaml --dataset out/dataset --output out/model examples=2000000
    """
    from graspnet.config import config_to_dict, load_config
    from graspnet.dataset import Dataset
    from graspnet.run.record import write_run_record
    from graspnet.training.search import search as searching

    started = time.time()
    search_config = load_config(searching.SearchConfig, "search", config, overrides)
    result = searching.search(search_config, [Dataset.open(folder) for folder in folders], output, parent)
    made = {"best": list(result.best), search_config.objective: result.value}
    write_run_record(output, "search", config_to_dict(search_config), search_config.seed, started, made)
    click.echo(f"best of {len(result.trials)} trials: {search_config.objective} {result.value:.4f}")
    click.echo(f"  {' '.join(result.best)}")
    click.echo(f"graspnet train --config {output / 'best.yaml'} trains with them")
