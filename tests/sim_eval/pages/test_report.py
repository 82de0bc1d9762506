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
from graspnet.sim_eval.pages.findings import MEANING, in_question, opening_blocks
from graspnet.sim_eval.pages.gallery import example_blocks, film_blocks, gallery_blocks
from graspnet.sim_eval.pages.report import write_simulation_report
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
        self.title, self.opening = "", ""
        self.anchors: list[str] = []
        self._in = ""
        self._in_opening = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self._in = tag
        self._in_opening |= named.get("class") == "opening"
        self.links += [named[key] for key in ("src", "href") if key in named]
        self.anchors += [named["id"]] if "id" in named else []
        if tag == "img":
            self.alts.append(named.get("alt") or "")
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        self._in = ""
        self._in_opening &= tag != "div"

    def handle_data(self, data):
        if self._in in ("td", "th"):
            self.rows[-1].append(data)
        if self._in == "h2":
            self.headings.append(data)
        if self._in == "h1":
            self.title += data
        if self._in_opening:
            self.opening += data


@pytest.fixture(scope="module")
def text(finished_run) -> str:
    return (finished_run / "report.html").read_text()


@pytest.fixture(scope="module")
def page(text) -> _Page:
    return _Page(text)


def test_it_needs_no_other_file_and_every_picture_has_a_text(text, page):
    pictures = [link for link in page.links if not link.startswith("#")]
    assert pictures
    assert all(link.startswith("data:image/") for link in pictures)
    assert len(page.alts) == len(pictures)
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
    header = next(row for row in page.rows if row[:1] == ["attempts that ended as"])
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


def test_its_contents_lead_to_every_section(page):
    assert [link[1:] for link in page.links if link.startswith("#")] == page.anchors
    assert len(set(page.anchors)) == len(page.headings) >= 8


def test_its_opening_has_the_figures_of_the_results(finished_run, page):
    results = json.loads((finished_run / "results.json").read_text())
    one, other = results["policies"]
    (difference,) = results["differences"]
    assert f"{one['policy']} lifted {one['successes']} of {one['attempts']} objects" in page.opening
    assert f"{100 * one['low']:.1f} % to {100 * one['high']:.1f} %" in page.opening
    assert f"{other['policy']} lifted {other['successes']} ({100 * other['rate']:.1f} %)" in page.opening
    bounds = [f"{100 * difference['paired'][bound]:+.1f}".replace("-", "−") for bound in ("low", "high")]
    assert f"95 % interval: {' to '.join(bounds)}" in page.opening
    assert f"p = {difference['holm_p_value']:.2g}" in page.opening


def test_its_title_is_its_folder_and_its_run_names_the_preset(finished_run, page):
    assert page.title == f"Simulation: {finished_run.name}"
    assert "protocol quick, seed 0" in page.opening
    assert read_run(finished_run).name == "quick"
    assert json.loads((finished_run / "run.json").read_text())["made"]["protocol_name"] == "quick"


def test_a_page_is_about_the_network_then_a_program_then_a_policy_and_last_a_ceiling(finished_run):
    choices = [
        PlannerChoice("oracle"), PlannerChoice("antipodal"), PlannerChoice("planner x", command="x"),
        PlannerChoice("cross_entropy", model="parallel_jaw"),
    ]  # fmt: skip
    for choice in reversed(choices):
        assert in_question(replace(read_run(finished_run), planners=tuple(choices))) == choice
        choices.pop()


def test_a_difference_is_told_from_the_side_of_the_planner_that_the_page_is_about(finished_run):
    def told(rival_wins: int, own_wins: int) -> str:
        outcomes = [("success", "missed")] * rival_wins + [("missed", "success")] * own_wins
        records = tuple(
            EpisodeRecord(k, (f"thing {k}",), results={
                "antipodal": EpisodeResult((Attempt(rival),)), "cross_entropy": EpisodeResult((Attempt(own),)),
            })
            for k, (rival, own) in enumerate(outcomes)
        )  # fmt: skip
        choices = (PlannerChoice("antipodal"), PlannerChoice("cross_entropy", model="out/my_net"))
        run = replace(read_run(finished_run), planners=choices, records=records)
        return "".join(opening_blocks(run))

    # Exact McNemar: ten to nothing has p = 2 / 2^10.
    assert "cross_entropy is 100.0 points ahead of antipodal" in told(0, 10)
    assert "p = 0.002): that is more than chance would give" in told(0, 10)
    assert "cross_entropy with the network my_net lifted 10 of 10 objects" in told(0, 10)
    assert "None of its attempts failed." in told(0, 10)
    assert "cross_entropy is 100.0 points behind antipodal" in told(10, 0)
    assert "cross_entropy is 20.0 points ahead of antipodal" in told(4, 6)
    assert "these 10 trials do not tell the two apart" in told(4, 6)
    assert "cross_entropy is level with antipodal" in told(5, 5)
    assert "most often ended as “missed” (the jaws closed on nothing): 5 times." in told(5, 5)


def test_films_are_of_the_planner_that_the_page_is_about_and_pictures_begin_with_it(finished_run):
    run = read_run(finished_run)
    picks, replay = picks_of(run), Replays(run)
    for planner in ("antipodal", "principal_axis"):
        assert all(planner in alt for alt in _Page("".join(film_blocks(picks, replay, planner))).alts)
        assert planner in _Page("".join(gallery_blocks(picks, replay, planner))).alts[0]


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
        assert row[4].startswith(f"{result.cleared / len(records[0].objects):.1%} [")
        assert row[5].startswith(f"{float(result.cleared == len(records[0].objects)):.1%} [")
    assert ["rounds", "1, of which 0 could not start"] in page.rows
    assert "Gallery" in page.headings


def test_variants_have_a_page_that_says_what_each_costs(tmp_path):
    def record(index: int, **outcomes: Outcome) -> EpisodeRecord:
        results = {planner: EpisodeResult((Attempt(outcome),)) for planner, outcome in outcomes.items()}
        return EpisodeRecord(index, (f"thing {index}",), results=results)

    base = [record(k, a="success", b="missed") for k in range(4)]
    noisy = [record(k, a="success" if k else "missed", b="missed") for k in range(4)]
    write_effects_report(tmp_path / "r.html", "configs/mine.yaml", effects({BASE: base, "noise <x2>": noisy}))
    page = _Page((tmp_path / "r.html").read_text())
    assert [row[:4] for row in page.rows[1:]] == [
        ["a", "noise <x2>", "4", "75.0% [30.1, 95.4]"],  # Wilson's interval of 3 in 4
        ["b", "noise <x2>", "4", "0.0% [0.0, 49.0]"],
    ]
    assert page.rows[1][4].startswith("−25.0 [")
    assert page.rows[2][4].startswith("+0.0 [")
    assert len(page.alts) == 1
    assert page.title == f"Simulation: {tmp_path.name}"
    assert "Of the 1 variant of the protocol mine, 0 cost a lifts" in page.opening
    assert "noise <x2>: −25.0 points" in page.opening
    assert "None made it lift less." in page.opening  # of b
