"""What does a search leave lying? Its grasp beside the best of an exhaustive one, by the same network.

`python -m graspnet.sim_eval.studies.search.regret --trials 112 --output out/regret`

No physics: a trial's image is planned on, and the network's mean quality over small errors of the pose, minus half a
standard deviation, says how good a grasp is; the errors are the same for all grasps of a trial. The exhaustive search
judges tens of thousands of grasps. The best known grasp of a trial is the best of all that any search has found there,
and the regret of a search is how much worse its own is: 0 at least. Where a search finds none, it regrets all.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import process_time

import click
import numpy as np

from graspnet.config import load_config
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.errors import InputError
from graspnet.grasp_plan import GraspPlan
from graspnet.models.checkpoint import weights_checksum
from graspnet.observation.observation import Observation
from graspnet.policies.cross_entropy.cross_entropy import CrossEntropyConfig, rescored
from graspnet.policies.grasp_space import GraspSpace
from graspnet.policies.planning import load_policy, load_quality
from graspnet.policies.ranking import RankedGrasps
from graspnet.quality import Quality
from graspnet.run.engines import LocalEngine
from graspnet.run.line_log import LineLog
from graspnet.run.progress import track
from graspnet.run.record import write_json
from graspnet.sim_eval.analysis.statistics import bootstrap_over_objects
from graspnet.sim_eval.episodes.chance import planning_seed
from graspnet.sim_eval.episodes.draw import draw_episode
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.sim_eval.protocols.tasks import SingleConfig

__all__ = ["EXHAUSTIVE", "SEARCHES", "Found", "Row", "main", "markdown_table", "rows", "searched"]

NEARLY_BEST_REGRET = 0.02  # a search whose regret is less has found the best grasp, as far as anybody could tell
COMMON_ERRORS = CrossEntropyConfig(jitters=64)  # the errors of the pose that every grasp is judged under


@dataclass(frozen=True)
class SearchVariant:
    """A policy and its settings. evaluations: how many grasps it judges, finalists not counted; None: a dense pass,
    which judges its whole grid."""

    name: str
    policy: str
    evaluations: int | None
    overrides: tuple[str, ...] = ()


def _cross_entropy(first: int, iterations: int, each: int) -> SearchVariant:
    settings = (f"initial_samples={first}", f"iterations={iterations}", f"samples={each}")
    count = first + iterations * each
    return SearchVariant(f"cross_entropy {count}", "cross_entropy", count, settings)


EXHAUSTIVE = SearchVariant("exhaustive", "cross_entropy", 20_000, ("initial_samples=8000", "iterations=6",
                           "samples=2000", "finalists=64", "alternatives=64", "jitters=32"))  # fmt: skip
SEARCHES = (
    _cross_entropy(32, 1, 32),
    _cross_entropy(100, 3, 50),
    _cross_entropy(384, 3, 192),
    _cross_entropy(800, 3, 400),
    _cross_entropy(1600, 3, 800),
    *(SearchVariant(f"ranking {n}", "ranking", n, (f"samples={n}",)) for n in (64, 250, 960, 2000, 4000)),
    SearchVariant("dense", "dense", None),
    SearchVariant("dense, steps uphill", "dense", None, ("search.ascent_steps=5",)),
    SearchVariant("dense, finer", "dense", None, ("angles=18", "heights=12", "height_step=0.1")),
    EXHAUSTIVE,
)


@dataclass(frozen=True)
class Found:
    """What one search found in one trial. quality: of its best grasp, under the errors that are common to all; None:
    it found none. seconds: of processor time."""

    search: str
    trial: int
    object: str
    quality: float | None
    seconds: float


@dataclass(frozen=True)
class Row:
    """One search: its mean regret with an interval over objects, the share of trials in which it is nearly 0, in how
    many there was no plan, and the mean seconds of processor time."""

    search: str
    evaluations: int | None
    regret: float
    low: float
    high: float
    nearly_best: float
    no_plan: int
    seconds: float


def searched(
    observation: Observation, quality: Quality, searches: Sequence[SearchVariant], seed: int
) -> list[tuple[float | None, float]]:
    """Of each search the quality of its best grasp, under common errors of the pose, and its processor time.

    None of them finds what another has computed of the image.
    """
    found = []
    for variant in searches:
        policy, unused = load_policy(variant.policy, quality, overrides=variant.overrides), replace(observation)
        start = process_time()
        plan = policy.plan(unused, np.random.default_rng(seed))
        seconds = process_time() - start
        found.append((_robust_quality(plan, quality, seed) if len(plan) else None, seconds))
    return found


def _robust_quality(plan: GraspPlan, quality: Quality, seed: int) -> float:
    best = RankedGrasps(plan.grasps_in_camera[slice(1)], plan.qualities[:1])
    space, rng = GraspSpace.along(plan.observation, best.grasps_in_camera.approach[0]), np.random.default_rng([seed, 1])
    return float(rescored(best, space, quality, COMMON_ERRORS, rng).qualities[0])


@dataclass(frozen=True)
class _Work:
    """A trial in a process of its own."""

    protocol: str
    model: str
    seed: int

    def __call__(self, index: int) -> list[Found]:
        episode = draw_episode(_protocol(self.protocol), self.seed, index, RaycastRenderer())
        quality = _warm_quality(self.model, episode.observation)
        found = searched(episode.observation, quality, SEARCHES, planning_seed(self.seed, index, attempt=0))
        name = episode.solids[0].name
        return [Found(each.name, index, name, *one) for each, one in zip(SEARCHES, found, strict=True)]


def _protocol(name: str) -> ProtocolConfig:
    """InputError: a protocol of heaps, whose images show more than one object."""
    config = load_config(ProtocolConfig, "simulate", name)
    if not isinstance(config.task, SingleConfig):
        raise InputError(
            f"{name} is a protocol of several objects; regret is counted by object: take one of single ones"
        )
    return config


_warm: dict[str, Quality] = {}


def _warm_quality(model: str, observation: Observation) -> Quality:
    """The model, after first plans: a process loads and compiles what plans need, and no search should pay for it."""
    if model not in _warm:
        _warm[model] = load_quality(model, threads=1)
        for name in ("cross_entropy", "ranking", "dense"):
            load_policy(name, _warm[model]).plan(replace(observation), np.random.default_rng(0))
    return _warm[model]


def rows(found: Sequence[Found], searches: Sequence[SearchVariant]) -> list[Row]:
    """One row for each search; trials in which none found a grasp say nothing and are left out."""
    best: dict[int, float] = {}
    for each in found:
        if each.quality is not None:
            best[each.trial] = max(best.get(each.trial, 0.0), each.quality)
    if not best:
        raise InputError("no search found a grasp in any trial: there is nothing to regret")
    result = []
    for variant in searches:
        own = [each for each in found if each.search == variant.name and each.trial in best]
        regret = np.array([best[each.trial] - (each.quality or 0.0) for each in own])
        low, high = bootstrap_over_objects(lambda k, r=regret: float(r[k].mean()), [each.object for each in own])
        none = sum(each.quality is None for each in own)
        result.append(
            Row(variant.name, variant.evaluations, float(regret.mean()), low, high,
                float(np.mean(regret < NEARLY_BEST_REGRET)), none, float(np.mean([each.seconds for each in own])))
        )  # fmt: skip
    return result


def markdown_table(table: Sequence[Row]) -> str:
    """For a notebook."""
    lines = ["| search | evaluations | regret | nearly the best | no plan | seconds |", "|---|---|---|---|---|---|"]
    for row in table:
        count = "a grid" if row.evaluations is None else f"{row.evaluations:,}"
        interval = f"{row.regret:.3f} [{row.low:.3f}, {row.high:.3f}]"
        lines.append(
            f"| {row.search} | {count} | {interval} | {row.nearly_best:.0%} | {row.no_plan} | {row.seconds:.2f} |"
        )
    return "\n".join(lines)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--config", "protocol", default="tuning", help="A protocol of single objects, of configs/simulate/.")
@click.option("--model", default="parallel_jaw", help="A folder, or a model that ships.")
@click.option("--trials", default=112, type=click.IntRange(min=1))
@click.option("--seed", default=1, type=click.IntRange(min=0))
@click.option("--workers", default=1, type=click.IntRange(min=1))
@click.option("--resume", is_flag=True, help="Continue a study that was stopped, or extend it with more --trials.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Gets records.jsonl, results.json.")
def main(protocol: str, model: str, trials: int, seed: int, workers: int, resume: bool, output: Path) -> None:
    """Print a row for each search."""
    _protocol(protocol)  # what is wrong is said before any process begins
    load_quality(model)
    settings = {variant.name: [variant.policy, *variant.overrides] for variant in SEARCHES}
    identity = {"protocol": protocol, "weights": weights_checksum(model), "seed": seed, "searches": settings}
    log = LineLog(output / "records.jsonl", identity, resume)
    found = [Found(**each) for trial in log.before for each in trial]
    left = sorted(set(range(trials)) - {each.trial for each in found})
    for trial in track(LocalEngine(workers).run(_Work(protocol, model, seed), left), len(left), "regret", "trials"):
        log.add([asdict(each) for each in trial])
        found += trial
    table = rows(sorted(found, key=lambda each: each.trial), SEARCHES)
    write_json(output / "results.json", {"rows": [asdict(row) for row in table]})
    click.echo(markdown_table(table))


if __name__ == "__main__":
    main()
