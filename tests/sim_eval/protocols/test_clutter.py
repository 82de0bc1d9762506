"""Rounds in clutter: when they end, what counts, and that they are the same for everyone."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import mujoco
import numpy as np
import pytest
import trimesh
from click.testing import CliRunner

from data_gen.objects.object_source import ObjectConfig
from data_gen.physics.heaps import HeapConfig
from data_gen.physics.outcome import Outcome, PickResult
from data_gen.physics.pick import ClutterWorld
from data_gen.scenes.rendering import RaycastRenderer
from data_gen.scenes.scenes import Bin, Scene, SceneConfig
from graspnet.cli import main
from graspnet.config import load_config
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.plan import GraspPlan
from graspnet.run.engines import Engine, LocalEngine
from graspnet.transforms import frame_from_axes, invert, rigid
from policies.registry import make_policy
from sim_eval.analysis.clutter_results import compare_rounds, format_rounds, passed_over, summarise_rounds
from sim_eval.analysis.records import as_json, from_json
from sim_eval.analysis.statistics import wilson_interval
from sim_eval.planners.ceilings import Oracle
from sim_eval.planners.choice import PlannerChoice
from sim_eval.planners.planner import Planner, Situation
from sim_eval.planners.policy_planner import PolicyPlanner
from sim_eval.protocols.clutter import Attempt, RoundRecord, RoundResult, record_round, run_round
from sim_eval.protocols.clutter_scenes import ClutterConfig, ClutterScene, draw_clutter, situation_of
from sim_eval.protocols.fused_views import FusionConfig, fused_depth
from sim_eval.protocols.protocol import ProtocolConfig, run_protocol
from sim_eval.protocols.trial import TrialConfig, TrialResult

TRIAL = TrialConfig(
    gripper="panda",
    sensor="ideal",
    objects=ObjectConfig(count=3, families=("box",), scaling="smallest_side", smallest_side=0.03),
    scene=SceneConfig(camera="primesense", distance=(0.7, 0.7), polar=(0.0, 0.0), tilted_share=0.0),
)
PILE = ClutterConfig(objects=3)
ALONE = replace(PILE, objects=1)
RENDERER = RaycastRenderer()


@lru_cache(maxsize=8)
def _scene(config: ClutterConfig, index: int = 0) -> ClutterScene:
    return draw_clutter(TRIAL, config, 7, index)


class _Nothing(Planner):
    def plan(self, situation: Situation) -> GraspPlan:
        return GraspPlan(Grasps.none(), np.zeros(0), "none wanted")


class _Above(Planner):
    """Closes the hand in the air, 20 cm above the table."""

    def plan(self, situation: Situation) -> GraspPlan:
        rotation = frame_from_axes(np.array([0.0, 0.0, -1.0]), np.array([0.0, 1.0, 0.0]))
        grasp = Grasps(rigid(rotation, np.array([0.0, 0.0, 0.2]))[None], np.array([0.08]))
        in_camera = grasp.transformed(invert(situation.world_from_believed_camera))
        return GraspPlan(in_camera, np.ones(1))


def _run(planner: Planner, config: ClutterConfig, scene: ClutterScene | None = None) -> RoundResult:
    return run_round(scene or _scene(config), planner, TRIAL, config, RENDERER)


def _untimed(result: RoundResult) -> str:
    attempts = [replace(a, result=replace(a.result, seconds=0.0)) for a in result.attempts]
    return repr((attempts, result.ended))  # repr: NaN is not NaN


def test_a_box_alone_is_cleared():
    result = _run(PolicyPlanner(make_policy("principal_axis")), ALONE)
    assert (result.ended, result.cleared, result.executed, result.lost) == ("cleared", 1, 1, 0)
    assert result.attempts[0].held == _scene(ALONE).names[0]


def test_a_planner_without_a_grasp_ends_the_round_and_has_made_no_attempt():
    result = _run(_Nothing(), PILE)
    assert (result.ended, result.executed, len(result.attempts)) == ("no_plan", 0, 1)


def test_in_a_bin_a_planner_without_a_grasp_is_asked_again():
    result = _run(_Nothing(), replace(PILE, ends_without_plan=False, failures=5))
    assert (result.ended, result.executed, len(result.attempts)) == ("failures", 0, 5)


def test_two_failures_in_a_row_end_the_round_and_a_miss_moves_nothing():
    result = _run(_Above(), PILE)
    assert [attempt.result.outcome for attempt in result.attempts] == ["missed", "missed"]
    assert (result.ended, result.executed, result.cleared) == ("failures", 2, 0)
    np.testing.assert_allclose(_scene(PILE).world.world_from_objects, _scene(PILE).world_from_objects, atol=1e-3)


def test_what_leaves_the_workspace_is_lost_neither_cleared_nor_there():
    """A box 14 cm from the middle: within a cube of 30 cm, without one of 27 cm."""
    moved = _scene(ALONE).world_from_objects.copy()
    moved[:, 0, 3] = 0.14
    scene = replace(_scene(ALONE), world_from_objects=moved)
    assert _run(_Above(), ALONE, scene).lost == 0
    tight = replace(scene, side=0.27)  # the mask still shows the half of the box that is within
    result = _run(_Above(), ALONE, tight)
    assert (result.ended, result.cleared, result.lost, len(result.attempts)) == ("cleared", 0, 1, 1)


def test_a_round_does_not_depend_on_who_played_before():
    antipodal = PolicyPlanner(make_policy("antipodal"))
    first = _run(antipodal, PILE)
    _run(_Above(), PILE)
    assert _untimed(_run(antipodal, PILE)) == _untimed(first)


class _Broken(Planner):
    def plan(self, situation: Situation) -> GraspPlan:
        raise IndexError("list index out of range")


def test_a_planner_that_raises_fails_its_attempts_and_not_the_round():
    result = _run(_Broken(), PILE)
    assert [attempt.result.outcome for attempt in result.attempts] == ["planner_failed", "planner_failed"]
    assert result.attempts[0].result.reason == "IndexError: list index out of range"
    assert (result.ended, result.executed) == ("failures", 2)


def test_physics_that_gives_up_makes_a_round_that_could_not_be_judged(monkeypatch):
    def give_up(world: ClutterWorld, *arguments: object) -> PickResult:
        raise mujoco.FatalError("mj_stackAlloc: out of memory")

    monkeypatch.setattr(ClutterWorld, "attempt", give_up)
    record = record_round(TRIAL, PILE, 7, {"above": _Above()}, 0, RENDERER)
    assert record.problem == "FatalError: mj_stackAlloc: out of memory"
    assert record.results == {}


class _InThisProcess(Engine):
    def run(self, work: Callable, units: Sequence) -> Iterator:
        yield from map(work, reversed(units))  # any order


def test_rounds_do_not_depend_on_the_workers():
    protocol = ProtocolConfig(kind="clutter", trials=2, trial=TRIAL, clutter=PILE)
    choices = [PlannerChoice("antipodal")]

    def of(engine: Engine) -> list[tuple]:
        records = sorted(run_protocol(protocol, choices, 3, engine), key=lambda record: record.index)
        return [(r.index, r.objects, r.masses, r.friction, _untimed(r.results["antipodal"])) for r in records]

    assert of(_InThisProcess()) == of(LocalEngine(2))


def test_packed_objects_stand_upright_and_apart():
    scene = _scene(replace(PILE, kind="packed", objects=5))
    assert len(scene.names) >= 2
    assert len(scene.names) + scene.left_out == 5
    np.testing.assert_allclose(scene.world_from_objects[:, 2, 2], 1.0, atol=1e-3)
    assert not scene.world.touching(scene.world_from_objects)


def test_a_bin_keeps_its_walls_out_of_the_mask():
    scene = _scene(replace(PILE, kind="bin"))
    situation = situation_of(scene, scene.world_from_objects, 0, TRIAL, None, RENDERER)
    assert situation is not None
    truth = Scene(scene.solids, scene.world_from_objects, bin=scene.bin)
    instance = RENDERER.render(truth, scene.camera, scene.world_from_camera).instance
    masked = situation.observation.object_mask
    assert np.mean(instance[masked] > 0) > 0.95
    assert np.mean(masked[instance > 0]) > 0.8  # the rims of objects are cut off


def test_the_oracle_knows_of_walls():
    """Between walls that rise above the box, 4 mm from it on every side, no finger finds room; without them it does."""
    scene = draw_clutter(TRIAL, ALONE, 7, 0)  # a round that was played takes its objects away
    situation = situation_of(scene, scene.world_from_objects, 0, TRIAL, None, RENDERER)
    assert situation is not None
    turned = rigid(np.eye(3), np.array([0.0, 0.0, -scene.solids[0].mesh.bounds[0, 2]]))[None]
    x, y, height = (float(side) for side in scene.solids[0].mesh.extents)
    tight = Scene(scene.solids, turned, bin=Bin(x + 0.008, y + 0.008, height + 0.02, 0.1))
    assert len(Oracle().plan(replace(situation, scene=tight))) == 0
    assert len(Oracle().plan(replace(situation, scene=replace(tight, bin=None)))) > 0


@pytest.fixture
def eight_boxes(tmp_path) -> Path:
    for k in range(8):
        trimesh.creation.box([0.02 + 0.002 * k, 0.03, 0.04]).export(tmp_path / f"box_{k}.stl")
    return tmp_path


def _rounds_of(folder: Path, rounds: int, objects: int) -> list[ClutterScene]:
    trial = replace(TRIAL, objects=ObjectConfig(folders=(str(folder),), count=0, scaling="as_is"))
    config = replace(PILE, kind="packed", objects=objects, places=40)
    return [draw_clutter(trial, config, 7, index) for index in range(rounds)]


def _sizes(scene: ClutterScene) -> dict[str, list[float]]:
    return {name: solid.mesh.extents.tolist() for name, solid in zip(scene.names, scene.solids, strict=True)}


def test_a_bad_mesh_costs_no_round_and_changes_no_other_objects_size(eight_boxes):
    before = _rounds_of(eight_boxes, 4, objects=3)
    sheet = trimesh.creation.box([0.02, 0.03, 0.04])
    sheet.update_faces(np.arange(12) < 6)
    bad = before[0].names[0]
    sheet.export(eight_boxes / bad)
    met = 0
    for good, now in zip(before, _rounds_of(eight_boxes, 4, objects=3), strict=True):
        drawn = bool(now.passed_over)
        met += drawn
        assert drawn or bad not in good.names
        assert set(now.passed_over) <= {bad}
        assert all(f"{bad}: the surface is open" in reason for reason in now.passed_over.values())
        assert len(set(now.names)) == len(now.names) == 3 - now.left_out
        sizes, others = _sizes(now), _sizes(good)
        common = sizes.keys() & others.keys()
        assert common
        assert all(sizes[name] == others[name] for name in common)
        if not drawn:
            assert now.names == good.names
            np.testing.assert_array_equal(now.world_from_objects, good.world_from_objects)
    assert 0 < met < 4


def test_the_good_ones_of_too_few_meshes_come_twice_and_none_at_all_is_the_rounds_problem(eight_boxes):
    for k in range(7):
        (eight_boxes / f"box_{k}.stl").write_text("solid nothing\nendsolid")
    (scene,) = _rounds_of(eight_boxes, 1, objects=2)
    assert set(scene.names) == {"box_7.stl"}
    (eight_boxes / "box_7.stl").write_text("")
    with pytest.raises(InputError, match=r"none of 8 objects can be used; .*box_\d.stl: "):
        _rounds_of(eight_boxes, 1, objects=2)


def test_a_depth_scale_and_a_noisier_sensor_are_what_planners_see():
    def depth(**changes: object) -> np.ndarray:
        trial = replace(TRIAL, sensor="structured_light", **changes)
        scene = draw_clutter(trial, ALONE, 7, 0)
        situation = situation_of(scene, scene.world_from_objects, 0, trial, None, RENDERER)
        assert situation is not None
        return situation.observation.depth

    once, without = depth(), depth(sensor_noise=0.0)
    np.testing.assert_array_equal(depth(depth_scale=1.03), once * np.float32(1.03))
    twice = depth(sensor_noise=2.0)
    seen = np.isfinite(once) & np.isfinite(twice) & np.isfinite(without)
    assert np.std((twice - without)[seen]) > 1.5 * np.std((once - without)[seen]) > 0


def test_fused_views_agree_with_a_clean_look_from_above_within_a_voxel():
    scene, fusion = _scene(PILE), FusionConfig(resolution=100)
    truth = Scene(scene.solids, scene.world_from_objects)
    fused = fused_depth(truth, 0.3, scene.camera, scene.world_from_camera, RENDERER, fusion)
    clean = RENDERER.render(truth, scene.camera, scene.world_from_camera)
    seen = np.isfinite(fused)
    points = scene.camera.deproject_image(clean.depth) @ scene.world_from_camera[:3, :3].T
    points += scene.world_from_camera[:3, 3]
    within = (np.abs(points[..., :2]) < 0.14).all(axis=-1)
    assert np.mean(seen[within]) > 0.97
    off = np.abs(fused - clean.depth)[within & seen]
    assert np.mean(off < 0.3 / 100) > 0.95  # all but the objects' rims, which are a voxel wide
    assert np.isnan(fused[0, 0])  # outside of the cube


def _record(index: int, one: str, other: str = "s") -> RoundRecord:
    """A round of four objects: s a success (a first, then b, …), f a failure, l one that loses an object, n no plan."""
    outcome: dict[str, Outcome] = {"s": "success", "f": "missed", "l": "missed", "n": "no_plan"}

    def played(letters: str) -> RoundResult:
        attempts = []
        for i, x in enumerate(letters):
            result, objects, lost = TrialResult(outcome[x], 0.9 if x == "s" else 0.4, 0.5), 4 - i, int(x == "l")
            which = letters[:i].count("s") if x == "s" else -1
            attempts.append(Attempt(result, objects, "abcd"[which] if x == "s" else "", lost, which))
        return RoundResult(tuple(attempts), "no_plan" if "n" in letters else "failures")

    sizes = tuple((0.01 * k, 0.03, 0.1) for k in range(1, 5))
    results = {"one": played(one), "other": played(other)}
    return RoundRecord(index, ("a", "b", "c", "d"), sizes, (0.1,) * 4, 0.5, left_out=1, results=results)


def test_sums_of_rounds():
    records = [_record(0, "sslf"), _record(1, "sn"), RoundRecord(2, problem="no object")]
    one, other = summarise_rounds(records, motion_time=9.5)
    assert (one.rounds, one.attempts, one.successes, one.objects, one.lost) == (2, 5, 3, 8, 1)
    assert one.rate == pytest.approx(3 / 5)  # without the time that it found no grasp
    assert one.cleared == pytest.approx(3 / 8)
    assert one.endings == {"failures": 1, "no_plan": 1}
    assert one.average_precision == 1.0  # all successes had the higher quality
    assert one.picks_per_hour == pytest.approx(3 * 3600 / (5 * 9.5 + 6 * 0.5))
    assert one.low_over_rounds == pytest.approx(2 / 4)
    assert one.high_over_rounds == pytest.approx(1.0)
    assert (other.rate, other.low_over_rounds, other.cleared) == (1.0, 1.0, 0.25)
    table = format_rounds(records, 9.5)
    assert "1 rounds could not start; the first: no object" in table
    assert "2 objects were not in the workspace" in table


def test_planners_are_compared_over_the_same_rounds():
    (difference,) = compare_rounds([_record(i, "sf", "ss") for i in range(10)])
    assert (difference.first, difference.second) == ("one", "other")
    assert (difference.rate, difference.rate_low, difference.rate_high) == pytest.approx((-0.5, -0.5, -0.5))
    assert difference.cleared == pytest.approx(-0.25)
    assert difference.rate_p_value == difference.cleared_p_value == pytest.approx(2 / 2**10)  # all ten one way
    assert difference.cleared_holm_p_value == difference.cleared_p_value  # one pair


def test_p_values_are_corrected_for_all_pairs():
    records = [_record(i, "sf", "ss") for i in range(6)]
    records = [replace(r, results=r.results | {"third": r.results["one"]}) for r in records]
    found = {(c.first, c.second): c for c in compare_rounds(records)}
    assert found["one", "third"].rate_holm_p_value == 1.0
    assert found["one", "other"].rate_p_value == pytest.approx(2 / 2**6)
    assert found["one", "other"].rate_holm_p_value == pytest.approx(3 * 2 / 2**6)


def test_rounds_are_emptied_where_every_object_was_lifted_and_the_ceiling_is_the_oracles():
    records = [_record(0, "ssss", "ssfss"), _record(1, "ssl", "ssss"), _record(2, "sn", "ss")]
    records = [replace(r, results={"one": r.results["one"], "oracle": r.results["other"]}) for r in records]
    one, oracle = summarise_rounds(records, 9.5)
    assert (one.emptied, oracle.emptied) == (1, 2)
    assert (one.emptied_low, one.emptied_high) == pytest.approx(wilson_interval(1, 3))
    assert oracle.shares_of_ceilings == {}
    share = one.shares_of_ceilings["oracle"]
    assert share.share == pytest.approx(7 / 10)
    assert (share.low, share.high) == pytest.approx((1 / 2, 4 / 4))  # the same round drawn three times
    assert "one lifts 70.0% [50.0, 100.0] of oracle" in format_rounds(records, 9.5)
    assert all(s.shares_of_ceilings == {} for s in summarise_rounds([_record(0, "s")], 9.5))


def test_objects_that_cannot_be_used_are_counted():
    bad = {"lid.stl": "lid.stl: open", "a.stl": "a.stl: empty"}
    records = [replace(_record(i, "s"), passed_over=bad if i else {"lid.stl": "lid.stl: open"}) for i in range(3)]
    assert passed_over(records) == [("lid.stl", 3, "lid.stl: open"), ("a.stl", 2, "a.stl: empty")]
    table = format_rounds(records, 9.5)
    assert "2 objects cannot be used, others stood in for them; the first: lid.stl: open" in table
    assert "cannot be used" not in format_rounds([_record(0, "s")], 9.5)


def test_a_record_survives_the_disk():
    record = _record(3, "sslf", "sn")
    assert repr(from_json(RoundRecord, as_json(record), "here")) == repr(record)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objects": 0}, "objects is 0"),
        ({"scale": (1.0, 0.5)}, "scale is"),
        ({"failures": 0}, "failures is 0"),
        ({"kind": "bin", "fusion": FusionConfig()}, "do not see into a bin"),
        ({"kind": "pile", "places": 20}, "places means nothing for kind 'pile'"),
        ({"kind": "packed", "heap": HeapConfig()}, "heap means nothing for kind 'packed'"),
        ({"kind": "bin", "side": 0.2}, "side means nothing for kind 'bin'"),
        ({"heap": HeapConfig(objects=(2, 9))}, "`objects` says how many"),
        ({"kind": "bin", "heap": HeapConfig(bin_share=0.5)}, "always has a bin"),
    ],
)
def test_settings_that_mean_nothing_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        ClutterConfig(**changes)


@pytest.mark.parametrize(
    "override",
    [
        "trial.object_set=hard", "trial.shift_mm=5", "trial.turn_deg=5", "trial.stable_pose_probability=0.1",
        "trial.scene.yaw=[0, 0]",
    ],
)  # fmt: skip
def test_what_is_for_one_object_is_refused_in_clutter(override):
    with pytest.raises(InputError, match=r"vgn_pile.yaml: trial\.\S+ is .* means nothing in clutter"):
        load_config(ProtocolConfig, "simulate", "vgn_pile", (override,))


def test_fused_views_have_no_sensor_that_could_be_set():
    with pytest.raises(InputError, match=r"depth_scale 1\.03; fused views"):
        load_config(ProtocolConfig, "simulate", "vgn_pile_literature", ("trial.depth_scale=1.03",))
    with pytest.raises(InputError, match="sensor is 'phoxi'"):
        load_config(ProtocolConfig, "simulate", "vgn_packed_literature", ("trial.sensor=phoxi",))


def test_a_section_of_another_kind_is_refused():
    with pytest.raises(InputError, match="belongs to kind 'clutter'"):
        ProtocolConfig(clutter=PILE)
    with pytest.raises(InputError, match="belongs to kind 'clutter'"):
        ProtocolConfig(kind="clutter")


def test_objects_of_the_command_line_need_no_name_like_the_presets_pattern(eight_boxes, tmp_path):
    arguments = ["simulate", "--config", "vgn_packed", "--no-report", "--policy", "antipodal", "--trials", "1"]
    arguments += ["--workers", "1", "--objects", str(eight_boxes), "clutter.objects=1"]
    arguments += ["--output", str(tmp_path / "run")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["rounds"][0]["objects"][0].startswith("box_")
    assert results["protocol_name"] == "vgn_packed"
    said = CliRunner().invoke(main, [*arguments, "trial.objects.pattern=*_visual.obj"])
    assert said.exit_code == 2
    assert "no mesh file has a name like pattern '*_visual.obj'" in said.stderr


def test_a_simulation_of_clutter_writes_results_and_prints_its_table(tmp_path):
    arguments = ["simulate", "--config", "vgn_packed", "--no-report", "--policy", "antipodal", "--trials", "1"]
    arguments += ["--workers", "1"]
    changes = ["clutter.objects=1", 'trial.objects.families=["box"]']
    result = CliRunner().invoke(main, [*arguments, "--output", str(tmp_path / "run"), *changes])
    assert result.exit_code == 0, result.output
    assert "cleared" in result.output
    again = CliRunner().invoke(main, [*arguments, "--resume", "--output", str(tmp_path / "run"), *changes])
    assert again.exit_code == 0, again.output
