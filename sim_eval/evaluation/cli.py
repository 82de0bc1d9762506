"""`graspnet evaluate`: how good a network is on a dataset, where it is worse, and why."""

import time
from pathlib import Path

import click

__all__ = ["evaluate"]

QUICK = {"examples": 3000, "decomposed": 400, "sweeps": 2, "draws": 2, "other_sensors": ["ideal"]}


@click.command()
@click.option("--model", required=True, metavar="NAME|DIR", help="One that ships, or what `train` wrote.")
@click.option("--dataset", "dataset_folder", required=True, metavar="DIR|URL", help="What `generate` wrote.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Gets report.html, evaluation.json.")
@click.option("--also", multiple=True, metavar="DIR|URL", help="Another dataset, as of heaps: is it worse there?")
@click.option(
    "--split",
    type=click.Choice(["object", "family", "pose", "image"]),
    default="object",
    show_default=True,
    help="What the half that fits the temperature and the half that is reported have none of in common.",
)
@click.option("--sensor", metavar="NAME|FILE", help="Instead of the one that the network was trained with.")
@click.option("--other-sensor", multiple=True, metavar="NAME|FILE", help="Compared with it; repeatable.")
@click.option("--metric", metavar="NAME", help="Judge by this label instead of the network's own.")
@click.option("--examples", type=click.IntRange(min=1), metavar="N", help="About so many grasps of each kind; 20000.")
@click.option("--all", "everything", is_flag=True, help="All grasps.")
@click.option("--quick", is_flag=True, help="3000 grasps, two sensors, two sweeps: under a minute.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def evaluate(
    model: str, dataset_folder: str, output: Path, also: tuple[str, ...], split: str, sensor: str | None,
    other_sensor: tuple[str, ...], metric: str | None, examples: int | None, everything: bool, quick: bool, seed: int,
) -> None:  # fmt: skip
    """Evaluate a network on a dataset: how good it is, where it is worse, why, and what to do about it.

    Writes report.html, evaluation.json and run.json into --output.

    \b
    graspnet evaluate --model parallel_jaw --dataset out/quick --output out/evaluation --quick
    graspnet evaluate --model out/model --dataset out/dataset --output out/evaluation
    graspnet evaluate --model out/model --dataset out/dataset --also out/heaps --sensor phoxi --output out/evaluation

    Objects of the dataset that the network was trained on are told from new ones by its fingerprint. New ones are
    halved: dev fits the temperature, test is reported.
    """
    from graspnet.config import config_to_dict, parse_config
    from graspnet.dataset import Dataset
    from graspnet.models.checkpoint import load_checkpoint
    from graspnet.run.record import write_json, write_run_record
    from graspnet.run.threads import using_threads
    from graspnet.sim_eval.evaluation import run
    from graspnet.sim_eval.evaluation.pages import page

    started = time.time()
    if everything and (examples is not None or quick):
        raise click.UsageError("--all takes all grasps; leave out --examples and --quick")
    chosen = {"split": split, "sensor": sensor, "metric": metric, "seed": seed} | (QUICK if quick else {})
    chosen |= {"examples": examples} if examples is not None or everything else {}
    chosen |= {"other_sensors": list(other_sensor)} if other_sensor else {}
    config = parse_config(run.EvaluateConfig, chosen, "evaluate")
    checkpoint, datasets = load_checkpoint(model), [Dataset.open(folder) for folder in (dataset_folder, *also)]
    output.mkdir(parents=True, exist_ok=True)
    with using_threads(1):
        found = run.evaluate(checkpoint, model, datasets[0], datasets[1:], config)
        write_json(output / "evaluation.json", found.to_json())
        page.write_page(output / "report.html", found)
    asked = {"model": model, "dataset": dataset_folder, "also": list(also)} | config_to_dict(config)
    figures = found.figures[found.reported].to_json()
    write_run_record(output, "evaluate", asked, seed, started, {"report": "report.html", found.reported: figures})
    for sentence in page.opening_sentences(found):
        click.echo(sentence)
    click.echo(f"report: {output / 'report.html'}")
