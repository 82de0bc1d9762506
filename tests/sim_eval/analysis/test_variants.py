"""Variants: the same trials but for what a variant names; differences that can be counted by hand."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from graspnet.cli import main
from graspnet.config import load_config, parse_config
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper
from graspnet.run.engines import Engine
from graspnet.sim_eval.analysis.variants import effects, format_effects
from graspnet.sim_eval.episodes.draw import draw_episode
from graspnet.sim_eval.episodes.episode import Episode
from graspnet.sim_eval.episodes.records import Attempt, EpisodeRecord, EpisodeResult
from graspnet.sim_eval.episodes.run import run_protocol
from graspnet.sim_eval.planners.choice import PlannerChoice
from graspnet.sim_eval.protocols.protocol import BASE, ProtocolConfig

KIT = Path("../shared/data/meshes/kit")
FAST = [PlannerChoice("principal_axis")]
ROBUSTNESS = load_config(ProtocolConfig, "simulate", "robustness").runs()
HANDS = load_config(ProtocolConfig, "simulate", "hands").runs()


class _InThisProcess(Engine):
    def run(self, work: Callable, units: Sequence) -> Iterator:
        yield from map(work, units)


@pytest.fixture(scope="module")
def renderer():
    with RaycastRenderer() as renderer:
        yield renderer


@pytest.fixture(scope="module")
def base(renderer) -> list[Episode]:
    return [draw_episode(ROBUSTNESS[BASE], 0, index, renderer) for index in range(2)]


@pytest.mark.parametrize("name", ROBUSTNESS)
def test_a_variant_changes_its_factor_and_nothing_else_of_a_trial(name, base, renderer):
    for one in base:
        other = draw_episode(ROBUSTNESS[name], 0, one.index, renderer)
        assert other.names == one.names
        np.testing.assert_array_equal(other.solids[0].mesh.vertices, one.solids[0].mesh.vertices)
        np.testing.assert_array_equal(other.world_from_camera, one.world_from_camera)
        np.testing.assert_allclose(other.world_from_seen_objects, one.world_from_seen_objects, atol=2e-4)  # settled
        factor, _, value = name.partition("_")
        friction = float(value) - 0.5 if factor == "friction" else 0.0
        assert other.friction == pytest.approx(one.friction + friction)
        mass = float(value[1:]) if factor == "mass" else 1.0
        assert other.world.masses[0] == pytest.approx(min(mass * one.world.masses[0], 1.0))
        error, stated = (
            np.linalg.norm((t.world_from_believed_camera - t.world_from_camera)[:3, 3]) for t in (other, one)
        )
        calibration = float(value[1:]) if factor == "calibration" else 1.0
        assert error == pytest.approx(calibration * stated)
        same = np.array_equal(other.observation.depth, one.observation.depth, equal_nan=True)
        assert same == (factor not in ("noise", "sensor", "depth", "mass", "friction")) or factor in (
            "mass",
            "friction",
        )


def test_a_shifted_object_lies_elsewhere_on_the_table_than_the_camera_saw(renderer):
    shifted = [draw_episode(ROBUSTNESS["shifted_10mm"], 0, index, renderer) for index in range(2)]
    for trial in shifted:
        seen, now = trial.situation.scene.world_from_object[0], trial.world_from_objects[0]
        np.testing.assert_array_equal(now[:3, :3], seen[:3, :3])
        assert np.linalg.norm((now - seen)[:2, 3]) == pytest.approx(0.01)
        assert now[2, 3] == seen[2, 3]
    first, second = ((t.world_from_objects - t.world_from_seen_objects)[0, :2, 3] for t in shifted)
    assert not np.allclose(first, second)  # each to a side of its own


def test_a_turned_object_is_turned_about_the_vertical_through_its_centre(renderer):
    trial = draw_episode(ROBUSTNESS["turned_10deg"], 0, 0, renderer)
    np.testing.assert_array_equal(trial.world_from_objects[0, :3, 3], trial.world_from_seen_objects[0, :3, 3])
    turn = trial.world_from_objects[0, :3, :3] @ trial.world_from_seen_objects[0, :3, :3].T
    np.testing.assert_allclose(turn[2], [0, 0, 1], atol=1e-12)
    assert np.arccos(turn[0, 0]) == pytest.approx(np.deg2rad(10))


def test_a_depth_scale_multiplies_every_measured_depth(base, renderer):
    trial = draw_episode(ROBUSTNESS["depth_scale_1.03"], 0, 0, renderer)
    np.testing.assert_allclose(trial.observation.depth, 1.03 * base[0].observation.depth, rtol=1e-6)


def test_hands_meet_the_same_shapes_and_frictions_in_sizes_that_follow_their_openings(renderer):
    for index in range(2):
        one = draw_episode(HANDS[BASE], 0, index, renderer)
        for name, variant in HANDS.items():
            other = draw_episode(variant, 0, index, renderer)
            scale = load_gripper(variant.gripper).max_width / one.gripper.max_width
            np.testing.assert_allclose(
                other.solids[0].mesh.vertices, scale * one.solids[0].mesh.vertices, rtol=1e-9, err_msg=name
            )
            assert other.friction == one.friction
            distance = np.linalg.norm(other.world_from_camera[:3, 3])
            assert distance == pytest.approx(variant.view.distance[0])
    assert len({variant.gripper for variant in HANDS.values()}) == 4
    assert {variant.view.distance[0] for variant in HANDS.values()} == {0.4, 0.7, 1.0}


def test_a_frozen_set_follows_the_hand_and_starts_again_after_its_end(renderer):
    config = load_config(ProtocolConfig, "simulate", "hard", ["gripper=panda"])
    yumi = load_config(ProtocolConfig, "simulate", "hard")
    one, larger, again = (draw_episode(c, 0, index, renderer) for c, index in ((yumi, 1), (config, 1), (yumi, 251)))
    np.testing.assert_allclose(larger.solids[0].mesh.vertices, 1.6 * one.solids[0].mesh.vertices, rtol=1e-9)
    np.testing.assert_array_equal(again.solids[0].mesh.vertices, one.solids[0].mesh.vertices)
    assert again.friction != one.friction
    assert not np.array_equal(again.world_from_camera, one.world_from_camera)


@pytest.mark.parametrize("name", ["hard", "hard_shape"])
def test_ten_trials_of_a_frozen_set(name):
    config = load_config(ProtocolConfig, "simulate", name, ["episodes=10"])
    records = list(run_protocol(config, FAST, 0, _InThisProcess()))
    assert len({record.objects for record in records if not record.problem}) == 10


@pytest.mark.slow  # collision geometry of scanned objects is computed, seconds each
@pytest.mark.skipif(not KIT.is_dir(), reason="KIT's meshes are not here")
def test_ten_trials_of_kit_in_the_scale_that_it_has():
    overrides = ["episodes=10", f"objects.folders=[{KIT}]", "objects.count=0"]
    records = list(run_protocol(load_config(ProtocolConfig, "simulate", "kit", overrides), FAST, 0, _InThisProcess()))
    assert sum(record.results["principal_axis"].cleared for record in records) >= 7  # they were made for this hand
    assert all(0.02 < np.median(record.sizes) < 0.08 for record in records)


def _record(index: int, outcome: str) -> EpisodeRecord:
    return EpisodeRecord(index, (f"thing_{index % 3}",), results={"a": EpisodeResult((Attempt(outcome),))})


def test_an_effect_is_counted_on_the_trials_that_both_started():
    runs = {
        BASE: [
            *(_record(k, "success") for k in range(6)),
            EpisodeRecord(6, problem="out of view"),
            _record(7, "missed"),
        ],
        "worse": [_record(k, "missed" if k < 4 else "success") for k in range(7)],
        "none": [EpisodeRecord(k, problem="x") for k in range(7)],
    }
    (effect,) = effects(runs)
    assert (effect.planner, effect.variant, effect.trials, effect.successes) == ("a", "worse", 6, 2)
    assert effect.paired.difference == pytest.approx(-4 / 6)
    assert (effect.paired.only_first, effect.paired.only_second) == (0, 4)
    assert effect.holm_p_value == pytest.approx(2 * 0.5**4)
    assert "worse" in format_effects([effect])
    assert effects({BASE: [EpisodeRecord(0, problem="x")], "worse": []}) == []


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ({"heavy": ["densty=[1, 2]"]}, "did you mean 'density'"),
        ({"a/b": ["sensor=ideal"]}, "it names a folder"),
        ({"base": ["sensor=ideal"]}, "not 'base'"),
        ({"less": ["sensor_noise=-1"]}, "must not be negative"),
    ],
)
def test_a_variant_that_cannot_be_is_refused_before_the_first_trial(variants, message):
    with pytest.raises(InputError, match=message):
        parse_config(ProtocolConfig, {"variants": variants}, "mine.yaml")


def test_a_frozen_set_and_folders_of_meshes_exclude_each_other():
    with pytest.raises(InputError, match="give no folders"):
        load_config(ProtocolConfig, "simulate", "hard", ["objects.folders=[meshes]", "objects.count=0"])


def test_the_command_runs_each_variant_in_a_folder_of_its_own_and_says_what_it_costs(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "base: quick\nepisodes: 2\nobjects: {families: [box], count: 2, graspable_width: [0.4, 0.6]}\n"
        "variants: {far_off: [task.shift=0.2]}\n"
    )
    out = tmp_path / "out"
    arguments = [
        "simulate",
        "--config",
        str(tmp_path / "mine.yaml"),
        "--workers",
        "1",
        "--no-report",
        "--output",
        str(out),
    ]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    (effect,) = json.loads((out / "effects.json").read_text())
    assert (effect["variant"], effect["planner"], effect["successes"]) == ("far_off", "principal_axis", 0)
    for name in ("base", "far_off"):
        assert len(json.loads((out / name / "results.json").read_text())["episodes"]) == 2
    again = CliRunner().invoke(main, [*arguments, "--resume"])
    assert again.exit_code == 0, again.output
    assert (effect["paired"]["difference"]) == json.loads((out / "effects.json").read_text())[0]["paired"]["difference"]
