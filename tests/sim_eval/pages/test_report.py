"""The page of a run stands alone, can be read by those who cannot see its pictures, and says what the records say."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from graspnet.config import load_config
from graspnet.data_gen.physics.outcome import OUTCOMES, Outcome
from graspnet.run.engines import LocalEngine
from graspnet.sim_eval.analysis.finished_run import FinishedRun, read_run
from graspnet.sim_eval.analysis.variants import effects
from graspnet.sim_eval.episodes.records import Attempt, EpisodeRecord, EpisodeResult
from graspnet.sim_eval.episodes.run import run_protocol
from graspnet.sim_eval.pages.effects_report import write_effects_report
from graspnet.sim_eval.pages.gallery import example_blocks
from graspnet.sim_eval.pages.report import MEANING, write_simulation_report
from graspnet.sim_eval.planners.choice import PlannerChoice
from graspnet.sim_eval.protocols.protocol import BASE, ProtocolConfig
from graspnet.sim_eval.replay.replay import PickRecord, ReplayedPick, Replays, picks_of


class _Page(HTMLParser):
    """Its images' texts, its links, its headings, and the cells of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.alts: list[str] = []
        self.links: list[str] = []
        self.rows: list[list[str]] = []
        self.headings: list[str] = []
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self._in = tag
        self.links += [named[key] for key in ("src", "href") if key in named]
        if tag == "img":
            self.alts.append(named.get("alt") or "")
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        self._in = ""

    def handle_data(self, data):
        if self._in in ("td", "th"):
            self.rows[-1].append(data)
        if self._in == "h2":
            self.headings.append(data)


@pytest.fixture(scope="module")
def text(finished_run) -> str:
    return (finished_run / "report.html").read_text()


@pytest.fixture(scope="module")
def page(text) -> _Page:
    return _Page(text)


def test_it_needs_no_other_file_and_every_picture_has_a_text(text, page):
    assert page.links
    assert all(link.startswith("data:image/") for link in page.links)
    assert len(page.alts) == len(page.links)
    assert all(len(alt) > 10 for alt in page.alts)
    assert not re.search(r"https?://|<script|url\(", text)
    assert len(text) < 8e6


def test_its_tables_say_what_the_records_say(finished_run, page):
    results = json.loads((finished_run / "results.json").read_text())
    for planner in ("principal_axis", "antipodal"):
        outcomes = [outcome_of(episode, planner) for episode in results["episodes"]]
        row = next(row for row in page.rows if row[:1] == [planner])
        assert row[1] == "6"
        assert row[2].startswith(f"{outcomes.count('success') / 6:.1%} [")
    header = next(row for row in page.rows if row[:1] == ["outcome"])
    assert header[1:3] == ["principal_axis", "antipodal"]
    for outcome in OUTCOMES:
        counts = [
            str(sum(outcome_of(episode, planner) == outcome for episode in results["episodes"]))
            for planner in header[1:3]
        ]
        rows = [row[1:] for row in page.rows if row[:1] == [outcome.replace("_", " ")]]
        assert rows == ([counts, [MEANING[outcome]]] if counts != ["0", "0"] else [])
    assert ["protocol, hash", f"quick, {results['hash']}"] in page.rows
    assert ["pick.force_limit", "10.0"] in page.rows
    assert ["task.kind", "single"] in page.rows


def outcome_of(episode: dict, planner: str) -> str:
    (attempt,) = episode["results"][planner]["attempts"]
    return attempt["outcome"]


def test_its_title_and_its_run_name_the_preset(finished_run, text):
    assert "<h1>Simulation: quick</h1>" in text
    assert read_run(finished_run).name == "quick"
    assert json.loads((finished_run / "run.json").read_text())["made"]["protocol_name"] == "quick"


