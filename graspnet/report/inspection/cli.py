"""`graspnet inspect`: what is in a dataset, and whether all of it is as it should be."""

import sys
import time
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
    graspnet inspect plan.json

    Every file is compared with its checksum, and every column with docs/dataset.md. Exit status: 0 all is well, 2 bad
    input, or a file that is damaged or holds what cannot be (each is named).
    """
    from graspnet.dataset import Dataset
    from graspnet.report.inspection.summary import summarise
    from graspnet.report.inspection.text import dataset_text, model_text, plan_text

    if (Path(source) / "model.json").is_file():
        click.echo(model_text(Path(source)))
        return
    if source.endswith(".json"):
        click.echo(plan_text(Path(source)))
        return
    started = time.time()
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
