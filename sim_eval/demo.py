"""The whole loop in minutes: first picks with the network that ships, then a dataset, a network and picks of one's own.

Each step is the function behind a command, with the preset `demo` of its room: what the demo shows is what
`graspnet plan`, `generate`, `train` and `simulate` do. The report is written anew after each step, so that a
stopped demo leaves what was made by then.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from graspnet.camera import load_camera
from graspnet.config import config_to_dict, load_config
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.run import UnitSummary, generate
from graspnet.data_gen.objects.object_source import ObjectConfig, load_object, object_names
from graspnet.dataset import Dataset
from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper
from graspnet.inputs.depth_image import read_depth
from graspnet.inputs.mask_image import read_mask
from graspnet.observation.observation import Observation
from graspnet.policies.planning import DEFAULT_MODEL, plan_observation
from graspnet.report.page import Section, paragraph, table_html, write_report
from graspnet.report.words import folder_name
from graspnet.run.engines import Engine
from graspnet.run.progress import track
from graspnet.run.record import write_json, write_run_record
from graspnet.sample.files import write_sample
from graspnet.sim_eval.analysis.finished_run import FinishedRun
from graspnet.sim_eval.analysis.results import results_as_json
from graspnet.sim_eval.analysis.tables import format_results
from graspnet.sim_eval.episodes.run import run_protocol
from graspnet.sim_eval.pages.demo_sections import dataset_sections, first_sections, training_section
from graspnet.sim_eval.pages.findings import opening_blocks, opening_sentences
from graspnet.sim_eval.pages.report import simulation_sections
from graspnet.sim_eval.planners.choice import PlannerChoice, identified
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.training.trainer import TrainConfig, train

__all__ = ["run_demo"]

POLICY, RANDOM, HEURISTIC = "cross_entropy", "antipodal", "principal_axis"


FIRST_TRIALS = 28  # one object of each family: half a minute of two cores


def run_demo(output: Path, seed: int, engine: Engine, train_too: bool = True) -> None:
    """Run all steps into `output`, saying what each found; without `train_too`, only the first.

    The first leaves sample/, plan.json, plan.png, first/ and report.html; the others add dataset/, model/ and
    results.json, and run.json comes last. InputError: the output holds an earlier demo.
    """
    started, clock = time.time(), _Clock()
    if (output / "report.html").exists() or (output / "dataset").exists():
        raise InputError(f"{output}: holds an earlier demo; delete it, or choose another --output")
    output.mkdir(parents=True, exist_ok=True)
    configs: dict[str, Any] = {}
    sections: list[Section] = []
    opening: list[str] = []

    def report(*more: Section) -> None:
        sections.extend(more)
        write_report(output / "report.html", f"Demo: {folder_name(output)}", [*sections, clock.section()], opening)

    _announce("first: a grasp on a depth image, and picks in MuJoCo, with the network that ships")
    click.echo(_plan_on_sample(output))
    protocol = load_config(ProtocolConfig, "simulate", "demo", (f"episodes={FIRST_TRIALS}",))
    shipped = identified(PlannerChoice(POLICY, model=DEFAULT_MODEL))
    first = _picks(protocol, [shipped, PlannerChoice(HEURISTIC)], seed, engine, output / "first")
    clock.lap("first picks")
    opening += [paragraph("First, the network that ships."), *opening_blocks(first)]
    report(*first_sections(first, output / "plan.png"))
    click.echo(f"a first report is there: {output / 'report.html'}")

    if train_too:
        click.echo("next, a dataset and a network of your own, in 5 to 45 minutes; Ctrl-C leaves the report as it is")
        configs["generate"] = load_config(GenerateConfig, "generate", "demo")
        _announce("1 and 2: procedural objects, images of them, and labelled grasps")
        making = generate(configs["generate"], "demo", seed, output / "dataset", engine)
        summaries = list(track(making, making.total, "generate", "objects"))
        dataset = Dataset.open(output / "dataset")
        click.echo(_objects_line(configs["generate"].objects, seed))
        click.echo(_dataset_line(dataset, summaries))
        clock.lap("generate")
        report(*dataset_sections(dataset, seed))

        _announce("3 and 4: a grasp quality network, and how it does on objects that it has not seen")
        configs["train"] = load_config(TrainConfig, "train", "demo", (f"seed={seed}",))
        training = train(configs["train"], dataset, output / "model")
        click.echo("\n".join(training.evaluation.lines()))
        clock.lap("train")
        report(training_section(training))

        _announce("5 and 6: plans on noisy depth images of unseen objects, executed in MuJoCo")
        protocol = load_config(ProtocolConfig, "simulate", "demo")
        own = identified(PlannerChoice(POLICY, model=str(output / "model")))
        run = _picks(protocol, [own, PlannerChoice(RANDOM), PlannerChoice(HEURISTIC)], seed, engine, output)
        click.echo("\n".join(opening_sentences(run)))
        clock.lap("simulate")
        opening += [paragraph("Then the network that this demo has trained, on fewer data."), *opening_blocks(run)]
        text = "All that follows is about picks with the network that this demo has trained."
        report(Section("Picks", (paragraph(text),)), *simulation_sections(run))

    configs["simulate"] = protocol
    made = {"report": "report.html", "seconds": clock.seconds}
    write_run_record(output, "demo", {k: config_to_dict(v) for k, v in configs.items()}, seed, started, made)
    times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in clock.seconds.items())
    click.echo(f"done in {sum(clock.seconds.values()) / 60:.1f} minutes ({times}): {output / 'report.html'}")


class _Clock:
    """Seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Close a step."""
        now = time.perf_counter()
        self.seconds[name], self._last = round(now - self._last, 2), now

    def section(self) -> Section:
        """The steps so far, for the report."""
        return Section("Time", (table_html(["step", "seconds"], [[k, f"{v:.0f}"] for k, v in self.seconds.items()]),))


def _announce(text: str) -> None:
    click.echo(f"\n== {text}")


def _plan_on_sample(output: Path) -> str:
    """Write the sample and a plan on it, and say what was found."""
    write_sample(output / "sample")
    observation = Observation(
        read_depth(output / "sample" / "depth.png", scale=0.001),
        load_camera(output / "sample" / "camera.yaml"),
        load_gripper("yumi"),
        read_mask(output / "sample" / "segmask.png"),
    )
    planned = plan_observation(observation, POLICY)
    write_json(output / "plan.json", planned.to_json())
    planned.draw(output / "plan.png")
    return f"{planned.summary}: {output / 'plan.png'}"


def _picks(
    protocol: ProtocolConfig, choices: Sequence[PlannerChoice], seed: int, engine: Engine, folder: Path
) -> FinishedRun:
    """Let planners pick, print how it went, and leave results.json in a folder."""
    trials = run_protocol(protocol, choices, seed, engine)
    records = sorted(track(trials, protocol.episodes, "simulate", "trials"), key=lambda record: record.index)
    write_json(folder / "results.json", results_as_json(protocol, "demo", choices, seed, records))
    click.echo(format_results(protocol, records))
    return FinishedRun(protocol, tuple(choices), seed, tuple(records), "demo")


def _objects_line(config: ObjectConfig, seed: int) -> str:
    names = object_names(config)
    families = {name.rpartition("_")[0] for name in names}
    closed = sum(
        load_object(config, name, np.random.default_rng([seed, i])).mesh.is_watertight for i, name in enumerate(names)
    )
    return f"{len(names)} objects of {len(families)} families, {closed} of them watertight"


def _dataset_line(dataset: Dataset, summaries: Sequence[UnitSummary]) -> str:
    counts = dataset.header.counts
    positive = sum(s.total.positives for s in summaries) / max(1, counts["grasps"])
    return (
        f"{counts['grasps']} labelled grasps in {counts['images']} depth images; robustness above one half: "
        f"{positive:.1%}; {len(dataset.split('validation'))} objects are kept for validation"
    )