def test_every_kind_of_outcome_has_its_picture(finished_run):
    run = read_run(finished_run)
    real = next(pick for pick in picks_of(run) if pick.result.success)
    deeper = tuple((*row[:3], row[3] - 0.05 * (k == 2)) for k, row in enumerate(real.result.world_from_grasp))
    changes = {
        "no_plan": Attempt("no_plan", reason="nothing to grasp"),
        "planner_failed": Attempt("planner_failed", reason="exit status 1"),
        "below_table": replace(real.result, outcome="below_table", world_from_grasp=deeper),
    }
    picks = [replace(real, result=changes.get(o, replace(real.result, outcome=o))) for o in reversed(OUTCOMES)]

    def replay(pick: PickRecord) -> ReplayedPick:
        recorded = replace(run.records[pick.index], results={pick.planner: EpisodeResult((pick.result,))})
        return Replays(replace(run, records=(recorded,)))(pick)

    blocks = example_blocks(picks, replay)
    assert len(blocks) == len(OUTCOMES) == 9
    for outcome, block in zip(OUTCOMES, blocks, strict=True):
        alt = _Page(block).alts[0]
        assert outcome.replace("_", " ") in alt
        assert real.object in alt
    assert "nothing to grasp" in blocks[1]


def test_trials_that_could_not_start_are_listed_with_their_reasons(finished_run, tmp_path):
    run = read_run(finished_run)
    unstarted = EpisodeRecord(6, problem="lid.stl: <not> watertight")
    write_simulation_report(tmp_path / "r.html", replace(run, records=(run.records[0], unstarted)))
    page = _Page((tmp_path / "r.html").read_text())
    assert ["6", "lid.stl: <not> watertight"] in page.rows
    assert ["trials", "2, of which 1 could not start"] in page.rows
    write_simulation_report(tmp_path / "r.html", replace(run, records=(unstarted,)))
    assert "No trial could start." in (tmp_path / "r.html").read_text()


def test_rounds_in_clutter_have_a_page_of_their_own(tmp_path: Path):
    cuts = ("task.objects=2", "episodes=1", "task.settle_time=0.5")
    config = load_config(ProtocolConfig, "simulate", "vgn_packed", cuts)
    choices = (PlannerChoice("antipodal"), PlannerChoice("principal_axis"))
    records = tuple(run_protocol(config, choices, 1, LocalEngine(1)))
    write_simulation_report(tmp_path / "r.html", FinishedRun(config, choices, 1, records))
    page = _Page((tmp_path / "r.html").read_text())
    assert all(alt for alt in page.alts)
    for planner, result in records[0].results.items():
        row = next(row for row in page.rows if row[:1] == [planner])
        assert row[1:3] == ["1", str(result.executed)]
        assert row[5].startswith(f"{result.cleared / len(records[0].objects):.1%} [")
        assert row[6].startswith(f"{float(result.cleared == len(records[0].objects)):.1%} [")
    assert ["rounds", "1, of which 0 could not start"] in page.rows
    assert "Gallery" in page.headings


def test_variants_have_a_page_that_says_what_each_costs(tmp_path):
    def record(index: int, **outcomes: Outcome) -> EpisodeRecord:
        results = {planner: EpisodeResult((Attempt(outcome),)) for planner, outcome in outcomes.items()}
        return EpisodeRecord(index, (f"thing {index}",), results=results)

    base = [record(k, a="success", b="missed") for k in range(4)]
    noisy = [record(k, a="success" if k else "missed", b="missed") for k in range(4)]
    write_effects_report(tmp_path / "r.html", "robustness, variants", effects({BASE: base, "noise <x2>": noisy}))
    page = _Page((tmp_path / "r.html").read_text())
    assert [row[:4] for row in page.rows[1:]] == [
        ["a", "noise <x2>", "4", "75.0% [30.1, 95.4]"],  # Wilson's interval of 3 in 4
        ["b", "noise <x2>", "4", "0.0% [0.0, 49.0]"],
    ]
    assert page.rows[1][4].startswith("−25.0 [")
    assert page.rows[2][4].startswith("+0.0 [")
    assert len(page.alts) == 1
