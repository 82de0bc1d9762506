"""What is it worth to look on the way? One pick after another by an open loop, by one more look, and by a servo.

    python -m graspnet.sim_eval.closed_loop.study --trials 112 --workers 2 --output out/closed_loop

A condition says how wrong the first look's camera is, and how the object moves meanwhile. Trial 0 is run under every
condition before trial 1 is begun, so that a study which is stopped early has equally many everywhere; --resume goes on,
or gets more of them. OUTPUT/records.jsonl holds every pick, OUTPUT/report.html the table and films.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from time import time
from typing import Any

import click
import numpy as np
from jaxtyping import Bool

from graspnet.config import config_to_dict, load_config
from graspnet.data_gen.physics.film import film
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.errors import InputError
from graspnet.policies.servo.servo import Servo, load_servo
from graspnet.report.page import Section, paragraph, picture_html, table_html, write_report
from graspnet.run.engines import Engine
from graspnet.run.line_log import LineLog
from graspnet.run.options import run_options
from graspnet.run.progress import track
from graspnet.run.record import write_run_record
from graspnet.sim_eval.analysis.statistics import paired_difference, wilson_interval
from graspnet.sim_eval.closed_loop.leaders import LEADERS
from graspnet.sim_eval.closed_loop.rig import RigConfig
from graspnet.sim_eval.closed_loop.trial import FRAME_INTERVAL, ConditionConfig, run_trial
from graspnet.sim_eval.episodes.draw import draw_episode
from graspnet.sim_eval.episodes.records import in_words
from graspnet.sim_eval.protocols.protocol import ProtocolConfig

__all__ = ["ClosedLoopConfig", "Pick", "rows", "run_study"]

STATIC = "static"  # the condition that the others are compared with
SERVO = LEADERS[-1]
FILMS = 4


@dataclass(frozen=True, kw_only=True)
class ClosedLoopConfig:
    """A preset of `configs/closed_loop/`: objects, camera and physics of a protocol, the arm's rig, and conditions.

    The protocol's camera looks first; its calibration is what a condition says, and not the protocol's.
    """

    protocol: ProtocolConfig = field(default_factory=ProtocolConfig)
    rig: RigConfig = field(default_factory=RigConfig)
    servo: str = "default"
    conditions: dict[str, ConditionConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.protocol.of_trials:
            raise InputError("protocol.task: the closed loop is studied on one object and one attempt")
        if STATIC not in self.conditions:
            raise InputError(f"conditions lack {STATIC!r}, with which the others are compared")


@dataclass(frozen=True)
class Pick:
    """One pick of one leader: a line of records.jsonl. SI units; seconds: of processor time, for all its pictures."""

    condition: str
    index: int
    leader: str
    object: str
    outcome: str
    quality: float | None = None
    duration: float = 0.0
    pictures: int = 0
    seconds: float = 0.0

    @property
    def success(self) -> bool:
        """True if the object was still in the hand at the end."""
        return self.outcome == "success"


def run_study(
    config: ClosedLoopConfig, model: str, seed: int, engine: Engine, units: Sequence[tuple[str, int]]
) -> Iterator[list[Pick]]:
    """Run trials: every leader's pick for each (condition, index), in any order."""
    yield from engine.run(partial(_work, config, model, seed), units)


def rows(picks: Sequence[Pick]) -> list[dict[str, Any]]:
    """Make a row for each condition and leader: what it lifts, as a share of what it lifts where nothing is wrong, and
    how much more or less than the open loop, on the same trials."""
    conditions = list(dict.fromkeys(pick.condition for pick in picks))
    found = []
    for condition in conditions:
        common = _common(picks, condition)
        open_loop = _lifted(picks, condition, LEADERS[0], common)
        for leader in LEADERS:
            here, before = (_lifted(picks, each, leader, common) for each in (condition, STATIC))
            low, high = wilson_interval(int(here.sum()), len(here))
            pair = paired_difference(here, open_loop)
            own = [pick for pick in picks if (pick.condition, pick.leader) == (condition, leader)]
            pictures = sum(pick.pictures for pick in own)
            found.append(
                {
                    "condition": condition, "leader": leader, "trials": len(common), "lifted": int(here.sum()),
                    "low": low, "high": high, "of_static": float(here.sum() / max(before.sum(), 1)),
                    "over_open": pair.difference, "over_open_low": pair.low, "over_open_high": pair.high,
                    "duration": float(np.median([pick.duration for pick in own])),
                    "pictures": pictures / max(len(own), 1),
                    "seconds": sum(pick.seconds for pick in own) / max(pictures, 1),
                }
            )  # fmt: skip
    return found


def _common(picks: Sequence[Pick], condition: str) -> list[int]:
    """The trials that every leader has under a condition and under the static one."""
    having = [
        {pick.index for pick in picks if (pick.condition, pick.leader) == (each, leader)}
        for each in (condition, STATIC)
        for leader in LEADERS
    ]
    return sorted(set.intersection(*having))


def _lifted(picks: Sequence[Pick], condition: str, leader: str, common: list[int]) -> Bool[np.ndarray, "T"]:
    by_index = {pick.index: pick.success for pick in picks if (pick.condition, pick.leader) == (condition, leader)}
    return np.array([by_index[index] for index in common], dtype=bool)


HEADER = (
    "condition", "leader", "lifted", "of what it lifts where nothing is wrong", "points over the open loop", "seconds",
    "pictures", "ms a picture",
)  # fmt: skip


