"""A screen of two variants on a dataset of bars; and what a comparison says of outcomes that are made up."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from graspnet.config import load_config, preset_names
from graspnet.data_gen.objects.object_source import object_names
from graspnet.dataset import Dataset
from graspnet.dataset.physics_labels import PhysicsHeader
from graspnet.errors import InputError
from graspnet.models.checkpoint import load_checkpoint
from graspnet.run.engines import Engine
from graspnet.sim_eval.protocols.protocol import BASE, ProtocolConfig
from graspnet.sim_eval.studies.screen.comparison import LIFTED, compare
from graspnet.sim_eval.studies.screen.data import limited
from graspnet.sim_eval.studies.screen.forecast import forecast
from graspnet.sim_eval.studies.screen.matrix import ScreenConfig
from graspnet.sim_eval.studies.screen.outcome import FIGURES, Outcome, Screen, Trial, Unit, units_of
from graspnet.sim_eval.studies.screen.page import markdown_table
from graspnet.sim_eval.studies.training_screen import main, prepare, run_screen
from tests.graspnet.training.conftest import write_bars

TINY = ScreenConfig(
    train="demo", examples=96, seen=200, seeds=2, validation=60, trials=1, policy="principal_axis",
    variants={"flips": ("train.flip_average=true",), "focal": ("train.loss.focus=2",)},
)  # fmt: skip


class Here(Engine):
    """Works in this process, and stops after so many units, as a killed run would."""

    workers = 1

    def __init__(self, stop_after: int = 1000) -> None:
        self.stop_after, self.units = stop_after, list[Unit]()

    def run(self, work: Callable[[Any], Any], units: Sequence[Any]) -> Iterator[Any]:
        """See Engine."""
        for unit in units:
            if len(self.units) == self.stop_after:
                raise KeyboardInterrupt
            self.units.append(unit)
            yield work(unit)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    return write_bars(tmp_path_factory.mktemp("screen") / "bars", train=6, validation=3)


@pytest.fixture(scope="module")
def finished(dataset, tmp_path_factory) -> tuple[Screen, Here]:
    """A screen that was stopped after three units, and gone on with."""
    output = tmp_path_factory.mktemp("screen") / "out"
    screen = prepare(TINY, [str(dataset.folder)], output, Here(), resume=False)
    with pytest.raises(KeyboardInterrupt):
        run_screen(screen, Here(stop_after=3))
    rest = Here()
    run_screen(prepare(TINY, [str(dataset.folder)], output, rest, resume=True), rest)
    return screen, rest


def test_a_stopped_screen_goes_on_with_what_is_left(finished):
    screen, rest = finished
    assert [(unit.seed, [v.name for v in unit.variants]) for unit in rest.units] == [(1, ["focal"])]
    assert len(list(screen.output.glob("*/seed_*/outcome.json"))) == 6


def test_every_seed_of_every_variant_comes_in_rounds_and_weights_are_shared():
    units = [(unit.seed, [variant.name for variant in unit.variants]) for unit in units_of(TINY)]
    assert units == [(0, [BASE, "flips"]), (0, ["focal"]), (1, [BASE, "flips"]), (1, ["focal"])]


def test_a_variant_that_averages_over_mirror_images_has_the_bases_weights(finished):
    screen, _ = finished
    base, flips = (load_checkpoint(screen.output / name) for name in ("base/seed_0/model", "flips/seed_0/averaging"))
    assert (base.flip_average, flips.flip_average) == (False, True)
    assert all((a == b).all() for a, b in zip(base.network.parameters(), flips.network.parameters(), strict=True))


def test_a_training_gets_the_objects_of_its_budget_and_none_that_is_judged(dataset):
    header = dataset.header
    small, large = (limited([dataset], examples, 40, without=["bar_00"])[0].header.splits for examples in (50, 100))
    assert len(small["train"]) == 2  # 32 grasps each
    assert len(large["train"]) == 4
    assert set(small["train"]) < set(large["train"]) < set(header.splits["train"]) - {"bar_00"}
    assert len(small["validation"]) == 2
    with pytest.raises(InputError, match="no object is left to train on that is not judged"):
        limited([dataset], 50, 40, without=header.splits["train"])


def test_a_part_of_a_dataset_keeps_its_physics_labels(dataset):
    """Without them a variant that learns outcomes learnt the analytic label instead, and nobody saw."""
    labelled = replace(dataset, physics=PhysicsHeader(seed=0, config={}, complete=True))
    (part,) = limited([labelled], 50, 40)
    assert part.physics is labelled.physics


def test_several_datasets_share_a_budget_in_proportion_to_their_size(dataset, tmp_path):
    """Nine objects and three, of 32 grasps each: 72 and 24 of 96 examples are three objects and one."""
    other = write_bars(tmp_path / "other", train=2, validation=1)
    first, second = limited([dataset, other], 96, 40, without=["bar_01"])
    assert [len(each.header.splits["train"]) for each in (first, second)] == [3, 1]
    assert second.header.splits["train"] == ["bar_00"]


def test_the_page_and_the_file_hold_every_variant(finished):
    screen, _ = finished
    rows = json.loads((screen.output / "results.json").read_text())["variants"]
    assert rows[0]["variant"] == BASE
    assert {row["variant"] for row in rows} == {BASE, "flips", "focal"}
    assert all(row["seeds"] == 2 and row["trials"] == 2 for row in rows)
    page = (screen.output / "report.html").read_text()
    assert "No variant is told apart from the base." in page
    assert "train.loss.focus=2" in page


def test_another_screen_does_not_go_on_in_the_same_folder(finished, dataset):
    screen, _ = finished
    with pytest.raises(InputError, match="holds a screen already; --resume goes on with it"):
        prepare(TINY, [str(dataset.folder)], screen.output, Here(), resume=False)
    with pytest.raises(InputError, match="was begun with another seen, base"):
        prepare(replace(TINY, seen=300), [str(dataset.folder)], screen.output, Here(), resume=True)
    changed = replace(TINY, variants={"focal": ("train.loss.focus=3",)})
    with pytest.raises(InputError, match="the variant 'focal' was trained otherwise then"):
        run_screen(prepare(changed, [str(dataset.folder)], screen.output, Here(), resume=True), Here())


def test_a_forecast_counts_what_is_left(finished, dataset, tmp_path, monkeypatch):
    screen, _ = finished
    monkeypatch.setattr("graspnet.sim_eval.studies.screen.forecast.SEEN", 128)
    monkeypatch.setattr("graspnet.sim_eval.studies.screen.forecast.TRIALS", 2)
    assert str(forecast(screen, units_of(TINY), workers=2)) == "nothing is left to do."
    fresh = prepare(TINY, [str(dataset.folder)], tmp_path / "fresh", Here(), resume=False)
    found = forecast(fresh, units_of(TINY), workers=2)
    assert (found.units, found.trainings, found.trials) == (4, 4, 6)
    (rate,) = found.rates.values()
    seconds = (4 * 200 + 6 * 60) / rate + 6 * found.trial_seconds
    assert found.hours == pytest.approx(seconds / 2 / 3600)
    assert "4 trainings and 6 trials" in str(found)


def test_a_training_that_fails_is_told_and_the_others_go_on(dataset, tmp_path):
    wild = replace(TINY, seeds=1, variants={"wild": ("train.optimiser.rate=1e30",)})
    screen = prepare(wild, [str(dataset.folder)], tmp_path / "out", Here(), resume=False)
    rows = run_screen(screen, Here())
    assert [row.variant for row in rows] == [BASE, "wild"]
    assert "lower optimiser.rate" in rows[1].problem
    assert "wild: " in markdown_table(rows)


@pytest.mark.slow
def test_the_command_plans_screens_and_prints_the_table(dataset, tmp_path):
    arguments = [
        "--config",
        "tiny",
        "--dataset",
        str(dataset.folder),
        "--workers",
        "1",
        "--output",
        str(tmp_path / "out"),
    ]
    small = ["examples=96", "seen=200", "validation=60", "trials=1"]
    done = CliRunner().invoke(main, [*arguments, *small])
    assert done.exit_code == 0, done.output
    assert "plan: 1 units are left: 1 trainings and 2 trials." in done.output
    assert "\n| flips | not told apart | 1 | 1 |" in done.output
    assert json.loads((tmp_path / "out" / "run.json").read_text())["command"] == "training_screen"
    again = CliRunner().invoke(main, [*arguments, *small, "--resume", "--plan"])
    assert "plan: nothing is left to do." in again.output


# The matrix


@pytest.mark.parametrize("name", preset_names("screen"))
def test_the_variants_of_a_preset_differ_from_each_other(name):
    variants = load_config(ScreenConfig, "screen", name).all_variants()
    assert len({(v.training, v.train.flip_average) for v in variants}) == len(variants)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.label.clearence_sigma=0.001", "variant 'new': .*clearence_sigma.*did you mean 'clearance_sigma'"),
        ("generate.candidates.antipodel=1", "variant 'new': .*antipodel.*did you mean 'antipodal'"),
        ("label.soft=false", "variant 'new': override 'label.soft=false' begins with neither train. nor generate."),
        ("examples=many", "nor is examples=N"),
    ],
)
def test_an_override_of_nothing_is_refused_before_anything_is_trained(override, message):
    with pytest.raises(InputError, match=message):
        replace(TINY, variants={"new": (override,)})


def test_a_screen_pairs_trials():
    with pytest.raises(InputError, match="protocol is 'bin'; a screen pairs trials"):
        replace(TINY, protocol="bin")


def test_tuning_objects_are_shapes_of_a_seed_that_no_other_protocol_has():
    seeds = {name: load_config(ProtocolConfig, "simulate", name).shape_seed for name in preset_names("simulate")}
    assert [name for name, seed in seeds.items() if seed == seeds["tuning"]] == ["tuning"]
    tuning, single = (load_config(ProtocolConfig, "simulate", name) for name in ("tuning", "single"))
    assert replace(tuning, shape_seed=single.shape_seed, episodes=single.episodes) == single
    assert len(object_names(tuning.objects)) == 112


# The comparison


def made_up(variant: str, seed: int, lifted: Sequence[bool], precision: float, noise: float = 0.0) -> Outcome:
    draws = precision + noise * np.random.default_rng(7).standard_normal(400)
    figures = {name: (precision, *map(float, draws)) for name in FIGURES}
    trials = tuple(
        Trial(index=k, object=f"object_{k}", lifted=bool(up), quality=0.9, seconds=0.5) for k, up in enumerate(lifted)
    )
    return Outcome(variant=variant, seed=seed, training="", examples=100, figures=figures, trials=trials)


def test_lifts_gained_are_the_mean_over_seeds_of_paired_differences():
    before, after = np.arange(40) % 2 == 0, np.arange(40) % 4 != 3  # 20 and 30 of 40
    found = compare([
        made_up(BASE, 0, before, 0.8), made_up(BASE, 1, before, 0.8),
        made_up("better", 0, after, 0.8), made_up("better", 1, before, 0.8),
    ])  # fmt: skip
    row = found[1]
    assert found[0].variant == BASE
    assert row.gains[LIFTED].value == pytest.approx((0.25 + 0.0) / 2)
    assert (row.pairs.only_first, row.pairs.only_second, row.pairs.trials) == (10, 0, 80)
    assert row.pairs.p_value == pytest.approx(stats.binomtest(10, 10).pvalue)
    assert row.overconfidence == pytest.approx(0.9 - 50 / 80)
    wilson = stats.binomtest(25, 40).proportion_ci(method="wilson")
    assert (row.figures[LIFTED].low, row.figures[LIFTED].high) == pytest.approx((wilson.low, wilson.high))


def test_the_interval_of_one_seed_is_that_of_a_mean_over_objects():
    gain = np.array([1] * 12 + [0] * 88)
    found = compare([made_up(BASE, 0, np.zeros(100), 0.8), made_up("better", 0, gain, 0.8)])
    lifts = found[1].gains[LIFTED]
    deviation = np.std(gain) / 10
    assert lifts.high - lifts.value == pytest.approx(1.96 * deviation, rel=0.05)  # 2,000 draws
    assert lifts.value - lifts.low == pytest.approx(lifts.high - lifts.value)
    assert found[1].verdict == "lifts more"


def test_seeds_that_fall_apart_widen_the_interval():
    """Two variants, differences 0.02 ± 0.01 and 0 ± 0.01 over two seeds: a pooled variance of 2e-4 a seed."""
    precisions = {"one": (0.83, 0.81), "other": (0.79, 0.81)}
    rows = compare(
        [made_up(BASE, seed, np.ones(4), 0.8) for seed in (0, 1)]
        + [made_up(name, seed, np.ones(4), p) for name, both in precisions.items() for seed, p in enumerate(both)]
    )
    gain = {row.variant: row.gains["average_precision"] for row in rows if row.gains}
    assert gain["one"].value == pytest.approx(0.02)
    for each in gain.values():
        assert each.high - each.value == pytest.approx(1.96 * np.sqrt(2e-4 / 2), rel=1e-6)


def test_lifts_decide_before_average_precision_and_both_before_nothing():
    many = np.arange(200) % 2 == 0
    rows = compare([
        made_up(BASE, 0, many, 0.80),
        made_up("ranks", 0, many, 0.90, noise=0.001),
        made_up("lifts", 0, np.ones(200), 0.70, noise=0.001),
        made_up("same", 0, many, 0.80, noise=0.01),
        made_up("broken", 0, np.zeros(200), 0.99, noise=0.001),
    ])  # fmt: skip
    verdicts = [(row.variant, row.verdict) for row in rows]
    assert verdicts == [
        (BASE, "the base"), ("lifts", "lifts more"), ("ranks", "ranks better"), ("same", "not told apart"),
        ("broken", "lifts less"),
    ]  # fmt: skip


def test_a_variant_without_a_seed_in_common_with_the_base_has_nothing_to_compare():
    rows = compare([made_up(BASE, 0, np.ones(3), 0.8), made_up("late", 1, np.ones(3), 0.9)])
    assert rows[1].verdict == "nothing to compare"
    assert not rows[1].gains
    assert rows[1].pairs is None


def test_where_no_trial_differs_there_is_a_difference_without_an_interval():
    """A mean of nothing but zeros has no variance; the pairs beside it say how little three trials mean."""
    rows = compare([made_up(BASE, 0, np.ones(3), 0.8), made_up("same", 0, np.ones(3), 0.8)])
    lifts = rows[1].gains[LIFTED]
    assert (lifts.value, lifts.p_value) == (0.0, 1.0)
    assert np.isnan([lifts.low, lifts.high]).all()
    assert rows[1].pairs.high > 0.5
    assert "| +0.0 | +0 −0, +0.0 [−" in markdown_table(rows)
