"""Facts about calibration by picks: the map is logistic regression, no object judges itself, and the model obeys it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from graspnet.cli import main
from graspnet.errors import InputError
from graspnet.models import NETWORKS
from graspnet.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, weights_checksum
from graspnet.sim_eval.analysis.finished_run import FinishedRun
from graspnet.sim_eval.analysis.results import results_as_json
from graspnet.sim_eval.analysis.statistics import wilson_interval
from graspnet.sim_eval.episodes.records import Attempt, EpisodeRecord, EpisodeResult
from graspnet.sim_eval.evaluation.calibration import (
    LogOddsMap,
    Picks,
    calibrated,
    calibration_error,
    cross_fitted,
    curve,
    fit_map,
    picks_of,
)
from graspnet.sim_eval.planners.choice import PlannerChoice
from graspnet.sim_eval.protocols.protocol import ProtocolConfig

TRUTH = LogOddsMap(0.6, -0.7)  # a planner that is too sure of itself
POSE = tuple(map(tuple, np.eye(4).tolist()))


def made_up_picks(count: int, rng: np.random.Generator, objects: int = 20) -> Picks:
    quality = rng.uniform(0.3, 0.999, count)
    return Picks(quality, rng.random(count) < TRUTH(quality), tuple(f"object_{k % objects}" for k in range(count)))


def test_many_picks_give_the_map_of_logistic_regression():
    picks = made_up_picks(20_000, np.random.default_rng(0))
    found = fit_map(picks)
    theirs = LogisticRegression(C=np.inf).fit(logit(picks.quality)[:, None], picks.lifted)
    assert found.scale == pytest.approx(theirs.coef_[0, 0], rel=0.01)  # the prior weighs as much as a few picks
    assert found.shift == pytest.approx(theirs.intercept_[0], abs=0.01)


def test_picks_that_quality_foretells_change_it_little_and_few_picks_hardly():
    rng = np.random.default_rng(1)
    quality = rng.uniform(0.05, 0.95, 5000)
    found = fit_map(Picks(quality, rng.random(5000) < quality, ("a",) * 5000))
    np.testing.assert_allclose(found(quality), quality, atol=0.03)
    few = fit_map(Picks(np.full(30, 0.9), np.arange(30) < 29, ("a",) * 30))
    assert abs(few(np.array([0.9])).item() - 0.95) < 0.05


def test_a_map_keeps_the_order_of_grasps_and_halves_the_error_of_picks_to_come():
    rng = np.random.default_rng(2)
    picks = made_up_picks(1000, rng)
    found = fit_map(picks)
    assert (np.diff(found(np.linspace(0.01, 0.99, 99))) > 0).all()
    later = made_up_picks(4000, rng)
    before, after = (calibration_error(q, later.lifted) for q in (later.quality, found(later.quality)))
    assert after < before / 2


def test_no_object_has_a_say_in_the_map_of_its_own_picks():
    picks = made_up_picks(300, np.random.default_rng(3), objects=6)
    own = np.array([name == "object_2" for name in picks.object])
    turned = Picks(picks.quality, picks.lifted ^ own, picks.object)
    one, other = (cross_fitted(of, np.random.default_rng(0)) for of in (picks, turned))
    np.testing.assert_array_equal(one[own], other[own])
    assert not np.array_equal(one[~own], other[~own])


def test_a_curve_counts_every_pick_once_with_wilsons_interval():
    quality = np.array([0.05, 0.83, 0.88, 1.0])
    points = curve(quality, np.array([False, True, False, True]))
    assert [(point.low, point.picks, point.lifted) for point in points] == [(0.0, 1, 0), (0.8, 2, 1), (0.9, 1, 1)]
    assert (points[1].share_low, points[1].share_high) == wilson_interval(1, 2)
    assert calibration_error(quality, np.array([False, True, False, True])) == pytest.approx(
        (0.05 + 2 * (0.855 - 0.5) + 0.0) / 4
    )


def test_the_calibrated_checkpoint_says_what_the_map_says_of_the_old_one():
    network = NETWORKS["compact"](torch.Generator().manual_seed(0))
    old = Checkpoint(network, "compact", "yumi", "robust_pad_closure", 0.5, 1.3, bias=-0.2)
    logits = torch.randn(50, 2, generator=torch.Generator().manual_seed(1))
    new = calibrated(old, TRUTH, [])
    odds = (logits[:, 1] - logits[:, 0]).double().numpy() / 1.3 - 0.2
    np.testing.assert_allclose(old.quality(logits).numpy(), expit(odds), atol=1e-6)  # 32 bits
    np.testing.assert_allclose(new.quality(logits).numpy(), expit(0.6 * odds - 0.7), atol=1e-6)


@pytest.mark.parametrize(("count", "lifted", "message"), [(29, 10, "at least 30"), (50, 50, "some did not")])
def test_picks_that_say_nothing_are_refused(count, lifted, message):
    with pytest.raises(InputError, match=message):
        fit_map(Picks(np.full(count, 0.9), np.arange(count) < lifted, ("a",) * count))


def run_of(picks: Picks, weights: str | None = None) -> FinishedRun:
    records = tuple(
        EpisodeRecord(
            k, (name,), ((0.1, 0.1, 0.1),), (0.1,), 0.5,
            results={"cross_entropy": EpisodeResult(
                (Attempt("success" if up else "missed", quality=q, world_from_grasp=POSE),), "failures"
            )},
        )
        for k, (q, up, name) in enumerate(zip(picks.quality.tolist(), picks.lifted.tolist(), picks.object, strict=True))
    )  # fmt: skip
    return FinishedRun(ProtocolConfig(), (PlannerChoice("cross_entropy", weights=weights),), 0, records, "tuning")


def test_only_executed_plans_of_the_planner_count():
    picks = made_up_picks(40, np.random.default_rng(4))
    found = picks_of(run_of(picks), "cross_entropy")
    np.testing.assert_array_equal(found.quality, picks.quality)
    np.testing.assert_array_equal(found.lifted, picks.lifted)
    with pytest.raises(InputError, match="no planner 'ranking' took part in the run; it has cross_entropy"):
        picks_of(run_of(picks), "ranking")
    nothing = EpisodeRecord(0, ("a",), results={"cross_entropy": EpisodeResult((Attempt("no_plan"),))})
    with pytest.raises(InputError, match="executed no plan"):
        picks_of(FinishedRun(ProtocolConfig(), (PlannerChoice("cross_entropy"),), 0, (nothing,)), "cross_entropy")


def write(run: FinishedRun, folder: Path) -> Path:
    folder.mkdir()
    results = results_as_json(run.config, run.name, run.planners, run.seed, run.records)
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def test_the_command_writes_the_same_network_with_other_qualities(tmp_path):
    network = NETWORKS["compact"](torch.Generator().manual_seed(0))
    save_checkpoint(Checkpoint(network, "compact", "yumi", "robust_pad_closure", 0.5, 1.3), tmp_path / "old")
    weights = weights_checksum(tmp_path / "old")
    picks = made_up_picks(400, np.random.default_rng(5))
    folder = write(run_of(picks, weights), tmp_path / "run")
    command = ["calibrate", str(folder), "--model", str(tmp_path / "old"), "--output", str(tmp_path / "new")]
    said = CliRunner().invoke(main, command, catch_exceptions=False)
    assert said.exit_code == 0
    assert "tuning, before: 400 picks, calibration error" in said.output
    new, found = load_checkpoint(tmp_path / "new"), fit_map(picks)
    assert weights_checksum(tmp_path / "new") == weights
    assert (new.temperature, new.bias) == pytest.approx((1.3 / found.scale, found.shift))
    assert {entry["stage"] for entry in new.details["calibration"]} == {"before", "after"}


def test_a_run_of_another_network_is_refused(tmp_path):
    network = NETWORKS["compact"](torch.Generator().manual_seed(0))
    save_checkpoint(Checkpoint(network, "compact", "yumi", "robust_pad_closure", 0.5), tmp_path / "old")
    folder = write(run_of(made_up_picks(40, np.random.default_rng(6)), "ab" * 32), tmp_path / "run")
    command = ["calibrate", str(folder), "--model", str(tmp_path / "old"), "--output", str(tmp_path / "new")]
    said = CliRunner().invoke(main, command)
    assert said.exit_code == 2
    assert "its cross_entropy ranked by other weights" in said.output
    assert not (tmp_path / "new").exists()