def cells(found: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Write the rows for people."""
    return [
        [
            row["condition"], row["leader"],
            f"{row['lifted']} of {row['trials']}, {100 * row['lifted'] / max(row['trials'], 1):.0f} % "
            f"[{100 * row['low']:.0f}, {100 * row['high']:.0f}]",
            f"{100 * row['of_static']:.0f} %",
            "" if row["leader"] == LEADERS[0] else
            f"{100 * row['over_open']:+.0f} [{100 * row['over_open_low']:+.0f}, {100 * row['over_open_high']:+.0f}]"
            .replace("-", "−"),
            f"{row['duration']:.1f}", f"{row['pictures']:.0f}",
            f"{1000 * row['seconds']:.0f}" if row["pictures"] else "",
        ]
        for row in found
    ]  # fmt: skip


def _work(config: ClosedLoopConfig, model: str, seed: int, unit: tuple[str, int]) -> list[Pick]:
    """Run one trial; one that cannot start has no picks."""
    condition, index = unit
    try:
        episode = draw_episode(config.protocol, seed, index, _renderer())
    except InputError as error:
        return [Pick(condition, index, leader, in_words(error), "no_start") for leader in LEADERS]
    servo = _servo(model, config.servo)
    outcomes = run_trial(episode, config.conditions[condition], config.rig, servo.policy, servo, _renderer())
    return [
        Pick(
            condition, index, leader, episode.names[0], one.result.outcome,
            None if np.isnan(one.quality) else one.quality, one.duration, one.pictures, one.seconds,
        )
        for leader, one in outcomes.items()
    ]  # fmt: skip


@lru_cache(maxsize=1)
def _renderer() -> RaycastRenderer:
    """Keep one in each process."""
    return RaycastRenderer()


@lru_cache(maxsize=1)
def _servo(model: str, config: str) -> Servo:
    """Keep one in each process; every trial begins with a servo that has seen nothing."""
    return load_servo(model, config, threads=1)


def _films(config: ClosedLoopConfig, model: str, seed: int, picks: Sequence[Pick]) -> list[str]:
    """Film trials that the servo lifts and the open loop does not, one of each condition."""
    blocks: list[str] = []
    for condition in dict.fromkeys(pick.condition for pick in picks if pick.condition != STATIC):
        of = {
            leader: {p.index for p in picks if p.success and (p.condition, p.leader) == (condition, leader)}
            for leader in LEADERS
        }
        telling = sorted(of[SERVO] - of[LEADERS[0]])
        if not telling or len(blocks) >= 2 * FILMS:
            continue
        episode = draw_episode(config.protocol, seed, telling[0], _renderer())
        servo = _servo(model, config.servo)
        shown = (LEADERS[0], SERVO)
        outcomes = run_trial(
            episode, config.conditions[condition], config.rig, servo.policy, servo, _renderer(), shown, film=True
        )
        for leader, one in outcomes.items():
            caption = f"{condition}, {leader}: {one.result.outcome.replace('_', ' ')} ({episode.names[0]})"
            blocks.append(picture_html(film(one.result.frames[::2], episode.world), caption, 2 * FRAME_INTERVAL))
    return blocks


def _report(output: Path, found: Sequence[Mapping[str, Any]], films: list[str]) -> None:
    opening = (
        paragraph(
            "Each trial is picked by three leaders from the same first look: one that goes where that look said "
            "(open), one that stops on the way and looks once more (second_look), and one that looks all along (servo)."
        ),
    )
    sections = [Section("What was lifted", (table_html(HEADER, cells(found)),))]
    if films:
        sections.append(Section("Where the servo lifts and the open loop does not", tuple(films)))
    write_report(output / "report.html", "Closed loop", sections, opening)


@click.command()
@click.option("--config", default="default", show_default=True, metavar="NAME|FILE", help="Of configs/closed_loop/.")
@click.option("--trials", type=click.IntRange(min=1), default=112, show_default=True, help="Under each condition.")
@click.option("--model", default="parallel_jaw", show_default=True, metavar="NAME|DIR", help="Who ranks grasps.")
@click.option("--resume", is_flag=True, help="Continue a study that was stopped, or extend it with more --trials.")
@click.option("--output", type=click.Path(path_type=Path), required=True, metavar="DIR")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@run_options
def main(
    config: str, trials: int, model: str, resume: bool, output: Path, overrides: tuple[str, ...], engine: Engine,
    seed: int,
) -> None:  # fmt: skip
    """Compare leaders under all conditions, and write records.jsonl, results.json and report.html."""
    started = time()
    settings = load_config(ClosedLoopConfig, "closed_loop", config, overrides)
    identity = {"config": config_to_dict(settings), "model": model, "seed": seed}
    log = LineLog(output / "records.jsonl", identity, resume)
    picks = [Pick(**pick) for trial in log.before for pick in trial]
    done = {(pick.condition, pick.index) for pick in picks}
    units = [(name, k) for k in range(trials) for name in settings.conditions if (name, k) not in done]
    for trial in track(run_study(settings, model, seed, engine, units), len(units), "closed loop", "trials"):
        log.add([asdict(pick) for pick in trial])
        picks += trial
    held = [pick for pick in picks if pick.outcome != "no_start"]
    found = rows(held)
    (output / "results.json").write_text(json.dumps(found, indent=2) + "\n")
    _report(output, found, _films(settings, model, seed, held))
    write_run_record(output, "closed_loop", identity, seed, started, {"picks": len(picks)})
    click.echo(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
    for line in cells(found):
        click.echo(f"| {' | '.join(line)} |")


if __name__ == "__main__":
    main()
