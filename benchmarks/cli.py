"""`graspnet benchmark NAME`: a part of graspnet against a reference, measured side by side in one process."""

import importlib
from importlib import resources

import click

from graspnet.errors import unknown_name

__all__ = ["benchmark"]

_NOT_BENCHMARKS = ("__init__", "cli", "measure")


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--quick", is_flag=True, help="Smaller sizes, at most 20 s: for CI, not for publishing.")
def benchmark(name: str | None, as_json: bool, quick: bool) -> None:
    """Measure a part against a reference; without NAME, list what there is.

    \b
    Example: graspnet benchmark crops --json
    """
    names = benchmark_names()
    if name is None:
        click.echo("\n".join(names))
        return
    if name not in names:
        raise unknown_name("benchmark", name, names)
    result = importlib.import_module(f"graspnet.benchmarks.{name}").run(quick)
    if as_json:
        click.echo(result.to_json())
        return
    click.echo(f"{name}: ratio {result.ratio:.3g} ({result.of}; {result.threads} thread(s))")
    for figure, value in result.figures.items():
        click.echo(f"  {figure}: {value:.4g}")


def benchmark_names() -> list[str]:
    """The benchmarks that are installed."""
    files = resources.files("graspnet.benchmarks").iterdir()
    return sorted(f.name[:-3] for f in files if f.name.endswith(".py") and f.name[:-3] not in _NOT_BENCHMARKS)
