"""`graspnet inspect`: what is in a dataset, and whether all of it is as it should be."""

import sys
import time
from importlib import resources
from pathlib import Path

import click
import numpy as np

__all__ = ["inspect"]

BROKEN = 2  # exit status: a file is damaged, or holds what cannot be


@click.command()
@click.argument("source", metavar="DATASET|MODEL|PLAN")
@click.option("--output", type=click.Path(path_type=Path), metavar="DIR", help="Gets report.html.")
@click.option("--metric", metavar="NAME", help="Whose positives are counted; the config's first if not given.")
@click.option("--threshold", type=float, metavar="X", help="Positive: above it; 0.5, or 0.002 of an epsilon.")
@click.option("--images", type=click.IntRange(0), default=12, show_default=True, help="On the contact sheet.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Which images.")
def inspect(
    source: str, output: Path | None, metric: str | None, threshold: float | None, images: int, seed: int
) -> None:
    """Say what is in a dataset, a model or a plan, and whether it is whole.

    Of a dataset: counts, positive rates, histograms, a contact sheet.

    \b
    graspnet inspect out/dataset
    graspnet inspect out/dataset --output out/look --metric robust_epsilon --threshold 0.002
    graspnet inspect s3://bucket/dataset
    graspnet inspect out/model
    graspnet inspect parallel_jaw
    graspnet inspect plan.json --output out/plan

    A model is a folder, or the name of one that ships. Every file of a dataset is compared with its checksum, and every
    column with docs/dataset.md. Exit status: 0 all is well, 2 bad input, or a file that is damaged or holds what cannot
    be (each is named).
    """
    from graspnet.dataset import Dataset
    from graspnet.report.inspection.summary import summarise
    from graspnet.report.inspection.text import dataset_text

    started, model = time.time(), _model_folder(source)
    if model is not None or source.endswith(".json"):
        _inspect_record(source, model, output, seed, started)
        return
    dataset = Dataset.open(source)
    summary = summarise(dataset, metric, threshold)
    click.echo(dataset_text(dataset, summary))
    for problem in summary.problems:
        click.echo(problem, err=True)
    if output is not None:
        from graspnet.report.inspection.page import write_page
        from graspnet.run.record import write_run_record

        output.mkdir(parents=True, exist_ok=True)
        write_page(output / "report.html", dataset, summary, images, np.random.default_rng(seed))
        write_run_record(
            output,
            "inspect",
            {"source": source, "metric": summary.metric, "threshold": summary.threshold, "images": images},
            seed,
            started,
            "report.html",
        )
        click.echo(f"report: {output / 'report.html'}")
    if summary.problems:
        sys.exit(BROKEN)


def _model_folder(source: str) -> Path | None:
    """The folder of a model, which may be one that ships; None: the source is no model."""
    shipped = Path(str(resources.files("graspnet.weights"))) / source
    found = (folder for folder in (Path(source), shipped) if (folder / "model.json").is_file())
    return next(found, None)


def _inspect_record(source: str, model: Path | None, output: Path | None, seed: int, started: float) -> None:
    """Say what a model or a plan is, and write it on a page if there is to be one."""
    from graspnet.report.inspection.records import account_text, model_account, plan_account, write_account
    from graspnet.run.record import write_run_record

    account = plan_account(Path(source)) if model is None else model_account(model)
    click.echo(account_text(account))
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        write_account(output / "report.html", account)
        write_run_record(output, "inspect", {"source": source}, seed, started, "report.html")
        click.echo(f"report: {output / 'report.html'}")
